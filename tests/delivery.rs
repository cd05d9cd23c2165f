//! The delivering half against an endpoint that answers by script, with a clock moved by hand.
//!
//! Nothing waits for time to pass but the one answer whose body stalls: each record wakes whoever waits for it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

#[allow(dead_code, unreachable_pub, reason = "the tests of the spool use the rest of it")]
#[path = "spool/ground.rs"]
mod ground;
mod support;

use std::sync::Arc;
use std::time::Duration;

use ground::DAY;
use ground::Ground;
use ground::HOUR;
use ground::change;
use ground::endpoint;
use ground::id_of;
use ground::key_of;
use ground::of_id;
use ground::retry;
use ground::states;
use ground::take;
use jiff::Timestamp;
use pophook::deliver::Deliverer;
use pophook::deliver::Mode;
use pophook::deliver::Tally;
use pophook::spool::AttemptRow;
use pophook::spool::Command;
use pophook::spool::EndpointRow;
use pophook::spool::Filter;
use pophook::spool::Hold;
use pophook::spool::Row;
use pophook::spool::Spool;
use pophook::spool::SpoolError;
use support::receiver::Answer;
use support::receiver::Receiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The waits that the configuration has where nobody writes others, in seconds; the last one repeats.
const WAITS: [u64; 9] = [5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800];
/// How long something that needs no time may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A spool, the deliverer over it, and the endpoint `desk`.
struct Stage {
    ground: Ground,
    spool: Arc<dyn Spool>,
    desk: Receiver,
    stop: CancellationToken,
    running: Option<JoinHandle<Result<Tally, SpoolError>>>,
}

impl Stage {
    /// Delivers all mail to `desk`, which has these further lines in the configuration.
    async fn start(lines: &[&str]) -> Stage {
        Stage::start_with(lines, None).await
    }

    /// Delivers all mail to `desk` and, where there is one, to `erp`.
    async fn start_with(lines: &[&str], erp: Option<&Receiver>) -> Stage {
        let mut stage = Stage::prepare().await;
        let deliverer = stage.deliverer(lines, erp);
        stage.run(deliverer, Mode::Forever, CancellationToken::new());
        stage
    }

    async fn prepare() -> Stage {
        let ground = Ground::new();
        let spool = ground.open().await;
        Stage { ground, spool, desk: Receiver::start(), stop: CancellationToken::new(), running: None }
    }

    fn run(&mut self, deliverer: Deliverer, mode: Mode, collected: CancellationToken) {
        self.running = Some(tokio::spawn(deliverer.run(mode, collected, self.stop.clone())));
    }

    /// Built from a file, so that the waits are those that operators get.
    fn deliverer(&self, lines: &[&str], erp: Option<&Receiver>) -> Deliverer {
        let more: String = lines.iter().map(|line| format!("    {line}\n")).collect();
        let names = if erp.is_some() { "desk, erp" } else { "desk" };
        let erp =
            erp.map_or_else(String::new, |erp| format!("  - name: erp\n    url: {}\n    signing: none\n", erp.url()));
        let text = format!(
            "spool:\n  url: sqlite:{}\nmailboxes:\n  - name: a\n    host: localhost\n    tls: none\n    username: u\n    \
             password: p\n    start_from: all\n    deliver_to: [{names}]\nendpoints:\n  - name: desk\n    url: {}\n    \
             signing: none\n{more}{erp}",
            self.ground.path().display(),
            self.desk.url()
        );
        let file = self.ground.folder.path().join("pophook.yaml");
        std::fs::write(&file, text).unwrap();
        let config = pophook::config::load(&file).unwrap();
        let metrics = &self.ground.metrics.deliver;
        Deliverer::new(config.deliver, &self.spool, &self.ground.clock, metrics).unwrap()
    }

    /// Mail comes in.
    async fn take(&self, texts: &[&str]) {
        for text in texts {
            take(&self.spool, text, text).await;
        }
    }

