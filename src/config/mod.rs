//! The whole configuration: one YAML file, read once and believed from then on.
//!
//! Three steps: `file` says what may be written (and is the only place that knows YAML), `check` says what makes sense
//! and draws in secrets and certificates, and each room gets its own `Config`. Every problem of the file is gathered
//! before it fails, each with its line, its path and its remedy, so that an operator repairs the file once.
//!
//! Nobody below reads a file, an environment variable or YAML.

mod check;
mod file;
mod filling;
mod gather;
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
mod watched;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

pub(crate) use nearest::did_you_mean;
pub use problem::Problem;
pub use problem::Problems;
pub use watched::Watched;

use crate::admin;
use crate::collect;
use crate::config::file::File;
use crate::config::gather::Sources;
use crate::config::list::items;
use crate::config::outside::Outside;
use crate::config::outside::System;
use crate::config::problem::Report;
use crate::config::watched::Noting;
use crate::deliver;
use crate::ident::EndpointName;
use crate::notice;
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
    /// What is told of mailboxes, endpoints and dead letters.
    pub notice: notice::Config,
    /// The HTTP server for operators.
    pub admin: admin::Config,
    /// The longest wait for what is under way, when asked to stop.
    pub grace: Duration,
    /// When the file is read anew, and what may then go.
    pub reload: Reload,
}

/// When the file is read anew, and what may then go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reload {
    /// The time between two looks at the files; `None`: only when asked.
    pub watch: Option<Duration>,
    /// Endpoints that may leave the file though deliveries to them are pending.
    pub removed_endpoints: Vec<EndpointName>,
}

/// What can be said of a file without its secrets and certificates: enough to open its spool and to change what lies
/// there.
#[derive(Debug, Clone)]
pub struct Outline {
    /// The disk.
    pub spool: spool::Config,
    /// The mailboxes, as the spool knows them.
    pub mailboxes: Vec<spool::Enrolment>,
    /// The endpoints.
    pub endpoints: Vec<EndpointName>,
}

/// The names that a file gives, legal or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Of mailboxes.
    pub mailboxes: Vec<String>,
    /// Of endpoints.
    pub endpoints: Vec<String>,
}

/// Reads the file at `path`, what it includes, and the secrets and certificates that it names. Runs commands where a
/// secret asks for it, so it may take its time; it blocks.
///
/// # Errors
/// [`Problems`] with everything that is wrong, in the order of the lines.
pub fn load(path: &Path) -> Result<Config, Problems> {
    load_watched(path).0
}

/// As [`load`]; tells also which files were read, whatever came of it.
pub fn load_watched(path: &Path) -> (Result<Config, Problems>, Watched) {
    let noting = Noting::new(&System);
    let config = with_text(path, &noting, |text, folder| from_text(text, folder, &noting));
    (config, noting.into_watched())
}

/// Reads only where the spool lies, for commands that look into it: no secret is needed for that, and what is wrong
/// elsewhere in the file does not matter.
///
/// # Errors
/// [`Problems`] of the section `spool`.
pub fn load_spool(path: &Path) -> Result<spool::Config, Problems> {
    with_text(path, &System, |text, folder| {
        let (file, sources) = shaped(text, folder, &System, &mut Report::default())?;
        let mut report = Report::default();
        check::check_spool(&file, &mut report).ok_or_else(|| sources.into_list(report))
    })
}

/// Reads what the file says without its secrets, for commands that change the spool. Every key must have its right
/// shape, but no secret is looked up, and no certificate is read.
///
/// # Errors
/// [`Problems`] with what is wrong with shapes, with the section `spool` and with names.
pub fn load_outline(path: &Path) -> Result<Outline, Problems> {
    with_text(path, &System, |text, folder| {
        let mut report = Report::default();
        let (file, sources) = shaped(text, folder, &System, &mut report)?;
        let outline = check::check_outline(&file, &mut report);
        sound(outline, sources, report)
    })
}

/// Reads only which names the file gives, whatever else is wrong with it.
///
/// # Errors
/// [`Problems`] of a file that cannot be read, or is no YAML.
pub fn load_names(path: &Path) -> Result<Names, Problems> {
    with_text(path, &System, |text, folder| {
        let (file, _) = shaped(text, folder, &System, &mut Report::default())?;
        Ok(Names {
            mailboxes: items(&file.mailboxes).filter_map(|(_, mailbox)| mailbox.name.clone()).collect(),
            endpoints: items(&file.endpoints).filter_map(|(_, endpoint)| endpoint.name.clone()).collect(),
        })
    })
}

fn with_text<T>(
    path: &Path,
    outside: &dyn Outside,
    read: impl FnOnce(&str, &Path) -> Result<T, Vec<Problem>>,
) -> Result<T, Problems> {
    let problems = |list| Problems { file: path.to_owned(), list };
    let whole = |line, text| problems(vec![Problem { file: None, line, path: String::new(), text }]);
    let bytes = outside
        .file(path)
        .map_err(|e| whole(None, format!("cannot be read: {e}; name the configuration file with -c")))?;
    let text = file::in_utf8(&bytes).map_err(|line| whole(Some(line), file::NO_UTF8.to_owned()))?;
    read(text, path.parent().unwrap_or(Path::new(""))).map_err(problems)
}

/// The JSON Schema of the file, for editors.
pub fn schema() -> serde_json::Value {
    shape::schema()
}

/// The shape of the file and of what it includes; what does not fit is noted in `report`. Fails only for what is no
/// YAML.
fn shaped(
    text: &str,
    folder: &Path,
    outside: &dyn Outside,
    report: &mut Report,
) -> Result<(File, Sources), Vec<Problem>> {
    let (mut tree, sources) = gather::gather(text, folder, outside, report).map_err(|problem| vec![problem])?;
    Ok((shape::clean(&mut tree, report), sources))
}

fn from_text(text: &str, folder: &Path, outside: &dyn Outside) -> Result<Config, Vec<Problem>> {
    let mut report = Report::default();
    let (file, sources) = shaped(text, folder, outside, &mut report)?;
    let config = check::check(&file, outside, &mut report);
    sound(config, sources, report)
}

/// What was read, if nothing is wrong.
fn sound<T>(read: Option<T>, sources: Sources, report: Report) -> Result<T, Vec<Problem>> {
    let problems = sources.into_list(report);
    read.filter(|_| problems.is_empty()).ok_or(problems)
}
