//! A disk that is really full: a file system of few megabytes, mounted in a name space of its own.

use std::path::Path;

use pophook::spool::Command;
use pophook::spool::End;
use pophook::spool::SpoolError;
use pophook::spool::Token;

use crate::ground::Ground;
use crate::ground::claim;
use crate::ground::incoming;
use crate::ground::mailbox;
use crate::ground::record;
use crate::ground::routed;
use crate::ground::sort_all;
use crate::ground::states;
use crate::ground::take;
use crate::small_disk::fill;
use crate::small_disk::make_space;
use crate::small_disk::small_disk;

fn ground_at(place: &Path) -> Ground {
    let mut ground = Ground::new();
    ground.config.path = place.join("spool.db");
    ground
}

fn large(number: usize) -> pophook::spool::Incoming {
    incoming("a", &format!("large {number}"), &format!("large {number} {}", "x".repeat(500_000)))
}

#[tokio::test]
async fn s1_a_full_disk_takes_nothing_and_loses_nothing_and_goes_on_when_there_is_space() {
    let Some(place) =
        small_disk("disk::s1_a_full_disk_takes_nothing_and_loses_nothing_and_goes_on_when_there_is_space", 96)
    else {
        return;
    };
    let ground = ground_at(&place);
    let spool = ground.open().await;
    for number in 0..40 {
        routed(&spool, &format!("small {number}"), &["desk"]).await;
    }
    let claims = claim(&spool, "desk").await;
    fill(&place);
    // The collecting half takes nothing more, at the latest when the file's own free pages are used up.
    let mut number = 0;
    let error = loop {
        match spool.accept(&mailbox("a"), vec![large(number)]).await {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
        assert!(number < 100, "the disk is never full");
    };
    assert!(matches!(error, SpoolError::NoSpace(_)), "{error:?}");
    assert!(!error.is_fatal());
    assert!(spool.find(large(number).id.as_str()).await.unwrap().is_none(), "nothing of it is there");
    assert_eq!(spool.ledger(&mailbox("a")).await.unwrap().rows.len(), 40 + number, "no row of it either");
    assert_eq!(ground.metrics.spool.writable.get(), 0, "not ready");
    // The delivering half writes its successes down all the same.
    for claim in &claims {
        record(&spool, &ground.clock, claim, End::Delivered).await;
    }
    let delivered = |states: Vec<String>| states.iter().filter(|state| *state == "desk delivered").count();
    assert_eq!(delivered(states(&spool).await), 40);
    // What was freed for them is not for new mail.
    for more in 0..20 {
        let taken = spool.accept(&mailbox("a"), vec![large(1000 + more)]).await;
        assert!(taken.is_err(), "mail {more} was taken from the reserve");
    }
    // There is space again, and nobody has to start anew.
    make_space(&place);
    take(&spool, "after", "after").await;
    assert_eq!(ground.metrics.spool.writable.get(), 1);
    assert_eq!(sort_all(&spool, &["desk"]).await, number + 1);
    assert_eq!(claim(&spool, "desk").await.len(), number + 1);
}

#[tokio::test]
async fn s1_a_refresh_token_is_kept_on_a_full_disk() {
    let Some(place) = small_disk("disk::s1_a_refresh_token_is_kept_on_a_full_disk", 64) else { return };
    let ground = ground_at(&place);
    let spool = ground.open().await;
    let reserve = place.join("spool.db.reserve");
    let token = Token::new("x".repeat(200_000), None);
    for name in ["by the verb", "by a command"] {
        spool.prune().await.unwrap();
        assert!(reserve.exists());
        fill(&place);
        if name == "by the verb" {
            spool.keep_token(&mailbox("a"), token.clone()).await.unwrap();
        } else {
            spool.change(Command::KeepToken { mailbox: "b".to_owned(), token: token.clone() }).await.unwrap();
        }
        assert!(!reserve.exists(), "{name}");
        make_space(&place);
    }
    for name in ["a", "b"] {
        assert_eq!(spool.token(&mailbox(name)).await.unwrap().as_ref(), Some(&token), "{name}");
    }
}

#[tokio::test]
async fn s1_routes_that_find_no_space_are_written_down_later_and_count_as_no_fault_of_the_mail() {
    let name = "disk::s1_routes_that_find_no_space_are_written_down_later_and_count_as_no_fault_of_the_mail";
    let Some(place) = small_disk(name, 64) else { return };
    let ground = ground_at(&place);
    let spool = ground.open().await;
    take(&spool, "hello", "hello").await;
    let batch = spool.claim_unsorted(9).await.unwrap();
    fill(&place);
    let verdict = || pophook::spool::Verdict::Routed(vec![crate::ground::endpoint("desk")]);
    let sorted = || vec![pophook::spool::Sorted { message: batch[0].message.key, verdict: verdict(), glance: None }];
    for _ in 0..5 {
        let error = spool.sort(sorted()).await.unwrap_err();
        assert!(matches!(error, SpoolError::NoSpace(_)), "{error:?}");
    }
    make_space(&place);
    assert!(spool.claim_unsorted(9).await.unwrap().is_empty(), "it is still claimed");
    spool.sort(sorted()).await.unwrap();
    assert_eq!(states(&spool).await, ["desk pending"]);
}
