//! What is told of dead letters, mailboxes and endpoints: with the whole mail, once, and never of a notice itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

#[allow(dead_code, unreachable_pub, reason = "the tests of the spool use the rest of it")]
#[path = "spool/ground.rs"]
mod ground;
mod support;

use std::sync::Arc;
use std::time::Duration;

use ground::DAY;
use ground::Ground;
use ground::claim;
use ground::endpoint;
use ground::only;
use ground::record_of;
use ground::routed;
use pophook::ident::EndpointName;
use pophook::notice::Notice;
use pophook::spool::End;
use pophook::spool::Reason;
use pophook::spool::Record;
use pophook::spool::Row;
use pophook::spool::Spool;
use serde_json::Value;
use serde_json::json;
use support::free_port;
use support::mails;
use support::pop3_server::Faults;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Hit;
use support::receiver::Receiver;
use support::script::Certificate;
use support::script::HANDSHAKE;
use support::script::Script;
use support::script::Turn;
use support::smtp_server::SmtpServer;
use tokio_util::sync::CancellationToken;

/// A scripted server with these mails, an endpoint `desk` that refuses them, one that hears of it, and a mail server.
struct Stage {
    server: Pop3Server,
    desk: Receiver,
    alarms: Receiver,
    smtp: SmtpServer,
    pophook: Pophook,
}

impl Stage {
    fn new(raws: &[Vec<u8>]) -> Stage {
        Stage::with(raws, SmtpServer::start())
    }

    fn with(raws: &[Vec<u8>], smtp: SmtpServer) -> Stage {
        let messages = raws.iter().enumerate().map(|(at, raw)| Message::new(&at.to_string(), raw)).collect();
        let (server, desk, alarms) = (Pop3Server::start(messages), Receiver::start(), Receiver::start());
        desk.set(Answer::Body(422, "{\"error\": \"I do not like it\"}".to_owned()));
        let pophook = Pophook::new([], []);
        let stage = Stage { server, desk, alarms, smtp, pophook };
        stage.configure("on_dead_letter: { endpoint: alarms, email: true }");
        stage
    }

    /// `desk` with this line more.
    fn configure(&self, line: &str) {
        let desk = Endpoint::desk(&self.desk).line(line);
        let alarms = Endpoint::new("alarms", &self.alarms.url()).line("include_raw: false").line("attachments: omit");
        let mailbox = Mailbox::scripted(&self.server).on_server("delete_when_delivered");
        self.pophook.configure([mailbox], [desk, alarms], &self.smtp.yaml("ops@example.com"));
    }
}

fn of_type(desk: &Receiver, wanted: &str) -> Vec<Hit> {
    desk.hits().into_iter().filter(|hit| hit.json()["type"] == wanted).collect()
}

