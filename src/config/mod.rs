//! The whole configuration: one YAML file, read once and believed from then on.
//!
//! Three steps: `file` says what may be written (and is the only place that knows YAML), `check` says what makes sense
//! and draws in secrets and certificates, and each room gets its own `Config`. Every problem of the file is gathered
//! before it fails, each with its line, its path and its remedy, so that an operator repairs the file once.
//!
//! Nobody below reads a file, an environment variable or YAML.

mod check;
mod file;
mod list;
mod locate;
mod mapping;
mod names;
mod nearest;
mod outside;
mod plain;
mod problem;
mod secret;
mod shape;
mod twice;
mod units;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

pub use problem::Problem;
pub use problem::Problems;

use crate::admin;
use crate::collect;
use crate::config::outside::Outside;
use crate::config::outside::System;
use crate::config::problem::Report;
use crate::deliver;
use crate::oauth;
use crate::retention;
use crate::spool;

/// What each room is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The disk.
    pub spool: spool::Config,
    /// How long our own copies are kept.
    pub retention: retention::Config,
    /// The mailboxes.
    pub collect: collect::Config,
    /// By what those mailboxes that log in with tokens get them.
    pub oauth: oauth::Config,
    /// The endpoints, and which mail goes where.
    pub deliver: deliver::Config,
    /// The HTTP server for operators.
    pub admin: admin::Config,
    /// The longest wait for what is under way, when asked to stop.
    pub grace: Duration,
}

/// Reads the file at `path`, and the secrets and certificates that it names. Runs commands where a secret asks for it,
/// so it may take its time; it blocks.
///
/// # Errors
/// [`Problems`] with everything that is wrong, in the order of the lines.
pub fn load(path: &Path) -> Result<Config, Problems> {
    with_text(path, |text| from_text(text, &System))
}

/// Reads only where the spool lies, for commands that look into it: no secret is needed for that, and what is wrong
/// elsewhere in the file does not matter.
///
/// # Errors
/// [`Problems`] of the section `spool`.
pub fn load_spool(path: &Path) -> Result<spool::Config, Problems> {
    with_text(path, |text| {
        let mut elsewhere = Report::default();
        let tree = file::read(text, &mut elsewhere).map_err(|problem| vec![problem])?;
        let file = shape::shape(tree, &mut elsewhere);
        let mut report = Report::default();
        check::check_spool(&file, &mut report).ok_or_else(|| report.into_list(|path| file::line_of(text, path)))
    })
}

fn with_text<T>(path: &Path, read: impl FnOnce(&str) -> Result<T, Vec<Problem>>) -> Result<T, Problems> {
    let problems = |list| Problems { file: path.to_owned(), list };
    let unreadable = |e| format!("cannot be read: {e}; name the configuration file with -c");
    let text = std::fs::read_to_string(path)
        .map_err(|e| problems(vec![Problem { line: None, path: String::new(), text: unreadable(e) }]))?;
    read(&text).map_err(problems)
}

/// The JSON Schema of the file, for editors.
pub fn schema() -> serde_json::Value {
    shape::schema()
}

fn from_text(text: &str, outside: &dyn Outside) -> Result<Config, Vec<Problem>> {
    let mut report = Report::default();
    let tree = file::read(text, &mut report).map_err(|problem| vec![problem])?;
    let file = shape::shape(tree, &mut report);
    match check::check(&file, outside, &mut report) {
        Some(config) if report.is_empty() => Ok(config),
        Some(_) | None => Err(report.into_list(|path| file::line_of(text, path))),
    }
}
