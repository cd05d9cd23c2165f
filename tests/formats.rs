//! What each format posts, field by field; forms are read back by a parser that is not ours.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

#[path = "formats/posted.rs"]
mod posted;
mod support;
#[path = "formats/templates.rs"]
mod templates;

use std::collections::BTreeMap;

use jiff::Timestamp;
use pophook::deliver::Attachments;
use pophook::deliver::CloudEvents;
use pophook::deliver::Cloudmailin;
use pophook::deliver::Format;
use pophook::deliver::Sendgrid;
use pophook::deliver::carriage::unlimited;
use pophook::deliver::payload;
use pophook::deliver::payload::Facts;
use pophook::deliver::payload::Head;
use pophook::deliver::payload::Options;
use pophook::deliver::payload::Source;
use pophook::ident::Content;
use pophook::ident::MailboxName;
use pophook::ident::MessageId;
use pophook::parse;
use pophook::secret::Secret;
use serde_json::Value;
use serde_json::json;

/// Texts, an image in place, a file with an 8-bit name, several recipients, and what servers wrote on the way.
const FULL: &str = "Return-Path: <ann@example.org>\r\n\
    X-Original-To: support+42@example.com\r\n\
    Received-SPF: pass (sender SPF authorized)\r\n\
    X-Spam-Status: No, score=-1.5 required=5.0 tests=NONE\r\n\
    Received: from mx.example.org (mx.example.org [192.0.2.1])\r\n by mx.example.com with ESMTPS id 1; Thu, 29 Jan 2026 10:11:13 +0100\r\n\
    Received: from localhost by mx.example.org; Thu, 29 Jan 2026 10:11:12 +0100\r\n\
    From: =?utf-8?q?J=C3=B6rg_=22X=22?= <ann@example.org>\r\n\
    To: support+42@example.com, \"Lee, Bob\" <bob@example.com>\r\nCc: carl@example.com\r\n\
    Reply-To: desk@example.org\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n\
    Date: Thu, 29 Jan 2026 10:11:12 +0100\r\nMessage-ID: <1@example.org>\r\nIn-Reply-To: <0@example.org>\r\n\
    Token: forged\r\nX-Mailgun-Dkim-Check-Result: Pass\r\nX-Mailgun-Sscore: -99\r\nx-mailgun-incoming: Yes\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n\
    --m\r\nContent-Type: multipart/related; boundary=r\r\n\r\n\
    --r\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
    --a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello \u{1f4a9}\r\n\
    --a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hello <img src=\"cid:i@example.org\"></p>\r\n--a--\r\n\
    --r\r\nContent-Type: image/png\r\nContent-ID: <i@example.org>\r\nContent-Disposition: inline; filename=i.png\r\n\
    Content-Transfer-Encoding: base64\r\n\r\niVBORw0K\r\n--r--\r\n\
    --m\r\nContent-Type: text/csv; charset=iso-8859-1\r\n\
    Content-Disposition: attachment; filename*=utf-8''%C3%9Cber%20%22x%22.csv\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nZTvpDQo=\r\n--m--\r\n";

/// Neither From nor Subject nor anybody that it is for.
const BARE: &str = "Date: Thu, 29 Jan 2026 10:11:12 +0100\r\n\r\nhello\r\n";

const INLINE: Options = Options { attachments: Attachments::Inline, include_raw: false, include_sanitized_html: false };

