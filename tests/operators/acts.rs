//! What is done, each act to a running daemon, and what the log says of it.

use std::io::Read as _;
use std::io::Write as _;
use std::net::Shutdown;
use std::net::TcpStream;

use serde_json::json;

use crate::CHIEF;
use crate::Stage;
use crate::support::mails;
use crate::support::pop3_server::Message;
use crate::support::pop3_server::Pop3Server;
use crate::support::pophook::Endpoint;
use crate::support::pophook::Mailbox;
use crate::support::pophook::Pophook;
use crate::support::receiver::Answer;
use crate::support::receiver::Receiver;
use crate::support::wait_for;
use crate::tokens;

/// A mail whose every word would be seen in a log.
fn telling(id: &str) -> Message {
    let raw = format!("From: secret-sender@example.org\r\nSubject: secret-subject\r\n\r\nsecret-body {id}\r\n");
    Message::new(id, raw.as_bytes())
}

#[track_caller]
fn tells_no_mail(said: &str) {
    assert!(!said.contains("secret-"), "{said}");
}

/// The audit lines of this action.
fn audited<'a>(said: &'a str, action: &str) -> Vec<&'a str> {
    said.lines().filter(|line| line.contains(&format!("action=\"{action}\""))).collect()
}

#[test]
fn a_mailbox_that_is_paused_is_not_visited_also_after_a_restart_until_it_is_resumed() {
    let mut stage = Stage::start(&["a"]);
    wait_for("it is visited", || stage.desk.count() == 1);
    assert_eq!(stage.post("/mailboxes/support/pause", None).expect(200).json()["changed"], 1);
    assert_eq!(stage.post("/mailboxes/support/pause", None).expect(200).json()["changed"], 0, "it was so already");
    assert!(stage.get("/mailboxes/support")["paused_since"].is_string());
    assert_eq!(stage.post("/mailboxes/support/visit", None).expect(409).json()["error"], "impossible");
    stage.stop();
    let sessions = stage.server.sessions();
    stage.run();
    wait_for("it knows", || stage.pophook.metrics().contains("pophook_mailbox_paused{mailbox=\"support\"} 1"));
    stage.server.put(telling("b"));
    let once = stage.pophook.command(&["mailbox", "list", "--json"]).expect(0).json();
    assert!(once[0]["paused_since"].is_string(), "{once:?}");
    assert_eq!(stage.get("/mailboxes/support")["next_visit"], json!(null));
    assert_eq!(stage.server.sessions(), sessions, "nothing was asked of the server");
    assert_eq!(stage.post("/mailboxes/support/resume", None).expect(200).json()["changed"], 1);
    wait_for("the mail that came meanwhile arrives", || stage.desk.count() == 2);
    let said = stage.stop();
    assert_eq!(audited(&said, "resume_mailbox").len(), 1, "{said}");
    tells_no_mail(&said);
}

#[test]
fn a_mailbox_that_was_paused_without_a_daemon_is_left_alone_by_a_single_round() {
    let server = Pop3Server::start(vec![telling("a")]);
    let desk = Receiver::start();
    let pophook = Pophook::new([Mailbox::scripted(&server)], [Endpoint::desk(&desk)]);
    pophook.once().expect(0);
    let sessions = server.sessions();
    assert_eq!(pophook.command(&["mailbox", "pause", "support"]).expect(0).stdout, "support is paused\n");
    let once = pophook.once().expect(2);
    assert!(once.said().contains("the mailbox is paused"), "{once:?}");
    assert_eq!(server.sessions(), sessions);
    let visit = pophook.command(&["mailbox", "visit", "support"]).expect(1);
    assert!(visit.said().contains("no pophook runs"), "{visit:?}");
    pophook.command(&["mailbox", "resume", "support"]).expect(0);
    pophook.once().expect(0);
    assert!(server.sessions() > sessions);
}

