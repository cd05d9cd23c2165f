//! Readers beside the writer: they see what is committed and never wait for it.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;

use rusqlite::Connection;
use rusqlite::OptionalExtension as _;

use super::collected;
use super::reports;
use crate::ident::MailboxName;
use crate::spool::AttemptRow;
use crate::spool::EndpointRow;
use crate::spool::Filter;
use crate::spool::Ledger;
use crate::spool::MailboxRow;
use crate::spool::MessageKey;
use crate::spool::Reading;
use crate::spool::Reply;
use crate::spool::Row;
use crate::spool::SpoolError;
use crate::spool::Spooled;
use crate::spool::Stats;

/// Connections that read beside the writer, each used by one caller at a time.
#[derive(Debug, Clone)]
pub struct Readers {
    path: Arc<Path>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    /// Opens the spool at `path` for reading.
    ///
    /// # Errors
    /// No spool there, or one of a newer schema.
    pub fn open(path: &Path) -> Result<Readers, SpoolError> {
        let first = super::open::reading(path)?;
        Ok(Readers { path: path.into(), idle: Arc::new(Mutex::new(vec![first])) })
    }

    /// Runs `work` on a reading connection, on a thread where blocking is allowed.
    pub(super) fn read<T, F>(&self, work: F) -> Reply<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, SpoolError> + Send + 'static,
    {
        let readers = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let idle = readers.idle.lock().ok().and_then(|mut idle| idle.pop());
            let connection = match idle {
                Some(connection) => connection,
                None => super::open::reading(&readers.path)?,
            };
            let value = work(&connection);
            if let Ok(mut idle) = readers.idle.lock() {
                idle.push(connection);
            }
            value
        });
        Box::pin(async move { task.await.map_err(|_| SpoolError::Closed)? })
    }
}

impl Reading for Readers {
    fn ledger(&self, mailbox: &MailboxName) -> Reply<Ledger> {
        let mailbox = mailbox.clone();
        self.read(move |c| collected::ledger(c, &mailbox))
    }

    fn raw(&self, message: MessageKey) -> Reply<Option<Vec<u8>>> {
        self.read(move |c| {
            let raw = c
                .prepare_cached("SELECT bytes FROM raw WHERE seq = ?1")?
                .query_row([message.0], |row| row.get(0))
                .optional()?;
            Ok(raw)
        })
    }

    fn list(&self, filter: Filter) -> Reply<Vec<Row>> {
        self.read(move |c| reports::list(c, &filter))
    }

    fn find(&self, id: &str) -> Reply<Option<Spooled>> {
        let id = id.to_owned();
        self.read(move |c| reports::find(c, &id))
    }

    fn attempts(&self, message: MessageKey) -> Reply<Vec<AttemptRow>> {
        self.read(move |c| reports::attempts(c, message.0))
    }

    fn mailboxes(&self) -> Reply<Vec<MailboxRow>> {
        self.read(reports::mailboxes)
    }

    fn endpoints(&self) -> Reply<Vec<EndpointRow>> {
        self.read(reports::endpoints)
    }

    fn stats(&self) -> Reply<Stats> {
        self.read(reports::stats)
    }
}
