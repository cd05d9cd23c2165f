//! What must hold for every message, whatever its bytes are: the bodies of the fuzz targets, which are tests, too.
//!
//! `fuzz/` calls each of these with inputs that it makes up; `tests/properties.rs` calls them with the letters that lie
//! there and with mutations of them. Each panics where a promise is broken. Not a part of the program.

use jiff::Timestamp;
use serde_json::Value;
use sha2::Digest as _;
use sha2::Sha256;

use super::Facts;
use super::Options;
use super::Source;
use super::write;
use crate::deliver::Attachments;
use crate::deliver::Format;
use crate::deliver::carriage::unlimited;
use crate::ident::Content;
use crate::ident::MailboxName;
use crate::ident::MessageId;
use crate::parse;

/// The longest body of an empty message, and how many bytes of it there are at most for a byte of the message: a
/// control character takes six in JSON, and a text may be told as text, as HTML, as reply, and as attachment.
const BOUNDS: (usize, usize) = (64 << 10, 200);

/// A message is parsed and rendered without an end by panic, each time the same, into JSON whose strings have no NUL
/// and whose attachments are what their sizes and hashes say.
pub fn letter(input: &[u8]) {
    let options = parse::Options::default();
    let mail = parse::parse(input, &options);
    assert_eq!(mail, parse::parse(input, &options), "parsed twice");
    let Ok(mailbox) = MailboxName::parse("m") else { return };
    let id = MessageId::of(&mailbox, &Content::of(input));
    let ways = unlimited(&mail.attachments, Attachments::Inline);
    let source = Source {
        facts: Facts::of(input, &id, &mailbox, Timestamp::UNIX_EPOCH),
        mail: &mail,
        raw: input,
        options: Options { attachments: Attachments::Inline, include_raw: true, include_sanitized_html: false },
        ways: &ways,
    };
    let body = rendered(&Format::Json, &source);
    let (least, factor) = BOUNDS;
    assert!(body.len() <= least + factor * input.len(), "{} bytes for {}", body.len(), input.len());
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    assert_eq!(told.pointer("/data/sha256").and_then(Value::as_str), Some(&*hex(input)));
    assert_eq!(bytes(told.pointer("/data/raw")).as_deref(), Some(input), "the raw bytes are told whole");
    for part in told.pointer("/data/attachments").and_then(Value::as_array).into_iter().flatten() {
        let content = bytes(part.get("content")).unwrap_or_default();
        assert_eq!(part.get("size").and_then(Value::as_u64), u64::try_from(content.len()).ok());
        assert_eq!(part.get("sha256").and_then(Value::as_str), Some(&*hex(&content)));
    }
    assert!(is_clean(&told), "a string with NUL");
}

/// The body, which is the same each time.
fn rendered(format: &Format, source: &Source<'_>) -> Vec<u8> {
    let [body, again] = [(); 2].map(|()| {
        let mut body = Vec::new();
        assert!(write(format, source, &mut body).is_ok(), "memory takes everything");
        body
    });
    assert_eq!(body, again, "rendered twice");
    body
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

fn bytes(base64: Option<&Value>) -> Option<Vec<u8>> {
    base64_simd::STANDARD.decode_to_vec(base64?.as_str()?).ok()
}

fn is_clean(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.contains('\0'),
        Value::Array(list) => list.iter().all(is_clean),
        Value::Object(fields) => fields.iter().all(|(name, value)| !name.contains('\0') && is_clean(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}
