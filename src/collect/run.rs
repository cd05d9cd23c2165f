//! The loop: who is due, under the caps; how each visit ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::Config;
use super::Mailbox;
use super::Purpose;
use super::Quirk;
use super::RESULTS;
use super::Report;
use super::VisitError;
use super::board::Back;
use super::board::Board;
use super::board::Standing;
use super::board::Visited;
use super::board::Visiting;
use super::budget::Budget;
use super::habits::host;
use super::means::Means;
use super::schedule;
use super::tell;
use super::visit::visit;
use crate::clock::Clock;
use crate::crash;
use crate::ident::MailboxName;
use crate::metrics::CollectMetrics;
use crate::spool;
use crate::spool::Spool;
use crate::spool::SpoolError;

/// The collecting half.
#[derive(Debug, Clone)]
pub struct Collector {
    /// Which mailboxes, and how many at once. They may become others while it runs.
    pub config: watch::Receiver<Arc<Config>>,
    /// Where messages go.
    pub spool: Arc<dyn Spool>,
    /// What time it is.
    pub clock: Clock,
    /// What is counted.
    pub metrics: CollectMetrics,
}

/// How visits ended.
pub type Visits = Vec<(MailboxName, Result<Report, VisitError>)>;

impl Collector {
    /// Visits each mailbox when it is due, until `stop`; then lets the visits under way end where nothing is lost.
    ///
    /// # Errors
    /// Only a fault of the spool after which the process must end.
    pub async fn run(self, stop: CancellationToken) -> Result<(), SpoolError> {
        let (mut config, mut logins, mut wishes) = (self.config.clone(), self.spool.logins(), self.spool.wishes());
        let now = Arc::clone(&config.borrow_and_update());
        let mut known = logins.borrow_and_update().clone();
        let mut wished = wishes.borrow_and_update().clone();
        let mut board = Board::new(&now);
        board.pause(wished.paused.clone(), self.clock.uptime());
        for mailbox in &now.mailboxes {
            self.declare(mailbox);
            let wait = schedule::first_wait(mailbox.poll_interval, now.mailboxes.len(), fastrand::f64());
            board.due.insert((self.after(wait), mailbox.name.clone()));
        }
        self.show(&board);
        while !stop.is_cancelled() {
            let next = self.start(&mut board, Purpose::Collect, &stop);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.clock.wait(next.saturating_sub(self.clock.uptime())) => {}
                Some(ended) = board.visits.join_next() => self.settle(&mut board, joined(ended)?)?,
                Ok(()) = config.changed() => {
                    let new = Arc::clone(&config.borrow_and_update());
                    new.mailboxes.iter().for_each(|mailbox| self.declare(mailbox));
                    for gone in board.adopt(&new, self.clock.uptime()) {
                        self.metrics.forget(&gone);
                    }
                    self.show(&board);
                }
                Ok(()) = wishes.changed() => {
                    let new = wishes.borrow_and_update().clone();
                    board.pause(new.paused.clone(), self.clock.uptime());
                    for name in newer(&wished.visits, &new.visits) {
                        board.visit_soon(name, self.clock.uptime());
                    }
                    wished = new;
                    self.show(&board);
                }
                Ok(()) = logins.changed() => {
                    let counts = logins.borrow_and_update().clone();
                    for name in newer(&known, &counts) {
                        board.mended(name, self.clock.uptime());
                    }
                    known = counts;
                }
            }
        }
        while let Some(ended) = board.visits.join_next().await {
            self.settle(&mut board, joined(ended)?)?;
        }
        Ok(())
    }

    fn declare(&self, mailbox: &Mailbox) {
        self.metrics.declare(&mailbox.name, &RESULTS, &Quirk::ALL.map(Quirk::as_str));
        let interval = self.metrics.interval.with_label_values(&[mailbox.name.as_str()]);
        // What a server asked for is not forgotten because a file was read.
        if interval.get() == 0 {
            tell::interval(mailbox, &self.metrics, mailbox.poll_interval);
        }
    }

    fn after(&self, wait: Duration) -> Duration {
        self.clock.uptime().saturating_add(wait)
    }

    /// Starts what is due and has a slot. Tells when to look again: what waits for a slot waits for a visit to end.
    pub(super) fn start(&self, board: &mut Board, purpose: Purpose, stop: &CancellationToken) -> Duration {
        let now = self.clock.uptime();
        let mut kept = Vec::new();
        while let Some((due, name)) = board.due.pop_first() {
            if due > now {
                board.due.insert((due, name));
                break;
            }
            if board.paused.contains(&name) {
                self.show_due(&name, None);
                continue;
            }
            let Some(mailbox) = board.seat(&name).map(|seat| seat.mailbox.clone()) else { continue };
            if !board.slots.take(&host(&mailbox)) {
                kept.push((due, name));
                continue;
            }
            let (visiting, adapted) = (Visiting::among(stop), board.habits.adapt(&mailbox));
            let budget = Arc::clone(&board.budget);
            let Some(seat) = board.seat(&name) else { continue };
            self.show_due(&name, None);
            seat.visiting = Some(visiting.clone());
            let standing = std::mem::take(&mut seat.standing);
            board.visits.spawn(self.clone().visit((mailbox, adapted), standing, purpose, (budget, visiting)));
        }
        let next = board.due.first().map_or(Duration::MAX, |(due, _)| *due);
        board.due.extend(kept);
        next
    }

    /// Shows which mailboxes are paused, and when each is due.
    fn show(&self, board: &Board) {
        for (name, paused) in board.names() {
            self.metrics.paused.with_label_values(&[name.as_str()]).set(i64::from(paused));
        }
        for (at, name) in &board.due {
            let at = if board.paused.contains(name) { None } else { Some(*at) };
            self.show_due(name, at);
        }
    }

    fn show_due(&self, name: &MailboxName, at: Option<Duration>) {
        let wait = at.map(|at| i64::try_from(at.saturating_sub(self.clock.uptime()).as_secs()).unwrap_or(i64::MAX));
        let due = wait.map_or(0, |wait| self.clock.now().as_second().saturating_add(wait));
        self.metrics.next_visit.with_label_values(&[name.as_str()]).set(due);
    }

    async fn visit(
        self,
        (mailbox, adapted): (Mailbox, Mailbox),
        mut standing: Standing,
        purpose: Purpose,
        (budget, visiting): (Arc<Budget>, Visiting),
    ) -> Visited {
        let started = self.clock.uptime();
        let (spool, budget) = (self.spool.as_ref(), budget.as_ref());
        let Visiting { stop, revoked } = &visiting;
        let means = Means { spool, clock: &self.clock, metrics: &self.metrics, budget, stop, revoked };
        let span = tracing::debug_span!("visit", mailbox = %mailbox.name);
        let result = visit(&adapted, purpose, means, &mut standing.memory).instrument(span).await;
        standing.took = self.clock.uptime().saturating_sub(started);
        self.metrics.visit_seconds.observe(standing.took.as_secs_f64());
        self.note(&mailbox, &result).await;
        (mailbox, standing, result)
    }

    /// Notes what a visit's end says of its mailbox. What cannot be noted now, the next visit notes.
    async fn note(&self, mailbox: &Mailbox, result: &Result<Report, VisitError>) {
        let (says, reason) = match result {
            Ok(_) => (Some(spool::Visited::Well), None),
            Err(error) => (error.says(), Some(error.reason())),
        };
        let Some(visited) = says else { return };
        crash::point!("before note_visit");
        let noted = self.spool.note_visit(&mailbox.name, visited, reason).await;
        crash::point!("after note_visit");
        if let Err(error) = noted {
            tracing::warn!(mailbox = %mailbox.name, %error, "cannot note how the visit ended");
        }
    }

    /// Counts and tells a visit's end, and decides when the next one is due.
    fn settle(&self, board: &mut Board, (mailbox, mut standing, result): Visited) -> Result<(), SpoolError> {
        board.slots.free(&host(&mailbox));
        if let Err(VisitError::Spool(error)) = &result
            && error.is_fatal()
        {
            tell::visit(&mailbox, &self.metrics, &self.clock, &result, None);
            return Err(error.clone());
        }
        let stopped = matches!(result, Err(VisitError::Stopped));
        if !stopped {
            board.habits.learn(&mailbox, &result, &standing.memory);
            if result.as_ref().is_ok_and(|report| report.refused == 0) {
                standing.memory.blamed.clear();
            }
            standing.pace.note(mailbox.poll_interval, standing.memory.login_delay, &result);
            standing.memory.learned_delay = standing.pace.learned();
        }
        // By the interval of now, if that is another one than when the visit began.
        let interval = board.seat(&mailbox.name).map_or(mailbox.poll_interval, |seat| seat.mailbox.poll_interval);
        let wait = standing.pace.wait(interval, standing.took, fastrand::f64());
        let soonest = self.after(standing.pace.between_logins());
        if !stopped {
            tell::visit(&mailbox, &self.metrics, &self.clock, &result, Some(wait));
            tell::stopped(&mailbox, &self.metrics, standing.pace.is_stopped(), wait);
            tell::interval(&mailbox, &self.metrics, standing.pace.interval(interval));
        }
        let due = match board.back(&mailbox.name, standing) {
            Back::AsEver => self.after(wait),
            Back::AtOnce => soonest,
            Back::Gone => {
                self.metrics.forget(&mailbox.name);
                return Ok(());
            }
        };
        self.show_due(&mailbox.name, Some(due).filter(|_| !board.paused.contains(&mailbox.name)));
        board.due.insert((due, mailbox.name));
        Ok(())
    }
}

/// The mailboxes that were logged in between two counts.
fn newer<'a>(
    before: &BTreeMap<MailboxName, u64>,
    now: &'a BTreeMap<MailboxName, u64>,
) -> impl Iterator<Item = &'a MailboxName> {
    now.iter().filter(|(name, count)| before.get(*name) != Some(*count)).map(|(name, _)| name)
}

/// A visit that panicked is a fault of ours; the process ends and starts anew with everything in the spool.
pub(super) fn joined(ended: Result<Visited, tokio::task::JoinError>) -> Result<Visited, SpoolError> {
    ended.map_err(|error| {
        tracing::error!(%error, "a visit crashed");
        SpoolError::Closed
    })
}
