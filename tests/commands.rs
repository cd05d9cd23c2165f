//! The commands for operators, as they are typed: what they refuse, how they say it, and with which exit code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use support::mails;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Receiver;
use support::wait_for;

/// A scripted server with mails under these unique-ids, an endpoint, and pophook between them.
fn stage(ids: &[&str]) -> (Pop3Server, Receiver, Pophook) {
    let messages = ids.iter().map(|id| Message::new(id, &mails::plain(id))).collect();
    let (server, desk) = (Pop3Server::start(messages), Receiver::start());
    let pophook = Pophook::new([Mailbox::scripted(&server)], [Endpoint::desk(&desk)]);
    (server, desk, pophook)
}

/// A command that ends with `code` and says all of `words`.
#[track_caller]
fn check(pophook: &Pophook, command: &[&str], code: i32, words: &[&str]) {
    let ended = pophook.command(command).expect(code);
    for word in words {
        assert!(ended.said().contains(word), "{command:?}: {word:?} is not said in\n{}", ended.said());
    }
}

#[test]
fn delivered_mail_is_erased_and_show_says_so() {
    let (_server, desk, pophook) = stage(&["a", "b"]);
    pophook.once().expect(0);
    let id = desk.hits()[0].id();
    check(&pophook, &["spool", "drop", &id], 1, &["--erase"]);
    check(&pophook, &["spool", "drop", "--erase", &id], 0, &["1 erased"]);
    check(&pophook, &["spool", "show", &id], 0, &["was erased at 20", "delivered"]);
    check(&pophook, &["spool", "show", "--json", &id], 0, &["\"released_at\":\"20"]);
    check(&pophook, &["spool", "raw", &id], 1, &["released"]);
    for command in [&["spool", "drop", "--erase", &id], &["spool", "retry", "--all", &id]] {
        check(&pophook, command, 1, &["was erased at 20"]);
    }
    assert_eq!(pophook.list().len(), 1);
    pophook.once().expect(0);
    assert_eq!(desk.count(), 2, "it is known, and not taken again");
}

#[test]
fn what_no_line_can_have_is_refused() {
    let (_server, _desk, pophook) = stage(&["a"]);
    pophook.once().expect(0);
    let lists =
        |filter: &[&str], code, words: &[&str]| check(&pophook, &[&["spool", "list"], filter].concat(), code, words);
    lists(&["--state", "ded"], 64, &["'ded'", "dead, quarantined, unrouted, pending"]);
    lists(&["--reason", "tired"], 64, &["'tired'", "refused, expired, too_large, damaged, dropped, gone"]);
    lists(&["--endpoint", "dsk"], 64, &["no endpoint is named \"dsk\"", "did you mean desk?"]);
    lists(&["--mailbox", "suport"], 64, &["no mailbox is named \"suport\"", "did you mean support?"]);
    lists(&["msg_nothing"], 1, &["no message msg_nothing in the spool"]);
    lists(&["--state", "dropped", "--endpoint", "desk", "--mailbox", "support"], 0, &[]);
    check(&pophook, &["spool", "show", "msg_nothing"], 1, &["no message msg_nothing in the spool"]);
    for command in ["retry", "drop"] {
        check(&pophook, &["spool", command, "--endpoint", "dsk"], 64, &["did you mean desk?"]);
        check(&pophook, &["spool", command, "--state", "ded"], 64, &["'ded'"]);
        check(&pophook, &["spool", command, "msg_nothing"], 1, &["no message msg_nothing"]);
        check(&pophook, &["spool", command], 64, &["name ids, --endpoint"]);
    }
    check(&pophook, &["spool", "retry", "--endpoint", "desk", "--to", "dsk"], 64, &["did you mean desk?"]);
    check(&pophook, &["endpoint", "resume", "dsk"], 64, &["did you mean desk?"]);
    check(&pophook, &["endpoint", "test", "dsk"], 64, &["no endpoint \"dsk\""]);
    check(&pophook, &["mailbox", "take", "suport"], 64, &["did you mean support?"]);
    check(&pophook, &["mailbox", "reset", "suport", "--as", "new"], 64, &["did you mean support?"]);
}

