//! Servers and endpoints that do what they should not: nothing is lost, nothing is deleted too early, and what was
//! delivered is not delivered again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::collections::BTreeSet;

use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use standardwebhooks::Webhook;
use support::mails;
use support::oracle::KEY;
use support::oracle::Memory;
use support::oracle::Oracle;
use support::oracle::usage;
use support::pop3_server::Faults;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pop3_server::Quit;
use support::pop3_server::Uidl;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Hit;
use support::receiver::Receiver;
use support::stage::Stage;
use support::stage::message;
use support::stage::messages;
use support::wait_for;

// --- the mail server's faults ---

#[test]
fn m1_a_connection_that_drops_within_a_message_loses_only_time() {
    let stage = Stage::new("delete_when_delivered", messages(&["a", "b", "c"]));
    let broken = |bytes| Faults { retr_broken: Some(("b", bytes)), ..Faults::default() };
    stage.server.script([broken(0), broken(30), broken(usize::MAX)]);
    stage.until_empty();
    stage.exactly(&messages(&["a", "b", "c"]));
}

#[test]
fn m1_a_connection_that_drops_within_pipelined_messages_loses_only_time() {
    let stage = Stage::with(messages(&["a", "b", "c", "d", "e"]), Mailbox::pipelined, |endpoint| endpoint);
    stage.server.script([Faults { pipelining: true, retr_broken: Some(("c", 50)), ..Faults::default() }]);
    stage.server.set(Faults { pipelining: true, ..Faults::default() });
    stage.until_delivered(5);
    stage.exactly(&messages(&["a", "b", "c", "d", "e"]));
}

#[test]
fn a_mail_that_is_listed_and_handed_out_as_nothing_is_taken_when_it_is_there_again() {
    for rule in ["delete_when_delivered", "delete_when_spooled"] {
        let stage = Stage::new(rule, messages(&["a", "b", "c"]));
        // Such a server must hear no QUIT from whoever has nothing of a message.
        stage.server.set(Faults { retr_deletes: true, ..Faults::default() });
        let lost = |id: &str| Message { raw: Vec::new(), ..message(id) };
        stage.server.replace(vec![lost("a"), lost("b"), message("c")]);
        let said = stage.pophook.once().said();
        assert!(said.contains("handed out nothing of a message"), "{said}");
        stage.pophook.once();
        assert_eq!((stage.desk.subjects(), stage.server.messages().len()), (vec!["c".to_owned()], 2));
        stage.server.replace(messages(&["a", "b"]));
        stage.until_empty();
        stage.until_delivered(3);
        stage.exactly(&messages(&["a", "b", "c"]));
    }
}

/// The deletes of one run fail; the next run makes up for it, and nothing is delivered twice.
fn check_lost_deletes(faults: Faults) {
    let stage = Stage::new("delete_when_delivered", messages(&["a", "b"]));
    stage.server.set(faults.clone());
    stage.pophook.once();
    assert!(stage.server.times("DELE") > 0, "{faults:?}");
    assert_eq!(stage.server.messages().len(), 2, "{faults:?}");
    stage.server.set(Faults::default());
    stage.until_empty();
    stage.exactly(&messages(&["a", "b"]));
    assert!(stage.pophook.in_state("delivered").len() == 2, "{faults:?}");
}

#[test]
fn m2_m10_deletes_that_were_lost_are_made_again() {
    check_lost_deletes(Faults { drop_after_dele: true, ..Faults::default() });
    check_lost_deletes(Faults { quit: Quit::Refused, ..Faults::default() });
    check_lost_deletes(Faults { quit: Quit::ForgottenInSilence, ..Faults::default() });
}

#[test]
fn m10_what_a_server_did_not_remove_is_deleted_again_and_the_rest_is_not_missed() {
    let stage = Stage::new("delete_when_delivered", messages(&["a", "b", "c"]));
    stage.server.set(Faults { quit: Quit::Halved, ..Faults::default() });
    stage.pophook.once();
    assert_eq!(stage.server.messages(), messages(&["c"]));
    stage.server.set(Faults::default());
    stage.until_empty();
    stage.exactly(&messages(&["a", "b", "c"]));
    assert_eq!(stage.pophook.in_state("delivered").len(), 3);
}

