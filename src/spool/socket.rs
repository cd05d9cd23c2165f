//! The Unix socket beside the spool, by which commands reach a running daemon.
//!
//! One JSON line asks, one answers, after the commit. The socket has mode 0600 and stands only while the daemon runs.
//! Without a daemon a command takes the spool's lock itself. What is done about what was asked, whoever serves decides:
//! the spool knows nothing of visits, and nothing of who is to be noted in the log.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
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
use super::Reply;
use super::SpoolError;
use super::sqlite;

/// The longest line that is read, in bytes.
const LINE_MAX: u64 = 1 << 20;
/// How long a peer may take for its line.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause after a connection that could not be taken.
const AFTER_FAULT: Duration = Duration::from_millis(500);

/// What a peer asks of a running daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// To note that the peer has posted a test event to an endpoint.
    Tested(Tested),
    /// When each mailbox is visited next.
    NextVisits {},
    /// To carry a command out.
    #[serde(untagged)]
    Command(Command),
}

/// A test event that was posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// The endpoint's name.
    pub endpoint: String,
    /// Whether it answered 2xx.
    pub taken: bool,
    /// What it answered.
    pub status: Option<u16>,
}

/// What a daemon answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// What a command changed.
    Changed(Changed),
    /// When each mailbox is visited next, RFC 3339; none while a visit is under way, and while it is paused.
    NextVisits(BTreeMap<String, Option<String>>),
    /// Why it was not done.
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

    /// Has `act` answer what each peer asks, one after the other, until dropped; it is told the peer's user id.
    pub async fn serve(&self, act: impl Fn(u32, Asked) -> Reply<Answer> + Send + Sync) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                // Out of file descriptors, say: they will not be back at once.
                tokio::time::sleep(AFTER_FAULT).await;
                continue;
            };
            if let Err(error) = answer(stream, &act).await {
                tracing::debug!(%error, "a command went away");
            }
        }
    }
}

async fn answer(stream: UnixStream, act: &(impl Fn(u32, Asked) -> Reply<Answer> + Sync)) -> io::Result<()> {
    let user = stream.peer_cred()?.uid();
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    // A peer that goes away mid-line has asked nothing. What was asked is done to its end, however long that takes, or
    // whoever must know of it would not be told.
    timeout(PATIENCE, BufReader::new(read.take(LINE_MAX)).read_line(&mut line)).await??;
    let answer = match serde_json::from_str::<Asked>(&line) {
        Ok(asked) => act(user, asked).await.unwrap_or_else(|error| Answer::Failed(error.to_string())),
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
    match send(spool, &Asked::Command(command.clone())).await? {
        None => Ok(None),
        Some(Answer::Changed(changed)) => Ok(Some(changed)),
        Some(Answer::Failed(why)) => Err(SpoolError::Impossible(why)),
        Some(Answer::NextVisits(_)) => Err(strange(spool)),
    }
}

/// Has the daemon of the spool at `path` note that a test event was posted.
///
/// # Errors
/// A daemon of a version that knows no such notes, or one that went away.
pub async fn note_test(spool: &Path, tested: Tested) -> Result<(), SpoolError> {
    match send(spool, &Asked::Tested(tested)).await? {
        Some(Answer::Failed(why)) => Err(SpoolError::Impossible(why)),
        None | Some(Answer::Changed(_) | Answer::NextVisits(_)) => Ok(()),
    }
}

/// When the daemon of the spool at `path` visits each mailbox next; nothing where none runs, or one that cannot tell.
///
/// # Errors
/// A daemon that went away.
pub async fn next_visits(spool: &Path) -> Result<BTreeMap<String, Option<String>>, SpoolError> {
    match send(spool, &Asked::NextVisits {}).await? {
        Some(Answer::NextVisits(next)) => Ok(next),
        None | Some(Answer::Changed(_) | Answer::Failed(_)) => Ok(BTreeMap::new()),
    }
}

fn strange(spool: &Path) -> SpoolError {
    SpoolError::open(&path(spool), io::Error::from(io::ErrorKind::InvalidData))
}

async fn send(spool: &Path, asked: &Asked) -> Result<Option<Answer>, SpoolError> {
    let path = path(spool);
    let failed = |source: io::Error| SpoolError::open(&path, source);
    let stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_vec(asked).map_err(|e| failed(e.into()))?;
    line.push(b'\n');
    write.write_all(&line).await.map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(read.take(LINE_MAX)).read_line(&mut answer).await.map_err(failed)?;
    serde_json::from_str(&answer).map(Some).map_err(|e| failed(e.into()))
}
