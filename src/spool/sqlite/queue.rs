//! The delivering half's verbs: claim, sort, record.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::params;

use super::columns::SPOOLED;
use super::columns::integer;
use super::columns::spooled;
use super::columns::time;
use super::endpoint;
use super::fresh::Fresh;
use crate::ident::EndpointName;
use crate::spool::Claim;
use crate::spool::Claims;
use crate::spool::Counts;
use crate::spool::DeliveryKey;
use crate::spool::End;
use crate::spool::Form;
use crate::spool::MessageKey;
use crate::spool::PARSES_MAX;
use crate::spool::Record;
use crate::spool::Sorted;
use crate::spool::SpoolError;
use crate::spool::State;
use crate::spool::Unsorted;
use crate::spool::Verdict;
use crate::spool::Wanted;

/// Raw bytes that one claim of unsorted messages hands out, beyond the first message.
const UNSORTED_BYTES: usize = 1 << 20;

/// Attempts of a delivery that are kept to be shown; the schedule of five days makes 23.
const ATTEMPTS_KEPT: u32 = 50;

/// What is claimed now. It lives in memory alone: a process that dies has claimed nothing.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) messages: HashSet<i64>,
    pub(super) deliveries: HashSet<i64>,
    pub(super) fresh: Fresh,
}

/// Claims messages that nobody has parsed, and counts the parse that is about to begin.
pub(super) fn claim_unsorted(
    connection: &Connection,
    claimed: &mut Claimed,
    at_most: usize,
) -> Result<Vec<Unsorted>, SpoolError> {
    let mut found = unsorted(connection, claimed, "parses = 0", at_most)?;
    if found.is_empty() && claimed.messages.is_empty() {
        quarantine(connection)?;
        // A parse of this one began and never ended: alone, so that it takes no other message down with it.
        found = unsorted(connection, claimed, "parses > 0", 1)?;
    }
    for one in &found {
        connection
            .prepare_cached("UPDATE message SET parses = parses + 1 WHERE seq = ?1")?
            .execute([one.message.key.0])?;
    }
    Ok(found)
}

fn quarantine(connection: &Connection) -> Result<(), SpoolError> {
    connection
        .prepare_cached("UPDATE message SET state = 'quarantined' WHERE state = 'spooled' AND parses >= ?1")?
        .execute([PARSES_MAX])?;
    Ok(())
}

fn unsorted(
    connection: &Connection,
    claimed: &mut Claimed,
    which: &str,
    at_most: usize,
) -> Result<Vec<Unsorted>, SpoolError> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT {SPOOLED}, raw.bytes FROM message JOIN raw USING (seq)
         WHERE state = 'spooled' AND released_at IS NULL AND {which}
         -- Nothing of this state is settled: this is the index's own order, oldest first.
         ORDER BY settled_at, seq"
    ))?;
    let mut rows = query.query([])?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while found.len() < at_most && bytes < UNSORTED_BYTES {
        let Some(row) = rows.next()? else { break };
        let seq = row.get(0)?;
        if claimed.messages.contains(&seq) {
            continue;
        }
        let raw = match claimed.fresh.take(seq) {
            Some(raw) => raw,
            None => row.get::<_, Vec<u8>>(10)?.into(),
        };
        bytes += raw.len();
        found.push(Unsorted { message: spooled(row)?, raw });
    }
    Ok(found)
}

/// Commits where messages go.
pub(super) fn sort(connection: &Connection, sorted: &[Sorted], now: Timestamp) -> Result<(), SpoolError> {
    for Sorted { message, verdict } in sorted {
        let state = match verdict {
            Verdict::PutBack => {
                connection
                    .prepare_cached("UPDATE message SET parses = max(parses - 1, 0) WHERE seq = ?1")?
                    .execute([message.0])?;
                continue;
            }
            Verdict::Routed(endpoints) if endpoints.is_empty() => State::Unrouted,
            Verdict::Routed(endpoints) => {
                endpoints.iter().try_for_each(|endpoint| enqueue(connection, *message, endpoint, now))?;
                State::Routed
            }
            Verdict::Settled => State::Routed,
        };
        connection
            .prepare_cached("UPDATE message SET state = ?2, parses = 0 WHERE seq = ?1 AND state = 'spooled'")?
            .execute(params![message.0, state.as_str()])?;
        // A message that was routed before and is sorted anew may have nothing left to deliver.
        if state == State::Routed {
            settle(connection, message.0, now)?;
        }
    }
    Ok(())
}

