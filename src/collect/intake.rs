//! Retrieved messages on their way to the disk, in committed groups.
//!
//! While one group is being synced the next is being read. Nothing is durable before [`Intake::settle`] said so.

use sha2::Digest as _;
use sha2::Sha256;

use super::Dedupe;
use super::Mailbox;
use super::plan::Take;
use crate::crash;
use crate::ident::Content;
use crate::ident::MessageId;
use crate::metrics::CollectMetrics;
use crate::spool::Accepted;
use crate::spool::Incoming;
use crate::spool::Known;
use crate::spool::Reply;
use crate::spool::Spool;
use crate::spool::SpoolError;

/// Messages in one group at most.
const GROUP_MESSAGES: usize = 32;
/// Bytes in one group, give or take the last message: two groups are in memory at a time.
const GROUP_BYTES: usize = 1 << 20;

/// Bytes of a message that are hashed on the spot. More than these would keep everybody waiting whom the runtime's thread
/// serves.
const HASHED_HERE: usize = 256 << 10;

/// A message that is on the disk.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) take: Take,
    pub(super) content: Content,
    pub(super) accepted: Accepted,
}

/// Gathers messages into groups and hands these to the spool.
pub(super) struct Intake<'a> {
    mailbox: &'a Mailbox,
    spool: &'a dyn Spool,
    metrics: &'a CollectMetrics,
    group: Group,
    on_its_way: Option<OnItsWay>,
    durable: Vec<Taken>,
}

/// A group that the spool has and has not answered for.
struct OnItsWay {
    facts: Vec<Facts>,
    reply: Reply<Vec<Accepted>>,
}

/// What is remembered of a message while its bytes are with the spool.
struct Facts {
    take: Take,
    content: Content,
    size: u64,
}

#[derive(Default)]
struct Group {
    messages: Vec<Incoming>,
    facts: Vec<Facts>,
    bytes: usize,
}

impl<'a> Intake<'a> {
    pub(super) fn new(mailbox: &'a Mailbox, spool: &'a dyn Spool, metrics: &'a CollectMetrics) -> Intake<'a> {
        Intake { mailbox, spool, metrics, group: Group::default(), on_its_way: None, durable: Vec::new() }
    }

    /// Takes a complete message in.
    pub(super) async fn push(&mut self, take: Take, raw: Vec<u8>) -> Result<(), SpoolError> {
        let message = if raw.len() > HASHED_HERE {
            let hashed = tokio::task::spawn_blocking(move || Hashed::of(raw)).await;
            // Only where the process is ending.
            hashed.map_err(|_| SpoolError::Closed)?
        } else {
            Hashed::of(raw)
        };
        let (content, bytes) = (message.content, message.raw.len());
        self.group.bytes += bytes;
        self.group.messages.push(incoming(self.mailbox, &take, message));
        self.group.facts.push(Facts { take, content, size: u64::try_from(bytes).unwrap_or(u64::MAX) });
        if self.group.messages.len() >= GROUP_MESSAGES || self.group.bytes >= GROUP_BYTES {
            self.hand_over().await?;
        }
        Ok(())
    }

    /// Returns once everything that was pushed is durable: what became of each message.
    pub(super) async fn settle(mut self) -> Result<Vec<Taken>, SpoolError> {
        self.hand_over().await?;
        self.wait().await?;
        Ok(self.durable)
    }

    /// Waits for the group before this one, so that two are in memory at most.
    async fn hand_over(&mut self) -> Result<(), SpoolError> {
        self.wait().await?;
        let group = std::mem::take(&mut self.group);
        if !group.messages.is_empty() {
            crash::point!("before accept");
            let reply = self.spool.accept(&self.mailbox.name, group.messages);
            self.on_its_way = Some(OnItsWay { facts: group.facts, reply });
        }
        Ok(())
    }

    async fn wait(&mut self) -> Result<(), SpoolError> {
        let Some(OnItsWay { facts, reply }) = self.on_its_way.take() else { return Ok(()) };
        let accepted = reply.await?;
        crash::point!("after accept");
        for (Facts { take, content, size }, accepted) in facts.into_iter().zip(accepted) {
            self.count(accepted.known, size);
            self.durable.push(Taken { take, content, accepted });
        }
        Ok(())
    }

    fn count(&self, known: Known, size: u64) {
        let name = [self.mailbox.name.as_str()];
        self.metrics.retrieved.with_label_values(&name).inc();
        self.metrics.retrieved_bytes.with_label_values(&name).inc_by(size);
        if known != Known::New {
            self.metrics.deduplicated.with_label_values(&name).inc();
        }
    }
}

/// A message with what it is known by.
struct Hashed {
    content: Content,
    sha256: [u8; 32],
    raw: Vec<u8>,
}

impl Hashed {
    fn of(raw: Vec<u8>) -> Hashed {
        Hashed { content: Content::of(&raw), sha256: Sha256::digest(&raw).into(), raw }
    }
}

fn incoming(mailbox: &Mailbox, take: &Take, Hashed { content, sha256, raw }: Hashed) -> Incoming {
    let id = match (mailbox.dedupe, &take.unique_id) {
        (Dedupe::UniqueId, Some(unique_id)) => MessageId::of_copy(&mailbox.identity, &content, unique_id),
        (Dedupe::UniqueId, None) | (Dedupe::Content, _) => MessageId::of(&mailbox.identity, &content),
    };
    Incoming { id, unique_id: take.unique_id.clone(), content, sha256, listed_size: take.size, raw: raw.into() }
}
