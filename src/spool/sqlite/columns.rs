//! Between the columns and our words.

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;

use crate::ident::MailboxName;
use crate::ident::MessageId;
use crate::ident::UniqueId;
use crate::spool::Kind;
use crate::spool::MessageKey;
use crate::spool::Spooled;

/// The columns that [`spooled`] reads, in its order.
pub(super) const SPOOLED: &str =
    "message.seq, message.id, message.mailbox, message.unique_id, message.sha256, message.size, message.spooled_at,
     message.kind, message.listed_size, message.size_limit";

/// Reads a message from a row that begins with [`SPOOLED`].
pub(super) fn spooled(row: &Row<'_>) -> Result<Spooled, rusqlite::Error> {
    let unique_id: Option<Vec<u8>> = row.get(3)?;
    Ok(Spooled {
        key: MessageKey(row.get(0)?),
        id: MessageId::parse(&row.get::<_, String>(1)?).ok_or_else(|| illegal(1))?,
        mailbox: mailbox_or_none(row, 2)?,
        unique_id: unique_id.and_then(|bytes| UniqueId::parse(&bytes)),
        sha256: row.get(4)?,
        size: row.get(5)?,
        spooled_at: time(row, 6)?,
        kind: kind(row, 7)?,
    })
}

fn kind(row: &Row<'_>, column: usize) -> Result<Kind, rusqlite::Error> {
    let name: String = row.get(column)?;
    if name == Kind::Mail.as_str() {
        return Ok(Kind::Mail);
    }
    if let Some(event) = Kind::parse_event(&name) {
        return Ok(event);
    }
    let event = Kind::Oversize { size: row.get(column + 1)?, limit: row.get(column + 2)? };
    if name == event.as_str() { Ok(event) } else { Err(illegal(column)) }
}

/// Reads a mailbox's name.
pub(super) fn mailbox(row: &Row<'_>, column: usize) -> Result<MailboxName, rusqlite::Error> {
    MailboxName::parse(&row.get::<_, String>(column)?).map_err(|_| illegal(column))
}

/// Reads a mailbox's name; the empty one is none.
fn mailbox_or_none(row: &Row<'_>, column: usize) -> Result<Option<MailboxName>, rusqlite::Error> {
    let empty = row.get_ref(column)?.as_str()?.is_empty();
    if empty { Ok(None) } else { mailbox(row, column).map(Some) }
}

/// Reads a time.
pub(super) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp, rusqlite::Error> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|_| illegal(column))
}

/// Reads a time that may be missing.
pub(super) fn time_or_none(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, rusqlite::Error> {
    let millis: Option<i64> = row.get(column)?;
    millis.map(|ms| Timestamp::from_millisecond(ms).map_err(|_| illegal(column))).transpose()
}

/// A value that this program never wrote.
pub(super) fn illegal(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Null, "not a value that pophook writes".into())
}

/// A count as SQLite's integer; what does not fit is as good as endless.
pub(super) fn integer<N: TryInto<i64>>(number: N) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
