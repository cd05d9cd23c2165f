//! The tasks that attempts run in: the slot that each holds, and how each ends.

use tokio::task::JoinError;

use super::slots::Slot;
use crate::spool::SpoolError;

/// The slot is free as soon as the attempt has ended, whenever its end is heard.
pub(super) async fn in_slot<T>(slot: Slot, attempt: impl Future<Output = T>) -> T {
    let ended = attempt.await;
    drop(slot);
    ended
}

/// A task of ours that panicked is a fault of ours; the process ends and starts anew with everything in the spool.
pub(super) fn joined<T>(ended: Result<T, JoinError>) -> Result<T, SpoolError> {
    ended.map_err(|error| {
        tracing::error!(%error, "an attempt crashed");
        SpoolError::Closed
    })
}
