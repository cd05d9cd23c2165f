//! `pophook check`: all problems of the file at once, and what the servers say.

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use rustix::fs::Access;
use tokio::task::JoinSet;

use super::ConfigFile;
use super::LEFT;
use super::block_on;
use super::interrupt::unless_interrupted;
use super::log;
use super::out;
use super::store;
use crate::app::enrolments;
use crate::clock::Clock;
use crate::collect;
use crate::collect::Mailbox;
use crate::collect::VisitError;
use crate::collect::quirks;
use crate::config::Config;
use crate::deliver;
use crate::route;
use crate::secret::Unavailable;
use crate::spool::EndpointRow;
use crate::spool::Enrolment;
use crate::spool::Ledger;
use crate::spool::Reading as _;
use crate::spool::SpoolError;
use crate::spool::sqlite::Readers;

/// A server that does not answer the check in this time is a finding. Longer than connecting and waiting for a greeting
/// may take, so that the finding says what was waited for.
const PATIENCE: Duration = Duration::from_secs(150);

/// Tells all problems of the configuration at once, and with --online what the servers say
///
/// It also warns where the spool's folder is missing, or cannot be written by who runs this; nothing is made. --online
/// looks into the spool, logs in to each mailbox and counts its messages (nothing is retrieved or
/// deleted), and looks whether each endpoint can be reached and has a valid signing key; nothing is posted. Into the
/// attachment store it puts a small object, `pophook-check`, and fetches it by a link. A mailbox whose refresh token a running
/// pophook uses is not logged in to, which is a note and no finding. Exit code 0: fine. 64: the file. 2: findings in
/// what it names: the spool's folder, a mailbox, an endpoint, the store.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    config: ConfigFile,
    /// Connect to each mailbox and endpoint as well
    #[arg(long)]
    online: bool,
}

/// What one server said.
struct Answer {
    name: String,
    said: Said,
    warnings: Vec<String>,
}

/// What it comes to.
enum Said {
    Fine(String),
    /// It was not asked, and that is no fault.
    Note(String),
    Finding(String),
}

impl From<Result<String, String>> for Said {
    fn from(said: Result<String, String>) -> Said {
        said.map_or_else(Said::Finding, Said::Fine)
    }
}

impl Check {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        log::start(log::Format::Text, "error");
        let config = self.config.load()?;
        let (mailboxes, endpoints) = (config.collect.mailboxes.len(), config.deliver.endpoints.len());
        let file = self.config.config.display();
        out::line(format!("{file}: {mailboxes} mailboxes and {endpoints} endpoints, no problem").as_bytes())?;
        if let Some((idle, all)) = route::unreachable(&config.deliver.routes) {
            let why = format!("rule {idle} and those after it are never read: every mail matches rule {all}");
            out::line(format!("warning  routes: {why}; give that one conditions, or move it to the end").as_bytes())?;
        }
        if self.online {
            return block_on(online(config));
        }
        // With --online it is told among the rest.
        if let Err(why) = look_at_folder(&config.spool.path) {
            out::line(format!("warning  spool: {why}").as_bytes())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn online(mut config: Config) -> anyhow::Result<ExitCode> {
    let sources = store::make_sources(&mut config, &Clock::system())?;
    let mut asked = JoinSet::new();
    for (index, mailbox) in config.collect.mailboxes.iter().cloned().enumerate() {
        let ours = sources.are_ours(&mailbox.name);
        let spool = config.spool.path.clone();
        asked.spawn(async move { (1, index, ask_mailbox(&mailbox, ours, &spool).await) });
    }
    if let Some(store) = config.deliver.store.clone() {
        asked.spawn(async move { (3, 0, try_store(&store).await) });
    }
    for (index, endpoint) in config.deliver.endpoints.iter().cloned().enumerate() {
        asked.spawn(async move { (2, index, ask_endpoint(&endpoint).await) });
    }
    let (spool, mailboxes) = (config.spool.path.clone(), enrolments(&config));
    asked.spawn(async move { (0, 0, look_at_spool(&spool, mailboxes).await) });
    let answers = unless_interrupted(&sources.fetches, "pophook: interrupted", asked.join_all()).await?;
    let Some(mut answers) = answers else { return Ok(ExitCode::from(LEFT)) };
    let unsigned = config.deliver.endpoints.iter().enumerate();
    answers.extend(unsigned.filter_map(|(index, endpoint)| Some((2, index, look_at_keys(endpoint)?))));
    answers.sort_by_key(|(kind, index, _)| (*kind, *index));
    let mut fine = true;
    for (_, _, answer) in answers {
        let line = match &answer.said {
            Said::Fine(said) => format!("ok       {}: {said}", answer.name),
            Said::Note(why) => format!("note     {}: {why}", answer.name),
            Said::Finding(why) => format!("FINDING  {}: {why}", answer.name),
        };
        out::line(line.as_bytes())?;
        for warning in &answer.warnings {
            out::line(format!("warning  {}: {warning}", answer.name).as_bytes())?;
        }
        fine &= !matches!(answer.said, Said::Finding(_));
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(LEFT) })
}

async fn look_at_spool(path: &Path, mailboxes: Vec<Enrolment>) -> Answer {
    let name = "spool".to_owned();
    if let Err(why) = look_at_folder(path) {
        return Answer { name, said: Said::Finding(why), warnings: Vec::new() };
    }
    if !path.exists() {
        let said = format!("{} is made by the first `pophook run` or `pophook once`", path.display());
        return Answer { name, said: Said::Fine(said), warnings: Vec::new() };
    }
    match look_into_spool(path, mailboxes).await {
        Ok(warnings) => Answer { name, said: Said::Fine(path.display().to_string()), warnings },
        Err(error) => Answer { name, said: Said::Finding(error.to_string()), warnings: Vec::new() },
    }
}

/// Whether `run` could make and write the spool at `path`; why not, and what to do. Nothing is made for it.
fn look_at_folder(path: &Path) -> Result<(), String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shown = folder.display();
    if !folder.is_dir() {
        return Err(format!(
            "its folder {shown} does not exist; make it, or mount its volume, and give it to pophook's user"
        ));
    }
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        format!("cannot write in {shown}: {error}; give the folder to pophook's user, or run this as that one")
    })?;
    let files = ["", "-wal", "-shm", ".lock"].map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    });
    for file in files.iter().filter(|file| file.exists()) {
        rustix::fs::access(file, Access::READ_OK | Access::WRITE_OK).map_err(|error| {
            format!(
                "cannot write {}: {error}; give the file to pophook's user, or run this as that one",
                file.display()
            )
        })?;
    }
    Ok(())
}

