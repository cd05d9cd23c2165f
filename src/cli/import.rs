//! `pophook import-ledger`: what another program has taken from a maildrop counts as seen.

mod state;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use clap::ValueEnum;

use self::state::State;
use super::BadArgument;
use super::ConfigFile;
use super::block_on;
use super::log;
use super::out;
use super::store;
use crate::config::did_you_mean;
use crate::spool::Command;
use crate::spool::Enrolment;

/// Unique-ids that are sent to a running daemon at once: a line of its socket holds a thousand of the longest.
const AT_ONCE: usize = 300;

/// Notes what fetchmail or getmail has taken from a maildrop, so that it is not delivered again
///
/// Do it before the first visit, with the other program stopped:
///
///   pophook import-ledger -c pophook.yaml --mailbox support --from fetchmail ~/.fetchids
///   pophook import-ledger -c pophook.yaml --mailbox support --from getmail ~/.getmail/oldmail-…
///
/// Those messages count as skipped: they stay on the server, and `pophook mailbox take` delivers them after all. What
/// the ledger knows already is left alone, so the command may be run twice. A file with a line that cannot be read is
/// refused whole.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ImportLedger {
    #[command(flatten)]
    config: ConfigFile,
    /// The mailbox in the configuration
    #[arg(long, value_name = "NAME")]
    mailbox: String,
    /// Whose file it is
    #[arg(long, value_enum)]
    from: From,
    /// The login as fetchmail wrote it down, USER@HOST, where it is another than the mailbox's username and host
    #[arg(long, value_name = "LOGIN")]
    login: Option<String>,
    /// The file: ~/.fetchids, or oldmail-SERVER-PORT-USER in ~/.getmail
    file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// fetchmail, with `keep`
    Fetchmail,
    /// getmail, with `delete = false`
    Getmail,
}

impl ImportLedger {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        log::start(log::Format::Text, "error");
        let mailboxes = self.config.load_outline()?.mailboxes;
        let mailbox = known(&self.mailbox, &mailboxes)?;
        let login = self.login.clone().unwrap_or_else(|| format!("{}@{}", mailbox.username, mailbox.host));
        let text = std::fs::read(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?;
        let read = match self.from {
            From::Fetchmail => state::fetchmail(&text, &login),
            From::Getmail => state::getmail(&text),
        };
        let state = read.map_err(|line| self.unread(line))?;
        if state.unique_ids.is_empty() {
            return Err(BadArgument(self.nothing(&state, &login)).into());
        }
        block_on(self.note(&state))
    }

    async fn note(&self, state: &State) -> anyhow::Result<ExitCode> {
        let ids: Vec<String> = state.unique_ids.iter().map(ToString::to_string).collect();
        let command = |ids: &[String]| Command::Import { mailbox: self.mailbox.clone(), unique_ids: ids.to_vec() };
        let noted = store::begin_all(&self.config, ids.chunks(AT_ONCE).map(command).collect()).await?.changed;
        let mut told = format!("{noted} of {} unique-ids noted as skipped", ids.len());
        let rest = [(state.others, "of other logins"), (state.unusable, "with what is no unique-id")];
        for (count, what) in rest.into_iter().filter(|(count, _)| *count > 0) {
            told.push_str(&format!("; {count} lines {what} left out"));
        }
        out::line(told.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }

    fn unread(&self, line: usize) -> BadArgument {
        let (name, shape) = match self.from {
            From::Fetchmail => ("fetchmail", "USER@HOST and a unique-id"),
            From::Getmail => ("getmail", "a unique-id, NUL and a time"),
        };
        let file = self.file.display();
        BadArgument(format!("{file}: line {line} is none of {name}, which writes {shape}; nothing was noted"))
    }

    fn nothing(&self, state: &State, login: &str) -> String {
        let file = self.file.display();
        match state.others {
            0 => format!("{file} names no message"),
            others => format!(
                "{file} names no message of {login}, and {others} of other logins; give the one that it means with --login"
            ),
        }
    }
}

fn known<'a>(name: &str, mailboxes: &'a [Enrolment]) -> Result<&'a Enrolment, BadArgument> {
    let names = || mailboxes.iter().map(|mailbox| mailbox.mailbox.as_str());
    mailboxes.iter().find(|mailbox| mailbox.mailbox.as_str() == name).ok_or_else(|| {
        let listed = || format!("; known here: {}", names().collect::<Vec<_>>().join(", "));
        BadArgument(format!("no mailbox is named {name:?}{}", did_you_mean(name, names()).unwrap_or_else(listed)))
    })
}
