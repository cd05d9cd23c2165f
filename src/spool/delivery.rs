//! One message for one endpoint: what a claim gives and what a record takes.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::Glance;
use super::Standing;
use crate::ident::EndpointName;
use crate::ident::MailboxName;
use crate::ident::MessageId;
use crate::ident::UniqueId;
use crate::spool::Kind;

/// The name of a message inside the spool, in commit order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey(pub(super) i64);

/// The name of a delivery inside the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryKey(pub(super) i64);

#[cfg(test)]
impl MessageKey {
    /// The key of a message that no spool holds.
    pub(crate) fn for_testing(number: i64) -> MessageKey {
        MessageKey(number)
    }
}

#[cfg(test)]
impl DeliveryKey {
    /// The key of a delivery that no spool holds.
    pub(crate) fn for_testing(number: i64) -> DeliveryKey {
        DeliveryKey(number)
    }
}

/// What is known of a spooled message beside its bytes.
#[derive(Debug, Clone)]
pub struct Spooled {
    /// Its name in the spool.
    pub key: MessageKey,
    /// Our id for it.
    pub id: MessageId,
    /// Whose mail it is, or which mailbox an event tells of; `None` for an event about an endpoint.
    pub mailbox: Option<MailboxName>,
    /// The unique-id that it was first taken under.
    pub unique_id: Option<UniqueId>,
    /// SHA-256 of the raw bytes.
    pub sha256: [u8; 32],
    /// Length of the raw bytes; of a notice, together with the mail that it carries.
    pub size: u64,
    /// When it was committed.
    pub spooled_at: Timestamp,
    /// What it is.
    pub kind: Kind,
}

/// A spooled message that nobody has parsed yet, with its bytes.
#[derive(Debug, Clone)]
pub struct Unsorted {
    /// The message.
    pub message: Spooled,
    /// Its bytes.
    pub raw: Bytes,
    /// What is to be done with it.
    pub purpose: Purpose,
}

/// What a message is parsed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be sorted.
    ToSort,
    /// To be shown: an older pophook sorted it. Its verdict is [`Verdict::Shown`].
    ToShow,
}

/// What the sorting made of a message.
#[derive(Debug, Clone)]
pub struct Sorted {
    /// Which message.
    pub message: MessageKey,
    /// Where it goes.
    pub verdict: Verdict,
    /// What a list shows of it from now on; `None` of an event.
    pub glance: Option<Glance>,
}

/// Where a message goes.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// To these endpoints; none of them makes it *unrouted*.
    Routed(Vec<EndpointName>),
    /// Nowhere, because a rule says so.
    Dropped(Dropped),
    /// Nowhere, and nothing is left to do: an event that no endpoint asks for any more.
    Settled,
    /// Where it went before: it was read only to be shown.
    Shown,
    /// Nowhere yet: it was not parsed, for no fault of its own, and its count is taken back.
    PutBack,
}

/// By which rule a mail was dropped, and what that means for its server's copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// What the rule is called.
    pub rule: String,
    /// Whether retention takes the mail for delivered.
    pub counts_as_delivered: bool,
}

/// The right to make one attempt. It lives in memory: a crash needs no unlock, the attempt is made again.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Which delivery.
    pub delivery: DeliveryKey,
    /// Of which message.
    pub message: Spooled,
    /// Which try this is, from 1, over all generations.
    pub attempt: u32,
    /// Raised by each retry by hand.
    pub generation: u32,
    /// Failures of this generation that count for the backoff.
    pub failures: u32,
    /// How often the endpoint refused this message in this generation.
    pub refusals: u32,
    /// How long it has been refused without another failure between; as `tried_for`, by the endpoint's own time.
    pub refused_for: Duration,
    /// What the endpoint gets.
    pub form: Form,
    /// How long this generation has been tried; time in which the endpoint was held or pophook did not run is left out.
    pub tried_for: Duration,
}

/// What an endpoint gets of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The parsed mail.
    Parsed,
    /// The raw bytes, because an operator asked for them.
    Unparsed,
}

