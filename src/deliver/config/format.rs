//! The body's shape, and what a format is told beside the mail.

use std::sync::Arc;

use crate::deliver::payload::Template;
use crate::secret::Secret;

/// The body's shape.
#[derive(Debug, Clone)]
pub enum Format {
    /// Our own JSON.
    Json,
    /// CloudEvents 1.0 around the data of our own JSON.
    CloudEvents(CloudEvents),
    /// The mail as it is.
    Raw,
    /// Postmark's inbound webhook.
    Postmark,
    /// CloudMailin's normalised formats.
    Cloudmailin(Cloudmailin),
    /// SendGrid's Inbound Parse.
    Sendgrid(Sendgrid),
    /// A forwarding route of Mailgun; with the key that its own signature is made with.
    Mailgun(Secret),
    /// A template of the operator's.
    Template(Arc<Template>),
}

/// Where the attributes of a CloudEvent stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudEvents {
    /// In the body, around the data.
    Structured,
    /// In header fields; the body is the data.
    Binary,
}

/// Which of CloudMailin's formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloudmailin {
    /// One JSON document.
    Json,
    /// A form, with the attachments as files.
    Multipart,
}

/// What SendGrid posts of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sendgrid {
    /// Its texts and attachments.
    Parsed,
    /// The whole mail in one field.
    Raw,
}

impl Format {
    /// Whether a body cannot be made without the bytes of the mail.
    pub fn needs_raw(&self) -> bool {
        match self {
            Format::Raw | Format::Sendgrid(_) => true,
            Format::Json
            | Format::CloudEvents(_)
            | Format::Postmark
            | Format::Cloudmailin(_)
            | Format::Mailgun(_)
            | Format::Template(_) => false,
        }
    }

    /// Whether it can tell of something else than a mail.
    pub fn tells_events(&self) -> bool {
        match self {
            Format::Json | Format::CloudEvents(_) => true,
            Format::Raw
            | Format::Postmark
            | Format::Cloudmailin(_)
            | Format::Sendgrid(_)
            | Format::Mailgun(_)
            | Format::Template(_) => false,
        }
    }
}
