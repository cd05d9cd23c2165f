//! Sends reports of dead letters by mail, one after the other, as the spool says that they are due.
//!
//! Whatever the mail server answers but success defers: a mail server is mended by the same humans, and the dead letter
//! itself waits in the spool. After five days a report is a dead letter, of which nobody is told.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::Notice;
use super::Smtp;
use super::report;
use super::smtp;
use super::smtp::Sent;
use crate::ident::EndpointName;
use crate::spool::Claim;
use crate::spool::Counts;
use crate::spool::DeadLetter;
use crate::spool::End;
use crate::spool::Kind;
use crate::spool::Reason;
use crate::spool::Record;
use crate::spool::SpoolError;
use crate::spool::Wanted;
use crate::spool::if_whole;

/// How attempts end.
pub const OUTCOMES: [&str; 2] = ["delivered", "deferred"];

/// The waits after the first, second, … failure, in seconds; the last one repeats.
const BACKOFF: [u64; 5] = [60, 300, 900, 3600, 4 * 3600];
/// How long a report is tried.
const GIVE_UP_AFTER: Duration = Duration::from_secs(5 * 24 * 3600);
/// When to look for reports that nobody announced, and how long to wait after a fault of the spool.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Claimed at once: one connection at a time is polite, and mail to humans is in no hurry.
const ONE: usize = 1;

/// How many attempts ended which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mailed {
    /// The mail server took the report.
    pub delivered: usize,
    /// It is tried again.
    pub deferred: usize,
    /// It became a dead letter.
    pub dead: usize,
}

/// Sends until `stop`. Without a mail server there is nothing to do.
pub(super) async fn run(notice: &Notice, stop: CancellationToken) -> Result<(), SpoolError> {
    let Some(smtp) = &notice.config.smtp else {
        stop.cancelled().await;
        return Ok(());
    };
    let mut work = notice.spool.work();
    while !stop.is_cancelled() {
        work.borrow_and_update();
        let next_due = match next(notice, None).await {
            Ok((Some(claim), _)) => match attempt(notice, smtp, claim).await {
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "cannot report by mail now");
                    notice.clock.now().checked_add(LOOK_AGAIN).ok()
                }
                Ok(_) => continue,
            },
            Ok((None, next_due)) => next_due,
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "cannot look for reports to mail now");
                notice.clock.now().checked_add(LOOK_AGAIN).ok()
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = work.changed() => {}
            () = notice.clock.wait_until(next_due.unwrap_or(Timestamp::MAX)) => {}
        }
    }
    Ok(())
}

/// One attempt for each report that is due.
pub(super) async fn once(notice: &Notice, stop: CancellationToken) -> Result<Mailed, SpoolError> {
    let mut mailed = Mailed::default();
    let Some(smtp) = &notice.config.smtp else { return Ok(mailed) };
    let began = notice.clock.now();
    while !stop.is_cancelled() {
        let (Some(claim), _) = next(notice, Some(began)).await? else { break };
        match attempt(notice, smtp, claim).await? {
            End::Delivered => mailed.delivered += 1,
            End::Deferred { .. } => mailed.deferred += 1,
            End::Dead(_) => mailed.dead += 1,
        }
    }
    Ok(mailed)
}

/// The report that is due first, and when the next one is.
async fn next(
    notice: &Notice,
    untried_since: Option<Timestamp>,
) -> Result<(Option<Claim>, Option<Timestamp>), SpoolError> {
    let longest_wait = Duration::from_secs(BACKOFF.into_iter().max().unwrap_or_default());
    let wanted = Wanted { free: ONE, untried_since, longest_wait, ..Wanted::default() };
    let claims = notice.spool.claim(&EndpointName::mail(), wanted).await?;
    Ok((claims.claims.into_iter().next(), claims.next_due))
}

