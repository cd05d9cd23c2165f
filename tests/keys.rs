//! Signing keys over time: their overlap, their end, and what waits for the next one. E9 of the fault matrix.
//!
//! The clock is moved by hand where time must pass; the program itself runs where its words count.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

#[allow(dead_code, unreachable_pub, reason = "the tests of the spool use the rest of it")]
#[path = "spool/ground.rs"]
mod ground;
mod support;

use std::path::Path;
use std::process::Command as Process;
use std::sync::Arc;
use std::time::Duration;

use ground::DAY;
use ground::Ground;
use ground::HOUR;
use ground::change;
use ground::endpoint;
use ground::id_of;
use ground::states;
use ground::take;
use jiff::SignedDuration;
use jiff::Timestamp;
use pophook::clock::Clock;
use pophook::deliver::Deliverer;
use pophook::deliver::Mode;
use pophook::deliver::Tally;
use pophook::deliver::signature::Mistrust;
use pophook::deliver::signature::Signed;
use pophook::deliver::signature::Trusted;
use pophook::deliver::signature::verify;
use pophook::secret::Secret;
use pophook::spool::Command;
use pophook::spool::Hold;
use pophook::spool::Spool;
use pophook::spool::SpoolError;
use support::free_port;
use support::in_process;
use support::oracle::Owed;
use support::pop3_server::Message;
use support::pop3_server::Pop3Server;
use support::pophook::Endpoint;
use support::pophook::Mailbox;
use support::pophook::Pophook;
use support::receiver::Answer;
use support::receiver::Hit;
use support::receiver::Receiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDmQ==";
const PRIVATE: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";

/// How long something that needs no time may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A spool and the endpoint `desk`, at noon of 2026-01-31.
struct Stage {
    ground: Ground,
    spool: Arc<dyn Spool>,
    desk: Receiver,
    stop: CancellationToken,
    running: Option<JoinHandle<Result<Tally, SpoolError>>>,
}

impl Stage {
    async fn new() -> Stage {
        let ground = Ground::new();
        let spool = ground.open().await;
        Stage { ground, spool, desk: Receiver::start(), stop: CancellationToken::new(), running: None }
    }

    /// Delivers with these signing keys, or unsigned.
    async fn start(keys: &str) -> Stage {
        let mut stage = Stage::new().await;
        stage.deliver(keys);
        stage
    }

    fn deliver(&mut self, keys: &str) {
        let (mode, collected) = (Mode::Forever, CancellationToken::new());
        self.running = Some(tokio::spawn(self.deliverer(keys).run(mode, collected, self.stop.clone())));
    }

    fn deliverer(&self, keys: &str) -> Deliverer {
        let signing = match keys {
            "" => "signing: none".to_owned(),
            keys => format!("signing_keys: [{keys}], include_raw: true"),
        };
        let text = format!(
            "spool: {{ url: sqlite:{} }}\nmailboxes: [{{ name: a, host: h, username: u, password: p, start_from: all, \
             deliver_to: [desk] }}]\nendpoints: [{{ name: desk, url: {}, {signing} }}]\n",
            self.ground.path().display(),
            self.desk.url()
        );
        let file = self.ground.folder.path().join("pophook.yaml");
        std::fs::write(&file, text).unwrap();
        let config = pophook::config::load(&file).unwrap();
        Deliverer::new(config.deliver, &self.spool, &self.ground.clock, &self.ground.metrics.deliver).unwrap()
    }

    /// Stops delivering.
    async fn pause(&mut self) {
        self.stop.cancel();
        self.running.take().unwrap().await.unwrap().unwrap();
        self.stop = CancellationToken::new();
    }

    /// Returns once `is_so`.
    async fn until(&self, what: &str, mut is_so: impl AsyncFnMut(&Stage) -> bool) {
        let waiting = async {
            while !is_so(self).await {
                tokio::task::yield_now().await;
            }
        };
        let Ok(()) = tokio::time::timeout(PATIENCE, waiting).await else { panic!("waited in vain: {what}") };
    }

