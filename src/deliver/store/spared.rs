//! A store that cannot be reached is spared: who needs it fails at once, so that no mail that needs nothing of it waits
//! behind those that wait for it. Pure.

use std::time::Duration;

/// How long it is spared, and how long a probe keeps others off.
const SPARED_FOR: Duration = Duration::from_secs(30);

/// Whether the store is asked.
#[derive(Debug, Default)]
pub(super) struct Spared {
    /// The uptime until which it is not.
    until: Option<Duration>,
}

impl Spared {
    /// Whether nobody is to ask it at `uptime`.
    pub(super) fn is_spared(&self, uptime: Duration) -> bool {
        self.until.is_some_and(|until| uptime < until)
    }

    /// Whether to ask it at `uptime`. Whoever is let through first after it was spared is the probe: the others wait
    /// for its end, or for the time that it has.
    pub(super) fn may_ask(&mut self, uptime: Duration) -> bool {
        if self.is_spared(uptime) {
            return false;
        }
        self.until = self.until.map(|_| uptime.saturating_add(SPARED_FOR));
        true
    }

    /// It was asked, and could not be reached.
    pub(super) fn was_silent(&mut self, uptime: Duration) {
        self.until = Some(uptime.saturating_add(SPARED_FOR));
    }

    /// It was asked, and answered, whatever it said.
    pub(super) fn answered(&mut self) {
        self.until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_store_is_asked_by_one_at_a_time_and_one_that_answers_by_all() {
        let mut spared = Spared::default();
        assert!(spared.may_ask(at(0)) && spared.may_ask(at(0)));
        spared.was_silent(at(5));
        assert!(!spared.may_ask(at(5)) && !spared.may_ask(at(34)));
        assert!(spared.may_ask(at(35)), "the probe");
        assert!(!spared.may_ask(at(35)) && spared.is_spared(at(64)), "nobody beside it");
        spared.was_silent(at(40));
        assert!(!spared.may_ask(at(69)) && spared.may_ask(at(70)));
        spared.answered();
        assert!(spared.may_ask(at(71)) && spared.may_ask(at(71)));
    }

    #[test]
    fn a_probe_that_never_ends_is_followed_by_another() {
        let mut spared = Spared::default();
        spared.was_silent(at(0));
        assert!(spared.may_ask(at(30)) && !spared.may_ask(at(59)) && spared.may_ask(at(60)));
    }
}
