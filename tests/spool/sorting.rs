//! From spooled to routed: who is handed out to be parsed, and what a parse that never ended does.

use std::sync::Arc;

use pophook::spool::MessageKey;
use pophook::spool::PARSES_MAX;
use pophook::spool::Sorted;
use pophook::spool::Spool;
use pophook::spool::Unsorted;
use pophook::spool::Verdict;

use crate::ground::Ground;
use crate::ground::change;
use crate::ground::claim;
use crate::ground::endpoint;
use crate::ground::id_of;
use crate::ground::incoming;
use crate::ground::key_of;
use crate::ground::mailbox;
use crate::ground::of_id;
use crate::ground::retry;
use crate::ground::routed;
use crate::ground::sort_all;
use crate::ground::states;
use crate::ground::take;

/// The ids that one claim hands out.
async fn unsorted(spool: &Arc<dyn Spool>, at_most: usize) -> Vec<MessageKey> {
    keys(&spool.claim_unsorted(at_most).await.unwrap())
}

fn keys(batch: &[Unsorted]) -> Vec<MessageKey> {
    batch.iter().map(|one| one.message.key).collect()
}

async fn put_back(spool: &Arc<dyn Spool>, messages: &[MessageKey]) {
    let sorted =
        messages.iter().map(|message| Sorted { message: *message, verdict: Verdict::PutBack, glance: None }).collect();
    spool.sort(sorted).await.unwrap();
}

async fn three(ground: &Ground) -> (Arc<dyn Spool>, Vec<MessageKey>) {
    let spool = ground.open().await;
    let mut keys = Vec::new();
    for text in ["one", "two", "three"] {
        take(&spool, text, text).await;
        keys.push(key_of(&spool, text).await);
    }
    (spool, keys)
}

#[tokio::test]
async fn new_messages_are_handed_out_once_oldest_first() {
    let (spool, keys) = three(&Ground::new()).await;
    let first = spool.claim_unsorted(2).await.unwrap();
    assert_eq!(first.iter().map(|one| one.message.key).collect::<Vec<_>>(), keys[..2]);
    assert_eq!(first[0].raw, incoming("a", "one", "one").raw);
    assert_eq!(unsorted(&spool, 2).await, keys[2..]);
    assert_eq!(unsorted(&spool, 2).await, []);
}

#[tokio::test]
async fn what_is_put_back_is_handed_out_again_and_has_no_count() {
    let ground = Ground::new();
    let (spool, keys) = three(&ground).await;
    for _ in 0..2 * PARSES_MAX {
        assert_eq!(unsorted(&spool, 9).await, keys);
        put_back(&spool, &keys).await;
    }
    let later = ground.after_a_crash();
    let next = later.open().await;
    assert_eq!(unsorted(&next, 9).await, keys, "all together, so none of them is suspected");
}

#[tokio::test]
async fn after_an_unclean_end_the_suspects_come_alone_and_after_the_others() {
    let ground = Ground::new();
    let (spool, keys) = three(&ground).await;
    assert_eq!(unsorted(&spool, 2).await, keys[..2]);
    let ground = ground.after_a_crash();
    let spool = ground.open().await;
    assert_eq!(unsorted(&spool, 9).await, keys[2..], "first those that nobody tried");
    assert_eq!(unsorted(&spool, 9).await, [], "a suspect waits until nothing else is being parsed");
    put_back(&spool, &keys[2..]).await;
    sort_one(&spool, keys[2]).await;
    for key in &keys[..2] {
        assert_eq!(unsorted(&spool, 9).await, [*key]);
        assert_eq!(unsorted(&spool, 9).await, []);
        sort_one(&spool, *key).await;
    }
}

async fn sort_one(spool: &Arc<dyn Spool>, message: MessageKey) {
    drop(spool.claim_unsorted(1).await.unwrap());
    let verdict = Verdict::Routed(vec![endpoint("desk")]);
    spool.sort(vec![Sorted { message, verdict, glance: None }]).await.unwrap();
}