    /// Returns once `is_so`; it is asked again whenever the spool changes.
    async fn until(&self, what: &str, mut is_so: impl AsyncFnMut(&Stage) -> bool) {
        let mut work = self.spool.work();
        let waiting = async {
            loop {
                work.borrow_and_update();
                if is_so(self).await {
                    return;
                }
                work.changed().await.unwrap();
            }
        };
        let Ok(()) = tokio::time::timeout(PATIENCE, waiting).await else { panic!("waited in vain: {what}") };
    }

    async fn rows(&self) -> Vec<Row> {
        ground::rows(&self.spool).await
    }

    async fn attempts(&self, text: &str) -> Vec<AttemptRow> {
        self.spool.attempts(key_of(&self.spool, text).await).await.unwrap()
    }

    /// Returns once all messages together were tried so often.
    async fn tried(&self, times: u32) {
        let what = format!("{times} attempts");
        let sum =
            |rows: Vec<Row>| rows.iter().filter(|row| row.endpoint.is_some()).map(|row| row.attempts).sum::<u32>();
        self.until(&what, async |stage| sum(stage.rows().await) >= times).await;
    }

    /// The only row, after its attempt number `attempt`.
    async fn after(&self, attempt: u32) -> Row {
        self.tried(attempt).await;
        let mut rows = self.rows().await;
        assert_eq!((rows.len(), rows[0].attempts), (1, attempt));
        rows.remove(0)
    }

    /// Moves the clock to when `row` is due.
    fn advance_to(&self, row: &Row) {
        self.ground.clock.advance(self.wait_of(row));
    }

    fn wait_of(&self, row: &Row) -> Duration {
        let due: Timestamp = row.due.as_ref().expect("it is due").parse().unwrap();
        due.duration_since(self.ground.clock.now()).try_into().unwrap()
    }

    async fn endpoint(&self, name: &str) -> EndpointRow {
        let rows = self.spool.endpoints().await.unwrap();
        rows.into_iter().find(|row| row.endpoint == endpoint(name)).unwrap()
    }

    async fn resume(&self) {
        assert_eq!(change(&self.spool, Command::Resume { endpoint: "desk".to_owned() }).await, 1);
    }

    /// Stops, and tells what was done.
    async fn end(mut self) -> Tally {
        self.stop.cancel();
        self.running.take().unwrap().await.unwrap().unwrap()
    }
}

fn wait_after(failures: usize) -> Duration {
    Duration::from_secs(*WAITS.get(failures).unwrap_or(&WAITS[8]))
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("mail {number}")).collect()
}

#[tokio::test]
async fn e1_e15_a_failure_is_tried_again_on_schedule_and_dead_only_after_its_time() {
    let stage = Stage::start(&[]).await;
    stage.desk.set(Answer::Status(500));
    let first = stage.ground.clock.now();
    stage.take(&["m"]).await;
    let mut attempt = 1;
    let last = loop {
        let row = stage.after(attempt).await;
        let tried: Duration = stage.ground.clock.now().duration_since(first).try_into().unwrap();
        if row.state == "dead" {
            assert!(tried >= 5 * DAY, "dead after {tried:?}");
            break row;
        }
        assert!(tried < 5 * DAY, "still tried after {tried:?}");
        let (wait, promised) = (stage.wait_of(&row), wait_after(usize::try_from(attempt).unwrap() - 1));
        assert!(wait >= promised && wait <= promised.mul_f64(1.25), "attempt {attempt}: {wait:?} for {promised:?}");
        stage.advance_to(&row);
        attempt += 1;
    };
    assert_eq!((last.reason.as_deref(), last.last_status), (Some("expired"), Some(500)));
    assert!(attempt > 15, "{attempt} attempts in five days");
    assert_eq!(stage.desk.ids().into_iter().collect::<Vec<_>>(), [id_of("m")], "one id for all attempts");
    assert_eq!(stage.desk.count(), usize::try_from(attempt).unwrap());
    // By hand it is tried again, from the first wait on.
    change(&stage.spool, retry(of_id("m"))).await;
    let row = stage.after(attempt + 1).await;
    assert!(stage.wait_of(&row) <= wait_after(0).mul_f64(1.25));
    stage.desk.set(Answer::Status(200));
    stage.advance_to(&row);
    assert_eq!(stage.after(attempt + 2).await.state, "delivered");
}

