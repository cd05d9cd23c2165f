//! Journeys of real mail: from a real Dovecot, through the real program, to an HTTP endpoint.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::process::Command;

use support::dovecot::Dovecot;
use support::introspection::Introspection;
use support::mails;
use support::opensmtpd::OpenSmtpd;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Receiver;
use support::sha256;
use support::wait_for;

/// Puts a small mail for each subject into alice's maildrop.
fn put_plain(dovecot: &Dovecot, subjects: &[&str]) {
    for subject in subjects {
        dovecot.put("alice", &mails::plain(subject));
    }
}

/// All shapes of mail go through and arrive byte for byte; then the maildrop is empty.
fn check_bytes(mailbox: impl Fn(&Dovecot) -> Mailbox) {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    let shapes = mails::shapes();
    for (_, raw) in &shapes {
        dovecot.put("alice", raw);
    }
    let mailbox = mailbox(&dovecot).on_server("delete_when_delivered");
    Pophook::new([mailbox], [Endpoint::desk(&receiver)]).once().expect(0);
    let hits = receiver.hits();
    for (name, raw) in &shapes {
        let hit = hits.iter().find(|hit| hit.raw() == *raw).unwrap_or_else(|| panic!("not as it was put: {name}"));
        assert_eq!(hit.data("sha256"), sha256(raw), "{name}");
        assert_eq!(hit.data("size"), raw.len(), "{name}");
        assert_eq!(hit.data("mailbox"), "alice", "{name}");
        assert_eq!(hit.data("id"), hit.id(), "{name}");
        assert_eq!(hit.json()["type"], "mail.received", "{name}");
    }
    assert_eq!((hits.len(), dovecot.count("alice")), (shapes.len(), 0));
}

#[test]
fn mail_of_every_shape_arrives_byte_for_byte_over_implicit_tls() {
    check_bytes(|dovecot| Mailbox::implicit(dovecot, "alice"));
}

#[test]
fn mail_of_every_shape_arrives_byte_for_byte_over_starttls() {
    check_bytes(|dovecot| Mailbox::starttls(dovecot, "alice"));
}

#[test]
fn m4_mail_of_every_shape_arrives_byte_for_byte_with_and_without_pipelining() {
    check_bytes(|dovecot| Mailbox::implicit(dovecot, "alice").line("pipelining: off"));
    check_bytes(|dovecot| Mailbox::implicit(dovecot, "alice").line("pipelining: 32"));
}

/// A mailbox with this `auth` logs in by this mechanism, as the server itself says.
fn check_login(dovecot: &Dovecot, mailbox: Mailbox, auth: &str, mechanism: &str) {
    let receiver = Receiver::start();
    let before = dovecot.log().len();
    let pophook = Pophook::new([mailbox.line(&format!("auth: {auth}"))], [Endpoint::desk(&receiver)]);
    pophook.once().expect(0);
    assert_eq!(receiver.subjects(), ["hello"], "{auth}");
    let log = dovecot.log().split_off(before);
    assert!(log.contains(&format!("method={mechanism},")), "{auth} is not {mechanism} in\n{log}");
}

/// A mailbox with this `auth` is refused, in these words among others.
fn check_refusal(mailbox: Mailbox, auth: &str, words: &str) {
    let desk = Endpoint::new("desk", "http://127.0.0.1:1/");
    let pophook = Pophook::new([mailbox.line(&format!("auth: {auth}"))], [desk]);
    let said = pophook.once().expect(2).said();
    assert!(said.contains("login refused: ") && said.contains(words), "{auth}: {said}");
    assert!(!said.contains("s3cret"), "a secret was shown:\n{said}");
}

