//! What is told of dead letters and accounts: the facts that an event carries, fixed when it is committed.

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use super::Change;
use super::Reply;
use crate::ident::EndpointName;
use crate::ident::MailboxName;

/// What is known of a delivery at the instant in which it became a dead letter. A later retry does not change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The id of the mail.
    pub mail: String,
    /// The endpoint that did not take it.
    pub endpoint: String,
    /// Why it is dead.
    pub reason: String,
    /// Attempts made.
    pub attempts: u32,
    /// The HTTP status of the last one, where an answer came.
    pub last_status: Option<u16>,
    /// The kind of error of the last one, where none came.
    pub last_error: Option<String>,
    /// When it was settled, RFC 3339.
    pub settled_at: String,
    /// It was sent as it is, because nobody could parse it.
    pub unparsed: bool,
}

/// Whom a change is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// A mailbox.
    Mailbox(MailboxName),
    /// An endpoint.
    Endpoint(EndpointName),
}

impl Account {
    /// Its name.
    pub fn as_str(&self) -> &str {
        match self {
            Account::Mailbox(name) => name.as_str(),
            Account::Endpoint(name) => name.as_str(),
        }
    }
}

/// A change that nobody was told of yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untold {
    /// Whom it is about.
    pub account: Account,
    /// What changed.
    pub change: Change,
    /// Since when it is so.
    pub since: Timestamp,
    /// Why, in one word of ours.
    pub reason: Option<String>,
    /// What makes it another change than the one before.
    pub(super) mark: i64,
}

/// What an event about an account tells; the bytes of its message, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The mailbox, of an event about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<String>,
    /// The endpoint, of an event about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Since when it is so, RFC 3339.
    pub since: String,
    /// Why, in one word.
    pub reason: Option<String>,
}

impl Facts {
    pub(super) fn of(untold: &Untold) -> Facts {
        let name = untold.account.as_str().to_owned();
        let (mailbox, endpoint) = match untold.account {
            Account::Mailbox(_) => (Some(name), None),
            Account::Endpoint(_) => (None, Some(name)),
        };
        Facts { mailbox, endpoint, since: format!("{:.3}", untold.since), reason: untold.reason.clone() }
    }
}

/// What is told of accounts. What differs from what was told last is asked for, so that a crash loses nothing.
pub trait Noticing: Send + Sync + fmt::Debug {
    /// The changes that nobody was told of yet.
    fn untold(&self) -> Reply<Vec<Untold>>;

    /// Commits that these are told, together with the event of each for its endpoints; where there are none, no event
    /// is made.
    fn tell(&self, changes: Vec<(Untold, Vec<EndpointName>)>) -> Reply<()>;
}
