//! What a visit is for, and how it ended.

use std::error::Error;
use std::time::Duration;

use crate::pop3::Code;
use crate::pop3::Pop3Error;
use crate::secret::Unavailable;
use crate::spool::SpoolError;
use crate::spool::Visited;

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
    /// New messages that the visit's sessions did not come to; the next visit goes on with them.
    pub unreached: usize,
    /// The delay that the server wants between two logins.
    pub login_delay: Option<Duration>,
}

impl Report {
    /// Whether nothing new was left on the server against its mailbox's rules.
    pub fn is_complete(&self) -> bool {
        self.left + self.refused + self.unreached == 0
    }

    /// Whether the server wants a delay between two logins.
    pub fn wants_delay(&self) -> bool {
        self.login_delay.is_some_and(|delay| !delay.is_zero())
    }

    /// Whether the visit changed nothing.
    pub fn is_quiet(&self) -> bool {
        Report { listed: self.listed, login_delay: self.login_delay, ..Report::default() } == *self
    }
}

/// Every result of a visit, as a metric's label.
pub const RESULTS: [&str; 9] =
    [RESULT_OK, "spool", "too_long", "server", "login_refused", "no_token", "busy", "tls", "unreachable"];

/// The result of a visit that succeeded.
pub(super) const RESULT_OK: &str = "ok";

/// Why a visit ended early.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// The server, or the way to it.
    #[error(transparent)]
    Pop3(#[from] Pop3Error),
    /// No access token to log in with.
    #[error("no access token")]
    NoToken(#[from] Unavailable),
    /// The spool. The connection was dropped without QUIT if something had been retrieved.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A message turned out too large; it is noted, and the next session goes on without it.
    #[error("a message was larger than listed")]
    Oversize,
    /// A message was handed out as nothing, and a server that acts on RETR would delete it at QUIT; the line is dropped, and
    /// the next session goes on without it.
    #[error("a message was handed out as nothing")]
    Missing,
    /// The session broke on the header of a message that is too large; the next session goes on without it.
    #[error("the session broke on a message's header")]
    NoHeader,
    /// A server that has never given unique-ids cannot tell new mail from old.
    #[error("the server gives no unique-ids, so that only `start_from: all` can be kept; write that")]
    NoUniqueIds,
    /// The server gave unique-ids before.
    #[error("the server gave unique-ids before and gives none now; nothing is taken until it does again")]
    LostUniqueIds,
    /// It was told to end before it had begun with anything; that is no failure.
    #[error("the visit was told to end")]
    Stopped,
    /// An operator paused its mailbox.
    #[error("the mailbox is paused; `pophook mailbox resume` ends that")]
    Paused,
    /// It took longer than `visit_timeout`.
    #[error("visit took longer than {0:?}")]
    TooLong(Duration),
}

impl VisitError {
    /// The error with its causes, as one line.
    fn chain(&self) -> String {
        let first: &(dyn Error + 'static) = self;
        let causes = std::iter::successors(Some(first), |error| (*error).source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }

    /// The error with its causes and, where there is one, the remedy, as one line.
    pub fn explain(&self) -> String {
        let remedy = match self {
            VisitError::Pop3(error) => error.remedy(),
            VisitError::Spool(_)
            | VisitError::NoToken(_)
            | VisitError::Oversize
            | VisitError::Missing
            | VisitError::NoHeader
            | VisitError::NoUniqueIds
            | VisitError::LostUniqueIds
            | VisitError::Stopped
            | VisitError::Paused
            | VisitError::TooLong(_) => None,
        };
        remedy.map_or_else(|| self.chain(), |remedy| format!("{}; {remedy}", self.chain()))
    }

    /// One word for logs.
    pub fn reason(&self) -> &'static str {
        match self {
            VisitError::Pop3(error) => error.reason(),
            VisitError::NoToken(_) => "no_token",
            VisitError::Spool(_) => "spool",
            VisitError::Oversize => "too_large",
            VisitError::Missing => "missing",
            VisitError::NoHeader => "no_header",
            VisitError::NoUniqueIds | VisitError::LostUniqueIds => "no_unique_ids",
            VisitError::Stopped => "stopped",
            VisitError::Paused => "paused",
            VisitError::TooLong(_) => "visit_timeout",
        }
    }

    /// What the failure says of its mailbox; `None`: nothing, it goes away by itself or is not the mailbox's.
    pub(super) fn says(&self) -> Option<Visited> {
        match self {
            VisitError::Pop3(error) if error.is_login_refused() => Some(Visited::Refused),
            VisitError::Pop3(error) => match error.code() {
                // Another client, or the server itself, is in the way for a while.
                Some(Code::InUse | Code::SysTemp | Code::LoginDelay) => None,
                Some(Code::SysPerm | Code::Utf8) => Some(Visited::NeedsHuman),
                Some(Code::Auth) | None => Some(Visited::Failed),
            },
            VisitError::NoToken(Unavailable::UntilHelped(_)) => Some(Visited::Refused),
            VisitError::NoToken(Unavailable::ForNow(_)) => Some(Visited::Failed),
            VisitError::NoUniqueIds | VisitError::LostUniqueIds => Some(Visited::NeedsHuman),
            VisitError::Spool(_)
            | VisitError::Oversize
            | VisitError::Missing
            | VisitError::NoHeader
            | VisitError::Stopped
            | VisitError::Paused
            | VisitError::TooLong(_) => None,
        }
    }

    /// The metric's label: few of them, because each mailbox has them all.
    pub fn result(&self) -> &'static str {
        match self {
            VisitError::Spool(_) => "spool",
            VisitError::TooLong(_) => "too_long",
            VisitError::NoToken(_) => "no_token",
            // One that was stopped is not counted, and one that was not made neither.
            VisitError::Oversize
            | VisitError::Missing
            | VisitError::NoHeader
            | VisitError::NoUniqueIds
            | VisitError::LostUniqueIds
            | VisitError::Stopped
            | VisitError::Paused => "server",
            VisitError::Pop3(error) if error.is_login_refused() => "login_refused",
            VisitError::Pop3(error) if error.code().is_some_and(Code::is_transient) => "busy",
            VisitError::Pop3(error) => match error {
                Pop3Error::Tls { .. } | Pop3Error::Certificates { .. } | Pop3Error::NoStls | Pop3Error::Injection => {
                    "tls"
                }
                Pop3Error::Connect { .. }
                | Pop3Error::Timeout { .. }
                | Pop3Error::Closed { .. }
                | Pop3Error::Io { .. }
                | Pop3Error::QuitUnanswered { .. } => "unreachable",
                _ => "server",
            },
        }
    }
}
