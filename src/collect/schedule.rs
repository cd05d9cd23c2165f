//! When a mailbox is visited again, and how many visits run at once. Pure.

use std::collections::HashMap;
use std::time::Duration;

/// The first wait after a login that was refused: providers ban addresses that keep trying.
const AFTER_REFUSED_LOGIN: Duration = Duration::from_secs(5 * 60);
/// The longest wait after failures, unless the interval itself is longer.
const WAIT_MAX: Duration = Duration::from_secs(30 * 60);
/// The longest delay between logins that a server is believed.
const LOGIN_DELAY_MAX: Duration = Duration::from_secs(24 * 3600);
/// Part of each wait that chance adds, so that mailboxes do not march in step.
const JITTER: f64 = 0.1;
/// First visits are spread over this much for each mailbox.
const SPREAD_EACH: Duration = Duration::from_millis(20);

/// How a visit ended, as far as the next one is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Failed,
    LoginRefused,
}

/// The time between two visits: a server that wants a longer delay between logins gets it, within reason.
pub(super) fn interval(configured: Duration, login_delay: Option<Duration>) -> Duration {
    configured.max(login_delay.unwrap_or_default().min(LOGIN_DELAY_MAX))
}

/// The wait from the start of one visit to the start of the next. `chance` is from 0 to 1.
pub(super) fn wait(interval: Duration, ended: Ended, failures: u32, chance: f64) -> Duration {
    let doubled = |first: Duration| {
        let times = 2u32.saturating_pow(failures.saturating_sub(1));
        first.saturating_mul(times).min(WAIT_MAX.max(interval))
    };
    let wait = match ended {
        Ended::Well => interval,
        Ended::Failed => doubled(interval),
        Ended::LoginRefused => doubled(AFTER_REFUSED_LOGIN.max(interval)),
    };
    wait.mul_f64(1.0 + JITTER * chance)
}

/// The wait before the first visit of one of `mailboxes`: no thundering herd at start.
pub(super) fn first_wait(interval: Duration, mailboxes: usize, chance: f64) -> Duration {
    let spread = SPREAD_EACH.saturating_mul(u32::try_from(mailboxes.saturating_sub(1)).unwrap_or(u32::MAX));
    spread.min(interval).mul_f64(chance)
}

/// Counts visits against the caps, in all and to one server.
#[derive(Debug)]
pub(super) struct Slots {
    max: usize,
    max_per_host: usize,
    taken: usize,
    by_host: HashMap<(String, u16), usize>,
}

impl Slots {
    pub(super) fn new(max: usize, max_per_host: usize) -> Slots {
        Slots { max, max_per_host, taken: 0, by_host: HashMap::new() }
    }

    /// Takes a slot for a visit to `host`, if there is one.
    pub(super) fn take(&mut self, host: &(String, u16)) -> bool {
        let here = self.by_host.get(host).copied().unwrap_or_default();
        if self.taken >= self.max || here >= self.max_per_host {
            return false;
        }
        self.taken += 1;
        self.by_host.insert(host.clone(), here + 1);
        true
    }

    /// Gives it back.
    pub(super) fn free(&mut self, host: &(String, u16)) {
        self.taken = self.taken.saturating_sub(1);
        if let Some(here) = self.by_host.get_mut(host) {
            *here -= 1;
            if *here == 0 {
                self.by_host.remove(host);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ended: Ended, failures: u32, chance: f64, expected_seconds: f64) {
        let wait = wait(Duration::from_secs(60), ended, failures, chance);
        assert!((wait.as_secs_f64() - expected_seconds).abs() < 0.001, "{ended:?} {failures}: {wait:?}");
    }

    #[test]
    fn failures_double_the_wait_and_a_refused_login_is_not_hammered() {
        check(Ended::Well, 0, 0.0, 60.0);
        check(Ended::Well, 0, 1.0, 66.0);
        check(Ended::Failed, 1, 0.0, 60.0);
        check(Ended::Failed, 2, 0.0, 120.0);
        check(Ended::Failed, 99, 0.0, 1800.0);
        check(Ended::LoginRefused, 1, 0.0, 300.0);
        check(Ended::LoginRefused, 2, 0.0, 600.0);
        check(Ended::LoginRefused, 99, 0.0, 1800.0);
    }

    #[test]
    fn a_server_gets_the_delay_between_logins_that_it_asks_for_within_reason() {
        let seconds = Duration::from_secs;
        for (asked, expected) in [(None, 60), (Some(0), 60), (Some(300), 300), (Some(u64::MAX), 86_400)] {
            let interval = interval(seconds(60), asked.map(seconds));
            assert_eq!(interval, seconds(expected));
            assert!(wait(interval, Ended::Failed, 99, 1.0) >= interval);
        }
    }

    #[test]
    fn the_first_visits_are_spread() {
        assert_eq!(first_wait(Duration::from_secs(60), 1, 1.0), Duration::ZERO);
        assert_eq!(first_wait(Duration::from_secs(60), 101, 0.5), Duration::from_secs(1));
        assert_eq!(first_wait(Duration::from_secs(60), 1_000_000, 1.0), Duration::from_secs(60));
    }

    #[test]
    fn slots_are_capped_in_all_and_per_host() {
        let (a, b) = (("a".to_owned(), 995), ("b".to_owned(), 995));
        let mut slots = Slots::new(3, 2);
        assert!(slots.take(&a) && slots.take(&a) && !slots.take(&a));
        assert!(slots.take(&b) && !slots.take(&b));
        slots.free(&a);
        assert!(slots.take(&b) && !slots.take(&a));
    }
}
