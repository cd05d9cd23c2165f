//! `format: cloudevents`: CloudEvents 1.0 over HTTP, around the `data` of the native format.
//!
//! The attributes stand in the body (structured mode) or in header fields (binary mode). An event about something else
//! than a mail that was taken is always structured: receivers tell the modes apart by the content type.

use std::io;

use serde::Serialize;

use super::json;
use super::json::Data;
use super::json::Payload;
use crate::deliver::CloudEvents;
use crate::deliver::payload::Head;
use crate::deliver::payload::Source;

/// The content type of a structured event.
const STRUCTURED: &str = "application/cloudevents+json; charset=UTF-8";

pub(super) fn head(mode: CloudEvents, source: &Source<'_>) -> Head {
    if mode == CloudEvents::Structured {
        return structured();
    }
    let attributes = [
        ("ce-specversion", "1.0".to_owned()),
        ("ce-id", source.facts.id.as_str().to_owned()),
        ("ce-source", format!("/mailboxes/{}", source.facts.mailbox)),
        ("ce-type", json::MAIL_RECEIVED.to_owned()),
        ("ce-time", format!("{:.3}", source.facts.spooled_at)),
    ];
    Head { headers: attributes.map(|(name, value)| (name.to_owned(), value)).into(), ..Head::json() }
}

/// What goes before a structured event.
pub(super) fn structured() -> Head {
    Head::of(STRUCTURED.to_owned())
}

pub(super) fn write(mode: CloudEvents, source: &Source<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    json::with_received(source, |payload| match mode {
        CloudEvents::Structured => Ok(serde_json::to_writer(out, &Event::of(source.facts.id.as_str(), &payload))?),
        CloudEvents::Binary => Ok(serde_json::to_writer(out, &payload.data())?),
    })
}

/// A structured event.
#[derive(Serialize)]
pub(super) struct Event<'a, D> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    r#type: &'static str,
    time: &'a str,
    datacontenttype: &'static str,
    data: D,
}

impl<'a> Event<'a, Data<'a>> {
    /// The event `id`, made of a native payload.
    pub(super) fn of(id: &'a str, payload: &'a Payload<'a>) -> Self {
        Event {
            specversion: "1.0",
            id,
            source: payload.source(),
            r#type: payload.r#type(),
            time: payload.timestamp(),
            datacontenttype: "application/json",
            data: payload.data(),
        }
    }
}
