//! The changing commands about what a mailbox's ledger says: take, import, reset.

use rusqlite::Connection;
use rusqlite::params;

use super::collected::flood_name;
use crate::ident::UniqueId;
use crate::spool::Flood;
use crate::spool::Listed;
use crate::spool::SpoolError;

/// Takes skipped messages after all.
pub(super) fn take(connection: &Connection, mailbox: &str, unique_ids: &[String]) -> Result<u64, SpoolError> {
    require_mailbox(connection, mailbox)?;
    if unique_ids.is_empty() {
        let all = connection.execute("DELETE FROM ledger WHERE mailbox = ?1 AND state = 'skipped'", [mailbox])?;
        return Ok(u64::try_from(all).unwrap_or(u64::MAX));
    }
    let mut changed = 0;
    for text in unique_ids {
        let id = unique_id(text)?;
        let taken = connection
            .prepare_cached("DELETE FROM ledger WHERE mailbox = ?1 AND unique_id = ?2 AND state = 'skipped'")?
            .execute(params![mailbox, id.as_bytes()])?;
        if taken == 0 {
            return Err(SpoolError::Impossible(format!("mailbox {mailbox:?} has skipped no message {text}")));
        }
        changed += 1;
    }
    Ok(changed)
}

/// Notes messages as skipped; what is known stays what it is.
pub(super) fn import(connection: &Connection, mailbox: &str, unique_ids: &[String]) -> Result<u64, SpoolError> {
    require_mailbox(connection, mailbox)?;
    let mut changed = 0;
    for text in unique_ids {
        let id = unique_id(text)?;
        let noted = connection
            .prepare_cached(
                "INSERT INTO ledger (mailbox, unique_id, state) SELECT ?1, ?2, 'skipped'
                 WHERE NOT EXISTS (SELECT 1 FROM ledger WHERE mailbox = ?1 AND unique_id = ?2)",
            )?
            .execute(params![mailbox, id.as_bytes()])?;
        changed += u64::try_from(noted).unwrap_or(u64::MAX);
    }
    Ok(changed)
}

/// Settles a flood.
pub(super) fn reset(connection: &Connection, mailbox: &str, listed: Listed) -> Result<u64, SpoolError> {
    require_mailbox(connection, mailbox)?;
    let flood = match listed {
        Listed::Seen => Flood::AsSeen,
        Listed::New => Flood::AsNew,
    };
    let changed = connection
        .execute("UPDATE mailbox SET flood = ?2 WHERE name = ?1 AND flood <> 'none'", [mailbox, flood_name(flood)])?;
    if changed == 0 {
        return Err(SpoolError::Impossible(format!("mailbox {mailbox:?} waits for no decision about its unique-ids")));
    }
    Ok(1)
}

fn unique_id(text: &str) -> Result<UniqueId, SpoolError> {
    let illegal = || SpoolError::Impossible(format!("{text:?} is no unique-id as `spool list` prints it"));
    UniqueId::from_text(text).ok_or_else(illegal)
}

/// Refuses a name that the spool does not know.
pub(super) fn require_mailbox(connection: &Connection, name: &str) -> Result<(), SpoolError> {
    let known = connection.prepare_cached("SELECT 1 FROM mailbox WHERE name = ?1")?.exists([name])?;
    if known { Ok(()) } else { Err(SpoolError::Impossible(format!("the spool knows no mailbox {name:?}"))) }
}
