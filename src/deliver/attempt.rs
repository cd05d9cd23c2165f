//! One try to deliver one message to one endpoint.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::answer::Answer;
use super::event;
use super::failure::Failure;
use super::letter::Letter;
use super::means::Means;
use super::means::Unready;
use super::outcome::Judgement;
use super::outcome::Outcome;
use super::post::Post;
use super::remark::Remark;
use super::settle::halted;
use super::settle::settle;
use crate::crash;
use crate::spool::Claim;
use crate::spool::Kind;
use crate::spool::Record;
use crate::spool::SpoolError;
use crate::spool::Spooled;

/// How long a claim is kept after a fault of the spool.
const AFTER_FAULT: Duration = Duration::from_secs(5);

/// How an attempt ended.
#[derive(Debug)]
pub(super) struct Attempted {
    pub(super) message: Spooled,
    pub(super) judgement: Judgement,
    pub(super) record: Record,
    /// What it tells beside that, if anything.
    pub(super) remark: Option<Remark>,
}

/// Makes one attempt. A fault of the spool is no attempt: the claim is given back, a little later. Neither is it one
/// (`None`) when the last signing key has ended since the claim, which is given back at once.
pub(super) async fn attempt(means: Arc<Means>, claim: Claim) -> Result<Option<Attempted>, SpoolError> {
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
        Err(Unready::Failed(failure)) => Answer::Failed(failure),
        Err(Unready::NoValidKey) => {
            means.spool.unclaim(vec![claim.delivery]).await?;
            return Ok(None);
        }
        Err(Unready::Spool(SpoolError::Damaged(_))) => Answer::Failed(Failure::Damaged),
        Err(Unready::Spool(error)) if error.is_fatal() => return Err(error),
        Err(Unready::Spool(error)) => {
            tracing::warn!(id = %claim.message.id, %error, "cannot read a message now");
            means.clock.wait(AFTER_FAULT).await;
            means.spool.unclaim(vec![claim.delivery]).await?;
            return Err(error);
        }
    };
    let took = means.clock.uptime().saturating_sub(began);
    Ok(Some(conclude(&means, claim, answer, (started_at, took), fastrand::f64())))
}

fn conclude(
    means: &Means,
    claim: Claim,
    answer: Answer,
    (started_at, took): (Timestamp, Duration),
    chance: f64,
) -> Attempted {
    let (judgement, status, error, body, remark) = match answer {
        Answer::Status { status, retry_after, body, aside } => {
            let judgement = means.endpoint.statuses.judge(status, retry_after);
            let body = (judgement.outcome != Outcome::Delivered).then(|| aside.before(body));
            (judgement, Some(status), None, body, Some(Remark::answered(aside, started_at, took)))
        }
        Answer::Failed(failure) => (failure.judgement(), None, Some(failure.as_str()), None, Remark::failed(failure)),
    };
    let judgement = halted(judgement, &claim, means.endpoint.ordering);
    let record = Record {
        delivery: claim.delivery,
        generation: claim.generation,
        attempt: claim.attempt,
        started_at,
        took,
        status,
        error,
        answer: body.filter(|body| means.endpoint.keep_answers && !body.is_empty()),
        outcome: judgement.outcome.as_str(),
        end: settle(judgement, &claim, &means.endpoint, means.clock.now(), chance),
        tell: means.endpoint.on_dead_letter.clone(),
    };
    Attempted { message: claim.message, judgement, record, remark }
}

/// The signed post.
async fn render(means: &Arc<Means>, claim: &Claim, at: Timestamp) -> Result<Post, Unready> {
    if let Kind::DeadLetter | Kind::Changed(_) = claim.message.kind {
        return event::render(means, &claim.message, at).await;
    }
    let mut letter = Letter::read(means, claim).await?;
    letter.keep_linked(means).await?;
    // What goes to the store first may take longer than receivers let a signature be old.
    letter.sign(means, means.clock.now()).await
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sha2::Digest as _;
    use sha2::Sha256;

    use super::*;
    use crate::clock::Clock;
    use crate::deliver::Endpoint;
    use crate::deliver::Keyring;
    use crate::deliver::Signing;
    use crate::deliver::SigningKey;
    use crate::deliver::signature::Key;
    use crate::deliver::webhook::Webhook;
    use crate::ident::Content;
    use crate::ident::MailboxName;
    use crate::ident::MessageId;
    use crate::metrics::Metrics;
    use crate::secret::Secret;
    use crate::spool::Config;
    use crate::spool::Incoming;
    use crate::spool::Sorted;
    use crate::spool::Spool;
    use crate::spool::Verdict;
    use crate::spool::Wanted;
    use crate::spool::sqlite::Sqlite;

    /// A spool with a mail that is due at `endpoint`.
    async fn spool_with_a_mail(path: std::path::PathBuf, clock: &Clock, endpoint: &Endpoint) -> Arc<dyn Spool> {
        let config =
            Config { path, max_size: 10 << 30, max_share: 25, min_free: 0, ledger_keep: Duration::from_secs(9) };
        let metrics = Metrics::new().unwrap();
        let spool: Arc<dyn Spool> = Arc::new(Sqlite::open(config, clock.clone(), metrics.spool).unwrap());
        spool.keep_endpoints(vec![endpoint.name.clone()]).await.unwrap();
        let (mailbox, raw) = (MailboxName::parse("a").unwrap(), Bytes::from_static(b"Subject: a\r\n\r\n"));
        let content = Content::of(&raw);
        let id = MessageId::of(&mailbox, &content);
        let sha256 = Sha256::digest(&raw).into();
        let mail = Incoming { id, unique_id: None, content, sha256, listed_size: None, raw };
        spool.accept(&mailbox, vec![mail]).await.unwrap();
        let unsorted = spool.claim_unsorted(1).await.unwrap().remove(0);
        let verdict = Verdict::Routed(vec![endpoint.name.clone()]);
        spool.sort(vec![Sorted { message: unsorted.message.key, verdict, glance: None }]).await.unwrap();
        spool
    }

    #[tokio::test]
    async fn e9_when_the_last_key_ends_after_the_claim_nothing_is_posted_and_no_attempt_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::by_hand(Timestamp::UNIX_EPOCH);
        let key = Key::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let until = Timestamp::from_second(10).ok();
        // Nothing listens there: a post would fail, and be recorded.
        let mut endpoint = Endpoint::for_testing("http://127.0.0.1:9/");
        endpoint.signing = Signing::Keys(Keyring(vec![SigningKey { key, from: None, until }]));
        let spool = spool_with_a_mail(folder.path().join("spool.db"), &clock, &endpoint).await;
        let means = Arc::new(Means {
            webhook: Webhook::new(endpoint.clone(), &clock).unwrap(),
            endpoint: endpoint.clone(),
            labels: Arc::default(),
            reading: Arc::default(),
            spool: Arc::clone(&spool),
            recent: Arc::default(),
            store: None,
            clock: clock.clone(),
        });
        let wanted = Wanted::default();
        let claim = spool.claim(&endpoint.name, wanted).await.unwrap().claims.remove(0);
        clock.advance(Duration::from_secs(10));
        assert!(attempt(Arc::clone(&means), claim).await.unwrap().is_none());
        let again = spool.claim(&endpoint.name, wanted).await.unwrap().claims.remove(0);
        assert_eq!((again.attempt, again.failures), (1, 0), "the claim was given back unused");
    }
}
