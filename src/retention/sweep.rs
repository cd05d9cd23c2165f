//! Releases our copies in their time, and has the spool tidy up.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Config;
use crate::clock::Clock;
use crate::crash;
use crate::spool::Spool;
use crate::spool::SpoolError;

/// Time between two sweeps.
const EVERY: Duration = Duration::from_secs(60);

/// Sweeps until `stop`.
///
/// # Errors
/// Only a fault of the spool after which the process must end.
pub async fn sweep(
    config: watch::Receiver<Config>,
    spool: &dyn Spool,
    clock: &Clock,
    stop: CancellationToken,
) -> Result<(), SpoolError> {
    while !stop.is_cancelled() {
        let now = *config.borrow();
        match sweep_once(now, spool, clock.now()).await {
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => tracing::warn!(%error, "could not release old copies; trying again"),
            Ok(()) => {}
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = clock.wait(EVERY) => {}
        }
    }
    Ok(())
}

async fn sweep_once(config: Config, spool: &dyn Spool, now: Timestamp) -> Result<(), SpoolError> {
    let before = |keep| now.checked_sub(keep).unwrap_or(Timestamp::UNIX_EPOCH);
    loop {
        crash::point!("before release");
        let released = spool.release(before(config.keep_delivered), config.keep_dead.map(before)).await?;
        crash::point!("after release");
        if released == 0 {
            break;
        }
    }
    crash::point!("before prune");
    spool.prune().await?;
    crash::point!("after prune");
    Ok(())
}
