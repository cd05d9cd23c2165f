//! What is kept of mails beside their bytes, to be shown and searched.

use rusqlite::Connection;
use rusqlite::params;

use crate::spool::Glance;
use crate::spool::MessageKey;
use crate::spool::SpoolError;

/// Where the look for mails ended that were sorted before anything was kept of them; 0 when none is left.
const UNREAD: &str = "SELECT value FROM meta WHERE key = 'unread_to'";

/// Keeps what a list shows of `message`, unless its bytes are gone.
pub(super) fn keep(connection: &Connection, message: MessageKey, glance: &Glance) -> Result<(), SpoolError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO glance (seq, subject, sender, recipients, kind, attachments, words)
             SELECT seq, ?2, ?3, ?4, ?5, ?6, ?7 FROM message WHERE seq = ?1 AND released_at IS NULL",
        )?
        .execute(params![
            message.0,
            glance.subject,
            glance.sender,
            glance.recipients,
            glance.kind,
            glance.attachments,
            glance.words
        ])?;
    Ok(())
}

/// Forgets what was kept of a message whose bytes go.
pub(super) fn forget(connection: &Connection, seq: i64) -> Result<(), SpoolError> {
    connection.prepare_cached("DELETE FROM glance WHERE seq = ?1")?.execute([seq])?;
    Ok(())
}

/// Up to where there may be mails that were sorted before anything was kept of them.
pub(super) fn unread_to(connection: &Connection) -> Result<i64, SpoolError> {
    let mut query = connection.prepare_cached(UNREAD)?;
    let mut rows = query.query([])?;
    Ok(rows.next()?.map_or(Ok(0), |row| row.get(0))?)
}

/// Nothing from `seq` on is unread any more.
pub(super) fn read_from(connection: &Connection, seq: i64) -> Result<(), SpoolError> {
    connection
        .prepare_cached("UPDATE meta SET value = min(value, ?1) WHERE key = 'unread_to'")?
        .execute([seq.saturating_sub(1)])?;
    Ok(())
}
