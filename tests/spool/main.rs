//! The spool's rules, held from outside: whatever engine stands behind [`pophook::spool::Spool`] must pass this.
//!
//! Nothing here knows SQLite, but for [`ground`], which opens the engine, and [`file`], which holds what is true of a
//! spool in one file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "test code"
)]

mod conditions;
mod deliver;
mod disk;
mod dropping;
mod endpoints;
mod events;
mod file;
mod glances;
mod ground;
mod ledger;
mod lines;
mod notices;
mod order;
mod people;
mod retention;
#[path = "../support/small_disk.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod small_disk;
mod sorting;
mod tokens;
mod wishes;
