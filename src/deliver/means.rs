//! What attempts are made with, and what every body needs: its facts, and its signature.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::Endpoint;
use super::payload::Facts;
use super::payload::Head;
use super::recent::Recent;
use super::webhook::Post;
use super::webhook::Unsigned;
use super::webhook::Webhook;
use crate::clock::Clock;
use crate::ident::MailboxName;
use crate::ident::MessageId;
use crate::parse::Defect;
use crate::parse::DefectKind;
use crate::parse::Mail;
use crate::spool::Spool;
use crate::spool::SpoolError;
use crate::spool::Spooled;

/// What attempts need; shared by all of an endpoint's.
#[derive(Debug)]
pub(super) struct Means {
    pub(super) endpoint: Endpoint,
    pub(super) webhook: Webhook,
    pub(super) labels: Arc<BTreeMap<MailboxName, BTreeMap<String, String>>>,
    pub(super) spool: Arc<dyn Spool>,
    pub(super) recent: Arc<Recent>,
    pub(super) clock: Clock,
}

/// Why there is nothing to post.
pub(super) enum Unready {
    /// The body could not be made.
    Render,
    /// There is nothing to sign it with.
    NoValidKey,
    /// Our copy is gone.
    Released,
    /// Our copy cannot be read.
    Spool(SpoolError),
}

/// Signs a body as sent at `at`, behind `head`.
pub(super) fn sign(means: &Means, id: &MessageId, at: Timestamp, head: Head, body: Vec<u8>) -> Result<Post, Unready> {
    let signed = means.webhook.sign(id.as_str(), at, Bytes::from(body));
    signed.map(|post| Post { head, ..post }).map_err(|why| match why {
        Unsigned::NoValidKey => Unready::NoValidKey,
        Unsigned::Failed(error) => {
            tracing::error!(endpoint = %means.endpoint.name, %error, "cannot sign a post");
            Unready::Render
        }
    })
}

/// What is told of a message beside its bytes; `None` of one that belongs to no mailbox.
pub(super) fn facts<'a>(
    message: &'a Spooled,
    labels: &'a BTreeMap<MailboxName, BTreeMap<String, String>>,
) -> Option<Facts<'a>> {
    const NONE: &BTreeMap<String, String> = &BTreeMap::new();
    let mailbox = message.mailbox.as_ref()?;
    Some(Facts {
        id: &message.id,
        mailbox,
        labels: labels.get(mailbox).unwrap_or(NONE),
        unique_id: message.unique_id.as_ref(),
        spooled_at: message.spooled_at,
        size: message.size,
        sha256: message.sha256,
    })
}

/// What stands in for a mail that an operator wants sent as it is.
pub(super) fn unparsed() -> Mail {
    let detail = "sent unparsed, by command".to_owned();
    Mail { defects: vec![Defect { kind: DefectKind::ParserFailed, detail }], ..Mail::default() }
}
