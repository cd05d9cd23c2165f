//! The attempts under way over all endpoints, and the memory that they take: both are bounded, whatever the backlog.
//!
//! A claim is made only for what was reserved before, so that claims never exceed what is free. An endpoint with nothing
//! under way always gets one attempt, whatever the others hold: one that hangs delays no other. Beyond its first, no
//! endpoint holds more than a quarter. So the bounds are exceeded by at most one message for each endpoint.
//!
//! Who found too little waits until an attempt ends, of its own or of another endpoint; that a reservation was given
//! back unused wakes nobody, or two endpoints would wake each other for ever.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::watch;

use super::InFlight;
use crate::ident::EndpointName;

/// What one endpoint may hold of it all: this part.
const SHARE: u8 = 4;

/// The slots of all endpoints.
#[derive(Debug)]
pub(super) struct Slots {
    bounds: InFlight,
    held: Mutex<HashMap<EndpointName, InFlight>>,
    freed: watch::Sender<u64>,
}

/// What an endpoint may claim; what is not taken of it goes back.
#[derive(Debug)]
pub(super) struct Reserved {
    slots: Arc<Slots>,
    endpoint: EndpointName,
    left: InFlight,
    /// Attempts that are granted whatever they weigh.
    pub(super) at_least: usize,
}

/// One attempt's slot; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    endpoint: EndpointName,
    bytes: u64,
}

impl Slots {
    pub(super) fn new(bounds: InFlight) -> Slots {
        Slots { bounds, held: Mutex::default(), freed: watch::Sender::new(0) }
    }

    /// Changes when an attempt has ended.
    pub(super) fn freed(&self) -> watch::Receiver<u64> {
        self.freed.subscribe()
    }

    /// Reserves at most `attempts` slots, at least one of them if `endpoint` holds none.
    pub(super) fn reserve(self: &Arc<Self>, endpoint: &EndpointName, attempts: usize) -> Reserved {
        let mut held = self.held();
        let mine = held.get(endpoint).copied().unwrap_or_default();
        let all = held.values().fold(InFlight::default(), |sum, one| InFlight {
            attempts: sum.attempts.saturating_add(one.attempts),
            bytes: sum.bytes.saturating_add(one.bytes),
        });
        let at_least = attempts.min(usize::from(mine.attempts == 0));
        let share = InFlight {
            attempts: (self.bounds.attempts / usize::from(SHARE)).max(1),
            bytes: self.bounds.bytes / u64::from(SHARE),
        };
        let free = self.bounds.attempts.saturating_sub(all.attempts).min(share.attempts.saturating_sub(mine.attempts));
        let bytes = self.bounds.bytes.saturating_sub(all.bytes).min(share.bytes.saturating_sub(mine.bytes));
        let left = InFlight { attempts: attempts.min(free).max(at_least), bytes };
        held.insert(
            endpoint.clone(),
            InFlight {
                attempts: mine.attempts.saturating_add(left.attempts),
                bytes: mine.bytes.saturating_add(left.bytes),
            },
        );
        Reserved { slots: Arc::clone(self), endpoint: endpoint.clone(), left, at_least }
    }

    fn give_back(&self, endpoint: &EndpointName, back: InFlight) {
        if let Some(mine) = self.held().get_mut(endpoint) {
            mine.attempts = mine.attempts.saturating_sub(back.attempts);
            mine.bytes = mine.bytes.saturating_sub(back.bytes);
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<EndpointName, InFlight>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reserved {
    /// The attempts that may be claimed.
    pub(super) fn attempts(&self) -> usize {
        self.left.attempts
    }

    /// What they may weigh together.
    pub(super) fn bytes(&self) -> u64 {
        self.left.bytes
    }

    /// Takes a slot for an attempt of that weight. It is counted even where it was not reserved.
    pub(super) fn take(&mut self, weight: u64) -> Slot {
        let more =
            InFlight { attempts: usize::from(self.left.attempts == 0), bytes: weight.saturating_sub(self.left.bytes) };
        self.left.attempts = self.left.attempts.saturating_sub(1);
        self.left.bytes = self.left.bytes.saturating_sub(weight);
        let mut held = self.slots.held();
        let mine = held.entry(self.endpoint.clone()).or_default();
        mine.attempts = mine.attempts.saturating_add(more.attempts);
        mine.bytes = mine.bytes.saturating_add(more.bytes);
        drop(held);
        Slot { slots: Arc::clone(&self.slots), endpoint: self.endpoint.clone(), bytes: weight }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.slots.give_back(&self.endpoint, self.left);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.give_back(&self.endpoint, InFlight { attempts: 1, bytes: self.bytes });
        self.slots.freed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(attempts: usize, bytes: u64) -> Arc<Slots> {
        Arc::new(Slots::new(InFlight { attempts, bytes }))
    }

    fn name(name: &str) -> EndpointName {
        EndpointName::parse(name).unwrap()
    }

    /// Takes as many slots of that weight as are reserved for it.
    fn fill(slots: &Arc<Slots>, endpoint: &str, weight: u64) -> Vec<Slot> {
        let mut taken = Vec::new();
        loop {
            let mut reserved = slots.reserve(&name(endpoint), 1);
            if reserved.attempts() == 0 || (reserved.bytes() < weight && reserved.at_least == 0) {
                return taken;
            }
            taken.push(reserved.take(weight));
        }
    }

    #[test]
    fn an_endpoint_holds_a_quarter_and_one_that_holds_nothing_gets_one_in_any_case() {
        let check = |weight, quarter: usize| {
            let slots = slots(16, 1600);
            let taken: Vec<_> = ["a", "b", "c", "d"].iter().map(|endpoint| fill(&slots, endpoint, weight)).collect();
            assert_eq!(taken.iter().map(Vec::len).collect::<Vec<_>>(), [quarter; 4], "{weight}");
            assert_eq!(fill(&slots, "late", weight).len(), 1, "{weight}");
        };
        check(1, 4);
        check(100, 4);
        check(200, 2);
        check(400, 1);
    }

    #[test]
    fn one_message_that_weighs_more_than_all_goes_alone() {
        let slots = slots(16, 1600);
        let huge = fill(&slots, "a", 9999);
        assert_eq!(huge.len(), 1);
        assert_eq!(fill(&slots, "b", 100).len(), 1, "what is over the bound is counted");
        drop(huge);
        assert_eq!(fill(&slots, "b", 100).len(), 4);
    }

    #[test]
    fn what_is_reserved_is_free_for_nobody_else_until_it_is_given_back() {
        let slots = slots(16, 1600);
        let first = slots.reserve(&name("a"), 99);
        assert_eq!((first.attempts(), first.bytes(), first.at_least), (4, 400, 1));
        let second = slots.reserve(&name("a"), 99);
        assert_eq!((second.attempts(), second.bytes(), second.at_least), (0, 0, 0));
        drop((first, second));
        assert_eq!(slots.reserve(&name("a"), 99).attempts(), 4);
        assert_eq!(slots.reserve(&name("a"), 0).attempts(), 0);
    }

    #[test]
    fn whoever_waits_is_woken_by_the_end_of_an_attempt_alone() {
        let slots = slots(1, 1600);
        let mut freed = slots.freed();
        let mut reserved = slots.reserve(&name("a"), 1);
        let slot = reserved.take(10);
        drop(reserved);
        drop(slots.reserve(&name("b"), 1));
        assert!(!freed.has_changed().unwrap());
        drop(slot);
        assert!(freed.has_changed().unwrap());
        freed.borrow_and_update();
    }
}
