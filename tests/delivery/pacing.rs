//! How much an endpoint gets, and when: pauses, breaker, limits, rates, and what a restart remembers of them.
//!
//! That nothing was posted too early is seen in when its attempts began.

use std::time::Duration;

use jiff::Timestamp;
use pophook::deliver::InFlight;
use pophook::deliver::Mode;
use pophook::deliver::Tally;
use pophook::spool::Breaker;
use pophook::spool::Hold;
use tokio_util::sync::CancellationToken;

use super::PATIENCE;
use super::Stage;
use super::support::receiver::Answer;
use super::support::receiver::Receiver;
use super::texts;
use crate::ground::DAY;
use crate::ground::HOUR;
use crate::ground::states;

/// Failures of a minute that open a breaker.
const OPENS: usize = 20;
/// More good answers than six at once need: each round of them allows one more.
const GROWS: usize = 60;

impl Stage {
    /// Stops, and starts anew after `gap`, with a deliverer for the same endpoint.
    async fn restart(mut self, gap: Duration) -> Stage {
        self.stop.cancel();
        self.running.take().unwrap().await.unwrap().unwrap();
        let Stage { ground, spool, desk, taken, .. } = self;
        drop(spool);
        let ground = ground.after_an_end(gap);
        let spool = ground.open().await;
        let mut stage = Stage { ground, spool, desk, stop: CancellationToken::new(), running: None, taken };
        let deliverer = stage.deliverer(&[], None);
        stage.run(deliverer, Mode::Forever, CancellationToken::new());
        stage
    }

    async fn breaker(&self) -> Breaker {
        self.endpoint("desk").await.breaker
    }

    /// The breaker opens; tells when the first probe may go out.
    async fn opens(&self) -> Timestamp {
        self.until("the breaker opens", async |stage| matches!(stage.breaker().await, Breaker::Open { .. })).await;
        self.breaker().await.probe_at().unwrap()
    }

    fn advance_until(&self, time: Timestamp) {
        self.ground.clock.advance(time.duration_since(self.ground.clock.now()).try_into().unwrap());
    }

    async fn delivered(&self) -> usize {
        states(&self.spool).await.iter().filter(|state| *state == "desk delivered").count()
    }

    async fn all_are_delivered(&self, count: usize) {
        self.until("all are delivered", async |stage| stage.delivered().await == count).await;
    }

    /// When each attempt for these messages began.
    async fn began(&self, texts: &[String]) -> Vec<Timestamp> {
        let mut began = Vec::new();
        for text in texts {
            began.extend(self.attempts(text).await.iter().map(|one| one.started_at.parse::<Timestamp>().unwrap()));
        }
        began.sort();
        began
    }

    /// One round.
    async fn once(&mut self, lines: &[&str]) -> Tally {
        let deliverer = self.deliverer(lines, None);
        let collected = CancellationToken::new();
        collected.cancel();
        self.run(deliverer, Mode::Once, collected);
        self.running.take().unwrap().await.unwrap().unwrap()
    }
}

/// E5.
#[tokio::test]
async fn e5_an_endpoint_is_gone_when_it_says_so_before_a_restart_and_after_it() {
    let stage = Stage::start(&[]).await;
    stage.desk.set(Answer::Status(410));
    stage.take(&["m"]).await;
    stage.tried(1).await;
    let stage = stage.restart(Duration::from_secs(59)).await;
    stage.tried(2).await;
    assert_eq!(stage.endpoint("desk").await.held, None, "it may be a slip of a moment");
    let stage = stage.restart(Duration::from_secs(60)).await;
    stage.tried(3).await;
    stage.until("it is held", async |stage| stage.endpoint("desk").await.held == Some(Hold::Gone)).await;
    // It stays so, and goes on when somebody says so.
    let stage = stage.restart(DAY).await;
    assert_eq!(stage.endpoint("desk").await.held, Some(Hold::Gone));
    stage.desk.set(Answer::Status(200));
    stage.resume().await;
    stage.all_are_delivered(1).await;
    assert_eq!(stage.desk.count(), 4);
    stage.holds().await;
}

