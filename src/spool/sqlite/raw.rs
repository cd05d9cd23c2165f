//! The raw bytes of messages, into the file and out of it.
//!
//! Bound as a value, SQLite would copy bytes twice on their way in, and once on their way out. A large message is
//! written to its place in the file instead, and read from there, so that one copy of it is in memory.
//!
//! **What is read is what was written, or it is not given out:** each copy is held against the hash that was made of it
//! before it came here. A page that is broken in the bytes of one message is that message's end, and nobody else's. SQLite
//! writes nothing more in a transaction that has met such a page: whoever reads in one takes it back, and begins anew
//! without that message.

use rusqlite::Connection;
use rusqlite::ErrorCode;
use rusqlite::MAIN_DB;
use rusqlite::OptionalExtension as _;
use rusqlite::blob::ZeroBlob;
use rusqlite::params;
use sha2::Digest as _;
use sha2::Sha256;

use crate::spool::MessageKey;
use crate::spool::SpoolError;

/// Up to so many bytes are bound as a value, which takes one statement less.
const BOUND_MAX: usize = 256 << 10;

/// Writes the bytes of message `seq`.
pub(super) fn write(connection: &Connection, seq: i64, bytes: &[u8]) -> Result<(), SpoolError> {
    let mut insert = connection.prepare_cached("INSERT INTO raw (seq, bytes) VALUES (?1, ?2)")?;
    if bytes.len() <= BOUND_MAX {
        insert.execute(params![seq, bytes])?;
        return Ok(());
    }
    insert.execute(params![seq, ZeroBlob(u64::try_from(bytes.len()).unwrap_or(u64::MAX))])?;
    let mut place = connection.blob_open(MAIN_DB, "raw", "bytes", seq, false)?;
    place.write_all_at(bytes, 0)?;
    place.close()?;
    Ok(())
}

/// Reads the bytes of message `seq`; `None` where they are gone.
///
/// # Errors
/// [`SpoolError::Damaged`] where they are not those that were written: a page of theirs is broken, or their hash is
/// another. That is a matter of this one message, whatever else the file holds.
pub(super) fn read(connection: &Connection, seq: i64) -> Result<Option<Vec<u8>>, SpoolError> {
    // All looks see the same state of the file, whatever is released meanwhile.
    let _looking = connection.is_autocommit().then(|| connection.unchecked_transaction()).transpose()?;
    let known: Option<(u64, [u8; 32])> = connection
        .prepare_cached("SELECT size, sha256 FROM message WHERE seq = ?1")?
        .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((size, sha256)) = known else { return Ok(None) };
    match stored(connection, seq, size) {
        Ok(Some(bytes)) if Sha256::digest(&bytes)[..] != sha256 => Err(SpoolError::Damaged(MessageKey(seq))),
        Err(error) if is_damage(&error) => Err(SpoolError::Damaged(MessageKey(seq))),
        found => Ok(found?),
    }
}

/// Erases the bytes of message `seq`, if they are there.
///
/// # Errors
/// [`SpoolError::Damaged`], with nothing changed, where they are not those that were written: pages that seem to be theirs
/// may be another's.
pub(super) fn erase(connection: &Connection, seq: i64) -> Result<(), SpoolError> {
    // It costs little: their pages are read one by one to be given back.
    if read(connection, seq)?.is_some() {
        connection.prepare_cached("DELETE FROM raw WHERE seq = ?1")?.execute([seq])?;
    }
    Ok(())
}

/// What lies there, of `most` bytes at most.
fn stored(connection: &Connection, seq: i64, most: u64) -> Result<Option<Vec<u8>>, rusqlite::Error> {
    let length: Option<usize> = connection
        .prepare_cached("SELECT length(bytes) FROM raw WHERE seq = ?1")?
        .query_row([seq], |row| row.get(0))
        .optional()?;
    let Some(length) = length else { return Ok(None) };
    if u64::try_from(length).is_ok_and(|length| length > most) {
        return Err(rusqlite::Error::BlobSizeError);
    }
    if length <= BOUND_MAX {
        let mut select = connection.prepare_cached("SELECT bytes FROM raw WHERE seq = ?1")?;
        return select.query_row([seq], |row| row.get(0)).optional();
    }
    let place = connection.blob_open(MAIN_DB, "raw", "bytes", seq, true)?;
    let mut bytes = vec![0; length];
    place.read_at_exact(&mut bytes, 0)?;
    Ok(Some(bytes))
}

