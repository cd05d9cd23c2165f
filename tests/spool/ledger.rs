//! What the collecting half commits: messages, ledger rows, listings, marks.

use pophook::spool::Entry;
use pophook::spool::Filter;
use pophook::spool::Flood;
use pophook::spool::Known;
use pophook::spool::LedgerRow;
use pophook::spool::Listed;
use pophook::spool::Observation;
use pophook::spool::Oversize;
use pophook::spool::SpoolError;

use crate::ground::DAY;
use crate::ground::Ground;
use crate::ground::HOUR;
use crate::ground::change;
use crate::ground::deliver_all;
use crate::ground::drop_rows;
use crate::ground::enrolment;
use crate::ground::id_of;
use crate::ground::incoming;
use crate::ground::mailbox;
use crate::ground::of_endpoint;
use crate::ground::retry;
use crate::ground::routed;
use crate::ground::rows;
use crate::ground::sort_all;
use crate::ground::start;
use crate::ground::take;
use crate::ground::unique_id;

async fn ledger(spool: &std::sync::Arc<dyn pophook::spool::Spool>) -> Vec<LedgerRow> {
    spool.ledger(&mailbox("a")).await.unwrap().rows
}

#[tokio::test]
async fn what_was_accepted_is_there_byte_for_byte_and_owes_its_deliveries() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let mail = incoming("a", "1", "hello");
    let accepted = spool.accept(&mailbox("a"), vec![mail.clone()]).await.unwrap();
    assert_eq!((accepted.len(), accepted[0].known), (1, Known::New));
    let found = spool.find(&id_of("hello")).await.unwrap().unwrap();
    assert_eq!(spool.raw(found.key).await.unwrap().unwrap(), mail.raw);
    assert_eq!((found.mailbox, found.unique_id), (Some(mailbox("a")), Some(unique_id("1"))));
    assert_eq!((found.sha256, found.size, found.spooled_at), (mail.sha256, mail.listed_size.unwrap(), start()));
    let rows = ledger(&spool).await;
    assert_eq!((rows.len(), rows[0].key), (1, accepted[0].key));
    assert!(matches!(rows[0].entry, Entry::Taken { content, .. } if content == mail.content));
    assert_eq!(sort_all(&spool, &["desk"]).await, 1);
}

#[tokio::test]
async fn an_equal_message_is_one_message_under_every_unique_id() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let check = async |id: &str, text: &str, known: Known, rows: usize, messages: u64| {
        assert_eq!(take(&spool, id, text).await.known, known, "{id} {text}");
        assert_eq!(ledger(&spool).await.len(), rows, "{id} {text}: ledger rows");
        let stats = spool.stats().await.unwrap();
        assert_eq!(stats.messages.iter().map(|(_, count)| count).sum::<u64>(), messages, "{id} {text}");
    };
    check("1", "hello", Known::New, 1, 1).await;
    check("1", "hello", Known::SameUniqueId, 1, 1).await;
    check("2", "hello", Known::OtherUniqueId, 2, 1).await;
    check("1", "other", Known::New, 3, 2).await;
    check("", "hello", Known::OtherUniqueId, 4, 2).await;
    check("", "hello", Known::SameUniqueId, 4, 2).await;
    check("", "third", Known::New, 5, 3).await;
    // Equal mail in another mailbox is another message.
    let other = spool.accept(&mailbox("b"), vec![incoming("b", "1", "hello")]).await.unwrap();
    assert_eq!(other[0].known, Known::New);
}

#[tokio::test]
async fn the_row_of_a_message_that_was_taken_again_is_the_newest_of_its_id() {
    let ground = Ground::new();
    let spool = ground.open().await;
    for text in ["first", "second", "first"] {
        take(&spool, "1", text).await;
    }
    let rows = ledger(&spool).await;
    let wanted = incoming("a", "1", "first").content;
    assert!(matches!(rows.last().unwrap().entry, Entry::Taken { content, .. } if content == wanted));
}