#[test]
fn m6_a_message_that_vanishes_between_listing_and_retrieval_is_no_fault_for_long() {
    let stage = Stage::new("delete_when_delivered", messages(&["a", "b", "c"]));
    // The numbers of a session stand; what another client took away is refused.
    stage.server.script([Faults { retr_refused: Some("b"), ..Faults::default() }]);
    stage.pophook.once();
    stage.server.replace(stage.server.messages().into_iter().filter(|one| *one != message("b")).collect());
    stage.until_empty();
    stage.exactly(&messages(&["a", "c"]));
    stage.pophook.once().expect(0);
    let asked = stage.server.times("RETR");
    stage.pophook.once().expect(0);
    assert_eq!(stage.server.times("RETR"), asked, "it is not asked for again");
}

#[test]
fn m12_a_mailbox_of_many_thousand_messages_holds_up_no_other_and_is_taken_up_where_it_broke_off() {
    const MANY: usize = 3000;
    let many = (0..MANY).map(|n| message(&format!("{n}"))).collect();
    let (huge, small, desk) = (Pop3Server::start(many), Pop3Server::start(Vec::new()), Receiver::start());
    let huge_one = Mailbox::scripted(&huge).named("huge").undelivered().line("pipelining: 32");
    let pophook = Pophook::new([huge_one, Mailbox::scripted(&small)], [Endpoint::desk(&desk)]);
    let daemon = pophook.start(&["run"]);
    wait_for("a part is taken", || huge.times("RETR") > MANY / 10);
    daemon.kill();
    small.put(message("small"));
    let daemon = pophook.start(&["run"]);
    wait_for("the small one is served", || desk.count() == 1);
    assert!(huge.times("RETR") < MANY, "the small one had to wait for the huge one");
    let all = format!("pophook_spool_messages{{state=\"unrouted\"}} {MANY}");
    wait_for("all are taken", || pophook.metrics().contains(&all));
    let (memory, files) = usage(daemon.pid());
    assert!(memory < 200 << 10 && files < 100, "{memory} KiB at the peak, {files} files");
    daemon.terminate();
    daemon.wait().expect(0);
    let again = huge.times("RETR") - MANY;
    assert!(again < MANY / 2, "{again} were retrieved twice, for one kill");
}

#[test]
fn m10_an_unanswered_quit_that_was_honoured_is_no_loss() {
    let stage = Stage::new("delete_when_delivered", messages(&["a", "b"]));
    stage.server.set(Faults { quit: Quit::HonouredInSilence, ..Faults::default() });
    stage.until_empty();
    stage.server.set(Faults::default());
    stage.pophook.once().expect(0);
    stage.exactly(&messages(&["a", "b"]));
}

#[test]
fn m1_a_listing_without_its_final_dot_says_nothing() {
    let stage = Stage::new("keep", messages(&["a", "b"]));
    stage.pophook.once().expect(0);
    for uidl in [Uidl::NoFinalDot, Uidl::HalfThenClosed] {
        stage.server.script([Faults { uidl, ..Faults::default() }]);
        stage.pophook.once();
    }
    stage.server.put(message("c"));
    stage.until_delivered(3);
    stage.exactly(&messages(&["a", "b", "c"]));
}

#[test]
fn m1_a_listing_without_its_final_dot_is_not_the_first_visit() {
    let skip = |mailbox: Mailbox| mailbox.start_from("now");
    let stage = Stage::with(messages(&["a", "b"]), skip, |endpoint| endpoint);
    stage.server.script([Faults { uidl: Uidl::HalfThenClosed, ..Faults::default() }]);
    stage.pophook.once();
    stage.pophook.once().expect(0);
    stage.server.put(message("c"));
    stage.pophook.once().expect(0);
    stage.exactly(&messages(&["c"]));
}

