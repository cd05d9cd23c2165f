//! The verbs of [`Spool`] that belong to neither half, each one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::sync::watch;

use super::MakesWork;
use super::Sqlite;
use super::change;
use super::condition;
use super::note_running;
use super::open;
use super::release;
use super::room;
use super::token;
use super::writer::Haste;
use crate::ident::EndpointName;
use crate::ident::MailboxName;
use crate::spool::AttemptRow;
use crate::spool::Changed;
use crate::spool::Command;
use crate::spool::EndpointRow;
use crate::spool::Enrolment;
use crate::spool::Filter;
use crate::spool::Found;
use crate::spool::Ledger;
use crate::spool::LineKey;
use crate::spool::Lines;
use crate::spool::MailboxRow;
use crate::spool::MessageKey;
use crate::spool::Noticing;
use crate::spool::Reading;
use crate::spool::Reply;
use crate::spool::Row;
use crate::spool::Search;
use crate::spool::Spool;
use crate::spool::SpoolError;
use crate::spool::Spooled;
use crate::spool::Stats;
use crate::spool::Token;
use crate::spool::Tokens;
use crate::spool::Untold;
use crate::spool::Wishes;

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

    fn lines(&self, filter: Filter, after: Option<LineKey>, limit: usize) -> Reply<Lines> {
        self.readers.lines(filter, after, limit)
    }

    fn search(&self, wanted: Search, limit: usize) -> Reply<Found> {
        self.readers.search(wanted, limit)
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

impl Noticing for Sqlite {
    fn untold(&self) -> Reply<Vec<Untold>> {
        let now = self.clock.now();
        self.readers.read(move |c| condition::untold(c, now))
    }

    fn tell(&self, changes: Vec<(Untold, Vec<EndpointName>)>) -> Reply<()> {
        let now = self.clock.now();
        self.write(Haste::Now, MakesWork::Yes, move |c| {
            changes.iter().try_for_each(|(untold, to)| condition::tell(c, untold, to, now))
        })
    }
}

impl Spool for Sqlite {
    fn release(&self, delivered_before: Timestamp, dead_before: Option<Timestamp>) -> Reply<u64> {
        let (now, counter) = (self.clock.now(), self.metrics.released.clone());
        let reply = self.write_past_damage(move |c| release::release(c, delivered_before, dead_before, now));
        Box::pin(async move { reply.await.inspect(|released| counter.inc_by(*released)) })
    }

    fn prune(&self) -> Reply<u64> {
        let ((now, ran_ms), keep, counter) = (self.times(), self.config.ledger_keep, self.metrics.pruned.clone());
        let (reserve, writable) = (self.reserve.clone(), self.metrics.writable.clone());
        let (config, pressure, show) = (self.config.clone(), Arc::clone(&self.pressure), self.show());
        let place = self.place.clone();
        let pruned = self.write_past_damage(move |c| {
            note_running(c, ran_ms)?;
            let look = room::look(c, &config, &pressure, now)?;
            Ok((release::prune(c, keep, now)?, place.expect().and_then(|()| reserve.take()), look))
        });
        Box::pin(async move {
            let (pruned, held, look) = pruned.await?;
            counter.inc_by(pruned);
            show(&look);
            match held {
                // Something was written, and there is room for more.
                Ok(()) => writable.set(1),
                Err(error @ SpoolError::Moved { .. }) => {
                    tracing::error!(%error, "the spool is not at its place");
                    writable.set(0);
                }
                Err(_) => {}
            }
            Ok(pruned)
        })
    }

    fn change(&self, command: Command) -> Reply<Changed> {
        let (times, command) = (self.times(), Arc::new(command));
        let asked = Arc::clone(&command);
        let work = move |c: &Connection| change::change(c, &command, times);
        let (logins, wishes, told) = (self.logins.clone(), self.wishes.clone(), Arc::clone(&asked));
        let publish = move |_: &Changed| tell(&told, &logins, &wishes);
        match &*asked {
            Command::KeepToken { .. } => self.write_by_all_means_and_publish(Haste::Now, work, publish),
            _ => self.write_and_publish(Haste::Now, MakesWork::Yes, work, publish),
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

/// Tells the collecting half of a command that was committed.
fn tell(command: &Command, logins: &watch::Sender<BTreeMap<MailboxName, u64>>, wishes: &watch::Sender<Wishes>) {
    let named =
        |mailbox: &String, note: &dyn Fn(MailboxName)| MailboxName::parse(mailbox).iter().cloned().for_each(note);
    match command {
        Command::KeepToken { mailbox, .. } => named(mailbox, &|name| {
            logins.send_modify(|counts| *counts.entry(name).or_default() += 1);
        }),
        Command::Visit { mailbox } => named(mailbox, &|name| {
            wishes.send_modify(|wishes| *wishes.visits.entry(name).or_default() += 1);
        }),
        Command::Pause { mailbox } => named(mailbox, &|name| {
            wishes.send_modify(|wishes| _ = wishes.paused.insert(name));
        }),
        Command::Unpause { mailbox } => named(mailbox, &|name| {
            wishes.send_modify(|wishes| _ = wishes.paused.remove(&name));
        }),
        Command::Retry { .. }
        | Command::Drop { .. }
        | Command::AsShown { .. }
        | Command::Take { .. }
        | Command::Import { .. }
        | Command::Reset { .. }
        | Command::Resume { .. } => {}
    }
}
