//! How a command reaches the spool: readers open the file, changes go to the daemon or take the lock themselves.

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
use crate::spool;
use crate::spool::Changed;
use crate::spool::Command;
use crate::spool::Reply;
use crate::spool::Spool as _;
use crate::spool::SpoolError;
use crate::spool::Token;
use crate::spool::Tokens;
use crate::spool::socket;
use crate::spool::sqlite::Readers;
use crate::spool::sqlite::Sqlite;

/// How often a spool that another command uses is tried again, and how long the pause is. Such commands are short, and
/// a refresh token cannot be had a second time.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);

/// Opens the spool for reading, beside a daemon or not.
pub(super) fn read(config: &ConfigFile) -> anyhow::Result<Readers> {
    let path = config.load_spool()?.path;
    if !path.exists() {
        anyhow::bail!("there is no spool at {} yet; `pophook run` or `pophook once` makes it", path.display());
    }
    Ok(Readers::open(&path)?)
}

/// Has `command` carried out: by the daemon, if one runs. Without one it needs no secret either, as nothing is sent.
pub(super) async fn change(config: &ConfigFile, command: Command) -> anyhow::Result<Changed> {
    if let Some(changed) = socket::ask(&config.load_spool()?.path, &command).await? {
        return Ok(changed);
    }
    read(config)?;
    let Outline { spool, mailboxes, endpoints } = config.load_outline()?;
    let spool = Sqlite::open(spool, Clock::system(), Metrics::new()?.spool)?;
    spool.enrol(mailboxes).await?;
    spool.keep_endpoints(endpoints).await?;
    let changed = spool.change(command).await?;
    if let Err(error) = spool.close().await {
        tracing::warn!(%error, "the spool's newest changes stay in its -wal file");
    }
    Ok(changed)
}

/// Gives each mailbox of `config` its source of access tokens, for a command that does not own the spool.
pub(super) fn make_sources(config: &mut Config, clock: &Clock) -> anyhow::Result<()> {
    let metrics = Metrics::new()?;
    let kept = Kept { config: config.spool.clone(), clock: clock.clone(), metrics: metrics.spool };
    Ok(app::make_sources(config, Arc::new(kept), clock, &metrics.oauth)?)
}

/// The refresh tokens, for a command that does not own the spool: reads beside a daemon, and has it write.
#[derive(Debug)]
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
        let (config, clock, metrics) = (self.config.clone(), self.clock.clone(), self.metrics.clone());
        let mailbox = mailbox.clone();
        Box::pin(async move {
            let command = Command::KeepToken { mailbox: mailbox.to_string(), token: token.clone() };
            for left in (0..TRIES).rev() {
                if socket::ask(&config.path, &command).await?.is_some() {
                    return Ok(());
                }
                let spool = match Sqlite::open(config.clone(), clock.clone(), metrics.clone()) {
                    Err(SpoolError::InUse { .. }) if left > 0 => {
                        clock.wait(PAUSE).await;
                        continue;
                    }
                    opened => opened?,
                };
                spool.keep_token(&mailbox, token).await?;
                return spool.close().await;
            }
            Err(SpoolError::Closed)
        })
    }
}
