//! The shape of `mail.oversize`, field by field: a mail that stays on its server, as far as its header tells of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::MAIL_OVERSIZE;
use super::TooLarge;
use super::letter::Letter;
use super::shape::Header;
use crate::deliver::payload::Facts;
use crate::ident::UniqueId;
use crate::parse::Mail;

pub(in crate::deliver::payload) fn envelope<'a>(facts: &Facts<'a>, mail: &'a Mail, why: TooLarge) -> Envelope<'a> {
    let spooled_at = format!("{:.3}", facts.spooled_at);
    Envelope {
        r#type: MAIL_OVERSIZE,
        timestamp: spooled_at.clone(),
        data: Data {
            id: facts.id.as_str(),
            mailbox: facts.mailbox.as_str(),
            labels: facts.labels,
            unique_id: facts.unique_id.map(UniqueId::to_string),
            spooled_at,
            size: why.size,
            limit: why.limit,
            letter: Letter::of(mail),
            headers: mail.headers.iter().map(Header::of).collect(),
        },
    }
}

/// A mail is larger than its mailbox's `max_message_size`, and stays on the server.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OversizeEnvelope")]
pub(in crate::deliver::payload) struct Envelope<'a> {
    /// What happened.
    #[schemars(extend("const" = MAIL_OVERSIZE))]
    pub(super) r#type: &'static str,
    /// The same as `data.spooled_at`.
    pub(super) timestamp: String,
    /// The mail, as far as it is known.
    pub(super) data: Data<'a>,
}

/// The mail and where it lies. What its header would tell is null or empty where the server did not give the header.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OversizeData")]
pub(in crate::deliver::payload) struct Data<'a> {
    /// `msg_…`, the same as the header `webhook-id`. It is the event's: should the limit be raised, the mail has another.
    id: &'a str,
    /// The mailbox's name in the configuration.
    mailbox: &'a str,
    /// The mailbox's labels, if any.
    labels: &'a BTreeMap<String, String>,
    /// The server's name for the message (UIDL); bytes that are not printable ASCII, and `%`, are percent-encoded.
    unique_id: Option<String>,
    /// When it was noted, RFC 3339 in UTC.
    spooled_at: String,
    /// The mail's size in bytes as the server lists it; one more than `limit` where it turned out too large only while it was read.
    size: u64,
    /// The mailbox's `max_message_size` in bytes.
    limit: u64,
    #[serde(flatten)]
    letter: Letter<'a>,
    /// Every header field in the order received, values decoded and unfolded.
    headers: Vec<Header<'a>>,
}

impl Data<'_> {
    /// The mailbox's name.
    pub(super) fn mailbox(&self) -> &str {
        self.mailbox
    }
}
