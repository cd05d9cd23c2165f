//! How many posts an endpoint gets in a time, where the configuration bounds that.
//!
//! Posts are spread evenly. What a tenth of a second allows may go at once, because no timer is finer than that at high
//! rates; so within any time there are at most the posts that it allows and these. What is taken for a claim that finds
//! nothing due is kept in hand for the next one.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;
use governor::RateLimiter;
use governor::middleware::NoOpMiddleware;
use governor::state::InMemoryState;
use governor::state::NotKeyed;

use super::Rate;
use crate::clock::Clock;

/// The time whose posts may go at once.
const AT_ONCE: Duration = Duration::from_millis(100);

impl governor::clock::Clock for Clock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.uptime()
    }
}

/// The bound of one endpoint, if it has one.
#[derive(Debug, Default)]
pub(super) struct Meter(Option<Bound>);

#[derive(Debug)]
struct Bound {
    rate: Rate,
    limiter: RateLimiter<NotKeyed, InMemoryState, Clock, NoOpMiddleware<Duration>>,
    at_once: usize,
    in_hand: usize,
}

/// How much may be posted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// So many posts, at least one.
    Posts(usize),
    /// None before this uptime.
    From(Duration),
}

impl Meter {
    /// Goes by `rate` from now on.
    pub(super) fn follow(&mut self, rate: Option<Rate>, clock: &Clock) {
        if self.0.as_ref().map(|bound| bound.rate) != rate {
            self.0 = rate.map(|rate| Bound::new(rate, clock));
        }
    }

    /// How many of `wanted` posts, at least one, may go now.
    pub(super) fn allowed(&mut self, wanted: usize) -> Allowed {
        match &mut self.0 {
            None => Allowed::Posts(wanted),
            Some(bound) => bound.allowed(wanted),
        }
    }

    /// So many posts go.
    pub(super) fn spend(&mut self, posts: usize) {
        if let Some(bound) = &mut self.0 {
            bound.in_hand = bound.in_hand.saturating_sub(posts);
        }
    }
}

impl Bound {
    fn new(rate: Rate, clock: &Clock) -> Bound {
        let apart = rate.apart();
        let at_once = u32::try_from(AT_ONCE.as_nanos() / apart.as_nanos().max(1)).ok().and_then(NonZeroU32::new);
        let at_once = at_once.unwrap_or(NonZeroU32::MIN);
        // The configuration has no rate whose posts are no time apart.
        let quota = Quota::with_period(apart).unwrap_or(Quota::per_second(NonZeroU32::MAX)).allow_burst(at_once);
        let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
        Bound { rate, limiter, at_once: usize::try_from(at_once.get()).unwrap_or(1), in_hand: 0 }
    }

    fn allowed(&mut self, wanted: usize) -> Allowed {
        let wanted = wanted.min(self.at_once);
        while self.in_hand < wanted {
            match self.limiter.check() {
                Ok(()) => self.in_hand += 1,
                Err(not) if self.in_hand == 0 => return Allowed::From(not.earliest_possible()),
                Err(_) => break,
            }
        }
        Allowed::Posts(self.in_hand.min(wanted))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn meter(posts: u32, per: u64) -> (Meter, Clock) {
        let clock = Clock::by_hand(Timestamp::UNIX_EPOCH);
        let mut meter = Meter::default();
        let posts = NonZeroU32::new(posts).unwrap();
        meter.follow(Some(Rate { posts, per: Duration::from_secs(per) }), &clock);
        (meter, clock)
    }

    #[test]
    fn without_a_bound_everything_may_go() {
        assert_eq!(Meter::default().allowed(16), Allowed::Posts(16));
    }

    #[test]
    fn posts_are_spread_evenly() {
        let (mut meter, clock) = meter(6, 60);
        for second in [0, 10, 20] {
            assert_eq!(meter.allowed(16), Allowed::Posts(1));
            meter.spend(1);
            assert_eq!(meter.allowed(16), Allowed::From(Duration::from_secs(second + 10)));
            clock.advance(Duration::from_secs(10));
        }
        // An idle hour is not made up for.
        clock.advance(Duration::from_secs(3600));
        assert_eq!(meter.allowed(16), Allowed::Posts(1));
        meter.spend(1);
        assert!(matches!(meter.allowed(16), Allowed::From(_)));
    }

    #[test]
    fn a_high_rate_goes_in_small_bursts() {
        let (mut meter, clock) = meter(1000, 1);
        let mut sum = 0;
        for _ in 0..100 {
            while let Allowed::Posts(posts) = meter.allowed(16) {
                sum += posts;
                meter.spend(posts);
            }
            clock.advance(Duration::from_millis(10));
        }
        assert!((1000..=1100).contains(&sum), "{sum} in a second");
    }

    #[test]
    fn what_finds_nothing_to_post_is_not_lost_and_does_not_pile_up() {
        let (mut meter, clock) = meter(10, 1);
        for _ in 0..100 {
            assert_eq!(meter.allowed(16), Allowed::Posts(1));
            clock.advance(Duration::from_secs(1));
        }
        meter.spend(1);
        assert_eq!(meter.allowed(16), Allowed::Posts(1));
        meter.spend(1);
        assert!(matches!(meter.allowed(16), Allowed::From(_)));
    }

    #[test]
    fn a_new_bound_counts_at_once_and_the_same_one_changes_nothing() {
        let (mut meter, clock) = meter(1, 3600);
        assert_eq!(meter.allowed(1), Allowed::Posts(1));
        meter.spend(1);
        let rate = |posts| Some(Rate { posts: NonZeroU32::new(posts).unwrap(), per: Duration::from_secs(3600) });
        meter.follow(rate(1), &clock);
        assert!(matches!(meter.allowed(1), Allowed::From(_)));
        meter.follow(rate(2), &clock);
        assert_eq!(meter.allowed(1), Allowed::Posts(1));
        meter.follow(None, &clock);
        assert_eq!(meter.allowed(9), Allowed::Posts(9));
    }
}
