//! The verbs of [`Spool`], each one transaction: which SQL runs, which claims it frees, whom it wakes.

use std::sync::Arc;
use std::thread;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::sync::watch;

use super::MakesWork;
use super::Sqlite;
use super::change;
use super::collected;
use super::endpoint;
use super::enrol;
use super::guard;
use super::note_running;
use super::open;
use super::oversize;
use super::queue;
use super::release;
use super::token;
use super::writer::Haste;
use crate::ident::EndpointName;
use crate::ident::MailboxName;
use crate::spool::Accepted;
use crate::spool::AttemptRow;
use crate::spool::Changed;
use crate::spool::Claims;
use crate::spool::Command;
use crate::spool::DeliveryKey;
use crate::spool::EndpointRow;
use crate::spool::Enrolment;
use crate::spool::Filter;
use crate::spool::Hold;
use crate::spool::Incoming;
use crate::spool::Ledger;
use crate::spool::LedgerKey;
use crate::spool::MailboxRow;
use crate::spool::MessageKey;
use crate::spool::Observation;
use crate::spool::Oversize;
use crate::spool::Reading;
use crate::spool::Record;
use crate::spool::Reply;
use crate::spool::Room;
use crate::spool::Row;
use crate::spool::Sorted;
use crate::spool::Spool;
use crate::spool::SpoolError;
use crate::spool::Spooled;
use crate::spool::Stats;
use crate::spool::Token;
use crate::spool::Tokens;
use crate::spool::Unsorted;
use crate::spool::Wanted;

impl Reading for Sqlite {
    fn ledger(&self, mailbox: &MailboxName) -> Reply<Ledger> {
        self.readers.ledger(mailbox)
    }

    fn raw(&self, message: MessageKey) -> Reply<Option<Vec<u8>>> {
        self.readers.raw(message)
    }

    fn list(&self, filter: Filter) -> Reply<Vec<Row>> {
        self.readers.list(filter)
    }

    fn find(&self, id: &str) -> Reply<Option<Spooled>> {
        self.readers.find(id)
    }

    fn released_at(&self, message: MessageKey) -> Reply<Option<Timestamp>> {
        self.readers.released_at(message)
    }

    fn attempts(&self, message: MessageKey) -> Reply<Vec<AttemptRow>> {
        self.readers.attempts(message)
    }

    fn may_enrol(&self, mailboxes: Vec<Enrolment>) -> Reply<()> {
        self.readers.may_enrol(mailboxes)
    }

    fn mailboxes(&self) -> Reply<Vec<MailboxRow>> {
        self.readers.mailboxes()
    }

    fn endpoints(&self) -> Reply<Vec<EndpointRow>> {
        self.readers.endpoints()
    }

    fn stats(&self) -> Reply<Stats> {
        self.readers.stats()
    }
}

impl Tokens for Sqlite {
    fn token(&self, mailbox: &MailboxName) -> Reply<Option<Token>> {
        self.readers.token(mailbox)
    }

    fn keep_token(&self, mailbox: &MailboxName, token: Token) -> Reply<()> {
        let (mailbox, now) = (mailbox.clone(), self.clock.now());
        // The one before may be worth nothing any more.
        self.write_by_all_means(Haste::Now, move |c| token::keep(c, mailbox.as_str(), &token, now))
    }
}

impl Spool for Sqlite {
    fn enrol(&self, mailboxes: Vec<Enrolment>) -> Reply<()> {
        self.write(Haste::Now, MakesWork::No, move |c| enrol::mailboxes(c, &mailboxes))
    }

    fn observe(&self, mailbox: &MailboxName, observation: Observation) -> Reply<()> {
        let (mailbox, now) = (mailbox.clone(), self.clock.now());
        self.write(Haste::Now, MakesWork::Yes, move |c| collected::observe(c, &mailbox, &observation, now))
    }

