//! Values that are written as one word: a duration, a size, a choice.
//!
//! YAML guesses a type for each unquoted word. Here the word alone counts, so `5`, `"5"` and `5.0` get the same answer,
//! and the answer is ours: it says what to write instead.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use serde::Deserialize;
use serde::Deserializer;
use serde::de;
use serde::de::Visitor;

/// A value that is read from one word. None of these is a secret: the error may repeat the word.
pub(super) trait FromText: Sized {
    /// What belongs here, for one who wrote a list or a mapping.
    const WHAT: &'static str;

    /// Reads `text`; the error is the problem's text.
    fn from_text(text: &str) -> Result<Self, String>;

    /// What editors are told.
    fn schema() -> Schema;
}

/// A value that is read from one word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain<T>(pub(super) T);

/// The value that was written, or `default`.
pub(super) fn or<T: Copy>(written: &Option<Plain<T>>, default: T) -> T {
    written.as_ref().map_or(default, |plain| plain.0)
}

impl<'de, T: FromText> Deserialize<'de> for Plain<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Plain<T>, D::Error> {
        deserializer.deserialize_any(Word(PhantomData)).map(Plain)
    }
}

impl<T: FromText> JsonSchema for Plain<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::WHAT.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

struct Word<T>(PhantomData<T>);

impl<T: FromText> Visitor<'_> for Word<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<T, E> {
        self.visit_str(if value { "true" } else { "false" })
    }
}
