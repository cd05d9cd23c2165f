//! The changing commands. Those about what a mailbox's ledger says stand in `mailbox`.

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::params;

use super::endpoint;
use super::event::NO_NOTICE_WAITS;
use super::mailbox;
use super::record;
use super::release;
use super::reports;
use super::token;
use super::wish;
use crate::crash;
use crate::ident::EndpointName;
use crate::spool::Changed;
use crate::spool::Command;
use crate::spool::Filter;
use crate::spool::Hold;
use crate::spool::Preview;
use crate::spool::Row;
use crate::spool::SpoolError;
use crate::spool::State;

/// Carries a command out; tells how many rows changed.
pub(super) fn change(
    connection: &Connection,
    command: &Command,
    (now, ran_ms): (Timestamp, i64),
) -> Result<Changed, SpoolError> {
    let changed = match command {
        Command::Drop { filter, erase } => return drop_rows(connection, filter, *erase, now),
        Command::Retry { filter, to, raw } => return retry(connection, filter, to.as_deref(), *raw, now),
        Command::AsShown { shown, command } => {
            let (Command::Retry { filter, .. } | Command::Drop { filter, .. }) = command.itself() else {
                return Err(SpoolError::Impossible("only a retry and a drop are shown before".to_owned()));
            };
            let rows = reports::list(connection, filter)?;
            shown.check(&Preview::of(rows.iter().filter(|row| command.touches(row))))?;
            return change(connection, command, (now, ran_ms));
        }
        Command::Take { mailbox, unique_ids } => mailbox::take(connection, mailbox, unique_ids),
        Command::Import { mailbox, unique_ids } => mailbox::import(connection, mailbox, unique_ids),
        Command::Reset { mailbox, listed } => mailbox::reset(connection, mailbox, *listed),
        Command::Visit { mailbox } => wish::visit(connection, mailbox),
        Command::Pause { mailbox } => wish::pause(connection, mailbox, Some(now)),
        Command::Unpause { mailbox } => wish::pause(connection, mailbox, None),
        Command::Resume { endpoint } => resume(connection, endpoint, ran_ms),
        Command::KeepToken { mailbox, token } => token::keep(connection, mailbox, token, now).map(|()| 1),
    }?;
    Ok(Changed { changed, ..Changed::default() })
}

fn retry(
    connection: &Connection,
    filter: &Filter,
    to: Option<&str>,
    raw: bool,
    now: Timestamp,
) -> Result<Changed, SpoolError> {
    if let Some(to) = to {
        if EndpointName::mail().as_str() == to {
            let why = format!("{to} sends reports of dead letters and takes nothing else over");
            return Err(SpoolError::Impossible(why));
        }
        require_endpoint(connection, to)?;
    }
    let mut done = Changed::default();
    for row in reports::list(connection, filter)? {
        let Some((id, seq)) = message(connection, &row)? else { continue };
        match (&row.endpoint, to) {
            _ if !filter.retries(&row, to) => continue,
            // Only a message as a whole is sent unparsed; deliveries to others stay theirs.
            (Some(_), _) if raw => continue,
            (Some(from), to) => match to.filter(|to| to != from) {
                Some(to) => done.joined += u64::from(move_over(connection, seq, from, to, now)?),
                None => renew(connection, seq, from, now)?,
            },
            (None, Some(to)) if raw => send_unparsed(connection, seq, to, now)?,
            (None, Some(_)) if row.state == State::Quarantined.as_str() => {
                let why = format!("{id} is quarantined, so it can only be sent unparsed; write --raw --endpoint NAME");
                return Err(SpoolError::Impossible(why));
            }
            (None, Some(to)) => send(connection, seq, to, now)?,
            (None, None) => sort_anew(connection, seq)?,
        }
        done.changed += 1;
        crash::point!("in change");
        tracing::info!(id, endpoint = to.or(row.endpoint.as_deref()), "retried by command");
    }
    Ok(done)
}

fn message<'a>(connection: &Connection, row: &'a Row) -> Result<Option<(&'a str, i64)>, SpoolError> {
    let Some(id) = row.id.as_deref() else { return Ok(None) };
    Ok(reports::find(connection, id)?.map(|message| (id, message.key.0)))
}

/// The same row again, with a new budget; the id stays.
fn renew(connection: &Connection, seq: i64, endpoint: &str, now: Timestamp) -> Result<(), SpoolError> {
    connection
        .prepare_cached(
            "UPDATE delivery SET state = 'pending', reason = NULL, due = ?3, generation = generation + 1, failures = 0,
                    refusals = 0, refused_ms = 0, refused_from = NULL, budget_from = NULL, tried_at = NULL, settled_at = NULL
             WHERE message = ?1 AND endpoint = ?2",
        )?
        .execute(params![seq, endpoint, now.as_millisecond()])?;
    record::settle(connection, seq, now)
}

/// Tells whether the new endpoint has taken the message before: then the delivery joins that one, and nothing is posted.
fn move_over(connection: &Connection, seq: i64, from: &str, to: &str, now: Timestamp) -> Result<bool, SpoolError> {
    // A row of its own, never the old one under another name: an attempt at the old endpoint may be under way, and its
    // success is not the new one's. Where there is a row already, that one is the delivery.
    let made = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO delivery (message, endpoint, due, mailbox)
             SELECT seq, ?2, ?3, mailbox FROM message WHERE seq = ?1",
        )?
        .execute(params![seq, to, now.as_millisecond()])?;
    let there: String = connection
        .prepare_cached("SELECT state FROM delivery WHERE message = ?1 AND endpoint = ?2")?
        .query_row(params![seq, to], |row| row.get(0))?;
    if made > 0 {
        take_history_over(connection, seq, from, to)?;
    } else {
        // Nothing would name them any more, and their answers may quote the letter.
        connection
            .prepare_cached(
                "DELETE FROM attempt WHERE delivery = (SELECT key FROM delivery WHERE message = ?1 AND endpoint = ?2)",
            )?
            .execute(params![seq, from])?;
    }
    connection
        .prepare_cached("DELETE FROM delivery WHERE message = ?1 AND endpoint = ?2")?
        .execute(params![seq, from])?;
    match &*there {
        "dead" => renew(connection, seq, to, now)?,
        _ => record::settle(connection, seq, now)?,
    }
    Ok(there == "delivered")
}

