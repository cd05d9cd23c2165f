//! The legal states of a message in the spool. Pure.

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
    /// Parsing it crashed or overran three times, or our copy was damaged before it was sorted.
    Quarantined,
    /// An operator dropped it while it was unrouted or quarantined, or a rule did when it was sorted.
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
}