    /// Insists on the invariants of the fault matrix, where these mails were taken.
    async fn holds(&self, texts: &[&str]) {
        let owed = |text: &&str| Owed::new("a", &ground::incoming("a", text, text).raw, &["desk"], false);
        let owed = texts.iter().map(owed).collect();
        in_process::holds(&self.spool, owed, &[("desk", &self.desk)], &[OLD, NEW]).await;
    }

    async fn held(&self) -> Option<Hold> {
        let rows = self.spool.endpoints().await.unwrap();
        rows.into_iter().find(|row| row.endpoint == endpoint("desk")).unwrap().held
    }

    async fn until_held(&self, held: Option<Hold>) {
        self.until(&format!("held: {held:?}"), async |stage| stage.held().await == held).await;
    }

    async fn deliver_one(&self, text: &str) -> Hit {
        take(&self.spool, text, text).await;
        self.until(text, async |stage| stage.desk.ids().contains(&id_of(text))).await;
        let hit = self.desk.hits().into_iter().find(|hit| hit.id() == id_of(text));
        hit.unwrap()
    }

    /// What a receiver with this key says of a post, now.
    fn verdict(&self, key: &str, hit: &Hit) -> Result<(), Mistrust> {
        verdict(key, hit, self.ground.clock.now())
    }

    /// The value of a gauge of `desk`; `None` where there is none.
    fn gauge(&self, name: &str) -> Option<f64> {
        let families = self.ground.metrics.registry.gather();
        let family = families.into_iter().find(|family| family.name() == name)?;
        let of_desk = family.get_metric().iter().find(|one| one.get_label()[0].value() == "desk").cloned();
        of_desk.map(|one| one.get_gauge().get_value())
    }
}

fn verdict(key: &str, hit: &Hit, now: Timestamp) -> Result<(), Mistrust> {
    let signed = Signed {
        id: hit.header("webhook-id"),
        timestamp: hit.header("webhook-timestamp"),
        signature: hit.header("webhook-signature"),
    };
    verify(&[Trusted::parse(&Secret::new(key)).unwrap()], signed, now.as_second(), &hit.body)
}

/// Which of the keys signed a post, at whatever time.
fn signed_by<const N: usize>(hit: &Hit, keys: [&str; N]) -> [bool; N] {
    let at = hit.header("webhook-timestamp").unwrap().parse().unwrap();
    keys.map(|key| verdict(key, hit, Timestamp::from_second(at).unwrap()).is_ok())
}

#[tokio::test]
async fn e9_while_keys_overlap_a_post_verifies_with_either() {
    let keys = format!(
        "{{ key: {OLD}, not_after: \"2026-01-31T14:00:00Z\" }}, {{ key: {NEW}, not_before: \"2026-01-31T13:00:00Z\" }}, \
         {{ key: {PRIVATE}, not_before: \"2026-01-31T13:00:00Z\" }}"
    );
    let stage = Stage::start(&keys).await;
    let wrong = Err(Mistrust::Wrong);
    let before = stage.deliver_one("before").await;
    assert_eq!((stage.verdict(OLD, &before), stage.verdict(NEW, &before)), (Ok(()), wrong));
    assert_eq!(stage.verdict(PUBLIC, &before), Err(Mistrust::Kind));
    stage.ground.clock.advance(HOUR);
    let overlap = stage.deliver_one("overlap").await;
    for key in [OLD, NEW, PUBLIC] {
        assert_eq!(stage.verdict(key, &overlap), Ok(()), "{key}");
    }
    let versions: Vec<_> = overlap.header("webhook-signature").unwrap().split(' ').map(|one| &one[..3]).collect();
    assert_eq!(versions, ["v1,", "v1,", "v1a"], "in the order of the file");
    stage.ground.clock.advance(HOUR);
    let after = stage.deliver_one("after").await;
    assert_eq!((stage.verdict(OLD, &after), stage.verdict(NEW, &after)), (wrong, Ok(())));
    assert_eq!(stage.held().await, None);
    stage.holds(&["before", "overlap", "after"]).await;
}

