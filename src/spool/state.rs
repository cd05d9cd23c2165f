//! The legal states of a message in the spool, and whether there is room for more. Pure.

/// What is true of our copy of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Bytes and ledger row are committed; from now on we answer for it.
    Spooled,
    /// Its list of deliveries is committed, and at least one of them is pending.
    Routed,
    /// Settled: every endpoint took it.
    Delivered,
    /// Settled: at least one delivery is dead.
    Dead,
    /// No rule matched and its mailbox has no `deliver_to`.
    Unrouted,
    /// Parsing it crashed or overran three times.
    Quarantined,
    /// An operator dropped it while it was unrouted or quarantined.
    Dropped,
}

/// Parses that may begin and not end before a message is quarantined.
pub const PARSES_MAX: u32 = 3;

impl State {
    /// All states, for the metrics.
    pub const ALL: [State; 7] = [
        State::Spooled,
        State::Routed,
        State::Delivered,
        State::Dead,
        State::Unrouted,
        State::Quarantined,
        State::Dropped,
    ];

    /// The name in the database, in listings and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Spooled => "spooled",
            State::Routed => "routed",
            State::Delivered => "delivered",
            State::Dead => "dead",
            State::Unrouted => "unrouted",
            State::Quarantined => "quarantined",
            State::Dropped => "dropped",
        }
    }

    /// Reads the name back.
    pub fn parse(text: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// The state of a routed message, from the states of its deliveries.
    pub fn of_deliveries(pending: u64, dead: u64) -> State {
        match (pending, dead) {
            (0, 0) => State::Delivered,
            (0, _) => State::Dead,
            (_, _) => State::Routed,
        }
    }
}

/// Percent of `max_size` above which room is made and large mailboxes wait.
const HIGH_WATER: u64 = 80;

/// Whether a mailbox may retrieve more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It may.
    Free,
    /// Not this one: its unsettled mail fills more than its share.
    ShareFull,
    /// Nobody may: the spool is full.
    Full,
}

/// Whether live bytes are above the high-water mark, so that delivered copies go before their time.
pub(super) fn above_high_water(live: u64, max_size: u64) -> bool {
    live > high_water(max_size)
}

/// The high-water mark of a spool of `max_size` bytes.
pub(super) fn high_water(max_size: u64) -> u64 {
    max_size / 100 * HIGH_WATER
}

/// Judges the room that is left for a mailbox with `unsettled` bytes in the spool.
pub(super) fn room(live: u64, max_size: u64, unsettled: u64, max_share: u8) -> Room {
    if live >= max_size {
        return Room::Full;
    }
    if above_high_water(live, max_size) && unsettled > max_size / 100 * u64::from(max_share) {
        return Room::ShareFull;
    }
    Room::Free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_delivered_only_when_every_endpoint_took_it() {
        assert_eq!(State::of_deliveries(0, 0), State::Delivered);
        assert_eq!(State::of_deliveries(0, 1), State::Dead);
        assert_eq!(State::of_deliveries(1, 0), State::Routed);
        assert_eq!(State::of_deliveries(1, 1), State::Routed);
    }

    #[test]
    fn every_state_reads_back() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
    }

    #[test]
    fn the_large_mailboxes_wait_first_and_then_all() {
        let check = |live, unsettled, expected| assert_eq!(room(live, 1000, unsettled, 25), expected);
        check(800, 1000, Room::Free);
        check(801, 250, Room::Free);
        check(801, 251, Room::ShareFull);
        check(1000, 0, Room::Full);
    }
}
