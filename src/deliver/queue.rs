//! One endpoint's loop: claim what is due, as far as it may be posted now; post; write down.
//!
//! Whatever bounds an endpoint is asked before a claim is made: its gate, its rate, the slots of all. What is claimed is
//! posted at once, and nothing waits in memory.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Mode;
use super::attempt::Attempted;
use super::attempt::attempt;
use super::breaker::Moment;
use super::breaker::Ticket;
use super::gate::Asks;
use super::gate::Gate;
use super::gate::Room;
use super::keywatch::KeyWatch;
use super::means::Means;
use super::rate::Allowed;
use super::rate::Meter;
use super::score::Score;
use super::score::Tally;
use super::slots::Reserved;
use super::slots::Slots;
use super::task::in_slot;
use super::task::joined;
use super::tell;
use super::wanted::wanted;
use super::when::When;
use super::writing::Full;
use super::writing::Kept;
use super::writing::LOOK_AGAIN;
use super::writing::Writing;
use crate::crash;
use crate::metrics::DeliverMetrics;
use crate::spool::Claim;
use crate::spool::SpoolError;
use crate::spool::Weight;

/// One endpoint's queue. What was learnt of the endpoint stands beside the means to reach it, so that these can be
/// exchanged.
#[derive(Debug)]
pub(super) struct Queue {
    means: Arc<Means>,
    /// What the next attempts are made with, once the configuration is another one.
    next_means: watch::Receiver<Arc<Means>>,
    gate: Gate,
    keys: KeyWatch,
    meter: Meter,
    slots: Arc<Slots>,
    /// Attempts under way for deliveries that were tried before.
    retries: usize,
    score: Score,
    /// Whether ends of attempts wait for a spool that cannot be written.
    full: Full,
    /// What ends a single round, once all that is under way has ended and is written down.
    failed: Option<SpoolError>,
}

/// The end of an attempt, which was that of `ticket`.
struct Ended {
    ticket: Ticket,
    retry: bool,
    ended: Result<Option<Attempted>, SpoolError>,
}

impl Queue {
    pub(super) fn new(
        mut next_means: watch::Receiver<Arc<Means>>,
        slots: Arc<Slots>,
        metrics: DeliverMetrics,
    ) -> Queue {
        let means = Arc::clone(&next_means.borrow_and_update());
        Queue {
            means,
            next_means,
            gate: Gate::default(),
            keys: KeyWatch::new(),
            meter: Meter::default(),
            slots,
            retries: 0,
            score: Score::new(metrics),
            full: Full::default(),
            failed: None,
        }
    }