fn enqueue(
    connection: &Connection,
    message: MessageKey,
    endpoint: &EndpointName,
    now: Timestamp,
) -> Result<(), SpoolError> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO delivery (message, endpoint, due) VALUES (?1, ?2, ?3)")?
        .execute(params![message.0, endpoint.as_str(), now.as_millisecond()])?;
    Ok(())
}

/// Claims deliveries that are due.
pub(super) fn claim(
    connection: &Connection,
    claimed: &HashSet<i64>,
    endpoint: &EndpointName,
    wanted: Wanted,
    (now, ran_ms): (Timestamp, i64),
) -> Result<Claims, SpoolError> {
    let standing = endpoint::standing(connection, endpoint.as_str(), ran_ms)?;
    if standing.held {
        return Ok(Claims::default());
    }
    if let Some(until) = standing.paused_until.filter(|until| *until > now) {
        return Ok(Claims { claims: Vec::new(), next_due: Some(until) });
    }
    let mut query = connection.prepare_cached(&format!(
        "SELECT {SPOOLED}, delivery.key, delivery.attempts, delivery.generation, delivery.failures, delivery.refusals,
                delivery.budget_from, delivery.form, delivery.due
         FROM delivery JOIN message ON message.seq = delivery.message
         WHERE delivery.endpoint = ?1 AND delivery.state = 'pending'
           AND (delivery.tried_at IS NULL OR delivery.tried_at < ?2)
         ORDER BY delivery.due, delivery.key"
    ))?;
    let untried_since = wanted.untried_since.map_or(i64::MAX, Timestamp::as_millisecond);
    let mut rows = query.query(params![endpoint.as_str(), untried_since])?;
    let mut claims = Claims::default();
    while claims.claims.len() < wanted.free {
        let Some(row) = rows.next()? else { break };
        let due = time(row, 17)?;
        if due > now {
            claims.next_due = Some(due);
            break;
        }
        if claimed.contains(&row.get(10)?) {
            continue;
        }
        claims.claims.push(claim_row(row, standing.budget_ms)?);
    }
    Ok(claims)
}

fn claim_row(row: &rusqlite::Row<'_>, budget_ms: i64) -> Result<Claim, SpoolError> {
    let from: Option<i64> = row.get(15)?;
    let tried_ms = from.map_or(0, |from| budget_ms - from);
    let form: String = row.get(16)?;
    Ok(Claim {
        delivery: DeliveryKey(row.get(10)?),
        message: spooled(row)?,
        attempt: row.get::<_, u32>(11)?.saturating_add(1),
        generation: row.get(12)?,
        failures: row.get(13)?,
        refusals: row.get(14)?,
        form: if form == "unparsed" { Form::Unparsed } else { Form::Parsed },
        tried_for: Duration::from_millis(u64::try_from(tried_ms).unwrap_or(0)),
    })
}

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
    let budget_from = endpoint::standing(connection, &endpoint, ran_ms)?.budget_ms.saturating_sub(took_ms);
    // A success is a fact, whatever happened to the row meanwhile; a failure counts only for what was claimed.
    let changed = connection
        .prepare_cached(
            "UPDATE delivery SET state = ?2, reason = ?3, due = ?4, attempts = max(attempts, ?5), tried_at = ?6,
                    last_status = ?7, failures = failures + ?8, refusals = refusals + ?9,
                    budget_from = coalesce(budget_from, ?10),
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
            record.generation
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
    Ok(())
}

fn log_attempt(connection: &Connection, record: &Record, took_ms: i64) -> Result<(), SpoolError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO attempt
             (delivery, attempt, generation, started_at, took_ms, outcome, status, error, answer)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
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
    connection.prepare_cached("UPDATE message SET state = ?2, settled_at = ?3 WHERE seq = ?1")?.execute(params![
        message,
        state.as_str(),
        settled_at
    ])?;
    Ok(())
}
