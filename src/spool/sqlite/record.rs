//! How attempts ended, and what that makes of their messages.

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::params;

use super::columns::integer;
use super::endpoint;
use super::event;
use crate::spool::Counts;
use crate::spool::End;
use crate::spool::Record;
use crate::spool::SpoolError;
use crate::spool::State;

/// Attempts of a delivery that are kept to be shown; the schedule of five days makes 23.
const ATTEMPTS_KEPT: u32 = 50;

/// Writes down how an attempt ended, and settles its message if it was the last.
pub(super) fn record(
    connection: &Connection,
    record: &Record,
    (now, ran_ms): (Timestamp, i64),
) -> Result<(), SpoolError> {
    let key = record.delivery.0;
    let (state, reason, counts, due) = match record.end {
        End::Delivered => ("delivered", None, Counts::Nothing, now),
        End::Deferred { due, counts } => ("pending", None, counts, due),
        End::Dead(reason) => ("dead", Some(reason.as_str()), Counts::Failure, now),
    };
    let found: Option<(i64, String)> = connection
        .prepare_cached("SELECT message, endpoint FROM delivery WHERE key = ?1")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((message, endpoint)) = found else { return Ok(()) };
    let took_ms = integer(record.took.as_millis());
    let budget_ms = endpoint::budget_ms(connection, &endpoint, ran_ms)?;
    let budget_from = budget_ms.saturating_sub(took_ms);
    // A success is a fact, whatever happened to the row meanwhile; a failure counts only for what was claimed.
    let changed = connection
        .prepare_cached(
            "UPDATE delivery SET state = ?2, reason = ?3, due = ?4, attempts = max(attempts, ?5), tried_at = ?6,
                    last_status = ?7, failures = failures + ?8, refusals = refusals + ?9,
                    budget_from = CASE WHEN ?14 THEN NULL ELSE coalesce(budget_from, ?10) END,
                    refused_ms = refused_ms + CASE WHEN ?9 THEN coalesce(?13 - refused_from, 0) ELSE 0 END,
                    refused_from = CASE WHEN ?9 THEN ?13 END,
                    settled_at = CASE WHEN ?2 = 'pending' THEN NULL ELSE ?11 END
             WHERE key = ?1 AND (?2 = 'delivered' OR (state = 'pending' AND generation = ?12))",
        )?
        .execute(params![
            key,
            state,
            reason,
            due.as_millisecond(),
            record.attempt,
            record.started_at.as_millisecond(),
            record.status,
            i64::from(counts != Counts::Nothing),
            i64::from(counts == Counts::Refusal),
            budget_from,
            now.as_millisecond(),
            record.generation,
            budget_ms,
            counts == Counts::Store
        ])?;
    if changed == 0 {
        // Its number is used up all the same.
        connection
            .prepare_cached("UPDATE delivery SET attempts = max(attempts, ?2) WHERE key = ?1")?
            .execute(params![key, record.attempt])?;
    }
    log_attempt(connection, record, took_ms)?;
    if changed > 0 && state != "pending" {
        settle(connection, message, now)?;
    }
    if let End::Dead(reason) = record.end
        && changed > 0
    {
        event::dead_letter(connection, record, (message, &endpoint, reason), now)?;
    }
    Ok(())
}

fn log_attempt(connection: &Connection, record: &Record, took_ms: i64) -> Result<(), SpoolError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO attempt
             (delivery, attempt, generation, started_at, took_ms, outcome, status, error, answer)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,
                    -- It may quote the letter, of which nothing is kept once our copy is gone.
                    CASE WHEN mail.seq IS NOT NULL AND mail.released_at IS NULL THEN ?9 END
             FROM delivery JOIN message ON message.seq = delivery.message
             LEFT JOIN message AS mail ON mail.seq = coalesce(message.about, message.seq) WHERE delivery.key = ?1",
        )?
        .execute(params![
            record.delivery.0,
            record.attempt,
            record.generation,
            record.started_at.as_millisecond(),
            took_ms,
            record.outcome,
            record.status,
            record.error,
            record.answer
        ])?;
    connection.prepare_cached("DELETE FROM attempt WHERE delivery = ?1 AND attempt <= ?2 - ?3")?.execute(params![
        record.delivery.0,
        record.attempt,
        ATTEMPTS_KEPT
    ])?;
    Ok(())
}

/// Derives a routed message's state from its deliveries.
pub(super) fn settle(connection: &Connection, message: i64, now: Timestamp) -> Result<(), SpoolError> {
    let (pending, dead): (u64, u64) = connection
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE state = 'pending'), count(*) FILTER (WHERE state = 'dead')
             FROM delivery WHERE message = ?1",
        )?
        .query_row([message], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let state = State::of_deliveries(pending, dead);
    let settled_at = (state != State::Routed).then_some(now.as_millisecond());
    connection
        .prepare_cached(
            "UPDATE message SET state = ?2, settled_at = ?3, dropped_by = NULL, counts_as_delivered = 0 WHERE seq = ?1",
        )?
        .execute(params![message, state.as_str(), settled_at])?;
    Ok(())
}
