//! What the spool tells people and metrics.

use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use super::Breaker;
use super::Filter;
use super::Hold;
use super::Reason;
use super::State;
use super::Token;
use crate::ident::EndpointName;

/// One line of `spool list`: a delivery, or a message that has none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The message's id; `None` for what was never retrieved.
    pub id: Option<String>,
    /// What it is, where it is not a mail but an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The mail that a notice tells of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Whose mail it is; `None` of an event about an endpoint.
    pub mailbox: Option<String>,
    /// The unique-id in its printed form.
    pub unique_id: Option<String>,
    /// The endpoint, where there is a delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// `pending`, `delivered` or `dead`; the message's own state where there is no delivery.
    pub state: &'static str,
    /// Why it is in that state.
    pub reason: Option<String>,
    /// Attempts made.
    pub attempts: u32,
    /// The last HTTP status; of a report by mail, the code that the mail server answered.
    pub last_status: Option<u16>,
    /// When the next attempt is due, RFC 3339.
    pub due: Option<String>,
    /// When it was committed, RFC 3339.
    pub spooled_at: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
}

impl Row {
    /// Whether it was dropped: a delivery by an operator, a message by an operator or a rule.
    pub fn is_dropped(&self) -> bool {
        self.state == State::Dropped.as_str() || self.reason.as_deref() == Some(Reason::Dropped.as_str())
    }

    /// Whether a human has to settle it.
    pub fn waits_for_human(&self) -> bool {
        let dead = self.endpoint.is_some() && self.state == State::Dead.as_str() && !self.is_dropped();
        dead || self.state == State::Unrouted.as_str() || self.state == State::Quarantined.as_str()
    }
}

/// One attempt, for `spool show`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttemptRow {
    /// The endpoint.
    pub endpoint: String,
    /// Its number, from 1.
    pub attempt: u32,
    /// Raised by each retry by hand.
    pub generation: u32,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// `delivered`, `deferred`, `refused` or `dead`.
    pub outcome: String,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The kind of error.
    pub error: Option<String>,
    /// The first bytes of the answer.
    pub answer: Option<String>,
}

/// One mailbox, for `mailbox list`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MailboxRow {
    /// Its name.
    pub mailbox: String,
    /// When the latest complete listing was committed, RFC 3339.
    pub listed_at: Option<String>,
    /// `none`, `unresolved`, `as_seen` or `as_new`.
    pub flood: String,
    /// Ledger rows of messages that were taken.
    pub taken: u64,
    /// Ledger rows of messages that were skipped.
    pub skipped: u64,
    /// Ledger rows of messages that are too large.
    pub oversize: u64,
    /// Whether it can be visited: `ok`, `auth_failed` or `unreachable`.
    pub condition: String,
    /// Since when that is so, RFC 3339.
    pub condition_since: Option<String>,
    /// Why, in one word.
    pub condition_reason: Option<String>,
    /// Since when it is not visited because an operator said so, RFC 3339.
    pub paused_since: Option<String>,
}

/// The figures that metrics show.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Messages by state.
    pub messages: Vec<(State, u64)>,
    /// Ledger rows of oversize and of skipped messages.
    pub ledger: Vec<(&'static str, u64)>,
    /// Live bytes.
    pub bytes: u64,
    /// Pending deliveries by endpoint: how many, and when the oldest was spooled.
    pub pending: Vec<(EndpointName, u64, Timestamp)>,
    /// Dead letters by endpoint and reason; what an operator dropped is none any more.
    pub dead: Vec<(EndpointName, String, u64)>,
}

/// What is remembered of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRow {
    /// Its name.
    pub endpoint: EndpointName,
    /// Nothing is posted before this.
    pub paused_until: Option<Timestamp>,
    /// Nothing is posted until somebody resumes it, or the cause is gone.
    pub held: Option<Hold>,
    /// Whether it is spared for having failed again and again.
    pub breaker: Breaker,
    /// Deliveries that wait.
    pub pending: u64,
}

/// A changing command, as it goes to a running daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Tries dead deliveries again, with a new budget; sorts unrouted and quarantined messages anew, and dropped ones
    /// that are asked for.
    Retry {
        /// Which.
        filter: Filter,
        /// Another endpoint that takes them over, and gets unrouted and dropped messages whatever the routes say.
        to: Option<String>,
        /// Send unrouted and quarantined messages to `to` unparsed.
        raw: bool,
    },
    /// Settles deliveries and unrouted or quarantined messages for good.
    Drop {
        /// Which.
        filter: Filter,
        /// Erase our copy too.
        erase: bool,
    },
    /// Carries a retry or a drop out where it does what was shown, and nothing where it would do something else.
    AsShown {
        /// What was shown.
        shown: Shown,
        /// The retry or the drop.
        command: Box<Command>,
    },
    /// Takes skipped messages after all, at the next visit.
    Take {
        /// Whose.
        mailbox: String,
        /// These unique-ids in their printed form; empty for all.
        unique_ids: Vec<String>,
    },
    /// Notes messages that another program has taken as skipped, unless they are known.
    Import {
        /// Whose.
        mailbox: String,
        /// Their unique-ids in their printed form.
        unique_ids: Vec<String>,
    },
    /// Settles a flood.
    Reset {
        /// Whose.
        mailbox: String,
        /// Whether what is listed at the next visit was seen or is new.
        listed: Listed,
    },
    /// Visits a mailbox at once, or as soon as its server allows; not while it is paused.
    Visit {
        /// Which.
        mailbox: String,
    },
    /// Visits a mailbox no more, until [`Command::Unpause`]; a visit under way ends where nothing is lost.
    Pause {
        /// Which.
        mailbox: String,
    },
    /// Visits a mailbox again.
    Unpause {
        /// Which.
        mailbox: String,
    },
    /// Ends an endpoint's hold and pause, and closes its breaker.
    Resume {
        /// Which.
        endpoint: String,
    },
    /// Keeps a mailbox's refresh token.
    KeepToken {
        /// Whose.
        mailbox: String,
        /// The token; it travels over the socket, which only the owner can open.
        token: Token,
    },
}

/// What somebody was shown, and agreed to. A count is no proof of a set, where one line came and another went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// [`super::Preview::would_change`].
    #[serde(default)]
    pub changed: Option<u64>,
    /// [`super::Preview::set`].
    #[serde(default)]
    pub set: Option<String>,
}

/// What the messages of a flood are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listed {
    /// They were seen: record them as skipped.
    Seen,
    /// They are new: retrieve them.
    New,
}

/// What a changing command did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Deliveries, messages or ledger rows that changed.
    pub changed: u64,
    /// Of these, messages whose copy is gone now.
    #[serde(default)]
    pub erased: u64,
    /// Of these, deliveries that were handed over to an endpoint which has taken the message before: nothing is posted.
    #[serde(default)]
    pub joined: u64,
}
