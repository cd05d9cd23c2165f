//! Access tokens from a scripted authorization server: what is asked, what is kept, and what is said when it fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "test code"
)]

mod support;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::Once;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::sign::Verifier;
use pophook::clock::Clock;
use pophook::ident::MailboxName;
use pophook::metrics::Metrics;
use pophook::oauth;
use pophook::oauth::Client;
use pophook::oauth::Fetches;
use pophook::oauth::Grant;
use pophook::oauth::Login;
use pophook::oauth::Means;
use pophook::oauth::OauthError;
use pophook::oauth::ServiceAccount;
use pophook::oauth::ServiceKey;
use pophook::oauth::Source;
use pophook::secret::Secret;
use pophook::secret::Source as _;
use pophook::spool;
use pophook::spool::Reply;
use pophook::spool::SpoolError;
use pophook::spool::Token;
use pophook::spool::Tokens;
use pophook::spool::sqlite::Sqlite;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use support::dovecot::Dovecot;
use support::introspection::Introspection;
use support::mails;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Hit;
use support::receiver::Receiver;
use tempfile::TempDir;

/// A server, a spool of its own, and a clock moved by hand.
struct Ground {
    server: Receiver,
    folder: TempDir,
    clock: Clock,
    metrics: Metrics,
}

impl Ground {
    fn new() -> Ground {
        let clock = Clock::by_hand("2026-01-31T12:00:00Z".parse().unwrap());
        let folder = tempfile::tempdir().unwrap();
        Ground { server: Receiver::start(), folder, clock, metrics: Metrics::new().unwrap() }
    }

    fn spool(&self) -> Arc<dyn Tokens> {
        let path = self.folder.path().join("spool.db");
        let config = spool::Config { path, max_size: 1 << 30, min_free: 0, max_share: 25, ledger_keep: Duration::ZERO };
        Arc::new(Sqlite::open(config, self.clock.clone(), self.metrics.spool.clone()).unwrap())
    }

    fn source(&self, grant: Grant, tokens: Arc<dyn Tokens>) -> Source {
        let means = Means::new(tokens, Fetches::default(), self.clock.clone(), self.metrics.oauth.clone()).unwrap();
        Source::new(mailbox(), grant, means)
    }

    fn client(&self, secret: Option<&str>) -> Client {
        let url = self.server.url();
        Client {
            token_url: url.parse().unwrap(),
            device_url: Some(url.parse().unwrap()),
            scope: Some("mail offline_access".to_owned()),
            id: "pophook".to_owned(),
            secret: secret.map(Secret::new),
        }
    }

    fn refresh(&self, configured: Option<&str>) -> Grant {
        let username = Secret::new("support@example.com");
        Grant::Refresh { client: self.client(None), username, refresh_token: configured.map(Secret::new) }
    }

    fn answers(&self, bodies: impl IntoIterator<Item = Value>) {
        self.server.script(bodies.into_iter().map(|body| Answer::Body(200, body.to_string())));
    }

    /// The field of each request so far.
    fn asked(&self, field: &str) -> Vec<String> {
        let find = |hit: Hit| form(&hit).into_iter().find(|(name, _)| name == field).map(|(_, value)| value);
        self.server.hits().into_iter().map(|hit| find(hit).unwrap_or_default()).collect()
    }

    fn counted(&self, result: &str) -> u64 {
        self.metrics.oauth.refreshes.with_label_values(&["support", result]).get()
    }
}

fn mailbox() -> MailboxName {
    MailboxName::parse("support").unwrap()
}

fn form(hit: &Hit) -> Vec<(String, String)> {
    form_urlencoded::parse(&hit.body).into_owned().collect()
}

fn hour(token: &str) -> Value {
    json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 })
}

fn rotating(token: &str, refresh_token: &str) -> Value {
    json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600, "refresh_token": refresh_token })
}

async fn check(source: &Source, expected: &str) {
    assert_eq!(source.token().await.unwrap().reveal(), expected);
}

