//! What is counted of an endpoint's attempts.

use jiff::Timestamp;

use super::Endpoint;
use super::attempt::Attempted;
use super::gate::Gate;
use super::remark::Remark;
use super::remark::Remarks;
use super::tell;
use crate::ident::EndpointName;
use crate::metrics::DeliverMetrics;
use crate::spool::End;
use crate::spool::Hold;

/// How many attempts ended which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// The endpoint took the message.
    pub delivered: usize,
    /// It is tried again.
    pub deferred: usize,
    /// It became a dead letter.
    pub dead: usize,
}

impl Tally {
    /// Both together.
    pub fn and(self, other: Tally) -> Tally {
        Tally {
            delivered: self.delivered + other.delivered,
            deferred: self.deferred + other.deferred,
            dead: self.dead + other.dead,
        }
    }
}

/// What one queue counts: for its round, and for the page of metrics.
#[derive(Debug)]
pub(super) struct Score {
    pub(super) tally: Tally,
    remarks: Remarks,
    pub(super) metrics: DeliverMetrics,
}

impl Score {
    pub(super) fn new(metrics: DeliverMetrics) -> Score {
        Score { tally: Tally::default(), remarks: Remarks::default(), metrics }
    }

    /// Counts an attempt that ended at `now`, and tells of it.
    pub(super) fn count(&mut self, endpoint: &EndpointName, attempted: &Attempted, now: Timestamp) {
        let Attempted { message, record, .. } = attempted;
        let name = endpoint.as_str();
        self.metrics.attempt_seconds.with_label_values(&[name]).observe(record.took.as_secs_f64());
        self.metrics.attempts.with_label_values(&[name, record.outcome]).inc();
        match record.end {
            End::Delivered => {
                self.tally.delivered += 1;
                let age = now.duration_since(message.spooled_at).as_secs_f64();
                self.metrics.latency.with_label_values(&[name]).observe(age.max(0.0));
            }
            End::Deferred { .. } => self.tally.deferred += 1,
            End::Dead(_) => self.tally.dead += 1,
        }
        tell::end(endpoint, &message.id, record);
    }

    /// Tells what an attempt showed beside its verdict.
    pub(super) fn remark(&mut self, endpoint: &EndpointName, remark: Option<Remark>) {
        if let Some(remark) = remark {
            self.remarks.tell(endpoint, remark, &self.metrics);
        }
    }

    /// Shows and tells that the endpoint is held.
    pub(super) fn hold(&self, endpoint: &EndpointName, why: Hold) {
        tell::hold(endpoint, why);
        self.metrics.held.with_label_values(&[endpoint.as_str()]).set(1);
    }

    /// Shows how the endpoint does, and how many attempts are under way.
    pub(super) fn show(&self, endpoint: &Endpoint, gate: &Gate, under_way: usize) {
        let name = [endpoint.name.as_str()];
        let signed = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.in_flight.with_label_values(&name).set(signed(under_way));
        let limit = gate.limit(endpoint.pace.max_in_flight);
        self.metrics.concurrency_limit.with_label_values(&name).set(signed(limit));
        self.metrics.breaker_state.with_label_values(&name).set(gate.breaker_state());
    }
}
