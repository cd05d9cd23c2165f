//! What a changing command would do, summed up before it is done. Pure.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

use super::Command;
use super::Row;

/// What would be done, in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// Deliveries, and messages without one.
    #[serde(default)]
    pub would_change: u64,
    /// Different messages.
    pub messages: usize,
    /// Their bytes.
    pub bytes: u64,
    /// How many of each endpoint.
    pub endpoints: BTreeMap<String, u64>,
    /// How many of each mailbox.
    pub mailboxes: BTreeMap<String, u64>,
    /// How many in each state.
    pub states: BTreeMap<String, u64>,
    /// How many for each reason.
    pub reasons: BTreeMap<String, u64>,
    /// When the oldest was committed, RFC 3339.
    pub oldest: Option<String>,
    /// When the newest was committed, RFC 3339.
    pub newest: Option<String>,
}

impl Preview {
    /// Sums these lines up.
    pub fn of<'a>(rows: impl Iterator<Item = &'a Row>) -> Preview {
        let mut preview = Preview::default();
        let mut ids = BTreeSet::new();
        for row in rows {
            preview.would_change += 1;
            if ids.insert(&row.id) {
                preview.bytes += row.size.unwrap_or_default();
            }
            let count = |counts: &mut BTreeMap<String, u64>, name: Option<&str>| {
                if let Some(name) = name {
                    *counts.entry(name.to_owned()).or_default() += 1;
                }
            };
            count(&mut preview.endpoints, row.endpoint.as_deref());
            count(&mut preview.mailboxes, row.mailbox.as_deref());
            count(&mut preview.states, Some(row.state));
            count(&mut preview.reasons, row.reason.as_deref());
            if let Some(at) = &row.spooled_at {
                // RFC 3339 in UTC, with a fixed number of digits: its order is that of time.
                preview.oldest = Some(preview.oldest.map_or_else(|| at.clone(), |oldest| oldest.min(at.clone())));
                preview.newest = preview.newest.max(Some(at.clone()));
            }
        }
        preview.messages = ids.len();
        preview
    }

    /// Whether nothing would be done.
    pub fn is_empty(&self) -> bool {
        self.would_change == 0
    }
}

impl Command {
    /// Whether it would do something with `row`, which its filter takes. Of retries and drops alone.
    pub fn touches(&self, row: &Row) -> bool {
        match self {
            Command::Retry { filter, to, raw } => {
                filter.retries(row, to.as_deref()) && !(*raw && row.endpoint.is_some())
            }
            Command::Drop { filter, erase } => filter.drops(row) || (*erase && filter.erases(row)),
            Command::Take { .. }
            | Command::Import { .. }
            | Command::Reset { .. }
            | Command::Visit { .. }
            | Command::Pause { .. }
            | Command::Unpause { .. }
            | Command::Resume { .. }
            | Command::KeepToken { .. } => false,
        }
    }
}
