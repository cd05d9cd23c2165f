//! The shape of the events about mailboxes and endpoints.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::spool::Change;
use crate::spool::Facts;

pub(in crate::deliver::payload) fn envelope<'a>(
    change: Change,
    told_at: Timestamp,
    facts: &'a Facts,
    labels: Option<&'a BTreeMap<String, String>>,
) -> Envelope<'a> {
    Envelope {
        r#type: change.as_str(),
        timestamp: format!("{told_at:.3}"),
        data: Data {
            mailbox: facts.mailbox.as_deref(),
            labels: labels.filter(|labels| !labels.is_empty()),
            endpoint: facts.endpoint.as_deref(),
            since: &facts.since,
            reason: facts.reason.as_deref(),
        },
    }
}

/// Something changed with a mailbox or an endpoint. Each change is told once.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChangedEnvelope")]
pub(in crate::deliver::payload) struct Envelope<'a> {
    /// `mailbox.auth_failed`: its login is refused. `mailbox.unreachable`: it cannot be visited. `mailbox.recovered`: it
    /// can again. `mailbox.uidl_reset`: most of its known unique-ids went at once. `endpoint.held`: nothing is posted
    /// to it until somebody resumes it.
    #[schemars(extend("enum" = Change::ALL.map(Change::as_str)))]
    pub(super) r#type: &'static str,
    /// When this was told, RFC 3339 in UTC.
    pub(super) timestamp: String,
    /// What it is about.
    pub(super) data: Data<'a>,
}

/// What changed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChangedData")]
pub(in crate::deliver::payload) struct Data<'a> {
    /// The mailbox's name in the configuration; absent from an event about an endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    mailbox: Option<&'a str>,
    /// The mailbox's labels, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<&'a BTreeMap<String, String>>,
    /// The endpoint's name in the configuration; absent from an event about a mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<&'a str>,
    /// Since when it is so, RFC 3339 in UTC.
    since: &'a str,
    /// Why, in one word: how the last visit failed, what the mailbox recovered from, whether new mail of a reset is
    /// `held` for an operator or `deduplicated` by content, why the endpoint is held.
    reason: Option<&'a str>,
}

impl Data<'_> {
    /// Where it happened, as a path.
    pub(super) fn source(&self) -> String {
        match (self.mailbox, self.endpoint) {
            (Some(mailbox), _) => format!("/mailboxes/{mailbox}"),
            (None, Some(endpoint)) => format!("/endpoints/{endpoint}"),
            (None, None) => "/".to_owned(),
        }
    }
}