#[tokio::test]
async fn a_message_that_was_taken_before_is_known_after_its_copy_is_gone() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    deliver_all(&spool, &ground.clock, "desk").await;
    assert_eq!(spool.release(ground.clock.now(), None).await.unwrap(), 1);
    assert_eq!(take(&spool, "hello", "hello").await.known, Known::SameUniqueId);
    assert_eq!(take(&spool, "other", "hello").await.known, Known::OtherUniqueId);
    assert_eq!(sort_all(&spool, &["desk"]).await, 0, "it is not delivered again");
}

#[tokio::test]
async fn retention_sees_a_delivery_only_when_every_endpoint_took_it() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let delivered_at = async || match &ledger(&spool).await[0].entry {
        Entry::Taken { copy, .. } => copy.delivered_at,
        other => panic!("{other:?}"),
    };
    take(&spool, "hello", "hello").await;
    assert_eq!(delivered_at().await, None, "nobody has sorted it");
    sort_all(&spool, &["desk", "erp"]).await;
    assert_eq!(delivered_at().await, None, "two are pending");
    deliver_all(&spool, &ground.clock, "desk").await;
    assert_eq!(delivered_at().await, None, "one is pending");
    change(&spool, drop_rows(of_endpoint("erp"))).await;
    assert_eq!(delivered_at().await, None, "one was dropped");
    change(&spool, retry(Filter { reason: Some("dropped".to_owned()), ..of_endpoint("erp") })).await;
    assert_eq!(delivered_at().await, None, "one is tried again");
    ground.clock.advance(HOUR);
    deliver_all(&spool, &ground.clock, "erp").await;
    assert_eq!(delivered_at().await, Some(ground.clock.now()), "the last one says when");
}

#[tokio::test]
async fn what_goes_nowhere_never_causes_a_dele() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "unrouted", &[]).await;
    let check = async |what: &str| {
        let rows = ledger(&spool).await;
        assert!(matches!(&rows[0].entry, Entry::Taken { copy, .. } if copy.delivered_at.is_none()), "{what}");
    };
    check("unrouted").await;
    change(&spool, drop_rows(pophook::spool::Filter::default())).await;
    check("dropped").await;
}

#[tokio::test]
async fn a_listing_says_what_is_gone_and_what_is_back() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = take(&spool, "1", "hello").await.key;
    let observe = async |gone: bool, returned: bool| {
        let keys = |wanted: bool| if wanted { vec![key] } else { vec![] };
        let observation = Observation { gone: keys(gone), returned: keys(returned), ..Observation::default() };
        spool.observe(&mailbox("a"), observation).await.unwrap();
        let ledger = spool.ledger(&mailbox("a")).await.unwrap();
        assert_eq!(ledger.listed_at, Some(ground.clock.now()));
        ledger.rows[0].absent_since
    };
    assert_eq!(spool.ledger(&mailbox("a")).await.unwrap().listed_at, None, "no listing yet");
    assert_eq!(observe(false, false).await, None);
    ground.clock.advance(HOUR);
    let first = ground.clock.now();
    assert_eq!(observe(true, false).await, Some(first));
    ground.clock.advance(HOUR);
    assert_eq!(observe(true, false).await, Some(first), "the first absence counts");
    assert_eq!(observe(false, true).await, None);
    ground.clock.advance(HOUR);
    assert_eq!(observe(true, false).await, Some(ground.clock.now()), "and again, from the beginning");
}

#[tokio::test]
async fn a_listing_is_committed_whole_or_not_at_all() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let oversize = Oversize { unique_id: unique_id("big"), size: 900, limit: 500, event: None };
    let observation = Observation {
        skipped: vec![(unique_id("old"), Some(7))],
        oversize: vec![oversize],
        flood: Flood::Unresolved,
        reread: true,
        ..Observation::default()
    };
    spool.observe(&mailbox("a"), observation).await.unwrap();
    let ledger = spool.after_reopening(&ground).await;
    assert_eq!((ledger.flood, ledger.reread_at), (Flood::Unresolved, Some(start())));
    let found: Vec<String> = ledger.rows.iter().map(|row| format!("{:?} {:?}", row.unique_id, row.entry)).collect();
    assert_eq!(found, ["Some(UniqueId(old)) Skipped", "Some(UniqueId(big)) Oversize { limit: 500 }"]);
    assert_eq!(ledger.rows[0].listed_size, Some(7));
}

