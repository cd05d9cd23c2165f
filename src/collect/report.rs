//! What a visit is for, and how it ended.

use std::error::Error;
use std::time::Duration;

use crate::pop3::Pop3Error;
use crate::spool::SpoolError;

/// What a visit is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Everything.
    Collect,
    /// Only to delete what retention lets go; nothing is retrieved.
    Delete,
}

/// What a visit did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages in the listing.
    pub listed: usize,
    /// Messages that are new in the spool.
    pub taken: usize,
    /// Retrieved messages that the spool had already.
    pub known: usize,
    /// Messages that the server was told to delete, with QUIT answered.
    pub expunged: usize,
    /// Messages whose retrieval the server refused.
    pub refused: usize,
    /// Messages that stay because they are too large, noted in this visit.
    pub oversize: usize,
    /// Messages that were recorded as skipped in this visit.
    pub skipped: usize,
    /// New messages that stay on the server because the spool has no room, or a flood is unresolved.
    pub left: usize,
    /// The delay that the server wants between two logins.
    pub login_delay: Option<Duration>,
}

impl Report {
    /// Whether nothing new was left on the server against its mailbox's rules.
    pub fn is_complete(&self) -> bool {
        self.left == 0 && self.refused == 0
    }

    /// Messages of which the visit knows what becomes of them.
    pub(super) fn settled(&self) -> usize {
        self.taken + self.known + self.refused + self.oversize
    }

    /// Whether the visit changed nothing.
    pub fn is_quiet(&self) -> bool {
        Report { listed: self.listed, login_delay: self.login_delay, ..Report::default() } == *self
    }
}

/// Why a visit ended early.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// The server, or the way to it.
    #[error(transparent)]
    Pop3(#[from] Pop3Error),
    /// The spool. The connection was dropped without QUIT if something had been retrieved.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A message turned out too large; it is noted, and the next session goes on without it.
    #[error("a message was larger than listed")]
    Oversize,
    /// A server that has never given unique-ids cannot tell new mail from old.
    #[error("the server gives no unique-ids, so that only `start_from: all` can be kept; write that")]
    NoUniqueIds,
    /// The server gave unique-ids before.
    #[error("the server gave unique-ids before and gives none now; nothing is taken until it does again")]
    LostUniqueIds,
    /// It took longer than `visit_timeout`.
    #[error("visit took longer than {0:?}")]
    TooLong(Duration),
}

impl VisitError {
    /// The error with its causes, as one line.
    pub fn chain(&self) -> String {
        let first: &(dyn Error + 'static) = self;
        let causes = std::iter::successors(Some(first), |error| (*error).source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }

    /// The metric label.
    pub fn reason(&self) -> &'static str {
        match self {
            VisitError::Pop3(error) => error.reason(),
            VisitError::Spool(_) => "spool",
            VisitError::Oversize => "too_large",
            VisitError::NoUniqueIds | VisitError::LostUniqueIds => "no_unique_ids",
            VisitError::TooLong(_) => "visit_timeout",
        }
    }
}
