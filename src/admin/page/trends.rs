//! Throughput and latency of the last two hours, sampled in memory and drawn on the server.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use prometheus::core::Collector as _;
use prometheus::proto::MetricFamily;

use crate::clock::Clock;
use crate::metrics::Metrics;

/// Between two samples.
const EVERY: Duration = Duration::from_secs(15);
/// Samples that are kept: two hours.
const KEPT: usize = 480;
/// What a chart is drawn in: as wide as there are samples, and so high.
const HEIGHT: f64 = 100.0;

/// What was counted since the start, at one instant.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sample {
    /// Seconds since the start.
    at: f64,
    /// Messages taken from servers.
    taken: f64,
    /// Attempts that delivered.
    delivered: f64,
    /// Attempts that did not.
    failed: f64,
    /// Seconds from spooled to delivered, of all deliveries together.
    waited: f64,
    /// Of so many deliveries.
    waits: f64,
}

/// The samples, the oldest first.
#[derive(Debug, Clone, Default)]
pub(in crate::admin) struct Trends(Arc<Mutex<VecDeque<Sample>>>);

/// One chart.
#[derive(Debug, PartialEq)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) now: String,
    pub(super) most: String,
    /// The `d` of an SVG path.
    pub(super) path: String,
}

impl Trends {
    /// Samples for ever.
    pub(in crate::admin) async fn sample(&self, metrics: &Metrics, clock: &Clock) {
        loop {
            let sample = Sample::of(metrics, clock.uptime());
            {
                let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                if samples.len() == KEPT {
                    samples.pop_front();
                }
                samples.push_back(sample);
            }
            clock.wait(EVERY).await;
        }
    }

    /// The charts, with what is counted at this instant at their end.
    pub(super) fn charts(&self, metrics: &Metrics, uptime: Duration) -> Vec<Chart> {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Sample> = samples.iter().copied().collect();
        drop(samples);
        all.push(Sample::of(metrics, uptime));
        draw(&all)
    }
}

impl Sample {
    fn of(metrics: &Metrics, uptime: Duration) -> Sample {
        let attempts = metrics.deliver.attempts.collect();
        let latency = metrics.deliver.latency.collect();
        let of_latency = latency.iter().flat_map(MetricFamily::get_metric).map(|metric| metric.get_histogram());
        let (waited, waits) = of_latency.fold((0.0, 0.0), |(sum, count), histogram| {
            (sum + histogram.get_sample_sum(), count + number(histogram.get_sample_count()))
        });
        Sample {
            at: uptime.as_secs_f64(),
            taken: total(&metrics.collect.retrieved.collect(), |_| true),
            delivered: total(&attempts, |outcome| outcome == "delivered"),
            failed: total(&attempts, |outcome| outcome != "delivered"),
            waited,
            waits,
        }
    }
}

/// The sum of the counters whose last label is wanted.
fn total(families: &[MetricFamily], wanted: impl Fn(&str) -> bool) -> f64 {
    let metrics = families.iter().flat_map(MetricFamily::get_metric);
    let outcome = |metric: &prometheus::proto::Metric| {
        let label = metric.get_label().iter().find(|label| label.name() == "outcome");
        label.map(|label| label.value().to_owned()).unwrap_or_default()
    };
    metrics.filter(|metric| wanted(&outcome(metric))).map(|metric| metric.get_counter().get_value()).sum()
}

/// A count, as exactly as a chart can show it.
fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

/// Each chart from one sample to the next.
fn draw(samples: &[Sample]) -> Vec<Chart> {
    let rate = |of: fn(&Sample) -> f64| {
        steps(samples, |before, after| {
            let minutes = (after.at - before.at) / 60.0;
            if minutes > 0.0 { (of(after) - of(before)) / minutes } else { 0.0 }
        })
    };
    let latency = steps(samples, |before, after| {
        let waits = after.waits - before.waits;
        if waits > 0.0 { (after.waited - before.waited) / waits } else { 0.0 }
    });
    let per_minute = |value: f64| format!("{value:.1} a minute");
    let seconds = |value: f64| format!("{value:.1} s");
    vec![
        chart("Mail taken", &rate(|sample| sample.taken), per_minute),
        chart("Deliveries that succeeded", &rate(|sample| sample.delivered), per_minute),
        chart("Attempts that failed", &rate(|sample| sample.failed), per_minute),
        chart("From taken to delivered", &latency, seconds),
    ]
}

fn steps(samples: &[Sample], step: impl Fn(&Sample, &Sample) -> f64) -> Vec<f64> {
    samples.iter().zip(samples.iter().skip(1)).map(|(before, after)| step(before, after).max(0.0)).collect()
}

fn chart(title: &'static str, values: &[f64], shown: impl Fn(f64) -> String) -> Chart {
    let most = values.iter().copied().fold(0.0, f64::max);
    Chart { title, now: shown(values.last().copied().unwrap_or_default()), most: shown(most), path: path(values, most) }
}

/// The area under the values; the newest stands at the right edge.
fn path(values: &[f64], most: f64) -> String {
    let width = number(u64::try_from(KEPT).unwrap_or(u64::MAX));
    let left = width - number(u64::try_from(values.len()).unwrap_or(u64::MAX));
    let scale = if most > 0.0 { (HEIGHT - 4.0) / most } else { 0.0 };
    let mut path = format!("M{left:.0} {HEIGHT}");
    let mut at = left;
    for value in values {
        let height = HEIGHT - value * scale;
        path.push_str(&format!("L{at:.0} {height:.1}L{:.0} {height:.1}", at + 1.0));
        at += 1.0;
    }
    path.push_str(&format!("L{at:.0} {HEIGHT}Z"));
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: f64, taken: f64, waited: f64, waits: f64) -> Sample {
        Sample { at, taken, waited, waits, ..Sample::default() }
    }

    #[test]
    fn a_chart_shows_what_came_between_two_samples() {
        let charts = draw(&[sample(0.0, 0.0, 0.0, 0.0), sample(15.0, 5.0, 6.0, 3.0), sample(30.0, 6.0, 6.0, 3.0)]);
        let [taken, _, _, latency] = &charts[..] else { panic!("{charts:?}") };
        assert_eq!((&*taken.now, &*taken.most), ("4.0 a minute", "20.0 a minute"));
        assert_eq!((&*latency.now, &*latency.most), ("0.0 s", "2.0 s"));
        assert_eq!(taken.path, "M478 100L478 4.0L479 4.0L479 80.8L480 80.8L480 100Z");
    }

    #[test]
    fn nothing_yet_is_an_empty_chart() {
        assert!(draw(&[]).iter().all(|chart| chart.path == "M480 100L480 100Z" && chart.most.starts_with("0.0")));
    }

    #[tokio::test]
    async fn no_more_is_remembered_than_two_hours() {
        let (trends, metrics) = (Trends::default(), Metrics::new().unwrap());
        let clock = Clock::by_hand(jiff::Timestamp::UNIX_EPOCH);
        let sampling = trends.sample(&metrics, &clock);
        tokio::pin!(sampling);
        for _ in 0..KEPT + 20 {
            tokio::select! {
                biased;
                () = &mut sampling => panic!("it never ends"),
                () = tokio::task::yield_now() => clock.advance(EVERY),
            }
        }
        assert_eq!(trends.0.lock().unwrap().len(), KEPT);
        let charts = trends.charts(&metrics, clock.uptime());
        assert!(charts[0].path.starts_with("M0 100"), "{}", charts[0].path);
    }
}
