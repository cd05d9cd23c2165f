//! The backup that deploy/README.md tells, made of the spool of a running daemon, and its restoration after the disk
//! was lost: what the spool or a server still has is delivered, and nothing gets a second id.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use support::mails;
use support::oracle::Owed;
use support::pop3_server::Message;
use support::pophook::Mailbox;
use support::receiver::Answer;
use support::receiver::Hit;
use support::stage::Stage;
use support::stage::message;
use support::stage::messages;
use support::wait_for;

/// Where the commands of the document find spool and backup.
const SPOOL: &str = "/var/lib/pophook/spool.db";
const BACKUP: &str = "/backup/pophook.db";

/// Runs the lines of deploy/README.md that contain `mark`, on other files, and as whoever runs this.
fn as_documented(mark: &str, spool: &Path, backup: &Path) {
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/README.md")).unwrap();
    let lines: Vec<&str> = document.lines().filter(|line| line.contains(mark) && line.contains(SPOOL)).collect();
    assert_eq!(lines.len(), 1, "one line of deploy/README.md has {mark:?}");
    let line = lines[0]
        .replace(SPOOL, spool.to_str().unwrap())
        .replace(BACKUP, backup.to_str().unwrap())
        .replace("-o pophook -g pophook", "");
    let ran = Command::new("sh").arg("-c").arg(&line).output().unwrap();
    assert!(ran.status.success(), "{line}\n{}", String::from_utf8_lossy(&ran.stderr));
}

/// What SQLite says to a statement.
fn ask(file: &Path, statement: &str) -> String {
    let ran = Command::new("sqlite3").arg("-readonly").arg(file).arg(statement).output().expect("sqlite3 is installed");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

/// So many large mails, whose transfer takes a while.
fn flow(count: usize) -> Vec<Message> {
    let name = |number: usize| format!("flow{number}");
    (0..count).map(|number| Message::new(&name(number), &mails::large(&name(number), 100_000))).collect()
}

/// Mail whose subject begins with "late" is refused for now, and becomes a dead letter.
fn refuses_late_mail(stage: &Stage) {
    stage.desk.decide(|hit| Answer::Status(if hit.subject().starts_with("late") { 400 } else { 200 }));
}

fn dead(stage: &Stage) -> usize {
    stage.pophook.in_state("dead").len()
}

/// Makes a backup while mail flows, and says where it lies.
fn back_up(stage: &Stage) -> PathBuf {
    let (before, flow) = (stage.desk.count(), flow(20));
    flow.iter().for_each(|mail| stage.server.put(mail.clone()));
    wait_for("mail flows", || stage.desk.count() > before + 3);
    let backup = stage.pophook.dir().join("backup.db");
    as_documented("VACUUM INTO", &stage.pophook.spool(), &backup);
    assert_eq!(ask(&backup, "PRAGMA integrity_check"), "ok");
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600, "letters lie in it");
    wait_for("the rest of it", || took(stage, &flow));
    backup
}

/// The spool is lost, but for the log that a crash left, and the backup is put in its place.
fn restore(stage: &Stage, backup: &Path) {
    let (spool, log) = (stage.pophook.spool(), stage.pophook.dir().join("spool.db-wal"));
    assert!(fs::metadata(&log).unwrap().len() > 0, "the log of a file that is no more would spoil the next one");
    fs::remove_file(&spool).unwrap();
    as_documented("rm -f", &spool, backup);
    assert!(!log.exists());
    as_documented("install", &spool, backup);
}

/// The id that a mail has.
fn id(mail: &Message) -> String {
    Owed::new("support", &mail.raw, &[], true).id
}

/// Whether the endpoint took all of these mails.
fn took(stage: &Stage, mails: &[Message]) -> bool {
    let hits = stage.desk.hits();
    let taken: BTreeSet<String> = hits.iter().filter(|hit| hit.answered == Some(200)).map(Hit::id).collect();
    mails.iter().all(|mail| taken.contains(&id(mail)))
}

/// Insists that all mail arrived, each under one id, and what was settled when the backup was made just once.
fn all_arrived_under_one_id(stage: &Stage, once: &[Message]) {
    let accepted = stage.server.accepted();
    assert!(took(stage, &accepted));
    assert_eq!(stage.desk.ids(), accepted.iter().map(id).collect::<BTreeSet<String>>());
    let posted: Vec<String> = stage.desk.hits().iter().map(Hit::id).collect();
    for mail in once.iter().map(id) {
        assert_eq!(posted.iter().filter(|other| **other == mail).count(), 1, "{mail}");
    }
}

#[test]
fn a_backup_made_while_mail_flows_is_restored_and_nothing_is_lost_or_gets_a_second_id() {
    let settled = messages(&["a", "b", "c"]);
    let stage = Stage::new("delete_when_delivered", settled.clone());
    refuses_late_mail(&stage);
    let daemon = stage.pophook.start(&["run"]);
    wait_for("mail is settled", || stage.server.messages().is_empty());
    stage.server.put(message("late-before"));
    wait_for("it is a dead letter", || dead(&stage) == 1);

    let backup = back_up(&stage);
    let since = messages(&["d", "e"]);
    since.iter().for_each(|mail| stage.server.put(mail.clone()));
    stage.server.put(message("late-since"));
    wait_for("one more", || dead(&stage) == 2);
    wait_for("only dead letters are left on the server", || stage.server.messages().len() == 2);
    let (known, now) = (ask(&backup, "SELECT count(*) FROM message"), stage.pophook.list().len());
    assert!(known.parse::<usize>().unwrap() < now, "the backup is older: {known} of {now} messages");

    daemon.kill();
    restore(&stage, &backup);
    stage.desk.decide(|_| Answer::Status(200));
    let daemon = stage.pophook.start(&["run"]);
    wait_for("what the backup lacks comes again", || stage.server.messages().len() == 1);
    assert_eq!(dead(&stage), 1, "the dead letter that the backup knows");
    stage.pophook.command(&["spool", "retry", "--state", "dead", "--yes"]).expect(0);
    wait_for("the maildrop is empty", || stage.server.messages().is_empty());
    daemon.terminate();
    daemon.wait().expect(0);
    all_arrived_under_one_id(&stage, &[settled, since].concat());
}

#[test]
fn mail_that_goes_when_it_is_spooled_comes_again_while_the_server_keeps_it_for_longer_than_a_backup_is_old() {
    let kept = |mailbox: Mailbox| mailbox.on_server("delete_when_spooled").retention("delete_after: 1h");
    let stage = Stage::with(messages(&["a"]), kept, |endpoint| endpoint);
    refuses_late_mail(&stage);
    let daemon = stage.pophook.start(&["run"]);
    wait_for("mail is delivered", || stage.desk.count() == 1);
    wait_for("it is settled", || stage.pophook.in_state("delivered").len() == 1);
    let backup = back_up(&stage);
    stage.server.put(message("late-since"));
    wait_for("it was taken after the backup", || dead(&stage) == 1);

    daemon.kill();
    restore(&stage, &backup);
    stage.desk.decide(|_| Answer::Status(200));
    stage.pophook.once_until("all is delivered", || {
        let lines = stage.pophook.list();
        lines.len() == 22 && lines.iter().all(|line| line["state"] == "delivered")
    });
    all_arrived_under_one_id(&stage, &messages(&["a"]));
}
