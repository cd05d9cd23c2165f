//! The event about a message that is too large: told to those who ask, once, and without touching the server's copy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use reqwest::header::HeaderMap;
use serde_json::Value;
use serde_json::json;
use standardwebhooks::Webhook;
use support::mails;
use support::pop3_server::Faults;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pop3_server::Top;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Hit;
use support::receiver::Receiver;

const LIMIT: u64 = 50 << 10;
const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn small(id: &str) -> Message {
    Message::new(id, &mails::plain(id))
}

/// A mail above the limit, whose size LIST tells truly.
fn large(id: &str) -> Message {
    Message::new(id, &mails::large(id, 100_000))
}

/// A mail above the limit, of which LIST says that it is small.
fn underrated(id: &str) -> Message {
    Message { size: 100, ..large(id) }
}

/// A scripted server, an endpoint that asks for the event, and pophook between them.
struct Stage {
    server: Pop3Server,
    desk: Receiver,
    pophook: Pophook,
}

impl Stage {
    fn new(messages: Vec<Message>) -> Stage {
        let (server, desk) = (Pop3Server::start(messages), Receiver::start());
        let pophook = Pophook::new([limited(&server)], [asking(&desk)]);
        Stage { server, desk, pophook }
    }

    fn top(self, top: Top) -> Stage {
        self.server.set(Faults { top, ..Faults::default() });
        self
    }

    /// The posts of that type.
    fn posts(&self, of_type: &str) -> Vec<Hit> {
        self.desk.hits().into_iter().filter(|hit| hit.json()["type"] == of_type).collect()
    }

    /// The only event that was posted.
    #[track_caller]
    fn only_event(&self) -> Hit {
        let events = self.posts("mail.oversize");
        assert_eq!(events.len(), 1, "{:?}", self.desk.subjects());
        events[0].clone()
    }
}

fn limited(server: &Pop3Server) -> Mailbox {
    Mailbox::scripted(server).line("max_message_size: 50KiB").on_server("delete_when_delivered")
}

fn asking(desk: &Receiver) -> Endpoint {
    Endpoint::desk(desk).line("events: [mail.oversize]")
}

/// Insists that an event tells these, and nothing of the body.
#[track_caller]
fn check_event(hit: &Hit, unique_id: &str, size: u64, subject: &Value) {
    let (body, data) = (hit.json(), hit.json()["data"].clone());
    assert_eq!(body["type"], "mail.oversize");
    assert_eq!((&data["id"], &data["unique_id"]), (&json!(hit.id()), &json!(unique_id)));
    assert_eq!((&data["size"], &data["limit"], &data["mailbox"]), (&json!(size), &json!(LIMIT), &json!("support")));
    assert_eq!(&data["subject"], subject, "{data}");
    let from = if subject.is_null() { json!([]) } else { json!([{ "name": "Ann", "address": "ann@example.com" }]) };
    assert_eq!((&data["from"], data["headers"] == json!([])), (&from, subject.is_null()), "{data}");
    for never in ["text", "html", "attachments", "raw", "sha256"] {
        assert!(data.get(never).is_none(), "{never}: {data}");
    }
    assert!(hit.body.len() < 10_000, "nothing of the body");
}

fn check_by_list(top: Top, subject: &Value) {
    let big = large("big");
    let stage = Stage::new(vec![small("a"), big.clone()]).top(top);
    stage.pophook.once().expect(0);
    check_event(&stage.only_event(), "big", big.size.try_into().unwrap(), subject);
    assert_eq!(stage.posts("mail.received").len(), 1, "{top:?}");
    let told = stage.server.times("TOP");
    stage.pophook.once().expect(0);
    assert_eq!((stage.desk.count(), stage.server.times("TOP")), (2, told), "{top:?}: it is told once");
    assert_eq!(stage.server.messages(), [big], "{top:?}: the server's copy stays");
    assert_eq!(stage.server.times("RETR"), 1, "{top:?}");
}

#[test]
fn a_message_that_is_too_large_by_list_is_told_with_its_header() {
    check_by_list(Top::Complete, &json!("big"));
    check_by_list(Top::Everything, &json!("big"));
}

#[test]
fn a_server_that_gives_no_header_keeps_no_event_back() {
    check_by_list(Top::Refused, &Value::Null);
}

#[test]
fn a_server_that_refuses_headers_is_not_asked_for_each() {
    let stage = Stage::new((0..8).map(|n| large(&n.to_string())).collect()).top(Top::Refused);
    stage.pophook.once().expect(0);
    assert_eq!((stage.posts("mail.oversize").len(), stage.server.times("TOP")), (8, 3));
}

#[test]
fn a_header_that_breaks_the_session_keeps_nothing_back() {
    let stage = Stage::new(vec![large("big"), large("bigger"), small("a")]).top(Top::Broken("big"));
    stage.pophook.once().expect(0);
    let mut told: Vec<String> = stage.posts("mail.oversize").iter().map(Hit::subject).collect();
    told.sort();
    assert_eq!(told, ["", "bigger"]);
    assert_eq!(stage.posts("mail.received").len(), 1);
    assert_eq!(stage.server.log().iter().filter(|logged| logged.command == "TOP 1 0").count(), 1);
}

