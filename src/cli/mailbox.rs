//! `pophook mailbox`: states and ledger figures, visits, pauses.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;
use tokio::time::timeout;

use super::block_on;
use super::log;
use super::out;
use super::selection::expect_mailbox;
use super::store;
use super::target::Target;
use super::target::Way;
use super::target::array;
use super::target::field;
use super::target::text;
use crate::clock::Clock;
use crate::spool::Command;
use crate::spool::Listed;
use crate::spool::Reading as _;
use crate::spool::socket;

/// How long a running pophook is asked when it visits next.
const PATIENCE: Duration = Duration::from_secs(2);

/// Shows mailboxes, takes skipped mail, settles changed unique-ids
#[derive(Debug, Subcommand)]
pub(super) enum Mailbox {
    /// List mailboxes with the figures of their ledgers
    ///
    /// A listing that shows nothing new is noted once an hour; how fresh visits are, the metric
    /// `pophook_last_successful_visit_timestamp_seconds` tells. When the next visit is due, a running pophook knows;
    /// nothing stands there while one is under way, while the mailbox is paused, and where no pophook runs.
    List(List),
    /// Take messages after all that `start_from` skipped, at the next visit
    Take(Take),
    /// Visit a mailbox at once, or as soon as its server allows; a running pophook does it
    Visit(Named),
    /// Visit a mailbox no more, until it is resumed; a restart keeps it so
    ///
    /// A visit under way ends where nothing is lost. What was taken is delivered all the same.
    Pause(Named),
    /// Visit a paused mailbox again
    Resume(Named),
    /// Say what the messages are whose unique-ids changed all at once
    ///
    /// A server that was moved lists every mail under a new unique-id. Where some were skipped, pophook cannot know
    /// which ones those are now, and waits for this.
    Reset(Reset),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    target: Target,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Take {
    #[command(flatten)]
    target: Target,
    /// The mailbox
    name: String,
    /// Unique-ids as `spool list` prints them; all skipped ones where none is given
    unique_ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    #[command(flatten)]
    target: Target,
    /// The mailbox
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct Reset {
    #[command(flatten)]
    target: Target,
    /// The mailbox
    name: String,
    /// What the messages of the next listing are
    #[arg(long, value_enum)]
    r#as: As,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum As {
    /// Seen: leave them alone, as skipped
    Seen,
    /// New: take them; what is equal to mail in the spool is not delivered again
    New,
}

impl Mailbox {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        log::start(log::Format::Text, "error");
        block_on(async {
            match self {
                Mailbox::List(list) => list.run().await,
                Mailbox::Visit(named) => named.visit().await,
                Mailbox::Pause(named) => {
                    let command = Command::Pause { mailbox: named.name.clone() };
                    let changed = change(named.target, &named.name, "pause", json!({}), command).await?;
                    told(&named.name, if changed > 0 { "is paused" } else { "is paused already" })
                }
                Mailbox::Resume(named) => {
                    let command = Command::Unpause { mailbox: named.name.clone() };
                    let changed = change(named.target, &named.name, "resume", json!({}), command).await?;
                    told(&named.name, if changed > 0 { "is visited again" } else { "is not paused" })
                }
                Mailbox::Take(take) => {
                    let all = take.unique_ids.is_empty();
                    let body = json!({ "unique_ids": take.unique_ids, "all": all });
                    let command = Command::Take { mailbox: take.name.clone(), unique_ids: take.unique_ids };
                    let changed = change(take.target, &take.name, "take", body, command).await?;
                    told(&changed.to_string(), "will be taken at the next visit")
                }
                Mailbox::Reset(reset) => {
                    let (listed, word) = match reset.r#as {
                        As::Seen => (Listed::Seen, "seen"),
                        As::New => (Listed::New, "new"),
                    };
                    let command = Command::Reset { mailbox: reset.name.clone(), listed };
                    change(reset.target, &reset.name, "reset", json!({ "listed": word }), command).await?;
                    out::line(b"settled; the next visit goes by it")?;
                    Ok(ExitCode::SUCCESS)
                }
            }
        })
    }
}

/// Has a mailbox changed, by the API or beside it; tells how much changed.
async fn change(target: Target, name: &str, act: &str, body: Value, command: Command) -> anyhow::Result<u64> {
    match target.way().await? {
        Way::Server(server) => {
            let done = server.act(&format!("mailboxes/{name}/{act}"), &body).await?;
            Ok(field(&done, "changed").as_u64().unwrap_or_default())
        }
        Way::File(config) => {
            expect_mailbox(name, &config, &store::read(&config)?).await?;
            Ok(store::change(&config, command).await?.changed)
        }
    }
}

