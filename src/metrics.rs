//! Every metric on one page, one struct per room. The doc comment of a field is its help text.
//!
//! Names are `pophook_` + noun + unit + `_total`. Labels come from the configuration or from enums, never from mail
//! or error texts. Every label pair is created at start, so that zero is reported as zero. Nothing here is global:
//! `app` makes the page once and hands each room its own part.

mod declare;
#[macro_use]
mod room;

use prometheus::Histogram;
use prometheus::HistogramOpts;
use prometheus::HistogramVec;
use prometheus::IntCounter;
use prometheus::IntCounterVec;
use prometheus::IntGauge;
use prometheus::IntGaugeVec;
use prometheus::Opts;
use prometheus::Registry;

/// Buckets for the disk, in seconds: half a millisecond to a quarter of a minute.
const COMMIT_BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 15.0];
/// Buckets for one exchange over a network, in seconds.
const EXCHANGE_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0];
/// Buckets for the whole way of a message, in seconds: up to the five days of the longest retry.
const LATENCY_BUCKETS: [f64; 11] = [0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 21600.0, 86400.0, 432000.0];

metrics! {
    /// What the collecting half counts.
    CollectMetrics {
        /// Visits that ended, by result.
        visits: IntCounterVec ["mailbox", "result"] "pophook_visits_total";
        /// How long visits took, in seconds.
        visit_seconds: Histogram [] "pophook_visit_duration_seconds" buckets EXCHANGE_BUCKETS;
        /// When the last visit that succeeded ended, in Unix time; 0 before the first.
        last_success: IntGaugeVec ["mailbox"] "pophook_last_successful_visit_timestamp_seconds";
        /// From one visit to the next while they succeed, in seconds: `poll_interval`, or what the server asks for.
        interval: IntGaugeVec ["mailbox"] "pophook_visit_interval_seconds";
        /// When the next visit is due, in Unix time; 0 while one is under way, and while the mailbox is paused.
        next_visit: IntGaugeVec ["mailbox"] "pophook_next_visit_timestamp_seconds";
        /// 1 while the mailbox is not visited because an operator paused it.
        paused: IntGaugeVec ["mailbox"] "pophook_mailbox_paused";
        /// Messages in the last complete listing.
        maildrop_messages: IntGaugeVec ["mailbox"] "pophook_maildrop_messages";
        /// Messages that were retrieved and committed.
        retrieved: IntCounterVec ["mailbox"] "pophook_messages_retrieved_total";
        /// Bytes of the messages that were retrieved and committed.
        retrieved_bytes: IntCounterVec ["mailbox"] "pophook_retrieved_bytes_total";
        /// Retrieved messages that were equal to one in the spool.
        deduplicated: IntCounterVec ["mailbox"] "pophook_messages_deduplicated_total";
        /// Messages that the server was told to delete, with QUIT answered.
        expunged: IntCounterVec ["mailbox"] "pophook_messages_expunged_total";
        /// Messages that stay on the server because they exceed `max_message_size`.
        oversize: IntCounterVec ["mailbox"] "pophook_oversize_messages_total";
        /// Messages whose retrieval the server refused.
        retrieve_refused: IntCounterVec ["mailbox"] "pophook_retrievals_refused_total";
        /// Sessions that were dropped without QUIT because something retrieved was not durable.
        quit_withheld: IntCounterVec ["mailbox"] "pophook_sessions_without_quit_total";
        /// 1 while the mailbox is stopped: its login was refused three times, or the server wants a human to look at it.
        stopped: IntGaugeVec ["mailbox"] "pophook_mailbox_stopped";
        /// 1 while most known unique-ids of the mailbox are gone at once.
        uidl_reset: IntGaugeVec ["mailbox"] "pophook_uidl_reset";
        /// 1 while the server has a trait that the mailbox's rules should reckon with.
        quirks: IntGaugeVec ["mailbox", "quirk"] "pophook_server_quirks";
        /// Messages in the last listing that had no usable unique-id.
        without_unique_id: IntGaugeVec ["mailbox"] "pophook_messages_without_unique_id";
    }
}