#[test]
fn m5_doubled_unique_ids_hide_no_mail() {
    let same = |subject: &str| Message::new("same", &mails::plain(subject));
    let all = || vec![same("a"), message("b"), same("c")];
    let kept = Stage::new("keep", all());
    kept.until_delivered(3);
    kept.pophook.once().expect(0);
    kept.exactly(&all());
    let deleted = Stage::new("delete_when_delivered", all());
    deleted.until_empty();
    deleted.exactly(&all());
}

#[test]
fn m5_illegal_unique_ids_hide_no_mail() {
    let under = |id: &[u8], subject: &str| Message { unique_id: id.into(), ..Message::new("", &mails::plain(subject)) };
    let all = || {
        vec![under(b"", "empty"), under(&[b'x'; 2000], "long"), under(b"a\x01b", "control"), under(b"\xfc/..", "bytes")]
    };
    let stage = Stage::new("delete_when_delivered", all());
    stage.until_empty();
    stage.exactly(&all());
}

#[test]
fn m5_a_unique_id_that_is_used_again_is_looked_at_again() {
    let stage = Stage::new("delete_when_delivered", vec![Message::new("x", &mails::plain("first"))]);
    stage.until_empty();
    stage.server.put(Message::new("x", &mails::plain("second")));
    stage.until_empty();
    assert_eq!(stage.desk.subjects(), ["first", "second"]);
    stage.server.put(Message::new("x", &mails::plain("first")));
    stage.until_empty();
    assert_eq!(stage.desk.count(), 2, "the same mail again is deleted, not delivered");
}

#[test]
fn m5_a_mail_that_changed_under_its_unique_id_is_delivered_before_it_is_deleted() {
    let stage = Stage::new("keep", vec![Message::new("x", &mails::plain("first"))]);
    stage.pophook.once().expect(0);
    stage.server.replace(vec![Message::new("x", &mails::plain("another, and longer"))]);
    let deleting = Mailbox::scripted(&stage.server).on_server("delete_when_delivered");
    stage.pophook.configure([deleting], [stage.endpoint()], "");
    stage.until_empty();
    assert_eq!(stage.desk.subjects(), ["another, and longer", "first"]);
}

#[test]
fn m3_a_message_that_the_server_cannot_read_does_not_hold_up_others() {
    let stage = Stage::new("delete_when_delivered", messages(&["a", "b", "c"]));
    stage.server.set(Faults { retr_refused: Some("b"), ..Faults::default() });
    stage.pophook.once().expect(2);
    stage.pophook.once().expect(2);
    assert_eq!(stage.desk.subjects(), ["a", "c"]);
    assert_eq!(stage.server.messages(), messages(&["b"]));
    stage.server.set(Faults::default());
    stage.until_empty();
    stage.exactly(&messages(&["a", "b", "c"]));
}

#[test]
fn m4_sizes_that_lie_change_nothing() {
    let lying = |id: &str, size| Message { size, ..message(id) };
    let all = || vec![lying("a", 0), lying("b", 1), lying("c", 100_000), lying("d", 150)];
    let stage = Stage::new("keep", all());
    stage.until_delivered(4);
    stage.server.replace(all().into_iter().map(|message| Message { size: message.size + 7, ..message }).collect());
    let deleting = Mailbox::scripted(&stage.server).on_server("delete_when_delivered");
    stage.pophook.configure([deleting], [stage.endpoint()], "");
    stage.until_empty();
    stage.exactly(&all());
}