    /// Delivers until `stop`, then lets the attempts under way end. In [`Mode::Once`], ends when everything due has
    /// been tried once, but for what the endpoint may not get now, and `sorted` says that no more will come.
    pub(super) async fn run(
        mut self,
        mode: Mode,
        sorted: CancellationToken,
        stop: CancellationToken,
    ) -> Result<Tally, SpoolError> {
        let (mut work, mut freed) = (self.means.spool.work(), self.slots.freed());
        let mut next_means = self.next_means.clone();
        let mut attempts = JoinSet::new();
        let mut records = JoinSet::new();
        let untried_since = matches!(mode, Mode::Once).then(|| self.means.clock.now());
        loop {
            // Read before the claim: what comes in between must not be missed.
            work.borrow_and_update();
            freed.borrow_and_update();
            let complete = sorted.is_cancelled();
            let mut when = When::Ended;
            if !stop.is_cancelled() && self.failed.is_none() {
                when = self.start(&mut attempts, records.len(), untried_since).await?;
            }
            self.score.show(&self.means.endpoint, &self.gate, attempts.len());
            if attempts.is_empty()
                && records.is_empty()
                && (stop.is_cancelled()
                    || self.failed.is_some()
                    || (complete && untried_since.is_some() && when.is_all()))
            {
                return self.failed.map_or(Ok(self.score.tally), Err);
            }
            tokio::select! {
                Some(first) = attempts.join_next() => {
                    // Answers come in bursts: those of one burst are written down, and their slots filled, together.
                    tokio::task::yield_now().await;
                    let mut ended = Vec::new();
                    for attempted in std::iter::once(first).chain(std::iter::from_fn(|| attempts.try_join_next())) {
                        ended.push(joined(attempted)?);
                    }
                    if let Some(writing) = self.conclude(ended, mode).await? {
                        records.spawn(writing.write(Arc::clone(&self.means), mode, self.full.clone()));
                    }
                }
                Some(recorded) = records.join_next() => {
                    for recorded in std::iter::once(recorded).chain(std::iter::from_fn(|| records.try_join_next())) {
                        match joined(recorded)? {
                            Ok(Kept::Yes) => {}
                            Ok(Kept::No) => self.gate.was_not_kept(),
                            Err(error) if error.is_fatal() => return Err(error),
                            // A single round's alone. What is under way is written down first, if it can be.
                            Err(error) => self.failed = Some(error),
                        }
                    }
                }
                Ok(()) = next_means.changed() => self.means = Arc::clone(&next_means.borrow_and_update()),
                () = stop.cancelled(), if !stop.is_cancelled() => {}
                () = sorted.cancelled(), if !complete => {}
                () = when.wait(&self.means.clock, &mut work, &mut freed), if when != When::Ended => {}
            }
        }
    }

