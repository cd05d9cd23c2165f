//! What an endpoint may get now, and what its answers change of that: its breaker, its limit, its pause, and the two
//! ways in which it asks to be held. Pure.
//!
//! It knows nothing of how the endpoint is reached, so that this can be exchanged under it. What must survive a restart
//! is read from the spool before anything is posted, and again when somebody has resumed the endpoint: then it is judged
//! anew.

use std::time::Duration;

use jiff::Timestamp;

use super::breaker::Breaker;
use super::breaker::Changed;
use super::breaker::Ended;
use super::breaker::Moment;
use super::breaker::Passage;
use super::breaker::Ticket;
use super::concurrency::Limit;
use super::outcome::Judgement;
use super::outcome::Outcome;
use super::outcome::Says;
use super::told::News;
use super::told::Told;
use crate::spool::Health;
use crate::spool::Hold;
use crate::spool::MessageKey;
use crate::spool::Standing;

/// An endpoint that refused this many different messages with no success between is at fault itself.
const REFUSED_MAX: usize = 20;
/// Two answers 410 this far apart mean it.
const GONE_APART: Duration = Duration::from_secs(60);
/// Of a limit of at least so much, a quarter is kept for deliveries that were never tried: a backlog of what failed must
/// not keep new mail waiting.
const SHARED_FROM: usize = 4;

/// One endpoint's gate. It lets nothing through before it has read where the endpoint stands.
#[derive(Debug, Default)]
pub(super) struct Gate {
    breaker: Breaker,
    limit: Limit,
    rests_until: Duration,
    gone: Option<Gone>,
    refused: Vec<MessageKey>,
    told: Told,
    next: Ticket,
    /// How often it was resumed when it was read.
    resumes: Option<u64>,
    held: bool,
    /// What the spool keeps, as far as that is known.
    kept: Option<Health>,
}

/// The first 410.
#[derive(Debug, Clone, Copy)]
struct Gone {
    since: Timestamp,
    /// The uptime, if this process heard it.
    heard: Option<Duration>,
}

/// What may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// So many more, at least one; of these, so many that were tried before.
    Free { attempts: usize, retries: usize },
    /// Nothing before one has ended.
    Full,
    /// Nothing before this uptime; `None`: before a claim shows that the endpoint may be posted to.
    Shut(Option<Duration>),
}

/// What an answer asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asks {
    /// What the log is to tell.
    pub(super) news: News,
    /// Nothing is to be posted for so long.
    pub(super) pause: Option<Duration>,
    /// Nothing is to be posted until somebody resumes it.
    pub(super) hold: Option<Hold>,
}

impl Gate {
    /// Goes by what a claim found. Tells whether it is new: at the start, when somebody resumed the endpoint, and when
    /// it is held or no longer held.
    pub(super) fn follow(&mut self, found: &Standing, moment: Moment) -> bool {
        if self.resumes == Some(found.resumes) {
            return std::mem::replace(&mut self.held, found.held.is_some()) != found.held.is_some();
        }
        let Health { breaker, gone_since, refused } = found.health.clone();
        let breaker = Breaker::restored(breaker, self.next, moment);
        *self = Gate {
            told: Told::after(breaker.passage(moment.uptime)),
            breaker,
            gone: gone_since.map(|since| Gone { since, heard: None }),
            refused,
            next: self.next,
            resumes: Some(found.resumes),
            held: found.held.is_some(),
            kept: Some(found.health.clone()),
            ..Gate::default()
        };
        true
    }

