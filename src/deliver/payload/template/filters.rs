//! What templates can do to a text beside what every template can.

use std::fmt::Display;

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use minijinja::Environment;
use minijinja::Error;
use minijinja::ErrorKind;
use minijinja::Value;

use crate::parse::html_to_text;

/// Adds the filters `date`, `html_to_text`, `truncate` and `urlencode`; `tojson` is there already.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter("date", date);
    environment.add_filter("html_to_text", |html: &str| html_to_text(html));
    environment.add_filter("truncate", truncate);
    environment.add_filter("urlencode", |value: &Value| Value::from_safe_string(encoded(value)));
}

/// A value as it stands in a form or a query; nothing for null.
pub(super) fn encoded(value: &Value) -> String {
    if value.is_safe() {
        return value.to_string();
    }
    let text = if value.is_none() { String::new() } else { value.to_string() };
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A date of the payload by a format of `strftime`, in a time zone such as `Europe/Berlin`; without one, in UTC.
fn date(date: &str, format: &str, zone: Option<&str>) -> Result<String, Error> {
    let at: Timestamp = date.parse().map_err(|_| wrong("date needs a time as RFC 3339 writes it"))?;
    let zone = match zone {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(name).map_err(|_| wrong(format!("there is no time zone {name:?} here")))?,
    };
    strtime::format(format, &at.to_zoned_datetime(zone))
        .map_err(|error| wrong(format!("date cannot write {format:?}: {error}")))
}

/// At most `most` characters; what is cut ends with an ellipsis.
fn truncate(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    let ellipsis = if most == 0 { "" } else { "\u{2026}" };
    format!("{}{ellipsis}", kept.trim_end())
}

fn wrong(text: impl Display) -> Error {
    Error::new(ErrorKind::InvalidOperation, text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_asked_is_kept() {
        for (text, most, expected) in [
            ("", 0, ""),
            ("abc", 3, "abc"),
            ("abcd", 3, "ab\u{2026}"),
            ("ab d", 3, "ab\u{2026}"),
            ("a  bcd", 3, "a\u{2026}"),
            ("\u{1f4a9}\u{1f4a9}\u{1f4a9}", 2, "\u{1f4a9}\u{2026}"),
            ("abc", 1, "\u{2026}"),
            ("abc", 0, ""),
        ] {
            assert_eq!(truncate(text, most), expected, "{text}");
        }
    }
}