#[tokio::test]
async fn twenty_different_refusals_hold_the_endpoint_over_a_restart_too() {
    let stage = Stage::start(&[]).await;
    stage.desk.set(Answer::Status(422));
    let texts = texts(20);
    stage.take_all(&texts[..12]).await;
    stage.tried(12).await;
    let stage = stage.restart(Duration::ZERO).await;
    stage.take_all(&texts[12..]).await;
    stage.until("it is held", async |stage| stage.endpoint("desk").await.held == Some(Hold::RefusesAll)).await;
    stage.holds().await;
}

/// E6.
#[tokio::test]
async fn e6_one_post_goes_out_until_the_wait_is_over_that_an_endpoint_asks_for() {
    let check = async |retry_after: &str, wait: Duration| {
        let stage = Stage::start(&[]).await;
        stage.desk.script([Answer::With(429, "retry-after", retry_after.to_owned())]);
        let texts = texts(5);
        let until = stage.ground.clock.now().checked_add(wait).unwrap();
        stage.take_all(&texts).await;
        stage.tried(1).await;
        assert_eq!(stage.endpoint("desk").await.paused_until, Some(until), "{retry_after}");
        // A restart does not forget it.
        let stage = stage.restart(Duration::from_secs(1)).await;
        stage.advance_until(until.checked_sub(Duration::from_millis(1)).unwrap());
        stage.advance_until(until);
        stage.tried(5).await;
        assert!(stage.began(&texts).await[1..].iter().all(|began| *began >= until), "{retry_after}");
        stage.ground.clock.advance(wait);
        stage.all_are_delivered(5).await;
        stage.holds().await;
    };
    let seconds = Duration::from_secs;
    check("120", seconds(120)).await;
    check("Sat, 31 Jan 2026 12:02:00 GMT", seconds(120)).await;
    for nothing in ["soon", "-120", "Sat, 31 Jan 2026 11:59:00 GMT", ""] {
        check(nothing, seconds(30)).await;
    }
    check("1000000000", DAY).await;
}

/// E8.
#[tokio::test]
async fn e8_what_an_endpoint_refuses_does_not_open_its_breaker() {
    let stage = Stage::start(&[]).await;
    stage.desk.script(vec![Answer::Status(422); 19]);
    let texts = texts(60);
    stage.take_all(&texts).await;
    stage.tried(60).await;
    assert_eq!((stage.delivered().await, stage.breaker().await), (41, Breaker::Closed));
    assert_eq!(stage.endpoint("desk").await.held, None);
    stage.holds().await;
}

/// E10.
#[tokio::test]
async fn e10_an_endpoint_that_is_down_gets_few_probes_and_when_it_is_up_everything() {
    let stage = Stage::start(&["max_concurrency: 6"]).await;
    stage.desk.set(Answer::Status(503));
    let texts = texts(400);
    let down = stage.ground.clock.now();
    let up = down.checked_add(2 * HOUR).unwrap();
    stage.take_all(&texts).await;
    let mut probe_at = stage.opens().await;
    assert_eq!(stage.desk.count(), OPENS);
    let mut probes = 0;
    while probe_at <= up {
        stage.advance_until(probe_at);
        probes += 1;
        let failed =
            async |stage: &Stage| matches!(stage.breaker().await, Breaker::Open { failed, .. } if failed == probes);
        stage.until("the probe failed", failed).await;
        probe_at = stage.breaker().await.probe_at().unwrap();
    }
    assert!((7..=13).contains(&probes), "{probes} probes in two hours");
    assert_eq!(stage.desk.count(), OPENS + usize::try_from(probes).unwrap());
    // Up again: what is under way grows with each good round, to the cap.
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    stage.desk.on_arrival(move |_| arrived.send(()).unwrap_or_default());
    stage.desk.script(vec![Answer::Status(200); GROWS]);
    stage.desk.set(Answer::Hold);
    stage.advance_until(probe_at);
    for _ in 0..GROWS + 6 {
        let arrival = tokio::time::timeout(PATIENCE, arrivals.recv()).await;
        arrival.unwrap().unwrap();
    }
    assert_eq!(stage.ground.metrics.deliver.concurrency_limit.with_label_values(&["desk"]).get(), 6);
    assert_eq!((stage.breaker().await, arrivals.len()), (Breaker::Closed, 0));
    stage.desk.release();
    let untried = texts.len() - OPENS;
    stage.until("what is due is delivered", async |stage| stage.delivered().await >= untried).await;
    stage.ground.clock.advance(HOUR);
    stage.all_are_delivered(texts.len()).await;
    stage.holds().await;
}

