//! The shape of the native format, field by field. The doc comment of a field is its description in the JSON Schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::MAIL_RECEIVED;
use super::attachment::Attachment;
use super::attachment::Base64;
use super::attachment::Plain;
use super::attachment::hex;
use super::findings::Auth;
use super::findings::Bounce;
use super::findings::Complaint;
use super::findings::Event;
use super::findings::List;
use super::findings::Spam;
use super::letter::Letter;
use crate::deliver::carriage::Way;
use crate::deliver::payload::Facts;
use crate::deliver::payload::Options;
use crate::deliver::payload::Source;
use crate::ident::UniqueId;
use crate::parse;
use crate::parse::Kind;
use crate::parse::Mail;

pub(super) fn envelope<'a>(source: &Source<'a>) -> Envelope<'a> {
    let Source { facts, mail, raw, options, ways } = source;
    let spooled_at = format!("{:.3}", facts.spooled_at);
    Envelope {
        r#type: MAIL_RECEIVED,
        timestamp: spooled_at,
        data: data(facts, (mail, ways.iter()), Some(raw), options),
    }
}

/// The mail, how its attachments travel, and where it came from; without `raw`, our copy of it is gone.
pub(super) fn data<'a>(
    facts: &Facts<'a>,
    (mail, ways): (&'a Mail, impl Iterator<Item = &'a Way>),
    raw: Option<&'a [u8]>,
    options: &Options,
) -> Data<'a> {
    Data {
        id: facts.id.as_str(),
        mailbox: facts.mailbox.as_str(),
        labels: facts.labels,
        unique_id: facts.unique_id.map(UniqueId::to_string),
        spooled_at: format!("{:.3}", facts.spooled_at),
        size: facts.size,
        sha256: hex(&facts.sha256),
        kind: mail.kind.map(Kind::as_str),
        kind_reason: mail.kind_reason.as_deref(),
        letter: Letter::of(mail),
        text: mail.text.as_deref(),
        text_source: mail.text_source.map(TextSource::of),
        html: mail.html.as_deref(),
        html_sanitized: options.include_sanitized_html.then(|| mail.html.as_deref().and_then(parse::sanitize)),
        reply_text: mail.reply_text(),
        headers: mail.headers.iter().map(Header::of).collect(),
        security: mail.security.map(Security::of),
        attachments: mail
            .attachments
            .iter()
            .zip(ways)
            .zip(1..)
            .map(|((part, way), number)| Attachment::of(part, number, way))
            .collect(),
        auth: mail.auth.as_ref().map(Auth::of),
        spam: mail.spam.as_ref().map(Spam::of),
        list: mail.list.as_ref().map(List::of),
        bounce: mail.bounce.as_ref().map(Bounce::of),
        complaint: mail.complaint.as_ref().map(Complaint::of),
        calendar: mail.calendar.iter().map(Event::of).collect(),
        defects: mail.defects.iter().map(Defect::of).collect(),
        raw: raw.filter(|_| options.include_raw).map(|raw| Base64(Plain::Bytes(raw))),
    }
}

/// A mail that was taken from a mailbox.
#[derive(Serialize, JsonSchema)]
pub(in crate::deliver::payload) struct Envelope<'a> {
    /// What happened.
    #[schemars(extend("const" = MAIL_RECEIVED))]
    pub(super) r#type: &'static str,
    /// The same as `data.spooled_at`.
    pub(super) timestamp: String,
    /// The mail.
    pub(super) data: Data<'a>,
}

