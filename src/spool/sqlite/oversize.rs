//! Messages that are too large: their ledger rows, and the events that tell of them.
//!
//! Row and event are written in one transaction, so that neither exists without the other.

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::params;

use super::columns::integer;
use super::raw;
use crate::ident::MailboxName;
use crate::spool::Event;
use crate::spool::Kind;
use crate::spool::Oversize;
use crate::spool::SpoolError;

/// Notes a message that is too large, and what is told of it.
pub(super) fn note(
    connection: &Connection,
    mailbox: &MailboxName,
    message: &Oversize,
    now: Timestamp,
) -> Result<(), SpoolError> {
    let (name, id) = (mailbox.as_str(), message.unique_id.as_bytes());
    let (size, limit) = (integer(message.size), integer(message.limit));
    let event = message.event.as_ref().map(|event| accept(connection, mailbox, message, event, now)).transpose()?;
    connection
        .prepare_cached("DELETE FROM ledger WHERE mailbox = ?1 AND unique_id = ?2 AND state <> 'taken'")?
        .execute(params![name, id])?;
    // The row names its event, so that this is remembered as long as the row.
    connection
        .prepare_cached(
            "INSERT INTO ledger (mailbox, unique_id, state, listed_size, size_limit, message)
             VALUES (?1, ?2, 'oversize', ?3, ?4, ?5)",
        )?
        .execute(params![name, id, size, limit, event])?;
    Ok(())
}

/// Takes an event over, or finds that the spool has had it.
fn accept(
    connection: &Connection,
    mailbox: &MailboxName,
    message: &Oversize,
    event: &Event,
    now: Timestamp,
) -> Result<i64, SpoolError> {
    let had: Option<i64> = connection
        .prepare_cached("SELECT seq FROM message WHERE id = ?1")?
        .query_row([event.id.as_str()], |row| row.get(0))
        .optional()?;
    if let Some(seq) = had {
        return Ok(seq);
    }
    let (size, limit) = (message.size, message.limit);
    connection
        .prepare_cached(
            "INSERT INTO message (id, mailbox, unique_id, sha256, size, spooled_at, kind, listed_size, size_limit)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            event.id.as_str(),
            mailbox.as_str(),
            message.unique_id.as_bytes(),
            event.sha256,
            integer(event.header.len()),
            now.as_millisecond(),
            Kind::Oversize { size, limit }.as_str(),
            integer(size),
            integer(limit)
        ])?;
    let seq = connection.last_insert_rowid();
    raw::write(connection, seq, &event.header)?;
    Ok(seq)
}