#[tokio::test]
async fn each_grant_asks_in_its_own_words() {
    let ground = Ground::new();
    let tokens = ground.spool();
    let known = ground.client(Some("s3cret&"));
    let (username, refresh_token) = (Secret::new("support@example.com"), Some(Secret::new("r1")));
    let refresh = Grant::Refresh { client: known.clone(), username, refresh_token };
    let identity = [("client_id", "pophook"), ("client_secret", "s3cret&"), ("scope", "mail offline_access")];
    for (grant, first) in [
        (refresh, vec![("grant_type", "refresh_token"), ("refresh_token", "r1")]),
        (Grant::ClientCredentials(known), vec![("grant_type", "client_credentials")]),
    ] {
        ground.answers([hour("t")]);
        check(&ground.source(grant, Arc::clone(&tokens)), "t").await;
        let hit = ground.server.hits().pop().unwrap();
        let expected: Vec<(String, String)> =
            first.iter().chain(&identity).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(form(&hit), expected);
        assert_eq!(hit.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(hit.header("authorization"), None);
    }
}

#[tokio::test]
async fn a_service_account_signs_for_the_mailboxs_user() {
    let ground = Ground::new();
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let pem = String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let file = json!({ "type": "service_account", "client_email": "robot@project.example", "private_key": pem });
    let account = ServiceAccount {
        token_url: ground.server.url().parse().unwrap(),
        scope: "https://mail.google.com/".to_owned(),
        key: ServiceKey::parse(&file.to_string()).unwrap(),
        subject: Secret::new("support@example.com"),
    };
    ground.answers([hour("t")]);
    check(&ground.source(Grant::ServiceAccount(account), ground.spool()), "t").await;
    assert_eq!(ground.asked("grant_type"), ["urn:ietf:params:oauth:grant-type:jwt-bearer"]);
    let assertion = ground.asked("assertion").remove(0);
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let public = PKey::public_key_from_pem(&key.public_key_to_pem().unwrap()).unwrap();
    let mut verifier = Verifier::new(MessageDigest::sha256(), &public).unwrap();
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    assert!(verifier.verify_oneshot(&signature, signed.as_bytes()).unwrap());
    let claims = BASE64URL_NOPAD.decode(signed.split_once('.').unwrap().1.as_bytes()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["sub"], "support@example.com");
    assert_eq!(claims["aud"], ground.server.url());
}

#[tokio::test]
async fn a_token_is_used_until_shortly_before_its_end() {
    let ground = Ground::new();
    let source = ground.source(ground.refresh(Some("r")), ground.spool());
    ground.answers([hour("t1"), hour("t2")]);
    check(&source, "t1").await;
    ground.clock.advance(Duration::from_secs(3299));
    check(&source, "t1").await;
    assert_eq!(ground.server.count(), 1);
    ground.clock.advance(Duration::from_secs(1));
    check(&source, "t2").await;
    assert_eq!((ground.server.count(), ground.counted("ok")), (2, 2));
}

#[tokio::test]
async fn whoever_asks_at_the_same_time_shares_one_fetch() {
    let ground = Ground::new();
    let source = ground.source(ground.refresh(Some("r")), ground.spool());
    ground.answers([hour("t1"), hour("t2")]);
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let source = source.clone();
        callers.spawn(async move { source.token().await.unwrap() });
    }
    for token in callers.join_all().await {
        assert_eq!(token.reveal(), "t1");
    }
    assert_eq!(ground.server.count(), 1);
}

#[tokio::test]
async fn a_caller_that_gives_up_loses_no_refresh_token() {
    let ground = Ground::new();
    let tokens = ground.spool();
    let source = ground.source(ground.refresh(Some("r1")), Arc::clone(&tokens));
    ground.answers([rotating("t1", "r2")]);
    tokio::select! {
        biased;
        _ = source.token() => panic!("it cannot be there at once"),
        () = std::future::ready(()) => {}
    }
    check(&source, "t1").await;
    assert_eq!(ground.server.count(), 1, "the fetch that was begun went on");
    assert_eq!(tokens.token(&mailbox()).await.unwrap().unwrap().reveal(), "r2");
}

