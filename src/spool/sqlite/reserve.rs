//! Space held back for the day on which the disk is full.
//!
//! A success that cannot be written down is posted again for ever. So the file holds 16 MiB of nothing; when a
//! record finds no space, they are given up for it, and taken anew when there is space again.

use rusqlite::Connection;

use crate::spool::SpoolError;

/// Bytes held back.
const RESERVE: u64 = 16 << 20;

/// Takes the reserve, unless it is there. Fails on a full disk; it is tried again later.
pub(super) fn take(connection: &Connection) -> Result<(), SpoolError> {
    if held(connection)? > 0 {
        return Ok(());
    }
    connection.execute("INSERT INTO reserve (bytes) VALUES (zeroblob(?1))", [RESERVE])?;
    Ok(())
}

/// Gives the reserve up.
pub(super) fn spend(connection: &Connection) -> Result<(), SpoolError> {
    connection.execute("DELETE FROM reserve", [])?;
    Ok(())
}

/// The reserve's bytes.
pub(super) fn held(connection: &Connection) -> Result<u64, SpoolError> {
    Ok(connection
        .prepare_cached("SELECT count(*) FROM reserve")?
        .query_row([], |row| row.get::<_, u64>(0))?
        .saturating_mul(RESERVE))
}
