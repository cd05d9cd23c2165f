//! What is told of messages that are too large, where an endpoint asks: an event with their header.
//!
//! It is made before the listing's judgement is committed, so that the row of such a message and its event are one
//! commit. A message whose header the server does not give is told of without one; a message that this visit does not
//! come to gets no row either, and is met again by the next.

use std::collections::HashMap;

use bytes::Bytes;
use sha2::Digest as _;
use sha2::Sha256;

use super::Mailbox;
use super::VisitError;
use super::course::Course;
use super::means::Means;
use crate::crash;
use crate::ident::MessageId;
use crate::ident::UniqueId;
use crate::pop3::Listing;
use crate::pop3::Transaction;
use crate::spool::Event;
use crate::spool::Oversize;
use crate::spool::Room;

/// A longer header is left out of its event; those of real mails have a few KiB.
const HEADER_BYTES_MAX: usize = 1 << 20;
/// After so many refusals in a session no more headers are asked for: some servers close the line on one who goes on.
const REFUSALS_MAX: usize = 3;

/// Gives each of `oversize` its event, if one is asked for; takes those out that have to wait for the next visit, and
/// tells how many.
pub(super) async fn prepare_events(
    session: &mut Transaction,
    listing: &Listing,
    oversize: &mut Vec<Oversize>,
    mailbox: &Mailbox,
    means: Means<'_>,
    course: &mut Course<'_>,
) -> Result<usize, VisitError> {
    if !mailbox.oversize_events || oversize.is_empty() {
        return Ok(0);
    }
    let room = means.spool.room(&mailbox.name, 1).await?;
    let waiting = hold_back(oversize, course.headers_left, room);
    let numbers = numbers(listing);
    let mut refusals = 0;
    for message in oversize {
        course.headers_left = course.headers_left.saturating_sub(1);
        let broken = course.memory.headerless.contains(&message.unique_id);
        let number = numbers.get(&message.unique_id).filter(|_| !broken && refusals < REFUSALS_MAX);
        let header = match number {
            Some(&number) => {
                let answer = session.header(number).await.map_err(|error| {
                    tracing::warn!(mailbox = %mailbox.name, number, %error, "the session broke on a message's header");
                    course.memory.headerless.insert(message.unique_id.clone());
                    VisitError::NoHeader
                })?;
                crash::point!("after header");
                refusals += usize::from(answer.is_none());
                answer.filter(|header| header.len() <= HEADER_BYTES_MAX).unwrap_or_default()
            }
            None => Vec::new(),
        };
        message.event = Some(event(mailbox, message, header));
    }
    Ok(waiting)
}

/// The event that tells of `message`.
pub(super) fn event(mailbox: &Mailbox, message: &Oversize, header: Vec<u8>) -> Event {
    Event {
        id: MessageId::of_oversize(&mailbox.identity, &message.unique_id, message.size),
        sha256: Sha256::digest(&header).into(),
        header: Bytes::from(header),
    }
}

/// Leaves in `oversize` what this visit may tell of, if it may ask for so many headers more; tells how many were taken
/// out. An event fills the spool as mail does, so it waits for room as mail does.
fn hold_back(oversize: &mut Vec<Oversize>, headers_left: usize, room: Room) -> usize {
    let all = oversize.len();
    oversize.truncate(match room {
        Room::Free { .. } => headers_left,
        Room::ShareFull | Room::Full | Room::DiskFull => 0,
    });
    all - oversize.len()
}

fn numbers(listing: &Listing) -> HashMap<&UniqueId, u32> {
    listing.entries.iter().filter_map(|entry| Some((entry.unique_id.as_ref()?, entry.number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::plan::tests::mailbox;
    use crate::retention::OnServer;

    fn oversize(unique_id: &str) -> Oversize {
        let unique_id = UniqueId::parse(unique_id.as_bytes()).unwrap();
        Oversize { unique_id, size: 2000, limit: 1000, event: None }
    }

    #[test]
    fn a_visit_tells_of_so_many_and_of_none_without_room() {
        let check = |listed: usize, headers_left, room, (told, waiting)| {
            let mut messages: Vec<Oversize> = (0..listed).map(|number| oversize(&number.to_string())).collect();
            assert_eq!(hold_back(&mut messages, headers_left, room), waiting, "{listed} {headers_left} {room:?}");
            assert_eq!(messages.len(), told, "{listed} {headers_left} {room:?}");
            assert!(
                messages.first().is_none_or(|first| first.unique_id == oversize("0").unique_id),
                "the oldest first"
            );
        };
        check(3, 50, Room::Free { bytes: 1 }, (3, 0));
        check(60, 50, Room::Free { bytes: 1 }, (50, 10));
        check(10, 0, Room::Free { bytes: 1 }, (0, 10));
        check(3, 50, Room::Full, (0, 3));
        check(3, 50, Room::ShareFull, (0, 3));
    }

    #[test]
    fn the_same_message_makes_the_same_event_whatever_its_header() {
        let mailbox = mailbox(OnServer::Keep);
        let id = |message: &Oversize, header: &[u8]| event(&mailbox, message, header.to_vec()).id;
        assert_eq!(id(&oversize("a"), b"Subject: a\r\n"), id(&oversize("a"), b""));
        assert_ne!(id(&oversize("a"), b""), id(&oversize("b"), b""));
        assert_ne!(id(&oversize("a"), b""), id(&Oversize { size: 3000, ..oversize("a") }, b""));
    }
}
