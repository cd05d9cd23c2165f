//! The native format: what `format: json` posts.
//!
//! Its names and meanings are a public contract: adding is free, changing is a new `type`. The doc comment of a field
//! is its description in the JSON Schema. Rendering the same message twice gives the same bytes.

mod attachment;
pub(super) mod changed;
pub(super) mod dead_letter;
mod findings;
mod forwarded;
mod letter;
mod multipart;
pub(super) mod oversize;
mod payload;
mod shape;

use std::io;

pub(super) use self::attachment::Base64;
pub(super) use self::attachment::Plain;
pub(super) use self::payload::Data;
pub(super) use self::payload::Payload;
use self::shape::envelope;
use super::Head;
use super::Source;
use crate::deliver::Attachments;

/// The `type` of a payload that carries a mail.
pub const MAIL_RECEIVED: &str = "mail.received";

/// The `type` of a payload that tells of a mail that is too large.
pub const MAIL_OVERSIZE: &str = "mail.oversize";

/// The `type` of a payload that tells of a dead letter.
pub const MAIL_DEAD_LETTER: &str = "mail.dead_letter";

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

/// The JSON Schema of the body.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Payload<'_>).to_value()
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::deliver::carriage::Link;
    use crate::deliver::carriage::Omission;
    use crate::deliver::carriage::Way;
    use crate::deliver::carriage::unlimited;
    use crate::deliver::payload::Facts;
    use crate::deliver::payload::Options;
    use crate::deliver::payload::event::tests::changed;
    use crate::deliver::payload::event::tests::dead_letter;
    use crate::deliver::payload::event::tests::oversize;
    use crate::ident::MailboxName;
    use crate::ident::MessageId;
    use crate::ident::UniqueId;
    use crate::parse;
    use crate::parse::Mail;
    use crate::spool::Change;

    pub(in crate::deliver::payload) const RAW: &[u8] = b"From: Ann <ann@example.org>\r\nTo: support+42@example.com\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n\
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

    pub(in crate::deliver::payload) fn given(render: impl Fn(&Facts<'_>) -> Vec<u8>) -> serde_json::Value {
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
