//! The fetches that are under way, so that the end of the process can wait for them.
//!
//! An authorization server that rotates refresh tokens has thrown the old one away when it answers: an answer that is
//! lost costs the login.

use std::time::Duration;

use tokio::sync::watch;

use super::http;

/// Counts fetches; cheap to clone, and all clones count together.
#[derive(Debug, Clone, Default)]
pub struct Fetches(watch::Sender<usize>);

/// One fetch, until it is dropped.
#[derive(Debug)]
pub(super) struct Fetch(watch::Sender<usize>);

impl Fetches {
    /// How long a fetch takes at most, but for the disk.
    pub const LONGEST: Duration = http::WHOLE;

    pub(super) fn begin(&self) -> Fetch {
        self.0.send_modify(|count| *count = count.saturating_add(1));
        Fetch(self.0.clone())
    }

    /// Returns once none is under way.
    pub async fn ended(&self) {
        // Fails only when the sender is gone, and we hold it.
        drop(self.0.subscribe().wait_for(|count| *count == 0).await);
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_waits_for_every_fetch() {
        let fetches = Fetches::default();
        fetches.ended().await;
        let (first, second) = (fetches.begin(), fetches.clone().begin());
        let waiting = tokio::spawn(async move { fetches.ended().await });
        for fetch in [first, second] {
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            drop(fetch);
        }
        waiting.await.unwrap();
    }
}
