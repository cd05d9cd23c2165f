//! What people and metrics are told.

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::Row as Columns;
use rusqlite::params;

use super::columns::SPOOLED;
use super::columns::illegal;
use super::columns::spooled;
use super::columns::time;
use super::columns::time_or_none;
use super::endpoint::BREAKER;
use super::endpoint::breaker;
use super::endpoint::held;
use super::release;
use crate::ident::EndpointName;
use crate::ident::UniqueId;
use crate::spool::AttemptRow;
use crate::spool::EndpointRow;
use crate::spool::Filter;
use crate::spool::LineKey;
use crate::spool::Lines;
use crate::spool::MailboxRow;
use crate::spool::Row;
use crate::spool::SpoolError;
use crate::spool::Spooled;
use crate::spool::State;
use crate::spool::Stats;

/// Deliveries and messages without one; dead letters first, then what waits for a human, then the rest by age. What was
/// dropped comes last. Ids that are asked for are looked up, so that one command does not read the whole spool.
const LIST: &str = "
    SELECT *, CASE WHEN reason IS 'dropped' THEN 8 ELSE 0 END + CASE state WHEN 'dead' THEN 0 WHEN 'quarantined' THEN 1
                 WHEN 'unrouted' THEN 2 WHEN 'pending' THEN 3 WHEN 'spooled' THEN 4 WHEN 'oversize' THEN 5
                 WHEN 'delivered' THEN 6 ELSE 7 END AS rank FROM (
        SELECT message.id AS id, nullif(message.kind, 'mail'), nullif(message.mailbox, ''), message.unique_id, delivery.endpoint AS endpoint,
               coalesce(delivery.state, message.state) AS state, coalesce(delivery.reason, endpoint.held, 'rule ' || message.dropped_by) AS reason,
               coalesce(delivery.attempts, message.parses), delivery.last_status,
               CASE WHEN delivery.state = 'pending' AND endpoint.held IS NULL THEN delivery.due END,
               message.spooled_at, message.size, mail.id, message.seq AS seq, coalesce(delivery.key, 0) AS number
        FROM message LEFT JOIN message AS mail ON mail.seq = message.about LEFT JOIN delivery ON delivery.message = message.seq
                     LEFT JOIN endpoint ON endpoint.name = delivery.endpoint AND delivery.state = 'pending'
        WHERE message.released_at IS NULL AND {ids}
        UNION ALL
        SELECT NULL, NULL, mailbox, unique_id, NULL, state, CASE state WHEN 'oversize' THEN 'limit ' || size_limit END,
               0, NULL, NULL, NULL, listed_size, NULL, 0, key
        FROM ledger WHERE state <> 'taken'
    )
    WHERE (rank, seq, number) > (?1, ?2, ?3) ORDER BY rank, seq, number";

/// The lines of `spool list`.
pub(super) fn list(connection: &Connection, filter: &Filter) -> Result<Vec<Row>, SpoolError> {
    Ok(lines(connection, filter, None, usize::MAX)?.rows)
}

/// At most `limit` of them, after one that was shown.
pub(super) fn lines(
    connection: &Connection,
    filter: &Filter,
    after: Option<LineKey>,
    limit: usize,
) -> Result<Lines, SpoolError> {
    let LineKey { rank, message, number } = after.unwrap_or(LineKey::START);
    let (which, ids) = match filter.ids.is_empty() {
        true => ("?4 IS NULL", None),
        false => ("message.id IN (SELECT value FROM json_each(?4))", Some(serde_json::json!(filter.ids).to_string())),
    };
    let mut query = connection.prepare(&LIST.replace("{ids}", which))?;
    let mut rows = query.query(params![rank, message, number, ids])?;
    let (mut lines, mut last) = (Lines::default(), None);
    while let Some(columns) = rows.next()? {
        let row = list_row(columns)?;
        if !filter.takes(&row) {
            continue;
        }
        if lines.rows.len() >= limit {
            lines.next = last;
            break;
        }
        lines.rows.push(row);
        last = Some(LineKey { rank: columns.get(15)?, message: columns.get(13)?, number: columns.get(14)? });
    }
    Ok(lines)
}

