//! Goes over to another configuration while the loops run, whole or not at all.
//!
//! What cannot be taken leaves everything as it was: a file that is bad, a secret that cannot be read, a client that
//! cannot be made, a mailbox that was renamed, an endpoint that is gone while deliveries to it are pending. Nothing that
//! is under way is dropped: it ends by the settings that it began with, and a visit whose rules changed deletes nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::destinations;
use super::enrolments;
use super::tokens::Tokens;
use crate::admin;
use crate::clock::Clock;
use crate::collect;
use crate::config;
use crate::config::Config;
use crate::config::Watched;
use crate::deliver::Control;
use crate::ident::EndpointName;
use crate::ident::MailboxName;
use crate::metrics::ConfigMetrics;
use crate::notice;
use crate::retention;
use crate::spool::EndpointRow;
use crate::spool::Spool;
use crate::spool::SpoolError;

/// After a change, files have to be quiet for so long before they are read: half a file is no configuration.
const QUIET: Duration = Duration::from_secs(1);
/// What failed for no fault of a file (a vault that is away, say) is tried again after so long.
const AGAIN: Duration = Duration::from_secs(60);

/// Where a daemon's configuration comes from, and who asks for it to be read anew.
#[derive(Debug)]
pub struct Origin {
    /// The file.
    pub path: PathBuf,
    /// The files that it was read from.
    pub watched: Watched,
    /// Told when somebody asks.
    pub asked: Arc<Notify>,
}

/// What follows the configuration.
#[derive(Debug)]
pub(super) struct Reloader {
    pub(super) origin: Origin,
    pub(super) running: Config,
    pub(super) spool: Arc<dyn Spool>,
    pub(super) clock: Clock,
    pub(super) metrics: ConfigMetrics,
    pub(super) tokens: Tokens,
    pub(super) collect: watch::Sender<Arc<collect::Config>>,
    pub(super) retention: watch::Sender<retention::Config>,
    pub(super) notice: watch::Sender<notice::Config>,
    pub(super) grace: watch::Sender<Duration>,
    pub(super) deliver: Control,
    /// What operators are shown.
    pub(super) shown: watch::Sender<Arc<Config>>,
    pub(super) access: watch::Sender<Arc<admin::access::Config>>,
    /// The endpoints that stay, where the spool could not hold the deliveries to others.
    pub(super) unheld: Option<Vec<EndpointName>>,
}

/// Why a configuration does not run.
#[derive(Debug)]
enum Refusal {
    /// It is bad. What it said.
    Failed(String),
    /// It would leave something behind; it may be taken later as it is.
    Refused(String),
    /// The spool failed, and the process must end.
    Fatal(SpoolError),
}

impl From<SpoolError> for Refusal {
    fn from(error: SpoolError) -> Refusal {
        match error {
            error if error.is_fatal() => Refusal::Fatal(error),
            renamed @ SpoolError::Renamed { .. } => Refusal::Refused(renamed.to_string()),
            other => Refusal::Failed(other.to_string()),
        }
    }
}

impl Reloader {
    /// Follows the files until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let followed = stop.run_until_cancelled(self.follow()).await;
        followed.unwrap_or(Ok(())).map_err(Into::into)
    }

    async fn follow(&mut self) -> Result<(), SpoolError> {
        // What was said last, so that it is said once.
        let mut said: Option<String> = None;
        loop {
            let asked = self.wait(said.is_some() || self.unheld.is_some()).await;
            if let Some(kept) = self.unheld.take() {
                self.hold(kept).await?;
            }
            if !asked && said.is_none() {
                continue;
            }
            let ended = self.reload().await;
            let (result, text) = match ended {
                Ok(()) => ("ok", None),
                Err(Refusal::Failed(text)) => ("failed", Some(text)),
                Err(Refusal::Refused(text)) => ("refused", Some(text)),
                Err(Refusal::Fatal(error)) => return Err(error),
            };
            self.metrics.reload_failed.set(i64::from(text.is_some()));
            if asked || text.is_none() || text != said {
                self.metrics.reloads.with_label_values(&[result]).inc();
                if let Some(why) = &text {
                    tracing::error!(result, "the configuration is not taken, the one before goes on: {why}");
                }
            }
            said = text;
        }
    }

    /// Returns when the files are to be read: somebody asks, they have changed, or it is time to try again. Tells
    /// whether there was a cause beside the time.
    async fn wait(&mut self, failed: bool) -> bool {
        let again = if failed { AGAIN } else { Duration::MAX };
        let look = async {
            let Some(every) = self.running.reload.watch else { return std::future::pending().await };
            loop {
                self.clock.wait(every).await;
                if !blocking(&self.origin.watched, Watched::changed).await {
                    continue;
                }
                let mut seen = blocking(&self.origin.watched, Watched::now).await;
                loop {
                    self.clock.wait(QUIET.min(every)).await;
                    let now = blocking(&seen, Watched::now).await;
                    if now == seen {
                        return;
                    }
                    seen = now;
                }
            }
        };
        tokio::select! {
            () = self.origin.asked.notified() => true,
            () = look => true,
            () = self.clock.wait(again), if failed => false,
        }
    }

    async fn reload(&mut self) -> Result<(), Refusal> {
        let path = self.origin.path.clone();
        let read = tokio::task::spawn_blocking(move || config::load_watched(&path)).await;
        let (config, watched) = read.map_err(|_| Refusal::Failed("reading it crashed".to_owned()))?;
        self.origin.watched = watched;
        let new = config.map_err(|problems| Refusal::Failed(problems.to_string()))?;
        self.apply(new).await
    }

    /// First everything that may be refused, then what changes. Done twice, it comes to the same.
    async fn apply(&mut self, mut new: Config) -> Result<(), Refusal> {
        let tokens = self.tokens.furnish(&mut new).map_err(|error| Refusal::Failed(error.to_string()))?;
        let (control, deliver) = (self.deliver.clone(), new.deliver.clone());
        let prepared = tokio::task::spawn_blocking(move || control.prepare(deliver)).await;
        let prepared = prepared.map_err(|_| Refusal::Failed("making the clients crashed".to_owned()))?;
        let prepared = prepared.map_err(|error| Refusal::Failed(error.to_string()))?;
        refuse_renames(&self.running, &new)?;
        self.spool.may_enrol(enrolments(&new)).await?;
        refuse_orphans(&new, &self.spool.endpoints().await?)?;

        self.spool.enrol(enrolments(&new)).await?;
        let (old, kept) = (destinations(&self.running), destinations(&new));
        self.spool.keep_endpoints(old.into_iter().chain(kept.iter().cloned()).collect()).await?;
        self.deliver.adopt(prepared).await;
        self.tokens.forget_but(&tokens);
        self.tokens = tokens;
        self.collect.send_replace(Arc::new(new.collect.clone()));
        self.retention.send_replace(new.retention);
        self.notice.send_replace(new.notice.clone());
        self.grace.send_replace(new.grace);
        warn_of_the_rest(&self.running, &new);
        let (mailboxes, endpoints) = (new.collect.mailboxes.len(), new.deliver.endpoints.len());
        self.access.send_replace(Arc::clone(&new.admin.access));
        self.running = Config { spool: self.running.spool.clone(), ..new };
        self.shown.send_replace(Arc::new(self.running.clone()));
        // Last: what was sorted by the former routes is held with the rest, and shown.
        self.hold(kept).await.map_err(Refusal::Fatal)?;
        tracing::info!(mailboxes, endpoints, "the configuration was read anew");
        Ok(())
    }

    /// Holds what is pending to endpoints that do not stay; later, if the spool cannot write that down now.
    async fn hold(&mut self, kept: Vec<EndpointName>) -> Result<(), SpoolError> {
        match self.spool.keep_endpoints(kept.clone()).await {
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "cannot hold deliveries to endpoints that are gone now; trying again");
                self.unheld = Some(kept);
            }
            Ok(()) => {}
        }
        Ok(())
    }
}

