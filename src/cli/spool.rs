//! `pophook spool`: what lies in the spool, dead letters first.

use std::process::ExitCode;

use anyhow::Context as _;
use bytesize::ByteSize;
use clap::Args;
use clap::Subcommand;

use super::ConfigFile;
use super::block_on;
use super::log;
use super::out;
use super::store;
use crate::spool::Command;
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
    /// Write one message to standard output, byte for byte
    Raw(Raw),
    /// Try dead letters again; sort unrouted and quarantined messages anew
    ///
    /// The id stays the same, the time that a delivery is tried for starts anew. `--endpoint OLD --to NEW` hands the
    /// deliveries of one endpoint, waiting ones too, to another. `--raw --endpoint NAME` sends unrouted and quarantined
    /// messages to that endpoint unparsed.
    Retry(Retry),
    /// Settle deliveries, and unrouted and quarantined messages, without delivering them
    ///
    /// The server's copy is not deleted for it. Our copy stays until `--erase`.
    Drop(Drop),
}

#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Message ids (msg_…); all where none is given
    ids: Vec<String>,
    /// Only deliveries to this endpoint
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Only mail of this mailbox
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// Only this state: pending, delivered, dead, unrouted, quarantined, spooled, oversize, skipped or dropped
    #[arg(long)]
    state: Option<String>,
    /// Only this reason
    #[arg(long)]
    reason: Option<String>,
}

impl Selection {
    fn is_empty(&self) -> bool {
        self.ids.is_empty()
            && self.endpoint.is_none()
            && self.mailbox.is_none()
            && self.state.is_none()
            && self.reason.is_none()
    }

    fn filter(self) -> Filter {
        let Selection { ids, endpoint, mailbox, state, reason } = self;
        Filter { ids, endpoint, mailbox, state, reason }
    }
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    config: ConfigFile,
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
    #[command(flatten)]
    selection: Selection,
    /// Hand the deliveries over to this endpoint
    #[arg(long, value_name = "NAME", requires = "endpoint")]
    to: Option<String>,
    /// Send unrouted and quarantined messages unparsed, to the endpoint that --endpoint names
    #[arg(long, requires = "endpoint", conflicts_with = "to")]
    raw: bool,
    /// Retry everything that is dead, unrouted or quarantined
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Drop {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    selection: Selection,
    /// Erase our copy of messages that have nothing left to deliver
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
        let rows = store::read(&self.config)?.list(self.selection.filter()).await?;
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
            row.mailbox.clone(),
            text(&row.endpoint),
            row.state.to_owned(),
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
        let rows = spool.list(Filter { ids: vec![self.id.clone()], ..Filter::default() }).await?;
        show_rows(&rows, self.json)?;
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
        if self.selection.is_empty() && !self.all {
            anyhow::bail!("name ids, --endpoint, --mailbox, --state or --reason; or --all for everything");
        }
        let mut filter = self.selection.filter();
        let to = if self.raw { filter.endpoint.take() } else { self.to };
        let changed = store::change(&self.config, Command::Retry { filter, to, raw: self.raw }).await?.changed;
        told(changed, "will be tried again")
    }
}

impl Drop {
    async fn run(self) -> anyhow::Result<ExitCode> {
        if self.selection.is_empty() {
            anyhow::bail!("name ids, --endpoint, --mailbox, --state or --reason");
        }
        let command = Command::Drop { filter: self.selection.filter(), erase: self.erase };
        told(store::change(&self.config, command).await?.changed, "dropped")
    }
}

/// Nothing found is worth an exit code: a script that settles one message wants to know.
fn told(changed: u64, what: &str) -> anyhow::Result<ExitCode> {
    if changed == 0 {
        anyhow::bail!("nothing in the spool fits; see `pophook spool list`");
    }
    out::line(format!("{changed} {what}").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn unknown(id: &str) -> String {
    format!("no message {id} in the spool; see `pophook spool list`")
}
