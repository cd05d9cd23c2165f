//! A copy of a spool as it is in one instant, made beside whoever writes it.
//!
//! `VACUUM INTO` reads in one transaction, so visits and deliveries go on; the log beside the spool grows until it is
//! done. A copy that has its name is whole and synced: until then it is called `<copy>.part`.

use std::error::Error;
use std::fs;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::open;
use crate::spool::SpoolError;

/// Copies the spool at `path` to `target`, a new file that only its owner can read.
///
/// # Errors
/// A spool that cannot be read, or a target that is there already or cannot be written.
pub fn back_up(path: &Path, target: &Path) -> Result<(), SpoolError> {
    let connection = open::reading(path)?;
    if target.exists() {
        return Err(failed(target, io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    let part = open::beside(target, "part");
    let Some(name) = part.to_str() else {
        return Err(failed(target, io::Error::from(io::ErrorKind::InvalidFilename)));
    };
    // SQLite takes an empty file for none, and leaves its rights as they are.
    drop(fs::remove_file(&part));
    let file = open::private(&part).map_err(|e| failed(target, e))?;
    let copied = connection.execute("VACUUM INTO ?1", [name]).map_err(|e| failed(target, e));
    let named = copied.and_then(|_| give_its_name(&file, &part, target).map_err(|e| failed(target, e)));
    if named.is_err() {
        // No half copy stays behind; what is left to say is why.
        drop(fs::remove_file(&part));
    }
    named
}

fn give_its_name(file: &File, part: &Path, target: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(part, target)?;
    File::open(open::folder(target))?.sync_all()
}

fn failed(target: &Path, source: impl Error + Send + Sync + 'static) -> SpoolError {
    SpoolError::Copy { path: target.to_owned(), source: Arc::new(source) }
}
