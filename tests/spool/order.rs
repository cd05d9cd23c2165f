//! `ordering: per_mailbox`: what may be claimed, and for how long a message has been refused.

use std::sync::Arc;
use std::time::Duration;

use pophook::spool::Claim;
use pophook::spool::Counts;
use pophook::spool::End;
use pophook::spool::Hold;
use pophook::spool::Reason;
use pophook::spool::Sorted;
use pophook::spool::Spool;
use pophook::spool::Verdict;
use pophook::spool::Wanted;

use crate::ground::Ground;
use crate::ground::HOUR;
use crate::ground::change;
use crate::ground::deferred;
use crate::ground::drop_rows;
use crate::ground::endpoint;
use crate::ground::incoming;
use crate::ground::mailbox;
use crate::ground::of_endpoint;
use crate::ground::of_id;
use crate::ground::only;
use crate::ground::record;
use crate::ground::retry;
use crate::ground::routed;
use crate::ground::sort_all;
use crate::ground::take;

/// What may go to `desk` now, in order.
async fn heads(spool: &Arc<dyn Spool>) -> Vec<Claim> {
    let wanted = Wanted { ordered: true, ..Wanted::default() };
    spool.claim(&endpoint("desk"), wanted).await.unwrap().claims
}

fn refused(ground: &Ground, wait: Duration) -> End {
    End::Deferred { due: ground.clock.now().checked_add(wait).unwrap(), counts: Counts::Refusal }
}

#[tokio::test]
async fn the_next_message_of_a_mailbox_goes_when_the_one_before_is_settled() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let mut keys = Vec::new();
    for text in ["one", "two", "three"] {
        keys.push(routed(&spool, text, &["desk", "erp"]).await);
    }
    let first = only(heads(&spool).await);
    assert_eq!(first.message.key, keys[0]);
    assert!(heads(&spool).await.is_empty(), "while it is on its way, nothing else is");
    record(&spool, &ground.clock, &first, deferred(&ground.clock, HOUR)).await;
    assert!(heads(&spool).await.is_empty(), "while it waits to be tried again, nothing overtakes it");
    ground.clock.advance(HOUR);
    let again = only(heads(&spool).await);
    assert_eq!((again.message.key, again.attempt), (keys[0], 2));
    record(&spool, &ground.clock, &again, End::Delivered).await;
    let second = only(heads(&spool).await);
    assert_eq!(second.message.key, keys[1]);
    record(&spool, &ground.clock, &second, End::Dead(Reason::Refused)).await;
    assert_eq!(only(heads(&spool).await).message.key, keys[2]);
}

#[tokio::test]
async fn mailboxes_do_not_wait_for_each_other() {
    let ground = Ground::new();
    let spool = ground.open().await;
    for name in ["a", "b"] {
        let mails = ["one", "two"].map(|text| incoming(name, text, &format!("{text} {name}"))).to_vec();
        spool.accept(&mailbox(name), mails).await.unwrap();
    }
    sort_all(&spool, &["desk"]).await;
    let heads_now = heads(&spool).await;
    let owners: Vec<&str> = heads_now.iter().map(|claim| claim.message.mailbox.as_ref().unwrap().as_str()).collect();
    assert_eq!(owners, ["a", "b"]);
    record(&spool, &ground.clock, &heads_now[1], End::Delivered).await;
    assert_eq!(only(heads(&spool).await).message.mailbox, Some(mailbox("b")));
}

#[tokio::test]
async fn an_older_message_that_is_not_sorted_yet_is_waited_for() {
    let ground = Ground::new();
    let spool = ground.open().await;
    take(&spool, "one", "one").await;
    take(&spool, "two", "two").await;
    let [older, newer] = &spool.claim_unsorted(2).await.unwrap()[..] else { panic!("two") };
    let to_desk = |key| Sorted { message: key, verdict: Verdict::Routed(vec![endpoint("desk")]), glance: None };
    spool.sort(vec![to_desk(newer.message.key)]).await.unwrap();
    assert!(heads(&spool).await.is_empty());
    let elsewhere = Verdict::Routed(vec![endpoint("erp")]);
    spool.sort(vec![Sorted { message: older.message.key, verdict: elsewhere, glance: None }]).await.unwrap();
    assert_eq!(only(heads(&spool).await).message.key, newer.message.key);
}

#[tokio::test]
async fn only_the_time_between_refusals_counts() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "one", &["desk"]).await;
    // What each attempt ends as, and the hours of refusal that the next claim shows, an hour later each.
    let ends = [(true, 1), (true, 2), (false, 1), (false, 1), (true, 2), (true, 3)];
    for (is_refused, hours) in ends {
        let claim = only(heads(&spool).await);
        let end = if is_refused { refused(&ground, HOUR) } else { deferred(&ground.clock, HOUR) };
        record(&spool, &ground.clock, &claim, end).await;
        ground.clock.advance(HOUR);
        let next = only(heads(&spool).await);
        spool.unclaim(vec![next.delivery]).await.unwrap();
        assert_eq!(next.refused_for, hours * HOUR);
    }
    let last = only(heads(&spool).await);
    record(&spool, &ground.clock, &last, End::Dead(Reason::Refused)).await;
    assert_eq!(change(&spool, retry(of_endpoint("desk"))).await, 1);
    assert_eq!(only(heads(&spool).await).refused_for, Duration::ZERO, "a retry by hand begins anew");
}

#[tokio::test]
async fn a_round_of_one_attempt_each_does_not_overtake_a_message_that_it_tried() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "one", &["desk"]).await;
    routed(&spool, "two", &["desk"]).await;
    let untried_since = Some(ground.clock.now());
    let first = only(heads(&spool).await);
    record(&spool, &ground.clock, &first, deferred(&ground.clock, Duration::ZERO)).await;
    let wanted = Wanted { ordered: true, untried_since, ..Wanted::default() };
    assert!(spool.claim(&endpoint("desk"), wanted).await.unwrap().claims.is_empty());
}

#[tokio::test]
async fn while_one_is_on_its_way_no_other_goes_whatever_an_operator_does() {
    let ground = Ground::new();
    let spool = ground.open().await;
    for text in ["one", "two", "three"] {
        routed(&spool, text, &["desk"]).await;
    }
    let first = only(heads(&spool).await);
    record(&spool, &ground.clock, &first, End::Dead(Reason::Refused)).await;
    let second = only(heads(&spool).await);
    assert_eq!(change(&spool, retry(of_id("one"))).await, 1);
    assert!(heads(&spool).await.is_empty(), "the older one is due again, and waits");
    assert_eq!(change(&spool, drop_rows(of_id("two"))).await, 1);
    assert!(heads(&spool).await.is_empty(), "what was dropped is still on its way");
    record(&spool, &ground.clock, &second, deferred(&ground.clock, HOUR)).await;
    assert_eq!(only(heads(&spool).await).message.key, first.message.key);
}

#[tokio::test]
async fn an_event_that_belongs_to_no_mailbox_goes_in_order_too() {
    let ground = Ground::new();
    let spool = ground.open().await;
    spool.hold(&endpoint("erp"), Hold::Gone).await.unwrap();
    let untold = spool.untold().await.unwrap();
    assert_eq!(untold.len(), 1);
    spool.tell(untold.into_iter().map(|one| (one, vec![endpoint("desk")])).collect()).await.unwrap();
    routed(&spool, "one", &["desk"]).await;
    assert_eq!(heads(&spool).await.len(), 2);
}
