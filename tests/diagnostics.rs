//! What the program tells a person when something is wrong, or when something is tried out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::thread;

use support::dovecot::Dovecot;
use support::free_port;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Receiver;

/// The whole of what `once` prints for a mailbox that cannot be visited is short, but for the sentence below the table.
fn check_visit(mailbox: Mailbox, reason: &str, told: &[&str]) {
    let pophook = Pophook::new([mailbox], [Endpoint::new("desk", "http://127.0.0.1:9/")]);
    let ended = pophook.once().expect(2);
    let (table, below) = ended.stdout.split_once("\nalice: ").unwrap_or_else(|| panic!("{ended:?}"));
    assert!(table.lines().all(|line| line.trim_end().chars().count() < 80), "{table}");
    assert!(table.contains(reason), "{reason} in {table}");
    let sentence = below.lines().next().unwrap();
    let online = pophook.command(&["check", "--online"]).expect(2);
    for part in told {
        assert!(sentence.contains(part), "{part} in {sentence}");
        assert!(online.stdout.contains(part), "{part} in {}", online.stdout);
    }
    assert!(!sentence.contains("error:"), "OpenSSL's own words in {sentence}");
}

#[test]
fn a_visit_that_fails_names_the_cause_and_the_remedy() {
    let dovecot = Dovecot::start(&["alice"]);
    let ca = format!("ca_file: {}", dovecot.ca_file.display());
    let implicit = || Mailbox::implicit(&dovecot, "alice");
    check_visit(implicit().without(&ca), "tls", &["from no trusted authority", "ca_file"]);
    check_visit(implicit().host("127.0.0.1"), "tls", &["for another name", "host"]);
    let plain = Mailbox::starttls(&dovecot, "alice").without("tls: starttls").line("tls: implicit");
    check_visit(plain, "tls", &["the port does not speak TLS", "`tls: starttls` with port 110"]);
    let closed = implicit().without(&format!("port: {}", dovecot.pop3s_port)).line(&format!("port: {}", free_port()));
    check_visit(closed, "connect", &["cannot connect", "look at host, port"]);
}

#[test]
fn at_debug_a_failed_visit_shows_its_dialogue_without_credentials() {
    let dovecot = Dovecot::start(&["alice"]);
    let mailbox = Mailbox::implicit(&dovecot, "alice").password("s3cret").line("auth: user");
    let pophook = Pophook::new([mailbox], [Endpoint::new("desk", "http://127.0.0.1:9/")]).env("POPHOOK_LOG", "debug");
    let said = pophook.once().expect(2).said();
    let dialogue: Vec<&str> = said.lines().filter(|line| line.contains("visit{mailbox=alice}")).collect();
    for part in
        ["the greeting", "sent command=\"CAPA\"", "sent command=\"PASS\" arguments=\"[secret]\"", "code=Some(Auth)"]
    {
        assert!(dialogue.iter().any(|line| line.contains(part)), "{part} in {dialogue:#?}");
    }
    assert!(!said.contains("s3cret"), "{said}");
}

/// `endpoint test` of the only endpoint; nobody visits the mailbox.
fn test_endpoint(endpoint: Endpoint) -> pophook::Ended {
    let server = Pop3Server::start(Vec::new());
    Pophook::new([Mailbox::scripted(&server)], [endpoint]).command(&["endpoint", "test", "desk"])
}

fn check_test(endpoint: Endpoint, told: &[&str]) {
    let ended = test_endpoint(endpoint).expect(2);
    for part in told {
        assert!(ended.stdout.contains(part), "{part} in {}", ended.stdout);
    }
}

#[test]
fn a_test_of_an_endpoint_that_fails_names_the_cause_and_the_remedy() {
    let dovecot = Dovecot::start(&["alice"]);
    let ca = format!("ca_file: {}", dovecot.ca_file.display());
    let over_tls = |host: &str| Endpoint::new("desk", &format!("https://{host}:{}/", dovecot.pop3s_port));
    check_test(over_tls("localhost"), &["not trusted", "ca_file"]);
    check_test(over_tls("127.0.0.1").line(&ca), &["for another name", "host name"]);
    check_test(over_tls("localhost").line(&ca), &["no HTTP", "port in url"]);
    check_test(Endpoint::new("desk", &format!("http://127.0.0.1:{}/", free_port())), &["refused", "nothing listens"]);
    let receiver = Receiver::start();
    for (answer, told) in [
        (Answer::Status(401), &["HTTP 401", "headers", "signing_keys"][..]),
        (Answer::Status(404), &["HTTP 404", "path"]),
        (Answer::With(308, "location", "/there".to_owned()), &["HTTP 308", "finally reached"]),
        (Answer::Reset, &["no answer: connection reset or closed"]),
    ] {
        receiver.set(answer);
        check_test(Endpoint::desk(&receiver), told);
    }
}

#[test]
fn the_stored_attempt_says_why_no_answer_came() {
    let server = Pop3Server::start(vec![Message::new("a", b"Subject: a\r\n")]);
    let endpoint = Endpoint::new("desk", &format!("http://127.0.0.1:{}/", free_port()));
    let pophook = Pophook::new([Mailbox::scripted(&server)], [endpoint]);
    pophook.once().expect(2);
    let id = pophook.list()[0]["id"].as_str().unwrap().to_owned();
    let shown = pophook.command(&["spool", "show", &id]).expect(0);
    assert!(shown.stdout.contains("connection_refused"), "{}", shown.stdout);
}

/// Posts `body`; tells the status that came back, if one did.
fn post(port: u16, body: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let length = body.len();
    let head = format!("POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

#[test]
fn receive_takes_exactly_as_many_posts_as_it_was_told() {
    let port = free_port();
    let receive = pophook::receive(port, &["--max", "5", "--status", "202"]);
    let posts: Vec<_> = (0..12).map(|_| thread::spawn(move || post(port, "{\"type\":\"ping\"}"))).collect();
    let statuses: Vec<_> = posts.into_iter().filter_map(|post| post.join().unwrap()).collect();
    let ended = receive.wait().expect(0);
    assert_eq!(statuses.iter().filter(|&&status| status == 202).count(), 5, "{statuses:?}");
    assert!(statuses.iter().all(|status| [202, 503].contains(status)), "{statuses:?}");
    assert_eq!(ended.stdout.matches("not verified").count(), 5, "{}", ended.stdout);
    assert!(ended.stdout.lines().nth(1).unwrap().contains("signatures are NOT verified"), "{}", ended.stdout);
}

#[test]
fn receive_shows_a_test_event_as_one() {
    let port = free_port();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let receive = pophook::receive(port, &["--max", "1", "--secret", secret]);
    let endpoint = Endpoint::new("desk", &format!("http://127.0.0.1:{port}/")).signed(&[secret]);
    test_endpoint(endpoint).expect(0);
    let ended = receive.wait().expect(0);
    assert!(ended.stdout.contains("endpoint.test") && ended.stdout.contains("  verified"), "{}", ended.stdout);
    for part in ["subject", "not verified", "NOT verified"] {
        assert!(!ended.stdout.contains(part), "{part} in {}", ended.stdout);
    }
}
