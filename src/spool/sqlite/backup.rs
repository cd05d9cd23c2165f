//! A copy of a spool as it is in one instant, made beside whoever writes it.
//!
//! `VACUUM INTO` reads in one transaction, so visits and deliveries go on; the log beside the spool grows until it is
//! done. A copy that has its name is whole and synced: until then it is called `<copy>.part`.

use std::fs;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytesize::ByteSize;
use rusqlite::Connection;
use rusqlite::ErrorCode;
use rusqlite::OpenFlags;

use super::open;
use crate::spool::SpoolError;

/// What a copy holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Bytes.
    pub size: u64,
    /// Messages whose letters are in it.
    pub messages: u64,
}

/// Copies the spool at `path` to `target`, a new file that only its owner can read.
///
/// # Errors
/// A spool that cannot be read, or a target that is there already or cannot be written.
pub fn back_up(path: &Path, target: &Path) -> Result<Copied, SpoolError> {
    let connection = open::reading(path)?;
    let failed = |source: io::Error| failed(path, target, source);
    if target.exists() {
        return Err(failed(io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    let part = open::beside(target, "part");
    let Some(name) = part.to_str() else {
        return Err(failed(io::Error::from(io::ErrorKind::InvalidFilename)));
    };
    // SQLite takes an empty file for none, and leaves its rights as they are.
    drop(fs::remove_file(&part));
    let file = open::private(&part).map_err(failed)?;
    let copied = connection.execute("VACUUM INTO ?1", [name]).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => failed(io::Error::new(io::ErrorKind::StorageFull, error)),
        _ => failed(io::Error::other(error)),
    });
    let named = copied.and_then(|_| {
        let messages = count(&part).map_err(|error| failed(io::Error::other(error)))?;
        let size = give_its_name(&file, &part, target).map_err(failed)?;
        Ok(Copied { size, messages })
    });
    if named.is_err() {
        // No half copy stays behind; what is left to say is why.
        drop(fs::remove_file(&part));
    }
    named
}

fn count(copy: &Path) -> Result<u64, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(copy, flags)?;
    connection.query_row("SELECT count(*) FROM message WHERE released_at IS NULL", [], |row| row.get(0))
}

/// Tells the copy's size.
fn give_its_name(file: &File, part: &Path, target: &Path) -> io::Result<u64> {
    file.sync_all()?;
    let size = file.metadata()?.len();
    fs::rename(part, target)?;
    File::open(open::folder(target))?.sync_all()?;
    Ok(size)
}

fn failed(spool: &Path, target: &Path, source: io::Error) -> SpoolError {
    let folder = open::folder(target).display();
    let remedy = match source.kind() {
        io::ErrorKind::AlreadyExists => "a file of this name is there; name another, or remove that one".to_owned(),
        io::ErrorKind::NotFound => format!("its folder {folder} does not exist; make it, or name another"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("its folder {folder} cannot be written; let this user write there, or name another")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let needed = fs::metadata(spool).map_or_else(|_| "as much".to_owned(), |of| ByteSize(of.len()).to_string());
            format!("{folder} has no room; it takes up to {needed} there: make room, or name another folder")
        }
        _ => format!("look at its folder {folder}, or name another"),
    };
    SpoolError::Copy { path: target.to_owned(), remedy, source: Arc::new(source) }
}
