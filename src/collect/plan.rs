//! Listing + ledger + retention → what to retrieve and what to delete. Pure.
//!
//! The plan is made before the acts, so no visit deletes a message that it took for the first time.

use std::collections::HashSet;

use jiff::Timestamp;

use super::Mailbox;
use super::StartFrom;
use super::flood;
use super::known::EXPUNGES_MAX;
use super::known::does_not_delete;
use super::known::gone;
use super::known::latest_rows;
use super::known::may_reread;
use crate::ident::Content;
use crate::ident::UniqueId;
use crate::pop3;
use crate::pop3::Listing;
use crate::retention;
use crate::retention::OnServer;
use crate::spool::Entry;
use crate::spool::Flood;
use crate::spool::Ledger;
use crate::spool::LedgerKey;
use crate::spool::LedgerRow;
use crate::spool::Observation;
use crate::spool::Oversize;

/// What a visit is going to do.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// To retrieve, in this order.
    pub(super) retrieve: Vec<Take>,
    /// First visit with a date: to be judged by their header first.
    pub(super) by_date: Vec<Take>,
    /// To delete now.
    pub(super) delete: Vec<Delete>,
    /// What the listing showed; committed before anything else.
    pub(super) observation: Observation,
    /// What is worth telling.
    pub(super) findings: Findings,
}

/// One message to retrieve.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Take {
    pub(super) number: u32,
    pub(super) size: Option<u64>,
    pub(super) unique_id: Option<UniqueId>,
}

/// One message to delete on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delete {
    pub(super) number: u32,
    pub(super) key: LedgerKey,
}

/// What a listing shows beside work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Messages listed.
    pub(super) listed: usize,
    /// Of these, without a usable unique-id.
    pub(super) without_unique_id: usize,
    /// Most known unique-ids went at once, with a similar number of new ones.
    pub(super) flood: bool,
    /// Held back until somebody says what the flood's messages are.
    pub(super) held: usize,
    /// Without a unique-id, so that nobody can tell whether `start_from: now` skips them.
    pub(super) undatable: usize,
    /// Too large, and without a unique-id that a ledger row could name.
    pub(super) too_large_without_id: usize,
    /// The server keeps what it was told to delete.
    pub(super) not_deleting: bool,
}

/// Makes the plan for one visit.
pub(super) fn plan(listing: &Listing, ledger: &Ledger, mailbox: &Mailbox, now: Timestamp) -> Plan {
    let latest = latest_rows(ledger);
    let unknown = listing.entries.iter().filter(|e| e.unique_id.as_ref().is_some_and(|id| !latest.contains_key(id)));
    let listed: HashSet<&UniqueId> = listing.entries.iter().filter_map(|entry| entry.unique_id.as_ref()).collect();
    let without_unique_id = listing.entries.iter().filter(|entry| entry.unique_id.is_none()).count();
    let flood = flood::judge(ledger, &latest, &listed, unknown.count(), now);
    let not_deleting = does_not_delete(&latest, &listed);
    let reread = without_unique_id > 0 && may_reread(ledger, mailbox, now);
    let mut plan = Plan {
        observation: Observation {
            flood_was: ledger.flood,
            flood: flood.becomes,
            flooded: flood.seen,
            reread,
            ..Observation::default()
        },
        findings: Findings {
            listed: listing.entries.len(),
            without_unique_id,
            flood: flood.seen,
            not_deleting,
            ..Findings::default()
        },
        ..Plan::default()
    };
    let held_back = held_back(listing, mailbox.retention.keep_latest);
    for entry in &listing.entries {
        let take = Take { number: entry.number, size: entry.size, unique_id: entry.unique_id.clone() };
        match entry.unique_id.as_ref().map(|id| latest.get(id)) {
            None if !fits(&take, mailbox) => plan.findings.too_large_without_id += 1,
            None if reread => plan.without_unique_id(take, mailbox),
            None => {}
            Some(None) => plan.unknown(take, ledger, mailbox),
            Some(Some(row)) => plan.known(take, row, mailbox, &held_back, now),
        }
    }
    plan.observation.gone = gone(ledger, &latest, &listed, without_unique_id);
    // What has an id first: one message that cannot be read must not keep the others waiting.
    plan.retrieve.sort_by_key(|take| take.unique_id.is_none());
    plan
}

impl Plan {
    /// What cannot be recorded as skipped is judged anew at each visit.
    fn without_unique_id(&mut self, take: Take, mailbox: &Mailbox) {
        match mailbox.start_from {
            StartFrom::All => self.retrieve.push(take),
            StartFrom::Date(_) => self.by_date.push(take),
            StartFrom::Now => self.findings.undatable += 1,
        }
    }

    fn unknown(&mut self, take: Take, ledger: &Ledger, mailbox: &Mailbox) {
        let Some(unique_id) = take.unique_id.clone() else { return };
        let first_visit = ledger.listed_at.is_none();
        match (ledger.flood, self.observation.flood, mailbox.start_from) {
            (_, Flood::Unresolved, _) => self.findings.held += 1,
            (Flood::AsSeen, _, _) => self.observation.skipped.push((unique_id, take.size)),
            (_, _, StartFrom::Now) if first_visit => self.observation.skipped.push((unique_id, take.size)),
            (_, _, StartFrom::Date(_)) if first_visit => self.by_date.push(take),
            _ => self.take_if_it_fits(take, mailbox),
        }
    }

    fn take_if_it_fits(&mut self, take: Take, mailbox: &Mailbox) {
        match (&take.unique_id, take.size) {
            (Some(unique_id), Some(size)) if !fits(&take, mailbox) => self.observation.oversize.push(Oversize {
                unique_id: unique_id.clone(),
                size,
                limit: mailbox.max_message_size,
                event: None,
            }),
            _ => self.retrieve.push(take),
        }
    }

