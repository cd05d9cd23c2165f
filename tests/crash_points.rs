//! SIGKILL at every point that the sources name, then another life: the oracle holds, and everything goes on.
//!
//! Twice at each by default, at its first and at its second passing; `CRASH_ROUNDS=20` goes on to the twentieth. A step
//! without a point, a point without a scene that reaches it, and a scene for a point that is gone all fail.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use support::mails;
use support::pop3_server::Faults;
use support::pop3_server::Message;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Running;
use support::receiver::Answer;
use support::stage::Stage;
use support::stage::messages;
use support::wait_for;

const SIGKILL: i32 = 9;

/// On the way to the plan.
const LISTING: &[&str] = &[
    "before enrol",
    "after enrol",
    "before keep_endpoints",
    "after keep_endpoints",
    "before connect",
    "after connect",
    "after login",
    "after list",
    "before observe",
    "after observe",
];
/// From the server into the spool.
const TAKING: &[&str] =
    &["before room", "after room", "in retrieve", "after retrieve", "before accept", "after accept"];
/// From spooled to routed.
const SORTING: &[&str] = &["before claim_unsorted", "after claim_unsorted", "in parse", "before sort", "after sort"];
/// One delivery.
const DELIVERING: &[&str] = &[
    "before end_hold",
    "after end_hold",
    "before claim",
    "after claim",
    "before post",
    "after post",
    "before pause",
    "after pause",
    "before keep_health",
    "after keep_health",
    "before record",
    "after record",
];
/// What may go is deleted.
const DELETING: &[&str] = &[
    "before mark",
    "after mark",
    "after mark_deleted",
    "before quit",
    "after quit",
    "before expunged",
    "after expunged",
    "before note_visit",
    "after note_visit",
];
/// The end of a process.
const CLOSING: &[&str] = &["before close", "in close", "after close"];
/// Around every commit, whatever it commits.
const COMMITS: &[&str] = &["before commit", "after commit"];
/// The daemon's sweep of what was delivered.
const SWEEP: &[&str] = &["before release", "after release", "before prune", "after prune"];
/// A message that turns out too large, and one that LIST tells too large.
const TOO_LARGE: &[&str] = &["before oversize", "after oversize", "after header"];
/// A first visit that asks when messages were received.
const DATED: &[&str] = &["after received_at"];
/// A server that refuses to delete.
const REFUSED: &[&str] = &["before unmark", "after unmark"];
/// An endpoint none of whose signing keys is valid.
const WITHOUT_KEY: &[&str] = &["before hold_if_free", "after hold_if_free"];
/// An endpoint that refuses everything.
const HELD: &[&str] = &["before hold", "after hold"];
/// A spool of the first schema.
const OLD: &[&str] = &["in migrate", "after migrate"];
/// An operator's command, beside a daemon.
const ASKED: &[&str] = &["before change", "in change", "after change"];

const SCENES: &[&[&str]] = &[
    LISTING,
    TAKING,
    SORTING,
    DELIVERING,
    DELETING,
    CLOSING,
    COMMITS,
    SWEEP,
    TOO_LARGE,
    DATED,
    REFUSED,
    WITHOUT_KEY,
    HELD,
    OLD,
    ASKED,
];

/// The verbs that need no points, and why.
const WITHOUT: &[(&str, &str)] = &[
    ("claim", "it changes nothing on the disk; what it hands out has `after claim`"),
    ("unclaim", "it changes nothing on the disk"),
    ("abandon", "it changes nothing on the disk"),
    ("work", "it does nothing"),
    ("logins", "it does nothing"),
    ("wishes", "it does nothing"),
];

/// Passings at which each point is struck.
fn rounds() -> u32 {
    std::env::var("CRASH_ROUNDS").map_or(2, |rounds| rounds.parse().expect("CRASH_ROUNDS is a number"))
}

fn is_killed(daemon: Running) -> bool {
    daemon.wait().status.signal() == Some(SIGKILL)
}