#[test]
fn a_password_opens_the_maildrop_by_every_mechanism() {
    let dovecot = Dovecot::start_with(&["alice"], &[("AUTH_MECHANISMS", "plain login scram-sha-1 scram-sha-256 apop")]);
    put_plain(&dovecot, &["hello"]);
    for (auth, mechanism) in [
        ("auto", "SCRAM-SHA-256"),
        ("scram", "SCRAM-SHA-256"),
        ("plain", "PLAIN"),
        ("login", "LOGIN"),
        ("user", "PLAIN"),
        ("apop", "APOP"),
    ] {
        check_login(&dovecot, Mailbox::starttls(&dovecot, "alice"), auth, mechanism);
        check_refusal(Mailbox::implicit(&dovecot, "alice").password("s3cret"), auth, "[AUTH]");
    }
}

#[test]
fn a_server_with_the_older_hash_alone_gets_that() {
    let dovecot = Dovecot::start_with(&["alice"], &[("AUTH_MECHANISMS", "plain scram-sha-1")]);
    put_plain(&dovecot, &["hello"]);
    for auth in ["auto", "scram"] {
        check_login(&dovecot, Mailbox::implicit(&dovecot, "alice"), auth, "SCRAM-SHA-1");
    }
}

#[test]
fn a_token_opens_the_maildrop_by_every_mechanism() {
    let introspection = Introspection::start("good-token", "alice");
    let dovecot = Dovecot::start_with(&["alice"], &[("INTROSPECTION_URL", &introspection.url())]);
    put_plain(&dovecot, &["hello"]);
    for (auth, mechanism) in [("auto", "OAUTHBEARER"), ("xoauth2", "XOAUTH2"), ("oauthbearer", "OAUTHBEARER")] {
        let mailbox = |token| Mailbox::implicit(&dovecot, "alice").token(token);
        check_login(&dovecot, mailbox("good-token"), auth, mechanism);
        check_refusal(mailbox("s3cret"), auth, "(status ");
    }
}

#[test]
fn a_mailbox_is_read_as_it_asks_for_by_the_sorting_and_by_a_later_attempt() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    let inner = "From: b@example.com\r\nSubject: inner\r\n\r\ntext\r\n";
    let header = "Subject: outer\r\nX-For: alice+desk@example.com\r\nDelivered-To: alice@example.com\r\n";
    let typed = "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n";
    dovecot.put("alice", format!("{header}{typed}\r\n{inner}").as_bytes());
    let mailbox =
        Mailbox::implicit(&dovecot, "alice").line("parse: { recipient_headers: [X-For], open_forwarded: true }");
    let pophook = Pophook::new([mailbox], [Endpoint::desk(&receiver).line("backoff: [100ms]")]);
    receiver.script([Answer::Status(500), Answer::Status(200)]);
    pophook.once().expect(2);
    pophook.once_until("the mail is taken", || receiver.count() == 2).expect(0);
    for hit in receiver.hits() {
        assert_eq!(hit.data("recipients")[0]["tag"], "desk");
        assert_eq!(hit.data("attachments")[0]["mail"]["subject"], "inner");
    }
}

#[test]
fn keep_leaves_the_maildrop_alone_and_delivers_each_mail_once() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    put_plain(&dovecot, &["one", "two", "three"]);
    let pophook = Pophook::new([Mailbox::implicit(&dovecot, "alice")], [Endpoint::desk(&receiver)]);
    pophook.once().expect(0);
    assert_eq!(receiver.subjects(), ["one", "three", "two"]);
    pophook.once().expect(0);
    assert_eq!((receiver.count(), dovecot.count("alice")), (3, 3));
    put_plain(&dovecot, &["four"]);
    pophook.once().expect(0);
    assert_eq!(receiver.hits()[3].subject(), "four");
    assert_eq!((receiver.count(), dovecot.count("alice"), pophook.in_state("delivered").len()), (4, 4, 4));
}

