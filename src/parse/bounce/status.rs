//! The machine-readable part of a delivery status notification (RFC 3464 section 2): groups of fields, the first about
//! the message, each other one about a recipient.
//!
//! Tolerated: groups that are not parted by a blank line, addresses without a type, a status that stands only in the
//! diagnostic.

use crate::parse::Bounce;
use crate::parse::BouncedRecipient;
use crate::parse::encoded_word;
use crate::parse::fields::Field;
use crate::parse::fields::Fields;
use crate::parse::report;

/// Recipients beyond these stay in the attachment.
const RECIPIENTS_MAX: usize = 10_000;

/// Reads `status`, the decoded part.
pub(super) fn read(status: &[u8]) -> Bounce {
    let mut bounce = Bounce::default();
    let mut rest = status;
    while !rest.is_empty() {
        let mut fields = Fields::of(rest);
        let mut draft = Draft::default();
        for field in fields.by_ref() {
            if field.is("Reporting-MTA") {
                let name = value(field);
                let name = name.split_once(';').map_or(&*name, |(_, name)| name).trim();
                bounce.reporting_mta = bounce.reporting_mta.or_else(|| Some(name.to_owned()).filter(|n| !n.is_empty()));
            } else if field.is("Final-Recipient") && draft.last.is_some() {
                // Nobody parted the groups.
                bounce.recipients.extend(std::mem::take(&mut draft).finish());
                draft.take(field);
            } else {
                draft.take(field);
            }
        }
        bounce.recipients.extend(draft.finish());
        let after = fields.into_body();
        // A line that is no field ends a header; here it is passed over.
        rest = if after.len() < rest.len() { after } else { after_line(rest) };
    }
    bounce.recipients.truncate(RECIPIENTS_MAX);
    bounce
}

/// A recipient whose fields are being read.
#[derive(Debug, Default)]
struct Draft {
    first: Option<String>,
    last: Option<String>,
    action: Option<String>,
    status: Option<String>,
    diagnostic: Option<String>,
}

impl Draft {
    /// Takes a field; of repeated ones the first counts.
    fn take(&mut self, field: Field<'_>) {
        let (place, given) = if field.is("Final-Recipient") {
            (&mut self.last, report::address(&value(field)))
        } else if field.is("Original-Recipient") {
            (&mut self.first, report::address(&value(field)))
        } else if field.is("Action") {
            (&mut self.action, word(&value(field)))
        } else if field.is("Status") {
            (&mut self.status, code(&value(field)))
        } else if field.is("Diagnostic-Code") {
            (&mut self.diagnostic, Some(value(field)).filter(|text| !text.is_empty()))
        } else {
            return;
        };
        if place.is_none() {
            *place = given;
        }
    }

    fn finish(self) -> Option<BouncedRecipient> {
        let Draft { first, last, action, status, diagnostic } = self;
        let address = last.or_else(|| first.clone())?;
        let original_address = first.filter(|first| !first.eq_ignore_ascii_case(&address));
        let status = status.or_else(|| diagnostic.as_deref().and_then(code));
        let action = action.or_else(|| status.as_deref().and_then(implied).map(str::to_owned));
        Some(BouncedRecipient { address, original_address, action, status, diagnostic })
    }
}

/// The field's value in one line.
fn value(field: Field<'_>) -> String {
    let text = encoded_word::text(field.value).0;
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first word in lower case; a comment may follow.
fn word(value: &str) -> Option<String> {
    let word = value.split([' ', '(', ';']).next().unwrap_or_default().to_ascii_lowercase();
    Some(word).filter(|word| !word.is_empty())
}

/// What a status without an action means.
fn implied(status: &str) -> Option<&'static str> {
    match status.as_bytes().first()? {
        b'5' => Some("failed"),
        b'4' => Some("delayed"),
        b'2' => Some("delivered"),
        _ => None,
    }
}

