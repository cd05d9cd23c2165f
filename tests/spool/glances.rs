//! The one list of all mail, the search in it, and what stays of a letter when its copy goes: nothing.

use std::sync::Arc;

use pophook::spool::End;
use pophook::spool::PARSES_MAX;
use pophook::spool::Purpose;
use pophook::spool::Reason;
use pophook::spool::Search;
use pophook::spool::Spool;
use pophook::spool::State;
use pophook::spool::Verdict;
use pophook::spool::sqlite::Readers;

use crate::ground::DAY;
use crate::ground::Ground;
use crate::ground::change;
use crate::ground::claim;
use crate::ground::deliver_all;
use crate::ground::drop_rows;
use crate::ground::dropped;
use crate::ground::id_of;
use crate::ground::incoming;
use crate::ground::mailbox;
use crate::ground::of_id;
use crate::ground::only;
use crate::ground::record;
use crate::ground::routed;
use crate::ground::sort_all;
use crate::ground::take;

/// More than any test has.
const MANY: usize = 100;

/// The subjects of what is found; of a mail that nobody has read yet, a dash.
async fn subjects(spool: &Arc<dyn Spool>, search: Search) -> Vec<String> {
    let found = spool.search(search, MANY).await.unwrap();
    let subject = |seen: pophook::spool::MessageRow| seen.glance.and_then(|glance| glance.subject);
    found.messages.into_iter().map(|seen| subject(seen).unwrap_or_else(|| "-".to_owned())).collect()
}

/// One mail in each state: delivered, dead, pending, unrouted, dropped by a rule, and one that nobody has read yet.
async fn one_of_each(ground: &Ground) -> Arc<dyn Spool> {
    let spool = ground.open().await;
    routed(&spool, "delivered", &["erp"]).await;
    deliver_all(&spool, &ground.clock, "erp").await;
    routed(&spool, "dead", &["desk"]).await;
    let dead = only(claim(&spool, "desk").await);
    record(&spool, &ground.clock, &dead, End::Dead(Reason::Refused)).await;
    routed(&spool, "pending", &["desk", "erp"]).await;
    routed(&spool, "unrouted", &[]).await;
    dropped(&spool, "dropped", true).await;
    spool.accept(&mailbox("b"), vec![incoming("b", "1", "new")]).await.unwrap();
    spool
}

#[tokio::test]
async fn all_mail_of_all_mailboxes_is_in_one_list_the_newest_first() {
    let ground = Ground::new();
    let spool = one_of_each(&ground).await;
    // What a rule drops is sorted without a glance here.
    assert_eq!(subjects(&spool, Search::default()).await, ["-", "-", "unrouted", "pending", "dead", "delivered"]);
    let found = spool.search(Search::default(), MANY).await.unwrap().messages;
    let pending = &found[3];
    let deliveries: Vec<_> = pending.deliveries.iter().map(|one| (&*one.endpoint, &*one.state)).collect();
    assert_eq!(deliveries, [("desk", "pending"), ("erp", "pending")]);
    assert_eq!(found[4].deliveries[0].reason.as_deref(), Some("refused"));
    assert_eq!((found[1].dropped_by.as_deref(), found[0].message.mailbox.clone()), (Some("spam"), Some(mailbox("b"))));
}