#[test]
fn m4_a_mail_that_turns_out_too_large_stays_and_stops_nothing() {
    let large = || Message { size: 100, ..Message::new("large", &mails::large("large", 100_000)) };
    let limit = |mailbox: Mailbox| mailbox.line("max_message_size: 50KiB").on_server("delete_when_delivered");
    let stage = Stage::with(vec![message("a"), large(), message("b")], limit, |endpoint| endpoint);
    stage.pophook.once_until("only the large one is left", || stage.server.messages() == [large()]);
    stage.exactly(&messages(&["a", "b"]));
    let retrieved = stage.server.log().iter().filter(|logged| logged.command == "RETR 1").count();
    stage.pophook.once();
    let again = stage.server.log().iter().filter(|logged| logged.command == "RETR 1").count();
    assert_eq!(retrieved, again, "it is not retrieved again");
    assert_eq!(stage.pophook.in_state("oversize").len(), 1);
}

#[test]
fn m10_a_server_that_does_not_delete_is_given_up_after_three_times() {
    let stage = Stage::new("delete_when_delivered", messages(&["a"]));
    stage.server.set(Faults { dele_ignored: true, ..Faults::default() });
    let said: String = (0..6).map(|_| stage.pophook.once().said()).collect();
    assert_eq!(stage.server.times("DELE"), 3);
    assert!(said.contains("does not delete"), "{said}");
    stage.pophook.once();
    assert_eq!(stage.server.times("DELE"), 3);
    stage.exactly(&messages(&["a"]));
    let checked = stage.pophook.command(&["check", "--online"]).expect(0);
    assert!(checked.said().contains("does not delete"), "{}", checked.said());
}

#[test]
fn m8_a_server_that_deletes_what_was_retrieved_loses_nothing() {
    let stage = Stage::new("keep", messages(&["a", "b", "c"]));
    stage.server.set(Faults { retr_deletes: true, ..Faults::default() });
    stage.desk.set(Answer::Status(500));
    stage.until_empty();
    assert!(stage.pophook.in_state("pending").len() == 3);
    let refused = stage.desk.count();
    stage.desk.set(Answer::Status(200));
    stage.until_delivered(refused + 3);
    assert_eq!(stage.desk.ids().len(), 3);
}

/// A server without UIDL: each mail arrives once, whatever the rule.
fn check_without_uidl(rule: &str, left: usize) {
    let stage = Stage::new(rule, messages(&["a", "b"]));
    stage.server.set(Faults { uidl: Uidl::Unsupported, ..Faults::default() });
    stage
        .pophook
        .once_until("the rule is carried out", || stage.desk.count() >= 2 && stage.server.messages().len() == left);
    stage.pophook.once();
    stage.exactly(&messages(&["a", "b"]));
}

#[test]
fn m5_a_server_without_unique_ids_is_served_by_content() {
    check_without_uidl("keep", 2);
    check_without_uidl("delete_when_delivered", 0);
    check_without_uidl("delete_when_spooled", 0);
}

#[test]
fn m5_a_flood_of_new_unique_ids_delivers_nothing_twice() {
    let all = |generation: &str| -> Vec<Message> {
        (0..30).map(|n| Message::new(&format!("{generation}{n}"), &mails::plain(&format!("mail {n}")))).collect()
    };
    let stage = Stage::new("keep", all("old"));
    stage.until_delivered(30);
    let mut moved = all("new");
    moved.push(message("really new"));
    stage.server.replace(moved);
    stage.until_delivered(31);
    stage.pophook.once().expect(0);
    let mut expected = all("old");
    expected.push(message("really new"));
    stage.exactly(&expected);
}

#[test]
fn m5_equal_mails_under_two_unique_ids_are_one_message() {
    let twice = || vec![Message::new("a", &mails::plain("same")), Message::new("b", &mails::plain("same"))];
    let stage = Stage::new("delete_when_delivered", twice());
    stage.until_empty();
    assert_eq!(stage.desk.count(), 1);
}

/// A small journey on a server with these habits; whether any command did not wait for the one before.
fn check_habits(faults: Faults, mailbox: fn(Mailbox) -> Mailbox) -> bool {
    let ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let deleting = |it: Mailbox| mailbox(it).on_server("delete_when_delivered");
    let stage = Stage::with(messages(&ids), deleting, |endpoint| endpoint);
    stage.server.set(faults);
    stage.pophook.once().expect(0);
    stage.exactly(&messages(&ids));
    assert_eq!(stage.server.messages(), []);
    stage.server.log().iter().any(|logged| logged.pipelined)
}

