//! Notices of dead letters: committed with what they tell of, made by mails alone, and served with the mail as long as
//! they wait.

use std::sync::Arc;
use std::time::Duration;

use pophook::ident::EndpointName;
use pophook::spool::Claim;
use pophook::spool::Command;
use pophook::spool::DeadLetter;
use pophook::spool::End;
use pophook::spool::Filter;
use pophook::spool::Kind;
use pophook::spool::Observation;
use pophook::spool::Reason;
use pophook::spool::Record;
use pophook::spool::Row;
use pophook::spool::Spool;

use crate::events::oversize;
use crate::ground::DAY;
use crate::ground::Ground;
use crate::ground::HOUR;
use crate::ground::change;
use crate::ground::claim;
use crate::ground::deferred;
use crate::ground::deliver_all;
use crate::ground::drop_rows;
use crate::ground::endpoint;
use crate::ground::id_of;
use crate::ground::key_of;
use crate::ground::mailbox;
use crate::ground::of_endpoint;
use crate::ground::of_id;
use crate::ground::only;
use crate::ground::record;
use crate::ground::record_of;
use crate::ground::refusal;
use crate::ground::retry;
use crate::ground::routed;
use crate::ground::rows;
use crate::ground::sort_all;
use crate::ground::states;

/// The record of a failure that ends `claim` so, of which these are told.
fn told(ground: &Ground, claim: &Claim, end: End, tell: &[EndpointName]) -> Record {
    Record { tell: tell.to_vec(), status: Some(422), ..record_of(claim, ground.clock.now(), end) }
}

/// Everything that is due at `name` is refused for good, and `erp` is told.
async fn kill(spool: &Arc<dyn Spool>, ground: &Ground, name: &str) {
    for claim in claim(spool, name).await {
        let record = told(ground, &claim, End::Dead(Reason::Refused), &[endpoint("erp")]);
        spool.record(vec![record]).await.unwrap();
    }
}

fn notices(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().filter(|row| row.kind.as_deref() == Some("mail.dead_letter")).collect()
}

#[tokio::test]
async fn a_dead_letter_and_its_notice_are_committed_together() {
    let ground = Ground::new();
    let spool = ground.open().await;
    spool.keep_endpoints(vec![endpoint("desk"), endpoint("erp"), EndpointName::mail()]).await.unwrap();
    routed(&spool, "hello", &["desk"]).await;
    let claimed = only(claim(&spool, "desk").await);
    let to = [endpoint("erp"), EndpointName::mail()];
    spool.record(vec![told(&ground, &claimed, End::Dead(Reason::Refused), &to)]).await.unwrap();
    let later = ground.after_a_crash();
    let after = later.try_open().unwrap();
    assert_eq!(states(&after).await, ["desk dead", "erp pending", "(mail) pending"]);
    assert_eq!(sort_all(&after, &["desk"]).await, 0, "it is routed from the beginning");
    let posted = only(claim(&after, "erp").await).message;
    assert_eq!((posted.kind, posted.mailbox), (Kind::DeadLetter, Some(mailbox("a"))));
    assert!(posted.id.as_str().starts_with("evt_"), "{}", posted.id);
    let mail = after.find(&id_of("hello")).await.unwrap().unwrap();
    assert!(posted.size > mail.size, "it weighs what it carries");
    let facts: DeadLetter = serde_json::from_slice(&after.raw(posted.key).await.unwrap().unwrap()).unwrap();
    let expected = DeadLetter {
        mail: id_of("hello"),
        endpoint: "desk".to_owned(),
        reason: "refused".to_owned(),
        attempts: 1,
        last_status: Some(422),
        last_error: None,
        settled_at: "2026-01-31T12:00:00.000Z".to_owned(),
        unparsed: false,
    };
    assert_eq!(facts, expected);
    assert!(notices(rows(&after).await).iter().all(|row| row.about == Some(id_of("hello"))));
    let mailed = spool.claim(&EndpointName::mail(), pophook::spool::Wanted::default()).await;
    assert_eq!(mailed.unwrap().claims.len(), 1);
}

#[tokio::test]
async fn only_what_becomes_dead_is_told_and_only_where_somebody_is_to_be_told() {
    let check = async |end: End, tell: &[EndpointName], expected: usize, what: &str| {
        let ground = Ground::new();
        let spool = ground.open().await;
        routed(&spool, "hello", &["desk"]).await;
        let claimed = only(claim(&spool, "desk").await);
        spool.record(vec![told(&ground, &claimed, end, tell)]).await.unwrap();
        assert_eq!(notices(rows(&spool).await).len(), expected, "{what}");
    };
    let erp = [endpoint("erp")];
    check(End::Dead(Reason::Refused), &erp, 1, "refused").await;
    check(End::Dead(Reason::Expired), &erp, 1, "expired").await;
    check(End::Dead(Reason::Refused), &[], 0, "nobody is to be told").await;
    check(End::Delivered, &erp, 0, "delivered").await;
    check(deferred(&Ground::new().clock, HOUR), &erp, 0, "tried again").await;
}

