//! What is posted: one file per format, and what they share.
//!
//! A body is written as often as it is needed (once to be measured and signed, once for the wire, again after a
//! connection that closed), each time the same bytes. Pure.

pub mod event;
pub mod json;
#[cfg(any(debug_assertions, fuzzing))]
pub mod properties;

mod cloudevents;
mod cloudmailin;
mod form;
mod mailgun;
mod part;
mod postmark;
mod raw;
mod sendgrid;
mod template;
mod vendor;

use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;
use sha2::Digest as _;
use sha2::Sha256;

pub use self::template::Template;
pub use self::template::TemplateError;
use crate::deliver::Attachments;
use crate::deliver::Format;
use crate::deliver::carriage::Way;
use crate::ident::MailboxName;
use crate::ident::MessageId;
use crate::ident::UniqueId;
use crate::parse::Attachment;
use crate::parse::Mail;

/// What the spool knows of a message.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Our id, the same as the header `webhook-id`.
    pub id: &'a MessageId,
    /// Where it was taken from.
    pub mailbox: &'a MailboxName,
    /// The labels of that mailbox.
    pub labels: &'a BTreeMap<String, String>,
    /// What the server called it.
    pub unique_id: Option<&'a UniqueId>,
    /// When it was committed.
    pub spooled_at: Timestamp,
    /// The number of raw bytes.
    pub size: u64,
    /// SHA-256 of the raw bytes.
    pub sha256: [u8; 32],
}

impl<'a> Facts<'a> {
    /// Those of a mail that lies in no spool, as if `mailbox` had given it at `spooled_at`; without labels.
    pub fn of(raw: &[u8], id: &'a MessageId, mailbox: &'a MailboxName, spooled_at: Timestamp) -> Facts<'a> {
        const NONE: &BTreeMap<String, String> = &BTreeMap::new();
        let (size, sha256) = (u64::try_from(raw.len()).unwrap_or(u64::MAX), Sha256::digest(raw).into());
        Facts { id, mailbox, labels: NONE, unique_id: None, spooled_at, size, sha256 }
    }
}

/// What an endpoint may choose about a format.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How attachments travel.
    pub attachments: Attachments,
    /// Whether the raw message travels too.
    pub include_raw: bool,
    /// Whether the HTML travels in a form that can be shown, too.
    pub include_sanitized_html: bool,
}

/// All that the body of a mail is made from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// What the spool knows.
    pub facts: Facts<'a>,
    /// The letter.
    pub mail: &'a Mail,
    /// Its bytes; empty where the endpoint asks for nothing that they are needed for.
    pub raw: &'a [u8],
    /// What the endpoint chose.
    pub options: Options,
    /// How each attachment travels, in the mail's order.
    pub ways: &'a [Way],
}

impl<'a> Source<'a> {
    /// Each attachment, and how it travels.
    fn attachments(&self) -> impl Iterator<Item = (&'a Attachment, &'a Way)> + use<'a> {
        self.mail.attachments.iter().zip(self.ways)
    }
}

/// What goes before a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// `Content-Type`.
    pub content_type: String,
    /// Header fields that are part of the format.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// A head of this content type alone.
    pub(super) fn of(content_type: String) -> Head {
        Head { content_type, headers: Vec::new() }
    }

    /// A head of JSON.
    pub(super) fn json() -> Head {
        Head::of("application/json".to_owned())
    }
}

/// What goes before the body of a mail in `format`.
pub fn head(format: &Format, source: &Source<'_>) -> Head {
    match format {
        Format::Json => json::head(source),
        Format::Postmark => Head::json(),
        Format::CloudEvents(mode) => cloudevents::head(*mode, source),
        Format::Raw => raw::head(),
        Format::Cloudmailin(mode) => cloudmailin::head(*mode, source),
        Format::Sendgrid(_) => sendgrid::head(source),
        Format::Mailgun(_) => mailgun::head(source),
        Format::Template(template) => Head::of(template.content_type().to_owned()),
    }
}

/// Writes the body of a mail in `format`.
///
/// # Errors
/// Those of `out`, and those of a template. Half a body must not be posted.
pub fn write(format: &Format, source: &Source<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    match format {
        Format::Json => json::write(source, out),
        Format::CloudEvents(mode) => cloudevents::write(*mode, source, out),
        Format::Raw => raw::write(source, out),
        Format::Postmark => postmark::write(source, out),
        Format::Cloudmailin(mode) => cloudmailin::write(*mode, source, out),
        Format::Sendgrid(mode) => sendgrid::write(*mode, source, out),
        Format::Mailgun(key) => mailgun::write(key, source, out),
        Format::Template(template) => template.write(source, out),
    }
}
