//! One file per command. Each reads its arguments, asks the rooms, and prints: text for people, `--json` for programs.

mod backup;
mod bulk;
mod check;
mod endpoint;
mod gzip;
mod import;
mod interrupt;
mod log;
mod mailbox;
mod oauth;
mod once;
mod out;
mod parse;
mod receive;
mod route;
mod run;
mod schema;
mod selection;
mod settle;
mod spool;
mod store;
mod target;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use clap::Parser;
use clap::Subcommand;

use crate::config;
use crate::config::Config;
use crate::spool as spool_room;
use crate::spool::SpoolError;

/// Everything went as it should.
pub const DONE: u8 = 0;
/// A fault: look at the last lines.
pub const FAULT: u8 = 1;
/// It ran, and something is left to do or to look at; nothing is lost.
pub const LEFT: u8 = 2;
/// Bad arguments or configuration (`EX_USAGE`).
pub const USAGE: u8 = 64;

/// Takes mail from POP3 maildrops and posts it as signed JSON to HTTP endpoints until they accept it.
///
/// A message lies on pophook's own disk before anything is deleted on the server, and stays there until every endpoint
/// took it. Start with `pophook check -c FILE --online`, then `pophook once -c FILE --dry-run`.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Once(once::Once),
    Check(check::Check),
    #[command(subcommand)]
    Spool(spool::Spool),
    #[command(subcommand)]
    Mailbox(mailbox::Mailbox),
    #[command(subcommand)]
    Endpoint(endpoint::Endpoint),
    #[command(subcommand)]
    Oauth(oauth::Oauth),
    ImportLedger(import::ImportLedger),
    Parse(parse::Parse),
    #[command(subcommand)]
    Route(route::Route),
    Receive(receive::Receive),
    #[command(subcommand)]
    Schema(schema::Schema),
}

/// An argument that nobody could use, found only once the file or the spool was looked at.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BadArgument(String);

/// The exit code for the error that a command ended with.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    let renamed = matches!(error.downcast_ref(), Some(SpoolError::Renamed { .. }));
    let refused = renamed || error.is::<config::Problems>() || error.is::<BadArgument>();
    if refused { USAGE } else { FAULT }
}

impl Cli {
    /// Carries the command out.
    ///
    /// # Errors
    /// A fault, or a bad argument or configuration; [`exit_code`] tells them apart.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Run(run) => run.run(),
            Command::Once(once) => once.run(),
            Command::Check(check) => check.run(),
            Command::Spool(spool) => spool.run(),
            Command::Mailbox(mailbox) => mailbox.run(),
            Command::Endpoint(endpoint) => endpoint.run(),
            Command::Oauth(oauth) => oauth.run(),
            Command::ImportLedger(import) => import.run(),
            Command::Parse(parse) => parse.run(),
            Command::Route(route) => route.run(),
            Command::Receive(receive) => receive.run(),
            Command::Schema(schema) => schema.run(),
        }
    }
}

/// Which configuration.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(short, long = "config", value_name = "FILE")]
    config: PathBuf,
}

impl ConfigFile {
    fn load(&self) -> Result<Config, config::Problems> {
        config::load(&self.config)
    }

    /// Only where the spool lies: no secret is needed to look into it.
    fn load_spool(&self) -> Result<spool_room::Config, config::Problems> {
        config::load_spool(&self.config)
    }

    /// What is no secret: none is needed to change what lies in the spool.
    fn load_outline(&self) -> Result<config::Outline, config::Problems> {
        config::load_outline(&self.config)
    }

    fn load_names(&self) -> Result<config::Names, config::Problems> {
        config::load_names(&self.config)
    }
}

/// Runs `work` to its end on a runtime of its own.
///
/// One thread waits for all servers and endpoints: most of the work is waiting, and handing a message from thread to
/// thread costs more than what is done with it. Disk and parsing have threads of their own; tokio's are for names.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let done = runtime.block_on(work);
    // What still blocks (a parse that overran, say) must not keep the process.
    runtime.shutdown_background();
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: impl Into<anyhow::Error>, expected: u8) {
        assert_eq!(exit_code(&error.into().context("while something was done")), expected);
    }

    #[test]
    fn what_the_operator_wrote_is_told_from_what_failed() {
        check(config::Problems { file: PathBuf::from("F"), list: Vec::new() }, USAGE);
        check(BadArgument("no such name".to_owned()), USAGE);
        check(SpoolError::Renamed { old: "a".to_owned(), new: "b".to_owned() }, USAGE);
        check(SpoolError::Closed, FAULT);
        check(std::io::Error::other("gone"), FAULT);
    }
}