/// Hands out the source of a mail that was taken from mailbox `support` at noon.
fn with_source<T>(raw: &[u8], options: Options, read: impl FnOnce(&Source<'_>) -> T) -> T {
    let mailbox = MailboxName::parse("support").unwrap();
    let id = MessageId::of(&mailbox, &Content::of(raw));
    let facts = Facts::of(raw, &id, &mailbox, "2026-01-31T12:00:00Z".parse::<Timestamp>().unwrap());
    let mail = parse::parse(raw, &parse::Options::default());
    let ways = unlimited(&mail.attachments, options.attachments);
    read(&Source { facts, mail: &mail, raw, options, ways: &ways })
}

/// The head and the body, which are the same each time.
fn post(format: &Format, raw: &str, options: Options) -> (Head, Vec<u8>) {
    with_source(raw.as_bytes(), options, |source| {
        let [(head, body), again] = [(); 2].map(|()| {
            let mut body = Vec::new();
            payload::write(format, source, &mut body).unwrap();
            (payload::head(format, source), body)
        });
        assert_eq!((&head, &body), (&again.0, &again.1), "{format:?}");
        (head, body)
    })
}

fn json_of(format: &Format, raw: &str, options: Options) -> Value {
    let (head, body) = post(format, raw, options);
    assert_eq!(head.content_type, "application/json");
    serde_json::from_slice(&body).unwrap()
}

/// One field of a form: its name, the file's name and type where it is a file, and its bytes.
#[derive(Debug, Clone, PartialEq)]
struct Field {
    name: String,
    file: Option<(String, String)>,
    bytes: Vec<u8>,
}

/// A form as its receiver reads it.
#[derive(Debug)]
struct Read(Vec<Field>);

impl Read {
    fn of(head: &Head, body: &[u8]) -> Read {
        if head.content_type == "application/x-www-form-urlencoded" {
            let pairs = form_urlencoded::parse(body).into_owned();
            return Read(pairs.map(|(name, value)| Field { name, file: None, bytes: value.into_bytes() }).collect());
        }
        let boundary = multer::parse_boundary(&head.content_type).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut form = multer::Multipart::with_reader(body, boundary);
            let mut fields = Vec::new();
            while let Some(field) = form.next_field().await.unwrap() {
                let kind = field.content_type().map(ToString::to_string).unwrap_or_default();
                let file = field.file_name().map(|name| (name.to_owned(), kind));
                let name = field.name().unwrap().to_owned();
                fields.push(Field { name, file, bytes: field.bytes().await.unwrap().to_vec() });
            }
            Read(fields)
        })
    }

    /// The only field of that name.
    #[track_caller]
    fn field(&self, name: &str) -> &Field {
        let found: Vec<&Field> = self.0.iter().filter(|field| field.name == name).collect();
        assert_eq!(found.len(), 1, "{name} in {:?}", self.names());
        found[0]
    }

    #[track_caller]
    fn text(&self, name: &str) -> &str {
        std::str::from_utf8(&self.field(name).bytes).unwrap()
    }

    #[track_caller]
    fn json(&self, name: &str) -> Value {
        serde_json::from_str(self.text(name)).unwrap()
    }

    #[track_caller]
    fn texts(&self, expected: &[(&str, &str)]) {
        for (name, value) in expected {
            assert_eq!(self.text(name), *value, "{name}");
        }
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|field| field.name.as_str()).collect()
    }
}

fn read(format: &Format, raw: &str, options: Options) -> Read {
    let (head, body) = post(format, raw, options);
    Read::of(&head, &body)
}

fn file(name: &str, filename: &str, kind: &str, bytes: &[u8]) -> Field {
    Field { name: name.to_owned(), file: Some((filename.to_owned(), kind.to_owned())), bytes: bytes.to_vec() }
}

/// The safe name of the file in [`FULL`], as our own format tells it.
fn csv() -> String {
    let native = json_of(&Format::Json, FULL, INLINE);
    native["data"]["attachments"][1]["safe_filename"].as_str().unwrap().to_owned()
}

#[test]
fn cloudevents_stand_around_our_own_data() {
    let native = json_of(&Format::Json, FULL, INLINE);
    let (head, body) = post(&Format::CloudEvents(CloudEvents::Structured), FULL, INLINE);
    assert_eq!((head.content_type.as_str(), head.headers.len()), ("application/cloudevents+json; charset=UTF-8", 0));
    let expected = json!({
        "specversion": "1.0", "id": native["data"]["id"], "source": "/mailboxes/support", "type": "mail.received",
        "time": "2026-01-31T12:00:00.000Z", "datacontenttype": "application/json", "data": native["data"],
    });
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);

    let (head, body) = post(&Format::CloudEvents(CloudEvents::Binary), FULL, INLINE);
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), native["data"]);
    assert_eq!(head.content_type, "application/json");
    let attributes: BTreeMap<_, _> = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("ce-id", native["data"]["id"].as_str().unwrap()),
        ("ce-source", "/mailboxes/support"),
        ("ce-specversion", "1.0"),
        ("ce-time", "2026-01-31T12:00:00.000Z"),
        ("ce-type", "mail.received"),
    ];
    assert_eq!(attributes, BTreeMap::from(expected));
}

#[test]
fn raw_is_the_mail_as_it_is() {
    let (head, body) = post(&Format::Raw, FULL, INLINE);
    assert_eq!((head.content_type.as_str(), body), ("message/rfc822", FULL.as_bytes().to_vec()));
}