#[tokio::test]
async fn a_rotated_token_is_kept_over_restarts_until_the_file_changes() {
    let ground = Ground::new();
    let mut expected = Vec::new();
    for (configured, used, new) in
        [("r1", "r1", "r2"), ("r1", "r2", "r3"), ("other", "other", "o2"), ("other", "o2", "o3"), ("r1", "r1", "r4")]
    {
        let tokens = ground.spool();
        ground.answers([rotating("t", new)]);
        check(&ground.source(ground.refresh(Some(configured)), Arc::clone(&tokens)), "t").await;
        assert_eq!(tokens.token(&mailbox()).await.unwrap().unwrap().reveal(), new);
        expected.push(used.to_owned());
        assert_eq!(ground.asked("refresh_token"), expected);
    }
}

/// A spool that cannot be written now and then.
#[derive(Debug)]
struct Flaky {
    spool: Arc<dyn Tokens>,
    full: AtomicBool,
}

impl Tokens for Flaky {
    fn token(&self, mailbox: &MailboxName) -> Reply<Option<Token>> {
        self.spool.token(mailbox)
    }

    fn keep_token(&self, mailbox: &MailboxName, token: Token) -> Reply<()> {
        if self.full.load(Ordering::SeqCst) {
            return Box::pin(async { Err(SpoolError::NoSpace(Arc::new(rusqlite::Error::InvalidQuery))) });
        }
        self.spool.keep_token(mailbox, token)
    }
}

#[tokio::test]
async fn an_access_token_is_not_used_before_its_refresh_token_is_kept() {
    let ground = Ground::new();
    let flaky = Arc::new(Flaky { spool: ground.spool(), full: AtomicBool::new(true) });
    let source = ground.source(ground.refresh(Some("r1")), Arc::<Flaky>::clone(&flaky));
    ground.answers([rotating("t1", "r2"), hour("t2")]);
    assert!(matches!(source.token().await.unwrap_err(), OauthError::Spool(_)));
    assert!(matches!(source.token().await.unwrap_err(), OauthError::Spool(_)));
    assert_eq!(ground.server.count(), 1, "nothing is asked while its answer could be lost");
    flaky.full.store(false, Ordering::SeqCst);
    check(&source, "t2").await;
    assert_eq!(ground.asked("refresh_token"), ["r1", "r2"], "the rotated one was not forgotten");
    assert_eq!(flaky.token(&mailbox()).await.unwrap().unwrap().reveal(), "r2");
    assert_eq!((ground.counted("spool"), ground.counted("ok")), (2, 1));
}

#[tokio::test]
async fn a_login_is_never_overwritten_by_an_older_token() {
    let ground = Ground::new();
    let login = async |token: &str| {
        ground.answers([begun(10_000_000), rotating("t", token)]);
        let login = Login::begin(mailbox(), ground.refresh(None), ground.clock.clone()).await.unwrap();
        wait(&ground, login).await.unwrap()
    };
    let flaky = Arc::new(Flaky { spool: ground.spool(), full: AtomicBool::new(false) });
    flaky.keep_token(&mailbox(), login("first").await).await.unwrap();
    let source = ground.source(ground.refresh(None), Arc::<Flaky>::clone(&flaky));
    flaky.full.store(true, Ordering::SeqCst);
    ground.answers([rotating("t1", "stale")]);
    assert!(matches!(source.token().await.unwrap_err(), OauthError::Spool(_)));
    flaky.full.store(false, Ordering::SeqCst);
    flaky.keep_token(&mailbox(), login("second").await).await.unwrap();
    ground.answers([hour("t2")]);
    check(&source, "t2").await;
    assert_eq!(ground.asked("refresh_token").pop().unwrap(), "second");
    assert_eq!(flaky.token(&mailbox()).await.unwrap().unwrap().reveal(), "second");
}

#[tokio::test]
async fn a_refused_token_is_refreshed_once() {
    let ground = Ground::new();
    let source = ground.source(ground.refresh(Some("r")), ground.spool());
    ground.answers([hour("t1"), hour("t2")]);
    check(&source, "t1").await;
    let first = Secret::new("t1");
    source.refused(&first);
    check(&source, "t2").await;
    source.refused(&first);
    check(&source, "t2").await;
    assert_eq!(ground.server.count(), 2);
}

