//! The collecting half's verbs: ledger, accept, mark.

use std::sync::Mutex;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::Row;
use rusqlite::params;

use super::columns::illegal;
use super::columns::integer;
use super::columns::time;
use super::columns::time_or_none;
use super::condition;
use super::guard;
use super::oversize;
use super::queue::Claimed;
use super::raw;
use crate::ident::Content;
use crate::ident::MailboxName;
use crate::ident::UniqueId;
use crate::spool::Accepted;
use crate::spool::Entry;
use crate::spool::Flood;
use crate::spool::Incoming;
use crate::spool::Known;
use crate::spool::Ledger;
use crate::spool::LedgerKey;
use crate::spool::LedgerRow;
use crate::spool::Observation;
use crate::spool::OurCopy;
use crate::spool::SpoolError;

/// The name of a flood state in the database.
pub(super) fn flood_name(flood: Flood) -> &'static str {
    match flood {
        Flood::None => "none",
        Flood::Unresolved => "unresolved",
        Flood::AsSeen => "as_seen",
        Flood::AsNew => "as_new",
    }
}

fn flood(row: &Row<'_>, column: usize) -> Result<Flood, rusqlite::Error> {
    let name: String = row.get(column)?;
    [Flood::None, Flood::Unresolved, Flood::AsSeen, Flood::AsNew]
        .into_iter()
        .find(|flood| flood_name(*flood) == name)
        .ok_or_else(|| illegal(column))
}

/// Reads a mailbox's ledger.
pub(super) fn ledger(connection: &Connection, mailbox: &MailboxName) -> Result<Ledger, SpoolError> {
    let facts = connection
        .prepare_cached("SELECT listed_at, reread_at, flood FROM mailbox WHERE name = ?1")?
        .query_row([mailbox.as_str()], |row| Ok((time_or_none(row, 0)?, time_or_none(row, 1)?, flood(row, 2)?)))
        .optional()?;
    let (listed_at, reread_at, flood) = facts.unwrap_or_default();
    let mut rows = connection.prepare_cached(
        "SELECT ledger.key, ledger.unique_id, ledger.state, ledger.content, ledger.listed_size, ledger.size_limit,
                ledger.absent_since, ledger.marked_at, ledger.expunged_at, ledger.expunges,
                message.spooled_at, message.state, message.settled_at, message.counts_as_delivered
         FROM ledger LEFT JOIN message ON message.seq = ledger.message
         WHERE ledger.mailbox = ?1 ORDER BY ledger.key",
    )?;
    let rows = rows.query_map([mailbox.as_str()], ledger_row)?.collect::<Result<Vec<_>, _>>()?;
    Ok(Ledger { listed_at, reread_at, flood, rows })
}

fn ledger_row(row: &Row<'_>) -> Result<LedgerRow, rusqlite::Error> {
    let unique_id: Vec<u8> = row.get(1)?;
    let state: String = row.get(2)?;
    let entry = match state.as_str() {
        "skipped" => Entry::Skipped,
        "oversize" => Entry::Oversize { limit: row.get(5)? },
        _ => Entry::Taken { content: Content::from_bytes(row.get(3)?), copy: our_copy(row)? },
    };
    Ok(LedgerRow {
        key: LedgerKey(row.get(0)?),
        unique_id: UniqueId::parse(&unique_id),
        entry,
        listed_size: row.get(4)?,
        absent_since: time_or_none(row, 6)?,
        marked: row.get::<_, Option<i64>>(7)?.is_some(),
        expunged: row.get::<_, Option<i64>>(8)?.is_some(),
        expunges: row.get(9)?,
    })
}

fn our_copy(row: &Row<'_>) -> Result<OurCopy, rusqlite::Error> {
    let state: String = row.get(11)?;
    let counts = match state.as_str() {
        "delivered" => true,
        // By a rule that says so. An operator's drop never counts.
        "dropped" => row.get(13)?,
        _ => false,
    };
    let delivered_at = if counts { time_or_none(row, 12)? } else { None };
    Ok(OurCopy { spooled_at: time(row, 10)?, delivered_at })
}

