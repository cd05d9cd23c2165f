//! Where mail goes, by the program itself: what a rule drops, and what `route explain` says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::fs;

use serde_json::Value;
use support::mails;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Receiver;
use support::wait_for;

/// A mailbox with mails of these subjects, and an endpoint that gets what `routes` let through.
struct Stage {
    server: Pop3Server,
    desk: Receiver,
    pophook: Pophook,
}

impl Stage {
    fn new(subjects: &[&str], routes: &str) -> Stage {
        let messages = subjects.iter().map(|subject| Message::new(subject, &mails::plain(subject))).collect();
        let (server, desk) = (Pop3Server::start(messages), Receiver::start());
        let mailbox = Mailbox::scripted(&server).on_server("delete_when_delivered").line("labels: { team: blue }");
        let pophook = Pophook::new([mailbox.clone()], [Endpoint::desk(&desk)]);
        pophook.configure([mailbox], [Endpoint::desk(&desk)], routes);
        Stage { server, desk, pophook }
    }

    /// What the server still has.
    fn left(&self) -> Vec<String> {
        let ids = self.server.messages().into_iter().map(|message| String::from_utf8(message.unique_id).unwrap());
        ids.collect()
    }

    /// Writes a mail beside the configuration, and explains where it goes.
    fn explain(&self, mail: &[u8], more: &[&str]) -> support::pophook::Ended {
        let file = self.pophook.dir().join("mail.eml");
        fs::write(&file, mail).unwrap();
        self.pophook.command(&[&["route", "explain", file.to_str().unwrap()], more].concat())
    }
}

const SPAM: &str = "routes:\n  - { name: spam, when: { subject: spam }, drop: true }\n";
const COUNTED: &str = "routes:\n  - { name: spam, when: { subject: spam }, drop: { counts_as_delivered: true } }\n";

#[test]
fn what_a_rule_drops_stays_on_the_server_and_is_counted_and_listed() {
    let stage = Stage::new(&["spam", "ham"], SPAM);
    let daemon = stage.pophook.start(&["run"]);
    wait_for("the other is delivered and deleted", || stage.left() == ["spam"]);
    let metrics = stage.pophook.metrics();
    assert!(metrics.contains("pophook_messages_dropped_by_rule_total{rule=\"spam\"} 1"), "{metrics}");
    daemon.terminate();
    let ended = daemon.wait().expect(0);
    assert!(ended.said().contains("dropped by a rule"), "{}", ended.said());
    assert!(!ended.said().contains("spam@example.com"), "{}", ended.said());
    let dropped = stage.pophook.in_state("dropped");
    assert_eq!((&dropped[0]["reason"], &dropped[0]["unique_id"]), (&"rule spam".into(), &"spam".into()));
    assert_eq!(stage.desk.subjects(), ["ham"]);
    // Visited again, it is neither taken nor posted nor deleted.
    stage.pophook.once().expect(0);
    assert_eq!((stage.left(), stage.desk.count()), (vec!["spam".to_owned()], 1));
}