#[tokio::test]
async fn e9_without_a_valid_key_nothing_is_posted_and_the_endpoint_is_held() {
    let stage = Stage::start(&format!("{{ key: {OLD}, not_after: 2026-01-30 }}")).await;
    take(&stage.spool, "m", "m").await;
    stage.until_held(Some(Hold::NoValidKey)).await;
    stage.until("it is sorted", async |stage| states(&stage.spool).await == ["desk pending"]).await;
    for _ in 0..10 {
        stage.ground.clock.advance(DAY);
        tokio::task::yield_now().await;
    }
    let row = ground::rows(&stage.spool).await.remove(0);
    assert_eq!((row.reason.as_deref(), row.attempts, row.due), (Some("no_valid_key"), 0, None));
    assert_eq!(stage.desk.count(), 0);
    stage.holds(&["m"]).await;
}

#[tokio::test]
async fn e9_the_end_of_the_last_key_is_noticed_with_nothing_to_do() {
    let stage = Stage::start(&format!("{{ key: {OLD}, not_after: \"2026-01-31T13:00:00Z\" }}")).await;
    stage.deliver_one("m").await;
    assert_eq!(stage.held().await, None);
    stage.ground.clock.advance(HOUR);
    stage.until_held(Some(Hold::NoValidKey)).await;
    stage.ground.clock.advance(DAY);
    take(&stage.spool, "late", "late").await;
    stage.until("it is sorted", async |stage| states(&stage.spool).await.contains(&"desk pending".to_owned())).await;
    assert_eq!((stage.held().await, stage.desk.count()), (Some(Hold::NoValidKey), 1));
    stage.holds(&["m", "late"]).await;
}

#[tokio::test]
async fn e9_a_key_that_becomes_valid_is_used_without_a_restart_and_the_wait_costs_no_time() {
    let keys = format!(
        "{{ key: {OLD}, not_after: \"2026-01-31T13:00:00Z\" }}, {{ key: {NEW}, not_before: \"2026-02-28T13:00:00Z\" }}"
    );
    let stage = Stage::start(&keys).await;
    stage.desk.script([Answer::Status(500), Answer::Status(500)]);
    take(&stage.spool, "m", "m").await;
    let key = ground::key_of(&stage.spool, "m").await;
    let attempts = async |stage: &Stage| stage.spool.attempts(key).await.unwrap().len();
    stage.until("one attempt", async |stage| attempts(stage).await == 1).await;
    stage.ground.clock.advance(HOUR);
    stage.until_held(Some(Hold::NoValidKey)).await;
    assert_eq!(attempts(&stage).await, 1);
    // Four weeks: far beyond the five days in which a delivery is tried.
    stage.ground.clock.advance(28 * DAY);
    stage.until("it is tried with the new key", async |stage| attempts(stage).await == 2).await;
    assert_eq!(ground::rows(&stage.spool).await[0].state, "pending", "its time did not run while it was held");
    assert_eq!(stage.held().await, None);
    stage.ground.clock.advance(HOUR);
    stage.until("it is delivered", async |stage| states(&stage.spool).await == ["desk delivered"]).await;
    let hits = stage.desk.hits();
    let verdicts: Vec<_> = hits.iter().map(|hit| signed_by(hit, [OLD, NEW])).collect();
    assert_eq!(verdicts, [[true, false], [false, true], [false, true]]);
    stage.holds(&["m"]).await;
}

#[tokio::test]
async fn e9_a_new_key_ends_the_hold_at_the_next_start() {
    for keys in [format!("{OLD}, {NEW}"), format!("{{ key: {NEW}, not_before: 2026-01-31 }}")] {
        let mut stage = Stage::start(&format!("{{ key: {OLD}, not_after: 2026-01-30 }}")).await;
        take(&stage.spool, "m", "m").await;
        stage.until_held(Some(Hold::NoValidKey)).await;
        stage.pause().await;
        stage.deliver(&keys);
        stage.until("it is delivered", async |stage| states(&stage.spool).await == ["desk delivered"]).await;
        assert_eq!(stage.held().await, None);
        assert_eq!(stage.verdict(NEW, &stage.desk.hits()[0]), Ok(()));
        stage.holds(&["m"]).await;
    }
}