metrics! {
    /// What the disk counts.
    SpoolMetrics {
        /// Messages in the spool, by state.
        messages: IntGaugeVec ["state"] "pophook_spool_messages";
        /// Live bytes in the spool; not the size of its file.
        bytes: IntGauge [] "pophook_spool_bytes";
        /// 1 while no mail is retrieved, because spool or disk is full.
        full: IntGauge [] "pophook_spool_full";
        /// Bytes that are free on the spool's disk.
        disk_free: IntGauge [] "pophook_spool_disk_free_bytes";
        /// How much mail the spool may hold, in bytes.
        max_bytes: IntGauge [] "pophook_spool_max_bytes";
        /// 1 while the spool can be written.
        writable: IntGauge [] "pophook_spool_writable";
        /// How long a commit took, sync included, in seconds.
        commit_seconds: Histogram [] "pophook_spool_commit_seconds" buckets COMMIT_BUCKETS;
        /// Our own copies that retention released.
        released: IntCounter [] "pophook_messages_released_total";
        /// Ledger rows that were pruned after `ledger_keep`.
        pruned: IntCounter [] "pophook_ledger_rows_pruned_total";
    }
}

metrics! {
    /// What the fetching of access tokens counts.
    OauthMetrics {
        /// Access tokens that were asked for, by result.
        refreshes: IntCounterVec ["mailbox", "result"] "pophook_oauth_refreshes_total";
    }
}

metrics! {
    /// What the delivering half counts.
    DeliverMetrics {
        /// Deliveries that wait for an attempt.
        pending: IntGaugeVec ["endpoint"] "pophook_deliveries_pending";
        /// Age of the oldest delivery that waits, in seconds since it was spooled.
        oldest_pending: IntGaugeVec ["endpoint"] "pophook_oldest_pending_delivery_seconds";
        /// Attempts that ended, by outcome.
        attempts: IntCounterVec ["endpoint", "outcome"] "pophook_delivery_attempts_total";
        /// How long attempts took, in seconds.
        attempt_seconds: HistogramVec ["endpoint"] "pophook_delivery_attempt_seconds" buckets EXCHANGE_BUCKETS;
        /// From spooled to delivered, in seconds.
        latency: HistogramVec ["endpoint"] "pophook_delivery_latency_seconds" buckets LATENCY_BUCKETS;
        /// Dead letters, by reason.
        dead_letters: IntGaugeVec ["endpoint", "reason"] "pophook_dead_letters";
        /// 1 while the endpoint's deliveries are held.
        held: IntGaugeVec ["endpoint"] "pophook_endpoint_held";
        /// Whether the endpoint is spared for failing again and again: 0 no (closed), 1 it is tried out (half open), 2 yes (open).
        breaker_state: IntGaugeVec ["endpoint"] "pophook_endpoint_breaker_state";
        /// Posts that the endpoint gets at once, as its answers allow.
        concurrency_limit: IntGaugeVec ["endpoint"] "pophook_endpoint_concurrency_limit";
        /// Until when the endpoint asked to be left alone, in Unix time; 0 where it did not.
        paused_until: IntGaugeVec ["endpoint"] "pophook_endpoint_paused_until_timestamp_seconds";
        /// Attempts under way.
        in_flight: IntGaugeVec ["endpoint"] "pophook_attempts_in_flight";
        /// How many seconds our clock is ahead of the endpoint's, by the `Date` of its last answer; negative if behind.
        clock_skew: IntGaugeVec ["endpoint"] "pophook_clock_skew_seconds";
        /// Signing keys that are valid now, for endpoints whose posts are signed.
        signing_keys: IntGaugeVec ["endpoint"] "pophook_signing_keys_valid";
        /// When the last signing key ends, or has ended, in Unix time; absent while one has no end.
        signing_ends: IntGaugeVec ["endpoint"] "pophook_signing_ends_timestamp_seconds";
        /// Attachments that were to lie in the attachment store, by what came of it.
        uploads: IntCounterVec ["result"] "pophook_attachment_uploads_total";
        /// How long uploads to the attachment store took, in seconds.
        upload_seconds: Histogram [] "pophook_attachment_upload_seconds" buckets EXCHANGE_BUCKETS;
        /// Mails that a rule dropped, by its name or, where it has none, its number.
        dropped: IntCounterVec ["rule"] "pophook_messages_dropped_by_rule_total";
        /// Defects found in mails, by kind.
        defects: IntCounterVec ["kind"] "pophook_parse_defects_total";
        /// Messages that the parser failed on three times.
        quarantined: IntGauge [] "pophook_quarantined_messages";
        /// Messages that no rule and no mailbox sends anywhere.
        unrouted: IntGauge [] "pophook_unrouted_messages";
    }
}

