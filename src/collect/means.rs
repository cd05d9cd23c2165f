//! What a visit is given: its means, and what is remembered of the visits before.

use std::collections::HashMap;
use std::collections::HashSet;

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
    /// Messages on whose TOP a session broke: they are taken, or told of, without a look at their header.
    pub(super) headerless: HashSet<UniqueId>,
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

    /// How often a message was blamed.
    pub(super) fn blame_of(&self, unique_id: Option<&UniqueId>) -> u32 {
        unique_id.and_then(|id| self.blamed.get(id)).copied().unwrap_or_default()
    }
}