#[test]
fn a_rule_that_has_never_dropped_anything_reports_zero() {
    let stage = Stage::new(&["ham"], SPAM);
    let daemon = stage.pophook.start(&["run"]);
    wait_for("the daemon is there", || stage.pophook.get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(stage.pophook.metrics().contains("pophook_messages_dropped_by_rule_total{rule=\"spam\"} 0"));
    daemon.terminate();
    daemon.wait().expect(0);
}

#[test]
fn what_a_rule_drops_leaves_the_server_where_that_counts_as_delivered() {
    let stage = Stage::new(&["spam", "ham"], COUNTED);
    stage.pophook.once_until("the maildrop is empty", || stage.left().is_empty());
    assert_eq!(stage.desk.subjects(), ["ham"]);
    assert_eq!(stage.pophook.in_state("dropped").len(), 1, "our copy stays for keep_delivered");
}

#[test]
fn what_a_rule_dropped_can_still_be_sent() {
    let stage = Stage::new(&["spam", "spam again"], &SPAM.replace("subject: spam", "subject: spam*"));
    stage.pophook.once().expect(0);
    assert_eq!((stage.desk.count(), stage.left().len()), (0, 2));
    let id = stage.pophook.in_state("dropped")[0]["id"].as_str().unwrap().to_owned();
    stage.pophook.command(&["spool", "retry", "--to", "desk", "--yes"]).expect(64);
    stage.pophook.command(&["spool", "retry", &id, "--to", "dsk"]).expect(64);
    stage.pophook.command(&["spool", "retry", &id, "--to", "desk"]).expect(0);
    stage.pophook.once_until("it is delivered and deleted", || stage.left().len() == 1);
    for (reason, code) in [("rule ", 64), ("rul spam", 64), ("rule news", 1), ("rule spam", 0)] {
        stage.pophook.command(&["spool", "retry", "--reason", reason, "--to", "desk", "--yes"]).expect(code);
    }
    stage.pophook.once_until("so is all that the rule has dropped", || stage.left().is_empty());
    assert_eq!(stage.desk.subjects(), ["spam", "spam again"]);
}

const SEVERAL: &str = "routes:
  - { name: archive, when: { label: { team: blue } }, deliver_to: [desk], continue: true }
  - when:
      any: [{ subject: billing* }, { not: { sender: \"*@example.com\" } }]
      larger_than: 10MB
    deliver_to: [desk]
  - { name: news, when: { tag: news }, drop: true }
  - { deliver_to: [desk] }
  - { when: { subject: x }, deliver_to: [desk] }
";

#[test]
fn an_explanation_shows_each_rule_with_what_was_seen() {
    let stage = Stage::new(&[], SEVERAL);
    let said = stage.explain(&mails::plain("Hello"), &[]).expect(0).stdout;
    let expected = "rule 1 (archive): matched
    yes label.team \"blue\" matches \"blue\"
rule 2: not matched
    no  larger_than 163; wanted: 10000000 bytes
    no  any
        no  all
            no  subject \"Hello\" does not match \"billing*\"
        no  all
            no  not
                yes all
                    yes sender \"ann@example.com\" matches \"*@example.com\"
rule 3 (news): not matched
    no  tag (none) does not match \"news\"
rule 4: matched
    it has no conditions
rule 5: not tried: a rule before it decided
endpoint desk gets application/json, ";
    assert!(said.starts_with(expected), "{said}");
    assert!(said.ends_with(", no attachments, with the raw mail\n"), "{said}");
}

/// The explanation as JSON.
fn json(stage: &Stage, mail: &[u8], more: &[&str]) -> Value {
    stage.explain(mail, &[&["--json"], more].concat()).expect(0).json().remove(0)
}

#[test]
fn an_explanation_for_programs_says_the_same() {
    let stage = Stage::new(&[], SEVERAL);
    let told = json(&stage, &mails::plain("Hello"), &["--mailbox", "support"]);
    assert_eq!(
        (&told["decision"], &told["mailbox"], &told["by_mailbox"]),
        (&"deliver".into(), &"support".into(), &false.into())
    );
    let tried: Vec<_> = told["rules"].as_array().unwrap().iter().map(|rule| rule["tried"].as_str().unwrap()).collect();
    assert_eq!(tried, ["matched", "not_matched", "not_matched", "matched", "not_tried"]);
    assert_eq!(told["rules"][0]["conditions"][0]["seen"], serde_json::json!(["blue"]));
    let delivery = &told["deliveries"][0];
    assert_eq!((&delivery["endpoint"], &delivery["attachments"]), (&"desk".into(), &"inline".into()));
    assert!(delivery["size"].as_u64().unwrap() > 500, "{delivery}");
}

#[test]
fn an_explanation_is_what_happens() {
    for (routes, subject, decision) in [
        (SPAM, "spam", "drop"),
        (SPAM, "ham", "deliver"),
        ("routes: [{ when: { subject: x }, deliver_to: [desk] }]\n", "ham", "deliver"),
        (SEVERAL, "ham", "deliver"),
    ] {
        let stage = Stage::new(&[subject], routes);
        let told = json(&stage, &mails::plain(subject), &[]);
        assert_eq!(told["decision"], decision, "{subject}: {routes}");
        stage.pophook.once().expect(0);
        let posted = told["deliveries"].as_array().unwrap().len();
        assert_eq!(stage.desk.count(), posted, "{subject}: {routes}");
    }
}

#[test]
fn an_explanation_tells_of_mail_that_goes_nowhere() {
    let stage = Stage::new(&[], SPAM);
    let check = |mail: &[u8], words: &str| {
        let said = stage.explain(mail, &[]).expect(0).stdout;
        assert!(said.contains(words), "{words:?} is not said in\n{said}");
    };
    check(&mails::plain("spam"), "dropped by rule spam; that does not count as delivered");
    check(&mails::plain("ham"), "no rule matched: the deliver_to of mailbox support counts");
    stage.pophook.configure([Mailbox::scripted(&stage.server).undelivered()], [Endpoint::desk(&stage.desk)], COUNTED);
    check(&mails::plain("spam"), "dropped by rule spam; that counts as delivered");
    check(&mails::plain("ham"), "unrouted: nobody says where it goes");
    let copied = "routes: [{ when: { subject: ham }, deliver_to: [desk], continue: true }]\n";
    stage.pophook.configure([Mailbox::scripted(&stage.server)], [Endpoint::desk(&stage.desk)], copied);
    check(&mails::plain("ham"), "none decided: the deliver_to of mailbox support does not count");
}

#[test]
fn what_a_mail_says_does_not_steer_the_terminal() {
    let stage = Stage::new(&[], SPAM);
    let said = stage.explain(b"Subject: =?utf-8?q?=1b[2J=0aspam?=\r\n\r\nx\r\n", &[]).expect(0).stdout;
    assert!(!said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn an_explanation_wants_a_mailbox_and_a_sound_file() {
    let stage = Stage::new(&[], SPAM);
    let check = |more: &[&str], code, words: &str| {
        let said = stage.explain(&mails::plain("x"), more).expect(code).said();
        assert!(said.contains(words), "{words:?} is not said in\n{said}");
    };
    check(&["--mailbox", "suport"], 64, "did you mean support?");
    let two = || [Mailbox::scripted(&stage.server), Mailbox::in_clear(1, "x").named("sales")];
    stage.pophook.configure(two(), [Endpoint::desk(&stage.desk)], SPAM);
    check(&[], 64, "name the mailbox with --mailbox; known here: support, sales");
    check(&["--mailbox", "sales"], 0, "rule 1 (spam): not matched");
    stage.pophook.configure(two(), [Endpoint::desk(&stage.desk)], "routes: [{ when: { subjct: x }, drop: true }]\n");
    check(&["--mailbox", "sales"], 64, "did you mean subject?");
    stage.pophook.command(&["route", "explain", "/none.eml"]).expect(64);
}

#[test]
fn a_check_warns_of_rules_that_are_never_read() {
    let stage = Stage::new(&[], SEVERAL);
    let said = stage.pophook.command(&["check"]).expect(0).stdout;
    assert!(
        said.contains("warning  routes: rule 5 and those after it are never read: every mail matches rule 4"),
        "{said}"
    );
    let stage = Stage::new(&[], SPAM);
    assert!(!stage.pophook.command(&["check"]).expect(0).stdout.contains("warning"));
}
