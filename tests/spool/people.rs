//! The changing commands, what they refuse, and the socket by which they reach a running daemon.

use std::sync::Arc;

use pophook::spool::Command;
use pophook::spool::End;
use pophook::spool::Filter;
use pophook::spool::Form;
use pophook::spool::Known;
use pophook::spool::Observation;
use pophook::spool::Reason;
use pophook::spool::Spool;
use pophook::spool::SpoolError;
use pophook::spool::socket;

use crate::ground::Ground;
use crate::ground::carries_out;
use crate::ground::change;
use crate::ground::claim;
use crate::ground::deliver_all;
use crate::ground::drop_rows;
use crate::ground::id_of;
use crate::ground::mailbox;
use crate::ground::of_endpoint;
use crate::ground::of_id;
use crate::ground::only;
use crate::ground::record;
use crate::ground::refusal;
use crate::ground::retry;
use crate::ground::routed;
use crate::ground::rows;
use crate::ground::sort_all;
use crate::ground::states;
use crate::ground::take;
use crate::ground::unique_id;

async fn kill(spool: &Arc<dyn Spool>, ground: &Ground, name: &str) {
    for claim in claim(spool, name).await {
        record(spool, &ground.clock, &claim, End::Dead(Reason::Refused)).await;
    }
}

fn to(filter: Filter, endpoint: &str, raw: bool) -> Command {
    Command::Retry { filter, to: Some(endpoint.to_owned()), raw }
}

#[tokio::test]
async fn a_dead_letter_is_tried_again_under_the_same_id() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "one", &["desk"]).await;
    routed(&spool, "two", &["desk"]).await;
    assert_eq!(change(&spool, retry(Filter::default())).await, 0, "waiting ones are left alone");
    kill(&spool, &ground, "desk").await;
    assert_eq!(change(&spool, retry(of_id("one"))).await, 1);
    assert_eq!(change(&spool, retry(of_id("one"))).await, 0, "twice is once");
    assert_eq!(states(&spool).await, ["desk dead", "desk pending"]);
    assert_eq!(only(claim(&spool, "desk").await).message.id.as_str(), id_of("one"));
    let refused = Filter { reason: Some("refused".to_owned()), ..Filter::default() };
    assert_eq!(change(&spool, retry(refused)).await, 1);
    assert_eq!(change(&spool, retry(Filter { ids: vec!["msg_unknown".to_owned()], ..Filter::default() })).await, 0);
}

#[tokio::test]
async fn a_delivery_moves_to_another_endpoint_with_its_attempts() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = routed(&spool, "hello", &["desk"]).await;
    kill(&spool, &ground, "desk").await;
    assert_eq!(change(&spool, to(of_endpoint("desk"), "erp", false)).await, 1);
    assert_eq!(states(&spool).await, ["erp pending"]);
    let claimed = only(claim(&spool, "erp").await);
    assert_eq!((claimed.attempt, claimed.generation, claimed.failures), (2, 2, 0));
    record(&spool, &ground.clock, &claimed, End::Delivered).await;
    let attempts = spool.attempts(key).await.unwrap();
    assert_eq!(attempts.iter().map(|one| one.attempt).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_delivery_that_moves_where_there_is_one_joins_it() {
    let check = async |there: &str, expected: &str| {
        let ground = Ground::new();
        let spool = ground.open().await;
        routed(&spool, "hello", &["desk", "erp"]).await;
        match there {
            "delivered" => deliver_all(&spool, &ground.clock, "erp").await,
            "dead" => kill(&spool, &ground, "erp").await,
            _ => {}
        }
        kill(&spool, &ground, "desk").await;
        let done = spool.change(to(of_endpoint("desk"), "erp", false)).await.unwrap();
        assert_eq!(done.changed, 1, "{there}");
        assert_eq!(done.joined, u64::from(there == "delivered"), "{there}");
        assert_eq!(states(&spool).await, [expected], "{there}");
        let orphans = "SELECT count(*) FROM attempt WHERE delivery NOT IN (SELECT key FROM delivery)";
        let file = rusqlite::Connection::open(ground.path()).unwrap();
        assert_eq!(file.query_row(orphans, [], |row| row.get::<_, u64>(0)).unwrap(), 0, "{there}");
    };
    check("pending", "erp pending").await;
    check("delivered", "erp delivered").await;
    check("dead", "erp pending").await;
}

#[tokio::test]
async fn what_is_sent_raw_takes_no_delivery_from_another_endpoint() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    for filter in [of_id("hello"), Filter::default()] {
        assert_eq!(change(&spool, to(filter, "erp", true)).await, 0);
    }
    assert_eq!(states(&spool).await, ["desk pending"]);
}