#[test]
fn postmark_s_fields() {
    let mut body = json_of(&Format::Postmark, FULL, Options { include_raw: true, ..INLINE });
    let id = body["MessageID"].take();
    assert_eq!(id.as_str().map(str::len), Some(36));
    assert_eq!(body["RawEmail"].take(), FULL.replace("\r\n", "\n"));
    let headers = body["Headers"].take();
    let names: Vec<_> = headers.as_array().unwrap().iter().map(|field| field["Name"].as_str().unwrap()).collect();
    let expected = [
        "Return-Path",
        "X-Spam-Status",
        "X-Spam-Score",
        "X-Original-To",
        "Received-SPF",
        "Received",
        "Received",
        "Message-ID",
        "In-Reply-To",
        "Token",
        "X-Mailgun-Dkim-Check-Result",
        "X-Mailgun-Sscore",
        "x-mailgun-incoming",
        "MIME-Version",
    ];
    assert_eq!(names, expected);
    assert_eq!(headers[0], json!({ "Name": "Return-Path", "Value": "ann@example.org" }));
    assert_eq!((&headers[1]["Value"], &headers[2]["Value"]), (&json!("No"), &json!("-1.5")));
    let full = |email, name, hash| json!({ "Email": email, "Name": name, "MailboxHash": hash });
    let expected = json!({
        "FromName": "J\u{f6}rg \"X\"", "MessageStream": "inbound", "From": "ann@example.org",
        "FromFull": full("ann@example.org", "J\u{f6}rg \"X\"", ""),
        "To": "support+42@example.com, \"Lee, Bob\" <bob@example.com>",
        "ToFull": [full("support+42@example.com", "", "42"), full("bob@example.com", "Lee, Bob", "")],
        "Cc": "carl@example.com", "CcFull": [full("carl@example.com", "", "")], "Bcc": "", "BccFull": [],
        "OriginalRecipient": "support+42@example.com", "Subject": "caf\u{e9}", "MessageID": null,
        "ReplyTo": "desk@example.org", "MailboxHash": "42", "Date": "Thu, 29 Jan 2026 10:11:12 +0100",
        "TextBody": "Hello \u{1f4a9}", "HtmlBody": "<p>Hello <img src=\"cid:i@example.org\"></p>",
        "StrippedTextReply": "Hello \u{1f4a9}", "Tag": "", "RawEmail": null, "Headers": null,
        "Attachments": [
            { "Name": "i.png", "Content": "iVBORw0K", "ContentType": "image/png", "ContentLength": 6, "ContentID": "i@example.org" },
            { "Name": csv(), "Content": "ZTvpDQo=", "ContentType": "text/csv; charset=\"iso-8859-1\"", "ContentLength": 5 },
        ],
    });
    assert_eq!(body, expected);
    let bare = json_of(&Format::Postmark, BARE, INLINE);
    assert_eq!((&bare["From"], &bare["FromFull"]), (&json!(""), &full("", "", "")));
    assert_eq!((&bare["OriginalRecipient"], &bare["ToFull"], &bare["HtmlBody"]), (&json!(""), &json!([]), &json!("")));
    assert!(bare.get("RawEmail").is_none() && bare.get("RecordType").is_none());
}

#[test]
fn cloudmailin_s_fields_as_json() {
    let mut body = json_of(&Format::Cloudmailin(Cloudmailin::Json), FULL, INLINE);
    let headers = body["headers"].take();
    assert_eq!((&headers["message_id"], &headers["subject"]), (&json!("<1@example.org>"), &json!("caf\u{e9}")));
    assert_eq!(headers["received"].as_array().map(Vec::len), Some(2));
    let expected = json!({
        "headers": null,
        "envelope": {
            "to": "support+42@example.com", "recipients": ["support+42@example.com"], "from": "ann@example.org",
            "helo_domain": "mx.example.org", "remote_ip": "192.0.2.1",
            "spf": { "result": "pass", "domain": "example.org" }, "tls": true,
            "spamd": { "score": "-1.5", "success": true, "description": "No, score=-1.5 required=5.0 tests=NONE" },
        },
        "plain": "Hello \u{1f4a9}", "html": "<p>Hello <img src=\"cid:i@example.org\"></p>", "reply_plain": "Hello \u{1f4a9}",
        "attachments": [
            { "content": "iVBORw0K", "file_name": "i.png", "content_type": "image/png", "size": 6,
              "disposition": "inline", "content_id": "i@example.org" },
            { "content": "ZTvpDQo=", "file_name": csv(), "content_type": "text/csv", "size": 5, "disposition": "attachment" },
        ],
    });
    assert_eq!(body, expected);
    let bare = json_of(&Format::Cloudmailin(Cloudmailin::Json), BARE, Options { include_raw: true, ..INLINE });
    assert_eq!((&bare["attachments"], bare.get("html")), (&json!([]), None));
    assert_eq!(bare["envelope"]["spf"], json!({ "result": "none", "domain": "" }));
    assert_eq!(bare["message"], BARE.replace("\r\n", "\n"));
}

