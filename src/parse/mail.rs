//! The parsed letter, in our own words and owning all that it holds.

mod findings;

use std::ops::Range;

use crate::parse::Content;

pub use findings::Attendee;
pub use findings::Auth;
pub use findings::Bounce;
pub use findings::BouncedRecipient;
pub use findings::Complaint;
pub use findings::Event;
pub use findings::Kind;
pub use findings::List;
pub use findings::Spam;
pub use findings::SpamFilter;

/// A parsed mail. Every string is valid UTF-8 without NUL.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mail {
    /// What it is; `None` where nobody looked.
    pub kind: Option<Kind>,
    /// The evidence for `kind`; never taken from the mail's own text.
    pub kind_reason: Option<String>,
    /// Every header field in the order received, repeats included.
    pub headers: Vec<Header>,
    /// The Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// The ids in In-Reply-To, in order, without angle brackets.
    pub in_reply_to: Vec<String>,
    /// The ids in References, in order, without angle brackets.
    pub references: Vec<String>,
    /// The Date field as RFC 3339 with its own offset.
    pub date: Option<String>,
    /// Decoded and unfolded.
    pub subject: Option<String>,
    /// From.
    pub from: Vec<Address>,
    /// Sender.
    pub sender: Option<Address>,
    /// Reply-To.
    pub reply_to: Vec<Address>,
    /// To.
    pub to: Vec<Address>,
    /// Cc.
    pub cc: Vec<Address>,
    /// Bcc.
    pub bcc: Vec<Address>,
    /// The envelope sender as the server recorded it; empty for `<>`.
    pub return_path: Option<String>,
    /// Who the mail was really for.
    pub recipients: Vec<Recipient>,
    /// What a human would read.
    pub text: Option<String>,
    /// Where `text` comes from.
    pub text_source: Option<TextSource>,
    /// Which bytes of `text` are neither quoted history nor signature.
    pub reply: Option<Range<usize>>,
    /// The HTML body as sent.
    pub html: Option<String>,
    /// Whether it is signed or encrypted, as far as its outside tells; nothing is verified.
    pub security: Option<Security>,
    /// Attachments and inline parts, in order.
    pub attachments: Vec<Attachment>,
    /// What the trusted server found about where it comes from.
    pub auth: Option<Auth>,
    /// What a spam filter on the way said.
    pub spam: Option<Spam>,
    /// The mailing list that sent it.
    pub list: Option<List>,
    /// What a delivery report says.
    pub bounce: Option<Bounce>,
    /// What a feedback report says.
    pub complaint: Option<Complaint>,
    /// The events of its `text/calendar` parts, which are attachments too.
    pub calendar: Vec<Event>,
    /// What is wrong with the mail.
    pub defects: Vec<Defect>,
}

impl Mail {
    /// `text` without quoted history and signature.
    pub fn reply_text(&self) -> Option<&str> {
        self.text.as_deref()?.get(self.reply.clone()?)
    }

    /// Whether only its bytes can tell what it says: the parser failed, or was not asked.
    pub fn is_unread(&self) -> bool {
        self.defects.iter().any(|defect| defect.kind == DefectKind::ParserFailed)
    }

    /// The value of the topmost header field called `name`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_named(name).next()
    }

    /// The values of all header fields called `name`, the topmost first.
    pub fn headers_named<'m>(&'m self, name: &str) -> impl Iterator<Item = &'m str> {
        self.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| &*header.value)
    }
}

/// One header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name as written.
    pub name: String,
    /// The value, decoded and unfolded.
    pub value: String,
}

/// One address of a header field. Addresses keep their case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The display name.
    pub name: Option<String>,
    /// `local@domain`, or whatever stood there.
    pub address: String,
    /// The name of the group that it was listed in (RFC 5322 section 3.4).
    pub group: Option<String>,
}

impl Address {
    /// The text after the first `+` of the local part, if there is any.
    pub fn tag(&self) -> Option<&str> {
        let local = self.address.rsplit_once('@').map_or(&*self.address, |(local, _)| local);
        local.split_once('+').map(|(_, tag)| tag).filter(|tag| !tag.is_empty())
    }
}

