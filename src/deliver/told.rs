//! What was last said of an endpoint, so that the log tells each change of it once. Pure.
//!
//! It judges nothing and is not written down: after a restart, an endpoint that fails is told anew.

use jiff::SignedDuration;
use jiff::Timestamp;

use super::breaker::Changed;
use super::breaker::Passage;
use super::outcome::Judgement;
use super::outcome::Outcome;
use super::outcome::Says;

/// Attempts that were under way when a pause began ask for the same one, a little later each.
const SAME_PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// What was last said.
#[derive(Debug, Default)]
pub(super) struct Told {
    failing: bool,
    spared: bool,
    paused_until: Option<Timestamp>,
}

/// What is new about an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing.
    Nothing,
    /// It fails, and did not before.
    Fails,
    /// It asks to be left alone, for the first time or for longer.
    Pauses(Timestamp),
    /// It takes mail again.
    Recovers,
    /// Its breaker is open, and a probe goes out at that time.
    Opens(Timestamp),
    /// Its breaker is closed again.
    Closes,
}

impl Told {
    /// What was said of an endpoint whose breaker lets through so much.
    pub(super) fn after(passage: Passage) -> Told {
        let spared = passage != Passage::Free;
        Told { failing: spared, spared, paused_until: None }
    }

    /// What an attempt's end at `now`, and what it changed of the breaker, tell that was not told before. A refusal tells
    /// of its message alone. Of a breaker that is open, only a pause and its closing are news.
    pub(super) fn hear(&mut self, judgement: Judgement, changed: Changed, now: Timestamp) -> News {
        match changed {
            Changed::Opened(until) => {
                *self = Told { failing: true, spared: true, paused_until: self.paused_until };
                return News::Opens(until);
            }
            Changed::Closed => {
                *self = Told::default();
                return News::Closes;
            }
            Changed::Nothing => {}
        }
        match (judgement.outcome, judgement.says) {
            (Outcome::Delivered, _) | (Outcome::Deferred, Says::Nothing | Says::Gone) if self.spared => News::Nothing,
            (Outcome::Delivered, _) => {
                self.paused_until = None;
                if std::mem::take(&mut self.failing) { News::Recovers } else { News::Nothing }
            }
            (_, Says::Wait(wait)) => {
                self.failing = true;
                self.pause(now.checked_add(wait).unwrap_or(Timestamp::MAX), now)
            }
            (Outcome::Deferred, Says::Nothing | Says::Gone | Says::Hold) => {
                if std::mem::replace(&mut self.failing, true) { News::Nothing } else { News::Fails }
            }
            (Outcome::Refused, Says::Nothing | Says::Gone | Says::Hold)
            | (_, Says::Ours | Says::Store | Says::Never(_) | Says::Halt) => News::Nothing,
        }
    }

    fn pause(&mut self, until: Timestamp, now: Timestamp) -> News {
        let told = self.paused_until.filter(|told| *told > now);
        if told.is_some_and(|told| until.duration_since(told) <= SAME_PAUSE) {
            return News::Nothing;
        }
        self.paused_until = Some(until);
        News::Pauses(until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::deliver::outcome::judge;

    /// Attempts that end with a status at a second, `Retry-After` 60 where it is heeded, and what is said of each.
    fn check(ends: &[(i64, u16, News)]) {
        let mut told = Told::default();
        for (second, status, expected) in ends {
            let news = told.hear(judge(*status, Some(Duration::from_secs(60))), Changed::Nothing, at(*second));
            assert_eq!(news, *expected, "{status} at {second}");
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_failure_is_told_once_and_so_is_its_end() {
        use News::Fails;
        use News::Nothing;
        use News::Recovers;
        check(&[(0, 200, Nothing), (1, 500, Fails), (2, 404, Nothing), (3, 410, Nothing), (4, 204, Recovers)]);
        check(&[(0, 500, Fails), (1, 200, Recovers), (2, 200, Nothing), (3, 500, Fails)]);
        check(&[(0, 422, Nothing), (1, 422, Nothing), (2, 200, Nothing)]);
    }

    #[test]
    fn a_pause_is_told_once_and_again_when_it_is_extended() {
        use News::Nothing;
        use News::Pauses;
        use News::Recovers;
        let until = |second| Pauses(at(second));
        check(&[
            (0, 429, until(60)),
            (1, 503, Nothing),
            (30, 429, Nothing),
            (31, 429, until(91)),
            (91, 429, until(151)),
        ]);
        check(&[(0, 429, until(60)), (1, 500, Nothing), (61, 200, Recovers), (62, 429, until(122))]);
    }

    #[test]
    fn an_open_breaker_is_told_once_and_so_is_its_end() {
        use Changed::Closed;
        use Changed::Opened;
        let check = |mut told: Told, ends: &[(u16, Changed, News)]| {
            for (status, changed, expected) in ends {
                let news = told.hear(judge(*status, Some(Duration::from_secs(60))), *changed, at(0));
                assert_eq!(news, *expected, "{status} {changed:?}");
            }
        };
        let (same, probe) = (Changed::Nothing, at(30));
        let opened = [(500, same, News::Fails), (500, Opened(probe), News::Opens(probe)), (500, same, News::Nothing)];
        let closes = [
            (200, same, News::Nothing),
            (500, same, News::Nothing),
            (429, same, News::Pauses(at(60))),
            (200, Closed, News::Closes),
            (200, same, News::Nothing),
            (500, same, News::Fails),
        ];
        check(Told::default(), &[&opened[..], &closes[..]].concat());
        check(Told::after(Passage::One), &closes);
        check(Told::after(Passage::Free), &[(500, same, News::Fails), (200, same, News::Recovers)]);
    }
}