    /// Claims as much as may be posted now, and begins the attempts. Tells when to look again.
    async fn start(
        &mut self,
        attempts: &mut JoinSet<Ended>,
        waiting: usize,
        untried_since: Option<Timestamp>,
    ) -> Result<When, SpoolError> {
        if self.full.forbids(waiting) {
            return Ok(When::Ended);
        }
        loop {
            match self.claim(attempts, untried_since).await {
                Ok(When::Now) => {}
                Ok(when) => return Ok(when),
                // A single round has no later: it must not end as if there were nothing to deliver.
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) if untried_since.is_some() => {
                    self.failed = Some(error);
                    return Ok(When::Ended);
                }
                Err(error) => {
                    tracing::warn!(endpoint = %self.means.endpoint.name, %error, "cannot look for deliveries now");
                    return Ok(When::Shut(Some(self.means.clock.uptime().saturating_add(LOOK_AGAIN))));
                }
            }
        }
    }

    async fn claim(
        &mut self,
        attempts: &mut JoinSet<Ended>,
        untried_since: Option<Timestamp>,
    ) -> Result<When, SpoolError> {
        let means = Arc::clone(&self.means);
        let (name, pace) = (&means.endpoint.name, means.endpoint.pace);
        let keys = self.keys.look(&means, &self.score.metrics).await?;
        if !keys.can_post {
            return Ok(When::Due(keys.again));
        }
        self.meter.follow(pace.rate, &means.clock);
        let room = self.gate.room((attempts.len(), self.retries), pace.max_in_flight, means.clock.uptime());
        let (reserved, retries, otherwise) = match room {
            Room::Full => return Ok(When::Ended),
            Room::Shut(until) => (None, 0, When::Shut(until)),
            Room::Free { attempts, retries } => match self.meter.allowed(attempts) {
                Allowed::From(uptime) => (None, 0, When::Allowed(uptime)),
                Allowed::Posts(posts) => (Some(self.slots.reserve(name, posts)), retries, When::Freed),
            },
        };
        let wanted = wanted(&means.endpoint, reserved.as_ref(), retries, untried_since);
        crash::point!("before claim");
        let claimed = means.spool.claim(name, wanted).await?;
        let is_new = self.gate.follow(&claimed.standing, self.moment());
        if is_new {
            tell::standing(name, &claimed.standing);
        }
        let count = claimed.claims.len();
        self.meter.spend(count);
        if let Some(mut reserved) = reserved {
            for claim in claimed.claims {
                crash::point!("after claim");
                self.begin(attempts, claim, wanted.weight, &mut reserved);
            }
        }
        match otherwise {
            _ if is_new || (count > 0 && claimed.more_due) => Ok(When::Now),
            When::Shut(until) => Ok(When::Shut(until)),
            otherwise if claimed.more_due => Ok(otherwise),
            _ => Ok(When::Due([claimed.next_due, keys.again].into_iter().flatten().min())),
        }
    }

    fn begin(&mut self, attempts: &mut JoinSet<Ended>, claim: Claim, weight: Weight, reserved: &mut Reserved) {
        let (ticket, retry) = (self.gate.begin(), claim.attempt > 1);
        self.retries += usize::from(retry);
        let slot = reserved.take(weight.of(claim.message.size));
        let attempt = attempt(Arc::clone(&self.means), claim);
        attempts.spawn(in_slot(slot, async move { Ended { ticket, retry, ended: attempt.await } }));
    }

    /// Heeds and tells how attempts ended; gives what is to be written down of them.
    async fn conclude(&mut self, ended: Vec<Ended>, mode: Mode) -> Result<Option<Writing>, SpoolError> {
        let (mut records, mut pause) = (Vec::new(), None);
        for Ended { ticket, retry, ended } in ended {
            self.retries = self.retries.saturating_sub(usize::from(retry));
            let attempted = match ended {
                Ok(Some(attempted)) => attempted,
                // Its key has ended: it was not made.
                Ok(None) => continue,
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) if matches!(mode, Mode::Once) => {
                    self.failed = Some(error);
                    continue;
                }
                // It was told, and its claim was given back.
                Err(_) => continue,
            };
            self.means.recent.forget(attempted.message.key);
            self.score.count(&self.means.endpoint.name, &attempted, self.means.clock.now());
            let Attempted { message, judgement, record, remark } = attempted;
            self.score.remark(&self.means.endpoint.name, remark);
            let cap = self.means.endpoint.pace.max_in_flight;
            let asks = self.gate.hear(judgement, message.key, ticket, cap, self.moment());
            tell::news(&self.means.endpoint.name, asks.news, &record);
            pause = pause.max(asks.pause);
            self.hold(&asks).await?;
            records.push(record);
        }
        if records.is_empty() {
            return Ok(None);
        }
        let (spool, name) = (&self.means.spool, &self.means.endpoint.name);
        // Sent in the order in which they were heard; the records join their commit.
        let until = |wait| self.means.clock.now().checked_add(wait).unwrap_or(Timestamp::MAX);
        crash::point!("before pause");
        let pause = pause.map(|wait: Duration| spool.pause(name, until(wait)));
        crash::point!("after pause");
        crash::point!("before keep_health");
        let health = self.gate.keep().map(|(health, resumes)| spool.keep_health(name, health, resumes));
        crash::point!("after keep_health");
        Ok(Some(Writing { records, pause, health }))
    }

    /// Holds the endpoint if its answer asks for it. That it cannot be written down now is no fault: the next answer
    /// asks again.
    async fn hold(&mut self, asks: &Asks) -> Result<(), SpoolError> {
        let Some(why) = asks.hold else { return Ok(()) };
        let endpoint = &self.means.endpoint.name;
        crash::point!("before hold");
        let held = self.means.spool.hold(endpoint, why).await;
        crash::point!("after hold");
        match held {
            Ok(()) => {}
            Err(error) if error.is_fatal() => return Err(error),
            Err(_) => return Ok(()),
        }
        self.gate.is_held();
        self.score.hold(endpoint, why);
        Ok(())
    }

    fn moment(&self) -> Moment {
        let clock = &self.means.clock;
        Moment { now: clock.now(), uptime: clock.uptime(), chance: fastrand::f64() }
    }
}
