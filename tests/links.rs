//! Attachments that travel as links: they lie in a real S3-compatible store, once; and a store that fails costs time,
//! and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::time::Duration;

use jiff::SignedDuration;
use jiff::Timestamp;
use pophook::clock::Clock;
use serde_json::Value;
use support::mails;
use support::oracle::usage;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Hit;
use support::receiver::Receiver;
use support::s3::Mode;
use support::s3::S3;
use support::s3::follow;
use support::unbase64;
use support::wait_for;

/// A maildrop with one mail, an endpoint, a store, and pophook between them.
struct Stage {
    server: Pop3Server,
    desk: Receiver,
    s3: S3,
    pophook: Pophook,
}

impl Stage {
    /// The mail has this attachment; the endpoint these lines.
    fn new(content: &[u8], lines: &[&str]) -> Stage {
        Stage::with_section(content, lines, |s3| s3.section(""))
    }

    fn with_section(content: &[u8], lines: &[&str], section: impl Fn(&S3) -> String) -> Stage {
        let mail = Message::new("1", &mails::attached("one", content));
        let (server, desk, s3) = (Pop3Server::start(vec![mail]), Receiver::start(), S3::start());
        let stage = Stage { server, desk, s3, pophook: Pophook::new([], []) };
        stage.configure(lines, &section(&stage.s3));
        stage
    }

    fn configure(&self, lines: &[&str], section: &str) {
        let desk = Endpoint::desk(&self.desk).line("include_raw: false");
        let desk = lines.iter().fold(desk, |desk, line| desk.line(line));
        let mailbox =
            Mailbox::scripted(&self.server).line("max_message_size: 60MiB").on_server("delete_when_delivered");
        self.pophook.configure([mailbox], [desk], section);
    }

    /// The posts; `check` only looks whether somebody is there.
    fn posts(&self) -> Vec<Hit> {
        self.desk.hits().into_iter().filter(|hit| hit.header("webhook-id").is_some()).collect()
    }

    /// The only attachment of the only post.
    #[track_caller]
    fn attachment(&self) -> Value {
        let hits = self.posts();
        assert_eq!(hits.len(), 1);
        hits[0].data("attachments")[0].clone()
    }

    /// How many attachments were brought to the store with this result.
    fn uploads(&self, result: &str) -> u64 {
        let wanted = format!("pophook_attachment_uploads_total{{result=\"{result}\"}} ");
        let metrics = self.pophook.metrics();
        metrics.lines().find_map(|line| line.strip_prefix(&wanted)).map_or(0, |count| count.parse().unwrap())
    }

    /// The mail waits, its server keeps it, and its endpoint has heard nothing and is not spared for it.
    #[track_caller]
    fn blames_nobody(&self, class: &str) {
        let metrics = self.pophook.metrics();
        for gauge in [
            r#"pophook_endpoint_breaker_state{endpoint="desk"} 0"#,
            r#"pophook_endpoint_concurrency_limit{endpoint="desk"} 1"#,
        ] {
            assert!(metrics.contains(gauge), "{class}: {metrics}");
        }
        assert_eq!((self.desk.count(), self.server.messages().len()), (0, 1), "{class}");
        let row = self.pophook.list().remove(0);
        assert_eq!((&row["state"], &row["last_status"]), (&"pending".into(), &Value::Null), "{class}");
        let shown = self.pophook.command(&["spool", "show", row["id"].as_str().unwrap()]).expect(0).stdout;
        assert!(shown.contains(class), "{class}: {shown}");
    }

    /// The key of the attachment, whose part number is 2.
    fn key(&self) -> String {
        format!("mail/{}/2", self.desk.hits()[0].id())
    }
}

fn url(attachment: &Value) -> &str {
    attachment["url"].as_str().expect("a link")
}

const LINK: &[&str] = &["attachments: link"];

/// More often than an endpoint may fail until it is spared.
const OFTEN: u64 = 7;

