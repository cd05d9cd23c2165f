//! The report of a dead letter, as a mail (RFC 5322): a short text for a human, then the original. Pure.
//!
//! The original arrives unchanged: as message/rfc822, without an encoding, as RFC 2046 section 5.2.1 demands. Where it
//! cannot travel so (lines longer than SMTP carries, a lone CR or LF, NUL, or bytes beyond ASCII to a server without
//! 8BITMIME), it is a file `original.eml` in base64.

use std::fmt::Write as _;

use jiff::Timestamp;
use lettre::Address;

use crate::ident::MailboxName;
use crate::ident::MessageId;
use crate::spool::DAMAGED_REMEDY;
use crate::spool::DeadLetter;
use crate::spool::Reason;

/// A larger original is left out: mail servers refuse mail beyond a few tens of MB, and base64 adds a third.
const ORIGINAL_MAX: usize = 10 << 20;
/// The longest line that SMTP carries, without its CRLF (RFC 5321 section 4.5.3.1.6).
const LINE_MAX: usize = 998;
/// Characters of a line of base64 (RFC 2045 section 6.8).
const BASE64_LINE: usize = 76;

/// A report, before it is written.
#[derive(Debug, Clone)]
pub(super) struct Report {
    /// The event's id.
    pub(super) id: MessageId,
    /// When the event was committed.
    pub(super) at: Timestamp,
    /// Who it says that it is from.
    pub(super) from: Address,
    /// Who it is for.
    pub(super) to: Vec<Address>,
    /// Where the mail was taken from.
    pub(super) mailbox: Option<MailboxName>,
    /// When the mail was committed.
    pub(super) spooled_at: Option<Timestamp>,
    /// What happened.
    pub(super) settled: DeadLetter,
    /// The mail; `None` where our copy was erased.
    pub(super) original: Option<Vec<u8>>,
}

/// How the original travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As message/rfc822, where it can.
    AsItIs,
    /// As a file, in base64.
    Encoded,
}

impl Report {
    /// The mail, with CRLF at the end of each line, and the form that its original has in it.
    pub(super) fn write(&self, wanted: Form) -> (Vec<u8>, Form) {
        let attached = self.original.as_deref().filter(|original| original.len() <= ORIGINAL_MAX);
        let form = if attached.is_some_and(|original| !travels_as_it_is(original)) { Form::Encoded } else { wanted };
        let boundary = boundary(attached.unwrap_or_default());
        let mut mail = self.head(&boundary);
        let text = self.text().replace('\n', "\r\n");
        let mut line = |line: &str| {
            mail.push_str(line);
            mail.push_str("\r\n");
        };
        line(&format!("--{boundary}"));
        line("Content-Type: text/plain; charset=utf-8");
        line("Content-Transfer-Encoding: 7bit");
        line("");
        line(&text);
        let Some(original) = attached else {
            line(&format!("--{boundary}--"));
            return (mail.into_bytes(), form);
        };
        line(&format!("--{boundary}"));
        let mut bytes;
        match form {
            Form::AsItIs => {
                line("Content-Type: message/rfc822");
                line("Content-Disposition: attachment; filename=\"original.eml\"");
                line(if original.is_ascii() {
                    "Content-Transfer-Encoding: 7bit"
                } else {
                    "Content-Transfer-Encoding: 8bit"
                });
                line("");
                bytes = mail.into_bytes();
                bytes.extend_from_slice(original);
            }
            Form::Encoded => {
                line("Content-Type: application/octet-stream; name=\"original.eml\"");
                line("Content-Disposition: attachment; filename=\"original.eml\"");
                line("Content-Transfer-Encoding: base64");
                line("");
                bytes = mail.into_bytes();
                bytes.extend(in_base64(original));
            }
        }
        // The CRLF before a boundary belongs to the boundary (RFC 2046 section 5.1.1).
        bytes.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        (bytes, form)
    }

    fn head(&self, boundary: &str) -> String {
        let DeadLetter { endpoint, reason, .. } = &self.settled;
        let to: Vec<&str> = self.to.iter().map(AsRef::as_ref).collect();
        let date = self.at.strftime("%a, %d %b %Y %H:%M:%S +0000");
        format!(
            "From: pophook <{from}>\r\nTo: {to}\r\nSubject: pophook: a mail for {endpoint} could not be delivered ({reason})\r\n\
             Date: {date}\r\nMessage-ID: <{id}@{domain}>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n",
            from = self.from,
            to = to.join(",\r\n "),
            id = self.id,
            domain = self.from.domain(),
        )
    }