#[tokio::test]
async fn an_unrouted_message_is_sent_raw_where_somebody_asks_for_it() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &[]).await;
    assert_eq!(change(&spool, to(of_id("hello"), "desk", true)).await, 1);
    let claimed = only(claim(&spool, "desk").await);
    assert_eq!((claimed.form, claimed.attempt), (Form::Unparsed, 1));
    assert_eq!(sort_all(&spool, &["erp"]).await, 0, "it is not parsed");
    record(&spool, &ground.clock, &claimed, End::Delivered).await;
    assert_eq!(states(&spool).await, ["desk delivered"]);
}

#[tokio::test]
async fn what_is_dropped_is_settled_and_kept_until_it_is_erased() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = routed(&spool, "hello", &["desk", "erp"]).await;
    assert_eq!(change(&spool, drop_rows(of_endpoint("desk"))).await, 1);
    assert_eq!(states(&spool).await, ["erp pending", "desk dead"]);
    let row = spool.list(of_endpoint("desk")).await.unwrap().remove(0);
    assert_eq!(row.reason.as_deref(), Some("dropped"));
    let erase = |filter| Command::Drop { filter, erase: true };
    assert_eq!(change(&spool, erase(of_endpoint("desk"))).await, 1);
    assert!(spool.raw(key).await.unwrap().is_some(), "another endpoint needs it");
    deliver_all(&spool, &ground.clock, "erp").await;
    assert_eq!(change(&spool, erase(of_endpoint("desk"))).await, 1);
    assert_eq!(spool.raw(key).await.unwrap(), None);
    assert_eq!(rows(&spool).await, []);
    assert_eq!(take(&spool, "again", "hello").await.known, Known::OtherUniqueId, "it is known for ever");
}

#[tokio::test]
async fn a_copy_that_another_endpoint_waits_for_is_not_erased_and_that_is_told() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = routed(&spool, "one", &["desk", "erp"]).await;
    for (endpoint, erased) in [("desk", 0), ("erp", 1)] {
        let done = spool.change(Command::Drop { filter: of_endpoint(endpoint), erase: true }).await.unwrap();
        assert_eq!((done.changed, done.erased), (1, erased), "{endpoint}");
    }
    assert_eq!(spool.raw(key).await.unwrap(), None);
}

#[tokio::test]
async fn an_erased_unrouted_message_is_gone() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = routed(&spool, "hello", &[]).await;
    assert_eq!(change(&spool, Command::Drop { filter: of_id("hello"), erase: true }).await, 1);
    assert_eq!(spool.raw(key).await.unwrap(), None);
    assert_eq!(sort_all(&spool, &["desk"]).await, 0);
}

#[tokio::test]
async fn a_delivered_message_is_erased_where_it_is_asked_for() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let erase = |filter| Command::Drop { filter, erase: true };
    let state = |state: &str| Filter { state: Some(state.to_owned()), ..Filter::default() };
    let key = routed(&spool, "one", &["desk", "erp"]).await;
    deliver_all(&spool, &ground.clock, "desk").await;
    deliver_all(&spool, &ground.clock, "erp").await;
    assert_eq!(change(&spool, drop_rows(of_id("one"))).await, 0, "nothing is left to drop");
    assert_eq!(change(&spool, erase(of_endpoint("desk"))).await, 0, "not by the way");
    assert_eq!(spool.released_at(key).await.unwrap(), None);
    assert_eq!(change(&spool, erase(of_id("one"))).await, 1);
    assert_eq!((spool.raw(key).await.unwrap(), rows(&spool).await), (None, vec![]));
    assert_eq!(spool.released_at(key).await.unwrap(), Some(ground.clock.now()));
    assert_eq!(spool.attempts(key).await.unwrap().len(), 2, "what was done with it is still known");
    assert_eq!(take(&spool, "again", "one").await.known, Known::OtherUniqueId);
    assert_eq!(change(&spool, erase(of_id("one"))).await, 0, "twice is once");

    let waiting = routed(&spool, "two", &["desk", "erp"]).await;
    deliver_all(&spool, &ground.clock, "erp").await;
    assert_eq!(change(&spool, erase(state("delivered"))).await, 0);
    assert!(spool.raw(waiting).await.unwrap().is_some(), "desk waits for it");
    assert_eq!(change(&spool, erase(of_id("two"))).await, 1);
    assert_eq!(spool.raw(waiting).await.unwrap(), None);
}

