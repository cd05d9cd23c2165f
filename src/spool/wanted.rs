//! What a claim asks for: how many deliveries, how heavy, in which order.

use std::time::Duration;

use jiff::Timestamp;

/// Which of an endpoint's deliveries may be claimed, and how many of them.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// At most this many; with 0, only to see where the endpoint stands.
    pub free: usize,
    /// Of these, at most so many that were tried before.
    pub retries: usize,
    /// What they may weigh together.
    pub bytes: u64,
    /// What each of them weighs.
    pub weight: Weight,
    /// So many of `free` are claimed whatever they weigh.
    pub at_least: usize,
    /// Only those that were not tried at or after this; `None`: all that are due.
    pub untried_since: Option<Timestamp>,
    /// Whether the mail of one mailbox goes one at a time, in the order in which it was committed.
    pub ordered: bool,
    /// The longest wait that a delivery can have been given: one that is due later was written by a clock that ran
    /// ahead, and is due now.
    pub longest_wait: Duration,
}

impl Default for Wanted {
    /// Everything that is due.
    fn default() -> Wanted {
        let weight = Weight { times: 1, plus: 0 };
        Wanted {
            free: usize::MAX,
            retries: usize::MAX,
            bytes: u64::MAX,
            weight,
            at_least: 0,
            untried_since: None,
            ordered: false,
            longest_wait: Duration::MAX,
        }
    }
}

/// What a claim weighs: its message's size so many times, and so much more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// Times the raw bytes.
    pub times: u64,
    /// Bytes beside them.
    pub plus: u64,
}

impl Weight {
    /// The weight of a message of `size` raw bytes.
    pub fn of(self, size: u64) -> u64 {
        size.saturating_mul(self.times).saturating_add(self.plus)
    }
}
