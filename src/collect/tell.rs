//! What operators are told: metrics, and log lines for what is news.

use std::time::Duration;

use prometheus::IntGauge;

use super::Mailbox;
use super::Report;
use super::VisitError;
use super::plan::Findings;
use super::quirk::Quirk;
use super::report::RESULT_OK;
use crate::clock::Clock;
use crate::metrics::CollectMetrics;

/// Sets a gauge to 0 or 1; tells whether it was 0 and is 1 now.
fn is_news(gauge: &IntGauge, on: bool) -> bool {
    let news = on && gauge.get() == 0;
    gauge.set(i64::from(on));
    news
}

/// What a listing shows.
pub(super) fn listing(mailbox: &Mailbox, metrics: &CollectMetrics, findings: &Findings, quirks: &[Quirk]) {
    let name = mailbox.name.as_str();
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    metrics.maildrop_messages.with_label_values(&[name]).set(count(findings.listed));
    metrics.without_unique_id.with_label_values(&[name]).set(count(findings.without_unique_id));
    if is_news(&metrics.uidl_reset.with_label_values(&[name]), findings.flood) {
        let held = findings.held;
        tracing::error!(
            mailbox = name,
            held,
            "most unique-ids changed at once; if messages are held, settle it with `pophook mailbox reset`"
        );
    }
    for quirk in Quirk::ALL {
        if is_news(&metrics.quirks.with_label_values(&[name, quirk.as_str()]), quirks.contains(&quirk)) {
            match quirk {
                Quirk::ExpiresAtOnce | Quirk::NoUniqueIds | Quirk::DoesNotDelete => {
                    tracing::warn!(mailbox = name, quirk = quirk.as_str(), "{quirk}");
                }
                Quirk::Window | Quirk::LoginDelay => {
                    tracing::info!(mailbox = name, quirk = quirk.as_str(), "{quirk}");
                }
            }
        }
    }
}

/// Whether the mailbox is stopped, and when it is tried next.
pub(super) fn stopped(mailbox: &Mailbox, metrics: &CollectMetrics, stopped: bool, wait: Duration) {
    if is_news(&metrics.stopped.with_label_values(&[mailbox.name.as_str()]), stopped) {
        tracing::error!(
            mailbox = %mailbox.name,
            next_in = ?wait,
            "the mailbox is stopped: mend the account, or its password in the configuration"
        );
    }
}

/// The time from one visit to the next while they succeed.
pub(super) fn interval(mailbox: &Mailbox, metrics: &CollectMetrics, interval: Duration) {
    let seconds = i64::try_from(interval.as_secs()).unwrap_or(i64::MAX);
    metrics.interval.with_label_values(&[mailbox.name.as_str()]).set(seconds);
}

/// How a visit ended, and when the next one is due.
pub(super) fn visit(
    mailbox: &Mailbox,
    metrics: &CollectMetrics,
    clock: &Clock,
    result: &Result<Report, VisitError>,
    next_in: Option<Duration>,
) {
    let name = mailbox.name.as_str();
    let label = result.as_ref().map_or_else(VisitError::result, |_| RESULT_OK);
    metrics.visits.with_label_values(&[name, label]).inc();
    match result {
        Ok(report) => {
            metrics.last_success.with_label_values(&[name]).set(clock.now().as_second());
            if report.is_quiet() {
                tracing::debug!(mailbox = name, listed = report.listed, "visit done, nothing new");
            } else {
                let Report { listed, taken, known, expunged, oversize, skipped, left, refused, unreached, .. } = report;
                tracing::info!(
                    mailbox = name,
                    listed,
                    taken,
                    known,
                    expunged,
                    oversize,
                    skipped,
                    left,
                    refused,
                    unreached,
                    "visit done"
                );
            }
        }
        Err(error) => {
            if let VisitError::Spool(_) = error {
                metrics.quit_withheld.with_label_values(&[name]).inc();
            }
            let next_in =
                next_in.map(|wait| humantime::format_duration(Duration::from_secs(wait.as_secs())).to_string());
            tracing::warn!(mailbox = name, reason = error.reason(), error = %error.explain(), next_in, "visit failed");
        }
    }
}