/// E16.
#[tokio::test]
async fn e16_one_dead_endpoint_leaves_the_healthy_one_alone() {
    let erp = Receiver::start();
    let stage = Stage::start_with(&[], Some(&erp)).await;
    stage.desk.set(Answer::Reset);
    stage.take_all(&texts(60)).await;
    let delivered = async |stage: &Stage| {
        states(&stage.spool).await.iter().filter(|state| **state == "erp delivered").count() == 60
    };
    stage.until("erp has all", delivered).await;
    stage.opens().await;
    assert_eq!((erp.count(), erp.ids().len(), stage.desk.count()), (60, 60, OPENS), "each once");
    stage.holds_at(&[("desk", &stage.desk), ("erp", &erp)]).await;
}

/// I7.
#[tokio::test]
async fn an_endpoint_that_hangs_with_every_slot_taken_delays_no_other() {
    let check = async |in_flight| {
        let erp = Receiver::start();
        let mut stage = Stage::prepare().await;
        stage.desk.set(Answer::Hold);
        let deliverer = stage.deliverer_of(pophook::deliver::Config { in_flight, ..stage.config(&[], Some(&erp)) });
        stage.run(deliverer, Mode::Forever, CancellationToken::new());
        stage.take_all(&texts(40)).await;
        let delivered = async |stage: &Stage| {
            states(&stage.spool).await.iter().filter(|state| **state == "erp delivered").count() == 40
        };
        stage.until("erp has all", delivered).await;
        assert_eq!(stage.desk.count(), 1, "{in_flight:?}");
        stage.desk.release();
        stage.all_are_delivered(40).await;
        stage.holds_at(&[("desk", &stage.desk), ("erp", &erp)]).await;
    };
    check(InFlight { attempts: 1, bytes: 64 << 20 }).await;
    check(InFlight { attempts: 256, bytes: 1 }).await;
}

#[tokio::test]
async fn new_mail_does_not_wait_behind_what_failed_and_hangs() {
    let stage = Stage::start(&["max_concurrency: 4"]).await;
    stage.take_all(&texts(20)).await;
    stage.all_are_delivered(20).await;
    // Refused, so that it gets four at once as before.
    stage.desk.set(Answer::Status(422));
    let old: Vec<String> = (0..10).map(|number| format!("old {number}")).collect();
    stage.take_all(&old).await;
    stage.tried(30).await;
    stage.desk.set(Answer::Hold);
    let (arrived, mut subjects) = tokio::sync::mpsc::unbounded_channel();
    stage.desk.on_arrival(move |hit| drop(arrived.send(hit.subject())));
    stage.ground.clock.advance(Duration::from_secs(10));
    for _ in 0..3 {
        assert!(subjects.recv().await.unwrap().starts_with("old "));
    }
    stage.take(&["new"]).await;
    let fourth = tokio::time::timeout(Duration::from_secs(20), subjects.recv()).await;
    assert_eq!(fourth.unwrap().unwrap(), "new");
    stage.desk.unhook();
    stage.desk.set(Answer::Status(200));
    stage.desk.release();
    stage.all_are_delivered(31).await;
    stage.holds().await;
}

#[tokio::test]
async fn a_restart_with_an_open_breaker_waits_for_the_probe() {
    let stage = Stage::start(&[]).await;
    stage.desk.set(Answer::Status(500));
    let texts = texts(30);
    stage.take_all(&texts).await;
    let probe_at = stage.opens().await;
    let stage = stage.restart(Duration::from_secs(7)).await;
    stage.desk.set(Answer::Status(200));
    stage.take(&["new"]).await;
    assert_eq!(stage.endpoint("desk").await.breaker.probe_at(), Some(probe_at));
    stage.advance_until(probe_at);
    stage.until("what is due is delivered", async |stage| stage.delivered().await >= 11).await;
    stage.ground.clock.advance(HOUR);
    stage.all_are_delivered(31).await;
    let began = stage.began(&texts).await;
    assert!(began[OPENS..].iter().all(|began| *began >= probe_at), "{began:?}");
    assert_eq!(stage.breaker().await, Breaker::Closed);
    stage.holds().await;
}