#[tokio::test]
async fn each_filter_takes_its_own() {
    let ground = Ground::new();
    let spool = one_of_each(&ground).await;
    let check = async |search: Search, expected: &[&str]| {
        assert_eq!(subjects(&spool, search.clone()).await, expected, "{search:?}");
    };
    let text = |text: &str| Search { text: text.to_owned(), ..Search::default() };
    check(text("PENDING"), &["pending"]).await;
    check(text("nding  subject:"), &["pending"]).await;
    check(text("pending dead"), &[]).await;
    check(text("%"), &[]).await;
    let state = |state| Search { states: vec![state], ..Search::default() };
    check(Search { waits_for_human: true, ..Search::default() }, &["unrouted", "dead"]).await;
    check(state(State::Dead), &["dead"]).await;
    check(state(State::Routed), &["pending"]).await;
    check(state(State::Delivered), &["delivered"]).await;
    check(state(State::Unrouted), &["unrouted"]).await;
    check(state(State::Quarantined), &[]).await;
    check(state(State::Dropped), &["-"]).await;
    check(state(State::Spooled), &["-"]).await;
    let list = |name: &str| vec![name.to_owned()];
    check(Search { endpoints: list("erp"), ..Search::default() }, &["pending", "delivered"]).await;
    check(Search { endpoints: list("erp"), ..state(State::Dead) }, &[]).await;
    check(Search { mailboxes: list("b"), ..Search::default() }, &["-"]).await;
    check(Search { kinds: list("message"), ..text("dead") }, &["dead"]).await;
    check(Search { kinds: list("mail"), ..text("dead") }, &["dead"]).await;
    check(Search { kinds: list("bounce"), ..Search::default() }, &[]).await;
    let now = ground.clock.now();
    check(Search { since: now.checked_add(DAY).ok(), ..Search::default() }, &[]).await;
    check(Search { until: now.checked_sub(DAY).ok(), ..Search::default() }, &[]).await;
    check(Search { since: Some(now), ..text("dead") }, &["dead"]).await;
    check(Search { ids: vec![id_of("dead")], ..Search::default() }, &["dead"]).await;
    let waiting = |endpoint| Search { endpoints: list(endpoint), waits_for_human: true, ..Search::default() };
    check(waiting("desk"), &["dead"]).await;
    check(waiting("erp"), &[]).await;
    routed(&spool, "dead elsewhere", &["desk", "erp"]).await;
    let claims = claim(&spool, "erp").await;
    let last = claims.last().unwrap();
    record(&spool, &ground.clock, last, End::Dead(Reason::Expired)).await;
    check(waiting("erp"), &["dead elsewhere"]).await;
    check(waiting("desk"), &["dead"]).await;
    deliver_all(&spool, &ground.clock, "desk").await;
    check(text("dead elsewhere"), &["dead elsewhere"]).await;
    assert_eq!(change(&spool, drop_rows(of_id("dead elsewhere"))).await, 1);
    check(waiting("erp"), &[]).await;
}

#[tokio::test]
async fn a_page_follows_the_one_before_also_while_mail_comes_in() {
    let ground = Ground::new();
    let spool = ground.open().await;
    for text in ["1", "2", "3", "4", "5"] {
        routed(&spool, text, &["desk"]).await;
    }
    let page = async |before| spool.search(Search { before, ..Search::default() }, 2).await.unwrap();
    let first = page(None).await;
    routed(&spool, "6", &["desk"]).await;
    let second = page(first.next).await;
    let subjects: Vec<_> = second.messages.iter().map(|row| row.glance.as_ref().unwrap().subject.as_deref()).collect();
    assert_eq!(subjects, [Some("3"), Some("2")]);
    let last = page(second.next).await;
    assert_eq!((last.messages.len(), last.next), (1, None));
}

/// Erases the copy of a mail that is settled.
async fn erase(spool: &Arc<dyn Spool>, text: &str) {
    let command = pophook::spool::Command::Drop { filter: of_id(text), erase: true };
    assert_eq!(spool.change(command).await.unwrap().erased, 1);
}

/// Whether the file still holds `text` in what is kept beside the bytes.
fn is_kept(ground: &Ground, text: &str) -> bool {
    let file = rusqlite::Connection::open(ground.path()).unwrap();
    let sql = "SELECT 1 FROM glance WHERE instr(words, ?1)";
    file.prepare(sql).unwrap().exists([text]).unwrap()
}

#[tokio::test]
async fn nothing_of_a_letter_stays_when_its_copy_goes() {
    let ground = Ground::new();
    let spool = ground.open().await;
    for text in ["released", "erased"] {
        routed(&spool, text, &["desk"]).await;
        deliver_all(&spool, &ground.clock, "desk").await;
        assert!(is_kept(&ground, text));
    }
    erase(&spool, "erased").await;
    assert!(!is_kept(&ground, "erased"));
    assert_eq!(subjects(&spool, Search::default()).await, ["released"]);
    spool.release(ground.clock.now(), None).await.unwrap();
    assert!(!is_kept(&ground, "released"));
    assert!(subjects(&spool, Search::default()).await.is_empty());
}

