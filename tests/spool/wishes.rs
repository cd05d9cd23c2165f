//! What operators want of visits, and messages page by page.

use pophook::spool::Command;
use pophook::spool::Enrolment;
use pophook::spool::Search;
use pophook::spool::State;

use super::ground::Ground;
use super::ground::enrolment;
use super::ground::mailbox;
use super::ground::routed;

fn pause(name: &str) -> Command {
    Command::Pause { mailbox: name.to_owned() }
}

#[tokio::test]
async fn a_pause_outlives_the_process_and_follows_a_mailbox_to_its_new_name() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let mut wishes = spool.wishes();
    assert_eq!(spool.change(pause("a")).await.unwrap().changed, 1);
    assert!(wishes.has_changed().unwrap(), "whoever visits is told after the commit");
    assert!(wishes.borrow_and_update().paused.contains(&mailbox("a")));
    assert_eq!(spool.change(pause("a")).await.unwrap().changed, 0);
    drop(spool);
    let spool = ground.try_open().unwrap();
    assert!(spool.wishes().borrow().paused.contains(&mailbox("a")), "known before anything is visited");
    let renamed = Enrolment { mailbox: mailbox("new"), former_name: Some(mailbox("a")), ..enrolment("a") };
    spool.enrol(vec![renamed]).await.unwrap();
    let paused: Vec<_> = spool.wishes().borrow().paused.iter().cloned().collect();
    assert_eq!(paused, [mailbox("new")]);
    assert!(spool.mailboxes().await.unwrap().iter().any(|row| row.mailbox == "new" && row.paused_since.is_some()));
    spool.change(Command::Unpause { mailbox: "new".to_owned() }).await.unwrap();
    assert!(spool.wishes().borrow().paused.is_empty());
    assert!(spool.change(pause("nobody")).await.is_err());
}

#[tokio::test]
async fn a_pause_during_a_reload_is_not_undone_by_what_the_reload_saw_before() {
    let ground = Ground::new();
    let spool = ground.open().await;
    // Sent, and committed before the pause; heard of after it.
    let reloading = spool.enrol(vec![enrolment("a")]);
    spool.change(pause("a")).await.unwrap();
    reloading.await.unwrap();
    assert!(spool.wishes().borrow().paused.contains(&mailbox("a")));
    let reloading = spool.enrol(vec![enrolment("a")]);
    spool.change(Command::Unpause { mailbox: "a".to_owned() }).await.unwrap();
    reloading.await.unwrap();
    assert!(spool.wishes().borrow().paused.is_empty());
}

#[tokio::test]
async fn a_pause_is_told_even_if_whoever_asked_for_it_has_gone() {
    let ground = Ground::new();
    let spool = ground.open().await;
    drop(spool.change(pause("a")));
    // The next commit, by which the one before is told.
    spool.enrol(vec![enrolment("a")]).await.unwrap();
    assert!(spool.wishes().borrow().paused.contains(&mailbox("a")));
}

#[tokio::test]
async fn a_visit_is_wished_for_once_each_time_and_not_while_its_mailbox_is_paused() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let visit = || spool.change(Command::Visit { mailbox: "a".to_owned() });
    visit().await.unwrap();
    visit().await.unwrap();
    assert_eq!(spool.wishes().borrow().visits.get(&mailbox("a")), Some(&2));
    spool.change(pause("a")).await.unwrap();
    assert!(visit().await.is_err());
    assert_eq!(spool.wishes().borrow().visits.get(&mailbox("a")), Some(&2));
}

#[tokio::test]
async fn a_page_holds_what_was_asked_for_and_the_next_one_goes_on_where_it_ended() {
    let ground = Ground::new();
    let spool = ground.open().await;
    for subject in ["one", "two", "three"] {
        routed(&spool, subject, &["desk"]).await;
    }
    let found = spool.search(Search::default(), 2).await.unwrap();
    let times: Vec<_> = found.messages.iter().map(|row| row.message.key).collect();
    assert!(times.len() == 2 && times[0] > times[1], "the newest first");
    assert!(found.messages.iter().all(|row| row.state == State::Routed && row.deliveries[0].endpoint == "desk"));
    let next = Search { before: found.next, ..Search::default() };
    let last = spool.search(next, 2).await.unwrap();
    assert_eq!((last.messages.len(), last.next), (1, None));
    assert!(last.messages[0].message.key < times[1]);
    let nothing = Search { states: vec![State::Dead], ..Search::default() };
    assert!(spool.search(nothing, 2).await.unwrap().messages.is_empty());
    let waiting = Search { waits_for_human: true, ..Search::default() };
    assert!(spool.search(waiting, 2).await.unwrap().messages.is_empty());
}