    /// What a human needs to know; ASCII.
    fn text(&self) -> String {
        let DeadLetter { mail, endpoint, attempts, .. } = &self.settled;
        let mut text =
            format!("pophook has given up delivering a mail to the endpoint {endpoint}:\n{}.\n\n", self.why());
        // Writing to a text does not fail.
        let mut fact = |name: &str, value: &str| _ = writeln!(text, "  {name:<10} {value}");
        fact("Mail", mail);
        if let Some(mailbox) = &self.mailbox {
            fact("Mailbox", mailbox.as_str());
        }
        if let Some(at) = self.spooled_at {
            fact("Taken", &format!("{at:.0}"));
        }
        fact("Attempts", &attempts.to_string());
        fact("Last end", &self.last_end());
        fact("Given up", &self.settled.settled_at);
        let original = match &self.original {
            None if self.settled.reason == Reason::Damaged.as_str() => {
                format!("Nothing of the mail can be shown. What you can do: {DAMAGED_REMEDY}.")
            }
            None => "Our copy of the mail was erased before this report was sent.".to_owned(),
            Some(original) if original.len() > ORIGINAL_MAX => {
                format!(
                    "With {} bytes the mail is too large to be attached. To get it:\n\n  pophook spool raw {mail} -c FILE",
                    original.len()
                )
            }
            Some(_) => "The mail is attached as it came.".to_owned(),
        };
        let kept = if self.original.is_some() {
            format!(
                "It stays in the list of dead letters until you settle it. Look at what was tried,\n\
                 try it again once the endpoint is mended, or settle it without delivery:\n\n\
                 \x20 pophook spool show {mail} -c FILE\n\
                 \x20 pophook spool retry {mail} -c FILE\n\
                 \x20 pophook spool drop {mail} -c FILE\n"
            )
        } else {
            String::new()
        };
        text + "\n" + &original + "\n\n" + &kept
    }

    fn why(&self) -> &'static str {
        match self.settled.reason.as_str() {
            "refused" => "it refused this mail five times",
            "expired" => "it did not take the mail in the time that it is tried for",
            "too_large" => "the mail has an attachment larger than the endpoint may get",
            "damaged" => "our copy of the mail is damaged",
            _ => "the mail is a dead letter",
        }
    }

    fn last_end(&self) -> String {
        match (&self.settled.last_status, &self.settled.last_error) {
            (Some(status), _) => format!("HTTP {status}"),
            (None, Some(error)) => error.clone(),
            (None, None) => "unknown".to_owned(),
        }
    }
}

/// Whether SMTP carries these lines unchanged. The last one need not end.
fn travels_as_it_is(original: &[u8]) -> bool {
    original.split_inclusive(|byte| *byte == b'\n').all(|line| {
        let text = if line.ends_with(b"\n") { line.strip_suffix(b"\r\n") } else { Some(line) };
        text.is_some_and(|text| text.len() <= LINE_MAX && !text.contains(&b'\r') && !text.contains(&0))
    })
}

/// A line that does not stand in `original`. Drawn by chance, so that nobody can write a mail that holds it.
fn boundary(original: &[u8]) -> String {
    loop {
        let boundary: String = std::iter::repeat_with(fastrand::alphanumeric).take(40).collect();
        if memchr::memmem::find(original, boundary.as_bytes()).is_none() {
            return boundary;
        }
    }
}

