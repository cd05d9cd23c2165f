//! What is told of mailboxes, endpoints and dead letters.
//!
//! `changes` looks up what nobody was told of yet, and commits an event for the endpoints that ask; the delivering half
//! posts it. `mailer` sends reports of dead letters to humans: they wait in the spool for an endpoint of our own,
//! `report` writes the mail, `smtp` hands it over. Every change makes one event, over crashes and restarts, and **a
//! notice never causes another notice.**

mod changes;
mod config;
mod mailer;
mod report;
mod smtp;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::metrics::NoticeMetrics;
use crate::spool::Spool;
use crate::spool::SpoolError;

pub use config::Config;
pub use config::Smtp;
pub use config::Tls;
pub use mailer::Mailed;
pub use mailer::OUTCOMES;

/// The room, ready to run.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Whom it tells.
    pub config: Config,
    /// Where changes are found, and reports wait.
    pub spool: Arc<dyn Spool>,
    /// What time it is.
    pub clock: Clock,
    /// What is counted.
    pub metrics: NoticeMetrics,
}

impl Notice {
    /// Tells of changes until `stop`.
    ///
    /// # Errors
    /// Only a fault of the spool after which the process must end.
    pub async fn watch(&self, stop: CancellationToken) -> Result<(), SpoolError> {
        changes::watch(self, stop).await
    }

    /// Mails reports until `stop`; one that is on its way ends first.
    ///
    /// # Errors
    /// Only a fault of the spool after which the process must end.
    pub async fn mail(&self, stop: CancellationToken) -> Result<(), SpoolError> {
        mailer::run(self, stop).await
    }

    /// Tells of what changed by now.
    ///
    /// # Errors
    /// A fault of the spool.
    pub async fn tell(&self) -> Result<(), SpoolError> {
        changes::tell(self).await
    }

    /// One attempt for each report by mail that is due; tells how they ended.
    ///
    /// # Errors
    /// A fault of the spool.
    pub async fn mail_once(&self, stop: CancellationToken) -> Result<Mailed, SpoolError> {
        mailer::once(self, stop).await
    }
}
