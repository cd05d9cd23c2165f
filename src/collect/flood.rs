//! Did a maildrop change all its unique-ids at once? Pure.
//!
//! A server that was migrated or set up anew lists every mail under a new unique-id. Deduplication by content keeps
//! them from being delivered twice, but messages that were *skipped* have no content that we know: then a human must
//! say what the new ids are.

use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::ident::UniqueId;
use crate::spool::Entry;
use crate::spool::Flood;
use crate::spool::Ledger;
use crate::spool::LedgerRow;

/// Fewer known messages than this are no evidence.
const KNOWN_MIN: usize = 10;

/// Ids that went in one listing and ids that came in another belong together if no more than this lies between.
const ON_THE_MOVE: Duration = Duration::from_secs(2 * 24 * 3600);

/// What a listing says about floods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judgement {
    /// This listing is one.
    pub(super) seen: bool,
    /// The state that the mailbox is in from now on.
    pub(super) becomes: Flood,
}

/// Judges a listing in which `unknown` unique-ids are new.
pub(super) fn judge(
    ledger: &Ledger,
    latest: &HashMap<&UniqueId, &LedgerRow>,
    listed: &HashSet<&UniqueId>,
    unknown: usize,
    now: Timestamp,
) -> Judgement {
    // What we deleted ourselves is expected to be gone. A server on the move may list nothing for a while first.
    let long_gone = |row: &LedgerRow| {
        row.absent_since.is_some_and(|since| since.checked_add(ON_THE_MOVE).is_ok_and(|until| until <= now))
    };
    let expected = latest.iter().filter(|(_, row)| !long_gone(row) && !row.marked && !row.expunged);
    let (mut known, mut gone) = (0, 0);
    for (id, _) in expected {
        known += 1;
        gone += usize::from(!listed.contains(*id));
    }
    let seen = is_flood(known, gone, unknown);
    let skips = ledger.rows.iter().any(|row| matches!(row.entry, Entry::Skipped));
    let becomes = match ledger.flood {
        Flood::Unresolved => Flood::Unresolved,
        // They are taken session by session; until most are, each listing looks like a flood again.
        Flood::AsNew if seen => Flood::AsNew,
        Flood::AsSeen | Flood::AsNew => Flood::None,
        Flood::None if seen && skips => Flood::Unresolved,
        Flood::None => Flood::None,
    };
    Judgement { seen: seen || becomes == Flood::Unresolved, becomes }
}

/// Nine in ten known ids are gone, and at least half as many new ones came.
fn is_flood(known: usize, gone: usize, new: usize) -> bool {
    known >= KNOWN_MIN && gone * 10 >= known * 9 && new * 2 >= gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_most_ids_gone_and_a_similar_number_new() {
        let check =
            |known, gone, new, expected| assert_eq!(is_flood(known, gone, new), expected, "{known} {gone} {new}");
        check(100, 100, 100, true);
        check(100, 90, 45, true);
        check(100, 89, 100, false);
        check(100, 100, 49, false);
        check(9, 9, 9, false);
        check(10, 9, 5, true);
        check(0, 0, 50, false);
    }
}