#[tokio::test]
async fn k5_the_third_parse_that_never_ends_quarantines_and_the_others_go_on() {
    let mut ground = Ground::new();
    let spool = ground.open().await;
    take(&spool, "bad", "bad").await;
    for life in 1..=PARSES_MAX {
        let spool = ground.open_again().await;
        assert_eq!(states(&spool).await, ["spooled"], "life {life}");
        assert_eq!(unsorted(&spool, 9).await.len(), 1, "life {life}");
        ground = ground.after_a_crash();
    }
    let spool = ground.open_again().await;
    take(&spool, "good", "good").await;
    assert_eq!(sort_all(&spool, &["desk"]).await, 1);
    assert_eq!(states(&spool).await, ["quarantined", "desk pending"]);
    let bad = key_of(&spool, "bad").await;
    assert!(spool.raw(bad).await.unwrap().is_some(), "its bytes are kept");
    // By command it is parsed anew, with a clean record.
    assert_eq!(change(&spool, retry(of_id("bad"))).await, 1);
    assert_eq!(sort_all(&spool, &["erp"]).await, 1);
    assert_eq!(states(&spool).await, ["erp pending", "desk pending"]);
}

impl Ground {
    /// Opens the copy of a crashed spool; the ground's own first spool must not stand in the way.
    async fn open_again(&mut self) -> Arc<dyn Spool> {
        *self = self.after_a_crash();
        self.open().await
    }
}

#[tokio::test]
async fn a_parse_that_is_abandoned_counts_and_frees_the_message() {
    let ground = Ground::new();
    let spool = ground.open().await;
    take(&spool, "bad", "bad").await;
    for _ in 0..PARSES_MAX {
        let batch = unsorted(&spool, 9).await;
        assert_eq!(batch.len(), 1);
        spool.abandon(batch).await.unwrap();
    }
    assert_eq!(unsorted(&spool, 9).await, []);
    assert_eq!(states(&spool).await, ["quarantined"]);
}

#[tokio::test]
async fn where_a_message_goes_is_committed_and_stays_so() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = routed(&spool, "hello", &["desk", "erp", "desk"]).await;
    assert_eq!(states(&spool).await, ["desk pending", "erp pending"], "each endpoint once");
    // Sorted again, by whatever fault: nothing is added, nothing is lost.
    spool
        .sort(vec![Sorted { message: key, verdict: Verdict::Routed(vec![endpoint("desk")]), glance: None }])
        .await
        .unwrap();
    assert_eq!(states(&spool).await, ["desk pending", "erp pending"]);
    let later = ground.after_a_crash();
    let next = later.open().await;
    assert_eq!(states(&next).await, ["desk pending", "erp pending"]);
    assert_eq!(unsorted(&next, 9).await, []);
}

#[tokio::test]
async fn a_message_that_nothing_matches_is_unrouted_and_kept() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = routed(&spool, "hello", &[]).await;
    assert_eq!(states(&spool).await, ["unrouted"]);
    assert!(spool.raw(key).await.unwrap().is_some());
    assert!(claim(&spool, "desk").await.is_empty());
    // Today's rules, by command.
    assert_eq!(change(&spool, retry(of_id("hello"))).await, 1);
    assert_eq!(sort_all(&spool, &["desk"]).await, 1);
    assert_eq!(claim(&spool, "desk").await.len(), 1);
}

#[tokio::test]
async fn whoever_waits_for_work_is_woken_by_it() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let mut work = spool.work();
    work.borrow_and_update();
    take(&spool, "1", "hello").await;
    assert!(work.has_changed().unwrap(), "there is something to parse");
    work.borrow_and_update();
    sort_all(&spool, &["desk"]).await;
    assert!(work.has_changed().unwrap(), "there is something to post");
    assert_eq!(spool.find(&id_of("hello")).await.unwrap().unwrap().mailbox, Some(mailbox("a")));
}
