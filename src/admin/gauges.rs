//! Fills the gauges over the spool at each scrape.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::Means;
use crate::ident::EndpointName;
use crate::metrics::REMOVED_ENDPOINT;
use crate::spool::EndpointRow;
use crate::spool::Hold;
use crate::spool::Reason;
use crate::spool::SpoolError;
use crate::spool::State;
use crate::spool::Stats;

/// Reads the spool's figures into the gauges.
pub(super) async fn refresh(means: &Means) -> Result<(), SpoolError> {
    let stats = means.spool.stats().await?;
    let endpoints = means.spool.endpoints().await?;
    spool(means, &stats);
    deliveries(means, &stats, &endpoints);
    Ok(())
}

fn spool(means: &Means, stats: &Stats) {
    let metrics = &means.metrics;
    for (state, count) in &stats.messages {
        metrics.spool.messages.with_label_values(&[state.as_str()]).set(signed(*count));
        match state {
            State::Quarantined => metrics.deliver.quarantined.set(signed(*count)),
            State::Unrouted => metrics.deliver.unrouted.set(signed(*count)),
            State::Spooled | State::Routed | State::Delivered | State::Dead | State::Dropped => {}
        }
    }
    for (state, count) in &stats.ledger {
        metrics.spool.messages.with_label_values(&[state]).set(signed(*count));
    }
    metrics.spool.bytes.set(signed(stats.bytes));
}

/// Endpoints that left the configuration share one label, whose values are summed.
fn deliveries(means: &Means, stats: &Stats, endpoints: &[EndpointRow]) {
    let metrics = &means.metrics.deliver;
    let removed: BTreeSet<&EndpointName> =
        endpoints.iter().filter(|row| row.held == Some(Hold::Removed)).map(|row| &row.endpoint).collect();
    let now = means.clock.now().as_second();
    // A look that began before it was removed may have ended after its queue did.
    removed.iter().for_each(|endpoint| metrics.forget_spooled(endpoint));
    let mut of_removed = (0, 0);
    for row in endpoints.iter().filter(|row| !removed.contains(&row.endpoint)) {
        let name = [row.endpoint.as_str()];
        metrics.pending.with_label_values(&name).set(0);
        metrics.oldest_pending.with_label_values(&name).set(0);
        metrics.held.with_label_values(&name).set(i64::from(row.held.is_some()));
        let paused_until = row.paused_until.map_or(0, |until| until.as_second());
        metrics.paused_until.with_label_values(&name).set(if paused_until > now { paused_until } else { 0 });
        for reason in Reason::DEAD_LETTERS {
            metrics.dead_letters.with_label_values(&[row.endpoint.as_str(), reason.as_str()]).set(0);
        }
    }
    for (endpoint, count, oldest) in &stats.pending {
        let age = now.saturating_sub(oldest.as_second()).max(0);
        if removed.contains(endpoint) {
            of_removed = (of_removed.0 + count, of_removed.1.max(age));
            continue;
        }
        metrics.pending.with_label_values(&[endpoint.as_str()]).set(signed(*count));
        metrics.oldest_pending.with_label_values(&[endpoint.as_str()]).set(age);
    }
    metrics.pending.with_label_values(&[REMOVED_ENDPOINT]).set(signed(of_removed.0));
    metrics.oldest_pending.with_label_values(&[REMOVED_ENDPOINT]).set(of_removed.1);
    let mut dead_of_removed: BTreeMap<&str, u64> = Reason::DEAD_LETTERS.map(|reason| (reason.as_str(), 0)).into();
    for (endpoint, reason, count) in &stats.dead {
        if removed.contains(endpoint) {
            *dead_of_removed.entry(reason).or_default() += count;
            continue;
        }
        metrics.dead_letters.with_label_values(&[endpoint.as_str(), reason]).set(signed(*count));
    }
    for (reason, count) in dead_of_removed {
        metrics.dead_letters.with_label_values(&[REMOVED_ENDPOINT, reason]).set(signed(count));
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
