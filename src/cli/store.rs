//! How a command reaches the spool: readers open the file, changes go to the daemon or take the lock themselves.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::ConfigFile;
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::Outline;
use crate::ident::MailboxName;
use crate::metrics::Metrics;
use crate::metrics::SpoolMetrics;
use crate::oauth::Fetches;
use crate::oauth::Grant;
use crate::secret::Unavailable;
use crate::spool;
use crate::spool::Changed;
use crate::spool::Collecting as _;
use crate::spool::Command;
use crate::spool::Delivering as _;
use crate::spool::Reply;
use crate::spool::Spool as _;
use crate::spool::SpoolError;
use crate::spool::Token;
use crate::spool::Tokens;
use crate::spool::socket;
use crate::spool::sqlite;
use crate::spool::sqlite::Readers;
use crate::spool::sqlite::Sqlite;

/// How often a spool that another command or a draining daemon uses is tried, and how long the pause is. Such commands are short, and
/// a refresh token cannot be had a second time.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);

/// Opens the spool for reading, beside a daemon or not.
pub(super) fn read(config: &ConfigFile) -> anyhow::Result<Readers> {
    let path = config.load_spool()?.path;
    if !path.exists() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            anyhow::bail!("the spool's folder {} does not exist; make it, or mount its volume", folder.display());
        }
        anyhow::bail!("there is no spool at {} yet; `pophook run` or `pophook once` makes it", path.display());
    }
    Ok(Readers::open(&path)?)
}

/// Has `command` carried out: by the daemon, if one runs. Without one it needs no secret either, as nothing is sent.
pub(super) async fn change(config: &ConfigFile, command: Command) -> anyhow::Result<Changed> {
    let spool = config.load_spool()?;
    if !spool.path.exists() {
        read(config)?;
    }
    begin(config, command).await
}

/// As [`change`], and makes the spool where there is none yet.
pub(super) async fn begin(config: &ConfigFile, command: Command) -> anyhow::Result<Changed> {
    begin_all(config, vec![command]).await
}

/// As [`begin`], for several commands, each its own transaction; tells what they changed together. Without a daemon the
/// spool is opened once.
pub(super) async fn begin_all(config: &ConfigFile, commands: Vec<Command>) -> anyhow::Result<Changed> {
    let path = config.load_spool()?.path;
    let (mut sum, mut own): (Changed, Option<Sqlite>) = (Changed::default(), None);
    for command in commands {
        let changed = match &own {
            None => socket::ask(&path, &command).await?,
            Some(_) => None,
        };
        let changed = match (changed, &own) {
            (Some(changed), _) => changed,
            (None, Some(spool)) => spool.change(command).await?,
            (None, None) => own.insert(open(config).await?).change(command).await?,
        };
        sum.changed += changed.changed;
        sum.erased += changed.erased;
        sum.joined += changed.joined;
    }
    if let Some(spool) = &own {
        close(spool).await;
    }
    Ok(sum)
}

async fn open(config: &ConfigFile) -> anyhow::Result<Sqlite> {
    let Outline { spool, mailboxes, endpoints } = config.load_outline()?;
    let spool = Sqlite::open(spool, Clock::system(), Metrics::new()?.spool)?;
    spool.enrol(mailboxes).await?;
    spool.keep_endpoints(endpoints).await?;
    Ok(spool)
}

/// The sources of a command that does not own the spool.
pub(super) struct Sources {
    /// The access tokens that are being fetched.
    pub(super) fetches: Fetches,
    spool: PathBuf,
    /// The mailboxes that log in with refresh tokens.
    refreshing: BTreeSet<MailboxName>,
}

/// Gives each mailbox of `config` its source of access tokens, for a command that does not own the spool.
pub(super) fn make_sources(config: &mut Config, clock: &Clock) -> anyhow::Result<Sources> {
    let metrics = Metrics::new()?;
    let kept = Kept { config: config.spool.clone(), clock: clock.clone(), metrics: metrics.spool };
    let fetches = app::make_sources(config, Arc::new(kept), clock, &metrics.oauth)?;
    let refreshing = config.oauth.grants.iter().filter(|(_, grant)| matches!(grant, Grant::Refresh { .. }));
    let refreshing = refreshing.map(|(mailbox, _)| mailbox.clone()).collect();
    Ok(Sources { fetches, spool: config.spool.path.clone(), refreshing })
}

impl Sources {
    /// Whether the tokens of `mailbox` are for us to fetch. A server that sees one refresh token twice may take both
    /// for stolen, and end the login.
    ///
    /// # Errors
    /// A running pophook refreshes them.
    pub(super) fn are_ours(&self, mailbox: &MailboxName) -> Result<(), Unavailable> {
        if self.refreshing.contains(mailbox) && sqlite::in_use(&self.spool) {
            let why = "the pophook that runs on this spool uses its refresh token, which two must not do at once";
            return Err(Unavailable::ForNow(why.to_owned()));
        }
        Ok(())
    }
}