#[test]
fn a_message_that_turns_out_too_large_is_told_without_its_header() {
    let stage = Stage::new(vec![small("a"), underrated("big"), small("b")]);
    stage.pophook.once_until("all is told", || stage.desk.count() == 3);
    check_event(&stage.only_event(), "big", LIMIT + 1, &Value::Null);
    stage.pophook.once_until("the rest is deleted", || stage.server.messages() == [underrated("big")]);
    assert_eq!((stage.desk.count(), stage.server.times("TOP")), (3, 0));
}

#[test]
fn an_event_waits_for_its_endpoint_and_keeps_its_id() {
    let stage = Stage::new(vec![large("big")]);
    stage.desk.set(Answer::Status(500));
    stage.pophook.once().expect(2);
    let pending = stage.pophook.in_state("pending");
    assert_eq!((&pending[0]["kind"], &pending[0]["endpoint"]), (&json!("mail.oversize"), &json!("desk")));
    stage.desk.set(Answer::Status(200));
    stage.pophook.once_until("it is taken", || !stage.pophook.in_state("delivered").is_empty());
    assert_eq!(stage.desk.ids().len(), 1, "each try carries the same id");
    let listed = stage.pophook.list();
    assert_eq!(
        listed.iter().map(|line| line["state"].as_str().unwrap()).collect::<Vec<_>>(),
        ["oversize", "delivered"]
    );
    assert!(listed[0].get("kind").is_none(), "{listed:?}");
    let id = stage.desk.hits()[0].id();
    let shown = stage.pophook.command(&["spool", "show", &id]).expect(0).stdout;
    assert!(shown.contains("mail.oversize delivered"), "{shown}");
}

#[test]
fn an_event_is_signed_like_a_mail() {
    let (server, desk) = (Pop3Server::start(vec![large("big")]), Receiver::start());
    Pophook::new([limited(&server)], [asking(&desk).signed(&[KEY])]).once().expect(0);
    let hit = desk.hits().remove(0);
    let mut headers = HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, hit.header(name).unwrap().parse().unwrap());
    }
    Webhook::new(KEY).unwrap().verify(&hit.body, &headers).unwrap();
}

#[test]
fn only_endpoints_that_ask_are_told_whatever_the_routes_say() {
    let (server, desk, watch) =
        (Pop3Server::start(vec![small("a"), large("big")]), Receiver::start(), Receiver::start());
    let asking = Endpoint::new("watch", &watch.url()).line("events: [mail.oversize]");
    Pophook::new([limited(&server)], [Endpoint::desk(&desk), asking]).once().expect(0);
    assert_eq!(desk.subjects(), ["a"]);
    assert_eq!(watch.subjects(), ["big"]);
    check_event(&watch.hits()[0], "big", large("big").size.try_into().unwrap(), &json!("big"));
}

#[test]
fn where_nobody_asks_no_header_is_read_and_nothing_told_later() {
    let stage = Stage::new(vec![large("big")]);
    stage.pophook.configure([limited(&stage.server)], [Endpoint::desk(&stage.desk)], "");
    stage.pophook.once().expect(0);
    assert_eq!((stage.server.times("TOP"), stage.pophook.list().len()), (0, 1));
    stage.pophook.configure([limited(&stage.server)], [asking(&stage.desk)], "");
    stage.pophook.once().expect(0);
    assert_eq!(stage.desk.count(), 0, "what was noted before is no news");
}

#[test]
fn a_lost_spool_gives_the_event_its_old_id() {
    let stage = Stage::new(vec![large("big"), underrated("read")]);
    stage.pophook.once_until("both are told", || stage.desk.count() == 2);
    stage.pophook.lose_spool();
    stage.pophook.once_until("both are told again", || stage.desk.count() == 4);
    assert_eq!(stage.desk.ids().len(), 2);
}

#[test]
fn a_message_that_fits_once_the_limit_is_raised_is_a_mail_under_its_own_id() {
    let stage = Stage::new(vec![large("big")]);
    stage.pophook.once().expect(0);
    stage.pophook.configure([Mailbox::scripted(&stage.server)], [asking(&stage.desk)], "");
    stage.pophook.once().expect(0);
    let mail = stage.posts("mail.received").remove(0);
    assert_eq!(mail.raw(), large("big").raw);
    assert_ne!(mail.id(), stage.only_event().id());
    assert_eq!(stage.pophook.in_state("oversize").len(), 0);
}

#[test]
fn what_a_visit_does_not_come_to_is_told_by_the_next() {
    let stage = Stage::new((0..60).map(|n| large(&n.to_string())).collect());
    stage.pophook.once().expect(2);
    assert_eq!((stage.posts("mail.oversize").len(), stage.pophook.in_state("oversize").len()), (50, 50));
    stage.pophook.once().expect(0);
    assert_eq!((stage.desk.ids().len(), stage.pophook.in_state("oversize").len()), (60, 60));
    assert_eq!((stage.desk.count(), stage.server.times("TOP")), (60, 60));
}
