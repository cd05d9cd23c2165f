//! `pophook mailbox`: states and ledger figures.

use std::process::ExitCode;

use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;

use super::ConfigFile;
use super::block_on;
use super::log;
use super::out;
use super::selection::expect_mailbox;
use super::store;
use crate::spool::Command;
use crate::spool::Listed;
use crate::spool::Reading as _;

/// Shows mailboxes, takes skipped mail, settles changed unique-ids
#[derive(Debug, Subcommand)]
pub(super) enum Mailbox {
    /// List mailboxes with the figures of their ledgers
    ///
    /// A listing that shows nothing new is noted once an hour; how fresh visits are, the metric
    /// `pophook_last_successful_visit_timestamp_seconds` tells.
    List(List),
    /// Take messages after all that `start_from` skipped, at the next visit
    Take(Take),
    /// Say what the messages are whose unique-ids changed all at once
    ///
    /// A server that was moved lists every mail under a new unique-id. Where some were skipped, pophook cannot know
    /// which ones those are now, and waits for this.
    Reset(Reset),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    config: ConfigFile,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Take {
    #[command(flatten)]
    config: ConfigFile,
    /// The mailbox
    name: String,
    /// Unique-ids as `spool list` prints them; all skipped ones where none is given
    unique_ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Reset {
    #[command(flatten)]
    config: ConfigFile,
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
                Mailbox::Take(take) => {
                    expect_mailbox(&take.name, &take.config, &store::read(&take.config)?).await?;
                    let command = Command::Take { mailbox: take.name, unique_ids: take.unique_ids };
                    let changed = store::change(&take.config, command).await?.changed;
                    out::line(format!("{changed} will be taken at the next visit").as_bytes())?;
                    Ok(ExitCode::SUCCESS)
                }
                Mailbox::Reset(reset) => {
                    expect_mailbox(&reset.name, &reset.config, &store::read(&reset.config)?).await?;
                    let listed = match reset.r#as {
                        As::Seen => Listed::Seen,
                        As::New => Listed::New,
                    };
                    store::change(&reset.config, Command::Reset { mailbox: reset.name, listed }).await?;
                    out::line(b"settled; the next visit goes by it")?;
                    Ok(ExitCode::SUCCESS)
                }
            }
        })
    }
}

impl List {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let rows = store::read(&self.config)?.mailboxes().await?;
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
        ]);
        for row in rows {
            let counts = [row.taken, row.skipped, row.oversize].map(|count| count.to_string());
            let mut cells = vec![row.mailbox, row.listed_at.unwrap_or_else(|| "never".to_owned())];
            cells.extend(counts);
            cells.extend([row.flood, row.condition]);
            table.add_row(cells);
        }
        out::line(table.to_string().as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
