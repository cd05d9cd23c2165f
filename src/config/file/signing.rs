//! The shape of one signing key: a secret, or a secret with the time in which it is valid.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use schemars::json_schema;
use serde::Deserialize;
use serde::Deserializer;
use serde::de;
use serde::de::DeserializeSeed;
use serde::de::IntoDeserializer as _;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde::de::value::MapAccessDeserializer;

use crate::config::plain::FromText;
use crate::config::plain::Plain;
use crate::config::secret::Form;
use crate::config::secret::Source;

/// The keys of a [`DatedKey`], of which one comes first in a mapping that is meant to be one.
const KEYS: [&str; 3] = ["key", "not_before", "not_after"];

/// One signing key.
#[derive(Debug)]
pub(in crate::config) enum SigningKey {
    /// It is always valid.
    Plain(Source),
    /// It is valid at times.
    Dated(DatedKey),
}

/// A signing key, and when it is valid.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct DatedKey {
    /// The key.
    #[schemars(required)]
    pub(in crate::config) key: Option<Source>,
    /// From when on it is valid: a date (from 00:00 UTC on), or a time by RFC 3339. Default: always.
    pub(in crate::config) not_before: Option<Plain<Moment>>,
    /// How long it is valid: a date (to the end of that day in UTC), or a time by RFC 3339. Default: for ever.
    pub(in crate::config) not_after: Option<Plain<Moment>>,
}

/// A date or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Moment {
    Date(Date),
    Time(Timestamp),
}

impl Moment {
    /// The time, or the first instant of the day.
    pub(in crate::config) fn beginning(self) -> Timestamp {
        match self {
            Moment::Time(time) => time,
            Moment::Date(date) => TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).unwrap_or(Timestamp::MIN),
        }
    }

    /// The time, or the first instant after the day.
    pub(in crate::config) fn end(self) -> Timestamp {
        match self {
            Moment::Time(time) => time,
            Moment::Date(date) => date.tomorrow().map_or(Timestamp::MAX, |next| Moment::Date(next).beginning()),
        }
    }
}

impl FromText for Moment {
    const WHAT: &'static str = "a date or a time, such as 2026-12-31 or 2026-12-31T12:00:00Z";

    fn from_text(text: &str) -> Result<Moment, String> {
        let date = text.len() <= "2026-12-31".len();
        let found = if date { text.parse().map(Moment::Date) } else { text.parse().map(Moment::Time) };
        found.map_err(|_| format!("{text:?} is no date or time; write one such as 2026-12-31 or 2026-12-31T12:00:00Z"))
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "type": "string", "format": "date" }, { "type": "string", "format": "date-time" }] })
    }
}

impl<'de> Deserialize<'de> for SigningKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SigningKey, D::Error> {
        deserializer.deserialize_any(Entry)
    }
}

struct Entry;

impl<'de> Visitor<'de> for Entry {
    type Value = SigningKey;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SigningKey, E> {
        Form.visit_str(text).map(SigningKey::Plain)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SigningKey, A::Error> {
        let first = map.next_key::<String>()?;
        if first.as_deref().is_some_and(|first| KEYS.contains(&first)) {
            let whole = MapAccessDeserializer::new(Begun { first, rest: map });
            return DatedKey::deserialize(whole).map(SigningKey::Dated);
        }
        let or = ", or { key: SECRET, not_before: TIME, not_after: TIME }";
        Form::of_map(first.as_deref(), map, or).map(SigningKey::Plain)
    }

    // As for any secret, the default would repeat the value.
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<SigningKey, E> {
        Form.visit_u64(number).map(SigningKey::Plain)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<SigningKey, E> {
        Form.visit_i64(number).map(SigningKey::Plain)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<SigningKey, E> {
        Form.visit_f64(number).map(SigningKey::Plain)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<SigningKey, E> {
        Form.visit_bool(value).map(SigningKey::Plain)
    }
}

/// A mapping whose first key was read already.
struct Begun<A> {
    first: Option<String>,
    rest: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Begun<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match self.first.take() {
            Some(first) => seed.deserialize(first.into_deserializer()).map(Some),
            None => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.rest.next_value_seed(seed)
    }
}

impl JsonSchema for SigningKey {
    fn schema_name() -> Cow<'static, str> {
        "SigningKey".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let plain = generator.subschema_for::<Source>();
        let dated = generator.subschema_for::<DatedKey>();
        json_schema!({
            "description": "A key that signs, or a key with the time in which it is valid.",
            "anyOf": [plain, dated],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_lasts_from_its_first_instant_to_that_of_the_next() {
        let check = |text: &str, beginning: &str, end: &str| {
            let moment = Moment::from_text(text).unwrap();
            assert_eq!((moment.beginning().to_string(), moment.end().to_string()), (beginning.into(), end.into()));
        };
        check("2026-12-31", "2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z");
        check("2026-12-31T12:00:00Z", "2026-12-31T12:00:00Z", "2026-12-31T12:00:00Z");
        check("2026-12-31T12:00:00.5+02:00", "2026-12-31T10:00:00.5Z", "2026-12-31T10:00:00.5Z");
        assert_eq!(Moment::from_text("9999-12-31").unwrap().end(), Timestamp::MAX);
        for bad in ["", "soon", "2026-02-30", "20261231T1", "2026-12-31T12:00:00", "2026-12-31T12", "1767182400"] {
            assert!(Moment::from_text(bad).is_err(), "{bad:?}");
        }
    }
}
