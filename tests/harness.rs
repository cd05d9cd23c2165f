//! The tests' own ground: the servers and doubles that the journeys stand on do what they claim.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;

use support::dovecot::Dovecot;
use support::mails;
use support::oracle::KEY;
use support::oracle::Line;
use support::oracle::Memory;
use support::oracle::Oracle;
use support::oracle::Owed;
use support::oracle::Post;
use support::oracle::judge;
use support::pop3_client::Pop3Client;
use support::pop3_server::Event;
use support::pop3_server::Faults;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pop3_server::Quit;
use support::pop3_server::Then;
use support::pop3_server::Uidl;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Receiver;
use support::strace;

#[test]
fn dovecot_serves_byte_for_byte_what_was_put() {
    let dovecot = Dovecot::start(&["alice", "bob"]);
    let shapes = mails::shapes();
    for (_, raw) in &shapes {
        dovecot.put("alice", raw);
    }
    let mut client = dovecot.client("alice");
    for (number, (name, raw)) in shapes.iter().enumerate() {
        let served = client.long(&format!("RETR {}", number + 1));
        assert!(served == *raw, "{name}: {} bytes put, {} served", raw.len(), served.len());
    }
    client.ok("DELE 1");
    client.ok("QUIT");
    assert_eq!((dovecot.count("alice"), dovecot.count("bob")), (shapes.len() - 1, 0));
}

#[test]
fn dovecot_serves_a_mail_of_no_bytes_as_one_line_end() {
    let dovecot = Dovecot::start(&["alice"]);
    dovecot.put("alice", b"");
    assert_eq!(dovecot.client("alice").long("RETR 1"), b"\r\n");
}

fn drop_of(ids: &[&str]) -> Pop3Server {
    Pop3Server::start(ids.iter().map(|id| Message::new(id, &mails::plain(id))).collect())
}

#[test]
fn the_scripted_server_removes_only_at_quit() {
    let server = drop_of(&["a", "b"]);
    let mut client = Pop3Client::login(server.port, "u", "pw");
    assert_eq!(client.long("UIDL"), b"1 a\r\n2 b\r\n");
    assert_eq!(client.long("RETR 2"), mails::plain("b"));
    client.ok("DELE 1");
    assert_eq!(client.long("UIDL"), b"2 b\r\n");
    drop(client);
    assert_eq!(server.messages().len(), 2);
    let mut client = Pop3Client::login(server.port, "u", "pw");
    client.ok("DELE 1");
    client.ok("QUIT");
    assert_eq!(server.messages(), [Message::new("b", &mails::plain("b"))]);
    assert_eq!((server.times("DELE"), server.times("QUIT"), server.sessions()), (2, 1, 2));
    assert!(Pop3Client::connect(server.port).ask("PASS no").starts_with("-ERR [AUTH]"));
}

#[test]
fn the_scripted_server_stuffs_dots() {
    let raw = b"Subject: x\r\n\r\n.\r\n..\r\n.a\r\n";
    let server = Pop3Server::start(vec![Message::new("a", raw)]);
    server.set(Faults { byte_by_byte: true, ..Faults::default() });
    assert_eq!(Pop3Client::login(server.port, "u", "pw").long("RETR 1"), raw);
}

/// One session with `faults`, in which both messages are retrieved and the first is deleted; what is left then.
fn check(faults: Faults, expected: usize) {
    let server = drop_of(&["a", "b"]);
    server.script([faults.clone()]);
    let mut client = Pop3Client::login(server.port, "u", "pw");
    client.long("RETR 1");
    client.long("RETR 2");
    client.ok("DELE 1");
    if !faults.drop_after_dele {
        client.send(b"QUIT\r\n");
    }
    // To the end of the connection, by which the server has decided.
    while !client.line().is_empty() {}
    assert_eq!(server.messages().len(), expected, "{faults:?}");
}

