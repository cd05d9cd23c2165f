//! The date of a message, as `start_from` needs it, and where its header ends: a small reader for the answer to
//! `TOP n 0`.
//!
//! RFC 5322 sections 2.2.3 (folding), 3.3 (dates) and 3.6.7 (trace). The topmost Received field was written by the
//! server that took the mail, so its date is believed before the sender's Date field. Pure. It reads two fields and is
//! no mail parser; what it cannot read is `None`, and the message is then taken.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::wire;

/// Real mails bear wrong weekdays; the rest of such a date is good.
static DATES: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);

/// When the message with this header was received: the date of the topmost Received field, else the Date field.
pub(super) fn date(header: &[u8]) -> Option<Timestamp> {
    let fields = fields(header);
    let first = |name: &str| fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let received = first("Received").and_then(|value| parse(value.rsplit_once(';')?.1));
    received.or_else(|| parse(first("Date")?))
}

/// Where the header ends: behind the first blank line that follows a field. Some servers answer `TOP n 0` with more.
pub(super) fn end(top: &[u8]) -> usize {
    let (mut end, mut fields) = (0, false);
    for line in top.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        let blank = matches!(line, b"\n" | b"\r\n");
        if blank && fields {
            break;
        }
        fields |= !blank;
    }
    end
}

/// The fields of a header, unfolded, up to the first blank line that follows a field.
fn fields(header: &[u8]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in wire::lines(header) {
        if line.is_empty() && !fields.is_empty() {
            break;
        }
        let line = String::from_utf8_lossy(line);
        if line.starts_with([' ', '\t']) {
            let Some((_, value)) = fields.last_mut() else { continue };
            value.push_str(&line);
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim_end().to_owned(), value.to_owned()));
        }
    }
    fields
}

/// Reads a date; comments, which mostly repeat the zone, are left out.
fn parse(date: &str) -> Option<Timestamp> {
    let mut depth = 0_u32;
    let mut plain = String::new();
    for c in date.chars() {
        match c {
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    DATES.parse_timestamp(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expected: Option<&str>) {
        let expected = expected.map(|time| time.parse::<Timestamp>().unwrap());
        assert_eq!(date(header.as_bytes()), expected, "{header:?}");
        assert_eq!(date(header.replace("\r\n", "\n").as_bytes()), expected, "{header:?} with bare LF");
    }

    #[test]
    fn the_topmost_received_field_is_believed_first() {
        check(
            "Return-Path: <a@b>\r\nReceived: from a by b (x; y)\r\n\tid 1; Wed, 31 Jan 2024\r\n 10:00:00 +0100 (CET)\r\n\
             Received: by c; Mon, 1 Jan 2024 00:00:00 +0000\r\nDate: Tue, 2 Jan 2024 00:00:00 +0000\r\n\r\n",
            Some("2024-01-31T09:00:00Z"),
        );
    }

    #[test]
    fn the_date_field_stands_in() {
        let date = Some("2024-01-02T00:00:00Z");
        check("Date: Tue, 2 Jan 2024 00:00:00 +0000\r\n", date);
        check("dAtE : 2 Jan 24 00:00 GMT\r\n\r\n", date);
        check("Received: nonsense; yesterday\r\nDate: Tue, 2 Jan 2024 (a (b)) 00:00:00 UT\r\n\r\n", date);
        check("Received: no date\r\nDate: Mon, 2 Jan 2024 00:00:00 -0000\r\n\r\n", date);
        check("\r\n\r\nSubject: x\r\nDate: Tue,  2 Jan 2024 00:00:00 +0000\r\n\r\n", date);
    }

    #[test]
    fn what_cannot_be_read_is_no_date() {
        for header in [
            "",
            "\r\n",
            "Subject: x\r\n\r\nDate: Tue, 2 Jan 2024 00:00:00 +0000\r\n",
            "Date: soon\r\n\r\n",
            "Date:\r\n\r\n",
            " Date: Tue, 2 Jan 2024 00:00:00 +0000\r\n\r\n",
            "X-Date: Tue, 2 Jan 2024 00:00:00 +0000\r\n\r\n",
            "Date: Tue, 32 Jan 2024 00:00:00 +0000\r\n\r\n",
            "Date: Tue, 2 Jan 2024 00:00:00\r\n\r\n",
        ] {
            check(header, None);
        }
    }

    #[test]
    fn a_header_ends_where_the_text_begins() {
        let check = |top: &str, header: &str| assert_eq!(top.get(..end(top.as_bytes())), Some(header), "{top:?}");
        check("A: b\r\n\r\n", "A: b\r\n\r\n");
        check("A: b\r\n\r\ntext\r\n", "A: b\r\n\r\n");
        check("A: b\n c\n\ntext", "A: b\n c\n\n");
        check("\r\nA: b\r\n", "\r\nA: b\r\n");
        check("A: b", "A: b");
        check("", "");
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        let header = b"\xff\xfe: \x80\r\nSubject: \xe9\r\nDate: Tue, 2 Jan 2024 00:00:00 +0000\r\n\r\n";
        assert_eq!(date(header), Some("2024-01-02T00:00:00Z".parse().unwrap()));
    }
}
