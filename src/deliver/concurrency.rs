//! How many posts an endpoint gets at once: one more after each round that went well, fewer when it fails. Pure.
//!
//! A round is as many successes as the limit was. What was under way when the limit fell fails for the same reason, so
//! that it does not lower it again. It lives in memory: after a restart an endpoint starts slowly.

use super::breaker::Ticket;

/// The limit of one endpoint, from 1.
#[derive(Debug)]
pub(super) struct Limit {
    limit: usize,
    /// Successes since the limit changed.
    successes: usize,
    /// Attempts before this one began under a higher limit.
    from: Ticket,
}

impl Default for Limit {
    fn default() -> Limit {
        Limit { limit: 1, successes: 0, from: 0 }
    }
}

impl Limit {
    /// The limit now; `cap` is what the configuration allows.
    pub(super) fn now(&self, cap: usize) -> usize {
        self.limit.min(cap).max(1)
    }

    /// A post was taken.
    pub(super) fn rise(&mut self, cap: usize) {
        self.limit = self.now(cap);
        self.successes += 1;
        if self.successes >= self.limit && self.limit < cap {
            *self = Limit { limit: self.limit + 1, successes: 0, ..*self };
        }
    }

    /// The post of `ticket` failed; `next` is the ticket of the next one to begin.
    pub(super) fn fall(&mut self, ticket: Ticket, next: Ticket) {
        self.lower(self.limit * 7 / 10, ticket, next);
    }

    /// The endpoint said in answer to `ticket` that it gets too much.
    pub(super) fn halve(&mut self, ticket: Ticket, next: Ticket) {
        self.lower(self.limit / 2, ticket, next);
    }

    /// From 1 again.
    pub(super) fn restart(&mut self) {
        *self = Limit { from: self.from, ..Limit::default() };
    }

    fn lower(&mut self, limit: usize, ticket: Ticket, next: Ticket) {
        if ticket >= self.from {
            *self = Limit { limit: limit.max(1), successes: 0, from: next };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: usize = 16;

    /// The limit after so many successes.
    fn after(successes: usize) -> Limit {
        let mut limit = Limit::default();
        (0..successes).for_each(|_| limit.rise(CAP));
        limit
    }

    #[test]
    fn it_grows_by_one_with_each_round_up_to_the_cap() {
        for (successes, expected) in
            [(0, 1), (1, 2), (2, 2), (3, 3), (5, 3), (6, 4), (119, 15), (120, 16), (135, 16), (9999, 16)]
        {
            assert_eq!(after(successes).now(CAP), expected, "{successes}");
        }
        assert_eq!(after(9999).now(4), 4, "a lower cap counts at once");
        let mut one = Limit::default();
        (0..99).for_each(|_| one.rise(1));
        assert_eq!(one.now(1), 1);
    }

    #[test]
    fn a_failure_lowers_it_once_for_all_that_were_under_way() {
        let check = |successes, falls: &[(Ticket, Ticket)], expected| {
            let mut limit = after(successes);
            falls.iter().for_each(|(ticket, next)| limit.fall(*ticket, *next));
            assert_eq!(limit.now(CAP), expected, "{successes} {falls:?}");
        };
        check(120, &[(100, 116)], 11);
        check(120, &[(100, 116), (101, 116), (115, 117)], 11);
        check(120, &[(100, 116), (116, 120)], 7);
        check(1, &[(1, 2)], 1);
        check(0, &[(0, 1), (1, 2)], 1);
    }

    #[test]
    fn an_endpoint_that_gets_too_much_gets_half() {
        let mut limit = after(120);
        for ticket in 0..16 {
            limit.halve(ticket, 16);
        }
        assert_eq!(limit.now(CAP), 8);
        (16..24).for_each(|_| limit.rise(CAP));
        assert_eq!(limit.now(CAP), 9, "and a round later one more");
        limit.restart();
        assert_eq!(limit.now(CAP), 1);
    }
}
