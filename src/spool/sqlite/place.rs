//! Whether the spool's files still lie where the next process will look for them.
//!
//! A file that is removed, moved away, or hidden by a volume goes on as long as it is open, and takes every commit with it
//! when the process ends.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;

use super::open::beside_as;
use crate::spool::SpoolError;

/// The files of a spool that is open, and which ones they are.
#[derive(Debug, Clone)]
pub(super) struct Place {
    files: Vec<(PathBuf, Identity)>,
}

/// Device and inode.
type Identity = (u64, u64);

fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|facts| (facts.dev(), facts.ino()))
}

impl Place {
    /// That of the spool at `path`, which was just opened, and of its log.
    pub(super) fn of(path: &Path) -> Place {
        let files = [path.to_owned(), beside_as(path, "-wal")].into_iter();
        Place { files: files.filter_map(|file| Some((file.clone(), identity(&file).ok()?))).collect() }
    }

    /// # Errors
    /// [`SpoolError::Moved`]: another file lies there, or none.
    pub(super) fn expect(&self) -> Result<(), SpoolError> {
        let moved = self.files.iter().find(|(path, known)| identity(path).ok() != Some(*known));
        moved.map_or(Ok(()), |(path, _)| Err(SpoolError::Moved { path: path.clone() }))
    }
}

/// Refuses a file that has another name.
///
/// # Errors
/// [`SpoolError::Linked`].
pub(super) fn refuse_links(path: &Path) -> Result<(), SpoolError> {
    let linked = fs::symlink_metadata(path).is_ok_and(|facts| facts.is_symlink() || facts.nlink() > 1);
    if linked { Err(SpoolError::Linked { path: path.to_owned() }) } else { Ok(()) }
}
