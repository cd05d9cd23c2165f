//! Our own copies: when they go, and what happens when there is little room.

use std::sync::Arc;

use pophook::spool::Config;
use pophook::spool::End;
use pophook::spool::Reason;
use pophook::spool::Room;
use pophook::spool::Spool;
use pophook::spool::SpoolError;

use crate::ground::DAY;
use crate::ground::Ground;
use crate::ground::HOUR;
use crate::ground::change;
use crate::ground::claim;
use crate::ground::deliver_all;
use crate::ground::drop_rows;
use crate::ground::dropped;
use crate::ground::incoming;
use crate::ground::key_of;
use crate::ground::mailbox;
use crate::ground::of_endpoint;
use crate::ground::of_id;
use crate::ground::only;
use crate::ground::record;
use crate::ground::retry;
use crate::ground::routed;
use crate::ground::rows;
use crate::ground::sort_all;

#[tokio::test]
async fn a_copy_goes_when_it_was_delivered_long_enough_ago() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = routed(&spool, "hello", &["desk"]).await;
    ground.clock.advance(DAY);
    deliver_all(&spool, &ground.clock, "desk").await;
    let settled = ground.clock.now();
    let before = settled.checked_sub(std::time::Duration::from_millis(1)).unwrap();
    assert_eq!(spool.release(before, Some(settled)).await.unwrap(), 0);
    assert!(spool.raw(key).await.unwrap().is_some());
    assert_eq!(spool.release(settled, None).await.unwrap(), 1);
    assert_eq!(spool.raw(key).await.unwrap(), None);
    assert_eq!(rows(&spool).await, []);
    assert_eq!(spool.release(settled, None).await.unwrap(), 0, "once");
}

/// Brings a message into `state`, releases all that may go after a thousand days, and tells whether its copy stayed.
async fn stays(state: &str, keep_dead: bool) -> bool {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = match state {
        "spooled" => {
            crate::ground::take(&spool, "m", "m").await;
            key_of(&spool, "m").await
        }
        "unrouted" | "dropped" => routed(&spool, "m", &[]).await,
        "dropped by a rule" => dropped(&spool, "m", false).await,
        _ => routed(&spool, "m", &["desk", "erp"]).await,
    };
    match state {
        "dead" => {
            deliver_all(&spool, &ground.clock, "erp").await;
            let claim = only(claim(&spool, "desk").await);
            record(&spool, &ground.clock, &claim, End::Dead(Reason::Refused)).await;
        }
        "delivered" => {
            deliver_all(&spool, &ground.clock, "erp").await;
            deliver_all(&spool, &ground.clock, "desk").await;
        }
        "half delivered" => deliver_all(&spool, &ground.clock, "erp").await,
        "retried" => {
            deliver_all(&spool, &ground.clock, "erp").await;
            deliver_all(&spool, &ground.clock, "desk").await;
            let again = pophook::spool::Filter { state: Some("delivered".to_owned()), ..of_endpoint("desk") };
            assert_eq!(change(&spool, retry(again)).await, 1);
        }
        "dropped" => assert_eq!(change(&spool, drop_rows(of_id("m"))).await, 1),
        _ => {}
    }
    ground.clock.advance(1000 * DAY);
    let now = ground.clock.now();
    spool.release(now, keep_dead.then_some(now)).await.unwrap();
    spool.raw(key).await.unwrap().is_some()
}

#[tokio::test]
async fn nothing_but_the_delivered_goes_by_itself() {
    for (state, forever, with_keep_dead) in [
        ("spooled", true, true),
        ("pending", true, true),
        ("half delivered", true, true),
        ("retried", true, true),
        ("unrouted", true, true),
        ("dropped", true, true),
        ("dead", true, false),
        ("delivered", false, false),
        ("dropped by a rule", false, false),
    ] {
        assert_eq!(stays(state, false).await, forever, "{state}, keep_dead: forever");
        assert_eq!(stays(state, true).await, with_keep_dead, "{state}, with keep_dead");
    }
}

