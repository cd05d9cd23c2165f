//! Pauses, holds, endpoints that come and go, and the clock on which a delivery's time is measured.

use std::time::Duration;

use pophook::spool::Breaker;
use pophook::spool::Command;
use pophook::spool::End;
use pophook::spool::EndpointRow;
use pophook::spool::Health;
use pophook::spool::Hold;
use pophook::spool::Spool;
use pophook::spool::Standing;
use pophook::spool::Wanted;
use pophook::spool::sqlite::Readers;

use crate::ground::DAY;
use crate::ground::Ground;
use crate::ground::HOUR;
use crate::ground::change;
use crate::ground::claim;
use crate::ground::deferred;
use crate::ground::drop_rows;
use crate::ground::endpoint;
use crate::ground::of_endpoint;
use crate::ground::only;
use crate::ground::record;
use crate::ground::refusal;
use crate::ground::routed;
use crate::ground::start;
use crate::ground::states;

async fn desk(spool: &std::sync::Arc<dyn Spool>) -> EndpointRow {
    let rows = spool.endpoints().await.unwrap();
    rows.into_iter().find(|row| row.endpoint == endpoint("desk")).unwrap()
}

fn resume(name: &str) -> Command {
    Command::Resume { endpoint: name.to_owned() }
}

async fn standing(spool: &std::sync::Arc<dyn Spool>) -> Standing {
    spool.claim(&endpoint("desk"), Wanted { free: 0, ..Wanted::default() }).await.unwrap().standing
}

#[tokio::test]
async fn what_answers_made_of_an_endpoint_outlasts_a_start() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let refused = vec![routed(&spool, "one", &["desk"]).await, routed(&spool, "two", &["desk"]).await];
    assert_eq!(standing(&spool).await, Standing::default());
    let until = ground.clock.now().checked_add(HOUR).unwrap();
    let open = Breaker::Open { probe_at: until, failed: 3 };
    let health = Health { breaker: open, gone_since: Some(start()), refused };
    assert!(spool.keep_health(&endpoint("desk"), health.clone(), 0).await.unwrap());
    assert_eq!((desk(&spool).await.breaker, desk(&spool).await.breaker.probe_at()), (open, Some(until)));
    drop(spool);
    let ground = ground.after_an_end(DAY);
    let spool = ground.open().await;
    assert_eq!(standing(&spool).await, Standing { health: health.clone(), ..Standing::default() });
    let half_open = Health { breaker: Breaker::HalfOpen, ..Health::default() };
    assert!(spool.keep_health(&endpoint("desk"), half_open.clone(), 0).await.unwrap());
    assert_eq!(standing(&spool).await.health, half_open);
}

#[tokio::test]
async fn whoever_resumes_an_endpoint_has_it_judged_anew() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let refused = vec![routed(&spool, "one", &["desk"]).await];
    let probe_at = ground.clock.now().checked_add(HOUR).unwrap();
    let health = Health { breaker: Breaker::Open { probe_at, failed: 3 }, gone_since: Some(start()), refused };
    spool.keep_health(&endpoint("desk"), health.clone(), 0).await.unwrap();
    spool.pause(&endpoint("desk"), probe_at).await.unwrap();
    assert_eq!(change(&spool, resume("desk")).await, 1);
    assert_eq!(standing(&spool).await, Standing { resumes: 1, ..Standing::default() });
    assert_eq!(desk(&spool).await.breaker, Breaker::Closed);
    // What was thought of it before is not kept.
    assert!(!spool.keep_health(&endpoint("desk"), health.clone(), 0).await.unwrap());
    assert_eq!(standing(&spool).await.health, Health::default());
    assert!(spool.keep_health(&endpoint("desk"), health.clone(), 1).await.unwrap());
    assert_eq!(standing(&spool).await.health, health);
}

#[tokio::test]
async fn a_pause_lasts_as_long_as_it_was_to_last_where_the_clock_is_set_back() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    drop(spool);
    let ahead = ground.at(start().checked_add(DAY).unwrap());
    let spool = ahead.open().await;
    spool.pause(&endpoint("desk"), ahead.clock.now().checked_add(2 * HOUR).unwrap()).await.unwrap();
    assert!(claim(&spool, "desk").await.is_empty());
    // Half of it is over when the clock is set back.
    ahead.clock.advance(HOUR);
    spool.prune().await.unwrap();
    drop(spool);
    let right = ahead.at(start());
    let spool = right.open().await;
    assert_eq!(standing(&spool).await.paused_until, start().checked_add(HOUR).ok());
    right.clock.advance(HOUR - Duration::from_millis(1));
    assert!(claim(&spool, "desk").await.is_empty());
    right.clock.advance(Duration::from_millis(1));
    assert_eq!(claim(&spool, "desk").await.len(), 1);
}

