//! The embedded engine: one SQLite file in WAL mode with `synchronous=FULL`.
//!
//! One thread writes and commits in groups, readers stand beside it. One process owns the file, so claims live in
//! memory. The verbs stand in `verbs`, `collecting` and `delivering`; their
//! SQL in `collected`, `raw`, `oversize`, `condition`, `event`, `sorting`, `queue`, `heads`, `record`, `room`, `release`, `change`,
//! `mailbox`, `wish`, `reports`, `search` and `glance`.

mod backup;
mod change;
mod collected;
mod collecting;
mod columns;
mod condition;
mod delivering;
mod endpoint;
mod enrol;
mod event;
mod fresh;
mod glance;
mod heads;
mod mailbox;
mod open;
mod oversize;
mod place;
mod queue;
mod raw;
mod read_only;
mod reader;
mod record;
mod release;
mod reports;
mod reserve;
mod room;
mod schema;
mod search;
mod sorting;
#[cfg(test)]
mod steps;
mod token;
mod verbs;
mod walk;
mod wish;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use tokio::sync::watch;

use self::place::Place;
use self::queue::Claimed;
use self::reserve::Reserve;
use self::room::Look;
use self::room::Pressure;
use self::writer::Haste;
use self::writer::Writer;
use super::Config;
use super::Reply;
use super::SpoolError;
use super::Wishes;
use crate::clock::Clock;
use crate::ident::MailboxName;
use crate::metrics::SpoolMetrics;

pub use self::backup::Copied;
pub use self::backup::back_up;
pub use self::open::in_use;
pub use self::reader::Readers;

pub(super) use self::open::beside;

/// The embedded spool, open for writing. Only one process can have it.
#[derive(Debug)]
pub struct Sqlite {
    config: Config,
    clock: Clock,
    metrics: SpoolMetrics,
    writer: Writer,
    readers: Readers,
    reserve: Reserve,
    claimed: Arc<Mutex<Claimed>>,
    pressure: Arc<Mutex<Pressure>>,
    place: Place,
    work: watch::Sender<u64>,
    logins: watch::Sender<BTreeMap<MailboxName, u64>>,
    wishes: watch::Sender<Wishes>,
    /// Milliseconds that pophook had run before this start.
    ran_before: i64,
    _lock: open::Lock,
}

impl Sqlite {
    /// Opens or makes the spool.
    ///
    /// # Errors
    /// A file in use, on a network file system, of a newer schema, or that cannot be opened.
    pub fn open(config: Config, clock: Clock, metrics: SpoolMetrics) -> Result<Sqlite, SpoolError> {
        let path = config.path.clone();
        let lock = open::lock(&path)?;
        let connection = open::writing(&path)?;
        let ran_before = connection
            .query_row("SELECT value FROM meta WHERE key = 'ran_ms'", [], |row| row.get(0))
            .optional()
            .map_err(|e| SpoolError::open(&path, e))?
            .unwrap_or(0);
        let paused = enrol::paused(&connection)?;
        let writer = Writer::start(connection, path.clone(), clock.clone(), metrics.commit_seconds.clone())
            .map_err(|e| SpoolError::open(&path, e))?;
        let reserve = Reserve::of(&path);
        // Held back from the first day; on a disk that is full already, it is taken later.
        drop(reserve.take());
        metrics.max_bytes.set(columns::integer(config.max_size));
        metrics.writable.set(1);
        Ok(Sqlite {
            readers: Readers::open(&path)?,
            place: Place::of(&path),
            reserve,
            config,
            clock,
            metrics,
            writer,
            claimed: Arc::default(),
            pressure: Arc::default(),
            work: watch::Sender::new(0),
            logins: watch::Sender::new(BTreeMap::new()),
            wishes: watch::Sender::new(Wishes { paused, ..Wishes::default() }),
            ran_before,
            _lock: lock,
        })
    }

    /// The milliseconds that pophook has run in all, over every start.
    fn ran_ms(&self) -> i64 {
        self.ran_before.saturating_add(columns::integer(self.clock.uptime().as_millis()))
    }

    fn times(&self) -> (Timestamp, i64) {
        (self.clock.now(), self.ran_ms())
    }