/// A spool of the first schema with these delivered mails, as the next process opens it.
async fn old_spool(ground: &Ground, texts: &[&str]) -> Arc<dyn Spool> {
    let spool = ground.open().await;
    for text in texts {
        routed(&spool, text, &["desk"]).await;
        deliver_all(&spool, &ground.clock, "desk").await;
    }
    take(&spool, "waiting", "waiting").await;
    drop(spool);
    drop(ground.make_old());
    let readers = Readers::open(&ground.path()).unwrap();
    let found = pophook::spool::Reading::search(&readers, Search::default(), MANY).await.unwrap();
    assert_eq!(found.messages.len(), texts.len() + 1, "a reader sees them before the migration");
    drop(readers);
    ground.open().await
}

#[tokio::test]
async fn mail_that_was_sorted_before_there_were_glances_is_read_later_and_goes_where_it_went() {
    let ground = Ground::new();
    let spool = old_spool(&ground, &["1", "2"]).await;
    assert_eq!(subjects(&spool, Search::default()).await, ["-", "-", "-"]);
    let first = spool.claim_unsorted(9).await.unwrap();
    assert_eq!((first.len(), first[0].purpose), (1, Purpose::ToSort), "what waits to be sorted comes first");
    assert_eq!(spool.claim_unsorted(9).await.unwrap().len(), 0);
    spool.abandon(vec![first[0].message.key]).await.unwrap();
    sort_all(&spool, &["desk"]).await;
    assert_eq!(subjects(&spool, Search::default()).await, ["waiting", "2", "1"]);
    let delivered = Search { states: vec![State::Delivered], ..Search::default() };
    assert_eq!(subjects(&spool, delivered).await, ["2", "1"], "nothing of them is sent again");
    assert!(spool.claim_unsorted(9).await.unwrap().is_empty());
    routed(&spool, "3", &["desk"]).await;
    assert!(spool.claim_unsorted(9).await.unwrap().is_empty(), "nobody looks for unread mail any more");
}

#[tokio::test]
async fn an_old_mail_that_kills_whoever_reads_it_is_left_alone_after_three_times() {
    let mut ground = Ground::new();
    let spool = old_spool(&ground, &["1", "bad"]).await;
    sort_all_but_unread(&spool).await;
    drop(spool);
    for life in 1..=PARSES_MAX {
        let spool = ground.open().await;
        let batch = spool.claim_unsorted(9).await.unwrap();
        let expected = if life == 1 { 2 } else { 1 };
        assert_eq!(batch.len(), expected, "life {life}: who died with others is read alone");
        assert_eq!(batch[0].message.id.as_str(), id_of("bad"));
        ground = ground.after_a_crash();
    }
    let spool = ground.open().await;
    sort_all(&spool, &["desk"]).await;
    assert_eq!(subjects(&spool, Search::default()).await, ["waiting", "-", "1"]);
    let states: Vec<_> =
        spool.search(Search::default(), MANY).await.unwrap().messages.iter().map(|seen| seen.state.as_str()).collect();
    assert_eq!(states, ["routed", "delivered", "delivered"]);
}

/// Sorts the mail that waits, and none that is only to be shown.
async fn sort_all_but_unread(spool: &Arc<dyn Spool>) {
    let batch = spool.claim_unsorted(9).await.unwrap();
    assert!(batch.iter().all(|one| one.purpose == Purpose::ToSort));
    let sorted = batch.iter().map(|one| pophook::spool::Sorted {
        message: one.message.key,
        verdict: Verdict::Routed(vec![crate::ground::endpoint("desk")]),
        glance: Some(pophook::spool::Glance { subject: Some("waiting".to_owned()), ..Default::default() }),
    });
    spool.sort(sorted.collect()).await.unwrap();
}
