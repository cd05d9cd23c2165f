//! The one thread that writes, and commits in groups.
//!
//! Jobs that wait while a commit is under way share the next one: a sync costs milliseconds, whoever shares it pays
//! nothing. Jobs that nobody is held up by wait a little for others to share with. If one of them fails, the group is
//! rolled back and each runs again in a transaction of its own, so that it takes only its own changes back. Nobody is
//! answered, and nothing is published, before the commit returned success; both happen in the order of the commits.
//!
//! A disk that fails ends the process, with one exception: a file system that has turned read-only refused the write
//! before a byte of it was taken, so nothing is in doubt, and it is asked again as a full one is.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use prometheus::Histogram;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::read_only::is_read_only;
use super::read_only::is_write;
use crate::clock::Clock;
use crate::crash;
use crate::spool::Reply;
use crate::spool::SpoolError;

/// Jobs that share one commit at most: enough that the sync is shared, few enough that the first is not kept waiting.
const GROUP_MAX: usize = 64;

/// How long a job that can wait does so for others to share its commit with.
const LINGER: Duration = Duration::from_millis(5);

/// Whether somebody is held up until a job is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Haste {
    /// Commit it as soon as the disk is free.
    Now,
    /// It can wait a little.
    Soon,
}

/// Sends jobs to the writing thread. The thread ends when the last handle is dropped.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<(Haste, Box<dyn Job>)>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

/// Work inside a transaction, and the answer after its commit. It may run twice; only the last run counts.
trait Job: Send {
    fn run(&mut self, connection: &Connection) -> Result<(), SpoolError>;
    fn answer(self: Box<Self>, commit: Result<(), SpoolError>);
}

struct Task<T, F, P> {
    work: F,
    publish: P,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, SpoolError>>,
}

impl<T, F, P> Job for Task<T, F, P>
where
    T: Send,
    F: Fn(&Connection) -> Result<T, SpoolError> + Send,
    P: FnOnce(&T) + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), SpoolError> {
        self.value = Some((self.work)(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, commit: Result<(), SpoolError>) {
        let Task { value, publish, reply, .. } = *self;
        let ended = commit.and_then(|()| value.ok_or(SpoolError::Closed)).inspect(publish);
        // Nobody listening is no fault: the work is committed all the same.
        drop(reply.send(ended));
    }
}

impl Writer {
    /// Starts the thread on `connection`.
    pub(super) fn start(
        connection: Connection,
        spool: PathBuf,
        clock: Clock,
        commit_seconds: Histogram,
    ) -> Result<Writer, std::io::Error> {
        let (jobs, waiting) = mpsc::channel();
        let group = Group { connection, spool, clock, commit_seconds };
        thread::Builder::new().name("spool-writer".to_owned()).spawn(move || group.run(waiting))?;
        Ok(Writer { jobs })
    }

    /// Sends `work`; its value arrives once it is committed. It is done even if nobody waits for the reply.
    ///
    /// Before that, `publish` shows the value to whoever watches: on the writing thread, and so in the order of the
    /// commits, that nothing older is shown after something newer.
    pub(super) fn write<T, F, P>(&self, haste: Haste, work: F, publish: P) -> Reply<T>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, SpoolError> + Send + 'static,
        P: FnOnce(&T) + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let sent = self.jobs.send((haste, Box::new(Task { work, publish, value: None, reply })));
        Box::pin(async move {
            sent.map_err(|_| SpoolError::Closed)?;
            answer.await.map_err(|_| SpoolError::Closed)?
        })
    }
}

struct Group {
    connection: Connection,
    /// Its file.
    spool: PathBuf,
    clock: Clock,
    commit_seconds: Histogram,
}

impl Group {
    fn run(self, waiting: mpsc::Receiver<(Haste, Box<dyn Job>)>) {
        let mut broken: Option<SpoolError> = None;
        while let Ok(first) = waiting.recv() {
            let jobs = self.gather(first, &waiting);
            match &broken {
                Some(error) => jobs.into_iter().for_each(|job| job.answer(Err(error.clone()))),
                None => broken = self.carry_out(jobs),
            }
        }
    }

    /// The first job, and those that share its commit.
    fn gather(
        &self,
        (mut haste, first): (Haste, Box<dyn Job>),
        waiting: &mpsc::Receiver<(Haste, Box<dyn Job>)>,
    ) -> Vec<Box<dyn Job>> {
        let until = self.clock.uptime().saturating_add(LINGER);
        let mut jobs = vec![first];
        while jobs.len() < GROUP_MAX {
            let next = match haste {
                Haste::Now => waiting.try_recv().ok(),
                Haste::Soon => waiting.recv_timeout(until.saturating_sub(self.clock.uptime())).ok(),
            };
            let Some((its, job)) = next else { break };
            if its == Haste::Now {
                haste = Haste::Now;
            }
            jobs.push(job);
        }
        jobs
    }

    /// Runs the jobs and answers them once they are committed: all together, or each alone if one of them fails. Tells
    /// if the disk failed.
    fn carry_out(&self, mut jobs: Vec<Box<dyn Job>>) -> Option<SpoolError> {
        let mut ended = self.commit(&mut jobs);
        let each_alone = jobs.len() > 1 && ended.as_ref().is_err_and(|error| !error.is_fatal());
        for mut job in jobs {
            // Once the disk has failed, nothing more is tried.
            if each_alone && !ended.as_ref().is_err_and(SpoolError::is_fatal) {
                ended = self.commit(std::slice::from_mut(&mut job));
            }
            job.answer(ended.clone());
        }
        ended.err().filter(SpoolError::is_fatal)
    }

    /// One transaction around the jobs. After an error nothing of it is left.
    fn commit(&self, jobs: &mut [Box<dyn Job>]) -> Result<(), SpoolError> {
        self.execute("BEGIN IMMEDIATE").map_err(|error| self.judge(error))?;
        let ran = jobs.iter_mut().try_for_each(|job| job.run(&self.connection));
        let committed = ran.and_then(|()| self.sync());
        // A full disk makes SQLite roll back by itself.
        if committed.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK").map_err(|error| SpoolError::Broken(Arc::new(error)))?;
        }
        committed.map_err(|error| self.judge(error))
    }

    /// Tells a file system that has turned read-only from a disk that failed.
    fn judge(&self, error: SpoolError) -> SpoolError {
        match error {
            SpoolError::Broken(cause) if is_write(&cause) && is_read_only(&self.spool) => SpoolError::NoSpace(cause),
            other => other,
        }
    }

    fn execute(&self, sql: &str) -> Result<(), SpoolError> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn sync(&self) -> Result<(), SpoolError> {
        let started = self.clock.uptime();
        crash::point!("before commit");
        let committed = self.execute("COMMIT");
        crash::point!("after commit");
        match committed {
            Ok(()) => {
                self.commit_seconds.observe(self.clock.uptime().saturating_sub(started).as_secs_f64());
                Ok(())
            }
            // The log could not take all of it, so SQLite has rolled it back, or we do. In WAL mode this is where a
            // full disk shows itself.
            Err(error @ SpoolError::NoSpace(_)) => Err(error),
            // Nobody knows what is on the disk now.
            Err(SpoolError::Database(error)) => Err(SpoolError::Broken(error)),
            Err(error) => Err(error),
        }
    }
}
