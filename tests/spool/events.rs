//! Events about messages that are too large: committed with their rows, delivered like mail, and never twice.

use std::sync::Arc;

use pophook::ident::MessageId;
use pophook::spool::Command;
use pophook::spool::End;
use pophook::spool::Entry;
use pophook::spool::Event;
use pophook::spool::Filter;
use pophook::spool::Kind;
use pophook::spool::Known;
use pophook::spool::Observation;
use pophook::spool::Oversize;
use pophook::spool::Reason;
use pophook::spool::Sorted;
use pophook::spool::Spool;
use pophook::spool::Spooled;
use pophook::spool::Verdict;
use sha2::Digest as _;
use sha2::Sha256;

use crate::ground::DAY;
use crate::ground::Ground;
use crate::ground::change;
use crate::ground::claim;
use crate::ground::deliver_all;
use crate::ground::drop_rows;
use crate::ground::incoming;
use crate::ground::mailbox;
use crate::ground::only;
use crate::ground::record;
use crate::ground::retry;
use crate::ground::rows;
use crate::ground::sort_all;
use crate::ground::start;
use crate::ground::states;
use crate::ground::take;
use crate::ground::unique_id;

const HEADER: &[u8] = b"Subject: large\r\n\r\n";

fn id(name: &str, size: u64) -> MessageId {
    MessageId::of_oversize(&mailbox("a"), &unique_id(name), size)
}

/// A message of mailbox `a` that is larger than 500 bytes, with its event.
pub fn oversize(name: &str, size: u64) -> Oversize {
    let event = Event { id: id(name, size), sha256: Sha256::digest(HEADER).into(), header: HEADER.into() };
    Oversize { unique_id: unique_id(name), size, limit: 500, event: Some(event) }
}

/// A listing of mailbox `a` shows these for the first time.
async fn observe(spool: &Arc<dyn Spool>, oversize: Vec<Oversize>) {
    spool.observe(&mailbox("a"), Observation { oversize, ..Observation::default() }).await.unwrap();
}

async fn found(spool: &Arc<dyn Spool>, name: &str, size: u64) -> Spooled {
    spool.find(id(name, size).as_str()).await.unwrap().expect("the event is in the spool")
}

#[tokio::test]
async fn an_event_and_its_row_are_committed_together() {
    let ground = Ground::new();
    let spool = ground.open().await;
    observe(&spool, vec![oversize("listed", 900)]).await;
    spool.oversize(&mailbox("a"), oversize("read", 501)).await.unwrap();
    let after = ground.after_a_crash().open().await;
    for (name, size) in [("listed", 900), ("read", 501)] {
        let event = found(&after, name, size).await;
        assert_eq!(event.kind, Kind::Oversize { size, limit: 500 });
        assert_eq!((&event.mailbox, event.unique_id), (&Some(mailbox("a")), Some(unique_id(name))));
        assert_eq!((event.size, event.spooled_at), (HEADER.len().try_into().unwrap(), start()));
        assert_eq!(after.raw(event.key).await.unwrap().unwrap(), HEADER);
    }
    let ledger = after.ledger(&mailbox("a")).await.unwrap().rows;
    assert!(ledger.iter().all(|row| matches!(row.entry, Entry::Oversize { limit: 500 })), "{ledger:?}");
    assert_eq!(ledger.len(), 2);
}

#[tokio::test]
async fn what_is_observed_again_is_told_once() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let check = async |message: Oversize, new: usize, what: &str| {
        observe(&spool, vec![message]).await;
        assert_eq!(sort_all(&spool, &["desk"]).await, new, "{what}");
        let posted = claim(&spool, "desk").await;
        assert_eq!(posted.len(), new, "{what}");
        for claim in posted {
            record(&spool, &ground.clock, &claim, End::Delivered).await;
        }
    };
    check(oversize("big", 900), 1, "the first time").await;
    check(oversize("big", 900), 0, "again").await;
    check(Oversize { event: None, ..oversize("big", 900) }, 0, "while nobody asks").await;
    check(oversize("big", 900), 0, "when somebody asks again").await;
    check(oversize("big", 901), 1, "another size is another message").await;
    assert_eq!(spool.release(ground.clock.now(), None).await.unwrap(), 2);
    check(oversize("big", 901), 0, "after our copy was released").await;
}

