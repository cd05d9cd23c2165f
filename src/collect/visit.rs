//! One visit, greeting to QUIT: list, plan, retrieve into the spool, mark what retention lets go.
//!
//! QUIT is gated like DELE: Gmail and `EXPIRE 0` servers act on RETR at QUIT. If anything that this session retrieved
//! is not durable, the connection is dropped without QUIT and the server keeps everything.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use super::Mailbox;
use super::intake::Intake;
use super::intake::Taken;
use super::plan::Delete;
use super::plan::Findings;
use super::plan::Plan;
use super::plan::Take;
use super::plan::held_back;
use super::plan::may_delete_equal;
use super::plan::plan;
use crate::clock::Clock;
use crate::ident::UniqueId;
use crate::metrics::CollectMetrics;
use crate::pop3;
use crate::pop3::Listing;
use crate::pop3::Pop3Error;
use crate::pop3::Retrieved;
use crate::pop3::Transaction;
use crate::spool::Known;
use crate::spool::Ledger;
use crate::spool::LedgerKey;
use crate::spool::Oversize;
use crate::spool::Room;
use crate::spool::Spool;
use crate::spool::SpoolError;

/// Messages retrieved between two looks at the room that is left.
const STRETCH_MESSAGES: usize = 500;
/// Bytes, by LIST, between two looks at the room that is left.
const STRETCH_BYTES: u64 = 64 << 20;

/// An unchanged listing is written down at most this often.
const LISTING_NOTED_EVERY: Duration = Duration::from_secs(3600);

/// What a visit is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Everything.
    Collect,
    /// Only to delete what retention lets go; nothing is retrieved.
    Delete,
    /// To tell what a visit would do; nothing changes, here or there.
    Look,
}

/// What a visit needs beside its mailbox.
#[derive(Debug, Clone, Copy)]
pub(super) struct Means<'a> {
    pub(super) spool: &'a dyn Spool,
    pub(super) clock: &'a Clock,
    pub(super) metrics: &'a CollectMetrics,
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
    /// The server wants a delay between two logins.
    pub login_delay: bool,
}

impl Report {
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
    /// It took longer than `visit_timeout`.
    #[error("visit took longer than {0:?}")]
    TooLong(Duration),
}

impl VisitError {
    /// The metric label.
    pub fn reason(&self) -> &'static str {
        match self {
            VisitError::Pop3(error) => error.reason(),
            VisitError::Spool(_) => "spool",
            VisitError::Oversize => "too_large",
            VisitError::TooLong(_) => "visit_timeout",
        }
    }
}

/// What the next visit of a mailbox should know of the ones before. It lives in memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Messages that were being received when a connection dropped: the others come first.
    pub(super) blamed: HashSet<UniqueId>,
}

/// Visits `mailbox` once.
pub(super) async fn visit(
    mailbox: &Mailbox,
    purpose: Purpose,
    means: Means<'_>,
    memory: &mut Memory,
) -> Result<Report, VisitError> {
    let mut report = Report::default();
    let sessions = async {
        loop {
            match converse(mailbox, purpose, means, memory, &mut report).await {
                // It is noted now, so the next session goes on without it.
                Err(VisitError::Oversize) => tracing::debug!(mailbox = %mailbox.name, "a message was larger than listed"),
                ended => return ended,
            }
        }
    };
    let ended = tokio::time::timeout(mailbox.visit_timeout, sessions).await;
    ended.unwrap_or(Err(VisitError::TooLong(mailbox.visit_timeout))).map(|()| report)
}

async fn converse(
    mailbox: &Mailbox,
    purpose: Purpose,
    means: Means<'_>,
    memory: &mut Memory,
    report: &mut Report,
) -> Result<(), VisitError> {
    let mut session = pop3::connect(&mailbox.server).await?.login().await?;
    let listing = session.list().await?;
    let ledger = means.spool.ledger(&mailbox.name).await?;
    let mut plan = plan(&listing, &ledger, mailbox, means.clock.now());
    for take in std::mem::take(&mut plan.by_date) {
        let received = session.received_at(take.number).await?;
        plan.dated(take, received, mailbox);
    }
    plan.retrieve.sort_by_key(|take| take.unique_id.as_ref().is_some_and(|id| memory.blamed.contains(id)));
    tell(mailbox, means.metrics, &plan.findings);
    report.listed = listing.entries.len();
    report.login_delay = session.capabilities().login_delay().is_some_and(|delay| !delay.is_zero());
    report.oversize += plan.observation.oversize.len();
    report.skipped += plan.observation.skipped.len();
    report.left = plan.findings.held;
    if purpose == Purpose::Look {
        (report.taken, report.expunged) = (plan.retrieve.len(), plan.delete.len());
        session.quit().await?;
        return Ok(());
    }
    let mut delete = std::mem::take(&mut plan.delete);
    if purpose == Purpose::Collect {
        if worth_committing(&plan, &ledger, means.clock.now()) {
            let oversize = u64::try_from(plan.observation.oversize.len()).unwrap_or(u64::MAX);
            means.spool.observe(&mailbox.name, std::mem::take(&mut plan.observation)).await?;
            means.metrics.oversize.with_label_values(&[mailbox.name.as_str()]).inc_by(oversize);
        }
        let taken = retrieve(&mut session, plan.retrieve, mailbox, means, memory, report).await?;
        delete.extend(equal_ones(&taken, &listing, &ledger, mailbox, means.clock));
    }
    report.expunged += expunge(session, delete, mailbox, means).await?;
    Ok(())
}