/// Tells which endpoints are held.
async fn look_into_spool(path: &Path, mailboxes: Vec<Enrolment>) -> Result<Vec<String>, SpoolError> {
    let spool = Readers::open(path)?;
    spool.may_enrol(mailboxes).await?;
    let rows = spool.endpoints().await?;
    let tell = |row: EndpointRow| {
        let why = row.held?.as_str();
        let (endpoint, pending) = (row.endpoint, row.pending);
        Some(format!("endpoint {endpoint} is held ({why}), {pending} wait: see `pophook endpoint list`"))
    };
    Ok(rows.into_iter().filter_map(tell).collect())
}

async fn ask_mailbox(mailbox: &Mailbox, ours: Result<(), Unavailable>, spool: &Path) -> Answer {
    let name = format!("mailbox {}", mailbox.name);
    if let Err(why) = ours {
        return Answer { name, said: Said::Note(format!("not logged in: {why}")), warnings: Vec::new() };
    }
    let asked = tokio::time::timeout(PATIENCE, log_in(mailbox, spool)).await;
    let (said, warnings) = match asked {
        Ok(Ok((said, warnings))) => (Ok(said), warnings),
        Ok(Err(error)) => (Err(error.explain()), Vec::new()),
        Err(_) => (Err(format!("no answer within {PATIENCE:?}")), Vec::new()),
    };
    Answer { name, said: said.into(), warnings }
}

async fn log_in(mailbox: &Mailbox, spool: &Path) -> Result<(String, Vec<String>), VisitError> {
    let mut session = collect::log_in(mailbox).await?;
    let listing = session.list().await?;
    let capabilities = session.capabilities();
    let ledger = match spool.exists() {
        true => Readers::open(spool)?.ledger(&mailbox.name).await?,
        false => Ledger::default(),
    };
    let warnings = quirks(mailbox, capabilities, &listing, &ledger).iter().map(ToString::to_string).collect();
    let pipelining = if capabilities.has("PIPELINING") { ", PIPELINING" } else { "" };
    let said = format!("logged in, {} messages{pipelining}", listing.entries.len());
    session.quit().await?;
    Ok((said, warnings))
}

async fn ask_endpoint(endpoint: &deliver::Endpoint) -> Answer {
    let name = format!("endpoint {}", endpoint.name);
    let said = deliver::reach(endpoint, &Clock::system())
        .await
        .map(|status| format!("reachable (HTTP {status} to a HEAD request)"));
    let now = Clock::system().now();
    let days = endpoint.signing.standing(now).and_then(|keys| keys.days_left(now));
    let warn = |days| format!("its last signing key ends in {days} days or less; add one to signing_keys");
    Answer { name, said: said.into(), warnings: days.map(warn).into_iter().collect() }
}

async fn try_store(store: &deliver::AttachmentStore) -> Answer {
    let said = deliver::try_out(store, &Clock::system()).await;
    let said = said.map(|()| format!("bucket {}: an object was put, and fetched by its link", store.bucket));
    Answer { name: "attachment_store".to_owned(), said: said.into(), warnings: Vec::new() }
}

/// What is wrong where mail would wait for want of a key.
fn look_at_keys(endpoint: &deliver::Endpoint) -> Option<Answer> {
    let keys = endpoint.signing.standing(Clock::system().now()).filter(|keys| keys.valid == 0)?;
    let next = keys.begins.map(|begins| format!(" before {begins:.0}")).unwrap_or_default();
    let why = format!("no signing key is valid{next}, and nothing is posted; write a valid one in signing_keys");
    Some(Answer { name: format!("endpoint {}", endpoint.name), said: Said::Finding(why), warnings: Vec::new() })
}
