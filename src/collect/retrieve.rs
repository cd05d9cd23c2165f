//! Retrieves what the plan names, stretch by stretch, as long as the spool has room.

use std::collections::VecDeque;
use std::time::Duration;

use super::Mailbox;
use super::SessionLimits;
use super::VisitError;
use super::budget::LARGE;
use super::course::Course;
use super::intake::Intake;
use super::intake::Taken;
use super::means::Means;
use super::oversize::event;
use super::plan::Take;
use crate::crash;
use crate::metrics::CollectMetrics;
use crate::pop3;
use crate::pop3::Pop3Error;
use crate::pop3::Retrieved;
use crate::pop3::Transaction;
use crate::spool::Oversize;
use crate::spool::Room;

/// Messages retrieved between two looks at the room that is left.
const STRETCH_MESSAGES: usize = 500;
/// Bytes, by LIST, that are asked for at a look at the room that is left.
const STRETCH_BYTES: u64 = 64 << 20;

/// A message that LIST gives no size for may be as large as it likes, so it comes alone.
const UNLISTED: u64 = LARGE + 1;

/// A line end or two are what an empty message has, and LIST may count them.
const BLANK_MAX: u64 = 4;

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
    let mut left = VecDeque::from(wanted);
    let (mut allowed, began) = (mailbox.session, means.clock.uptime());
    let (mut unfit, mut memory_is_full) = (0, false);
    while let Some(next) = left.front() {
        if means.stop.is_cancelled() {
            course.leave(left.into());
            break;
        }
        let over = means.clock.uptime().saturating_sub(began) >= allowed.time || allowed.is_spent();
        // Without a unique-id they would all be read again by the next session.
        if over && next.unique_id.is_some() {
            course.leave(left.into());
            break;
        }
        let wish = stretch(&left, allowed, STRETCH_BYTES.max(next.size()));
        crash::point!("before room");
        let room = means.spool.room(&mailbox.name, wish.bytes).await?;
        crash::point!("after room");
        let Room::Free { bytes } = room else {
            course.report.left += left.len();
            let why = what_is_full(room);
            tracing::warn!(mailbox = %mailbox.name, messages = left.len(), "{why}; they stay on the server");
            break;
        };
        let room = stretch(&left, allowed, bytes);
        let large = match (next.size, room.messages) {
            (None, 1) => mailbox.max_message_size,
            (Some(_), 1) if room.bytes > LARGE => room.bytes,
            _ => 0,
        };
        let held = match memory_is_full && large > 0 {
            true => None,
            false => means.stop.run_until_cancelled(means.budget.take(large, means.clock)).await.flatten(),
        };
        memory_is_full |= held.is_none();
        // One that does not fit must not keep smaller ones behind it waiting.
        let Some(held) = held.filter(|_| room.messages > 0) else {
            left.pop_front();
            unfit += 1;
            continue;
        };
        allowed.messages = allowed.messages.saturating_sub(room.messages);
        allowed.bytes = allowed.bytes.saturating_sub(room.bytes);
        let stretch = left.drain(..room.messages).collect();
        taken.extend(retrieve_stretch(session, stretch, mailbox, means, course).await?);
        drop(held);
    }
    if unfit > 0 {
        course.report.left += unfit;
        tracing::warn!(mailbox = %mailbox.name, messages = unfit, "too large for the room or memory that is left now; they stay on the server");
        // What was promised for them is free for others.
        means.spool.room(&mailbox.name, 0).await?;
    }
    Ok(taken)
}

fn what_is_full(room: Room) -> &'static str {
    match room {
        Room::ShareFull => "the mailbox's unsettled mail fills its share of the spool (spool.max_share)",
        Room::DiskFull => "the disk of the spool is nearly full (spool.min_free)",
        Room::Full | Room::Free { .. } => "the spool is full (spool.max_size)",
    }
}

impl SessionLimits {
    fn is_spent(&self) -> bool {
        self.messages == 0 || self.bytes == 0
    }
}

/// Messages that are retrieved between two looks, and their bytes, by LIST.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Stretch {
    messages: usize,
    bytes: u64,
}

/// The next messages that fit into `room` bytes and into what is allowed. A large one comes alone: it has to wait for
/// the memory that it takes.
fn stretch(left: &VecDeque<Take>, mut allowed: SessionLimits, room: u64) -> Stretch {
    let mut stretch = Stretch::default();
    for take in left.iter().take(STRETCH_MESSAGES) {
        let size = take.size();
        let alone = size > LARGE && stretch.messages > 0;
        let spent = allowed.is_spent() && take.unique_id.is_some();
        if alone || spent || stretch.bytes + size > room {
            break;
        }
        stretch = Stretch { messages: stretch.messages + 1, bytes: stretch.bytes + size };
        allowed.messages = allowed.messages.saturating_sub(1);
        allowed.bytes = allowed.bytes.saturating_sub(size);
        if size > LARGE {
            break;
        }
    }
    stretch
}

