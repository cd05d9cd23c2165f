//! Retrieves what the plan names, stretch by stretch, as long as the spool has room.

use std::iter::Peekable;
use std::time::Duration;

use super::Mailbox;
use super::SessionLimits;
use super::VisitError;
use super::course::Course;
use super::intake::Intake;
use super::intake::Taken;
use super::means::Means;
use super::oversize::event;
use super::plan::Take;
use crate::metrics::CollectMetrics;
use crate::pop3;
use crate::pop3::Pop3Error;
use crate::pop3::Retrieved;
use crate::pop3::Transaction;
use crate::spool::Oversize;
use crate::spool::Room;

/// Messages retrieved between two looks at the room that is left.
const STRETCH_MESSAGES: usize = 500;
/// Bytes, by LIST, between two looks at the room that is left.
const STRETCH_BYTES: u64 = 64 << 20;

/// How long a visit that is told to end waits for the message that is being received.
const LAST_MESSAGE: Duration = Duration::from_secs(2);

/// Retrieves stretch by stretch, as long as there is room and the session's limits allow. What arrived whole is durable
/// when this returns, even where it returns an error.
pub(super) async fn retrieve(
    session: &mut Transaction,
    wanted: Vec<Take>,
    mailbox: &Mailbox,
    means: Means<'_>,
    course: &mut Course<'_>,
) -> Result<Vec<Taken>, VisitError> {
    let mut taken = Vec::new();
    let mut left = wanted.into_iter().peekable();
    let (mut allowed, began) = (mailbox.session, means.clock.uptime());
    while let Some(next) = left.peek() {
        if means.stop.is_cancelled() {
            course.leave(left.collect());
            break;
        }
        let over = means.clock.uptime().saturating_sub(began) >= allowed.time || allowed.is_spent();
        // Without a unique-id they would all be read again by the next session.
        if over && next.unique_id.is_some() {
            course.leave(left.collect());
            break;
        }
        if means.spool.room(&mailbox.name).await? != Room::Free {
            course.report.left += left.len();
            tracing::warn!(mailbox = %mailbox.name, messages = left.len(), "the spool has no room; they stay on the server");
            break;
        }
        let stretch = stretch(&mut left, &mut allowed);
        taken.extend(retrieve_stretch(session, stretch, mailbox, means, course).await?);
    }
    Ok(taken)
}

impl SessionLimits {
    fn is_spent(&self) -> bool {
        self.messages == 0 || self.bytes == 0
    }
}

/// The next messages; takes them from what is `allowed`.
fn stretch(left: &mut Peekable<impl Iterator<Item = Take>>, allowed: &mut SessionLimits) -> Vec<Take> {
    let (mut stretch, mut bytes) = (Vec::new(), 0);
    while stretch.len() < STRETCH_MESSAGES && bytes < STRETCH_BYTES {
        let fits = |take: &Take| !allowed.is_spent() || take.unique_id.is_none();
        let Some(take) = left.next_if(fits) else { break };
        let size = take.size.unwrap_or_default();
        bytes += size;
        allowed.messages = allowed.messages.saturating_sub(1);
        allowed.bytes = allowed.bytes.saturating_sub(size);
        stretch.push(take);
    }
    stretch
}

async fn retrieve_stretch(
    session: &mut Transaction,
    stretch: Vec<Take>,
    mailbox: &Mailbox,
    means: Means<'_>,
    course: &mut Course<'_>,
) -> Result<Vec<Taken>, VisitError> {
    let mut intake = Intake::new(mailbox, means.spool, means.metrics);
    let wanted = stretch.iter().map(pop3::Wanted::from).collect();
    let mut retrieval = session.retrieve(wanted, mailbox.max_message_size);
    let mut expected = stretch.into_iter().peekable();
    let ended = loop {
        if means.stop.is_cancelled() {
            break None;
        }
        course.memory.receiving = expected.peek().and_then(|take| take.unique_id.clone());
        let Some(next) = unless_stopped(retrieval.next(), means).await else { break None };
        match next {
            Ok(None) => break None,
            Ok(Some(retrieved)) => {
                let Some(take) = expected.next() else { break None };
                match retrieved {
                    Retrieved::Message { raw, .. } => intake.push(take, raw).await?,
                    Retrieved::Refused { .. } => refused(&take, mailbox, means.metrics, course),
                }
            }
            Err(error) => break Some((error, expected.next())),
        }
    };
    course.memory.receiving = None;
    // What arrived whole is worth keeping, however the session went on.
    let taken = intake.settle().await?;
    course.note(&taken);
    match ended {
        None => {
            course.report.unreached += expected.count();
            Ok(taken)
        }
        Some((error, blamed)) => Err(blame(error, blamed, mailbox, means, course).await?),
    }
}

/// Lets the message that is being received come in, if it soon does; `None`: it was not waited for, and the session can
/// only be dropped.
async fn unless_stopped<T>(next: impl Future<Output = T>, means: Means<'_>) -> Option<T> {
    let patience = async {
        means.stop.cancelled().await;
        means.clock.wait(LAST_MESSAGE).await;
    };
    tokio::select! {
        biased;
        next = next => Some(next),
        () = patience => None,
    }
}

fn refused(take: &Take, mailbox: &Mailbox, metrics: &CollectMetrics, course: &mut Course<'_>) {
    course.report.refused += 1;
    metrics.retrieve_refused.with_label_values(&[mailbox.name.as_str()]).inc();
    take.unique_id.iter().for_each(|id| course.memory.blame(id.clone()));
    tracing::warn!(mailbox = %mailbox.name, number = take.number, "the server refused to hand out a message; the others go on");
}

/// Only the message that was being received is blamed when a connection drops.
async fn blame(
    error: Pop3Error,
    take: Option<Take>,
    mailbox: &Mailbox,
    means: Means<'_>,
    course: &mut Course<'_>,
) -> Result<VisitError, VisitError> {
    let Some(take) = take else { return Ok(error.into()) };
    let Some(unique_id) = take.unique_id else {
        if let Pop3Error::TooLarge { .. } = error {
            // No row could name it; it is passed over while this process lives.
            tracing::warn!(mailbox = %mailbox.name, number = take.number, "a message without a unique-id is too large");
            course.memory.too_large.insert((take.number, take.size));
            course.report.oversize += 1;
            return Ok(VisitError::Oversize);
        }
        return Ok(error.into());
    };
    if let Pop3Error::TooLarge { limit, .. } = error {
        let size = limit.saturating_add(1);
        let mut message = Oversize { unique_id, size, limit, event: None };
        if mailbox.oversize_events {
            message.event = Some(event(mailbox, &message, Vec::new()));
        }
        means.spool.oversize(&mailbox.name, message).await?;
        means.metrics.oversize.with_label_values(&[mailbox.name.as_str()]).inc();
        course.report.oversize += 1;
        return Ok(VisitError::Oversize);
    }
    course.memory.blame(unique_id);
    Ok(error.into())
}
