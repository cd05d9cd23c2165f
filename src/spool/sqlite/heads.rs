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
use super::queue::CLAIMED;
use super::queue::claim_row;
use crate::ident::EndpointName;
use crate::spool::Claim;
use crate::spool::Claims;
use crate::spool::SpoolError;
use crate::spool::Wanted;

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
pub(super) fn claim(
    connection: &Connection,
    claimed: &HashSet<i64>,
    endpoint: &EndpointName,
    wanted: Wanted,
    (now, budget_ms): (Timestamp, i64),
) -> Result<Claims, SpoolError> {
    let mut claims = Claims::default();
    let mut due = Vec::new();
    let mut after = String::new();
    while let Some(head) = next(connection, endpoint, &after)? {
        after.clone_from(&head.mailbox);
        let tried = wanted.untried_since.is_some_and(|since| head.tried_at.is_some_and(|tried| tried >= since));
        if tried || claimed.contains(&head.key) || is_preceded(connection, &head)? {
            continue;
        }
        if head.due > now {
            claims.next_due = Some(claims.next_due.map_or(head.due, |next: Timestamp| next.min(head.due)));
        } else {
            due.push(head);
        }
    }
    due.sort_by_key(|head| (head.due, head.key));
    for head in due.iter().take(wanted.free) {
        claims.claims.push(read(connection, head.key, budget_ms)?);
    }
    Ok(claims)
}

/// The head of the mailbox that comes next after `mailbox`, by name.
fn next(connection: &Connection, endpoint: &EndpointName, mailbox: &str) -> Result<Option<Head>, SpoolError> {
    let head = connection
        .prepare_cached(
            "SELECT mailbox, message, key, due, tried_at FROM delivery
             WHERE endpoint = ?1 AND state = 'pending' AND mailbox > ?2 ORDER BY mailbox, message LIMIT 1",
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

fn read(connection: &Connection, key: i64, budget_ms: i64) -> Result<Claim, SpoolError> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT {SPOOLED}, {CLAIMED} FROM delivery JOIN message ON message.seq = delivery.message WHERE delivery.key = ?1"
    ))?;
    let mut rows = query.query([key])?;
    let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    claim_row(row, budget_ms)
}
