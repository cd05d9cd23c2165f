//! pophook takes mail from POP3 maildrops, puts each new message safely on its own disk, posts it as signed JSON to HTTP
//! endpoints until they accept it, and then deletes it from the server or keeps it there, as the operator ordered.
//!
//! # Two halves that know only the spool
//!
//! ```text
//!             collecting half                                  delivering half
//!  maildrop ──► pop3 session ──► SPOOL ──► parse ──► route ──► deliver ──► endpoint
//!     ▲            (RETR)      (durable)                         │
//!     │                             ▲                            │ settles
//!     └──── DELE … QUIT ◄── retention: keep or delete? ◄─────────┘
//! ```
//!
//! The collecting half ends when a message is committed; the delivering half begins there. A POP3 session never waits
//! for an endpoint. Read the rooms below from top to bottom and you walk with a message.
//!
//! # Invariants
//!
//! - **`pop3` does not know that a spool exists; `spool` knows neither POP3 nor HTTP; `parse` and `route` do no I/O.**
//! - **Nobody below `config` reads a file, an environment variable or YAML.** A room gets its own `Config` value.
//! - **`collect` never speaks HTTP, `deliver` never speaks POP3.** They meet only in `spool`.
//! - **There is no global state.** `app` owns everything and hands it down.
//! - **Parsing never fails.** What cannot be parsed is delivered with its defects listed.
//! - **An error that nobody foresaw defers;** it never refuses, and it never deletes.
//! - **No visit deletes a message that it took for the first time,** because the plan is made before the acts.
//! - **DELE and QUIT go out only when everything that they could destroy is on stable storage.**
//!
//! Which room may name which is held by a test, `tests/layers.rs`.
//!
//! # A walk: one message, from listing to DELE
//!
//! 1. `collect::run` finds the mailbox due, takes a slot, and starts a visit.
//! 2. `pop3` logs in and lists; `collect::plan` holds the listing against the ledger and the retention rule.
//! 3. `collect::retrieve` reads the message; `intake` hands it to the spool in a group. **Once `accept` has answered,
//!    we answer for it.** QUIT ends the session.
//! 4. `deliver::sorting` claims it, parses it, asks `route`, and commits its list of deliveries, or that a rule drops it.
//! 5. `deliver::queue` of each endpoint claims its delivery; `attempt` renders, signs and posts it; `settle` decides what
//!    the answer means, and the spool records it.
//!    A delivery that is dead by then, and the notice of it, are one commit; `notice` tells of accounts, and mails humans.
//! 6. At the next visit `retention` finds every delivery delivered; the mark is committed, DELE and QUIT go out, and a
//!    later listing shows that it is gone. `retention::sweep` releases our own copy in its time.

// -- words that all rooms share --

pub mod clock;
mod crash;
pub mod ident;
pub mod metrics;
pub mod secret;

// -- 1. the wire --

pub mod pop3;

// -- 2. the visit --

pub mod collect;

// -- 3. the disk --

pub mod spool;

// -- 4. the letter --

pub mod parse;

// -- 5. the sorting --

pub mod route;

// -- 6. the road --

pub mod deliver;

// -- 7. the end --

pub mod retention;

// -- around the way --

pub mod oauth;

pub mod notice;

pub mod admin;

pub mod config;

pub mod cli;

pub mod app;
