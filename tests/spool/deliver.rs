//! Claims and records: who is posted when, and what is remembered of it.

use std::time::Duration;

use pophook::spool::Claims;
use pophook::spool::Counts;
use pophook::spool::End;
use pophook::spool::Filter;
use pophook::spool::Form;
use pophook::spool::Reason;
use pophook::spool::Record;
use pophook::spool::Wanted;
use pophook::spool::Weight;

use crate::ground::Ground;
use crate::ground::HOUR;
use crate::ground::change;
use crate::ground::claim;
use crate::ground::deferred;
use crate::ground::deliver_all;
use crate::ground::drop_rows;
use crate::ground::endpoint;
use crate::ground::of_endpoint;
use crate::ground::of_id;
use crate::ground::only;
use crate::ground::record;
use crate::ground::record_of;
use crate::ground::retry;
use crate::ground::routed;
use crate::ground::rows;
use crate::ground::start;
use crate::ground::states;

#[tokio::test]
async fn what_is_due_is_claimed_oldest_first_and_once() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let mut keys = Vec::new();
    for text in ["one", "two", "three"] {
        keys.push(routed(&spool, text, &["desk", "erp"]).await);
        ground.clock.advance(Duration::from_millis(1));
    }
    let claims = async |name: &str, free: usize| {
        let Claims { claims, next_due, .. } =
            spool.claim(&endpoint(name), Wanted { free, ..Wanted::default() }).await.unwrap();
        assert_eq!(next_due, None);
        claims.iter().map(|claim| claim.message.key).collect::<Vec<_>>()
    };
    assert_eq!(claims("desk", 0).await, []);
    assert_eq!(claims("desk", 2).await, keys[..2]);
    assert_eq!(claims("desk", 9).await, keys[2..]);
    assert_eq!(claims("desk", 9).await, []);
    assert_eq!(claims("erp", 9).await, keys, "the other endpoint has claims of its own");
    assert_eq!(claims("nobody", 9).await, []);
}

#[tokio::test]
async fn a_backlog_of_what_failed_does_not_keep_new_mail_waiting() {
    let ground = Ground::new();
    let spool = ground.open().await;
    for text in ["old 1", "old 2", "old 3"] {
        routed(&spool, text, &["desk"]).await;
    }
    for claim in claim(&spool, "desk").await {
        record(&spool, &ground.clock, &claim, deferred(&ground.clock, Duration::ZERO)).await;
    }
    // By hand or not, what was tried before is no first attempt.
    ground.clock.advance(Duration::from_millis(1));
    for text in ["new 1", "new 2", "new 3"] {
        routed(&spool, text, &["desk"]).await;
    }
    let claims = async |free, retries| {
        let wanted = Wanted { free, retries, ..Wanted::default() };
        let found = spool.claim(&endpoint("desk"), wanted).await.unwrap();
        spool.unclaim(found.claims.iter().map(|claim| claim.delivery).collect()).await.unwrap();
        let attempts = found.claims.iter().map(|claim| claim.attempt).collect::<Vec<_>>();
        (attempts, found.more_due)
    };
    for (free, retries, attempts, more_due) in [
        (9, 9, vec![2, 2, 2, 1, 1, 1], false),
        (6, 3, vec![2, 2, 2, 1, 1, 1], false),
        (4, 9, vec![2, 2, 2, 1], true),
        (9, 2, vec![2, 2, 1, 1, 1], true),
        (3, 2, vec![2, 2, 1], true),
        (2, 0, vec![1, 1], true),
        (0, 0, vec![], true),
    ] {
        assert_eq!(claims(free, retries).await, (attempts, more_due), "{free} {retries}");
    }
}

#[tokio::test]
async fn what_is_claimed_weighs_no_more_than_is_free() {
    let ground = Ground::new();
    let spool = ground.open().await;
    for text in ["one", "two", "six"] {
        routed(&spool, text, &["desk"]).await;
    }
    let size = claim(&spool, "desk").await[0].message.size;
    drop(spool);
    let spool = ground.after_a_crash().open().await;
    let weight = Weight { times: 2, plus: 10 };
    let each = 2 * size + 10;
    for (bytes, at_least, expected) in [
        (0, 0, 0),
        (0, 1, 1),
        (0, 2, 2),
        (each - 1, 0, 0),
        (each, 0, 1),
        (2 * each - 1, 1, 1),
        (2 * each, 1, 2),
        (3 * each, 0, 3),
        (u64::MAX, 0, 3),
    ] {
        let wanted = Wanted { bytes, weight, at_least, ..Wanted::default() };
        let Claims { claims, more_due, .. } = spool.claim(&endpoint("desk"), wanted).await.unwrap();
        assert_eq!((claims.len(), more_due), (expected, expected < 3), "{bytes} {at_least}");
        spool.unclaim(claims.iter().map(|claim| claim.delivery).collect()).await.unwrap();
    }
    assert_eq!(weight.of(u64::MAX), u64::MAX);
}

