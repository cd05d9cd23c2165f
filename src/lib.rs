//! pophook

pub mod clock;
pub mod ident;
pub mod metrics;
pub mod secret;

pub mod pop3;

pub mod collect;

pub mod spool;

pub mod parse;

pub mod route;

pub mod deliver;

pub mod retention;

pub mod admin;

pub mod config;

pub mod cli;

pub mod app;