#[test]
fn cloudmailin_s_fields_as_a_form() {
    let form = read(&Format::Cloudmailin(Cloudmailin::Multipart), FULL, INLINE);
    form.texts(&[
        ("envelope[to]", "support+42@example.com"),
        ("envelope[recipients][0]", "support+42@example.com"),
        ("envelope[from]", "ann@example.org"),
        ("envelope[helo_domain]", "mx.example.org"),
        ("envelope[remote_ip]", "192.0.2.1"),
        ("envelope[spf][result]", "pass"),
        ("envelope[spf][domain]", "example.org"),
        ("headers[subject]", "caf\u{e9}"),
        ("headers[received][1]", "from localhost by mx.example.org; Thu, 29 Jan 2026 10:11:12 +0100"),
        ("plain", "Hello \u{1f4a9}"),
        ("html", "<p>Hello <img src=\"cid:i@example.org\"></p>"),
        ("reply_plain", "Hello \u{1f4a9}"),
    ]);
    let files: Vec<_> = form.0.iter().filter(|field| field.file.is_some()).cloned().collect();
    let expected = [
        file("attachments[]", "i.png", "image/png", b"\x89PNG\r\n"),
        file("attachments[]", &quoted(&csv()), "text/csv", b"e;\xe9\r\n"),
    ];
    assert_eq!(files, expected);
    let bare = read(&Format::Cloudmailin(Cloudmailin::Multipart), BARE, INLINE);
    assert!(!bare.names().iter().any(|name| name.starts_with("attachments") || *name == "message"), "{bare:?}");
}

/// A file's name as it stands in a form.
fn quoted(name: &str) -> String {
    name.replace('"', "%22")
}

#[test]
fn sendgrid_s_fields() {
    let form = read(&Format::Sendgrid(Sendgrid::Parsed), FULL, INLINE);
    let (header, _) = FULL.split_once("\r\n\r\n").unwrap();
    assert_eq!(form.text("headers"), format!("{header}\r\n"));
    form.texts(&[
        ("dkim", "none"),
        ("SPF", "pass"),
        ("to", "support+42@example.com, \"Lee, Bob\" <bob@example.com>"),
        ("cc", "carl@example.com"),
        ("subject", "caf\u{e9}"),
        ("text", "Hello \u{1f4a9}"),
        ("html", "<p>Hello <img src=\"cid:i@example.org\"></p>"),
        ("sender_ip", "192.0.2.1"),
        ("attachments", "2"),
        ("spam_score", "-1.5"),
    ]);
    assert!(form.text("from").contains("<ann@example.org>"));
    assert_eq!(form.json("envelope"), json!({ "to": ["support+42@example.com"], "from": "ann@example.org" }));
    let all = ["to", "from", "subject", "cc", "text", "html"].map(|name| (name.to_owned(), json!("UTF-8")));
    assert_eq!(form.json("charsets"), Value::Object(all.into_iter().collect()));
    let about = json!({
        "attachment1": { "filename": "i.png", "name": "i.png", "type": "image/png", "content-id": "i@example.org" },
        "attachment2": { "filename": csv(), "name": csv(), "type": "text/csv", "charset": "iso-8859-1" },
    });
    assert_eq!(form.json("attachment-info"), about);
    assert_eq!(form.json("content-ids"), json!({ "i@example.org": "attachment1" }));
    assert_eq!(form.field("attachment1"), &file("attachment1", "i.png", "image/png", b"\x89PNG\r\n"));
    assert_eq!(form.field("attachment2"), &file("attachment2", &quoted(&csv()), "text/csv", b"e;\xe9\r\n"));

    let raw = read(&Format::Sendgrid(Sendgrid::Raw), FULL, INLINE);
    assert_eq!(raw.field("email").bytes, FULL.as_bytes());
    let absent = ["headers", "text", "html", "attachments", "attachment1"];
    assert!(absent.iter().all(|name| !raw.names().contains(name)), "{:?}", raw.names());
    let bare = read(&Format::Sendgrid(Sendgrid::Parsed), BARE, INLINE);
    bare.texts(&[("attachments", "0"), ("from", ""), ("SPF", "none"), ("text", "hello\n")]);
    assert!(!bare.names().contains(&"html") && !bare.names().contains(&"cc") && !bare.names().contains(&"email"));
}

