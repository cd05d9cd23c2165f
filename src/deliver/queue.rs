//! One endpoint's loop: claim what is due, as far as slots are free; post; write down.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Mode;
use super::attempt::Attempted;
use super::attempt::Means;
use super::attempt::attempt;
use super::outcome::Outcome;
use super::outcome::Says;
use super::told::News;
use super::told::Told;
use crate::metrics::DeliverMetrics;
use crate::spool::End;
use crate::spool::Hold;
use crate::spool::MessageKey;
use crate::spool::Record;
use crate::spool::SpoolError;
use crate::spool::Wanted;

/// Bursts of records that may wait for their commit; beyond that, no new attempt begins.
const RECORDS_MAX: usize = 64;
/// An endpoint that refused this many different messages with no success between is at fault itself.
const REFUSED_MAX: usize = 20;
/// Two answers 410 this far apart mean it.
const GONE_APART: Duration = Duration::from_secs(60);
/// How long to wait after a fault of the spool.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How many attempts ended which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// The endpoint took the message.
    pub delivered: usize,
    /// It is tried again.
    pub deferred: usize,
    /// It became a dead letter.
    pub dead: usize,
}

impl Tally {
    /// Both together.
    pub(super) fn and(self, other: Tally) -> Tally {
        Tally {
            delivered: self.delivered + other.delivered,
            deferred: self.deferred + other.deferred,
            dead: self.dead + other.dead,
        }
    }
}

/// One endpoint's queue.
#[derive(Debug)]
pub(super) struct Queue {
    means: Arc<Means>,
    /// What the next attempts are made with, once the configuration is another one.
    next_means: watch::Receiver<Arc<Means>>,
    metrics: DeliverMetrics,
    tally: Tally,
    /// Different messages refused in a row.
    refused: HashSet<MessageKey>,
    gone_since: Option<Duration>,
    told: Told,
}

impl Queue {
    pub(super) fn new(mut next_means: watch::Receiver<Arc<Means>>, metrics: DeliverMetrics) -> Queue {
        let means = Arc::clone(&next_means.borrow_and_update());
        Queue {
            means,
            next_means,
            metrics,
            tally: Tally::default(),
            refused: HashSet::new(),
            gone_since: None,
            told: Told::default(),
        }
    }

    /// Delivers until `stop`, then lets the attempts under way end. In [`Mode::Once`], ends when everything due has
    /// been tried once and `sorted` says that no more will come.
    pub(super) async fn run(
        mut self,
        mode: Mode,
        sorted: CancellationToken,
        stop: CancellationToken,
    ) -> Result<Tally, SpoolError> {
        let (mut work, mut next_means) = (self.means.spool.work(), self.next_means.clone());
        let mut attempts = JoinSet::new();
        let mut records = JoinSet::new();
        let untried_since = matches!(mode, Mode::Once).then(|| self.means.clock.now());
        loop {
            // Read before the claim: what comes in between must not be missed.
            work.borrow_and_update();
            let complete = sorted.is_cancelled();
            let mut next_due = None;
            if !stop.is_cancelled() {
                next_due = self.start(&mut attempts, records.len(), untried_since).await?;
            }
            if attempts.is_empty()
                && records.is_empty()
                && (stop.is_cancelled() || (complete && untried_since.is_some()))
            {
                return Ok(self.tally);
            }
            tokio::select! {
                Some(first) = attempts.join_next() => {
                    // Answers come in bursts: those of one burst are written down, and their slots filled, together.
                    tokio::task::yield_now().await;
                    let mut ended = Vec::new();
                    for attempted in std::iter::once(first).chain(std::iter::from_fn(|| attempts.try_join_next())) {
                        match joined(attempted)? {
                            Ok(attempted) => ended.push(self.conclude(attempted).await?),
                            Err(error) if error.is_fatal() || untried_since.is_some() => return Err(error),
                            // It was told, and its claim was given back.
                            Err(_) => {}
                        }
                    }
                    if !ended.is_empty() {
                        records.spawn(write_down(Arc::clone(&self.means), ended));
                    }
                }
                Some(recorded) = records.join_next() => {
                    joined(recorded)??;
                    while let Some(recorded) = records.try_join_next() {
                        joined(recorded)??;
                    }
                }
                Ok(()) = next_means.changed() => self.means = Arc::clone(&next_means.borrow_and_update()),
                () = stop.cancelled(), if !stop.is_cancelled() => {}
                () = sorted.cancelled(), if !complete => {}
                () = self.idle(&mut work, next_due), if attempts.len() < self.means.endpoint.pace.max_in_flight => {}
            }
        }
    }

    /// Returns when there may be something to claim.
    async fn idle(&self, work: &mut watch::Receiver<u64>, next_due: Option<Timestamp>) {
        tokio::select! {
            _ = work.changed() => {}
            () = self.means.clock.wait_until(next_due.unwrap_or(Timestamp::MAX)) => {}
        }
    }