#[test]
fn delete_when_delivered_deletes_only_what_every_endpoint_took() {
    let dovecot = Dovecot::start(&["alice"]);
    let (desk, archive) = (Receiver::start(), Receiver::start());
    put_plain(&dovecot, &["one", "two"]);
    archive.set(Answer::Status(500));
    let mailbox =
        Mailbox::implicit(&dovecot, "alice").on_server("delete_when_delivered").deliver_to(&["desk", "archive"]);
    let pophook = Pophook::new([mailbox], [Endpoint::desk(&desk), Endpoint::new("archive", &archive.url())]);
    pophook.once().expect(2);
    assert_eq!((desk.count(), archive.count(), dovecot.count("alice")), (2, 2, 2));
    archive.set(Answer::Status(204));
    pophook.once_until("the maildrop is empty", || dovecot.count("alice") == 0).expect(0);
    assert_eq!((desk.count(), desk.ids()), (2, archive.ids()));
}

#[test]
fn delete_when_spooled_deletes_though_the_endpoint_is_dead() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    receiver.set(Answer::Reset);
    put_plain(&dovecot, &["one", "two"]);
    let mailbox = Mailbox::implicit(&dovecot, "alice").on_server("delete_when_spooled");
    let pophook = Pophook::new([mailbox], [Endpoint::desk(&receiver)]);
    pophook.once_until("the maildrop is empty", || dovecot.count("alice") == 0).expect(2);
    assert_eq!(pophook.in_state("pending").len(), 2);
    receiver.set(Answer::Status(200));
    pophook.once_until("both arrive", || pophook.in_state("delivered").len() == 2).expect(0);
    assert_eq!(receiver.ids().len(), 2);
}

#[test]
fn delete_after_waits_and_keep_latest_holds_back_the_newest() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    put_plain(&dovecot, &["one", "two", "three"]);
    let rule = || Mailbox::implicit(&dovecot, "alice").on_server("delete_when_delivered");
    let desk = || [Endpoint::desk(&receiver)];
    let pophook = Pophook::new([rule().retention("delete_after: 1h")], desk());
    pophook.once().expect(0);
    pophook.once().expect(0);
    assert_eq!((receiver.count(), dovecot.count("alice")), (3, 3));
    pophook.configure([rule().retention("keep_latest: 2")], desk(), "");
    pophook.once().expect(0);
    assert_eq!(dovecot.files("alice"), [mails::plain("two"), mails::plain("three")]);
    assert_eq!(receiver.count(), 3);
}

#[test]
fn start_from_now_takes_only_what_comes_later() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    put_plain(&dovecot, &["old", "older"]);
    let mailbox = Mailbox::implicit(&dovecot, "alice").start_from("now").on_server("delete_when_delivered");
    let pophook = Pophook::new([mailbox], [Endpoint::desk(&receiver)]);
    pophook.once().expect(0);
    assert_eq!((receiver.count(), dovecot.count("alice")), (0, 2));
    put_plain(&dovecot, &["new"]);
    pophook.once().expect(0);
    assert_eq!(receiver.subjects(), ["new"]);
    assert_eq!(dovecot.files("alice"), [mails::plain("old"), mails::plain("older")], "skipped mail is never deleted");
}

#[test]
fn start_from_a_date_reads_the_topmost_received_field() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    dovecot.put("alice", &mails::received("before", "Fri, 30 Jan 2026 23:59:59 +0000"));
    dovecot.put("alice", &mails::received("zone", "Sat, 31 Jan 2026 00:30:00 +0100"));
    dovecot.put("alice", &mails::received("on the day", "Sat, 31 Jan 2026 00:00:00 +0000"));
    dovecot.put("alice", &mails::received("after", "Mon, 02 Feb 2026 08:00:00 -0500"));
    dovecot.put("alice", b"Subject: undated\r\n\r\nhello\r\n");
    put_plain(&dovecot, &["dated 30 January"]);
    let mailbox = Mailbox::implicit(&dovecot, "alice").start_from("2026-01-31");
    let pophook = Pophook::new([mailbox], [Endpoint::desk(&receiver)]);
    pophook.once().expect(0);
    assert_eq!(receiver.subjects(), ["after", "on the day", "undated"]);
}

