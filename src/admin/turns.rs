//! Turns to read a mail: each is held in memory whole, by page or API, and many people may ask at once.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

use crate::spool::SpoolError;

/// Mails that are read into memory at once for all who ask; others wait for their turn.
const LETTERS: usize = 4;

/// The turns.
#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<Semaphore>);

/// One turn. It ends with the last of its clones: whoever asked may hang up while a thread still reads.
#[derive(Debug, Clone)]
pub(super) struct Turn(#[expect(dead_code, reason = "it is held")] Arc<OwnedSemaphorePermit>);

impl Default for Turns {
    fn default() -> Turns {
        Turns(Arc::new(Semaphore::new(LETTERS)))
    }
}

impl Turns {
    /// Waits for a turn.
    ///
    /// # Errors
    /// When the program ends.
    pub(super) async fn next(&self) -> Result<Turn, SpoolError> {
        let turn = Arc::clone(&self.0).acquire_owned().await;
        turn.map(|permit| Turn(Arc::new(permit))).map_err(|_| SpoolError::Closed)
    }
}

impl Turn {
    /// Does `work` on a thread that may take its time; the turn lasts as long.
    ///
    /// # Errors
    /// When `work` panics.
    pub(super) async fn spend<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        let turn = self.clone();
        let worked = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        worked.await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_turn_lasts_while_a_thread_works_for_it_though_nobody_waits_any_more() {
        let turns = Turns::default();
        let (go_on, waits) = mpsc::channel::<()>();
        let turn = turns.next().await.unwrap();
        let mut others = Vec::new();
        for _ in 1..LETTERS {
            others.push(turns.next().await.unwrap());
        }
        {
            let work = turn.spend(move || waits.recv());
            tokio::pin!(work);
            tokio::select! {
                biased;
                _ = &mut work => panic!("nobody told it to go on"),
                () = tokio::task::yield_now() => {}
            }
        }
        drop(turn);
        assert_eq!(turns.0.available_permits(), 0);
        go_on.send(()).unwrap();
        drop(turns.next().await.unwrap());
        drop(others);
        assert_eq!(turns.0.available_permits(), LETTERS);
    }
}
