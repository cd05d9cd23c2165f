//! One visit, greeting to QUIT: list, plan, retrieve into the spool, mark what retention lets go.
//!
//! QUIT is gated like DELE: Gmail and `EXPIRE 0` servers act on RETR at QUIT. If anything that this session retrieved
//! is not durable, the connection is dropped without QUIT and the server keeps everything.

use std::time::Duration;

use jiff::Timestamp;

use super::Mailbox;
use super::Purpose;
use super::Report;
use super::StartFrom;
use super::VisitError;
use super::course::Course;
use super::expunge::expunge;
use super::intake::Taken;
use super::login::enter;
use super::means::Means;
use super::means::Memory;
use super::oversize::prepare_events;
use super::plan::Delete;
use super::plan::Plan;
use super::plan::Take;
use super::plan::deletable;
use super::plan::held_back;
use super::plan::may_delete_equal;
use super::plan::plan;
use super::quirk::quirks;
use super::retrieve::retrieve;
use super::tell;
use crate::clock::Clock;
use crate::crash;
use crate::pop3::Code;
use crate::pop3::Listing;
use crate::pop3::Transaction;
use crate::spool::Known;
use crate::spool::Ledger;
use crate::spool::Reading;

/// An unchanged listing is written down at most this often.
const LISTING_NOTED_EVERY: Duration = Duration::from_secs(3600);

/// Visits `mailbox` once, in as many sessions as its limits ask for.
pub(super) async fn visit(
    mailbox: &Mailbox,
    purpose: Purpose,
    means: Means<'_>,
    memory: &mut Memory,
) -> Result<Report, VisitError> {
    let mut course = Course::new(memory);
    let began = means.clock.uptime();
    let sessions = async {
        loop {
            match converse(mailbox, purpose, means, &mut course).await {
                // It is noted now, so the next session goes on without it.
                Err(error @ (VisitError::Oversize | VisitError::Missing | VisitError::NoHeader)) => {
                    tracing::debug!(mailbox = %mailbox.name, %error, "going on in another session");
                    course.report.unreached = 1;
                }
                // What the sessions before did is done; this one comes too soon.
                Err(VisitError::Pop3(error)) if course.goes_on() && error.code().is_some_and(Code::is_transient) => {
                    tracing::debug!(mailbox = %mailbox.name, %error, "the next session must wait");
                    return Ok(());
                }
                Err(error) => return Err(error),
                Ok(()) if course.report.unreached == 0 => return Ok(()),
                Ok(()) => {}
            }
            if means.stop.is_cancelled() {
                return Ok(());
            }
            // What is left is for the next visit, which comes as soon as it may.
            let spent = means.clock.uptime().saturating_sub(began);
            if course.memory.is_delayed() || spent >= mailbox.visit_timeout / 2 {
                return Ok(());
            }
        }
    };
    let ended = tokio::time::timeout(mailbox.visit_timeout, sessions).await;
    let report = course.report;
    // A message that trickles in for so long must not be the first one at the next visit.
    if ended.is_err()
        && let Some(unique_id) = memory.receiving.take()
    {
        memory.blame(unique_id);
    }
    ended.unwrap_or(Err(VisitError::TooLong(mailbox.visit_timeout))).map(|()| report)
}

