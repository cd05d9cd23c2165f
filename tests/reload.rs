//! The configuration is read anew while pophook runs: whole or not at all, and nothing is dropped by it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::Signal;
use support::mails;
use support::oracle::KEY;
use support::oracle::Memory;
use support::oracle::Oracle;
use support::pop3_server::Event;
use support::pop3_server::Faults;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pop3_server::Then;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::pophook::Running;
use support::receiver::Answer;
use support::receiver::Receiver;
use support::volume::Volume;
use support::wait_for;

/// Looks often, so that no test waits for it.
const WATCH: &str = "reload: { watch: 100ms }\n";

fn message(id: &str) -> Message {
    Message::new(id, &mails::plain(id))
}

/// The endpoint at a receiver that verifies.
fn desk_at(receiver: &Receiver) -> Endpoint {
    Endpoint::desk(receiver).signed(&[KEY])
}

/// A scripted server, two receivers, and a daemon that was started with the first one as `desk`.
struct Stage {
    server: Pop3Server,
    desk: Receiver,
    other: Receiver,
    pophook: Pophook,
    daemon: Option<Running>,
    memory: Memory,
}

impl Stage {
    fn start(ids: &[&str]) -> Stage {
        let server = Pop3Server::start(ids.iter().map(|id| message(id)).collect());
        let (desk, other) = (Receiver::start(), Receiver::start());
        let pophook = Pophook::new([], []);
        let memory = Memory::default();
        memory.watch(&server, pophook.spool());
        pophook.configure([Mailbox::scripted(&server)], [desk_at(&desk)], WATCH);
        let daemon = Some(pophook.start(&["run"]));
        wait_for("the daemon serves", || !pophook.metrics().is_empty());
        Stage { server, desk, other, pophook, daemon, memory }
    }

    fn mailbox(&self) -> Mailbox {
        Mailbox::scripted(&self.server)
    }

    /// Waits until `/metrics` has this line.
    #[track_caller]
    fn until(&self, line: &str) {
        wait_for(line, || self.pophook.metrics().lines().any(|other| other == line));
    }

    fn until_reloads(&self, result: &str, times: usize) {
        self.until(&format!("pophook_config_reloads_total{{result=\"{result}\"}} {times}"));
    }

    /// Ends it, and insists on the invariants of the fault matrix, wherever the endpoint was.
    #[track_caller]
    fn end(mut self) -> String {
        let said = self.stop();
        self.oracle().holds(&self.memory);
        said
    }

    #[track_caller]
    fn stop(&mut self) -> String {
        let daemon = self.daemon.take().unwrap();
        daemon.terminate();
        daemon.wait().expect(0).said()
    }

    fn oracle(&self) -> Oracle<'_> {
        Oracle::new(&self.server, &self.pophook, vec![("desk", &self.desk), ("desk", &self.other)])
    }
}

#[test]
fn c1_an_endpoint_that_moved_gets_the_next_attempt_where_it_is_now() {
    let stage = Stage::start(&[]);
    stage.desk.set(Answer::Status(500));
    stage.server.put(message("a"));
    wait_for("the old one refuses", || stage.desk.count() >= 1);
    stage.pophook.configure([stage.mailbox()], [desk_at(&stage.other)], WATCH);
    wait_for("it arrives at the new one", || stage.other.subjects() == ["a"]);
    assert_eq!(stage.desk.ids(), stage.other.ids(), "under the same id");
    stage.until_reloads("ok", 1);
    stage.end();
}

#[test]
fn c1_an_endpoint_with_pending_deliveries_is_removed_only_if_that_is_said() {
    let mut stage = Stage::start(&[]);
    stage.desk.set(Answer::Status(500));
    stage.server.put(message("a"));
    wait_for("a delivery is pending", || stage.desk.count() >= 1);
    let (mailbox, other) =
        (stage.mailbox().deliver_to(&["other"]), Endpoint::new("other", &stage.other.url()).signed(&[KEY]));
    stage.pophook.configure([mailbox.clone()], [other.clone()], WATCH);
    stage.until_reloads("refused", 1);
    stage.until("pophook_config_reload_failed 1");
    let tried = stage.desk.count();
    wait_for("the old one is tried on", || stage.desk.count() > tried);
    let removed = format!("{WATCH}removed_endpoints: [desk]\n");
    stage.pophook.configure([mailbox], [other], &removed);
    stage.until_reloads("ok", 1);
    stage.until("pophook_config_reload_failed 0");
    stage.until("pophook_deliveries_pending{endpoint=\"(removed)\"} 1");
    wait_for("nothing is counted of what is gone", || !stage.pophook.metrics().contains("endpoint=\"desk\""));
    stage.server.put(message("b"));
    wait_for("new mail goes by the new routes", || stage.other.subjects() == ["b"]);
    stage.pophook.command(&["spool", "retry", "--endpoint", "desk", "--to", "other", "--yes"]).expect(0);
    wait_for("the rest follows", || stage.other.subjects() == ["a", "b"]);
    let said = stage.stop();
    Oracle::new(&stage.server, &stage.pophook, vec![("other", &stage.other)]).holds(&stage.memory);
    assert!(said.contains("endpoint desk is gone, and 1 deliveries to it are pending"), "{said}");
}

