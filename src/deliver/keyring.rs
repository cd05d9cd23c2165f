//! An endpoint's signing keys, and which of them are valid when. Pure.
//!
//! A key is valid from its first instant to just before its end. Posts can be signed as long as one key is.

use jiff::SignedDuration;
use jiff::Timestamp;

use super::signature::Key;

/// How many days before the last key ends there is a warning, and then one each day.
const DAYS_WARNED: i64 = 7;
const DAY_SECONDS: i64 = 24 * 3600;

/// One signing key.
#[derive(Debug, Clone, PartialEq)]
pub struct SigningKey {
    /// What signs.
    pub key: Key,
    /// The first instant at which it is valid; `None`: it always was.
    pub from: Option<Timestamp>,
    /// The instant at which it is valid no more; `None`: it has no end.
    pub until: Option<Timestamp>,
}

/// An endpoint's signing keys, in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Keyring(pub Vec<SigningKey>);

/// How an endpoint's keys stand at some instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How many are valid.
    pub valid: usize,
    /// When the last of them ends, with those in mind that begin before that. Where none is valid, when the last one
    /// ended. `None`: never.
    pub ends: Option<Timestamp>,
    /// When the next one begins.
    pub begins: Option<Timestamp>,
    /// When one begins or ends next.
    pub changes: Option<Timestamp>,
}

impl SigningKey {
    fn has_begun(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at)
    }

    fn is_over(&self, at: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= at)
    }

    fn is_valid(&self, at: Timestamp) -> bool {
        self.has_begun(at) && !self.is_over(at)
    }
}

impl Keyring {
    /// The keys that are valid at `at`.
    pub(super) fn valid(&self, at: Timestamp) -> Vec<&Key> {
        self.0.iter().filter(|one| one.is_valid(at)).map(|one| &one.key).collect()
    }

    /// Whether one of them, now or later, signs only what it is given at once.
    pub(super) fn need_whole_bodies(&self) -> bool {
        self.0.iter().any(|one| one.key.needs_whole_body())
    }

    /// How the keys stand at `at`.
    pub(super) fn standing(&self, at: Timestamp) -> Standing {
        let ahead = |instant: Option<Timestamp>| instant.filter(|instant| *instant > at);
        let begins = self.0.iter().filter_map(|one| ahead(one.from)).min();
        let next_end = self.0.iter().filter_map(|one| ahead(one.until)).min();
        let valid = self.valid(at).len();
        let ends = match valid {
            0 => self.0.iter().filter_map(|one| one.until.filter(|until| *until <= at)).max(),
            _ => self.signed_until(at),
        };
        Standing { valid, ends, begins, changes: [begins, next_end].into_iter().flatten().min() }
    }

    /// The first instant from `at` on at which no key is valid; `None`: there is none.
    fn signed_until(&self, at: Timestamp) -> Option<Timestamp> {
        let mut reached = at;
        while let Some(key) = self.0.iter().find(|one| one.is_valid(reached)) {
            reached = key.until?;
        }
        Some(reached)
    }
}

impl Standing {
    /// The days that are left to act, rounded up, before no key is valid; only where they are few.
    pub fn days_left(&self, now: Timestamp) -> Option<i64> {
        let left = self.ends.filter(|_| self.valid > 0)?.duration_since(now).as_secs();
        let days = (left + DAY_SECONDS - 1).div_euclid(DAY_SECONDS);
        (days <= DAYS_WARNED).then_some(days)
    }

    /// When a look at the keys tells something new: one begins or ends, or a day less is left to act.
    pub(super) fn look_again(&self, now: Timestamp) -> Option<Timestamp> {
        let before = |days: i64| self.ends?.checked_sub(SignedDuration::from_hours(24 * days)).ok();
        let fewer_days = (1..=DAYS_WARNED).rev().filter_map(before).find(|at| *at > now);
        [self.changes, fewer_days].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    const DAY: i64 = DAY_SECONDS;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Keys that are valid from and until these seconds.
    fn keyring(keys: &[(Option<i64>, Option<i64>)]) -> Keyring {
        let key = Key::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let one = |(from, until): &(Option<i64>, Option<i64>)| SigningKey {
            key: key.clone(),
            from: from.map(at),
            until: until.map(at),
        };
        Keyring(keys.iter().map(one).collect())
    }

    /// How many of the keys are valid at a second, when the last one ends, when the next one begins, and when to look.
    fn check(
        keys: &[(Option<i64>, Option<i64>)],
        second: i64,
        (valid, ends, begins): (usize, Option<i64>, Option<i64>),
        changes: Option<i64>,
    ) {
        let expected = Standing { valid, ends: ends.map(at), begins: begins.map(at), changes: changes.map(at) };
        assert_eq!(keyring(keys).standing(at(second)), expected, "{keys:?} at {second}");
        assert_eq!(keyring(keys).valid(at(second)).len(), valid);
    }

    #[test]
    fn no_key_is_valid_before_its_first_instant_and_from_its_end_on() {
        let one = [(Some(10), Some(20))];
        check(&one, 9, (0, None, Some(10)), Some(10));
        check(&one, 10, (1, Some(20), None), Some(20));
        check(&one, 19, (1, Some(20), None), Some(20));
        check(&one, 20, (0, Some(20), None), None);
        check(&[], 0, (0, None, None), None);
        check(&[(None, None)], 0, (1, None, None), None);
        check(&[(Some(10), None)], 10, (1, None, None), None);
        check(&[(None, Some(5)), (None, Some(7)), (Some(20), None)], 10, (0, Some(7), Some(20)), Some(20));
    }

    #[test]
    fn the_last_key_ends_only_when_no_other_takes_over() {
        check(&[(None, Some(20)), (Some(15), Some(30))], 10, (1, Some(30), Some(15)), Some(15));
        check(&[(Some(15), Some(30)), (None, Some(20))], 15, (2, Some(30), None), Some(20));
        check(&[(None, Some(20)), (Some(20), Some(30))], 10, (1, Some(30), Some(20)), Some(20));
        check(&[(None, Some(20)), (Some(21), None)], 10, (1, Some(20), Some(21)), Some(20));
        check(&[(None, Some(20)), (Some(15), None)], 10, (1, None, Some(15)), Some(15));
    }

    #[test]
    fn the_last_days_are_counted_down() {
        let ends = 100 * DAY;
        let check = |second: i64, days: Option<i64>, look_again: Option<i64>| {
            let standing = keyring(&[(None, Some(ends))]).standing(at(second));
            assert_eq!(standing.days_left(at(second)), days, "{second}");
            assert_eq!(standing.look_again(at(second)), look_again.map(at), "{second}");
        };
        check(0, None, Some(93 * DAY));
        check(93 * DAY - 1, None, Some(93 * DAY));
        check(93 * DAY, Some(7), Some(94 * DAY));
        check(94 * DAY - 1, Some(7), Some(94 * DAY));
        check(94 * DAY, Some(6), Some(95 * DAY));
        check(ends - 1, Some(1), Some(ends));
        check(ends, None, None);
    }
}
