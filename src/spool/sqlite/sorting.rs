//! From spooled to routed: claims messages that nobody has parsed, and writes down where they go.

use std::sync::Mutex;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::params;

use super::columns::SPOOLED;
use super::columns::spooled;
use super::glance;
use super::guard;
use super::queue::Claimed;
use super::queue::enqueue;
use super::raw;
use super::record::settle;
use crate::spool::Dropped;
use crate::spool::MessageKey;
use crate::spool::PARSES_MAX;
use crate::spool::Purpose;
use crate::spool::Sorted;
use crate::spool::SpoolError;
use crate::spool::State;
use crate::spool::Unsorted;
use crate::spool::Verdict;

/// Raw bytes that one claim of unsorted messages hands out, beyond the first message.
const UNSORTED_BYTES: usize = 1 << 20;
/// Mails that are read at once only to be shown: those that are to be sorted wait for them.
const UNREAD_AT_ONCE: usize = 8;

/// Claims messages that nobody has parsed, and counts the parse that is about to begin.
///
/// # Errors
/// [`SpoolError::Damaged`] where that cannot begin: it is to be asked again once [`quarantine_damaged`] is committed.
pub(super) fn claim_unsorted(
    connection: &Connection,
    claimed: &Mutex<Claimed>,
    at_most: usize,
) -> Result<Vec<Unsorted>, SpoolError> {
    let mut found = unsorted(connection, claimed, "parses = 0", at_most)?;
    if found.is_empty() && guard(claimed).messages.is_empty() {
        quarantine(connection)?;
        // A parse of this one began and never ended: alone, so that it takes no other message down with it.
        found = unsorted(connection, claimed, "parses > 0", 1)?;
        if found.is_empty() {
            found = unread(connection, at_most)?;
        }
    }
    for one in &found {
        connection
            .prepare_cached("UPDATE message SET parses = parses + 1 WHERE seq = ?1")?
            .execute([one.message.key.0])?;
    }
    Ok(found)
}

/// Lets nobody try to parse a message whose copy is damaged; one that was sorted before stays where it is. Tells its id.
pub(super) fn quarantine_damaged(connection: &Connection, message: MessageKey) -> Result<String, SpoolError> {
    let id = connection
        .prepare_cached(
            "UPDATE message SET parses = ?2, state = CASE state WHEN 'spooled' THEN 'quarantined' ELSE state END
             WHERE seq = ?1 RETURNING id",
        )?
        .query_row([message.0, PARSES_MAX.into()], |row| row.get(0))?;
    Ok(id)
}

fn quarantine(connection: &Connection) -> Result<(), SpoolError> {
    connection
        .prepare_cached(
            "UPDATE message SET state = 'quarantined' WHERE state = 'spooled' AND released_at IS NULL AND parses >= ?1",
        )?
        .execute([PARSES_MAX])?;
    Ok(())
}

fn unsorted(
    connection: &Connection,
    claimed: &Mutex<Claimed>,
    which: &str,
    at_most: usize,
) -> Result<Vec<Unsorted>, SpoolError> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT {SPOOLED} FROM message
         WHERE state = 'spooled' AND released_at IS NULL AND {which}
         -- Nothing of this state is settled: this is the index's own order, oldest first.
         ORDER BY settled_at, seq"
    ))?;
    let mut rows = query.query([])?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while found.len() < at_most && bytes < UNSORTED_BYTES {
        let Some(row) = rows.next()? else { break };
        let seq = row.get(0)?;
        if guard(claimed).messages.contains(&seq) {
            continue;
        }
        let message = spooled(row)?;
        let fresh = guard(claimed).fresh.take(&message.id);
        let raw = match fresh {
            Some(raw) => raw,
            None => match raw::read(connection, seq)? {
                Some(raw) => raw.into(),
                None => continue,
            },
        };
        bytes += raw.len();
        found.push(Unsorted { message, raw, purpose: Purpose::ToSort });
    }
    Ok(found)
}

/// Mails that were sorted before anything was kept of them to be shown, the newest first.
fn unread(connection: &Connection, at_most: usize) -> Result<Vec<Unsorted>, SpoolError> {
    let to = glance::unread_to(connection)?;
    if to == 0 {
        return Ok(Vec::new());
    }
    let mut query = connection.prepare_cached(&format!(
        "SELECT {SPOOLED}, parses FROM message
         WHERE seq <= ?1 AND released_at IS NULL AND kind = 'mail' AND state NOT IN ('spooled', 'quarantined')
           AND parses < {PARSES_MAX} AND NOT EXISTS (SELECT 1 FROM glance WHERE glance.seq = message.seq)
         ORDER BY seq DESC LIMIT {UNREAD_AT_ONCE}"
    ))?;
    let mut rows = query.query([to])?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()?.filter(|_| found.len() < at_most && bytes < UNSORTED_BYTES) {
        let message = spooled(row)?;
        // A parse of this one began and never ended.
        let alone = row.get::<_, u32>(10)? > 0;
        if alone && !found.is_empty() {
            break;
        }
        let Some(raw) = raw::read(connection, message.key.0)? else { continue };
        bytes += raw.len();
        found.push(Unsorted { message, raw: raw.into(), purpose: Purpose::ToShow });
        if alone {
            break;
        }
    }
    if found.is_empty() {
        glance::read_from(connection, 1)?;
    }
    Ok(found)
}

