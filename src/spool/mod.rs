//! The disk: the only thing that both halves know.
//!
//! What it promises:
//! - A message that [`Collecting::accept`] reported is on stable storage, with the ledger row that keeps it from being
//!   taken twice. Before that it is nowhere: no DELE, no QUIT.
//! - What a verb reported as done is committed and synced; a verb that failed has changed nothing.
//! - One row per (message, endpoint) is the queue. Nothing else remembers that a post is owed.
//! - A delivered row never becomes undelivered, except by [`Command::Retry`].
//! - Raw bytes are handed out as they were taken, or not at all ([`SpoolError::Damaged`]): a message whose copy is
//!   damaged never becomes delivered, and stops no other.
//! - Raw bytes go only by retention, by `drop --erase`, or, those of what was delivered or dropped by a rule, when the
//!   spool is above its high-water mark.
//!
//! A message is a mail, or an event: both are claimed, recorded and released alike. An event is committed with what it
//! tells of, and never stands for anything that could be deleted on a server. Events about dead letters and accounts are
//! routed from the beginning. While a notice of a dead letter waits, our copy of its mail stays.
//!
//! What it does not know: POP3, HTTP, or why a message is wanted. [`Spool`] is written for several engines; the
//! embedded one is [`sqlite`].

mod condition;
mod config;
mod delivery;
mod error;
mod filesystem;
mod filter;
mod glance;
mod kind;
mod ledger;
mod lines;
mod notice;
mod preview;
mod report;
mod room;
mod search;
pub mod socket;
pub mod sqlite;
mod standing;
mod state;
mod token;
mod wanted;
mod wishes;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::ident::EndpointName;
use crate::ident::MailboxName;

pub use condition::Condition;
pub use condition::Visited;
pub use config::Config;
pub use delivery::Claim;
pub use delivery::Claims;
pub use delivery::Counts;
pub use delivery::DeliveryKey;
pub use delivery::Dropped;
pub use delivery::End;
pub use delivery::Form;
pub use delivery::Hold;
pub use delivery::MessageKey;
pub use delivery::Purpose;
pub use delivery::Reason;
pub use delivery::Record;
pub use delivery::Sorted;
pub use delivery::Spooled;
pub use delivery::Unsorted;
pub use delivery::Verdict;
pub use error::DAMAGED_REMEDY;
pub use error::SpoolError;
pub use error::if_whole;
pub use filter::Filter;
pub use glance::Glance;
pub use glance::searchable;
pub use kind::Change;
pub use kind::Kind;
pub use ledger::Accepted;
pub use ledger::Enrolment;
pub use ledger::Entry;
pub use ledger::Event;
pub use ledger::Flood;
pub use ledger::Incoming;
pub use ledger::Known;
pub use ledger::Ledger;
pub use ledger::LedgerKey;
pub use ledger::LedgerRow;
pub use ledger::Observation;
pub use ledger::OurCopy;
pub use ledger::Oversize;
pub use lines::LineKey;
pub use lines::Lines;
pub use notice::Account;
pub use notice::DeadLetter;
pub use notice::Facts;
pub use notice::Noticing;
pub use notice::Untold;
pub use preview::Preview;
pub use report::AttemptRow;
pub use report::Changed;
pub use report::Command;
pub use report::EndpointRow;
pub use report::Listed;
pub use report::MailboxRow;
pub use report::Row;
pub use report::Shown;
pub use report::Stats;
pub use room::Room;
pub use search::DeliveryRow;
pub use search::Found;
pub use search::MessageRow;
pub use search::Search;
pub use standing::Breaker;
pub use standing::Health;
pub use standing::Standing;
pub use state::PARSES_MAX;
pub use state::State;
pub use token::Token;
pub use wanted::Wanted;
pub use wanted::Weight;
pub use wishes::Wishes;

/// An answer that arrives once the work is committed. The work is on its way even while nobody polls it.
pub type Reply<T> = Pin<Box<dyn Future<Output = Result<T, SpoolError>> + Send>>;

