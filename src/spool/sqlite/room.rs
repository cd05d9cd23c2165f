//! Looks how much room there is, makes some, and remembers who was promised how much.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension as _;

use super::event::NO_NOTICE_WAITS;
use super::guard;
use super::open;
use super::release::DROPPED_BY_RULE;
use super::release::erase;
use super::release::live_bytes;
use crate::ident::MailboxName;
use crate::spool::Config;
use crate::spool::Room;
use crate::spool::SpoolError;
use crate::spool::room;
use crate::spool::room::Facts;
use crate::spool::room::Level;

/// Copies released in one transaction, so that the writer is not kept from accepting.
const RELEASE_AT_ONCE: u64 = 500;
/// A promise that was not taken up for so long is void: the visit has ended, well or badly.
const PROMISED_FOR: Duration = Duration::from_secs(15 * 60);

/// A disk with less than so much is as good as full: what is written beside the mail needs room, too.
const LEAST: u64 = 1 << 20;

/// What is remembered between two looks. It lives in memory alone: a process that dies has promised nothing.
#[derive(Debug, Default)]
pub(super) struct Pressure {
    level: Level,
    promised: HashMap<MailboxName, Promise>,
}

#[derive(Debug, Clone, Copy)]
struct Promise {
    bytes: u64,
    since: Duration,
}

/// What a look found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) level: Level,
    /// Bytes that are free on the disk.
    pub(super) disk: u64,
    /// Copies that were released for it.
    pub(super) released: u64,
    live: u64,
}

impl Look {
    /// Whether no mail at all is taken.
    pub(super) fn is_full(&self, config: &Config) -> bool {
        self.level == Level::Full || self.for_mail(config) == 0
    }

    /// Bytes of the disk that mail may take.
    fn for_mail(&self, config: &Config) -> u64 {
        self.disk.saturating_sub(config.min_free.saturating_add(LEAST))
    }
}

impl Pressure {
    /// What was promised has come, or a part of it.
    pub(super) fn taken(&mut self, mailbox: &MailboxName, bytes: u64) {
        if let Some(promise) = self.promised.get_mut(mailbox) {
            promise.bytes = promise.bytes.saturating_sub(bytes);
        }
    }

    /// Promises a room to `mailbox`, in place of what it was promised before.
    fn promise(&mut self, mailbox: &MailboxName, room: Room, since: Duration) {
        match room {
            Room::Free { bytes } => drop(self.promised.insert(mailbox.clone(), Promise { bytes, since })),
            Room::ShareFull | Room::Full | Room::DiskFull => drop(self.promised.remove(mailbox)),
        }
    }

    fn promised_elsewhere(&mut self, mailbox: &MailboxName, uptime: Duration) -> u64 {
        self.promised.retain(|_, promise| uptime.saturating_sub(promise.since) < PROMISED_FOR);
        self.promised.iter().filter(|(name, _)| *name != mailbox).map(|(_, promise)| promise.bytes).sum()
    }
}

/// Looks how full spool and disk are; above the high-water mark, copies go of what rules dropped and then of what was
/// delivered, oldest first, down to the low one.
pub(super) fn look(
    connection: &Connection,
    config: &Config,
    pressure: &Mutex<Pressure>,
    now: Timestamp,
) -> Result<Look, SpoolError> {
    let mut live = live_bytes(connection)?;
    let mut released = 0;
    let mut level = room::level(guard(pressure).level, live, config.max_size);
    // What an operator dropped stays and is passed over, so that each of these is asked for but once when none is left.
    let mut which = [DROPPED_BY_RULE, "state = 'delivered'"].into_iter().peekable();
    while level != Level::Low && released < RELEASE_AT_ONCE {
        let Some(these) = which.peek() else { break };
        let Some(seq) = oldest(connection, these)? else {
            which.next();
            continue;
        };
        erase(connection, seq, now)?;
        released += 1;
        live = live_bytes(connection)?;
        level = room::level(level, live, config.max_size);
    }
    guard(pressure).level = level;
    let disk = open::free_bytes(&config.path)?;
    Ok(Look { level, disk, released, live })
}

/// The message of these that was settled first.
fn oldest(connection: &Connection, which: &str) -> Result<Option<i64>, SpoolError> {
    let oldest = connection
        .prepare_cached(&format!(
            "SELECT seq FROM message WHERE {which} AND released_at IS NULL AND {NO_NOTICE_WAITS}
             ORDER BY settled_at LIMIT 1",
        ))?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(oldest)
}

/// Judges the room for `mailbox`, which asks for `wanted` bytes, and promises it.
pub(super) fn promise(
    connection: &Connection,
    config: &Config,
    pressure: &Mutex<Pressure>,
    (mailbox, wanted): (&MailboxName, u64),
    (now, uptime): (Timestamp, Duration),
) -> Result<(Room, Look), SpoolError> {
    let look = look(connection, config, pressure, now)?;
    let unsettled = match look.level {
        Level::Low => 0,
        Level::High | Level::Full => unsettled(connection, mailbox)?,
    };
    let mut pressure = guard(pressure);
    let facts = Facts {
        level: look.level,
        live: look.live,
        max_size: config.max_size,
        share: config.max_size / 100 * u64::from(config.max_share),
        unsettled,
        promised: pressure.promised_elsewhere(mailbox, uptime),
        disk: look.for_mail(config),
    };
    let room = room::room(&facts, wanted);
    pressure.promise(mailbox, room, uptime);
    Ok((room, look))
}

fn unsettled(connection: &Connection, mailbox: &MailboxName) -> Result<u64, SpoolError> {
    let bytes = connection
        .prepare_cached(
            // What a notice carries is counted as the mail that it is. Two sums, so that the first needs its index alone.
            "SELECT (SELECT coalesce(sum(size), 0) FROM message
                     WHERE mailbox = ?1 AND released_at IS NULL AND state <> 'delivered')
                  - (SELECT coalesce(sum(size), 0) FROM message
                     WHERE about IS NOT NULL AND mailbox = ?1 AND released_at IS NULL AND state <> 'delivered')",
        )?
        .query_row([mailbox.as_str()], |row| row.get(0))?;
    Ok(bytes)
}