#[tokio::test]
async fn what_was_dropped_is_found_by_that_word_and_can_be_erased_or_tried_again() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let dropped = || Filter { state: Some("dropped".to_owned()), ..Filter::default() };
    routed(&spool, "lost", &[]).await;
    routed(&spool, "late", &["desk"]).await;
    assert_eq!(change(&spool, drop_rows(of_id("lost"))).await, 1);
    assert_eq!(change(&spool, drop_rows(of_id("late"))).await, 1);
    let found = spool.list(dropped()).await.unwrap();
    assert_eq!(found.iter().map(|row| row.state).collect::<Vec<_>>(), ["dropped", "dead"]);
    assert_eq!(change(&spool, retry(dropped())).await, 2);
    assert_eq!(states(&spool).await, ["desk pending", "spooled"]);
    sort_all(&spool, &[]).await;
    change(&spool, drop_rows(of_id("lost"))).await;
    assert_eq!(change(&spool, Command::Drop { filter: of_id("lost"), erase: true }).await, 1);
    assert_eq!(states(&spool).await, ["desk pending"]);
}

#[tokio::test]
async fn skipped_messages_are_taken_after_all() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let skipped = ["one", "two", "50% off"].map(|id| (unique_id(id), None)).to_vec();
    spool.observe(&mailbox("a"), Observation { skipped, ..Observation::default() }).await.unwrap();
    take(&spool, "taken", "taken").await;
    let command = |ids: &[&str]| Command::Take {
        mailbox: "a".to_owned(),
        unique_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
    };
    let left = async || spool.ledger(&mailbox("a")).await.unwrap().rows.len();
    // All or nothing.
    for (ids, why) in [
        (&["one", "three"][..], "has skipped no message three"),
        (&["one", "taken"], "has skipped no message taken"),
        (&["one", "%"], "is no unique-id"),
    ] {
        assert!(refusal(&spool, command(ids)).await.contains(why), "{ids:?}");
        assert_eq!(left().await, 4, "{ids:?}");
    }
    assert_eq!(change(&spool, command(&["50%25%20off"])).await, 1);
    assert_eq!(left().await, 3);
    assert_eq!(change(&spool, command(&[])).await, 2);
    assert_eq!(left().await, 1);
    let nowhere = Command::Take { mailbox: "nowhere".to_owned(), unique_ids: vec![] };
    assert!(refusal(&spool, nowhere).await.contains("knows no mailbox"));
}

#[tokio::test]
async fn the_list_shows_first_what_waits_for_a_human() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "delivered", &["erp"]).await;
    deliver_all(&spool, &ground.clock, "erp").await;
    take(&spool, "spooled", "spooled").await;
    sort_all(&spool, &["erp"]).await;
    routed(&spool, "dead", &["desk"]).await;
    kill(&spool, &ground, "desk").await;
    routed(&spool, "unrouted", &[]).await;
    take(&spool, "new", "new").await;
    let skipped = vec![(unique_id("old"), None)];
    spool.observe(&mailbox("a"), Observation { skipped, ..Observation::default() }).await.unwrap();
    let listed = states(&spool).await;
    assert_eq!(listed, ["desk dead", "unrouted", "erp pending", "spooled", "erp delivered", "skipped"]);
    let of_state = |state: &str| Filter { state: Some(state.to_owned()), ..Filter::default() };
    assert_eq!(spool.list(of_state("dead")).await.unwrap()[0].id, Some(id_of("dead")));
    let of_mailbox = Filter { mailbox: Some("b".to_owned()), ..Filter::default() };
    assert_eq!(spool.list(of_mailbox).await.unwrap(), []);
}