#[tokio::test]
async fn k7_a_claim_that_is_given_back_or_dies_with_its_process_is_made_again() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    let first = only(claim(&spool, "desk").await);
    assert_eq!((first.attempt, first.generation, first.failures, first.refusals), (1, 1, 0, 0));
    assert_eq!((first.form, first.tried_for), (Form::Parsed, Duration::ZERO));
    spool.unclaim(vec![first.delivery]).await.unwrap();
    assert_eq!(only(claim(&spool, "desk").await).attempt, 1);
    let later = ground.after_a_crash();
    let next = later.open().await;
    assert_eq!(only(claim(&next, "desk").await).attempt, 1);
}

#[tokio::test]
async fn a_deferred_delivery_comes_back_when_it_is_due() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    let first = only(claim(&spool, "desk").await);
    record(&spool, &ground.clock, &first, deferred(&ground.clock, HOUR)).await;
    let due = ground.clock.now().checked_add(HOUR).unwrap();
    let wanted = Wanted { free: 1, ..Wanted::default() };
    let nothing = spool.claim(&endpoint("desk"), wanted).await.unwrap();
    assert_eq!((nothing.claims.len(), nothing.next_due), (0, Some(due)));
    ground.clock.advance(HOUR - Duration::from_millis(1));
    assert!(claim(&spool, "desk").await.is_empty());
    ground.clock.advance(Duration::from_millis(1));
    let second = only(claim(&spool, "desk").await);
    assert_eq!((second.attempt, second.failures, second.refusals), (2, 1, 0));
}

/// Deliveries are put off for an hour, at most two hours can be; then somebody sets the clock by so many hours. Tells
/// after how many more hours all of them are due.
async fn check_clock_set(hours: i64, expected: u32) {
    let ground = Ground::new();
    let spool = ground.open().await;
    for text in ["one", "two"] {
        routed(&spool, text, &["desk"]).await;
    }
    for claim in claim(&spool, "desk").await {
        record(&spool, &ground.clock, &claim, deferred(&ground.clock, HOUR)).await;
    }
    ground.clock.set(ground.clock.now() + jiff::SignedDuration::from_hours(hours));
    let wanted = Wanted { longest_wait: 2 * HOUR, ..Wanted::default() };
    let mut waited = 0;
    let due = loop {
        let due = spool.claim(&endpoint("desk"), wanted).await.unwrap().claims;
        if !due.is_empty() || waited > 99 {
            break due;
        }
        ground.clock.advance(HOUR);
        waited += 1;
    };
    assert_eq!((due.len(), waited), (2, expected), "clock set by {hours} h");
    // However far the clock is set, the time that a delivery has is the time that it was tried.
    let tried = due[0].tried_for;
    assert_eq!(tried, waited * HOUR, "clock set by {hours} h");
}

#[tokio::test]
async fn t1_a_clock_that_is_set_neither_puts_a_delivery_off_nor_ends_its_time() {
    check_clock_set(0, 1).await;
    check_clock_set(24, 0).await;
    check_clock_set(-1, 2).await;
    check_clock_set(-24, 0).await;
    check_clock_set(-24 * 365, 0).await;
}

#[tokio::test]
async fn each_end_counts_as_what_it_was() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    // What an attempt counts as, and the failures and refusals before it.
    let ends = [(Counts::Failure, 0, 0), (Counts::Refusal, 1, 0), (Counts::Nothing, 2, 1), (Counts::Refusal, 2, 1)];
    for (number, (counts, failures, refusals)) in (1..).zip(ends) {
        let claim = only(claim(&spool, "desk").await);
        assert_eq!((claim.attempt, claim.failures, claim.refusals), (number, failures, refusals));
        record(&spool, &ground.clock, &claim, End::Deferred { due: ground.clock.now(), counts }).await;
    }
    let last = only(claim(&spool, "desk").await);
    assert_eq!((last.attempt, last.failures, last.refusals), (5, 3, 2));
    record(&spool, &ground.clock, &last, End::Dead(Reason::Refused)).await;
    assert_eq!(states(&spool).await, ["desk dead"]);
    let row = rows(&spool).await.remove(0);
    assert_eq!((row.attempts, row.reason.as_deref(), row.last_status), (5, Some("refused"), Some(500)));
}

