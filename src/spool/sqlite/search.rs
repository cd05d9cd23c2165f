//! Messages, page by page: each condition that is set is one in SQL, so that a page costs what it shows.

use rusqlite::Connection;
use rusqlite::Row;
use rusqlite::ToSql;
use rusqlite::params_from_iter;

use super::columns::SPOOLED;
use super::columns::illegal;
use super::columns::spooled;
use super::columns::time_or_none;
use crate::spool::DeliveryRow;
use crate::spool::Found;
use crate::spool::MessageKey;
use crate::spool::MessageRow;
use crate::spool::Search;
use crate::spool::SpoolError;
use crate::spool::State;

/// A delivery that waits for a human.
const DEAD: &str = "message.seq IN (SELECT delivery.message FROM delivery WHERE delivery.state = 'dead'
                    AND delivery.reason <> 'dropped')";

/// One page of at most `limit` messages.
pub(super) fn search(connection: &Connection, wanted: &Search, limit: usize) -> Result<Found, SpoolError> {
    let (conditions, values) = conditions(wanted);
    let mut query = connection.prepare_cached(&format!(
        "SELECT {SPOOLED}, message.state, mail.id, message.dropped_by, message.released_at
         FROM message LEFT JOIN message AS mail ON mail.seq = message.about
         WHERE {conditions} ORDER BY message.seq DESC LIMIT {}",
        limit.saturating_add(1)
    ))?;
    let mut messages = query.query_map(params_from_iter(values), message)?.collect::<Result<Vec<MessageRow>, _>>()?;
    let more = messages.len() > limit;
    messages.truncate(limit);
    let next = messages.last().filter(|_| more).map(|last| last.message.key);
    for row in &mut messages {
        row.deliveries = deliveries(connection, row.message.key)?;
    }
    Ok(Found { messages, next })
}

type Values<'a> = Vec<Box<dyn ToSql + 'a>>;

fn conditions(wanted: &Search) -> (String, Values<'_>) {
    let mut conditions: Vec<String> = Vec::new();
    let mut values: Values<'_> = Vec::new();
    if wanted.ids.is_empty() {
        conditions.push("message.released_at IS NULL".to_owned());
    }
    let marks = |count: usize| vec!["?"; count].join(", ");
    for (list, column) in
        [(&wanted.ids, "message.id"), (&wanted.mailboxes, "message.mailbox"), (&wanted.kinds, "message.kind")]
    {
        if !list.is_empty() {
            conditions.push(format!("{column} IN ({})", marks(list.len())));
            values.extend(list.iter().map(|value| -> Box<dyn ToSql> { Box::new(value) }));
        }
    }
    if !wanted.states.is_empty() {
        conditions.push(format!("message.state IN ({})", marks(wanted.states.len())));
        values.extend(wanted.states.iter().map(|state| -> Box<dyn ToSql> { Box::new(state.as_str()) }));
    }
    if !wanted.endpoints.is_empty() {
        let marks = marks(wanted.endpoints.len());
        conditions.push(format!(
            "EXISTS (SELECT 1 FROM delivery WHERE delivery.message = message.seq AND delivery.endpoint IN ({marks}))"
        ));
        values.extend(wanted.endpoints.iter().map(|value| -> Box<dyn ToSql> { Box::new(value) }));
    }
    if wanted.waits_for_human {
        conditions.push(format!("(message.state IN ('unrouted', 'quarantined') OR {DEAD})"));
    }
    let before = wanted.before.map(|MessageKey(seq)| seq);
    let (since, until) =
        (wanted.since.map(|time| time.as_millisecond()), wanted.until.map(|time| time.as_millisecond()));
    for (value, condition) in
        [(since, "message.spooled_at >= ?"), (until, "message.spooled_at <= ?"), (before, "message.seq < ?")]
    {
        if let Some(value) = value {
            conditions.push(condition.to_owned());
            values.push(Box::new(value));
        }
    }
    let conditions = if conditions.is_empty() { "TRUE".to_owned() } else { conditions.join(" AND ") };
    (conditions, values)
}

fn message(row: &Row<'_>) -> Result<MessageRow, rusqlite::Error> {
    let state: String = row.get(10)?;
    Ok(MessageRow {
        message: spooled(row)?,
        state: State::parse(&state).ok_or_else(|| illegal(10))?,
        about: row.get(11)?,
        dropped_by: row.get(12)?,
        released_at: time_or_none(row, 13)?,
        deliveries: Vec::new(),
    })
}

fn deliveries(connection: &Connection, MessageKey(seq): MessageKey) -> Result<Vec<DeliveryRow>, SpoolError> {
    let mut query = connection.prepare_cached(
        "SELECT delivery.endpoint, delivery.state, coalesce(delivery.reason, endpoint.held), delivery.attempts,
                delivery.last_status, CASE WHEN delivery.state = 'pending' AND endpoint.held IS NULL THEN delivery.due END,
                delivery.settled_at
         FROM delivery LEFT JOIN endpoint ON endpoint.name = delivery.endpoint AND delivery.state = 'pending'
         WHERE delivery.message = ?1 ORDER BY delivery.endpoint",
    )?;
    let row = |row: &Row<'_>| {
        Ok(DeliveryRow {
            endpoint: row.get(0)?,
            state: row.get(1)?,
            reason: row.get(2)?,
            attempts: row.get(3)?,
            last_status: row.get(4)?,
            due: time_or_none(row, 5)?,
            settled_at: time_or_none(row, 6)?,
        })
    };
    Ok(query.query_map([seq], row)?.collect::<Result<_, _>>()?)
}
