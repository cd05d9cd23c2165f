//! What is written down of a burst of attempts: how they ended, and what that says of their endpoint.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Mode;
use super::means::Means;
use crate::crash;
use crate::spool::Record;
use crate::spool::Reply;
use crate::spool::SpoolError;

/// Bursts of records that may wait for their commit; beyond that, no new attempt begins.
const RECORDS_MAX: usize = 64;
/// How long to wait after a fault of the spool.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long a single round waits for a spool that cannot be written: whoever waits for its end, a timer, say, has to be
/// told. A daemon waits as long as it takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What is to be written down, or on its way.
pub(super) struct Writing {
    /// How the attempts ended.
    pub(super) records: Vec<Record>,
    /// The pause that the endpoint asked for.
    pub(super) pause: Option<Reply<()>>,
    /// What its answers have made of it.
    pub(super) health: Option<Reply<bool>>,
}

/// How many of an endpoint's records wait for a spool that cannot be written.
#[derive(Debug, Clone, Default)]
pub(super) struct Full(Arc<AtomicUsize>);

impl Full {
    /// Whether no attempt may begin while so many bursts of records wait.
    pub(super) fn forbids(&self, waiting: usize) -> bool {
        waiting >= RECORDS_MAX || self.0.load(Ordering::Relaxed) > 0
    }
}

/// Whether the spool knows of the endpoint what its queue knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Yes,
    No,
}

impl Writing {
    /// Writes the attempts' ends down, however long that takes: until then their claims stand, and they are not made
    /// again. In [`Mode::Once`], no longer than [`PATIENCE`]: the next run makes them again under the same ids. Meanwhile
    /// `full` tells that nothing can be written, so that no attempt begins whose end would be lost.
    ///
    /// What they say of the endpoint is tried once: the queue goes by it, and tries again with the next answer.
    pub(super) async fn write(self, means: Arc<Means>, mode: Mode, full: Full) -> Result<Kept, SpoolError> {
        let Writing { records, pause, health } = self;
        let until = means.clock.uptime().saturating_add(PATIENCE);
        let mut waits = false;
        loop {
            crash::point!("before record");
            let written = means.spool.record(records.clone()).await;
            crash::point!("after record");
            match written {
                Err(error) if mode == Mode::Once && means.clock.uptime() >= until => return Err(error),
                Err(error) if !error.is_fatal() => {
                    if matches!(error, SpoolError::NoSpace(_)) && !waits {
                        waits = true;
                        full.0.fetch_add(1, Ordering::Relaxed);
                    }
                    tracing::warn!(endpoint = %means.endpoint.name, %error, "cannot write an attempt down now; trying again");
                    means.clock.wait(LOOK_AGAIN).await;
                }
                done => break done?,
            }
        }
        if waits {
            full.0.fetch_sub(1, Ordering::Relaxed);
        }
        let pause = match pause {
            Some(pause) => pause.await,
            None => Ok(()),
        };
        let health = match health {
            // Where somebody has resumed it meanwhile, the next claim tells.
            Some(health) => health.await.map(|_| ()),
            None => Ok(()),
        };
        match pause.and(health) {
            Err(error) if error.is_fatal() => Err(error),
            Err(_) => Ok(Kept::No),
            Ok(()) => Ok(Kept::Yes),
        }
    }
}
