//! All that the body of a mail is made from, held as long as it may have to be written again.

use std::collections::BTreeMap;
use std::io;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::Endpoint;
use super::Failure;
use super::Format;
use super::body::Rendering;
use super::carriage::Link;
use super::carriage::Way;
use super::carriage::ways;
use super::means::Means;
use super::means::SMALL;
use super::means::Unready;
use super::means::facts;
use super::means::sign;
use super::means::unparsed;
use super::payload;
use super::payload::Head;
use super::payload::Options;
use super::payload::Source;
use super::payload::json;
use super::webhook::Post;
use crate::ident::MailboxName;
use crate::parse::Attachment;
use crate::parse::Mail;
use crate::spool::Claim;
use crate::spool::Form;
use crate::spool::Kind;
use crate::spool::Spooled;

/// In which format a letter is told, and what of it. One that is not read is told with its bytes; a template has no
/// place for them, so its receiver is told as the others are, and takes it or refuses it.
pub(super) fn told(endpoint: &Endpoint, unread: bool) -> (Format, Options) {
    let format = match &endpoint.format {
        Format::Template(_) if unread => Format::Json,
        format => format.clone(),
    };
    let options = Options {
        attachments: endpoint.attachments,
        include_raw: unread || endpoint.include_raw,
        include_sanitized_html: endpoint.include_sanitized_html,
    };
    (format, options)
}

/// Whether a small mail is written so fast that nobody need wait on a thread of its own.
fn is_light(endpoint: &Endpoint) -> bool {
    !endpoint.include_sanitized_html && !matches!(endpoint.format, Format::Template(_))
}

/// A mail, or the event that it is too large, and how it travels to one endpoint.
pub(super) struct Letter {
    pub(super) message: Spooled,
    pub(super) labels: Arc<BTreeMap<MailboxName, BTreeMap<String, String>>>,
    pub(super) mail: Arc<Mail>,
    pub(super) raw: Bytes,
    pub(super) format: Format,
    pub(super) options: Options,
    pub(super) ways: Vec<Way>,
    /// Whether its body takes less time than a thread of its own.
    pub(super) small: bool,
}

impl Letter {
    /// Reads and parses what was claimed; its links are signed at `at`.
    pub(super) async fn read(means: &Arc<Means>, claim: &Claim, at: Timestamp) -> Result<Letter, Unready> {
        let endpoint = &means.endpoint;
        let kept = means.recent.get(claim.message.key).filter(|_| claim.form == Form::Parsed);
        let needs_raw = endpoint.include_raw || endpoint.format.needs_raw();
        let raw = match (&kept, needs_raw || kept.as_ref().is_some_and(|mail| mail.is_unread())) {
            (Some(_), false) => Bytes::new(),
            _ => means.spool.raw(claim.message.key).await.map_err(Unready::Spool)?.ok_or(Unready::Released)?.into(),
        };
        let small = kept.is_some() && claim.message.size <= SMALL && is_light(endpoint);
        let mail = match (kept, claim.form) {
            (_, Form::Unparsed) => Arc::new(unparsed()),
            (Some(mail), Form::Parsed) => mail,
            (None, Form::Parsed) => {
                let (means, raw, mailbox) = (Arc::clone(means), raw.clone(), claim.message.mailbox.clone());
                let parse = move || Ok(Arc::new(means.reading.parse(mailbox.as_ref(), &raw)));
                tokio::task::spawn_blocking(parse).await.map_err(|_| Unready::Render)??
            }
        };
        let link = |part: &Attachment| match &means.store {
            Some(store) => store.links().to(&claim.message.id, &part.part, at),
            // The configuration has a store where anything asks for links; none can be fetched by this one.
            None => Link { url: String::new(), expires_at: String::new() },
        };
        let ways = ways(&mail.attachments, (endpoint.attachments, &endpoint.limits), link)
            .map_err(|_| Unready::Failed(Failure::AttachmentTooLarge))?;
        let (format, options) = told(endpoint, mail.is_unread());
        let (message, labels) = (claim.message.clone(), Arc::clone(&means.labels));
        Ok(Letter { message, labels, mail, raw, format, options, ways, small })
    }

