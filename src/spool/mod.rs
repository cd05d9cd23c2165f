//! The disk.

mod config;

pub use config::Config;
