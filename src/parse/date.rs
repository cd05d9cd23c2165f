//! The Date field as RFC 3339 with the offset that the sender wrote.

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use crate::parse::DefectKind;
use crate::parse::defects::Defects;
use crate::parse::encoded_word;

/// Longer ones are no dates.
const DATE_MAX: usize = 200;

/// Reads a Date field; one that is no date is a defect.
pub(super) fn rfc3339(value: &[u8], defects: &mut Defects) -> Option<String> {
    let mut line = encoded_word::unfold(value.get(..DATE_MAX).unwrap_or(value)).trim_ascii().to_vec();
    line.push(b'\n');
    let date = match MessageStream::new(&line).parse_date() {
        HeaderValue::DateTime(date) if date.is_valid() && is_day(date.year, date.month, date.day) => date.to_rfc3339(),
        _ => {
            defects.add(DefectKind::InvalidDate, "the Date field is no date");
            return None;
        }
    };
    Some(date)
}

/// Whether the calendar has this day.
fn is_day(year: u16, month: u8, day: u8) -> bool {
    let (Ok(year), Ok(month), Ok(day)) = (i16::try_from(year), i8::try_from(month), i8::try_from(day)) else {
        return false;
    };
    jiff::civil::Date::new(year, month, day).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: Option<&str>) {
        let mut defects = Defects::default();
        assert_eq!(rfc3339(value.as_bytes(), &mut defects).as_deref(), expected, "{value:?}");
        assert_eq!(defects.into_vec().is_empty(), expected.is_some(), "{value:?}");
    }

    #[test]
    fn dates_keep_their_own_offset() {
        for (value, expected) in [
            (" Thu, 02 Oct 2025 10:11:12 +0200\r\n", "2025-10-02T10:11:12+02:00"),
            ("2 Oct 2025 10:11:12 -0730 (comment)", "2025-10-02T10:11:12-07:30"),
            ("Thu, 02 Oct 2025 10:11:12 GMT", "2025-10-02T10:11:12Z"),
            ("Thu, 02 Oct 2025\r\n 10:11 +0000", "2025-10-02T10:11:00Z"),
            ("Thu, 02 Oct 25 10:11:12 EST", "2025-10-02T10:11:12-05:00"),
        ] {
            check(value, Some(expected));
        }
    }

    #[test]
    fn what_is_no_date_is_a_defect() {
        for value in
            ["", "yesterday", "31 Feb 2025 10:11:12 +0000", "32 Oct 2025 10:11:12 +0000", "1 Jan 2025 25:00 +0000"]
        {
            check(value, None);
        }
    }
}
