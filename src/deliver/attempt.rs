//! One try to deliver one message to one endpoint.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::Endpoint;
use super::failure::Failure;
use super::outcome::Judgement;
use super::outcome::Outcome;
use super::outcome::Says;
use super::outcome::judge;
use super::payload::json;
use super::recent::Recent;
use super::settle::settle;
use super::webhook::Answer;
use super::webhook::Post;
use super::webhook::Webhook;
use crate::clock::Clock;
use crate::crash;
use crate::ident::MailboxName;
use crate::parse;
use crate::parse::Defect;
use crate::parse::DefectKind;
use crate::parse::Mail;
use crate::spool::Claim;
use crate::spool::Form;
use crate::spool::Kind;
use crate::spool::Record;
use crate::spool::Spool;
use crate::spool::SpoolError;
use crate::spool::Spooled;

/// How long a claim is kept after a fault of the spool.
const AFTER_FAULT: Duration = Duration::from_secs(5);
/// A parsed mail of up to so many raw bytes is rendered where the attempt runs: that takes less than to hand it over.
const RENDERED_IN_PLACE: u64 = 256 << 10;

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

/// How an attempt ended.
#[derive(Debug)]
pub(super) struct Attempted {
    pub(super) message: Spooled,
    pub(super) judgement: Judgement,
    pub(super) record: Record,
}

/// Makes one attempt. A fault of the spool is no attempt: the claim is given back, a little later.
pub(super) async fn attempt(means: Arc<Means>, claim: Claim) -> Result<Attempted, SpoolError> {
    let (started_at, began) = (means.clock.now(), means.clock.uptime());
    let answer = match render(&means, &claim, started_at).await {
        Ok(post) => {
            crash::point!("before post");
            let answer = means.webhook.post(post).await;
            crash::point!("after post");
            answer
        }
        Err(Unready::Render) => Answer::Failed(Failure::Render),
        Err(Unready::Released) => Answer::Failed(Failure::Released),
        Err(Unready::Spool(error)) if error.is_fatal() => return Err(error),
        Err(Unready::Spool(error)) => {
            tracing::warn!(id = %claim.message.id, %error, "cannot read a message now");
            means.clock.wait(AFTER_FAULT).await;
            means.spool.unclaim(vec![claim.delivery]).await?;
            return Err(error);
        }
    };
    let took = means.clock.uptime().saturating_sub(began);
    Ok(conclude(&means, claim, answer, (started_at, took), fastrand::f64()))
}

/// Why there is nothing to post.
enum Unready {
    /// The body could not be made.
    Render,
    /// Our copy is gone.
    Released,
    /// Our copy cannot be read.
    Spool(SpoolError),
}

fn conclude(
    means: &Means,
    claim: Claim,
    answer: Answer,
    (started_at, took): (Timestamp, Duration),
    chance: f64,
) -> Attempted {
    let (judgement, status, error, body) = match answer {
        Answer::Status { status, retry_after, body } => {
            let judgement = judge(status, retry_after);
            (judgement, Some(status), None, (judgement.outcome != Outcome::Delivered).then_some(body))
        }
        Answer::Failed(failure) => {
            let says = if failure.is_ours() { Says::Ours } else { Says::Nothing };
            (Judgement { outcome: Outcome::Deferred, says }, None, Some(failure.as_str()), None)
        }
    };
    let record = Record {
        delivery: claim.delivery,
        generation: claim.generation,
        attempt: claim.attempt,
        started_at,
        took,
        status,
        error,
        answer: body.filter(|body| !body.is_empty()),
        outcome: judgement.outcome.as_str(),
        end: settle(judgement, &claim, &means.endpoint, means.clock.now(), chance),
    };
    Attempted { message: claim.message, judgement, record }
}

/// The signed body.
async fn render(means: &Arc<Means>, claim: &Claim, at: Timestamp) -> Result<Post, Unready> {
    let kept = means.recent.get(claim.message.key).filter(|_| claim.form == Form::Parsed);
    let raw = match (&kept, means.endpoint.include_raw) {
        (Some(_), false) => Vec::new(),
        _ => means.spool.raw(claim.message.key).await.map_err(Unready::Spool)?.ok_or(Unready::Released)?,
    };
    let small = kept.is_some() && claim.message.size <= RENDERED_IN_PLACE;
    let (means, message, form) = (Arc::clone(means), claim.message.clone(), claim.form);
    let rendering = move || {
        let (mail, include_raw) = match form {
            Form::Parsed => (kept.unwrap_or_else(|| Arc::new(parse::parse(&raw, &parse::Options::default()))), false),
            Form::Unparsed => (Arc::new(unparsed()), true),
        };
        let options = json::Options {
            attachments: means.endpoint.attachments,
            include_raw: include_raw || means.endpoint.include_raw,
        };
        let facts = facts(&message, &means.labels);
        let body = match message.kind {
            Kind::Mail => json::render(&facts, &mail, &raw, &options),
            Kind::Oversize { size, limit } => json::render_oversize(&facts, &mail, json::TooLarge { size, limit }),
        };
        body.map(|body| means.webhook.sign(message.id.as_str(), at, Bytes::from(body))).map_err(|_| Unready::Render)
    };
    if small {
        return rendering();
    }
    tokio::task::spawn_blocking(rendering).await.map_err(|_| Unready::Render)?
}

fn facts<'a>(message: &'a Spooled, labels: &'a BTreeMap<MailboxName, BTreeMap<String, String>>) -> json::Facts<'a> {
    const NONE: &BTreeMap<String, String> = &BTreeMap::new();
    json::Facts {
        id: &message.id,
        mailbox: &message.mailbox,
        labels: labels.get(&message.mailbox).unwrap_or(NONE),
        unique_id: message.unique_id.as_ref(),
        spooled_at: message.spooled_at,
        size: message.size,
        sha256: message.sha256,
    }
}

/// What stands in for a mail that an operator wants sent as it is.
fn unparsed() -> Mail {
    let detail = "sent unparsed, by command".to_owned();
    Mail { defects: vec![Defect { kind: DefectKind::ParserFailed, detail }], ..Mail::default() }
}
