//! Opens the file: who may, where it may lie, and how it is set up.

use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io::Read as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use rusqlite::Connection;
use rusqlite::ErrorCode;
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;

use super::place::refuse_links;
use super::schema;
use crate::crash;
use crate::spool::SpoolError;
use crate::spool::filesystem::network_filesystem;

/// The oldest SQLite whose WAL mode does not lose commits (the WAL-reset fault of 3.7.0 to 3.51.2).
const SQLITE_MIN: i32 = 3_051_003;
/// Mails are tens of kilobytes: large pages mean short overflow chains.
const PAGE_SIZE: u32 = 8192;
/// The WAL grows to so many bytes before it is written back: what changes often is written back once.
const WAL_BYTES: u32 = 32 << 20;
/// Page cache of each connection, in KiB.
const CACHE_KIB: i64 = 2048;

/// The lock that keeps a second process out; held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Takes the lock beside the spool at `path`.
pub(super) fn lock(path: &Path) -> Result<Lock, SpoolError> {
    refuse_links(path)?;
    let name = beside(path, "lock");
    if !folder(path).is_dir() {
        // Not made here: a volume that is not mounted must not become a folder that is lost with the container.
        return Err(SpoolError::NoFolder { folder: folder(path).to_owned() });
    }
    let mut file = private(&name).map_err(|e| SpoolError::open(&name, e))?;
    if file.try_lock().is_err() {
        let mut pid = String::new();
        let known = file.read_to_string(&mut pid).is_ok() && !pid.trim().is_empty();
        let holder = if known { format!(" (pid {})", pid.trim()) } else { String::new() };
        return Err(SpoolError::InUse { path: path.to_owned(), holder });
    }
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|e| SpoolError::open(&name, e))?;
    Ok(Lock { _file: file })
}

/// Whether a process has the spool at `path` open for writing. Makes no file for it.
pub fn in_use(path: &Path) -> bool {
    // Shared and given back at once, so that those who only look are not in each other's way.
    let looked = File::open(beside(path, "lock")).map(|file| file.try_lock_shared());
    matches!(looked, Ok(Err(TryLockError::WouldBlock)))
}

/// Opens or makes a file that only its owner can read: what is in it are letters.
pub(super) fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `<spool>.<ending>`.
pub(in crate::spool) fn beside(path: &Path, ending: &str) -> PathBuf {
    beside_as(path, &format!(".{ending}"))
}

/// `<spool><ending>`.
pub(super) fn beside_as(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Opens the one connection that writes, migrated and set up. Call it with the [`Lock`] held.
pub(super) fn writing(path: &Path) -> Result<Connection, SpoolError> {
    refuse_network_filesystem(path)?;
    refuse_old_sqlite()?;
    // SQLite gives the files beside it the same rights.
    private(path).map_err(|e| SpoolError::open(path, e))?;
    let mut connection = Connection::open(path).map_err(|e| SpoolError::open(path, e))?;
    let found = known_schema(path, &connection)?;
    set_up(&connection).map_err(|e| SpoolError::open(path, e))?;
    schema::migrate(&mut connection, found).map_err(|e| SpoolError::open(path, e))?;
    Ok(connection)
}

/// Opens a connection that only reads; for readers beside the writer and for commands beside a daemon.
pub(super) fn reading(path: &Path) -> Result<Connection, SpoolError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| SpoolError::open(path, e))?;
    let found = known_schema(path, &connection)?;
    if found == 0 {
        return Err(SpoolError::NotMade { path: path.to_owned() });
    }
    let set_up = || {
        schema::read_as_newest(&connection, found)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB / 4)
    };
    set_up().map_err(|e| SpoolError::open(path, e))?;
    Ok(connection)
}

/// The schema of the file, which must be a spool and one that we know. Nothing is written for it.
fn known_schema(path: &Path, connection: &Connection) -> Result<i64, SpoolError> {
    let no_spool = |what| SpoolError::NoSpool { path: path.to_owned(), what };
    let unreadable = |e: rusqlite::Error| match e.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => no_spool("no SQLite database at all"),
        _ => SpoolError::open(path, e),
    };
    if !schema::is_ours(connection).map_err(unreadable)? {
        return Err(no_spool("the SQLite database of another program"));
    }
    let (found, known) = (schema::found(connection).map_err(unreadable)?, schema::newest());
    if found > known {
        return Err(SpoolError::NewerSchema { path: path.to_owned(), found, known });
    }
    Ok(found)
}

/// Writes the log back into the file at `path`, and empties it: until the next commit, the file is the whole spool.
pub(super) fn write_back(path: &Path) -> Result<(), SpoolError> {
    let connection = Connection::open(path).map_err(|e| SpoolError::open(path, e))?;
    let patience = connection.busy_timeout(std::time::Duration::from_secs(10));
    patience.map_err(|e| SpoolError::open(path, e))?;
    crash::point!("in close");
    let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy { Err(SpoolError::InUse { path: path.to_owned(), holder: String::new() }) } else { Ok(()) }
}

fn set_up(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "page_size", PAGE_SIZE)?;
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", synchronous())?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_BYTES / PAGE_SIZE)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Plans do not depend on bound values, so that statements are not prepared anew for each of them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// FULL: each commit is synced before it is reported. In debug builds a test may ask for less, to prove that its
/// check of the order of syncs notices.
fn synchronous() -> String {
    let asked = if cfg!(debug_assertions) { std::env::var("POPHOOK_TEST_SYNCHRONOUS").ok() } else { None };
    asked.unwrap_or_else(|| "FULL".to_owned())
}

fn refuse_old_sqlite() -> Result<(), SpoolError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(SpoolError::OldSqlite { found: rusqlite::version().to_owned() });
    }
    Ok(())
}

/// Bytes that the disk of the spool at `path` has free for us.
pub(super) fn free_bytes(path: &Path) -> Result<u64, SpoolError> {
    let facts = rustix::fs::statvfs(folder(path)).map_err(|e| SpoolError::open(path, std::io::Error::from(e)))?;
    Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
}

fn refuse_network_filesystem(path: &Path) -> Result<(), SpoolError> {
    let facts = rustix::fs::statfs(folder(path)).map_err(|e| SpoolError::open(path, std::io::Error::from(e)))?;
    // Magic numbers have 32 bits; the field is wider and signed.
    let magic = facts.f_type.cast_unsigned() & 0xFFFF_FFFF;
    match network_filesystem(magic) {
        Some(kind) => Err(SpoolError::NetworkFilesystem { path: path.to_owned(), kind }),
        None => Ok(()),
    }
}
