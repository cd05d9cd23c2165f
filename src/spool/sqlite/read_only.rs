//! Whether the file system under the spool has turned read-only, as one does that found an error in itself.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::ffi;

use super::open::beside;

/// Whether SQLite could not write, as opposed to a sync or a read that failed: then a part of the transaction is missing
/// on the disk, and it did not happen.
pub(super) fn is_write(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_WRITE)
}

/// Whether a file beside the spool at `spool` cannot be written for that reason.
pub(super) fn is_read_only(spool: &Path) -> bool {
    let probe = beside(spool, "probe");
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&probe);
    let written = opened.and_then(|file| file.write_all_at(b".", 0));
    // What could not be made is not there.
    drop(std::fs::remove_file(&probe));
    written.is_err_and(|error| error.kind() == io::ErrorKind::ReadOnlyFilesystem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_write_that_failed_is_one() {
        let check = |code, expected| {
            assert_eq!(is_write(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)), expected, "{code}");
        };
        check(ffi::SQLITE_IOERR_WRITE, true);
        for code in [ffi::SQLITE_IOERR, ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_READ, ffi::SQLITE_FULL] {
            check(code, false);
        }
    }

    #[test]
    fn a_folder_that_can_be_written_is_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_read_only(&folder.path().join("spool.db")));
        assert!(!is_read_only(&folder.path().join("no such folder/spool.db")));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
