//! An endpoint that fails again and again is spared: its breaker opens, and one message at a time finds out whether it
//! takes mail again. Pure.
//!
//! | breaker | opens | what it lets through |
//! |---|---|---|
//! | closed | at five failures in a row over half a minute, or when half of twenty ends within a minute were failures | everything |
//! | open | | nothing; and then one probe: after 30 s, 1 m, 2 m, … 15 m, longer each time that a probe fails |
//! | half open, from the first success on | with the next failure, and waits 30 s again | one message at a time; the third success in a row closes it |
//!
//! Where nothing is due when the probe may go out, it stays open, and whatever is due next is the probe. Attempts that
//! began before the last change change nothing. It runs on the uptime, so that no jump of the wall clock keeps it open.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::backoff;
use crate::spool;

/// So many failures in a row open it …
const FAILURES_IN_A_ROW: u32 = 5;
/// … if the first and the last of them are so far apart: a moment's hiccup fails many posts at once.
const ROW_LASTS: Duration = Duration::from_secs(30);
/// It opens, too, when half of at least so many ends within [`WINDOW`] were failures.
const ENDS_MIN: u32 = 20;
/// The time that is looked back on.
const WINDOW: Duration = Duration::from_secs(60);
/// Ends are counted in parts of the window, which leave it as a whole.
const PART: Duration = Duration::from_secs(5);
/// The waits for a probe; the last one repeats.
const WAITS: [Duration; 6] = [
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(240),
    Duration::from_secs(480),
    WAIT_MAX,
];
const WAIT_MAX: Duration = Duration::from_secs(900);
/// So many successes in a row close it.
const SUCCESSES: u32 = 3;

/// The number of an attempt, in the order in which an endpoint's attempts begin.
pub(super) type Ticket = u64;

/// How an attempt ended, as far as a breaker is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The endpoint took it.
    Well,
    /// It failed, and not for a reason of the message or of ours.
    Badly,
}

/// What the end of an attempt changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    /// Nothing that anybody needs to hear of.
    Nothing,
    /// It was closed, and is open until this.
    Opened(Timestamp),
    /// It is closed again.
    Closed,
}

/// What may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// As much as other limits allow.
    Free,
    /// One at a time.
    One,
    /// Nothing before this uptime.
    Shut(Duration),
}

/// What time it is, on both clocks, and chance from 0 to 1, which lengthens waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    pub(super) uptime: Duration,
    pub(super) chance: f64,
}

/// One endpoint's breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: State,
    /// Failures in a row, and the uptime of the first.
    row: Option<(u32, Duration)>,
    window: VecDeque<Part>,
    /// Attempts before this one tell of the time before the last change.
    from: Ticket,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    HalfOpen {
        successes: u32,
    },
    Open {
        until: Duration,
        probe_at: Timestamp,
        failed: u32,
    },
}

/// The ends in one part of the window.
#[derive(Debug)]
struct Part {
    began: Duration,
    well: u32,
    badly: u32,
}

impl Breaker {
    /// The breaker that was kept. A time that is further away than the longest wait is one of a wall clock that was
    /// wrong.
    pub(super) fn restored(kept: spool::Breaker, from: Ticket, moment: Moment) -> Breaker {
        let state = match kept {
            spool::Breaker::Closed => State::Closed,
            spool::Breaker::HalfOpen => State::HalfOpen { successes: 1 },
            spool::Breaker::Open { probe_at, failed } => {
                let left = Duration::try_from(probe_at.duration_since(moment.now)).unwrap_or(Duration::ZERO);
                open(left.min(backoff::longer(WAIT_MAX, 1.0)), failed, moment)
            }
        };
        Breaker { state, from, ..Breaker::default() }
    }

    /// What must survive a restart.
    pub(super) fn kept(&self) -> spool::Breaker {
        match self.state {
            State::Closed => spool::Breaker::Closed,
            State::HalfOpen { .. } => spool::Breaker::HalfOpen,
            State::Open { probe_at, failed, .. } => spool::Breaker::Open { probe_at, failed },
        }
    }

    /// What may begin at an uptime.
    pub(super) fn passage(&self, uptime: Duration) -> Passage {
        match self.state {
            State::Closed => Passage::Free,
            State::Open { until, .. } if uptime < until => Passage::Shut(until),
            State::Open { .. } | State::HalfOpen { .. } => Passage::One,
        }
    }