/// Kills `command` at each passing of each of these points, on a stage of its own, which `again` then brings to its end.
#[track_caller]
fn check(points: &[&str], command: &str, prepare: impl Fn() -> Stage, again: impl Fn(&Stage)) {
    check_rounds(points, rounds(), command, prepare, again);
}

#[track_caller]
fn check_rounds(points: &[&str], rounds: u32, command: &str, prepare: impl Fn() -> Stage, again: impl Fn(&Stage)) {
    for point in points {
        for passing in 1..=rounds {
            println!("{point}, passing {passing}");
            let stage = prepare();
            let killed = is_killed(stage.pophook.start_with(&[("POPHOOK_CRASH_AT", &at(point, passing))], &[command]));
            assert!(killed || passing > 1, "`{command}` never passes `{point}`");
            stage.holds();
            again(&stage);
            stage.lives();
            if !killed {
                break;
            }
        }
    }
}

fn at(point: &str, passing: u32) -> String {
    format!("{point}:{passing}")
}

fn taken_and_deleted() -> Stage {
    Stage::new("delete_when_delivered", messages(&["a", "b", "c"]))
}

/// All is delivered and gone from the server, and nothing was posted again that was known to be delivered.
fn until_all_is_done(stage: &Stage) {
    let delivered = |stage: &Stage| -> BTreeSet<String> {
        let lines = stage.pophook.in_state("delivered");
        lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
    };
    let known = if stage.pophook.spool().exists() { delivered(stage) } else { BTreeSet::new() };
    let before = stage.desk.count();
    stage.until_empty();
    stage
        .pophook
        .once_until("all is delivered", || stage.pophook.list().iter().all(|line| line["state"] == "delivered"));
    let again: Vec<_> =
        stage.desk.hits()[before..].iter().map(|hit| hit.id()).filter(|id| known.contains(id)).collect();
    assert!(again.is_empty(), "posted again though recorded as delivered: {again:?}");
}

#[test]
fn k1_killed_on_the_way_to_the_plan() {
    check(LISTING, "once", taken_and_deleted, until_all_is_done);
}

#[test]
fn k2_k3_k4_killed_while_messages_are_taken() {
    check(TAKING, "once", taken_and_deleted, until_all_is_done);
}

#[test]
fn k5_k6_killed_while_messages_are_sorted() {
    check(SORTING, "once", taken_and_deleted, until_all_is_done);
}

#[test]
fn k5_k6_k11_killed_while_a_rule_drops_a_message() {
    let prepare = || {
        let stage = taken_and_deleted();
        let mailbox = Mailbox::scripted(&stage.server).on_server("delete_when_delivered");
        stage.pophook.configure([mailbox], [stage.endpoint()], "routes:\n  - { when: { subject: b }, drop: true }\n");
        stage
    };
    let points = [SORTING, &["before mark", "after mark"]].concat();
    check(&points, "once", prepare, |stage| {
        stage.pophook.once_until("what is delivered is gone", || stage.server.messages() == messages(&["b"]));
        let dropped = stage.pophook.in_state("dropped");
        assert_eq!(dropped.len(), 1, "{dropped:?}");
        assert_eq!((&dropped[0]["unique_id"], &dropped[0]["reason"]), (&"b".into(), &"rule 1".into()));
        assert!(!stage.desk.subjects().contains(&"b".to_owned()));
    });
}

#[test]
fn k7_k8_k9_k10_killed_while_messages_are_delivered() {
    check(DELIVERING, "once", taken_and_deleted, until_all_is_done);
}

#[test]
fn k11_k12_k13_killed_while_messages_are_deleted() {
    check(DELETING, "once", taken_and_deleted, until_all_is_done);
}

#[test]
fn k14_killed_while_the_spool_is_closed() {
    check(CLOSING, "once", taken_and_deleted, until_all_is_done);
}

