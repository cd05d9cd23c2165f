//! A mail within the mail, opened one level: who wrote it, when, and what a human would read of it.

use crate::parse::Forwarded;
use crate::parse::Options;
use crate::parse::body;
use crate::parse::defects::Defects;
use crate::parse::header;
use crate::parse::safe_names;
use crate::parse::structure;

/// Reads `message`. Its defects are its own affair, and mails within it stay closed.
pub(super) fn open(message: &[u8]) -> Forwarded {
    let mut ignored = Defects::default();
    let mut mail = header::read(message, &Options::default(), &mut ignored);
    let root = structure::walk(message, &mut ignored);
    let chosen = body::choose(&root);
    let files = body::fill(&mut mail, &chosen, &mut ignored);
    Forwarded {
        subject: mail.subject,
        from: mail.from,
        to: mail.to,
        date: mail.date,
        message_id: mail.message_id,
        text: mail.text,
        html: mail.html,
        attachments: safe_names::all(&root, &chosen, &files),
    }
}
