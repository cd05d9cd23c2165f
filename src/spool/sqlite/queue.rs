//! The queue: deliveries are made, and claimed when they are due.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::params;

use super::endpoint;
use super::fresh::Fresh;
use super::heads;
use super::walk::Ended;
use super::walk::Walk;
use super::walk::Which;
use crate::ident::EndpointName;
use crate::spool::Claims;
use crate::spool::MessageKey;
use crate::spool::SpoolError;
use crate::spool::Wanted;

/// What is claimed now. It lives in memory alone: a process that dies has claimed nothing.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) messages: HashSet<i64>,
    pub(super) deliveries: HashSet<i64>,
    pub(super) fresh: Fresh,
}

/// Makes a delivery, where there is none.
pub(super) fn enqueue(
    connection: &Connection,
    message: MessageKey,
    endpoint: &EndpointName,
    now: Timestamp,
) -> Result<(), SpoolError> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO delivery (message, endpoint, due, mailbox)
             SELECT seq, ?2, ?3, mailbox FROM message WHERE seq = ?1",
        )?
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
    let standing = endpoint::standing(connection, endpoint.as_str(), (now, ran_ms))?;
    let mut claims = Claims { standing, ..Claims::default() };
    if claims.standing.held.is_some() {
        return Ok(claims);
    }
    if let Some(until) = claims.standing.paused_until.filter(|until| *until > now) {
        claims.next_due = Some(until);
        return Ok(claims);
    }
    bring_forward(connection, endpoint, wanted.longest_wait, now)?;
    let budget_ms = endpoint::budget_ms(connection, endpoint.as_str(), ran_ms)?;
    let mut walk = Walk { claimed, endpoint, wanted, now, budget_ms, claims, bytes: 0, retries: 0 };
    if wanted.ordered {
        heads::take(&mut walk, connection)?;
    } else if walk.take(connection, Which::All)? == Ended::Retries {
        walk.take(connection, Which::Untried)?;
    }
    Ok(walk.claims)
}

/// What a wall clock that ran ahead has put off for longer than any wait is due now.
fn bring_forward(
    connection: &Connection,
    endpoint: &EndpointName,
    longest_wait: Duration,
    now: Timestamp,
) -> Result<(), SpoolError> {
    let latest = now.checked_add(longest_wait).unwrap_or(Timestamp::MAX);
    let brought = connection
        .prepare_cached("UPDATE delivery SET due = ?3 WHERE endpoint = ?1 AND state = 'pending' AND due > ?2")?
        .execute(params![endpoint.as_str(), latest.as_millisecond(), now.as_millisecond()])?;
    if brought > 0 {
        tracing::warn!(%endpoint, deliveries = brought, "put off by a clock that ran ahead; they are due now");
    }
    Ok(())
}
