//! What a visit is given: its means, and what is remembered of the visits before.

use std::collections::HashMap;
use std::collections::HashSet;

use crate::clock::Clock;
use crate::ident::UniqueId;
use crate::metrics::CollectMetrics;
use crate::spool::Spool;

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
    /// Messages without a unique-id that turned out too large, by number and LIST size.
    pub(super) too_large: HashSet<(u32, Option<u64>)>,
    /// Messages on whose TOP a session broke: they are taken without looking at their date.
    pub(super) undatable: HashSet<UniqueId>,
}

impl Memory {
    /// Blames a message once more.
    pub(super) fn blame(&mut self, unique_id: UniqueId) {
        *self.blamed.entry(unique_id).or_default() += 1;
    }

    /// How often a message was blamed.
    pub(super) fn blame_of(&self, unique_id: Option<&UniqueId>) -> u32 {
        unique_id.and_then(|id| self.blamed.get(id)).copied().unwrap_or_default()
    }
}
