//! `pophook spool`: what lies in the spool, dead letters first.

use std::process::ExitCode;

use anyhow::Context as _;
use bytesize::ByteSize;
use clap::Args;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;

use super::backup::Backup;
use super::block_on;
use super::log;
use super::out;
use super::selection::Selection;
use super::selection::gone;
use super::selection::unknown;
use super::settle::Drop;
use super::settle::Retry;
use super::store;
use super::target::Target;
use super::target::Way;
use super::target::array;
use super::target::field;
use super::target::text;
use crate::spool::Filter;
use crate::spool::Reading as _;
use crate::spool::Row;

/// As many lines as the API gives at once.
const LINES_MAX: usize = 10_000;

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
    /// dropped is left alone unless its id, --state dropped or --reason dropped asks for it; delivered mail, which an
    /// endpoint took, unless --state delivered does; and what waits for its next try unless --state pending does: that
    /// is then due now, though not before its endpoint is free of hold, pause and breaker (`pophook endpoint resume`),
    /// nor, with `ordering: per_mailbox`, before older mail. Without ids and filters nothing is done, unless you say
    /// --all.
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
    target: Target,
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
    target: Target,
    /// The message's id
    id: String,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Raw {
    #[command(flatten)]
    target: Target,
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
        let config = match self.target.way().await? {
            Way::File(config) => config,
            Way::Server(server) => {
                let ids = self.ids.into_iter().map(|id| ("id", id));
                let query: Vec<_> =
                    self.selection.pairs().into_iter().chain(ids).chain([("limit", LINES_MAX.to_string())]).collect();
                let answer = server.ask("deliveries", &query).await?;
                show_lines(array(&answer, "deliveries"), self.json)?;
                if field(&answer, "more") == true {
                    out::note("there are more; select some, by --mailbox, --endpoint, --state or age")?;
                }
                return Ok(ExitCode::SUCCESS);
            }
        };
        let spool = store::read(&config)?;
        let filter = self.selection.filter(self.ids, &config, &spool).await?;
        let rows = spool.list(filter).await?;
        show_rows(&rows, self.json)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn show_rows(rows: &[Row], json: bool) -> anyhow::Result<()> {
    if json {
        return Ok(rows.iter().try_for_each(out::json)?);
    }
    let lines = rows.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    show_lines(&lines, json)
}

/// Lines as the spool or the API gives them.
fn show_lines(lines: &[Value], json: bool) -> anyhow::Result<()> {
    if json {
        return Ok(lines.iter().try_for_each(out::json)?);
    }
    let mut table =
        out::table(["id", "mailbox", "endpoint", "state", "reason", "tries", "status", "due", "spooled", "size"]);
    for line in lines {
        let id = if field(line, "id").is_null() { "unique_id" } else { "id" };
        let state: Vec<String> = ["kind", "state", "about"].map(|key| text(line, key)).into_iter().collect();
        table.add_row([
            text(line, id),
            text(line, "mailbox"),
            text(line, "endpoint"),
            state.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "),
            text(line, "reason"),
            text(line, "attempts"),
            text(line, "last_status"),
            text(line, "due"),
            text(line, "spooled_at"),
            field(line, "size").as_u64().map(|size| ByteSize(size).to_string()).unwrap_or_default(),
        ]);
    }
    Ok(out::line(table.to_string().as_bytes())?)
}

fn show_attempts(attempts: &[Value], json: bool) -> anyhow::Result<()> {
    if json {
        return Ok(attempts.iter().try_for_each(out::json)?);
    }
    let mut table = out::table(["endpoint", "try", "started", "took", "outcome", "status", "error", "answer"]);
    for attempt in attempts {
        table.add_row([
            text(attempt, "endpoint"),
            text(attempt, "attempt"),
            text(attempt, "started_at"),
            format!("{} ms", text(attempt, "took_ms")),
            text(attempt, "outcome"),
            text(attempt, "status"),
            text(attempt, "error"),
            out::excerpt(&text(attempt, "answer"), 60),
        ]);
    }
    out::line(b"")?;
    Ok(out::line(table.to_string().as_bytes())?)
}

impl Show {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let config = match self.target.way().await? {
            Way::File(config) => config,
            Way::Server(server) => {
                let query = [("id", self.id.clone()), ("limit", LINES_MAX.to_string())];
                let message = server.ask(&format!("messages/{}", self.id), &[]).await?;
                let lines = server.ask("deliveries", &query).await?;
                show_copy(
                    &self.id,
                    &lines,
                    field(&message, "released_at").as_str().and_then(|at| at.parse().ok()),
                    self.json,
                )?;
                show_attempts(array(&message, "attempts"), self.json)?;
                return Ok(ExitCode::SUCCESS);
            }
        };
        let spool = store::read(&config)?;
        let message = spool.find(&self.id).await?.with_context(|| unknown(&self.id))?;
        let rows = spool.list(Filter { ids: vec![self.id.clone()], ..Filter::default() }).await?;
        let attempts = spool.attempts(message.key).await?;
        let attempts = attempts.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
        show_copy(&self.id, &json!({ "deliveries": rows }), spool.released_at(message.key).await?, self.json)?;
        show_attempts(&attempts, self.json)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn show_copy(id: &str, lines: &Value, released_at: Option<Timestamp>, json: bool) -> anyhow::Result<()> {
    match released_at {
        None => show_lines(array(lines, "deliveries"), json)?,
        Some(at) if json => out::json(&json!({ "id": id, "released_at": format!("{at:.3}") }))?,
        Some(at) => out::line(gone(id, at).as_bytes())?,
    }
    Ok(())
}

impl Raw {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let raw = match self.target.way().await? {
            Way::Server(server) => server.bytes(&format!("messages/{}/raw", self.id)).await?,
            Way::File(config) => {
                let spool = store::read(&config)?;
                let message = spool.find(&self.id).await?.with_context(|| unknown(&self.id))?;
                spool.raw(message.key).await?.context("our copy of this message was released")?
            }
        };
        out::bytes(&raw)?;
        Ok(ExitCode::SUCCESS)
    }
}
