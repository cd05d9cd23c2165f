//! Disks that are full, read-only, or fail to sync, under the program as it runs: the server is told nothing that the
//! spool does not hold, and everything goes on when the fault is gone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use support::mails;
use support::oracle::KEY;
use support::oracle::Memory;
use support::oracle::Oracle;
use support::pop3_server::Faults;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Receiver;
use support::small_disk::fill;
use support::small_disk::fill_but;
use support::small_disk::make_read_only;
use support::small_disk::make_space;
use support::small_disk::make_writable;
use support::small_disk::small_disk;
use support::stage::Stage;
use support::stage::message;
use support::stage::messages;
use support::strace;
use support::wait_for;

/// A stage whose spool lies in a place of its own.
struct Elsewhere {
    server: Pop3Server,
    desk: Receiver,
    pophook: Pophook,
    memory: Memory,
}

impl Elsewhere {
    fn new(spool: &Path, rule: &str) -> Elsewhere {
        let (server, desk) = (Pop3Server::start(messages(&["a", "b", "c"])), Receiver::start());
        let pophook = Pophook::with_spool_at(
            spool.join("spool.db"),
            [Mailbox::scripted(&server).on_server(rule)],
            [Endpoint::desk(&desk).signed(&[KEY])],
        );
        let memory = Memory::default();
        memory.watch(&server, pophook.spool());
        Elsewhere { server, desk, pophook, memory }
    }

    fn oracle(&self) -> Oracle<'_> {
        Oracle::new(&self.server, &self.pophook, vec![("desk", &self.desk)])
    }

    fn is_ready(&self) -> bool {
        self.pophook.get("/readyz").starts_with("HTTP/1.1 200")
    }
}

fn large(id: &str) -> Message {
    Message::new(id, &mails::large(id, 1 << 20))
}

/// The disk is full when mail comes in: it stays on its server, and nobody has to start anew when there is space again.
fn check_full(place: &Path, rule: &str, faults: &Faults) {
    let stage = Elsewhere::new(place, rule);
    stage.server.set(faults.clone());
    let daemon = stage.pophook.start(&["run"]);
    wait_for("the first mails arrive", || stage.desk.count() == 3);
    wait_for("it is ready", || stage.is_ready());
    // A listing can be noted, mail cannot.
    fill_but(place, 300_000);
    for n in 0..4 {
        stage.server.put(large(&format!("large {n}")));
    }
    wait_for("it says that it cannot take mail", || !stage.is_ready());
    let (sessions, retrs) = (stage.server.sessions(), stage.server.times("RETR"));
    wait_for("it looks again", || stage.server.sessions() > sessions + 1);
    stage.oracle().holds(&stage.memory);
    assert_eq!(stage.server.times("RETR"), retrs, "nothing is retrieved that cannot be written down");
    make_space(place);
    wait_for("all mail arrives", || stage.desk.count() >= 7);
    wait_for("it is ready again", || stage.is_ready());
    wait_for("the maildrop is empty", || stage.server.messages().is_empty());
    stage.oracle().lives(true);
    stage.oracle().is_bounded(daemon.pid());
    daemon.terminate();
    daemon.wait().expect(0);
    stage.oracle().holds(&stage.memory);
}

#[test]
fn s1_a_full_disk_lets_nothing_go_and_mail_goes_on_without_a_restart() {
    let name = "s1_a_full_disk_lets_nothing_go_and_mail_goes_on_without_a_restart";
    let Some(place) = small_disk(name, 96) else { return };
    check_full(&place, "delete_when_delivered", &Faults::default());
}

#[test]
fn m8_s1_a_full_disk_under_a_server_that_deletes_what_was_retrieved_loses_nothing() {
    let name = "m8_s1_a_full_disk_under_a_server_that_deletes_what_was_retrieved_loses_nothing";
    let Some(place) = small_disk(name, 96) else { return };
    check_full(&place, "keep", &Faults { retr_deletes: true, ..Faults::default() });
}

#[test]
fn s1_successes_are_written_down_on_a_full_disk() {
    let Some(place) = small_disk("s1_successes_are_written_down_on_a_full_disk", 96) else { return };
    let stage = Elsewhere::new(&place, "delete_when_delivered");
    stage.desk.set(Answer::Hold);
    let daemon = stage.pophook.start(&["run"]);
    wait_for("a post is under way", || stage.desk.count() > 0);
    fill(&place);
    stage.desk.release();
    wait_for("all is written down", || stage.pophook.in_state("delivered").len() == 3);
    make_space(&place);
    wait_for("the maildrop is empty", || stage.server.messages().is_empty());
    daemon.terminate();
    daemon.wait().expect(0);
    assert_eq!(stage.desk.count(), 3);
    stage.oracle().holds(&stage.memory);
}

