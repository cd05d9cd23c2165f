//! The collecting half's verbs, each one transaction: which SQL runs, and whom it wakes.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::watch;

use super::MakesWork;
use super::Sqlite;
use super::collected;
use super::columns;
use super::condition;
use super::enrol;
use super::guard;
use super::oversize;
use super::room;
use super::writer::Haste;
use crate::ident::MailboxName;
use crate::spool::Accepted;
use crate::spool::Collecting;
use crate::spool::Enrolment;
use crate::spool::Incoming;
use crate::spool::LedgerKey;
use crate::spool::Observation;
use crate::spool::Oversize;
use crate::spool::Reply;
use crate::spool::Room;
use crate::spool::Visited;
use crate::spool::Wishes;

impl Collecting for Sqlite {
    fn enrol(&self, mailboxes: Vec<Enrolment>) -> Reply<()> {
        let work = move |c: &Connection| {
            enrol::mailboxes(c, &mailboxes)?;
            enrol::paused(c)
        };
        let wishes = self.wishes.clone();
        // One that was paused may have another name now.
        let publish = move |paused: &BTreeSet<MailboxName>| {
            wishes.send_if_modified(|wishes| std::mem::replace(&mut wishes.paused, paused.clone()) != *paused);
        };
        let enrolled = self.write_and_publish(Haste::Now, MakesWork::No, work, publish);
        Box::pin(async move { enrolled.await.map(drop) })
    }

    fn observe(&self, mailbox: &MailboxName, observation: Observation) -> Reply<()> {
        let (mailbox, now) = (mailbox.clone(), self.clock.now());
        self.write(Haste::Now, MakesWork::Yes, move |c| collected::observe(c, &mailbox, &observation, now))
    }

    fn accept(&self, mailbox: &MailboxName, messages: Vec<Incoming>) -> Reply<Vec<Accepted>> {
        let (mailbox, claimed, now) = (mailbox.clone(), Arc::clone(&self.claimed), self.clock.now());
        let (reserve, writable) = (self.reserve.clone(), self.metrics.writable.clone());
        let bytes = messages.iter().map(|message| columns::integer(message.raw.len()).unsigned_abs()).sum();
        let (owner, pressure, place) = (mailbox.clone(), Arc::clone(&self.pressure), self.place.clone());
        let reply = self.write(Haste::Now, MakesWork::Yes, move |c| {
            place.expect()?;
            reserve.take()?;
            messages.iter().map(|message| collected::accept(c, &mailbox, message, &claimed, now)).collect()
        });
        Box::pin(async move {
            let accepted: Vec<Accepted> = reply.await?;
            guard(&pressure).taken(&owner, bytes);
            writable.set(1);
            Ok(accepted)
        })
    }

    fn oversize(&self, mailbox: &MailboxName, message: Oversize) -> Reply<()> {
        let (mailbox, now) = (mailbox.clone(), self.clock.now());
        self.write(Haste::Now, MakesWork::Yes, move |c| oversize::note(c, &mailbox, &message, now))
    }

    fn mark(&self, _mailbox: &MailboxName, rows: Vec<LedgerKey>) -> Reply<()> {
        let (now, place) = (self.clock.now(), self.place.clone());
        self.write(Haste::Now, MakesWork::No, move |c| {
            // What was taken into a file that is gone is on the server alone.
            place.expect()?;
            collected::mark(c, &rows, now)
        })
    }

    fn unmark(&self, _mailbox: &MailboxName, rows: Vec<LedgerKey>) -> Reply<()> {
        self.write(Haste::Now, MakesWork::No, move |c| collected::unmark(c, &rows))
    }

    fn expunged(&self, _mailbox: &MailboxName, rows: Vec<LedgerKey>) -> Reply<()> {
        let now = self.clock.now();
        self.write(Haste::Now, MakesWork::No, move |c| collected::expunged(c, &rows, now))
    }

    fn logins(&self) -> watch::Receiver<BTreeMap<MailboxName, u64>> {
        self.logins.subscribe()
    }

    fn wishes(&self) -> watch::Receiver<Wishes> {
        self.wishes.subscribe()
    }

    fn note_visit(&self, mailbox: &MailboxName, visited: Visited, reason: Option<&'static str>) -> Reply<()> {
        let (mailbox, now) = (mailbox.clone(), self.clock.now());
        let note = move |c: &Connection| condition::visited(c, &mailbox, visited, reason, now);
        let (noted, wake) = (self.write(Haste::Soon, MakesWork::No, note), self.work.clone());
        Box::pin(async move {
            if noted.await? {
                wake.send_modify(|count| *count = count.wrapping_add(1));
            }
            Ok(())
        })
    }

    fn room(&self, mailbox: &MailboxName, wanted: u64) -> Reply<Room> {
        let (mailbox, config, pressure) = (mailbox.clone(), self.config.clone(), Arc::clone(&self.pressure));
        let (times, show, place) = ((self.clock.now(), self.clock.uptime()), self.show(), self.place.clone());
        let reply = self.write_past_damage(move |c| {
            place.expect()?;
            room::promise(c, &config, &pressure, (&mailbox, wanted), times)
        });
        Box::pin(async move {
            let (room, look) = reply.await?;
            show(&look);
            Ok(room)
        })
    }
}