#[test]
fn commands_are_sent_ahead_only_where_server_and_operator_allow_it() {
    let announced = || Faults { pipelining: true, ..Faults::default() };
    assert!(!check_habits(Faults::default(), Mailbox::pipelined));
    assert!(!check_habits(announced(), |mailbox| mailbox.line("pipelining: off")));
    assert!(check_habits(announced(), Mailbox::pipelined));
}

#[test]
fn a_server_without_capabilities_is_served() {
    assert!(!check_habits(Faults { no_capa: true, ..Faults::default() }, Mailbox::pipelined));
}

#[test]
fn answers_may_be_split_at_any_byte() {
    check_habits(Faults { byte_by_byte: true, ..Faults::default() }, |mailbox| mailbox);
    check_habits(Faults { byte_by_byte: true, pipelining: true, ..Faults::default() }, Mailbox::pipelined);
}

// --- the endpoint's faults ---

/// The endpoint fails once in this way; the next attempt delivers under the same id.
fn check_second_attempt(answer: Answer) {
    let shown = format!("{answer:?}");
    let quick = |endpoint: Endpoint| endpoint.line("timeout: 200ms");
    let stage = Stage::with(messages(&["a"]), |mailbox| mailbox.on_server("delete_when_delivered"), quick);
    stage.desk.script([answer]);
    stage.pophook.once().expect(2);
    assert_eq!(stage.server.messages().len(), 1, "{shown}: nothing is deleted before it was delivered");
    assert_eq!(stage.pophook.in_state("pending").len(), 1, "{shown}");
    stage.until_empty();
    assert_eq!((stage.desk.count(), stage.desk.ids().len()), (2, 1), "{shown}");
    let delivered = stage.pophook.in_state("delivered");
    assert_eq!((&delivered[0]["attempts"], &delivered[0]["last_status"]), (&2.into(), &200.into()), "{shown}");
}

#[test]
fn e1_e2_e3_a_failed_attempt_is_made_again_under_the_same_id() {
    check_second_attempt(Answer::Status(500));
    check_second_attempt(Answer::Status(404));
    check_second_attempt(Answer::Status(401));
    check_second_attempt(Answer::Reset);
    check_second_attempt(Answer::Close);
    check_second_attempt(Answer::Hold);
    check_second_attempt(Answer::With(503, "retry-after", "1".to_owned()));
    check_second_attempt(Answer::With(429, "retry-after", "1".to_owned()));
}

#[test]
fn e2_a_success_is_known_by_its_status_line() {
    let stage = Stage::new("delete_when_delivered", messages(&["a"]));
    stage.desk.set(Answer::HalfBody);
    stage.pophook.once().expect(0);
    assert_eq!((stage.desk.count(), stage.server.messages().len()), (1, 0));
}

#[test]
fn e6_retry_after_pauses_the_endpoint_and_survives_a_restart() {
    let stage = Stage::new("keep", messages(&["a"]));
    stage.desk.set(Answer::With(429, "retry-after", "3600".to_owned()));
    stage.pophook.once().expect(2);
    stage.server.put(message("b"));
    stage.pophook.once();
    assert_eq!(stage.desk.count(), 1, "nothing is posted during the pause");
    assert_eq!(stage.pophook.in_state("pending").len(), 2);
}

#[test]
fn e7_a_redirect_is_not_followed() {
    let stage = Stage::new("delete_when_delivered", messages(&["a"]));
    let elsewhere = Receiver::start();
    for status in [301, 302, 303, 307, 308] {
        stage.desk.script([Answer::With(status, "location", elsewhere.url())]);
    }
    stage.until_delivered(5);
    assert_eq!((elsewhere.count(), stage.server.messages().len()), (0, 1));
    stage.until_empty();
    assert_eq!((elsewhere.count(), stage.desk.count()), (0, 6));
}

