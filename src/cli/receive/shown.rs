//! What is shown of a post.

use bytesize::ByteSize;
use serde_json::Value;

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
pub(super) fn summary(id: Option<&str>, trust: Trust, body: &[u8]) -> String {
    let id = out::excerpt(id.unwrap_or("(no webhook-id)"), 60);
    let mark = match trust {
        Trust::Verified => "verified",
        Trust::NotVerified => "not verified",
    };
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return format!("{id}  {} bytes, not JSON  {mark}\n", body.len());
    };
    let kind = text_at(&value, "/type");
    let rows = match value.pointer("/type").and_then(Value::as_str) {
        Some("mail.received") => mail(&value),
        Some(deliver::TEST_EVENT) => vec![
            ("endpoint", text_at(&value, "/data/endpoint")),
            ("sent", text_at(&value, "/timestamp")),
            ("meaning", "a test by `pophook endpoint test`, no mail".to_owned()),
        ],
        _ => vec![("body", out::excerpt(&value.to_string(), TEXT_SHOWN))],
    };
    let head = format!("{id}  {kind}  {} bytes  {mark}\n", body.len());
    rows.iter().fold(head, |shown, (name, text)| shown + &format!("  {name:<12}{text}\n"))
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
        let shown = summary(Some("msg_1"), Trust::Verified, body.to_string().as_bytes());
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
        assert_eq!(summary(None, Trust::NotVerified, b"x"), "(no webhook-id)  1 bytes, not JSON  not verified\n");
    }

    #[test]
    fn what_is_no_mail_is_not_shown_as_one() {
        let test = br#"{"type":"endpoint.test","timestamp":"2026-01-31T00:00:00.000Z","data":{"endpoint":"desk"}}"#;
        let shown = summary(Some("evt_test_1"), Trust::NotVerified, test);
        for part in ["evt_test_1  endpoint.test  ", "  not verified\n", "desk", "2026-01-31", "no mail"] {
            assert!(shown.contains(part), "{part:?} in {shown}");
        }
        for body in [&br#"{"type":"ping"}"#[..], b"[1]"] {
            let shown = summary(None, Trust::NotVerified, body);
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