/// The first enhanced status code in `text` (RFC 3463 section 2).
pub(super) fn code(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').map(|word| word.trim_end_matches('.'));
    let is_code = |word: &&str| {
        let mut fields = word.split('.');
        let class = matches!(fields.next(), Some("2" | "4" | "5"));
        let rest: Vec<&str> = fields.collect();
        let number = |field: &&str| (1..=3).contains(&field.len()) && field.bytes().all(|b| b.is_ascii_digit());
        class && rest.len() == 2 && rest.iter().all(number)
    };
    words.into_iter().find(is_code).map(str::to_owned)
}

fn after_line(text: &[u8]) -> &[u8] {
    memchr::memchr(b'\n', text).and_then(|at| text.get(at + 1..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(status: &str) -> String {
        let bounce = read(status.as_bytes());
        let mut line = bounce.reporting_mta.unwrap_or_else(|| "-".to_owned());
        for one in bounce.recipients {
            let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let of = format!("{} {} {}", or(one.original_address), or(one.action), or(one.status));
            line += &format!(" [{} {of} {}]", one.address, or(one.diagnostic));
        }
        line
    }

    #[test]
    fn what_is_no_report_says_nothing() {
        for status in ["", "\n\n\n", "words\nmore words", "Action: failed\n\nStatus: 5.0.0", "Final-Recipient: rfc822;"]
        {
            assert_eq!(outline(status), "-", "{status:?}");
        }
        assert_eq!(outline(&"words\n".repeat(50_000)), "-");
        assert_eq!(outline(&"\n".repeat(50_000)), "-");
        assert_eq!(read("Final-Recipient: a\n".repeat(20_000).as_bytes()).recipients.len(), RECIPIENTS_MAX);
    }

    #[test]
    fn each_recipient_with_its_own_fate() {
        for (status, expected) in [
            (
                "Reporting-MTA: dns; mx.example.com\n\nFinal-Recipient: rfc822; a@b\nAction: failed\nStatus: 5.1.1\n\
                 Diagnostic-Code: smtp; 550 5.1.1\n  no such user\n\nFinal-Recipient: rfc822;<c@d>\nAction: Delayed\n\
                 Status: 4.4.1 (timed out)\n",
                "mx.example.com [a@b - failed 5.1.1 smtp; 550 5.1.1 no such user] [c@d - delayed 4.4.1 -]",
            ),
            (
                "Original-Recipient: rfc822; a+2Bx@b\nFinal-Recipient: rfc822; e+42@f\nAction: failed (no)\n",
                "- [e+42@f a+x@b failed - -]",
            ),
            (
                "Final-Recipient: a@b\nDiagnostic-Code: x; 450-4.7.1 later.",
                "- [a@b - delayed 4.7.1 x; 450-4.7.1 later.]",
            ),
            ("Original-Recipient: rfc822; A@b\nFinal-Recipient: RFC822; a@b\n", "- [a@b - - - -]"),
            (
                "Reporting-MTA: mx\nFinal-Recipient: rfc822; a@b\nStatus: 5.0.0\nFinal-Recipient: rfc822; c@d\n",
                "mx [a@b - failed 5.0.0 -] [c@d - - - -]",
            ),
            ("garbage\nmore\n\nFinal-Recipient: rfc822; a@b\r\nAction: relayed\r\n", "- [a@b - relayed - -]"),
        ] {
            assert_eq!(outline(status), expected, "{status:?}");
        }
    }

    #[test]
    fn status_codes_are_told_from_other_numbers() {
        for (text, expected) in [
            ("550 5.1.1 x", Some("5.1.1")),
            ("smtp;550-5.7.26.", Some("5.7.26")),
            ("(#5.1.2)", Some("5.1.2")),
            ("host 5.6.7.8 said", None),
            ("version 3.1.1", None),
            ("5.1", None),
            ("5.1234.1", None),
        ] {
            assert_eq!(code(text).as_deref(), expected, "{text:?}");
        }
    }
}