/// A visit that shows nothing new writes nothing, but for the time of the listing now and then: pruning asks for it.
fn worth_committing(plan: &Plan, ledger: &Ledger, now: Timestamp) -> bool {
    let seen = &plan.observation;
    let stale = ledger.listed_at.and_then(|at| at.checked_add(LISTING_NOTED_EVERY).ok()).is_none_or(|due| due <= now);
    let changed = !(seen.returned.is_empty() && seen.gone.is_empty() && seen.skipped.is_empty())
        || !seen.oversize.is_empty()
        || seen.flood != ledger.flood
        || seen.reread;
    changed || stale || !plan.retrieve.is_empty()
}

/// Retrieves stretch by stretch, as long as there is room. What arrived whole is durable when this returns, even where
/// it returns an error.
async fn retrieve(
    session: &mut Transaction,
    wanted: Vec<Take>,
    mailbox: &Mailbox,
    means: Means<'_>,
    memory: &mut Memory,
    report: &mut Report,
) -> Result<Vec<Taken>, VisitError> {
    let mut taken = Vec::new();
    let mut left = wanted.into_iter().peekable();
    while left.peek().is_some() {
        if means.spool.room(&mailbox.name).await? != Room::Free {
            report.left += left.len();
            tracing::warn!(mailbox = %mailbox.name, messages = left.len(), "the spool has no room; they stay on the server");
            break;
        }
        let stretch = stretch(&mut left);
        taken.extend(retrieve_stretch(session, stretch, mailbox, means, memory, report).await?);
    }
    Ok(taken)
}

fn stretch(left: &mut impl Iterator<Item = Take>) -> Vec<Take> {
    let (mut stretch, mut bytes) = (Vec::new(), 0);
    while stretch.len() < STRETCH_MESSAGES && bytes < STRETCH_BYTES {
        let Some(take) = left.next() else { break };
        bytes += take.size.unwrap_or_default();
        stretch.push(take);
    }
    stretch
}

async fn retrieve_stretch(
    session: &mut Transaction,
    stretch: Vec<Take>,
    mailbox: &Mailbox,
    means: Means<'_>,
    memory: &mut Memory,
    report: &mut Report,
) -> Result<Vec<Taken>, VisitError> {
    let mut intake = Intake::new(mailbox, means.spool, means.metrics);
    let wanted = stretch.iter().map(pop3::Wanted::from).collect();
    let mut retrieval = session.retrieve(wanted, mailbox.max_message_size);
    let mut expected = stretch.into_iter();
    let ended = loop {
        match retrieval.next().await {
            Ok(None) => break None,
            Ok(Some(retrieved)) => {
                let Some(take) = expected.next() else { break None };
                match retrieved {
                    Retrieved::Message { raw, .. } => intake.push(take, raw).await?,
                    Retrieved::Refused { .. } => refused(&take, mailbox, means.metrics, memory, report),
                }
            }
            Err(error) => break Some((error, expected.next())),
        }
    };
    // What arrived whole is worth keeping, however the session went on.
    let taken = intake.settle().await?;
    report.taken += taken.iter().filter(|taken| taken.accepted.known == Known::New).count();
    report.known += taken.iter().filter(|taken| taken.accepted.known != Known::New).count();
    match ended {
        None => Ok(taken),
        Some((error, blamed)) => Err(blame(error, blamed, mailbox, means, memory, report).await?),
    }
}