fn list_row(row: &Columns<'_>) -> Result<Row, rusqlite::Error> {
    let unique_id: Option<Vec<u8>> = row.get(3)?;
    let state: String = row.get(5)?;
    Ok(Row {
        id: row.get(0)?,
        kind: row.get(1)?,
        about: row.get(12)?,
        mailbox: row.get(2)?,
        unique_id: unique_id.and_then(|bytes| UniqueId::parse(&bytes)).map(|id| id.to_string()),
        endpoint: row.get(4)?,
        state: shown(&state).ok_or_else(|| illegal(5))?,
        reason: row.get(6)?,
        attempts: row.get(7)?,
        last_status: row.get(8)?,
        due: time_or_none(row, 9)?.map(text),
        spooled_at: time_or_none(row, 10)?.map(text),
        size: row.get(11)?,
    })
}

fn shown(state: &str) -> Option<&'static str> {
    ["pending", "skipped", "oversize"]
        .into_iter()
        .find(|known| *known == state)
        .or_else(|| State::parse(state).map(State::as_str))
}

fn text(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// The message of that id.
pub(super) fn find(connection: &Connection, id: &str) -> Result<Option<Spooled>, SpoolError> {
    let found = connection
        .prepare(&format!("SELECT {SPOOLED} FROM message WHERE id = ?1"))?
        .query_row([id], spooled)
        .optional()?;
    Ok(found)
}

/// When our copy of a message was released.
pub(super) fn released_at(connection: &Connection, message: i64) -> Result<Option<Timestamp>, SpoolError> {
    let found = connection
        .prepare("SELECT released_at FROM message WHERE seq = ?1")?
        .query_row([message], |row| time_or_none(row, 0))
        .optional()?;
    Ok(found.flatten())
}

/// A message's attempts, oldest first.
pub(super) fn attempts(connection: &Connection, message: i64) -> Result<Vec<AttemptRow>, SpoolError> {
    let mut query = connection.prepare(
        "SELECT endpoint, attempt, attempt.generation, started_at, took_ms, outcome, status, error, answer
         FROM attempt JOIN delivery ON delivery.key = attempt.delivery WHERE message = ?1
         ORDER BY started_at, endpoint, attempt",
    )?;
    let row = |row: &Columns<'_>| {
        Ok(AttemptRow {
            endpoint: row.get(0)?,
            attempt: row.get(1)?,
            generation: row.get(2)?,
            started_at: text(time(row, 3)?),
            took_ms: row.get(4)?,
            outcome: row.get(5)?,
            status: row.get(6)?,
            error: row.get(7)?,
            answer: row.get(8)?,
        })
    };
    Ok(query.query_map([message], row)?.collect::<Result<Vec<_>, _>>()?)
}

/// The lines of `mailbox list`.
pub(super) fn mailboxes(connection: &Connection) -> Result<Vec<MailboxRow>, SpoolError> {
    let mut query = connection.prepare(
        "SELECT name, listed_at, flood, count(*) FILTER (WHERE ledger.state = 'taken'),
                count(*) FILTER (WHERE ledger.state = 'skipped'), count(*) FILTER (WHERE ledger.state = 'oversize'),
                coalesce(condition.state, 'ok'), condition.since, condition.reason, mailbox.paused_at
         FROM mailbox LEFT JOIN ledger ON ledger.mailbox = mailbox.name
                      LEFT JOIN condition ON condition.mailbox = mailbox.name
         GROUP BY name ORDER BY name",
    )?;
    let row = |row: &Columns<'_>| {
        Ok(MailboxRow {
            mailbox: row.get(0)?,
            listed_at: time_or_none(row, 1)?.map(text),
            flood: row.get(2)?,
            taken: row.get(3)?,
            skipped: row.get(4)?,
            oversize: row.get(5)?,
            condition: row.get(6)?,
            condition_since: time_or_none(row, 7)?.map(text),
            condition_reason: row.get(8)?,
            paused_since: time_or_none(row, 9)?.map(text),
        })
    };
    Ok(query.query_map([], row)?.collect::<Result<Vec<_>, _>>()?)
}