async fn converse(
    mailbox: &Mailbox,
    purpose: Purpose,
    means: Means<'_>,
    course: &mut Course<'_>,
) -> Result<(), VisitError> {
    // Until here nothing was taken and nothing marked: the line is dropped at once.
    let Some(begun) = means.stop.run_until_cancelled(begin(mailbox, purpose, means, course)).await else {
        return if course.goes_on() { Ok(()) } else { Err(VisitError::Stopped) };
    };
    let (Listed { mut session, listing, ledger, mut plan }, untold) = begun?;
    let Course { memory, report, .. } = course;
    plan.retrieve.retain(|take| take.unique_id.is_some() || !memory.too_large.contains(&(take.number, take.size)));
    plan.retrieve.sort_by_key(|take| (memory.blame_of(take.unique_id.as_ref()), take.unique_id.is_none()));
    let quirks = quirks(mailbox, session.capabilities(), &listing, &ledger);
    tell::listing(mailbox, means.metrics, &plan.findings, &quirks);
    report.listed = listing.entries.len();
    report.login_delay = session.capabilities().login_delay();
    report.oversize += plan.observation.oversize.len();
    report.skipped += plan.observation.skipped.len();
    report.left = plan.findings.held + plan.findings.too_large_without_id + plan.findings.undatable + untold;
    let left_out = memory.leave_out(&mut plan.retrieve);
    if left_out > 0 {
        tracing::warn!(mailbox = %mailbox.name, messages = left_out, "left out for now: the server refused them, or they broke the session, again and again; tried at every tenth visit");
    }
    report.refused += left_out;
    let mut delete = std::mem::take(&mut plan.delete);
    if purpose == Purpose::Collect {
        if worth_committing(&plan, &ledger, means.clock.now()) {
            let oversize = u64::try_from(plan.observation.oversize.len()).unwrap_or(u64::MAX);
            crash::point!("before observe");
            means.spool.observe(&mailbox.name, std::mem::take(&mut plan.observation)).await?;
            crash::point!("after observe");
            course.memory.dates.clear();
            means.metrics.oversize.with_label_values(&[mailbox.name.as_str()]).inc_by(oversize);
        }
        let missing = course.missing.len();
        let taken = retrieve(&mut session, plan.retrieve, mailbox, means, course).await?;
        if course.missing.len() > missing {
            return Err(VisitError::Missing);
        }
        // What the server does not delete anyway is not marked again and again.
        if !plan.findings.not_deleting {
            let read_again: Vec<Taken> = taken.into_iter().filter(|one| !course.took_content(&one.content)).collect();
            delete.extend(equal_ones(&read_again, &listing, &ledger, mailbox, means.clock));
        }
    }
    // What was retrieved is on the disk, and what may be deleted can be so at the next visit, by the rule of then.
    if means.stop.is_cancelled() {
        return Ok(());
    }
    delete.retain(|one| !course.took(one.key));
    course.report.expunged += expunge(session, delete, mailbox, means).await?;
    Ok(())
}

/// The part of a visit that takes nothing yet. Tells also how many messages wait for another visit to be told of.
async fn begin(
    mailbox: &Mailbox,
    purpose: Purpose,
    means: Means<'_>,
    course: &mut Course<'_>,
) -> Result<(Listed, usize), VisitError> {
    let reread = course.leaves_nameless();
    let mut listed = list(mailbox, Some(means.spool), means.clock, course.memory, reread).await?;
    course.narrow(&mut listed.plan);
    let untold = match purpose {
        Purpose::Collect => {
            let Listed { session, listing, plan, .. } = &mut listed;
            prepare_events(session, listing, &mut plan.observation.oversize, mailbox, means, course).await?
        }
        Purpose::Delete => 0,
    };
    Ok((listed, untold))
}

/// A session that has listed its maildrop, and the plan for it.
struct Listed {
    session: Transaction,
    listing: Listing,
    ledger: Ledger,
    plan: Plan,
}

/// The part of a visit that changes nothing, here or there. Without a spool, nothing was ever taken. `reread`: messages
/// without a unique-id are due, whenever they were read last.
async fn list(
    mailbox: &Mailbox,
    spool: Option<&dyn Reading>,
    clock: &Clock,
    memory: &mut Memory,
    reread: bool,
) -> Result<Listed, VisitError> {
    let mut session = enter(mailbox, memory).await?;
    let listing = session.list().await?;
    crash::point!("after list");
    let mut ledger = match spool {
        Some(spool) => known_as(mailbox, spool).await?,
        None => Ledger::default(),
    };
    if reread {
        ledger.reread_at = None;
    }
    if !listing.unique_ids {
        refuse_to_guess(mailbox, &ledger)?;
    }
    let mut plan = plan(&listing, &ledger, mailbox, clock.now());
    for take in std::mem::take(&mut plan.by_date) {
        let received = received_at(&mut session, &take, memory).await?;
        plan.dated(take, received, mailbox);
    }
    Ok(Listed { session, listing, ledger, plan })
}

