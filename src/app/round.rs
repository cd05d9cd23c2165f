//! How a single round ended, and what waits after it.

use crate::collect;
use crate::collect::Visits;
use crate::deliver::Tally;
use crate::spool::EndpointRow;
use crate::spool::State;
use crate::spool::Stats;

/// How a single round ended.
#[derive(Debug)]
pub struct Round {
    /// Each mailbox's visit, in the order of the file.
    pub visits: Visits,
    /// The attempts that were made.
    pub attempts: Tally,
    /// What lies in the spool after it.
    pub waiting: Waiting,
}

/// What waits in the spool, for another try or for a human.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Deliveries that are tried again by themselves.
    pub pending: u64,
    /// Deliveries of endpoints that are held, or that left the file.
    pub held: u64,
    /// Dead letters.
    pub dead: u64,
    /// Messages that no rule matched.
    pub unrouted: u64,
    /// Messages that could not be parsed.
    pub quarantined: u64,
}

impl Waiting {
    /// Sums up what the spool counts and which endpoints are held.
    pub(super) fn of(stats: &Stats, endpoints: &[EndpointRow]) -> Waiting {
        let held = endpoints.iter().filter(|row| row.held.is_some()).map(|row| row.pending).sum();
        let pending: u64 = stats.pending.iter().map(|(_, count, _)| count).sum();
        let count = |wanted| stats.messages.iter().filter(|(state, _)| *state == wanted).map(|(_, count)| count).sum();
        Waiting {
            pending: pending.saturating_sub(held),
            held,
            dead: stats.dead.iter().map(|(_, _, count)| count).sum(),
            unrouted: count(State::Unrouted),
            quarantined: count(State::Quarantined),
        }
    }
}

impl Round {
    /// Whether every mailbox was visited, and nothing that was tried is left pending or dead.
    pub fn is_complete(&self) -> bool {
        let visited = self.visits.iter().all(|(_, visit)| visit.as_ref().is_ok_and(collect::Report::is_complete));
        visited && self.attempts.deferred + self.attempts.dead == 0
    }
}
