//! The letter: raw bytes in, a [`Mail`] and its defects out. Never fails.
//!
//! Whatever the bytes are, the time is linear in their number and so is the memory: the tree of parts is walked here,
//! with a limit on its depth and on the number of parts, and a part that is a whole mail stays one attachment.
//! `mail-parser` reads what stands inside: addresses and dates. Its own walk over a whole
//! message is not used, because it nests as deep as the sender likes and reads the rest of the mail anew for each
//! boundary that never comes. Should it panic, the mail keeps its header and says so.
//!
//! Nothing here does I/O. RFC 5322, 2045 to 2047, 2183, 2231, 6532.

mod address;
mod attachment;
mod auth_results;
mod auto_reply;
mod body;
mod bounce;
mod calendar;
mod charset;
mod complaint;
mod content;
mod date;
mod defects;
mod encoded_word;
mod fields;
mod filename;
mod flowed;
mod forwarded;
mod header;
mod html_text;
mod kind;
mod list;
mod mail;
mod message_id;
mod mime;
mod parameters;
mod quoting;
mod receipt;
mod recipients;
mod reply_text;
mod report;
mod safe_names;
mod sanitize;
mod security;
mod spam;
mod structure;
mod tnef;
mod transfer;
mod uuencode;

#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use bytes::Bytes;
use defects::Defects;
use fields::Fields;

pub use content::Content;
pub use mail::Address;
pub use mail::Attachment;
pub use mail::Attendee;
pub use mail::Auth;
pub use mail::Bounce;
pub use mail::BouncedRecipient;
pub use mail::Complaint;
pub use mail::Defect;
pub use mail::DefectKind;
pub use mail::Event;
pub use mail::Forwarded;
pub use mail::Header;
pub use mail::Kind;
pub use mail::List;
pub use mail::Mail;
pub use mail::Recipient;
pub use mail::Security;
pub use mail::Spam;
pub use mail::SpamFilter;
pub use mail::TextSource;
pub use sanitize::sanitize;

/// What a mailbox's owner may choose about parsing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The header fields that tell who a mail was really for, the most trusted first.
    pub recipient_headers: Vec<String>,
    /// The names under which servers that the owner trusts write Authentication-Results (RFC 8601 section 2.5). Without
    /// any, `auth` stays unknown: anybody can write such a field, and only the owner knows whose word is true.
    pub trusted_authserv_ids: Vec<String>,
    /// Whether mails that are attached are opened, one level deep.
    pub open_forwarded: bool,
}

impl Default for Options {
    fn default() -> Options {
        let names = ["X-Original-To", "Delivered-To", "Envelope-To", "X-Envelope-To", "X-Forwarded-To"];
        Options {
            recipient_headers: names.map(str::to_owned).into(),
            trusted_authserv_ids: Vec::new(),
            open_forwarded: false,
        }
    }
}

/// The text that a reader of an HTML body sees.
pub fn html_to_text(html: &str) -> String {
    html_text::from_html(html)
}

/// Reads `raw`, a message as the server sent it, dot-unstuffed. The attachments keep a copy of it.
pub fn parse(raw: &[u8], options: &Options) -> Mail {
    parse_shared(&Bytes::copy_from_slice(raw), options)
}

/// As [`parse`]; the attachments share `raw`, so that nothing of them is copied.
pub fn parse_shared(raw: &Bytes, options: &Options) -> Mail {
    // The parser's state is thrown away with the panic, so nothing half-made is seen.
    catch_unwind(AssertUnwindSafe(|| read(raw, options))).unwrap_or_else(|_| header_only(raw))
}

fn read(raw: &Bytes, options: &Options) -> Mail {
    let mut defects = Defects::default();
    let message = trim_start(raw);
    if message.is_empty() {
        defects.add(DefectKind::Empty, "the message has no bytes");
        let mut mail = Mail { defects: defects.into_vec(), ..Mail::default() };
        kind::message(&mut mail);
        return mail;
    }
    let mut mail = header::read(message, options, &mut defects);
    if mail.headers.is_empty() {
        defects.add(DefectKind::NoHeader, "the message has no header field; all of it is taken for text");
    }
    let root = structure::walk(message, &mut defects);
    let chosen = body::choose(&root);
    let in_text = body::fill(&mut mail, &chosen, &mut defects);
    let collected = attachment::collect(raw, &root, &chosen, in_text, options, &mut defects);
    mail.attachments = collected.attachments;
    if mail.text.is_none() {
        mail.text_source = collected.text.as_ref().map(|_| TextSource::Plain);
        mail.text = collected.text.map(|text| text.replace("\r\n", "\n"));
    }
    mail.security = security::find(&root, mail.text.as_deref());
    mail.auth = auth_results::find(&mail.headers, &options.trusted_authserv_ids);
    mail.spam = spam::find(&mail);
    mail.list = list::find(&mail);
    mail.reply = mail.text.as_deref().map(|text| reply_text::find(text, mail.subject.as_deref()));
    kind::fill(&mut mail, &root);
    mail.defects = defects.into_vec();
    mail
}

/// What is left when the parser failed: the fields as they stand, decoded by nobody.
fn header_only(raw: &[u8]) -> Mail {
    let plain = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}");
    let headers = Fields::of(trim_start(raw))
        .take(header::FIELDS_MAX)
        .map(|field| Header { name: plain(field.name), value: plain(field.value.trim_ascii()) })
        .collect();
    let mut defects = Defects::default();
    defects.add(DefectKind::ParserFailed, "the parser failed; only the header is given, and the raw bytes");
    Mail {
        kind: Some(Kind::Message),
        kind_reason: Some("the parser failed".to_owned()),
        headers,
        defects: defects.into_vec(),
        ..Mail::default()
    }
}

/// The mail without a byte order mark and blank lines, behind which some servers hide the header.
pub fn trim_start(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
    let blank = raw.len() - raw.trim_ascii_start().len();
    let (blanks, _) = raw.split_at_checked(blank).unwrap_or((raw, &[]));
    // Blanks at the head of the first line that has more are its own.
    let lines = memchr::memrchr(b'\n', blanks).map_or(0, |at| at + 1);
    let only_blanks = blank == raw.len();
    raw.get(if only_blanks { blank } else { lines }..).unwrap_or_default()
}