fn types(desk: &Receiver) -> Vec<String> {
    desk.hits().iter().map(|hit| hit.json()["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_dead_letter_is_told_with_its_reason_and_the_whole_mail() {
    let raw = mails::shapes().into_iter().find(|(name, _)| *name == "parts").unwrap().1;
    let stage = Stage::new(std::slice::from_ref(&raw));
    stage.pophook.once_until("it is told", || stage.alarms.count() > 0 && !stage.smtp.taken().is_empty());
    stage.pophook.once();
    let hit = stage.alarms.hits().remove(0);
    assert_eq!(stage.alarms.count(), 1, "it is told once");
    assert!(hit.id().starts_with("evt_"), "{}", hit.id());
    let (body, data) = (hit.json(), hit.json()["data"].clone());
    assert_eq!(body["type"], "mail.dead_letter");
    assert_eq!((&data["id"], hit.raw()), (&json!(stage.desk.hits()[0].id()), raw), "whatever alarms chose for mail");
    assert!(data["attachments"][0]["content"].is_string(), "{data}");
    let why = &data["dead_letter"];
    assert_eq!((&why["endpoint"], &why["reason"], &why["attempts"]), (&json!("desk"), &json!("refused"), &json!(5)));
    assert_eq!((&why["last_status"], &why["last_error"]), (&json!(422), &Value::Null));
    assert_eq!(stage.server.expunged().len(), 0, "a notice that is delivered lets nobody delete the mail");
    let listed = stage.pophook.list();
    assert!(listed.iter().any(|line| line["kind"] == "mail.dead_letter" && line["about"] == data["id"]), "{listed:?}");
}

/// It is written as it is sent, as large mail is.
#[test]
fn a_dead_letter_of_a_large_mail_is_told_whole() {
    let raw = mails::attached("large", &mails::noise(5, 1 << 20));
    let stage = Stage::new(std::slice::from_ref(&raw));
    stage.configure("on_dead_letter: { endpoint: alarms }");
    stage.pophook.once_until("it is told", || stage.alarms.count() > 0);
    let hit = stage.alarms.hits().remove(0);
    assert_eq!(hit.json()["type"], "mail.dead_letter");
    assert!(hit.raw() == raw, "byte for byte");
}

#[test]
fn a_human_gets_the_original_byte_for_byte() {
    let shapes: Vec<Vec<u8>> = mails::shapes().into_iter().map(|(_, raw)| raw).collect();
    let stage = Stage::new(&shapes);
    stage.configure("on_dead_letter: { email: true }");
    let last = stage.pophook.once_until("all are mailed", || stage.smtp.taken().len() >= shapes.len());
    let originals: Vec<Vec<u8>> = stage
        .smtp
        .taken()
        .iter()
        .map(|taken| {
            assert_eq!(taken.to, ["<ops@example.com>"]);
            assert!(taken.from.starts_with("<>"), "a bounce goes nowhere: {}", taken.from);
            assert!(taken.text().contains("\r\nAuto-Submitted: auto-generated\r\n"));
            match taken.part("message/rfc822") {
                Some(original) => original,
                None => {
                    let text = taken.part("application/octet-stream").unwrap();
                    support::unbase64(&String::from_utf8(text).unwrap().replace("\r\n", ""))
                }
            }
        })
        .collect();
    for shape in &shapes {
        assert!(originals.contains(shape), "{:?}", String::from_utf8_lossy(&shape[..shape.len().min(200)]));
    }
    assert_eq!(originals.len(), shapes.len());
    assert!(!last.said().contains("ops@example.com"), "{}", last.said());
}

#[test]
fn a_mail_beyond_ascii_reaches_a_server_without_8bitmime_too() {
    let raw = "Subject: caf\u{e9}\r\n\r\ncaf\u{e9}\r\n".as_bytes().to_vec();
    let stage = Stage::with(std::slice::from_ref(&raw), SmtpServer::announcing(&[]));
    stage.pophook.once_until("it is mailed", || !stage.smtp.taken().is_empty());
    let text = String::from_utf8(stage.smtp.taken()[0].part("application/octet-stream").unwrap()).unwrap();
    assert_eq!(support::unbase64(&text.replace("\r\n", "")), raw);
    assert!(stage.smtp.taken()[0].bytes.is_ascii());
}

#[test]
fn a_notice_that_dies_is_a_dead_letter_of_which_nobody_is_told() {
    let stage = Stage::new(&[mails::plain("one")]);
    stage.alarms.set(Answer::Status(422));
    let alarms = Endpoint::new("alarms", &stage.alarms.url()).line("on_dead_letter: { endpoint: desk, email: true }");
    let desk = Endpoint::desk(&stage.desk).line("on_dead_letter: { endpoint: alarms }");
    let more = stage.smtp.yaml("ops@example.com");
    stage.pophook.configure([Mailbox::scripted(&stage.server)], [desk, alarms], &more);
    stage.pophook.once_until("both are dead", || stage.pophook.in_state("dead").len() == 2);
    stage.pophook.once().expect(0);
    let dead = stage.pophook.in_state("dead");
    let (endpoints, kinds): (Vec<_>, Vec<_>) = dead.iter().map(|line| (&line["endpoint"], &line["kind"])).unzip();
    assert!(endpoints.contains(&&json!("desk")) && endpoints.contains(&&json!("alarms")), "{dead:?}");
    assert_eq!(kinds.iter().filter(|kind| ***kind == json!("mail.dead_letter")).count(), 1, "{dead:?}");
    assert_eq!((stage.pophook.list().len(), stage.smtp.taken().len()), (2, 0));
    assert_eq!(types(&stage.alarms), ["mail.dead_letter"; 5]);
}

#[test]
fn a_notice_whose_mail_was_erased_says_so() {
    let stage = Stage::new(&[mails::plain("one")]);
    stage.configure("on_dead_letter: { endpoint: alarms }");
    stage.alarms.set(Answer::Status(422));
    stage.pophook.once_until("both are dead", || stage.pophook.in_state("dead").len() == 2);
    let (mail, hits) = (stage.desk.hits()[0].id(), stage.alarms.count());
    stage.pophook.command(&["spool", "drop", "--erase", &mail]).expect(0);
    stage.alarms.set(Answer::Status(200));
    stage.pophook.command(&["spool", "retry", "--endpoint", "alarms", "--yes"]).expect(0);
    stage.pophook.once().expect(0);
    let data = stage.alarms.hits()[hits].json()["data"].clone();
    assert_eq!((&data["dead_letter"]["omitted"], &data["id"]), (&json!("erased"), &json!(mail)));
    assert!(data.get("raw").is_none() && data["subject"].is_null(), "{data}");
}

#[test]
fn a_mail_that_is_never_parsed_is_told_unparsed() {
    let stage = Stage::new(&[mails::plain("one")]);
    stage.configure("on_dead_letter: { endpoint: alarms }");
    let undelivered = Mailbox::scripted(&stage.server).undelivered();
    let endpoints = || {
        let desk = Endpoint::desk(&stage.desk).line("on_dead_letter: { endpoint: alarms }");
        [desk, Endpoint::new("alarms", &stage.alarms.url())]
    };
    stage.pophook.configure([undelivered], endpoints(), "");
    stage.pophook.once().expect(0);
    assert_eq!(stage.pophook.in_state("unrouted").len(), 1);
    stage.pophook.command(&["spool", "retry", "--raw", "--endpoint", "desk", "--state", "unrouted", "--yes"]).expect(0);
    stage.pophook.once_until("it is told", || stage.alarms.count() > 0);
    let hit = stage.alarms.hits().remove(0);
    assert_eq!((hit.raw(), hit.data("subject")), (mails::plain("one"), Value::Null));
}

#[test]
fn what_an_endpoint_answers_is_kept_unless_it_is_switched_off() {
    for (line, kept) in [("keep_answers: true", true), ("keep_answers: false", false)] {
        let stage = Stage::new(&[mails::plain("one")]);
        stage.configure(line);
        stage.pophook.once().expect(2);
        let id = stage.desk.hits()[0].id();
        let shown = stage.pophook.command(&["spool", "show", &id, "--json"]).expect(0).json();
        let attempt = &shown[1];
        assert_eq!((&attempt["status"], &attempt["outcome"]), (&json!(422), &json!("refused")));
        assert!(attempt["took_ms"].is_u64(), "{attempt}");
        assert_eq!(attempt["answer"].is_string(), kept, "{attempt}");
    }
}

const ALL: &str =
    "events: [mailbox.auth_failed, mailbox.unreachable, mailbox.recovered, mailbox.uidl_reset, endpoint.held]";

/// The events about accounts that were posted, in order.
fn told(desk: &Receiver) -> Vec<String> {
    types(desk).into_iter().filter(|name| !name.starts_with("mail.")).collect()
}

#[test]
fn a_refused_login_is_told_once_and_so_is_its_end() {
    let (server, desk) = (Pop3Server::start(Vec::new()), Receiver::start());
    let configure = |pophook: &Pophook, password: &str| {
        let mailbox = Mailbox::scripted(&server).password(password).line("labels: { team: blue }");
        pophook.configure([mailbox], [Endpoint::desk(&desk).line(ALL)], "");
    };
    let pophook = Pophook::new([], []);
    configure(&pophook, "wrong");
    pophook.once().expect(2);
    assert_eq!(told(&desk), ["mailbox.auth_failed"]);
    let hit = desk.hits().remove(0);
    assert!(hit.id().starts_with("evt_"), "{}", hit.id());
    let data = hit.json()["data"].clone();
    assert_eq!((&data["mailbox"], &data["labels"]), (&json!("support"), &json!({ "team": "blue" })), "{data}");
    assert_eq!(data["reason"], "login_refused");
    assert_eq!(data.as_object().unwrap().keys().collect::<Vec<_>>(), ["labels", "mailbox", "reason", "since"]);
    for _ in 0..2 {
        pophook.once().expect(2);
    }
    assert_eq!(told(&desk).len(), 1, "each run is a restart, and repeats nothing");
    configure(&pophook, "pw");
    pophook.once().expect(0);
    pophook.once().expect(0);
    assert_eq!(told(&desk), ["mailbox.auth_failed", "mailbox.recovered"]);
    assert_eq!(desk.hits()[1].data("reason"), "auth_failed");
}

#[test]
fn a_server_that_cannot_be_reached_three_times_in_a_row_is_told() {
    let (desk, port) = (Receiver::start(), free_port());
    let pophook = Pophook::new([Mailbox::in_clear(port, "support")], [Endpoint::desk(&desk).line(ALL)]);
    for expected in [0, 0, 1, 1] {
        pophook.once().expect(2);
        assert_eq!(told(&desk).len(), expected);
    }
    let hit = desk.hits().remove(0);
    assert_eq!((&hit.json()["type"], hit.data("mailbox")), (&json!("mailbox.unreachable"), json!("support")));
    let listed = pophook.command(&["mailbox", "list", "--json"]).expect(0).json();
    assert_eq!(listed[0]["condition"], "unreachable");
}

#[test]
fn a_locked_maildrop_is_neither_unreachable_nor_refused() {
    let (server, desk) = (Pop3Server::start(Vec::new()), Receiver::start());
    server.set(Faults { login_refused: Some("-ERR [IN-USE] maildrop locked"), ..Faults::default() });
    let pophook = Pophook::new([Mailbox::scripted(&server)], [Endpoint::desk(&desk).line(ALL)]);
    for _ in 0..4 {
        pophook.once().expect(2);
    }
    assert_eq!(told(&desk).len(), 0);
}

/// A maildrop whose twelve unique-ids all change; tells the event's reason.
fn flood(start_from: &str) -> Value {
    let messages =
        |prefix: &str| (0..12).map(|n| Message::new(&format!("{prefix}{n}"), &mails::plain(&n.to_string()))).collect();
    let (server, desk) = (Pop3Server::start(messages("old")), Receiver::start());
    let mailbox = Mailbox::scripted(&server).start_from(start_from);
    let pophook = Pophook::new([mailbox], [Endpoint::desk(&desk).line(ALL)]);
    pophook.once().expect(0);
    assert_eq!(told(&desk).len(), 0);
    server.replace(messages("new"));
    for _ in 0..3 {
        pophook.once();
    }
    let events = of_type(&desk, "mailbox.uidl_reset");
    assert_eq!(events.len(), 1, "it is told once");
    events[0].data("reason")
}

#[test]
fn unique_ids_that_all_change_are_told_once() {
    assert_eq!(flood("all"), "deduplicated");
    assert_eq!(flood("now"), "held");
}

#[test]
fn an_endpoint_that_is_held_is_told_to_another() {
    let messages = (0..20).map(|n| Message::new(&n.to_string(), &mails::plain(&n.to_string()))).collect();
    let (server, desk, watch) = (Pop3Server::start(messages), Receiver::start(), Receiver::start());
    desk.set(Answer::Status(422));
    let endpoints = [Endpoint::desk(&desk), Endpoint::new("watch", &watch.url()).line("events: [endpoint.held]")];
    let pophook = Pophook::new([Mailbox::scripted(&server)], endpoints);
    pophook.once_until("it is told", || watch.count() > 0);
    pophook.once();
    assert_eq!(told(&watch), ["endpoint.held"]);
    let data = watch.hits()[0].json()["data"].clone();
    assert_eq!((&data["endpoint"], &data["reason"]), (&json!("desk"), &json!("refuses_all")));
    assert!(data.get("mailbox").is_none(), "{data}");
}

#[test]
fn where_nobody_asks_nothing_is_told_later() {
    let (server, desk) = (Pop3Server::start(Vec::new()), Receiver::start());
    let mailbox = || Mailbox::scripted(&server).password("wrong");
    let pophook = Pophook::new([mailbox()], [Endpoint::desk(&desk)]);
    pophook.once().expect(2);
    pophook.configure([mailbox()], [Endpoint::desk(&desk).line(ALL)], "");
    pophook.once().expect(2);
    assert_eq!((desk.count(), pophook.list().len()), (0, 0), "what was so before is no news");
}

#[test]
fn the_daemon_tells_and_mails_by_itself() {
    let stage = Stage::new(&[mails::plain("one")]);
    let running = stage.pophook.start(&["run"]);
    support::wait_for("both are told", || stage.alarms.count() > 0 && !stage.smtp.taken().is_empty());
    // The mail is taken a moment before that is known here.
    let counted = "pophook_notice_mails_total{outcome=\"delivered\"} 1";
    support::wait_for("it is counted", || stage.pophook.metrics().contains(counted));
    let metrics = stage.pophook.metrics();
    assert!(metrics.contains("pophook_notice_events_total{type=\"endpoint.held\"} 0"), "{metrics}");
    running.terminate();
    running.wait().expect(0);
}

/// A spool with one report that waits, and the room that sends it, with a clock moved by hand.
struct Waiting {
    ground: Ground,
    spool: Arc<dyn Spool>,
    notice: Notice,
}

impl Waiting {
    async fn new(smtp: &str) -> Waiting {
        let ground = Ground::new();
        let spool = ground.open().await;
        spool.keep_endpoints(vec![endpoint("desk"), EndpointName::mail()]).await.unwrap();
        routed(&spool, "hello", &["desk"]).await;
        let claimed = only(claim(&spool, "desk").await);
        let dead = record_of(&claimed, ground.clock.now(), End::Dead(Reason::Refused));
        spool.record(vec![Record { tell: vec![EndpointName::mail()], ..dead }]).await.unwrap();
        let text = format!(
            "spool: {{ url: sqlite:s.db }}\nmailboxes: [{{ name: a, host: h, username: u, password: p, start_from: all }}]\n\
             endpoints: [{{ name: desk, url: http://h/, signing: none }}]\n{smtp}"
        );
        let file = ground.folder.path().join("pophook.yaml");
        std::fs::write(&file, text).unwrap();
        let config = pophook::config::load(&file).unwrap().notice;
        let (clock, metrics) = (ground.clock.clone(), ground.metrics.notice.clone());
        let notice = Notice { config, spool: Arc::clone(&spool), clock, metrics };
        Waiting { ground, spool, notice }
    }

    /// One attempt, if one is due; the report's line after it.
    async fn mail(&self) -> Row {
        self.notice.mail_once(CancellationToken::new()).await.unwrap();
        let rows = ground::rows(&self.spool).await;
        rows.into_iter().find(|row| row.endpoint.as_deref() == Some("(mail)")).unwrap()
    }
}

#[tokio::test]
async fn a_report_that_the_server_refuses_is_tried_for_five_days_and_then_dead_without_a_notice() {
    let smtp = SmtpServer::start();
    smtp.refuse(Some(("RCPT", "550 5.1.1 no such user")));
    let waiting = Waiting::new(&smtp.yaml("ops@example.com")).await;
    let row = waiting.mail().await;
    assert_eq!((row.state, row.attempts, row.last_status), ("pending", 1, Some(550)));
    assert_eq!(waiting.mail().await.attempts, 1, "not before it is due");
    waiting.ground.clock.advance(Duration::from_secs(60));
    assert_eq!(waiting.mail().await.attempts, 2);
    waiting.ground.clock.advance(5 * DAY);
    let row = waiting.mail().await;
    assert_eq!((row.state, row.reason.as_deref(), row.attempts), ("dead", Some("expired"), 3));
    assert_eq!(ground::rows(&waiting.spool).await.len(), 2, "the mail and its report");
    assert_eq!(smtp.taken().len(), 0);
}

#[tokio::test]
async fn one_recipient_that_is_refused_keeps_no_other_from_being_told() {
    let smtp = SmtpServer::start();
    smtp.refuse(Some(("RCPT TO:<gone@", "550 5.1.1 no such user")));
    let waiting = Waiting::new(&smtp.yaml("gone@example.com, ops@example.com")).await;
    assert_eq!(waiting.mail().await.state, "delivered");
    assert_eq!(smtp.taken().iter().map(|taken| taken.to.clone()).collect::<Vec<_>>(), [["<ops@example.com>"]]);
}

#[tokio::test]
async fn nothing_goes_in_clear_to_a_server_that_should_protect_the_line() {
    let smtp = SmtpServer::start();
    let waiting = Waiting::new(&smtp.yaml("ops@example.com").replace("tls: none", "tls: starttls")).await;
    let row = waiting.mail().await;
    assert_eq!((row.state, row.attempts, row.last_status), ("pending", 1, None));
    assert!(smtp.commands().iter().all(|command| !command.starts_with("MAIL")), "{:?}", smtp.commands());
}

/// `notices:` that mails through a script, with a login.
fn protected(script: &Script, tls: &str, ca: &str) -> String {
    format!(
        "notices:\n  smtp: {{ host: 127.0.0.1, port: {}, tls: {tls}, {ca} username: u, password: pw, from: a@example.com, \
         to: [b@example.com] }}\n",
        script.port
    )
}

/// From the protected EHLO to the end, where the only recipient is refused: AUTH PLAIN with `u` and `pw`.
const LOGGED_IN: [Turn; 5] = [
    ("EHLO example.com", b"250-s\r\n250 AUTH PLAIN\r\n"),
    ("AUTH PLAIN AHUAcHc=", b"235 welcome\r\n"),
    ("MAIL FROM:<>", b"250 fine\r\n"),
    ("RCPT TO:<b@example.com>", b"550 nobody\r\n"),
    ("QUIT", b"221 bye\r\n"),
];

#[tokio::test]
async fn a_login_goes_over_a_protected_line() {
    let starttls: &[Turn] = &[
        ("", b"220 s\r\n"),
        ("EHLO example.com", b"250-s\r\n250 STARTTLS\r\n"),
        ("STARTTLS", b"220 go\r\n"),
        ("", HANDSHAKE),
    ];
    let implicit: &[Turn] = &[("", HANDSHAKE), ("", b"220 s\r\n")];
    for (tls, opening) in [("starttls", starttls), ("implicit", implicit)] {
        let script = Script::start(vec![[opening, &LOGGED_IN].concat()]);
        let ca = format!("ca_file: {},", Certificate::shared().ca_file.display());
        let row = Waiting::new(&protected(&script, tls, &ca)).await.mail().await;
        assert_eq!((row.state, row.last_status), ("pending", Some(550)), "{tls}");
        script.expect_followed(tls);
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_gets_no_password() {
    let script = Script::start(vec![vec![("", HANDSHAKE), ("", b"220 s\r\n")]]);
    let waiting = Waiting::new(&protected(&script, "implicit", "")).await;
    let row = waiting.mail().await;
    assert_eq!((row.state, row.last_status, row.attempts), ("pending", None, 1));
    script.expect_followed("nothing was said");
}

#[tokio::test]
async fn a_mail_server_that_is_away_is_tried_again() {
    let yaml = |port: u16| {
        format!(
            "notices:\n  smtp: {{ host: 127.0.0.1, port: {port}, tls: none, from: a@example.com, to: [b@example.com] }}\n"
        )
    };
    let waiting = Waiting::new(&yaml(free_port())).await;
    assert_eq!(waiting.mail().await.state, "pending");
    let smtp = SmtpServer::start();
    let mut notice = waiting.notice.clone();
    notice.config.smtp.as_mut().unwrap().port = smtp.port;
    waiting.ground.clock.advance(Duration::from_secs(60));
    let waiting = Waiting { notice, ..waiting };
    assert_eq!(waiting.mail().await.state, "delivered");
    let attempts = waiting.spool.attempts(ground::key_of(&waiting.spool, "hello").await).await.unwrap();
    assert_eq!(attempts.len(), 1, "those of the report are its own");
}
