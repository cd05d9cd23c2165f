//! What is written down of a burst of attempts: how they ended, and what that says of their endpoint.

use std::sync::Arc;
use std::time::Duration;

use super::means::Means;
use crate::crash;
use crate::spool::Record;
use crate::spool::Reply;
use crate::spool::SpoolError;

/// How long to wait after a fault of the spool.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What is to be written down, or on its way.
pub(super) struct Writing {
    /// How the attempts ended.
    pub(super) records: Vec<Record>,
    /// The pause that the endpoint asked for.
    pub(super) pause: Option<Reply<()>>,
    /// What its answers have made of it.
    pub(super) health: Option<Reply<bool>>,
}

/// Whether the spool knows of the endpoint what its queue knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Yes,
    No,
}

impl Writing {
    /// Writes the attempts' ends down, however long that takes: until then their claims stand, and they are not made
    /// again. What they say of the endpoint is tried once: the queue goes by it, and tries again with the next answer.
    pub(super) async fn write(self, means: Arc<Means>) -> Result<Kept, SpoolError> {
        let Writing { records, pause, health } = self;
        loop {
            crash::point!("before record");
            let written = means.spool.record(records.clone()).await;
            crash::point!("after record");
            match written {
                Err(error) if !error.is_fatal() => {
                    tracing::warn!(endpoint = %means.endpoint.name, %error, "cannot write an attempt down now; trying again");
                    means.clock.wait(LOOK_AGAIN).await;
                }
                done => break done?,
            }
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