#[test]
fn e8_a_refused_message_becomes_a_dead_letter_and_can_be_sent_again() {
    let stage = Stage::new("delete_when_delivered", messages(&["a"]));
    stage.desk.set(Answer::Status(422));
    stage.pophook.once_until("the fifth refusal", || !stage.pophook.in_state("dead").is_empty());
    stage.pophook.once();
    assert_eq!(stage.desk.count(), 5);
    let dead = &stage.pophook.list()[0];
    let id = stage.desk.hits()[0].id();
    assert_eq!(dead["id"], *id);
    assert_eq!(
        (&dead["state"], &dead["endpoint"], &dead["mailbox"]),
        (&"dead".into(), &"desk".into(), &"support".into())
    );
    assert_eq!((&dead["attempts"], &dead["last_status"]), (&5.into(), &422.into()));
    assert!(dead["reason"].is_string(), "{dead}");
    assert_eq!(
        (dead["unique_id"].as_str(), stage.server.messages().len()),
        (Some("a"), 1),
        "a dead letter deletes nothing"
    );

    let raw = stage.pophook.command(&["spool", "raw", &id]).expect(0).stdout;
    assert_eq!(raw.as_bytes(), mails::plain("a"));
    stage.desk.set(Answer::Status(200));
    stage.pophook.command(&["spool", "retry", &id]).expect(0);
    assert_eq!(stage.pophook.in_state("pending").len(), 1);
    stage.until_empty();
    assert_eq!((stage.desk.count(), stage.desk.ids().len()), (6, 1));
    assert_eq!(stage.pophook.in_state("delivered").len(), 1);
}

#[test]
fn e8_a_refused_message_does_not_hold_up_others() {
    let stage = Stage::new("keep", messages(&["a"]));
    stage.desk.script([Answer::Status(422), Answer::Status(422)]);
    stage.pophook.once().expect(2);
    stage.server.put(message("b"));
    stage.pophook.once_until("both arrive", || stage.pophook.in_state("delivered").len() == 2);
}

#[test]
fn e16_one_dead_endpoint_does_not_hold_up_another() {
    let (server, desk, archive) = (Pop3Server::start(Vec::new()), Receiver::start(), Receiver::start());
    (0..40).for_each(|n| server.put(message(&format!("mail {n}"))));
    archive.set(Answer::Hold);
    let mailbox = Mailbox::scripted(&server).deliver_to(&["desk", "archive"]);
    let signed = |endpoint: Endpoint| endpoint.signed(&[KEY]);
    let archived = Endpoint::new("archive", &archive.url());
    let pophook = Pophook::new([mailbox], [signed(Endpoint::desk(&desk)), signed(archived)]);
    let endpoints = vec![("desk", &desk), ("archive", &archive)];
    let oracle = Oracle::new(&server, &pophook, endpoints);
    let daemon = pophook.start(&["run"]);
    wait_for("all 40 mails arrive at the healthy endpoint", || desk.ids().len() == 40);
    (0..3).for_each(|_| oracle.keeps_apart(&desk));
    archive.set(Answer::Status(200));
    archive.release();
    wait_for("all mails arrive at the other", || archive.ids().len() == 43);
    oracle.lives(true);
    oracle.is_bounded(daemon.pid());
    daemon.terminate();
    daemon.wait().expect(0);
    assert_eq!((desk.count(), archive.count()), (44, 44), "each gets each mail once");
    oracle.holds(&Memory::default());
}

/// Two keys as Standard Webhooks writes them.
const KEYS: [&str; 2] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="];

