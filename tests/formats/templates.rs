//! The templates that come with pophook: whatever the mail, what they make is what the vendor asks for.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use pophook::deliver::Attachments;
use pophook::deliver::Format;
use pophook::deliver::payload;
use pophook::deliver::payload::Options;
use pophook::deliver::payload::Template;
use serde_json::Value;

use crate::BARE;
use crate::FULL;
use crate::with_source;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every letter, and some that are larger and odder than any of them.
fn mails() -> Vec<Vec<u8>> {
    let letters = fs::read_dir(root().join("tests/letters")).unwrap().map(|entry| entry.unwrap().path());
    let letters = letters.filter(|file| file.extension().is_some_and(|ending| ending == "eml"));
    let mut letters: Vec<PathBuf> = letters.collect();
    letters.sort();
    let long = "\u{1f4a9}\"\\\t".repeat(40_000);
    let header =
        "From: =?utf-8?q?a=22=5C?= <a@example.org>\r\nContent-Type: text/plain; charset=utf-8\r\nMessage-ID: <";
    let large = format!("{header}{}@x>\r\nSubject: {long}\r\n\r\n{long}", "i".repeat(2000));
    let files =
        "--m\r\nContent-Type: text/plain; name=\"a b.txt\"\r\nContent-Disposition: attachment\r\n\r\nx\r\n".repeat(300);
    let many =
        format!("From: {}@x\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n{files}--m--\r\n", "f".repeat(3000));
    let blank = "Subject:  \r\nFrom: \r\nTo: \r\n\r\n  \r\n".to_owned();
    let own = [FULL.to_owned(), BARE.to_owned(), large, many, blank, String::new()].map(String::into_bytes);
    letters.iter().map(|letter| fs::read(letter).unwrap()).chain(own).collect()
}

/// Renders each mail by a template, and hands the body to `check`.
fn check(name: &str, check: impl Fn(&Value, usize)) {
    let text = fs::read_to_string(root().join("deploy/templates").join(name)).unwrap();
    let template =
        Template::new(text, "application/json".to_owned()).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    let format = Format::Template(Arc::new(template));
    for attachments in [Attachments::Omit, Attachments::Inline] {
        for raw in mails() {
            let body = with_source(
                &raw,
                Options { attachments, include_raw: false, include_sanitized_html: false },
                |source| {
                    let mut body = Vec::new();
                    payload::write(&format, source, &mut body).unwrap_or_else(|error| panic!("{name}: {error:?}"));
                    body
                },
            );
            let read: Value = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
            check(&read, body.len());
        }
    }
}

/// A text that is there, with 1 to `most` characters as JavaScript counts them.
#[track_caller]
fn text<'a>(body: &'a Value, path: &str, most: usize) -> &'a str {
    let found = body.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("{path} is no text in {body}"));
    let length = found.encode_utf16().count();
    assert!((1..=most).contains(&length), "{path} has {length} of 1 to {most}");
    found
}

#[test]
fn every_template_that_comes_with_pophook_is_tested_here() {
    let source = fs::read_to_string(root().join("tests/formats/templates.rs")).unwrap();
    for entry in fs::read_dir(root().join("deploy/templates")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(source.contains(&format!("check(\"{name}\"")), "{name}");
    }
}