#[test]
fn c1_dead_letters_of_endpoints_that_are_gone_are_counted_together_until_they_are_settled() {
    let mut stage = Stage::start(&[]);
    let second = || Endpoint::new("second", &stage.desk.url()).signed(&[KEY]);
    let both = stage.mailbox().deliver_to(&["desk", "second"]);
    stage.pophook.configure([both], [desk_at(&stage.desk), second()], WATCH);
    stage.until_reloads("ok", 1);
    stage.desk.set(Answer::Status(400));
    stage.server.put(message("a"));
    wait_for("two dead letters", || stage.pophook.in_state("dead").len() == 2);
    let other = Endpoint::new("other", &stage.other.url()).signed(&[KEY]);
    stage.pophook.configure([stage.mailbox().deliver_to(&["other"])], [other], WATCH);
    stage.until_reloads("ok", 2);
    let of_the_gone =
        |count: usize| format!("pophook_dead_letters{{endpoint=\"(removed)\",reason=\"refused\"}} {count}");
    stage.until(&of_the_gone(2));
    stage.pophook.command(&["spool", "drop", "--state", "dead", "--yes"]).expect(0);
    stage.until(&of_the_gone(0));
    stage.stop();
}

#[test]
fn c1_mailboxes_come_and_go() {
    let mut stage = Stage::start(&["a"]);
    wait_for("the first mail", || stage.desk.count() == 1);
    let second = Pop3Server::start(vec![message("b")]);
    let added = Mailbox::in_clear(second.port, "sales");
    stage.pophook.configure([stage.mailbox(), added.clone()], [desk_at(&stage.desk)], WATCH);
    wait_for("mail of the new mailbox", || stage.desk.subjects() == ["a", "b"]);
    stage.pophook.configure([added], [desk_at(&stage.desk)], WATCH);
    stage.until_reloads("ok", 2);
    wait_for("nothing is counted of it", || !stage.pophook.metrics().contains("mailbox=\"support\""));
    let visits = stage.server.times("QUIT");
    second.put(message("c"));
    wait_for("the other one is visited on", || stage.desk.count() == 3);
    assert_eq!(stage.server.times("QUIT"), visits, "it is not visited any more");
    stage.stop();
    stage.oracle().and_mailbox("sales", &second).holds(&stage.memory);
}

#[test]
fn c1_a_bad_file_keeps_the_old_one_until_it_is_mended() {
    let stage = Stage::start(&["a"]);
    wait_for("the first mail", || stage.desk.count() == 1);
    stage.pophook.write_config("mailboxes: [");
    stage.until_reloads("failed", 1);
    stage.until("pophook_config_reload_failed 1");
    stage.server.put(message("b"));
    wait_for("it goes on", || stage.desk.count() == 2);
    stage.pophook.configure([stage.mailbox()], [desk_at(&stage.other)], WATCH);
    stage.until_reloads("ok", 1);
    stage.until("pophook_config_reload_failed 0");
    stage.server.put(message("c"));
    wait_for("the new one counts", || stage.other.subjects() == ["c"]);
    let said = stage.end();
    assert_eq!(said.matches("the configuration is not taken").count(), 1, "{said}");
}

#[test]
fn c1_sighup_has_the_file_read_at_once() {
    let stage = Stage::start(&[]);
    stage.pophook.configure([stage.mailbox()], [desk_at(&stage.desk)], "reload: { watch: off }\n");
    stage.until_reloads("ok", 1);
    stage.pophook.configure([stage.mailbox()], [desk_at(&stage.other)], "reload: { watch: off }\n");
    rustix::process::kill_process(stage.daemon.as_ref().unwrap().pid(), Signal::HUP).unwrap();
    stage.until_reloads("ok", 2);
    stage.server.put(message("a"));
    wait_for("the new one counts", || stage.other.subjects() == ["a"]);
    stage.end();
}

