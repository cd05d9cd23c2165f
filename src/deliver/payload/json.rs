//! The native format: what `format: json` posts.
//!
//! Its names and meanings are a public contract: adding is free, changing is a new `type`. The doc comment of a field
//! is its description in the JSON Schema. Rendering the same message twice gives the same bytes.

mod attachment;
mod changed;
mod dead_letter;
mod findings;
mod forwarded;
mod letter;
mod multipart;
mod oversize;
mod shape;

use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub(super) use self::attachment::Base64;
pub(super) use self::attachment::Plain;
use self::shape::envelope;
use super::Facts;
use super::Head;
use super::Source;
use super::cloudevents::Event;
use crate::deliver::Attachments;
use crate::parse::Mail;
use crate::spool;
use crate::spool::Change;
use crate::spool::DeadLetter;

/// The `type` of a payload that carries a mail.
pub const MAIL_RECEIVED: &str = "mail.received";

/// The `type` of a payload that tells of a mail that is too large.
pub const MAIL_OVERSIZE: &str = "mail.oversize";

/// The `type` of a payload that tells of a dead letter.
pub const MAIL_DEAD_LETTER: &str = "mail.dead_letter";

/// What an endpoint gets; `type` says which.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Payload<'a> {
    Received(&'a shape::Envelope<'a>),
    Oversize(&'a oversize::Envelope<'a>),
    DeadLetter(&'a dead_letter::Envelope<'a>),
    Changed(&'a changed::Envelope<'a>),
}

/// The `data` of a payload.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Data<'a> {
    Received(&'a shape::Data<'a>),
    Oversize(&'a oversize::Data<'a>),
    DeadLetter(&'a dead_letter::Data<'a>),
    Changed(&'a changed::Data<'a>),
}

impl<'a> Payload<'a> {
    /// What happened.
    pub(super) fn r#type(&self) -> &'static str {
        match self {
            Payload::Received(told) => told.r#type,
            Payload::Oversize(told) => told.r#type,
            Payload::DeadLetter(told) => told.r#type,
            Payload::Changed(told) => told.r#type,
        }
    }

    /// When, RFC 3339 in UTC.
    pub(super) fn timestamp(&self) -> &'a str {
        match self {
            Payload::Received(told) => &told.timestamp,
            Payload::Oversize(told) => &told.timestamp,
            Payload::DeadLetter(told) => &told.timestamp,
            Payload::Changed(told) => &told.timestamp,
        }
    }

    /// What it is about, in full.
    pub(super) fn data(&self) -> Data<'a> {
        match self {
            Payload::Received(told) => Data::Received(&told.data),
            Payload::Oversize(told) => Data::Oversize(&told.data),
            Payload::DeadLetter(told) => Data::DeadLetter(&told.data),
            Payload::Changed(told) => Data::Changed(&told.data),
        }
    }

    /// Where it happened, as a path: a mailbox or an endpoint.
    pub(super) fn source(&self) -> String {
        let of_mailbox = |name: &str| format!("/mailboxes/{name}");
        match self {
            Payload::Received(told) => of_mailbox(told.data.mailbox()),
            Payload::Oversize(told) => of_mailbox(told.data.mailbox()),
            Payload::DeadLetter(told) => of_mailbox(told.data.mailbox()),
            Payload::Changed(told) => told.data.source(),
        }
    }
}

/// What an event is written in.
#[derive(Debug, Clone, Copy)]
pub enum Frame<'a> {
    /// The shape of this format.
    Native,
    /// A structured CloudEvent with this id.
    CloudEvent(&'a str),
}

fn in_frame(frame: Frame<'_>, payload: &Payload<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    Ok(match frame {
        Frame::Native => serde_json::to_writer(out, payload),
        Frame::CloudEvent(id) => serde_json::to_writer(out, &Event::of(id, payload)),
    }?)
}

/// Why a mail was not taken.
#[derive(Debug, Clone, Copy)]
pub struct TooLarge {
    /// The size seen, in bytes.
    pub size: u64,
    /// The limit that it exceeds, in bytes.
    pub limit: u64,
}

/// What goes before the body that carries a mail.
pub fn head(source: &Source<'_>) -> Head {
    match source.options.attachments {
        Attachments::Inline | Attachments::Omit | Attachments::Link => Head::json(),
        Attachments::Multipart => multipart::head(source),
    }
}