    /// Hears how the attempt of `ticket` ended; `next` is the ticket of the next one to begin.
    pub(super) fn hear(&mut self, ended: Ended, ticket: Ticket, next: Ticket, moment: Moment) -> Changed {
        if ticket < self.from {
            return Changed::Nothing;
        }
        let failed = match (self.state, ended) {
            (State::Closed, _) => {
                self.count(ended, moment.uptime);
                if ended == Ended::Well || !self.is_too_bad(moment.uptime) {
                    return Changed::Nothing;
                }
                0
            }
            (State::Open { .. }, Ended::Well) => {
                self.state = State::HalfOpen { successes: 1 };
                return Changed::Nothing;
            }
            (State::HalfOpen { successes }, Ended::Well) if successes + 1 >= SUCCESSES => {
                *self = Breaker { from: next, ..Breaker::default() };
                return Changed::Closed;
            }
            (State::HalfOpen { successes }, Ended::Well) => {
                self.state = State::HalfOpen { successes: successes + 1 };
                return Changed::Nothing;
            }
            // It took one just now: the waits begin anew, or what takes every other message would get four an hour.
            (State::HalfOpen { .. }, Ended::Badly) => 0,
            (State::Open { failed, .. }, Ended::Badly) => failed.saturating_add(1),
        };
        let was_closed = self.state == State::Closed;
        let state = open(backoff::wait(&WAITS, failed, moment.chance), failed, moment);
        *self = Breaker { state, from: next, ..Breaker::default() };
        match state {
            State::Open { probe_at, .. } if was_closed => Changed::Opened(probe_at),
            _ => Changed::Nothing,
        }
    }

    fn count(&mut self, ended: Ended, uptime: Duration) {
        self.row = match (ended, self.row) {
            (Ended::Well, _) => None,
            (Ended::Badly, None) => Some((1, uptime)),
            (Ended::Badly, Some((count, since))) => Some((count.saturating_add(1), since)),
        };
        while self.window.pop_front_if(|part| uptime.saturating_sub(part.began) >= WINDOW).is_some() {}
        if self.window.back().is_none_or(|part| uptime.saturating_sub(part.began) >= PART) {
            self.window.push_back(Part { began: uptime, well: 0, badly: 0 });
        }
        if let Some(part) = self.window.back_mut() {
            let count = if ended == Ended::Well { &mut part.well } else { &mut part.badly };
            *count = count.saturating_add(1);
        }
    }

    fn is_too_bad(&self, uptime: Duration) -> bool {
        let in_a_row = self
            .row
            .is_some_and(|(count, since)| count >= FAILURES_IN_A_ROW && uptime.saturating_sub(since) >= ROW_LASTS);
        let sum = |of: fn(&Part) -> u32| self.window.iter().map(of).fold(0, u32::saturating_add);
        let (well, badly) = (sum(|part| part.well), sum(|part| part.badly));
        in_a_row || (well.saturating_add(badly) >= ENDS_MIN && badly >= well)
    }
}