/// Commits what a complete listing showed.
pub(super) fn observe(
    connection: &Connection,
    mailbox: &MailboxName,
    observation: &Observation,
    at: Timestamp,
) -> Result<(), SpoolError> {
    let now = at.as_millisecond();
    let reread = observation.reread.then_some(now);
    connection
        .prepare_cached(
            "UPDATE mailbox SET listed_at = ?2, reread_at = coalesce(?3, reread_at),
                    flood = CASE WHEN flood = ?5 THEN ?4 ELSE flood END
             WHERE name = ?1",
        )?
        .execute(params![
            mailbox.as_str(),
            now,
            reread,
            flood_name(observation.flood),
            flood_name(observation.flood_was)
        ])?;
    for key in &observation.returned {
        connection.prepare_cached("UPDATE ledger SET absent_since = NULL WHERE key = ?1")?.execute([key.0])?;
    }
    for key in &observation.gone {
        connection
            .prepare_cached(
                "UPDATE ledger SET absent_since = ?2, expunges = 0 WHERE key = ?1 AND absent_since IS NULL",
            )?
            .execute([key.0, now])?;
    }
    for (unique_id, size) in &observation.skipped {
        connection
            .prepare_cached(
                "INSERT INTO ledger (mailbox, unique_id, state, listed_size) VALUES (?1, ?2, 'skipped', ?3)",
            )?
            .execute(params![mailbox.as_str(), unique_id.as_bytes(), size])?;
    }
    condition::flood(connection, mailbox, observation.flooded, at)?;
    observation.oversize.iter().try_for_each(|message| oversize::note(connection, mailbox, message, at))
}

/// Takes one message over, or finds that the spool has an equal one.
pub(super) fn accept(
    connection: &Connection,
    mailbox: &MailboxName,
    message: &Incoming,
    claimed: &Mutex<Claimed>,
    now: Timestamp,
) -> Result<Accepted, SpoolError> {
    let unique_id = message.unique_id.as_ref().map_or(&[][..], UniqueId::as_bytes);
    // The row that stands for this very listing entry becomes the newest: what an id means is what it meant last.
    let row: Option<(u32, i64)> = connection
        .prepare_cached(
            "DELETE FROM ledger WHERE mailbox = ?1 AND unique_id = ?2 AND content = ?3 RETURNING expunges, message",
        )?
        .query_row(params![mailbox.as_str(), unique_id, message.content.as_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let held: Option<i64> = connection
        .prepare_cached("SELECT seq FROM message WHERE id = ?1")?
        .query_row([message.id.as_str()], |row| row.get(0))
        .optional()?;
    connection
        .prepare_cached(
            "DELETE FROM ledger WHERE mailbox = ?1 AND unique_id = ?2 AND length(?2) > 0 AND state <> 'taken'",
        )?
        .execute(params![mailbox.as_str(), unique_id])?;
    let (seq, known) = match (held, row) {
        // The same mail under the same unique-id is the same message, even where its id would be another one today.
        (_, Some((_, seq))) => (seq, Known::SameUniqueId),
        (Some(seq), None) => (seq, Known::OtherUniqueId),
        (None, None) => {
            let seq = insert(connection, mailbox, message, now)?;
            guard(claimed).fresh.put(&message.id, &message.raw);
            (seq, Known::New)
        }
    };
    connection
        .prepare_cached(
            "INSERT INTO ledger (mailbox, unique_id, state, content, listed_size, message, expunges)
             VALUES (?1, ?2, 'taken', ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            mailbox.as_str(),
            unique_id,
            message.content.as_bytes(),
            message.listed_size,
            seq,
            row.map_or(0, |(expunges, _)| expunges)
        ])?;
    Ok(Accepted { key: LedgerKey(connection.last_insert_rowid()), known })
}

fn insert(
    connection: &Connection,
    mailbox: &MailboxName,
    message: &Incoming,
    now: Timestamp,
) -> Result<i64, SpoolError> {
    connection
        .prepare_cached(
            "INSERT INTO message (id, mailbox, unique_id, sha256, size, spooled_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            message.id.as_str(),
            mailbox.as_str(),
            message.unique_id.as_ref().map(UniqueId::as_bytes),
            message.sha256,
            integer(message.raw.len()),
            now.as_millisecond()
        ])?;
    let seq = connection.last_insert_rowid();
    raw::write(connection, seq, &message.raw)?;
    Ok(seq)
}

/// Commits the intent to delete rows on the server.
pub(super) fn mark(connection: &Connection, rows: &[LedgerKey], now: Timestamp) -> Result<(), SpoolError> {
    for key in rows {
        connection
            .prepare_cached("UPDATE ledger SET marked_at = ?2, expunged_at = NULL WHERE key = ?1")?
            .execute([key.0, now.as_millisecond()])?;
    }
    Ok(())
}

/// Takes the intent to delete rows back.
pub(super) fn unmark(connection: &Connection, rows: &[LedgerKey]) -> Result<(), SpoolError> {
    for key in rows {
        connection.prepare_cached("UPDATE ledger SET marked_at = NULL WHERE key = ?1")?.execute([key.0])?;
    }
    Ok(())
}

/// Notes that QUIT was answered after the DELE of rows.
pub(super) fn expunged(connection: &Connection, rows: &[LedgerKey], now: Timestamp) -> Result<(), SpoolError> {
    for key in rows {
        connection
            .prepare_cached("UPDATE ledger SET expunged_at = ?2, expunges = expunges + 1 WHERE key = ?1")?
            .execute([key.0, now.as_millisecond()])?;
    }
    Ok(())
}
