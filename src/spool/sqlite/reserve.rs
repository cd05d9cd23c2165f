//! Space held back for the day on which the disk is full.
//!
//! A success that cannot be written down is posted again for ever. So a file beside the spool holds 16 MiB of nothing.
//! When a record, or a refresh token, finds no space, that file goes, and what it held is the disk's to give: free pages
//! inside the database would not help, because it is the log that must grow. New mail waits until the space is held back
//! again, so that it never eats what was freed for records.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rusqlite::ffi;
use rustix::fs::FallocateFlags;

use super::open::beside;
use crate::spool::SpoolError;

/// Bytes held back.
const RESERVE: u64 = 16 << 20;

/// The file that holds them.
#[derive(Debug, Clone)]
pub(super) struct Reserve(Arc<Path>);

impl Reserve {
    /// The reserve of the spool at `spool`.
    pub(super) fn of(spool: &Path) -> Reserve {
        Reserve(beside(spool, "reserve").into())
    }

    /// Takes the reserve, unless it is held. Fails on a full disk; it is asked for again later.
    pub(super) fn take(&self) -> Result<(), SpoolError> {
        if self.is_held() {
            return Ok(());
        }
        // Under another name until it is whole.
        let growing = beside(&self.0, "new");
        let taken = allocate(&growing).and_then(|()| std::fs::rename(&growing, &self.0));
        taken.map_err(|error| {
            // A part of it would help nobody.
            drop(std::fs::remove_file(&growing));
            full(&error)
        })
    }

    /// Gives the reserve up. Its space is free when this returns.
    pub(super) fn spend(&self) {
        // There is none to give up, or the folder is read-only: the record that asks for it will tell.
        drop(std::fs::remove_file(&self.0));
    }

    fn is_held(&self) -> bool {
        std::fs::metadata(&self.0).is_ok_and(|facts| facts.len() >= RESERVE)
    }
}

fn allocate(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, RESERVE) {
        // Not every file system can allocate what is not written.
        Err(rustix::io::Errno::OPNOTSUPP) => io::copy(&mut io::Read::take(io::repeat(0), RESERVE), &mut file).map(drop),
        done => done.map_err(io::Error::from),
    }
}

/// No reserve means no space, as far as new mail is concerned.
fn full(error: &io::Error) -> SpoolError {
    let told = Some(format!("cannot hold {RESERVE} bytes of disk back: {error}"));
    SpoolError::NoSpace(Arc::new(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), told)))
}
