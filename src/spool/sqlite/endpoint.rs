//! What is remembered of an endpoint: pause, hold, what its answers made of it, and its budget clock.
//!
//! The budget clock of an endpoint counts the time in which pophook ran and the endpoint was not held. A delivery's
//! time is measured on it, so that neither a night with the pod down nor a hold lets mail expire.

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::Row;
use rusqlite::params;

use super::columns::time_or_none;
use crate::spool::Breaker;
use crate::spool::Health;
use crate::spool::Hold;
use crate::spool::MessageKey;
use crate::spool::SpoolError;
use crate::spool::Standing;

/// The columns that [`breaker`] reads, in its order.
pub(super) const BREAKER: &str = "breaker, probe_at, probes_failed";

/// Reads where an endpoint stands.
pub(super) fn standing(
    connection: &Connection,
    name: &str,
    (now, ran_ms): (Timestamp, i64),
) -> Result<Standing, SpoolError> {
    let found = connection
        .prepare_cached(&format!(
            "SELECT paused_until, paused_from, held, resumes, gone_since, refused, {BREAKER}
             FROM endpoint WHERE name = ?1"
        ))?
        .query_row([name], |row| {
            let (paused_from, refused): (Option<i64>, String) = (row.get(1)?, row.get(5)?);
            let health =
                Health { breaker: breaker(row, 6)?, gone_since: time_or_none(row, 4)?, refused: keys(&refused) };
            let standing =
                Standing { paused_until: time_or_none(row, 0)?, held: held(row, 2)?, health, resumes: row.get(3)? };
            Ok((standing, paused_from))
        })
        .optional()?;
    let Some((mut standing, paused_from)) = found else { return Ok(Standing::default()) };
    if paused_from.is_some_and(|from| from > now.as_millisecond()) {
        standing.paused_until = begin_pause_anew(connection, name, (now, ran_ms))?;
    }
    Ok(standing)
}

/// The wall clock was set back: the pause lasts as long as it was to last, less the time that pophook has run since.
fn begin_pause_anew(
    connection: &Connection,
    name: &str,
    (now, ran_ms): (Timestamp, i64),
) -> Result<Option<Timestamp>, SpoolError> {
    let until = connection
        .prepare_cached(
            "UPDATE endpoint SET paused_until = ?2 + max(paused_until - paused_from - max(?3 - paused_ran, 0), 0),
                    paused_from = ?2, paused_ran = ?3
             WHERE name = ?1 RETURNING paused_until",
        )?
        .query_row(params![name, now.as_millisecond(), ran_ms], |row| time_or_none(row, 0))?;
    Ok(until)
}

/// What an endpoint's budget clock shows at `ran_ms`, the milliseconds that pophook has run in all.
pub(super) fn budget_ms(connection: &Connection, name: &str, ran_ms: i64) -> Result<i64, SpoolError> {
    let found: Option<(Option<i64>, i64)> = connection
        .prepare_cached("SELECT held_from, held_ms FROM endpoint WHERE name = ?1")?
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (held_from, held_ms) = found.unwrap_or_default();
    Ok(held_from.unwrap_or(ran_ms) - held_ms)
}

/// Reads the name of a hold.
pub(super) fn held(row: &Row<'_>, column: usize) -> Result<Option<Hold>, rusqlite::Error> {
    let held: Option<String> = row.get(column)?;
    Ok(held.and_then(|name| Hold::parse(&name)))
}

/// Reads a breaker from columns that begin with [`BREAKER`].
pub(super) fn breaker(row: &Row<'_>, column: usize) -> Result<Breaker, rusqlite::Error> {
    let name: String = row.get(column)?;
    Ok(match (name.as_str(), time_or_none(row, column + 1)?) {
        ("half_open", _) => Breaker::HalfOpen,
        ("open", Some(probe_at)) => Breaker::Open { probe_at, failed: row.get(column + 2)? },
        // What nobody foresaw must not keep mail back.
        _ => Breaker::Closed,
    })
}

fn keys(list: &str) -> Vec<MessageKey> {
    list.split(',').filter_map(|key| key.parse().ok().map(MessageKey)).collect()
}

/// Extends an endpoint's pause; never shortens it.
pub(super) fn pause(
    connection: &Connection,
    name: &str,
    until: Timestamp,
    (now, ran_ms): (Timestamp, i64),
) -> Result<(), SpoolError> {
    connection
        .prepare_cached(
            "INSERT INTO endpoint (name, paused_until, paused_from, paused_ran) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET paused_until = ?2, paused_from = ?3, paused_ran = ?4
             WHERE coalesce(paused_until, 0) < ?2",
        )?
        .execute(params![name, until.as_millisecond(), now.as_millisecond(), ran_ms])?;
    Ok(())
}

/// Keeps what an endpoint's answers made of it, unless it was resumed since. Tells whether it was kept.
pub(super) fn keep_health(
    connection: &Connection,
    name: &str,
    health: &Health,
    resumes: u64,
) -> Result<bool, SpoolError> {
    let failed = match health.breaker {
        Breaker::Closed | Breaker::HalfOpen => 0,
        Breaker::Open { failed, .. } => failed,
    };
    let refused: Vec<String> = health.refused.iter().map(|key| key.0.to_string()).collect();
    let kept = connection
        .prepare_cached(
            "UPDATE endpoint SET breaker = ?3, probe_at = ?4, probes_failed = ?5, gone_since = ?6, refused = ?7
             WHERE name = ?1 AND resumes = ?2",
        )?
        .execute(params![
            name,
            resumes,
            health.breaker.as_str(),
            health.breaker.probe_at().map(Timestamp::as_millisecond),
            failed,
            health.gone_since.map(Timestamp::as_millisecond),
            refused.join(",")
        ])?;
    Ok(kept > 0)
}

/// Holds an endpoint and stops its budget clock.
pub(super) fn hold(connection: &Connection, name: &str, why: Hold, ran_ms: i64) -> Result<(), SpoolError> {
    connection
        .prepare_cached(
            "INSERT INTO endpoint (name, held, held_from) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET held = ?2, held_from = coalesce(held_from, ?3)
             WHERE held IS NOT 'removed'",
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

/// Ends an endpoint's hold and pause, and closes its breaker: it is judged anew. Its budget clock goes on. Tells whether
/// there was an endpoint.
pub(super) fn resume(connection: &Connection, name: &str, ran_ms: i64) -> Result<bool, SpoolError> {
    let changed = connection
        .prepare_cached(
            "UPDATE endpoint SET held = NULL, paused_until = NULL, paused_from = NULL, paused_ran = NULL, held_from = NULL,
                    held_ms = held_ms + ?2 - coalesce(held_from, ?2), resumes = resumes + 1,
                    breaker = 'closed', probe_at = NULL, probes_failed = 0, gone_since = NULL, refused = ''
             WHERE name = ?1",
        )?
        .execute(params![name, ran_ms])?;
    Ok(changed > 0)
}
