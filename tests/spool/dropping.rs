//! What a rule drops: settled, listed, and found again by whoever wants it after all.

use std::sync::Arc;

use pophook::retention::OnServer;
use pophook::retention::Policy;
use pophook::retention::may_go;
use pophook::spool::Command;
use pophook::spool::Dropped;
use pophook::spool::Entry;
use pophook::spool::Filter;
use pophook::spool::OurCopy;
use pophook::spool::Sorted;
use pophook::spool::Spool;
use pophook::spool::State;
use pophook::spool::Verdict;

use crate::ground::DAY;
use crate::ground::Ground;
use crate::ground::change;
use crate::ground::claim;
use crate::ground::deliver_all;
use crate::ground::drop_rows;
use crate::ground::dropped;
use crate::ground::endpoint;
use crate::ground::mailbox;
use crate::ground::of_id;
use crate::ground::refusal;
use crate::ground::retry;
use crate::ground::routed;
use crate::ground::rows;
use crate::ground::sort_all;
use crate::ground::states;
use crate::ground::take;

/// What retention is told of the only message.
async fn our_copy(spool: &Arc<dyn Spool>) -> OurCopy {
    let ledger = spool.ledger(&mailbox("a")).await.unwrap();
    let Entry::Taken { copy, .. } = ledger.rows[0].entry else { panic!("it was taken: {ledger:?}") };
    copy
}

/// Whether the server's copy of the only message may go, by `delete_when_delivered`.
async fn may_be_deleted(ground: &Ground, spool: &Arc<dyn Spool>) -> bool {
    let policy = Policy { on_server: OnServer::DeleteWhenDelivered, delete_after: DAY, keep_latest: 0 };
    may_go(&policy, &our_copy(spool).await, ground.clock.now())
}

fn retry_to(text: &str, to: &str) -> Command {
    Command::Retry { filter: of_id(text), to: Some(to.to_owned()), raw: false }
}

/// An endpoint that takes messages over must be known.
async fn with_desk(ground: &Ground) -> Arc<dyn Spool> {
    let spool = ground.open().await;
    spool.keep_endpoints(vec![endpoint("desk")]).await.unwrap();
    spool
}

#[tokio::test]
async fn the_servers_copy_goes_only_where_the_rule_says_so() {
    for counts_as_delivered in [false, true] {
        let ground = Ground::new();
        let spool = ground.open().await;
        dropped(&spool, "hello", counts_as_delivered).await;
        assert!(!may_be_deleted(&ground, &spool).await, "delete_after is not over");
        ground.clock.advance(DAY);
        assert_eq!(may_be_deleted(&ground, &spool).await, counts_as_delivered);
        // Also when our copy is gone, and in the next life.
        assert_eq!(spool.release(ground.clock.now(), None).await.unwrap(), 1);
        let later = ground.after_a_crash();
        assert_eq!(may_be_deleted(&ground, &later.open().await).await, counts_as_delivered);
    }
}

#[tokio::test]
async fn it_is_settled_and_listed_with_its_rule() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = dropped(&spool, "hello", false).await;
    let listed = rows(&spool).await;
    assert_eq!((listed[0].state, listed[0].reason.as_deref()), ("dropped", Some("rule spam")));
    assert!(listed[0].is_dropped());
    assert!(spool.claim_unsorted(9).await.unwrap().is_empty(), "it is sorted");
    assert!(spool.raw(key).await.unwrap().is_some(), "our copy stays for its time");
    let stats = spool.stats().await.unwrap();
    assert!(stats.messages.contains(&(State::Dropped, 1)), "{stats:?}");
    let later = ground.after_a_crash();
    assert_eq!(states(&later.open().await).await, ["dropped"]);
}

#[tokio::test]
async fn whoever_wants_it_after_all_gets_it() {
    let ground = Ground::new();
    let spool = with_desk(&ground).await;
    dropped(&spool, "hello", true).await;
    ground.clock.advance(DAY);
    assert_eq!(change(&spool, retry_to("hello", "desk")).await, 1);
    assert_eq!(states(&spool).await, ["desk pending"]);
    assert!(!may_be_deleted(&ground, &spool).await, "it is owed now");
    assert_eq!(claim(&spool, "desk").await.len(), 1);
    let later = ground.after_a_crash();
    let spool = later.open().await;
    deliver_all(&spool, &later.clock, "desk").await;
    assert_eq!(rows(&spool).await[0].reason, None, "no rule dropped it any more");
    later.clock.advance(DAY);
    assert!(may_be_deleted(&later, &spool).await);
}

