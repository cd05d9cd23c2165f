//! How a command reaches the spool: readers open the file, changes go to the daemon or take the lock themselves.

use super::ConfigFile;
use crate::clock::Clock;
use crate::config::Outline;
use crate::metrics::Metrics;
use crate::spool::Changed;
use crate::spool::Command;
use crate::spool::Spool as _;
use crate::spool::socket;
use crate::spool::sqlite::Readers;
use crate::spool::sqlite::Sqlite;

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