/// Tells a damaged copy from a disk that failed.
fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error;
    // What should be a blob is none, or of a length that it never had.
    matches!(error, Error::InvalidColumnType(..) | Error::IntegralValueOutOfRange(..) | Error::BlobSizeError)
        || matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::TooBig))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const PAGE: usize = 4096;

    fn open(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection
            .execute_batch(
                "PRAGMA auto_vacuum = INCREMENTAL;
                 CREATE TABLE IF NOT EXISTS message (seq INTEGER PRIMARY KEY, size INTEGER, sha256 BLOB);
                 CREATE TABLE IF NOT EXISTS raw (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL)",
            )
            .unwrap();
        connection
    }

    fn keep(connection: &Connection, seq: i64, bytes: &[u8]) {
        let sha256 = <[u8; 32]>::from(Sha256::digest(bytes));
        connection.execute("INSERT INTO message VALUES (?1, ?2, ?3)", params![seq, bytes.len(), sha256]).unwrap();
        write(connection, seq, bytes).unwrap();
    }

    /// Bytes that no page shares with those of another seed.
    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut chance = fastrand::Rng::with_seed(seed);
        std::iter::repeat_with(|| chance.u8(..)).take(length).collect()
    }

    #[test]
    fn bytes_of_any_length_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder.path().join("spool.db"));
        for (seq, length) in (1..).zip([0, 1, BOUND_MAX, BOUND_MAX + 1, 3 << 20]) {
            let bytes = noise(1, length);
            keep(&connection, seq, &bytes);
            assert_eq!(read(&connection, seq).unwrap(), Some(bytes));
        }
        assert_eq!(read(&connection, 9).unwrap(), None);
        erase(&connection, 1).unwrap();
        assert_eq!(read(&connection, 1).unwrap(), None, "the message is known, its bytes are gone");
    }

    /// Spoils the file where the middle of message 2 lies; that one alone is damaged, and stays as it is.
    fn check(length: usize, spoil: impl Fn(&mut [u8])) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.db");
        let all: Vec<Vec<u8>> = (1..=3).map(|seed| noise(seed, length)).collect();
        let connection = open(&path);
        (1..).zip(&all).for_each(|(seq, bytes)| keep(&connection, seq, bytes));
        connection.close().unwrap();
        let mut file = fs::read(&path).unwrap();
        let middle = &all[1][length / 2..length / 2 + 16];
        let page = file.windows(16).position(|window| window == middle).unwrap() / PAGE;
        spoil(&mut file[page * PAGE..(page + 1) * PAGE]);
        fs::write(&path, &file).unwrap();
        let connection = open(&path);
        let is_damaged = || matches!(read(&connection, 2), Err(SpoolError::Damaged(MessageKey(2))));
        assert!(is_damaged(), "{length}");
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!(matches!(erase(&connection, 2), Err(SpoolError::Damaged(MessageKey(2)))) && is_damaged(), "{length}");
        connection.execute_batch("ROLLBACK; BEGIN IMMEDIATE").unwrap();
        erase(&connection, 1).unwrap();
        keep(&connection, 4, &all[0]);
        connection.execute_batch("COMMIT").unwrap();
        let there = |seq| read(&connection, seq).unwrap();
        assert_eq!((there(1), there(3), there(4)), (None, Some(all[2].clone()), Some(all[0].clone())), "{length}");
    }

    #[test]
    fn a_copy_with_a_broken_page_or_a_flipped_bit_is_damaged_and_takes_no_other_with_it() {
        for length in [PAGE * 3, BOUND_MAX + PAGE] {
            // The number of the page that comes next.
            check(length, |page| page[..4].fill(0));
            check(length, |page| page[..4].fill(0xff));
            check(length, |page| page[PAGE / 2] ^= 1);
            check(length, |page| page.fill(0));
        }
    }

    #[test]
    fn what_is_no_blob_any_more_or_too_long_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder.path().join("spool.db"));
        for (seq, now) in (1..).zip(["'a'", "7", "zeroblob(4)", "x'62'"]) {
            keep(&connection, seq, b"a");
            connection.execute(&format!("UPDATE raw SET bytes = {now} WHERE seq = {seq}"), []).unwrap();
            assert!(matches!(read(&connection, seq), Err(SpoolError::Damaged(_))), "{now}");
        }
    }

    #[test]
    fn a_fault_beside_the_bytes_is_no_damaged_copy() {
        let connection = Connection::open_in_memory().unwrap();
        assert!(matches!(read(&connection, 1), Err(SpoolError::Database(_))));
        assert!(matches!(erase(&connection, 1), Err(SpoolError::Database(_))));
    }
}