#[test]
fn a_visit_that_is_asked_for_is_made_at_once() {
    let stage = Stage::configured(&[], &tokens());
    let slow = stage.pophook.config();
    let config = std::fs::read_to_string(&slow).unwrap().replace("poll_interval: 1s", "poll_interval: 1h");
    stage.pophook.write_config(&config);
    wait_for("it is visited once an hour", || {
        stage.get("/mailboxes/support")["poll_interval_seconds"] == 3600
            && stage.get("/mailboxes/support")["next_visit"].is_string()
    });
    stage.server.put(Message::new("a", &mails::plain("a")));
    assert_eq!(stage.post("/mailboxes/support/visit", None).expect(200).json()["changed"], 1);
    wait_for("the mail arrives", || stage.desk.count() == 1);
    assert_eq!(stage.post("/mailboxes/other/visit", None).expect(404).json()["error"], "unknown");
}

#[test]
fn a_dead_letter_is_shown_beforehand_and_then_tried_again() {
    let mut stage = Stage::start(&[]);
    stage.desk.set(Answer::Status(422));
    stage.server.put(telling("a"));
    let dead = |stage: &Stage| stage.get("/dead-letters")["messages"].as_array().unwrap().len();
    wait_for("it is dead", || dead(&stage) == 1);
    stage.desk.set(Answer::Status(200));
    let tried = stage.desk.count();
    let select = json!({ "endpoint": "desk", "state": "dead" });
    let preview = stage.post("/retry", Some(&json!({ "select": select }))).expect(200).json();
    assert_eq!((&preview["done"], &preview["changed"]), (&json!(false), &json!(1)));
    assert_eq!(preview["preview"]["reasons"], json!({ "refused": 1 }));
    assert_eq!((dead(&stage), stage.desk.count()), (1, tried), "nothing was done");
    let done = stage.post("/retry", Some(&json!({ "select": select, "yes": true }))).expect(200).json();
    assert_eq!((&done["done"], &done["changed"], &done["preview"]), (&json!(true), &json!(1), &json!(null)));
    wait_for("it is delivered", || stage.found("state=delivered").len() == 1);
    assert_eq!(dead(&stage), 0);
    let said = stage.stop();
    let lines = audited(&said, "retry");
    assert!(lines.len() == 1 && lines[0].contains("who=\"chief\"") && lines[0].contains("endpoint=desk"), "{said}");
    tells_no_mail(&said);
}

#[test]
fn a_delivery_that_is_dropped_is_settled() {
    let mut stage = Stage::start(&[]);
    stage.desk.set(Answer::Status(500));
    stage.server.put(telling("a"));
    wait_for("it waits", || stage.found("state=routed").len() == 1);
    let id = stage.found("").remove(0);
    let select = json!({ "ids": [id] });
    let preview = stage.post("/drop", Some(&json!({ "select": select }))).expect(200).json();
    assert_eq!((&preview["done"], &preview["changed"]), (&json!(false), &json!(1)));
    let done = stage.post("/drop", Some(&json!({ "select": select, "yes": true }))).expect(200).json();
    assert_eq!(done["changed"], 1);
    let shown = stage.get(&format!("/messages/{id}"));
    assert_eq!((&shown["state"], &shown["deliveries"][0]["reason"]), (&json!("dead"), &json!("dropped")));
    assert_eq!(stage.get("/dead-letters")["messages"], json!([]), "nobody has to look at it");
    let said = stage.stop();
    let lines = audited(&said, "drop");
    assert!(lines.len() == 1 && lines[0].contains(&id), "{said}");
    tells_no_mail(&said);
}