    fn accept(&self, mailbox: &MailboxName, messages: Vec<Incoming>) -> Reply<Vec<Accepted>> {
        let (mailbox, claimed, now) = (mailbox.clone(), Arc::clone(&self.claimed), self.clock.now());
        let (reserve, writable) = (self.reserve.clone(), self.metrics.writable.clone());
        let reply = self.write(Haste::Now, MakesWork::Yes, move |c| {
            reserve.take()?;
            let fresh = &mut guard(&claimed).fresh;
            messages.iter().map(|message| collected::accept(c, &mailbox, message, fresh, now)).collect()
        });
        Box::pin(async move { reply.await.inspect(|_: &Vec<Accepted>| writable.set(1)) })
    }

    fn oversize(&self, mailbox: &MailboxName, message: Oversize) -> Reply<()> {
        let (mailbox, now) = (mailbox.clone(), self.clock.now());
        self.write(Haste::Now, MakesWork::Yes, move |c| oversize::note(c, &mailbox, &message, now))
    }

    fn mark(&self, _mailbox: &MailboxName, rows: Vec<LedgerKey>) -> Reply<()> {
        let now = self.clock.now();
        self.write(Haste::Now, MakesWork::No, move |c| collected::mark(c, &rows, now))
    }

    fn unmark(&self, _mailbox: &MailboxName, rows: Vec<LedgerKey>) -> Reply<()> {
        self.write(Haste::Now, MakesWork::No, move |c| collected::unmark(c, &rows))
    }

    fn expunged(&self, _mailbox: &MailboxName, rows: Vec<LedgerKey>) -> Reply<()> {
        let now = self.clock.now();
        self.write(Haste::Now, MakesWork::No, move |c| collected::expunged(c, &rows, now))
    }

    fn room(&self, mailbox: &MailboxName) -> Reply<Room> {
        let (mailbox, config, now) = (mailbox.clone(), self.config.clone(), self.clock.now());
        let counter = self.metrics.released.clone();
        let reply = self.write(Haste::Now, MakesWork::No, move |c| release::room(c, &config, &mailbox, now));
        Box::pin(async move {
            let (room, released) = reply.await?;
            counter.inc_by(released);
            Ok(room)
        })
    }

    fn claim_unsorted(&self, at_most: usize) -> Reply<Vec<Unsorted>> {
        let (claimed, mine) = (Arc::clone(&self.claimed), Arc::clone(&self.claimed));
        let reply =
            self.write(Haste::Soon, MakesWork::No, move |c| queue::claim_unsorted(c, &mut guard(&claimed), at_most));
        // Claimed once it is committed: what failed is free for the next call.
        Box::pin(async move {
            reply.await.inspect(|found| guard(&mine).messages.extend(found.iter().map(|one| one.message.key.0)))
        })
    }

    fn sort(&self, sorted: Vec<Sorted>) -> Reply<()> {
        let (claimed, now) = (Arc::clone(&self.claimed), self.clock.now());
        let messages: Vec<i64> = sorted.iter().map(|one| one.message.0).collect();
        let reply = self.write(Haste::Soon, MakesWork::Yes, move |c| queue::sort(c, &sorted, now));
        Box::pin(async move {
            // Kept for another try after a fault: a spool that fails is no fault of the messages.
            reply.await?;
            let mut claimed = guard(&claimed);
            messages.iter().for_each(|message| _ = claimed.messages.remove(message));
            Ok(())
        })
    }

    fn abandon(&self, messages: Vec<MessageKey>) -> Reply<()> {
        let mut claimed = self.claimed();
        messages.iter().for_each(|message| _ = claimed.messages.remove(&message.0));
        Box::pin(async { Ok(()) })
    }

    fn claim(&self, endpoint: &EndpointName, wanted: Wanted) -> Reply<Claims> {
        let (claimed, mine) = (Arc::clone(&self.claimed), Arc::clone(&self.claimed));
        let (endpoint, times) = (endpoint.clone(), self.times());
        // It writes nothing, but takes its turn among the writes: read beside them, mail was delivered more slowly.
        let reply = self.write(Haste::Now, MakesWork::No, move |c| {
            queue::claim(c, &guard(&claimed).deliveries, &endpoint, wanted, times)
        });
        Box::pin(async move {
            reply.await.inspect(|found| guard(&mine).deliveries.extend(found.claims.iter().map(|one| one.delivery.0)))
        })
    }

