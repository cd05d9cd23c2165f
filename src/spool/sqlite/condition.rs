//! How mailboxes and endpoints are, and what was told of it.
//!
//! Nothing is told at the instant of a change: what differs from what was told last is looked up, so that neither a
//! crash nor a slow teller loses a change or tells one twice.

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::Row;
use rusqlite::params;

use super::columns::illegal;
use super::columns::mailbox;
use super::columns::time;
use super::event;
use super::event::Event;
use crate::ident::EndpointName;
use crate::ident::MailboxName;
use crate::ident::MessageId;
use crate::spool::Account;
use crate::spool::Change;
use crate::spool::Condition;
use crate::spool::Facts;
use crate::spool::Hold;
use crate::spool::Kind;
use crate::spool::SpoolError;
use crate::spool::Untold;
use crate::spool::Visited;

/// Notes what a visit says of its mailbox. Writes only what is new; tells whether its condition changed.
pub(super) fn visited(
    connection: &Connection,
    name: &MailboxName,
    visited: Visited,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<bool, SpoolError> {
    let known = connection
        .prepare_cached("SELECT state, failures FROM condition WHERE mailbox = ?1")?
        .query_row([name.as_str()], |row| Ok((condition(row, 0)?, row.get(1)?)))
        .optional()?;
    let (was, failed) = known.unwrap_or_default();
    let (is, failures) = was.after(failed, visited);
    if failures != failed {
        connection
            .prepare_cached(
                "INSERT INTO condition (mailbox, failures) VALUES (?1, ?2)
                 ON CONFLICT (mailbox) DO UPDATE SET failures = ?2",
            )?
            .execute(params![name.as_str(), failures])?;
    }
    if is != was {
        connection
            .prepare_cached(
                "INSERT INTO condition (mailbox, state, since, reason) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (mailbox) DO UPDATE SET state = ?2, since = ?3, reason = ?4",
            )?
            .execute(params![name.as_str(), is.as_str(), now.as_millisecond(), reason])?;
    }
    Ok(is != was)
}

/// Notes whether a complete listing shows a flood: one lasts until a listing shows none.
pub(super) fn flood(connection: &Connection, name: &MailboxName, seen: bool, now: Timestamp) -> Result<(), SpoolError> {
    if !seen {
        connection
            .prepare_cached("UPDATE condition SET flooding = 0 WHERE mailbox = ?1 AND flooding = 1")?
            .execute([name.as_str()])?;
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO condition (mailbox, flooding, flooded_at) VALUES (?1, 1, ?2)
             ON CONFLICT (mailbox) DO UPDATE SET flooding = 1, flooded_at = CASE flooding WHEN 1 THEN flooded_at ELSE ?2 END",
        )?
        .execute(params![name.as_str(), now.as_millisecond()])?;
    Ok(())
}

/// The changes that nobody was told of yet.
pub(super) fn untold(connection: &Connection, now: Timestamp) -> Result<Vec<Untold>, SpoolError> {
    let mut found = Vec::new();
    let mut changed = connection.prepare_cached(
        "SELECT mailbox, state, since, reason, told FROM condition WHERE state <> told ORDER BY since",
    )?;
    found.extend(changed.query_map([], changed_row)?.collect::<Result<Vec<_>, _>>()?);
    let mut flooded = connection.prepare_cached(
        "SELECT condition.mailbox, flooded_at, coalesce(mailbox.flood, 'none') = 'unresolved'
         FROM condition LEFT JOIN mailbox ON mailbox.name = condition.mailbox
         WHERE flooded_at IS NOT told_flood ORDER BY flooded_at",
    )?;
    found.extend(flooded.query_map([], flooded_row)?.collect::<Result<Vec<_>, _>>()?);
    let mut held = connection.prepare_cached(
        "SELECT endpoint.name, endpoint.held, endpoint.held_from
         FROM endpoint LEFT JOIN told_hold ON told_hold.endpoint = endpoint.name
         WHERE endpoint.held IS NOT NULL AND endpoint.held <> ?1 AND endpoint.held_from IS NOT told_hold.held_from
         ORDER BY endpoint.name",
    )?;
    let held_row = |row: &Row<'_>| {
        Ok(Untold {
            account: Account::Endpoint(EndpointName::read_back(&row.get::<_, String>(0)?).map_err(|_| illegal(0))?),
            change: Change::EndpointHeld,
            since: now,
            reason: row.get(1)?,
            mark: row.get(2)?,
        })
    };
    // An endpoint that left the configuration is no news to who took it out.
    found.extend(held.query_map([Hold::Removed.as_str()], held_row)?.collect::<Result<Vec<_>, _>>()?);
    Ok(found)
}

