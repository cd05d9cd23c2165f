//! Claims deliveries that are due.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::params;

use super::columns::SPOOLED;
use super::columns::spooled;
use super::columns::time;
use super::endpoint;
use super::fresh::Fresh;
use super::heads;
use crate::ident::EndpointName;
use crate::spool::Claim;
use crate::spool::Claims;
use crate::spool::DeliveryKey;
use crate::spool::Form;
use crate::spool::SpoolError;
use crate::spool::Wanted;

/// What is claimed now. It lives in memory alone: a process that dies has claimed nothing.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) messages: HashSet<i64>,
    pub(super) deliveries: HashSet<i64>,
    pub(super) fresh: Fresh,
}

/// The columns that [`claim_row`] reads after `SPOOLED`, in its order.
pub(super) const CLAIMED: &str =
    "delivery.key, delivery.attempts, delivery.generation, delivery.failures, delivery.refusals, delivery.budget_from,
     delivery.form, delivery.due, delivery.refused_ms, delivery.refused_from";

/// Claims deliveries that are due.
pub(super) fn claim(
    connection: &Connection,
    claimed: &HashSet<i64>,
    endpoint: &EndpointName,
    wanted: Wanted,
    (now, ran_ms): (Timestamp, i64),
) -> Result<Claims, SpoolError> {
    let standing = endpoint::standing(connection, endpoint.as_str(), ran_ms)?;
    if standing.held {
        return Ok(Claims::default());
    }
    if let Some(until) = standing.paused_until.filter(|until| *until > now) {
        return Ok(Claims { claims: Vec::new(), next_due: Some(until) });
    }
    bring_forward(connection, endpoint, wanted.longest_wait, now)?;
    if wanted.ordered {
        return heads::claim(connection, claimed, endpoint, wanted, (now, standing.budget_ms));
    }
    let mut query = connection.prepare_cached(&format!(
        "SELECT {SPOOLED}, {CLAIMED}
         FROM delivery JOIN message ON message.seq = delivery.message
         WHERE delivery.endpoint = ?1 AND delivery.state = 'pending'
           AND (delivery.tried_at IS NULL OR delivery.tried_at < ?2)
         ORDER BY delivery.due, delivery.key"
    ))?;
    let untried_since = wanted.untried_since.map_or(i64::MAX, Timestamp::as_millisecond);
    let mut rows = query.query(params![endpoint.as_str(), untried_since])?;
    let mut claims = Claims::default();
    while claims.claims.len() < wanted.free {
        let Some(row) = rows.next()? else { break };
        let due = time(row, 17)?;
        if due > now {
            claims.next_due = Some(due);
            break;
        }
        if claimed.contains(&row.get(10)?) {
            continue;
        }
        claims.claims.push(claim_row(row, standing.budget_ms)?);
    }
    Ok(claims)
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

/// Reads a claim from a row of [`CLAIMED`].
pub(super) fn claim_row(row: &rusqlite::Row<'_>, budget_ms: i64) -> Result<Claim, SpoolError> {
    let since = |from: Option<i64>| from.map_or(0, |from| budget_ms - from);
    let tried_ms = since(row.get(15)?);
    let refused_ms = row.get::<_, i64>(18)? + since(row.get(19)?);
    let form: String = row.get(16)?;
    Ok(Claim {
        delivery: DeliveryKey(row.get(10)?),
        message: spooled(row)?,
        attempt: row.get::<_, u32>(11)?.saturating_add(1),
        generation: row.get(12)?,
        failures: row.get(13)?,
        refusals: row.get(14)?,
        form: if form == "unparsed" { Form::Unparsed } else { Form::Parsed },
        tried_for: millis(tried_ms),
        refused_for: millis(refused_ms),
    })
}

fn millis(count: i64) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}