#[test]
fn slack_takes_it() {
    check("slack.json.jinja", |body, _| {
        text(body, "/text", 6000);
        assert!(text(body, "/blocks/0/text/text", 300).chars().count() <= 150);
        let blocks = body["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 50);
        for block in blocks {
            match block["type"].as_str().unwrap() {
                "header" => assert_eq!(block["text"]["type"], "plain_text"),
                "section" => {
                    text(block, "/text/text", 6000);
                }
                "context" => {
                    let elements = block["elements"].as_array().unwrap();
                    assert!((1..=10).contains(&elements.len()));
                    for element in elements {
                        text(element, "/text", 3000);
                    }
                }
                other => panic!("{other}"),
            }
        }
    });
}

#[test]
fn teams_takes_it() {
    check("teams.json.jinja", |body, size| {
        assert!(size < 28_000, "{size}");
        assert_eq!(body["type"], "message");
        let attachment = &body["attachments"][0];
        assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
        let card = &attachment["content"];
        assert_eq!((card["type"].as_str(), card["version"].as_str()), (Some("AdaptiveCard"), Some("1.4")));
        text(card, "/body/0/text", 500);
        text(card, "/body/2/inlines/0/text", 6000);
        for fact in card["body"][1]["facts"].as_array().unwrap() {
            text(fact, "/value", 1000);
        }
    });
}

#[test]
fn discord_takes_it() {
    check("discord.json.jinja", |body, _| {
        let embed = &body["embeds"][0];
        let mut whole = text(embed, "/title", 256).len().min(256);
        whole += text(embed, "/description", 4096).encode_utf16().count();
        whole += text(embed, "/author/name", 256).encode_utf16().count();
        whole += text(embed, "/footer/text", 2048).encode_utf16().count();
        if embed.get("fields").is_some() {
            whole +=
                text(embed, "/fields/0/name", 256).len() + text(embed, "/fields/0/value", 1024).encode_utf16().count();
        }
        assert!(whole <= 6000, "{whole}");
        assert_eq!(body["allowed_mentions"]["parse"], serde_json::json!([]));
    });
}

#[test]
fn pagerduty_takes_it() {
    check("pagerduty.json.jinja", |body, size| {
        assert!(size < 512 << 10, "{size}");
        assert_eq!(
            (body["event_action"].as_str(), body["routing_key"].as_str().map(str::len)),
            (Some("trigger"), Some(32))
        );
        text(body, "/dedup_key", 255);
        text(body, "/payload/source", 1000);
        assert!(text(body, "/payload/summary", 2048).chars().count() <= 1024);
        assert!(["critical", "error", "warning", "info"].contains(&body["payload"]["severity"].as_str().unwrap()));
    });
}

#[test]
fn opsgenie_takes_it() {
    check("opsgenie.json.jinja", |body, _| {
        assert!(text(body, "/message", 260).chars().count() <= 130);
        text(body, "/alias", 512);
        assert!(text(body, "/description", 30_000).chars().count() <= 15_000);
        assert!(text(body, "/source", 200).chars().count() <= 100);
        text(body, "/tags/0", 50);
        let details = body["details"].as_object().unwrap();
        assert!(details.values().all(Value::is_string));
        assert!(details.iter().map(|(key, value)| key.len() + value.as_str().unwrap().len()).sum::<usize>() <= 8000);
    });
}

/// One line, as the summary of an issue must be.
fn one_line(body: &Value, path: &str) {
    let line = text(body, path, 510);
    assert!(line.chars().count() <= 255 && !line.contains(['\r', '\n']), "{line}");
}

#[test]
fn jira_takes_it() {
    check("jira.json.jinja", |body, _| {
        one_line(body, "/fields/summary");
        text(body, "/fields/description", 32_767);
        text(body, "/fields/project/key", 10);
        text(body, "/fields/issuetype/name", 60);
        assert!(!text(body, "/fields/labels/0", 255).contains(' '));
    });
    check("jira-v3.json.jinja", |body, _| {
        one_line(body, "/fields/summary");
        let document = &body["fields"]["description"];
        assert_eq!((document["type"].as_str(), document["version"].as_u64()), (Some("doc"), Some(1)));
        text(document, "/content/0/content/0/text", 2000);
        text(document, "/content/1/content/0/text", 32_000);
        text(body, "/fields/project/key", 10);
        text(body, "/fields/issuetype/name", 60);
    });
}

#[test]
fn zammad_takes_it() {
    check("zammad.json.jinja", |body, _| {
        one_line(body, "/title");
        text(body, "/group", 100);
        assert!(text(body, "/customer_id", 410).starts_with("guess:"));
        let article = &body["article"];
        text(article, "/body", usize::MAX);
        assert!(["text/plain", "text/html"].contains(&article["content_type"].as_str().unwrap()));
        for file in article["attachments"].as_array().unwrap() {
            text(file, "/filename", 255);
            text(file, "/mime-type", 255);
            assert!(file["data"].is_string());
        }
    });
}
