//! The end of a session: what may go is marked, QUIT has it deleted.

use std::collections::HashSet;
use std::time::Duration;

use super::Mailbox;
use super::VisitError;
use super::means::Means;
use super::plan::Delete;
use crate::crash;
use crate::pop3::Pop3Error;
use crate::pop3::Transaction;
use crate::spool::LedgerKey;

/// Messages that are marked in one go.
const DELE_AT_ONCE: usize = 500;
/// After so long a session marks no more, and ends with QUIT.
const DELE_TIME: Duration = Duration::from_secs(60);

/// Marks, has the server delete, and ends the session. Tells how many messages are gone as far as QUIT says.
pub(super) async fn expunge(
    mut session: Transaction,
    delete: Vec<Delete>,
    mailbox: &Mailbox,
    means: Means<'_>,
) -> Result<usize, VisitError> {
    if delete.is_empty() {
        return quit(session, mailbox).await.map(|_| 0);
    }
    let began = means.clock.uptime();
    let mut gone: Vec<LedgerKey> = Vec::new();
    for some in delete.chunks(DELE_AT_ONCE) {
        // The intent is on the disk before the first DELE is on the wire.
        crash::point!("before mark");
        means.spool.mark(&mailbox.name, some.iter().map(|one| one.key).collect()).await?;
        crash::point!("after mark");
        if means.revoked.is_cancelled() {
            break;
        }
        let numbers: Vec<u32> = some.iter().map(|one| one.number).collect();
        let marked = session.mark_deleted(&numbers).await?;
        crash::point!("after mark_deleted");
        let accepted: HashSet<u32> = marked.iter().filter(|one| one.accepted).map(|one| one.number).collect();
        gone.extend(some.iter().filter(|one| accepted.contains(&one.number)).map(|one| one.key));
        let refused: Vec<LedgerKey> =
            some.iter().filter(|one| !accepted.contains(&one.number)).map(|one| one.key).collect();
        if !refused.is_empty() {
            let messages = refused.len();
            tracing::warn!(mailbox = %mailbox.name, messages, "the server refused to delete; they stay for now");
            crash::point!("before unmark");
            means.spool.unmark(&mailbox.name, refused).await?;
            crash::point!("after unmark");
        }
        // Without QUIT nothing is deleted at all: better some now, and the rest at the next visit.
        if means.clock.uptime().saturating_sub(began) >= DELE_TIME || means.stop.is_cancelled() {
            break;
        }
    }
    if means.revoked.is_cancelled() {
        // Without QUIT the server keeps all of it. The rows stay marked: the next visit reads them again, by its own rule.
        tracing::info!(mailbox = %mailbox.name, "nothing is deleted: the configuration says otherwise by now");
        return Ok(0);
    }
    if !quit(session, mailbox).await? {
        // Some, none or all may be gone: the next complete listing says it.
        return Ok(0);
    }
    let count = gone.len();
    crash::point!("before expunged");
    means.spool.expunged(&mailbox.name, gone).await?;
    crash::point!("after expunged");
    let total = u64::try_from(count).unwrap_or(u64::MAX);
    means.metrics.expunged.with_label_values(&[mailbox.name.as_str()]).inc_by(total);
    Ok(count)
}

/// Ends the session; tells whether QUIT was answered `+OK`. Anything else is settled by the next listing.
async fn quit(session: Transaction, mailbox: &Mailbox) -> Result<bool, VisitError> {
    crash::point!("before quit");
    let answered = session.quit().await;
    crash::point!("after quit");
    match answered {
        Ok(_) => Ok(true),
        Err(error @ (Pop3Error::QuitRefused { .. } | Pop3Error::QuitUnanswered { .. })) => {
            tracing::warn!(mailbox = %mailbox.name, %error, "the next listing will tell what was deleted");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}
