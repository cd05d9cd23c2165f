//! The raw bytes of messages, into the file and out of it.
//!
//! Bound as a value, SQLite would copy bytes twice on their way in, and once on their way out. A large message is
//! written to its place in the file instead, and read from there, so that one copy of it is in memory.

use rusqlite::Connection;
use rusqlite::MAIN_DB;
use rusqlite::OptionalExtension as _;
use rusqlite::blob::ZeroBlob;
use rusqlite::params;

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
pub(super) fn read(connection: &Connection, seq: i64) -> Result<Option<Vec<u8>>, SpoolError> {
    // Both looks see the same state of the file, whatever is released meanwhile.
    let _looking = connection.is_autocommit().then(|| connection.unchecked_transaction()).transpose()?;
    let length: Option<usize> = connection
        .prepare_cached("SELECT length(bytes) FROM raw WHERE seq = ?1")?
        .query_row([seq], |row| row.get(0))
        .optional()?;
    let Some(length) = length else { return Ok(None) };
    if length <= BOUND_MAX {
        let mut select = connection.prepare_cached("SELECT bytes FROM raw WHERE seq = ?1")?;
        return Ok(select.query_row([seq], |row| row.get(0)).optional()?);
    }
    let place = connection.blob_open(MAIN_DB, "raw", "bytes", seq, true)?;
    let mut bytes = vec![0; length];
    place.read_at_exact(&mut bytes, 0)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_any_length_come_back_as_they_were() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE raw (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL)").unwrap();
        for (seq, length) in (1..).zip([0, 1, BOUND_MAX, BOUND_MAX + 1, 3 << 20]) {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            write(&connection, seq, &bytes).unwrap();
            assert_eq!(read(&connection, seq).unwrap(), Some(bytes));
        }
        assert_eq!(read(&connection, 9).unwrap(), None);
    }
}