#[tokio::test]
async fn an_event_is_forgotten_with_its_row_and_not_before() {
    let ground = Ground::new();
    let spool = ground.open().await;
    observe(&spool, vec![oversize("big", 900)]).await;
    sort_all(&spool, &["desk"]).await;
    deliver_all(&spool, &ground.clock, "desk").await;
    assert_eq!(spool.release(ground.clock.now(), None).await.unwrap(), 1);
    let gone = || async { spool.find(id("big", 900).as_str()).await.unwrap().is_none() };
    spool.prune().await.unwrap();
    assert!(!gone().await, "its row is there");
    let key = spool.ledger(&mailbox("a")).await.unwrap().rows[0].key;
    spool.observe(&mailbox("a"), Observation { gone: vec![key], ..Observation::default() }).await.unwrap();
    ground.clock.advance(91 * DAY);
    observe(&spool, vec![]).await;
    assert_eq!(spool.prune().await.unwrap(), 1);
    assert!(gone().await);
}

#[tokio::test]
async fn an_event_is_listed_retried_dropped_and_erased_like_mail() {
    let ground = Ground::new();
    let spool = ground.open().await;
    take(&spool, "1", "hello").await;
    observe(&spool, vec![oversize("big", 900)]).await;
    sort_all(&spool, &["desk"]).await;
    let kinds = |rows: &[pophook::spool::Row]| rows.iter().map(|row| (row.state, row.kind.clone())).collect::<Vec<_>>();
    let event = || Some("mail.oversize".to_owned());
    assert_eq!(kinds(&rows(&spool).await), [("pending", None), ("pending", event()), ("oversize", None)]);
    let this = Filter { ids: vec![id("big", 900).to_string()], ..Filter::default() };
    let claims = claim(&spool, "desk").await;
    let claimed = only(claims.into_iter().filter(|claim| claim.message.kind != Kind::Mail).collect());
    record(&spool, &ground.clock, &claimed, End::Dead(Reason::Refused)).await;
    assert_eq!(kinds(&rows(&spool).await)[0], ("dead", event()));
    assert_eq!(change(&spool, retry(this.clone())).await, 1);
    assert_eq!(claim(&spool, "desk").await.len(), 1);
    assert_eq!(change(&spool, drop_rows(this.clone())).await, 1);
    assert_eq!(change(&spool, Command::Drop { filter: this, erase: true }).await, 1);
    assert_eq!(kinds(&rows(&spool).await), [("pending", None), ("oversize", None)]);
    let ledger = spool.ledger(&mailbox("a")).await.unwrap().rows;
    assert_eq!(ledger.len(), 2, "the row of the message stays");
}

#[tokio::test]
async fn an_event_that_nobody_asks_for_any_more_is_settled_and_not_unrouted() {
    let ground = Ground::new();
    let spool = ground.open().await;
    observe(&spool, vec![oversize("big", 900)]).await;
    let message = spool.claim_unsorted(10).await.unwrap()[0].message.key;
    spool.sort(vec![Sorted { message, verdict: Verdict::Settled, glance: None }]).await.unwrap();
    assert_eq!(states(&spool).await, ["oversize", "delivered"]);
    assert_eq!(spool.claim_unsorted(10).await.unwrap().len(), 0);
    assert_eq!(spool.release(ground.clock.now(), None).await.unwrap(), 1);
}

#[tokio::test]
async fn a_message_that_fits_after_all_is_a_mail_beside_its_event() {
    let ground = Ground::new();
    let spool = ground.open().await;
    observe(&spool, vec![oversize("big", 900)]).await;
    assert_eq!(take(&spool, "big", "large").await.known, Known::New);
    let ledger = spool.ledger(&mailbox("a")).await.unwrap().rows;
    assert!(matches!(ledger[..], [pophook::spool::LedgerRow { entry: Entry::Taken { .. }, .. }]), "{ledger:?}");
    assert_eq!(sort_all(&spool, &["desk"]).await, 2);
    let mut kinds: Vec<&str> = claim(&spool, "desk").await.iter().map(|claim| claim.message.kind.as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["mail", "mail.oversize"]);
}

#[tokio::test]
async fn an_event_never_comes_with_the_bytes_of_a_mail_whose_commit_failed() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let beside = rusqlite::Connection::open(ground.path()).unwrap();
    let full = "CREATE TRIGGER full BEFORE INSERT ON ledger BEGIN SELECT RAISE(ABORT, 'as a full disk does'); END";
    beside.execute_batch(full).unwrap();
    spool.accept(&mailbox("b"), vec![incoming("b", "1", "a letter to b")]).await.unwrap_err();
    beside.execute_batch("DROP TRIGGER full").unwrap();
    // The event gets the number that the mail had.
    observe(&spool, vec![oversize("large", 900)]).await;
    let batch = spool.claim_unsorted(9).await.unwrap();
    assert_eq!(batch.iter().map(|one| &*one.raw).collect::<Vec<_>>(), [HEADER]);
}