/// The endpoint was not asked: its time begins with the first attempt that reaches it.
#[tokio::test]
async fn the_time_in_which_the_attachment_store_fails_is_not_the_delivery_s() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    for (counts, failures, tried_for) in [
        (Counts::Store, 0, Duration::ZERO),
        (Counts::Store, 1, Duration::ZERO),
        (Counts::Failure, 2, Duration::ZERO),
        (Counts::Failure, 3, HOUR),
        (Counts::Store, 4, 2 * HOUR),
        (Counts::Failure, 5, Duration::ZERO),
    ] {
        let claim = only(claim(&spool, "desk").await);
        assert_eq!((claim.failures, claim.tried_for), (failures, tried_for));
        record(&spool, &ground.clock, &claim, End::Deferred { due: ground.clock.now(), counts }).await;
        ground.clock.advance(HOUR);
    }
}

#[tokio::test]
async fn only_what_was_not_tried_in_this_round_is_wanted() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "old", &["desk"]).await;
    let first = only(claim(&spool, "desk").await);
    record(&spool, &ground.clock, &first, deferred(&ground.clock, Duration::ZERO)).await;
    ground.clock.advance(HOUR);
    let untried_since = Some(ground.clock.now());
    routed(&spool, "new", &["desk"]).await;
    let wanted = async || {
        let wanted = Wanted { free: 9, untried_since, ..Wanted::default() };
        spool.claim(&endpoint("desk"), wanted).await.unwrap().claims
    };
    let round = wanted().await;
    assert_eq!(round.len(), 2);
    for claim in &round {
        record(&spool, &ground.clock, claim, deferred(&ground.clock, Duration::ZERO)).await;
    }
    assert!(wanted().await.is_empty());
    assert_eq!(claim(&spool, "desk").await.len(), 2);
}

#[tokio::test]
async fn attempts_are_written_down_one_by_one() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = routed(&spool, "hello", &["desk"]).await;
    let first = only(claim(&spool, "desk").await);
    let failed = Record {
        took: Duration::from_millis(1500),
        status: None,
        error: Some("timeout"),
        ..record_of(&first, start(), deferred(&ground.clock, Duration::ZERO))
    };
    spool.record(vec![failed]).await.unwrap();
    let second = only(claim(&spool, "desk").await);
    record(&spool, &ground.clock, &second, End::Delivered).await;
    let attempts = spool.attempts(key).await.unwrap();
    let told: Vec<_> =
        attempts.iter().map(|one| (one.attempt, one.outcome.as_str(), one.status, one.took_ms)).collect();
    assert_eq!(told, [(1, "deferred", None, 1500), (2, "delivered", Some(200), 0)]);
    assert_eq!(attempts[0].error.as_deref(), Some("timeout"));
    assert_eq!(attempts[0].started_at, "2026-01-31T12:00:00.000Z");
}

#[tokio::test]
async fn e13_a_success_is_a_fact_whatever_became_of_the_row() {
    let check = async |what: &str, meanwhile: &[pophook::spool::Command]| {
        let ground = Ground::new();
        let spool = ground.open().await;
        routed(&spool, "hello", &["desk"]).await;
        let claimed = only(claim(&spool, "desk").await);
        for command in meanwhile {
            assert_eq!(change(&spool, command.clone()).await, 1, "{what}");
        }
        record(&spool, &ground.clock, &claimed, End::Delivered).await;
        assert_eq!(states(&spool).await, ["desk delivered"], "{what}");
        assert!(claim(&spool, "desk").await.is_empty(), "{what}");
        assert_eq!(rows(&spool).await[0].reason, None, "{what}");
    };
    check("dropped", &[drop_rows(of_id("hello"))]).await;
    check("dropped and tried again", &[drop_rows(of_id("hello")), retry(of_id("hello"))]).await;
}