#[test]
fn s9_a_read_only_file_system_is_told_and_loses_nothing() {
    let Some(place) = small_disk("s9_a_read_only_file_system_is_told_and_loses_nothing", 96) else { return };
    let stage = Elsewhere::new(&place, "delete_when_delivered");
    stage.desk.set(Answer::Status(500));
    stage.pophook.once().expect(2);
    make_read_only(&place);
    let sessions = stage.server.sessions();
    for command in ["once", "run"] {
        let ended = stage.pophook.command(&[command]).expect(1);
        assert!(ended.said().contains("spool.db"), "{}", ended.said());
    }
    assert_eq!(stage.server.sessions(), sessions, "no server is visited for nothing");
    make_writable(&place);
    stage.desk.set(Answer::Status(200));
    stage.pophook.once_until("the maildrop is empty", || stage.server.messages().is_empty());
    stage.oracle().lives(false);
    stage.oracle().holds(&stage.memory);
}

/// Runs `once` so that these calls of the spool fail from the `nth` on of any thread; returns its exit code and the
/// trace.
fn once_with(stage: &Stage, inject: &str) -> (i32, String) {
    let file = stage.pophook.dir().join("trace");
    let (strace, rest) = strace::COMMAND.split_first().unwrap();
    let mut before = vec![*strace, "-e", inject];
    before.extend(rest);
    before.push(file.to_str().unwrap());
    let code = stage.pophook.start_behind(&before, &["once"]).wait().code();
    (code, fs::read_to_string(file).unwrap())
}

/// Stands in each mail, so that it is seen on its way to the log.
const MARK: &str = "THIS-LINE-MUST-BE-DURABLE";

fn marked(id: &str) -> Message {
    Message::new(id, &[mails::large(id, 40_000), format!("{MARK}\r\n").repeat(20).into()].concat())
}

/// With the `nth` such call of the writing thread failing: the process ends as faulty, unless it had nothing more to do;
/// nothing was told to the server too early; and the next process finds everything. Whether it failed at all.
fn check_failing(calls: &str, error: &str, nth: u32) -> bool {
    let deleting = |mailbox: Mailbox| mailbox.on_server("delete_when_delivered");
    let stage = Stage::with(Vec::new(), deleting, |endpoint| endpoint);
    stage.pophook.once().expect(0);
    ["a", "b", "c"].iter().for_each(|id| stage.server.put(marked(id)));
    let (code, trace) = once_with(&stage, &format!("inject={calls}:error={error}:when={nth}"));
    let failed = trace.contains("(INJECTED)");
    let order = strace::order(&trace, MARK);
    assert!(order.too_early.is_empty(), "{calls} {nth}: {order:#?}");
    let all = stage.pophook.in_state("delivered").len() == 3 && stage.server.messages().is_empty();
    // A disk that is full for once ends nothing but the visit, once the spool is open.
    let faulty = code == 1 || (error == "ENOSPC" && code == 2);
    assert!(faulty || (code == 0 && all), "{calls} {nth}: exit code {code}, all is done: {all}");
    stage.holds();
    stage.until_empty();
    stage.lives();
    failed
}

#[test]
fn s2_a_sync_that_fails_ends_the_process_and_loses_nothing() {
    let mut nth = 1;
    while check_failing("fsync,fdatasync", "EIO", nth) {
        nth += if nth < 6 { 1 } else { 3 };
    }
    assert!(nth > 6, "only {nth} syncs in a whole round");
}

#[test]
fn s1_m8_a_write_that_finds_no_space_is_tried_again_and_nothing_is_let_go_before() {
    for nth in [5, 12, 30] {
        assert!(check_failing("pwrite64", "ENOSPC", nth), "there is no write {nth}");
    }
}

#[test]
fn s2_a_write_that_fails_ends_the_process_and_loses_nothing() {
    for nth in [1, 5, 12, 40] {
        assert!(check_failing("pwrite64", "EIO", nth), "there is no write {nth}");
    }
}

/// From the `first` write of the writing thread on, its file system has turned read-only, and is mended when that was
/// seen three times: each time by a write, and by the look whether that is the reason.
fn check_turned_read_only(first: u32) {
    let deleting = |mailbox: Mailbox| mailbox.on_server("delete_when_delivered");
    let stage = Stage::with(Vec::new(), deleting, |endpoint| endpoint);
    stage.pophook.once().expect(0);
    ["a", "b", "c"].iter().for_each(|id| stage.server.put(marked(id)));
    let file = stage.pophook.dir().join("trace");
    let (strace, rest) = strace::COMMAND.split_first().unwrap();
    let inject = format!("inject=pwrite64:error=EROFS:when={first}..{}", first + 5);
    let mut before = vec![*strace, "-e", &inject];
    before.extend(rest);
    before.push(file.to_str().unwrap());
    let daemon = stage.pophook.start_behind(&before, &["run"]);
    wait_for("all is delivered and gone", || stage.desk.ids().len() == 3 && stage.server.messages().is_empty());
    wait_for("all is written down", || stage.pophook.in_state("delivered").len() == 3);
    stage.server.put(message("fresh"));
    wait_for("it goes on", || stage.desk.ids().len() == 4);
    stage.pophook.terminate();
    daemon.wait().expect(0);
    let trace = fs::read_to_string(file).unwrap();
    assert!(trace.matches("EROFS").count() >= 6, "the file system was read-only");
    let order = strace::order(&trace, MARK);
    assert!(order.too_early.is_empty(), "{first}: {order:#?}");
    stage.holds();
}

