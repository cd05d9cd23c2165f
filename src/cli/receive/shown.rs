//! What is shown of a post.

use bytesize::ByteSize;
use serde_json::Value;

use super::form::Form;
use super::form::Part;
use crate::cli::out;
use crate::deliver;

/// Characters of the text that are shown.
const TEXT_SHOWN: usize = 300;

/// What is known of a post's sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// The signature is by one of our secrets.
    Verified,
    /// There is no secret to verify it with.
    NotVerified,
}

/// The body on one line, as JSON even if it is none.
pub(super) fn one_line(body: &[u8]) -> Vec<u8> {
    match serde_json::from_slice::<Value>(body) {
        Ok(_) if !body.contains(&b'\n') => body.to_vec(),
        Ok(value) => value.to_string().into_bytes(),
        Err(_) => serde_json::json!({ "not_json": String::from_utf8_lossy(body) }).to_string().into_bytes(),
    }
}

/// What a person wants to know of a post.
pub(super) fn summary(
    id: Option<&str>,
    trust: Trust,
    body: &[u8],
    form: Option<Result<Form, multer::Error>>,
) -> String {
    let id = out::excerpt(id.unwrap_or("(no webhook-id)"), 60);
    let mark = match trust {
        Trust::Verified => "verified",
        Trust::NotVerified => "not verified",
    };
    let size = body.len();
    let form = match form {
        Some(Ok(form)) => form,
        Some(Err(error)) => return format!("{id}  {size} bytes, a form that cannot be read ({error})  {mark}\n"),
        None => {
            return match serde_json::from_slice::<Value>(body) {
                Ok(value) => shown(&format!("{id}  {}  {size} bytes  {mark}\n", text_at(&value, "/type")), &value),
                Err(_) => format!("{id}  {size} bytes, not JSON  {mark}\n"),
            };
        }
    };
    let parts = format!("{size} bytes, a form of {} parts", form.parts.len());
    let head = match &form.payload {
        Some((_, value)) => shown(&format!("{id}  {}  {parts}  {mark}\n", text_at(value, "/type")), value),
        None => format!("{id}  {parts}, none of them JSON  {mark}\n"),
    };
    let payload = form.payload.as_ref().map(|(field, _)| field);
    form.parts.iter().fold(head, |shown, part| shown + &row("part", &part_of(part, payload)))
}

/// A part of a form; the one that holds the JSON above is told by its name.
fn part_of(part: &Part, payload: Option<&String>) -> String {
    let quoted = part.file_name.as_ref().map(|name| format!(" {:?}", out::excerpt(name, 80))).unwrap_or_default();
    let kind = part.content_type.as_ref().map(|kind| format!("{}, ", out::excerpt(kind, 80))).unwrap_or_default();
    let size = ByteSize(u64::try_from(part.size).unwrap_or(u64::MAX));
    let json = if payload == Some(&part.name) && part.file_name.is_none() { ": the JSON shown above" } else { "" };
    format!("{}{quoted} ({kind}{size}){json}", out::excerpt(&part.name, 60))
}

fn row(name: &str, text: &str) -> String {
    format!("  {name:<12}{text}\n")
}

/// What the JSON of a post says, below `head`.
fn shown(head: &str, value: &Value) -> String {
    let rows = match value.pointer("/type").and_then(Value::as_str) {
        Some("mail.received") => mail(value),
        Some(deliver::TEST_EVENT) => vec![
            ("endpoint", text_at(value, "/data/endpoint")),
            ("sent", text_at(value, "/timestamp")),
            ("meaning", "a test by `pophook endpoint test`, no mail".to_owned()),
        ],
        _ => vec![("body", out::excerpt(&value.to_string(), TEXT_SHOWN))],
    };
    rows.iter().fold(head.to_owned(), |shown, (name, text)| shown + &row(name, text))
}

