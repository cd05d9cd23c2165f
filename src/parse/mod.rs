//! The letter: raw bytes in, a [`Mail`] and its defects out. Never fails.
//!
//! Whatever the bytes are, the time is linear in their number and so is the memory: the tree of parts is walked here,
//! with a limit on its depth and on the number of parts, and a part that is a whole mail stays one attachment.
//! `mail-parser` reads what stands inside: addresses, dates, content types and charsets. Its own walk over a whole
//! message is not used, because it nests as deep as the sender likes and reads the rest of the mail anew for each
//! boundary that never comes. Should it panic, the mail keeps its header and says so.
//!
//! Nothing here does I/O. RFC 5322, 2045 to 2047, 2183, 2231, 6532.

mod address;
mod attachment;
mod body;
mod charset;
mod date;
mod defects;
mod encoded_word;
mod fields;
mod filename;
mod header;
mod html_text;
mod mail;
mod message_id;
mod mime;
mod quoting;
mod recipients;
mod sanitize;
mod structure;
mod transfer;

#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use defects::Defects;
use fields::Fields;

pub use mail::Address;
pub use mail::Attachment;
pub use mail::Defect;
pub use mail::DefectKind;
pub use mail::Header;
pub use mail::Mail;
pub use mail::Recipient;
pub use mail::TextSource;
pub use sanitize::sanitize;

/// What a mailbox's owner may choose about parsing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The header fields that tell who a mail was really for, the most trusted first.
    pub recipient_headers: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        let names = ["X-Original-To", "Delivered-To", "Envelope-To", "X-Envelope-To", "X-Forwarded-To"];
        Options { recipient_headers: names.map(str::to_owned).into() }
    }
}

/// Reads `raw`, a message as the server sent it, dot-unstuffed.
pub fn parse(raw: &[u8], options: &Options) -> Mail {
    // The parser's state is thrown away with the panic, so nothing half-made is seen.
    catch_unwind(AssertUnwindSafe(|| read(raw, options))).unwrap_or_else(|_| header_only(raw))
}

fn read(raw: &[u8], options: &Options) -> Mail {
    let mut defects = Defects::default();
    let message = trim_start(raw);
    if message.is_empty() {
        defects.add(DefectKind::Empty, "the message has no bytes");
        return Mail { defects: defects.into_vec(), ..Mail::default() };
    }
    let mut mail = header::read(message, options, &mut defects);
    if mail.headers.is_empty() {
        defects.add(DefectKind::NoHeader, "the message has no header field; all of it is taken for text");
    }
    let root = structure::walk(message, &mut defects);
    let chosen = body::choose(&root);
    body::fill(&mut mail, &chosen, &mut defects);
    mail.attachments = attachment::collect(&root, &chosen, &mut defects);
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
    Mail { headers, defects: defects.into_vec(), ..Mail::default() }
}

/// Cuts a byte order mark and blank lines, behind which some servers hide the header.
fn trim_start(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
    let blank = raw.len() - raw.trim_ascii_start().len();
    let (blanks, _) = raw.split_at_checked(blank).unwrap_or((raw, &[]));
    // Blanks at the head of the first line that has more are its own.
    let lines = memchr::memrchr(b'\n', blanks).map_or(0, |at| at + 1);
    let only_blanks = blank == raw.len();
    raw.get(if only_blanks { blank } else { lines }..).unwrap_or_default()
}
