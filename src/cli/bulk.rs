//! What a command that settles many at once would do, shown before it does it.

use std::collections::BTreeMap;
use std::io;
use std::io::IsTerminal as _;

use bytesize::ByteSize;
use clap::Args;

use super::out;
use crate::spool::Preview;

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

/// What would be done, for people.
fn shown(preview: &Preview, what: &str) -> String {
    let counts = |counts: &BTreeMap<String, u64>| {
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    let mut lines = vec![format!(
        "would {what} {} deliveries or messages, of {} messages with {}",
        preview.would_change,
        preview.messages,
        ByteSize(preview.bytes)
    )];
    let named = [
        ("endpoints", &preview.endpoints),
        ("mailboxes", &preview.mailboxes),
        ("states", &preview.states),
        ("reasons", &preview.reasons),
    ];
    let named = named.iter().filter(|(_, names)| !names.is_empty());
    lines.extend(named.map(|(name, names)| format!("  {name}: {}", counts(names))));
    if let (Some(oldest), Some(newest)) = (&preview.oldest, &preview.newest) {
        lines.push(format!("  spooled: {oldest} to {newest}"));
    }
    lines.join("\n")
}

/// Shows what would be done. Whoever sits at a terminal is asked; all others have to say `--yes`.
pub(super) fn agreed(preview: &Preview, what: &str, consent: &Consent) -> anyhow::Result<bool> {
    if consent.json {
        out::json(preview)?;
        return Ok(false);
    }
    out::line(shown(preview, what).as_bytes())?;
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
    use crate::spool::Row;

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
            shown(&preview, "try again"),
            "would try again 3 deliveries or messages, of 2 messages with 2.0 KiB\n  endpoints: desk 2, erp 1\n  \
             mailboxes: support 3\n  states: dead 3\n  reasons: refused 3\n  \
             spooled: 2026-01-03T00:00:00.000Z to 2026-01-07T00:00:00.000Z"
        );
        assert!(Preview::of([].iter()).is_empty());
    }
}