fn changed_row(row: &Row<'_>) -> Result<Untold, rusqlite::Error> {
    let (since, told) = (time(row, 2)?, condition(row, 4)?);
    let (change, reason) = match condition(row, 1)? {
        Condition::AuthFailed => (Change::AuthFailed, row.get(3)?),
        Condition::Unreachable => (Change::Unreachable, row.get(3)?),
        Condition::Ok => (Change::Recovered, Some(told.as_str().to_owned())),
    };
    Ok(Untold { account: Account::Mailbox(mailbox(row, 0)?), change, since, reason, mark: since.as_millisecond() })
}

fn flooded_row(row: &Row<'_>) -> Result<Untold, rusqlite::Error> {
    let since = time(row, 1)?;
    let reason = if row.get(2)? { "held" } else { "deduplicated" };
    Ok(Untold {
        account: Account::Mailbox(mailbox(row, 0)?),
        change: Change::UidlReset,
        since,
        reason: Some(reason.to_owned()),
        mark: since.as_millisecond(),
    })
}

fn condition(row: &Row<'_>, column: usize) -> Result<Condition, rusqlite::Error> {
    Condition::parse(&row.get::<_, String>(column)?).ok_or_else(|| illegal(column))
}

/// Commits that a change is told, and its event where somebody asks for it.
pub(super) fn tell(
    connection: &Connection,
    untold: &Untold,
    to: &[EndpointName],
    now: Timestamp,
) -> Result<(), SpoolError> {
    let name = untold.account.as_str();
    let mailbox = match &untold.account {
        Account::Mailbox(mailbox) => mailbox.as_str(),
        Account::Endpoint(_) => "",
    };
    let event = Event {
        id: free_id(connection, untold)?,
        mailbox,
        unique_id: None,
        kind: Kind::Changed(untold.change),
        about: None,
        bytes: &event::json(&Facts::of(untold))?,
    };
    event::insert(connection, &event, to, now)?;
    // What is told is what the event says: if more has changed meanwhile, that is news again.
    let told = |sql: &str, value: &dyn rusqlite::ToSql| connection.prepare_cached(sql)?.execute(params![name, value]);
    const STATE: &str = "UPDATE condition SET told = ?2 WHERE mailbox = ?1";
    match untold.change {
        Change::Recovered => told(STATE, &Condition::Ok.as_str()),
        Change::AuthFailed => told(STATE, &Condition::AuthFailed.as_str()),
        Change::Unreachable => told(STATE, &Condition::Unreachable.as_str()),
        Change::UidlReset => told("UPDATE condition SET told_flood = ?2 WHERE mailbox = ?1", &untold.mark),
        Change::EndpointHeld => told("INSERT OR REPLACE INTO told_hold VALUES (?1, ?2)", &untold.mark),
    }?;
    Ok(())
}

/// The id of a new event: its generation is the time of the change or, where the wall clock stood still or went back to
/// one that was told, the next that is free.
fn free_id(connection: &Connection, untold: &Untold) -> Result<MessageId, SpoolError> {
    let mut generation = untold.since.as_millisecond();
    loop {
        let id = MessageId::of_event(untold.change.as_str(), untold.account.as_str(), &generation.to_string());
        if !connection.prepare_cached("SELECT 1 FROM message WHERE id = ?1")?.exists([id.as_str()])? {
            return Ok(id);
        }
        generation += 1;
    }
}
