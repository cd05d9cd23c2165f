//! The tables, as a list of migrations: a file of schema N becomes N + 1 by running entry N.

use rusqlite::Connection;

use crate::crash;

/// Every migration in order. Entries are never changed once released, only added.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

    CREATE TABLE mailbox (
        name TEXT PRIMARY KEY,
        host TEXT NOT NULL,
        username TEXT NOT NULL,
        listed_at INTEGER,
        reread_at INTEGER,
        flood TEXT NOT NULL DEFAULT 'none'
    ) WITHOUT ROWID;

    CREATE TABLE message (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        mailbox TEXT NOT NULL,
        unique_id BLOB,
        sha256 BLOB NOT NULL,
        size INTEGER NOT NULL,
        spooled_at INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'spooled',
        parses INTEGER NOT NULL DEFAULT 0,
        settled_at INTEGER,
        released_at INTEGER
    );
    CREATE INDEX message_state ON message (state, settled_at) WHERE released_at IS NULL;
    CREATE INDEX message_unsettled ON message (mailbox, size) WHERE released_at IS NULL AND state <> 'delivered';

    CREATE TABLE raw (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL);

    -- unique_id is the empty blob where the server gives none that we can use.
    CREATE TABLE ledger (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        mailbox TEXT NOT NULL,
        unique_id BLOB NOT NULL,
        state TEXT NOT NULL,
        content BLOB,
        listed_size INTEGER,
        size_limit INTEGER,
        message INTEGER,
        absent_since INTEGER,
        marked_at INTEGER,
        expunged_at INTEGER,
        expunges INTEGER NOT NULL DEFAULT 0
    );
    CREATE UNIQUE INDEX ledger_entry ON ledger (mailbox, unique_id, content);
    CREATE INDEX ledger_message ON ledger (message);
    CREATE INDEX ledger_absent ON ledger (absent_since) WHERE absent_since IS NOT NULL;

    -- A key is never given out twice: the record of an attempt may come after its row is gone.
    CREATE TABLE delivery (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        message INTEGER NOT NULL,
        endpoint TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'pending',
        reason TEXT,
        form TEXT NOT NULL DEFAULT 'parsed',
        generation INTEGER NOT NULL DEFAULT 1,
        attempts INTEGER NOT NULL DEFAULT 0,
        failures INTEGER NOT NULL DEFAULT 0,
        refusals INTEGER NOT NULL DEFAULT 0,
        due INTEGER NOT NULL,
        tried_at INTEGER,
        budget_from INTEGER,
        last_status INTEGER,
        settled_at INTEGER,
        UNIQUE (message, endpoint)
    );
    CREATE INDEX delivery_due ON delivery (endpoint, due) WHERE state = 'pending';
    CREATE INDEX delivery_dead ON delivery (endpoint, reason) WHERE state = 'dead';

    CREATE TABLE attempt (
        delivery INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        started_at INTEGER NOT NULL,
        took_ms INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        status INTEGER,
        error TEXT,
        answer TEXT,
        PRIMARY KEY (delivery, attempt)
    ) WITHOUT ROWID;

    CREATE TABLE endpoint (
        name TEXT PRIMARY KEY,
        paused_until INTEGER,
        held TEXT,
        held_from INTEGER,
        held_ms INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
",
    // The number of APPLICATION_ID.
    "PRAGMA application_id = 1886351464",
    "
    -- in_place_of is the SHA-256 of the configuration's token at that time.
    CREATE TABLE token (
        mailbox TEXT PRIMARY KEY,
        refresh_token TEXT NOT NULL,
        in_place_of BLOB,
        kept_at INTEGER NOT NULL
    ) WITHOUT ROWID;
",
    "
    -- What is no mail has its kind: an event about a message that was not retrieved, with its size and its limit.
    ALTER TABLE message ADD COLUMN kind TEXT NOT NULL DEFAULT 'mail';
    ALTER TABLE message ADD COLUMN listed_size INTEGER;
    ALTER TABLE message ADD COLUMN size_limit INTEGER;
",
    // The SHA-256 of whom a token was given to. One that was kept without it counts no more.
    "ALTER TABLE token ADD COLUMN given_to BLOB",
    // Which message of a mailbox is the oldest that an endpoint has not settled, and how long it has been refused.
    "
    ALTER TABLE delivery ADD COLUMN mailbox TEXT NOT NULL DEFAULT '';
    UPDATE delivery SET mailbox = (SELECT mailbox FROM message WHERE seq = delivery.message);
    CREATE INDEX delivery_order ON delivery (endpoint, mailbox, message) WHERE state = 'pending';
    ALTER TABLE delivery ADD COLUMN refused_ms INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE delivery ADD COLUMN refused_from INTEGER;
",
    "
    -- paused_from and paused_ran (milliseconds that pophook had run) show a wall clock that was set back. breaker is closed, half_open or open; refused is a list of
    -- messages, with commas.
    ALTER TABLE endpoint ADD COLUMN paused_from INTEGER;
    ALTER TABLE endpoint ADD COLUMN paused_ran INTEGER;
    ALTER TABLE endpoint ADD COLUMN breaker TEXT NOT NULL DEFAULT 'closed';
    ALTER TABLE endpoint ADD COLUMN probe_at INTEGER;
    ALTER TABLE endpoint ADD COLUMN probes_failed INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE endpoint ADD COLUMN gone_since INTEGER;
    ALTER TABLE endpoint ADD COLUMN refused TEXT NOT NULL DEFAULT '';
    ALTER TABLE endpoint ADD COLUMN resumes INTEGER NOT NULL DEFAULT 0;
    -- What was never tried is found without reading a backlog of what failed.
    CREATE INDEX delivery_untried ON delivery (endpoint, due) WHERE state = 'pending' AND attempts = 0;
",
    "
    -- The message that a notice tells of.
    ALTER TABLE message ADD COLUMN about INTEGER;
    CREATE INDEX message_about ON message (about) WHERE about IS NOT NULL;

    -- How a mailbox is, and what was told of it. A flood is known by when it began.
    CREATE TABLE condition (
        mailbox TEXT PRIMARY KEY,
        state TEXT NOT NULL DEFAULT 'ok',
        since INTEGER,
        reason TEXT,
        failures INTEGER NOT NULL DEFAULT 0,
        told TEXT NOT NULL DEFAULT 'ok',
        flooding INTEGER NOT NULL DEFAULT 0,
        flooded_at INTEGER,
        told_flood INTEGER
    ) WITHOUT ROWID;

    -- The hold that was told last of an endpoint, known by its held_from.
    CREATE TABLE told_hold (endpoint TEXT PRIMARY KEY, held_from INTEGER NOT NULL) WITHOUT ROWID;
",
    "
    -- What the rule is called that dropped the message; NULL where an operator did. The second is for such messages alone.
    ALTER TABLE message ADD COLUMN dropped_by TEXT;
    ALTER TABLE message ADD COLUMN counts_as_delivered INTEGER NOT NULL DEFAULT 0;
",
    // Since when a mailbox is not visited because an operator said so.
    "ALTER TABLE mailbox ADD COLUMN paused_at INTEGER",
    "
    -- What a list shows and a search finds of a mail; it goes when the raw bytes go.
    CREATE TABLE glance (
        seq INTEGER PRIMARY KEY,
        subject TEXT,
        sender TEXT NOT NULL,
        recipients TEXT NOT NULL,
        kind TEXT NOT NULL,
        attachments INTEGER NOT NULL,
        words TEXT NOT NULL
    );
    CREATE INDEX message_here ON message (seq) WHERE released_at IS NULL;
    -- Up to here there are mails that were sorted before there were glances.
    INSERT INTO meta SELECT 'unread_to', coalesce(max(seq), 0) FROM message;
",
];