#[test]
fn two_mailboxes_on_one_server_keep_apart() {
    let dovecot = Dovecot::start(&["alice", "bob"]);
    let (desk, archive) = (Receiver::start(), Receiver::start());
    dovecot.put("alice", &mails::plain("same"));
    dovecot.put("bob", &mails::plain("same"));
    dovecot.put("bob", &mails::plain("for bob"));
    let alice = Mailbox::implicit(&dovecot, "alice").on_server("delete_when_delivered");
    let bob = Mailbox::starttls(&dovecot, "bob").deliver_to(&["archive"]);
    let pophook = Pophook::new([alice, bob], [Endpoint::desk(&desk), Endpoint::new("archive", &archive.url())]);
    pophook.once().expect(0);
    assert_eq!(desk.subjects(), ["same"]);
    assert_eq!(archive.subjects(), ["for bob", "same"]);
    assert!(desk.ids().is_disjoint(&archive.ids()), "the mailbox is a part of the id");
    assert_eq!((dovecot.count("alice"), dovecot.count("bob")), (0, 2));
}

#[test]
fn s5_a_lost_spool_gives_the_same_ids_again() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    put_plain(&dovecot, &["one", "two"]);
    let pophook = Pophook::new([Mailbox::implicit(&dovecot, "alice")], [Endpoint::desk(&receiver)]);
    pophook.once().expect(0);
    pophook.lose_spool();
    pophook.once().expect(0);
    assert_eq!((receiver.count(), receiver.ids().len()), (4, 2));
}

#[test]
fn a_dry_run_changes_nothing() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    put_plain(&dovecot, &["one"]);
    let mailbox = Mailbox::implicit(&dovecot, "alice").on_server("delete_when_delivered");
    let pophook = Pophook::new([mailbox], [Endpoint::desk(&receiver)]);
    pophook.command(&["once", "--dry-run"]).expect(0);
    assert_eq!((receiver.count(), dovecot.count("alice"), pophook.spool().exists()), (0, 1, false));
    pophook.once().expect(0);
    assert_eq!((receiver.count(), dovecot.count("alice")), (1, 0));
}

#[test]
fn a_dry_run_foretells_what_the_round_then_deletes() {
    for (rule, line, deleted) in [
        ("keep", "delete_after: 0s", 0),
        ("delete_when_delivered", "keep_latest: 0", 3),
        ("delete_when_delivered", "keep_latest: 2", 1),
        ("delete_when_spooled", "keep_latest: 2", 1),
        ("delete_when_delivered", "delete_after: 1h", 0),
    ] {
        let (dovecot, receiver) = (Dovecot::start(&["alice"]), Receiver::start());
        put_plain(&dovecot, &["one", "two", "three"]);
        let mailbox = Mailbox::implicit(&dovecot, "alice").on_server(rule).retention(line);
        let pophook = Pophook::new([mailbox], [Endpoint::desk(&receiver)]);
        let told = pophook.command(&["once", "--dry-run", "--json"]).expect(0).json();
        assert_eq!((&told[0]["taken"], &told[0]["deleted"]), (&3.into(), &deleted.into()), "{rule} {line}");
        let done = pophook.command(&["once", "--json"]).expect(0).json();
        assert_eq!(done[0]["deleted"], told[0]["deleted"], "{rule} {line}");
    }
}

#[test]
fn a_dry_run_knows_a_renamed_mailbox() {
    let (dovecot, receiver) = (Dovecot::start(&["alice"]), Receiver::start());
    put_plain(&dovecot, &["one"]);
    let pophook = Pophook::new([Mailbox::implicit(&dovecot, "alice")], [Endpoint::desk(&receiver)]);
    pophook.once().expect(0);
    let renamed = Mailbox::implicit(&dovecot, "alice").named("ann").line("former_name: alice");
    pophook.configure([renamed], [Endpoint::desk(&receiver)], "");
    let told = pophook.command(&["once", "--dry-run", "--json"]).expect(0).json();
    assert_eq!(told[0]["taken"], 0);
}

