//! Builds every room from [`Config`], starts the loops, drains them.
//!
//! A loop that ends by itself is a fault: the process ends with it, and its next start finds everything in the spool.

mod hands;
mod peers;
mod reload;
mod round;
mod start;
mod tokens;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::tokens::Tokens;
use crate::clock::Clock;
use crate::collect;
use crate::collect::Collector;
use crate::collect::Purpose;
use crate::config::Config;
use crate::crash;
use crate::deliver::Deliverer;
use crate::deliver::Mode;
use crate::ident::EndpointName;
use crate::metrics::Metrics;
use crate::notice;
use crate::notice::Notice;
use crate::oauth::Fetches;
use crate::spool::Change;
use crate::spool::Enrolment;
use crate::spool::Spool;
use crate::spool::SpoolError;
use crate::spool::sqlite::Sqlite;

pub use reload::Origin;
pub use round::Round;
pub use round::Waiting;
pub use tokens::end_fetches;
pub use tokens::make_sources;

/// How long the end waits for the spool to be written back into one file.
const CLOSE: Duration = Duration::from_secs(5);

/// What the spool is told of the configured mailboxes.
pub fn enrolments(config: &Config) -> Vec<Enrolment> {
    let enrolment = |mailbox: &collect::Mailbox| Enrolment {
        mailbox: mailbox.name.clone(),
        former_name: Some(mailbox.identity.clone()).filter(|former| *former != mailbox.name),
        host: mailbox.server.host.clone(),
        username: mailbox.server.username.clone(),
    };
    config.collect.mailboxes.iter().map(enrolment).collect()
}