#[tokio::test]
async fn a_command_is_asked_at_most_once_a_minute() {
    let ground = Ground::new();
    let log = ground.folder.path().join("log");
    let script = format!("echo x >> {0}; test $(wc -l < {0}) != 3 && wc -l < {0}", log.display());
    let words = ["sh", "-c", &script].map(str::to_owned).to_vec();
    let source = ground.source(Grant::Command(words), ground.spool());
    check(&source, "1").await;
    ground.clock.advance(Duration::from_secs(59));
    source.refused(&Secret::new("1"));
    check(&source, "1").await;
    ground.clock.advance(Duration::from_secs(1));
    check(&source, "2").await;
    ground.clock.advance(Duration::from_secs(60));
    for _ in 0..2 {
        assert!(source.token().await.unwrap_err().is_transient());
    }
    ground.clock.advance(Duration::from_secs(60));
    check(&source, "4").await;
    assert_eq!((ground.counted("ok"), ground.counted("command")), (3, 1));
}

#[tokio::test]
async fn what_fails_names_the_remedy_and_none_of_the_servers_words() {
    let ground = Ground::new();
    let tokens = ground.spool();
    let check = async |grant: Grant, answer: Answer, transient: bool, text: &str| {
        ground.server.script([answer]);
        let error = ground.source(grant, Arc::clone(&tokens)).token().await.unwrap_err();
        assert_eq!(error.to_string(), text);
        assert_eq!(error.is_transient(), transient, "{text}");
        assert!(oauth::results().contains(&error.reason()));
    };
    let refused =
        |code: &str| Answer::Body(400, json!({ "error": code, "error_description": "ann@example.com r1" }).to_string());
    let refresh = || ground.refresh(Some("r1"));
    check(
        refresh(),
        refused("invalid_grant"),
        false,
        "127.0.0.1 refused with invalid_grant; run `pophook oauth login support`",
    )
    .await;
    check(
        Grant::ClientCredentials(ground.client(Some("s"))),
        refused("invalid_client"),
        false,
        "127.0.0.1 refused with invalid_client; look at client_id and client_secret, which may have run out",
    )
    .await;
    for status in [500, 503, 429] {
        let busy = format!("127.0.0.1 cannot answer now (HTTP {status})");
        check(refresh(), Answer::Status(status), true, &busy).await;
    }
    let nonsense = "127.0.0.1 gave no answer that can be used:";
    let long = Answer::Body(200, format!("{{\"access_token\":\"{}\"}}", "x".repeat(64 << 10)));
    check(refresh(), long, true, &format!("{nonsense} it is too long")).await;
    let elsewhere = Answer::With(302, "location", ground.server.url());
    check(refresh(), elsewhere, true, &format!("{nonsense} it is a redirect, and none is followed")).await;
    check(refresh(), Answer::Status(404), true, &format!("{nonsense} an error without a code")).await;
    check(refresh(), Answer::Close, true, "cannot reach 127.0.0.1").await;
    assert_eq!((ground.counted("busy"), ground.counted("nonsense"), ground.counted("invalid_grant")), (3, 3, 1));
    let asked = ground.server.count();
    check(
        ground.refresh(None),
        Answer::Status(200),
        false,
        "nobody has logged in yet; run `pophook oauth login support`",
    )
    .await;
    assert_eq!(ground.server.count(), asked);
}

fn begun(expires_in: u64) -> Value {
    json!({
        "device_code": "d-1",
        "user_code": "ABCD-EFGH",
        "verification_url": "https://login.example/device",
        "verification_url_complete": "https://login.example/device?code=ABCD-EFGH",
        "expires_in": expires_in,
        "interval": 5,
    })
}

/// Moves the clock while `login` waits; tells how it ended.
async fn wait(ground: &Ground, login: Login) -> Result<Token, OauthError> {
    let waiting = login.wait();
    tokio::pin!(waiting);
    loop {
        tokio::select! {
            biased;
            ended = &mut waiting => return ended,
            () = tokio::task::yield_now() => ground.clock.advance(Duration::from_millis(100)),
        }
    }
}

