//! Creates the label pairs that the configuration brings, so that they report zero from the start, and takes them away.

use std::collections::HashMap;

use prometheus::IntCounterVec;
use prometheus::IntGaugeVec;
use prometheus::core::Collector as _;
use prometheus::core::MetricVec;
use prometheus::core::MetricVecBuilder;

use super::CollectMetrics;
use super::DeliverMetrics;
use super::NoticeMetrics;
use super::OauthMetrics;
use crate::ident::EndpointName;
use crate::ident::MailboxName;

impl CollectMetrics {
    /// Creates the label pairs of `mailbox`, so that they report zero from the start.
    pub fn declare(&self, mailbox: &MailboxName, results: &[&str], quirks: &[&str]) {
        let name = mailbox.as_str();
        for result in results {
            self.visits.with_label_values(&[name, result]);
        }
        for quirk in quirks {
            self.quirks.with_label_values(&[name, quirk]);
        }
        for counter in self.counters_of_mailbox() {
            counter.with_label_values(&[name]);
        }
        for gauge in self.gauges_of_mailbox() {
            gauge.with_label_values(&[name]);
        }
    }

    /// Takes the label pairs of `mailbox` away: it left the configuration.
    pub fn forget(&self, mailbox: &MailboxName) {
        let name = mailbox.as_str();
        for counter in self.counters_of_mailbox().into_iter().chain([&self.visits]) {
            forget(counter, name);
        }
        for gauge in self.gauges_of_mailbox().into_iter().chain([&self.quirks]) {
            forget(gauge, name);
        }
    }

    /// The counters that each mailbox has one of.
    fn counters_of_mailbox(&self) -> [&IntCounterVec; 7] {
        [
            &self.retrieved,
            &self.retrieved_bytes,
            &self.deduplicated,
            &self.expunged,
            &self.oversize,
            &self.retrieve_refused,
            &self.quit_withheld,
        ]
    }

    /// The gauges that each mailbox has one of.
    fn gauges_of_mailbox(&self) -> [&IntGaugeVec; 8] {
        [
            &self.last_success,
            &self.interval,
            &self.next_visit,
            &self.paused,
            &self.maildrop_messages,
            &self.stopped,
            &self.uidl_reset,
            &self.without_unique_id,
        ]
    }
}

/// Takes every label pair away whose mailbox or endpoint has this name.
fn forget<B: MetricVecBuilder>(vec: &MetricVec<B>, name: &str) {
    for family in vec.collect() {
        for metric in family.get_metric() {
            let labels: HashMap<&str, &str> = metric.get_label().iter().map(|l| (l.name(), l.value())).collect();
            if labels.get("mailbox").or(labels.get("endpoint")) == Some(&name) {
                // It may be gone already.
                drop(vec.remove(&labels));
            }
        }
    }
}

impl OauthMetrics {
    /// Takes the label pairs of `mailbox` away: it left the configuration, or has a password now.
    pub fn forget(&self, mailbox: &MailboxName) {
        forget(&self.refreshes, mailbox.as_str());
    }

    /// Creates the label pairs of `mailbox`, so that they report zero from the start.
    pub fn declare(&self, mailbox: &MailboxName, results: &[&str]) {
        for result in results {
            self.refreshes.with_label_values(&[mailbox.as_str(), result]);
        }
    }
}

impl NoticeMetrics {
    /// Creates the label pairs, so that they report zero from the start.
    pub fn declare(&self, types: &[&str], outcomes: &[&str]) {
        for kind in types {
            self.events.with_label_values(&[kind]);
        }
        for outcome in outcomes {
            self.mails.with_label_values(&[outcome]);
        }
    }
}

impl DeliverMetrics {
    /// The gauges that each endpoint has one of.
    fn of_endpoint(&self) -> [&IntGaugeVec; 8] {
        [
            &self.pending,
            &self.oldest_pending,
            &self.held,
            &self.breaker_state,
            &self.concurrency_limit,
            &self.paused_until,
            &self.in_flight,
            &self.clock_skew,
        ]
    }

    /// Takes away what a look at the spool tells of `endpoint`: under its own name, if it left the configuration, nothing.
    pub fn forget_spooled(&self, endpoint: &EndpointName) {
        let gauges = [&self.pending, &self.oldest_pending, &self.held, &self.paused_until, &self.dead_letters];
        gauges.into_iter().for_each(|gauge| forget(gauge, endpoint.as_str()));
    }

    /// Takes the label pairs of `endpoint` away: it left the configuration.
    pub fn forget(&self, endpoint: &EndpointName) {
        let name = endpoint.as_str();
        self.forget_spooled(endpoint);
        forget(&self.attempts, name);
        for gauge in self.of_endpoint().into_iter().chain([&self.signing_keys, &self.signing_ends]) {
            forget(gauge, name);
        }
        for histogram in [&self.attempt_seconds, &self.latency] {
            forget(histogram, name);
        }
    }

    /// Creates the label pairs of `endpoint`, so that they report zero from the start.
    pub fn declare(&self, endpoint: &EndpointName, outcomes: &[&str], reasons: &[&str]) {
        let name = endpoint.as_str();
        for outcome in outcomes {
            self.attempts.with_label_values(&[name, outcome]);
        }
        for reason in reasons {
            self.dead_letters.with_label_values(&[name, reason]);
        }
        for gauge in self.of_endpoint() {
            gauge.with_label_values(&[name]);
        }
        self.attempt_seconds.with_label_values(&[name]);
        self.latency.with_label_values(&[name]);
    }
}
