//! What a body is made from: a message, its mail, and in which format how much of it is told.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::Endpoint;
use super::Format;
use super::means::facts;
use super::payload;
use super::payload::Head;
use super::payload::Options;
use super::payload::Source;
use super::payload::json;
use crate::ident::MailboxName;
use crate::parse::Mail;
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
pub(super) fn is_light(endpoint: &Endpoint) -> bool {
    !endpoint.include_sanitized_html && !matches!(endpoint.format, Format::Template(_))
}

/// All that a body is made from, held as long as it may have to be written again.
pub(super) struct Letter {
    pub(super) message: Spooled,
    pub(super) labels: Arc<BTreeMap<MailboxName, BTreeMap<String, String>>>,
    pub(super) mail: Arc<Mail>,
    pub(super) raw: Bytes,
    pub(super) format: Format,
    pub(super) options: Options,
}

impl Letter {
    /// `None` of a message that belongs to no mailbox.
    fn source(&self) -> Option<Source<'_>> {
        let facts = facts(&self.message, &self.labels)?;
        Some(Source { facts, mail: &self.mail, raw: &self.raw, options: self.options })
    }

    /// What goes before the body; `None` of a message that belongs to no mailbox.
    pub(super) fn head(&self) -> Option<Head> {
        let source = self.source()?;
        match self.message.kind {
            Kind::Mail => Some(payload::head(&self.format, &source)),
            Kind::Oversize { .. } => Some(payload::event_head(&self.format, self.message.id.as_str()).0),
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
                let (_, frame) = payload::event_head(&self.format, self.message.id.as_str());
                json::write_oversize(frame, &source.facts, &self.mail, json::TooLarge { size, limit }, out)
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
