//! How the spool fails.

use std::path::PathBuf;
use std::sync::Arc;

use super::MessageKey;

/// What a human can do about a copy that is damaged.
pub const DAMAGED_REMEDY: &str =
    "look at the disk, and restore the spool from a backup, or fetch the mail from its server, if it is still there";

/// Why the spool did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolError {
    /// No space, or no right to write. Nothing was committed; it may work later.
    #[error("the spool cannot be written now: the disk is full or read-only")]
    NoSpace(#[source] Arc<rusqlite::Error>),
    /// The disk failed, or nobody knows whether the commit happened. The process must end.
    #[error("the spool's disk failed; stop and look at it before starting again")]
    Broken(#[source] Arc<rusqlite::Error>),
    /// Any other fault of the database. Nothing was committed.
    #[error("the spool's database refused")]
    Database(#[source] Arc<rusqlite::Error>),
    /// Our copy of one message is not what was written; everything else is as it was.
    #[error("our copy of this message is damaged: {DAMAGED_REMEDY}")]
    Damaged(MessageKey),
    /// The file is not at its place any more. What is written is lost with this process.
    #[error(
        "the spool {path} was moved, removed or replaced while pophook runs: nothing is taken or deleted on a server until \
         it is back; what is in it is still delivered: bring it back, or wait for that before you stop pophook"
    )]
    Moved {
        /// The file that is missing, or another one.
        path: PathBuf,
    },
    /// A second process could have the file under another name, beside every lock.
    #[error(
        "the spool {path} is a link, or has a second name (a hard link); name the file itself, and give it one name"
    )]
    Linked {
        /// The database file.
        path: PathBuf,
    },
    /// The spool has been closed.
    #[error("the spool is closed")]
    Closed,
    /// The file cannot be opened or made.
    #[error("cannot open the spool {path}; its folder must be writable for pophook's user")]
    Open {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The folder that the spool is to lie in is not there.
    #[error("the spool's folder {folder} does not exist; make it, or mount it, and let pophook's user write there")]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process uses the spool.
    #[error("the spool {path} is used by another pophook process{holder}; stop that one first")]
    InUse {
        /// The database file.
        path: PathBuf,
        /// ` (pid N)` where it is known.
        holder: String,
    },
    /// The file lies on a network file system, where SQLite's locks and syncs cannot be trusted.
    #[error("the spool {path} lies on {kind}, which loses SQLite databases; put it on a local disk")]
    NetworkFilesystem {
        /// The database file.
        path: PathBuf,
        /// The file system's name.
        kind: &'static str,
    },
    /// The SQLite library has a bug that loses commits.
    #[error("SQLite {found} loses commits in WAL mode; 3.51.3 or later is needed")]
    OldSqlite {
        /// Its version.
        found: String,
    },
    /// Something else lies where the spool should.
    #[error("{path} is no spool of pophook but {what}; name another file under spool.url, or move this one away")]
    NoSpool {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The file is empty: whoever makes it has not come to its tables.
    #[error("the spool {path} is not made yet; `pophook run` or `pophook once` makes it, and may be doing so now")]
    NotMade {
        /// The database file.
        path: PathBuf,
    },
    /// A newer pophook wrote the file.
    #[error(
        "the spool {path} was written by a newer pophook (schema {found}, this one knows {known}); upgrade pophook"
    )]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// Its schema's number.
        found: i64,
        /// The newest that we know.
        known: i64,
    },
    /// A copy of the spool cannot be made there.
    #[error("cannot write the copy {path}: {remedy}")]
    Copy {
        /// The copy's file.
        path: PathBuf,
        /// What is in the way, and what to do.
        remedy: String,
        /// Why.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// A mailbox stands under a new name in the configuration.
    #[error("mailbox {new:?} is known to the spool as {old:?}; write `former_name: {old}` to keep its ids and ledger")]
    Renamed {
        /// The name in the spool.
        old: String,
        /// The name in the configuration.
        new: String,
    },
    /// A command would do something else than what was shown before. Nothing was done.
    #[error("what is selected has changed since it was shown: it is {now} now, and was {was}")]
    NotAsShown {
        /// What was shown; as many as now, or unknown, where the messages are others.
        was: String,
        /// How many deliveries and messages it would change now.
        now: u64,
    },
    /// A command named something that is not there, or cannot be done to it.
    #[error("{0}")]
    Impossible(String),
}

impl SpoolError {
    /// Whether the process must end: its disk failed, or a commit's outcome is unknown.
    pub fn is_fatal(&self) -> bool {
        matches!(self, SpoolError::Broken(_) | SpoolError::Closed)
    }

    pub(super) fn open(path: &std::path::Path, source: impl std::error::Error + Send + Sync + 'static) -> SpoolError {
        SpoolError::Open { path: path.to_owned(), source: Arc::new(source) }
    }
}

/// A copy for whoever can do without: one that is damaged is as good as gone.
pub fn if_whole<T>(copy: Result<Option<T>, SpoolError>) -> Result<Option<T>, SpoolError> {
    match copy {
        Err(SpoolError::Damaged(_)) => Ok(None),
        copy => copy,
    }
}

/// Sorts a database error by what has to follow from it.
impl From<rusqlite::Error> for SpoolError {
    fn from(error: rusqlite::Error) -> SpoolError {
        use rusqlite::ErrorCode;
        let code = error.sqlite_error_code();
        let error = Arc::new(error);
        match code {
            Some(ErrorCode::DiskFull | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => SpoolError::NoSpace(error),
            Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                SpoolError::Broken(error)
            }
            _ => SpoolError::Database(error),
        }
    }
}