/// What is remembered of every endpoint.
pub(super) fn endpoints(connection: &Connection) -> Result<Vec<EndpointRow>, SpoolError> {
    let mut query = connection.prepare(&format!(
        "SELECT name, paused_until, held,
                (SELECT count(*) FROM delivery WHERE endpoint = name AND state = 'pending'), {BREAKER}
         FROM endpoint ORDER BY name",
    ))?;
    let row = |row: &Columns<'_>| {
        Ok(EndpointRow {
            endpoint: endpoint(row, 0)?,
            paused_until: time_or_none(row, 1)?,
            held: held(row, 2)?,
            breaker: breaker(row, 4)?,
            pending: row.get(3)?,
        })
    };
    Ok(query.query_map([], row)?.collect::<Result<Vec<_>, _>>()?)
}

/// The figures that metrics show.
pub(super) fn stats(connection: &Connection) -> Result<Stats, SpoolError> {
    let mut stats = Stats { bytes: release::live_bytes(connection)?, ..Stats::default() };
    for state in State::ALL {
        let count = connection
            .prepare_cached("SELECT count(*) FROM message WHERE state = ?1 AND released_at IS NULL")?
            .query_row([state.as_str()], |row| row.get(0))?;
        stats.messages.push((state, count));
    }
    for state in ["oversize", "skipped"] {
        let count = connection
            .prepare_cached("SELECT count(*) FROM ledger WHERE state = ?1")?
            .query_row(params![state], |row| row.get(0))?;
        stats.ledger.push((state, count));
    }
    stats.pending = connection
        .prepare_cached(
            "SELECT endpoint, count(*), min(spooled_at) FROM delivery JOIN message ON message.seq = delivery.message
             WHERE delivery.state = 'pending' GROUP BY endpoint",
        )?
        .query_map([], |row| Ok((endpoint(row, 0)?, row.get(1)?, time(row, 2)?)))?
        .collect::<Result<_, _>>()?;
    stats.dead = connection
        .prepare_cached(
            "SELECT endpoint, reason, count(*) FROM delivery WHERE state = 'dead' AND reason <> 'dropped'
             GROUP BY endpoint, reason",
        )?
        .query_map([], |row| Ok((endpoint(row, 0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    Ok(stats)
}

fn endpoint(row: &Columns<'_>, column: usize) -> Result<EndpointName, rusqlite::Error> {
    EndpointName::read_back(&row.get::<_, String>(column)?).map_err(|_| illegal(column))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::spool::sqlite::schema;
    use crate::spool::sqlite::steps;

    /// How many steps it takes to find one id beside so many others.
    fn steps(others: u32) -> u64 {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, 0).unwrap();
        connection
            .execute(
                "WITH RECURSIVE nth(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM nth WHERE n < ?1)
                 INSERT INTO message (id, mailbox, sha256, size, spooled_at, state)
                 SELECT 'msg_' || n, 'a', zeroblob(32), 1, 0, 'unrouted' FROM nth",
                [others],
            )
            .unwrap();
        let count = steps::count(&mut connection);
        let filter = Filter { ids: vec!["msg_0".to_owned()], ..Filter::default() };
        assert_eq!(list(&connection, &filter).unwrap().len(), 1);
        count.load(Ordering::Relaxed)
    }

    #[test]
    fn s10_one_id_is_found_without_a_look_at_all_others() {
        let (alone, beside) = (steps(0), steps(5000));
        assert!(beside < alone + 100, "{alone} steps alone, {beside} beside 5000 others");
    }
}
