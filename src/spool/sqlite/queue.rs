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
    let budget_ms = endpoint::budget_ms(connection, endpoint.as_str(), ran_ms)?;
    let mut walk = Walk { claimed, endpoint, wanted, now, budget_ms, claims, bytes: 0, retries: 0 };
    if walk.take(connection, Which::All)? == Ended::Retries {
        walk.take(connection, Which::Untried)?;
    }
    Ok(walk.claims)
}

/// A walk over what is pending, the oldest due first.
struct Walk<'a> {
    claimed: &'a HashSet<i64>,
    endpoint: &'a EndpointName,
    wanted: Wanted,
    now: Timestamp,
    budget_ms: i64,
    claims: Claims,
    bytes: u64,
    retries: usize,
}

/// Which deliveries a walk looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    /// Those that were never tried: a backlog of what failed is not read for them.
    Untried,
}

/// What ended a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Nothing more is due, or no more is wanted.
    Here,
    /// No more that was tried before is wanted.
    Retries,
}

impl Which {
    fn sql(self) -> String {
        let (index, which) = match self {
            Which::All => ("delivery_due", ""),
            Which::Untried => ("delivery_untried", "AND delivery.attempts = 0"),
        };
        format!(
            "SELECT {SPOOLED}, delivery.key, delivery.attempts, delivery.generation, delivery.failures, delivery.refusals,
                    delivery.budget_from, delivery.form, delivery.due
             FROM delivery INDEXED BY {index} JOIN message ON message.seq = delivery.message
             WHERE delivery.endpoint = ?1 AND delivery.state = 'pending' {which}
               AND (delivery.tried_at IS NULL OR delivery.tried_at < ?2)
             ORDER BY delivery.due, delivery.key"
        )
    }
}

impl Walk<'_> {
    fn take(&mut self, connection: &Connection, which: Which) -> Result<Ended, SpoolError> {
        let mut query = connection.prepare_cached(&which.sql())?;
        let untried_since = self.wanted.untried_since.map_or(i64::MAX, Timestamp::as_millisecond);
        let mut rows = query.query(params![self.endpoint.as_str(), untried_since])?;
        while let Some(row) = rows.next()? {
            let due = time(row, 17)?;
            if due > self.now {
                self.claims.next_due = Some(due);
                return Ok(Ended::Here);
            }
            let key = row.get(10)?;
            if self.claimed.contains(&key) || self.claims.claims.iter().any(|claim| claim.delivery.0 == key) {
                continue;
            }
            let (size, attempts): (u64, u32) = (row.get(5)?, row.get(11)?);
            let bytes = self.bytes.saturating_add(self.wanted.weight.of(size));
            let taken = self.claims.claims.len();
            let too_heavy = bytes > self.wanted.bytes && taken >= self.wanted.at_least;
            if taken >= self.wanted.free || too_heavy {
                self.claims.more_due = true;
                return Ok(Ended::Here);
            }
            if attempts > 0 && self.retries >= self.wanted.retries {
                self.claims.more_due = true;
                return Ok(Ended::Retries);
            }
            self.bytes = bytes;
            self.retries += usize::from(attempts > 0);
            self.claims.claims.push(claim_row(row, self.budget_ms)?);
        }
        Ok(Ended::Here)
    }
}

fn claim_row(row: &rusqlite::Row<'_>, budget_ms: i64) -> Result<Claim, SpoolError> {
    let from: Option<i64> = row.get(15)?;
    let tried_ms = from.map_or(0, |from| budget_ms - from);
    let form: String = row.get(16)?;
    Ok(Claim {
        delivery: DeliveryKey(row.get(10)?),
        message: spooled(row)?,
        attempt: row.get::<_, u32>(11)?.saturating_add(1),
        generation: row.get(12)?,
        failures: row.get(13)?,
        refusals: row.get(14)?,
        form: if form == "unparsed" { Form::Unparsed } else { Form::Parsed },
        tried_for: Duration::from_millis(u64::try_from(tried_ms).unwrap_or(0)),
    })
}