#[tokio::test]
async fn an_operator_who_drops_is_told_nothing() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    let claimed = only(claim(&spool, "desk").await);
    assert_eq!(change(&spool, drop_rows(of_id("hello"))).await, 1);
    // The attempt that was under way ends after it, and changes nothing.
    spool.record(vec![told(&ground, &claimed, End::Dead(Reason::Refused), &[endpoint("erp")])]).await.unwrap();
    assert_eq!(notices(rows(&spool).await).len(), 0);
}

#[tokio::test]
async fn a_notice_never_causes_a_notice_and_neither_does_another_event() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let observed = Observation { oversize: vec![oversize("big", 900)], ..Observation::default() };
    spool.observe(&mailbox("a"), observed).await.unwrap();
    sort_all(&spool, &["desk"]).await;
    routed(&spool, "hello", &["desk"]).await;
    kill(&spool, &ground, "desk").await;
    assert_eq!(notices(rows(&spool).await).len(), 1, "of the mail alone");
    kill(&spool, &ground, "erp").await;
    assert_eq!(notices(rows(&spool).await).len(), 1);
    assert_eq!(states(&spool).await, ["desk dead", "desk dead", "erp dead", "oversize"]);
}

#[tokio::test]
async fn a_retry_that_dies_again_is_told_again() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    kill(&spool, &ground, "desk").await;
    let first = notices(rows(&spool).await).remove(0).id;
    assert_eq!(change(&spool, retry(of_id("hello"))).await, 1);
    assert_eq!(notices(rows(&spool).await).len(), 1, "a retry is no news");
    kill(&spool, &ground, "desk").await;
    let ids: Vec<_> = notices(rows(&spool).await).into_iter().map(|row| row.id).collect();
    assert!(ids.len() == 2 && ids.contains(&first) && ids[0] != ids[1], "{ids:?}");
}

#[tokio::test]
async fn our_copy_of_the_mail_stays_while_a_notice_waits() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = routed(&spool, "hello", &["desk"]).await;
    kill(&spool, &ground, "desk").await;
    let has_copy = || async { spool.raw(key).await.unwrap().is_some() };
    let later = ground.clock.now().checked_add(DAY).unwrap();
    assert_eq!(spool.release(later, Some(later)).await.unwrap(), 0, "keep_dead waits");
    let erase = || Command::Drop { filter: of_id("hello"), erase: true };
    assert_eq!(spool.change(erase()).await.unwrap().erased, 0, "and so does an erasing drop");
    assert_eq!(change(&spool, retry(of_id("hello"))).await, 1);
    deliver_all(&spool, &ground.clock, "desk").await;
    assert_eq!(spool.release(later, None).await.unwrap(), 0, "and keep_delivered");
    assert!(has_copy().await);
    deliver_all(&spool, &ground.clock, "erp").await;
    assert_eq!(spool.release(later, None).await.unwrap(), 2, "then the mail goes, and the notice");
    assert!(!has_copy().await);
    assert_eq!(notices(rows(&spool).await).len(), 0);
}

#[tokio::test]
async fn a_notice_that_is_dead_itself_keeps_no_copy_back() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    kill(&spool, &ground, "desk").await;
    kill(&spool, &ground, "erp").await;
    let notice = notices(rows(&spool).await).remove(0).id.unwrap();
    let erased = spool.change(Command::Drop { filter: of_id("hello"), erase: true }).await.unwrap().erased;
    assert_eq!(erased, 1);
    let this = || Filter { ids: vec![notice.clone()], ..Filter::default() };
    assert_eq!(change(&spool, retry(this())).await, 1, "it can still be told, without the mail");
    let posted = only(claim(&spool, "erp").await).message;
    assert!(spool.raw(posted.key).await.unwrap().is_some());
    let mail = spool.find(&id_of("hello")).await.unwrap().unwrap();
    assert_eq!(spool.raw(mail.key).await.unwrap(), None);
}

#[tokio::test]
async fn an_answer_that_comes_when_the_mail_is_erased_is_not_kept() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    let claimed = only(claim(&spool, "desk").await);
    let dropped = spool.change(Command::Drop { filter: Filter::default(), erase: true }).await.unwrap();
    assert_eq!(dropped.erased, 1);
    let quoted = Some("cannot take: hello".to_owned());
    let failed = record_of(&claimed, ground.clock.now(), deferred(&ground.clock, Duration::ZERO));
    spool.record(vec![Record { answer: quoted, ..failed }]).await.unwrap();
    let attempts = spool.attempts(claimed.message.key).await.unwrap();
    assert_eq!(attempts.iter().map(|attempt| attempt.answer.as_deref()).collect::<Vec<_>>(), [None]);
}

