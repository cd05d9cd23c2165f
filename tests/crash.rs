//! SIGKILL at exact instants, then a second life: nothing is lost, each mail keeps its one id, and what was recorded
//! as delivered is not posted again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use rustix::process::Pid;
use rustix::process::Signal;
use support::mails;
use support::pop3_server::Event;
use support::pop3_server::Faults;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pop3_server::Then;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Hit;
use support::receiver::Receiver;

/// Kills the program when it is told to, which may be before the test has learnt its process id.
#[derive(Clone, Default)]
struct Killer(Arc<OnceLock<Pid>>);

impl Killer {
    fn strike(&self) {
        // A process that is already gone is as dead as wanted.
        let _gone = rustix::process::kill_process(*self.0.wait(), Signal::KILL);
    }
}

/// A scripted server with five mails, an endpoint, and pophook between them.
struct Stage {
    server: Pop3Server,
    desk: Receiver,
    pophook: Pophook,
    mails: Vec<Vec<u8>>,
    killer: Killer,
}

impl Stage {
    fn new(rule: &str, faults: &Faults) -> Stage {
        let mails: Vec<Vec<u8>> = (0..5).map(|n| mails::plain(&format!("mail {n}"))).collect();
        let messages = mails.iter().enumerate().map(|(n, raw)| Message::new(&format!("id{n}"), raw)).collect();
        let (server, desk) = (Pop3Server::start(messages), Receiver::start());
        server.set(faults.clone());
        let mailbox = Mailbox::scripted(&server).pipelined().on_server(rule);
        let pophook = Pophook::new([mailbox], [Endpoint::desk(&desk)]);
        Stage { server, desk, pophook, mails, killer: Killer::default() }
    }

    /// Runs `command` until it is killed; whether it was, or came to its end before the instant.
    fn first_life(&self, command: &str) -> bool {
        let running = self.pophook.start(&[command]);
        self.killer.0.set(running.pid()).unwrap();
        let ended = running.wait();
        self.server.unhook();
        self.desk.unhook();
        ended.status.code().is_none()
    }

    /// Runs again until all is done, and checks the promise.
    #[track_caller]
    fn second_life(&self, what: &str) {
        let delivered = |stage: &Stage| -> BTreeSet<String> {
            let lines = stage.pophook.in_state("delivered");
            lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
        };
        let (recorded, before) = (delivered(self), self.desk.count());
        assert!(recorded.is_subset(&self.desk.ids()), "{what}: recorded, but never posted");
        self.pophook.once_until(what, || delivered(self).len() == 5 && self.server.messages().is_empty()).expect(0);
        let hits = self.desk.hits();
        let arrived: BTreeSet<Vec<u8>> = hits.iter().map(Hit::raw).collect();
        assert_eq!(arrived.len(), 5, "{what}: each mail arrived");
        assert!(self.mails.iter().all(|mail| arrived.contains(mail)), "{what}: each mail arrived as it was");
        assert_eq!(self.desk.ids().len(), 5, "{what}: one id for each mail");
        let again: Vec<_> = hits[before..].iter().filter(|hit| recorded.contains(&hit.id())).collect();
        assert!(again.is_empty(), "{what}: posted again though recorded as delivered: {again:?}");
        assert_eq!(self.pophook.list().len(), 5, "{what}: one delivery for each mail");
        self.pophook.once().expect(0);
        assert_eq!(self.desk.count(), hits.len(), "{what}: quiet afterwards");
    }
}

/// Kills `once` and `run` at the first instant of a POP3 session that `is_it`; then `then` becomes of the session.
#[track_caller]
fn check(what: &str, faults: &Faults, rule: &str, then: Then, is_it: fn(&Event, deleting: bool) -> bool) {
    for command in ["once", "run"] {
        let stage = Stage::new(rule, faults);
        let (killer, deletes, struck) = (stage.killer.clone(), AtomicUsize::new(0), AtomicUsize::new(0));
        stage.server.hook(move |event| {
            if matches!(event, Event::Answered(line) if line.starts_with("DELE")) {
                deletes.fetch_add(1, Ordering::SeqCst);
            }
            if is_it(event, deletes.load(Ordering::SeqCst) > 0) && struck.fetch_add(1, Ordering::SeqCst) == 0 {
                killer.strike();
                return then;
            }
            Then::GoOn
        });
        assert!(stage.first_life(command), "{what}: the instant never came in `{command}`");
        stage.second_life(&format!("{what}, {command}"));
    }
}