/// The first schema whose messages have a kind.
const KINDS_SINCE: i64 = 4;
/// The first schema that has conditions of mailboxes, and notices about messages.
const NOTICES_SINCE: i64 = 8;

/// The first schema whose messages can be dropped by a rule.
const DROPPING_SINCE: i64 = 9;

/// The first schema whose mailboxes can be paused.
const PAUSES_SINCE: i64 = 10;

/// The first schema that keeps what a list shows of a mail.
const GLANCES_SINCE: i64 = 11;

/// The first schema whose endpoints have a breaker.
const BREAKERS_SINCE: i64 = 7;

/// What SQLite's header says of a file of ours: "poph".
const APPLICATION_ID: i64 = 0x706F_7068;

/// Tables by which a spool is known that was made before it carried [`APPLICATION_ID`].
const OLD_TABLES: [&str; 4] = ["delivery", "ledger", "message", "raw"];

/// Whether an open file is a spool, or has nothing in it yet. Another program's tables are not ours to add to.
pub(super) fn is_ours(connection: &Connection) -> Result<bool, rusqlite::Error> {
    let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if id != 0 {
        return Ok(id == APPLICATION_ID);
    }
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let tables = tables.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    if tables.is_empty() {
        return Ok(found(connection)? == 0);
    }
    Ok(OLD_TABLES.iter().all(|wanted| tables.iter().any(|table| table == wanted)))
}