    fn unclaim(&self, deliveries: Vec<DeliveryKey>) -> Reply<()> {
        let mut claimed = self.claimed();
        deliveries.iter().for_each(|delivery| _ = claimed.deliveries.remove(&delivery.0));
        Box::pin(async { Ok(()) })
    }

    fn record(&self, records: Vec<Record>) -> Reply<()> {
        let (times, claimed) = (self.times(), Arc::clone(&self.claimed));
        let deliveries: Vec<i64> = records.iter().map(|record| record.delivery.0).collect();
        let records = Arc::new(records);
        let write = move |c: &Connection| {
            records.iter().try_for_each(|record| queue::record(c, record, times))?;
            note_running(c, times.1)
        };
        // A full disk must not make a success forgotten: the reserve is for this.
        let (written, wake) = (self.write_by_all_means(Haste::Soon, write), self.work.clone());
        Box::pin(async move {
            written.await?;
            // Only now: an attempt that is not on the disk keeps its claim, so that it is not made again.
            deliveries.iter().for_each(|delivery| _ = guard(&claimed).deliveries.remove(delivery));
            wake.send_modify(|count| *count = count.wrapping_add(1));
            Ok(())
        })
    }

    fn pause(&self, endpoint: &EndpointName, until: Timestamp) -> Reply<()> {
        let endpoint = endpoint.clone();
        self.write(Haste::Now, MakesWork::No, move |c| endpoint::pause(c, endpoint.as_str(), until))
    }

    fn hold(&self, endpoint: &EndpointName, why: Hold) -> Reply<()> {
        let (endpoint, ran_ms) = (endpoint.clone(), self.ran_ms());
        self.write(Haste::Now, MakesWork::No, move |c| endpoint::hold(c, endpoint.as_str(), why, ran_ms))
    }

    fn keep_endpoints(&self, endpoints: Vec<EndpointName>) -> Reply<()> {
        let ran_ms = self.ran_ms();
        self.write(Haste::Now, MakesWork::Yes, move |c| enrol::endpoints(c, &endpoints, ran_ms))
    }

    fn work(&self) -> watch::Receiver<u64> {
        self.work.subscribe()
    }

    fn release(&self, delivered_before: Timestamp, dead_before: Option<Timestamp>) -> Reply<u64> {
        let (now, counter) = (self.clock.now(), self.metrics.released.clone());
        let reply =
            self.write(Haste::Now, MakesWork::No, move |c| release::release(c, delivered_before, dead_before, now));
        Box::pin(async move { reply.await.inspect(|released| counter.inc_by(*released)) })
    }

    fn prune(&self) -> Reply<u64> {
        let ((now, ran_ms), keep, counter) = (self.times(), self.config.ledger_keep, self.metrics.pruned.clone());
        let (reserve, writable) = (self.reserve.clone(), self.metrics.writable.clone());
        let pruned = self.write(Haste::Now, MakesWork::No, move |c| {
            note_running(c, ran_ms)?;
            Ok((release::prune(c, keep, now)?, reserve.take().is_ok()))
        });
        Box::pin(async move {
            let (pruned, held) = pruned.await?;
            counter.inc_by(pruned);
            // Something was written, and there is room for more.
            if held {
                writable.set(1);
            }
            Ok(pruned)
        })
    }

    fn change(&self, command: Command) -> Reply<Changed> {
        let (times, command) = (self.times(), Arc::new(command));
        let is_token = matches!(*command, Command::KeepToken { .. });
        let work = move |c: &Connection| change::change(c, &command, times);
        match is_token {
            true => self.write_by_all_means(Haste::Now, work),
            false => self.write(Haste::Now, MakesWork::Yes, work),
        }
    }

    fn close(&self) -> Reply<()> {
        let (path, (reply, answer)) = (self.config.path.clone(), oneshot::channel());
        // A thread of its own: the writer's jobs are transactions, and this cannot be in one.
        let begun = thread::Builder::new().name("spool-close".to_owned()).spawn(move || {
            // Nobody listening is no fault: it is written back all the same.
            drop(reply.send(open::write_back(&path)));
        });
        let path = self.config.path.clone();
        Box::pin(async move {
            begun.map_err(|error| SpoolError::open(&path, error))?;
            answer.await.map_err(|_| SpoolError::Closed)?
        })
    }
}
