//! The body of an event that was routed from the beginning: about a dead letter, a mailbox or an endpoint.
//!
//! A dead letter's notice carries the whole mail, whatever its endpoint chose for mail of its own: who gets it has seen
//! nothing of the mail yet.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::body::Rendering;
use super::means::Means;
use super::means::Unready;
use super::means::facts;
use super::means::sign;
use super::means::unparsed;
use super::payload;
use super::webhook::Post;
use crate::parse::Mail;
use crate::spool::DeadLetter;
use crate::spool::Facts;
use crate::spool::Kind;
use crate::spool::Spooled;

/// The signed post.
pub(super) async fn render(means: &Arc<Means>, event: &Spooled, at: Timestamp) -> Result<Post, Unready> {
    let bytes = means.spool.raw(event.key).await.map_err(Unready::Spool)?.ok_or(Unready::Released)?;
    let (head, frame) = payload::event::head(&means.endpoint.format, event.id.as_str());
    match event.kind {
        Kind::DeadLetter => dead_letter(means, event, at, read(&bytes)?).await,
        Kind::Changed(change) => {
            let facts: Facts = read(&bytes)?;
            let labels = facts.mailbox.as_deref().and_then(|mailbox| means.labels.get(mailbox));
            let body = payload::event::changed(frame, change, event.spooled_at, &facts, labels);
            let body = body.map_err(|_| Unready::Render)?;
            sign(means, &event.id, at, (head, Rendering::new(move |out| out.write_all(&body))), event.size)
        }
        Kind::Mail | Kind::Oversize { .. } => Err(Unready::Render),
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unready> {
    serde_json::from_slice(bytes).map_err(|_| Unready::Render)
}

async fn dead_letter(means: &Arc<Means>, event: &Spooled, at: Timestamp, settled: DeadLetter) -> Result<Post, Unready> {
    let mail = means.spool.find(&settled.mail).await.map_err(Unready::Spool)?.ok_or(Unready::Released)?;
    let raw = means.spool.raw(mail.key).await.map_err(Unready::Spool)?.map(Bytes::from);
    let (means, told_at, id) = (Arc::clone(means), event.spooled_at, event.id.clone());
    let rendering = move || {
        let parsed = match &raw {
            None => Mail::default(),
            Some(_) if settled.unparsed => unparsed(),
            Some(raw) => means.reading.parse(mail.mailbox.as_ref(), raw),
        };
        let (size, labels) = (mail.size, Arc::clone(&means.labels));
        let (head, _) = payload::event::head(&means.endpoint.format, id.as_str());
        let (format, told) = (means.endpoint.format.clone(), id.clone());
        let write = move |out: &mut dyn io::Write| {
            let facts = facts(&mail, &labels).ok_or_else(|| io::Error::other("the mail belongs to no mailbox"))?;
            let (_, frame) = payload::event::head(&format, told.as_str());
            payload::event::dead_letter(frame, &facts, &parsed, raw.as_deref(), (told_at, &settled), out)
        };
        sign(&means, &id, at, (head, Rendering::new(write)), size)
    };
    tokio::task::spawn_blocking(rendering).await.map_err(|_| Unready::Render)?
}