/// The schema that this program writes.
pub(super) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The schema of an open file; 0 for a new one.
pub(super) fn found(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Lets a reader find what it asks for in a file of schema `found`: where messages have no kind, they are mails; where
/// nothing says which rule dropped them, none did; where mailboxes cannot be paused, none is; and where endpoints have no breaker, it is closed. Should the file be migrated beside the reader, its own columns come
/// first.
pub(super) fn read_as_newest(connection: &Connection, found: i64) -> Result<(), rusqlite::Error> {
    if found < PAUSES_SINCE {
        connection.execute_batch("CREATE TEMP VIEW mailbox AS SELECT *, NULL AS paused_at FROM main.mailbox")?;
    }
    if found < DROPPING_SINCE {
        let kind = if found >= KINDS_SINCE { "" } else { "'mail' AS kind, NULL AS listed_size, NULL AS size_limit," };
        let about = if found >= NOTICES_SINCE { "" } else { "NULL AS about," };
        connection.execute_batch(&format!(
            "CREATE TEMP VIEW message AS
             SELECT *, {kind} {about} NULL AS dropped_by, 0 AS counts_as_delivered FROM main.message"
        ))?;
    }
    if found < GLANCES_SINCE {
        connection.execute_batch(
            "CREATE TEMP VIEW glance AS SELECT NULL AS seq, NULL AS subject, NULL AS sender, NULL AS recipients,
             NULL AS kind, NULL AS attachments, NULL AS words",
        )?;
    }
    if found < NOTICES_SINCE {
        connection.execute_batch(
            "CREATE TEMP VIEW condition AS SELECT NULL AS mailbox, NULL AS state, NULL AS since, NULL AS reason",
        )?;
    }
    if found < BREAKERS_SINCE {
        connection.execute_batch(
            "CREATE TEMP VIEW endpoint AS
             SELECT *, 'closed' AS breaker, NULL AS probe_at, 0 AS probes_failed FROM main.endpoint",
        )?;
    }
    Ok(())
}

/// Brings an open file from `found` to the newest schema, each step in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection, found: i64) -> Result<(), rusqlite::Error> {
    for (number, sql) in (1i64..).zip(MIGRATIONS).filter(|(number, _)| *number > found) {
        let step = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        step.execute_batch(sql)?;
        step.pragma_update(None, "user_version", number)?;
        crash::point!("in migrate");
        step.commit()?;
        crash::point!("after migrate");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty file after `sql`.
    fn check(sql: &str, ours: bool) {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        assert_eq!(is_ours(&connection), Ok(ours), "{sql}");
    }

    #[test]
    fn a_spool_is_known_by_its_number_and_an_old_one_by_its_tables() {
        check("", true);
        check("PRAGMA application_id = 1886351464; CREATE TABLE later (a)", true);
        check(MIGRATIONS[0], true);
        check("CREATE TABLE message (text)", false);
        check("PRAGMA user_version = 7", false);
        check("PRAGMA application_id = 252006674", false);
    }

    #[test]
    fn every_step_ends_in_a_file_that_is_ours() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        migrate(&mut connection, 1).unwrap();
        let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).unwrap();
        assert_eq!((id, found(&connection)), (APPLICATION_ID, Ok(newest())));
    }
}
