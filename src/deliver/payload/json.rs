//! The native format: what `format: json` posts.
//!
//! Its names and meanings are a public contract: adding is free, changing is a new `type`. The doc comment of a field
//! is its description in the JSON Schema. Rendering the same message twice gives the same bytes.

use std::collections::BTreeMap;
use std::fmt;

use base64_simd::AsOut as _;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde::Serializer;
use sha2::Digest as _;
use sha2::Sha256;

use crate::deliver::Attachments;
use crate::ident::MailboxName;
use crate::ident::MessageId;
use crate::ident::UniqueId;
use crate::parse;
use crate::parse::Mail;

/// The `type` of a payload that carries a mail.
pub const MAIL_RECEIVED: &str = "mail.received";

/// Bytes that are encoded at a time: a multiple of three, so that the pieces join without padding.
const CHUNK: usize = 12 * 1024;

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

/// What an endpoint may choose about this format.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How attachments travel.
    pub attachments: Attachments,
    /// Whether the raw message travels too.
    pub include_raw: bool,
}

/// The body to post.
pub fn render(facts: &Facts<'_>, mail: &Mail, raw: &[u8], options: &Options) -> Vec<u8> {
    let mut body = Vec::with_capacity(estimate(mail, raw, options));
    let envelope = envelope(facts, mail, raw, options);
    // Writing to memory cannot fail, and no key of ours is anything but a string.
    match serde_json::to_writer(&mut body, &envelope) {
        Ok(()) => body,
        Err(error) => unreachable_error(&error),
    }
}

/// The JSON Schema of the body.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Envelope<'_>).to_value()
}

fn unreachable_error(error: &serde_json::Error) -> Vec<u8> {
    debug_assert!(false, "{error}");
    Vec::new()
}

/// A little more than the body will take, so that it is not moved while it grows.
fn estimate(mail: &Mail, raw: &[u8], options: &Options) -> usize {
    let base64 = |length: usize| length / 3 * 4 + 4;
    let texts = mail.text.as_ref().map_or(0, String::len) + mail.html.as_ref().map_or(0, String::len);
    let header: usize = mail.headers.iter().map(|header| header.name.len() + header.value.len() + 24).sum();
    let attachments: usize = mail.attachments.iter().map(|part| 400 + base64(inlined(part, options).len())).sum();
    let raw = if options.include_raw { base64(raw.len()) } else { 0 };
    2048 + texts + texts / 8 + header * 2 + attachments + raw
}

fn inlined<'a>(part: &'a parse::Attachment, options: &Options) -> &'a [u8] {
    match options.attachments {
        Attachments::Inline => &part.content,
        Attachments::Omit => &[],
    }
}

fn envelope<'a>(facts: &Facts<'a>, mail: &'a Mail, raw: &'a [u8], options: &Options) -> Envelope<'a> {
    let spooled_at = format!("{:.3}", facts.spooled_at);
    let ids = mail.references.first().or_else(|| mail.in_reply_to.first());
    Envelope {
        r#type: MAIL_RECEIVED,
        timestamp: spooled_at.clone(),
        data: Data {
            id: facts.id.as_str(),
            mailbox: facts.mailbox.as_str(),
            labels: facts.labels,
            unique_id: facts.unique_id.map(UniqueId::to_string),
            spooled_at,
            size: facts.size,
            sha256: hex(&facts.sha256),
            kind: None,
            kind_reason: None,
            message_id: mail.message_id.as_deref(),
            in_reply_to: &mail.in_reply_to,
            references: &mail.references,
            thread: ids.map(String::as_str).or(mail.message_id.as_deref()),
            date: mail.date.as_deref(),
            subject: mail.subject.as_deref(),
            from: addresses(&mail.from),
            reply_to: addresses(&mail.reply_to),
            to: addresses(&mail.to),
            cc: addresses(&mail.cc),
            bcc: addresses(&mail.bcc),
            sender: mail.sender.as_ref().map(Address::of),
            return_path: mail.return_path.as_deref(),
            recipients: mail.recipients.iter().map(Recipient::of).collect(),
            text: mail.text.as_deref(),
            text_source: mail.text_source.map(TextSource::of),
            html: mail.html.as_deref(),
            reply_text: None,
            headers: mail.headers.iter().map(Header::of).collect(),
            attachments: mail.attachments.iter().map(|part| Attachment::of(part, options)).collect(),
            auth: None,
            spam: None,
            list: None,
            bounce: None,
            calendar: &[],
            defects: mail.defects.iter().map(Defect::of).collect(),
            raw: options.include_raw.then_some(Base64(raw)),
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn addresses(list: &[parse::Address]) -> Vec<Address<'_>> {
    list.iter().map(Address::of).collect()
}

/// A mail that was taken from a mailbox.
#[derive(Serialize, JsonSchema)]
struct Envelope<'a> {
    /// What happened: `mail.received`.
    r#type: &'static str,
    /// The same as `data.spooled_at`.
    timestamp: String,
    /// The mail.
    data: Data<'a>,
}