#[test]
fn a_name_that_left_the_file_is_still_known_to_the_spool() {
    let (server, _desk, pophook) = stage(&["a"]);
    pophook.once().expect(0);
    let other = Endpoint::new("other", "http://127.0.0.1:1/");
    pophook.configure([Mailbox::scripted(&server).deliver_to(&["other"])], [other], "");
    check(&pophook, &["spool", "list", "--endpoint", "desk"], 0, &["delivered"]);
    check(&pophook, &["spool", "list", "--endpoint", "other"], 0, &[]);
}

#[test]
fn a_command_that_sends_nothing_needs_no_secret() {
    let (server, desk, pophook) = stage(&["a", "b"]);
    desk.set(Answer::Status(422));
    pophook.once_until("the fifth refusal", || pophook.in_state("dead").len() == 2);
    let mailbox = Mailbox::scripted(&server).password("{ env: NOT_SET }");
    let unset = Endpoint::desk(&desk).signed(&["{ file: /none }"]).line("headers: { A: { env: NOT_SET } }");
    pophook.configure([mailbox], [unset], "");
    check(&pophook, &["once"], 64, &["NOT_SET"]);
    let id = desk.hits()[0].id();
    check(&pophook, &["spool", "retry", &id], 0, &["1 will be tried again"]);
    check(&pophook, &["spool", "drop", "--state", "dead", "--yes"], 0, &["1 dropped"]);
    check(&pophook, &["endpoint", "resume", "desk"], 0, &["desk is resumed"]);
    check(&pophook, &["mailbox", "take", "support"], 0, &["0 will be taken"]);
    // Its shape must be right all the same: an endpoint that cannot be read is none that was taken out.
    pophook.configure([Mailbox::scripted(&server)], [Endpoint::desk(&desk).line("tiemout: 5s")], "");
    check(&pophook, &["spool", "drop", &id], 64, &["tiemout"]);
    assert_eq!(pophook.in_state("pending").len(), 1);
}

#[test]
fn a_bulk_command_shows_what_it_would_do_and_does_it_only_when_told() {
    let (_server, desk, pophook) = stage(&["a", "b", "c"]);
    desk.set(Answer::Status(422));
    pophook.once_until("the fifth refusal", || pophook.in_state("dead").len() == 3);
    let dead = || pophook.in_state("dead").len();
    let told = &["3 deliveries", "desk 3", "support 3", "refused 3", "spooled: 20", "--yes does it"];
    for command in [&["spool", "retry", "--all"][..], &["spool", "drop", "--endpoint", "desk"]] {
        check(&pophook, command, 2, told);
        assert_eq!(dead(), 3, "{command:?}");
    }
    let preview = pophook.command(&["spool", "retry", "--reason", "refused", "--json"]).expect(2).json();
    assert_eq!((&preview[0]["would_change"], &preview[0]["endpoints"]["desk"]), (&3.into(), &3.into()));
    assert_eq!(dead(), 3);
    check(&pophook, &["spool", "retry", "--older-than", "1h"], 1, &["nothing that is selected"]);
    check(&pophook, &["spool", "retry", "--older-than", "soon"], 64, &["soon"]);
    check(&pophook, &["spool", "list", "--newer-than", "1h"], 0, &["dead"]);
    let done = pophook.command(&["spool", "retry", "--newer-than", "1h", "--yes", "--json"]).expect(0).json();
    assert_eq!(done, [serde_json::json!({ "changed": 3, "erased": 0, "joined": 0 })]);
    assert_eq!(dead(), 0);
    check(&pophook, &["spool", "drop", "--state", "pending", "--erase"], 2, &["erase where nobody needs it"]);
    check(&pophook, &["spool", "drop", "--state", "pending", "--erase", "--yes"], 0, &["3 erased"]);
    assert_eq!(pophook.list().len(), 0);
}

