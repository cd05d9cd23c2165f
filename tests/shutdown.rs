//! SIGTERM at every stage of a message's way: a prompt end with exit code 0, and nothing lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use support::mails;
use support::oracle::KEY;
use support::oracle::Memory;
use support::oracle::Oracle;
use support::pop3_server::Event;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pop3_server::Then;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Receiver;
use support::stage::Stage;
use support::wait_for;

fn one() -> Vec<Message> {
    two().into_iter().take(1).collect()
}

fn two() -> Vec<Message> {
    ["a", "b"].map(|id| Message::new(id, &mails::plain(id))).into()
}

/// Insists on the invariants of the fault matrix.
#[track_caller]
fn judge(server: &Pop3Server, desk: &Receiver, pophook: &Pophook) {
    Oracle::new(server, pophook, vec![("desk", desk)]).holds(&Memory::default());
}

/// The server falls silent at `command`; SIGTERM then ends the daemon long before the grace (60 s here) is over, without
/// QUIT, and the next one delivers all.
fn check_silence(command: &'static str) {
    let (server, desk) = (Pop3Server::start(two()), Receiver::start());
    let (reached, at) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (reached, released) = (Mutex::new(reached), Mutex::new(released));
    server.hook(move |event| {
        if matches!(event, Event::Arrived(line) if line.starts_with(command)) {
            reached.lock().unwrap().send(()).unwrap_or_default();
            released.lock().unwrap().recv_timeout(Duration::from_secs(40)).unwrap_or_default();
        }
        Then::GoOn
    });
    let pophook = Pophook::new([], []);
    pophook.configure([Mailbox::scripted(&server)], [Endpoint::desk(&desk).signed(&[KEY])], "grace: 60s\n");
    let daemon = pophook.start(&["run"]);
    at.recv_timeout(Duration::from_secs(30)).unwrap();
    daemon.terminate();
    // Waits half of the grace at most.
    daemon.wait().expect(0);
    assert_eq!(server.times("QUIT"), 0, "{command}");
    server.unhook();
    drop(release);
    pophook.once_until("all mail arrives", || desk.ids().len() == 2);
    judge(&server, &desk, &pophook);
}

#[test]
fn g1_g2_a_visit_that_waits_for_its_server_is_cut() {
    for command in ["CAPA", "AUTH", "LIST", "UIDL", "RETR 1", "RETR 2"] {
        check_silence(command);
    }
}

#[test]
fn g1_a_server_that_never_greets_keeps_nobody_waiting() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let pophook = Pophook::new([], []);
    pophook.configure([Mailbox::in_clear(port, "a")], [Endpoint::new("desk", "http://127.0.0.1:1/")], "grace: 60s\n");
    let daemon = pophook.start(&["run"]);
    let (_stream, _) = silent.accept().unwrap();
    daemon.terminate();
    daemon.wait().expect(0);
}

#[test]
fn g5_a_post_under_way_is_waited_for_and_written_down() {
    let (server, desk) = (Pop3Server::start(one()), Receiver::start());
    desk.set(Answer::Hold);
    let pophook = Pophook::new([Mailbox::scripted(&server)], [Endpoint::desk(&desk).signed(&[KEY])]);
    let daemon = pophook.start(&["run"]);
    wait_for("a post is under way", || desk.count() == 1);
    daemon.terminate();
    wait_for("it drains", || pophook.get("/readyz").contains("draining"));
    desk.release();
    daemon.wait().expect(0);
    assert_eq!((pophook.in_state("delivered").len(), desk.count()), (1, 1));
    judge(&server, &desk, &pophook);
}

#[test]
fn g5_a_post_that_takes_longer_than_the_grace_is_made_again_under_the_same_id() {
    let (server, desk) = (Pop3Server::start(one()), Receiver::start());
    desk.set(Answer::Hold);
    let pophook = Pophook::new([], []);
    pophook.configure([Mailbox::scripted(&server)], [Endpoint::desk(&desk).signed(&[KEY])], "grace: 100ms\n");
    let daemon = pophook.start(&["run"]);
    wait_for("a post is under way", || desk.count() == 1);
    daemon.terminate();
    daemon.wait().expect(0);
    desk.set(Answer::Status(200));
    pophook.once_until("it is delivered", || pophook.in_state("delivered").len() == 1);
    assert_eq!(desk.ids().len(), 1);
    judge(&server, &desk, &pophook);
}

#[test]
fn g6_a_session_between_dele_and_quit_comes_to_its_end() {
    let (server, desk) = (Pop3Server::start(two()), Receiver::start());
    let pophook = Pophook::new(
        [Mailbox::scripted(&server).on_server("delete_when_delivered")],
        [Endpoint::desk(&desk).signed(&[KEY])],
    );
    let (reached, at) = mpsc::channel();
    let (reached, gate) = (Mutex::new(reached), Arc::new(Mutex::new(())));
    let (held, closed) = (Arc::clone(&gate), gate.lock().unwrap());
    server.hook(move |event| {
        if matches!(event, Event::Arrived(line) if line == "DELE 1") {
            reached.lock().unwrap().send(()).unwrap_or_default();
            drop(held.lock());
        }
        Then::GoOn
    });
    let daemon = pophook.start(&["run"]);
    at.recv_timeout(Duration::from_secs(30)).unwrap();
    daemon.terminate();
    wait_for("it drains", || pophook.get("/readyz").contains("draining"));
    drop(closed);
    daemon.wait().expect(0);
    assert_eq!((server.messages().len(), desk.count()), (0, 2));
    judge(&server, &desk, &pophook);
}

#[test]
fn g8_a_second_sigterm_is_at_once() {
    let (server, desk) = (Pop3Server::start(one()), Receiver::start());
    desk.set(Answer::Hold);
    let pophook = Pophook::new([], []);
    pophook.configure([Mailbox::scripted(&server)], [Endpoint::desk(&desk).signed(&[KEY])], "grace: 60s\n");
    let daemon = pophook.start(&["run"]);
    wait_for("a post is under way", || desk.count() == 1);
    daemon.terminate();
    wait_for("it drains", || pophook.get("/readyz").contains("draining"));
    daemon.terminate();
    daemon.wait().expect(1);
    desk.set(Answer::Status(200));
    pophook.once_until("it is delivered", || pophook.in_state("delivered").len() == 1);
    assert_eq!(desk.ids().len(), 1);
    judge(&server, &desk, &pophook);
}

/// Every sync takes a quarter of a second, and SIGTERM comes when the server hears `command` for the `nth` time.
fn check_slow_disk(command: &'static str, nth: usize) {
    let messages = vec![Message::new("a", &mails::plain("a")), Message::new("b", &mails::plain("b"))];
    let stage = Stage::new("delete_when_delivered", messages);
    let slow = ["strace", "-f", "-o", "/dev/null", "-e", "inject=fsync,fdatasync:delay_enter=250000"];
    let daemon = stage.pophook.start_behind(&slow, &["run"]);
    wait_for(command, || stage.server.times(command) >= nth);
    stage.pophook.terminate();
    daemon.wait().expect(0);
    stage.holds();
    stage.until_empty();
    stage.lives();
}

#[test]
fn g3_g4_g7_a_slow_disk_is_waited_for_while_mail_is_taken_sorted_and_the_spool_closed() {
    check_slow_disk("RETR", 1);
    check_slow_disk("RETR", 2);
    check_slow_disk("QUIT", 1);
    check_slow_disk("DELE", 2);
}