/// What can be read of a spool, also beside a daemon that writes it.
pub trait Reading: Send + Sync + fmt::Debug {
    /// Everything that a visit must know of `mailbox`.
    fn ledger(&self, mailbox: &MailboxName) -> Reply<Ledger>;

    /// The raw bytes of a message; `None` once they were released, and [`SpoolError::Damaged`] where they are not those
    /// that were taken.
    fn raw(&self, message: MessageKey) -> Reply<Option<Vec<u8>>>;

    /// The lines of `spool list`, dead letters first.
    fn list(&self, filter: Filter) -> Reply<Vec<Row>>;

    /// At most `limit` of these lines, after one that was shown.
    fn lines(&self, filter: Filter, after: Option<LineKey>, limit: usize) -> Reply<Lines>;

    /// At most `limit` of the messages that are wanted, of all mailboxes, the newest first.
    fn search(&self, wanted: Search, limit: usize) -> Reply<Found>;

    /// The message of that id, if there is one.
    fn find(&self, id: &str) -> Reply<Option<Spooled>>;

    /// When our copy of a message was released; `None` while it is here.
    fn released_at(&self, message: MessageKey) -> Reply<Option<Timestamp>>;

    /// The attempts of a message, oldest first.
    fn attempts(&self, message: MessageKey) -> Reply<Vec<AttemptRow>>;

    /// Fails where [`Collecting::enrol`] would refuse a mailbox that was renamed without saying so.
    fn may_enrol(&self, mailboxes: Vec<Enrolment>) -> Reply<()>;

    /// The lines of `mailbox list`.
    fn mailboxes(&self) -> Reply<Vec<MailboxRow>>;

    /// What is remembered of every endpoint.
    fn endpoints(&self) -> Reply<Vec<EndpointRow>>;

    /// The figures that metrics show.
    fn stats(&self) -> Reply<Stats>;
}

/// The refresh tokens of mailboxes.
pub trait Tokens: Send + Sync + fmt::Debug {
    /// The refresh token that was kept last for `mailbox`.
    fn token(&self, mailbox: &MailboxName) -> Reply<Option<Token>>;

    /// Keeps a refresh token; the one before is gone. What it gave may be used after the reply, never before.
    fn keep_token(&self, mailbox: &MailboxName, token: Token) -> Reply<()>;
}

/// What the collecting half does. Every verb is one transaction.
pub trait Collecting: Send + Sync + fmt::Debug {
    /// Makes the configured mailboxes known and carries renames out.
    fn enrol(&self, mailboxes: Vec<Enrolment>) -> Reply<()>;

    /// Commits a complete listing's judgement, with the events that tell of it, before anything is retrieved.
    fn observe(&self, mailbox: &MailboxName, observation: Observation) -> Reply<()>;

    /// Takes messages over: bytes, ledger rows and all. From the reply on, we answer for them.
    fn accept(&self, mailbox: &MailboxName, messages: Vec<Incoming>) -> Reply<Vec<Accepted>>;

    /// Notes a message that turned out too large while it was retrieved, with the event that tells of it.
    fn oversize(&self, mailbox: &MailboxName, message: Oversize) -> Reply<()>;

    /// Commits the intent to delete these on the server. DELE may go out after the reply, never before.
    fn mark(&self, mailbox: &MailboxName, rows: Vec<LedgerKey>) -> Reply<()>;

    /// Takes the intent back for messages that the server refused to delete.
    fn unmark(&self, mailbox: &MailboxName, rows: Vec<LedgerKey>) -> Reply<()>;

    /// Notes that QUIT was answered after the DELE of these.
    fn expunged(&self, mailbox: &MailboxName, rows: Vec<LedgerKey>) -> Reply<()>;