fn refused(take: &Take, mailbox: &Mailbox, metrics: &CollectMetrics, memory: &mut Memory, report: &mut Report) {
    report.refused += 1;
    metrics.retrieve_refused.with_label_values(&[mailbox.name.as_str()]).inc();
    memory.blamed.extend(take.unique_id.clone());
    tracing::warn!(mailbox = %mailbox.name, number = take.number, "the server refused to hand out a message; the others go on");
}

/// Only the message that was being received is blamed when a connection drops.
async fn blame(
    error: Pop3Error,
    take: Option<Take>,
    mailbox: &Mailbox,
    means: Means<'_>,
    memory: &mut Memory,
    report: &mut Report,
) -> Result<VisitError, VisitError> {
    let Some(unique_id) = take.and_then(|take| take.unique_id) else { return Ok(error.into()) };
    if let Pop3Error::TooLarge { limit, .. } = error {
        let size = limit.saturating_add(1);
        means.spool.oversize(&mailbox.name, Oversize { unique_id, size, limit }).await?;
        means.metrics.oversize.with_label_values(&[mailbox.name.as_str()]).inc();
        report.oversize += 1;
        return Ok(VisitError::Oversize);
    }
    memory.blamed.insert(unique_id);
    Ok(error.into())
}

/// Messages that were read again and found equal: they may go in the session that compared them.
fn equal_ones(
    taken: &[Taken],
    listing: &Listing,
    ledger: &Ledger,
    mailbox: &Mailbox,
    clock: &Clock,
) -> Vec<Delete> {
    let held_back = held_back(listing, mailbox.retention.keep_latest);
    let may_go = |one: &&Taken| {
        one.accepted.known == Known::SameUniqueId
            && may_delete_equal(ledger, (&one.take, &one.content), mailbox, &held_back, clock.now())
    };
    taken.iter().filter(may_go).map(|one| Delete { number: one.take.number, key: one.accepted.key }).collect()
}

/// Marks, has the server delete, and ends the session. Tells how many messages are gone as far as QUIT says.
async fn expunge(
    mut session: Transaction,
    delete: Vec<Delete>,
    mailbox: &Mailbox,
    means: Means<'_>,
) -> Result<usize, VisitError> {
    if delete.is_empty() {
        return quit(session, mailbox).await.map(|_| 0);
    }
    // The intent is on the disk before the first DELE is on the wire.
    means.spool.mark(&mailbox.name, delete.iter().map(|one| one.key).collect()).await?;
    let numbers: Vec<u32> = delete.iter().map(|one| one.number).collect();
    let marked = session.mark_deleted(&numbers).await?;
    let accepted: HashSet<u32> = marked.iter().filter(|one| one.accepted).map(|one| one.number).collect();
    let gone: Vec<LedgerKey> = delete.iter().filter(|one| accepted.contains(&one.number)).map(|one| one.key).collect();
    if !quit(session, mailbox).await? {
        // Some, none or all may be gone: the next complete listing says it.
        return Ok(0);
    }
    let count = gone.len();
    means.spool.expunged(&mailbox.name, gone).await?;
    let total = u64::try_from(count).unwrap_or(u64::MAX);
    means.metrics.expunged.with_label_values(&[mailbox.name.as_str()]).inc_by(total);
    Ok(count)
}

/// Ends the session; tells whether QUIT was answered `+OK`. Anything else is settled by the next listing.
async fn quit(session: Transaction, mailbox: &Mailbox) -> Result<bool, VisitError> {
    match session.quit().await {
        Ok(_) => Ok(true),
        Err(error @ (Pop3Error::QuitRefused { .. } | Pop3Error::QuitUnanswered { .. })) => {
            tracing::warn!(mailbox = %mailbox.name, %error, "the next listing will tell what was deleted");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

fn tell(mailbox: &Mailbox, metrics: &CollectMetrics, findings: &Findings) {
    let name = [mailbox.name.as_str()];
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    metrics.maildrop_messages.with_label_values(&name).set(count(findings.listed));
    metrics.without_unique_id.with_label_values(&name).set(count(findings.without_unique_id));
    let first = |gauge: &prometheus::IntGaugeVec, on: bool| {
        let gauge = gauge.with_label_values(&name);
        let news = on && gauge.get() == 0;
        gauge.set(i64::from(on));
        news
    };
    if first(&metrics.uidl_reset, findings.flood) {
        let held = findings.held;
        tracing::error!(mailbox = %mailbox.name, held, "most unique-ids changed at once; if messages are held, settle it with `pophook mailbox reset`");
    }
    if first(&metrics.not_deleting, findings.not_deleting) {
        tracing::error!(mailbox = %mailbox.name, "the server keeps what it was told to delete; the mailbox is treated as `keep`");
    }
}
