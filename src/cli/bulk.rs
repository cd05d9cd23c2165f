//! What a command that settles many at once would do, shown before it does it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::io::IsTerminal as _;

use bytesize::ByteSize;
use clap::Args;
use serde::Serialize;

use super::out;
use crate::spool::Row;

/// Whether somebody has agreed to what a filter selects.
#[derive(Debug, Args)]
pub(super) struct Consent {
    /// Do it, without showing first what would be done
    #[arg(long)]
    pub(super) yes: bool,
    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// What would be done, in figures.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Preview<'a> {
    /// Deliveries, and messages without one.
    would_change: u64,
    /// Different messages.
    messages: usize,
    /// Their bytes.
    bytes: u64,
    endpoints: BTreeMap<&'a str, u64>,
    mailboxes: BTreeMap<&'a str, u64>,
    states: BTreeMap<&'a str, u64>,
    reasons: BTreeMap<&'a str, u64>,
    oldest: Option<&'a str>,
    newest: Option<&'a str>,
}

impl<'a> Preview<'a> {
    /// Sums these lines up.
    pub(super) fn of(rows: impl Iterator<Item = &'a Row>) -> Preview<'a> {
        let mut preview = Preview::default();
        let mut ids = BTreeSet::new();
        for row in rows {
            preview.would_change += 1;
            if ids.insert(&row.id) {
                preview.bytes += row.size.unwrap_or_default();
            }
            let count = |counts: &mut BTreeMap<&'a str, u64>, name: Option<&'a str>| {
                if let Some(name) = name {
                    *counts.entry(name).or_default() += 1;
                }
            };
            count(&mut preview.endpoints, row.endpoint.as_deref());
            count(&mut preview.mailboxes, row.mailbox.as_deref());
            count(&mut preview.states, Some(row.state));
            count(&mut preview.reasons, row.reason.as_deref());
            if let Some(at) = row.spooled_at.as_deref() {
                // RFC 3339 in UTC, with a fixed number of digits: its order is that of time.
                preview.oldest = Some(preview.oldest.map_or(at, |oldest| oldest.min(at)));
                preview.newest = preview.newest.max(Some(at));
            }
        }
        preview.messages = ids.len();
        preview
    }

    pub(super) fn is_empty(&self) -> bool {
        self.would_change == 0
    }

    /// What would be done, for people.
    fn shown(&self, what: &str) -> String {
        let counts = |counts: &BTreeMap<&str, u64>| {
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
        };
        let mut lines = vec![format!(
            "would {what} {} deliveries or messages, of {} messages with {}",
            self.would_change,
            self.messages,
            ByteSize(self.bytes)
        )];
        let named = [
            ("endpoints", &self.endpoints),
            ("mailboxes", &self.mailboxes),
            ("states", &self.states),
            ("reasons", &self.reasons),
        ];
        let named = named.iter().filter(|(_, names)| !names.is_empty());
        lines.extend(named.map(|(name, names)| format!("  {name}: {}", counts(names))));
        if let (Some(oldest), Some(newest)) = (self.oldest, self.newest) {
            lines.push(format!("  spooled: {oldest} to {newest}"));
        }
        lines.join("\n")
    }
}

/// Shows what would be done. Whoever sits at a terminal is asked; all others have to say `--yes`.
pub(super) fn agreed(preview: &Preview<'_>, what: &str, consent: &Consent) -> anyhow::Result<bool> {
    if consent.json {
        out::json(preview)?;
        return Ok(false);
    }
    out::line(preview.shown(what).as_bytes())?;
    if !(out::is_terminal() && io::stdin().is_terminal()) {
        out::note("nothing was changed; --yes does it")?;
        return Ok(false);
    }
    out::note("Do it? [y/N]")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, endpoint: &str, day: u32) -> Row {
        Row {
            id: Some(id.to_owned()),
            kind: None,
            about: None,
            mailbox: Some("support".to_owned()),
            unique_id: None,
            endpoint: Some(endpoint.to_owned()),
            state: "dead",
            reason: Some("refused".to_owned()),
            attempts: 5,
            last_status: Some(422),
            due: None,
            spooled_at: Some(format!("2026-01-{day:02}T00:00:00.000Z")),
            size: Some(1000),
        }
    }

    #[test]
    fn what_would_be_done_is_summed_up() {
        let rows = [row("a", "desk", 7), row("a", "erp", 7), row("b", "desk", 3)];
        let preview = Preview::of(rows.iter());
        assert_eq!(
            preview.shown("try again"),
            "would try again 3 deliveries or messages, of 2 messages with 2.0 KiB\n  endpoints: desk 2, erp 1\n  \
             mailboxes: support 3\n  states: dead 3\n  reasons: refused 3\n  \
             spooled: 2026-01-03T00:00:00.000Z to 2026-01-07T00:00:00.000Z"
        );
        assert!(Preview::of([].iter()).is_empty());
    }
}
