//! Which server copies a mailbox lets go. Pure.

use std::time::Duration;

/// A mailbox's rule for the server's copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// When a message may be deleted on the server.
    pub on_server: OnServer,
    /// How much longer it stays there after that.
    pub delete_after: Duration,
    /// This many of the newest in the listing stay in any case.
    pub keep_latest: usize,
}

/// When a message may be deleted on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnServer {
    /// Never.
    Keep,
    /// When every endpoint took it.
    DeleteWhenDelivered,
    /// When it lies in our spool.
    DeleteWhenSpooled,
}
