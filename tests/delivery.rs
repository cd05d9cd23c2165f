//! The delivering half against an endpoint that answers by script, with a clock moved by hand.
//!
//! Nothing waits for time to pass but the one answer whose body stalls: each record wakes whoever waits for it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

#[allow(dead_code, unreachable_pub, reason = "the tests of the spool use the rest of it")]
#[path = "spool/ground.rs"]
mod ground;
#[path = "delivery/pacing.rs"]
mod pacing;
mod support;

use std::sync::Arc;
use std::sync::Mutex;
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
use support::in_process;
use support::oracle::KEY;
use support::oracle::Owed;
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
    /// What was taken so far.
    taken: Mutex<Vec<String>>,
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
        Stage {
            ground,
            spool,
            desk: Receiver::start(),
            stop: CancellationToken::new(),
            running: None,
            taken: Mutex::default(),
        }
    }

    fn run(&mut self, deliverer: Deliverer, mode: Mode, collected: CancellationToken) {
        self.running = Some(tokio::spawn(deliverer.run(mode, collected, self.stop.clone())));
    }

    fn deliverer(&self, lines: &[&str], erp: Option<&Receiver>) -> Deliverer {
        self.deliverer_of(self.config(lines, erp))
    }

    fn deliverer_of(&self, config: pophook::deliver::Config) -> Deliverer {
        Deliverer::new(config, &self.spool, &self.ground.clock, &self.ground.metrics.deliver).unwrap()
    }

    /// Read from a file, so that the waits are those that operators get.
    fn config(&self, lines: &[&str], erp: Option<&Receiver>) -> pophook::deliver::Config {
        let more: String = lines.iter().map(|line| format!("    {line}\n")).collect();
        let names = if erp.is_some() { "desk, erp" } else { "desk" };
        let same = format!("    signing_keys: [{KEY}]\n    include_raw: true\n");
        let erp = erp.map_or_else(String::new, |erp| format!("  - name: erp\n    url: {}\n{same}", erp.url()));
        let text = format!(
            "spool:\n  url: sqlite:{}\nmailboxes:\n  - name: a\n    host: localhost\n    tls: none\n    username: u\n    \
             password: p\n    start_from: all\n    deliver_to: [{names}]\nendpoints:\n  - name: desk\n    url: {}\n\
             {same}{more}{erp}",
            self.ground.path().display(),
            self.desk.url()
        );
        let file = self.ground.folder.path().join("pophook.yaml");
        std::fs::write(&file, text).unwrap();
        pophook::config::load(&file).unwrap().deliver
    }

    /// Mail comes in.
    async fn take(&self, texts: &[&str]) {
        for text in texts {
            take(&self.spool, text, text).await;
            self.taken.lock().unwrap().push((*text).to_owned());
        }
    }

    /// Mail comes in, all at once.
    async fn take_all(&self, texts: &[impl AsRef<str>]) {
        let incoming = texts.iter().map(|text| ground::incoming("a", text.as_ref(), text.as_ref())).collect();
        self.spool.accept(&ground::mailbox("a"), incoming).await.unwrap();
        self.taken.lock().unwrap().extend(texts.iter().map(|text| text.as_ref().to_owned()));
    }

    /// Insists on the invariants of the fault matrix.
    async fn holds(&self) {
        self.holds_at(&[("desk", &self.desk)]).await;
    }

    /// Insists on the invariants, where these endpoints get all mail.
    async fn holds_at(&self, endpoints: &[(&str, &Receiver)]) {
        let names: Vec<&str> = endpoints.iter().map(|(name, _)| *name).collect();
        let owed = |text: &String| Owed::new("a", &ground::incoming("a", text, text).raw, &names, false);
        let owed = self.taken.lock().unwrap().iter().map(owed).collect();
        in_process::holds(&self.spool, owed, endpoints, &[KEY]).await;
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

    /// The row that is due next, after so many attempts in all.
    async fn due_after(&self, attempts: u32) -> Row {
        self.tried(attempts).await;
        let waits = |row: &Row| row.attempts > 0 && row.due.is_some();
        self.rows().await.into_iter().find(waits).expect("something was put off")
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

/// The subjects in the order in which they arrived.
fn arrivals(receiver: &Receiver) -> Vec<String> {
    receiver.hits().iter().map(|hit| hit.subject()).collect()
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
    // By hand it is tried again, from the first wait on, as soon as the endpoint gets a probe.
    change(&stage.spool, retry(of_id("m"))).await;
    stage.ground.clock.advance(HOUR);
    let row = stage.after(attempt + 1).await;
    assert!(stage.wait_of(&row) <= wait_after(0).mul_f64(1.25));
    stage.desk.set(Answer::Status(200));
    stage.ground.clock.advance(HOUR);
    assert_eq!(stage.after(attempt + 2).await.state, "delivered");
    stage.holds().await;
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
    stage.holds().await;
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
        stage.holds().await;
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
    stage.holds().await;
}

#[tokio::test]
async fn e6_an_endpoint_that_asks_to_wait_is_left_alone_until_then() {
    let mut stage = Stage::prepare().await;
    let wait = |status, seconds: &str| Answer::With(status, "retry-after", seconds.to_owned());
    let deliverer = stage.deliverer(&["max_concurrency: 2"], None);
    stage.run(deliverer, Mode::Forever, CancellationToken::new());
    stage.take(&["zero"]).await;
    // From now on it gets two at once.
    stage.tried(1).await;
    stage.desk.script([wait(429, "120"), wait(503, "30")]);
    stage.take_all(&["one", "two"]).await;
    stage.tried(3).await;
    let until = stage.ground.clock.now().checked_add(Duration::from_secs(120)).unwrap();
    assert_eq!(stage.endpoint("desk").await.paused_until, Some(until), "the longer one holds");
    stage.take(&["three"]).await;
    stage.until("three is sorted", async |stage| stage.rows().await.len() == 4).await;
    stage.ground.clock.advance(Duration::from_secs(119));
    assert_eq!(stage.desk.count(), 3);
    stage.ground.clock.advance(Duration::from_secs(1 + 30));
    stage.until("all is delivered", async |stage| states(&stage.spool).await == ["desk delivered"; 4]).await;
    let attempts = stage.attempts("three").await;
    assert!(attempts[0].started_at.parse::<Timestamp>().unwrap() >= until);
    stage.holds().await;
    assert_eq!(stage.end().await, Tally { delivered: 4, deferred: 2, dead: 0 });
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
    stage.holds().await;
}

#[tokio::test]
async fn in_order_the_next_mail_waits_for_the_one_before_it() {
    let stage = Stage::start(&["ordering: per_mailbox", "max_concurrency: 8"]).await;
    stage.desk.script([500, 200, 503, 200].map(Answer::Status));
    stage.take(&["one", "two", "three"]).await;
    let first = stage.due_after(1).await;
    stage.advance_to(&first);
    let second = stage.due_after(3).await;
    stage.advance_to(&second);
    stage.until("all is delivered", async |stage| states(&stage.spool).await == ["desk delivered"; 3]).await;
    assert_eq!(arrivals(&stage.desk), ["one", "one", "two", "two", "three"]);
    stage.holds().await;
}

#[tokio::test]
async fn in_order_a_mail_that_is_refused_keeps_the_others_waiting_for_an_hour_at_most() {
    let stage = Stage::start(&["ordering: per_mailbox"]).await;
    let began = stage.ground.clock.now();
    stage.desk.set(Answer::Status(422));
    stage.take(&["one", "two"]).await;
    let mut attempts = 1;
    stage.tried(attempts).await;
    while stage.attempts("two").await.is_empty() {
        if let Some(row) = stage.rows().await.iter().find(|row| row.id == Some(id_of("one")) && row.due.is_some()) {
            stage.advance_to(row);
        }
        attempts += 1;
        stage.tried(attempts).await;
        // Both were tried when the first one died: the other's turn has come.
        if stage.rows().await.iter().any(|row| row.state == "dead") {
            stage.tried(attempts + 1).await;
        }
    }
    let rows = stage.rows().await;
    let dead = rows.iter().find(|row| row.state == "dead").unwrap();
    assert_eq!((dead.id.clone(), dead.reason.as_deref()), (Some(id_of("one")), Some("refused")));
    assert!(dead.attempts > 5, "its time counts, not the number of refusals: {}", dead.attempts);
    assert_eq!(stage.ground.clock.now().duration_since(began), jiff::SignedDuration::from_hours(1));
    stage.holds().await;
}

#[tokio::test]
async fn in_order_an_endpoint_can_be_held_until_somebody_looked_at_the_mail_that_it_refuses() {
    let lines = ["ordering: per_mailbox", "max_head_block: 30s", "on_head_block: halt", "backoff: [30s]"];
    let stage = Stage::start(&lines).await;
    stage.desk.script([422, 422, 200, 200].map(Answer::Status));
    stage.take(&["one", "two"]).await;
    let row = stage.due_after(1).await;
    stage.advance_to(&row);
    stage.tried(2).await;
    stage.until("it is held", async |stage| stage.endpoint("desk").await.held == Some(Hold::HeadRefused)).await;
    stage.ground.clock.advance(HOUR);
    stage.resume().await;
    stage.until("all is delivered", async |stage| states(&stage.spool).await == ["desk delivered"; 2]).await;
    assert_eq!(arrivals(&stage.desk), ["one", "one", "one", "two"]);
    stage.holds().await;
}

#[tokio::test]
async fn t1_a_clock_that_is_set_by_a_day_neither_puts_mail_off_nor_kills_it() {
    for days in [-1, 1, 30] {
        let stage = Stage::start(&["give_up_after: 1h"]).await;
        stage.desk.script([Answer::Status(500)]);
        stage.take(&["m"]).await;
        stage.after(1).await;
        stage.ground.clock.set(stage.ground.clock.now() + jiff::SignedDuration::from_hours(days * 24));
        // What a wait lasts at most, if the clock had been left alone; then a look a minute, for one that was just over.
        stage.ground.clock.advance(wait_after(8).mul_f64(1.25));
        while tokio::time::timeout(Duration::from_millis(100), stage.tried(2)).await.is_err() {
            stage.ground.clock.advance(Duration::from_secs(60));
        }
        let row = stage.after(2).await;
        assert_eq!(row.state, "delivered", "{days} d");
        stage.holds().await;
    }
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
    let told = format!("redirects to {}", elsewhere.url().split('/').nth(2).unwrap());
    assert_eq!(stage.attempts("m").await[4].answer, Some(told), "the host, and neither path nor query");
    stage.holds().await;
}

#[tokio::test]
async fn a_status_map_says_what_an_answer_means() {
    let lines = ["status_preset: mailgun", "statuses: { 409: accept, 5xx: refuse, 503: retry }"];
    let stage = Stage::start(&lines).await;
    let scripted = [(409, "delivered"), (406, "refused"), (500, "refused"), (503, "deferred"), (422, "deferred")];
    for (number, (status, expected)) in (1..).zip(scripted) {
        stage.desk.script([Answer::Status(status)]);
        let text = format!("answered {status}");
        stage.take(&[&text]).await;
        stage.tried(number).await;
        assert_eq!(stage.attempts(&text).await[0].outcome, expected, "{status}");
    }
    assert_eq!(stage.endpoint("desk").await.held, None);
}

#[tokio::test]
async fn an_answer_that_means_hold_stops_the_endpoint_until_a_human_has_looked() {
    let stage = Stage::start(&["max_concurrency: 1", "statuses: { 401: hold }"]).await;
    stage.desk.script([Answer::Status(401)]);
    stage.take(&["m"]).await;
    let row = stage.after(1).await;
    assert_eq!((row.state, row.reason.as_deref(), row.due), ("pending", Some("answered_hold"), None));
    assert_eq!(stage.endpoint("desk").await.held, Some(Hold::Status));
    stage.ground.clock.advance(10 * DAY);
    stage.take(&["later"]).await;
    stage.until("later is sorted", async |stage| stage.rows().await.len() == 2).await;
    assert_eq!(stage.desk.count(), 1);
    stage.resume().await;
    stage.until("both are delivered", async |stage| states(&stage.spool).await == ["desk delivered"; 2]).await;
    stage.holds().await;
}

#[tokio::test]
async fn the_answers_date_shows_how_far_the_clocks_are_apart() {
    let stage = Stage::start(&["max_concurrency: 1"]).await;
    let skew = || stage.ground.metrics.deliver.clock_skew.with_label_values(&["desk"]).get();
    let date = |ahead: i64| {
        let theirs = stage.ground.clock.now().checked_add(jiff::SignedDuration::from_secs(ahead)).unwrap();
        let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
        Answer::With(200, "date", printer.timestamp_to_rfc9110_string(&theirs).unwrap())
    };
    for (number, (answer, expected)) in
        (1..).zip([(date(90), -90), (Answer::Status(200), -90), (date(-300), 300), (date(0), 0)])
    {
        stage.desk.script([answer]);
        stage.take(&[&format!("m{number}")]).await;
        stage.tried(number).await;
        assert_eq!(skew(), expected, "answer {number}");
    }
}

#[tokio::test]
async fn n6_a_proxy_that_is_down_is_no_fault_of_the_endpoint_and_costs_no_mail() {
    let port = support::free_port();
    let stage = Stage::start(&[&format!("proxy: http://127.0.0.1:{port}")]).await;
    for text in texts(25) {
        stage.take(&[&text]).await;
    }
    stage.tried(25).await;
    let desk = stage.endpoint("desk").await;
    assert_eq!((desk.held, desk.paused_until, stage.desk.count()), (None, None, 0));
    let attempts = stage.attempts("mail 0").await;
    assert_eq!((attempts[0].error.as_deref(), attempts[0].outcome.as_str()), (Some("egress_proxy"), "deferred"));
    stage.holds().await;
}

#[tokio::test]
async fn e2_the_status_line_is_the_answer_even_if_its_body_stalls() {
    let stage = Stage::start(&[]).await;
    stage.desk.script([Answer::HalfBody]);
    stage.take(&["m"]).await;
    assert_eq!(stage.after(1).await.state, "delivered");
    stage.holds().await;
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
    stage.holds().await;
}

#[tokio::test]
async fn e3_e14_whatever_an_endpoint_says_its_mail_is_delivered_in_the_end() {
    let says = |words: &'static str, status: Option<u16>| Answer::Words(words, status);
    let stage = Stage::start(&["statuses: { 4xx: retry }"]).await;
    stage.desk.script([
        says("", None),
        says("HTTP/1.1 20", None),
        says("HTTP/1.1 200 OK\r\ncontent-le", None),
        says("220 mail.example.com ESMTP\r\n", None),
        says("HTTP/1.1 2000 Very OK\r\n\r\n", None),
        says("HTTP/1.1 100 Continue\r\n\r\n", None),
        says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Later\r\ncontent-length: 0\r\n\r\n", Some(503)),
        says("HTTP/1.0 404 Nobody\r\n\r\nnobody is here", Some(404)),
        Answer::Reset,
        says("HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\nHTTP/1.0 200 OK\r\n\r\n", Some(200)),
    ]);
    stage.take(&["m"]).await;
    let mut attempt = 1;
    let last = loop {
        let row = stage.after(attempt).await;
        stage.holds().await;
        if row.state == "delivered" {
            break row;
        }
        // Long enough for a breaker's probe too.
        stage.ground.clock.advance(HOUR.max(stage.wait_of(&row)));
        attempt += 1;
    };
    assert_eq!((last.attempts, last.last_status), (10, Some(200)));
    assert_eq!(stage.desk.count(), 10);
    let errors: Vec<_> = stage.attempts("m").await.into_iter().map(|one| one.error.unwrap_or_default()).collect();
    let closed = "connection_closed";
    assert_eq!(errors, [closed, closed, closed, "no_http", "no_http", closed, "", "", closed, ""]);
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
    stage.holds_at(&[("desk", &stage.desk), ("erp", &erp)]).await;
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
    stage.holds().await;
}