#[test]
fn a_problem_of_the_configuration_has_its_exit_code_in_every_command() {
    let (server, desk, pophook) = stage(&["a"]);
    pophook.once().expect(0);
    let renamed = Mailbox::scripted(&server).named("help");
    pophook.configure([renamed], [Endpoint::desk(&desk)], "");
    for command in [&["once"][..], &["run"], &["endpoint", "resume", "desk"]] {
        check(&pophook, command, 64, &["former_name: support"]);
    }
    check(&pophook, &["once", "--dry-run"], 64, &["former_name: support"]);
    check(&pophook, &["check", "--online"], 2, &["former_name: support"]);
    pophook.write_config("spool: { url: nonsense }\ncolour: red\n");
    for command in [
        &["check"][..],
        &["once"],
        &["once", "--dry-run"],
        &["run"],
        &["spool", "list"],
        &["spool", "drop", "msg_x"],
        &["mailbox", "list"],
        &["mailbox", "take", "support"],
        &["endpoint", "list"],
        &["endpoint", "test", "desk"],
        &["endpoint", "resume", "desk"],
    ] {
        let ended = pophook.command(command).expect(64);
        let file = pophook.config();
        let in_front = |line: &str| line.starts_with(file.to_str().unwrap());
        assert!(ended.stderr.lines().all(in_front), "{command:?}: {}", ended.stderr);
    }
}

#[test]
fn a_round_that_is_interrupted_has_left_something_to_do() {
    let messages = vec![Message::new("a", &mails::plain("a"))];
    let server = Pop3Server::start(messages);
    let desk = Receiver::start();
    desk.set(Answer::Hold);
    let pophook = Pophook::new([Mailbox::scripted(&server)], [Endpoint::desk(&desk)]);
    let running = pophook.start(&["once", "--log-format", "json"]);
    wait_for("the post is under way", || desk.count() == 1);
    rustix::process::kill_process(running.pid(), rustix::process::Signal::INT).unwrap();
    let ended = running.wait().expect(2);
    assert!(ended.stderr.contains("interrupted; what was taken is safe"), "{}", ended.stderr);
    assert_eq!(pophook.in_state("pending").len(), 1);
}

#[test]
fn the_log_tells_of_an_endpoint_and_not_of_each_mail() {
    for (answer, news) in [
        (Answer::Status(500), "the endpoint fails"),
        (Answer::With(429, "retry-after", "60".to_owned()), "the endpoint asks to wait"),
    ] {
        let (_server, desk, pophook) = stage(&["a", "b", "c", "d", "e"]);
        desk.set(answer);
        let log = pophook.env("POPHOOK_LOG", "info").once().expect(2).stderr;
        assert_eq!(log.lines().filter(|line| line.contains("endpoint=")).count(), 1, "{log}");
        assert!(log.contains(news), "{log}");
        if let Some((_, rest)) = log.split_once("until=") {
            let until = rest.split_whitespace().next().unwrap();
            assert_eq!(until.len(), "2026-01-31T12:00:00Z".len(), "{until}");
        }
    }
}

#[test]
fn an_endpoint_that_is_spared_is_listed_with_its_next_probe_and_resumed_by_command() {
    let ids: Vec<String> = (0..25).map(|number| format!("m{number}")).collect();
    let (_server, desk, pophook) = stage(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    desk.set(Answer::Status(500));
    pophook.once().expect(2);
    let spared = desk.count();
    assert!((20..25).contains(&spared), "{spared} posts");
    let listed = || pophook.command(&["endpoint", "list", "--json"]).expect(0).json().remove(0);
    assert_eq!((listed()["breaker"].clone(), listed()["held"].clone()), ("open".into(), serde_json::Value::Null));
    assert!(listed()["probe_at"].as_str().is_some_and(|time| time.starts_with("20")), "{}", listed());
    check(&pophook, &["endpoint", "list"], 0, &["open", "next probe"]);
    desk.set(Answer::Status(200));
    pophook.once();
    assert_eq!(desk.count(), spared, "it gets nothing before the probe is due");
    check(&pophook, &["endpoint", "resume", "desk"], 0, &["resumed"]);
    assert_eq!((listed()["breaker"].clone(), listed()["probe_at"].clone()), ("closed".into(), serde_json::Value::Null));
    pophook.once_until("all are delivered", || pophook.in_state("delivered").len() == 25);
}

#[test]
fn a_running_daemon_shows_a_pause_and_keeps_to_it_after_its_next_start() {
    let (_server, desk, pophook) = stage(&["a"]);
    desk.set(Answer::With(429, "retry-after", "600".to_owned()));
    let metric = |name: &str| {
        let metrics = pophook.metrics();
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name}{{endpoint=\"desk\"}} ")))?;
        line.rsplit(' ').next().unwrap().parse::<i64>().ok()
    };
    let paused = || metric("pophook_endpoint_paused_until_timestamp_seconds").is_some_and(|until| until > 0);
    for _ in 0..2 {
        let running = pophook.start(&["run"]);
        wait_for("the pause is shown", paused);
        wait_for("nothing is under way", || metric("pophook_attempts_in_flight") == Some(0));
        wait_for("its queue has begun", || metric("pophook_endpoint_concurrency_limit") == Some(1));
        assert_eq!(metric("pophook_endpoint_breaker_state"), Some(0));
        running.terminate();
        running.wait().expect(0);
    }
    assert_eq!(desk.count(), 1);
    desk.set(Answer::Status(200));
    pophook.command(&["endpoint", "resume", "desk"]).expect(0);
    let running = pophook.start(&["run"]);
    wait_for("the pause is over", || metric("pophook_endpoint_paused_until_timestamp_seconds") == Some(0));
    running.terminate();
    running.wait().expect(0);
}

