//! Where the spool lies and how large it may grow.

use std::path::PathBuf;
use std::time::Duration;

/// The embedded spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The database file.
    pub path: PathBuf,
    /// How much mail it may hold: live bytes, not the file's size.
    pub max_size: u64,
    /// Bytes that stay free on its disk: below them, no more mail is taken.
    pub min_free: u64,
    /// Percent of `max_size` that the unsettled mail of one mailbox may fill, 1 to 100.
    pub max_share: u8,
    /// How long a ledger row outlives its last sight in a complete listing.
    pub ledger_keep: Duration,
}
