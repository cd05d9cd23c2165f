//! How long to wait after a failure. Pure.

use std::time::Duration;

/// What chance may add to a wait, as a part of it. It never takes away: no retry comes earlier than promised.
const JITTER: f64 = 0.25;

/// The wait after `failures` failures before this one. `chance` is from 0 to 1.
pub(super) fn wait(waits: &[Duration], failures: u32, chance: f64) -> Duration {
    let index = usize::try_from(failures).unwrap_or(usize::MAX);
    let wait = waits.get(index).or(waits.last()).copied().unwrap_or(Duration::from_secs(60));
    longer(wait, chance)
}

/// The longest that any wait can be.
pub(super) fn longest(waits: &[Duration]) -> Duration {
    longer(waits.iter().max().copied().unwrap_or_default(), 1.0)
}

/// `wait`, with what chance adds.
pub(super) fn longer(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(1.0 + JITTER * chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_wait_repeats_and_chance_only_adds() {
        let waits = [5, 30].map(Duration::from_secs);
        let check = |failures, chance, expected| {
            assert_eq!(wait(&waits, failures, chance), Duration::from_secs_f64(expected), "{failures} {chance}");
        };
        check(0, 0.0, 5.0);
        check(1, 0.0, 30.0);
        check(7, 0.0, 30.0);
        check(u32::MAX, 1.0, 37.5);
        assert_eq!(longest(&waits), Duration::from_secs_f64(37.5));
    }
}