fn in_base64(original: &[u8]) -> Vec<u8> {
    let text = base64_simd::STANDARD.encode_to_string(original);
    text.as_bytes().chunks(BASE64_LINE).collect::<Vec<_>>().join(&b"\r\n"[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"Subject: hi\r\n\r\nhello\r\n";

    fn report(original: Option<&[u8]>) -> Report {
        Report {
            id: MessageId::parse("evt_p54ru6mx5sc2wc6slugowgnw2j").unwrap(),
            at: "2026-01-31T12:00:05Z".parse().unwrap(),
            from: "pophook@example.com".parse().unwrap(),
            to: vec!["ops@example.com".parse().unwrap(), "boss@example.com".parse().unwrap()],
            mailbox: Some(MailboxName::parse("support").unwrap()),
            spooled_at: Some("2026-01-31T12:00:00Z".parse().unwrap()),
            settled: DeadLetter {
                mail: "msg_p54ru6mx5sc2wc6slugowgnw2j".to_owned(),
                endpoint: "helpdesk".to_owned(),
                reason: "refused".to_owned(),
                attempts: 5,
                last_status: Some(422),
                last_error: None,
                settled_at: "2026-01-31T12:00:05.000Z".to_owned(),
                unparsed: false,
            },
            original: original.map(<[u8]>::to_vec),
        }
    }

    /// The header of the whole mail, and its parts, without their boundaries.
    fn parts(mail: &[u8]) -> (String, Vec<Vec<u8>>) {
        let text = String::from_utf8_lossy(mail).into_owned();
        let boundary = text.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let line = format!("\r\n--{boundary}");
        let mut at: Vec<usize> = memchr::memmem::find_iter(mail, line.as_bytes()).collect();
        assert!(mail.ends_with(format!("{line}--\r\n").as_bytes()));
        let head = text[..at[0]].to_owned();
        let end = at.pop().unwrap();
        let begins: Vec<usize> = at.iter().map(|at| at + line.len() + 2).collect();
        let ends = at.iter().skip(1).copied().chain([end]);
        (head, begins.into_iter().zip(ends).map(|(begin, end)| mail[begin..end].to_vec()).collect())
    }

    /// The header of a part, and its body.
    fn part(part: &[u8]) -> (String, &[u8]) {
        let blank = memchr::memmem::find(part, b"\r\n\r\n").unwrap();
        (String::from_utf8(part[..blank].to_vec()).unwrap(), &part[blank + 4..])
    }

    #[test]
    fn the_header_says_that_no_human_wrote_it() {
        let (head, parts) = parts(&report(Some(PLAIN)).write(Form::AsItIs).0);
        for line in [
            "From: pophook <pophook@example.com>",
            "To: ops@example.com,\r\n boss@example.com",
            "Subject: pophook: a mail for helpdesk could not be delivered (refused)",
            "Date: Sat, 31 Jan 2026 12:00:05 +0000",
            "Message-ID: <evt_p54ru6mx5sc2wc6slugowgnw2j@example.com>",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(head.contains(line), "{line}: {head}");
        }
        let text = String::from_utf8(parts[0].clone()).unwrap();
        assert!(text.is_ascii() && text.split("\r\n").all(|line| line.len() < 90 && !line.contains('\n')), "{text}");
        for told in ["helpdesk", "msg_p54ru6mx5sc2wc6slugowgnw2j", "support", "HTTP 422", "spool retry", "five times"] {
            assert!(text.contains(told), "{told}: {text}");
        }
    }

    /// An original, and how it travels: it always arrives byte for byte.
    fn check(original: &[u8], wanted: Form, expected: Form, encoding: &str) {
        let (mail, form) = report(Some(original)).write(wanted);
        assert_eq!(form, expected, "{:?}", String::from_utf8_lossy(original));
        let (_, parts) = parts(&mail);
        let (head, body) = part(&parts[1]);
        assert!(head.contains(&format!("Content-Transfer-Encoding: {encoding}")), "{head}");
        match form {
            Form::AsItIs => {
                assert!(head.starts_with("Content-Type: message/rfc822"), "{head}");
                assert_eq!(body, original);
            }
            Form::Encoded => {
                assert!(head.starts_with("Content-Type: application/octet-stream"), "{head}");
                let text: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
                assert_eq!(base64_simd::STANDARD.decode_to_vec(text).unwrap(), original);
                assert!(mail.is_ascii() && mail.split(|byte| *byte == b'\n').all(|line| line.len() <= 100));
            }
        }
    }

    #[test]
    fn the_original_arrives_unchanged_whatever_it_is() {
        use Form::AsItIs;
        use Form::Encoded;
        check(PLAIN, AsItIs, AsItIs, "7bit");
        check(b"Subject: hi\r\n\r\nno end", AsItIs, AsItIs, "7bit");
        check(b"", AsItIs, AsItIs, "7bit");
        check("Subject: ü\r\n\r\nü\r\n".as_bytes(), AsItIs, AsItIs, "8bit");
        check("Subject: ü\r\n\r\nü\r\n".as_bytes(), Encoded, Encoded, "base64");
        check(&[b"a".repeat(998), b"\r\n".to_vec()].concat(), AsItIs, AsItIs, "7bit");
        check(&[b"a".repeat(999), b"\r\n".to_vec()].concat(), AsItIs, Encoded, "base64");
        check(b"Subject: hi\n\nhello\n", AsItIs, Encoded, "base64");
        check(b"Subject: hi\r\n\r\nhel\rlo\r\n", AsItIs, Encoded, "base64");
        check(b"Subject: hi\r\n\r\nhello\r", AsItIs, Encoded, "base64");
        check(b"Subject: hi\r\n\r\nhel\0lo\r\n", AsItIs, Encoded, "base64");
    }

    #[test]
    fn what_is_not_attached_is_told_with_how_to_get_it() {
        let text = |original: Option<&[u8]>| {
            let (_, parts) = parts(&report(original).write(Form::AsItIs).0);
            assert_eq!(parts.len(), 1);
            String::from_utf8(parts[0].clone()).unwrap()
        };
        assert!(
            text(Some(&b"a".repeat(ORIGINAL_MAX + 1))).contains("pophook spool raw msg_p54ru6mx5sc2wc6slugowgnw2j")
        );
        let erased = text(None);
        assert!(erased.contains("erased") && !erased.contains("spool retry"), "{erased}");
    }
}
