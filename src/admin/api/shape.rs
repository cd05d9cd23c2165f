//! What the API's answers look like, where several share it.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::spool::Changed;
use crate::spool::DeliveryRow;
use crate::spool::Kind;
use crate::spool::MessageRow;

/// A time in the form that everything prints it in.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Unix time of a gauge; 0 is none.
pub(super) fn time_of_gauge(second: i64) -> Option<String> {
    Timestamp::from_second(second).ok().filter(|_| second > 0).map(time)
}

/// What an action did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    /// Deliveries, messages or ledger rows that changed; 0: it was so already.
    pub(super) changed: u64,
}

impl From<Changed> for Done {
    fn from(done: Changed) -> Done {
        Done { changed: done.changed }
    }
}

/// A message, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Message {
    /// Its id, the same as `webhook-id`.
    id: String,
    /// `mail`, or the type of the event that it is.
    kind: &'static str,
    /// Whose mail it is; null of an event about an endpoint.
    mailbox: Option<String>,
    /// What its server calls it, in its printed form.
    unique_id: Option<String>,
    /// Its subject, decoded; null of an event, of a mail that nobody has read yet or whose copy was released, and for tokens
    /// that may not see mail.
    subject: Option<String>,
    /// Whom it says it is from, for a human; null as above.
    sender: Option<String>,
    /// `spooled`, `routed` (a delivery is pending), `delivered`, `dead`, `unrouted`, `quarantined` or `dropped`.
    state: &'static str,
    /// The rule that dropped it.
    dropped_by: Option<String>,
    /// The mail that it tells of, where it is a notice of a dead letter.
    about: Option<String>,
    /// When it was committed.
    #[schema(format = DateTime)]
    spooled_at: String,
    /// When our copy was released; its bytes are gone since.
    #[schema(format = DateTime)]
    released_at: Option<String>,
    /// Raw bytes.
    size: u64,
    /// SHA-256 of the raw bytes, in hexadecimal.
    sha256: String,
    /// What it goes to.
    deliveries: Vec<Delivery>,
}

/// A delivery of a message to an endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Delivery {
    /// The endpoint.
    endpoint: String,
    /// `pending`, `delivered` or `dead`.
    state: String,
    /// Why it is dead (`refused`, `expired`, `dropped`), or why its endpoint is held.
    reason: Option<String>,
    /// Attempts made.
    attempts: u32,
    /// The last HTTP status.
    last_status: Option<u16>,
    /// When the next attempt is due.
    #[schema(format = DateTime)]
    due: Option<String>,
    /// When it was settled.
    #[schema(format = DateTime)]
    settled_at: Option<String>,
}

impl Message {
    /// What is told of `row` to somebody who may see mail, or may not.
    pub(super) fn of(row: MessageRow, sees_mail: bool) -> Message {
        let message = row.message;
        let glance = row.glance.filter(|_| sees_mail);
        let (subject, sender) = glance.map(|glance| (glance.subject, Some(glance.sender))).unwrap_or_default();
        Message {
            id: message.id.as_str().to_owned(),
            kind: match message.kind {
                Kind::Mail => "mail",
                event => event.as_str(),
            },
            mailbox: message.mailbox.map(|name| name.to_string()),
            unique_id: message.unique_id.map(|id| id.to_string()),
            subject,
            sender,
            state: row.state.as_str(),
            dropped_by: row.dropped_by,
            about: row.about,
            spooled_at: time(message.spooled_at),
            released_at: row.released_at.map(time),
            size: message.size,
            sha256: data_encoding::HEXLOWER.encode(&message.sha256),
            deliveries: row.deliveries.into_iter().map(Delivery::from).collect(),
        }
    }
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Delivery {
        Delivery {
            endpoint: row.endpoint,
            state: row.state,
            reason: row.reason,
            attempts: row.attempts,
            last_status: row.last_status,
            due: row.due.map(time),
            settled_at: row.settled_at.map(time),
        }
    }
}