#[tokio::test]
async fn e9_a_post_that_is_refused_for_its_signature_comes_again_with_the_next_key() {
    let mut stage = Stage::start(OLD).await;
    stage.desk.script([Answer::Status(401)]);
    let refused = stage.deliver_one("m").await;
    stage
        .until("the attempt is written down", async |stage| {
            ground::rows(&stage.spool).await[0].last_status == Some(401)
        })
        .await;
    stage.pause().await;
    stage.deliver(NEW);
    stage.ground.clock.advance(HOUR);
    stage.until("it is delivered", async |stage| states(&stage.spool).await == ["desk delivered"]).await;
    let taken = stage.desk.hits().remove(1);
    assert_eq!((taken.id(), signed_by(&taken, [OLD, NEW])), (refused.id(), [false, true]));
    stage.holds(&["m"]).await;
}

#[tokio::test]
async fn e9_a_hold_of_another_kind_is_not_ended_by_a_key() {
    let mut stage = Stage::new().await;
    stage.spool.hold(&endpoint("desk"), Hold::Gone).await.unwrap();
    let begins = format!("{{ key: {OLD}, not_before: \"2026-01-31T13:00:00Z\" }}");
    stage.deliver(&begins);
    take(&stage.spool, "m", "m").await;
    stage.until("it is sorted", async |stage| states(&stage.spool).await == ["desk pending"]).await;
    assert_eq!(stage.held().await, Some(Hold::Gone));
    // Whoever resumes it finds the key's own hold behind.
    let resume = Command::Resume { endpoint: "desk".to_owned() };
    change(&stage.spool, resume.clone()).await;
    stage.until_held(Some(Hold::NoValidKey)).await;
    stage.spool.hold(&endpoint("desk"), Hold::Gone).await.unwrap();
    stage.ground.clock.advance(HOUR);
    stage.until("the key is valid", async |stage| stage.gauge("pophook_signing_keys_valid") == Some(1.0)).await;
    take(&stage.spool, "n", "n").await;
    stage.until("it is sorted", async |stage| states(&stage.spool).await == ["desk pending"; 2]).await;
    assert_eq!((stage.held().await, stage.desk.count()), (Some(Hold::Gone), 0));
    change(&stage.spool, resume).await;
    stage.until("all is delivered", async |stage| states(&stage.spool).await == ["desk delivered"; 2]).await;
    stage.holds(&["m", "n"]).await;
}

#[tokio::test]
async fn e9_a_single_round_without_a_valid_key_ends_and_leaves_its_mail() {
    let stage = Stage::new().await;
    take(&stage.spool, "m", "m").await;
    let deliverer = stage.deliverer(&format!("{{ key: {OLD}, not_before: 2026-02-01 }}"));
    let collected = CancellationToken::new();
    collected.cancel();
    let tally = deliverer.run(Mode::Once, collected, CancellationToken::new()).await.unwrap();
    assert_eq!((tally, stage.desk.count()), (Tally::default(), 0));
    assert_eq!(
        (stage.held().await, states(&stage.spool).await),
        (Some(Hold::NoValidKey), vec!["desk pending".to_owned()])
    );
    stage.holds(&["m"]).await;
}

#[tokio::test]
async fn the_metrics_tell_how_many_keys_are_valid_and_when_the_last_one_ends() {
    let (valid, ends) = ("pophook_signing_keys_valid", "pophook_signing_ends_timestamp_seconds");
    let keys = format!(
        "{{ key: {OLD}, not_after: \"2026-01-31T14:00:00Z\" }}, \
         {{ key: {NEW}, not_before: \"2026-01-31T13:00:00Z\", not_after: \"2026-01-31T15:00:00Z\" }}"
    );
    let stage = Stage::start(&keys).await;
    let end = "2026-01-31T15:00:00Z".parse::<Timestamp>().unwrap();
    for expected in [1.0, 2.0, 1.0, 0.0] {
        stage.until(&format!("{expected} valid keys"), async |stage| stage.gauge(valid) == Some(expected)).await;
        assert_eq!(stage.gauge(ends).map(|value| value.to_string()), Some(end.as_second().to_string()));
        stage.ground.clock.advance(HOUR);
    }
    // Without keys there are no figures, and no hold.
    let mut stage = stage;
    stage.until_held(Some(Hold::NoValidKey)).await;
    stage.pause().await;
    stage.deliver("");
    let hit = stage.deliver_one("m").await;
    assert_eq!((hit.header("webhook-signature"), stage.held().await), (None, None));
    assert_eq!((stage.gauge(valid), stage.gauge(ends)), (None, None));
    // Keys without an end have none to alert on.
    let stage = Stage::start(OLD).await;
    stage.deliver_one("m").await;
    assert_eq!((stage.gauge(valid), stage.gauge(ends)), (Some(1.0), None));
}

