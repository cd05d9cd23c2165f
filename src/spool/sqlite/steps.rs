//! For tests: how much work statements make, in steps of SQLite's machine, whatever else the processor does.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use rusqlite::Connection;

/// Counts the steps of `connection` from now on.
pub(super) fn count(connection: &mut Connection) -> Arc<AtomicU64> {
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    let stepped = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        false
    };
    connection.progress_handler(1, Some(stepped)).unwrap();
    count
}