#[tokio::test]
async fn e8_the_fifth_refusal_of_a_message_kills_it() {
    let stage = Stage::start(&[]).await;
    for status in [400, 500, 413, 415, 422, 400] {
        stage.desk.script([Answer::Status(status)]);
    }
    stage.take(&["m"]).await;
    for attempt in 1..=5 {
        let row = stage.after(attempt).await;
        assert_eq!(row.state, "pending", "attempt {attempt}");
        stage.advance_to(&row);
    }
    let row = stage.after(6).await;
    assert_eq!((row.state, row.reason.as_deref()), ("dead", Some("refused")));
    assert_eq!(stage.end().await, Tally { delivered: 0, deferred: 5, dead: 1 });
}

#[tokio::test]
async fn e8_twenty_different_refusals_in_a_row_hold_the_endpoint() {
    let refused = async |first: usize, between: &[u16], second: usize| {
        let stage = Stage::start(&["max_concurrency: 1"]).await;
        let answers = [vec![422; first], between.to_vec(), vec![422; second]].concat();
        stage.desk.script(answers.iter().map(|status| Answer::Status(*status)));
        for text in texts(answers.len()) {
            stage.take(&[&text]).await;
        }
        stage.tried(u32::try_from(answers.len()).unwrap()).await;
        let dead = stage.rows().await.iter().filter(|row| row.state == "dead").count();
        assert_eq!(dead, 0, "a faulty release buries nothing");
        stage.endpoint("desk").await.held
    };
    assert_eq!(refused(19, &[], 0).await, None);
    assert_eq!(refused(20, &[], 0).await, Some(Hold::RefusesAll));
    assert_eq!(refused(10, &[200], 10).await, None);
    assert_eq!(refused(10, &[500], 10).await, Some(Hold::RefusesAll));
}

#[tokio::test]
async fn one_message_that_is_refused_again_and_again_holds_nothing() {
    let stage = Stage::start(&[]).await;
    stage.desk.set(Answer::Status(422));
    for round in 0..5 {
        if round > 0 {
            change(&stage.spool, retry(of_id("m"))).await;
        } else {
            stage.take(&["m"]).await;
        }
        for attempt in 1..=5 {
            let row = stage.after(round * 5 + attempt).await;
            if row.due.is_some() {
                stage.advance_to(&row);
            }
        }
    }
    assert_eq!(stage.endpoint("desk").await.held, None);
}

#[tokio::test]
async fn e6_an_endpoint_that_asks_to_wait_is_left_alone_until_then() {
    let mut stage = Stage::prepare().await;
    let wait = |status, seconds: &str| Answer::With(status, "retry-after", seconds.to_owned());
    stage.desk.script([wait(429, "120"), wait(503, "30")]);
    stage.take(&["one", "two"]).await;
    let deliverer = stage.deliverer(&["max_concurrency: 2"], None);
    stage.run(deliverer, Mode::Forever, CancellationToken::new());
    stage.tried(2).await;
    let until = stage.ground.clock.now().checked_add(Duration::from_secs(120)).unwrap();
    assert_eq!(stage.endpoint("desk").await.paused_until, Some(until), "the longer one holds");
    stage.take(&["three"]).await;
    stage.until("three is sorted", async |stage| stage.rows().await.len() == 3).await;
    stage.ground.clock.advance(Duration::from_secs(119));
    assert_eq!(stage.desk.count(), 2);
    stage.ground.clock.advance(Duration::from_secs(1 + 30));
    stage.until("all is delivered", async |stage| states(&stage.spool).await == ["desk delivered"; 3]).await;
    let attempts = stage.attempts("three").await;
    assert!(attempts[0].started_at.parse::<Timestamp>().unwrap() >= until);
    assert_eq!(stage.end().await, Tally { delivered: 3, deferred: 2, dead: 0 });
}

