//! What is told of mailboxes and endpoints: each change once, over crashes and restarts, and never one that is over.

use std::sync::Arc;

use pophook::ident::EndpointName;
use pophook::spool::Change;
use pophook::spool::Command;
use pophook::spool::Enrolment;
use pophook::spool::Facts;
use pophook::spool::Flood;
use pophook::spool::Hold;
use pophook::spool::Kind;
use pophook::spool::Observation;
use pophook::spool::Spool;
use pophook::spool::Untold;
use pophook::spool::Visited;

use crate::ground::Ground;
use crate::ground::HOUR;
use crate::ground::change;
use crate::ground::claim;
use crate::ground::deliver_all;
use crate::ground::endpoint;
use crate::ground::enrolment;
use crate::ground::mailbox;
use crate::ground::only;
use crate::ground::rows;
use crate::ground::sort_all;
use crate::ground::start;

async fn visit(spool: &Arc<dyn Spool>, visited: Visited) {
    let reason = (visited != Visited::Well).then_some("why");
    spool.note_visit(&mailbox("a"), visited, reason).await.unwrap();
}

/// What nobody was told of, in the words of an event's type.
async fn untold(spool: &Arc<dyn Spool>) -> Vec<&'static str> {
    spool.untold().await.unwrap().iter().map(|one| one.change.as_str()).collect()
}

/// Tells everything to these; what it was.
async fn tell(spool: &Arc<dyn Spool>, to: &[EndpointName]) -> Vec<&'static str> {
    let changes = spool.untold().await.unwrap();
    let told = changes.iter().map(|one| one.change.as_str()).collect();
    spool.tell(changes.into_iter().map(|one: Untold| (one, to.to_vec())).collect()).await.unwrap();
    told
}

#[tokio::test]
async fn each_change_is_told_once() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let check = async |visits: &[Visited], expected: &[&str]| {
        for visited in visits {
            visit(&spool, *visited).await;
        }
        assert_eq!(tell(&spool, &[endpoint("desk")]).await, expected, "{visits:?}");
        assert_eq!(untold(&spool).await.len(), 0, "{visits:?}");
    };
    check(&[Visited::Well], &[]).await;
    check(&[Visited::Refused], &["mailbox.auth_failed"]).await;
    check(&[Visited::Refused, Visited::Refused], &[]).await;
    check(&[Visited::Well], &["mailbox.recovered"]).await;
    check(&[Visited::Failed, Visited::Failed], &[]).await;
    check(&[Visited::Failed], &["mailbox.unreachable"]).await;
    check(&[Visited::Failed], &[]).await;
    check(&[Visited::Refused], &["mailbox.auth_failed"]).await;
    check(&[Visited::Well, Visited::Well], &["mailbox.recovered"]).await;
    // What was over before anybody was told of it is no news.
    check(&[Visited::Refused, Visited::Well], &[]).await;
    assert_eq!(claim(&spool, "desk").await.len(), 5);
}

#[tokio::test]
async fn an_event_and_that_it_was_told_are_one_commit() {
    let ground = Ground::new();
    let spool = ground.open().await;
    visit(&spool, Visited::Refused).await;
    let before = ground.after_a_crash();
    assert_eq!(untold(&before.open().await).await, ["mailbox.auth_failed"], "a crash before it is told loses nothing");
    tell(&spool, &[endpoint("desk")]).await;
    let later = ground.after_a_crash();
    let after = later.open().await;
    assert_eq!(untold(&after).await.len(), 0, "a crash after it is told repeats nothing");
    assert_eq!(sort_all(&after, &["erp"]).await, 0, "it is routed from the beginning");
    let event = only(claim(&after, "desk").await).message;
    assert_eq!((event.kind, event.mailbox), (Kind::Changed(Change::AuthFailed), Some(mailbox("a"))));
    assert!(event.id.as_str().starts_with("evt_"), "{}", event.id);
    let facts: Facts = serde_json::from_slice(&after.raw(event.key).await.unwrap().unwrap()).unwrap();
    let expected = Facts {
        mailbox: Some("a".to_owned()),
        endpoint: None,
        since: "2026-01-31T12:00:00.000Z".to_owned(),
        reason: Some("why".to_owned()),
    };
    assert_eq!(facts, expected);
}

#[tokio::test]
async fn failed_visits_are_counted_over_restarts() {
    let mut ground = Ground::new();
    for (visits, expected) in [(1, 0), (2, 0), (3, 1)] {
        let spool = ground.open().await;
        visit(&spool, Visited::Failed).await;
        assert_eq!(untold(&spool).await.len(), expected, "{visits}");
        drop(spool);
        ground = ground.after_an_end(HOUR);
    }
}

#[tokio::test]
async fn what_nobody_asks_for_counts_as_told_and_makes_no_event() {
    let ground = Ground::new();
    let spool = ground.open().await;
    visit(&spool, Visited::Refused).await;
    assert_eq!(tell(&spool, &[]).await, ["mailbox.auth_failed"]);
    assert_eq!((untold(&spool).await.len(), rows(&spool).await.len()), (0, 0));
}

#[tokio::test]
async fn what_changes_while_it_is_told_is_told_next() {
    let ground = Ground::new();
    let spool = ground.open().await;
    visit(&spool, Visited::Refused).await;
    let changes = spool.untold().await.unwrap();
    visit(&spool, Visited::Well).await;
    spool.tell(changes.into_iter().map(|one| (one, vec![endpoint("desk")])).collect()).await.unwrap();
    let next = spool.untold().await.unwrap();
    assert_eq!((next[0].change, next[0].reason.as_deref()), (Change::Recovered, Some("auth_failed")));
}

