//! Events that are routed from the beginning: about dead letters, mailboxes and endpoints.
//!
//! Each is written in the transaction that makes true what it tells of.

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::params;
use sha2::Digest as _;
use sha2::Sha256;

use super::columns::integer;
use super::queue::enqueue;
use super::raw;
use crate::ident::EndpointName;
use crate::ident::MessageId;
use crate::spool::DeadLetter;
use crate::spool::Kind;
use crate::spool::MessageKey;
use crate::spool::Reason;
use crate::spool::Record;
use crate::spool::SpoolError;
use crate::spool::State;

/// What is true of a message whose copy nobody waits for: no notice about it is still to be delivered.
pub(super) const NO_NOTICE_WAITS: &str = "NOT EXISTS (
    SELECT 1 FROM message AS notice JOIN delivery ON delivery.message = notice.seq
    WHERE notice.about = message.seq AND delivery.state = 'pending')";

/// An event on its way to the disk.
pub(super) struct Event<'a> {
    pub(super) id: MessageId,
    /// Empty of an event about an endpoint.
    pub(super) mailbox: &'a str,
    pub(super) unique_id: Option<&'a [u8]>,
    pub(super) kind: Kind,
    /// The message that it tells of, and carries with it.
    pub(super) about: Option<i64>,
    pub(super) bytes: &'a [u8],
}

/// Takes an event over, for these endpoints. Where there are none, or where the spool has had it, nothing is done.
pub(super) fn insert(
    connection: &Connection,
    event: &Event<'_>,
    to: &[EndpointName],
    now: Timestamp,
) -> Result<(), SpoolError> {
    if to.is_empty() {
        return Ok(());
    }
    let made = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO message (id, mailbox, unique_id, sha256, size, spooled_at, state, kind, about)
             VALUES (?1, ?2, ?3, ?4, ?5 + coalesce((SELECT size FROM message WHERE seq = ?9), 0), ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            event.id.as_str(),
            event.mailbox,
            event.unique_id,
            <[u8; 32]>::from(Sha256::digest(event.bytes)),
            integer(event.bytes.len()),
            now.as_millisecond(),
            State::Routed.as_str(),
            event.kind.as_str(),
            event.about,
        ])?;
    if made == 0 {
        return Ok(());
    }
    let seq = connection.last_insert_rowid();
    raw::write(connection, seq, event.bytes)?;
    to.iter().try_for_each(|endpoint| enqueue(connection, MessageKey(seq), endpoint, now))
}

/// The notice that the delivery of `record`, of message `seq` to `endpoint`, is dead for `reason` now. **Only a mail
/// makes one: a notice never causes another.**
pub(super) fn dead_letter(
    connection: &Connection,
    record: &Record,
    (seq, endpoint, reason): (i64, &str, Reason),
    now: Timestamp,
) -> Result<(), SpoolError> {
    if record.tell.is_empty() {
        return Ok(());
    }
    let mail: Option<(String, String, Option<Vec<u8>>, bool)> = connection
        .prepare_cached(
            "SELECT message.id, message.mailbox, message.unique_id, delivery.form = 'unparsed'
             FROM message JOIN delivery ON delivery.message = message.seq
             WHERE message.seq = ?1 AND message.kind = ?2 AND delivery.endpoint = ?3",
        )?
        .query_row(params![seq, Kind::Mail.as_str(), endpoint], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((id, mailbox, unique_id, unparsed)) = mail else { return Ok(()) };
    let facts = DeadLetter {
        mail: id.clone(),
        endpoint: endpoint.to_owned(),
        reason: reason.as_str().to_owned(),
        attempts: record.attempt,
        last_status: record.status,
        last_error: record.error.map(str::to_owned),
        settled_at: format!("{now:.3}"),
        unparsed,
    };
    let generation = record.generation.to_string();
    let event = Event {
        id: MessageId::of_event(Kind::DeadLetter.as_str(), &format!("{id} {endpoint}"), &generation),
        mailbox: &mailbox,
        unique_id: unique_id.as_deref(),
        kind: Kind::DeadLetter,
        about: Some(seq),
        bytes: &json(&facts)?,
    };
    insert(connection, &event, &record.tell, now)
}

/// Facts as they are kept.
pub(super) fn json(facts: &impl serde::Serialize) -> Result<Vec<u8>, SpoolError> {
    // Nobody foresees that it fails: texts and numbers, written to memory.
    serde_json::to_vec(facts).map_err(|error| SpoolError::Impossible(format!("an event cannot be written: {error}")))
}

/// Forgets an event whose copy went; nothing else remembers it. Tells whether it was one.
pub(super) fn forget(connection: &Connection, seq: i64) -> Result<bool, SpoolError> {
    let is_event = connection
        .prepare_cached("SELECT 1 FROM message WHERE seq = ?1 AND id LIKE 'evt\\_%' ESCAPE '\\'")?
        .exists([seq])?;
    if !is_event {
        return Ok(false);
    }
    for sql in [
        "DELETE FROM attempt WHERE delivery IN (SELECT key FROM delivery WHERE message = ?1)",
        "DELETE FROM delivery WHERE message = ?1",
        "DELETE FROM message WHERE seq = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([seq])?;
    }
    Ok(true)
}