#[tokio::test]
async fn e6_a_wait_that_is_asked_for_is_never_longer_than_a_day() {
    let stage = Stage::start(&[]).await;
    stage.desk.script([Answer::With(429, "retry-after", "1000000000".to_owned())]);
    stage.take(&["m"]).await;
    stage.tried(1).await;
    let until = stage.ground.clock.now().checked_add(DAY).unwrap();
    assert_eq!(stage.endpoint("desk").await.paused_until, Some(until));
}

#[tokio::test]
async fn e5_an_endpoint_is_gone_when_it_says_so_twice_a_minute_apart() {
    let stage = Stage::start(&[]).await;
    stage.desk.set(Answer::Status(410));
    stage.take(&["m"]).await;
    // At once, after 5 s and after 30 s more: it may be a slip of a moment.
    for attempt in 1..=3 {
        let row = stage.after(attempt).await;
        assert_eq!(stage.endpoint("desk").await.held, None, "attempt {attempt}");
        stage.advance_to(&row);
    }
    let row = stage.after(4).await;
    assert_eq!(stage.endpoint("desk").await.held, Some(Hold::Gone));
    assert_eq!((row.state, row.reason.as_deref(), row.due), ("pending", Some("gone"), None), "its mail waits");
    // Whoever resumes it has it judged anew.
    stage.ground.clock.advance(HOUR);
    stage.resume().await;
    stage.tried(5).await;
    assert_eq!(stage.endpoint("desk").await.held, None);
    stage.desk.set(Answer::Status(200));
    let row = stage.after(5).await;
    stage.advance_to(&row);
    assert_eq!(stage.after(6).await.state, "delivered");
}

#[tokio::test]
async fn e7_a_redirect_is_not_followed() {
    let elsewhere = Receiver::start();
    let stage = Stage::start(&[]).await;
    for status in [301, 302, 303, 307, 308] {
        stage.desk.script([Answer::With(status, "location", elsewhere.url())]);
    }
    stage.take(&["m"]).await;
    for attempt in 1..=5 {
        let row = stage.after(attempt).await;
        assert_eq!(row.state, "pending");
        stage.advance_to(&row);
    }
    assert_eq!(stage.after(6).await.state, "delivered");
    assert_eq!((stage.desk.count(), elsewhere.count()), (6, 0));
}

#[tokio::test]
async fn e2_the_status_line_is_the_answer_even_if_its_body_stalls() {
    let stage = Stage::start(&[]).await;
    stage.desk.script([Answer::HalfBody]);
    stage.take(&["m"]).await;
    assert_eq!(stage.after(1).await.state, "delivered");
}

#[tokio::test]
async fn e3_a_connection_that_breaks_is_tried_again() {
    let stage = Stage::start(&[]).await;
    stage.desk.script([Answer::Reset, Answer::Close]);
    stage.take(&["m"]).await;
    for attempt in 1..=2 {
        let row = stage.after(attempt).await;
        assert_eq!((row.state, row.last_status), ("pending", None));
        stage.advance_to(&row);
    }
    assert_eq!(stage.after(3).await.state, "delivered");
    let errors: Vec<_> = stage.attempts("m").await.into_iter().map(|one| one.error).collect();
    let closed = Some("connection_closed".to_owned());
    assert_eq!(errors, [closed.clone(), closed, None]);
}

#[tokio::test]
async fn e16_an_endpoint_that_never_answers_delays_no_other_and_has_no_more_than_its_slots() {
    let erp = Receiver::start();
    let stage = Stage::start_with(&["max_concurrency: 3"], Some(&erp)).await;
    stage.desk.set(Answer::Hold);
    for text in texts(40) {
        stage.take(&[&text]).await;
    }
    let delivered = async |stage: &Stage, name: &str| {
        states(&stage.spool).await.iter().filter(|state| **state == format!("{name} delivered")).count()
    };
    stage.until("erp has all", async |stage| delivered(stage, "erp").await == 40).await;
    assert!(stage.desk.count() <= 3, "{} at once", stage.desk.count());
    assert_eq!(delivered(&stage, "desk").await, 0);
    stage.desk.release();
    stage.until("desk has all", async |stage| delivered(stage, "desk").await == 40).await;
    assert_eq!((stage.desk.count(), erp.count()), (40, 40), "each once");
    assert_eq!((stage.desk.ids().len(), erp.ids().len()), (40, 40));
}

