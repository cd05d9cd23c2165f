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
use crate::spool::DeadLetter;

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
                "It stays in the list of dead letters until you settle it:\n\n\
                 \x20 pophook spool show {mail} -c FILE     what was tried, and what was answered\n\
                 \x20 pophook spool retry {mail} -c FILE    try again, once the endpoint is mended\n\
                 \x20 pophook spool drop {mail} -c FILE     settle it without delivery\n"
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