#[test]
fn k5_a_mail_that_kills_its_parser_three_times_is_set_aside_and_the_others_go_on() {
    let stage = Stage::new("delete_when_delivered", messages(&["bad", "good"]));
    for _ in 0..3 {
        assert!(is_killed(stage.pophook.start_with(&[("POPHOOK_CRASH_AT", "in parse:1")], &["once"])));
    }
    stage.pophook.once_until("the good one arrives", || stage.desk.subjects() == ["good"]);
    assert_eq!(stage.pophook.in_state("quarantined").len(), 1);
    stage.pophook.once_until("the good one is gone", || stage.server.messages() == messages(&["bad"]));
    stage.lives();
}

#[test]
fn k3_k4_k6_k9_k10_k11_killed_around_each_commit_of_a_round() {
    check_rounds(COMMITS, u32::MAX, "once", taken_and_deleted, until_all_is_done);
}

#[test]
fn k14_killed_in_a_sweep() {
    let prepare = || {
        let stage = taken_and_deleted();
        stage.until_empty();
        let mailbox = Mailbox::scripted(&stage.server).on_server("delete_when_delivered");
        stage.pophook.configure([mailbox], [stage.endpoint()], "");
        let yaml = fs::read_to_string(stage.pophook.config()).unwrap();
        stage.pophook.write_config(&yaml.replace("spool:\n", "spool:\n  keep_delivered: 0s\n"));
        stage
    };
    // There is one sweep a minute: more than one passing would be a long test.
    check_rounds(SWEEP, 1, "run", prepare, |stage| {
        let daemon = stage.pophook.start(&["run"]);
        wait_for("the copies are released", || stage.pophook.list().is_empty());
        daemon.terminate();
        daemon.wait().expect(0);
    });
}

#[test]
fn killed_while_a_message_that_is_too_large_is_noted() {
    let prepare = || {
        let large = |id: &str| Message::new(id, &mails::large(id, 100_000));
        let mut all = messages(&["a"]);
        all.extend([large("told"), Message { size: 100, ..large("found") }]);
        let limited = |mailbox: Mailbox| mailbox.line("max_message_size: 50KiB").on_server("delete_when_delivered");
        Stage::with(all, limited, |endpoint| endpoint.line("events: [mail.oversize]"))
    };
    check(TOO_LARGE, "once", prepare, |stage| {
        stage.pophook.once_until("all is told", || {
            stage.server.messages().len() == 2 && stage.pophook.in_state("delivered").len() == 3
        });
        assert_eq!(stage.pophook.in_state("oversize").len(), 2);
    });
}

#[test]
fn killed_on_a_first_visit_that_asks_for_dates() {
    let prepare = || {
        let dated = |mailbox: Mailbox| mailbox.start_from("2026-01-01").on_server("delete_when_delivered");
        Stage::with(messages(&["a", "b", "c"]), dated, |endpoint| endpoint)
    };
    check(DATED, "once", prepare, until_all_is_done);
}

#[test]
fn killed_while_a_refused_dele_is_taken_back() {
    let prepare = || {
        let stage = taken_and_deleted();
        stage.server.set(Faults { dele_refused: true, ..Faults::default() });
        stage
    };
    check(REFUSED, "once", prepare, |stage| {
        stage.server.set(Faults::default());
        until_all_is_done(stage);
    });
}

#[test]
fn killed_while_an_endpoints_pause_is_noted() {
    let prepare = || {
        let stage = taken_and_deleted();
        stage.desk.script(vec![Answer::With(429, "retry-after", "1".to_owned()); 2]);
        stage
    };
    check(&["before pause", "after pause", "before record", "after record"], "once", prepare, until_all_is_done);
}

#[test]
fn killed_while_an_endpoint_without_a_valid_key_is_held() {
    let prepare = || {
        let stage = taken_and_deleted();
        let mailbox = Mailbox::scripted(&stage.server).on_server("delete_when_delivered");
        let over = "{ key: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, not_after: 2020-01-01 }";
        stage.pophook.configure([mailbox], [Endpoint::desk(&stage.desk).signed(&[over])], "");
        stage
    };
    check(WITHOUT_KEY, "once", prepare, |stage| {
        assert_eq!(stage.desk.count(), 0);
        let mailbox = Mailbox::scripted(&stage.server).on_server("delete_when_delivered");
        stage.pophook.configure([mailbox], [stage.endpoint()], "");
        until_all_is_done(stage);
    });
}