fn header_map(hit: &Hit) -> HeaderMap {
    let field = |(name, value): &(String, String)| (HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    hit.headers.iter().map(field).collect()
}

#[test]
fn the_reference_accepts_the_signature_with_each_key() {
    let mut odd = message("a");
    odd.raw.extend(b"\xfc\xff\0 binary\r\n");
    let keep = |mailbox| mailbox;
    let stage = Stage::with(vec![odd, message("b")], keep, |endpoint| endpoint.signed(&KEYS));
    stage.pophook.once().expect(0);
    for hit in stage.desk.hits() {
        for key in KEYS {
            Webhook::new(key).unwrap().verify(&hit.body, &header_map(&hit)).unwrap();
        }
        let other = Webhook::new("whsec_c29tZXRoaW5nIGVsc2UsIDI0IGJ5dGVz").unwrap();
        assert!(other.verify(&hit.body, &header_map(&hit)).is_err());
    }
    assert_eq!(stage.desk.count(), 2);
}

#[test]
fn an_endpoint_without_keys_must_say_so() {
    let stage = Stage::with(Vec::new(), |mailbox| mailbox, |endpoint| endpoint.signed(&[]));
    let ended = stage.pophook.command(&["check"]).expect(64);
    assert!(ended.said().contains("sign"), "{}", ended.said());
}

// --- what left the file, and what found no way ---

/// Mail that waits for an endpoint which is then taken out of the file; the other one is the only one left.
fn removed_endpoint() -> (Stage, Receiver, BTreeSet<String>) {
    let stage = Stage::new("delete_when_delivered", messages(&["a", "b"]));
    stage.desk.set(Answer::Reset);
    stage.pophook.once().expect(2);
    let other = Receiver::start();
    let mailbox = Mailbox::scripted(&stage.server).on_server("delete_when_delivered").deliver_to(&["other"]);
    stage.pophook.configure([mailbox], [Endpoint::new("other", &other.url())], "");
    let before = stage.desk.count();
    stage.pophook.once();
    assert_eq!((stage.desk.count(), other.count(), stage.server.messages().len()), (before, 0, 2));
    let held = stage.pophook.in_state("pending");
    assert_eq!(held.iter().filter(|line| line["endpoint"] == "desk").count(), 2, "{held:#?}");
    let ids = stage.desk.ids();
    stage.holds();
    stage.owes_nothing_more();
    (stage, other, ids)
}

#[test]
fn mail_for_a_removed_endpoint_can_be_moved() {
    let (stage, other, ids) = removed_endpoint();
    stage.pophook.command(&["spool", "retry", "--endpoint", "desk", "--to", "other", "--yes"]).expect(0);
    stage.until_empty();
    assert_eq!((other.ids(), other.count()), (ids, 2));
}

#[test]
fn mail_for_a_removed_endpoint_can_be_dropped_and_stays_on_the_server() {
    let (stage, other, _) = removed_endpoint();
    stage.pophook.command(&["spool", "drop", "--endpoint", "desk", "--yes"]).expect(0);
    assert_eq!(stage.pophook.in_state("pending"), Vec::<serde_json::Value>::new());
    stage.pophook.once().expect(0);
    assert_eq!((other.count(), stage.server.messages().len()), (0, 2));
}

#[test]
fn mail_that_no_rule_fits_is_visible_and_can_be_sent_later() {
    let stage = Stage::with(
        messages(&["a"]),
        |mailbox| mailbox.undelivered().on_server("delete_when_delivered"),
        |endpoint| endpoint,
    );
    let mailbox = || Mailbox::scripted(&stage.server).undelivered().on_server("delete_when_delivered");
    let routes = |subject: &str| format!("routes:\n  - when: {{ subject: \"{subject}\" }}\n    deliver_to: [desk]\n");
    stage.pophook.configure([mailbox()], [stage.endpoint()], &routes("nothing like it"));
    stage.pophook.once();
    let unrouted = stage.pophook.in_state("unrouted");
    assert_eq!((unrouted.len(), stage.desk.count(), stage.server.messages().len()), (1, 0, 1));
    assert_eq!((&unrouted[0]["mailbox"], unrouted[0].get("endpoint")), (&"support".into(), None));

    stage.pophook.configure([mailbox()], [stage.endpoint()], &routes("a"));
    let id = unrouted[0]["id"].as_str().unwrap();
    stage.pophook.command(&["spool", "retry", id]).expect(0);
    stage.until_empty();
    stage.exactly(&messages(&["a"]));
    assert_eq!(stage.desk.hits()[0].id(), id);
}

#[test]
fn m5_an_id_that_was_away_is_another_mail_until_it_is_read() {
    for (rule, left) in [("keep", 1), ("delete_when_delivered", 0)] {
        let hold = |mailbox: Mailbox| mailbox.on_server(rule);
        let stage = Stage::with(vec![Message::new("x", &mails::plain("one"))], hold, |endpoint| endpoint);
        // Not delivered yet, so that it is not deleted by us.
        stage.desk.set(Answer::Status(500));
        stage.pophook.once();
        stage.server.replace(Vec::new());
        stage.pophook.once();
        stage.server.replace(vec![Message::new("x", &mails::plain("two"))]);
        stage.pophook.once();
        stage.desk.set(Answer::Status(204));
        stage.pophook.once_until("both arrive", || {
            let subjects = stage.desk.subjects();
            ["one", "two"].iter().all(|wanted| subjects.iter().any(|subject| subject == wanted))
        });
        stage.pophook.once();
        assert_eq!(stage.server.messages().len(), left, "{rule}");
    }
}

#[test]
fn m5_unique_ids_that_are_refused_for_once_are_not_lost() {
    let skip = |mailbox: Mailbox| mailbox.start_from("now").on_server("delete_when_spooled");
    let stage = Stage::with(messages(&["a", "b", "c"]), skip, |endpoint| endpoint);
    stage.pophook.once().expect(0);
    for uidl in [Uidl::Refused, Uidl::Refused, Uidl::Unsupported] {
        stage.server.set(Faults { uidl, ..Faults::default() });
        stage.pophook.once().expect(2);
    }
    stage.server.set(Faults::default());
    stage.pophook.once().expect(0);
    assert_eq!((stage.server.messages().len(), stage.desk.count()), (3, 0));
}

#[test]
fn without_unique_ids_only_all_can_be_the_start() {
    let stage = Stage::with(messages(&["a"]), |mailbox| mailbox.start_from("now"), |endpoint| endpoint);
    stage.server.set(Faults { uidl: Uidl::Unsupported, ..Faults::default() });
    let said = stage.pophook.once().expect(2).said();
    assert!(said.contains("start_from: all"), "{said}");
    assert_eq!(stage.desk.count(), 0);
}

#[test]
fn a_maildrop_that_is_empty_while_it_moves_does_not_flood_the_receivers() {
    let ids: Vec<String> = (0..12).map(|number| format!("old{number}")).collect();
    let under = |prefix: &str| -> Vec<Message> {
        ids.iter().map(|id| Message::new(&format!("{prefix}{id}"), &mails::plain(id))).collect()
    };
    let stage = Stage::with(under(""), |mailbox| mailbox.start_from("now"), |endpoint| endpoint);
    stage.pophook.once().expect(0);
    stage.server.replace(Vec::new());
    stage.pophook.once().expect(0);
    stage.server.replace(under("moved-"));
    stage.pophook.once().expect(2);
    assert_eq!(stage.desk.count(), 0);
    stage.pophook.command(&["mailbox", "reset", "support", "--as", "seen"]).expect(0);
    stage.pophook.once().expect(0);
    stage.server.put(message("really new"));
    stage.until_delivered(1);
    stage.exactly(&messages(&["really new"]));
}

#[test]
fn e6_a_wait_of_nothing_does_not_make_a_storm() {
    let slowly = |endpoint: Endpoint| endpoint.line("backoff: [1h]");
    let stage = Stage::with(messages(&["a"]), |mailbox| mailbox, slowly);
    stage.desk.set(Answer::With(429, "Retry-After", "0".to_owned()));
    for code in [2, 0, 0] {
        stage.pophook.once().expect(code);
    }
    assert_eq!(stage.desk.count(), 1, "tried again only after the backoff");
}
