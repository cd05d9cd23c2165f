//! What is true of a spool that lies in one file: who may open it, and what the next process finds.

use pophook::spool::Filter;
use pophook::spool::Kind;
use pophook::spool::Reading;
use pophook::spool::SpoolError;
use pophook::spool::sqlite::Readers;

use crate::events::oversize;
use crate::ground::DAY;
use crate::ground::Ground;
use crate::ground::claim;
use crate::ground::deliver_all;
use crate::ground::id_of;
use crate::ground::incoming;
use crate::ground::key_of;
use crate::ground::mailbox;
use crate::ground::routed;
use crate::ground::sort_all;
use crate::ground::states;
use crate::ground::take;

#[tokio::test]
async fn s9_a_second_process_is_refused_and_told_who_is_first() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let refused = ground.try_open().unwrap_err();
    assert!(matches!(refused, SpoolError::InUse { .. }), "{refused:?}");
    assert!(refused.to_string().contains(&format!("pid {}", std::process::id())), "{refused}");
    take(&spool, "1", "hello").await;
    drop(spool);
    assert!(ground.try_open().is_ok(), "the first one has ended");
}

#[tokio::test]
async fn what_was_reported_is_there_after_every_kind_of_end() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "delivered", &["erp"]).await;
    deliver_all(&spool, &ground.clock, "erp").await;
    routed(&spool, "pending", &["desk"]).await;
    take(&spool, "new", "new").await;
    let check = async |ground: &Ground, what: &str| {
        let spool = ground.open().await;
        assert_eq!(states(&spool).await, ["desk pending", "spooled", "erp delivered"], "{what}");
        assert_eq!(spool.ledger(&mailbox("a")).await.unwrap().rows.len(), 3, "{what}");
        let raw = spool.raw(key_of(&spool, "new").await).await.unwrap().unwrap();
        assert_eq!(raw, incoming("a", "", "new").raw, "{what}");
        assert_eq!(claim(&spool, "desk").await.len(), 1, "{what}");
        assert_eq!(sort_all(&spool, &["erp"]).await, 1, "{what}");
    };
    check(&ground.after_a_crash(), "a crash").await;
    drop(spool);
    check(&ground.after_an_end(DAY), "an end").await;
}

#[tokio::test]
async fn a_work_that_was_begun_and_not_waited_for_is_done_all_the_same() {
    let ground = Ground::new();
    let spool = ground.open().await;
    drop(spool.accept(&mailbox("a"), vec![incoming("a", "1", "hello")]));
    // The next commit comes after it.
    take(&spool, "2", "other").await;
    assert_eq!(states(&spool).await, ["spooled", "spooled"]);
}