#[tokio::test]
async fn commands_reach_a_running_daemon_through_its_socket() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let ask = async |command: Command| socket::ask(&ground.path(), &command).await;
    routed(&spool, "hello", &["desk"]).await;
    kill(&spool, &ground, "desk").await;
    assert!(ask(retry(of_id("hello"))).await.unwrap().is_none(), "no daemon");
    let listener = socket::Listener::bind(&ground.path()).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(socket::path(&ground.path())).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let daemon = tokio::spawn({
        let spool = Arc::clone(&spool);
        async move { listener.serve(carries_out(spool)).await }
    });
    assert_eq!(ask(retry(of_id("hello"))).await.unwrap().unwrap().changed, 1);
    assert_eq!(states(&spool).await, ["desk pending"]);
    let refused = ask(Command::Resume { endpoint: "nobody".to_owned() }).await.unwrap_err();
    assert!(matches!(&refused, SpoolError::Impossible(why) if why.contains("no endpoint")), "{refused:?}");
    daemon.abort();
    assert!(daemon.await.unwrap_err().is_cancelled());
    assert!(!socket::path(&ground.path()).exists(), "it stands only while the daemon runs");
    assert!(ask(retry(of_id("hello"))).await.unwrap().is_none());
}

#[tokio::test]
async fn a_socket_that_a_dead_daemon_left_behind_is_no_daemon() {
    let ground = Ground::new();
    let spool = ground.open().await;
    drop(std::os::unix::net::UnixListener::bind(socket::path(&ground.path())).unwrap());
    assert!(socket::path(&ground.path()).exists());
    assert!(socket::ask(&ground.path(), &retry(Filter::default())).await.unwrap().is_none());
    let listener = socket::Listener::bind(&ground.path()).unwrap();
    let daemon = tokio::spawn(async move { listener.serve(carries_out(spool)).await });
    assert!(socket::ask(&ground.path(), &retry(Filter::default())).await.unwrap().is_some());
    daemon.abort();
}

#[tokio::test]
async fn what_an_operator_dropped_comes_back_only_if_it_is_named() {
    let ground = Ground::new();
    let spool = ground.open().await;
    routed(&spool, "hello", &["desk"]).await;
    assert_eq!(change(&spool, drop_rows(of_endpoint("desk"))).await, 1);
    assert!(spool.stats().await.unwrap().dead.is_empty(), "it is no dead letter any more");
    assert_eq!(change(&spool, retry(Filter::default())).await, 0);
    assert_eq!(change(&spool, retry(of_endpoint("desk"))).await, 0);
    let dropped = Filter { reason: Some("dropped".to_owned()), ..Filter::default() };
    assert_eq!(change(&spool, retry(dropped)).await, 1);
    assert_eq!(change(&spool, drop_rows(of_id("hello"))).await, 1);
    assert_eq!(change(&spool, retry(of_id("hello"))).await, 1);
}

#[tokio::test]
async fn erasing_for_one_endpoint_keeps_the_dead_letter_of_another() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let key = routed(&spool, "hello", &["desk", "erp"]).await;
    for name in ["desk", "erp"] {
        let claimed = only(claim(&spool, name).await);
        record(&spool, &ground.clock, &claimed, End::Dead(Reason::Refused)).await;
    }
    let erase = |name| Command::Drop { filter: of_endpoint(name), erase: true };
    assert_eq!(change(&spool, erase("desk")).await, 1);
    assert!(spool.raw(key).await.unwrap().is_some(), "a human has yet to settle the other one");
    assert_eq!(change(&spool, retry(of_endpoint("erp"))).await, 1);
    assert_eq!(change(&spool, erase("erp")).await, 1);
    assert_eq!(spool.raw(key).await.unwrap(), None);
}
