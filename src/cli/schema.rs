//! `pophook schema`: JSON Schemas for editors and receivers.

use std::process::ExitCode;

use clap::Subcommand;

use super::out;
use crate::config;
use crate::deliver::payload::json;

/// Prints a JSON Schema
#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum Schema {
    /// Of the configuration file, for editors
    Config,
    /// Of what endpoints get, for those who write one
    Payload,
}

impl Schema {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let schema = match self {
            Schema::Config => config::schema(),
            Schema::Payload => json::schema(),
        };
        out::line(&serde_json::to_vec_pretty(&schema)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