/// Asks the disk on a thread that may wait for it.
async fn blocking<T: Default + Send + 'static>(
    watched: &Watched,
    ask: impl FnOnce(&Watched) -> T + Send + 'static,
) -> T {
    let watched = watched.clone();
    tokio::task::spawn_blocking(move || ask(&watched)).await.unwrap_or_default()
}

/// A visit under way writes under the old name; a rename therefore waits for a start.
fn refuse_renames(old: &Config, new: &Config) -> Result<(), Refusal> {
    let runs = |name: &MailboxName| old.collect.mailboxes.iter().any(|mailbox| mailbox.name == *name);
    let renamed = new
        .collect
        .mailboxes
        .iter()
        .find(|mailbox| !runs(&mailbox.name) && mailbox.identity != mailbox.name && runs(&mailbox.identity));
    let Some(mailbox) = renamed else { return Ok(()) };
    let (former, name) = (&mailbox.identity, &mailbox.name);
    Err(Refusal::Refused(format!("mailbox {former} is renamed to {name}; that takes a restart")))
}

/// Deliveries to an endpoint that is gone would wait for ever, unless that was said to be meant.
fn refuse_orphans(new: &Config, rows: &[EndpointRow]) -> Result<(), Refusal> {
    let kept = destinations(new);
    let stays = |name: &EndpointName| kept.contains(name);
    let told = |name: &EndpointName| new.reload.removed_endpoints.contains(name);
    let held = |row: &EndpointRow| row.held == Some(crate::spool::Hold::Removed);
    let left: Vec<String> = rows
        .iter()
        .filter(|row| row.pending > 0 && !held(row) && !stays(&row.endpoint) && !told(&row.endpoint))
        .map(|EndpointRow { endpoint, pending, .. }| {
            // The endpoint of our own mail has no name that a file may have.
            let or = if endpoint.is_mail() {
                "or bring notices.smtp back until they are sent".to_owned()
            } else {
                format!("or have them held with `removed_endpoints: [{endpoint}]`")
            };
            format!(
                "endpoint {endpoint} is gone, and {pending} deliveries to it are pending; settle them with \
                 `pophook spool retry --endpoint {endpoint} --to NAME` or `pophook spool drop --endpoint {endpoint}`, \
                 {or}"
            )
        })
        .collect();
    if left.is_empty() { Ok(()) } else { Err(Refusal::Refused(left.join("; "))) }
}

/// What runs on as it was until the next start.
fn warn_of_the_rest(old: &Config, new: &Config) {
    if old.spool != new.spool {
        tracing::warn!(
            "spool was changed: url, max_size, min_free, max_share and ledger_keep count from the next start on"
        );
    }
    if old.collect.max_bytes_in_flight != new.collect.max_bytes_in_flight {
        tracing::warn!("collect.max_bytes_in_flight was changed: it counts from the next start on");
    }
    if old.deliver.in_flight != new.deliver.in_flight {
        tracing::warn!("deliver was changed: it counts from the next start on");
    }
    if (old.admin.listen, old.admin.probes_listen) != (new.admin.listen, new.admin.probes_listen) {
        tracing::warn!("admin.listen or probes_listen was changed: it counts from the next start on");
    }
}
