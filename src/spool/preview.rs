//! What a changing command would do, summed up before it is done. Pure.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;

use super::Command;
use super::DeliveryRow;
use super::Row;
use super::Shown;
use super::SpoolError;

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
    /// By what exactly this set is known again, each line as it was; see [`Shown`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub set: String,
}

/// Notes a line in a set. What was settled is known by its attempts, too: what was tried again since, and settled again,
/// is not what was shown. What waits is tried all the time.
fn note(set: &mut Sha256, id: Option<&str>, endpoint: Option<&str>, state: &str, attempts: u32) {
    let attempts = if state == "pending" { String::new() } else { attempts.to_string() };
    // None of them holds a line end.
    for part in [id.unwrap_or_default(), endpoint.unwrap_or_default(), state, &attempts] {
        set.update(part);
        set.update("\n");
    }
}

impl Shown {
    /// One delivery of the message with this id.
    pub fn one(id: &str, delivery: &DeliveryRow) -> Shown {
        let mut set = Sha256::new();
        note(&mut set, Some(id), Some(&delivery.endpoint), &delivery.state, delivery.attempts);
        Shown { changed: Some(1), set: Some(HEXLOWER.encode(&set.finalize())) }
    }

    /// Refuses what would be done now, where it is not what was shown.
    ///
    /// # Errors
    /// The count, or the set, is another.
    pub fn check(&self, now: &Preview) -> Result<(), SpoolError> {
        let as_many = self.changed.is_none_or(|changed| changed == now.would_change);
        if as_many && self.set.as_ref().is_none_or(|set| *set == now.set) {
            return Ok(());
        }
        let was = match self.changed {
            Some(changed) if !as_many => changed.to_string(),
            Some(_) => "as many, but others or in another state".to_owned(),
            None => "another set".to_owned(),
        };
        Err(SpoolError::NotAsShown { was, now: now.would_change })
    }
}

impl Preview {
    /// Sums these lines up.
    pub fn of<'a>(rows: impl Iterator<Item = &'a Row>) -> Preview {
        let mut preview = Preview::default();
        let (mut ids, mut set) = (BTreeSet::new(), Sha256::new());
        for row in rows {
            preview.would_change += 1;
            note(&mut set, row.id.as_deref(), row.endpoint.as_deref(), row.state, row.attempts);
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
        preview.set = HEXLOWER.encode(&set.finalize());
        preview
    }

    /// Whether nothing would be done.
    pub fn is_empty(&self) -> bool {
        self.would_change == 0
    }
}

impl Command {
    /// The command itself, whatever it is bound to.
    pub fn itself(&self) -> &Command {
        match self {
            Command::AsShown { command, .. } => command.itself(),
            other => other,
        }
    }

    /// Whether it would do something with `row`, which its filter takes. Of retries and drops alone.
    pub fn touches(&self, row: &Row) -> bool {
        match self {
            Command::Retry { filter, to, raw } => {
                filter.retries(row, to.as_deref()) && !(*raw && row.endpoint.is_some())
            }
            Command::Drop { filter, erase } => filter.drops(row) || (*erase && filter.erases(row)),
            Command::AsShown { command, .. } => command.touches(row),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, endpoint: &str, state: &'static str) -> Row {
        Row {
            id: Some(id.to_owned()),
            kind: None,
            about: None,
            mailbox: None,
            unique_id: None,
            endpoint: Some(endpoint.to_owned()),
            state,
            reason: None,
            attempts: 0,
            last_status: None,
            due: None,
            spooled_at: None,
            size: None,
        }
    }

    #[test]
    fn only_what_was_shown_is_what_was_agreed_to() {
        let one = || vec![row("a", "desk", "dead"), row("b", "desk", "dead")];
        let shown = Preview::of(one().iter());
        let check = |rows: Vec<Row>, by_count: bool, by_set: bool| {
            let now = Preview::of(rows.iter());
            let count = Shown { changed: Some(shown.would_change), set: None };
            let set = Shown { changed: None, set: Some(shown.set.clone()) };
            assert_eq!((count.check(&now).is_ok(), set.check(&now).is_ok()), (by_count, by_set), "{rows:?}");
            assert!(Shown::default().check(&now).is_ok(), "nothing was shown");
        };
        check(one(), true, true);
        check(vec![row("a", "desk", "dead")], false, false);
        check(vec![row("a", "desk", "dead"), row("c", "desk", "dead")], true, false);
        check(vec![row("a", "desk", "dead"), row("b", "erp", "dead")], true, false);
        check(vec![row("a", "desk", "dead"), row("b", "desk", "pending")], true, false);
        check(vec![row("a", "desk", "dead"), Row { attempts: 5, ..row("b", "desk", "dead") }], true, false);
        check(Vec::new(), false, false);
    }

    #[test]
    fn a_delivery_is_known_again_until_it_is_settled_anew() {
        let check = |state: &'static str, attempts: u32, expected: bool| {
            let delivery = DeliveryRow {
                endpoint: "desk".to_owned(),
                state: state.to_owned(),
                reason: None,
                attempts: 1,
                last_status: None,
                due: None,
                settled_at: None,
            };
            let now = Preview::of([Row { attempts, ..row("a", "desk", state) }].iter());
            assert_eq!(Shown::one("a", &delivery).check(&now).is_ok(), expected, "{state} {attempts}");
        };
        check("delivered", 1, true);
        check("delivered", 2, false);
        check("pending", 1, true);
        check("pending", 2, true);
    }
}
