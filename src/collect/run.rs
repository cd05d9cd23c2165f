//! The loop: who is due, under the caps; how each visit ended.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::Config;
use super::Mailbox;
use super::Purpose;
use super::Report;
use super::VisitError;
use super::budget::Budget;
use super::habits::Habits;
use super::habits::host;
use super::means::Means;
use super::means::Memory;
use super::plan::has_something_to_delete;
use super::schedule;
use super::schedule::Pace;
use super::schedule::Slots;
use super::tell;
use super::visit::visit;
use crate::clock::Clock;
use crate::ident::MailboxName;
use crate::metrics::CollectMetrics;
use crate::spool;
use crate::spool::Spool;
use crate::spool::SpoolError;

/// The collecting half.
#[derive(Debug, Clone)]
pub struct Collector {
    /// Which mailboxes, and how many at once.
    pub config: Arc<Config>,
    /// Where messages go.
    pub spool: Arc<dyn Spool>,
    /// What time it is.
    pub clock: Clock,
    /// What is counted.
    pub metrics: CollectMetrics,
}

/// What the loop remembers of one mailbox between visits.
#[derive(Debug, Default)]
struct Standing {
    memory: Memory,
    pace: Pace,
    /// How long the last visit took.
    took: Duration,
}

/// How visits ended.
pub type Visits = Vec<(MailboxName, Result<Report, VisitError>)>;

type Visited = (usize, Standing, Result<Report, VisitError>);

/// Everything that changes while the loop runs.
struct Board {
    /// When each mailbox is due, by uptime: a wall clock that jumps moves no visit.
    due: BinaryHeap<Reverse<(Duration, usize)>>,
    standing: Vec<Standing>,
    slots: Slots,
    habits: Habits,
    budget: Arc<Budget>,
    visits: JoinSet<Visited>,
}