#[test]
fn a_link_gives_the_attachment_byte_for_byte_and_without_a_login() {
    let content = mails::noise(1, 100_000);
    let stage = Stage::new(&content, LINK);
    let before = Clock::system().now();
    stage.pophook.once().expect(0);
    let attachment = stage.attachment();
    assert_eq!((attachment.get("content"), attachment.get("omitted")), (None, None));
    assert_eq!(attachment["size"], content.len());
    let (status, head, bytes) = follow(url(&attachment));
    assert_eq!((status, bytes == content), (200, true), "{head}");
    assert!(head.contains("content-type: application/octet-stream"), "{head}");
    let expires_at: Timestamp = attachment["expires_at"].as_str().unwrap().parse().unwrap();
    let lifetime = expires_at.duration_since(before);
    let week = SignedDuration::from_hours(7 * 24);
    assert!(
        (week - SignedDuration::from_secs(2)..week + SignedDuration::from_secs(60)).contains(&lifetime),
        "{lifetime}"
    );
    // The address says nothing of the letter, and nobody can change what it signs.
    let path = format!("/letters/{}", stage.key());
    assert_eq!(stage.s3.seen("PUT"), [path.as_str()]);
    assert!(url(&attachment).contains(&path) && !url(&attachment).contains("large.bin"));
    assert_eq!(follow(&url(&attachment).replace("/2?", "/3?")).0, 403);
    assert_eq!(follow(url(&attachment).split('?').next().unwrap()).0, 403);
    assert!(stage.server.messages().is_empty(), "it is delivered, so the server may forget it");
}