/// Makes one attempt and writes it down. A fault of the spool while it is read is no attempt: the claim is given back.
async fn attempt(notice: &Notice, smtp: &Smtp, claim: Claim) -> Result<End, SpoolError> {
    let (started_at, began) = (notice.clock.now(), notice.clock.uptime());
    let sent = match write(notice, smtp, &claim).await {
        Ok(Some(report)) => smtp::send(smtp, &report).await,
        Ok(None) => Sent::Failed { status: None, error: "unreadable", answer: None },
        Err(error) => {
            notice.spool.unclaim(vec![claim.delivery]).await?;
            return Err(error);
        }
    };
    let took = notice.clock.uptime().saturating_sub(began);
    let (status, error, answer) = match &sent {
        Sent::Taken { status } => (Some(*status), None, None),
        Sent::Failed { status, error, answer } => (*status, Some(*error), answer.clone()),
    };
    let end = settle(&sent, &claim, notice.clock.now());
    let outcome = if end == End::Delivered { "delivered" } else { "deferred" };
    notice.metrics.mails.with_label_values(&[outcome]).inc();
    match end {
        End::Delivered => tracing::info!(id = %claim.message.id, "a dead letter is reported by mail"),
        End::Deferred { due, .. } => {
            let due = format_args!("{due:.0}");
            tracing::warn!(id = %claim.message.id, status, error, %due, "the mail server took no report; it is tried again");
        }
        End::Dead(reason) => {
            tracing::error!(id = %claim.message.id, status, error, reason = reason.as_str(), "the mail server took no report");
        }
    }
    let record = Record {
        delivery: claim.delivery,
        generation: claim.generation,
        attempt: claim.attempt,
        started_at,
        took,
        status,
        error,
        answer,
        outcome,
        end,
        tell: Vec::new(),
    };
    write_down(notice, record).await.map(|()| end)
}

/// Written down however long that takes: until then its claim stands, and the report is not sent again.
async fn write_down(notice: &Notice, record: Record) -> Result<(), SpoolError> {
    loop {
        match notice.spool.record(vec![record.clone()]).await {
            Err(error) if !error.is_fatal() => {
                tracing::warn!(%error, "cannot write down that a report was mailed; trying again");
                notice.clock.wait(LOOK_AGAIN).await;
            }
            done => return done,
        }
    }
}

/// The report of a claim; `None` where what is kept of it makes no sense.
async fn write(notice: &Notice, smtp: &Smtp, claim: &Claim) -> Result<Option<report::Report>, SpoolError> {
    let event = &claim.message;
    if event.kind != Kind::DeadLetter {
        return Ok(None);
    }
    let Some(bytes) = if_whole(notice.spool.raw(event.key).await)? else { return Ok(None) };
    let Ok(settled) = serde_json::from_slice::<DeadLetter>(&bytes) else { return Ok(None) };
    let mail = notice.spool.find(&settled.mail).await?;
    let raw = match &mail {
        Some(mail) => if_whole(notice.spool.raw(mail.key).await)?,
        None => None,
    };
    Ok(Some(report::Report {
        id: event.id.clone(),
        at: event.spooled_at,
        from: smtp.from.clone(),
        to: smtp.to.clone(),
        mailbox: event.mailbox.clone(),
        spooled_at: mail.map(|mail| mail.spooled_at),
        settled,
        original: raw,
    }))
}

/// Decides what becomes of a report.
fn settle(sent: &Sent, claim: &Claim, now: Timestamp) -> End {
    match sent {
        Sent::Taken { .. } => End::Delivered,
        Sent::Failed { .. } if claim.tried_for >= GIVE_UP_AFTER => End::Dead(Reason::Expired),
        Sent::Failed { .. } => {
            let at = usize::try_from(claim.failures).unwrap_or(usize::MAX);
            let wait = BACKOFF.get(at).or(BACKOFF.last()).copied().unwrap_or(60);
            let due = now.checked_add(Duration::from_secs(wait)).unwrap_or(Timestamp::MAX);
            End::Deferred { due, counts: Counts::Failure }
        }
    }
}
