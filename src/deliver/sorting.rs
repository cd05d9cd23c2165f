//! From spooled to routed: parses each new message and commits where it goes.
//!
//! The spool counts a parse before it begins and clears the count when the sorting is committed. So a mail on which the
//! process dies is parsed alone at the next start, and quarantined after the third time; a drain puts back what it did
//! not come to, and leaves no count.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Mode;
use super::recent::Recent;
use crate::clock::Clock;
use crate::ident::EndpointName;
use crate::metrics::DeliverMetrics;
use crate::parse;
use crate::parse::Mail;
use crate::route;
use crate::route::Routes;
use crate::spool::Sorted;
use crate::spool::Spool;
use crate::spool::SpoolError;
use crate::spool::Spooled;
use crate::spool::Unsorted;
use crate::spool::Verdict;

/// Messages whose routes are committed together.
const BATCH: usize = 32;
/// A parse that takes longer has overrun.
const PARSE_MAX: Duration = Duration::from_secs(60);
/// How long to wait after a fault of the spool, and when to look for work that nobody announced.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What the sorting needs.
#[derive(Debug)]
pub(super) struct Sorter {
    pub(super) routes: Routes,
    pub(super) spool: Arc<dyn Spool>,
    pub(super) recent: Arc<Recent>,
    pub(super) clock: Clock,
    pub(super) metrics: DeliverMetrics,
}

impl Sorter {
    /// Sorts until `stop`; in [`Mode::Once`] until nothing is left once `collected` says that no more will come.
    pub(super) async fn run(
        &self,
        mode: Mode,
        collected: CancellationToken,
        stop: CancellationToken,
    ) -> Result<(), SpoolError> {
        let mut work = self.spool.work();
        while !stop.is_cancelled() {
            // Read before the claim: what is announced in between wakes us at once.
            work.borrow_and_update();
            let complete = collected.is_cancelled();
            match self.spool.claim_unsorted(BATCH).await {
                Ok(batch) if !batch.is_empty() => {
                    self.sort(batch, &stop).await?;
                    continue;
                }
                Ok(_) if complete && matches!(mode, Mode::Once) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => tracing::warn!(%error, "cannot sort new messages now"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = collected.cancelled(), if !complete => {}
                _ = work.changed() => {}
                () = self.clock.wait(LOOK_AGAIN) => {}
            }
        }
        Ok(())
    }

    async fn sort(&self, batch: Vec<Unsorted>, stop: &CancellationToken) -> Result<(), SpoolError> {
        let mut sorted = Vec::with_capacity(batch.len());
        for Unsorted { message, raw } in batch {
            let verdict = match stop.is_cancelled() {
                true => Some(Verdict::PutBack),
                false => self.parse_and_route(&message, raw).await,
            };
            match verdict {
                Some(verdict) => sorted.push(Sorted { message: message.key, verdict }),
                None => {
                    tracing::error!(id = %message.id, "parsing did not end; the message is tried again alone, later");
                    self.spool.abandon(vec![message.key]).await?;
                }
            }
        }
        match self.spool.sort(sorted).await {
            Err(error) if !error.is_fatal() => {
                tracing::warn!(%error, "cannot write down where messages go; they are sorted again");
                self.clock.wait(LOOK_AGAIN).await;
                Ok(())
            }
            done => done,
        }
    }

    /// `None` if the parse crashed or overran: its count stays.
    async fn parse_and_route(&self, message: &Spooled, raw: Vec<u8>) -> Option<Verdict> {
        let parsing = tokio::task::spawn_blocking(move || parse::parse(&raw, &parse::Options::default()));
        let mail = Arc::new(timeout(PARSE_MAX, parsing).await.ok()?.ok()?);
        let endpoints = self.route(message, &mail);
        if endpoints.is_empty() {
            tracing::warn!(id = %message.id, mailbox = %message.mailbox, "unrouted: no rule matched and the mailbox has no deliver_to");
        } else {
            self.recent.put(message.key, mail, message.size);
        }
        Some(Verdict::Routed(endpoints))
    }

    fn route(&self, message: &Spooled, mail: &Mail) -> Vec<EndpointName> {
        for defect in &mail.defects {
            self.metrics.defects.with_label_values(&[defect.kind.as_str()]).inc();
        }
        route::route(&self.routes, &message.mailbox, mail, message.size)
    }
}
