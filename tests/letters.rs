//! Letters with one oddity each, and what an endpoint gets for them: `tests/letters/NAME.eml` and `NAME.json`.
//!
//! A new pair is a new test. Where a letter is read with options, they stand in `NAME.options.json`. After a change that
//! is meant, this writes the expected bodies anew, to be read before they are committed:
//!
//!     LETTERS=write cargo test --test letters

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use jiff::Timestamp;
use pophook::deliver::Attachments;
use pophook::deliver::carriage::unlimited;
use pophook::deliver::payload::Facts;
use pophook::deliver::payload::Options;
use pophook::deliver::payload::Source;
use pophook::deliver::payload::json;
use pophook::ident::Content;
use pophook::ident::MailboxName;
use pophook::ident::MessageId;
use pophook::parse;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/letters")
}

/// The options of a letter; every key is known here, or the test fails.
fn options(file: &Path) -> parse::Options {
    let mut options = parse::Options::default();
    let Ok(text) = fs::read(file) else { return options };
    let given: BTreeMap<String, Value> = serde_json::from_slice(&text).unwrap();
    for (key, value) in given {
        match &*key {
            "recipient_headers" => options.recipient_headers = serde_json::from_value(value).unwrap(),
            "open_forwarded" => options.open_forwarded = serde_json::from_value(value).unwrap(),
            "trusted_authserv_ids" => options.trusted_authserv_ids = serde_json::from_value(value).unwrap(),
            _ => panic!("{}: unknown option {key}", file.display()),
        }
    }
    options
}

/// What an endpoint gets for a mail that was taken from mailbox `support` at noon.
fn body(raw: &[u8], options: &parse::Options) -> Value {
    let mailbox = MailboxName::parse("support").unwrap();
    let id = MessageId::of(&mailbox, &Content::of(raw));
    let facts = Facts::of(raw, &id, &mailbox, "2026-01-31T12:00:00Z".parse::<Timestamp>().unwrap());
    let mail = parse::parse(raw, options);
    let options = Options { attachments: Attachments::Inline, include_raw: false, include_sanitized_html: false };
    let mut body = Vec::new();
    let ways = unlimited(&mail.attachments, options.attachments);
    json::write(&Source { facts, mail: &mail, raw, options, ways: &ways }, &mut body).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// What is different, by its path; long texts are cut.
fn differences(path: &str, expected: &Value, found: &Value, told: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for key in expected.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
                let of = |side: &serde_json::Map<String, Value>| side.get(key).cloned().unwrap_or(Value::Null);
                differences(&format!("{path}.{key}"), &of(expected), &of(found), told);
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
                differences(&format!("{path}[{at}]"), expected, found, told);
            }
        }
        _ if expected == found => {}
        _ => told.push(format!("{path}: expected {expected:.400}, found {found:.400}")),
    }
}

#[test]
fn each_letter_is_told_as_it_stands_beside_it() {
    let schema = jsonschema::validator_for(&json::schema()).unwrap();
    let files: BTreeSet<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let letters: Vec<_> = files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "eml")).collect();
    let mut wrong = Vec::new();
    for letter in &letters {
        let found = body(&fs::read(letter).unwrap(), &options(&letter.with_extension("options.json")));
        let name = letter.file_stem().unwrap().to_string_lossy();
        wrong.extend(schema.iter_errors(&found).map(|error| format!("{name}: not of the schema: {error}")));
        let beside = letter.with_extension("json");
        if std::env::var("LETTERS").is_ok_and(|what| what == "write") {
            fs::write(&beside, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
        }
        match fs::read(&beside) {
            Ok(expected) => differences(&name, &serde_json::from_slice(&expected).unwrap(), &found, &mut wrong),
            Err(error) => wrong.push(format!("{}: {error}", beside.display())),
        }
    }
    let of_a_letter = |file: &PathBuf| {
        let name = file.to_string_lossy();
        let stem = [".options.json", ".json", ".eml"].iter().find_map(|ending| name.strip_suffix(ending));
        stem.is_some_and(|stem| files.contains(Path::new(&format!("{stem}.eml"))))
    };
    wrong.extend(files.iter().filter(|file| !of_a_letter(file)).map(|file| format!("no letter: {}", file.display())));
    assert!(wrong.is_empty(), "{} letters\n{}\n", letters.len(), wrong.join("\n"));
    assert!(!letters.is_empty());
}
