//! What attempts are made with, and what every body needs: its facts, and its signature.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Endpoint;
use super::Failure;
use super::body::Rendering;
use super::payload::Facts;
use super::payload::Head;
use super::post;
use super::post::Draft;
use super::post::Post;
use super::post::Unsigned;
use super::reading::Reading;
use super::recent::Recent;
use super::store::Store;
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

/// The body of a message of up to so many raw bytes is held in memory: that takes less time than to write it twice.
pub(super) const SMALL: u64 = 256 << 10;

/// What attempts need; shared by all of an endpoint's.
#[derive(Debug)]
pub(super) struct Means {
    pub(super) endpoint: Endpoint,
    pub(super) webhook: Webhook,
    pub(super) labels: Arc<BTreeMap<MailboxName, BTreeMap<String, String>>>,
    pub(super) reading: Arc<Reading>,
    pub(super) spool: Arc<dyn Spool>,
    pub(super) recent: Arc<Recent>,
    /// Where attachments lie that travel as links, where there is such a place.
    pub(super) store: Option<Arc<Store>>,
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
    /// Its attachments must not, or cannot, travel.
    Failed(Failure),
}

/// Signs a body as sent at `at`; it is made of a message of `size` raw bytes.
pub(super) fn sign(
    means: &Means,
    id: &MessageId,
    at: Timestamp,
    (head, rendering): (Head, Rendering),
    size: u64,
) -> Result<Post, Unready> {
    let about = about(size, means.endpoint.include_raw);
    let draft = match size <= SMALL {
        true => rendering.whole(about).map(Draft::Whole).map_err(Unsigned::Render),
        false => Ok(Draft::Large(rendering, about)),
    };
    draft.and_then(|draft| post::sign(&means.endpoint, id.as_str(), at, head, draft)).map_err(|why| match why {
        Unsigned::NoValidKey => Unready::NoValidKey,
        Unsigned::Render(error) => {
            tracing::error!(endpoint = %means.endpoint.name, %id, %error, "cannot write the body of a post");
            Unready::Render
        }
        Unsigned::Failed(error) => {
            tracing::error!(endpoint = %means.endpoint.name, %error, "cannot sign a post");
            Unready::Render
        }
    })
}

/// How long a body gets that is made of `size` raw bytes, and mostly a little less, so that it is not moved while it
/// grows: texts that stand in it twice are short, and attachments are in base64 before and after.
fn about(size: u64, include_raw: bool) -> usize {
    let raw = if include_raw { size / 3 * 4 } else { 0 };
    usize::try_from(size.saturating_add(size / 4).saturating_add(raw).saturating_add(4096)).unwrap_or(0)
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