#[test]
fn killed_while_an_endpoint_is_held() {
    let prepare = || {
        let ids: Vec<String> = (0..20).map(|n| format!("mail {n}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let stage = Stage::new("delete_when_delivered", messages(&ids));
        stage.desk.set(Answer::Status(422));
        stage
    };
    check(HELD, "once", prepare, |stage| {
        stage.desk.set(Answer::Status(200));
        // It may not be held.
        stage.pophook.command(&["endpoint", "resume", "desk"]);
        until_all_is_done(stage);
    });
}

/// What later schemas added, taken away.
const TO_THE_FIRST_SCHEMA: &str = "ALTER TABLE mailbox DROP COLUMN paused_at;
    ALTER TABLE message DROP COLUMN dropped_by;
    ALTER TABLE message DROP COLUMN counts_as_delivered;
    DROP TABLE condition;
    DROP TABLE told_hold;
    DROP INDEX message_about;
    ALTER TABLE message DROP COLUMN about;
    DROP INDEX delivery_untried;
    DROP INDEX delivery_order;
    ALTER TABLE delivery DROP COLUMN mailbox;
    ALTER TABLE delivery DROP COLUMN refused_ms;
    ALTER TABLE delivery DROP COLUMN refused_from;
    ALTER TABLE endpoint DROP COLUMN paused_from;
    ALTER TABLE endpoint DROP COLUMN paused_ran;
    ALTER TABLE endpoint DROP COLUMN breaker;
    ALTER TABLE endpoint DROP COLUMN probe_at;
    ALTER TABLE endpoint DROP COLUMN probes_failed;
    ALTER TABLE endpoint DROP COLUMN gone_since;
    ALTER TABLE endpoint DROP COLUMN refused;
    ALTER TABLE endpoint DROP COLUMN resumes;
    DROP TABLE token;
    DROP TABLE glance;
    DROP INDEX message_here;
    DELETE FROM meta WHERE key = 'unread_to';
    ALTER TABLE message DROP COLUMN kind;
    ALTER TABLE message DROP COLUMN listed_size;
    ALTER TABLE message DROP COLUMN size_limit;
    PRAGMA application_id = 0;
    PRAGMA user_version = 1";

#[test]
fn k14_killed_in_a_migration() {
    let prepare = || {
        let stage = taken_and_deleted();
        stage.desk.script([Answer::Status(500), Answer::Status(500)]);
        stage.pophook.once();
        rusqlite::Connection::open(stage.pophook.spool()).unwrap().execute_batch(TO_THE_FIRST_SCHEMA).unwrap();
        stage
    };
    // Each step of a migration is a passing.
    check_rounds(OLD, u32::MAX, "once", prepare, |stage| {
        until_all_is_done(stage);
        let spool = rusqlite::Connection::open(stage.pophook.spool()).unwrap();
        let whole: String = spool.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok");
    });
}

#[test]
fn k15_killed_in_an_operators_command() {
    for point in ASKED {
        for passing in 1..=rounds() {
            let expiring = |endpoint: Endpoint| endpoint.line("give_up_after: 1ms");
            let keep = |mailbox: Mailbox| mailbox.on_server("delete_when_delivered");
            let stage = Stage::with(messages(&["a", "b", "c"]), keep, expiring);
            stage.desk.set(Answer::Status(500));
            stage.pophook.once_until("all are dead", || stage.pophook.in_state("dead").len() == 3);
            let posted = stage.desk.count();
            stage.desk.set(Answer::Status(200));
            let daemon = stage.pophook.start_with(&[("POPHOOK_CRASH_AT", &at(point, passing))], &["run"]);
            wait_for("the daemon is there", || stage.pophook.get("/healthz").starts_with("HTTP/1.1 200"));
            stage.pophook.command(&["spool", "retry", "--all", "--yes"]);
            if passing > 1 && *point != "in change" {
                // One command passes there once.
                daemon.terminate();
                assert!(!is_killed(daemon));
            } else {
                assert!(is_killed(daemon), "{point}");
            }
            stage.holds();
            // All of it or nothing.
            let dead = stage.pophook.in_state("dead").len();
            assert!([0, 3].contains(&dead), "{point}: {dead} are dead");
            stage.pophook.command(&["spool", "retry", "--all", "--yes"]);
            until_all_is_done(&stage);
            assert!(stage.desk.count() <= posted + 3 + 3, "{point}: each is sent once, or again under its id");
            stage.lives();
        }
    }
}

/// Every source, by its path.
fn sources(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

/// The names in a source, in order.
fn names(source: &str) -> Vec<&str> {
    let code = source.split("crash::point!(\"").skip(1);
    code.filter_map(|rest| rest.split_once("\");")).map(|(name, _)| name).collect()
}

/// The functions that a source declares after `before`.
fn functions<'a>(source: &'a str, before: &str) -> Vec<&'a str> {
    let lines = source.lines().filter_map(|line| line.trim().strip_prefix(before));
    lines.filter_map(|line| line.split_once(['(', '<'])).map(|(name, _)| name).collect()
}

#[test]
fn every_point_has_a_scene_and_every_scene_its_point() {
    let sources = all_sources();
    let mut named: Vec<&str> =
        sources.iter().filter(|(path, _)| !path.ends_with("/crash.rs")).flat_map(|(_, text)| names(text)).collect();
    let mut staged: Vec<&str> = SCENES.concat();
    named.sort_unstable();
    staged.sort_unstable();
    assert_eq!(named, staged, "each name stands in one place of the sources, and in one scene");
}

/// Whether somewhere `verb` is called between its two points.
fn is_between(sources: &[(String, String)], verb: &str) -> bool {
    let (before, after) = (format!("point!(\"before {verb}\");"), format!("point!(\"after {verb}\");"));
    sources.iter().any(|(_, text)| {
        let between = text.split_once(&before).and_then(|(_, rest)| rest.split_once(&after));
        between.is_some_and(|(between, _)| between.contains(&format!(".{verb}(")))
    })
}

#[test]
fn every_verb_of_the_spool_that_changes_something_stands_between_two_points() {
    let sources = all_sources();
    let text = |name: &str| &sources.iter().find(|(path, _)| path.ends_with(name)).unwrap().1;
    let spool = text("src/spool/mod.rs");
    for half in ["Collecting", "Delivering", "Spool"] {
        let (_, rest) = spool.split_once(&format!("pub trait {half}:")).expect("the trait is there");
        let verbs = functions(rest.split_once("\n}").unwrap().0, "fn ");
        assert!(verbs.len() > 3, "{half}: {verbs:?}");
        for verb in verbs.iter().filter(|verb| WITHOUT.iter().all(|(name, _)| name != *verb)) {
            assert!(
                is_between(&sources, verb),
                "no call of `{verb}` stands between `before {verb}` and `after {verb}`"
            );
        }
    }
}

#[test]
fn every_step_of_a_session_and_of_a_delivery_ends_at_a_point() {
    let sources = all_sources();
    let text = |name: &str| &sources.iter().find(|(path, _)| path.ends_with(name)).unwrap().1;
    let mut steps = functions(text("src/pop3/session.rs"), "pub async fn ");
    assert!(steps.contains(&"mark_deleted"), "{steps:?}");
    steps.extend(["retrieve", "post"]);
    let named: Vec<&str> = sources.iter().flat_map(|(_, text)| names(text)).collect();
    for step in steps {
        assert!(named.contains(&&*format!("after {step}")), "no point `after {step}`");
    }
}