#[test]
fn mailgun_s_fields_and_its_signature() {
    let mailgun = Format::Mailgun(Secret::new("key-1"));
    let form = read(&mailgun, FULL, Options { include_raw: true, ..INLINE });
    form.texts(&[
        ("recipient", "support+42@example.com"),
        ("sender", "ann@example.org"),
        ("subject", "caf\u{e9}"),
        ("body-plain", "Hello \u{1f4a9}"),
        ("stripped-text", "Hello \u{1f4a9}"),
        ("stripped-signature", ""),
        ("body-html", "<p>Hello <img src=\"cid:i@example.org\"></p>"),
        ("stripped-html", "<p>Hello <img src=\"cid:i@example.org\"></p>"),
        ("attachment-count", "2"),
        ("timestamp", "1769860800"),
        ("Subject", "caf\u{e9}"),
        ("Message-ID", "<1@example.org>"),
        ("In-Reply-To", "<0@example.org>"),
        ("X-Mailgun-Sflag", "No"),
        ("X-Mailgun-Sscore", "-1.5"),
        ("X-Mailgun-Spf", "Pass"),
    ]);
    assert_eq!(form.field("body-mime").bytes, FULL.as_bytes());
    assert_eq!(form.json("message-headers")[0], json!(["Return-Path", "<ann@example.org>"]));
    assert_eq!(form.json("content-id-map"), json!({ "<i@example.org>": "attachment-1" }));
    assert_eq!(form.field("attachment-1"), &file("attachment-1", "i.png", "image/png", b"\x89PNG\r\n"));
    assert_eq!(form.field("attachment-2"), &file("attachment-2", &quoted(&csv()), "text/csv", b"e;\xe9\r\n"));
    assert_eq!(form.text("token").len(), 50);
    assert_ne!(form.text("token"), "forged");
    for forged in ["Token", "X-Mailgun-Dkim-Check-Result", "x-mailgun-incoming"] {
        assert!(!form.names().contains(&forged), "a sender cannot write {forged}");
    }
    assert_eq!(form.text("signature"), signature("key-1", form.text("timestamp"), form.text("token")));

    let (head, body) = post(&mailgun, BARE, INLINE);
    assert_eq!(head.content_type, "application/x-www-form-urlencoded");
    let bare = Read::of(&head, &body);
    bare.texts(&[("attachment-count", "0"), ("recipient", ""), ("from", ""), ("body-plain", "hello\n")]);
    assert!(!bare.names().contains(&"body-html") && !bare.names().contains(&"body-mime"));
}

/// HMAC-SHA256 by another library than the one under test.
fn signature(key: &str, timestamp: &str, token: &str) -> String {
    let key = openssl::pkey::PKey::hmac(key.as_bytes()).unwrap();
    let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha256(), &key).unwrap();
    signer.update(format!("{timestamp}{token}").as_bytes()).unwrap();
    data_encoding::HEXLOWER.encode(&signer.sign_to_vec().unwrap())
}

#[test]
fn without_their_bytes_attachments_are_left_out() {
    let omit = Options { attachments: Attachments::Omit, include_raw: false, include_sanitized_html: false };
    assert_eq!(json_of(&Format::Postmark, FULL, omit)["Attachments"], json!([]));
    assert_eq!(json_of(&Format::Cloudmailin(Cloudmailin::Json), FULL, omit)["attachments"], json!([]));
    read(&Format::Sendgrid(Sendgrid::Parsed), FULL, omit).texts(&[("attachments", "0")]);
    read(&Format::Mailgun(Secret::new("k")), FULL, omit).texts(&[("attachment-count", "0")]);
}

#[test]
fn a_mail_that_is_sent_unparsed_arrives_whole_in_every_format() {
    let whole = Options { include_raw: true, ..INLINE };
    let mail = parse::Mail::default();
    with_source(BARE.as_bytes(), whole, |source| {
        let source = Source { mail: &mail, ..*source };
        let formats = [
            Format::Json,
            Format::CloudEvents(CloudEvents::Structured),
            Format::Raw,
            Format::Postmark,
            Format::Cloudmailin(Cloudmailin::Json),
            Format::Cloudmailin(Cloudmailin::Multipart),
            Format::Sendgrid(Sendgrid::Parsed),
            Format::Mailgun(Secret::new("k")),
        ];
        for format in formats {
            let mut body = Vec::new();
            payload::write(&format, &source, &mut body).unwrap();
            let body = String::from_utf8(body).unwrap();
            let base64 = base64_simd::STANDARD.encode_to_string(BARE);
            let query: String = form_urlencoded::byte_serialize(BARE.as_bytes()).collect();
            let text = serde_json::to_string(&BARE.replace("\r\n", "\n")).unwrap();
            let there = [BARE, &base64, &query, &text].iter().any(|form| body.contains(*form));
            assert!(there, "{format:?}: {body}");
        }
    });
}
