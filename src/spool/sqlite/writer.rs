//! The one thread that writes, and commits in groups.
//!
//! Jobs that wait while a commit is under way share the next one: a sync costs milliseconds, whoever shares it pays
//! nothing. Each job runs inside a savepoint, so that one which fails takes only its own changes back. Nobody is
//! answered before the group's commit returned success.

use std::fmt;
use std::thread;

use prometheus::Histogram;
use rusqlite::Connection;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::spool::Reply;
use crate::spool::SpoolError;

/// Jobs that share one commit at most: enough that the sync is shared, few enough that the first is not kept waiting.
const GROUP_MAX: usize = 64;

/// Sends jobs to the writing thread. The thread ends when the last handle is dropped.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::UnboundedSender<Box<dyn Job>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

/// Work inside the group's transaction, and the answer after its commit.
trait Job: Send {
    fn run(&mut self, connection: &Connection) -> Result<(), SpoolError>;
    fn answer(self: Box<Self>, commit: Result<(), SpoolError>);
}

struct Task<T, F> {
    work: Option<F>,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, SpoolError>>,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, SpoolError> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), SpoolError> {
        let Some(work) = self.work.take() else { return Err(SpoolError::Closed) };
        self.value = Some(work(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, commit: Result<(), SpoolError>) {
        let Task { value, reply, .. } = *self;
        // Nobody listening is no fault: the work is committed all the same.
        drop(reply.send(commit.and_then(|()| value.ok_or(SpoolError::Closed))));
    }
}

impl Writer {
    /// Starts the thread on `connection`.
    pub(super) fn start(
        connection: Connection,
        clock: Clock,
        commit_seconds: Histogram,
    ) -> Result<Writer, std::io::Error> {
        let (jobs, waiting) = mpsc::unbounded_channel();
        let group = Group { connection, clock, commit_seconds };
        thread::Builder::new().name("spool-writer".to_owned()).spawn(move || group.run(waiting))?;
        Ok(Writer { jobs })
    }

    /// Sends `work`; its value arrives once it is committed. It is done even if nobody waits for the reply.
    pub(super) fn write<T, F>(&self, work: F) -> Reply<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, SpoolError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let sent = self.jobs.send(Box::new(Task { work: Some(work), value: None, reply }));
        Box::pin(async move {
            sent.map_err(|_| SpoolError::Closed)?;
            answer.await.map_err(|_| SpoolError::Closed)?
        })
    }
}

struct Group {
    connection: Connection,
    clock: Clock,
    commit_seconds: Histogram,
}

impl Group {
    fn run(self, mut waiting: mpsc::UnboundedReceiver<Box<dyn Job>>) {
        let mut broken: Option<SpoolError> = None;
        while let Some(first) = waiting.blocking_recv() {
            if let Some(error) = &broken {
                first.answer(Err(error.clone()));
                continue;
            }
            let rest = std::iter::from_fn(|| waiting.try_recv().ok()).take(GROUP_MAX - 1);
            broken = self.commit(std::iter::once(first).chain(rest)).err().filter(SpoolError::is_fatal);
        }
        // A clean end leaves one file: the next start has no WAL to read.
        drop(self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"));
    }

    /// Runs the jobs in one transaction, commits, and only then answers them.
    fn commit(&self, jobs: impl Iterator<Item = Box<dyn Job>>) -> Result<(), SpoolError> {
        let begun = self.execute("BEGIN IMMEDIATE");
        let mut done: Vec<Box<dyn Job>> = Vec::new();
        let mut lost: Option<SpoolError> = begun.err();
        for mut job in jobs {
            let ran = match &lost {
                Some(error) => Err(error.clone()),
                None => self.in_savepoint(job.as_mut()),
            };
            match ran {
                Ok(()) => done.push(job),
                Err(error) => {
                    // SQLite may have rolled the whole group back (a full disk does); then nothing of it is left.
                    if lost.is_none() && (self.connection.is_autocommit() || error.is_fatal()) {
                        lost = Some(error.clone());
                    }
                    job.answer(Err(error));
                }
            }
        }
        let committed = match lost {
            Some(error) => Err(error),
            None => self.sync(),
        };
        if committed.is_err() && !self.connection.is_autocommit() {
            drop(self.connection.execute_batch("ROLLBACK"));
        }
        for job in done {
            job.answer(committed.clone());
        }
        committed
    }

    fn execute(&self, sql: &str) -> Result<(), SpoolError> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn in_savepoint(&self, job: &mut dyn Job) -> Result<(), SpoolError> {
        self.execute("SAVEPOINT job")?;
        match job.run(&self.connection) {
            Ok(()) => self.execute("RELEASE job"),
            Err(error) => {
                if !self.connection.is_autocommit() {
                    self.connection.execute_batch("ROLLBACK TO job; RELEASE job")?;
                }
                Err(error)
            }
        }
    }

    fn sync(&self) -> Result<(), SpoolError> {
        let started = self.clock.uptime();
        match self.execute("COMMIT") {
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