    /// Judges a message of the first visit by its date: `None` could not be read, and is taken.
    pub(super) fn dated(&mut self, take: Take, received: Option<Timestamp>, mailbox: &Mailbox) {
        let old = match (mailbox.start_from, received) {
            (StartFrom::Date(from), Some(received)) => jiff::tz::TimeZone::UTC.to_datetime(received).date() < from,
            _ => false,
        };
        match take.unique_id.clone() {
            Some(unique_id) if old => self.observation.skipped.push((unique_id, take.size)),
            None if old => {}
            _ => self.take_if_it_fits(take, mailbox),
        }
    }

    fn known(&mut self, take: Take, row: &LedgerRow, mailbox: &Mailbox, held_back: &HashSet<u32>, now: Timestamp) {
        let was_gone = row.absent_since.is_some();
        match &row.entry {
            // What is listed under this id now is another message, or was too large before and will be noted again.
            Entry::Oversize { .. } if was_gone => self.take_if_it_fits(take, mailbox),
            Entry::Skipped if was_gone => self.observation.returned.push(row.key),
            Entry::Skipped => {}
            Entry::Oversize { limit } => {
                if mailbox.max_message_size > *limit && fits(&take, mailbox) {
                    self.retrieve.push(take);
                }
            }
            Entry::Taken { copy, .. } => {
                let same_size = take.size.is_none() || take.size == row.listed_size;
                let kept = self.findings.not_deleting || held_back.contains(&take.number);
                let may_go = !kept && retention::may_go(&mailbox.retention, copy, now);
                // Marked: whether QUIT was heard is unknown, so the id may be another mail's already.
                match (row.expunged || row.marked, same_size) {
                    // A listing lacked it: what is listed under this id now may be another mail. The row says so until
                    // the two were compared, however often that fails.
                    _ if was_gone => self.take_if_it_fits(take, mailbox),
                    // We had it deleted, and the server says that it does so no more: believe the listing.
                    (true, true) if self.findings.not_deleting => {}
                    // An id that we had deleted may be another mail: look before anything.
                    (true, _) => self.take_if_it_fits(take, mailbox),
                    (false, false) if may_go => self.take_if_it_fits(take, mailbox),
                    (false, _) if may_go => self.delete.push(Delete { number: take.number, key: row.key }),
                    (false, _) => {}
                }
            }
        }
    }
}

/// How many messages a whole round may delete at most: those that may go now, and those that may go as soon as they
/// are taken or delivered.
pub(super) fn deletable(plan: &Plan, listing: &Listing, ledger: &Ledger, mailbox: &Mailbox) -> usize {
    let retention = &mailbox.retention;
    if retention.on_server == OnServer::Keep || plan.findings.not_deleting {
        return 0;
    }
    if !retention.delete_after.is_zero() {
        return plan.delete.len();
    }
    let held_back = held_back(listing, retention.keep_latest);
    let latest = latest_rows(ledger);
    let ours = |row: &&LedgerRow| matches!(row.entry, Entry::Taken { .. });
    let numbers: HashSet<u32> = plan.retrieve.iter().map(|take| take.number).collect();
    let may_go = |entry: &&pop3::Entry| {
        let known = entry.unique_id.as_ref().and_then(|id| latest.get(id)).filter(|row| ours(row)).is_some();
        !held_back.contains(&entry.number) && (known || numbers.contains(&entry.number))
    };
    listing.entries.iter().filter(may_go).count()
}

/// Whether a session now would have something to delete.
pub(super) fn has_something_to_delete(ledger: &Ledger, mailbox: &Mailbox, now: Timestamp) -> bool {
    ledger.rows.iter().any(|row| match &row.entry {
        Entry::Taken { copy, .. } => {
            row.absent_since.is_none() && !row.expunged && retention::may_go(&mailbox.retention, copy, now)
        }
        Entry::Oversize { .. } | Entry::Skipped => false,
    })
}

/// Whether a message that was retrieved again and found equal may be deleted in this very session.
pub(super) fn may_delete_equal(
    ledger: &Ledger,
    (take, content): (&Take, &Content),
    mailbox: &Mailbox,
    held_back: &HashSet<u32>,
    now: Timestamp,
) -> bool {
    !held_back.contains(&take.number)
        && ledger.rows.iter().rev().find(|row| row.unique_id == take.unique_id && holds(row, content)).is_some_and(
            |row| match &row.entry {
                Entry::Taken { copy, .. } => {
                    row.expunges < EXPUNGES_MAX && retention::may_go(&mailbox.retention, copy, now)
                }
                Entry::Oversize { .. } | Entry::Skipped => false,
            },
        )
}

/// The message numbers that `keep_latest` holds back: the highest of this listing.
pub(super) fn held_back(listing: &Listing, keep_latest: usize) -> HashSet<u32> {
    listing.entries.iter().rev().take(keep_latest).map(|entry| entry.number).collect()
}

fn holds(row: &LedgerRow, wanted: &Content) -> bool {
    matches!(&row.entry, Entry::Taken { content, .. } if content == wanted)
}

fn fits(take: &Take, mailbox: &Mailbox) -> bool {
    take.size.is_none_or(|size| size <= mailbox.max_message_size)
}

impl From<&Take> for pop3::Wanted {
    fn from(take: &Take) -> pop3::Wanted {
        pop3::Wanted { number: take.number, size: take.size }
    }
}

#[cfg(test)]
pub(super) mod tests;