#[test]
fn each_fault_at_the_end_of_a_session_does_what_it_says() {
    check(Faults::default(), 1);
    check(Faults { quit: Quit::Refused, ..Faults::default() }, 2);
    check(Faults { quit: Quit::HonouredInSilence, ..Faults::default() }, 1);
    check(Faults { quit: Quit::ForgottenInSilence, ..Faults::default() }, 2);
    check(Faults { dele_ignored: true, ..Faults::default() }, 2);
    check(Faults { retr_deletes: true, ..Faults::default() }, 0);
    check(Faults { drop_after_dele: true, ..Faults::default() }, 2);
}

#[test]
fn each_fault_within_a_session_does_what_it_says() {
    let server = drop_of(&["a", "b"]);
    server.script([
        Faults { retr_broken: Some(("b", 20)), retr_refused: Some("a"), ..Faults::default() },
        Faults { uidl: Uidl::NoFinalDot, ..Faults::default() },
        Faults { uidl: Uidl::Unsupported, no_capa: true, ..Faults::default() },
    ]);
    let mut client = Pop3Client::login(server.port, "u", "pw");
    assert!(client.ask("RETR 1").starts_with("-ERR"));
    client.ok("RETR 2");
    assert_eq!(client.line(), b"From: Ann <ann@examp");
    let mut client = Pop3Client::login(server.port, "u", "pw");
    client.ok("UIDL");
    assert_eq!([client.line(), client.line(), client.line()], [b"1 a\r\n".to_vec(), b"2 b\r\n".to_vec(), b"".to_vec()]);
    let mut client = Pop3Client::login(server.port, "u", "pw");
    assert!(client.ask("UIDL").starts_with("-ERR"));
    assert!(client.ask("CAPA").starts_with("-ERR"));
}