#[test]
fn the_daemon_takes_new_mail_shows_metrics_and_drains() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    put_plain(&dovecot, &["one"]);
    let mailbox = Mailbox::implicit(&dovecot, "alice").on_server("delete_when_delivered");
    let pophook = Pophook::new([mailbox], [Endpoint::desk(&receiver)]);
    let daemon = pophook.start(&["run"]);
    wait_for("the first mail arrives", || receiver.count() == 1);
    put_plain(&dovecot, &["two"]);
    wait_for("the second mail arrives", || receiver.count() == 2);
    wait_for("the maildrop is empty", || dovecot.count("alice") == 0);
    assert!(pophook.get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(pophook.get("/readyz").starts_with("HTTP/1.1 200"));
    let metrics = pophook.metrics();
    for name in ["pophook_visits_total{", "pophook_delivery_attempts_total{", "pophook_build_info", "process_open_fds"]
    {
        assert!(metrics.contains(name), "{name} is missing in\n{metrics}");
    }
    assert_eq!(pophook.in_state("delivered").len(), 2, "listed beside the running daemon");
    daemon.terminate();
    daemon.wait().expect(0);
    assert_eq!(receiver.count(), 2);
}

#[test]
fn a_drain_waits_for_the_answer_that_is_under_way() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    receiver.set(Answer::Hold);
    put_plain(&dovecot, &["one"]);
    let pophook = Pophook::new([Mailbox::implicit(&dovecot, "alice")], [Endpoint::desk(&receiver)]);
    let daemon = pophook.start(&["run"]);
    wait_for("the mail arrives", || receiver.count() == 1);
    daemon.terminate();
    wait_for("not ready while it drains", || !pophook.get("/readyz").starts_with("HTTP/1.1 200"));
    receiver.release();
    daemon.wait().expect(0);
    assert_eq!(pophook.in_state("delivered").len(), 1);
}

#[test]
fn s9_a_second_process_on_the_same_spool_is_refused() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    put_plain(&dovecot, &["one"]);
    let pophook = Pophook::new([Mailbox::implicit(&dovecot, "alice")], [Endpoint::desk(&receiver)]);
    let daemon = pophook.start(&["run"]);
    wait_for("the mail arrives", || receiver.count() == 1);
    let second = pophook.command(&["run"]);
    assert_ne!(second.code(), 0);
    assert!(second.stderr.contains("spool.db"), "{}", second.stderr);
    daemon.terminate();
    daemon.wait().expect(0);
}

/// Bob's mail arrives though alice's mailbox is in trouble; the complaint names what it should.
fn check_trouble(trouble: impl Fn(&Dovecot) -> Mailbox, names: &[&str]) {
    let dovecot = Dovecot::start(&["alice", "bob"]);
    let receiver = Receiver::start();
    put_plain(&dovecot, &["for alice"]);
    dovecot.put("bob", &mails::plain("for bob"));
    let bob = Mailbox::implicit(&dovecot, "bob").on_server("delete_when_delivered");
    let alice = trouble(&dovecot).on_server("delete_when_delivered");
    let pophook = Pophook::new([alice, bob], [Endpoint::desk(&receiver)]);
    let ended = pophook.once().expect(2);
    for name in names {
        assert!(ended.stderr.contains(name), "{name} is not named in\n{}", ended.stderr);
    }
    assert!(!ended.said().contains("s3cret"), "a password was shown:\n{}", ended.said());
    assert_eq!(receiver.subjects(), ["for bob"]);
    assert_eq!((dovecot.count("alice"), dovecot.count("bob")), (1, 0));
}

#[test]
fn a_wrong_password_stops_no_other_mailbox() {
    check_trouble(|dovecot| Mailbox::implicit(dovecot, "alice").password("s3cret"), &["alice"]);
}

#[test]
fn an_unknown_host_stops_no_other_mailbox() {
    check_trouble(
        |dovecot| Mailbox::implicit(dovecot, "alice").host("no-such-host.invalid"),
        &["alice", "no-such-host.invalid"],
    );
}

