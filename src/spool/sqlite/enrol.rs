//! Makes the configured mailboxes and endpoints known, and carries renames out.

use std::collections::BTreeSet;

use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::params;

use super::columns::mailbox;
use super::endpoint;
use super::token;
use crate::ident::EndpointName;
use crate::ident::MailboxName;
use crate::spool::Enrolment;
use crate::spool::Hold;
use crate::spool::SpoolError;

/// The tables whose rows follow a mailbox to its new name, and their column.
const NAMING: [(&str, &str); 5] = [
    ("mailbox", "name"),
    ("message", "mailbox"),
    ("ledger", "mailbox"),
    ("delivery", "mailbox"),
    ("condition", "mailbox"),
];

/// Makes the configured mailboxes known.
pub(super) fn mailboxes(connection: &Connection, mailboxes: &[Enrolment]) -> Result<(), SpoolError> {
    for mailbox in mailboxes {
        if let Some(former) = &mailbox.former_name {
            rename(connection, former.as_str(), mailbox.mailbox.as_str())?;
        }
    }
    refuse_silent_renames(connection, mailboxes)?;
    for mailbox in mailboxes {
        connection
            .prepare_cached(
                "INSERT INTO mailbox (name, host, username) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET host = ?2, username = ?3",
            )?
            .execute(params![mailbox.mailbox.as_str(), mailbox.host, mailbox.username])?;
    }
    Ok(())
}

/// The mailboxes that are paused.
pub(super) fn paused(connection: &Connection) -> Result<BTreeSet<MailboxName>, SpoolError> {
    let mut query = connection.prepare_cached("SELECT name FROM mailbox WHERE paused_at IS NOT NULL")?;
    Ok(query.query_map([], |row| mailbox(row, 0))?.collect::<Result<_, _>>()?)
}

fn rename(connection: &Connection, former: &str, name: &str) -> Result<(), SpoolError> {
    let exists = |name: &str| -> Result<bool, rusqlite::Error> {
        connection.prepare_cached("SELECT 1 FROM mailbox WHERE name = ?1")?.exists([name])
    };
    if exists(name)? || !exists(former)? {
        return Ok(());
    }
    for (table, column) in NAMING {
        connection.execute(&format!("UPDATE {table} SET {column} = ?2 WHERE {column} = ?1"), [former, name])?;
    }
    token::rename(connection, former, name)
}

/// Whether a maildrop has a new name that nothing is said of.
pub(super) fn refuse_silent_renames(connection: &Connection, mailboxes: &[Enrolment]) -> Result<(), SpoolError> {
    mailboxes.iter().try_for_each(|mailbox| refuse_silent_rename(connection, mailbox, mailboxes))
}

/// The same maildrop under a new name would be taken twice, under new ids.
fn refuse_silent_rename(connection: &Connection, new: &Enrolment, all: &[Enrolment]) -> Result<(), SpoolError> {
    let mut known = connection
        .prepare_cached("SELECT name FROM mailbox WHERE host = ?1 AND username = ?2 AND name <> ?3 ORDER BY name")?;
    let known = known
        .query_map(params![new.host, new.username, new.mailbox.as_str()], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let known_itself =
        connection.prepare_cached("SELECT 1 FROM mailbox WHERE name = ?1")?.exists([new.mailbox.as_str()])?;
    let is_named = |name: &MailboxName, old: &String| name.as_str() == old;
    let lost = known.into_iter().find(|old| {
        all.iter().all(|one| !is_named(&one.mailbox, old) && !one.former_name.iter().any(|name| is_named(name, old)))
    });
    match lost {
        Some(old) if !known_itself => Err(SpoolError::Renamed { old, new: new.mailbox.as_str().to_owned() }),
        _ => Ok(()),
    }
}

/// Makes the configured endpoints known; the pending rows of all others are held.
pub(super) fn endpoints(connection: &Connection, configured: &[EndpointName], ran_ms: i64) -> Result<(), SpoolError> {
    for name in configured {
        connection.prepare_cached("INSERT OR IGNORE INTO endpoint (name) VALUES (?1)")?.execute([name.as_str()])?;
        let held: Option<String> = connection
            .prepare_cached("SELECT held FROM endpoint WHERE name = ?1")?
            .query_row([name.as_str()], |row| row.get(0))
            .optional()?
            .flatten();
        if held.as_deref() == Some(Hold::Removed.as_str()) {
            endpoint::resume(connection, name.as_str(), ran_ms)?;
        }
    }
    let mut waiting = connection
        .prepare("SELECT name FROM endpoint UNION SELECT DISTINCT endpoint FROM delivery WHERE state = 'pending'")?;
    let waiting = waiting.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    for name in waiting.iter().filter(|name| configured.iter().all(|known| known.as_str() != *name)) {
        connection.prepare_cached("INSERT OR IGNORE INTO endpoint (name) VALUES (?1)")?.execute([name])?;
        endpoint::hold(connection, name, Hold::Removed, ran_ms)?;
    }
    Ok(())
}