#[tokio::test]
async fn whoever_resumes_an_endpoint_closes_its_breaker_in_a_running_daemon() {
    let stage = Stage::start(&[]).await;
    stage.desk.set(Answer::Status(500));
    stage.take_all(&texts(30)).await;
    stage.opens().await;
    stage.desk.set(Answer::Status(200));
    stage.resume().await;
    // Those that failed are not due yet.
    stage.all_are_delivered(30 - OPENS).await;
    assert_eq!(stage.breaker().await, Breaker::Closed);
    stage.holds().await;
}

#[tokio::test]
async fn a_single_round_ends_when_the_breaker_opens_and_the_next_one_keeps_to_it() {
    let mut stage = Stage::prepare().await;
    stage.desk.set(Answer::Status(500));
    stage.take_all(&texts(30)).await;
    assert_eq!(stage.once(&[]).await, Tally { delivered: 0, deferred: OPENS, dead: 0 });
    stage.desk.set(Answer::Status(200));
    assert_eq!(stage.once(&[]).await, Tally::default());
    assert_eq!(stage.desk.count(), OPENS);
    stage.ground.clock.advance(HOUR);
    assert_eq!(stage.once(&[]).await, Tally { delivered: 30, deferred: 0, dead: 0 });
    stage.holds().await;
}

#[tokio::test]
async fn posts_keep_to_the_rate() {
    let mut stage = Stage::prepare().await;
    let texts = texts(4);
    stage.take_all(&texts).await;
    let deliverer = stage.deliverer(&["rate_limit: 6/m"], None);
    let collected = CancellationToken::new();
    collected.cancel();
    stage.run(deliverer, Mode::Once, collected);
    let began = stage.ground.clock.now();
    for posts in 1..=4 {
        stage.tried(posts).await;
        stage.ground.clock.advance(Duration::from_secs(10));
    }
    // It does not wait for the next one that may go: there is none.
    assert_eq!(stage.running.take().unwrap().await.unwrap().unwrap().delivered, 4);
    let apart: Vec<_> = stage.began(&texts).await.iter().map(|one| one.duration_since(began).as_secs()).collect();
    assert_eq!(apart, [0, 10, 20, 30]);
    stage.holds().await;
}

#[tokio::test]
async fn an_endpoint_begins_with_one_post_and_the_metrics_tell_what_it_gets() {
    let mut stage = Stage::prepare().await;
    stage.desk.set(Answer::Hold);
    stage.take_all(&texts(100)).await;
    let deliverer = stage.deliverer(&[], None);
    let metrics = stage.ground.metrics.deliver.clone();
    let of_desk = move |gauge: &prometheus::IntGaugeVec| gauge.with_label_values(&["desk"]).get();
    let (arrived, first) = tokio::sync::oneshot::channel();
    let arrived = std::sync::Mutex::new(Some(arrived));
    stage.desk.on_arrival(move |_| {
        if let Some(arrived) = arrived.lock().unwrap().take() {
            arrived.send(()).unwrap();
        }
    });
    stage.run(deliverer, Mode::Forever, CancellationToken::new());
    first.await.unwrap();
    assert_eq!((of_desk(&metrics.in_flight), of_desk(&metrics.concurrency_limit)), (1, 1));
    stage.desk.unhook();
    stage.desk.release();
    stage.all_are_delivered(100).await;
    assert!((2..=16).contains(&of_desk(&metrics.concurrency_limit)));
    assert_eq!(of_desk(&metrics.breaker_state), 0);
    stage.desk.set(Answer::Status(500));
    let more: Vec<String> = (0..120).map(|number| format!("more {number}")).collect();
    stage.take_all(&more).await;
    stage.opens().await;
    stage.until("it is shown", async |_| of_desk(&metrics.breaker_state) == 2).await;
    assert_eq!(of_desk(&metrics.concurrency_limit), 1);
    stage.holds().await;
}