    /// What may begin while so many attempts, of which so many were tried before, are under way. `cap` is the most that
    /// the configuration allows.
    pub(super) fn room(&self, (under_way, retries): (usize, usize), cap: usize, uptime: Duration) -> Room {
        if self.resumes.is_none() || self.held {
            return Room::Shut(None);
        }
        if uptime < self.rests_until {
            return Room::Shut(Some(self.rests_until));
        }
        let limit = match self.breaker.passage(uptime) {
            Passage::Shut(until) => return Room::Shut(Some(until)),
            Passage::One => 1,
            Passage::Free => self.limit.now(cap),
        };
        let kept = if limit >= SHARED_FROM { limit / 4 } else { 0 };
        match limit.saturating_sub(under_way) {
            0 => Room::Full,
            attempts => Room::Free { attempts, retries: (limit - kept).saturating_sub(retries) },
        }
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self) -> Ticket {
        self.next += 1;
        self.next - 1
    }

    /// Hears how the attempt of `ticket` for `message` ended.
    pub(super) fn hear(
        &mut self,
        judgement: Judgement,
        message: MessageKey,
        ticket: Ticket,
        cap: usize,
        moment: Moment,
    ) -> Asks {
        let ended = match (judgement.outcome, judgement.says) {
            (Outcome::Delivered, _) => Some(Ended::Well),
            (Outcome::Deferred, Says::Nothing | Says::Gone) => Some(Ended::Badly),
            // It is the message; it is a matter of pace; it is on our side of the line.
            (Outcome::Refused, _)
            | (
                Outcome::Deferred,
                Says::Wait(_) | Says::Ours | Says::Store | Says::Never(_) | Says::Hold | Says::Halt,
            ) => None,
        };
        let changed = ended.map_or(Changed::Nothing, |ended| self.breaker.hear(ended, ticket, self.next, moment));
        match (ended, judgement.says) {
            (_, Says::Wait(_)) => self.limit.halve(ticket, self.next),
            (Some(Ended::Well), _) => self.limit.rise(cap),
            (Some(Ended::Badly), _) => self.limit.fall(ticket, self.next),
            (None, _) => {}
        }
        if changed == Changed::Closed {
            self.limit.restart();
        }
        if !matches!(judgement.says, Says::Never(_)) {
            self.remember(judgement.outcome, message);
        }
        Asks {
            news: self.told.hear(judgement, changed, moment.now),
            pause: self.pause(judgement.says, moment.uptime),
            hold: self.hold(judgement.says, moment).filter(|_| !self.held),
        }
    }

    fn remember(&mut self, outcome: Outcome, message: MessageKey) {
        match outcome {
            Outcome::Delivered => {
                self.refused.clear();
                self.gone = None;
            }
            Outcome::Refused if self.refused.len() < REFUSED_MAX && !self.refused.contains(&message) => {
                self.refused.push(message);
            }
            Outcome::Refused | Outcome::Deferred => {}
        }
    }

    fn pause(&mut self, says: Says, uptime: Duration) -> Option<Duration> {
        let Says::Wait(wait) = says else { return None };
        self.rests_until = self.rests_until.max(uptime.saturating_add(wait));
        Some(wait)
    }

    /// What led to a hold stays until somebody resumes the endpoint.
    fn hold(&mut self, says: Says, moment: Moment) -> Option<Hold> {
        match says {
            Says::Gone => {
                let first = Gone { since: moment.now, heard: Some(moment.uptime) };
                let gone = *self.gone.get_or_insert(first);
                let apart = match gone.heard {
                    Some(heard) => moment.uptime.saturating_sub(heard),
                    None => Duration::try_from(moment.now.duration_since(gone.since)).unwrap_or_else(|_| {
                        // The wall clock was set back since.
                        self.gone = Some(first);
                        Duration::ZERO
                    }),
                };
                (apart >= GONE_APART).then_some(Hold::Gone)
            }
            Says::Nothing if self.refused.len() >= REFUSED_MAX => Some(Hold::RefusesAll),
            Says::Halt => Some(Hold::HeadRefused),
            Says::Hold => Some(Hold::Status),
            Says::Nothing | Says::Wait(_) | Says::Ours | Says::Store | Says::Never(_) => None,
        }
    }

