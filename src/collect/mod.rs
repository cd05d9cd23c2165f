//! The visit: who is due, and what is taken from and deleted on the server.
//!
//! `run` visits each mailbox when it is due, under the caps; `visit` is one visit; `plan` decides what it does, `flood`
//! and `schedule` what concerns them; `retrieve` and `intake` carry messages to the spool in committed groups, `course`
//! from one session to the next; `oversize` prepares what is told of messages that are too large; `expunge` ends a session; `quirk` is what
//! an operator should know of a server, and `tell` says it.
//!
//! This half ends when a message is committed. It never waits for an endpoint: servers drop idle sessions, and a
//! maildrop is locked while a session holds it.

mod board;
mod budget;
mod change;
mod course;
mod expunge;
mod flood;
mod habits;
mod intake;
mod known;
mod login;
mod means;
mod once;
mod oversize;
mod plan;
mod quirk;
mod report;
mod retrieve;
mod run;
mod schedule;
mod tell;
mod visit;

use std::time::Duration;

use jiff::civil::Date;

use crate::ident::MailboxName;
use crate::pop3;
use crate::retention;

pub use login::Credential;
pub use login::log_in;
pub use quirk::Quirk;
pub use quirk::quirks;
pub use report::Purpose;
pub use report::RESULTS;
pub use report::Report;
pub use report::VisitError;
pub use run::Collector;
pub use run::Visits;
pub use visit::look;

/// All mailboxes, and how many may be visited at once.
#[derive(Debug, Clone)]
pub struct Config {
    /// Visits at once, in all.
    pub max_visits: usize,
    /// Visits at once to one server (host name and port).
    pub max_visits_per_host: usize,
    /// Bytes that visits may hold in memory at once, in large messages.
    pub max_bytes_in_flight: u64,
    /// The mailboxes in the order of the file.
    pub mailboxes: Vec<Mailbox>,
}

/// One configured account.
#[derive(Debug, Clone)]
pub struct Mailbox {
    /// Its name in configuration, metrics and ledger.
    pub name: MailboxName,
    /// The name that stands in its messages' ids: `former_name` where one is given.
    pub identity: MailboxName,
    /// Its server, and how to log in there.
    pub server: pop3::Config,
    /// What proves there that it is ours.
    pub credential: Credential,
    /// Time between the starts of two visits.
    pub poll_interval: Duration,
    /// Which of the messages that are there at the first visit are taken.
    pub start_from: StartFrom,
    /// Larger messages stay on the server as *oversize*; bytes.
    pub max_message_size: u64,
    /// Whether each of them makes an event: an endpoint asks for it.
    pub oversize_events: bool,
    /// What happens to the server's copies.
    pub retention: retention::Policy,
    /// What makes two messages one.
    pub dedupe: Dedupe,
    /// The longest that one visit may take.
    pub visit_timeout: Duration,
    /// Where one of its sessions ends.
    pub session: SessionLimits,
}

/// Where a session ends, so that a dropped line costs little; the visit goes on in the next one.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// Messages retrieved.
    pub messages: usize,
    /// Bytes retrieved, by LIST.
    pub bytes: u64,
    /// Time spent retrieving.
    pub time: Duration,
}

/// Which of the messages that are there at the first visit are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFrom {
    /// All of them.
    All,
    /// None: they are recorded as *skipped*.
    Now,
    /// Those received on this day (00:00 UTC) or later.
    Date(Date),
}

/// What makes two messages one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dedupe {
    /// Equal content.
    Content,
    /// Equal content under the same unique-id.
    UniqueId,
}