/// A spool of 10 MiB.
fn small() -> Ground {
    let mut ground = Ground::new();
    ground.config = Config { max_size: 10 << 20, ..ground.config };
    ground
}

/// `mailbox` takes `megabytes` more, in mails of half a megabyte that begin with `name`.
async fn fill(spool: &Arc<dyn Spool>, owner: &str, name: &str, megabytes: usize) {
    for number in 0..2 * megabytes {
        let text = format!("{name} {number} {}", "x".repeat(250_000));
        spool.accept(&mailbox(owner), vec![incoming(owner, &format!("{name}{number}"), &text)]).await.unwrap();
    }
}

/// What was asked for.
const FREE: Room = Room::Free { bytes: 100 };

async fn room(spool: &Arc<dyn Spool>, owner: &str) -> Room {
    spool.room(&mailbox(owner), 100).await.unwrap()
}

#[tokio::test]
async fn large_mailboxes_wait_first_and_then_all() {
    let ground = small();
    let spool = ground.open().await;
    fill(&spool, "a", "a", 7).await;
    assert_eq!((room(&spool, "a").await, room(&spool, "b").await), (FREE, FREE));
    fill(&spool, "b", "b", 2).await;
    assert!(spool.stats().await.unwrap().bytes > 8 << 20);
    assert_eq!((room(&spool, "a").await, room(&spool, "b").await), (Room::ShareFull, FREE));
    fill(&spool, "b", "b more", 2).await;
    assert_eq!((room(&spool, "a").await, room(&spool, "b").await), (Room::Full, Room::Full));
}

#[tokio::test]
async fn delivered_copies_make_room_before_their_time_oldest_first() {
    let ground = small();
    let spool = ground.open().await;
    fill(&spool, "a", "old", 2).await;
    sort_all(&spool, &["desk"]).await;
    deliver_all(&spool, &ground.clock, "desk").await;
    ground.clock.advance(DAY);
    fill(&spool, "a", "new", 3).await;
    sort_all(&spool, &["desk"]).await;
    deliver_all(&spool, &ground.clock, "desk").await;
    ground.clock.advance(DAY);
    fill(&spool, "b", "pending", 4).await;
    assert!(spool.stats().await.unwrap().bytes > 8 << 20);
    assert_eq!(room(&spool, "b").await, FREE);
    let bytes = spool.stats().await.unwrap().bytes;
    assert!((5 << 20..=6 << 20).contains(&bytes), "down to the low-water mark and no further: {bytes}");
    let names: Vec<String> = rows(&spool).await.into_iter().map(|row| row.unique_id.unwrap()).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("pending")).count(), 8, "all that is owed is there");
    assert!(names.iter().filter(|name| name.starts_with("new")).count() > 2);
    assert_eq!(names.iter().filter(|name| name.starts_with("old")).count(), 0);
    assert!(ground.metrics.spool.released.get() > 0);
}

#[tokio::test]
async fn what_one_mailbox_is_promised_another_does_not_get() {
    let ground = small();
    let spool = ground.open().await;
    fill(&spool, "a", "a", 3).await;
    let all = async |owner: &str| match spool.room(&mailbox(owner), u64::MAX).await.unwrap() {
        Room::Free { bytes } => bytes,
        full => panic!("{full:?}"),
    };
    let free = all("a").await;
    assert!((5 << 20..7 << 20).contains(&free), "{free}");
    assert_eq!(room(&spool, "b").await, Room::Full, "all of it is on its way to the other");
    assert_eq!(room(&spool, "a").await, FREE, "asked anew, it is promised what it asks for now");
    assert!(all("b").await >= free - 100);
    // What was promised and never came is free again after a while.
    assert_eq!(room(&spool, "c").await, Room::Full);
    ground.clock.advance(HOUR);
    assert_eq!(room(&spool, "c").await, FREE);
}

