//! What a visit is given: its means, and what is remembered of the visits before.

use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::plan::Take;
use crate::clock::Clock;
use crate::ident::UniqueId;
use crate::metrics::CollectMetrics;
use crate::spool::Spool;

/// A message that was blamed so often is left out,
const BLAME_MAX: u32 = 3;
/// but for one visit in so many.
const TRIED_EVERY: u32 = 10;

/// What a visit needs beside its mailbox.
#[derive(Debug, Clone, Copy)]
pub(super) struct Means<'a> {
    pub(super) spool: &'a dyn Spool,
    pub(super) clock: &'a Clock,
    pub(super) metrics: &'a CollectMetrics,
    pub(super) budget: &'a Budget,
    /// Cancelled when the visit is to end as soon as nothing is lost by it.
    pub(super) stop: &'a CancellationToken,
    /// Cancelled when the rules that the visit goes by count no more: then it deletes nothing.
    pub(super) revoked: &'a CancellationToken,
}

/// What the next visit of a mailbox should know of the ones before. It lives in memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// How often each message was refused, or was being received when a connection dropped: the others come first, and
    /// what failed most comes last.
    pub(super) blamed: HashMap<UniqueId, u32>,
    /// The message that is being received.
    pub(super) receiving: Option<UniqueId>,
    /// Messages without a unique-id that turned out too large, by number and LIST size.
    pub(super) too_large: HashSet<(u32, Option<u64>)>,
    /// Messages on whose TOP a session broke: they are told of without a header.
    pub(super) headerless: HashSet<UniqueId>,
    /// When messages of a first visit were received, as far as that was asked: a maildrop too large for one visit is
    /// judged in several. `None`: it cannot be told, or a session broke on the question; such a message is taken.
    pub(super) dates: HashMap<UniqueId, Option<Timestamp>>,
    /// The delay between two logins that the server announced last. A visit that fails must heed it, too.
    pub(super) login_delay: Option<Duration>,
    /// The delay that it enforces without a word.
    pub(super) learned_delay: Duration,
    /// The server closes the session when it is asked for its capabilities.
    pub(super) closes_on_capa: bool,
    /// It told its capabilities.
    pub(super) answers_capa: bool,
}

impl Memory {
    /// Blames a message once more.
    pub(super) fn blame(&mut self, unique_id: UniqueId) {
        *self.blamed.entry(unique_id).or_default() += 1;
    }

    /// Takes the messages out that fail again and again, so that the session comes to its end; each is tried anew now
    /// and then. Tells how many.
    pub(super) fn leave_out(&mut self, retrieve: &mut Vec<Take>) -> usize {
        let before = retrieve.len();
        retrieve.retain(|take| {
            let Some(blame) = take.unique_id.as_ref().and_then(|id| self.blamed.get_mut(id)) else { return true };
            if *blame < BLAME_MAX || *blame % TRIED_EVERY == 0 {
                return true;
            }
            *blame += 1;
            false
        });
        before - retrieve.len()
    }

    /// Whether another login so soon would be against the server's rules.
    pub(super) fn is_delayed(&self) -> bool {
        !self.login_delay.unwrap_or_default().max(self.learned_delay).is_zero()
    }

    /// How often a message was blamed.
    pub(super) fn blame_of(&self, unique_id: Option<&UniqueId>) -> u32 {
        unique_id.and_then(|id| self.blamed.get(id)).copied().unwrap_or_default()
    }
}