/// The refresh tokens, for a command that does not own the spool: reads beside a daemon, and has it write.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) config: spool::Config,
    pub(super) clock: Clock,
    pub(super) metrics: SpoolMetrics,
}

impl Tokens for Kept {
    fn token(&self, mailbox: &MailboxName) -> Reply<Option<Token>> {
        let (path, mailbox) = (self.config.path.clone(), mailbox.clone());
        Box::pin(async move { if path.exists() { Readers::open(&path)?.token(&mailbox).await } else { Ok(None) } })
    }

    fn keep_token(&self, mailbox: &MailboxName, token: Token) -> Reply<()> {
        let (kept, mailbox) = (self.clone(), mailbox.clone());
        Box::pin(async move {
            for _ in 1..TRIES {
                if let ControlFlow::Break(ended) = kept.keep_once(&mailbox, &token).await {
                    return ended;
                }
                kept.clock.wait(PAUSE).await;
            }
            match kept.keep_once(&mailbox, &token).await {
                ControlFlow::Break(ended) => ended,
                ControlFlow::Continue(error) => Err(error),
            }
        })
    }
}

impl Kept {
    /// One try, by the daemon or without one; `Continue` where the next may succeed.
    async fn keep_once(&self, mailbox: &MailboxName, token: &Token) -> ControlFlow<Result<(), SpoolError>, SpoolError> {
        let command = Command::KeepToken { mailbox: mailbox.to_string(), token: token.clone() };
        match socket::ask(&self.config.path, &command).await {
            Ok(Some(_)) => return ControlFlow::Break(Ok(())),
            Ok(None) => {}
            // A daemon that drains goes away in the middle, and leaves the spool to us.
            Err(error) => return ControlFlow::Continue(error),
        }
        let spool = match Sqlite::open(self.config.clone(), self.clock.clone(), self.metrics.clone()) {
            Ok(spool) => spool,
            Err(error @ SpoolError::InUse { .. }) => return ControlFlow::Continue(error),
            Err(error) => return ControlFlow::Break(Err(error)),
        };
        let kept = spool.keep_token(mailbox, token.clone()).await;
        if kept.is_ok() {
            close(&spool).await;
        }
        ControlFlow::Break(kept)
    }
}

/// Leaves the spool in one file. What was committed stays committed if that cannot be done.
async fn close(spool: &Sqlite) {
    if let Err(error) = spool.close().await {
        tracing::warn!(%error, "the spool's newest changes stay in its -wal file");
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn a_token_outlives_a_daemon_that_goes_away_in_the_middle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.db");
        let config =
            spool::Config { path: path.clone(), max_size: 1 << 30, min_free: 0, max_share: 25, ledger_keep: PAUSE };
        let clock = Clock::by_hand("2026-01-31T12:00:00Z".parse().unwrap());
        let kept = Kept { config, clock: clock.clone(), metrics: Metrics::new().unwrap().spool };
        let (mailbox, token) = (MailboxName::parse("support").unwrap(), Token::new("one", None));
        let daemon = UnixListener::bind(socket::path(&path)).unwrap();
        let keeping = kept.keep_token(&mailbox, token.clone());
        tokio::pin!(keeping);
        tokio::select! {
            biased;
            ended = &mut keeping => panic!("it cannot be kept yet: {ended:?}"),
            accepted = daemon.accept() => drop(accepted.unwrap()),
        }
        drop(daemon);
        loop {
            tokio::select! {
                biased;
                ended = &mut keeping => break ended.unwrap(),
                () = tokio::task::yield_now() => clock.advance(PAUSE),
            }
        }
        assert_eq!(kept.token(&mailbox).await.unwrap(), Some(token));
    }

    #[test]
    fn only_refresh_tokens_that_a_running_pophook_uses_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("spool.db");
        let config =
            spool::Config { path: spool.clone(), max_size: 1 << 30, min_free: 0, max_share: 25, ledger_keep: PAUSE };
        let name = |name: &str| MailboxName::parse(name).unwrap();
        let refreshing = BTreeSet::from([name("refreshing")]);
        let sources = Sources { fetches: Fetches::default(), spool, refreshing };
        let check = |mailbox: &str, ours: bool| assert_eq!(sources.are_ours(&name(mailbox)).is_ok(), ours, "{mailbox}");
        check("refreshing", true);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file is made for a look");
        let running = Sqlite::open(config, Clock::system(), Metrics::new().unwrap().spool).unwrap();
        check("refreshing", false);
        check("other", true);
        drop(running);
        check("refreshing", true);
    }
}