impl Take {
    fn size(&self) -> u64 {
        self.size.unwrap_or(UNLISTED)
    }

    /// Whether `raw` cannot be the message that was listed: nothing at all where LIST told of something, as servers answer
    /// that have lost sight of a file. Two of these would be equal, and both would be deleted for one empty letter.
    fn is_missing_from(&self, raw: &[u8]) -> bool {
        self.size.is_none_or(|size| size > BLANK_MAX) && raw.trim_ascii().is_empty()
    }
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
                crash::point!("after retrieve");
                let Some(take) = expected.next() else { break None };
                match retrieved {
                    Retrieved::Message { raw, .. } if take.is_missing_from(&raw) => {
                        refused(&take, "handed out nothing of", mailbox, means.metrics, course);
                        course.missing.insert(take);
                    }
                    Retrieved::Message { raw, .. } => intake.push(take, raw).await?,
                    Retrieved::Refused { .. } => {
                        refused(&take, "refused to hand out", mailbox, means.metrics, course);
                    }
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

fn refused(take: &Take, did: &str, mailbox: &Mailbox, metrics: &CollectMetrics, course: &mut Course<'_>) {
    course.report.refused += 1;
    metrics.retrieve_refused.with_label_values(&[mailbox.name.as_str()]).inc();
    take.unique_id.iter().for_each(|id| course.memory.blame(id.clone()));
    tracing::warn!(mailbox = %mailbox.name, number = take.number, "the server {did} a message; the others go on");
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
        crash::point!("before oversize");
        means.spool.oversize(&mailbox.name, message).await?;
        crash::point!("after oversize");
        means.metrics.oversize.with_label_values(&[mailbox.name.as_str()]).inc();
        course.report.oversize += 1;
        return Ok(VisitError::Oversize);
    }
    course.memory.blame(unique_id);
    Ok(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: SessionLimits =
        SessionLimits { messages: 1000, bytes: 256 << 20, time: std::time::Duration::from_secs(120) };

    #[test]
    fn nothing_is_no_message_of_five_thousand_bytes() {
        let check = |size, raw: &[u8], expected| {
            let take = Take { number: 1, size, unique_id: None };
            assert_eq!(take.is_missing_from(raw), expected, "{size:?} {raw:?}");
        };
        for blank in [&b""[..], b"\r\n", b"\r\n\r\n", b" \r\n"] {
            check(Some(5000), blank, true);
            check(None, blank, true);
            check(Some(0), blank, false);
            check(Some(4), blank, false);
        }
        check(Some(5000), b"a\r\n", false);
        check(None, b"Subject: a\r\n", false);
    }

    #[test]
    fn a_message_of_unknown_size_comes_alone() {
        let take = |size| Take { number: 1, size, unique_id: crate::ident::UniqueId::parse(b"a") };
        let check = |sizes: &[Option<u64>], messages| {
            let left: VecDeque<Take> = sizes.iter().copied().map(take).collect();
            assert_eq!(stretch(&left, ALL, u64::MAX).messages, messages, "{sizes:?}");
        };
        check(&[None, Some(1)], 1);
        check(&[Some(1), None], 1);
        check(&[Some(1), Some(2)], 2);
    }

    /// Of messages of so many KiB each, how many are retrieved together, and their KiB; room is in KiB, too.
    fn check(sizes: &[u64], allowed: SessionLimits, room: u64, (messages, kib): (usize, u64)) {
        let take =
            |size: &u64| Take { number: 1, size: Some(size << 10), unique_id: crate::ident::UniqueId::parse(b"a") };
        let left: VecDeque<Take> = sizes.iter().map(take).collect();
        let expected = Stretch { messages, bytes: kib << 10 };
        assert_eq!(stretch(&left, allowed, room << 10), expected, "{sizes:?} {allowed:?} {room}");
    }

    #[test]
    fn what_is_retrieved_together_fits_into_the_room() {
        check(&[10, 20, 30], ALL, 1000, (3, 60));
        check(&[10, 20, 30], ALL, 59, (2, 30));
        check(&[10, 20, 30], ALL, 9, (0, 0));
        check(&[1; 600], ALL, 1000, (500, 500));
    }

    #[test]
    fn a_large_message_comes_alone() {
        check(&[2000, 10], ALL, 9000, (1, 2000));
        check(&[10, 2000, 10], ALL, 9000, (1, 10));
        check(&[100_000, 10], ALL, 99_999, (0, 0));
    }

    #[test]
    fn a_session_ends_where_its_limits_are_spent() {
        check(&[10, 20, 30], SessionLimits { messages: 2, ..ALL }, 1000, (2, 30));
        check(&[10, 20, 30], SessionLimits { bytes: 11 << 10, ..ALL }, 1000, (2, 30));
        check(&[10, 20, 30], SessionLimits { bytes: 0, ..ALL }, 1000, (0, 0));
    }
}
