//! A walk over an endpoint's pending deliveries, which claims what is due as long as more is wanted.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::params;

use super::columns::SPOOLED;
use super::columns::spooled;
use super::columns::time;
use crate::ident::EndpointName;
use crate::spool::Claim;
use crate::spool::Claims;
use crate::spool::DeliveryKey;
use crate::spool::Form;
use crate::spool::SpoolError;
use crate::spool::Wanted;

/// The columns that [`claim_row`] reads after `SPOOLED`, in its order.
pub(super) const CLAIMED: &str =
    "delivery.key, delivery.attempts, delivery.generation, delivery.failures, delivery.refusals, delivery.budget_from,
     delivery.form, delivery.due, delivery.refused_ms, delivery.refused_from";

/// A walk over what is pending, the oldest due first.
pub(super) struct Walk<'a> {
    pub(super) claimed: &'a HashSet<i64>,
    pub(super) endpoint: &'a EndpointName,
    pub(super) wanted: Wanted,
    pub(super) now: Timestamp,
    pub(super) budget_ms: i64,
    pub(super) claims: Claims,
    pub(super) bytes: u64,
    pub(super) retries: usize,
}

/// Which deliveries a walk looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    All,
    /// Those that were never tried: a backlog of what failed is not read for them.
    Untried,
}

/// What ended a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
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
            "SELECT {SPOOLED}, {CLAIMED}
             FROM delivery INDEXED BY {index} JOIN message ON message.seq = delivery.message
             WHERE delivery.endpoint = ?1 AND delivery.state = 'pending' {which}
               AND (delivery.tried_at IS NULL OR delivery.tried_at < ?2)
             ORDER BY delivery.due, delivery.key"
        )
    }
}

impl Walk<'_> {
    /// Claims what is due and free of `which`, and says what ended it.
    pub(super) fn take(&mut self, connection: &Connection, which: Which) -> Result<Ended, SpoolError> {
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
            if let Some(ended) = self.claim(row)? {
                return Ok(ended);
            }
        }
        Ok(Ended::Here)
    }

    /// Claims what is due and free, a row of `SPOOLED` and [`CLAIMED`], unless that is more than wanted.
    pub(super) fn claim(&mut self, row: &rusqlite::Row<'_>) -> Result<Option<Ended>, SpoolError> {
        let (size, attempts): (u64, u32) = (row.get(5)?, row.get(11)?);
        let bytes = self.bytes.saturating_add(self.wanted.weight.of(size));
        let taken = self.claims.claims.len();
        let too_heavy = bytes > self.wanted.bytes && taken >= self.wanted.at_least;
        if taken >= self.wanted.free || too_heavy {
            self.claims.more_due = true;
            return Ok(Some(Ended::Here));
        }
        if attempts > 0 && self.retries >= self.wanted.retries {
            self.claims.more_due = true;
            return Ok(Some(Ended::Retries));
        }
        self.bytes = bytes;
        self.retries += usize::from(attempts > 0);
        self.claims.claims.push(claim_row(row, self.budget_ms)?);
        Ok(None)
    }
}

/// Reads a claim from a row of [`CLAIMED`].
fn claim_row(row: &rusqlite::Row<'_>, budget_ms: i64) -> Result<Claim, SpoolError> {
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
