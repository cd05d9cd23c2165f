//! The message's own header: every field in order, and the ones with a meaning of their own.
//!
//! Where a field that may stand once stands twice, the first counts: it is the topmost, and the one that a reader's
//! mail program shows.

use crate::parse::DefectKind;
use crate::parse::Header;
use crate::parse::Mail;
use crate::parse::Options;
use crate::parse::address;
use crate::parse::date;
use crate::parse::defects::Defects;
use crate::parse::encoded_word;
use crate::parse::fields::Field;
use crate::parse::fields::Fields;
use crate::parse::message_id;
use crate::parse::recipients;

/// More fields than these stay in the raw message: each costs two strings, however short it is.
pub(super) const FIELDS_MAX: usize = 10_000;

/// Reads the header of `message`; everything else in the result is empty.
pub(super) fn read(message: &[u8], options: &Options, defects: &mut Defects) -> Mail {
    let mut fields: Vec<Field<'_>> = Fields::of(message).take(FIELDS_MAX + 1).collect();
    if fields.len() > FIELDS_MAX {
        fields.truncate(FIELDS_MAX);
        defects.add(DefectKind::HeaderLimit, format!("fields after the {FIELDS_MAX}th were not read"));
    }
    let first = |name: &str| fields.iter().find(|field| field.is(name)).map(|field| field.value);
    let all = |name: &str| address::list(fields.iter().filter(|field| field.is(name)).map(|field| field.value));
    let ids = |name: &str| first(name).map(message_id::list).unwrap_or_default();
    let subject = first("Subject").map(|value| encoded_word::text(value).0);
    let mut mail = Mail {
        headers: fields.iter().map(|field| header(*field, defects)).collect(),
        message_id: ids("Message-ID").into_iter().next(),
        in_reply_to: ids("In-Reply-To"),
        references: ids("References"),
        date: first("Date").and_then(|value| date::rfc3339(value, defects)),
        subject,
        from: address::list(first("From")),
        sender: address::list(first("Sender")).into_iter().next(),
        reply_to: all("Reply-To"),
        to: all("To"),
        cc: all("Cc"),
        bcc: all("Bcc"),
        return_path: first("Return-Path").map(message_id::return_path),
        ..Mail::default()
    };
    mail.recipients = recipients::find(&fields, &options.recipient_headers, &mail.to, &mail.cc);
    mail
}

fn header(field: Field<'_>, defects: &mut Defects) -> Header {
    // A name is printable ASCII by the rule that found it.
    let name = String::from_utf8_lossy(field.name).into_owned();
    let (value, defect) = encoded_word::text(field.value);
    match defect {
        Some(kind @ (DefectKind::UnknownCharset | DefectKind::GuessedCharset)) => defects.add(kind, "a header field"),
        Some(kind) => defects.add(kind, "a header field has bytes that are not of its charset"),
        None => {}
    }
    Header { name, value }
}
