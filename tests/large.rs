//! Large mails: they arrive byte for byte, and in little memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use pophook::deliver::signature::Signed;
use pophook::deliver::signature::Trusted;
use pophook::deliver::signature::verify;
use pophook::secret::Secret;
use serde_json::Value;
use support::mails;
use support::oracle::usage;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Receiver;
use support::sha256;
use support::unbase64;
use support::wait_for;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ED25519: &str = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";

/// The most memory of the whole process while one mail of 50 MB goes through it, in KiB. Half of it is the mail.
const ONE_MAX: u64 = 150 << 10;
/// The same for sixteen mails at once, with the budgets that they are given here, and what the allocator keeps.
const SIXTEEN_MAX: u64 = 250 << 10;

fn pophook(server: &Pop3Server, receiver: &Receiver, keys: &[&str], line: &str) -> Pophook {
    let mailbox = Mailbox::scripted(server).line("max_message_size: 60MiB");
    Pophook::new([mailbox], [Endpoint::desk(receiver).signed(keys).line(line)])
}

/// Waits longer than others do: a debug build takes its time with so many bytes.
#[track_caller]
fn patiently(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..180 {
        let mut looks = 0;
        wait_for(what, || {
            looks += 1;
            looks > 50 || condition()
        });
        if condition() {
            return;
        }
    }
    panic!("waited in vain: {what}");
}

#[test]
fn a_mail_of_50_mb_arrives_byte_for_byte_in_little_memory() {
    let content = mails::noise(1, 36 << 20);
    let raw = mails::attached("large", &content);
    assert!((50_000_000..52_000_000).contains(&raw.len()), "{}", raw.len());
    let (server, receiver) = (Pop3Server::start(vec![Message::new("1", &raw)]), Receiver::start());
    let pophook = pophook(&server, &receiver, &[KEY], "timeout: 10m");
    let daemon = pophook.start(&["run"]);
    patiently("the mail arrives", || receiver.count() > 0);
    patiently("the mail is taken", || !pophook.in_state("delivered").is_empty());
    let (peak, _) = usage(daemon.pid());
    let hit = receiver.hits().remove(0);
    assert!(hit.signed, "the reference does not believe the signature");
    assert_eq!(hit.header("content-length").unwrap(), hit.body.len().to_string());
    let attachment = &hit.data("attachments")[0];
    assert_eq!(attachment["size"], content.len());
    assert_eq!(attachment["sha256"], sha256(&content));
    assert_eq!(sha256(&unbase64(attachment["content"].as_str().unwrap())), sha256(&content));
    assert_eq!((hit.data("size"), hit.data("sha256")), (raw.len().into(), sha256(&raw).into()));
    assert!(peak <= ONE_MAX, "{peak} KiB at the peak");
}

#[test]
fn sixteen_large_mails_at_once_keep_within_the_budgets() {
    let mails: Vec<Vec<u8>> =
        (0..16).map(|n| mails::attached(&format!("large {n}"), &mails::noise(n, 3 << 20))).collect();
    let messages = mails.iter().enumerate().map(|(n, raw)| Message::new(&n.to_string(), raw)).collect();
    let (server, receiver) = (Pop3Server::start(messages), Receiver::start());
    receiver.set(Answer::Hold);
    let pophook = pophook(&server, &receiver, &[KEY], "max_concurrency: 16");
    let daemon = pophook.start(&["run"]);
    patiently("the first mail arrives", || receiver.count() > 0);
    receiver.release();
    patiently("all mails are taken", || pophook.in_state("delivered").len() == 16);
    let (peak, _) = usage(daemon.pid());
    assert!(peak <= SIXTEEN_MAX, "{peak} KiB at the peak");
}

/// Whatever keeps the body from being streamed, or changes how it is, the receiver gets the same.
#[test]
fn a_large_mail_arrives_alike_however_it_is_signed_and_sent() {
    let raw = mails::attached("large", &mails::noise(2, 1 << 20));
    let check = |keys: &[&str], line: &str, plain: fn(&[u8]) -> Vec<u8>| -> Value {
        let (server, receiver) = (Pop3Server::start(vec![Message::new("1", &raw)]), Receiver::start());
        let pophook = pophook(&server, &receiver, keys, line);
        pophook.once().expect(0);
        let hit = receiver.hits().remove(0);
        let mut json: Value = serde_json::from_slice(&plain(&hit.body)).unwrap();
        json["timestamp"].take();
        json["data"]["spooled_at"].take();
        json
    };
    let expected = check(&[KEY], "timeout: 60s", <[u8]>::to_vec);
    assert_eq!(check(&[ED25519, KEY], "timeout: 60s", <[u8]>::to_vec), expected);
    let unzip = |body: &[u8]| {
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(body), &mut plain).unwrap();
        plain
    };
    assert_eq!(check(&[KEY], "compress: gzip", unzip), expected);
}

/// Signed as it came, with each file byte for byte.
#[test]
fn attachments_travel_as_files_of_a_form_where_the_endpoint_asks_for_it() {
    let content = mails::noise(4, 1 << 20);
    let server = Pop3Server::start(vec![
        Message::new("1", &mails::attached("large", &content)),
        Message::new("2", &mails::attached("small", &content[..1000])),
    ]);
    let receiver = Receiver::start();
    pophook(&server, &receiver, &[KEY], "attachments: multipart").once().expect(0);
    assert_eq!(receiver.count(), 2);
    for hit in receiver.hits() {
        let boundary = hit.header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
        let parts: Vec<&[u8]> = split(&hit.body, format!("--{boundary}").as_bytes());
        let [b"", payload, file, b"--\r\n"] = parts[..] else { panic!("{} parts", parts.len()) };
        let json = payload.strip_prefix(b"\r\nContent-Disposition: form-data; name=\"payload\"\r\n\r\n").unwrap();
        let json: Value = serde_json::from_slice(json).unwrap();
        let attachment = &json["data"]["attachments"][0];
        assert_eq!((&attachment["multipart"], attachment.get("content")), (&"attachment-1".into(), None));
        let head = b"\r\nContent-Disposition: form-data; name=\"attachment-1\"; filename=\"large.bin\"\r\n\
            Content-Type: application/octet-stream\r\n\r\n";
        let file = file.strip_prefix(head).unwrap().strip_suffix(b"\r\n").unwrap();
        assert_eq!(attachment["size"], file.len());
        assert!(content.starts_with(file));
        // The reference reads no bodies that are not UTF-8.
        let trusted = [Trusted::parse(&Secret::new(KEY)).unwrap()];
        let timestamp = hit.header("webhook-timestamp");
        let signature = hit.header("webhook-signature");
        let signed = Signed { id: hit.header("webhook-id"), timestamp, signature };
        assert_eq!(verify(&trusted, signed, timestamp.unwrap().parse().unwrap(), &hit.body), Ok(()));
    }
}

fn split<'a>(mut bytes: &'a [u8], at: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while let Some(found) = memchr::memmem::find(bytes, at) {
        pieces.push(&bytes[..found]);
        bytes = &bytes[found + at.len()..];
    }
    pieces.push(bytes);
    pieces
}
