//! When a queue looks again for something to claim.

use std::future::pending;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::clock::Clock;

/// The longest wait for what nobody announces: the wall clock may be set back, a message before others be set aside.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// When to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Now: there may be more.
    Now,
    /// Nothing is due before this, if that is known.
    Due(Option<Timestamp>),
    /// Whatever is due, the endpoint gets nothing before this uptime, or until the spool says otherwise.
    Shut(Option<Duration>),
    /// More is due, and the rate allows it at this uptime.
    Allowed(Duration),
    /// More is due, and waits for a slot; what is new may find one that is kept for it.
    Freed,
    /// More may be due, and waits for the end of one of the endpoint's own attempts, or of a record.
    Ended,
}

impl When {
    /// Whether a single round has nothing to wait for: what is due was claimed, or the endpoint may not get it.
    pub(super) fn is_all(self) -> bool {
        match self {
            When::Due(_) | When::Shut(_) => true,
            When::Now | When::Allowed(_) | When::Freed | When::Ended => false,
        }
    }

    /// Returns when there may be something to claim. `work` tells that the spool has something new, `freed` that an
    /// attempt of any endpoint has ended.
    pub(super) async fn wait(self, clock: &Clock, work: &mut watch::Receiver<u64>, freed: &mut watch::Receiver<u64>) {
        match self {
            When::Now => {}
            When::Ended => pending().await,
            // The senders live as long as the queue does.
            When::Freed => tokio::select! {
                _ = work.changed() => {}
                _ = freed.changed() => {}
            },
            When::Allowed(uptime) => clock.wait_until_uptime(uptime).await,
            When::Due(due) => tokio::select! {
                _ = work.changed() => {}
                () = clock.wait_until(due.unwrap_or(Timestamp::MAX)) => {}
                () = clock.wait(LOOK_AGAIN) => {}
            },
            When::Shut(uptime) => tokio::select! {
                _ = work.changed() => {}
                () = clock.wait_until_uptime(uptime.unwrap_or(Duration::MAX)) => {}
            },
        }
    }
}