/// When a message was received; asked once, however many visits the whole listing takes.
async fn received_at(
    session: &mut Transaction,
    take: &Take,
    memory: &mut Memory,
) -> Result<Option<Timestamp>, VisitError> {
    let Some(unique_id) = &take.unique_id else { return Ok(session.received_at(take.number).await?) };
    if let Some(known) = memory.dates.get(unique_id) {
        return Ok(*known);
    }
    // One message that breaks the session must not keep the mailbox from ever being taken.
    let received = session.received_at(take.number).await;
    crash::point!("after received_at");
    memory.dates.insert(unique_id.clone(), received.as_ref().map_or(None, |received| *received));
    if received.is_err() {
        memory.headerless.insert(unique_id.clone());
    }
    Ok(received?)
}

/// The ledger, also of a mailbox whose new name the spool has not heard of yet.
async fn known_as(mailbox: &Mailbox, spool: &dyn Reading) -> Result<Ledger, VisitError> {
    let ledger = spool.ledger(&mailbox.name).await?;
    if ledger.listed_at.is_some() || mailbox.identity == mailbox.name {
        return Ok(ledger);
    }
    Ok(spool.ledger(&mailbox.identity).await?)
}

/// A listing without unique-ids says nothing of what was taken or skipped under one.
fn refuse_to_guess(mailbox: &Mailbox, ledger: &Ledger) -> Result<(), VisitError> {
    if ledger.rows.iter().any(|row| row.unique_id.is_some()) {
        return Err(VisitError::LostUniqueIds);
    }
    if ledger.listed_at.is_none() && mailbox.start_from != StartFrom::All {
        return Err(VisitError::NoUniqueIds);
    }
    Ok(())
}

/// Tells what a visit would do, and does none of it.
///
/// # Errors
/// As a visit.
pub async fn look(mailbox: &Mailbox, spool: Option<&dyn Reading>, clock: &Clock) -> Result<Report, VisitError> {
    let looking = async {
        let Listed { session, listing, ledger, plan } =
            list(mailbox, spool, clock, &mut Memory::default(), false).await?;
        session.quit().await?;
        Ok(Report {
            listed: listing.entries.len(),
            taken: plan.retrieve.len(),
            expunged: deletable(&plan, &listing, &ledger, mailbox),
            oversize: plan.observation.oversize.len(),
            skipped: plan.observation.skipped.len(),
            left: plan.findings.held,
            ..Report::default()
        })
    };
    let ended = tokio::time::timeout(mailbox.visit_timeout, looking).await;
    ended.unwrap_or(Err(VisitError::TooLong(mailbox.visit_timeout)))
}

/// A visit that shows nothing new writes nothing, but for the time of the listing now and then: pruning asks for it.
fn worth_committing(plan: &Plan, ledger: &Ledger, now: Timestamp) -> bool {
    let seen = &plan.observation;
    let stale = ledger.listed_at.and_then(|at| at.checked_add(LISTING_NOTED_EVERY).ok()).is_none_or(|due| due <= now);
    let empty = seen.returned.is_empty() && seen.gone.is_empty() && seen.skipped.is_empty() && seen.oversize.is_empty();
    !empty || seen.flood != ledger.flood || seen.reread || stale || !plan.retrieve.is_empty()
}

/// Messages that were read again and found equal: they may go in the session that compared them.
fn equal_ones(taken: &[Taken], listing: &Listing, ledger: &Ledger, mailbox: &Mailbox, clock: &Clock) -> Vec<Delete> {
    let held_back = held_back(listing, mailbox.retention.keep_latest);
    let may_go = |one: &&Taken| {
        one.accepted.known == Known::SameUniqueId
            && may_delete_equal(ledger, (&one.take, &one.content), mailbox, &held_back, clock.now())
    };
    taken.iter().filter(may_go).map(|one| Delete { number: one.take.number, key: one.accepted.key }).collect()
}
