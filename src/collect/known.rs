//! What the ledger says about the messages that are listed. Pure.

use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use super::Mailbox;
use crate::ident::UniqueId;
use crate::retention::OnServer;
use crate::spool::Ledger;
use crate::spool::LedgerKey;
use crate::spool::LedgerRow;

/// With *keep*, messages without a unique-id are read anew at most this often.
const REREAD_EVERY: Duration = Duration::from_secs(3600);
/// A server that kept a message after this many answered QUITs does not delete.
pub(super) const EXPUNGES_MAX: u32 = 3;

/// Whether a message is listed, and never was not, that the server was told to delete again and again.
pub(super) fn does_not_delete(latest: &HashMap<&UniqueId, &LedgerRow>, listed: &HashSet<&UniqueId>) -> bool {
    latest.iter().any(|(id, row)| row.expunges >= EXPUNGES_MAX && listed.contains(*id) && row.absent_since.is_none())
}

/// The row that says what each unique-id meant last.
pub(super) fn latest_rows(ledger: &Ledger) -> HashMap<&UniqueId, &LedgerRow> {
    ledger.rows.iter().filter_map(|row| Some((row.unique_id.as_ref()?, row))).collect()
}

/// The rows whose messages were listed and are no more.
pub(super) fn gone(
    ledger: &Ledger,
    latest: &HashMap<&UniqueId, &LedgerRow>,
    listed: &HashSet<&UniqueId>,
    without_unique_id: usize,
) -> Vec<LedgerKey> {
    let is_listed = |row: &LedgerRow| match &row.unique_id {
        Some(id) => listed.contains(id) && latest.get(id).is_some_and(|newest| newest.key == row.key),
        None => without_unique_id > 0,
    };
    ledger.rows.iter().filter(|row| row.absent_since.is_none() && !is_listed(row)).map(|row| row.key).collect()
}

/// Whether messages that only their content tells apart are to be read now.
pub(super) fn may_reread(ledger: &Ledger, mailbox: &Mailbox, now: Timestamp) -> bool {
    let rested = ledger.reread_at.and_then(|at| at.checked_add(REREAD_EVERY).ok()).is_none_or(|due| due <= now);
    rested || mailbox.retention.on_server != OnServer::Keep
}