#[tokio::test]
async fn a_full_spool_takes_nothing_until_it_is_below_the_high_water_mark_again() {
    let ground = small();
    let spool = ground.open().await;
    fill(&spool, "a", "a", 11).await;
    assert_eq!((room(&spool, "b").await, ground.metrics.spool.full.get()), (Room::Full, 1));
    sort_all(&spool, &["desk"]).await;
    let mut claims = claim(&spool, "desk").await.into_iter();
    for claim in claims.by_ref().take(2) {
        record(&spool, &ground.clock, &claim, End::Delivered).await;
    }
    assert_eq!(room(&spool, "b").await, Room::Full, "one megabyte less is not enough");
    for claim in claims.by_ref().take(6) {
        record(&spool, &ground.clock, &claim, End::Delivered).await;
    }
    // The tidying of each minute sees it, too: readiness does not wait for a visit.
    spool.prune().await.unwrap();
    assert_eq!((room(&spool, "b").await, ground.metrics.spool.full.get()), (FREE, 0));
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_takes_no_more_mail() {
    let mut ground = Ground::new();
    ground.config.min_free = u64::MAX;
    let spool = ground.open().await;
    assert_eq!((room(&spool, "a").await, ground.metrics.spool.full.get()), (Room::DiskFull, 1));
    assert!(ground.metrics.spool.disk_free.get() > 0);
}

#[tokio::test]
async fn releasing_gives_live_bytes_back() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let empty = spool.stats().await.unwrap().bytes;
    fill(&spool, "a", "a", 4).await;
    sort_all(&spool, &["desk"]).await;
    deliver_all(&spool, &ground.clock, "desk").await;
    assert!(spool.stats().await.unwrap().bytes > empty + (3 << 20));
    assert_eq!(spool.release(ground.clock.now(), None).await.unwrap(), 8);
    let bytes = spool.stats().await.unwrap().bytes;
    assert!(bytes < empty + (1 << 20), "{empty} {bytes}");
}

/// Of three copies that were delivered one is damaged; `release` lets all go, in a spool of `max_size` bytes.
async fn check_release(max_size: u64, release: impl AsyncFn(&Arc<dyn Spool>, &Ground)) {
    let mut ground = Ground::new();
    let spool = ground.open().await;
    let text = |name: &str| format!("{name} {} the middle of {name} {}", "x".repeat(50_000), "x".repeat(50_000));
    for name in ["one", "two", "three"] {
        routed(&spool, &text(name), &["desk"]).await;
    }
    deliver_all(&spool, &ground.clock, "desk").await;
    spool.close().await.unwrap();
    drop(spool);
    let mut file = std::fs::read(ground.path()).unwrap();
    let size = usize::from(u16::from_be_bytes([file[16], file[17]]));
    let mark = b"the middle of two";
    let page = file.windows(mark.len()).position(|window| window == mark).unwrap() / size * size;
    file[page..page + size].fill(0);
    std::fs::write(ground.path(), file).unwrap();
    ground.config.max_size = max_size;
    let spool = ground.open().await;
    let damaged = key_of(&spool, &text("two")).await;
    assert!(matches!(spool.raw(damaged).await, Err(SpoolError::Damaged(message)) if message == damaged));
    let refused = spool.change(drop_rows(of_id(&text("two")))).await;
    assert!(!matches!(refused, Err(SpoolError::Broken(_))), "{refused:?}");
    release(&spool, &ground).await;
    for name in ["one", "two", "three"] {
        let key = key_of(&spool, &text(name)).await;
        assert!(spool.released_at(key).await.unwrap().is_some(), "{name}");
    }
    spool.accept(&mailbox("a"), vec![incoming("a", "4", "and it goes on")]).await.unwrap();
}

#[tokio::test]
async fn a_copy_that_is_damaged_after_it_was_delivered_keeps_no_other_from_going() {
    check_release(10 << 30, async |spool, ground| {
        spool.release(ground.clock.now(), None).await.unwrap();
    })
    .await;
    check_release(100 << 10, async |spool, _| {
        spool.room(&mailbox("a"), 100).await.unwrap();
    })
    .await;
}