// --- the program ---

/// A mail for `desk`, whose endpoint has these signing keys.
fn pophook(desk: &Receiver, keys: &[&str]) -> (Pop3Server, Pophook) {
    let server = Pop3Server::start(vec![Message::new("a", b"Subject: a\r\n\r\nhello\r\n")]);
    let pophook = Pophook::new([Mailbox::scripted(&server)], [Endpoint::desk(desk).signed(keys)]);
    (server, pophook)
}

/// So many days from now, as a date.
fn day(days: i64) -> String {
    let now = Clock::system().now();
    now.checked_add(SignedDuration::from_hours(24 * days)).unwrap().strftime("%F").to_string()
}

fn over(key: &str) -> String {
    format!("{{ key: \"{key}\", not_after: {} }}", day(-2))
}

/// What a command line prints; it must succeed.
fn shell(line: &str, folder: &Path) -> String {
    let ended = Process::new("sh").args(["-ec", line]).current_dir(folder).output().unwrap();
    assert!(ended.status.success(), "{line}: {ended:?}");
    String::from_utf8(ended.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_key_made_as_the_readme_says_signs_what_openssl_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let readme = include_str!("../README.md");
    let made = |line: &str| {
        assert!(readme.contains(line), "the README does not say: {line}");
        shell(line, folder.path())
    };
    made("openssl genpkey -algorithm ed25519 -out desk.pem");
    let private = made("echo whsk_$(openssl pkey -in desk.pem -outform DER | tail -c 32 | base64)");
    let public = made("echo whpk_$(openssl pkey -in desk.pem -pubout -outform DER | tail -c 32 | base64)");
    let desk = Receiver::start();
    let hmac = made("echo whsec_$(openssl rand -base64 32)");
    let (_server, pophook) = pophook(&desk, &[&format!("\"{hmac}\""), &format!("\"{private}\"")]);
    pophook.once().expect(0);
    let hit = desk.hits().remove(0);
    let now = Clock::system().now();
    assert_eq!([&*hmac, &public, &private].map(|key| verdict(key, &hit, now)), [Ok(()); 3]);
    let (id, at) = (hit.id(), hit.header("webhook-timestamp").unwrap());
    let content = [format!("{id}.{at}.").as_bytes(), &hit.body].concat();
    std::fs::write(folder.path().join("content"), content).unwrap();
    let signature = hit.header("webhook-signature").unwrap().split("v1a,").nth(1).unwrap();
    std::fs::write(folder.path().join("signature"), support::unbase64(signature)).unwrap();
    let judged = shell(
        "openssl pkey -in desk.pem -pubout -out public.pem; \
         openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in content -sigfile signature",
        folder.path(),
    );
    assert_eq!(judged, "Signature Verified Successfully");
    // The line that a problem of the file gives makes a key, too.
    let short =
        shell("echo whsk_$(openssl genpkey -algorithm ed25519 -outform DER | tail -c 32 | base64)", folder.path());
    assert!(Trusted::parse(&Secret::new(short)).is_some());
}

#[test]
fn e9_without_a_valid_key_every_command_says_so() {
    let desk = Receiver::start();
    let (server, pophook) = pophook(&desk, &[&over(OLD)]);
    assert!(pophook.command(&["check"]).expect(0).stdout.contains("no problem"), "mail is held, not lost");
    let online = pophook.command(&["check", "--online"]).expect(2).stdout;
    assert!(online.contains("FINDING  endpoint desk: no signing key is valid, and nothing is posted"), "{online}");
    let tested = pophook.command(&["endpoint", "test", "desk"]).expect(2).stdout;
    assert!(tested.contains("not sent: no signing key is valid now; write a valid key in signing_keys"), "{tested}");
    let posts = |desk: &Receiver| desk.hits().iter().filter(|hit| !hit.body.is_empty()).count();
    pophook.once().expect(0);
    assert_eq!(posts(&desk), 0);
    let listed = pophook.command(&["endpoint", "list", "--json"]).expect(0).json();
    assert_eq!((&listed[0]["held"], &listed[0]["pending"]), (&"no_valid_key".into(), &1.into()));
    let waiting = pophook.command(&["spool", "list", "--reason", "no_valid_key", "--json"]).expect(0).json();
    assert_eq!(waiting.len(), 1);
    let resumed = pophook.command(&["endpoint", "resume", "desk"]).expect(0).stdout;
    assert!(resumed.contains("it is held again at once"), "{resumed}");
    pophook.once().expect(0);
    assert_eq!(posts(&desk), 0);
    // With a valid key all is delivered, and nothing has to be resumed.
    pophook.configure([Mailbox::scripted(&server)], [Endpoint::desk(&desk).signed(&[&over(OLD), NEW])], "");
    pophook.once().expect(0);
    assert_eq!(verdict(NEW, desk.hits().last().unwrap(), Clock::system().now()), Ok(()));
    assert_eq!(pophook.in_state("delivered").len(), 1);
}

#[test]
fn the_daemon_tells_of_keys_that_end_and_of_keys_that_ended() {
    let desk = Receiver::start();
    let told = |keys: &[&str], until: &dyn Fn(&Pophook) -> bool| {
        let (_server, pophook) = pophook(&desk, keys);
        let daemon = pophook.start(&["run"]);
        support::wait_for("the daemon has looked", || until(&pophook));
        let online = pophook.command(&["check", "--online"]).stdout;
        daemon.terminate();
        (daemon.wait().expect(0).stderr, online)
    };
    let gauge = |text: &'static str| move |pophook: &Pophook| pophook.metrics().contains(text);
    let (said, online) = told(
        &[&format!("{{ key: {OLD}, not_after: {} }}", day(2))],
        &gauge("pophook_signing_keys_valid{endpoint=\"desk\"} 1\n"),
    );
    assert_eq!(said.matches("the last signing key ends soon").count(), 1, "{said}");
    assert!(online.contains("warning  endpoint desk: its last signing key ends in 3 days or less"), "{online}");
    let (said, _) = told(&[&over(OLD)], &gauge("pophook_endpoint_held{endpoint=\"desk\"} 1\n"));
    assert_eq!(said.matches("no signing key is valid: nothing is posted").count(), 1, "{said}");
    assert!(!said.contains("whsec_"), "{said}");
}

#[test]
fn receive_verifies_with_whatever_key_the_sender_has() {
    let test = |keys: &str, secrets: &[&str]| {
        let port = free_port();
        let mut arguments = vec!["--max", "1"];
        arguments.extend(secrets.iter().flat_map(|secret| ["--secret", secret]));
        let receive = support::pophook::receive(port, &arguments);
        let endpoint = Endpoint::new("desk", &format!("http://127.0.0.1:{port}/")).signed(&[keys]);
        let server = Pop3Server::start(Vec::new());
        let tested = Pophook::new([Mailbox::scripted(&server)], [endpoint]).command(&["endpoint", "test", "desk"]);
        let said = if tested.code() == 0 { receive.wait().expect(0).stdout } else { String::new() };
        (tested.code(), tested.stdout, said)
    };
    for (keys, secrets) in [(PRIVATE, [PUBLIC, OLD]), (PRIVATE, [NEW, PRIVATE]), (OLD, [NEW, OLD])] {
        let (code, tested, said) = test(keys, &secrets);
        assert_eq!((code, said.contains("  verified")), (0, true), "{tested}{said}");
    }
    let slip = Process::new(env!("CARGO_BIN_EXE_pophook")).args(["receive", "--secret", "whsec_hunter2"]).output();
    let slip = slip.unwrap();
    let said = String::from_utf8_lossy(&slip.stderr);
    assert_eq!(
        (slip.status.code(), said.contains("whpk_"), said.contains("hunter2")),
        (Some(64), true, false),
        "{said}"
    );
    let (code, tested, _) = test(PRIVATE, &[OLD]);
    assert_eq!((code, tested.contains("v1a with whpk_")), (2, true), "{tested}");
}