impl Collector {
    /// Visits each mailbox when it is due, until `stop`; then lets the visits under way end.
    ///
    /// # Errors
    /// Only a fault of the spool after which the process must end.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), SpoolError> {
        let mut board = self.board();
        for (index, mailbox) in self.config.mailboxes.iter().enumerate() {
            let wait = schedule::first_wait(mailbox.poll_interval, self.config.mailboxes.len(), fastrand::f64());
            board.due.push(Reverse((self.after(wait), index)));
        }
        while !stop.is_cancelled() {
            let next = self.start(&mut board, Purpose::Collect);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.clock.wait(next.saturating_sub(self.clock.uptime())) => {}
                Some(ended) = board.visits.join_next() => {
                    let (index, standing, result) = joined(ended)?;
                    self.settle(&mut board, index, standing, &result)?;
                }
            }
        }
        while let Some(ended) = board.visits.join_next().await {
            let (index, standing, result) = joined(ended)?;
            self.settle(&mut board, index, standing, &result)?;
        }
        Ok(())
    }

    /// Visits every mailbox once, under the caps; tells how each visit ended, in the order of the file.
    ///
    /// # Errors
    /// Only a fault of the spool after which the process must end.
    pub async fn once(&self, purpose: Purpose) -> Result<Visits, SpoolError> {
        self.visit_these((0..self.config.mailboxes.len()).collect(), purpose).await
    }

    /// A second, short session wherever `visits` went well and something may be deleted by now. A server that wants a
    /// delay between logins is left to the next run.
    ///
    /// # Errors
    /// Only a fault of the spool after which the process must end.
    pub async fn delete_what_may_go(&self, visits: &Visits) -> Result<Visits, SpoolError> {
        let mut mailboxes = Vec::new();
        for (index, mailbox) in self.config.mailboxes.iter().enumerate() {
            let ready = visits
                .iter()
                .any(|(name, visit)| *name == mailbox.name && visit.as_ref().is_ok_and(|report| !report.wants_delay()));
            if ready && has_something_to_delete(&self.spool.ledger(&mailbox.name).await?, mailbox, self.clock.now()) {
                mailboxes.push(index);
            }
        }
        self.visit_these(mailboxes, Purpose::Delete).await
    }

    async fn visit_these(&self, mailboxes: Vec<usize>, purpose: Purpose) -> Result<Visits, SpoolError> {
        let mut board = self.board();
        board.due.extend(mailboxes.into_iter().map(|index| Reverse((Duration::ZERO, index))));
        let mut results = Vec::new();
        loop {
            self.start(&mut board, purpose);
            let Some(ended) = board.visits.join_next().await else { break };
            let (index, _, result) = joined(ended)?;
            let Some(mailbox) = self.config.mailboxes.get(index) else { continue };
            board.slots.free(&host(mailbox));
            tell::visit(mailbox, &self.metrics, &self.clock, &result, None);
            if let Err(VisitError::Spool(error)) = &result
                && error.is_fatal()
            {
                return Err(error.clone());
            }
            results.push((index, mailbox.name.clone(), result));
        }
        results.sort_by_key(|(index, ..)| *index);
        Ok(results.into_iter().map(|(_, name, result)| (name, result)).collect())
    }

    fn board(&self) -> Board {
        Board {
            due: BinaryHeap::new(),
            standing: self.config.mailboxes.iter().map(|_| Standing::default()).collect(),
            slots: Slots::new(self.config.max_visits, self.config.max_visits_per_host),
            habits: Habits::default(),
            budget: Arc::new(Budget::new(self.config.max_bytes_in_flight)),
            visits: JoinSet::new(),
        }
    }

    fn after(&self, wait: Duration) -> Duration {
        self.clock.uptime().saturating_add(wait)
    }

    /// Starts what is due and has a slot. Tells when to look again: what waits for a slot waits for a visit to end.
    fn start(&self, board: &mut Board, purpose: Purpose) -> Duration {
        let now = self.clock.uptime();
        let mut kept = Vec::new();
        while let Some(Reverse((due, index))) = board.due.pop() {
            let Some(mailbox) = self.config.mailboxes.get(index) else { continue };
            if due > now {
                board.due.push(Reverse((due, index)));
                break;
            }
            if !board.slots.take(&host(mailbox)) {
                kept.push(Reverse((due, index)));
                continue;
            }
            let standing = board.standing.get_mut(index).map(std::mem::take).unwrap_or_default();
            let (budget, mailbox) = (Arc::clone(&board.budget), board.habits.adapt(mailbox));
            let visit = self.clone().visit(index, mailbox, standing, purpose, budget);
            board.visits.spawn(visit);
        }
        let next = board.due.peek().map_or(Duration::MAX, |Reverse((due, _))| *due);
        board.due.extend(kept);
        next
    }

    async fn visit(
        self,
        index: usize,
        mailbox: Mailbox,
        mut standing: Standing,
        purpose: Purpose,
        budget: Arc<Budget>,
    ) -> Visited {
        let started = self.clock.uptime();
        let (spool, budget) = (self.spool.as_ref(), budget.as_ref());
        let means = Means { spool, clock: &self.clock, metrics: &self.metrics, budget };
        let span = tracing::debug_span!("visit", mailbox = %mailbox.name);
        let result = visit(&mailbox, purpose, means, &mut standing.memory).instrument(span).await;
        standing.took = self.clock.uptime().saturating_sub(started);
        self.metrics.visit_seconds.observe(standing.took.as_secs_f64());
        self.note(&mailbox, &result).await;
        (index, standing, result)
    }

    /// Notes what a visit's end says of its mailbox. What cannot be noted now, the next visit notes.
    async fn note(&self, mailbox: &Mailbox, result: &Result<Report, VisitError>) {
        let (says, reason) = match result {
            Ok(_) => (Some(spool::Visited::Well), None),
            Err(error) => (error.says(), Some(error.reason())),
        };
        let Some(visited) = says else { return };
        if let Err(error) = self.spool.note_visit(&mailbox.name, visited, reason).await {
            tracing::warn!(mailbox = %mailbox.name, %error, "cannot note how the visit ended");
        }
    }

    /// Counts and tells a visit's end, and decides when the next one is due.
    fn settle(
        &self,
        board: &mut Board,
        index: usize,
        mut standing: Standing,
        result: &Result<Report, VisitError>,
    ) -> Result<(), SpoolError> {
        let Some(mailbox) = self.config.mailboxes.get(index) else { return Ok(()) };
        board.slots.free(&host(mailbox));
        if let Err(VisitError::Spool(error)) = result
            && error.is_fatal()
        {
            tell::visit(mailbox, &self.metrics, &self.clock, result, None);
            return Err(error.clone());
        }
        board.habits.learn(mailbox, result, &standing.memory);
        if result.as_ref().is_ok_and(|report| report.refused == 0) {
            standing.memory.blamed.clear();
        }
        standing.pace.note(mailbox.poll_interval, standing.memory.login_delay, result);
        standing.memory.learned_delay = standing.pace.learned();
        let wait = standing.pace.wait(mailbox.poll_interval, standing.took, fastrand::f64());
        tell::visit(mailbox, &self.metrics, &self.clock, result, Some(wait));
        tell::stopped(mailbox, &self.metrics, standing.pace.is_stopped(), wait);
        board.due.push(Reverse((self.after(wait), index)));
        if let Some(place) = board.standing.get_mut(index) {
            *place = standing;
        }
        Ok(())
    }
}

/// A visit that panicked is a fault of ours; the process ends and starts anew with everything in the spool.
fn joined(ended: Result<Visited, tokio::task::JoinError>) -> Result<Visited, SpoolError> {
    ended.map_err(|error| {
        tracing::error!(%error, "a visit crashed");
        SpoolError::Closed
    })
}