#[tokio::test]
async fn the_same_change_at_another_time_is_another_event() {
    let ground = Ground::new();
    let spool = ground.open().await;
    for _ in 0..2 {
        for visited in [Visited::Refused, Visited::Well] {
            visit(&spool, visited).await;
            tell(&spool, &[endpoint("desk")]).await;
            ground.clock.advance(HOUR);
        }
    }
    let mut ids: Vec<String> = claim(&spool, "desk").await.iter().map(|one| one.message.id.to_string()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn a_flood_is_told_when_it_begins() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let check = async |flooded: bool, flood: Flood, expected: &[(&str, &str)]| {
        ground.clock.advance(HOUR);
        let flood_was = spool.ledger(&mailbox("a")).await.unwrap().flood;
        let seen = Observation { flooded, flood_was, flood, ..Observation::default() };
        spool.observe(&mailbox("a"), seen).await.unwrap();
        let found = spool.untold().await.unwrap();
        let found: Vec<_> =
            found.iter().map(|one| (one.change.as_str(), one.reason.as_deref().unwrap_or_default())).collect();
        assert_eq!(found, expected);
        tell(&spool, &[endpoint("desk")]).await;
    };
    check(false, Flood::None, &[]).await;
    check(true, Flood::Unresolved, &[("mailbox.uidl_reset", "held")]).await;
    check(true, Flood::Unresolved, &[]).await;
    check(true, Flood::AsNew, &[]).await;
    check(false, Flood::None, &[]).await;
    check(true, Flood::None, &[("mailbox.uidl_reset", "deduplicated")]).await;
}

#[tokio::test]
async fn a_flood_that_is_over_before_it_is_told_is_told_all_the_same() {
    let ground = Ground::new();
    let spool = ground.open().await;
    for flooded in [true, false] {
        spool.observe(&mailbox("a"), Observation { flooded, ..Observation::default() }).await.unwrap();
    }
    assert_eq!(untold(&spool).await, ["mailbox.uidl_reset"]);
}

#[tokio::test]
async fn a_hold_is_told_once_and_the_next_one_again() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let told = async |expected: &[&str]| assert_eq!(tell(&spool, &[endpoint("erp")]).await, expected);
    spool.hold(&endpoint("desk"), Hold::Gone).await.unwrap();
    told(&["endpoint.held"]).await;
    spool.hold(&endpoint("desk"), Hold::Gone).await.unwrap();
    told(&[]).await;
    ground.clock.advance(HOUR);
    assert_eq!(change(&spool, Command::Resume { endpoint: "desk".to_owned() }).await, 1);
    told(&[]).await;
    spool.hold(&endpoint("desk"), Hold::RefusesAll).await.unwrap();
    told(&["endpoint.held"]).await;
    let event = claim(&spool, "erp").await.remove(0).message;
    assert_eq!((event.mailbox, event.kind), (None, Kind::Changed(Change::EndpointHeld)));
    let facts: Facts = serde_json::from_slice(&spool.raw(event.key).await.unwrap().unwrap()).unwrap();
    assert_eq!((facts.endpoint.as_deref(), facts.reason.as_deref()), (Some("desk"), Some("gone")));
    let row = rows(&spool).await.remove(0);
    assert_eq!((row.mailbox, row.kind.as_deref()), (None, Some("endpoint.held")));
}

#[tokio::test]
async fn an_endpoint_that_left_the_configuration_is_no_news() {
    let ground = Ground::new();
    let spool = ground.open().await;
    spool.keep_endpoints(vec![endpoint("desk")]).await.unwrap();
    assert_eq!(untold(&spool).await.len(), 0);
}

#[tokio::test]
async fn a_renamed_mailbox_keeps_its_condition() {
    let ground = Ground::new();
    let spool = ground.open().await;
    visit(&spool, Visited::Refused).await;
    tell(&spool, &[]).await;
    let renamed = Enrolment { mailbox: mailbox("new"), former_name: Some(mailbox("a")), ..enrolment("a") };
    spool.enrol(vec![renamed, enrolment("b")]).await.unwrap();
    spool.note_visit(&mailbox("new"), Visited::Well, None).await.unwrap();
    assert_eq!(untold(&spool).await, ["mailbox.recovered"]);
}

#[tokio::test]
async fn a_listing_of_mailboxes_shows_their_condition() {
    let ground = Ground::new();
    let spool = ground.open().await;
    visit(&spool, Visited::Refused).await;
    let listed = spool.mailboxes().await.unwrap();
    let shown: Vec<_> = listed.into_iter().map(|row| (row.mailbox, row.condition, row.condition_since)).collect();
    let since = format!("{:.3}", start());
    assert_eq!(shown[0], ("a".to_owned(), "auth_failed".to_owned(), Some(since)));
    assert_eq!(shown[1], ("b".to_owned(), "ok".to_owned(), None));
}

#[tokio::test]
async fn an_event_that_was_delivered_goes_with_its_copy() {
    let ground = Ground::new();
    let spool = ground.open().await;
    visit(&spool, Visited::Refused).await;
    tell(&spool, &[endpoint("desk")]).await;
    let id = rows(&spool).await[0].id.clone().unwrap();
    deliver_all(&spool, &ground.clock, "desk").await;
    assert_eq!(spool.release(ground.clock.now(), None).await.unwrap(), 1);
    assert!(spool.find(&id).await.unwrap().is_none());
    assert_eq!(untold(&spool).await.len(), 0, "and is not told again");
}