/// Writes the body that carries a mail: JSON, or a form with the JSON and the attachments.
///
/// # Errors
/// Those of `out`. Half a body must not be posted.
pub fn write(source: &Source<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let json = |out: &mut dyn io::Write| with_received(source, |payload| Ok(serde_json::to_writer(out, &payload)?));
    match source.options.attachments {
        Attachments::Inline | Attachments::Omit | Attachments::Link => json(out),
        Attachments::Multipart => multipart::write(source, json, out),
    }
}

/// Hands out the payload that carries the mail.
pub(super) fn with_received<T>(source: &Source<'_>, read: impl FnOnce(Payload<'_>) -> T) -> T {
    read(Payload::Received(&envelope(source)))
}

/// Writes the body that tells of a mail that is too large; of `mail`, only what its header gives is told.
///
/// # Errors
/// As [`write()`].
pub fn write_oversize(
    frame: Frame<'_>,
    facts: &Facts<'_>,
    mail: &Mail,
    why: TooLarge,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    in_frame(frame, &Payload::Oversize(&oversize::envelope(facts, mail, why)), out)
}

/// Writes the body that tells of a dead letter, at `told_at`. Without `raw`, our copy of the mail is gone.
///
/// # Errors
/// As [`write()`].
pub fn write_dead_letter(
    frame: Frame<'_>,
    facts: &Facts<'_>,
    mail: &Mail,
    raw: Option<&[u8]>,
    (told_at, settled): (Timestamp, &DeadLetter),
    out: &mut dyn io::Write,
) -> io::Result<()> {
    in_frame(frame, &Payload::DeadLetter(&dead_letter::envelope(facts, mail, raw, told_at, settled)), out)
}

/// The body that tells of a change, at `told_at`; `labels` are those of its mailbox.
///
/// # Errors
/// None that anybody foresees: it writes to memory, and no key of ours is anything but a string.
pub fn render_changed(
    frame: Frame<'_>,
    change: Change,
    told_at: Timestamp,
    facts: &spool::Facts,
    labels: Option<&BTreeMap<String, String>>,
) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    in_frame(frame, &Payload::Changed(&changed::envelope(change, told_at, facts, labels)), &mut body)?;
    Ok(body)
}

