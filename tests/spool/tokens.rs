//! The refresh tokens: kept, replaced, and there after every kind of end.

use std::sync::Arc;

use pophook::spool::Command;
use pophook::spool::Enrolment;
use pophook::spool::Spool;
use pophook::spool::Token;
use pophook::spool::socket;
use pophook::spool::sqlite::Readers;

use crate::ground::DAY;
use crate::ground::Ground;
use crate::ground::carries_out;
use crate::ground::enrolment;
use crate::ground::mailbox;

async fn check(spool: &Arc<dyn Spool>, name: &str, expected: Option<&Token>) {
    assert_eq!(spool.token(&mailbox(name)).await.unwrap().as_ref(), expected, "{name}");
}

#[tokio::test]
async fn the_token_that_was_kept_last_is_there_after_every_kind_of_end() {
    let ground = Ground::new();
    let spool = ground.open().await;
    check(&spool, "a", None).await;
    let (first, second) = (Token::new("one", None), Token::new("two", Some([7; 32])).given_to(Some([8; 32])));
    for token in [&first, &second] {
        spool.keep_token(&mailbox("a"), token.clone()).await.unwrap();
        check(&spool, "a", Some(token)).await;
        check(&ground.after_a_crash().open().await, "a", Some(token)).await;
    }
    check(&spool, "b", None).await;
    drop(spool);
    check(&ground.after_an_end(DAY).open().await, "a", Some(&second)).await;
}

#[tokio::test]
async fn a_token_follows_its_mailbox_to_another_name() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let token = Token::new("one", None);
    spool.keep_token(&mailbox("a"), token.clone()).await.unwrap();
    let renamed = Enrolment { former_name: Some(mailbox("a")), ..enrolment("new") };
    spool.enrol(vec![renamed]).await.unwrap();
    check(&spool, "a", None).await;
    check(&spool, "new", Some(&token)).await;
}

#[tokio::test]
async fn a_token_that_was_kept_under_the_new_name_already_is_the_newer_one() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let newer = Token::new("two", None);
    spool.keep_token(&mailbox("a"), Token::new("one", None)).await.unwrap();
    spool.keep_token(&mailbox("new"), newer.clone()).await.unwrap();
    spool.enrol(vec![Enrolment { former_name: Some(mailbox("a")), ..enrolment("new") }]).await.unwrap();
    check(&spool, "a", None).await;
    check(&spool, "new", Some(&newer)).await;
}

#[tokio::test]
async fn a_token_reaches_a_running_daemon_and_is_never_printed() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let listener = socket::Listener::bind(&ground.path()).unwrap();
    let serving = Arc::clone(&spool);
    let daemon = tokio::spawn(async move { listener.serve(carries_out(serving)).await });
    let token = Token::new("hunter2", Some([1; 32])).given_to(Some([2; 32]));
    let command = Command::KeepToken { mailbox: "a".to_owned(), token: token.clone() };
    assert!(!format!("{command:?}").contains("hunter2"));
    assert_eq!(socket::ask(&ground.path(), &command).await.unwrap().unwrap().changed, 1);
    daemon.abort();
    check(&spool, "a", Some(&token)).await;
}

#[tokio::test]
async fn a_spool_without_room_for_tokens_gets_it() {
    let ground = Ground::new();
    drop(ground.open().await);
    drop(ground.make_old());
    let readers = Readers::open(&ground.path()).unwrap();
    assert_eq!(readers.token(&mailbox("a")).await.unwrap(), None);
    let spool = ground.open().await;
    let token = Token::new("one", None);
    spool.keep_token(&mailbox("a"), token.clone()).await.unwrap();
    assert_eq!(readers.token(&mailbox("a")).await.unwrap(), Some(token));
}

#[tokio::test]
async fn a_token_of_an_earlier_build_is_there_without_whom_it_was_given_to() {
    let ground = Ground::new();
    drop(ground.open().await);
    let file = ground.without_breakers();
    file.execute_batch(
        "ALTER TABLE token DROP COLUMN given_to; PRAGMA user_version = 4;
         INSERT INTO token VALUES ('a', 'one', NULL, 0)",
    )
    .unwrap();
    let readers = Readers::open(&ground.path()).unwrap();
    assert_eq!(readers.token(&mailbox("a")).await.unwrap(), None, "it counts no more");
    let token = ground.open().await.token(&mailbox("a")).await.unwrap().unwrap();
    assert_eq!((token.reveal(), token.whose()), ("one", None));
}

#[tokio::test]
async fn a_login_is_told_to_those_who_wait_for_it_and_a_rotated_token_is_none() {
    let ground = Ground::new();
    let spool = ground.open().await;
    let mut logins = spool.logins();
    spool.keep_token(&mailbox("a"), Token::new("rotated", None)).await.unwrap();
    assert!(!logins.has_changed().unwrap());
    let login =
        |name| Command::KeepToken { mailbox: mailbox(name).as_str().to_owned(), token: Token::new("new", None) };
    for (times, name) in [(1, "a"), (2, "a"), (1, "b")] {
        spool.change(login(name)).await.unwrap();
        assert_eq!(logins.borrow_and_update().get(&mailbox(name)), Some(&times), "{name}");
    }
}