#[test]
fn a_large_attachment_goes_to_the_store_in_little_memory() {
    let content = mails::noise(2, 36 << 20);
    let stage = Stage::new(&content, LINK);
    let daemon = stage.pophook.start(&["run"]);
    wait_for("the mail arrives", || stage.desk.count() > 0);
    let (peak, _) = usage(daemon.pid());
    let attachment = stage.attachment();
    assert!(follow(url(&attachment)).2 == content);
    // Half of it is the mail, as it is where attachments stand in the body.
    assert!(peak <= 150 << 10, "{peak} KiB at the peak");
    let metrics = stage.pophook.metrics();
    assert!(metrics.contains(r#"pophook_attachment_uploads_total{result="uploaded"} 1"#), "{metrics}");
    assert!(metrics.contains("pophook_attachment_upload_seconds_count 1"), "{metrics}");
}

#[test]
fn a_large_attachment_goes_up_in_parts_and_comes_down_byte_for_byte() {
    let content = mails::noise(9, (20 << 20) + 1);
    let stage = Stage::new(&content, LINK);
    stage.pophook.once().expect(0);
    let (status, head, bytes) = follow(url(&stage.attachment()));
    assert_eq!((status, bytes == content), (200, true), "{head}");
    assert!(head.contains("content-type: application/octet-stream"), "{head}");
    let path = format!("/letters/{}", stage.key());
    assert_eq!(stage.s3.seen("PUT"), vec![path; 3], "8 MiB, 8 MiB, and the rest");
    assert_eq!((stage.s3.seen("POST").len(), stage.s3.seen("DELETE").len()), (2, 0), "begun and ended");
    assert!(!stage.s3.has_leftovers());
}

/// Whether it says so or goes away: what is there of it is given up, and the same mail goes later, once.
#[test]
fn a_store_that_fails_amid_the_parts_is_tried_again_and_the_mail_is_posted_once() {
    for (end, class) in [(Some(503), "store_failed"), (None, "store_unreachable")] {
        let content = mails::noise(10, 17 << 20);
        let stage = Stage::new(&content, LINK);
        stage.s3.set(Mode::SecondPart(end));
        stage.pophook.once().expect(2);
        let row = stage.pophook.list().remove(0);
        let id = row["id"].as_str().unwrap();
        let shown = stage.pophook.command(&["spool", "show", id]).expect(0).stdout;
        assert!(shown.contains(class), "{end:?}: {shown}");
        assert_eq!((stage.desk.count(), stage.server.messages().len()), (0, 1), "{end:?}");
        assert_eq!(stage.s3.object(&format!("mail/{id}/2")), None, "{end:?}: no half of it can be fetched");
        assert_eq!((stage.s3.seen("DELETE").len(), stage.s3.has_leftovers()), (1, false), "{end:?}");
        stage.s3.set(Mode::Open);
        stage.pophook.once_until("the mail is taken", || stage.server.messages().is_empty());
        assert_eq!((stage.desk.count(), stage.desk.ids().into_iter().collect()), (1, vec![id.to_owned()]), "{end:?}");
        assert!(follow(url(&stage.attachment())).2 == content, "{end:?}");
    }
}

#[test]
fn a_store_that_does_not_know_the_condition_is_asked_without_it() {
    let content = mails::noise(11, 1000);
    let stage = Stage::new(&content, LINK);
    stage.s3.set(Mode::Unknown);
    stage.pophook.once().expect(0);
    assert!(follow(url(&stage.attachment())).2 == content);
    assert_eq!(stage.s3.seen("PUT").len(), 2);
}

#[test]
fn an_attachment_without_a_byte_has_a_link_too() {
    let stage = Stage::new(b"", LINK);
    stage.pophook.once().expect(0);
    assert_eq!(follow(url(&stage.attachment())).2, b"");
}

/// Whatever is tried again, and whoever asks too, uploads nothing a second time; the link is a new one.
#[test]
fn nothing_is_uploaded_twice_for_one_id() {
    for mode in [Mode::Open, Mode::Unconditional] {
        let content = mails::noise(3, 100_000);
        let stage = Stage::new(&content, LINK);
        stage.s3.set(mode);
        stage.desk.script([Answer::Status(500), Answer::Status(500)]);
        let first = {
            stage.pophook.once().expect(2);
            stage.s3.object(&stage.key()).expect("it lies there")
        };
        stage.pophook.once_until("the mail is taken", || stage.server.messages().is_empty());
        assert_eq!(stage.desk.count(), 3);
        assert_eq!(stage.s3.object(&stage.key()), Some(first), "{mode:?}: the very same file");
        assert_eq!((stage.s3.seen("PUT").len(), stage.s3.seen("HEAD").len()), (1, 3), "{mode:?}");
        // A lost spool gives the same id, and so the same key.
        stage.pophook.lose_spool();
        stage.server.put(Message::new("2", &mails::attached("one", &content)));
        stage.pophook.once_until("the mail arrives again", || stage.desk.count() == 4);
        assert_eq!((stage.desk.ids().len(), stage.s3.seen("PUT").len()), (1, 1), "{mode:?}");
        let mut bodies: Vec<Value> = stage.desk.hits().iter().map(Hit::json).collect();
        for body in &mut bodies {
            let link = body["data"]["attachments"][0].as_object_mut().unwrap();
            assert!(link.remove("url").is_some() && link.remove("expires_at").is_some());
        }
        assert!(bodies[..3].iter().all(|body| *body == bodies[0]), "the same but for the link");
    }
}

#[test]
fn two_endpoints_share_what_lies_in_the_store() {
    let content = mails::noise(4, 300_000);
    let stage = Stage::new(&content, LINK);
    let other = Receiver::start();
    let both = [("desk", &stage.desk), ("other", &other)].map(|(name, receiver)| {
        Endpoint::new(name, &receiver.url()).line("include_raw: false").line("attachments: link")
    });
    let mailbox = Mailbox::scripted(&stage.server).deliver_to(&["desk", "other"]);
    stage.pophook.configure([mailbox], both, &stage.s3.section(""));
    stage.pophook.once().expect(0);
    assert_eq!((stage.desk.count(), other.count(), stage.s3.seen("PUT").len()), (1, 1, 1));
    assert!(follow(url(&other.hits()[0].data("attachments")[0])).2 == content);
}

#[test]
fn something_else_under_the_key_is_replaced() {
    let content = mails::noise(5, 1000);
    let stage = Stage::new(&content, LINK);
    stage.desk.script([Answer::Status(500)]);
    stage.pophook.once().expect(2);
    stage.s3.replace(&stage.key(), b"another reading of the mail");
    stage.pophook.once_until("the mail is taken", || stage.server.messages().is_empty());
    assert_eq!(stage.s3.object(&stage.key()).unwrap().0, content);
}

/// S8: the store fails, and does no longer. Delivered once; the endpoint heard nothing of it, and its server's copy stayed.
#[test]
fn s8_a_store_that_fails_is_waited_for_and_the_endpoint_is_not_blamed() {
    for (mode, class) in [
        (Mode::Status(503), "store_failed"),
        (Mode::PutStatus(503), "store_failed"),
        (Mode::PutStatus(403), "store_refused"),
    ] {
        let stage = Stage::new(&mails::noise(6, 100_000), LINK);
        stage.s3.set(mode);
        let daemon = stage.pophook.start(&["run"]);
        wait_for("the store fails again and again", || stage.uploads(class) >= OFTEN);
        stage.blames_nobody(class);
        stage.s3.set(Mode::Open);
        wait_for("the mail is taken", || !stage.pophook.in_state("delivered").is_empty());
        daemon.terminate();
        let said = daemon.wait().expect(0).said();
        assert_eq!(said.matches("an attachment does not reach the store").count(), 1, "{mode:?}: {said}");
        assert!(said.contains("takes attachments again") && said.contains(class), "{mode:?}: {said}");
        assert!(!said.contains(support::s3::SECRET_ACCESS_KEY) && !said.contains("X-Amz"), "{said}");
        assert_eq!((stage.desk.count(), stage.s3.object(&stage.key()).unwrap().0.len()), (1, 100_000), "{mode:?}");
    }
}

/// It is asked once, however often the mail is tried meanwhile.
#[test]
fn s8_a_store_that_cannot_be_reached_is_spared_and_waited_for() {
    for mode in [Mode::Closed, Mode::Silent] {
        let stage = Stage::with_section(&mails::noise(6, 100_000), LINK, |s3| s3.section("timeout: 100ms"));
        stage.s3.set(mode);
        let daemon = stage.pophook.start(&["run"]);
        wait_for("it is asked", || stage.uploads("store_unreachable") > 0);
        wait_for("it is tried again and again", || stage.pophook.list()[0]["attempts"].as_u64() >= Some(OFTEN));
        assert_eq!(stage.uploads("store_unreachable"), 1, "{mode:?}");
        stage.blames_nobody("store_unreachable");
        daemon.terminate();
        let said = daemon.wait().expect(0).said();
        assert_eq!(said.matches("an attachment does not reach the store").count(), 1, "{mode:?}: {said}");
        stage.s3.set(Mode::Open);
        stage.pophook.once_until("the mail is taken", || !stage.pophook.in_state("delivered").is_empty());
        assert_eq!((stage.desk.count(), stage.s3.object(&stage.key()).unwrap().0.len()), (1, 100_000), "{mode:?}");
    }
}

/// What needs nothing of a silent store goes behind the first that waits for it, and not behind all of them.
#[test]
fn mail_without_attachments_does_not_wait_for_those_that_a_silent_store_keeps_waiting() {
    let stage = Stage::with_section(b"x", LINK, |s3| s3.section("timeout: 1s"));
    stage.s3.set(Mode::Silent);
    for n in 2..=10 {
        stage.server.put(Message::new(&n.to_string(), &mails::attached(&format!("n{n}"), b"y")));
    }
    stage.server.put(Message::new("11", &mails::plain("plain")));
    let _running = stage.pophook.start(&["run"]);
    wait_for("the plain one arrives", || stage.desk.subjects() == ["plain"]);
    assert_eq!(stage.s3.seen("HEAD").len(), 1, "one of the ten has asked");
}

/// How a mail ends that the store never takes, at an endpoint whose time is over at once.
#[test]
fn what_the_store_never_takes_is_a_dead_letter_at_once_or_when_its_time_is_over() {
    for (status, attempts, reason, class) in
        [(413, 1, "too_large", "store_too_large"), (403, 2, "expired", "store_refused")]
    {
        let stage = Stage::new(b"x", &["attachments: link", "give_up_after: 1ms"]);
        stage.s3.set(Mode::PutStatus(status));
        stage.server.put(Message::new("2", &mails::plain("plain")));
        stage.pophook.once_until("it ends", || !stage.pophook.in_state("dead").is_empty());
        let dead = stage.pophook.in_state("dead").remove(0);
        assert_eq!((&dead["reason"], &dead["attempts"]), (&reason.into(), &attempts.into()), "{status}");
        let shown = stage.pophook.command(&["spool", "show", dead["id"].as_str().unwrap()]).expect(0).stdout;
        assert!(shown.contains(class), "{status}: {shown}");
        assert_eq!(stage.desk.subjects(), ["plain"], "{status}");
        assert_eq!(stage.server.messages().len(), 1, "{status}: a dead letter causes no DELE");
    }
}

/// A rule of the bucket counts from when an object was put, and a link's time from when it is signed.
#[test]
fn what_has_lain_there_for_a_day_is_put_again_before_a_link_to_it_is_signed() {
    let stage = Stage::new(b"x", LINK);
    stage.desk.script([Answer::Status(500), Answer::Status(500)]);
    stage.pophook.once().expect(2);
    let hours_old = |hours: u64| stage.s3.age(&stage.key(), Duration::from_secs(hours * 3600));
    hours_old(23);
    stage.pophook.once_until("it is posted again", || stage.desk.count() == 2);
    assert_eq!(stage.s3.seen("PUT").len(), 1);
    hours_old(25);
    stage.pophook.once_until("the mail is taken", || stage.server.messages().is_empty());
    assert_eq!(stage.s3.seen("PUT").len(), 2);
    assert_eq!(follow(url(&stage.posts()[2].data("attachments")[0])).2, b"x");
}

/// An upload takes longer than a link lives and a signature may be old: both are made when it is there.
#[test]
fn links_and_signatures_begin_when_the_upload_has_ended() {
    let stage = Stage::with_section(b"x", LINK, |s3| s3.section("link_lifetime: 2s"));
    stage.s3.set(Mode::SlowPut(Duration::from_secs(3)));
    let before = Clock::system().now();
    stage.pophook.once().expect(0);
    let expires_at: Timestamp = stage.attachment()["expires_at"].as_str().unwrap().parse().unwrap();
    let signed_at: i64 = stage.posts()[0].header("webhook-timestamp").unwrap().parse().unwrap();
    let uploaded = before + SignedDuration::from_secs(3);
    assert!(expires_at.as_second() >= uploaded.as_second() + 2, "{before} {expires_at}");
    assert!(signed_at >= uploaded.as_second(), "{before} {signed_at}");
}

#[test]
fn mail_without_attachments_goes_while_the_store_is_away() {
    let stage = Stage::new(b"x", LINK);
    stage.s3.set(Mode::Closed);
    stage.server.put(Message::new("2", &mails::plain("two")));
    stage.pophook.once().expect(2);
    assert_eq!(stage.desk.subjects(), ["two"]);
}

/// However long it is away, and however short the time is that the endpoint has.
#[test]
fn a_store_that_fails_makes_no_dead_letter_and_uses_up_no_time() {
    let stage = Stage::new(b"x", &["attachments: link", "give_up_after: 1ms"]);
    stage.s3.set(Mode::Status(500));
    for _ in 0..3 {
        stage.pophook.once_until("one more attempt", || true);
    }
    assert_eq!((stage.pophook.in_state("pending").len(), stage.pophook.in_state("dead").len()), (1, 0));
    stage.s3.set(Mode::Open);
    stage.desk.script([Answer::Status(500)]);
    stage.pophook.once_until("the endpoint is asked", || stage.desk.count() == 1);
    assert_eq!(stage.pophook.in_state("pending").len(), 1, "this was its first attempt");
    stage.pophook.once_until("the endpoint is asked again", || stage.desk.count() == 2);
    assert_eq!(stage.pophook.in_state("delivered").len(), 1);
}

/// `attachments: link` with what is wrong about the section, and what `check --online` says of it.
#[test]
fn what_is_wrong_with_the_store_is_found_by_check_and_waits_for_its_remedy() {
    let check = |wrong: fn(String) -> String, said: &str| {
        let stage = Stage::with_section(b"hello", LINK, |s3| wrong(s3.section("")));
        let found = stage.pophook.command(&["check", "--online"]).expect(2).stdout;
        assert!(found.contains("FINDING  attachment_store: ") && found.contains(said), "{found}");
        assert!(!found.contains(support::s3::SECRET_ACCESS_KEY), "{found}");
        stage.pophook.once().expect(2);
        assert_eq!((stage.posts().len(), stage.pophook.in_state("pending").len()), (0, 1), "{said}");
        stage.configure(LINK, &stage.s3.section(""));
        let found = stage.pophook.command(&["check", "--online"]).expect(0).stdout;
        assert!(found.contains("ok       attachment_store: bucket letters"), "{found}");
        stage.pophook.once_until("the mail is taken", || stage.server.messages().is_empty());
        assert_eq!(follow(url(&stage.attachment())).2, b"hello");
    };
    check(|section| section.replace("s3cret", "guessed"), "refuses (HTTP 403 SignatureDoesNotMatch)");
    check(|section| section.replace("AKIAPOPHOOK", "AKIAEXPIRED"), "refuses (HTTP 403");
    check(|section| section.replace("http://127.0.0.1", "http://127.0.0.2"), "cannot be reached");
}

#[test]
fn a_link_ends_when_it_says() {
    let stage = Stage::with_section(b"hello", LINK, |s3| s3.section("link_lifetime: 1s"));
    stage.pophook.once().expect(0);
    let attachment = stage.attachment();
    wait_for("the link has ended", || follow(url(&attachment)).0 == 403);
    let expires_at: Timestamp = attachment["expires_at"].as_str().unwrap().parse().unwrap();
    assert!(Clock::system().now() >= expires_at);
}

#[test]
fn large_attachments_go_by_link_are_left_out_or_make_a_dead_letter() {
    let content = mails::noise(7, 2000);
    let limited = |on_large: &str, usual: &str| {
        let lines = [usual, "max_attachment_size: 1000B", on_large];
        let stage = Stage::new(&content, &lines);
        let code = stage.pophook.once().code();
        (stage, code)
    };
    let (stage, code) = limited("on_large_attachment: link", "attachments: inline");
    assert_eq!((code, follow(url(&stage.attachment())).2 == content), (0, true));

    let (stage, code) = limited("on_large_attachment: omit", "attachments: link");
    let attachment = stage.attachment();
    assert_eq!((code, &attachment["omitted"]), (0, &"larger than max_attachment_size".into()));
    assert_eq!((attachment.get("url"), attachment["size"].as_u64()), (None, Some(2000)));
    assert!(stage.s3.seen("PUT").is_empty());

    let (stage, code) = limited("on_large_attachment: refuse", "attachments: inline");
    let dead = stage.pophook.in_state("dead").remove(0);
    assert_eq!((code, stage.desk.count(), stage.server.messages().len()), (2, 0, 1), "a dead letter causes no DELE");
    assert_eq!((&dead["reason"], &dead["attempts"]), (&"too_large".into(), &1.into()));
    // A person raises the limit, and tries again.
    stage.configure(&["max_attachment_size: 2000B", "on_large_attachment: refuse"], "");
    stage.pophook.command(&["spool", "retry", dead["id"].as_str().unwrap()]).expect(0);
    stage.pophook.once().expect(0);
    assert!(unbase64(stage.attachment()["content"].as_str().unwrap()) == content);
}

#[test]
fn route_explain_tells_how_attachments_would_travel_and_puts_nothing() {
    let check = |lines: &[&str], expected: &str| {
        let stage = Stage::new(b"hello", lines);
        let file = stage.pophook.dir().join("mail.eml");
        std::fs::write(&file, mails::attached("one", b"hello")).unwrap();
        let told = stage.pophook.command(&["route", "explain", file.to_str().unwrap()]).expect(0).stdout;
        assert!(told.contains(expected), "{told}");
        assert!(stage.s3.seen("").is_empty());
    };
    check(LINK, "1 attachments (link)");
    check(&["max_attachment_size: 4B", "on_large_attachment: link"], "1 attachments (inline, but 1 by link)");
    check(&["max_attachment_size: 4B"], "1 attachments (inline, but 1 left out)");
    check(
        &["max_attachment_size: 4B", "on_large_attachment: refuse"],
        "endpoint desk gets nothing, and the mail is a dead letter: an attachment is larger than max_attachment_size",
    );
}

#[test]
fn vendors_and_templates_carry_links_where_they_have_a_word_for_them() {
    let content = mails::noise(8, 1000);
    let check = |lines: &[&str], read: fn(&Hit) -> String| {
        let stage = Stage::new(&content, lines);
        stage.pophook.once().expect(0);
        let link = read(&stage.desk.hits()[0]);
        assert!(follow(&link).2 == content, "{lines:?}: {link}");
    };
    check(&["attachments: link", "format: cloudevents"], |hit| {
        hit.json()["data"]["attachments"][0]["url"].as_str().unwrap().to_owned()
    });
    check(&["attachments: link", "format: cloudmailin"], |hit| {
        hit.json()["attachments"][0]["url"].as_str().unwrap().to_owned()
    });
    check(&["attachments: link", "format: cloudmailin", "cloudmailin_mode: multipart"], |hit| {
        let body = String::from_utf8(hit.body.clone()).unwrap();
        let (_, after) = body.split_once("name=\"attachments[0][url]\"\r\n\r\n").unwrap();
        after.split("\r\n").next().unwrap().to_owned()
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.jinja");
    let links = "{ \"links\": [{% for file in data.attachments %}{{ file.url | default('') }}{% if not loop.last %},{% endif %}{% endfor %}] }";
    std::fs::write(&file, links).unwrap();
    let template = format!("template: {{ file: {} }}", file.display());
    check(&["attachments: link", "format: template", &template], |hit| {
        hit.json()["links"][0].as_str().unwrap().to_owned()
    });
}