#[tokio::test]
async fn endpoints_of_an_earlier_build_have_a_closed_breaker() {
    let ground = Ground::new();
    let spool = ground.open().await;
    spool.hold(&endpoint("desk"), Hold::Gone).await.unwrap();
    drop(spool);
    drop(ground.without_breakers());
    let readers = Readers::open(&ground.path()).unwrap();
    let rows = async || pophook::spool::Reading::endpoints(&readers).await.unwrap();
    assert_eq!((rows().await[0].held, rows().await[0].breaker), (Some(Hold::Gone), Breaker::Closed));
    let spool = ground.open().await;
    assert_eq!(standing(&spool).await, Standing { held: Some(Hold::Gone), ..Standing::default() });
    let open = Breaker::Open { probe_at: start(), failed: 0 };
    spool.keep_health(&endpoint("desk"), Health { breaker: open, ..Health::default() }, 0).await.unwrap();
    assert_eq!(rows().await[0].breaker, open, "the reader sees the file's own columns");
}

#[tokio::test]
async fn a_pause_is_only_ever_extended_and_ends_by_itself() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk", "erp"]).await;
    let at = |wait: Duration| ground.clock.now().checked_add(wait).unwrap();
    let until = at(2 * HOUR);
    for asked in [HOUR, 2 * HOUR, HOUR, Duration::ZERO] {
        spool.pause(&endpoint("desk"), at(asked)).await.unwrap();
    }
    assert_eq!(desk(&spool).await.paused_until, Some(until));
    let nothing = spool.claim(&endpoint("desk"), Wanted { free: 1, ..Wanted::default() }).await.unwrap();
    assert_eq!((nothing.claims.len(), nothing.next_due), (0, Some(until)));
    assert_eq!(claim(&spool, "erp").await.len(), 1, "the others go on");
    ground.clock.advance(2 * HOUR - Duration::from_millis(1));
    assert!(claim(&spool, "desk").await.is_empty());
    ground.clock.advance(Duration::from_millis(1));
    assert_eq!(claim(&spool, "desk").await.len(), 1);
}

#[tokio::test]
async fn a_hold_lasts_until_somebody_resumes_it() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    spool.pause(&endpoint("desk"), ground.clock.now().checked_add(HOUR).unwrap()).await.unwrap();
    spool.hold(&endpoint("desk"), Hold::Gone).await.unwrap();
    let row = desk(&spool).await;
    assert_eq!((row.held, row.pending), (Some(Hold::Gone), 1));
    ground.clock.advance(100 * DAY);
    let nothing = spool.claim(&endpoint("desk"), Wanted { free: 1, ..Wanted::default() }).await.unwrap();
    assert_eq!((nothing.claims.len(), nothing.next_due), (0, None));
    // Neither an end nor a start changes it.
    drop(spool);
    let ground = ground.after_an_end(DAY);
    let spool = ground.open().await;
    assert!(claim(&spool, "desk").await.is_empty());
    let listed = spool.list(of_endpoint("desk")).await.unwrap().remove(0);
    assert_eq!((listed.state, listed.reason.as_deref(), listed.due), ("pending", Some("gone"), None));
    let mut work = spool.work();
    work.borrow_and_update();
    assert_eq!(change(&spool, resume("desk")).await, 1);
    assert!(work.has_changed().unwrap());
    assert_eq!((desk(&spool).await.held, desk(&spool).await.paused_until), (None, None));
    assert_eq!(claim(&spool, "desk").await.len(), 1);
}

#[tokio::test]
async fn a_removed_endpoints_deliveries_wait_and_go_on_when_it_is_back() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk", "erp"]).await;
    spool.keep_endpoints(vec![endpoint("erp")]).await.unwrap();
    assert!(claim(&spool, "desk").await.is_empty());
    assert_eq!(claim(&spool, "erp").await.len(), 1);
    assert_eq!(desk(&spool).await.held, Some(Hold::Removed));
    let listed = spool.list(of_endpoint("desk")).await.unwrap().remove(0);
    assert_eq!(listed.reason.as_deref(), Some("removed"));
    for name in ["desk", "nobody"] {
        assert!(refusal(&spool, resume(name)).await.contains("no endpoint"));
        let to = Command::Retry { filter: of_endpoint("erp"), to: Some(name.to_owned()), raw: false };
        assert!(refusal(&spool, to).await.contains("no endpoint"));
    }
    spool.keep_endpoints(vec![endpoint("desk"), endpoint("erp")]).await.unwrap();
    assert_eq!(desk(&spool).await.held, None);
    assert_eq!(claim(&spool, "desk").await.len(), 1);
}

