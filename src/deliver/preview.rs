//! For operators: what an endpoint is posted for a message, without posting it.

use std::sync::Arc;

use bytes::Bytes;

use super::Attachments;
use super::Config;
use super::Format;
use super::Links;
use super::carriage::Link;
use super::carriage::unlimited;
use super::carriage::ways;
use super::letter::Letter;
use super::letter::told;
use super::payload::Options;
use crate::ident::EndpointName;
use crate::parse::Attachment;
use crate::secret::Secret;
use crate::spool::Kind;
use crate::spool::Reading;
use crate::spool::SpoolError;
use crate::spool::Spooled;

/// What is posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// `Content-Type`.
    pub content_type: String,
    /// The body, before it is compressed.
    pub body: Bytes,
}

/// What `endpoint` would be posted for `message` by `config`, or, without one, the native format with its attachments.
///
/// `None`: the endpoint is not configured, our copy is gone, its attachments are too large for it, or the message tells of no mail.
///
/// # Errors
/// A spool that cannot be read.
pub async fn render(
    config: &Config,
    spool: &dyn Reading,
    message: &Spooled,
    endpoint: Option<&EndpointName>,
) -> Result<Option<Rendered>, SpoolError> {
    if let Kind::DeadLetter | Kind::Changed(_) = message.kind {
        return Ok(None);
    }
    let chosen = endpoint.map(|name| config.endpoints.iter().find(|endpoint| endpoint.name == *name).cloned());
    if let Some(None) = chosen {
        return Ok(None);
    }
    let Some(raw) = spool.raw(message.key).await?.map(Bytes::from) else { return Ok(None) };
    let (message, labels) = (message.clone(), Arc::new(config.labels.clone()));
    let reading = config.reading.clone();
    let links = config.store.as_ref().and_then(|store| Links::new(store).ok());
    let render = move || {
        let mail = Arc::new(reading.parse(message.mailbox.as_ref(), &raw));
        let native = Options { attachments: Attachments::Inline, include_raw: false, include_sanitized_html: false };
        let link = |part: &Attachment| match &links {
            Some(links) => links.to(&message.id, &part.part, message.spooled_at),
            None => Link { url: String::new(), expires_at: String::new() },
        };
        let ((format, options), ways) = match chosen.flatten() {
            None => ((Format::Json, native), unlimited(&mail.attachments, Attachments::Inline)),
            Some(mut endpoint) => {
                // Its signature covers no body: whoever saw it could put it to another.
                if let Format::Mailgun(key) = &mut endpoint.format {
                    *key = Secret::new("");
                }
                let ways = ways(&mail.attachments, (endpoint.attachments, &endpoint.limits), link);
                (told(&endpoint, mail.is_unread()), ways.ok()?)
            }
        };
        let letter = Letter { message, labels, mail, raw, format, options, ways, small: false };
        let head = letter.head()?;
        let mut body = Vec::new();
        letter.write(&mut body).ok()?;
        Some(Rendered { content_type: head.content_type, body: body.into() })
    };
    // What crashes there is no payload, and takes nothing else down.
    Ok(tokio::task::spawn_blocking(render).await.unwrap_or_default())
}
