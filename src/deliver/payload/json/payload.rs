//! Everything that this format can say, one shape for each type.

use schemars::JsonSchema;
use serde::Serialize;

use super::changed;
use super::dead_letter;
use super::oversize;
use super::shape;

/// What an endpoint gets; `type` says which.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::deliver::payload) enum Payload<'a> {
    Received(&'a shape::Envelope<'a>),
    Oversize(&'a oversize::Envelope<'a>),
    DeadLetter(&'a dead_letter::Envelope<'a>),
    Changed(&'a changed::Envelope<'a>),
}

/// The `data` of a payload.
#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::deliver::payload) enum Data<'a> {
    Received(&'a shape::Data<'a>),
    Oversize(&'a oversize::Data<'a>),
    DeadLetter(&'a dead_letter::Data<'a>),
    Changed(&'a changed::Data<'a>),
}

impl<'a> Payload<'a> {
    /// What happened.
    pub(in crate::deliver::payload) fn r#type(&self) -> &'static str {
        match self {
            Payload::Received(told) => told.r#type,
            Payload::Oversize(told) => told.r#type,
            Payload::DeadLetter(told) => told.r#type,
            Payload::Changed(told) => told.r#type,
        }
    }

    /// When, RFC 3339 in UTC.
    pub(in crate::deliver::payload) fn timestamp(&self) -> &'a str {
        match self {
            Payload::Received(told) => &told.timestamp,
            Payload::Oversize(told) => &told.timestamp,
            Payload::DeadLetter(told) => &told.timestamp,
            Payload::Changed(told) => &told.timestamp,
        }
    }

    /// What it is about, in full.
    pub(in crate::deliver::payload) fn data(&self) -> Data<'a> {
        match self {
            Payload::Received(told) => Data::Received(&told.data),
            Payload::Oversize(told) => Data::Oversize(&told.data),
            Payload::DeadLetter(told) => Data::DeadLetter(&told.data),
            Payload::Changed(told) => Data::Changed(&told.data),
        }
    }

    /// Where it happened, as a path: a mailbox or an endpoint.
    pub(in crate::deliver::payload) fn source(&self) -> String {
        let of_mailbox = |name: &str| format!("/mailboxes/{name}");
        match self {
            Payload::Received(told) => of_mailbox(told.data.mailbox()),
            Payload::Oversize(told) => of_mailbox(told.data.mailbox()),
            Payload::DeadLetter(told) => of_mailbox(told.data.mailbox()),
            Payload::Changed(told) => told.data.source(),
        }
    }
}