#[tokio::test]
async fn s11_a_spool_of_a_newer_version_is_left_alone() {
    let ground = Ground::new();
    let spool = ground.open().await;
    take(&spool, "1", "hello").await;
    drop(spool);
    let file = rusqlite::Connection::open(ground.path()).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    let refused = ground.try_open().unwrap_err();
    assert!(matches!(refused, SpoolError::NewerSchema { found: 99, .. }), "{refused:?}");
    assert!(matches!(Readers::open(&ground.path()).unwrap_err(), SpoolError::NewerSchema { .. }));
    let rows: u32 = file.query_row("SELECT count(*) FROM message", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn what_is_no_spool_is_refused_and_not_written_over() {
    let ground = Ground::new();
    let check = |what: &str| {
        let before = std::fs::read(ground.path()).unwrap();
        for refused in [ground.try_open().unwrap_err(), Readers::open(&ground.path()).unwrap_err()] {
            assert!(matches!(refused, SpoolError::NoSpool { .. }), "{refused:?}");
            assert!(refused.to_string().contains(what), "{refused}");
        }
        assert!(std::fs::read(ground.path()).unwrap() == before, "{what}: it was written to");
    };
    for times in [1, 20] {
        std::fs::write(ground.path(), "a text of some length that is certainly no database".repeat(times)).unwrap();
        check("no SQLite database");
    }
    std::fs::remove_file(ground.path()).unwrap();
    let foreign = rusqlite::Connection::open(ground.path()).unwrap();
    foreign.execute_batch("CREATE TABLE message (text)").unwrap();
    check("another program");
    let mut nowhere = Ground::new();
    nowhere.config.path = nowhere.folder.path().join("missing/spool.db");
    assert!(matches!(nowhere.try_open().unwrap_err(), SpoolError::NoFolder { .. }));
}

#[tokio::test]
async fn a_reader_of_a_spool_that_is_being_made_says_so() {
    let ground = Ground::new();
    drop(rusqlite::Connection::open(ground.path()).unwrap().execute_batch("PRAGMA journal_mode = wal"));
    let refused = Readers::open(&ground.path()).unwrap_err();
    assert!(matches!(refused, SpoolError::NotMade { .. }), "{refused:?}");
    ground.open().await;
    Readers::open(&ground.path()).unwrap();
}

#[tokio::test]
async fn a_spool_from_before_it_carried_its_number_is_taken_over() {
    let ground = Ground::new();
    take(&ground.open().await, "1", "hello").await;
    let file = ground.make_old();
    Readers::open(&ground.path()).unwrap();
    assert_eq!(states(&ground.open().await).await, ["spooled"]);
    let number: u32 = file.pragma_query_value(None, "application_id", |row| row.get(0)).unwrap();
    assert_eq!(number, 0x706F_7068);
}

#[tokio::test]
async fn a_reader_understands_an_old_spool_before_and_after_it_is_brought_up_to_date() {
    let ground = Ground::new();
    take(&ground.open().await, "1", "hello").await;
    drop(ground.make_old());
    let readers = Readers::open(&ground.path()).unwrap();
    let kinds = async || {
        let rows = readers.list(Filter::default()).await.unwrap();
        rows.into_iter().map(|row| (row.state, row.kind)).collect::<Vec<_>>()
    };
    assert_eq!(kinds().await, [("spooled", None)]);
    assert_eq!(readers.find(&id_of("hello")).await.unwrap().unwrap().kind, Kind::Mail);
    let spool = ground.open().await;
    spool.oversize(&mailbox("a"), oversize("big", 900)).await.unwrap();
    assert_eq!(kinds().await, [("spooled", None), ("spooled", Some("mail.oversize".to_owned())), ("oversize", None)]);
}

#[tokio::test]
async fn readers_see_what_is_committed_beside_the_writer() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let readers = Readers::open(&ground.path()).unwrap();
    take(&spool, "1", "hello").await;
    assert_eq!(readers.ledger(&mailbox("a")).await.unwrap().rows.len(), 1);
    assert_eq!(readers.mailboxes().await.unwrap().len(), 2);
}

#[tokio::test]
async fn after_a_clean_end_the_one_file_is_the_whole_spool() {
    let ground = Ground::new();
    let spool = ground.open().await;
    take(&spool, "1", "hello").await;
    let copy = Ground::new();
    let rows_of_a_copy = async || {
        std::fs::copy(ground.path(), copy.path()).unwrap();
        let copied = Readers::open(&copy.path()).ok()?;
        copied.ledger(&mailbox("a")).await.ok().map(|ledger| ledger.rows.len())
    };
    assert_ne!(rows_of_a_copy().await, Some(1), "the log holds it");
    spool.close().await.unwrap();
    assert_eq!(rows_of_a_copy().await, Some(1));
}

#[tokio::test]
async fn the_file_shrinks_after_much_was_released() {
    let ground = Ground::new();
    let spool = ground.open().await;
    for number in 0..100 {
        let text = format!("{number} {}", "x".repeat(500_000));
        spool.accept(&mailbox("a"), vec![incoming("a", &number.to_string(), &text)]).await.unwrap();
    }
    sort_all(&spool, &["desk"]).await;
    deliver_all(&spool, &ground.clock, "desk").await;
    assert_eq!(spool.release(ground.clock.now(), None).await.unwrap(), 100);
    let pages = || -> u64 {
        let file = rusqlite::Connection::open(ground.path()).unwrap();
        file.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap()
    };
    let before = pages();
    spool.prune().await.unwrap();
    assert!(pages() + 1000 < before, "{before} pages before, {} after", pages());
}

#[tokio::test]
async fn only_its_owner_can_read_the_spool() {
    use std::os::unix::fs::PermissionsExt as _;
    let ground = Ground::new();
    let spool = ground.open().await;
    take(&spool, "1", "a letter").await;
    let folder = ground.path().parent().unwrap().to_owned();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o077;
        assert!(mode == 0, "{:?}: {mode:o}", entry.file_name());
    }
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named_and_not_made() {
    let mut ground = Ground::new();
    let missing = ground.folder.path().join("missing");
    ground.config.path = missing.join("spool.db");
    let refused = ground.try_open().unwrap_err().to_string();
    assert!(refused.contains("missing does not exist"), "{refused}");
    assert!(!missing.exists());
}

/// A spool that is missing at its place: nothing is taken into it, nothing is deleted for it, and it still delivers.
async fn check_missing(ending: &str) {
    let ground = Ground::new();
    let spool = ground.open().await;
    let taken = take(&spool, "1", "hello").await;
    let file = std::path::PathBuf::from(format!("{}{ending}", ground.path().display()));
    let aside = ground.path().with_extension("aside");
    std::fs::rename(&file, &aside).unwrap();
    let new = || vec![incoming("a", "2", "more")];
    for refused in [
        spool.room(&mailbox("a"), 100).await.err(),
        spool.accept(&mailbox("a"), new()).await.err(),
        spool.mark(&mailbox("a"), vec![taken.key]).await.err(),
    ] {
        assert!(matches!(refused, Some(SpoolError::Moved { .. })), "{ending}: {refused:?}");
    }
    assert_eq!(ground.metrics.spool.writable.get(), 0, "{ending}");
    spool.prune().await.unwrap();
    assert_eq!(ground.metrics.spool.writable.get(), 0, "{ending}: whatever else can be written");
    sort_all(&spool, &["desk"]).await;
    deliver_all(&spool, &ground.clock, "desk").await;
    std::fs::write(&file, "").unwrap();
    assert!(spool.accept(&mailbox("a"), new()).await.is_err(), "{ending}: another file is not ours");
    std::fs::rename(&aside, &file).unwrap();
    spool.accept(&mailbox("a"), new()).await.unwrap();
    assert_eq!(ground.metrics.spool.writable.get(), 1, "{ending}");
}

#[tokio::test]
async fn a_spool_that_is_not_at_its_place_takes_and_deletes_nothing() {
    for ending in ["", "-wal"] {
        check_missing(ending).await;
    }
}

#[tokio::test]
async fn a_spool_with_two_names_is_refused_under_either() {
    let ground = Ground::new();
    drop(ground.open().await);
    let other = ground.path().with_extension("other");
    std::os::unix::fs::symlink(ground.path(), &other).unwrap();
    let mut by_link = Ground::new();
    by_link.config.path = other.clone();
    assert!(matches!(by_link.try_open(), Err(SpoolError::Linked { .. })), "a symbolic link");
    std::fs::remove_file(&other).unwrap();
    std::fs::hard_link(ground.path(), &other).unwrap();
    for path in [&other, &ground.path()] {
        by_link.config.path.clone_from(path);
        let refused = by_link.try_open().err();
        assert!(matches!(refused, Some(SpoolError::Linked { .. })), "a hard link: {refused:?}");
    }
}
