//! Our copies go, by retention or by command; and the file is kept tidy.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::params;

use super::event;
use super::event::NO_NOTICE_WAITS;
use super::glance;
use super::raw;
use crate::spool::SpoolError;

/// Copies released in one transaction, so that the writer is not kept from accepting.
const RELEASE_AT_ONCE: u32 = 500;
/// Free pages that may stay in the file; what is beyond them goes back to the disk, a step at a time.
const FREE_PAGES_KEPT: u64 = 4096;
/// What the file's rules settled: nobody waits for it. What an operator dropped stays until somebody erases it.
pub(super) const DROPPED_BY_RULE: &str = "state = 'dropped' AND dropped_by IS NOT NULL";
/// Pages given back in one step.
const FREE_PAGES_STEP: u32 = 1024;

/// Live bytes: what the file holds, without free pages.
pub(super) fn live_bytes(connection: &Connection) -> Result<u64, SpoolError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(pages * pragma("page_size")?)
}

/// Releases copies that were settled long enough ago; tells how many.
pub(super) fn release(
    connection: &Connection,
    delivered_before: Timestamp,
    dead_before: Option<Timestamp>,
    now: Timestamp,
) -> Result<u64, SpoolError> {
    let mut released = settled_before(connection, "state = 'delivered'", delivered_before, now)?;
    released += settled_before(connection, DROPPED_BY_RULE, delivered_before, now)?;
    if let Some(before) = dead_before {
        released += settled_before(connection, "state = 'dead'", before, now)?;
    }
    Ok(released)
}

fn settled_before(connection: &Connection, which: &str, before: Timestamp, now: Timestamp) -> Result<u64, SpoolError> {
    let mut old = connection.prepare_cached(&format!(
        "SELECT seq FROM message WHERE {which} AND settled_at <= ?1 AND released_at IS NULL AND {NO_NOTICE_WAITS}
         ORDER BY settled_at LIMIT ?2",
    ))?;
    let old = old
        .query_map(params![before.as_millisecond(), RELEASE_AT_ONCE], |row| row.get::<_, i64>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let mut released = 0;
    for seq in old {
        erase(connection, seq, now)?;
        released += 1;
    }
    Ok(released)
}

/// Erases our copy of one message; the ledger still knows it, if it is no event. Tells whether there was one.
///
/// # Errors
/// [`SpoolError::Damaged`] where its bytes cannot be erased.
pub(super) fn erase(connection: &Connection, seq: i64, now: Timestamp) -> Result<bool, SpoolError> {
    raw::erase(connection, seq)?;
    forget(connection, seq, now)
}

/// The same of a copy whose bytes are damaged: they stay in the file, and nobody asks for them.
pub(super) fn forget(connection: &Connection, seq: i64, now: Timestamp) -> Result<bool, SpoolError> {
    glance::forget(connection, seq)?;
    if event::forget(connection, seq)? {
        return Ok(true);
    }
    let erased = connection
        .prepare_cached("UPDATE message SET released_at = ?2 WHERE seq = ?1 AND released_at IS NULL")?
        .execute([seq, now.as_millisecond()])?;
    Ok(erased > 0)
}

/// Forgets ledger rows that were absent from every complete listing for `keep`, and messages that nothing names.
pub(super) fn prune(connection: &Connection, keep: Duration, now: Timestamp) -> Result<u64, SpoolError> {
    let before = now.checked_sub(keep).unwrap_or(Timestamp::UNIX_EPOCH).as_millisecond();
    let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    // Absence counts only as far as complete listings have confirmed it, and not while a flood is unresolved.
    let pruned = connection
        .prepare_cached(
            "DELETE FROM ledger WHERE absent_since <= ?1 AND EXISTS (
                 SELECT 1 FROM mailbox WHERE name = ledger.mailbox AND flood <> 'unresolved'
                    AND listed_at - ledger.absent_since >= ?2)",
        )?
        .execute(params![before, keep])?;
    if pruned > 0 {
        connection.execute_batch(
            "CREATE TEMP TABLE nameless AS SELECT seq FROM message WHERE released_at IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM ledger WHERE ledger.message = message.seq);
             DELETE FROM attempt WHERE delivery IN (SELECT key FROM delivery JOIN nameless ON message = seq);
             DELETE FROM delivery WHERE message IN (SELECT seq FROM nameless);
             DELETE FROM message WHERE seq IN (SELECT seq FROM nameless);
             DROP TABLE nameless;",
        )?;
    }
    give_back_free_pages(connection)?;
    Ok(u64::try_from(pruned).unwrap_or(u64::MAX))
}

fn give_back_free_pages(connection: &Connection) -> Result<(), SpoolError> {
    let free: u64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    if free > FREE_PAGES_KEPT {
        // It gives back one page for each row that is asked for.
        let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({FREE_PAGES_STEP})"))?;
        let mut pages = vacuum.query([])?;
        while pages.next()?.is_some() {}
    }
    Ok(())
}
