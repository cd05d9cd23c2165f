//! Other mail servers than the usual one, and the usual one in other moods: everything arrives once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use support::dovecot::Dovecot;
use support::inetd::Inetd;
use support::mails;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Receiver;
use support::wait_for;

/// A server, an endpoint, and pophook between them.
struct Stage {
    server: Inetd,
    desk: Receiver,
    pophook: Pophook,
}

impl Stage {
    fn new(server: Inetd, user: &str, rule: &str) -> Stage {
        let desk = Receiver::start();
        let mailbox = Mailbox::in_clear(server.port, user).named("alice").on_server(rule);
        let pophook = Pophook::new([mailbox], [Endpoint::desk(&desk)]);
        Stage { server, desk, pophook }
    }

    /// Runs until so many mails are left on the server, and once more: these mails have arrived, each once.
    #[track_caller]
    fn check(&self, arrived: &[&str], left: usize) {
        self.pophook.once_until("the rule is carried out", || self.server.count() == left);
        let ended = self.pophook.once();
        assert_eq!(ended.code(), 0, "{}\n{}", ended.said(), self.server.log());
        assert_eq!(self.desk.subjects(), arrived, "{}", ended.said());
        assert_eq!((self.desk.ids().len(), self.server.count()), (arrived.len(), left), "{}", self.server.mbox());
    }
}

#[test]
fn a_server_that_writes_into_the_headers_is_served_with_keep() {
    let stage = Stage::new(Inetd::mailutils(), "alice@test", "keep");
    stage.server.put(&mails::plain("one"));
    stage.server.put(&mails::plain("two"));
    stage.check(&["one", "two"], 2);
    for field in ["X-UIDL: ", "X-IMAPbase: ", "X-UID: ", "Status: "] {
        assert!(stage.server.mbox().contains(field), "{field} was not written: {}", stage.server.mbox());
    }
    stage.check(&["one", "two"], 2);
    stage.server.put(&mails::plain("three"));
    stage.check(&["one", "three", "two"], 3);
    // Everything is read anew, in the form that it has by now.
    let before = stage.desk.ids();
    stage.pophook.lose_spool();
    stage.pophook.once().expect(0);
    assert_eq!((stage.desk.count(), stage.desk.ids()), (6, before), "the same mail has the same id");
}

#[test]
fn a_server_that_writes_into_the_headers_is_served_with_delete() {
    let stage = Stage::new(Inetd::mailutils(), "alice@test", "delete_when_delivered");
    stage.server.put(&mails::plain("one"));
    stage.server.put(&mails::plain("two"));
    stage.check(&["one", "two"], 0);
    stage.server.put(&mails::plain("three"));
    stage.check(&["one", "three", "two"], 0);
    stage.check(&["one", "three", "two"], 0);
}

#[test]
fn sizes_that_change_between_two_visits_are_no_news() {
    let stage = Stage::new(Inetd::mailutils(), "alice@test", "keep");
    stage.server.put(&mails::plain("one"));
    stage.server.put(&mails::plain("two"));
    stage.check(&["one", "two"], 2);
    let deleting = Mailbox::in_clear(stage.server.port, "alice@test").named("alice").on_server("delete_when_delivered");
    stage.pophook.configure([deleting], [Endpoint::desk(&stage.desk)], "");
    stage.check(&["one", "two"], 0);
}

/// Two mails for which popa3d has only one unique-id, because they have no header field that it looks at.
fn twins() -> [&'static [u8]; 2] {
    [b"Subject: one\r\n\r\nhello\r\n", b"Subject: two\r\n\r\nhello too\r\n.\r\n..\r\n"]
}

#[test]
fn a_server_without_capabilities_that_gives_two_mails_one_unique_id_is_served() {
    for (rule, left) in [("keep", 2), ("delete_when_delivered", 0), ("delete_when_spooled", 0)] {
        let stage = Stage::new(Inetd::popa3d(), "alice", rule);
        twins().iter().for_each(|mail| stage.server.put(mail));
        stage.check(&["one", "two"], left);
        stage.server.put(&mails::plain("three"));
        stage.check(&["one", "three", "two"], if left == 0 { 0 } else { 3 });
    }
}

#[test]
fn m7_a_maildrop_that_another_session_holds_is_taken_when_it_is_free() {
    let dovecot = Dovecot::start(&["alice"]);
    let desk = Receiver::start();
    dovecot.put("alice", &mails::plain("one"));
    let mailbox = Mailbox::implicit(&dovecot, "alice");
    let pophook = Pophook::new([mailbox], [Endpoint::desk(&desk)]);
    let mut other = dovecot.client("alice");
    let said = pophook.once().expect(2).said();
    assert!(said.contains("login_deferred") && said.contains("[IN-USE]"), "{said}");
    assert!(!said.contains("login_refused"), "{said}");
    other.ok("QUIT");
    drop(other);
    pophook.once_until("the mail arrives", || desk.count() > 0).expect(0);
    assert_eq!(desk.subjects(), ["one"]);
}

#[test]
fn m5_unique_ids_of_another_format_deliver_nothing_twice_and_raise_the_alarm() {
    let dovecot = Dovecot::start(&["alice"]);
    let desk = Receiver::start();
    let subjects: Vec<String> = (10..24).map(|number| format!("mail {number}")).collect();
    subjects.iter().for_each(|subject| drop(dovecot.put("alice", &mails::plain(subject))));
    let pophook = Pophook::new([Mailbox::implicit(&dovecot, "alice")], [Endpoint::desk(&desk)]);
    let daemon = pophook.start(&["run"]);
    wait_for("all mail arrives", || desk.subjects() == subjects);
    dovecot.number_anew();
    wait_for("the alarm", || pophook.metrics().contains("pophook_uidl_reset{mailbox=\"alice\"} 1"));
    dovecot.put("alice", &mails::plain("mail 99"));
    wait_for("what comes later arrives", || desk.subjects().iter().any(|subject| subject == "mail 99"));
    daemon.terminate();
    daemon.wait().expect(0);
    assert_eq!(desk.count(), subjects.len() + 1);
}

#[test]
fn a_server_that_lets_wrong_passwords_wait_is_waited_for_and_the_other_mailbox_is_served() {
    let dovecot = Dovecot::start_with(&["alice", "bob"], &[("AUTH_FAILURE_DELAY", "3s")]);
    let desk = Receiver::start();
    dovecot.put("bob", &mails::plain("one"));
    let wrong = Mailbox::implicit(&dovecot, "alice").password("s3cret");
    let pophook = Pophook::new([wrong, Mailbox::implicit(&dovecot, "bob")], [Endpoint::desk(&desk)]);
    let daemon = pophook.start(&["run"]);
    wait_for("the other mailbox is served", || desk.count() == 1);
    let refused = r#"pophook_visits_total{mailbox="alice",result="login_refused"}"#;
    wait_for("the refusal", || pophook.metrics().contains(&format!("{refused} 1")));
    daemon.terminate();
    let said = daemon.wait().expect(0).said();
    assert!(said.contains("next_in=\"5m") && !said.contains("s3cret"), "{said}");
}