#[test]
fn m9_a_certificate_of_another_name_stops_no_other_mailbox() {
    check_trouble(|dovecot| Mailbox::implicit(dovecot, "alice").host("127.0.0.1"), &["alice", "certificate"]);
    check_trouble(|dovecot| Mailbox::starttls(dovecot, "alice").host("127.0.0.1"), &["alice", "certificate"]);
}

#[test]
fn m9_a_certificate_of_an_unknown_authority_is_refused() {
    let unknown = |dovecot: &Dovecot| {
        let own = format!("ca_file: {}", dovecot.ca_file.display());
        Mailbox::implicit(dovecot, "alice").without(&own)
    };
    check_trouble(unknown, &["alice", "certificate"]);
}

#[test]
fn an_authority_of_the_system_is_found_by_its_hash() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    put_plain(&dovecot, &["hello"]);
    let hash = Command::new("openssl").args(["x509", "-hash", "-noout", "-in"]).arg(&dovecot.ca_file).output().unwrap();
    let hash = String::from_utf8(hash.stdout).unwrap();
    let roots = tempfile::tempdir().unwrap();
    std::fs::copy(&dovecot.ca_file, roots.path().join(format!("{}.0", hash.trim()))).unwrap();
    let own = format!("ca_file: {}", dovecot.ca_file.display());
    let mailbox = Mailbox::implicit(&dovecot, "alice").without(&own);
    let pophook = Pophook::new([mailbox], [Endpoint::desk(&receiver)])
        .env("SSL_CERT_FILE", "/dev/null")
        .env("SSL_CERT_DIR", roots.path().to_str().unwrap());
    pophook.once().expect(0);
    assert_eq!(receiver.count(), 1);
}

#[test]
fn m4_mails_that_are_too_large_stay_and_stop_nothing() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    put_plain(&dovecot, &["before"]);
    dovecot.put("alice", &mails::large("sixty megabytes", 60 << 20));
    put_plain(&dovecot, &["after"]);
    let mailbox = Mailbox::implicit(&dovecot, "alice").on_server("delete_when_spooled");
    let pophook = Pophook::new([mailbox], [Endpoint::desk(&receiver)]);
    pophook.once_until("only the large one is left", || dovecot.count("alice") == 1);
    assert_eq!(receiver.subjects(), ["after", "before"]);
    let oversize = pophook.in_state("oversize");
    assert_eq!(oversize.len(), 1, "{:#?}", pophook.list());
    assert_eq!(oversize[0]["mailbox"], "alice");
    assert!(oversize[0]["size"].as_u64().unwrap() >= 60 << 20);
}

#[test]
fn m4_strange_mails_arrive_with_their_defects() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    let strange: [(&str, Vec<u8>); 3] = [
        ("no bytes", b"".to_vec()),
        ("no header", b"just a body\r\n".to_vec()),
        ("nested 20,000 deep", mails::nested(20_000)),
    ];
    for (_, raw) in &strange {
        dovecot.put("alice", raw);
    }
    put_plain(&dovecot, &["plain"]);
    let mailbox = Mailbox::implicit(&dovecot, "alice").on_server("delete_when_delivered");
    Pophook::new([mailbox], [Endpoint::desk(&receiver)]).once().expect(0);
    assert_eq!((receiver.count(), dovecot.count("alice")), (4, 0));
    let hits = receiver.hits();
    for (name, raw) in &strange {
        // Dovecot ends the line that an empty mail does not have.
        let served = if raw.is_empty() { b"\r\n".to_vec() } else { raw.clone() };
        let hit = hits.iter().find(|hit| hit.raw() == served).unwrap_or_else(|| panic!("not as it was put: {name}"));
        let defects = hit.data("defects");
        assert!(!defects.as_array().unwrap().is_empty(), "{name} has no defect");
    }
}

