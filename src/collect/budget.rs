//! How much mail the visits hold in memory at once.
//!
//! Small messages are bounded by the number of visits; each large one waits until there is room for it. Who waits holds
//! nothing that another waits for.

use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::SemaphorePermit;

use crate::clock::Clock;

/// Messages of more bytes are large.
pub(super) const LARGE: u64 = 1 << 20;
/// Bytes in one permit: a semaphore counts no further than 32 bits.
const PERMIT: u64 = 1 << 10;
/// How long a session waits. Longer, and servers end it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is left for large messages.
#[derive(Debug)]
pub(super) struct Budget {
    permits: Semaphore,
    all: u32,
}

impl Budget {
    /// A budget of so many bytes.
    pub(super) fn new(bytes: u64) -> Budget {
        let all = permits(bytes).max(1);
        Budget { permits: Semaphore::new(usize::try_from(all).unwrap_or(usize::MAX)), all }
    }

    /// Waits until a message of `bytes` may be held, until what is returned is dropped; `None` if that takes too long. A
    /// message larger than the whole budget may be held alone.
    pub(super) async fn take(&self, bytes: u64, clock: &Clock) -> Option<SemaphorePermit<'_>> {
        tokio::select! {
            permit = self.permits.acquire_many(permits(bytes).min(self.all)) => permit.ok(),
            () = clock.wait(PATIENCE) => None,
        }
    }
}

fn permits(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(PERMIT)).unwrap_or(u32::MAX >> 3).min(u32::MAX >> 3)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;

    #[tokio::test]
    async fn a_large_message_waits_for_those_before_it_but_not_for_ever() {
        let clock = Clock::by_hand(Timestamp::UNIX_EPOCH);
        let budget = Arc::new(Budget::new(4 << 20));
        let first = budget.take(3 << 20, &clock).await;
        assert!(first.is_some());
        let second = tokio::spawn({
            let (budget, clock) = (Arc::clone(&budget), clock.clone());
            async move { budget.take(2 << 20, &clock).await.is_some() }
        });
        tokio::task::yield_now().await;
        clock.advance(PATIENCE);
        assert!(!second.await.unwrap());
        drop(first);
        assert!(budget.take(2 << 20, &clock).await.is_some());
    }

    #[tokio::test]
    async fn a_message_larger_than_the_budget_comes_alone() {
        let clock = Clock::by_hand(Timestamp::UNIX_EPOCH);
        let budget = Budget::new(1 << 20);
        assert!(budget.take(u64::MAX, &clock).await.is_some());
        assert!(Budget::new(0).take(5, &clock).await.is_some());
    }
}
