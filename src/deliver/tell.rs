//! What the log tells of attempts and endpoints. Never an address, a subject, a body or a URL.

use super::told::News;
use crate::ident::EndpointName;
use crate::ident::MessageId;
use crate::spool::Breaker;
use crate::spool::DAMAGED_REMEDY;
use crate::spool::End;
use crate::spool::Hold;
use crate::spool::Reason;
use crate::spool::Record;
use crate::spool::Standing;

/// How an attempt for `id` ended.
pub(super) fn end(endpoint: &EndpointName, id: &MessageId, record: &Record) {
    let Record { attempt, status, error, .. } = *record;
    match record.end {
        End::Delivered => tracing::debug!(%id, %endpoint, attempt, "delivered"),
        End::Deferred { due, .. } => {
            tracing::debug!(%id, %endpoint, attempt, status, error, due = %format_args!("{due:.0}"), "deferred");
        }
        End::Dead(Reason::Damaged) => {
            tracing::error!(%id, %endpoint, "our copy of a message is damaged; it is a dead letter, and nothing is posted: {DAMAGED_REMEDY}");
        }
        End::Dead(reason) => {
            let reason = reason.as_str();
            tracing::error!(%id, %endpoint, status, error, reason, "dead letter: see `pophook spool list`");
        }
    }
}

/// What is new of an endpoint after the attempt of `record`.
pub(super) fn news(endpoint: &EndpointName, news: News, record: &Record) {
    let Record { status, error, .. } = *record;
    match news {
        News::Nothing => {}
        News::Fails => {
            tracing::warn!(%endpoint, status, error, "the endpoint fails; its mail waits and is tried again");
        }
        News::Pauses(until) => {
            tracing::warn!(%endpoint, until = %format_args!("{until:.0}"), "the endpoint asks to wait");
        }
        News::Recovers => tracing::info!(%endpoint, "the endpoint takes mail again"),
        News::Opens(until) => {
            let probe = format_args!("{until:.0}");
            tracing::warn!(%endpoint, status, error, %probe, "the endpoint goes on failing; it is spared, but for one probe at a time");
        }
        News::Closes => tracing::info!(%endpoint, "the endpoint takes mail again, at first one at a time"),
    }
}

/// Where an endpoint stands, as the spool remembers it, where that keeps mail back. That it is held is told elsewhere.
pub(super) fn standing(endpoint: &EndpointName, standing: &Standing) {
    if let Breaker::Open { probe_at, .. } = standing.health.breaker {
        tracing::warn!(%endpoint, probe = %format_args!("{probe_at:.0}"), "the endpoint went on failing; it is still spared");
    }
}

/// An endpoint is held.
pub(super) fn hold(endpoint: &EndpointName, why: Hold) {
    tracing::error!(%endpoint, why = why.as_str(), "the endpoint is held; end it with `pophook endpoint resume`");
}