    /// What is to be kept, if it is not yet, and the standing that it is a part of.
    pub(super) fn keep(&mut self) -> Option<(Health, u64)> {
        let health = Health {
            breaker: self.breaker.kept(),
            gone_since: self.gone.map(|gone| gone.since),
            refused: self.refused.clone(),
        };
        if self.kept.as_ref() == Some(&health) {
            return None;
        }
        self.kept = Some(health.clone());
        Some((health, self.resumes?))
    }

    /// What was to be kept was not: the next answer tries again.
    pub(super) fn was_not_kept(&mut self) {
        self.kept = None;
    }

    /// The hold that was asked for is written down: nothing more is claimed until somebody ends it.
    pub(super) fn is_held(&mut self) {
        self.held = true;
    }

    /// The limit now.
    pub(super) fn limit(&self, cap: usize) -> usize {
        match self.breaker.kept() {
            crate::spool::Breaker::Closed => self.limit.now(cap),
            crate::spool::Breaker::HalfOpen | crate::spool::Breaker::Open { .. } => 1,
        }
    }

    /// The state of the breaker as a metric: 0 closed, 1 half open, 2 open.
    pub(super) fn breaker_state(&self) -> i64 {
        match self.breaker.kept() {
            crate::spool::Breaker::Closed => 0,
            crate::spool::Breaker::HalfOpen => 1,
            crate::spool::Breaker::Open { .. } => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool;
    use crate::spool::Reason;

    const CAP: usize = 16;
    const MOST: u64 = 60;

    fn moment(second: u64) -> Moment {
        Moment { now: at(second), uptime: Duration::from_secs(second), chance: 0.0 }
    }

    fn at(second: u64) -> Timestamp {
        Timestamp::from_second(i64::try_from(second).unwrap()).unwrap()
    }

    /// A gate that has read where the endpoint stands, at second 0.
    fn gate(health: Health) -> Gate {
        let mut gate = Gate::default();
        assert!(gate.follow(&Standing { health, ..Standing::default() }, moment(0)));
        gate
    }

    impl Gate {
        /// The next attempt ends so at once; tells what its end asks for.
        fn ends(&mut self, outcome: Outcome, says: Says, message: i64, second: u64) -> Asks {
            let ticket = self.begin();
            let message = MessageKey::for_testing(message);
            self.hear(Judgement { outcome, says }, message, ticket, CAP, moment(second))
        }
    }

    #[test]
    fn nothing_begins_before_it_is_known_where_the_endpoint_stands() {
        let mut gate = Gate::default();
        assert_eq!(gate.room((0, 0), CAP, Duration::ZERO), Room::Shut(None));
        assert!(gate.follow(&Standing::default(), moment(0)));
        assert!(!gate.follow(&Standing::default(), moment(0)), "it is told once");
        assert_eq!(gate.room((0, 0), CAP, Duration::ZERO), Room::Free { attempts: 1, retries: 1 });
        let held = Standing { held: Some(Hold::Gone), resumes: 1, ..Standing::default() };
        assert!(gate.follow(&held, moment(0)), "somebody resumed it, and it is held again");
        assert_eq!(gate.room((0, 0), CAP, Duration::ZERO), Room::Shut(None));
        assert!(!gate.follow(&held, moment(0)));
        assert!(gate.follow(&Standing { resumes: 1, ..Standing::default() }, moment(0)));
        assert_eq!(gate.room((0, 0), CAP, Duration::ZERO), Room::Free { attempts: 1, retries: 1 });
    }

    #[test]
    fn a_quarter_of_a_limit_of_four_or_more_is_kept_for_first_attempts() {
        let check = |successes: i64, under_way, attempts, retries| {
            let mut gate = gate(Health::default());
            for message in 0..successes {
                gate.ends(Outcome::Delivered, Says::Nothing, message, 0);
            }
            let room = gate.room(under_way, CAP, Duration::ZERO);
            assert_eq!(room, Room::Free { attempts, retries }, "{successes} {under_way:?}");
        };
        check(0, (0, 0), 1, 1);
        check(3, (0, 0), 3, 3);
        check(6, (0, 0), 4, 3);
        check(6, (3, 3), 1, 0);
        check(6, (3, 0), 1, 3);
        check(999, (0, 0), 16, 12);
        check(999, (12, 12), 4, 0);
        check(999, (15, 13), 1, 0);
        let full = gate(Health::default()).room((1, 0), CAP, Duration::ZERO);
        assert_eq!(full, Room::Full);
    }

    #[test]
    fn an_endpoint_that_asks_to_wait_gets_nothing_until_then_and_half_after_it() {
        let mut gate = gate(Health::default());
        for message in 0..999 {
            gate.ends(Outcome::Delivered, Says::Nothing, message, 0);
        }
        for (wait, until) in [(60, 60), (30, 60), (90, 90)] {
            let asks = gate.ends(Outcome::Deferred, Says::Wait(Duration::from_secs(wait)), 1, 0);
            assert_eq!((asks.pause, asks.hold), (Some(Duration::from_secs(wait)), None));
            let until = Duration::from_secs(until);
            assert_eq!(gate.room((0, 0), CAP, Duration::ZERO), Room::Shut(Some(until)));
            assert!(matches!(gate.room((0, 0), CAP, until), Room::Free { .. }));
        }
        assert_eq!(gate.limit(CAP), 2);
        assert_eq!(gate.breaker_state(), 0, "it does not fail");
    }

    #[test]
    fn the_second_410_a_minute_after_the_first_holds_it() {
        let check = |health: Health, ends: &[(u64, Outcome)], expected: &[Option<Hold>]| {
            let mut gate = gate(health);
            let holds: Vec<_> = ends
                .iter()
                .map(|(second, outcome)| match outcome {
                    Outcome::Deferred => gate.ends(Outcome::Deferred, Says::Gone, 1, *second).hold,
                    taken => gate.ends(*taken, Says::Nothing, 1, *second).hold,
                })
                .collect();
            assert_eq!(holds, expected, "{ends:?}");
        };
        use Outcome::Deferred;
        let (new, hold) = (Health::default(), Some(Hold::Gone));
        check(new.clone(), &[(0, Deferred), (59, Deferred), (60, Deferred)], &[None, None, hold]);
        check(new, &[(0, Deferred), (30, Outcome::Delivered), (60, Deferred), (90, Deferred)], &[None; 4]);
        // Heard by another process, at a second of the wall clock.
        let since = |second| Health { gone_since: Some(second), ..Health::default() };
        check(since(at(0)), &[(59, Deferred), (60, Deferred)], &[None, hold]);
        check(since(at(9999)), &[(0, Deferred), (59, Deferred), (60, Deferred)], &[None, None, hold]);
    }

    #[test]
    fn what_is_on_our_side_of_the_line_says_nothing_of_the_endpoint() {
        let mut gate = gate(Health::default());
        let before = (gate.limit(CAP), gate.breaker_state());
        for message in 0..99 {
            for (outcome, says) in [
                (Outcome::Deferred, Says::Ours),
                (Outcome::Deferred, Says::Store),
                (Outcome::Refused, Says::Never(Reason::Damaged)),
            ] {
                let asks = gate.ends(outcome, says, message, 0);
                assert_eq!((asks.pause, asks.hold, asks.news), (None, None, News::Nothing), "{says:?}");
            }
        }
        assert_eq!((gate.limit(CAP), gate.breaker_state()), before);
        assert_eq!(gate.ends(Outcome::Refused, Says::Nothing, 1, 0).hold, None, "its first refusal");
    }

    #[test]
    fn a_hold_is_asked_for_until_it_is_written_down() {
        let mut gate = gate(Health { refused: (0..19).map(MessageKey::for_testing).collect(), ..Health::default() });
        let refused = |gate: &mut Gate, message| gate.ends(Outcome::Refused, Says::Nothing, message, 0).hold;
        assert_eq!(refused(&mut gate, 18), None, "the same message again");
        assert_eq!(refused(&mut gate, 19), Some(Hold::RefusesAll));
        assert_eq!(refused(&mut gate, 20), Some(Hold::RefusesAll));
        gate.is_held();
        assert_eq!(refused(&mut gate, 21), None);
        assert_eq!(gate.room((0, 0), CAP, Duration::ZERO), Room::Shut(None));
    }

    #[test]
    fn what_changes_is_kept_once_and_again_where_it_failed() {
        let mut gate = gate(Health::default());
        gate.ends(Outcome::Delivered, Says::Nothing, 1, 0);
        assert_eq!(gate.keep(), None, "a success of a healthy endpoint costs no commit");
        gate.ends(Outcome::Refused, Says::Nothing, 7, 0);
        let refused = Health { refused: vec![MessageKey::for_testing(7)], ..Health::default() };
        assert_eq!((gate.keep(), gate.keep()), (Some((refused.clone(), 0)), None));
        gate.was_not_kept();
        assert_eq!(gate.keep(), Some((refused, 0)));
        gate.ends(Outcome::Delivered, Says::Nothing, 1, 0);
        assert_eq!(gate.keep(), Some((Health::default(), 0)));
    }

    #[test]
    fn what_began_before_somebody_resumed_it_does_not_open_its_breaker() {
        let mut gate = gate(Health::default());
        let old: Vec<_> = (0..40).map(|_| gate.begin()).collect();
        assert!(gate.follow(&Standing { resumes: 1, ..Standing::default() }, moment(1)));
        let failed = Judgement { outcome: Outcome::Deferred, says: Says::Nothing };
        for ticket in old {
            gate.hear(failed, MessageKey::for_testing(1), ticket, CAP, moment(2));
        }
        assert_eq!(gate.breaker_state(), 0);
        for message in 0..20 {
            gate.ends(Outcome::Deferred, Says::Nothing, message, 3);
        }
        assert_eq!(gate.breaker_state(), 2);
        assert!(matches!(gate.keep(), Some((Health { breaker: spool::Breaker::Open { .. }, .. }, 1))));
    }

    /// E11: every other post is taken, or one of so many at random, with a post due each second.
    #[test]
    fn e11_an_endpoint_that_flaps_gets_its_mail_and_is_not_hammered() {
        let check = |name: &str, mut takes: Box<dyn FnMut(u64) -> bool>| {
            let (mut gate, mut taken, mut opened) = (gate(Health::default()), 0, Vec::new());
            let mut failures_in_a_minute = std::collections::VecDeque::new();
            let mut posts = 0;
            for second in 0..24 * 3600 {
                if !matches!(gate.room((0, 0), CAP, Duration::from_secs(second)), Room::Free { .. }) {
                    continue;
                }
                posts += 1;
                let outcome = if takes(posts) { Outcome::Delivered } else { Outcome::Deferred };
                taken += u64::from(outcome == Outcome::Delivered);
                if outcome == Outcome::Deferred {
                    failures_in_a_minute.push_back(second);
                }
                while failures_in_a_minute.pop_front_if(|at| second - *at >= 60).is_some() {}
                assert!(failures_in_a_minute.len() <= 30, "{name}");
                if let News::Opens(_) = gate.ends(outcome, Says::Nothing, 1, second).news {
                    opened.push(second);
                }
            }
            assert!(opened.windows(2).all(|two| two[1] - two[0] >= 30), "{name}: {opened:?}");
            assert!(!opened.is_empty() && taken >= 24 * MOST, "{name}: {taken} taken");
        };
        check("every other", Box::new(|post| post % 2 == 0));
        let mut chance = fastrand::Rng::with_seed(11);
        check("half of them", Box::new(move |_| chance.bool()));
    }
}
