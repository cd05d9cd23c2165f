//! The Unix socket beside the spool, by which changing commands reach a running daemon.
//!
//! One JSON line asks, one answers, after the commit. The socket has mode 0600 and stands only while the daemon runs.
//! Without a daemon a command takes the spool's lock itself.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::net::UnixListener;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::Changed;
use super::Command;
use super::Spool;
use super::SpoolError;
use super::sqlite;

use crate::crash;

/// The longest line that is read, in bytes.
const LINE_MAX: u64 = 1 << 20;
/// How long a peer may take for its line.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause after a connection that could not be taken.
const AFTER_FAULT: Duration = Duration::from_millis(500);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Changed(Changed),
    Failed(String),
}

/// Where the socket of the spool at `path` stands.
pub fn path(spool: &Path) -> PathBuf {
    sqlite::beside(spool, "sock")
}

/// The daemon's end. Its file goes when this is dropped.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Left behind, it would only be replaced by the next start.
        drop(std::fs::remove_file(&self.path));
    }
}

impl Listener {
    /// Binds the socket. Call it with the spool open, whose lock keeps a second daemon out.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn bind(spool: &Path) -> io::Result<Listener> {
        let path = path(spool);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Listener { listener, path })
    }

    /// Answers commands, one after the other, until dropped.
    pub async fn serve(&self, spool: Arc<dyn Spool>) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                // Out of file descriptors, say: they will not be back at once.
                tokio::time::sleep(AFTER_FAULT).await;
                continue;
            };
            if let Err(error) = answer(stream, spool.as_ref()).await {
                tracing::debug!(%error, "a command went away");
            }
        }
    }
}

async fn answer(stream: UnixStream, spool: &dyn Spool) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    // A peer that goes away mid-line has asked nothing. What was asked is done to its end, however long that takes, or
    // whoever must know of it would not be told.
    timeout(PATIENCE, BufReader::new(read.take(LINE_MAX)).read_line(&mut line)).await??;
    let answer = match serde_json::from_str::<Command>(&line) {
        Ok(command) => {
            crash::point!("before change");
            let changed = spool.change(command).await;
            crash::point!("after change");
            changed.map_or_else(|e| Answer::Failed(e.to_string()), Answer::Changed)
        }
        Err(_) => Answer::Failed("the daemon does not know this command; it may be of another version".to_owned()),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    timeout(PATIENCE, write.write_all(&line)).await?
}

/// Sends a command to the daemon of the spool at `path`; `None` if none is running.
///
/// # Errors
/// What the daemon answered, or a daemon that went away.
pub async fn ask(spool: &Path, command: &Command) -> Result<Option<Changed>, SpoolError> {
    let path = path(spool);
    let failed = |source: io::Error| SpoolError::open(&path, source);
    let stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_vec(command).map_err(|e| failed(e.into()))?;
    line.push(b'\n');
    write.write_all(&line).await.map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(read.take(LINE_MAX)).read_line(&mut answer).await.map_err(failed)?;
    match serde_json::from_str(&answer).map_err(|e| failed(e.into()))? {
        Answer::Changed(changed) => Ok(Some(changed)),
        Answer::Failed(why) => Err(SpoolError::Impossible(why)),
    }
}