#[tokio::test]
async fn a_login_by_device_polls_no_faster_than_it_may() {
    let ground = Ground::new();
    let tokens = ground.spool();
    let (polls, clock) = (Arc::new(Mutex::new(Vec::new())), ground.clock.clone());
    let noted = Arc::clone(&polls);
    ground.server.on_arrival(move |_| noted.lock().unwrap().push(clock.uptime()));
    ground.answers([begun(10_000_000)]);
    let error = |code: &str| Answer::Body(400, json!({ "error": code }).to_string());
    ground.server.script([error("authorization_pending"), error("slow_down"), error("authorization_pending")]);
    ground.server.script([Answer::Close, Answer::Status(503)]);
    ground.answers([rotating("t", "r1")]);

    let login = Login::begin(mailbox(), ground.refresh(None), ground.clock.clone()).await.unwrap();
    assert_eq!(login.prompt.user_code.reveal(), "ABCD-EFGH");
    assert_eq!(login.prompt.verification_uri, "https://login.example/device");
    let printed = format!("{login:?}");
    assert!(!printed.contains("d-1") && !printed.contains("ABCD"), "{printed}");
    let token = wait(&ground, login).await.unwrap();
    let gaps: Vec<Duration> = polls.lock().unwrap().windows(2).map(|two| two[1] - two[0]).collect();
    let least = [5, 5, 10, 10, 15, 20].map(Duration::from_secs);
    assert_eq!(gaps.len(), least.len());
    assert!(gaps.iter().zip(least).all(|(gap, least)| *gap >= least), "{gaps:?}");
    let hits = ground.server.hits();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(form(&hits[0]), [pair("client_id", "pophook"), pair("scope", "mail offline_access")]);
    let grant = pair("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
    assert_eq!(form(&hits[1]), [grant, pair("device_code", "d-1"), pair("client_id", "pophook")]);

    ground.server.unhook();
    tokens.keep_token(&mailbox(), token).await.unwrap();
    ground.answers([hour("t2")]);
    check(&ground.source(ground.refresh(None), tokens), "t2").await;
    assert_eq!(ground.asked("refresh_token").pop().unwrap(), "r1");
}

#[tokio::test]
async fn a_login_takes_the_place_of_the_files_token_until_that_changes() {
    let ground = Ground::new();
    let tokens = ground.spool();
    ground.answers([begun(10_000_000), rotating("t", "login")]);
    let login = Login::begin(mailbox(), ground.refresh(Some("file")), ground.clock.clone()).await.unwrap();
    tokens.keep_token(&mailbox(), wait(&ground, login).await.unwrap()).await.unwrap();
    ground.answers([hour("t"), hour("t")]);
    check(&ground.source(ground.refresh(Some("file")), Arc::clone(&tokens)), "t").await;
    check(&ground.source(ground.refresh(Some("newer")), tokens), "t").await;
    assert_eq!(ground.asked("refresh_token")[2..], ["login", "newer"]);
}

#[tokio::test]
async fn a_login_is_shown_to_nobody_but_whom_it_was_given_to() {
    let ground = Ground::new();
    let tokens = ground.spool();
    ground.answers([begun(10_000_000), rotating("t", "login")]);
    let login = Login::begin(mailbox(), ground.refresh(None), ground.clock.clone()).await.unwrap();
    tokens.keep_token(&mailbox(), wait(&ground, login).await.unwrap()).await.unwrap();
    let stranger = Receiver::start();
    let me = || Secret::new("support@example.com");
    let elsewhere = Client { token_url: stranger.url().parse().unwrap(), ..ground.client(None) };
    let another = Client { id: "another".to_owned(), ..ground.client(None) };
    let asked = ground.server.count();
    for (client, username) in
        [(elsewhere, me()), (another, me()), (ground.client(None), Secret::new("other@example.com"))]
    {
        let grant = Grant::Refresh { client, username, refresh_token: None };
        let error = ground.source(grant, Arc::clone(&tokens)).token().await.unwrap_err();
        assert!(error.to_string().ends_with("log in again: run `pophook oauth login support`"), "{error}");
        assert_eq!((error.is_transient(), error.reason()), (false, "no_login"));
    }
    assert_eq!((stranger.count(), ground.server.count()), (0, asked), "nobody was shown anything");
    ground.answers([hour("t")]);
    check(&ground.source(ground.refresh(None), tokens), "t").await;
}

#[tokio::test]
async fn a_login_that_comes_to_nothing_says_why() {
    let ground = Ground::new();
    let begin = async |grant: Grant| Login::begin(mailbox(), grant, ground.clock.clone()).await;
    let code = |code: &str| Answer::Body(400, json!({ "error": code, "error_description": "ann" }).to_string());
    let check = async |expires_in: u64, polled: &str, text: &str| {
        ground.answers([begun(expires_in)]);
        ground.server.script([code(polled)]);
        ground.server.set(code("authorization_pending"));
        let login = begin(ground.refresh(None)).await.unwrap();
        assert_eq!(wait(&ground, login).await.unwrap_err().to_string(), text);
    };
    let refused = "whoever had the code refused, or may not agree without an administrator";
    check(10_000_000, "access_denied", &format!("127.0.0.1 refused with access_denied; {refused}")).await;
    let late = "127.0.0.1 refused with expired_token; nobody agreed in time; run `pophook oauth login support`";
    check(10_000_000, "expired_token", late).await;
    check(12, "authorization_pending", late).await;
    ground.server.script([code("invalid_scope")]);
    let refused = begin(ground.refresh(None)).await.unwrap_err().to_string();
    assert!(refused.contains("Google does not let most clients ask for mail by device"), "{refused}");
    let needless = begin(Grant::Command(vec!["true".to_owned()])).await.unwrap_err().to_string();
    assert!(needless.contains("without a login"), "{needless}");
}

/// A mail server that takes `good-token` alone and holds one mail, and a pophook that gets its tokens at `server`.
fn journey(server: &Receiver, desk: &Receiver, more: &str) -> (Introspection, Dovecot, Pophook) {
    let introspection = Introspection::start("good-token", "alice");
    let dovecot = Dovecot::start_with(&["alice"], &[("INTROSPECTION_URL", &introspection.url())]);
    dovecot.put("alice", &mails::plain("hello"));
    let url = server.url();
    let oauth2 = format!("token_url: \"{url}\", device_url: \"{url}\", client_id: c{more}");
    let mailbox = Mailbox::implicit(&dovecot, "alice").named("support").oauth2(&oauth2);
    let pophook = Pophook::new([mailbox], [Endpoint::desk(desk)]);
    (introspection, dovecot, pophook)
}

#[test]
fn mail_is_fetched_after_one_refusal_and_not_after_two() {
    let (server, desk) = (Receiver::start(), Receiver::start());
    let (_introspection, _dovecot, pophook) = journey(&server, &desk, ", refresh_token: r1");
    let body = |body: Value| Answer::Body(200, body.to_string());
    server.script([body(rotating("stale", "r2")), body(hour("staler"))]);
    let said = pophook.once().expect(2).said();
    assert!(said.contains("login refused"), "{said}");
    assert_eq!((server.count(), desk.count()), (2, 0));
    server.script([body(hour("stale")), body(hour("good-token"))]);
    pophook.once().expect(0);
    assert_eq!((server.count(), desk.subjects()), (4, vec!["hello".to_owned()]));
    let used: Vec<String> = server.hits().iter().map(|hit| form(hit)[1].1.clone()).collect();
    assert_eq!(used, ["r1", "r2", "r2", "r2"], "the rotated token is kept from one process to the next");
    server.script([body(hour("good-token"))]);
    let said = pophook.command(&["check", "--online"]).expect(0).said();
    assert!(said.contains("ok       mailbox support: logged in, 1 messages"), "{said}");
    server.script([Answer::Body(400, json!({ "error": "invalid_grant", "error_description": "s3cret" }).to_string())]);
    let said = pophook.command(&["once", "--dry-run"]).expect(2).said();
    assert!(said.contains("no access token: 127.0.0.1 refused with invalid_grant"), "{said}");
    assert!(said.contains("run `pophook oauth login support`") && !said.contains("s3cret"), "{said}");
}

#[test]
fn beside_a_running_pophook_no_refresh_token_is_spent() {
    let (server, desk) = (Receiver::start(), Receiver::start());
    let (_introspection, _dovecot, pophook) = journey(&server, &desk, ", refresh_token: r1");
    server.set(Answer::Body(200, hour("good-token").to_string()));
    let running = pophook.start(&["run"]);
    support::wait_for("the daemon has delivered the mail", || desk.count() == 1);
    assert_eq!(server.count(), 1);
    let ours = "the pophook that runs on this spool uses its refresh token";
    let said = pophook.command(&["check", "--online"]).expect(0).said();
    assert!(said.contains(&format!("note     mailbox support: not logged in: {ours}")), "{said}");
    let said = pophook.command(&["once", "--dry-run"]).expect(2).said();
    assert!(said.contains(&format!("support: no access token: {ours}")), "{said}");
    assert_eq!(server.count(), 1, "nobody else has asked");
    running.terminate();
    running.wait().expect(0);
    pophook.command(&["check", "--online"]).expect(0);
    assert_eq!(server.count(), 2);
}

#[test]
fn an_end_in_the_middle_of_a_fetch_loses_no_token() {
    let (server, desk) = (Receiver::start(), Receiver::start());
    let (_introspection, _dovecot, pophook) = journey(&server, &desk, ", refresh_token: t0");
    server.set(Answer::Close);
    for (number, (arguments, signal, code)) in [
        (&["once"][..], Signal::INT, 2),
        (&["once"], Signal::TERM, 2),
        (&["once", "--dry-run"], Signal::INT, 2),
        (&["check", "--online"], Signal::INT, 2),
        (&["run"], Signal::TERM, 0),
    ]
    .into_iter()
    .enumerate()
    {
        server.script([Answer::Body(200, rotating("stale", &format!("t{}", number + 1)).to_string())]);
        let pid = Arc::new(OnceLock::new());
        let (told, first) = (Arc::clone(&pid), Once::new());
        let kill = move || rustix::process::kill_process(*told.wait(), signal).unwrap();
        server.on_arrival(move |_| first.call_once(&kill));
        let asked = server.count();
        let running = pophook.start(arguments);
        pid.set(running.pid()).unwrap();
        support::wait_for("a token is asked for", || server.count() > asked);
        running.wait().expect(code);
        let used = form(&server.hits()[asked])[1].1.clone();
        assert_eq!(used, format!("t{number}"), "{arguments:?}");
    }
    server.unhook();
    server.set(Answer::Body(200, hour("good-token").to_string()));
    pophook.once().expect(0);
    assert_eq!(form(&server.hits().pop().unwrap())[1].1, "t5");
}

#[test]
fn a_person_logs_a_mailbox_in() {
    let (server, desk) = (Receiver::start(), Receiver::start());
    let (_introspection, _dovecot, pophook) = journey(&server, &desk, "");
    let said = pophook.once().expect(2).said();
    assert!(said.contains("nobody has logged in yet; run `pophook oauth login support`"), "{said}");
    let body = |body: Value| Answer::Body(200, body.to_string());
    let begun = json!({
        "device_code": "s3cret",
        "user_code": "ABCD",
        "verification_uri": "https://login.example/\u{1b}device",
        "expires_in": 60,
        "interval": 0,
    });
    let login = |arguments: &[&str]| {
        server.script([body(begun.clone()), body(rotating("t", "s3cret"))]);
        let ended = pophook.command(&[&["oauth", "login", "support"], arguments].concat()).expect(0);
        assert!(!ended.said().contains("s3cret"), "{}", ended.said());
        ended
    };
    let said = login(&[]).said();
    assert!(said.contains("Open https://login.example/\u{fffd}device and write this code: ABCD\n"), "{said}");
    assert!(said.ends_with("support is logged in; the next visit uses it\n"), "{said}");
    let said = login(&["--json"]).json();
    assert_eq!(
        (&said[0]["user_code"], &said[1]),
        (&json!("ABCD"), &json!({ "mailbox": "support", "logged_in": true }))
    );
    server.set(body(hour("good-token")));
    pophook.once().expect(0);
    assert_eq!(desk.subjects(), ["hello"]);

    // Through a running daemon, which holds the spool's lock.
    let running = pophook.start(&["run"]);
    support::wait_for("the daemon has visited the mailbox", || {
        pophook.metrics().contains("pophook_oauth_refreshes_total{mailbox=\"support\",result=\"ok\"} 1")
    });
    assert!(pophook.metrics().contains("pophook_oauth_refreshes_total{mailbox=\"support\",result=\"busy\"} 0"));
    login(&[]);
    running.terminate();
    running.wait().expect(0);
    let unknown = pophook.command(&["oauth", "login", "nobody"]).expect(1).said();
    assert!(unknown.contains("no mailbox \"nobody\" in the configuration"), "{unknown}");
}
