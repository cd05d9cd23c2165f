//! Messages, page by page: each condition that is set is one in SQL, so that a page costs what it shows.
//!
//! A search looks for each word in the text that was kept when the mail was sorted, the newest mail first, and ends with
//! the page. An index of three-letter pieces (FTS5) was measured and left out: it cost the writer 0.3 to 0.7 ms a mail
//! where this costs 0.01 to 0.02, took up to three times the space, and what is deleted from it stays in the file until
//! its segments are merged. A look through 100,000 mails of 2,000 characters that finds nothing takes a reader 0.7 s, and no
//! writer.

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
use crate::spool::Glance;
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
        "SELECT {SPOOLED}, message.state, mail.id, message.dropped_by, message.released_at,
                glance.subject, glance.sender, glance.recipients, glance.kind, glance.attachments
         FROM message {here} LEFT JOIN message AS mail ON mail.seq = message.about
                      LEFT JOIN glance ON glance.seq = message.seq
         WHERE {conditions} ORDER BY message.seq DESC LIMIT {}",
        limit.saturating_add(1),
        here = if wanted.ids.is_empty() && has_index(connection)? { "INDEXED BY message_here" } else { "" },
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

/// Whether the file has the index of what is here: a reader may look at one of an older schema.
fn has_index(connection: &Connection) -> Result<bool, SpoolError> {
    let mut query = connection.prepare_cached(
        "SELECT 1 FROM sqlite_schema WHERE name = 'message_here'
            AND NOT EXISTS (SELECT 1 FROM sqlite_temp_schema WHERE name = 'message')",
    )?;
    Ok(query.exists([])?)
}

type Values<'a> = Vec<Box<dyn ToSql + 'a>>;

fn conditions(wanted: &Search) -> (String, Values<'_>) {
    let mut conditions: Vec<String> = Vec::new();
    let mut values: Values<'_> = Vec::new();
    if wanted.ids.is_empty() {
        conditions.push("message.released_at IS NULL".to_owned());
    }
    let marks = |count: usize| vec!["?"; count].join(", ");
    for (list, column) in [(&wanted.ids, "message.id"), (&wanted.mailboxes, "message.mailbox")] {
        if !list.is_empty() {
            conditions.push(format!("{column} IN ({})", marks(list.len())));
            values.extend(list.iter().map(|value| -> Box<dyn ToSql> { Box::new(value) }));
        }
    }
    if !wanted.kinds.is_empty() {
        let marks = marks(wanted.kinds.len());
        conditions.push(format!("(message.kind IN ({marks}) OR glance.kind IN ({marks}))"));
        let twice = wanted.kinds.iter().chain(&wanted.kinds);
        values.extend(twice.map(|value| -> Box<dyn ToSql> { Box::new(value) }));
    }
    if !wanted.states.is_empty() {
        conditions.push(format!("message.state IN ({})", marks(wanted.states.len())));
        values.extend(wanted.states.iter().map(|state| -> Box<dyn ToSql> { Box::new(state.as_str()) }));
    }
    if !wanted.endpoints.is_empty() {
        let marks = marks(wanted.endpoints.len());
        // What waits for a human waits there, and not at another endpoint.
        let dead =
            if wanted.waits_for_human { "AND delivery.state = 'dead' AND delivery.reason <> 'dropped'" } else { "" };
        conditions.push(format!(
            "EXISTS (SELECT 1 FROM delivery WHERE delivery.message = message.seq AND delivery.endpoint IN ({marks}) {dead})"
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
    // Last, because it reads most.
    for word in wanted.words() {
        conditions.push("instr(glance.words, ?) > 0".to_owned());
        values.push(Box::new(word));
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
        glance: glance(row)?,
        deliveries: Vec::new(),
    })
}

fn glance(row: &Row<'_>) -> Result<Option<Glance>, rusqlite::Error> {
    let Some(kind) = row.get(17)? else { return Ok(None) };
    Ok(Some(Glance {
        subject: row.get(14)?,
        sender: row.get(15)?,
        recipients: row.get(16)?,
        kind,
        attachments: row.get(18)?,
        words: String::new(),
    }))
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
