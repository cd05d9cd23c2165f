//! `pophook spool`: what lies in the spool, dead letters first.

use std::process::ExitCode;

use anyhow::Context as _;
use bytesize::ByteSize;
use clap::Args;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;

use super::ConfigFile;
use super::backup::Backup;
use super::block_on;
use super::log;
use super::out;
use super::selection::Selection;
use super::selection::unknown;
use super::settle::Drop;
use super::settle::Retry;
use super::store;
use crate::spool::Filter;
use crate::spool::Reading as _;
use crate::spool::Row;

/// Shows and settles what lies in the spool
#[derive(Debug, Subcommand)]
pub(super) enum Spool {
    /// List deliveries: dead letters first, then what waits
    List(List),
    /// Show one message with its deliveries and attempts
    Show(Show),
    /// Write one message to standard output, byte for byte; of an event, what is kept of it
    Raw(Raw),
    /// Try dead letters again; sort unrouted and quarantined messages anew
    ///
    /// Of what is selected, dead letters are tried again, and unrouted and quarantined messages sorted anew. What was
    /// dropped is left alone unless its id, --state dropped or --reason dropped asks for it, and delivered mail unless
    /// --state delivered does. Without ids and filters nothing is done, unless you say --all.
    ///
    /// The id stays the same, the time that a delivery is tried for starts anew. `--endpoint OLD --to NEW` hands the
    /// deliveries of one endpoint, waiting ones too, to another, and `ID --to NEW` sends a message there that the routes
    /// left out or a rule dropped. `--raw --endpoint NAME` sends unrouted and quarantined
    /// messages to that endpoint unparsed. Where no id is given, it is first shown what would be done, and done with
    /// --yes.
    Retry(Retry),
    /// Settle deliveries, and unrouted and quarantined messages, without delivering them
    ///
    /// Of what is selected, waiting deliveries, dead letters, and unrouted and quarantined messages are dropped; without
    /// ids and filters nothing is. The server's copy is not deleted for it. Our copy stays until --erase, which also
    /// takes what was dropped before, and delivered mail that its id or --state delivered asks for. The spool remembers
    /// an erased message, so that it is not taken again. Where no id is given, it is first shown what would be done, and
    /// done with --yes.
    Drop(Drop),
    /// Make a copy of the whole spool, beside a running daemon or not
    ///
    /// It is the spool in one instant, and gets its name once it is whole and synced. Letters and refresh tokens lie in
    /// it, in clear; only its owner can read it. To restore it, stop pophook, remove the spool with its -wal and -shm,
    /// and put the copy in its place.
    Backup(Backup),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    config: ConfigFile,
    /// Message ids (msg_…); all messages where none is given
    ids: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    config: ConfigFile,
    /// The message's id
    id: String,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Raw {
    #[command(flatten)]
    config: ConfigFile,
    /// The message's id
    id: String,
}

impl Spool {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        log::start(log::Format::Text, "error");
        block_on(async {
            match self {
                Spool::List(list) => list.run().await,
                Spool::Show(show) => show.run().await,
                Spool::Raw(raw) => raw.run().await,
                Spool::Retry(retry) => retry.run().await,
                Spool::Drop(drop) => drop.run().await,
                Spool::Backup(backup) => backup.run(),
            }
        })
    }
}

impl List {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let spool = store::read(&self.config)?;
        let filter = self.selection.filter(self.ids, &self.config, &spool).await?;
        let rows = spool.list(filter).await?;
        show_rows(&rows, self.json)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn show_rows(rows: &[Row], json: bool) -> anyhow::Result<()> {
    if json {
        return Ok(rows.iter().try_for_each(out::json)?);
    }
    let mut table =
        out::table(["id", "mailbox", "endpoint", "state", "reason", "tries", "status", "due", "spooled", "size"]);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    for row in rows {
        table.add_row([
            text(if row.id.is_some() { &row.id } else { &row.unique_id }),
            text(&row.mailbox),
            text(&row.endpoint),
            row.kind
                .iter()
                .map(String::as_str)
                .chain([row.state])
                .chain(row.about.as_deref())
                .collect::<Vec<_>>()
                .join(" "),
            text(&row.reason),
            row.attempts.to_string(),
            row.last_status.map(|status| status.to_string()).unwrap_or_default(),
            text(&row.due),
            text(&row.spooled_at),
            row.size.map(|size| ByteSize(size).to_string()).unwrap_or_default(),
        ]);
    }
    Ok(out::line(table.to_string().as_bytes())?)
}

impl Show {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let spool = store::read(&self.config)?;
        let message = spool.find(&self.id).await?.with_context(|| unknown(&self.id))?;
        match spool.released_at(message.key).await? {
            None => {
                let rows = spool.list(Filter { ids: vec![self.id.clone()], ..Filter::default() }).await?;
                show_rows(&rows, self.json)?;
            }
            Some(at) if self.json => out::json(&json!({ "id": self.id, "released_at": format!("{at:.3}") }))?,
            Some(at) => out::line(gone(&self.id, at).as_bytes())?,
        }
        let attempts = spool.attempts(message.key).await?;
        if self.json {
            attempts.iter().try_for_each(out::json)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = out::table(["endpoint", "try", "started", "took", "outcome", "status", "error", "answer"]);
        for attempt in attempts {
            table.add_row([
                attempt.endpoint,
                attempt.attempt.to_string(),
                attempt.started_at,
                format!("{} ms", attempt.took_ms),
                attempt.outcome,
                attempt.status.map(|status| status.to_string()).unwrap_or_default(),
                attempt.error.unwrap_or_default(),
                out::excerpt(&attempt.answer.unwrap_or_default(), 60),
            ]);
        }
        out::line(b"")?;
        out::line(table.to_string().as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Raw {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let spool = store::read(&self.config)?;
        let message = spool.find(&self.id).await?.with_context(|| unknown(&self.id))?;
        let raw = spool.raw(message.key).await?.context("our copy of this message was released")?;
        out::bytes(&raw)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What is said of a message whose copy went.
pub(super) fn gone(id: &str, at: Timestamp) -> String {
    format!("our copy of {id} was erased at {at:.0}")
}
