//! What we remember of a maildrop: which unique-ids were taken, and what became of them.
//!
//! The ledger is a set of (unique-id, content, size) per mailbox, never a highest number and never the Message-ID.

use bytes::Bytes;
use jiff::Timestamp;

use crate::ident::Content;
use crate::ident::MailboxName;
use crate::ident::MessageId;
use crate::ident::UniqueId;

/// A mailbox as the configuration names it, for [`super::Collecting::enrol`].
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// Its name.
    pub mailbox: MailboxName,
    /// The name that it had before, where it was renamed.
    pub former_name: Option<MailboxName>,
    /// The server's host name.
    pub host: String,
    /// The login name.
    pub username: String,
}

/// Everything that the next visit needs to know of a mailbox.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// When the latest complete listing was committed; `None` before the first visit.
    pub listed_at: Option<Timestamp>,
    /// When messages without a unique-id were last read.
    pub reread_at: Option<Timestamp>,
    /// An unresolved flood, and how to settle it.
    pub flood: Flood,
    /// The rows, oldest first.
    pub rows: Vec<LedgerRow>,
}

/// Whether most known unique-ids went at once, with a similar number of new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flood {
    /// They did not.
    #[default]
    None,
    /// They did, and nobody has said what to do.
    Unresolved,
    /// The operator said: what is listed now was seen.
    AsSeen,
    /// The operator said: what is listed now is new.
    AsNew,
}

/// The name of one ledger row inside the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LedgerKey(pub(super) i64);

#[cfg(test)]
impl LedgerKey {
    /// The key of a row that no spool holds.
    pub(crate) fn for_testing(number: i64) -> LedgerKey {
        LedgerKey(number)
    }
}

/// One message of a maildrop that we have met.
#[derive(Debug, Clone)]
pub struct LedgerRow {
    /// The row's name.
    pub key: LedgerKey,
    /// `None`: a message without a usable unique-id, known by its content alone.
    pub unique_id: Option<UniqueId>,
    /// What became of it.
    pub entry: Entry,
    /// The LIST size when it was noted.
    pub listed_size: Option<u64>,
    /// Absent from every complete listing since then.
    pub absent_since: Option<Timestamp>,
    /// The intent to delete it on the server was committed.
    pub marked: bool,
    /// How often QUIT was answered after its DELE and it was not yet seen to be gone.
    pub expunges: u32,
    /// QUIT was answered after its DELE, and no later listing has shown it.
    pub expunged: bool,
}

/// What became of a listed message.
#[derive(Debug, Clone)]
pub enum Entry {
    /// It was retrieved; our copy is or was in the spool.
    Taken {
        /// What it held.
        content: Content,
        /// What retention needs to know of our copy.
        copy: OurCopy,
    },
    /// It exceeds this limit and stays on the server.
    Oversize {
        /// The `max_message_size` that it exceeded, in bytes.
        limit: u64,
    },
    /// It was there before the first visit and is never retrieved.
    Skipped,
}

/// What retention needs to know of our copy of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OurCopy {
    /// When it was committed.
    pub spooled_at: Timestamp,
    /// When the last endpoint took it, or a rule dropped it that lets this count as delivered; `None` while one has not,
    /// or never will.
    pub delivered_at: Option<Timestamp>,
}

/// A complete listing, judged: committed before anything of it is retrieved.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// Rows that are listed although they were absent or expunged.
    pub returned: Vec<LedgerKey>,
    /// Rows that are not listed any more.
    pub gone: Vec<LedgerKey>,
    /// Unique-ids that are recorded as seen and never retrieved.
    pub skipped: Vec<(UniqueId, Option<u64>)>,
    /// Unique-ids of messages that are too large by LIST.
    pub oversize: Vec<Oversize>,
    /// What the mailbox's flood state was when the ledger was read,
    pub flood_was: Flood,
    /// and what it becomes, unless somebody has settled the flood meanwhile.
    pub flood: Flood,
    /// Whether this listing shows a flood, settled or not.
    pub flooded: bool,
    /// Messages without a unique-id are read in this visit.
    pub reread: bool,
}

/// A message that is too large.
#[derive(Debug, Clone)]
pub struct Oversize {
    /// Its unique-id.
    pub unique_id: UniqueId,
    /// The size seen, in bytes.
    pub size: u64,
    /// The limit in force, in bytes.
    pub limit: u64,
    /// What endpoints are told of it, if one asks. It is accepted once for each id, however often it is observed.
    pub event: Option<Event>,
}

/// An event about a message that was not retrieved.
#[derive(Debug, Clone)]
pub struct Event {
    /// Our id for the event.
    pub id: MessageId,
    /// SHA-256 of the header.
    pub sha256: [u8; 32],
    /// The message's header; empty where the server did not give it.
    pub header: Bytes,
}

/// A message that was retrieved completely, on its way to the disk.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Our id for it.
    pub id: MessageId,
    /// `None` where the server gives no usable one.
    pub unique_id: Option<UniqueId>,
    /// What makes it the same mail.
    pub content: Content,
    /// SHA-256 of the raw bytes.
    pub sha256: [u8; 32],
    /// The size that LIST gave.
    pub listed_size: Option<u64>,
    /// The bytes as the server sent them, dot-unstuffed.
    pub raw: Bytes,
}

/// What became of an [`Incoming`] message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The ledger row that now stands for it.
    pub key: LedgerKey,
    /// Whether the spool had an equal message already; then nothing new is delivered.
    pub known: Known,
}

/// Whether the spool had an equal message already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It is new.
    New,
    /// Under this very unique-id: the server showed it again.
    SameUniqueId,
    /// Under another unique-id.
    OtherUniqueId,
}