#[test]
fn an_unreadable_secret_is_named_and_loses_nothing() {
    let dovecot = Dovecot::start(&["alice", "bob"]);
    let receiver = Receiver::start();
    put_plain(&dovecot, &["for alice"]);
    dovecot.put("bob", &mails::plain("for bob"));
    let alice = Mailbox::implicit(&dovecot, "alice").password("{ file: /no/such/secret }");
    let bob = Mailbox::implicit(&dovecot, "bob").on_server("delete_when_delivered");
    let pophook = Pophook::new([alice, bob], [Endpoint::desk(&receiver)]);
    let ended = pophook.once();
    assert!(ended.said().contains("/no/such/secret") && ended.said().contains("password"), "{}", ended.said());
    // Either the file is refused before anything happens, or the other mailbox is served.
    match ended.code() {
        64 => assert_eq!((receiver.count(), dovecot.count("bob")), (0, 1)),
        2 => assert_eq!((receiver.count(), dovecot.count("bob")), (1, 0)),
        _ => panic!("{ended:#?}"),
    }
    assert_eq!(dovecot.count("alice"), 1);
}

/// A configuration that is refused by `check`, `once` and `run` alike, with all of `names` in the complaint.
fn check_refused(yaml: &str, names: &[&str]) {
    let pophook = Pophook::new([], []);
    pophook.write_config(yaml);
    for command in ["check", "once", "run"] {
        let ended = pophook.command(&[command]).expect(64);
        for name in names {
            assert!(ended.said().contains(name), "{command}: {name} is not named in\n{}", ended.said());
        }
    }
    assert!(!pophook.spool().exists());
}

/// One mailbox entry.
fn entry(name: &str, user: &str) -> String {
    format!(
        "  - name: {name}\n    host: pop.test\n    username: {user}\n    password: pw\n    start_from: all\n    deliver_to: [desk]\n"
    )
}

#[test]
fn a_bad_configuration_is_refused_with_every_problem_at_once() {
    let desk = "endpoints:\n  - name: desk\n    url: http://127.0.0.1:1/\n    signing: none\n";
    let spool = "spool:\n  url: sqlite:/tmp/pophook-never-created/spool.db\n";
    let mailboxes = |entries: &[String]| format!("mailboxes:\n{}", entries.concat());
    check_refused("mailboxes: [ {", &["pophook.yaml:2: is not YAML"]);
    check_refused(&format!("{spool}{}{desk}colour: blue\n", mailboxes(&[entry("a", "a")])), &["colour"]);
    check_refused(
        &format!("{spool}{}{}", mailboxes(&[entry("a", "a")]), desk.replace("http://127.0.0.1:1/", "not-a-url")),
        &["endpoints[0].url"],
    );
    check_refused(
        &format!("{spool}{}{desk}", mailboxes(&[entry("a", "a"), entry("a", "b")])),
        &["mailboxes[1].name", "mailboxes[0]"],
    );
    check_refused(
        &format!("{spool}{}{desk}", mailboxes(&[entry("a", "same"), entry("b", "same")])),
        &["mailboxes[1]", "mailboxes[0]"],
    );
    check_refused(
        &format!(
            "{spool}{}{}",
            mailboxes(&[entry("a", "a").replace("all", "yesterday"), entry("b", "b").replace("desk", "nobody")]),
            desk.replace("http://127.0.0.1:1/", "ftp://x/")
        ),
        &["yesterday", "nobody", "endpoints[0].url"],
    );
    check_refused(
        &format!("spool:\n  url: postgres://localhost/x\n{}{desk}", mailboxes(&[entry("a", "a")])),
        &["PostgreSQL", "sqlite"],
    );
}

#[test]
fn check_online_finds_a_wrong_password_and_retrieves_nothing() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    put_plain(&dovecot, &["one"]);
    let desk = || [Endpoint::desk(&receiver)];
    let pophook = Pophook::new([Mailbox::implicit(&dovecot, "alice")], desk());
    pophook.command(&["check"]).expect(0);
    pophook.command(&["check", "--online"]).expect(0);
    pophook.configure([Mailbox::implicit(&dovecot, "alice").password("s3cret")], desk(), "");
    let ended = pophook.command(&["check", "--online"]).expect(2);
    assert!(ended.said().contains("alice") && !ended.said().contains("s3cret"), "{}", ended.said());
    assert_eq!((dovecot.count("alice"), pophook.spool().exists()), (1, false));
}

