//! The body of an event that was routed from the beginning: about a dead letter, a mailbox or an endpoint.
//!
//! A dead letter's notice carries the whole mail, whatever its endpoint chose for mail of its own: who gets it has seen
//! nothing of the mail yet.

use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::means::Means;
use super::means::Unready;
use super::means::facts;
use super::means::sign;
use super::means::unparsed;
use super::payload;
use super::payload::json;
use super::webhook::Post;
use crate::parse;
use crate::parse::Mail;
use crate::spool::DeadLetter;
use crate::spool::Facts;
use crate::spool::Kind;
use crate::spool::Spooled;

/// The signed body.
pub(super) async fn render(means: &Arc<Means>, event: &Spooled, at: Timestamp) -> Result<Post, Unready> {
    let bytes = means.spool.raw(event.key).await.map_err(Unready::Spool)?.ok_or(Unready::Released)?;
    let (head, frame) = payload::event_head(&means.endpoint.format, event.id.as_str());
    let body = match event.kind {
        Kind::DeadLetter => dead_letter(means, event, read(&bytes)?).await?,
        Kind::Changed(change) => {
            let facts: Facts = read(&bytes)?;
            let labels = facts.mailbox.as_deref().and_then(|mailbox| means.labels.get(mailbox));
            json::render_changed(frame, change, event.spooled_at, &facts, labels).map_err(|_| Unready::Render)?
        }
        Kind::Mail | Kind::Oversize { .. } => return Err(Unready::Render),
    };
    sign(means, &event.id, at, head, body)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unready> {
    serde_json::from_slice(bytes).map_err(|_| Unready::Render)
}

async fn dead_letter(means: &Arc<Means>, event: &Spooled, settled: DeadLetter) -> Result<Vec<u8>, Unready> {
    let mail = means.spool.find(&settled.mail).await.map_err(Unready::Spool)?.ok_or(Unready::Released)?;
    let raw = means.spool.raw(mail.key).await.map_err(Unready::Spool)?;
    let (means, event, told_at) = (Arc::clone(means), event.id.clone(), event.spooled_at);
    let rendering = move || {
        let parsed = match &raw {
            None => Mail::default(),
            Some(_) if settled.unparsed => unparsed(),
            Some(raw) => parse::parse(raw, &parse::Options::default()),
        };
        let facts = facts(&mail, &means.labels)?;
        let (_, frame) = payload::event_head(&means.endpoint.format, event.as_str());
        json::render_dead_letter(frame, &facts, &parsed, raw.as_deref(), told_at, &settled).ok()
    };
    tokio::task::spawn_blocking(rendering).await.ok().flatten().ok_or(Unready::Render)
}
