//! Tells of what changed with mailboxes and endpoints, each change once.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Notice;
use crate::spool::SpoolError;

/// When to look for changes that nobody announced.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Tells of changes until `stop`. A spool that cannot be written now keeps them for the next look.
pub(super) async fn watch(notice: &Notice, stop: CancellationToken) -> Result<(), SpoolError> {
    let mut work = notice.spool.work();
    while !stop.is_cancelled() {
        // Read before the look: what is announced in between wakes us at once.
        work.borrow_and_update();
        match tell(notice).await {
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "cannot tell of changes now");
                stop.run_until_cancelled(notice.clock.wait(LOOK_AGAIN)).await;
                continue;
            }
            Ok(()) => {}
        }
        tokio::select! {
            () = stop.cancelled() => {}
            _ = work.changed() => {}
            () = notice.clock.wait(LOOK_AGAIN) => {}
        }
    }
    Ok(())
}

/// Tells of what changed by now. What no endpoint asks for counts as told.
pub(super) async fn tell(notice: &Notice) -> Result<(), SpoolError> {
    let untold = notice.spool.untold().await?;
    if untold.is_empty() {
        return Ok(());
    }
    let asked = |change| notice.config.asked.get(&change).cloned().unwrap_or_default();
    let told: Vec<_> = untold
        .into_iter()
        .map(|one| {
            let to = asked(one.change);
            (one, to)
        })
        .collect();
    notice.spool.tell(told.clone()).await?;
    for (one, _) in told.iter().filter(|(_, to)| !to.is_empty()) {
        notice.metrics.events.with_label_values(&[one.change.as_str()]).inc();
    }
    Ok(())
}
