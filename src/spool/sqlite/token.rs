//! The refresh tokens: one row a mailbox.

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::params;

use crate::spool::SpoolError;
use crate::spool::Token;

/// The token kept for `mailbox`. A reader may stand before a file of a schema that had none that count.
pub(super) fn find(connection: &Connection, mailbox: &str) -> Result<Option<Token>, SpoolError> {
    if !connection.prepare_cached("SELECT 1 FROM pragma_table_info('token') WHERE name = 'given_to'")?.exists([])? {
        return Ok(None);
    }
    let token = connection
        .prepare_cached("SELECT refresh_token, in_place_of, given_to FROM token WHERE mailbox = ?1")?
        .query_row([mailbox], |row| Ok(Token::new(row.get::<_, String>(0)?, row.get(1)?).given_to(row.get(2)?)))
        .optional()?;
    Ok(token)
}

/// Keeps `token` for `mailbox`, in the place of the one before.
pub(super) fn keep(connection: &Connection, mailbox: &str, token: &Token, now: Timestamp) -> Result<(), SpoolError> {
    connection
        .prepare_cached(
            "INSERT INTO token (mailbox, refresh_token, in_place_of, kept_at, given_to) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (mailbox) DO UPDATE SET refresh_token = ?2, in_place_of = ?3, kept_at = ?4, given_to = ?5",
        )?
        .execute(params![mailbox, token.reveal(), token.in_place_of(), now.as_millisecond(), token.whose()])?;
    Ok(())
}

/// Follows a mailbox to its new name. One that was kept under the new name already is the newer one.
pub(super) fn rename(connection: &Connection, former: &str, name: &str) -> Result<(), SpoolError> {
    connection.execute("UPDATE OR IGNORE token SET mailbox = ?2 WHERE mailbox = ?1", [former, name])?;
    connection.execute("DELETE FROM token WHERE mailbox = ?1", [former])?;
    Ok(())
}
