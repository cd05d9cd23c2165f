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
    /// Goes by what a claim found, if it is new: at the start, and after somebody resumed the endpoint. Tells whether it
    /// was.
    pub(super) fn follow(&mut self, found: &Standing, moment: Moment) -> bool {
        if self.resumes == Some(found.resumes) {
            return false;
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
            (Outcome::Refused, _) | (Outcome::Deferred, Says::Wait(_) | Says::Ours | Says::Halt) => None,
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
        self.remember(judgement.outcome, message);
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
            Says::Nothing | Says::Wait(_) | Says::Ours => None,
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
