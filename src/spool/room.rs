//! Whether there is room for more mail, and for how much. Pure.
//!
//! Above the high-water mark copies of what rules dropped, and then of what was delivered, go before their time, and mailboxes with much unsettled mail wait, until
//! the low-water mark is reached. A full spool takes nothing until it is below the high-water mark again. What one visit
//! was promised is not promised to another.

/// Percent of `max_size` above which room is made and large mailboxes wait,
const HIGH_WATER: u64 = 80;
/// and below which that ends.
const LOW_WATER: u64 = 60;

/// Whether a mailbox may retrieve more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It may.
    Free {
        /// So many bytes, before it asks again; no more than it asked for.
        bytes: u64,
    },
    /// Not this one: its unsettled mail fills more than its share.
    ShareFull,
    /// Nobody may: the spool is full.
    Full,
    /// Nobody may: the disk is nearly full, with whatever else lies there.
    DiskFull,
}

/// How full the spool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Level {
    /// There is room.
    #[default]
    Low,
    /// Room is made.
    High,
    /// Nothing is retrieved.
    Full,
}

/// What the room depends on, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) level: Level,
    /// What the spool holds.
    pub(super) live: u64,
    /// What it may hold.
    pub(super) max_size: u64,
    /// What the unsettled mail of one mailbox may fill when room is made.
    pub(super) share: u64,
    /// What the mailbox's unsettled mail fills.
    pub(super) unsettled: u64,
    /// What other mailboxes were promised and have not taken yet.
    pub(super) promised: u64,
    /// What the disk has free, beyond what must stay free.
    pub(super) disk: u64,
}

/// The level at `live` bytes, coming from the level `before`.
pub(super) fn level(before: Level, live: u64, max_size: u64) -> Level {
    let percent = |percent: u64| max_size / 100 * percent;
    if live >= max_size || (before == Level::Full && live > percent(HIGH_WATER)) {
        return Level::Full;
    }
    if live > percent(HIGH_WATER) || (before != Level::Low && live > percent(LOW_WATER)) {
        return Level::High;
    }
    Level::Low
}

/// Judges the room for a mailbox that asks for `wanted` bytes.
pub(super) fn room(facts: &Facts, wanted: u64) -> Room {
    let free = facts.max_size.saturating_sub(facts.live).saturating_sub(facts.promised);
    if facts.disk == 0 {
        return Room::DiskFull;
    }
    if facts.level == Level::Full || free == 0 {
        return Room::Full;
    }
    let mut bytes = wanted.min(free).min(facts.disk);
    if facts.level == Level::High {
        let rest = facts.share.saturating_sub(facts.unsettled);
        if rest == 0 {
            return Room::ShareFull;
        }
        bytes = bytes.min(rest);
    }
    Room::Free { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_lasts_until_the_mark_below_it() {
        let check = |before, live, expected| assert_eq!(level(before, live, 1000), expected, "{before:?} {live}");
        for (live, expected) in [(0, Level::Low), (800, Level::Low), (801, Level::High), (1000, Level::Full)] {
            check(Level::Low, live, expected);
        }
        for (live, expected) in [(600, Level::Low), (601, Level::High), (999, Level::High), (1000, Level::Full)] {
            check(Level::High, live, expected);
        }
        for (live, expected) in [(600, Level::Low), (601, Level::High), (800, Level::High), (801, Level::Full)] {
            check(Level::Full, live, expected);
        }
    }

    /// A spool of 1,000 bytes and a disk with 500.
    fn check(level: Level, (live, unsettled, promised): (u64, u64, u64), wanted: u64, expected: Room) {
        let facts = Facts { level, live, max_size: 1000, share: 250, unsettled, promised, disk: 500 };
        assert_eq!(room(&facts, wanted), expected, "{facts:?} {wanted}");
        assert_eq!(room(&Facts { disk: 0, ..facts }, wanted), Room::DiskFull, "{facts:?}");
    }

    #[test]
    fn nobody_gets_more_than_there_is() {
        let free = |bytes| Room::Free { bytes };
        check(Level::Low, (0, 900, 0), 100, free(100));
        check(Level::Low, (0, 0, 0), 900, free(500));
        check(Level::Low, (700, 0, 100), 900, free(200));
        check(Level::Low, (700, 0, 300), 900, Room::Full);
        check(Level::Low, (700, 0, 300), 0, Room::Full);
        check(Level::Low, (100, 0, 0), 0, free(0));
        check(Level::Full, (900, 0, 0), 10, Room::Full);
    }

    #[test]
    fn the_large_mailboxes_wait_first() {
        check(Level::High, (850, 100, 0), 900, Room::Free { bytes: 150 });
        check(Level::High, (700, 249, 0), 900, Room::Free { bytes: 1 });
        check(Level::High, (700, 250, 0), 900, Room::ShareFull);
        check(Level::High, (1000, 250, 0), 900, Room::Full);
    }
}