    fn claimed(&self) -> MutexGuard<'_, Claimed> {
        guard(&self.claimed)
    }

    /// Shows what a look at the room found.
    fn show(&self) -> impl Fn(&Look) + Send + use<> {
        let (metrics, config) = (self.metrics.clone(), self.config.clone());
        move |look| {
            metrics.released.inc_by(look.released);
            metrics.disk_free.set(columns::integer(look.disk));
            let full = i64::from(look.is_full(&config));
            if metrics.full.get() != full {
                metrics.full.set(full);
                match full {
                    1 => tracing::error!(
                        disk_free = look.disk,
                        "the spool is full: mail stays on its servers until there is room"
                    ),
                    _ => tracing::info!("the spool has room again"),
                }
            }
        }
    }

    /// Sends `work`, watches over the disk, and wakes those who wait for work if it made some.
    fn write<T: Send + 'static>(
        &self,
        haste: Haste,
        makes_work: MakesWork,
        work: impl Fn(&Connection) -> Result<T, SpoolError> + Send + 'static,
    ) -> Reply<T> {
        self.write_and_publish(haste, makes_work, work, |_| {})
    }

    /// As [`Sqlite::write`], and `publish` shows the value to whoever watches, in the order of the commits.
    fn write_and_publish<T: Send + 'static>(
        &self,
        haste: Haste,
        makes_work: MakesWork,
        work: impl Fn(&Connection) -> Result<T, SpoolError> + Send + 'static,
        publish: impl FnOnce(&T) + Send + 'static,
    ) -> Reply<T> {
        let reply = self.writer.write(haste, work, publish);
        let (wake, writable) = (self.work.clone(), self.metrics.writable.clone());
        Box::pin(async move {
            let value = reply.await;
            // That it can be written again is seen where mail is accepted, not where there is nothing to write.
            if let Err(SpoolError::NoSpace(_) | SpoolError::Broken(_) | SpoolError::Moved { .. }) = &value {
                writable.set(0);
            }
            if value.is_ok() && makes_work == MakesWork::Yes {
                wake.send_modify(|count| *count = count.wrapping_add(1));
            }
            value
        })
    }

    /// Sends `work`, which lets copies go. One that is damaged is forgotten without its pages, and `work` is done again.
    fn write_past_damage<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, SpoolError> + Clone + Send + 'static,
    ) -> Reply<T> {
        let (first, writer, now) =
            (self.write(Haste::Now, MakesWork::No, work.clone()), self.writer.clone(), self.clock.now());
        Box::pin(async move {
            let mut done = first.await;
            while let Err(SpoolError::Damaged(message)) = done {
                tracing::error!(
                    seq = message.0,
                    "a settled copy is damaged; its pages stay in the file: look at the disk"
                );
                writer.write(Haste::Now, move |c| release::forget(c, message.0, now), |_| {}).await?;
                done = writer.write(Haste::Now, work.clone(), |_| {}).await;
            }
            done
        })
    }

    /// Sends `work`; where it finds no space, the reserve is spent for it.
    fn write_by_all_means<T: Send + 'static>(
        &self,
        haste: Haste,
        work: impl Fn(&Connection) -> Result<T, SpoolError> + Clone + Send + 'static,
    ) -> Reply<T> {
        self.write_by_all_means_and_publish(haste, work, |_| {})
    }

    /// As [`Sqlite::write_by_all_means`], and `publish` shows the value to whoever watches, in the order of the commits.
    fn write_by_all_means_and_publish<T: Send + 'static>(
        &self,
        haste: Haste,
        work: impl Fn(&Connection) -> Result<T, SpoolError> + Clone + Send + 'static,
        publish: impl FnOnce(&T) + Clone + Send + 'static,
    ) -> Reply<T> {
        let first = self.writer.write(haste, work.clone(), publish.clone());
        let (writer, reserve) = (self.writer.clone(), self.reserve.clone());
        Box::pin(async move {
            match first.await {
                Err(SpoolError::NoSpace(_)) => {
                    reserve.spend();
                    writer.write(Haste::Now, work, publish).await
                }
                ended => ended,
            }
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MakesWork {
    Yes,
    No,
}

fn guard<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes the time that pophook has run, so that a crash forgets little of it.
fn note_running(connection: &Connection, ran_ms: i64) -> Result<(), SpoolError> {
    connection
        .prepare_cached("INSERT INTO meta VALUES ('ran_ms', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1")?
        .execute([ran_ms])?;
    Ok(())
}
