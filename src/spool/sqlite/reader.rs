//! Readers beside the writer: they see what is committed and never wait for it.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::thread;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::collected;
use super::enrol;
use super::raw;
use super::reports;
use super::search;
use super::token;
use crate::ident::MailboxName;
use crate::spool::AttemptRow;
use crate::spool::EndpointRow;
use crate::spool::Enrolment;
use crate::spool::Filter;
use crate::spool::Found;
use crate::spool::Ledger;
use crate::spool::LineKey;
use crate::spool::Lines;
use crate::spool::MailboxRow;
use crate::spool::MessageKey;
use crate::spool::Reading;
use crate::spool::Reply;
use crate::spool::Row;
use crate::spool::Search;
use crate::spool::SpoolError;
use crate::spool::Spooled;
use crate::spool::Stats;
use crate::spool::Token;

/// Threads that read for visits and posts.
const THREADS: usize = 2;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Threads that read beside the writer, each with a connection of its own.
///
/// They share nothing with name look-ups and parsing, so that a slow resolver or a hostile mail never keeps the spool
/// from being read. What people ask for has a thread of its own: however many long reports are wanted, no visit and no
/// post waits for them.
#[derive(Debug, Clone)]
pub struct Readers {
    work: mpsc::Sender<Job>,
    reports: mpsc::Sender<Job>,
}

impl Readers {
    /// Opens the spool at `path` for reading.
    ///
    /// # Errors
    /// No spool there, or one of a newer schema.
    pub fn open(path: &Path) -> Result<Readers, SpoolError> {
        Ok(Readers { work: start(path, THREADS)?, reports: start(path, 1)? })
    }

    /// The refresh token that was kept last for `mailbox`.
    pub fn token(&self, mailbox: &MailboxName) -> Reply<Option<Token>> {
        let mailbox = mailbox.clone();
        self.read(move |c| token::find(c, mailbox.as_str()))
    }

    /// Runs `work` on a reading connection.
    pub(super) fn read<T, F>(&self, work: F) -> Reply<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, SpoolError> + Send + 'static,
    {
        ask(&self.work, work)
    }

    /// Runs `work`, which is for people and may be long.
    fn report<T, F>(&self, work: F) -> Reply<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, SpoolError> + Send + 'static,
    {
        ask(&self.reports, work)
    }
}

fn start(path: &Path, threads: usize) -> Result<mpsc::Sender<Job>, SpoolError> {
    let (jobs, waiting) = mpsc::channel::<Job>();
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..threads {
        let (connection, waiting) = (super::open::reading(path)?, Arc::clone(&waiting));
        thread::Builder::new()
            .name("spool-reader".to_owned())
            .spawn(move || serve(&connection, &waiting))
            .map_err(|error| SpoolError::open(path, error))?;
    }
    Ok(jobs)
}

fn ask<T, F>(jobs: &mpsc::Sender<Job>, work: F) -> Reply<T>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, SpoolError> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let job = move |connection: &Connection| {
        // Whoever asked may have gone meanwhile, which is no fault, and saves the work.
        if !reply.is_closed() {
            drop(reply.send(work(connection)));
        }
    };
    let sent = jobs.send(Box::new(job));
    Box::pin(async move {
        sent.map_err(|_| SpoolError::Closed)?;
        answer.await.map_err(|_| SpoolError::Closed)?
    })
}

/// Ends when the last handle is dropped.
fn serve(connection: &Connection, waiting: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        job(connection);
    }
}

impl Reading for Readers {
    fn ledger(&self, mailbox: &MailboxName) -> Reply<Ledger> {
        let mailbox = mailbox.clone();
        self.read(move |c| collected::ledger(c, &mailbox))
    }

    fn raw(&self, message: MessageKey) -> Reply<Option<Vec<u8>>> {
        self.read(move |c| raw::read(c, message.0))
    }

    fn list(&self, filter: Filter) -> Reply<Vec<Row>> {
        self.report(move |c| reports::list(c, &filter))
    }

    fn lines(&self, filter: Filter, after: Option<LineKey>, limit: usize) -> Reply<Lines> {
        self.report(move |c| reports::lines(c, &filter, after, limit))
    }

    fn search(&self, wanted: Search, limit: usize) -> Reply<Found> {
        self.report(move |c| search::search(c, &wanted, limit))
    }

    fn find(&self, id: &str) -> Reply<Option<Spooled>> {
        let id = id.to_owned();
        self.read(move |c| reports::find(c, &id))
    }

    fn released_at(&self, message: MessageKey) -> Reply<Option<Timestamp>> {
        self.read(move |c| reports::released_at(c, message.0))
    }

    fn attempts(&self, message: MessageKey) -> Reply<Vec<AttemptRow>> {
        self.report(move |c| reports::attempts(c, message.0))
    }

    fn may_enrol(&self, mailboxes: Vec<Enrolment>) -> Reply<()> {
        self.read(move |c| enrol::refuse_silent_renames(c, &mailboxes))
    }

    fn mailboxes(&self) -> Reply<Vec<MailboxRow>> {
        self.report(reports::mailboxes)
    }

    fn endpoints(&self) -> Reply<Vec<EndpointRow>> {
        self.report(reports::endpoints)
    }

    fn stats(&self) -> Reply<Stats> {
        self.report(reports::stats)
    }
}