/// The mail and where it came from.
#[derive(Serialize, JsonSchema)]
struct Data<'a> {
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
    /// Message-ID without angle brackets.
    message_id: Option<&'a str>,
    /// The ids in In-Reply-To, without angle brackets, in order.
    in_reply_to: &'a [String],
    /// The ids in References, without angle brackets, in order.
    references: &'a [String],
    /// The first of `references`, else of `in_reply_to`, else `message_id`.
    thread: Option<&'a str>,
    /// The Date field, RFC 3339 with its own offset.
    date: Option<&'a str>,
    /// Decoded.
    subject: Option<&'a str>,
    /// From.
    from: Vec<Address<'a>>,
    /// Reply-To.
    reply_to: Vec<Address<'a>>,
    /// To.
    to: Vec<Address<'a>>,
    /// Cc.
    cc: Vec<Address<'a>>,
    /// Bcc.
    bcc: Vec<Address<'a>>,
    /// Sender.
    sender: Option<Address<'a>>,
    /// The envelope sender as the server recorded it; empty for `<>`.
    return_path: Option<&'a str>,
    /// Who the mail was really for.
    recipients: Vec<Recipient<'a>>,
    /// What a human would read; made from HTML where no plain part exists.
    text: Option<&'a str>,
    /// Where `text` comes from.
    text_source: Option<TextSource>,
    /// The HTML body as sent; never sanitised here.
    html: Option<&'a str>,
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

/// A name and an address.
#[derive(Serialize, JsonSchema)]
struct Address<'a> {
    /// The display name.
    name: Option<&'a str>,
    /// `local@domain` in its own case, or whatever stood there.
    address: &'a str,
    /// The group that it was listed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
}

impl Address<'_> {
    fn of(given: &parse::Address) -> Address<'_> {
        Address { name: given.name.as_deref(), address: &given.address, group: given.group.as_deref() }
    }
}

/// Who the mail was really for.
#[derive(Serialize, JsonSchema)]
struct Recipient<'a> {
    /// The address.
    address: &'a str,
    /// The text after `+` in its local part.
    tag: Option<&'a str>,
    /// The header field that named it.
    source: &'a str,
}

impl Recipient<'_> {
    fn of(given: &parse::Recipient) -> Recipient<'_> {
        Recipient { address: &given.address, tag: given.tag.as_deref(), source: &given.source }
    }
}

/// Where the text comes from.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum TextSource {
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
struct Header<'a> {
    /// The name as written.
    name: &'a str,
    /// The value, decoded and unfolded.
    value: &'a str,
}

impl Header<'_> {
    fn of(given: &parse::Header) -> Header<'_> {
        Header { name: &given.name, value: &given.value }
    }
}

/// A part that is not the body. It has one of `content` and `omitted`.
#[derive(Serialize, JsonSchema)]
struct Attachment<'a> {
    /// As the sender wrote it, decoded.
    filename: Option<&'a str>,
    /// A name without separators, control characters, reserved names or repeats within the mail.
    safe_filename: &'a str,
    /// `type/subtype` in lower case.
    content_type: &'a str,
    /// The charset parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    charset: Option<&'a str>,
    /// The number of decoded bytes.
    size: usize,
    /// SHA-256 of the decoded bytes, in hex.
    sha256: String,
    /// Whether the sender meant it to be shown in place.
    inline: bool,
    /// The Content-ID without angle brackets.
    content_id: Option<&'a str>,
    /// Its place in the MIME tree, as IMAP numbers parts.
    part: &'a str,
    /// The decoded bytes in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Base64<'a>>,
    /// Why the bytes are not here.
    #[serde(skip_serializing_if = "Option::is_none")]
    omitted: Option<&'a str>,
}