#[test]
fn s1_a_file_system_that_turns_read_only_lets_nothing_go_and_mail_goes_on_without_a_restart() {
    // Later than those that open the spool.
    for first in [20, 46] {
        check_turned_read_only(first);
    }
}

/// From the `first` write of the writing thread on, the file system of a single round has turned read-only, and stays so.
/// Its exit code, and how many posts it made of three that were due.
fn check_round_on_read_only(first: u32) -> (i32, usize) {
    let deleting = |mailbox: Mailbox| mailbox.on_server("delete_when_delivered");
    let stage = Stage::with(Vec::new(), deleting, |endpoint| endpoint);
    ["a", "b", "c"].iter().for_each(|id| stage.server.put(marked(id)));
    stage.desk.set(Answer::Status(503));
    stage.pophook.once().expect(2);
    stage.pophook.command(&["spool", "retry", "--state", "pending", "--yes"]).expect(0);
    stage.desk.set(Answer::Status(200));
    let before = stage.desk.count();
    let (code, trace) = once_with(&stage, &format!("inject=pwrite64:error=EROFS:when={first}+"));
    assert!(trace.contains("(INJECTED)"), "there is no write {first}");
    let order = strace::order(&trace, MARK);
    assert!(order.too_early.is_empty(), "{first}: {order:#?}");
    let posted = stage.desk.count() - before;
    stage.holds();
    stage.until_empty();
    assert_eq!(stage.desk.ids().len(), 3, "what is posted again keeps its id");
    stage.lives();
    (code, posted)
}

#[test]
fn s1_a_single_round_on_a_file_system_that_turned_read_only_ends_by_itself_and_loses_nothing() {
    // Ever later, until the disk lets the three be posted and no longer be written down.
    let ended = (6..).step_by(3).map(check_round_on_read_only).inspect(|(code, _)| assert_eq!(*code, 1));
    assert_eq!(ended.map(|(_, posted)| posted).find(|posted| *posted > 0), Some(3), "each once");
}

/// What lies beside the spool's file, its own name first.
fn spool_files(pophook: &Pophook) -> Vec<PathBuf> {
    ["", "-wal", "-shm"].iter().map(|ending| PathBuf::from(format!("{}{ending}", pophook.spool().display()))).collect()
}

#[test]
fn s5_a_spool_that_was_restored_from_an_older_copy_delivers_under_the_same_ids() {
    let stage = Stage::new("keep", messages(&["a", "b"]));
    stage.until_delivered(2);
    let copy = tempfile::tempdir().unwrap();
    let saved = copy.path().join("spool.db");
    fs::copy(stage.pophook.spool(), &saved).unwrap();
    for id in ["c", "d"] {
        stage.server.put(message(id));
    }
    stage.until_delivered(4);
    for file in spool_files(&stage.pophook) {
        // After a clean end there may be one file alone.
        drop(fs::remove_file(file));
    }
    fs::copy(&saved, stage.pophook.spool()).unwrap();
    stage.until_delivered(6);
    assert_eq!(stage.desk.ids().len(), 4, "what came after the copy was made is posted again, under its old id");
}

#[test]
fn s7_a_copy_that_is_missing_stops_no_other_mail() {
    let stage = Stage::new("delete_when_delivered", messages(&["a", "b", "c"]));
    stage.desk.set(Answer::Status(500));
    stage.pophook.once().expect(2);
    let spool = rusqlite::Connection::open(stage.pophook.spool()).unwrap();
    assert_eq!(spool.execute("DELETE FROM raw WHERE seq = (SELECT min(seq) FROM raw)", []).unwrap(), 1);
    drop(spool);
    stage.desk.set(Answer::Status(200));
    stage.pophook.once_until("the others arrive", || stage.pophook.in_state("delivered").len() == 2);
    stage.pophook.once_until("the others are gone", || stage.server.messages() == messages(&["a"]));
    assert_eq!(
        stage.pophook.in_state("pending").len(),
        1,
        "the server's copy of the other stays, and so does its line"
    );
}