#[tokio::test]
async fn an_erased_mail_leaves_no_answer_to_its_notices_behind() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    kill(&spool, &ground, "desk").await;
    let claimed = only(claim(&spool, "erp").await);
    let quoted = Some("cannot take \"hello\"".to_owned());
    let failed = told(&ground, &claimed, End::Dead(Reason::Refused), &[]);
    spool.record(vec![Record { answer: quoted, ..failed }]).await.unwrap();
    spool.change(Command::Drop { filter: of_id("hello"), erase: true }).await.unwrap();
    assert_eq!(spool.attempts(claimed.message.key).await.unwrap()[0].answer, None);
}

#[tokio::test]
async fn an_erased_notice_is_forgotten_and_its_mail_is_not() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    kill(&spool, &ground, "desk").await;
    let erased = spool.change(Command::Drop { filter: of_endpoint("erp"), erase: true }).await.unwrap();
    assert_eq!((erased.changed, erased.erased), (1, 1));
    assert_eq!(states(&spool).await, ["desk dead"]);
    assert_eq!(key_of(&spool, "hello").await, spool.find(&id_of("hello")).await.unwrap().unwrap().key);
}

#[tokio::test]
async fn reports_by_mail_take_nothing_else_over() {
    let ground = Ground::new();
    let spool = ground.open().await;
    spool.keep_endpoints(vec![endpoint("desk"), EndpointName::mail()]).await.unwrap();
    routed(&spool, "hello", &["desk"]).await;
    kill(&spool, &ground, "desk").await;
    let hand_over = Command::Retry { filter: of_endpoint("desk"), to: Some("(mail)".to_owned()), raw: false };
    assert!(refusal(&spool, hand_over).await.contains("takes nothing else over"));
}

#[tokio::test]
async fn reports_wait_while_the_mail_server_is_out_of_the_configuration() {
    let ground = Ground::new();
    let spool = ground.open().await;
    spool.keep_endpoints(vec![endpoint("desk"), EndpointName::mail()]).await.unwrap();
    routed(&spool, "hello", &["desk"]).await;
    let claimed = only(claim(&spool, "desk").await);
    let record = told(&ground, &claimed, End::Dead(Reason::Refused), &[EndpointName::mail()]);
    spool.record(vec![record]).await.unwrap();
    let due = async || {
        let wanted = pophook::spool::Wanted::default();
        let claims = spool.claim(&EndpointName::mail(), wanted).await.unwrap().claims;
        spool.unclaim(claims.iter().map(|claim| claim.delivery).collect()).await.unwrap();
        claims.len()
    };
    spool.keep_endpoints(vec![endpoint("desk")]).await.unwrap();
    assert_eq!(due().await, 0);
    let held = spool.endpoints().await.unwrap();
    assert!(held.iter().any(|row| row.endpoint.is_mail() && row.held.is_some() && row.pending == 1), "{held:?}");
    spool.keep_endpoints(vec![endpoint("desk"), EndpointName::mail()]).await.unwrap();
    assert_eq!(due().await, 1);
}

#[tokio::test]
async fn lines_can_be_asked_for_by_age() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "old", &["desk"]).await;
    ground.clock.advance(2 * HOUR);
    routed(&spool, "new", &["desk"]).await;
    let noted = Observation { skipped: vec![(crate::ground::unique_id("s"), None)], ..Observation::default() };
    spool.observe(&mailbox("a"), noted).await.unwrap();
    let border = ground.clock.now().checked_sub(HOUR).unwrap().as_millisecond();
    let check = async |since: Option<i64>, until: Option<i64>, expected: &[&str]| {
        let filter = Filter { spooled_since: since, spooled_until: until, ..Filter::default() };
        let found: Vec<_> = spool.list(filter).await.unwrap().into_iter().filter_map(|row| row.unique_id).collect();
        assert_eq!(found, expected, "{since:?} {until:?}");
    };
    check(None, None, &["old", "new", "s"]).await;
    check(None, Some(border), &["old"]).await;
    check(Some(border), None, &["new"]).await;
    check(Some(border), Some(border), &[]).await;
    let start = crate::ground::start().as_millisecond();
    check(Some(start), Some(start), &["old"]).await;
    record(&spool, &ground.clock, &claim(&spool, "desk").await[0], End::Dead(Reason::Refused)).await;
    let old = || Filter { spooled_until: Some(border), ..Filter::default() };
    assert_eq!(change(&spool, retry(old())).await, 1);
    assert_eq!(change(&spool, drop_rows(old())).await, 1, "the new one is left alone");
}
