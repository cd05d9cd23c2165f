//! The shape of the native format, field by field. The doc comment of a field is its description in the JSON Schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::MAIL_RECEIVED;
use super::attachment::Attachment;
use super::attachment::Base64;
use super::attachment::hex;
use super::letter::Letter;
use crate::deliver::payload::Facts;
use crate::deliver::payload::Options;
use crate::deliver::payload::Source;
use crate::ident::UniqueId;
use crate::parse;
use crate::parse::Mail;

pub(super) fn envelope<'a>(source: &Source<'a>) -> Envelope<'a> {
    let Source { facts, mail, raw, options } = source;
    let spooled_at = format!("{:.3}", facts.spooled_at);
    Envelope { r#type: MAIL_RECEIVED, timestamp: spooled_at, data: data(facts, mail, Some(raw), options) }
}

/// The mail and where it came from; without `raw`, our copy of it is gone.
pub(super) fn data<'a>(facts: &Facts<'a>, mail: &'a Mail, raw: Option<&'a [u8]>, options: &Options) -> Data<'a> {
    Data {
        id: facts.id.as_str(),
        mailbox: facts.mailbox.as_str(),
        labels: facts.labels,
        unique_id: facts.unique_id.map(UniqueId::to_string),
        spooled_at: format!("{:.3}", facts.spooled_at),
        size: facts.size,
        sha256: hex(&facts.sha256),
        kind: None,
        kind_reason: None,
        letter: Letter::of(mail),
        text: mail.text.as_deref(),
        text_source: mail.text_source.map(TextSource::of),
        html: mail.html.as_deref(),
        html_sanitized: options.include_sanitized_html.then(|| mail.html.as_deref().and_then(parse::sanitize)),
        reply_text: None,
        headers: mail.headers.iter().map(Header::of).collect(),
        attachments: mail.attachments.iter().map(|part| Attachment::of(part, options)).collect(),
        auth: None,
        spam: None,
        list: None,
        bounce: None,
        calendar: &[],
        defects: mail.defects.iter().map(Defect::of).collect(),
        raw: raw.filter(|_| options.include_raw).map(Base64),
    }
}

/// A mail that was taken from a mailbox.
#[derive(Serialize, JsonSchema)]
pub(super) struct Envelope<'a> {
    /// What happened.
    #[schemars(extend("const" = MAIL_RECEIVED))]
    r#type: &'static str,
    /// The same as `data.spooled_at`.
    timestamp: String,
    /// The mail.
    data: Data<'a>,
}

/// The mail and where it came from.
#[derive(Serialize, JsonSchema)]
pub(super) struct Data<'a> {
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
    /// `message`, `bounce`, `complaint`, `receipt`, `auto_reply` or `calendar`: the first that fits. Null where it was not looked for.
    kind: Option<&'a str>,
    /// The evidence for `kind`.
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
    /// `text` without quoted history and signature.
    reply_text: Option<&'a str>,
    /// Every header field in the order received, values decoded and unfolded.
    headers: Vec<Header<'a>>,
    /// Attachments and inline parts, in order.
    attachments: Vec<Attachment<'a>>,
    /// `spf`, `dkim`, `dmarc` and `arc` as the trusted Authentication-Results said.
    auth: Option<BTreeMap<String, String>>,
    /// What a spam filter on the way said.
    spam: Option<BTreeMap<String, serde_json::Value>>,
    /// `id`, `unsubscribe` and `post` of a mailing list.
    list: Option<BTreeMap<String, String>>,
    /// What a delivery report says (RFC 3464).
    bounce: Option<BTreeMap<String, serde_json::Value>>,
    /// The event of each `text/calendar` part, which is an attachment too.
    calendar: &'a [BTreeMap<String, serde_json::Value>],
    /// What is wrong with the mail.
    defects: Vec<Defect<'a>>,
    /// The whole message in base64, where the endpoint asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<Base64<'a>>,
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
