//! Creates the label pairs that the configuration brings, so that they report zero from the start.

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
        for counter in [
            &self.retrieved,
            &self.retrieved_bytes,
            &self.deduplicated,
            &self.expunged,
            &self.oversize,
            &self.retrieve_refused,
            &self.quit_withheld,
        ] {
            counter.with_label_values(&[name]);
        }
        for gauge in
            [&self.last_success, &self.maildrop_messages, &self.stopped, &self.uidl_reset, &self.without_unique_id]
        {
            gauge.with_label_values(&[name]);
        }
    }
}

impl OauthMetrics {
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
    /// Creates the label pairs of `endpoint`, so that they report zero from the start.
    pub fn declare(&self, endpoint: &EndpointName, outcomes: &[&str], reasons: &[&str]) {
        let name = endpoint.as_str();
        for outcome in outcomes {
            self.attempts.with_label_values(&[name, outcome]);
        }
        for reason in reasons {
            self.dead_letters.with_label_values(&[name, reason]);
        }
        for gauge in [
            &self.pending,
            &self.oldest_pending,
            &self.held,
            &self.breaker_state,
            &self.concurrency_limit,
            &self.paused_until,
            &self.in_flight,
            &self.clock_skew,
        ] {
            gauge.with_label_values(&[name]);
        }
        self.attempt_seconds.with_label_values(&[name]);
        self.latency.with_label_values(&[name]);
    }
}