/// The attempts at the old endpoint stay on show, and their numbers are not given out again.
fn take_history_over(connection: &Connection, seq: i64, from: &str, to: &str) -> Result<(), SpoolError> {
    let key = "SELECT key FROM delivery WHERE message = ?1 AND endpoint = ";
    connection.execute(
        &format!("UPDATE attempt SET delivery = ({key} ?3) WHERE delivery = ({key} ?2)"),
        params![seq, from, to],
    )?;
    connection.execute(
        "UPDATE delivery SET (form, attempts, generation) = (
             SELECT form, attempts, generation + 1 FROM delivery WHERE message = ?1 AND endpoint = ?2)
         WHERE message = ?1 AND endpoint = ?3",
        params![seq, from, to],
    )?;
    Ok(())
}

fn send_unparsed(connection: &Connection, seq: i64, to: &str, now: Timestamp) -> Result<(), SpoolError> {
    connection
        .prepare_cached(
            "INSERT INTO delivery (message, endpoint, due, form, mailbox)
             SELECT seq, ?2, ?3, 'unparsed', mailbox FROM message WHERE seq = ?1
             ON CONFLICT (message, endpoint) DO UPDATE SET form = 'unparsed'",
        )?
        .execute(params![seq, to, now.as_millisecond()])?;
    renew(connection, seq, to, now)
}

/// Whatever the routes say.
fn send(connection: &Connection, seq: i64, to: &str, now: Timestamp) -> Result<(), SpoolError> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO delivery (message, endpoint, due, mailbox)
             SELECT seq, ?2, ?3, mailbox FROM message WHERE seq = ?1",
        )?
        .execute(params![seq, to, now.as_millisecond()])?;
    record::settle(connection, seq, now)
}

fn sort_anew(connection: &Connection, seq: i64) -> Result<(), SpoolError> {
    connection
        .prepare_cached(
            "UPDATE message SET state = 'spooled', parses = 0, settled_at = NULL, dropped_by = NULL, counts_as_delivered = 0
             WHERE seq = ?1",
        )?
        .execute([seq])?;
    Ok(())
}

fn drop_rows(connection: &Connection, filter: &Filter, erase: bool, now: Timestamp) -> Result<Changed, SpoolError> {
    let mut done = Changed::default();
    for row in reports::list(connection, filter)? {
        let Some((id, seq)) = message(connection, &row)? else { continue };
        let dropped = filter.drops(&row);
        match &row.endpoint {
            _ if !dropped => {}
            Some(endpoint) => {
                connection
                    .prepare_cached(
                        "UPDATE delivery SET state = 'dead', reason = 'dropped', settled_at = ?3
                         WHERE message = ?1 AND endpoint = ?2",
                    )?
                    .execute(params![seq, endpoint, now.as_millisecond()])?;
                record::settle(connection, seq, now)?;
            }
            None => {
                connection
                    .prepare_cached("UPDATE message SET state = 'dropped', settled_at = ?2 WHERE seq = ?1")?
                    .execute([seq, now.as_millisecond()])?;
            }
        }
        let erased = erase && (dropped || filter.erases(&row)) && erase_if_settled(connection, seq, now)?;
        if dropped || erased {
            done.changed += 1;
            done.erased += u64::from(erased);
            tracing::warn!(id, endpoint = row.endpoint.as_deref(), dropped, erased, "dropped by command");
        }
    }
    Ok(done)
}

/// Tells whether the copy went: another endpoint or a notice may still need it, or a human has yet to settle its dead
/// letter.
fn erase_if_settled(connection: &Connection, seq: i64, now: Timestamp) -> Result<bool, SpoolError> {
    let needed = connection
        .prepare_cached(&format!(
            "SELECT 1 FROM delivery WHERE message = ?1
             AND (state = 'pending' OR (state = 'dead' AND reason <> 'dropped'))
             UNION ALL SELECT 1 FROM message WHERE seq = ?1 AND NOT ({NO_NOTICE_WAITS})",
        ))?
        .exists([seq])?;
    if needed {
        return Ok(false);
    }
    // What an endpoint answered may quote the letter.
    connection
        .prepare_cached(
            "UPDATE attempt SET answer = NULL WHERE delivery IN (
                 SELECT key FROM delivery JOIN message ON seq = message WHERE seq = ?1 OR about = ?1)",
        )?
        .execute([seq])?;
    release::erase(connection, seq, now)
}

fn resume(connection: &Connection, name: &str, ran_ms: i64) -> Result<u64, SpoolError> {
    require_endpoint(connection, name)?;
    endpoint::resume(connection, name, ran_ms)?;
    Ok(1)
}

/// An endpoint that left the configuration takes no mail over, and resuming it would post to nowhere.
fn require_endpoint(connection: &Connection, name: &str) -> Result<(), SpoolError> {
    let configured = connection
        .prepare_cached("SELECT 1 FROM endpoint WHERE name = ?1 AND coalesce(held, '') <> ?2")?
        .exists([name, Hold::Removed.as_str()])?;
    if configured { Ok(()) } else { Err(SpoolError::Impossible(format!("no endpoint {name:?} in the configuration"))) }
}
