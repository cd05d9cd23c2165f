//! What a visit is given: its means, and what is remembered of the visits before.

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
    /// Messages that were being received when a connection dropped: the others come first.
    pub(super) blamed: HashSet<UniqueId>,
}