#[tokio::test]
async fn a_drain_waits_for_what_is_under_way_and_begins_nothing_new() {
    let mut stage = Stage::start(&[]).await;
    stage.desk.set(Answer::Hold);
    let (arrived, posted) = tokio::sync::oneshot::channel();
    let arrived = std::sync::Mutex::new(Some(arrived));
    stage.desk.on_arrival(move |_| {
        if let Some(arrived) = arrived.lock().unwrap().take() {
            arrived.send(()).unwrap();
        }
    });
    stage.take(&["under way"]).await;
    posted.await.unwrap();
    stage.stop.cancel();
    let running = stage.running.take().unwrap();
    take(&stage.spool, "late", "late").await;
    assert!(!running.is_finished());
    stage.desk.release();
    assert_eq!(running.await.unwrap().unwrap(), Tally { delivered: 1, deferred: 0, dead: 0 });
    assert_eq!(states(&stage.spool).await, ["spooled", "desk delivered"]);
    assert_eq!(stage.desk.count(), 1);
    // It leaves no count: the late one is not suspected.
    let next = stage.ground.after_a_crash();
    let spool = next.open().await;
    take(&spool, "later", "later").await;
    assert_eq!(spool.claim_unsorted(9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn one_round_tries_what_is_due_once_and_ends() {
    let mut stage = Stage::prepare().await;
    stage.desk.script([Answer::Status(500), Answer::Status(200)]);
    stage.take(&["one", "two"]).await;
    let deliverer = stage.deliverer(&["max_concurrency: 1", "backoff: [100ms]"], None);
    let collected = CancellationToken::new();
    collected.cancel();
    stage.run(deliverer, Mode::Once, collected);
    let tally = stage.running.take().unwrap().await.unwrap().unwrap();
    assert_eq!(tally, Tally { delivered: 1, deferred: 1, dead: 0 });
    assert_eq!(stage.desk.count(), 2);
}

#[tokio::test]
async fn k5_a_mail_whose_parse_never_ended_is_set_aside_and_the_others_go_on() {
    let mut stage = Stage::prepare().await;
    stage.take(&["bad"]).await;
    for _ in 0..pophook::spool::PARSES_MAX {
        let batch = stage.spool.claim_unsorted(1).await.unwrap();
        stage.spool.abandon(batch.iter().map(|one| one.message.key).collect()).await.unwrap();
    }
    stage.take(&["good"]).await;
    let deliverer = stage.deliverer(&[], None);
    stage.run(deliverer, Mode::Forever, CancellationToken::new());
    stage.until("the good one is delivered", async |stage| stage.desk.ids().contains(&id_of("good"))).await;
    stage
        .until("both are settled", async |stage| states(&stage.spool).await == ["quarantined", "desk delivered"])
        .await;
    // By command it is parsed anew, and nothing is wrong with it today.
    let quarantined = Filter { state: Some("quarantined".to_owned()), ..Filter::default() };
    assert_eq!(change(&stage.spool, retry(quarantined)).await, 1);
    stage.until("both are delivered", async |stage| states(&stage.spool).await == ["desk delivered"; 2]).await;
}

#[tokio::test]
async fn mail_that_goes_nowhere_is_sent_raw_by_command() {
    let mut stage = Stage::prepare().await;
    stage.take(&["m"]).await;
    ground::sort_all(&stage.spool, &[]).await;
    let deliverer = stage.deliverer(&[], None);
    stage.run(deliverer, Mode::Forever, CancellationToken::new());
    let command = Command::Retry { filter: of_id("m"), to: Some("desk".to_owned()), raw: true };
    assert_eq!(change(&stage.spool, command).await, 1);
    assert_eq!(stage.after(1).await.state, "delivered");
    assert_eq!(stage.desk.hits()[0].raw(), ground::incoming("a", "m", "m").raw);
}