#[test]
fn a_spool_that_is_none_is_named_with_a_remedy() {
    let (_server, _desk, pophook) = stage(&["a"]);
    std::fs::write(pophook.spool(), "no database. ".repeat(100)).unwrap();
    for command in [&["once"][..], &["spool", "list"]] {
        check(&pophook, command, 1, &["spool.db is no spool of pophook", "name another file under spool.url"]);
    }
}

#[test]
fn what_a_command_has_a_daemon_do_is_noted_in_its_log_under_the_user_who_typed_it() {
    let (_server, desk, pophook) = stage(&["secret-a"]);
    let daemon = pophook.start(&["run"]);
    wait_for("it is posted", || desk.count() == 1);
    wait_for("it is delivered", || pophook.in_state("delivered").len() == 1);
    let id = desk.hits()[0].id();
    let ids = pophook.dir().join("ids");
    std::fs::write(&ids, "user@127.0.0.1 old-1\nuser@127.0.0.1 old-2\n").unwrap();
    let import = ["import-ledger", "--mailbox", "support", "--from", "fetchmail", "--login", "user@127.0.0.1"];
    check(&pophook, &[&import[..], &[ids.to_str().unwrap()]].concat(), 0, &["2 of 2"]);
    check(&pophook, &["mailbox", "take", "support", "old-1"], 0, &["1 will be taken"]);
    check(&pophook, &["mailbox", "pause", "support"], 0, &["is paused"]);
    check(&pophook, &["mailbox", "visit", "support"], 1, &["paused"]);
    check(&pophook, &["mailbox", "resume", "support"], 0, &["is visited again"]);
    check(&pophook, &["mailbox", "visit", "support"], 0, &["as soon as its server allows"]);
    check(&pophook, &["endpoint", "test", "desk"], 0, &["HTTP 200"]);
    check(&pophook, &["endpoint", "resume", "desk"], 0, &["is resumed"]);
    check(&pophook, &["spool", "retry", &id, "--state", "delivered"], 0, &["1 will be tried again"]);
    wait_for("it is delivered again", || pophook.in_state("delivered").len() == 1);
    check(
        &pophook,
        &["spool", "drop", "--erase", "--mailbox", "support", "--state", "delivered", "--yes"],
        0,
        &["erased"],
    );
    daemon.terminate();
    let said = daemon.wait().expect(0).said();
    let who = format!("who=\"uid {}\"", rustix::process::getuid().as_raw());
    let noted = |action: &str, words: &[&str]| {
        let lines: Vec<&str> = said.lines().filter(|line| line.contains(&format!("action=\"{action}\""))).collect();
        let found = lines.iter().any(|line| line.contains(&who) && words.iter().all(|word| line.contains(word)));
        assert!(found, "{action} {words:?} in\n{said}");
    };
    noted("import_ledger", &["on=\"support unique_ids=2\"", "changed=2"]);
    noted("take_skipped", &["on=\"support unique_ids=1\"", "changed=1"]);
    noted("pause_mailbox", &["on=\"support\"", "changed=1", "done"]);
    noted("visit_mailbox", &["not done", "is paused"]);
    noted("visit_mailbox", &["changed=1"]);
    noted("resume_mailbox", &["changed=1"]);
    noted("test_endpoint", &["on=desk", "taken=true", "status=200"]);
    noted("resume_endpoint", &["on=\"desk\""]);
    noted("retry", &["(1) state=delivered", "changed=1"]);
    noted("erase", &["on=\"mailbox=support state=delivered\"", "erased=1"]);
    assert!(!said.contains("secret-a") && !said.contains("old-1"), "{said}");
}