/// Where deliveries can go: the configured endpoints and, where there is a mail server, the one of the reports by mail.
pub fn destinations(config: &Config) -> Vec<EndpointName> {
    let endpoints = config.deliver.endpoints.iter().map(|endpoint| endpoint.name.clone());
    endpoints.chain(config.notice.smtp.as_ref().map(|_| EndpointName::mail())).collect()
}
/// What runs until the end, each under its name.
type Loops = JoinSet<(&'static str, anyhow::Result<()>)>;

/// Every room, built.
#[derive(Debug)]
pub struct App {
    config: Config,
    clock: Clock,
    /// What is counted; a command may show it while it works.
    pub metrics: Metrics,
    spool: Arc<dyn Spool>,
    /// The access tokens that are being fetched. Whoever ends the process waits for them.
    pub fetches: Fetches,
    tokens: Tokens,
}

impl App {
    /// Opens the spool and makes the configured names known to it.
    ///
    /// # Errors
    /// A spool that cannot be opened, or a mailbox that was renamed without saying so.
    pub async fn open(mut config: Config, clock: Clock) -> anyhow::Result<App> {
        let metrics = Metrics::new()?;
        let spool = Arc::new(Sqlite::open(config.spool.clone(), clock.clone(), metrics.spool.clone())?);
        let tokens = Tokens::new(Arc::<Sqlite>::clone(&spool), &clock, &metrics.oauth).furnish(&mut config)?;
        let spool: Arc<dyn Spool> = spool;
        crash::point!("before enrol");
        spool.enrol(enrolments(&config)).await?;
        crash::point!("after enrol");
        crash::point!("before keep_endpoints");
        spool.keep_endpoints(destinations(&config)).await?;
        crash::point!("after keep_endpoints");
        metrics.notice.declare(&Change::ALL.map(Change::as_str), &notice::OUTCOMES);
        let quirks = collect::Quirk::ALL.map(collect::Quirk::as_str);
        for mailbox in &config.collect.mailboxes {
            metrics.collect.declare(&mailbox.name, &collect::RESULTS, &quirks);
        }
        Ok(App { config, clock, metrics, spool, fetches: tokens.fetches.clone(), tokens })
    }

    /// The daemon: runs until `asked`, then drains within the grace. It follows the configuration to `origin`.
    ///
    /// # Errors
    /// An address that cannot be bound, an endpoint's client that cannot be made, or a loop that ended by itself.
    pub async fn run(self, origin: Origin, asked: impl Future<Output = ()>) -> anyhow::Result<()> {
        let stop = CancellationToken::new();
        let (mut loops, grace) = self.start(&stop, origin).await?;
        tokio::pin!(asked);
        let fault = tokio::select! {
            () = &mut asked => None,
            Some(ended) = loops.join_next() => Some(fault(ended)),
        };
        let grace = *grace.borrow();
        if let Some(fault) = fault {
            loops.abort_all();
            end_fetches(&self.fetches, grace).await;
            return Err(fault);
        }
        tracing::info!(?grace, "stopping: nothing new begins, what is under way ends");
        stop.cancel();
        let drained = async {
            let drained = drain(&mut loops).await;
            self.fetches.ended().await;
            drained
        };
        match tokio::time::timeout(grace, drained).await {
            Ok(drained) => drained?,
            Err(_) => tracing::warn!("grace is over; what was under way is done again at the next start"),
        }
        self.close().await;
        tracing::info!("stopped");
        Ok(())
    }

    /// Leaves the spool in one file. That it could not be done costs nothing but the ease of copying it.
    pub async fn close(&self) {
        crash::point!("before close");
        let closed = tokio::time::timeout(CLOSE, self.spool.close()).await;
        crash::point!("after close");
        match closed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the spool's newest changes stay in its -wal file"),
            Err(_) => {
                tracing::warn!("the spool's newest changes stay in its -wal file: writing them back took too long");
            }
        }
    }

    fn collector(&self, config: watch::Receiver<Arc<collect::Config>>) -> Collector {
        Collector {
            config,
            spool: Arc::clone(&self.spool),
            clock: self.clock.clone(),
            metrics: self.metrics.collect.clone(),
        }
    }

    fn notice(&self, config: notice::Config) -> Notice {
        Notice {
            config,
            spool: Arc::clone(&self.spool),
            clock: self.clock.clone(),
            metrics: self.metrics.notice.clone(),
        }
    }

    /// One visit to every mailbox, one attempt for each delivery that is due, then a second short session that deletes
    /// what may go.
    ///
    /// # Errors
    /// Only a fault after which nothing can go on.
    pub async fn once(&self, stop: CancellationToken) -> anyhow::Result<Round> {
        let collect = watch::Sender::new(Arc::new(self.config.collect.clone()));
        let collector = self.collector(collect.subscribe());
        let deliverer = Deliverer::new(self.config.deliver.clone(), &self.spool, &self.clock, &self.metrics.deliver)?;
        let (notice, collected) = (self.notice(self.config.notice.clone()), CancellationToken::new());
        let collecting = async {
            let visits = stop.run_until_cancelled(collector.once(Purpose::Collect)).await;
            let told = notice.tell().await;
            collected.cancel();
            // Only what ends the process is told before the deliveries have ended: their outcomes are written down first.
            Ok::<_, SpoolError>((visits.unwrap_or_else(|| Ok(Vec::new()))?, told))
        };
        let delivering = deliverer.run(Mode::Once, collected.clone(), stop.clone());
        let ended = tokio::try_join!(collecting, delivering);
        let ((mut visits, told), mut attempts) = ended.map_err(cut_short)?;
        told?;
        let deletions = stop.run_until_cancelled(collector.delete_what_may_go(&visits)).await;
        for (name, deletion) in deletions.transpose()?.unwrap_or_default() {
            let Some((_, visit)) = visits.iter_mut().find(|(mailbox, _)| *mailbox == name) else { continue };
            match (visit.as_mut(), deletion) {
                (Ok(report), Ok(deletion)) => report.expunged += deletion.expunged,
                (Ok(_), Err(error)) => *visit = Err(error),
                (Err(_), _) => {}
            }
        }
        // What the deliveries showed of endpoints; the next run posts it.
        notice.tell().await?;
        let mailed = notice.mail_once(stop.clone()).await?;
        attempts.delivered += mailed.delivered;
        attempts.deferred += mailed.deferred;
        attempts.dead += mailed.dead;
        let waiting = Waiting::of(&self.spool.stats().await?, &self.spool.endpoints().await?);
        end_fetches(&self.fetches, Fetches::LONGEST).await;
        self.close().await;
        Ok(Round { visits, attempts, waiting })
    }
}

/// What a single round says that a fault of the spool ended.
fn cut_short(error: SpoolError) -> anyhow::Error {
    let is_full = matches!(error, SpoolError::NoSpace(_));
    let error = anyhow::Error::from(error);
    if !is_full {
        return error;
    }
    error.context(
        "the round ended early; mend the disk and run it again: what was posted and could not be written down is posted \
         again, under the same webhook-id",
    )
}

/// What a loop says that ended by itself.
fn fault(ended: Result<(&'static str, anyhow::Result<()>), JoinError>) -> anyhow::Error {
    match ended.context("a loop crashed") {
        Ok((name, Ok(()))) => anyhow::anyhow!("the {name} loop ended by itself"),
        Ok((name, Err(error))) => error.context(format!("the {name} loop failed")),
        Err(crashed) => crashed,
    }
}

async fn drain(loops: &mut Loops) -> anyhow::Result<()> {
    while let Some(ended) = loops.join_next().await {
        let (name, ended) = ended.context("a loop crashed")?;
        ended.with_context(|| format!("the {name} loop failed"))?;
    }
    Ok(())
}
