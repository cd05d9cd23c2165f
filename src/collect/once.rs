//! A single round: every mailbox once, and a second, short session where something may be deleted by now.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Collector;
use super::Config;
use super::Purpose;
use super::VisitError;
use super::Visits;
use super::board::Board;
use super::habits::host;
use super::plan::has_something_to_delete;
use super::run::joined;
use super::tell;
use crate::ident::MailboxName;
use crate::spool::SpoolError;

impl Collector {
    /// Visits every mailbox once, under the caps; tells how each visit ended, in the order of the file.
    ///
    /// # Errors
    /// Only a fault of the spool after which the process must end.
    pub async fn once(&self, purpose: Purpose) -> Result<Visits, SpoolError> {
        let names = self.now().mailboxes.iter().map(|mailbox| mailbox.name.clone()).collect();
        self.visit_these(names, purpose).await
    }

    /// A second, short session wherever `visits` went well and something may be deleted by now. A server that wants a
    /// delay between logins is left to the next run.
    ///
    /// # Errors
    /// Only a fault of the spool after which the process must end.
    pub async fn delete_what_may_go(&self, visits: &Visits) -> Result<Visits, SpoolError> {
        let mut mailboxes = Vec::new();
        for mailbox in &self.now().mailboxes {
            let ready = visits
                .iter()
                .any(|(name, visit)| *name == mailbox.name && visit.as_ref().is_ok_and(|report| !report.wants_delay()));
            if ready && has_something_to_delete(&self.spool.ledger(&mailbox.name).await?, mailbox, self.clock.now()) {
                mailboxes.push(mailbox.name.clone());
            }
        }
        self.visit_these(mailboxes, Purpose::Delete).await
    }

    fn now(&self) -> Arc<Config> {
        Arc::clone(&self.config.borrow())
    }

    async fn visit_these(&self, names: Vec<MailboxName>, purpose: Purpose) -> Result<Visits, SpoolError> {
        let mut board = Board::new(&self.now());
        let paused = self.spool.wishes().borrow().paused.clone();
        let (left, due): (Vec<_>, Vec<_>) = names.iter().cloned().partition(|name| paused.contains(name));
        board.due.extend(due.into_iter().map(|name| (Duration::ZERO, name)));
        let mut results: Visits = left.into_iter().map(|name| (name, Err(VisitError::Paused))).collect();
        loop {
            self.start(&mut board, purpose, &CancellationToken::new());
            let Some(ended) = board.visits.join_next().await else { break };
            let (mailbox, _, result) = joined(ended)?;
            board.slots.free(&host(&mailbox));
            tell::visit(&mailbox, &self.metrics, &self.clock, &result, None);
            if let Err(VisitError::Spool(error)) = &result
                && error.is_fatal()
            {
                return Err(error.clone());
            }
            results.push((mailbox.name, result));
        }
        results.sort_by_key(|(name, _)| names.iter().position(|wanted| wanted == name));
        Ok(results)
    }
}