    /// Claims as much as slots are free, and begins the attempts. Tells when to look again.
    async fn start(
        &self,
        attempts: &mut JoinSet<Result<Attempted, SpoolError>>,
        waiting: usize,
        untried_since: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, SpoolError> {
        let free = self.means.endpoint.pace.max_in_flight.saturating_sub(attempts.len());
        if free == 0 || waiting >= RECORDS_MAX {
            return Ok(None);
        }
        match self.means.spool.claim(&self.means.endpoint.name, Wanted { free, untried_since }).await {
            Ok(claimed) => {
                for claim in claimed.claims {
                    attempts.spawn(attempt(Arc::clone(&self.means), claim));
                }
                Ok(claimed.next_due)
            }
            // A single round has no later: it must not end as if there were nothing to deliver.
            Err(error) if error.is_fatal() || untried_since.is_some() => Err(error),
            Err(error) => {
                tracing::warn!(endpoint = %self.means.endpoint.name, %error, "cannot look for deliveries now");
                Ok(self.means.clock.now().checked_add(LOOK_AGAIN).ok())
            }
        }
    }

    /// Counts and tells an attempt's end, and heeds what the answer says of the endpoint.
    async fn conclude(&mut self, ended: Attempted) -> Result<Record, SpoolError> {
        let Attempted { message, judgement, record } = ended;
        let name = self.means.endpoint.name.as_str();
        self.metrics.attempt_seconds.with_label_values(&[name]).observe(record.took.as_secs_f64());
        self.metrics.attempts.with_label_values(&[name, record.outcome]).inc();
        self.means.recent.forget(message.key);
        match (&record.end, record.status, record.error) {
            (End::Delivered, ..) => {
                self.tally.delivered += 1;
                let age = self.means.clock.now().duration_since(message.spooled_at).as_secs_f64();
                self.metrics.latency.with_label_values(&[name]).observe(age.max(0.0));
                tracing::debug!(id = %message.id, endpoint = name, attempt = record.attempt, "delivered");
            }
            (End::Deferred { due, .. }, status, error) => {
                self.tally.deferred += 1;
                tracing::debug!(id = %message.id, endpoint = name, attempt = record.attempt, status, error, due = %format_args!("{due:.0}"), "deferred");
            }
            (End::Dead(reason), status, error) => {
                self.tally.dead += 1;
                let reason = reason.as_str();
                tracing::error!(id = %message.id, endpoint = name, status, error, reason, "dead letter: see `pophook spool list`");
            }
        }
        match self.told.hear(judgement, self.means.clock.now()) {
            News::Nothing => {}
            News::Fails => {
                let (status, error) = (record.status, record.error);
                tracing::warn!(endpoint = name, status, error, "the endpoint fails; its mail waits and is tried again");
            }
            News::Pauses(until) => {
                tracing::warn!(endpoint = name, until = %format_args!("{until:.0}"), "the endpoint asks to wait");
            }
            News::Recovers => tracing::info!(endpoint = name, "the endpoint takes mail again"),
        }
        self.heed(judgement.says, judgement.outcome, message.key).await?;
        Ok(record)
    }

    /// What the answer says of the endpoint itself.
    async fn heed(&mut self, says: Says, outcome: Outcome, message: MessageKey) -> Result<(), SpoolError> {
        match outcome {
            Outcome::Delivered => {
                self.refused.clear();
                self.gone_since = None;
            }
            Outcome::Refused => {
                self.refused.insert(message);
            }
            Outcome::Deferred => {}
        }
        let means = Arc::clone(&self.means);
        let (endpoint, now) = (&means.endpoint.name, means.clock.uptime());
        let done = match says {
            Says::Wait(wait) => {
                let until = means.clock.now().checked_add(wait).unwrap_or(Timestamp::MAX);
                means.spool.pause(endpoint, until).await
            }
            Says::Gone if self.gone_since.is_some_and(|since| now.saturating_sub(since) >= GONE_APART) => {
                self.hold(Hold::Gone).await
            }
            Says::Gone => {
                self.gone_since.get_or_insert(now);
                Ok(())
            }
            Says::Nothing if self.refused.len() >= REFUSED_MAX => self.hold(Hold::RefusesAll).await,
            Says::Nothing | Says::Ours => Ok(()),
        };
        // A pause or hold that cannot be written down now will be asked for by the next answer again.
        done.or_else(|error| if error.is_fatal() { Err(error) } else { Ok(()) })
    }

    /// Holds the endpoint. What led to it is forgotten: whoever resumes it has it judged anew.
    async fn hold(&mut self, why: Hold) -> Result<(), SpoolError> {
        let means = Arc::clone(&self.means);
        let endpoint = &means.endpoint.name;
        tracing::error!(%endpoint, why = why.as_str(), "the endpoint is held; end it with `pophook endpoint resume`");
        self.metrics.held.with_label_values(&[endpoint.as_str()]).set(1);
        means.spool.hold(endpoint, why).await?;
        self.refused.clear();
        self.gone_since = None;
        Ok(())
    }
}

/// Writes attempts' ends down, however long that takes: until then their claims stand, and they are not made again.
async fn write_down(means: Arc<Means>, records: Vec<Record>) -> Result<(), SpoolError> {
    loop {
        match means.spool.record(records.clone()).await {
            Err(error) if !error.is_fatal() => {
                tracing::warn!(endpoint = %means.endpoint.name, %error, "cannot write an attempt down now; trying again");
                means.clock.wait(LOOK_AGAIN).await;
            }
            done => return done,
        }
    }
}

/// A task of ours that panicked is a fault of ours; the process ends and starts anew with everything in the spool.
fn joined<T>(ended: Result<T, JoinError>) -> Result<T, SpoolError> {
    ended.map_err(|error| {
        tracing::error!(%error, "an attempt crashed");
        SpoolError::Closed
    })
}
