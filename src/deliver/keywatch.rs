//! Minds an endpoint's signing keys for its queue: while none is valid, the endpoint is held and nothing is claimed.
//!
//! The hold ends by itself as soon as a key is valid, be it one whose time has come or one of a newer configuration.
//! A hold of another kind is left alone. The last days before no key is left are told, one line a day.

use jiff::Timestamp;

use super::keyring::Standing;
use super::means::Means;
use crate::crash;
use crate::ident::EndpointName;
use crate::metrics::DeliverMetrics;
use crate::spool::Hold;
use crate::spool::SpoolError;

/// What is known of an endpoint's keys since the last look.
#[derive(Debug)]
pub(super) struct KeyWatch {
    /// Whether the spool may hold the endpoint for want of a key; an earlier process may have left it so.
    may_be_held: bool,
    /// What the metrics show; `None` before the first look.
    shown: Option<Option<Standing>>,
    /// How many days were left when it was told last.
    days_told: Option<i64>,
}

/// What a look at the keys tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// Whether posts can be signed, or need not be.
    pub(super) can_post: bool,
    /// When to look again, if nothing else comes before.
    pub(super) again: Option<Timestamp>,
}

impl KeyWatch {
    pub(super) fn new() -> KeyWatch {
        KeyWatch { may_be_held: true, shown: None, days_told: None }
    }

    /// Looks at the keys, and holds the endpoint or ends that hold.
    pub(super) async fn look(&mut self, means: &Means, metrics: &DeliverMetrics) -> Result<Look, SpoolError> {
        let (endpoint, now) = (&means.endpoint.name, means.clock.now());
        let standing = means.endpoint.signing.standing(now);
        self.show(endpoint, standing, metrics);
        self.warn(endpoint, standing, now);
        let can_post = standing.is_none_or(|standing| standing.valid > 0);
        if !can_post {
            self.may_be_held = true;
            crash::point!("before hold_if_free");
            let held = means.spool.hold_if_free(endpoint, Hold::NoValidKey).await?;
            crash::point!("after hold_if_free");
            if held {
                let next = standing.and_then(|standing| standing.begins).map(|next| format!("{next:.0}"));
                tracing::error!(%endpoint, next, "no signing key is valid: nothing is posted, and mail waits; write one in signing_keys");
            }
        } else if self.may_be_held {
            crash::point!("before end_hold");
            let ended = means.spool.end_hold(endpoint, Hold::NoValidKey).await?;
            crash::point!("after end_hold");
            if ended {
                tracing::info!(%endpoint, "no longer held for want of a signing key; mail goes on");
            }
            self.may_be_held = false;
        }
        Ok(Look { can_post, again: standing.and_then(|standing| standing.look_again(now)) })
    }

    /// An endpoint without keys has none of these figures, also if it had keys before.
    fn show(&mut self, endpoint: &EndpointName, standing: Option<Standing>, metrics: &DeliverMetrics) {
        if self.shown == Some(standing) {
            return;
        }
        self.shown = Some(standing);
        let valid = standing.map(|standing| i64::try_from(standing.valid).unwrap_or(i64::MAX));
        let ends = standing.and_then(|standing| standing.ends).map(Timestamp::as_second);
        for (gauge, value) in [(&metrics.signing_keys, valid), (&metrics.signing_ends, ends)] {
            match value {
                Some(value) => gauge.with_label_values(&[endpoint.as_str()]).set(value),
                // That it was not there is no fault.
                None => drop(gauge.remove_label_values(&[endpoint.as_str()])),
            }
        }
    }

    fn warn(&mut self, endpoint: &EndpointName, standing: Option<Standing>, now: Timestamp) {
        let days = standing.and_then(|standing| standing.days_left(now));
        let ends = standing.and_then(|standing| standing.ends);
        if let (Some(days), Some(ends)) = (days, ends)
            && self.days_told != Some(days)
        {
            let ends = format!("{ends:.0}");
            tracing::warn!(%endpoint, days, ends, "the last signing key ends soon, and then nothing is posted; add one to signing_keys");
        }
        self.days_told = days;
    }
}