impl Attachment<'_> {
    fn of<'a>(given: &'a parse::Attachment, options: &Options) -> Attachment<'a> {
        let (content, omitted) = match options.attachments {
            Attachments::Inline => (Some(Base64(&given.content)), None),
            Attachments::Omit => (None, Some("by configuration")),
        };
        Attachment {
            filename: given.filename.as_deref(),
            safe_filename: &given.safe_filename,
            content_type: &given.content_type,
            charset: given.charset.as_deref(),
            size: given.content.len(),
            sha256: hex(&Sha256::digest(&given.content)),
            inline: given.inline,
            content_id: given.content_id.as_deref(),
            part: &given.part,
            content,
            omitted,
        }
    }
}

/// Something that is wrong with the mail.
#[derive(Serialize, JsonSchema)]
struct Defect<'a> {
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

/// Bytes that are written as base64, piece by piece, so that no second copy of them is made.
#[derive(JsonSchema)]
#[schemars(transparent, extend("contentEncoding" = "base64"))]
struct Base64<'a>(#[schemars(with = "String")] &'a [u8]);

impl fmt::Display for Base64<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = [0; CHUNK / 3 * 4];
        let base64 = base64_simd::STANDARD;
        self.0.chunks(CHUNK).try_for_each(|bytes| f.write_str(base64.encode_as_str(bytes, letters.as_mut().as_out())))
    }
}

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &[u8] = b"From: Ann <ann@example.org>\r\nTo: support+42@example.com\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n\
        Message-ID: <1@example.org>\r\nDate: Thu, 2 Oct 2025 10:11:12 +0200\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\n\r\nhello\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\n%PDF\r\n--b--\r\n";

    fn rendered(options: Options) -> serde_json::Value {
        let id = MessageId::parse("msg_p54ru6mx5sc2wc6slugowgnw2j").unwrap();
        let mailbox = MailboxName::parse("support").unwrap();
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let unique_id = UniqueId::parse(b"7%");
        let facts = Facts {
            id: &id,
            mailbox: &mailbox,
            labels: &labels,
            unique_id: unique_id.as_ref(),
            spooled_at: Timestamp::from_second(1_759_392_000).unwrap(),
            size: 3,
            sha256: [0xab; 32],
        };
        let mail = parse::parse(RAW, &parse::Options::default());
        let body = render(&facts, &mail, RAW, &options);
        assert_eq!(body, render(&facts, &mail, RAW, &options));
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn the_shape_that_receivers_rely_on() {
        let body = rendered(Options { attachments: Attachments::Inline, include_raw: false });
        assert_eq!(body["type"], "mail.received");
        assert_eq!(body["timestamp"], "2025-10-02T08:00:00.000Z");
        let data = &body["data"];
        assert_eq!(data["unique_id"], "7%25");
        assert_eq!(data["labels"]["team"], "a");
        assert_eq!(data["sha256"], "ab".repeat(32));
        assert_eq!(data["subject"], "café");
        assert_eq!(data["thread"], "1@example.org");
        assert_eq!(data["date"], "2025-10-02T10:11:12+02:00");
        assert_eq!(data["from"], serde_json::json!([{ "name": "Ann", "address": "ann@example.org" }]));
        assert_eq!(data["recipients"][0]["tag"], "42");
        assert_eq!((&data["text"], &data["text_source"]), (&"hello".into(), &"plain".into()));
        assert_eq!(data["attachments"][0]["content"], "JVBERg==");
        assert_eq!((&data["calendar"], &data["defects"]), (&serde_json::json!([]), &serde_json::json!([])));
        assert!(data["bounce"].is_null() && data.get("raw").is_none());
    }

    #[test]
    fn an_endpoint_chooses_what_it_carries() {
        let body = rendered(Options { attachments: Attachments::Omit, include_raw: true });
        let part = &body["data"]["attachments"][0];
        assert_eq!((&part["omitted"], part.get("content")), (&"by configuration".into(), None));
        let raw = base64_simd::STANDARD.decode_to_vec(body["data"]["raw"].as_str().unwrap()).unwrap();
        assert_eq!(raw, RAW);
    }

    #[test]
    fn base64_in_pieces_is_base64_as_a_whole() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 2] {
            let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
            assert_eq!(Base64(&bytes).to_string(), base64_simd::STANDARD.encode_to_string(&bytes));
        }
    }

    #[test]
    fn the_schema_names_every_field_of_a_payload() {
        let schema = schema();
        let body = rendered(Options { attachments: Attachments::Inline, include_raw: true });
        let data = &schema["$defs"]["Data"]["properties"];
        for field in body["data"].as_object().unwrap().keys() {
            assert!(data[field]["description"].is_string(), "{field}: {}", data[field]);
        }
    }
}
