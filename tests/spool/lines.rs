//! The lines of `spool list`: page by page, and bound to what somebody was shown of them.

use std::sync::Arc;

use pophook::spool::Command;
use pophook::spool::End;
use pophook::spool::Filter;
use pophook::spool::LineKey;
use pophook::spool::Observation;
use pophook::spool::Preview;
use pophook::spool::Reason;
use pophook::spool::Row;
use pophook::spool::Shown;
use pophook::spool::Spool;
use pophook::spool::SpoolError;

use crate::ground::Ground;
use crate::ground::change;
use crate::ground::claim;
use crate::ground::deliver_all;
use crate::ground::drop_rows;
use crate::ground::mailbox;
use crate::ground::of_endpoint;
use crate::ground::of_id;
use crate::ground::record;
use crate::ground::retry;
use crate::ground::routed;
use crate::ground::rows;
use crate::ground::states;
use crate::ground::take;
use crate::ground::unique_id;

async fn kill(spool: &Arc<dyn Spool>, ground: &Ground, name: &str) {
    for claim in claim(spool, name).await {
        record(spool, &ground.clock, &claim, End::Dead(Reason::Refused)).await;
    }
}

/// A spool with a line in every place of the order, and several in some.
async fn filled(ground: &Ground) -> Arc<dyn Spool> {
    let spool = ground.open().await;
    for text in ["dropped", "dead", "also dead"] {
        routed(&spool, text, &["desk", "erp"]).await;
    }
    kill(&spool, ground, "desk").await;
    change(&spool, drop_rows(of_id("dropped"))).await;
    deliver_all(&spool, &ground.clock, "erp").await;
    routed(&spool, "unrouted", &[]).await;
    routed(&spool, "waits", &["erp", "desk"]).await;
    take(&spool, "new", "new").await;
    let skipped = ["old", "older", "oldest"].map(|id| (unique_id(id), None)).to_vec();
    spool.observe(&mailbox("a"), Observation { skipped, ..Observation::default() }).await.unwrap();
    spool
}

/// One page after another, with something done between the first two.
async fn paged(spool: &Arc<dyn Spool>, filter: Filter, limit: usize, between: impl AsyncFnOnce()) -> Vec<Row> {
    let (mut all, mut after, mut between) = (Vec::new(), None, Some(between));
    loop {
        let page = spool.lines(filter.clone(), after, limit).await.unwrap();
        assert!(page.rows.len() <= limit);
        all.extend(page.rows);
        if let Some(between) = between.take() {
            between().await;
        }
        let Some(next) = page.next else { return all };
        assert_eq!(all.len() % limit, 0, "only the last page is not full");
        // A key survives its way through somebody else's hands.
        after = LineKey::parse(&next.to_string());
        assert!(after.is_some());
    }
}

#[tokio::test]
async fn pages_of_any_length_make_up_the_list() {
    let ground = Ground::new();
    let spool = filled(&ground).await;
    let all = rows(&spool).await;
    assert!(all.len() >= 13, "{all:?}");
    for limit in 1..=all.len() + 1 {
        assert_eq!(paged(&spool, Filter::default(), limit, async || {}).await, all, "{limit} on a page");
    }
    let whole = spool.lines(Filter::default(), None, all.len()).await.unwrap();
    assert_eq!((whole.rows.len(), whole.next), (all.len(), None), "a page that holds all has none after it");
    let desk = spool.list(of_endpoint("desk")).await.unwrap();
    assert_eq!(paged(&spool, of_endpoint("desk"), 2, async || {}).await, desk);
}

#[tokio::test]
async fn what_comes_and_goes_between_two_pages_moves_no_other_line() {
    let ground = Ground::new();
    let spool = filled(&ground).await;
    let before = rows(&spool).await;
    let first = before[0].clone();
    let found = paged(&spool, Filter::default(), 3, async || {
        // Shown already, and dropped: it goes to the end. What comes stands among what is not shown yet.
        let ids = first.id.clone().into_iter().collect();
        change(&spool, drop_rows(Filter { ids, ..of_endpoint("desk") })).await;
        take(&spool, "late", "late").await;
    })
    .await;
    let id = |row: &Row| (row.id.clone(), row.unique_id.clone(), row.endpoint.clone());
    assert_eq!(found.len(), before.len() + 2);
    for line in &before {
        let times = found.iter().filter(|other| id(other) == id(line)).count();
        let expected = if id(line) == id(&first) { 2 } else { 1 };
        assert_eq!(times, expected, "{line:?}");
    }
}

fn as_shown(shown: Shown, command: Command) -> Command {
    Command::AsShown { shown, command: Box::new(command) }
}

/// What `command` would do, as it is shown.
async fn shown(spool: &Arc<dyn Spool>, command: &Command) -> Preview {
    let (Command::Drop { filter, .. } | Command::Retry { filter, .. }) = command else { panic!("{command:?}") };
    Preview::of(spool.list(filter.clone()).await.unwrap().iter().filter(|row| command.touches(row)))
}

#[tokio::test]
async fn what_somebody_agreed_to_is_done_and_nothing_else() {
    let ground = Ground::new();
    let spool = ground.open().await;
    for text in ["one", "two"] {
        routed(&spool, text, &["desk"]).await;
    }
    kill(&spool, &ground, "desk").await;
    let human = || Filter { waits_for_human: true, ..Filter::default() };
    let before = shown(&spool, &drop_rows(human())).await;
    assert_eq!(before.would_change, 2);
    let whole = Shown { changed: Some(2), set: Some(before.set) };
    // One went, and another came: as many, and not the same.
    change(&spool, retry(of_id("one"))).await;
    deliver_all(&spool, &ground.clock, "desk").await;
    routed(&spool, "three", &["desk"]).await;
    kill(&spool, &ground, "desk").await;
    let untouched = states(&spool).await;
    let refused = spool.change(as_shown(whole.clone(), drop_rows(human()))).await.unwrap_err();
    assert!(matches!(&refused, SpoolError::NotAsShown { now: 2, .. }), "{refused:?}");
    assert!(refused.to_string().contains("2 now"), "{refused}");
    let more = Shown { changed: Some(1), set: None };
    let refused = spool.change(as_shown(more, retry(human()))).await.unwrap_err();
    assert!(refused.to_string().contains("it is 2 now, and was 1"), "{refused}");
    assert_eq!(states(&spool).await, untouched, "nothing was done");

    let now = shown(&spool, &drop_rows(human())).await;
    assert_eq!(change(&spool, as_shown(Shown { changed: Some(2), set: Some(now.set) }, drop_rows(human()))).await, 2);
    assert_eq!(shown(&spool, &drop_rows(human())).await.would_change, 0, "what was dropped waits for nobody");
    let refused = spool.change(as_shown(whole, Command::Pause { mailbox: "a".to_owned() })).await.unwrap_err();
    assert!(matches!(refused, SpoolError::Impossible(_)), "{refused:?}");
}