    /// Sees to it that what its links lead to is there.
    pub(super) async fn keep_linked(&self, means: &Means) -> Result<(), Unready> {
        let parts = self.mail.attachments.iter().zip(&self.ways);
        let linked: Vec<&Attachment> =
            parts.filter(|(_, way)| matches!(way, Way::Linked(_))).map(|(part, _)| part).collect();
        match &means.store {
            _ if linked.is_empty() => Ok(()),
            Some(store) => store.keep(&self.message.id, &linked).await.map_err(Unready::Failed),
            None => Err(Unready::Render),
        }
    }

    /// The post, signed as sent at `at`.
    pub(super) async fn sign(self, means: &Arc<Means>, at: Timestamp) -> Result<Post, Unready> {
        let (means, small) = (Arc::clone(means), self.small);
        let signing = move || {
            let (id, size) = (self.message.id.clone(), self.message.size);
            let head = self.head().ok_or(Unready::Render)?;
            sign(&means, &id, at, (head, Rendering::new(move |out| self.write(out))), size)
        };
        if small {
            // As on a thread of its own: what crashes there is deferred, and takes nothing else down.
            return catch_unwind(AssertUnwindSafe(signing)).unwrap_or(Err(Unready::Render));
        }
        tokio::task::spawn_blocking(signing).await.map_err(|_| Unready::Render)?
    }

    /// `None` of a message that belongs to no mailbox.
    fn source(&self) -> Option<Source<'_>> {
        let facts = facts(&self.message, &self.labels)?;
        Some(Source { facts, mail: &self.mail, raw: &self.raw, options: self.options, ways: &self.ways })
    }

    /// What goes before the body; `None` of a message that belongs to no mailbox.
    pub(super) fn head(&self) -> Option<Head> {
        let source = self.source()?;
        match self.message.kind {
            Kind::Mail => Some(payload::head(&self.format, &source)),
            Kind::Oversize { .. } => Some(payload::event::head(&self.format, self.message.id.as_str()).0),
            Kind::DeadLetter | Kind::Changed(_) => None,
        }
    }

    /// Writes the body.
    ///
    /// # Errors
    /// Those of `out`, and whatever keeps the body from being made.
    pub(super) fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let source = self.source().ok_or_else(|| io::Error::other("the message belongs to no mailbox"))?;
        match self.message.kind {
            Kind::Mail => payload::write(&self.format, &source, out),
            Kind::Oversize { size, limit } => {
                let (_, frame) = payload::event::head(&self.format, self.message.id.as_str());
                payload::event::oversize(frame, &source.facts, &self.mail, json::TooLarge { size, limit }, out)
            }
            Kind::DeadLetter | Kind::Changed(_) => Err(io::Error::other("an event is no letter")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::payload::Template;

    #[test]
    fn a_letter_that_is_not_read_is_told_with_its_bytes_and_by_no_template() {
        let template =
            || Format::Template(Arc::new(Template::new("{}".to_owned(), "application/json".to_owned()).unwrap()));
        let check = |format: Format, unread: bool, keeps: bool| {
            let mut endpoint = Endpoint::for_testing("http://localhost/");
            endpoint.format = format;
            let (format, options) = told(&endpoint, unread);
            let same = std::mem::discriminant(&format) == std::mem::discriminant(&endpoint.format);
            assert_eq!((same, options.include_raw), (keeps, unread), "{:?}", endpoint.format);
            assert!(keeps || matches!(format, Format::Json));
        };
        for (format, keeps) in [(Format::Json, true), (Format::Postmark, true), (template(), false)] {
            check(format.clone(), true, keeps);
            check(format, false, true);
        }
    }
}