#[tokio::test]
async fn e13_the_failure_of_an_older_generation_changes_nothing_but_uses_its_number_up() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = routed(&spool, "hello", &["desk"]).await;
    let stale = only(claim(&spool, "desk").await);
    for command in [drop_rows(of_id("hello")), retry(of_id("hello"))] {
        assert_eq!(change(&spool, command).await, 1);
    }
    assert!(claim(&spool, "desk").await.is_empty(), "the old attempt is still under way");
    record(&spool, &ground.clock, &stale, End::Dead(Reason::Expired)).await;
    assert_eq!(states(&spool).await, ["desk pending"]);
    let fresh = only(claim(&spool, "desk").await);
    assert_eq!((fresh.attempt, fresh.generation, fresh.failures), (2, 2, 0));
    record(&spool, &ground.clock, &fresh, End::Delivered).await;
    let attempts = spool.attempts(key).await.unwrap();
    assert_eq!(attempts.iter().map(|one| (one.attempt, one.generation)).collect::<Vec<_>>(), [(1, 1), (2, 2)]);
}

#[tokio::test]
async fn e13_the_failure_of_a_dropped_delivery_does_not_bring_it_back() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    let claimed = only(claim(&spool, "desk").await);
    change(&spool, drop_rows(of_id("hello"))).await;
    record(&spool, &ground.clock, &claimed, deferred(&ground.clock, Duration::ZERO)).await;
    assert_eq!(states(&spool).await, ["desk dead"]);
    assert!(claim(&spool, "desk").await.is_empty());
}

#[tokio::test]
async fn a_delivery_never_becomes_undelivered_but_by_command() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    let claimed = only(claim(&spool, "desk").await);
    record(&spool, &ground.clock, &claimed, End::Delivered).await;
    record(&spool, &ground.clock, &claimed, deferred(&ground.clock, Duration::ZERO)).await;
    record(&spool, &ground.clock, &claimed, End::Dead(Reason::Expired)).await;
    assert_eq!(states(&spool).await, ["desk delivered"]);
    assert_eq!(change(&spool, retry(of_id("hello"))).await, 0, "delivered ones must be asked for");
    assert_eq!(change(&spool, drop_rows(of_id("hello"))).await, 0);
    let delivered = Filter { state: Some("delivered".to_owned()), ..of_endpoint("desk") };
    assert_eq!(change(&spool, retry(delivered)).await, 1);
    let again = only(claim(&spool, "desk").await);
    assert_eq!((again.attempt, again.generation), (2, 2));
}

#[tokio::test]
async fn the_success_at_an_old_endpoint_is_not_the_new_ones() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = routed(&spool, "hello", &["desk"]).await;
    let under_way = only(claim(&spool, "desk").await);
    let to_erp = |filter| pophook::spool::Command::Retry { filter, to: Some("erp".to_owned()), raw: false };
    assert_eq!(change(&spool, to_erp(of_endpoint("desk"))).await, 1);
    let moved = only(claim(&spool, "erp").await);
    spool.unclaim(vec![moved.delivery]).await.unwrap();
    record(&spool, &ground.clock, &under_way, End::Delivered).await;
    assert_eq!(states(&spool).await, ["erp pending"], "the new endpoint has not taken it");
    assert_eq!(only(claim(&spool, "erp").await).message.key, key);
}

#[tokio::test]
async fn the_record_of_a_row_that_is_gone_is_not_taken_for_another_ones() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "first", &["erp", "desk"]).await;
    let under_way = only(claim(&spool, "desk").await);
    // Both endpoints have a row, so the moved one goes; and the next message gets a row of its own.
    let command =
        pophook::spool::Command::Retry { filter: of_endpoint("desk"), to: Some("erp".to_owned()), raw: false };
    assert_eq!(change(&spool, command).await, 1);
    routed(&spool, "second", &["desk"]).await;
    record(&spool, &ground.clock, &under_way, End::Delivered).await;
    let second = only(claim(&spool, "desk").await);
    assert_eq!(second.message.id.as_str(), crate::ground::id_of("second"));
}

#[tokio::test]
async fn records_of_one_burst_are_written_together() {
    let ground = Ground::new();
    let spool = ground.open().await;
    for text in ["one", "two", "three"] {
        routed(&spool, text, &["desk"]).await;
    }
    let claims = claim(&spool, "desk").await;
    let records = claims.iter().map(|claim| record_of(claim, ground.clock.now(), End::Delivered)).collect();
    spool.record(records).await.unwrap();
    assert_eq!(states(&spool).await, ["desk delivered"; 3]);
    deliver_all(&spool, &ground.clock, "desk").await;
    assert_eq!(spool.stats().await.unwrap().pending, []);
}
