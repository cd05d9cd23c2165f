//! `pophook spool`: what lies in the spool, dead letters first.

use std::process::ExitCode;

use anyhow::Context as _;
use bytesize::ByteSize;
use clap::Args;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;

use super::BadArgument;
use super::ConfigFile;
use super::block_on;
use super::log;
use super::out;
use super::selection::Selection;
use super::selection::expect_endpoint;
use super::selection::unknown;
use super::store;
use crate::spool::Changed;
use crate::spool::Command;
use crate::spool::Filter;
use crate::spool::Reading as _;
use crate::spool::Row;
use crate::spool::sqlite::Readers;

/// Shows and settles what lies in the spool
#[derive(Debug, Subcommand)]
pub(super) enum Spool {
    /// List deliveries: dead letters first, then what waits
    List(List),
    /// Show one message with its deliveries and attempts
    Show(Show),
    /// Write one message to standard output, byte for byte; of an event, the header of its mail
    Raw(Raw),
    /// Try dead letters again; sort unrouted and quarantined messages anew
    ///
    /// Of what is selected, dead letters are tried again, and unrouted and quarantined messages sorted anew. What was
    /// dropped is left alone unless its id, --state dropped or --reason dropped asks for it, and delivered mail unless
    /// --state delivered does. Without ids and filters nothing is done, unless you say --all.
    ///
    /// The id stays the same, the time that a delivery is tried for starts anew. `--endpoint OLD --to NEW` hands the
    /// deliveries of one endpoint, waiting ones too, to another. `--raw --endpoint NAME` sends unrouted and quarantined
    /// messages to that endpoint unparsed.
    Retry(Retry),
    /// Settle deliveries, and unrouted and quarantined messages, without delivering them
    ///
    /// Of what is selected, waiting deliveries, dead letters, and unrouted and quarantined messages are dropped; without
    /// ids and filters nothing is. The server's copy is not deleted for it. Our copy stays until --erase, which also
    /// takes what was dropped before, and delivered mail that its id or --state delivered asks for. The spool remembers
    /// an erased message, so that it is not taken again.
    Drop(Drop),
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

#[derive(Debug, Args)]
pub(super) struct Retry {
    #[command(flatten)]
    config: ConfigFile,
    /// Message ids (msg_…); where none is given, what the filters select
    ids: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// Hand the deliveries over to this endpoint
    #[arg(long, value_name = "NAME", requires = "endpoint")]
    to: Option<String>,
    /// Send unrouted and quarantined messages unparsed, to the endpoint that --endpoint names
    #[arg(long, requires = "endpoint", conflicts_with = "to")]
    raw: bool,
    /// Retry everything that is dead, unrouted or quarantined, but for what was dropped
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Drop {
    #[command(flatten)]
    config: ConfigFile,
    /// Message ids (msg_…); where none is given, what the filters select
    ids: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// Erase our copy too, where nothing is left to deliver and no dead letter of another endpoint needs it
    #[arg(long)]
    erase: bool,
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
            row.kind.iter().map(String::as_str).chain([row.state]).collect::<Vec<_>>().join(" "),
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

impl Retry {
    async fn run(self) -> anyhow::Result<ExitCode> {
        if self.ids.is_empty() && self.selection.is_empty() && !self.all {
            let remedy = "name ids, --endpoint, --mailbox, --state or --reason; or --all for everything";
            return Err(BadArgument(remedy.to_owned()).into());
        }
        let spool = store::read(&self.config)?;
        let mut filter = self.selection.filter(self.ids, &self.config, &spool).await?;
        if let Some(to) = &self.to {
            expect_endpoint(to, &self.config, &spool).await?;
        }
        expect_copies(&filter.ids, &spool).await?;
        let to = if self.raw { filter.endpoint.take() } else { self.to };
        let changed = store::change(&self.config, Command::Retry { filter, to, raw: self.raw }).await?.changed;
        told(changed, "will be tried again", "nothing that is selected can be tried again")
    }
}

impl Drop {
    async fn run(self) -> anyhow::Result<ExitCode> {
        if self.ids.is_empty() && self.selection.is_empty() {
            return Err(BadArgument("name ids, --endpoint, --mailbox, --state or --reason".to_owned()).into());
        }
        let spool = store::read(&self.config)?;
        let filter = self.selection.filter(self.ids, &self.config, &spool).await?;
        expect_copies(&filter.ids, &spool).await?;
        let command = Command::Drop { filter, erase: self.erase };
        let Changed { changed, erased } = store::change(&self.config, command).await?;
        if self.erase {
            let done = match erased == changed {
                true => "erased".to_owned(),
                false => format!("dropped, {erased} of them erased: the others are still needed by another endpoint"),
            };
            return told(changed, &done, "nothing that is selected can be dropped or erased");
        }
        told(changed, "dropped", "nothing that is selected waits or is dead; --erase erases our copy of delivered mail")
    }
}

/// Nothing found is worth an exit code: a script that settles one message wants to know.
fn told(changed: u64, done: &str, nothing: &str) -> anyhow::Result<ExitCode> {
    if changed == 0 {
        anyhow::bail!("{nothing}; see `pophook spool list`");
    }
    out::line(format!("{changed} {done}").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses ids of messages whose copies are gone: there is nothing left to send or to erase.
async fn expect_copies(ids: &[String], spool: &Readers) -> anyhow::Result<()> {
    for id in ids {
        let message = spool.find(id).await?.with_context(|| unknown(id))?;
        if let Some(at) = spool.released_at(message.key).await? {
            anyhow::bail!(gone(id, at));
        }
    }
    Ok(())
}

fn gone(id: &str, at: Timestamp) -> String {
    format!("our copy of {id} was erased at {at:.0}")
}