fn told(what: &str, done: &str) -> anyhow::Result<ExitCode> {
    out::line(format!("{what} {done}").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

impl Named {
    async fn visit(self) -> anyhow::Result<ExitCode> {
        match self.target.way().await? {
            Way::Server(server) => _ = server.act(&format!("mailboxes/{}/visit", self.name), &json!({})).await?,
            Way::File(config) => {
                expect_mailbox(&self.name, &config, &store::read(&config)?).await?;
                let command = Command::Visit { mailbox: self.name.clone() };
                let asked = socket::ask(&config.load_spool()?.path, &command).await?;
                asked.context("no pophook runs on this spool; `pophook once` visits every mailbox")?;
            }
        }
        told(&self.name, "is visited as soon as its server allows")
    }
}

impl List {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let rows = match self.target.way().await? {
            Way::Server(server) => array(&server.ask("mailboxes", &[]).await?, "mailboxes").to_vec(),
            Way::File(config) => {
                let rows = store::read(&config)?.mailboxes().await?;
                // Nothing hangs on it: a daemon that does not say is none for this purpose.
                let asked = timeout(PATIENCE, socket::next_visits(&config.load_spool()?.path)).await;
                let next = asked.ok().and_then(Result::ok).unwrap_or_default();
                let mut rows = rows.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
                for row in rows.iter_mut().filter_map(Value::as_object_mut) {
                    let name = row.get("mailbox").and_then(Value::as_str).unwrap_or_default();
                    let at = json!(next.get(name).cloned().flatten());
                    row.insert("next_visit".to_owned(), at);
                }
                rows
            }
        };
        if self.json {
            rows.iter().try_for_each(out::json)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = out::table([
            "mailbox",
            "listed (noted hourly)",
            "taken",
            "skipped",
            "oversize",
            "changed ids",
            "condition",
            "next visit",
        ]);
        let now = Clock::system().now();
        for row in &rows {
            let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
            table.add_row([
                text(row, "mailbox"),
                or(text(row, "listed_at"), "never"),
                text(row, "taken"),
                text(row, "skipped"),
                text(row, "oversize"),
                text(row, "flood"),
                condition(row),
                next_visit(row, now),
            ]);
        }
        out::line(table.to_string().as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Whether it is visited, in words: `ok`, `paused since …`, `auth_failed since …`.
fn condition(row: &Value) -> String {
    let since = |word: &str, at: Option<Timestamp>| match at {
        Some(at) => format!("{word} since {at:.0}"),
        None => word.to_owned(),
    };
    match (time(row, "paused_since"), text(row, "condition")) {
        (Some(paused), _) => since("paused", Some(paused)),
        (None, ok) if ok == "ok" => ok,
        (None, failing) => since(&failing, time(row, "condition_since")),
    }
}

/// How long until the next visit; nothing where no pophook runs, or it cannot tell, or none is due.
fn next_visit(row: &Value, now: Timestamp) -> String {
    let Some(at) = time(row, "next_visit") else { return String::new() };
    match at.as_second() - now.as_second() {
        ..=0 => "now".to_owned(),
        seconds => format!("in {}", humantime::format_duration(Duration::from_secs(seconds.unsigned_abs()))),
    }
}

fn time(row: &Value, key: &str) -> Option<Timestamp> {
    field(row, key).as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_told_in_words_and_a_visit_by_how_far_it_is() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let check = |row: Value, expected: [&str; 2]| assert_eq!([condition(&row), next_visit(&row, now)], expected);
        check(json!({ "condition": "ok", "next_visit": "2026-01-31T12:01:30.000Z" }), ["ok", "in 1m 30s"]);
        check(json!({ "condition": "ok", "next_visit": "2026-01-31T11:59:59Z" }), ["ok", "now"]);
        let paused =
            json!({ "condition": "auth_failed", "paused_since": "2026-01-31T11:00:00.250Z", "next_visit": null });
        check(paused, ["paused since 2026-01-31T11:00:00Z", ""]);
        let failed = json!({ "condition": "auth_failed", "condition_since": "2026-01-30T00:00:00.000Z" });
        check(failed, ["auth_failed since 2026-01-30T00:00:00Z", ""]);
    }
}
