//! The shape of `mail.dead_letter`: a mail as `mail.received` tells it, and why an endpoint did not get it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::MAIL_DEAD_LETTER;
use super::shape;
use crate::deliver::Attachments;
use crate::deliver::carriage::Way;
use crate::deliver::payload::Facts;
use crate::deliver::payload::Options;
use crate::parse::Mail;
use crate::spool::DeadLetter;

/// The whole mail travels, whatever the endpoint chose for mail of its own.
const WHOLE: Options = Options { attachments: Attachments::Inline, include_raw: true, include_sanitized_html: false };

pub(in crate::deliver::payload) fn envelope<'a>(
    facts: &Facts<'a>,
    mail: &'a Mail,
    raw: Option<&'a [u8]>,
    told_at: Timestamp,
    settled: &'a DeadLetter,
) -> Envelope<'a> {
    let dead_letter = Settled {
        endpoint: &settled.endpoint,
        reason: &settled.reason,
        attempts: settled.attempts,
        last_status: settled.last_status,
        last_error: settled.last_error.as_deref(),
        settled_at: &settled.settled_at,
        omitted: raw.is_none().then_some("erased"),
    };
    Envelope {
        r#type: MAIL_DEAD_LETTER,
        timestamp: format!("{told_at:.3}"),
        data: Data { mail: shape::data(facts, (mail, std::iter::repeat(&Way::Content)), raw, &WHOLE), dead_letter },
    }
}

/// A delivery of a mail became a dead letter: its endpoint refused it, its time was over, or an attachment is too large.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeadLetterEnvelope")]
pub(in crate::deliver::payload) struct Envelope<'a> {
    /// What happened.
    #[schemars(extend("const" = MAIL_DEAD_LETTER))]
    pub(super) r#type: &'static str,
    /// When this was told, RFC 3339 in UTC.
    pub(super) timestamp: String,
    /// The mail, and why it is dead.
    pub(super) data: Data<'a>,
}

/// The mail as `mail.received` tells it, always with `raw` and the bytes of its attachments; `id` is the mail's.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeadLetterData")]
pub(in crate::deliver::payload) struct Data<'a> {
    #[serde(flatten)]
    mail: shape::Data<'a>,
    /// Why it is dead.
    dead_letter: Settled<'a>,
}

impl Data<'_> {
    /// The mailbox's name.
    pub(super) fn mailbox(&self) -> &str {
        self.mail.mailbox()
    }
}

/// The end of a delivery.
#[derive(Serialize, JsonSchema)]
struct Settled<'a> {
    /// The endpoint that did not take it.
    endpoint: &'a str,
    /// `refused` (five times), `expired` (its time was over) or `too_large` (an attachment exceeds what the endpoint may get).
    reason: &'a str,
    /// Attempts made.
    attempts: u32,
    /// The HTTP status of the last attempt; null where no answer came.
    last_status: Option<u16>,
    /// The kind of error of the last attempt, where no answer came.
    last_error: Option<&'a str>,
    /// When it became a dead letter, RFC 3339 in UTC.
    settled_at: &'a str,
    /// `erased`, where our copy was erased before this was posted: then the mail's fields are null or empty, and there is no `raw`.
    omitted: Option<&'static str>,
}
