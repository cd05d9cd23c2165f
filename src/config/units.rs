//! Durations, sizes, shares and counts as operators write them.
//!
//! A bare number is refused, because nobody can see its unit; 0 needs none.

use std::time::Duration;

use bytesize::ByteSize;
use schemars::Schema;
use schemars::json_schema;

use crate::config::plain::FromText;

/// The units of a duration. `M` and `y` are left out: one is easily meant as minutes, the other has no fixed length.
const UNITS: [&str; 6] = ["ms", "s", "m", "h", "d", "w"];

/// The longest duration, 100 years: beyond it a sum with a date may leave the calendar.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The largest size, in bytes: what a signed 64-bit column holds.
const LARGEST: u64 = i64::MAX.unsigned_abs();

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

/// A share of 1 to 100 percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Percent(pub(super) u8);

/// A time to keep something, or for ever (`None`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keep(pub(super) Option<Duration>);

/// The time between two looks, or never (`None`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Every(pub(super) Option<Duration>);

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Within<const MIN: usize, const MAX: usize>(pub(super) usize);

impl FromText for Duration {
    const WHAT: &'static str = "a duration such as 30s, 5m, 1h or 7d";

    fn from_text(text: &str) -> Result<Duration, String> {
        let known = |unit: &str| UNITS.contains(&unit);
        if is_bare(text) {
            return Err(format!("{text:?} has no unit; write it with one, such as 5m"));
        }
        let units_known = text.split(|c: char| !c.is_alphabetic()).filter(|unit| !unit.is_empty()).all(known);
        match humantime::parse_duration(text) {
            Ok(duration) if units_known && duration <= LONGEST => Ok(duration),
            Ok(_) if units_known => Err(format!("{text:?} is longer than 100 years; write a shorter one")),
            Ok(_) | Err(_) => Err(format!("{text:?} is no duration; write one such as 30s, 5m, 1h or 7d")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "type": "string", "pattern": "^([0-9.]+ *(ms|s|m|h|d|w) *)+$|^0$" }, { "const": 0 }] })
    }
}

impl FromText for Size {
    const WHAT: &'static str = "a size such as 50MiB or 10GiB";

    fn from_text(text: &str) -> Result<Size, String> {
        if is_bare(text) {
            return Err(format!("{text:?} has no unit; write it with one, such as 50MiB"));
        }
        match text.parse::<ByteSize>() {
            Ok(ByteSize(bytes)) if bytes <= LARGEST => Ok(Size(bytes)),
            Ok(_) => Err(format!("{text:?} is too large; write a smaller size")),
            Err(_) => Err(format!("{text:?} is no size; write one such as 50MiB or 10GiB")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "type": "string", "pattern": "^[0-9.]+ *[kKMGTPE]?i?B?$" }, { "const": 0 }] })
    }
}

impl FromText for Percent {
    const WHAT: &'static str = "a share such as 25%";

    fn from_text(text: &str) -> Result<Percent, String> {
        if is_bare(text) {
            return Err(format!("{text:?} has no unit; write it with one, such as 25%"));
        }
        match text.strip_suffix('%').and_then(|number| number.trim_end().parse().ok()) {
            Some(share @ 1..=100) => Ok(Percent(share)),
            Some(_) | None => Err(format!("{text:?} is no share; write a whole number from 1% to 100%")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+ *%$" })
    }
}

impl FromText for Keep {
    const WHAT: &'static str = "forever, or a duration such as 90d";

    fn from_text(text: &str) -> Result<Keep, String> {
        match text {
            "forever" => Ok(Keep(None)),
            _ => Ok(Keep(Some(Duration::from_text(text).map_err(|text| format!("{text}, or forever"))?))),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "const": "forever" }, Duration::schema()] })
    }
}

impl FromText for Every {
    const WHAT: &'static str = "a duration such as 5s, or off";

    fn from_text(text: &str) -> Result<Every, String> {
        match text {
            "off" | "false" => Ok(Every(None)),
            _ => Ok(Every(Some(Duration::from_text(text).map_err(|text| format!("{text}, or off"))?))),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "enum": ["off", false] }, Duration::schema()] })
    }
}

impl<const MIN: usize, const MAX: usize> FromText for Within<MIN, MAX> {
    const WHAT: &'static str = "a whole number";

    fn from_text(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(number) if (MIN..=MAX).contains(&number) => Ok(Within(number)),
            Ok(_) | Err(_) => Err(format!("{text:?} does not fit; write a whole number from {MIN} to {MAX}")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// Whether `text` is a number other than 0.
fn is_bare(text: &str) -> bool {
    text.parse::<f64>().is_ok() && text != "0"
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn check<T: FromText + Debug + PartialEq>(text: &str, expected: Result<T, &str>) {
        assert_eq!(T::from_text(text), expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn durations_carry_their_unit() {
        check("30s", Ok(Duration::from_secs(30)));
        check("5m", Ok(Duration::from_secs(300)));
        check("1h 30m", Ok(Duration::from_secs(5400)));
        check("7d", Ok(Duration::from_secs(7 * 86400)));
        check("100ms", Ok(Duration::from_millis(100)));
        check("0", Ok(Duration::ZERO));
        check::<Duration>("5", Err(r#""5" has no unit; write it with one, such as 5m"#));
        check::<Duration>("-1", Err(r#""-1" has no unit; write it with one, such as 5m"#));
        for bad in ["", "5M", "1y", "soon", "5 parsecs", "-5m", "false"] {
            let text = format!("{bad:?} is no duration; write one such as 30s, 5m, 1h or 7d");
            check::<Duration>(bad, Err(&text));
        }
        check::<Duration>("36501d", Err(r#""36501d" is longer than 100 years; write a shorter one"#));
    }

    #[test]
    fn sizes_carry_their_unit() {
        check("50MiB", Ok(Size(50 << 20)));
        check("10 GiB", Ok(Size(10 << 30)));
        check("1.5kB", Ok(Size(1500)));
        check("0", Ok(Size(0)));
        check::<Size>("5", Err(r#""5" has no unit; write it with one, such as 50MiB"#));
        check::<Size>("5 apples", Err(r#""5 apples" is no size; write one such as 50MiB or 10GiB"#));
        check::<Size>("9EiB", Err(r#""9EiB" is too large; write a smaller size"#));
    }

    #[test]
    fn shares_are_percents() {
        check("25%", Ok(Percent(25)));
        check::<Percent>("25", Err(r#""25" has no unit; write it with one, such as 25%"#));
        for bad in ["0%", "101%", "a quarter", "%"] {
            let text = format!("{bad:?} is no share; write a whole number from 1% to 100%");
            check::<Percent>(bad, Err(&text));
        }
    }

    #[test]
    fn what_is_kept_may_be_kept_for_ever() {
        check("forever", Ok(Keep(None)));
        check("1d", Ok(Keep(Some(Duration::from_secs(86400)))));
        check::<Keep>("7", Err(r#""7" has no unit; write it with one, such as 5m, or forever"#));
    }

    #[test]
    fn counts_stay_within_their_bounds() {
        check("64", Ok(Within::<1, 64>(64)));
        for bad in ["0", "65", "-1", "1.5", "many"] {
            let text = format!("{bad:?} does not fit; write a whole number from 1 to 64");
            check::<Within<1, 64>>(bad, Err(&text));
        }
    }
}