/// Who the mail was really for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The address.
    pub address: String,
    /// The text after `+` in the local part.
    pub tag: Option<String>,
    /// The header field that named it, as configured (`Delivered-To`).
    pub source: String,
}

/// Where the text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextSource {
    /// A text/plain part.
    Plain,
    /// Made from the HTML part.
    Html,
}

/// A part that is not the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// As the sender wrote it, decoded.
    pub filename: Option<String>,
    /// A name without separators, control characters, reserved names or repeats within the mail.
    pub safe_filename: String,
    /// `type/subtype` in lower case.
    pub content_type: String,
    /// The charset parameter, where there is one.
    pub charset: Option<String>,
    /// Whether the sender meant it to be shown in place.
    pub inline: bool,
    /// The Content-ID without angle brackets.
    pub content_id: Option<String>,
    /// Its place in the MIME tree, as IMAP numbers parts: `1.2`.
    pub part: String,
    /// What it says, where it is a mail and was opened.
    pub mail: Option<Box<Forwarded>>,
    /// The decoded bytes.
    pub content: Content,
}

/// A mail that is attached to another, as far as it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// Decoded and unfolded.
    pub subject: Option<String>,
    /// From.
    pub from: Vec<Address>,
    /// To.
    pub to: Vec<Address>,
    /// The Date field as RFC 3339 with its own offset.
    pub date: Option<String>,
    /// The Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// What a human would read.
    pub text: Option<String>,
    /// The HTML body as sent.
    pub html: Option<String>,
    /// The safe names of its attachments.
    pub attachments: Vec<String>,
}

/// How a mail is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// S/MIME, encrypted.
    SmimeEncrypted,
    /// S/MIME, signed.
    SmimeSigned,
    /// PGP, encrypted.
    PgpEncrypted,
    /// PGP, signed.
    PgpSigned,
}

/// Something that is wrong with a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// Which kind.
    pub kind: DefectKind,
    /// What and where; never taken from the mail's own text.
    pub detail: String,
}

/// The kinds of defects; each is a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DefectKind {
    /// No header field at all.
    NoHeader,
    /// No bytes at all.
    Empty,
    /// A charset that nobody knows.
    UnknownCharset,
    /// No charset was declared, or a wrong one; the text was read in the likeliest.
    GuessedCharset,
    /// Bytes that are not of the charset, or NUL.
    InvalidText,
    /// Base64 or quoted-printable that does not decode.
    BrokenEncoding,
    /// A winmail.dat that cannot be read whole.
    BrokenTnef,
    /// A multipart without its boundary or its end.
    MissingBoundary,
    /// Parts nested deeper, or more of them, than we read.
    NestingLimit,
    /// More header fields than we read.
    HeaderLimit,
    /// A date that cannot be read.
    InvalidDate,
    /// The parser failed; only headers and raw bytes are given.
    ParserFailed,
}

impl DefectKind {
    /// All kinds, for the metrics.
    pub const ALL: [DefectKind; 12] = [
        DefectKind::NoHeader,
        DefectKind::Empty,
        DefectKind::UnknownCharset,
        DefectKind::GuessedCharset,
        DefectKind::InvalidText,
        DefectKind::BrokenEncoding,
        DefectKind::BrokenTnef,
        DefectKind::MissingBoundary,
        DefectKind::NestingLimit,
        DefectKind::HeaderLimit,
        DefectKind::InvalidDate,
        DefectKind::ParserFailed,
    ];

    /// The name in payloads and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            DefectKind::NoHeader => "no_header",
            DefectKind::Empty => "empty",
            DefectKind::UnknownCharset => "unknown_charset",
            DefectKind::GuessedCharset => "guessed_charset",
            DefectKind::InvalidText => "invalid_text",
            DefectKind::BrokenEncoding => "broken_encoding",
            DefectKind::BrokenTnef => "broken_tnef",
            DefectKind::MissingBoundary => "missing_boundary",
            DefectKind::NestingLimit => "nesting_limit",
            DefectKind::HeaderLimit => "header_limit",
            DefectKind::InvalidDate => "invalid_date",
            DefectKind::ParserFailed => "parser_failed",
        }
    }
}
