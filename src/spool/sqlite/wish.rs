//! What operators want of visits: one now, or none until further notice.

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::params;

use super::mailbox::require_mailbox;
use crate::spool::SpoolError;

/// Nothing is written: the wish ends with the process.
pub(super) fn visit(connection: &Connection, mailbox: &str) -> Result<u64, SpoolError> {
    require_mailbox(connection, mailbox)?;
    let paused = connection
        .prepare_cached("SELECT 1 FROM mailbox WHERE name = ?1 AND paused_at IS NOT NULL")?
        .exists([mailbox])?;
    if paused { Err(SpoolError::Impossible(format!("mailbox {mailbox:?} is paused; resume it first"))) } else { Ok(1) }
}

/// Tells whether it was not so already; the time of the first pause stays.
pub(super) fn pause(connection: &Connection, mailbox: &str, from: Option<Timestamp>) -> Result<u64, SpoolError> {
    require_mailbox(connection, mailbox)?;
    let changed = connection
        .prepare_cached("UPDATE mailbox SET paused_at = ?2 WHERE name = ?1 AND (paused_at IS NULL) <> (?2 IS NULL)")?
        .execute(params![mailbox, from.map(Timestamp::as_millisecond)])?;
    // A mailbox that stands still must not do so without a word in the log.
    if changed > 0 {
        let done = if from.is_some() { "paused by command: it is visited no more" } else { "resumed by command" };
        tracing::info!(mailbox, "{done}");
    }
    Ok(u64::try_from(changed).unwrap_or(u64::MAX))
}
