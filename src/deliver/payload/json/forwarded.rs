//! An attached mail that was opened, in the native format.

use schemars::JsonSchema;
use serde::Serialize;

use super::letter::Address;
use super::letter::addresses;
use crate::parse;

/// An attached mail, opened one level: mails within it stay closed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ForwardedMail")]
pub(super) struct Forwarded<'a> {
    /// Decoded.
    subject: Option<&'a str>,
    /// From.
    from: Vec<Address<'a>>,
    /// To.
    to: Vec<Address<'a>>,
    /// The Date field, RFC 3339 with its own offset.
    date: Option<&'a str>,
    /// Message-ID without angle brackets.
    message_id: Option<&'a str>,
    /// What a human would read.
    text: Option<&'a str>,
    /// The HTML body as sent; never sanitised here.
    html: Option<&'a str>,
    /// The safe names of its own attachments.
    attachments: &'a [String],
}

impl Forwarded<'_> {
    pub(super) fn of(given: &parse::Forwarded) -> Forwarded<'_> {
        Forwarded {
            subject: given.subject.as_deref(),
            from: addresses(&given.from),
            to: addresses(&given.to),
            date: given.date.as_deref(),
            message_id: given.message_id.as_deref(),
            text: given.text.as_deref(),
            html: given.html.as_deref(),
            attachments: &given.attachments,
        }
    }
}