#[test]
fn many_are_settled_only_as_they_were_told() {
    let mut stage = Stage::start(&[]);
    stage.desk.set(Answer::Status(422));
    stage.server.put(telling("a"));
    wait_for("it is dead", || stage.found("state=dead").len() == 1);
    let select = json!({ "endpoint": "desk", "state": "dead" });
    let told = stage.post("/drop", Some(&json!({ "select": select }))).expect(200).json();
    let expected = json!({ "changed": told["changed"], "set": told["preview"]["set"] });
    stage.server.put(telling("b"));
    wait_for("another one is dead", || stage.found("state=dead").len() == 2);
    for expected in [&expected, &json!({ "changed": 1 }), &json!({ "set": told["preview"]["set"] })] {
        for path in ["/drop", "/retry"] {
            let body = json!({ "select": select, "yes": true, "expected": expected });
            let refused = stage.post(path, Some(&body)).expect(409).json();
            assert_eq!(refused["error"], "not_as_shown", "{refused}");
            assert!(refused["message"].as_str().unwrap().contains("it is 2 now"), "{refused}");
        }
    }
    stage.post("/drop", Some(&json!({ "select": select, "expected": { "count": 2 } }))).expect(422);
    assert_eq!(stage.get("/dead-letters")["messages"].as_array().unwrap().len(), 2, "nothing was done");
    let told = stage.post("/drop", Some(&json!({ "select": select }))).expect(200).json();
    let expected = json!({ "changed": 2, "set": told["preview"]["set"] });
    let done = stage.post("/drop", Some(&json!({ "select": select, "yes": true, "expected": expected })));
    assert_eq!(done.expect(200).json()["changed"], 2);
    let said = stage.stop();
    let lines = audited(&said, "drop");
    assert_eq!(lines.iter().filter(|line| line.contains("not done")).count(), 3, "{said}");
    tells_no_mail(&said);
}

#[test]
fn a_test_is_noted_though_whoever_asked_has_hung_up() {
    let mut stage = Stage::start(&[]);
    stage.desk.set(Answer::Hold);
    let request = format!(
        "POST /api/v1/endpoints/desk/test HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {CHIEF}\r\ncontent-length: 0\r\n\r\n"
    );
    let mut stream = TcpStream::connect(("127.0.0.1", stage.pophook.admin_port())).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    wait_for("it is posted", || stage.desk.count() == 1);
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0, "the server has noticed");
    stage.desk.set(Answer::Status(200));
    stage.desk.release();
    wait_for("it is answered", || stage.desk.hits()[0].answered == Some(200));
    stage.post("/endpoints/desk/test", None).expect(200);
    let said = stage.stop();
    assert_eq!(audited(&said, "test_endpoint").len(), 2, "{said}");
}

#[test]
fn an_endpoint_is_tested_and_its_hold_ended() {
    let mut stage = Stage::start(&[]);
    let tested = stage.post("/endpoints/desk/test", None).expect(200).json();
    assert_eq!((&tested["taken"], &tested["status"]), (&json!(true), &json!(200)));
    assert_eq!(stage.desk.hits()[0].json()["type"], "endpoint.test");
    stage.desk.set(Answer::Body(404, "nothing here".into()));
    let tested = stage.post("/endpoints/desk/test", None).expect(200).json();
    assert_eq!((&tested["taken"], &tested["answer"]), (&json!(false), &json!("nothing here")));
    assert!(tested["remedy"].as_str().unwrap().contains("path"), "{tested}");
    stage.post("/endpoints/none/test", None).expect(404);

    stage.desk.set(Answer::With(503, "retry-after", "3600".to_owned()));
    stage.server.put(telling("a"));
    wait_for("it is paused", || stage.get("/endpoints/desk")["paused_until"].is_string());
    stage.desk.set(Answer::Status(200));
    assert_eq!(stage.post("/endpoints/desk/resume", None).expect(200).json()["changed"], 1);
    wait_for("its mail arrives", || stage.found("state=delivered").len() == 1);
    let said = stage.stop();
    assert_eq!((audited(&said, "test_endpoint").len(), audited(&said, "resume_endpoint").len()), (2, 1), "{said}");
    tells_no_mail(&said);
}