/// The JSON Schema of the body.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Payload<'_>).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::carriage::Link;
    use crate::deliver::carriage::Omission;
    use crate::deliver::carriage::Way;
    use crate::deliver::carriage::unlimited;
    use crate::deliver::payload::Options;
    use crate::ident::MailboxName;
    use crate::ident::MessageId;
    use crate::ident::UniqueId;
    use crate::parse;

    const RAW: &[u8] = b"From: Ann <ann@example.org>\r\nTo: support+42@example.com\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n\
        Message-ID: <1@example.org>\r\nDate: Thu, 2 Oct 2025 10:11:12 +0200\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\n\r\nhello\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\n%PDF\r\n--b--\r\n";

    fn rendered(options: Options) -> serde_json::Value {
        given(|facts| {
            let mail = parse::parse(RAW, &parse::Options::default());
            let ways = unlimited(&mail.attachments, options.attachments);
            let source = Source { facts: *facts, mail: &mail, raw: RAW, options, ways: &ways };
            let [body, again] = [(); 2].map(|()| {
                let mut body = Vec::new();
                write(&source, &mut body).unwrap();
                body
            });
            assert_eq!(body, again);
            body
        })
    }

    /// The event that tells of a mail with this header.
    fn oversize(header: &[u8]) -> serde_json::Value {
        let mail = parse::parse(header, &parse::Options::default());
        given(|facts| {
            let mut body = Vec::new();
            let why = TooLarge { size: 60_000_000, limit: 50_000_000 };
            write_oversize(Frame::Native, facts, &mail, why, &mut body).unwrap();
            body
        })
    }

    fn given(render: impl Fn(&Facts<'_>) -> Vec<u8>) -> serde_json::Value {
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
        serde_json::from_slice(&render(&facts)).unwrap()
    }

    #[test]
    fn the_shape_that_receivers_rely_on() {
        let body =
            rendered(Options { attachments: Attachments::Inline, include_raw: false, include_sanitized_html: false });
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
    fn html_is_safe_to_show_where_the_endpoint_asks_for_that() {
        let check = |asked, html: Option<&str>, expected: Option<serde_json::Value>| {
            let mail = Mail { html: html.map(str::to_owned), ..Mail::default() };
            let options =
                Options { attachments: Attachments::Inline, include_raw: false, include_sanitized_html: asked };
            let body = given(|facts| {
                let mut body = Vec::new();
                write(&Source { facts: *facts, mail: &mail, raw: b"", options, ways: &[] }, &mut body).unwrap();
                body
            });
            assert_eq!(body["data"].get("html_sanitized").cloned(), expected);
            assert_eq!(body["data"]["html"].as_str(), html, "as sent");
        };
        let hostile = "<p onclick=x>a<script>b</script><img src=https://example.org/a.gif></p>";
        check(true, Some(hostile), Some("<p>a<img></p>".into()));
        check(false, Some(hostile), None);
        check(true, None, Some(serde_json::Value::Null));
        check(true, Some(&"<b>".repeat(1 << 20)), Some(serde_json::Value::Null));
    }

    #[test]
    fn an_endpoint_chooses_what_it_carries() {
        let body =
            rendered(Options { attachments: Attachments::Omit, include_raw: true, include_sanitized_html: false });
        let part = &body["data"]["attachments"][0];
        assert_eq!((&part["omitted"], part.get("content")), (&"by configuration".into(), None));
        let raw = base64_simd::STANDARD.decode_to_vec(body["data"]["raw"].as_str().unwrap()).unwrap();
        assert_eq!(raw, RAW);
    }

    #[test]
    fn a_form_has_files_for_those_alone_that_are_neither_linked_nor_left_out() {
        let raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: a/b\r\n\r\none\r\n\
            --b\r\nContent-Type: a/b\r\n\r\ntwo\r\n--b\r\nContent-Type: a/b\r\n\r\nthree\r\n--b--\r\n";
        let mail = parse::parse(raw, &parse::Options::default());
        let link = Link { url: "https://s/k?a=b".to_owned(), expires_at: "2026-01-31T12:00:00Z".to_owned() };
        let ways = [Way::Linked(link), Way::Multipart, Way::Omitted(Omission::TooMuch)];
        let options =
            Options { attachments: Attachments::Multipart, include_raw: false, include_sanitized_html: false };
        let told = given(|facts| {
            let source = Source { facts: *facts, mail: &mail, raw: b"", options, ways: &ways };
            let mut body = Vec::new();
            write(&source, &mut body).unwrap();
            let form = String::from_utf8(body).unwrap();
            assert_eq!(form.matches("filename=").count(), 1, "{form}");
            let (_, file) = form.split_once("name=\"attachment-2\"").unwrap();
            assert!(file.contains("\r\n\r\ntwo\r\n"), "{file}");
            let (_, json) = form.split_once("\r\n\r\n").unwrap();
            json.split("\r\n").next().unwrap().into()
        });
        let ways = told["data"]["attachments"].as_array().unwrap().iter().map(|part| {
            let way = ["content", "url", "expires_at", "multipart", "omitted"].map(|key| part[key].as_str());
            way.map(|way| way.unwrap_or_default())
        });
        let expected = [
            ["", "https://s/k?a=b", "2026-01-31T12:00:00Z", "", ""],
            ["", "", "", "attachment-2", ""],
            ["", "", "", "", "beyond max_attachments_size"],
        ];
        assert_eq!(ways.collect::<Vec<_>>(), expected);
        let definition = schema()["$defs"]["Attachment"]["properties"].clone();
        for part in told["data"]["attachments"].as_array().unwrap() {
            for key in part.as_object().unwrap().keys() {
                assert!(definition[key]["description"].is_string(), "{key}: {definition}");
            }
        }
    }

    #[test]
    fn attachments_travel_beside_the_json_as_files_of_a_form() {
        let id = MessageId::parse("msg_p54ru6mx5sc2wc6slugowgnw2j").unwrap();
        let raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n\
            Content-Type: application/pdf; name=\"a\\\"b.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n\
            AAD/DQotLQ==\r\n--b\r\nContent-Type: text/csv; name=b.csv\r\n\r\n1;2\r\n--b--\r\n";
        let mail = parse::parse(raw, &parse::Options::default());
        let (mailbox, labels) = (MailboxName::parse("support").unwrap(), BTreeMap::new());
        let facts = Facts {
            id: &id,
            mailbox: &mailbox,
            labels: &labels,
            unique_id: None,
            spooled_at: Timestamp::UNIX_EPOCH,
            size: 3,
            sha256: [0; 32],
        };
        let options =
            Options { attachments: Attachments::Multipart, include_raw: false, include_sanitized_html: false };
        let ways = unlimited(&mail.attachments, options.attachments);
        let source = Source { facts, mail: &mail, raw: &[], options, ways: &ways };
        let head = head(&source);
        let boundary = head.content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let mut body = Vec::new();
        write(&source, &mut body).unwrap();
        let (first, files) = body.split_at(memchr::memmem::find(&body, b"\r\n--pophook").unwrap());
        let json = first.strip_prefix(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"payload\"\r\n\r\n").as_bytes(),
        );
        let json: serde_json::Value = serde_json::from_slice(json.unwrap()).unwrap();
        let part = &json["data"]["attachments"][1];
        assert_eq!((&part["multipart"], &part["size"], part.get("content")), (&"attachment-2".into(), &3.into(), None));
        let name = &mail.attachments[0].safe_filename;
        let expected = [
            format!(
                "\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"attachment-1\"; filename=\"{name}\"\r\n\
                 Content-Type: application/pdf\r\n\r\n"
            )
            .as_bytes(),
            b"\0\0\xff\r\n--",
            format!(
                "\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"attachment-2\"; filename=\"b.csv\"\r\n\
                 Content-Type: text/csv\r\n\r\n1;2\r\n--{boundary}--\r\n"
            )
            .as_bytes(),
        ]
        .concat();
        assert_eq!(String::from_utf8_lossy(files), String::from_utf8_lossy(&expected));
        assert!(!name.contains('"'), "{name}");
    }

    #[test]
    fn an_event_tells_what_the_header_gives_and_nothing_of_the_body() {
        let body = oversize(RAW);
        assert_eq!((&body["type"], &body["timestamp"]), (&"mail.oversize".into(), &"2025-10-02T08:00:00.000Z".into()));
        let data = &body["data"];
        assert_eq!((&data["size"], &data["limit"]), (&60_000_000.into(), &50_000_000.into()));
        assert_eq!((&data["subject"], &data["unique_id"]), (&"café".into(), &"7%25".into()));
        assert_eq!((&data["message_id"], &data["thread"]), (&"1@example.org".into(), &"1@example.org".into()));
        assert_eq!(data["recipients"][0]["tag"], "42");
        assert_eq!(data["headers"].as_array().map(Vec::len), Some(6));
        let never = ["text", "html", "attachments", "raw", "sha256", "defects"];
        assert!(never.iter().all(|field| data.get(field).is_none()), "{data}");
    }

    #[test]
    fn an_event_without_a_header_says_as_much_as_is_known() {
        let data = &oversize(b"")["data"];
        assert_eq!((&data["size"], &data["mailbox"]), (&60_000_000.into(), &"support".into()));
        assert_eq!((&data["headers"], &data["from"]), (&serde_json::json!([]), &serde_json::json!([])));
        assert!(data["subject"].is_null() && data["message_id"].is_null());
    }

    fn settled() -> DeadLetter {
        DeadLetter {
            mail: "msg_p54ru6mx5sc2wc6slugowgnw2j".to_owned(),
            endpoint: "desk".to_owned(),
            reason: "refused".to_owned(),
            attempts: 5,
            last_status: Some(422),
            last_error: None,
            settled_at: "2025-10-02T08:30:00.000Z".to_owned(),
            unparsed: false,
        }
    }

    /// The notice of a dead letter, with our copy of the mail or without.
    fn dead_letter(raw: Option<&[u8]>) -> serde_json::Value {
        let mail = raw.map_or_else(Mail::default, |raw| parse::parse(raw, &parse::Options::default()));
        let told_at = Timestamp::from_second(1_759_393_800).unwrap();
        given(|facts| {
            let mut body = Vec::new();
            write_dead_letter(Frame::Native, facts, &mail, raw, (told_at, &settled()), &mut body).unwrap();
            body
        })
    }

    fn changed(change: Change, mailbox: Option<&str>, endpoint: Option<&str>) -> serde_json::Value {
        let facts = spool::Facts {
            mailbox: mailbox.map(str::to_owned),
            endpoint: endpoint.map(str::to_owned),
            since: "2025-10-02T08:30:00.000Z".to_owned(),
            reason: Some("refused".to_owned()),
        };
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let told_at = Timestamp::from_second(1_759_393_800).unwrap();
        let body = render_changed(Frame::Native, change, told_at, &facts, mailbox.map(|_| &labels)).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn a_dead_letter_carries_the_whole_mail_and_why_it_is_dead() {
        let body = dead_letter(Some(RAW));
        assert_eq!(
            (&body["type"], &body["timestamp"]),
            (&"mail.dead_letter".into(), &"2025-10-02T08:30:00.000Z".into())
        );
        let data = &body["data"];
        assert_eq!((&data["id"], &data["subject"]), (&"msg_p54ru6mx5sc2wc6slugowgnw2j".into(), &"café".into()));
        assert_eq!(data["attachments"][0]["content"], "JVBERg==");
        assert_eq!(base64_simd::STANDARD.decode_to_vec(data["raw"].as_str().unwrap()).unwrap(), RAW);
        let expected = serde_json::json!({
            "endpoint": "desk", "reason": "refused", "attempts": 5, "last_status": 422, "last_error": null,
            "settled_at": "2025-10-02T08:30:00.000Z", "omitted": null,
        });
        assert_eq!(data["dead_letter"], expected);
    }

    #[test]
    fn a_dead_letter_whose_mail_was_erased_says_so() {
        let data = &dead_letter(None)["data"];
        assert_eq!((&data["dead_letter"]["omitted"], &data["dead_letter"]["attempts"]), (&"erased".into(), &5.into()));
        assert_eq!((&data["id"], &data["size"]), (&"msg_p54ru6mx5sc2wc6slugowgnw2j".into(), &3.into()));
        assert!(data.get("raw").is_none() && data["subject"].is_null());
    }

    #[test]
    fn a_change_names_its_mailbox_or_its_endpoint_and_nothing_else() {
        let body = changed(Change::AuthFailed, Some("support"), None);
        assert_eq!(body["type"], "mailbox.auth_failed");
        let data = serde_json::json!({
            "mailbox": "support", "labels": { "team": "a" }, "since": "2025-10-02T08:30:00.000Z", "reason": "refused",
        });
        assert_eq!(body["data"], data);
        let data = &changed(Change::EndpointHeld, None, Some("desk"))["data"];
        assert_eq!((&data["endpoint"], data.get("mailbox"), data.get("labels")), (&"desk".into(), None, None));
    }

    #[test]
    fn the_schema_names_every_field_of_a_payload() {
        let schema = schema();
        let check = |body: serde_json::Value| {
            let of_type = |one: &&serde_json::Value| {
                let told = &one["properties"]["type"];
                told["const"] == body["type"] || told["enum"].as_array().is_some_and(|all| all.contains(&body["type"]))
            };
            let definition = |one: &serde_json::Value| {
                schema.pointer(one["$ref"].as_str().unwrap().trim_start_matches('#')).cloned()
            };
            let shapes: Vec<_> = schema["anyOf"].as_array().unwrap().iter().filter_map(definition).collect();
            let shape = shapes.iter().find(of_type).unwrap();
            let data = definition(&shape["properties"]["data"]).unwrap();
            for field in body["data"].as_object().unwrap().keys() {
                let told = &data["properties"][field];
                assert!(told["description"].is_string(), "{field}: {told}");
            }
            for field in data["required"].as_array().unwrap() {
                assert!(body["data"].get(field.as_str().unwrap()).is_some(), "{field}");
            }
        };
        check(rendered(Options { attachments: Attachments::Inline, include_raw: true, include_sanitized_html: false }));
        check(rendered(Options { attachments: Attachments::Omit, include_raw: false, include_sanitized_html: true }));
        check(oversize(RAW));
        check(oversize(b""));
        check(dead_letter(Some(RAW)));
        check(dead_letter(None));
        check(changed(Change::Recovered, Some("support"), None));
        check(changed(Change::EndpointHeld, None, Some("desk")));
    }
}
