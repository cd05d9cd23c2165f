//! From spooled to routed: parses each new message and commits where it goes. Mail goes by the routes, an event to those
//! who ask for it.
//!
//! The spool counts a parse before it begins and clears the count when the sorting is committed. So a mail on which the
//! process dies is parsed alone at the next start, and quarantined after the third time; a drain puts back what it did
//! not come to, and leaves no count.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::RwLock;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Mode;
use super::glance::glance;
use super::reading::Reading;
use super::recent::Recent;
use super::writing::PATIENCE;
use crate::clock::Clock;
use crate::crash;
use crate::ident::EndpointName;
use crate::ident::MailboxName;
use crate::metrics::DeliverMetrics;
use crate::parse::Mail;
use crate::route;
use crate::route::Decision;
use crate::route::Routes;
use crate::spool::Dropped;
use crate::spool::Glance;
use crate::spool::Kind;
use crate::spool::Purpose;
use crate::spool::Sorted;
use crate::spool::Spool;
use crate::spool::SpoolError;
use crate::spool::Spooled;
use crate::spool::Unsorted;
use crate::spool::Verdict;

/// Messages whose routes are committed together.
const BATCH: usize = 32;
/// A parse that takes longer has overrun.
const PARSE_MAX: Duration = Duration::from_secs(60);
/// How long to wait after a fault of the spool, and when to look for work that nobody announced.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// How long to wait when the machine gives no thread.
const AFTER_FAULT: Duration = Duration::from_secs(1);

/// What the sorting needs.
#[derive(Debug)]
pub(super) struct Sorter {
    /// Whoever exchanges them waits for the batch that is being sorted by them.
    pub(super) rules: Arc<RwLock<Rules>>,
    pub(super) spool: Arc<dyn Spool>,
    pub(super) recent: Arc<Recent>,
    pub(super) clock: Clock,
    pub(super) metrics: DeliverMetrics,
}

/// Where messages go.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) routes: Arc<Routes>,
    /// The endpoints that ask to be told of messages that are too large.
    pub(super) oversize_to: Vec<EndpointName>,
    pub(super) reading: Arc<Reading>,
}

