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

use rusqlite::Connection;
use rusqlite::OpenFlags;
use support::mails;
use support::oracle::Owed;
use support::pop3_server::Message;
use support::pophook::Mailbox;
use support::receiver::Answer;
use support::receiver::Hit;
use support::small_disk::fill_but;
use support::small_disk::small_disk;
use support::stage::Stage;
use support::stage::message;
use support::stage::messages;
use support::wait_for;

/// Runs the line of deploy/README.md that begins with `words`, on the files of a stage, and as whoever runs this.
fn as_documented(words: &str, stage: &Stage, backup: &Path) {
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/README.md")).unwrap();
    let lines: Vec<&str> = document.lines().filter(|line| line.starts_with(words)).collect();
    assert_eq!(lines.len(), 1, "one line of deploy/README.md begins with {words:?}");
    let line = lines[0]
        .replace("/var/lib/pophook/spool.db", stage.pophook.spool().to_str().unwrap())
        .replace("/etc/pophook/pophook.yaml", stage.pophook.config().to_str().unwrap())
        .replace("/backup/pophook.db", backup.to_str().unwrap())
        .replace("-o pophook -g pophook", "");
    let program = Path::new(env!("CARGO_BIN_EXE_pophook")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let ran = Command::new("sh").arg("-c").arg(&line).env("PATH", path).output().unwrap();
    assert!(ran.status.success(), "{line}\n{}", String::from_utf8_lossy(&ran.stderr));
}

/// What SQLite says to a statement.
fn ask(file: &Path, statement: &str) -> String {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection.query_row(&format!("SELECT cast(({statement}) AS TEXT)"), [], |row| row.get(0)).unwrap()
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
    as_documented("pophook spool backup", stage, &backup);
    assert_eq!(ask(&backup, "SELECT integrity_check FROM pragma_integrity_check"), "ok");
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600, "letters lie in it");
    wait_for("the rest of it", || took(stage, &flow));
    backup
}

/// The spool is lost, but for the log that a crash left, and the backup is put in its place.
fn restore(stage: &Stage, backup: &Path) {
    let (spool, log) = (stage.pophook.spool(), stage.pophook.dir().join("spool.db-wal"));
    assert!(fs::metadata(&log).unwrap().len() > 0, "the log of a file that is no more would spoil the next one");
    fs::remove_file(&spool).unwrap();
    as_documented("rm -f", stage, backup);
    assert!(!log.exists());
    as_documented("install", stage, backup);
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

#[test]
fn a_backup_takes_no_others_place_and_leaves_no_part_of_itself() {
    let stage = Stage::new("keep", messages(&["a"]));
    let said = stage.pophook.command(&["spool", "backup", "unwritten"]).expect(1).said();
    assert!(said.contains("there is no spool"), "{said}");
    stage.pophook.once().expect(0);
    let folder = tempfile::tempdir().unwrap();
    let names = || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let back_up = |name: &str| stage.pophook.command(&["spool", "backup", folder.path().join(name).to_str().unwrap()]);
    let said = back_up("no folder/copy.db").expect(1).said();
    assert!(said.contains("no folder/copy.db"), "{said}");
    assert!(names().is_empty());
    fs::write(folder.path().join("copy.db"), "somebody's").unwrap();
    let said = back_up("copy.db").expect(1).said();
    assert!(said.contains("already exists"), "{said}");
    assert_eq!(fs::read(folder.path().join("copy.db")).unwrap(), b"somebody's");
    // What a backup that was killed left is in nobody's way.
    fs::write(folder.path().join("other.db.part"), "half").unwrap();
    back_up("other.db").expect(0);
    assert_eq!(ask(&folder.path().join("other.db"), "SELECT count(*) FROM message"), "1");
    assert_eq!(names().len(), 2);
}

#[test]
fn a_backup_through_standard_output_is_the_same() {
    let stage = Stage::new("keep", messages(&["a", "b"]));
    stage.pophook.once().expect(0);
    let copy = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pophook"));
    command.args(["spool", "backup", "-", "-c"]).arg(stage.pophook.config()).stdout(copy.reopen().unwrap());
    assert!(command.status().unwrap().success());
    assert_eq!(ask(copy.path(), "SELECT count(*) FROM message"), "2");
    let beside = fs::read_dir(stage.pophook.dir()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(
        beside.into_iter().all(|name| !name.to_string_lossy().contains("backup")),
        "nothing is left beside the spool"
    );
}

#[test]
fn a_backup_says_what_it_holds_and_what_is_in_its_way() {
    let stage = Stage::new("keep", messages(&["a", "b"]));
    let pophook = &stage.pophook;
    let copy = pophook.dir().join("copy.db");
    let check = |to: &Path, code: i32, words: &[&str]| {
        let said = pophook.command(&["spool", "backup", to.to_str().unwrap()]).expect(code).said();
        words.iter().for_each(|word| assert!(said.contains(word), "{word:?} in {said}"));
    };
    check(&copy, 1, &["there is no spool at", "`pophook run` or `pophook once` makes it"]);
    stage.until_delivered(2);
    check(&copy, 0, &["copied the spool to", "copy.db: 2 messages, ", "KiB"]);
    check(&copy, 1, &["cannot write the copy", "copy.db", "name another, or remove that one"]);
    let nowhere = pophook.dir().join("not-there/copy.db");
    check(&nowhere, 1, &["not-there does not exist; make it, or name another"]);
    let file = pophook.config().join("copy.db");
    check(&file, 1, &["cannot write the copy", "name another"]);
    let to_stdout = Command::new(env!("CARGO_BIN_EXE_pophook"))
        .args(["spool", "backup", "-", "-c", pophook.config().to_str().unwrap()])
        .output()
        .unwrap();
    assert!(to_stdout.status.success() && to_stdout.stdout.starts_with(b"SQLite format 3"));
    assert!(String::from_utf8_lossy(&to_stdout.stderr).contains("to standard output: 2 messages"));
    let left: Vec<_> = fs::read_dir(pophook.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let beside = left.iter().filter(|name| name.to_string_lossy().starts_with("copy.db")).count();
    assert_eq!(beside, 1, "the copy alone: {left:?}");
}

#[test]
fn a_backup_that_finds_no_room_says_how_much_it_takes_and_leaves_nothing() {
    let name = "a_backup_that_finds_no_room_says_how_much_it_takes_and_leaves_nothing";
    let Some(place) = small_disk(name, 8) else { return };
    let stage = Stage::new("keep", flow(5));
    stage.until_delivered(5);
    fill_but(&place, 100_000);
    let copy = place.join("copy.db");
    let said = stage.pophook.command(&["spool", "backup", copy.to_str().unwrap()]).expect(1).said();
    for word in ["cannot write the copy", "has no room; it takes up to ", "make room, or name another folder"] {
        assert!(said.contains(word), "{word:?} in {said}");
    }
    assert_eq!(fs::read_dir(&place).unwrap().filter(|one| one.as_ref().unwrap().file_name() != "filler").count(), 0);
}
