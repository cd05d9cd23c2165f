//! Formats on the wire: each arrives with its own content type, signed as it is, and events arrive where they can.

use std::process::Command;

use pophook::deliver::payload::Head;
use serde_json::Value;
use standardwebhooks::Webhook;

use crate::Read;
use crate::support::mails;
use crate::support::pop3_server::Message;
use crate::support::pop3_server::Pop3Server;
use crate::support::pophook::Endpoint;
use crate::support::pophook::Mailbox;
use crate::support::pophook::Pophook;
use crate::support::receiver::Hit;
use crate::support::receiver::Receiver;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Insists that a post is signed as its bytes are.
fn check_signature(hit: &Hit) {
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers = names.map(|name| (name.parse().unwrap(), hit.header(name).unwrap().parse().unwrap()));
    Webhook::new(KEY).unwrap().verify(&hit.body, &headers.into_iter().collect()).unwrap();
}

#[test]
fn each_format_arrives_with_its_content_type_and_signed() {
    let cases: [(&str, &[&str], &str); 8] = [
        ("cloudevents", &[], "application/cloudevents+json; charset=UTF-8"),
        ("cloudevents", &["cloudevents_mode: binary"], "application/json"),
        ("raw", &[], "message/rfc822"),
        ("postmark", &[], "application/json"),
        ("cloudmailin", &["cloudmailin_mode: multipart"], "multipart/form-data"),
        ("sendgrid", &[], "multipart/form-data"),
        ("mailgun", &["mailgun_signing_key: k"], "application/x-www-form-urlencoded"),
        ("template", &["template: { file: FILE, content_type: text/plain }"], "text/plain"),
    ];
    let raw = mails::plain("hello");
    let server = Pop3Server::start(vec![Message::new("1", &raw)]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jinja");
    std::fs::write(&file, "It says {{ data.subject }}").unwrap();
    let receivers: Vec<Receiver> = cases.iter().map(|_| Receiver::start()).collect();
    let names: Vec<String> = (0..cases.len()).map(|number| format!("e{number}")).collect();
    let endpoints = cases.iter().zip(&names).zip(&receivers).map(|(((format, lines, _), name), receiver)| {
        let endpoint = Endpoint::new(name, &receiver.url()).signed(&[KEY]).line("include_raw: false");
        let endpoint = endpoint.line(&format!("format: {format}"));
        lines.iter().fold(endpoint, |endpoint, line| endpoint.line(&line.replace("FILE", file.to_str().unwrap())))
    });
    let to: Vec<&str> = names.iter().map(String::as_str).collect();
    let pophook = Pophook::new([Mailbox::scripted(&server).deliver_to(&to)], endpoints);
    pophook.once().expect(0);
    for ((format, _, expected), receiver) in cases.iter().zip(&receivers) {
        let [hit] = &receiver.hits()[..] else { panic!("{format}: one post") };
        let content_type = hit.header("content-type").unwrap();
        assert!(content_type.starts_with(expected), "{format}: {content_type}");
        check_signature(hit);
        match (*format, *expected) {
            ("raw", _) => assert_eq!(hit.body, raw),
            ("template", _) => assert_eq!(hit.body, b"It says hello"),
            ("postmark", _) => assert_eq!(hit.json()["Subject"], "hello"),
            ("cloudevents", "application/json") => {
                assert_eq!(hit.json()["subject"], "hello");
                assert_eq!((hit.header("ce-type"), hit.header("ce-specversion")), (Some("mail.received"), Some("1.0")));
                assert_eq!(hit.header("ce-id"), Some(hit.id().as_str()));
            }
            ("cloudevents", _) => assert_eq!(hit.data("subject"), "hello"),
            (_, _) => {
                let form = Read::of(&Head { content_type: content_type.to_owned(), headers: Vec::new() }, &hit.body);
                assert!(form.0.iter().any(|field| field.bytes == b"hello"), "{format}: {form:?}");
            }
        }
    }
}

#[test]
fn an_event_is_a_cloudevent_where_mail_is() {
    let server = Pop3Server::start(vec![Message::new("big", &mails::large("big", 100_000))]);
    let desk = Receiver::start();
    let endpoint = Endpoint::desk(&desk).line("format: cloudevents").line("cloudevents_mode: binary");
    let mailbox = Mailbox::scripted(&server).line("max_message_size: 50KiB");
    let pophook = Pophook::new([mailbox], [endpoint.line("events: [mail.oversize]")]);
    pophook.once().expect(0);
    let [hit] = &desk.hits()[..] else { panic!("one event") };
    assert_eq!(hit.header("content-type"), Some("application/cloudevents+json; charset=UTF-8"));
    let event = hit.json();
    let attribute = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    assert_eq!((attribute("specversion"), attribute("type")), ("1.0".to_owned(), "mail.oversize".to_owned()));
    assert_eq!((attribute("id"), attribute("source")), (hit.id(), "/mailboxes/support".to_owned()));
    assert_eq!((&event["data"]["subject"], &event["data"]["limit"]), (&Value::from("big"), &Value::from(50 << 10)));
}

#[test]
fn a_template_is_tried_on_a_mail_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mail = write("a.eml", "Subject: say \"hi\"\r\n\r\n");
    let parse = |template: &str| {
        let arguments = ["parse", &mail, "--format", "template", "--template", template];
        Command::new(env!("CARGO_BIN_EXE_pophook")).args(arguments).output().unwrap()
    };
    let good = parse(&write("good.jinja", "{\"text\": {{ data.subject }}}"));
    assert_eq!(String::from_utf8(good.stdout).unwrap(), "{\"text\": \"say \\\"hi\\\"\"}\n");
    let bad = parse(&write("bad.jinja", "{\n{{ data.subjct }}}"));
    let said = String::from_utf8(bad.stderr).unwrap();
    assert!(!bad.status.success() && said.contains("bad.jinja:2: fails with a mail"), "{said}");
}