#[tokio::test]
async fn a_removed_endpoints_deliveries_are_settled_by_command() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = routed(&spool, "hello", &["desk"]).await;
    spool.keep_endpoints(vec![endpoint("erp")]).await.unwrap();
    let to_erp = Command::Retry { filter: of_endpoint("desk"), to: Some("erp".to_owned()), raw: false };
    assert_eq!(change(&spool, to_erp).await, 1);
    assert_eq!(states(&spool).await, ["erp pending"]);
    assert_eq!(only(claim(&spool, "erp").await).message.key, key);
    routed(&spool, "other", &["desk"]).await;
    assert!(claim(&spool, "desk").await.is_empty());
    assert_eq!(change(&spool, drop_rows(of_endpoint("desk"))).await, 1);
    assert_eq!(states(&spool).await, ["erp pending", "desk dead"]);
}

#[tokio::test]
async fn a_hold_of_another_kind_outlasts_a_start_with_the_same_endpoints() {
    let ground = Ground::new();
    let spool = ground.open().await;
    spool.hold(&endpoint("desk"), Hold::RefusesAll).await.unwrap();
    spool.keep_endpoints(vec![endpoint("desk"), endpoint("erp")]).await.unwrap();
    assert_eq!(desk(&spool).await.held, Some(Hold::RefusesAll));
}

/// A message whose first attempt took 10 s and failed now; what is claimed after `wait` says for how long it was tried.
#[tokio::test]
async fn a_deliverys_time_runs_from_the_beginning_of_its_first_attempt() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    ground.clock.advance(DAY);
    let first = only(claim(&spool, "desk").await);
    assert_eq!(first.tried_for, Duration::ZERO, "it was never tried");
    ground.clock.advance(Duration::from_secs(10));
    let took = Duration::from_secs(10);
    let end = deferred(&ground.clock, Duration::ZERO);
    let began = ground.clock.now().checked_sub(took).unwrap();
    let record = pophook::spool::Record { took, ..crate::ground::record_of(&first, began, end) };
    spool.record(vec![record]).await.unwrap();
    ground.clock.advance(HOUR);
    assert_eq!(only(claim(&spool, "desk").await).tried_for, took + HOUR);
}

#[tokio::test]
async fn time_held_and_time_not_running_do_not_count_and_a_pause_does() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    let first = only(claim(&spool, "desk").await);
    record(&spool, &ground.clock, &first, deferred(&ground.clock, Duration::ZERO)).await;
    ground.clock.advance(HOUR);
    // A pause counts.
    spool.pause(&endpoint("desk"), ground.clock.now().checked_add(2 * HOUR).unwrap()).await.unwrap();
    ground.clock.advance(2 * HOUR);
    let second = only(claim(&spool, "desk").await);
    assert_eq!(second.tried_for, 3 * HOUR);
    record(&spool, &ground.clock, &second, deferred(&ground.clock, Duration::ZERO)).await;
    // A hold does not, not even over an end; nor does the time until the next start.
    spool.hold(&endpoint("desk"), Hold::Gone).await.unwrap();
    ground.clock.advance(10 * DAY);
    spool.prune().await.unwrap();
    drop(spool);
    let ground = ground.after_an_end(20 * DAY);
    let spool = ground.open().await;
    ground.clock.advance(10 * DAY);
    assert_eq!(change(&spool, resume("desk")).await, 1);
    ground.clock.advance(HOUR);
    let third = only(claim(&spool, "desk").await);
    assert_eq!(third.tried_for, 4 * HOUR);
    record(&spool, &ground.clock, &third, deferred(&ground.clock, Duration::ZERO)).await;
    drop(spool);
    let ground = ground.after_an_end(20 * DAY);
    let spool = ground.open().await;
    ground.clock.advance(HOUR);
    assert_eq!(only(claim(&spool, "desk").await).tried_for, 5 * HOUR);
}

#[tokio::test]
async fn a_retry_by_hand_has_a_new_budget() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    let first = only(claim(&spool, "desk").await);
    record(&spool, &ground.clock, &first, deferred(&ground.clock, Duration::ZERO)).await;
    ground.clock.advance(5 * DAY);
    let second = only(claim(&spool, "desk").await);
    assert_eq!((second.tried_for, second.failures), (5 * DAY, 1));
    record(&spool, &ground.clock, &second, End::Dead(pophook::spool::Reason::Expired)).await;
    assert_eq!(change(&spool, crate::ground::retry(of_endpoint("desk"))).await, 1);
    let third = only(claim(&spool, "desk").await);
    assert_eq!((third.tried_for, third.failures, third.refusals), (Duration::ZERO, 0, 0));
    assert_eq!((third.generation, third.attempt), (2, 3));
}
