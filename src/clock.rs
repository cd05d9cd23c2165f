//! What time is it, and wait until. Nothing else in the program asks the system for the time.
//!
//! Two clocks run side by side: `now` is wall time (it may jump), `uptime` only ever grows and is zero at the start.
//! Tests take a clock that is moved by hand, so that nothing sleeps.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

/// The longest sleep before the wall clock is looked at again, so that a jump of it is noticed.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A handle on the time; cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System { started: Instant },
    ByHand(Arc<watch::Sender<Hands>>),
}

#[derive(Debug, Clone, Copy)]
struct Hands {
    now: Timestamp,
    uptime: Duration,
}

impl Clock {
    /// The machine's own clock.
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else goes through")]
    pub fn system() -> Clock {
        Clock(Source::System { started: Instant::now() })
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn by_hand(start: Timestamp) -> Clock {
        Clock(Source::ByHand(Arc::new(watch::Sender::new(Hands { now: start, uptime: Duration::ZERO }))))
    }

    /// The wall time, in milliseconds at best.
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else goes through")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System { .. } => Timestamp::now(),
            Source::ByHand(hands) => hands.borrow().now,
        }
    }

    /// How long this clock has been running; never goes back.
    pub fn uptime(&self) -> Duration {
        match &self.0 {
            Source::System { started } => started.elapsed(),
            Source::ByHand(hands) => hands.borrow().uptime,
        }
    }

    /// Returns once `now` has reached `due`.
    pub async fn wait_until(&self, due: Timestamp) {
        match &self.0 {
            Source::System { .. } => {
                while let Ok(left) = Duration::try_from(due.duration_since(self.now())) {
                    if left.is_zero() {
                        return;
                    }
                    tokio::time::sleep(left.min(LOOK_AGAIN)).await;
                }
            }
            Source::ByHand(hands) => {
                // Fails only when the sender is gone, and we hold it.
                drop(hands.subscribe().wait_for(|hands| hands.now >= due).await);
            }
        }
    }

    /// Returns after `wait`.
    pub async fn wait(&self, wait: Duration) {
        match &self.0 {
            Source::System { .. } => tokio::time::sleep(wait).await,
            Source::ByHand(hands) => {
                let due = self.uptime().saturating_add(wait);
                drop(hands.subscribe().wait_for(|hands| hands.uptime >= due).await);
            }
        }
    }

    /// Sets the wall time of a clock that is moved by hand, as somebody sets a machine's: the uptime does not change.
    pub fn set(&self, now: Timestamp) {
        if let Source::ByHand(hands) = &self.0 {
            hands.send_modify(|hands| hands.now = now);
        }
    }

    /// Returns once `uptime` has reached `due`.
    pub async fn wait_until_uptime(&self, due: Duration) {
        match &self.0 {
            Source::System { .. } => tokio::time::sleep(due.saturating_sub(self.uptime())).await,
            Source::ByHand(hands) => drop(hands.subscribe().wait_for(|hands| hands.uptime >= due).await),
        }
    }

    /// Moves a clock that is moved by hand; the system's clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Source::ByHand(hands) = &self.0 {
            hands.send_modify(|hands| {
                hands.uptime += by;
                hands.now = hands.now.checked_add(by).unwrap_or(Timestamp::MAX);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_clock_moved_by_hand_wakes_those_who_wait() {
        let clock = Clock::by_hand(Timestamp::UNIX_EPOCH);
        let due = Timestamp::from_second(60).unwrap();
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.wait_until(due).await }
        });
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        clock.advance(Duration::from_secs(1));
        waiting.await.unwrap();
        assert_eq!((clock.now(), clock.uptime()), (due, Duration::from_secs(60)));
    }

    #[tokio::test]
    async fn a_time_that_has_passed_is_not_waited_for() {
        Clock::system().wait_until(Timestamp::UNIX_EPOCH).await;
    }
}
