//! Durations, sizes, shares, rates, counts and networks as operators write them.
//!
//! A bare number is refused, because nobody can see its unit; 0 needs none.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;
use schemars::Schema;
use schemars::json_schema;

use crate::config::plain::FromText;
use crate::deliver::Rate;

/// The units of a duration. `M` and `y` are left out: one is easily meant as minutes, the other has no fixed length.
const UNITS: [&str; 6] = ["ms", "s", "m", "h", "d", "w"];

/// The times of a rate.
const TIMES: [(&str, Duration); 3] =
    [("s", Duration::from_secs(1)), ("m", Duration::from_secs(60)), ("h", Duration::from_secs(3600))];

/// The most that a rate has in its time.
const MOST: u32 = 1_000_000;

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

/// A network of addresses in CIDR notation, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network(pub(super) IpNet);
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

impl FromText for Rate {
    const WHAT: &'static str = "a rate such as 10/s, 100/m or 1000/h";

    fn from_text(text: &str) -> Result<Rate, String> {
        if is_bare(text) {
            return Err(format!("{text:?} has no unit; write it with one, such as 10/s"));
        }
        let read = || {
            let (number, time) = text.split_once('/')?;
            let posts = number.trim().parse::<NonZeroU32>().ok().filter(|posts| posts.get() <= MOST)?;
            let (_, per) = TIMES.into_iter().find(|(name, _)| *name == time.trim())?;
            Some(Rate { posts, per })
        };
        let wrong = || format!("{text:?} is no rate; write a whole number and its time, such as 10/s, 100/m or 1000/h");
        read().ok_or_else(wrong)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+ */ *[smh]$" })
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

impl FromText for Network {
    const WHAT: &'static str = "a network such as 10.0.0.0/8, or one address";

    fn from_text(text: &str) -> Result<Network, String> {
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        match network {
            Some(network) if network.addr() == network.network() => Ok(Network(network)),
            Some(network) => Err(format!("{text:?} is an address inside of a network; write {}", network.trunc())),
            None => Err(format!("{text:?} is no network; write one such as 10.0.0.0/8 or fd00::/8, or one address")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string" })
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
    fn rates_carry_their_time() {
        let rate = |posts, secs| Rate { posts: NonZeroU32::new(posts).unwrap(), per: Duration::from_secs(secs) };
        check("10/s", Ok(rate(10, 1)));
        check("1 / m", Ok(rate(1, 60)));
        check("1000000/h", Ok(rate(1_000_000, 3600)));
        check::<Rate>("10", Err(r#""10" has no unit; write it with one, such as 10/s"#));
        for bad in ["0/s", "0", "-1/s", "1.5/s", "10/d", "/s", "10/", "1000001/s", "fast"] {
            let text = format!("{bad:?} is no rate; write a whole number and its time, such as 10/s, 100/m or 1000/h");
            check::<Rate>(bad, Err(&text));
        }
    }

    #[test]
    fn what_is_kept_may_be_kept_for_ever() {
        check("forever", Ok(Keep(None)));
        check("1d", Ok(Keep(Some(Duration::from_secs(86400)))));
        check::<Keep>("7", Err(r#""7" has no unit; write it with one, such as 5m, or forever"#));
    }

    #[test]
    fn networks_are_written_with_their_prefix_or_are_one_address() {
        check("10.0.0.0/8", Ok(Network("10.0.0.0/8".parse().unwrap())));
        check("::/0", Ok(Network("::/0".parse().unwrap())));
        check("169.254.169.254", Ok(Network("169.254.169.254/32".parse().unwrap())));
        check("fd00::1", Ok(Network("fd00::1/128".parse().unwrap())));
        check::<Network>("10.1.2.3/8", Err(r#""10.1.2.3/8" is an address inside of a network; write 10.0.0.0/8"#));
        for bad in ["", "10.0.0.0/33", "example.com", "10.0.0.*", "all"] {
            let text = format!("{bad:?} is no network; write one such as 10.0.0.0/8 or fd00::/8, or one address");
            check::<Network>(bad, Err(&text));
        }
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