/// The claims that were free, and when to look again.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// In the order in which they are due.
    pub claims: Vec<Claim>,
    /// When the next delivery of this endpoint is due, if that is known and in the future.
    pub next_due: Option<Timestamp>,
    /// Whether more is due than was wanted.
    pub more_due: bool,
    /// Where the endpoint stands.
    pub standing: Standing,
}

/// The end of one attempt, as it is written down.
#[derive(Debug, Clone)]
pub struct Record {
    /// Which delivery.
    pub delivery: DeliveryKey,
    /// The generation that was claimed: a failure of an older one changes nothing.
    pub generation: u32,
    /// Which try it was.
    pub attempt: u32,
    /// When the attempt began.
    pub started_at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// The HTTP status, where one arrived.
    pub status: Option<u16>,
    /// The kind of error, where none did.
    pub error: Option<&'static str>,
    /// The first bytes of the answer, where it was no success.
    pub answer: Option<String>,
    /// What the attempt's end is called in listings and metrics: `delivered`, `deferred` or `refused`.
    pub outcome: &'static str,
    /// What becomes of the delivery.
    pub end: End,
    /// Who is told, should it be dead now. Of a mail's delivery alone: a notice never causes another.
    pub tell: Vec<EndpointName>,
}

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The endpoint took it. A fact: recorded even if the row was settled otherwise meanwhile.
    Delivered,
    /// Try again.
    Deferred {
        /// Not before this.
        due: Timestamp,
        /// Whether the wait gets longer next time.
        counts: Counts,
    },
    /// A dead letter.
    Dead(Reason),
}

/// What a failed attempt counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// A failure: the next wait is longer.
    Failure,
    /// A refusal of this message: the next wait is longer, and the fifth ends it.
    Refusal,
    /// The attachment store is away: the next wait is longer, but the time that the endpoint has begins anew.
    Store,
    /// Nothing: it did not fail.
    Nothing,
}

/// Why a delivery is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The endpoint refused it five times.
    Refused,
    /// Its time was over.
    Expired,
    /// It has attachments larger than the endpoint may get, or than the attachment store takes.
    TooLarge,
    /// Our copy of it is damaged.
    Damaged,
    /// An operator dropped it.
    Dropped,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Reason; 5] = [Reason::Refused, Reason::Expired, Reason::TooLarge, Reason::Damaged, Reason::Dropped];

    /// The reasons that make a dead letter, for the metrics: what an operator dropped is settled.
    pub const DEAD_LETTERS: [Reason; 4] = [Reason::Refused, Reason::Expired, Reason::TooLarge, Reason::Damaged];

    /// The name in listings and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Refused => "refused",
            Reason::Expired => "expired",
            Reason::TooLarge => "too_large",
            Reason::Damaged => "damaged",
            Reason::Dropped => "dropped",
        }
    }
}

/// Why an endpoint's deliveries are held: until somebody resumes it, or its cause is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It answered 410 twice.
    Gone,
    /// It refused many different messages in a row.
    RefusesAll,
    /// It refused for too long the message that all others of a mailbox wait for.
    HeadRefused,
    /// Its status map says so of an answer.
    Status,
    /// None of its signing keys is valid; ends by itself with the next one that is.
    NoValidKey,
    /// It is no longer in the configuration; ends by itself when it is back.
    Removed,
}

impl Hold {
    /// All reasons for a hold.
    pub const ALL: [Hold; 6] =
        [Hold::Gone, Hold::RefusesAll, Hold::HeadRefused, Hold::Status, Hold::NoValidKey, Hold::Removed];

    /// The name in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Hold::Gone => "gone",
            Hold::RefusesAll => "refuses_all",
            Hold::HeadRefused => "head_refused",
            Hold::Status => "answered_hold",
            Hold::NoValidKey => "no_valid_key",
            Hold::Removed => "removed",
        }
    }

    /// Reads the name back.
    pub fn parse(text: &str) -> Option<Hold> {
        Hold::ALL.into_iter().find(|hold| hold.as_str() == text)
    }
}