#[test]
fn a_retry_that_finds_nothing_says_how_delivered_and_waiting_mail_is_tried_again() {
    let (_server, desk, pophook) = stage(&["a"]);
    desk.set(Answer::Status(503));
    pophook.once().expect(2);
    let id = desk.hits()[0].id();
    check(&pophook, &["spool", "retry", &id], 1, &["--state pending makes due now"]);
    let due = || pophook.list()[0]["due"].clone();
    let before = due();
    check(&pophook, &["spool", "retry", &id, "--state", "pending"], 0, &["1 will be tried again"]);
    assert_ne!(due(), before);
    desk.set(Answer::Status(200));
    pophook.once().expect(0);
    assert_eq!((desk.count(), pophook.in_state("delivered").len()), (2, 1), "it was due at once");
    check(&pophook, &["spool", "retry", &id], 1, &["--state delivered sends delivered mail again"]);
    check(&pophook, &["spool", "retry", &id, "--state", "delivered"], 0, &["1 will be tried again"]);
}

#[test]
fn a_mailbox_tells_since_when_it_is_paused_and_when_it_is_visited_next() {
    let (server, desk, pophook) = stage(&["a"]);
    let seldom = Mailbox::scripted(&server).without("poll_interval: 1s").line("poll_interval: 90m");
    pophook.configure([seldom], [Endpoint::desk(&desk)], "");
    let daemon = pophook.start(&["run"]);
    wait_for("it is posted", || desk.count() == 1);
    wait_for("it was visited", || {
        let listed = pophook.command(&["mailbox", "list", "--json"]).expect(0).json();
        listed[0]["next_visit"].as_str().is_some_and(|at| at.starts_with("20"))
    });
    check(&pophook, &["mailbox", "list"], 0, &["next visit", "in 1h", "ok"]);
    check(&pophook, &["mailbox", "pause", "support"], 0, &[]);
    check(&pophook, &["mailbox", "list"], 0, &["paused since 20"]);
    wait_for("the daemon knows", || {
        pophook.command(&["mailbox", "list", "--json"]).expect(0).json()[0]["next_visit"].is_null()
    });
    daemon.terminate();
    daemon.wait().expect(0);
    check(&pophook, &["mailbox", "list"], 0, &["paused since 20"]);
    let listed = pophook.command(&["mailbox", "list", "--json"]).expect(0).json();
    assert!(listed[0]["next_visit"].is_null() && listed[0]["paused_since"].is_string(), "{listed:?}");
}

#[test]
fn a_check_without_servers_says_that_the_spool_cannot_be_made_and_makes_nothing() {
    let (server, desk) = (Pop3Server::start(Vec::new()), Receiver::start());
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("not-mounted");
    let at =
        |path: std::path::PathBuf| Pophook::with_spool_at(path, [Mailbox::scripted(&server)], [Endpoint::desk(&desk)]);
    let named = folder.display().to_string();
    let pophook = at(folder.join("spool.db"));
    for (command, code, kind) in [(&["check"][..], 0, "warning"), (&["check", "--online"], 2, "FINDING")] {
        check(&pophook, command, code, &[&format!("{kind}  spool: its folder"), &named, "does not exist; make it"]);
    }
    check(&pophook, &["run"], 1, &["does not exist"]);
    assert!(!folder.exists());
    check(&at(dir.path().join("spool.db")), &["check"], 0, &["no problem"]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is made for a check");
}