impl Sorter {
    /// Sorts until `stop`; in [`Mode::Once`] until nothing is left once `collected` says that no more will come.
    pub(super) async fn run(
        &self,
        mode: Mode,
        collected: CancellationToken,
        stop: CancellationToken,
    ) -> Result<(), SpoolError> {
        let mut work = self.spool.work();
        while !stop.is_cancelled() {
            // Read before the claim: what is announced in between wakes us at once.
            work.borrow_and_update();
            let complete = collected.is_cancelled();
            self.recent.room().await;
            crash::point!("before claim_unsorted");
            let claimed = self.spool.claim_unsorted(BATCH).await;
            crash::point!("after claim_unsorted");
            match claimed {
                Ok(batch) if !batch.is_empty() => {
                    // A single round does not wait until all that an older pophook left can be searched.
                    let rest = complete && mode == Mode::Once && batch.iter().all(|one| one.purpose == Purpose::ToShow);
                    self.sort(batch, mode, &stop).await?;
                    if rest {
                        return Ok(());
                    }
                    continue;
                }
                Ok(_) if complete && matches!(mode, Mode::Once) => return Ok(()),
                Ok(_) => {}
                // A single round has no later.
                Err(error) if error.is_fatal() || matches!(mode, Mode::Once) => return Err(error),
                Err(error) => tracing::warn!(%error, "cannot sort new messages now"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = collected.cancelled(), if !complete => {}
                _ = work.changed() => {}
                () = self.clock.wait(LOOK_AGAIN) => {}
            }
        }
        Ok(())
    }

    async fn sort(&self, batch: Vec<Unsorted>, mode: Mode, stop: &CancellationToken) -> Result<(), SpoolError> {
        let mut sorted = Vec::with_capacity(batch.len());
        let rules = self.rules.read().await;
        let mut decided = Vec::new();
        for parsed in parse_all(batch, &rules, stop.clone()).await {
            match parsed {
                Parsed::Mail(message, purpose, Read { mail, decision, glance }) => {
                    let verdict = match message.kind {
                        Kind::Mail if purpose == Purpose::ToShow => Verdict::Shown,
                        Kind::Mail => verdict(&decision),
                        Kind::Oversize { .. } => told_to(&rules.oversize_to),
                        // They are routed when they are committed.
                        Kind::DeadLetter | Kind::Changed(_) => Verdict::Settled,
                    };
                    let is_new_mail = message.kind == Kind::Mail && purpose == Purpose::ToSort;
                    for defect in mail.defects.iter().filter(|_| is_new_mail) {
                        self.metrics.defects.with_label_values(&[defect.kind.as_str()]).inc();
                    }
                    if matches!(&verdict, Verdict::Routed(endpoints) if !endpoints.is_empty()) {
                        self.recent.put(message.key, mail, message.size, self.clock.uptime());
                    }
                    sorted.push(Sorted { message: message.key, verdict, glance });
                    decided.extend(is_new_mail.then_some((message, decision)));
                }
                Parsed::NotBegun(message) => {
                    sorted.push(Sorted { message: message.key, verdict: Verdict::PutBack, glance: None });
                }
                Parsed::NotEnded(message) => {
                    tracing::error!(id = %message.id, "parsing did not end; the message is tried again alone, later");
                    self.spool.abandon(vec![message.key]).await?;
                }
            }
        }
        if self.write_down(sorted, mode, stop).await? == Written::Sorted {
            decided.iter().for_each(|(message, decision)| self.tell(message, decision));
        }
        Ok(())
    }

    /// Writes down where messages go, however long that takes: to parse them anew would count against them. Asked to
    /// stop, or with [`PATIENCE`] over in [`Mode::Once`], it tries once more to take the counts back.
    async fn write_down(
        &self,
        sorted: Vec<Sorted>,
        mode: Mode,
        stop: &CancellationToken,
    ) -> Result<Written, SpoolError> {
        let until = self.clock.uptime().saturating_add(PATIENCE);
        loop {
            crash::point!("before sort");
            let written = self.spool.sort(sorted.clone()).await;
            crash::point!("after sort");
            let error = match written {
                Err(error) if !error.is_fatal() => error,
                done => return done.map(|()| Written::Sorted),
            };
            tracing::warn!(%error, "cannot write down where messages go; trying again");
            let waited = stop.run_until_cancelled(self.clock.wait(LOOK_AGAIN)).await;
            let is_over = mode == Mode::Once && self.clock.uptime() >= until;
            if waited.is_none() || is_over {
                let back = |one: Sorted| Sorted { verdict: Verdict::PutBack, glance: None, ..one };
                return match self.spool.sort(sorted.into_iter().map(back).collect()).await {
                    Err(fatal) if fatal.is_fatal() => Err(fatal),
                    // Or they would be claimed, parsed and put back for ever.
                    Err(_) | Ok(()) if is_over => Err(error),
                    Err(_) | Ok(()) => Ok(Written::PutBack),
                };
            }
        }
    }

    /// Tells of mail that goes nowhere.
    fn tell(&self, message: &Spooled, decision: &Decision) {
        let (id, mailbox) = (&message.id, message.mailbox.as_ref().map(MailboxName::as_str));
        match decision {
            Decision::Deliver(_) => {}
            Decision::Drop { rule, .. } => {
                self.metrics.dropped.with_label_values(&[rule]).inc();
                tracing::info!(%id, mailbox, rule, "dropped by a rule");
            }
            Decision::Unrouted => {
                tracing::warn!(%id, mailbox, "unrouted: no rule matched and the mailbox has no deliver_to");
            }
        }
    }
}

/// Whether it is written down where messages go.
#[derive(Debug, PartialEq, Eq)]
enum Written {
    Sorted,
    /// They are sorted again at the next start.
    PutBack,
}

fn verdict(decision: &Decision) -> Verdict {
    match decision {
        Decision::Deliver(endpoints) => Verdict::Routed(endpoints.clone()),
        Decision::Drop { rule, counts_as_delivered } => {
            Verdict::Dropped(Dropped { rule: rule.clone(), counts_as_delivered: *counts_as_delivered })
        }
        Decision::Unrouted => Verdict::Routed(Vec::new()),
    }
}

/// Where an event goes: to all who ask for it, whatever the routes say of mail.
fn told_to(asking: &[EndpointName]) -> Verdict {
    match asking {
        [] => Verdict::Settled,
        asking => Verdict::Routed(asking.to_vec()),
    }
}

/// What was read of a message: all that takes time by what a stranger wrote.
struct Read {
    mail: Arc<Mail>,
    decision: Decision,
    /// `None` of an event.
    glance: Option<Glance>,
}

/// What became of one message of a batch.
enum Parsed {
    Mail(Spooled, Purpose, Read),
    /// We were asked to stop, or an earlier message of the batch did not end.
    NotBegun(Spooled),
    /// The parse crashed or overran: its count stays.
    NotEnded(Spooled),
}

/// Parses a batch, in order, judges each mail by the routes, and takes down what lists show of it. What crashes or overruns is given up with its thread;
/// the messages after it are put back.
async fn parse_all(batch: Vec<Unsorted>, rules: &Rules, stop: CancellationToken) -> Vec<Parsed> {
    let (reading, routes) = (Arc::clone(&rules.reading), Arc::clone(&rules.routes));
    let messages: Vec<(Spooled, Purpose)> = batch.iter().map(|one| (one.message.clone(), one.purpose)).collect();
    let (done, mut mails) = mpsc::channel(batch.len().max(1));
    let (ended, in_order) = oneshot::channel();
    let parsing = move || {
        for Unsorted { raw, message, .. } in batch {
            crash::point!("in parse");
            let read = || {
                let mail = Arc::new(reading.parse(message.mailbox.as_ref(), &raw));
                let route = |mailbox| route::route(&routes, mailbox, &mail, message.size);
                let decision = message.mailbox.as_ref().map_or(Decision::Unrouted, route);
                let glance = (message.kind == Kind::Mail).then(|| glance(&mail));
                Read { mail, decision, glance }
            };
            if stop.is_cancelled() || done.blocking_send(read()).is_err() {
                break;
            }
        }
        // Not told by a thread that crashed.
        ended.send(InOrder).map_err(drop).unwrap_or_default();
    };
    // A thread of its own, so that the time of a parse is not spent waiting for one, and none is taken from others.
    if let Err(error) = thread::Builder::new().name("parser".to_owned()).spawn(parsing) {
        tracing::error!(%error, "cannot start a thread to parse with; trying again");
        tokio::time::sleep(AFTER_FAULT).await;
        return messages.into_iter().map(|(message, _)| Parsed::NotBegun(message)).collect();
    }
    let mut parsed = Vec::with_capacity(messages.len());
    let mut left = messages.into_iter();
    for (message, purpose) in left.by_ref() {
        match timeout(PARSE_MAX, mails.recv()).await {
            Ok(Some(read)) => parsed.push(Parsed::Mail(message, purpose, read)),
            // The thread ended before its time: by order, or because this parse crashed.
            Ok(None) if in_order.await.is_ok() => {
                parsed.push(Parsed::NotBegun(message));
                break;
            }
            Ok(None) | Err(_) => {
                parsed.push(Parsed::NotEnded(message));
                break;
            }
        }
    }
    parsed.extend(left.map(|(message, _)| Parsed::NotBegun(message)));
    parsed
}

/// The parsing thread ended in order.
struct InOrder;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_goes_to_all_who_ask_and_is_settled_where_nobody_does() {
        let desk = EndpointName::parse("desk").unwrap();
        assert!(matches!(told_to(&[]), Verdict::Settled));
        assert!(matches!(told_to(std::slice::from_ref(&desk)), Verdict::Routed(to) if to == [desk]));
    }
}