    /// Notes what a visit says of its mailbox; `reason` is one word.
    fn note_visit(&self, mailbox: &MailboxName, visited: Visited, reason: Option<&'static str>) -> Reply<()>;

    /// How often each mailbox was logged in since the start ([`Command::KeepToken`]); changes after the commit.
    fn logins(&self) -> watch::Receiver<BTreeMap<MailboxName, u64>>;

    /// What operators want of visits; changes after the commit.
    fn wishes(&self) -> watch::Receiver<Wishes>;

    /// Whether `mailbox` may retrieve `wanted` bytes more, or how many; makes room first where that costs nothing
    /// undelivered. What is promised here is kept from others until it is accepted, or asked for anew.
    fn room(&self, mailbox: &MailboxName, wanted: u64) -> Reply<Room>;
}

/// What the delivering half does. Every verb is one transaction.
pub trait Delivering: Send + Sync + fmt::Debug {
    /// Claims messages that nobody has parsed. Their parse counts are committed before the reply.
    ///
    /// Messages that a parse was begun for and never ended come alone, one at a time; the third such end
    /// quarantines them, as it does one whose copy is damaged. When there are none, mails follow that an older pophook sorted, and kept no [`Glance`] of.
    fn claim_unsorted(&self, at_most: usize) -> Reply<Vec<Unsorted>>;

    /// Commits where messages go; from the reply on, later configurations do not re-route them. Frees their claims,
    /// also where it fails, unless it fails for [`SpoolError::NoSpace`]: then it is to be asked again.
    fn sort(&self, sorted: Vec<Sorted>) -> Reply<()>;

    /// Gives up the claim on messages whose parsing did not end well; their counts stay.
    fn abandon(&self, messages: Vec<MessageKey>) -> Reply<()>;

    /// Claims deliveries of `endpoint` that are due, oldest first, and those that were never tried where no more of the
    /// others are wanted. Nothing while it is paused or held.
    ///
    /// One caller claims for an endpoint at a time, and waits for the reply.
    fn claim(&self, endpoint: &EndpointName, wanted: Wanted) -> Reply<Claims>;

    /// Gives a claim back unused.
    fn unclaim(&self, deliveries: Vec<DeliveryKey>) -> Reply<()>;

    /// Writes down how attempts ended, and frees their claims. A mail's delivery that is dead now, and the notice of it,
    /// are one commit.
    fn record(&self, records: Vec<Record>) -> Reply<()>;

    /// Nothing is posted to `endpoint` before `until`; only ever extended.
    fn pause(&self, endpoint: &EndpointName, until: Timestamp) -> Reply<()>;

    /// Keeps what the answers of `endpoint` have made of it. `false`: nothing was kept, because somebody has resumed it
    /// since the claim that told of so many `resumes`.
    fn keep_health(&self, endpoint: &EndpointName, health: Health, resumes: u64) -> Reply<bool>;

    /// Nothing is posted to `endpoint` until [`Command::Resume`].
    fn hold(&self, endpoint: &EndpointName, why: Hold) -> Reply<()>;

    /// As [`Delivering::hold`], where nothing else holds it already; tells whether it is held from now on.
    fn hold_if_free(&self, endpoint: &EndpointName, why: Hold) -> Reply<bool>;

    /// Ends a hold of this kind; one of another kind stays, and so does a pause. Tells whether there was one.
    fn end_hold(&self, endpoint: &EndpointName, why: Hold) -> Reply<bool>;

    /// Makes the configured endpoints known; rows of all others are held as [`Hold::Removed`].
    fn keep_endpoints(&self, endpoints: Vec<EndpointName>) -> Reply<()>;

    /// Changes when there is something new to sort or to claim.
    fn work(&self) -> watch::Receiver<u64>;
}

/// The durable store. Every verb is one transaction.
pub trait Spool: Reading + Tokens + Collecting + Delivering + Noticing {
    // -- the end --

    /// Releases our copies: delivered, or dropped by a rule, before the first time, settled dead before the second.
    fn release(&self, delivered_before: Timestamp, dead_before: Option<Timestamp>) -> Reply<u64>;

    /// Forgets ledger rows that were absent from every complete listing long enough, and tidies the file.
    fn prune(&self) -> Reply<u64>;

    // -- people --

    /// Carries a changing command out.
    fn change(&self, command: Command) -> Reply<Changed>;

    /// Leaves the spool in a form that is easy to copy; the last verb of a clean end.
    fn close(&self) -> Reply<()>;
}