/// The mail and where it came from.
#[derive(Serialize, JsonSchema)]
pub(in crate::deliver::payload) struct Data<'a> {
    /// `msg_…`, the same as the header `webhook-id`. Equal ids are the same mail.
    id: &'a str,
    /// The mailbox's name in the configuration.
    mailbox: &'a str,
    /// The mailbox's labels, if any.
    labels: &'a BTreeMap<String, String>,
    /// The server's name for the message (UIDL); bytes that are not printable ASCII, and `%`, are percent-encoded. Null where the server gives none.
    unique_id: Option<String>,
    /// When the message was safe with us, RFC 3339 in UTC.
    spooled_at: String,
    /// The number of raw bytes as the server sent them, dot-unstuffed.
    size: u64,
    /// SHA-256 of the raw bytes, in hex.
    sha256: String,
    /// What the mail is: `bounce` (not delivered, or not yet), `complaint` (called spam), `receipt` (delivered, read or
    /// deleted), `auto_reply` (written by a program), `calendar` (an invitation or the answer to one), else `message`.
    /// The first that fits, by headers and structure. Null where our copy of the mail was erased.
    #[schemars(extend("enum" = kinds()))]
    kind: Option<&'a str>,
    /// The evidence for `kind`, in words that may change: for people and logs, not for programs.
    kind_reason: Option<&'a str>,
    #[serde(flatten)]
    letter: Letter<'a>,
    /// What a human would read; made from HTML where no plain part exists.
    text: Option<&'a str>,
    /// Where `text` comes from.
    text_source: Option<TextSource>,
    /// The HTML body as sent; never sanitised here.
    html: Option<&'a str>,
    /// `html` without scripts, styles and anything that loads from elsewhere, safe to show to a human, where the endpoint asks for it. Null where there is no HTML, or where it is too long (2 MiB) or built to take too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    html_sanitized: Option<Option<String>>,
    /// `text` without quoted history and signature; all of it where nothing else would be left, or where it is not
    /// clear what is quoted. Null only where `text` is.
    reply_text: Option<&'a str>,
    /// Every header field in the order received, values decoded and unfolded.
    headers: Vec<Header<'a>>,
    /// Whether it is signed or encrypted, as far as its outside tells; nothing is verified.
    security: Option<Security>,
    /// Attachments and inline parts, in order.
    attachments: Vec<Attachment<'a>>,
    /// What the Authentication-Results field of a trusted server said (RFC 8601). Null where there is none, and where the
    /// mailbox names no server in `trusted_authserv_ids`.
    auth: Option<Auth<'a>>,
    /// What the last spam filter on the way said; null where none did.
    spam: Option<Spam>,
    /// The mailing list that sent it; null where none did.
    list: Option<List<'a>>,
    /// What a delivery report says (RFC 3464), or what could be read of one in prose.
    bounce: Option<Bounce<'a>>,
    /// What a feedback report says (RFC 5965).
    complaint: Option<Complaint<'a>>,
    /// The events of the `text/calendar` parts, which are attachments too.
    calendar: Vec<Event<'a>>,
    /// What is wrong with the mail.
    defects: Vec<Defect<'a>>,
    /// The whole message in base64, where the endpoint asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<Base64<'a>>,
}

impl Data<'_> {
    /// The mailbox's name.
    pub(super) fn mailbox(&self) -> &str {
        self.mailbox
    }
}

/// The values of `kind`, and null.
fn kinds() -> Vec<Option<&'static str>> {
    Kind::ALL.map(|kind| Some(kind.as_str())).into_iter().chain([None]).collect()
}

/// Where the text comes from.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TextSource {
    /// A text/plain part.
    Plain,
    /// Made from the HTML.
    Html,
}

impl TextSource {
    fn of(given: parse::TextSource) -> TextSource {
        match given {
            parse::TextSource::Plain => TextSource::Plain,
            parse::TextSource::Html => TextSource::Html,
        }
    }
}

/// How the mail is protected.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Security {
    /// S/MIME, encrypted.
    SmimeEncrypted,
    /// S/MIME, signed.
    SmimeSigned,
    /// PGP, encrypted.
    PgpEncrypted,
    /// PGP, signed.
    PgpSigned,
}

impl Security {
    fn of(given: parse::Security) -> Security {
        match given {
            parse::Security::SmimeEncrypted => Security::SmimeEncrypted,
            parse::Security::SmimeSigned => Security::SmimeSigned,
            parse::Security::PgpEncrypted => Security::PgpEncrypted,
            parse::Security::PgpSigned => Security::PgpSigned,
        }
    }
}

/// One header field.
#[derive(Serialize, JsonSchema)]
pub(super) struct Header<'a> {
    /// The name as written.
    name: &'a str,
    /// The value, decoded and unfolded.
    value: &'a str,
}

impl Header<'_> {
    pub(super) fn of(given: &parse::Header) -> Header<'_> {
        Header { name: &given.name, value: &given.value }
    }
}

/// Something that is wrong with the mail.
#[derive(Serialize, JsonSchema)]
pub(super) struct Defect<'a> {
    /// Which kind.
    kind: &'static str,
    /// What and where.
    detail: &'a str,
}

impl Defect<'_> {
    fn of(given: &parse::Defect) -> Defect<'_> {
        Defect { kind: given.kind.as_str(), detail: &given.detail }
    }
}