/// Reads the ledger as the next process would.
trait Reopened {
    async fn after_reopening(self, ground: &Ground) -> pophook::spool::Ledger;
}

impl Reopened for std::sync::Arc<dyn pophook::spool::Spool> {
    async fn after_reopening(self, ground: &Ground) -> pophook::spool::Ledger {
        let later = ground.after_a_crash();
        later.open().await.ledger(&mailbox("a")).await.unwrap()
    }
}

#[tokio::test]
async fn taking_an_oversize_or_skipped_message_after_all_replaces_its_row() {
    let ground = Ground::new();
    let spool = ground.open().await;
    for limit in [500, 700] {
        let message = Oversize { unique_id: unique_id("1"), size: 900, limit, event: None };
        spool.oversize(&mailbox("a"), message).await.unwrap();
        let rows = ledger(&spool).await;
        assert_eq!(rows.len(), 1);
        assert!(matches!(rows[0].entry, Entry::Oversize { limit: noted } if noted == limit));
    }
    assert_eq!(take(&spool, "1", "hello").await.known, Known::New);
    let rows = ledger(&spool).await;
    assert_eq!(rows.len(), 1);
    assert!(matches!(rows[0].entry, Entry::Taken { .. }));
}

#[tokio::test]
async fn a_mark_stands_until_the_message_is_taken_again() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = take(&spool, "1", "hello").await.key;
    let check = async |marked: bool, expunged: bool, expunges: u32| {
        let row = ledger(&spool).await.pop().unwrap();
        assert_eq!((row.marked, row.expunged, row.expunges), (marked, expunged, expunges));
    };
    check(false, false, 0).await;
    spool.mark(&mailbox("a"), vec![key]).await.unwrap();
    check(true, false, 0).await;
    spool.expunged(&mailbox("a"), vec![key]).await.unwrap();
    check(true, true, 1).await;
    // The server shows it again: it is retrieved, found equal, marked and expunged once more.
    let key = take(&spool, "1", "hello").await.key;
    check(false, false, 1).await;
    spool.mark(&mailbox("a"), vec![key]).await.unwrap();
    check(true, false, 1).await;
    spool.expunged(&mailbox("a"), vec![key]).await.unwrap();
    check(true, true, 2).await;
    // Another mail under the same id has a past of its own.
    take(&spool, "1", "other").await;
    check(false, false, 0).await;
}

#[tokio::test]
async fn a_message_that_was_seen_to_be_gone_was_deleted_after_all() {
    let ground = Ground::new();
    let spool = ground.open().await;
    for _ in 0..5 {
        let key = take(&spool, "1", "the same each hour").await.key;
        assert_eq!(ledger(&spool).await[0].expunges, 0);
        spool.mark(&mailbox("a"), vec![key]).await.unwrap();
        spool.expunged(&mailbox("a"), vec![key]).await.unwrap();
        let gone = Observation { gone: vec![key], ..Observation::default() };
        spool.observe(&mailbox("a"), gone).await.unwrap();
    }
}

#[tokio::test]
async fn a_row_is_pruned_only_when_later_listings_confirmed_its_absence() {
    let check = async |flood: Flood, listings: &[u32], days: u32, pruned: u64| {
        let ground = Ground::new();
        let spool = ground.open().await;
        let key = routed(&spool, "hello", &["desk"]).await;
        let row = ledger(&spool).await[0].key;
        deliver_all(&spool, &ground.clock, "desk").await;
        let mut day = 0;
        for listed in listings {
            ground.clock.advance((listed - day) * DAY);
            day = *listed;
            let flood_was = spool.ledger(&mailbox("a")).await.unwrap().flood;
            spool
                .observe(&mailbox("a"), Observation { gone: vec![row], flood_was, flood, ..Observation::default() })
                .await
                .unwrap();
        }
        ground.clock.advance((days - day) * DAY);
        assert_eq!(spool.prune().await.unwrap(), pruned, "{flood:?} {listings:?} {days}");
        assert_eq!(ledger(&spool).await.is_empty(), pruned == 1);
        assert!(spool.raw(key).await.unwrap().is_some(), "our copy goes by its own rule");
    };
    check(Flood::None, &[], 1000, 0).await;
    check(Flood::None, &[1], 1000, 0).await;
    check(Flood::None, &[1, 90], 1000, 0).await;
    check(Flood::None, &[1, 91], 91, 1).await;
    check(Flood::None, &[1, 2, 3, 91], 91, 1).await;
    check(Flood::Unresolved, &[1, 91], 91, 0).await;
}

