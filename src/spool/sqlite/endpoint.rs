//! What is remembered of an endpoint: pause, hold, and its budget clock.
//!
//! The budget clock of an endpoint counts the time in which pophook ran and the endpoint was not held. A delivery's
//! time is measured on it, so that neither a night with the pod down nor a hold lets mail expire.

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::params;

use super::columns::time_or_none;
use crate::spool::Hold;
use crate::spool::SpoolError;

/// Whether an endpoint may be posted to, and its budget clock.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    pub(super) paused_until: Option<Timestamp>,
    pub(super) held: bool,
    pub(super) budget_ms: i64,
}

/// Reads where an endpoint stands at `ran_ms`, the milliseconds that pophook has run in all.
pub(super) fn standing(connection: &Connection, name: &str, ran_ms: i64) -> Result<Standing, SpoolError> {
    let read = |row: &rusqlite::Row<'_>| {
        let held_from: Option<i64> = row.get(2)?;
        let held_ms: i64 = row.get(3)?;
        let held: Option<String> = row.get(1)?;
        Ok(Standing {
            paused_until: time_or_none(row, 0)?,
            held: held.is_some(),
            budget_ms: held_from.unwrap_or(ran_ms) - held_ms,
        })
    };
    let found = connection
        .prepare_cached("SELECT paused_until, held, held_from, held_ms FROM endpoint WHERE name = ?1")?
        .query_row([name], read)
        .optional()?;
    Ok(found.unwrap_or(Standing { budget_ms: ran_ms, ..Standing::default() }))
}

/// Extends an endpoint's pause; never shortens it.
pub(super) fn pause(connection: &Connection, name: &str, until: Timestamp) -> Result<(), SpoolError> {
    connection
        .prepare_cached(
            "INSERT INTO endpoint (name, paused_until) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET paused_until = max(coalesce(paused_until, 0), ?2)",
        )?
        .execute(params![name, until.as_millisecond()])?;
    Ok(())
}

/// Holds an endpoint and stops its budget clock.
pub(super) fn hold(connection: &Connection, name: &str, why: Hold, ran_ms: i64) -> Result<(), SpoolError> {
    connection
        .prepare_cached(
            "INSERT INTO endpoint (name, held, held_from) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET held = ?2, held_from = coalesce(held_from, ?3)",
        )?
        .execute(params![name, why.as_str(), ran_ms])?;
    Ok(())
}

/// As [`hold`], where nothing else holds it already; tells whether it is held from now on.
pub(super) fn hold_if_free(connection: &Connection, name: &str, why: Hold, ran_ms: i64) -> Result<bool, SpoolError> {
    let changed = connection
        .prepare_cached(
            "INSERT INTO endpoint (name, held, held_from) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET held = ?2, held_from = ?3 WHERE held IS NULL",
        )?
        .execute(params![name, why.as_str(), ran_ms])?;
    Ok(changed > 0)
}

/// Ends a hold of this kind; a pause stays, and the budget clock goes on. Tells whether there was one.
pub(super) fn end_hold(connection: &Connection, name: &str, why: Hold, ran_ms: i64) -> Result<bool, SpoolError> {
    let changed = connection
        .prepare_cached(
            "UPDATE endpoint SET held = NULL, held_from = NULL, held_ms = held_ms + ?3 - coalesce(held_from, ?3)
             WHERE name = ?1 AND held = ?2",
        )?
        .execute(params![name, why.as_str(), ran_ms])?;
    Ok(changed > 0)
}

/// Ends an endpoint's hold and pause; its budget clock goes on. Tells whether there was an endpoint.
pub(super) fn resume(connection: &Connection, name: &str, ran_ms: i64) -> Result<bool, SpoolError> {
    let changed = connection
        .prepare_cached(
            "UPDATE endpoint SET held = NULL, paused_until = NULL, held_from = NULL,
                    held_ms = held_ms + ?2 - coalesce(held_from, ?2) WHERE name = ?1",
        )?
        .execute(params![name, ran_ms])?;
    Ok(changed > 0)
}