#[test]
fn hooks_see_each_instant_in_order_and_can_end_the_session() {
    let server = drop_of(&["a"]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let copy = Arc::clone(&seen);
    server.hook(move |event| {
        copy.lock().unwrap().push(event.clone());
        if *event == Event::Arrived("QUIT".to_owned()) { Then::Drop } else { Then::GoOn }
    });
    let mut client = Pop3Client::login(server.port, "u", "pw");
    client.ok("DELE 1");
    client.send(b"QUIT\r\n");
    assert_eq!(client.line(), b"");
    assert_eq!(server.messages().len(), 1);
    let seen = seen.lock().unwrap();
    let last = &seen[seen.len() - 3..];
    let is = |text: &str| text.to_owned();
    assert_eq!(last, [Event::Arrived(is("DELE 1")), Event::Answered(is("DELE 1")), Event::Arrived(is("QUIT"))]);
}

#[test]
fn the_server_notices_commands_that_did_not_wait() {
    let server = drop_of(&["a"]);
    let mut client = Pop3Client::login(server.port, "u", "pw");
    client.send(b"NOOP\r\nNOOP\r\n");
    assert_eq!([client.line(), client.line()], [b"+OK\r\n", b"+OK\r\n"]);
    assert_eq!(server.log().iter().map(|logged| logged.pipelined).collect::<Vec<_>>(), [false, false, false, true]);
}

/// Posts `body` and returns the status line; empty if the connection ended first.
fn post(receiver: &Receiver, body: &str) -> String {
    let authority = receiver.url().replace("http://", "").replace("/inbound", "");
    let mut stream = TcpStream::connect(authority).unwrap();
    let head = format!("POST /inbound HTTP/1.1\r\nwebhook-id: msg_1\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).unwrap();
    let mut answer = vec![0; 1000];
    let read = stream.read(&mut answer).unwrap_or(0);
    String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn the_receiver_answers_by_its_script_and_records() {
    let receiver = Receiver::start();
    receiver.script([Answer::Status(500), Answer::Reset, Answer::Close, Answer::With(429, "retry-after", "1".into())]);
    let said: Vec<String> = (0..5).map(|_| post(&receiver, "{\"data\": {\"subject\": \"x\"}}")).collect();
    assert_eq!(said, ["HTTP/1.1 500 Scripted", "", "", "HTTP/1.1 429 Scripted", "HTTP/1.1 200 Scripted"]);
    assert_eq!(receiver.subjects(), ["x"; 5]);
    assert_eq!(receiver.ids().len(), 1);
    let ticks: Vec<u64> = receiver.hits().iter().map(|hit| hit.at).collect();
    assert!(ticks.is_sorted());
}

/// A trace as strace writes it, of two messages that are committed and then deleted.
const TRACE: &str = r#"
100 pwrite64(7</tmp/spool.db-wal>, "\30\26\3\4MARK"..., 4096, 32) = 4096
101 sendto(9<TCP:[127.0.0.1:40000->127.0.0.1:110]>, "RETR 2\r\n", 8, MSG_NOSIGNAL, NULL, 0) = 8
100 fdatasync(7</tmp/spool.db-wal> <unfinished ...>
101 sendto(9<socket:[123]>, "RETR 3\r\n", 8, MSG_NOSIGNAL, NULL, 0) = 8
100 <... fdatasync resumed>) = 0
101 sendto(9<socket:[123]>, "DELE 1\r\nDELE 2\r\n", 16, MSG_NOSIGNAL, NULL, 0) = 16
100 pwrite64(7</tmp/spool.db-wal>, "DELE MARK"..., 4096, 32) = 4096
100 fsync(7</tmp/spool.db-wal>) = 0
100 pwrite64(7</tmp/spool.db-wal>, "something else"..., 4096, 32) = 4096
101 write(9<TCP:[127.0.0.1:40000->127.0.0.1:110]>, "QUIT\r\n", 6) = 6
100 fsync(7</tmp/spool.db-wal>) = 0
100 +++ exited with 0 +++
"#;

#[test]
fn the_reader_of_traces_accepts_the_right_order() {
    let order = strace::order(TRACE, "MARK");
    assert_eq!(order.told, ["DELE", "QUIT"]);
    assert_eq!((order.mail_writes, order.syncs), (2, 3));
    assert_eq!(order.too_early, Vec::<String>::new());
}

#[test]
fn the_reader_of_traces_refuses_a_trace_without_syncs() {
    let order = strace::order(&strace::without_syncs(TRACE), "MARK");
    assert_eq!((order.syncs, order.too_early.len()), (0, 2));
}

#[test]
fn the_reader_of_traces_waits_for_the_end_of_a_sync() {
    let cut = TRACE.replace("100 <... fdatasync resumed>) = 0\n", "");
    assert_eq!(strace::order(&cut, "MARK").too_early.len(), 1);
    let failed = TRACE.replace("fsync(7</tmp/spool.db-wal>) = 0", "fsync(7</tmp/spool.db-wal>) = -1 EIO");
    assert_eq!(strace::order(&failed, "MARK").too_early.len(), 1);
    let late = TRACE
        .replacen("100 pwrite64(7", "102 pwrite64(7", 1)
        .replace("101 sendto(9<socket:[123]>, \"RETR 3", "102 pwrite64(7</tmp/spool.db-wal>, \"MARK");
    assert_eq!(strace::order(&late, "MARK").too_early.len(), 1, "a sync covers what was written when it began");
    let other = TRACE.replace("fsync(7</tmp/spool.db-wal>)", "fsync(7</tmp/spool.db>)");
    assert_eq!(strace::order(&other, "MARK").too_early.len(), 1);
}

// --- the oracle ---

fn owed(in_maildrop: bool) -> Owed {
    Owed::new("support", &mails::plain("a"), &["desk"], in_maildrop)
}

fn taken() -> Post {
    let Owed { mailbox, sha256, id, .. } = owed(false);
    Post { endpoint: "desk".to_owned(), mailbox, id, told: sha256.clone(), sha256, accepted: true, signed: true }
}

fn line(state: &str, attempts: u64) -> Line {
    Line { id: owed(false).id, endpoint: Some("desk".to_owned()), state: state.to_owned(), attempts }
}

/// What the oracle says of a mail that left the maildrop; each fault begins with the name of its invariant.
#[track_caller]
fn check_oracle(what: &str, posts: &[Post], lines: &[Line], before: &[Line], expected: &[&str]) {
    let copy = |_: &str| Some(owed(false).sha256);
    let wrong = judge(&[owed(false)], posts, lines, before, copy);
    let found: Vec<&str> = wrong.iter().map(|fault| fault.split(' ').next().unwrap()).collect();
    assert_eq!(found, expected, "{what}: {wrong:#?}");
}

#[test]
fn the_oracle_is_content_with_what_is_well() {
    check_oracle("it was taken", &[taken()], &[line("delivered", 1)], &[], &[]);
    check_oracle("it was taken twice", &[taken(), taken()], &[line("delivered", 1)], &[], &[]);
    check_oracle("it was released since", &[taken()], &[], &[line("delivered", 1)], &[]);
    check_oracle("it waits", &[], &[line("pending", 3)], &[line("pending", 3)], &[]);
    check_oracle("it is dead", &[Post { accepted: false, ..taken() }], &[line("dead", 5)], &[], &[]);
    for state in ["spooled", "unrouted", "quarantined"] {
        check_oracle(state, &[], &[Line { endpoint: None, ..line(state, 0) }], &[], &[]);
    }
    assert_eq!(judge(&[owed(true)], &[], &[], &[], |_| None), Vec::<String>::new(), "it lies in the maildrop");
}

#[test]
fn the_oracle_sees_each_invariant_broken() {
    let pending = || vec![line("pending", 1)];
    check_oracle("it is nowhere", &[], &[], &[], &["I1"]);
    check_oracle("it was refused, and is nowhere", &[Post { accepted: false, ..taken() }], &[], &[], &["I1"]);
    check_oracle(
        "it waits for another",
        &[],
        &[Line { endpoint: Some("erp".to_owned()), ..line("pending", 1) }],
        &[],
        &["I1"],
    );
    check_oracle("another id", &[Post { id: "msg_x".to_owned(), ..taken() }], &pending(), &[], &["I2"]);
    check_oracle("other bytes", &[Post { sha256: "x".to_owned(), ..taken() }], &[], &[], &["I4", "I4"]);
    check_oracle("another hash", &[Post { told: "x".to_owned(), ..taken() }], &[], &[], &["I4"]);
    check_oracle("unsigned", &[Post { signed: false, ..taken() }], &[], &[], &["I5"]);
    check_oracle("recorded, and never taken", &[], &[line("delivered", 1)], &[], &["I1", "I9"]);
    check_oracle("undelivered", &[taken()], &pending(), &[line("delivered", 1)], &["I9"]);
    check_oracle("attempts go back", &[], &pending(), &[line("pending", 2)], &["I9"]);
    let wrong = judge(&[owed(false)], &[], &pending(), &[], |_| None);
    assert!(wrong.len() == 1 && wrong[0].starts_with("I1"), "the copy is gone: {wrong:?}");
}

#[test]
fn the_oracle_sees_what_a_server_removes_too_early() {
    let (server, desk) = (drop_of(&["a"]), Receiver::start());
    let pophook = Pophook::new([Mailbox::scripted(&server)], [Endpoint::desk(&desk).signed(&[KEY])]);
    let memory = Memory::default();
    memory.watch(&server, pophook.spool());
    let mut client = Pop3Client::login(server.port, "u", "pw");
    client.ok("DELE 1");
    client.ok("QUIT");
    let oracle = Oracle::new(&server, &pophook, vec![("desk", &desk)]);
    let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| oracle.holds(&memory)));
    let told = judged.unwrap_err();
    let told = told.downcast_ref::<String>().unwrap();
    assert!(told.contains("I1 lost") && told.contains("I3 removed before"), "{told}");
}