fn is(event: &Event, arrived: bool, verb: &str) -> bool {
    match event {
        Event::Arrived(line) => arrived && line.starts_with(verb),
        Event::Answered(line) => !arrived && line.starts_with(verb),
        Event::Halfway(_) => false,
    }
}

#[test]
fn k2_killed_in_the_middle_of_a_message() {
    for faults in [Faults::default(), Faults { pipelining: true, ..Faults::default() }] {
        check("the third message", &faults, "delete_when_delivered", Then::Drop, |event, _| {
            *event == Event::Halfway("RETR 3".to_owned())
        });
    }
}

#[test]
fn k3_killed_after_the_last_byte_of_a_message_was_sent() {
    let rule = "delete_when_delivered";
    for faults in [Faults::default(), Faults { pipelining: true, ..Faults::default() }] {
        check("the first message", &faults, rule, Then::Drop, |event, _| is(event, false, "RETR 1"));
        check("the last message", &faults, rule, Then::Drop, |event, _| is(event, false, "RETR 5"));
    }
}

#[test]
fn k4_killed_when_quit_arrives_after_the_messages_were_taken() {
    let rule = "delete_when_delivered";
    check("QUIT is lost", &Faults::default(), rule, Then::Drop, |event, _| is(event, true, "QUIT"));
    check("QUIT is honoured", &Faults::default(), rule, Then::GoOn, |event, _| is(event, true, "QUIT"));
}

#[test]
fn k4_m8_killed_when_quit_arrives_at_a_server_that_deletes_what_was_retrieved() {
    let faults = Faults { retr_deletes: true, ..Faults::default() };
    check("QUIT deletes all", &faults, "keep", Then::GoOn, |event, _| is(event, true, "QUIT"));
    check("QUIT deletes all", &faults, "keep", Then::GoOn, |event, _| is(event, false, "QUIT"));
}

#[test]
fn k11_k12_k13_killed_around_a_delete() {
    for rule in ["delete_when_delivered", "delete_when_spooled"] {
        let faults = Faults::default();
        check("DELE arrived", &faults, rule, Then::Drop, |event, _| is(event, true, "DELE"));
        check("DELE was answered", &faults, rule, Then::Drop, |event, _| is(event, false, "DELE"));
        check("QUIT after DELE is lost", &faults, rule, Then::Drop, |event, deleting| {
            deleting && is(event, true, "QUIT")
        });
        check("QUIT after DELE is honoured", &faults, rule, Then::GoOn, |event, deleting| {
            deleting && is(event, true, "QUIT")
        });
        check("QUIT after DELE was answered", &faults, rule, Then::GoOn, |event, deleting| {
            deleting && is(event, false, "QUIT")
        });
    }
}

/// Kills `once` and `run` at the `nth` post, before or after it is answered.
fn check_post(nth: usize, answered: bool) {
    for command in ["once", "run"] {
        let stage = Stage::new("delete_when_delivered", &Faults::default());
        let (killer, posts) = (stage.killer.clone(), AtomicUsize::new(0));
        let hook = move |_: &Hit| {
            if posts.fetch_add(1, Ordering::SeqCst) + 1 == nth {
                killer.strike();
            }
        };
        if answered {
            stage.desk.on_answered(hook);
        } else {
            stage.desk.on_arrival(hook);
        }
        assert!(stage.first_life(command), "post {nth} never came in `{command}`");
        stage.second_life(&format!("post {nth}, answered: {answered}, {command}"));
    }
}

#[test]
fn k8_k9_k10_killed_when_a_post_arrives_or_was_answered() {
    for nth in [1, 3, 5] {
        check_post(nth, false);
        check_post(nth, true);
    }
}

#[test]
fn k1_k2_k3_k4_k11_k12_k13_killed_at_every_instant_of_every_session() {
    for nth in 1..1000 {
        let stage = Stage::new("delete_when_delivered", &Faults { pipelining: true, ..Faults::default() });
        let (killer, events) = (stage.killer.clone(), AtomicUsize::new(0));
        stage.server.hook(move |_| {
            if events.fetch_add(1, Ordering::SeqCst) + 1 == nth {
                killer.strike();
                return Then::Drop;
            }
            Then::GoOn
        });
        if !stage.first_life("once") {
            assert!(nth > 20, "a session has more instants than {nth}");
            return;
        }
        stage.second_life(&format!("instant {nth}"));
    }
}