/// In whole milliseconds, as the spool keeps them, so that a restart waits for the same instant.
fn open(wait: Duration, failed: u32, moment: Moment) -> State {
    let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    let wait = Duration::from_millis(millis);
    let probe_at = moment.now.checked_add(wait).unwrap_or(Timestamp::MAX);
    State::Open { until: moment.uptime.saturating_add(wait), probe_at, failed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(second: u64, chance: f64) -> Moment {
        Moment { now: at(second), uptime: Duration::from_secs(second), chance }
    }

    /// The wall clock is an hour ahead of the uptime.
    fn at(second: u64) -> Timestamp {
        Timestamp::from_second(3600 + i64::try_from(second).unwrap()).unwrap()
    }

    /// A breaker after attempts that began and ended at these seconds, one after another.
    fn after(ends: impl IntoIterator<Item = (u64, Ended)>) -> Breaker {
        let mut breaker = Breaker::default();
        for (ticket, (second, ended)) in (breaker.from..).zip(ends) {
            breaker.hear(ended, ticket, ticket + 1, moment(second, 0.0));
        }
        breaker
    }

    fn open_until(second: u64, failed: u32) -> spool::Breaker {
        spool::Breaker::Open { probe_at: at(second), failed }
    }

    #[test]
    fn it_opens_when_failures_last_or_are_many() {
        use Ended::Badly;
        use Ended::Well;
        let check = |ends: &[(u64, Ended)], expected: spool::Breaker| {
            assert_eq!(after(ends.iter().copied()).kept(), expected, "{ends:?}");
        };
        let closed = spool::Breaker::Closed;
        let bad = |seconds: &[u64]| seconds.iter().map(|second| (*second, Badly)).collect::<Vec<_>>();
        check(&bad(&[0, 1, 2, 3, 29]), closed);
        check(&bad(&[0, 1, 2, 3, 30]), open_until(60, 0));
        check(&bad(&[0, 10, 20, 40]), closed);
        check(&bad(&[0, 10, 20, 30, 40]), open_until(70, 0));
        check(&[bad(&[0, 10, 20, 30]), vec![(35, Well)], bad(&[40])].concat(), closed);
        check(&bad(&[0; 19]), closed);
        check(&bad(&[0; 20]), open_until(30, 0));
        let half: Vec<_> = (0..10).flat_map(|second| [(second, Well), (second, Badly)]).collect();
        check(&half, open_until(39, 0));
        check(&[vec![(0, Well); 11], bad(&[1; 10])].concat(), closed);
        check(&[vec![(0, Well); 11], bad(&[1; 11])].concat(), open_until(31, 0));
        // What was a minute ago counts no more.
        check(&[vec![(0, Well); 100], bad(&[61; 19])].concat(), closed);
        check(&[vec![(0, Well); 100], bad(&[61; 20])].concat(), open_until(91, 0));
        check(&[bad(&[0; 19]), vec![(30, Well)], bad(&[61; 1])].concat(), closed);
    }

    #[test]
    fn while_it_is_open_nothing_begins_and_then_one_probe() {
        let breaker = after([(0, Ended::Badly); 20]);
        for (second, expected) in [
            (0, Passage::Shut(Duration::from_secs(30))),
            (29, Passage::Shut(Duration::from_secs(30))),
            (30, Passage::One),
            (9999, Passage::One),
        ] {
            assert_eq!(breaker.passage(Duration::from_secs(second)), expected, "{second}");
        }
        assert_eq!(Breaker::default().passage(Duration::ZERO), Passage::Free);
    }

    #[test]
    fn each_probe_that_fails_makes_the_next_wait_longer_and_chance_only_adds() {
        let mut breaker = after([(0, Ended::Badly); 20]);
        let mut second = 30;
        for (failed, wait) in (1..).zip([60, 120, 240, 480, 900, 900, 900]) {
            let ticket = breaker.from;
            assert_eq!(breaker.hear(Ended::Badly, ticket, ticket + 1, moment(second, 0.0)), Changed::Nothing);
            assert_eq!(breaker.kept(), open_until(second + wait, failed));
            second += wait;
        }
        let ticket = breaker.from;
        breaker.hear(Ended::Badly, ticket, ticket + 1, moment(second, 1.0));
        assert_eq!(breaker.kept(), open_until(second + 1125, 8));
    }

    #[test]
    fn three_successes_in_a_row_close_it_and_a_failure_between_opens_it_for_the_first_wait() {
        use Ended::Badly;
        use Ended::Well;
        let check = |ends: &[Ended], expected: spool::Breaker, last: Changed| {
            let failed = spool::Breaker::Open { probe_at: at(0), failed: 7 };
            let mut breaker = Breaker::restored(failed, 0, moment(0, 0.0));
            let mut changed = Changed::Nothing;
            for (ticket, ended) in (0..).zip(ends) {
                assert_eq!(breaker.passage(Duration::from_secs(100)), Passage::One, "{ends:?}");
                changed = breaker.hear(*ended, ticket, ticket + 1, moment(100, 0.0));
            }
            assert_eq!((breaker.kept(), changed), (expected, last), "{ends:?}");
        };
        check(&[Badly], open_until(1000, 8), Changed::Nothing);
        check(&[Well], spool::Breaker::HalfOpen, Changed::Nothing);
        check(&[Well, Well], spool::Breaker::HalfOpen, Changed::Nothing);
        check(&[Well, Well, Well], spool::Breaker::Closed, Changed::Closed);
        check(&[Well, Well, Badly], open_until(130, 0), Changed::Nothing);
    }

    #[test]
    fn what_was_under_way_when_it_opened_says_nothing_of_the_time_after() {
        let mut breaker = Breaker::default();
        let mut changes = (0..30).map(|ticket| breaker.hear(Ended::Badly, ticket, 40, moment(0, 0.0)));
        assert_eq!(changes.find(|changed| *changed != Changed::Nothing), Some(Changed::Opened(at(30))));
        assert!(changes.all(|changed| changed == Changed::Nothing));
        for (ticket, ended) in [(30, Ended::Well), (31, Ended::Well), (32, Ended::Badly)] {
            breaker.hear(ended, ticket, 40, moment(31, 0.0));
            assert_eq!(breaker.kept(), open_until(30, 0));
        }
        breaker.hear(Ended::Well, 40, 41, moment(32, 0.0));
        assert_eq!(breaker.kept(), spool::Breaker::HalfOpen);
    }

    #[test]
    fn a_restart_waits_for_the_same_probe_and_never_longer_than_the_longest_wait() {
        let check = |probe_at: Timestamp, until: u64| {
            let breaker = Breaker::restored(spool::Breaker::Open { probe_at, failed: 3 }, 0, moment(10, 0.0));
            let shut = Passage::Shut(Duration::from_secs(until));
            let expected = if until > 10 { shut } else { Passage::One };
            assert_eq!(breaker.passage(Duration::from_secs(10)), expected, "{probe_at}");
        };
        check(at(500), 500);
        check(at(9), 10);
        check(at(86400), 10 + 1125);
        check(Timestamp::MIN, 10);
        check(Timestamp::MAX, 10 + 1125);
    }
}