#[test]
fn c1_secrets_of_a_volume_are_picked_up_when_its_link_is_turned() {
    let (server, desk) = (Pop3Server::start(vec![message("a")]), Receiver::start());
    server.set(Faults { login_refused: Some("-ERR [AUTH] no"), ..Faults::default() });
    let key = |letter: &str| format!("whsec_{}", data_encoding::BASE64.encode(letter.repeat(32).as_bytes()));
    let pophook = Pophook::new([], []);
    let volume = Volume::mount(pophook.dir().join("secrets"), &[("password", "old"), ("key", &key("1"))]);
    let mailbox = Mailbox::scripted(&server).password(&volume.secret("password"));
    pophook.configure([mailbox], [Endpoint::desk(&desk).signed(&[&volume.secret("key")])], WATCH);
    let daemon = pophook.start(&["run"]);
    wait_for("the old password is refused", || pophook.metrics().contains("result=\"login_refused\"} 1"));
    volume.turn(&[("password", "pw"), ("key", "whsec_broken")]);
    wait_for("a broken key is reported", || pophook.metrics().contains("pophook_config_reload_failed 1"));
    server.set(Faults::default());
    volume.turn(&[("password", "pw"), ("key", &key("3"))]);
    // Though the next visit was due in five minutes only.
    wait_for("the new password is tried at once", || desk.count() == 1);
    let hit = &desk.hits()[0];
    let judge = standardwebhooks::Webhook::new(&key("3")).unwrap();
    let mut headers = reqwest::header::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, hit.header(name).unwrap().parse().unwrap());
    }
    judge.verify(&hit.body, &headers).expect("signed with the new key");
    daemon.terminate();
    daemon.wait().expect(0);
}

#[test]
fn c1_what_is_under_way_is_not_dropped() {
    let stage = Stage::start(&["first"]);
    // An endpoint that took one gets two at once.
    wait_for("the first is delivered", || stage.pophook.in_state("delivered").len() == 1);
    stage.desk.script([Answer::Hold]);
    stage.server.put(message("a"));
    wait_for("a post is under way", || stage.desk.count() == 2);
    stage.pophook.configure([stage.mailbox()], [desk_at(&stage.other)], WATCH);
    stage.until_reloads("ok", 1);
    stage.server.put(message("b"));
    wait_for("the next one goes to the new url", || stage.other.subjects() == ["b"]);
    stage.desk.release();
    wait_for("both are delivered", || stage.pophook.in_state("delivered").len() == 3);
    assert_eq!((stage.desk.count(), stage.other.count()), (2, 1), "each exactly once");
    stage.end();
}

#[test]
fn c1_a_visit_that_deletes_by_a_rule_that_is_gone_has_nothing_deleted() {
    let server = Pop3Server::start(vec![message("a"), message("b")]);
    let desk = Receiver::start();
    let pophook = Pophook::new([], []);
    let deleting = Mailbox::scripted(&server).on_server("delete_when_delivered");
    pophook.configure([deleting], [desk_at(&desk)], WATCH);
    let (reached, at) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (reached, released) = (Mutex::new(reached), Mutex::new(released));
    server.hook(move |event| {
        if matches!(event, Event::Arrived(line) if line == "DELE 1") {
            reached.lock().unwrap().send(()).unwrap_or_default();
            released.lock().unwrap().recv_timeout(Duration::from_secs(40)).unwrap_or_default();
        }
        Then::GoOn
    });
    let daemon = pophook.start(&["run"]);
    at.recv_timeout(Duration::from_secs(30)).unwrap();
    let sessions = server.sessions();
    pophook.configure([Mailbox::scripted(&server).on_server("keep")], [desk_at(&desk)], WATCH);
    wait_for("it is taken", || pophook.metrics().contains("pophook_config_reloads_total{result=\"ok\"} 1"));
    drop(release);
    wait_for("the next visit", || server.sessions() > sessions + 1);
    daemon.terminate();
    daemon.wait().expect(0);
    assert_eq!((server.messages().len(), desk.count()), (2, 2));
    Oracle::new(&server, &pophook, vec![("desk", &desk)]).holds(&Memory::default());
}