fn mail(value: &Value) -> Vec<(&'static str, String)> {
    let mut rows = vec![("mailbox", text_at(value, "/data/mailbox"))];
    for name in ["from", "to", "recipients"] {
        let list = format!("/data/{name}");
        let addresses: Vec<_> = items(value, &list).map(|item| text_at(item, "/address")).collect();
        rows.push((name, out::excerpt(&addresses.join(", "), 120)));
    }
    rows.push(("subject", text_at(value, "/data/subject")));
    rows.push(("date", text_at(value, "/data/date")));
    for part in items(value, "/data/attachments") {
        let size = ByteSize(part.pointer("/size").and_then(Value::as_u64).unwrap_or_default());
        let shown = format!("{} ({}, {size})", text_at(part, "/safe_filename"), text_at(part, "/content_type"));
        rows.push(("attachment", shown));
    }
    for defect in items(value, "/data/defects") {
        rows.push(("defect", format!("{}: {}", text_at(defect, "/kind"), text_at(defect, "/detail"))));
    }
    if let Some(text) = value.pointer("/data/text").and_then(Value::as_str) {
        rows.push(("text", out::excerpt(text, TEXT_SHOWN)));
    }
    rows
}

fn text_at(value: &Value, pointer: &str) -> String {
    out::excerpt(value.pointer(pointer).and_then(Value::as_str).unwrap_or("–"), 120)
}

fn items<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_shows_what_matters() {
        let body = serde_json::json!({ "type": "mail.received", "data": {
            "mailbox": "support", "from": [{ "address": "a@x" }], "subject": "hi\u{1b}[2J",
            "attachments": [{ "safe_filename": "x.pdf", "content_type": "application/pdf", "size": 2048 }],
            "text": "hello\nworld",
        }});
        let shown = summary(Some("msg_1"), Trust::Verified, body.to_string().as_bytes(), None);
        for part in [
            "msg_1  mail.received  ",
            "bytes  verified\n",
            "a@x",
            "hi\u{fffd}[2J",
            "x.pdf (application/pdf, 2.0 KiB)",
            "hello world",
        ] {
            assert!(shown.contains(part), "{part:?} in {shown}");
        }
        assert_eq!(summary(None, Trust::NotVerified, b"x", None), "(no webhook-id)  1 bytes, not JSON  not verified\n");
    }

    #[test]
    fn of_a_form_the_parts_are_shown_below_what_its_json_says() {
        let part = |name: &str, file_name: Option<&str>, kind: &str, size| Part {
            name: name.to_owned(),
            file_name: file_name.map(str::to_owned),
            content_type: Some(kind.to_owned()),
            size,
        };
        let json = serde_json::json!({ "type": "mail.received", "data": { "subject": "hi" } });
        let parts = vec![
            part("payload", None, "application/json", 50),
            part("attachment-1", Some("x\u{1b}.pdf"), "application/pdf", 2048),
        ];
        let form = Form { parts, payload: Some(("payload".to_owned(), json)) };
        let shown = summary(Some("msg_1"), Trust::Verified, b"--b", Some(Ok(form)));
        for part in [
            "msg_1  mail.received  3 bytes, a form of 2 parts  verified\n",
            "  subject     hi\n",
            "  part        payload (application/json, 50 B): the JSON shown above\n",
            "  part        attachment-1 \"x\u{fffd}.pdf\" (application/pdf, 2.0 KiB)\n",
        ] {
            assert!(shown.contains(part), "{part:?} in {shown}");
        }
        let fields = Form { parts: vec![part("from", None, "text/plain", 3)], payload: None };
        let shown = summary(None, Trust::NotVerified, b"--b", Some(Ok(fields)));
        assert!(shown.contains("a form of 1 parts, none of them JSON  not verified"), "{shown}");
    }

    #[test]
    fn what_is_no_mail_is_not_shown_as_one() {
        let test = br#"{"type":"endpoint.test","timestamp":"2026-01-31T00:00:00.000Z","data":{"endpoint":"desk"}}"#;
        let shown = summary(Some("evt_test_1"), Trust::NotVerified, test, None);
        for part in ["evt_test_1  endpoint.test  ", "  not verified\n", "desk", "2026-01-31", "no mail"] {
            assert!(shown.contains(part), "{part:?} in {shown}");
        }
        for body in [&br#"{"type":"ping"}"#[..], b"[1]"] {
            let shown = summary(None, Trust::NotVerified, body, None);
            assert!(!shown.contains("subject") && shown.contains(&*String::from_utf8_lossy(body)), "{shown}");
        }
    }

    #[test]
    fn every_body_is_shown_as_one_line_of_json() {
        for (body, expected) in [("{\"a\":1}", "{\"a\":1}"), ("{\n}", "{}"), ("x", "{\"not_json\":\"x\"}")] {
            assert_eq!(String::from_utf8_lossy(&one_line(body.as_bytes())), expected);
        }
    }
}