#[tokio::test]
async fn a_message_is_forgotten_only_when_its_copy_and_all_its_rows_are_gone() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    let row = ledger(&spool).await[0].key;
    let gone = || Observation { gone: vec![row], ..Observation::default() };
    spool.observe(&mailbox("a"), gone()).await.unwrap();
    ground.clock.advance(90 * DAY);
    spool.observe(&mailbox("a"), gone()).await.unwrap();
    assert_eq!(spool.prune().await.unwrap(), 1);
    assert_eq!(rows(&spool).await.len(), 1, "it is still pending");
    deliver_all(&spool, &ground.clock, "desk").await;
    assert_eq!(take(&spool, "again", "hello").await.known, Known::OtherUniqueId);
}

#[tokio::test]
async fn a_renamed_mailbox_keeps_its_ledger_only_if_it_says_so() {
    let ground = Ground::new();
    let spool = ground.open().await;
    take(&spool, "1", "hello").await;
    let renamed = |former: Option<&str>| pophook::spool::Enrolment {
        mailbox: mailbox("new"),
        former_name: former.map(mailbox),
        ..enrolment("a")
    };
    let refused = spool.enrol(vec![renamed(None), enrolment("b")]).await.unwrap_err();
    assert!(matches!(&refused, SpoolError::Renamed { old, new } if old == "a" && new == "new"), "{refused:?}");
    assert!(refused.to_string().contains("former_name: a"), "{refused}");
    spool.enrol(vec![renamed(Some("a")), enrolment("b")]).await.unwrap();
    assert_eq!(spool.ledger(&mailbox("new")).await.unwrap().rows.len(), 1);
    assert!(ledger(&spool).await.is_empty());
    assert_eq!(rows(&spool).await[0].mailbox.as_deref(), Some("new"));
    // Written or not, it is known under the new name from then on.
    spool.enrol(vec![renamed(Some("a")), enrolment("b")]).await.unwrap();
    spool.enrol(vec![renamed(None)]).await.unwrap();
    assert_eq!(spool.ledger(&mailbox("new")).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn a_flood_is_settled_once_by_command() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let reset = |listed| pophook::spool::Command::Reset { mailbox: "a".to_owned(), listed };
    let observe = async |flood| {
        let flood_was = spool.ledger(&mailbox("a")).await.unwrap().flood;
        spool.observe(&mailbox("a"), Observation { flood_was, flood, ..Observation::default() }).await.unwrap();
    };
    assert!(crate::ground::refusal(&spool, reset(Listed::New)).await.contains("waits for no decision"));
    for (listed, flood) in [(Listed::New, Flood::AsNew), (Listed::Seen, Flood::AsSeen)] {
        observe(Flood::Unresolved).await;
        assert_eq!(change(&spool, reset(listed)).await, 1);
        assert_eq!(spool.ledger(&mailbox("a")).await.unwrap().flood, flood);
        observe(Flood::None).await;
    }
}

#[tokio::test]
async fn a_flood_that_is_settled_amid_a_visit_stays_settled() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let becomes = |flood_was, flood| Observation { flood_was, flood, ..Observation::default() };
    spool.observe(&mailbox("a"), becomes(Flood::None, Flood::Unresolved)).await.unwrap();
    // A visit read that it is not settled, then an operator settles it, then the visit commits what it saw.
    change(&spool, pophook::spool::Command::Reset { mailbox: "a".to_owned(), listed: Listed::New }).await;
    spool.observe(&mailbox("a"), becomes(Flood::Unresolved, Flood::Unresolved)).await.unwrap();
    assert_eq!(spool.ledger(&mailbox("a")).await.unwrap().flood, Flood::AsNew);
}