metrics! {
    /// What the telling of changes and dead letters counts.
    NoticeMetrics {
        /// Events about mailboxes and endpoints that were made, by type.
        events: IntCounterVec ["type"] "pophook_notice_events_total";
        /// Attempts to report a dead letter by mail, by outcome.
        mails: IntCounterVec ["outcome"] "pophook_notice_mails_total";
    }
}

metrics! {
    /// What the reading of the configuration counts.
    ConfigMetrics {
        /// Times that the configuration was read anew, by result.
        reloads: IntCounterVec ["result"] "pophook_config_reloads_total";
        /// 1 while what stands in the files is not what runs: it was bad, or refused.
        reload_failed: IntGauge [] "pophook_config_reload_failed";
    }
}

/// The label under which deliveries to endpoints that left the configuration are counted.
pub const REMOVED_ENDPOINT: &str = "(removed)";

/// How a reading of the configuration ends: it runs, it was bad, or it would leave deliveries behind.
pub const RELOADS: [&str; 3] = ["ok", "failed", "refused"];

/// The whole page.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Holds every metric; `/metrics` prints it.
    pub registry: Registry,
    /// The collecting half's part.
    pub collect: CollectMetrics,
    /// The spool's part.
    pub spool: SpoolMetrics,
    /// The access tokens' part.
    pub oauth: OauthMetrics,
    /// The delivering half's part.
    pub deliver: DeliverMetrics,
    /// The notices' part.
    pub notice: NoticeMetrics,
    /// The configuration's part.
    pub config: ConfigMetrics,
}

impl Metrics {
    /// Makes the page.
    ///
    /// # Errors
    /// Fails on two metrics of one name.
    pub fn new() -> Result<Metrics, prometheus::Error> {
        let registry = Registry::new();
        let build =
            IntGaugeVec::new(Opts::new("pophook_build_info", "Always 1; the label tells the version."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(build))?;
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let collect = CollectMetrics::register(&registry)?;
        let spool = SpoolMetrics::register(&registry)?;
        let oauth = OauthMetrics::register(&registry)?;
        let deliver = DeliverMetrics::register(&registry)?;
        let notice = NoticeMetrics::register(&registry)?;
        let config = ConfigMetrics::register(&registry)?;
        for result in RELOADS {
            config.reloads.with_label_values(&[result]);
        }
        Ok(Metrics { registry, collect, spool, oauth, deliver, notice, config })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::EndpointName;
    use crate::ident::MailboxName;

    #[test]
    fn every_metric_has_a_help_text_and_a_name_of_ours() {
        let metrics = Metrics::new().unwrap();
        metrics.collect.declare(&MailboxName::parse("m").unwrap(), &["ok"], &["window"]);
        metrics.oauth.declare(&MailboxName::parse("m").unwrap(), &["ok"]);
        metrics.deliver.declare(&EndpointName::parse("e").unwrap(), &["delivered"], &["refused"]);
        metrics.notice.declare(&["mailbox.recovered"], &["delivered"]);
        for family in metrics.registry.gather() {
            assert!(!family.help().is_empty(), "{}", family.name());
            assert!(
                family.name().starts_with("pophook_") || family.name().starts_with("process_"),
                "{}",
                family.name()
            );
        }
    }
}