#[tokio::test]
async fn it_is_sorted_anew_only_where_it_is_asked_for() {
    let ground = Ground::new();
    let spool = ground.open().await;
    dropped(&spool, "hello", true).await;
    assert_eq!(change(&spool, retry(Filter::default())).await, 0, "nothing waits");
    assert_eq!(change(&spool, retry(of_id("hello"))).await, 1);
    assert_eq!(states(&spool).await, ["spooled"]);
    assert_eq!(our_copy(&spool).await.delivered_at, None);
    assert_eq!(sort_all(&spool, &["desk"]).await, 1);
    assert_eq!(states(&spool).await, ["desk pending"]);
}

#[tokio::test]
async fn it_can_be_erased_at_once() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = dropped(&spool, "hello", false).await;
    assert_eq!(change(&spool, drop_rows(of_id("hello"))).await, 0, "it is dropped already");
    let erase = Command::Drop { filter: of_id("hello"), erase: true };
    assert_eq!(spool.change(erase).await.unwrap().erased, 1);
    assert!(spool.raw(key).await.unwrap().is_none());
    assert!(!may_be_deleted(&ground, &spool).await);
}

#[tokio::test]
async fn what_an_operator_drops_never_counts_as_delivered() {
    let ground = Ground::new();
    let spool = ground.open().await;
    // Also where a rule had dropped it before, and let that count.
    dropped(&spool, "hello", true).await;
    change(&spool, retry(of_id("hello"))).await;
    sort_all(&spool, &[]).await;
    assert_eq!(change(&spool, drop_rows(of_id("hello"))).await, 1);
    ground.clock.advance(2 * DAY);
    assert!(!may_be_deleted(&ground, &spool).await);
    assert_eq!(rows(&spool).await[0].reason, None);
}

#[tokio::test]
async fn what_is_owed_to_an_endpoint_is_not_dropped() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let message = routed(&spool, "hello", &["desk"]).await;
    let verdict = Verdict::Dropped(Dropped { rule: "spam".to_owned(), counts_as_delivered: true });
    spool.sort(vec![Sorted { message, verdict, glance: None }]).await.unwrap();
    assert_eq!(states(&spool).await, ["desk pending"]);
    assert_eq!(our_copy(&spool).await.delivered_at, None);
}

#[tokio::test]
async fn what_is_dropped_twice_is_dropped_once() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let message = dropped(&spool, "hello", false).await;
    let verdict = Verdict::Dropped(Dropped { rule: "other".to_owned(), counts_as_delivered: true });
    spool.sort(vec![Sorted { message, verdict, glance: None }]).await.unwrap();
    assert_eq!(rows(&spool).await[0].reason.as_deref(), Some("rule spam"));
    assert_eq!(our_copy(&spool).await.delivered_at, None);
}

#[tokio::test]
async fn unrouted_mail_can_be_sent_whatever_the_routes_say_and_quarantined_mail_only_unparsed() {
    let ground = Ground::new();
    let spool = with_desk(&ground).await;
    routed(&spool, "hello", &[]).await;
    assert_eq!(change(&spool, retry_to("hello", "desk")).await, 1);
    assert_eq!(states(&spool).await, ["desk pending"]);
    take(&spool, "bad", "bad").await;
    for _ in 0..pophook::spool::PARSES_MAX {
        let batch = spool.claim_unsorted(9).await.unwrap();
        spool.abandon(batch.iter().map(|one| one.message.key).collect()).await.unwrap();
    }
    assert!(spool.claim_unsorted(9).await.unwrap().is_empty());
    assert!(refusal(&spool, retry_to("bad", "desk")).await.contains("--raw"));
    assert_eq!(states(&spool).await, ["quarantined", "desk pending"]);
}