#[test]
fn what_selects_nothing_or_makes_no_sense_is_refused_with_a_sentence() {
    let mut stage = Stage::start(&[]);
    let id = "msg_aaaaaaaaaaaaaaaaaaaaaaaaaa";
    for (path, body, status) in [
        ("/retry", json!({}), 409),
        ("/retry", json!({ "yes": true }), 409),
        ("/retry", json!({ "select": { "endpoint": "secret-name" } }), 404),
        ("/retry", json!({ "select": { "ids": [id] }, "yes": true }), 404),
        ("/retry", json!({ "select": { "ids": ["secret-id"] }, "yes": true }), 404),
        ("/retry", json!({ "select": { "state": "secret-state" }, "yes": true }), 409),
        ("/retry", json!({ "select": { "reason": "secret-reason" }, "yes": true }), 409),
        ("/retry", json!({ "select": { "mailbox": "support" }, "to": "desk", "yes": true }), 409),
        ("/retry", json!({ "select": { "mailbox": "support" }, "to": "none", "yes": true }), 404),
        ("/retry", json!({ "all": true, "to": "desk", "unparsed_to": "desk" }), 409),
        ("/retry", json!({ "select": { "since": "yesterday" } }), 422),
        ("/retry", json!({ "select": { "colour": "blue" } }), 422),
        ("/retry", json!(["a"]), 422),
        ("/retry", json!([{}, true, null, null, true]), 422),
        ("/retry", json!({ "select": [[id]], "yes": true }), 422),
        ("/drop", json!({ "select": { "endpoint": "desk" }, "expected": [null, null], "yes": true }), 422),
        ("/drop", json!({ "select": { "endpoint": "desk" }, "expected": { "changed": -1 } }), 422),
        ("/drop", json!({ "yes": true }), 409),
        ("/mailboxes/support/take", json!({}), 409),
        ("/mailboxes/support/take", json!({ "unique_ids": ["none"] }), 409),
        ("/mailboxes/support/reset", json!({ "listed": "new" }), 409),
        ("/mailboxes/support/reset", json!({ "listed": "old" }), 422),
    ] {
        let refused = stage.post(path, Some(&body)).expect(status).json();
        assert!(refused["message"].as_str().is_some_and(|message| message.len() > 15), "{path} {body}: {refused}");
    }
    let bearer = format!("Bearer {CHIEF}");
    let raw = |kind: &str, body: &[u8]| {
        stage.pophook.ask("POST", "/api/v1/retry", &[("authorization", &bearer), ("content-type", kind)], body)
    };
    assert_eq!(raw("text/plain", b"{}").expect(415).json()["error"], "no_json");
    assert_eq!(raw("application/json", b"{").expect(400).json()["error"], "bad_request");
    assert_eq!(raw("application/json", &vec![b' '; 3 << 20]).expect(413).json()["error"], "too_large");
    tells_no_mail(&stage.stop());
}

/// So many mails under unique-ids that begin so.
fn moved(prefix: &str) -> Vec<Message> {
    (0..20).map(|number| Message::new(&format!("{prefix}{number}"), &mails::plain(&number.to_string()))).collect()
}

#[test]
fn skipped_mail_is_taken_after_all_and_changed_unique_ids_are_settled() {
    let (server, desk, pophook) = (Pop3Server::start(moved("old")), Receiver::start(), Pophook::new([], []));
    pophook.configure([Mailbox::scripted(&server).start_from("now")], [Endpoint::desk(&desk)], &tokens());
    let mut stage = Stage { server, desk, pophook, daemon: None };
    stage.run();
    wait_for("all is skipped", || stage.get("/mailboxes/support")["skipped"] == 20);
    let skipped = stage.get("/deliveries?state=skipped");
    let one = skipped["deliveries"][0]["unique_id"].as_str().unwrap().to_owned();
    let taken = stage.post("/mailboxes/support/take", Some(&json!({ "unique_ids": [one] }))).expect(200).json();
    assert_eq!(taken["changed"], 1);
    wait_for("this one is taken", || stage.desk.count() == 1);

    stage.server.replace(moved("new"));
    wait_for("nobody knows which ones these are", || stage.get("/mailboxes/support")["flood"] == "unresolved");
    assert_eq!(stage.desk.count(), 1);
    stage.post("/mailboxes/support/reset", Some(&json!({ "listed": "new" }))).expect(200);
    wait_for("all are taken, but for the one that is known", || stage.desk.count() == 20);
    let said = stage.stop();
    assert_eq!((audited(&said, "take_skipped").len(), audited(&said, "reset_mailbox").len()), (1, 1), "{said}");
}