#[test]
fn check_online_finds_a_folder_that_the_spool_cannot_lie_in_and_tells_of_held_endpoints() {
    let dovecot = Dovecot::start(&["alice"]);
    let receiver = Receiver::start();
    put_plain(&dovecot, &["one"]);
    let mailbox = || Mailbox::implicit(&dovecot, "alice");
    let erp = || Endpoint::new("erp", &receiver.url());
    let pophook = Pophook::new([mailbox()], [Endpoint::desk(&receiver), erp()]);
    receiver.set(Answer::Status(500));
    pophook.once().expect(2);
    pophook.configure([mailbox().deliver_to(&["erp"])], [erp()], "");
    let ended = pophook.once().expect(0);
    assert!(ended.said().contains("1 held"), "{}", ended.said());
    let ended = pophook.command(&["check", "--online"]).expect(0);
    assert!(ended.said().contains("endpoint desk is held (removed), 1 wait"), "{}", ended.said());
    let yaml = std::fs::read_to_string(pophook.config()).unwrap();
    pophook.write_config(&yaml.replace("spool.db", "missing/spool.db"));
    let ended = pophook.command(&["check", "--online"]).expect(2);
    assert!(ended.said().contains("its folder") && ended.said().contains("missing does not exist"), "{}", ended.said());
}

#[test]
fn mail_that_an_mta_takes_by_smtp_reaches_the_endpoint_of_each_recipient_once_and_leaves_the_maildrops() {
    let users = ["ann@example.com", "ben@example.com"];
    let dovecot = Dovecot::start_with(&users, &[("LMTP", "yes")]);
    let (mta, receiver) = (OpenSmtpd::start(&dovecot), Receiver::start());
    let mailbox = |user| Mailbox::implicit(&dovecot, user).on_server("delete_when_delivered");
    let mailboxes = [mailbox(users[0]).named("ann"), mailbox(users[1]).named("ben")];
    let pophook = Pophook::new(mailboxes, [Endpoint::desk(&receiver)]);
    // The endpoint is down when the first mail comes.
    receiver.script([Answer::Status(503), Answer::Reset]);
    let accepted = || receiver.hits().into_iter().filter(|hit| hit.answered == Some(200)).collect::<Vec<_>>();
    let running = pophook.start(&["run"]);
    let large = mails::attached("large", &mails::noise(1, 1 << 20));
    let both = mails::plain("to both");
    let dots = [mails::plain("dots").as_slice(), b".\r\n..\r\ncaf\xc3\xa9\r\n"].concat();
    mta.send("eve@example.net", &users, &both);
    mta.send("eve@example.net", &users[..1], &dots);
    mta.send("eve@example.net", &users[1..], &large);
    wait_for("every copy is accepted and deleted", || {
        accepted().len() == 4 && users.iter().all(|user| dovecot.count(user) == 0)
    });
    running.terminate();
    running.wait().expect(0);
    let mut arrived = Vec::new();
    for hit in accepted() {
        let raw = hit.raw();
        assert!(
            [&both, &dots, &large].iter().any(|sent| raw.ends_with(sent)),
            "{}: other bytes:\n{}",
            hit.subject(),
            raw.escape_ascii()
        );
        // What the way added: the trace of RFC 5321 4.4.
        assert_eq!(hit.data("return_path"), "eve@example.net");
        arrived.push((hit.data("mailbox"), hit.subject(), hit.data("recipients")[0]["address"].clone()));
    }
    arrived.sort_by_key(|it| format!("{it:?}"));
    let expected = [(0, "ann", "dots"), (0, "ann", "to both"), (1, "ben", "large"), (1, "ben", "to both")];
    assert_eq!(arrived, expected.map(|(user, name, subject)| (name.into(), subject.to_owned(), users[user].into())));
}
