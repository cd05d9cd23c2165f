//! Claims in order: of each mailbox, the oldest message that an endpoint has not settled, and no other.
//!
//! A message that is older and not yet sorted may be for this endpoint too, so that it is waited for; a quarantined one
//! waits for a human, and nobody waits for it.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::params;

use super::columns::SPOOLED;
use super::columns::time;
use super::columns::time_or_none;
use super::walk::CLAIMED;
use super::walk::Ended;
use super::walk::Walk;
use crate::ident::EndpointName;
use crate::spool::SpoolError;

/// The oldest unsettled delivery of one mailbox.
#[derive(Debug)]
struct Head {
    mailbox: String,
    message: i64,
    key: i64,
    due: Timestamp,
    tried_at: Option<Timestamp>,
}

/// Claims the heads that are due, what is due longest first.
pub(super) fn take(walk: &mut Walk<'_>, connection: &Connection) -> Result<(), SpoolError> {
    let mut due = Vec::new();
    let busy = busy(walk, connection)?;
    let mut after = String::new();
    while let Some(head) = next(connection, walk.endpoint, &after)? {
        // The least name that comes after this one.
        after.clone_from(&head.mailbox);
        after.push('\0');
        let tried = walk.wanted.untried_since.is_some_and(|since| head.tried_at.is_some_and(|tried| tried >= since));
        if tried || busy.contains(&head.mailbox) || is_preceded(connection, &head)? {
            continue;
        }
        if head.due > walk.now {
            walk.claims.next_due = Some(walk.claims.next_due.map_or(head.due, |next| next.min(head.due)));
        } else {
            due.push(head);
        }
    }
    due.sort_by_key(|head| (head.due, head.key));
    let mut query = connection.prepare_cached(&format!(
        "SELECT {SPOOLED}, {CLAIMED} FROM delivery JOIN message ON message.seq = delivery.message
         WHERE delivery.key = ?1"
    ))?;
    for head in due {
        let mut rows = query.query([head.key])?;
        // Of those that were tried before no more may be wanted, of the others there may.
        if let Some(row) = rows.next()?
            && walk.claim(row)? == Some(Ended::Here)
        {
            break;
        }
    }
    Ok(())
}

/// The mailboxes one of whose messages is on its way to the endpoint. That need not be the head: an operator may have
/// retried an older one, or dropped the one that is under way.
fn busy(walk: &Walk<'_>, connection: &Connection) -> Result<HashSet<String>, SpoolError> {
    let mut owner = connection.prepare_cached("SELECT mailbox FROM delivery WHERE key = ?1 AND endpoint = ?2")?;
    let mut busy = HashSet::new();
    for key in walk.claimed {
        busy.extend(owner.query_row(params![key, walk.endpoint.as_str()], |row| row.get::<_, String>(0)).optional()?);
    }
    Ok(busy)
}

/// The head of the first mailbox from `mailbox` on, by name; what belongs to none, an event about an endpoint, has the
/// empty one.
fn next(connection: &Connection, endpoint: &EndpointName, mailbox: &str) -> Result<Option<Head>, SpoolError> {
    let head = connection
        .prepare_cached(
            "SELECT mailbox, message, key, due, tried_at FROM delivery
             WHERE endpoint = ?1 AND state = 'pending' AND mailbox >= ?2 ORDER BY mailbox, message LIMIT 1",
        )?
        .query_row(params![endpoint.as_str(), mailbox], |row| {
            Ok(Head {
                mailbox: row.get(0)?,
                message: row.get(1)?,
                key: row.get(2)?,
                due: time(row, 3)?,
                tried_at: time_or_none(row, 4)?,
            })
        })
        .optional()?;
    Ok(head)
}

/// Whether an older message of the mailbox is still to be sorted.
fn is_preceded(connection: &Connection, head: &Head) -> Result<bool, SpoolError> {
    let preceded = connection
        .prepare_cached(
            "SELECT 1 FROM message
             WHERE state = 'spooled' AND released_at IS NULL AND seq < ?1 AND mailbox = ?2 AND settled_at IS NULL",
        )?
        .exists(params![head.message, head.mailbox])?;
    Ok(preceded)
}