/// Commits where messages go.
pub(super) fn sort(connection: &Connection, sorted: &[Sorted], now: Timestamp) -> Result<(), SpoolError> {
    for Sorted { message, verdict, glance } in sorted {
        if let Some(glance) = glance {
            glance::keep(connection, *message, glance)?;
        }
        let state = match verdict {
            Verdict::Shown => {
                connection.prepare_cached("UPDATE message SET parses = 0 WHERE seq = ?1")?.execute([message.0])?;
                glance::read_from(connection, message.0)?;
                continue;
            }
            Verdict::PutBack => {
                connection
                    .prepare_cached("UPDATE message SET parses = max(parses - 1, 0) WHERE seq = ?1")?
                    .execute([message.0])?;
                continue;
            }
            Verdict::Routed(endpoints) if endpoints.is_empty() => State::Unrouted,
            Verdict::Routed(endpoints) => {
                endpoints.iter().try_for_each(|endpoint| enqueue(connection, *message, endpoint, now))?;
                State::Routed
            }
            Verdict::Dropped(dropped) => {
                drop_by_rule(connection, *message, dropped, now)?;
                if !has_deliveries(connection, *message)? {
                    continue;
                }
                State::Routed
            }
            Verdict::Settled => State::Routed,
        };
        connection
            .prepare_cached("UPDATE message SET state = ?2, parses = 0 WHERE seq = ?1 AND state = 'spooled'")?
            .execute(params![message.0, state.as_str()])?;
        // A message that was routed before and is sorted anew may have nothing left to deliver.
        if state == State::Routed {
            settle(connection, message.0, now)?;
        }
    }
    Ok(())
}

/// Settles a message that a rule drops, unless it was routed before: then it is owed to its endpoints.
fn drop_by_rule(
    connection: &Connection,
    message: MessageKey,
    dropped: &Dropped,
    now: Timestamp,
) -> Result<(), SpoolError> {
    connection
        .prepare_cached(
            "UPDATE message SET state = 'dropped', parses = 0, settled_at = ?2, dropped_by = ?3, counts_as_delivered = ?4
             WHERE seq = ?1 AND state = 'spooled' AND NOT EXISTS (SELECT 1 FROM delivery WHERE message = seq)",
        )?
        .execute(params![message.0, now.as_millisecond(), dropped.rule, dropped.counts_as_delivered])?;
    Ok(())
}

fn has_deliveries(connection: &Connection, message: MessageKey) -> Result<bool, SpoolError> {
    Ok(connection.prepare_cached("SELECT 1 FROM delivery WHERE message = ?1")?.exists([message.0])?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use sha2::Digest as _;
    use sha2::Sha256;

    use super::*;
    use crate::ident::EndpointName;
    use crate::spool::Claims;
    use crate::spool::MessageKey;
    use crate::spool::Wanted;
    use crate::spool::sqlite::queue;
    use crate::spool::sqlite::schema;
    use crate::spool::sqlite::steps;

    /// How many steps it takes, beside so many messages that are settled, to claim a new one, to sort it, and to claim
    /// its delivery.
    fn steps(settled: u64) -> u64 {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, 0).unwrap();
        let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest([0]));
        let message = |seq, state| {
            format!(
                "INSERT INTO message (seq, id, mailbox, sha256, size, spooled_at, state, settled_at)
                 SELECT {seq}, 'msg_' || replace(replace(replace(replace(printf('%026d', {seq}), '0', 'a'), '1', 'b'),
                        '8', 'c'), '9', 'd'), 'a', x'{sha256}', 1, 0, {state} "
            )
        };
        connection
            .execute_batch(&format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {settled})
                 {many} FROM n WHERE {settled} > 0;
                 INSERT INTO raw SELECT seq, x'00' FROM message;
                 INSERT INTO delivery (message, endpoint, state, due, attempts, mailbox)
                 SELECT seq, 'desk', 'delivered', 0, 1, 'a' FROM message;
                 {one};
                 INSERT INTO raw VALUES (1000000, x'00')",
                many = message("i", "'delivered', 1"),
                one = message("1000000", "'spooled', NULL"),
            ))
            .unwrap();
        let count = steps::count(&mut connection);
        let desk = EndpointName::parse("desk").unwrap();
        let claimed = Mutex::new(Claimed::default());
        assert_eq!(claim_unsorted(&connection, &claimed, 9).unwrap().len(), 1);
        let verdict = Verdict::Routed(vec![desk.clone()]);
        let sorted = Sorted { message: MessageKey(1_000_000), verdict, glance: None };
        sort(&connection, &[sorted], Timestamp::UNIX_EPOCH).unwrap();
        assert!(claim_unsorted(&connection, &claimed, 9).unwrap().is_empty());
        let times = (Timestamp::UNIX_EPOCH, 0);
        for ordered in [false, true] {
            let wanted = Wanted { ordered, ..Wanted::default() };
            let Claims { claims, .. } =
                queue::claim(&connection, &guard(&claimed).deliveries, &desk, wanted, times).unwrap();
            assert_eq!(claims.len(), 1);
        }
        count.load(Ordering::Relaxed)
    }

    #[test]
    fn s10_what_is_settled_costs_nothing_when_new_mail_comes() {
        let (alone, beside) = (steps(0), steps(5000));
        assert!(beside < alone + 100, "{alone} steps alone, {beside} beside 5000 settled messages");
    }
}