/// Spoils the page of the spool's file in which `mark` stands; the file is at rest.
fn spoil(spool: &Path, mark: &[u8], spoil: impl Fn(&mut [u8])) {
    let mut bytes = fs::read(spool).unwrap();
    let size = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let at = bytes.windows(mark.len()).position(|window| window == mark).expect("it stands there") / size * size;
    spoil(&mut bytes[at..at + size]);
    fs::write(spool, &bytes).unwrap();
}

/// A mail that takes several pages; in the middle one stands [`MIDDLE`].
fn of_many_pages(id: &str) -> Message {
    let lines = |n| format!("{}\r\n", "x".repeat(70)).repeat(n);
    Message::new(id, format!("Subject: {id}\r\n\r\n{}{MIDDLE}\r\n{}", lines(600), lines(600)).as_bytes())
}

const MIDDLE: &str = "in the middle of the one that is damaged";

/// S7: with a page of its copy broken, or one bit of it turned over, before it is delivered.
#[test]
fn s7_a_copy_that_is_damaged_is_a_dead_letter_and_stops_no_other_mail() {
    let broken: fn(&mut [u8]) = |page| page[..4].fill(0);
    let flipped: fn(&mut [u8]) = |page| page[2000] ^= 1;
    for (spoils, name) in [(broken, "broken"), (flipped, "flipped")] {
        let damaged = of_many_pages("b");
        let stage = Stage::new("delete_when_delivered", vec![message("a"), damaged.clone(), message("c")]);
        stage.desk.set(Answer::Status(500));
        stage.pophook.once().expect(2);
        let posted = stage.desk.count();
        spoil(&stage.pophook.spool(), MIDDLE.as_bytes(), spoils);
        stage.desk.set(Answer::Status(200));
        stage.pophook.once_until("the others arrive", || stage.pophook.in_state("delivered").len() == 2);
        stage.pophook.once_until("the others are gone", || stage.server.messages() == [damaged.clone()]);
        let dead = stage.pophook.in_state("dead").remove(0);
        assert_eq!((dead["reason"].as_str(), stage.desk.count()), (Some("damaged"), posted + 2), "{name}");
        let id = dead["id"].as_str().unwrap();
        let shown = stage.pophook.command(&["spool", "raw", id]).expect(1).said();
        assert!(shown.contains("our copy of this message is damaged") && shown.contains("backup"), "{name}: {shown}");
        stage.pophook.command(&["spool", "retry", id]).expect(0);
        let said = stage.pophook.once().expect(2).said();
        assert!(said.contains(id) && said.contains("our copy of a message is damaged"), "{name}: {said}");
        assert_eq!(stage.server.messages(), [damaged], "{name}: a damaged copy causes no DELE");
    }
}

/// S7: nobody has read it yet.
#[test]
fn s7_a_copy_that_is_damaged_before_it_is_sorted_is_quarantined_and_stops_no_other_mail() {
    let damaged = of_many_pages("b");
    let stage = Stage::new("delete_when_delivered", vec![message("a"), damaged.clone(), message("c")]);
    stage.desk.set(Answer::Status(500));
    stage.pophook.once().expect(2);
    let spool = rusqlite::Connection::open(stage.pophook.spool()).unwrap();
    spool.execute_batch("DELETE FROM delivery; UPDATE message SET state = 'spooled'").unwrap();
    drop(spool);
    spoil(&stage.pophook.spool(), MIDDLE.as_bytes(), |page| page[..4].fill(0));
    stage.desk.set(Answer::Status(200));
    let said = stage.pophook.once().said();
    let quarantined = stage.pophook.in_state("quarantined").remove(0);
    assert!(said.contains("nobody parses it") && said.contains(quarantined["id"].as_str().unwrap()), "{said}");
    assert_eq!(stage.pophook.in_state("delivered").len(), 2);
    stage.pophook.once_until("the others are gone", || stage.server.messages() == [damaged.clone()]);
}

/// What the file itself is made of is not one mail's matter.
#[test]
fn s7_a_table_of_the_spool_that_is_damaged_still_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Elsewhere::new(folder.path(), "delete_when_delivered");
    stage.desk.set(Answer::Status(500));
    stage.pophook.once().expect(2);
    let spool = rusqlite::Connection::open(stage.pophook.spool()).unwrap();
    let root: usize =
        spool.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'delivery'", [], |row| row.get(0)).unwrap();
    let size: usize = spool.query_row("PRAGMA page_size", [], |row| row.get(0)).unwrap();
    drop(spool);
    let mut bytes = fs::read(stage.pophook.spool()).unwrap();
    bytes[(root - 1) * size..root * size].fill(0x55);
    fs::write(stage.pophook.spool(), &bytes).unwrap();
    let ended = stage.pophook.once();
    assert_eq!(ended.code(), 1, "{}", ended.said());
    assert!(ended.said().contains("the spool's disk failed"), "{}", ended.said());
    assert_eq!(stage.server.messages(), messages(&["a", "b", "c"]));
}
