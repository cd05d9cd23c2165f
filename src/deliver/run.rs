//! The delivering half: one sorting, one queue for each endpoint; and how it goes over to another configuration.

use std::sync::Arc;

use tokio::sync::RwLock;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::AttachmentStore;
use super::Config;
use super::Event;
use super::OpenError;
use super::lines::Lines;
use super::means::Means;
use super::recent::Recent;
use super::score::Tally;
use super::slots::Slots;
use super::sorting::Rules;
use super::sorting::Sorter;
use super::store;
use super::store::Line;
use super::store::Links;
use super::store::Store;
use super::webhook::Webhook;
use crate::clock::Clock;
use crate::metrics::DeliverMetrics;
use crate::parse::DefectKind;
use crate::spool::Spool;
use crate::spool::SpoolError;

/// How long to deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Until told to stop.
    Forever,
    /// Until everything due has been tried once, and no more will come.
    Once,
}

/// The delivering half, ready to run.
#[derive(Debug)]
pub struct Deliverer {
    sorter: Sorter,
    means: Vec<Arc<Means>>,
    slots: Arc<Slots>,
    metrics: DeliverMetrics,
    control: Control,
    changes: mpsc::Receiver<Change>,
}

/// How a running deliverer is told of another configuration; cheap to clone.
#[derive(Debug, Clone)]
pub struct Control {
    shared: Shared,
    rules: Arc<RwLock<Rules>>,
    changes: mpsc::Sender<Change>,
}

/// A configuration whose clients are made.
#[derive(Debug)]
pub struct Prepared {
    means: Vec<Arc<Means>>,
    rules: Rules,
}

/// The endpoints from now on, and who is told once it is so.
type Change = (Vec<Arc<Means>>, oneshot::Sender<()>);

/// What all endpoints share.
#[derive(Debug, Clone)]
struct Shared {
    spool: Arc<dyn Spool>,
    recent: Arc<Recent>,
    clock: Clock,
    metrics: DeliverMetrics,
}

impl Shared {
    /// Has the rules that drop mail report zero from the start.
    fn declare(&self, rules: &Rules) {
        for rule in rules.routes.dropping() {
            self.metrics.dropped.with_label_values(&[rule]);
        }
    }
}

impl Deliverer {
    /// Makes the clients of all endpoints.
    ///
    /// # Errors
    /// An endpoint whose client cannot be made.
    pub fn new(
        config: Config,
        spool: &Arc<dyn Spool>,
        clock: &Clock,
        metrics: &DeliverMetrics,
    ) -> Result<Deliverer, OpenError> {
        for kind in DefectKind::ALL {
            metrics.defects.with_label_values(&[kind.as_str()]);
        }
        for result in store::RESULTS {
            metrics.uploads.with_label_values(&[result]);
        }
        let slots = Arc::new(Slots::new(config.in_flight));
        let (spool, clock, metrics) = (Arc::clone(spool), clock.clone(), metrics.clone());
        let shared = Shared { spool, recent: Arc::default(), clock, metrics };
        let Prepared { means, rules } = prepare(config, &shared)?;
        shared.declare(&rules);
        let rules = Arc::new(RwLock::new(rules));
        let sorter = Sorter {
            rules: Arc::clone(&rules),
            spool: Arc::clone(&shared.spool),
            recent: Arc::clone(&shared.recent),
            clock: shared.clock.clone(),
            metrics: shared.metrics.clone(),
        };
        let metrics = shared.metrics.clone();
        let (sender, changes) = mpsc::channel(1);
        let control = Control { shared, rules, changes: sender };
        Ok(Deliverer { sorter, means, slots, metrics, control, changes })
    }

    /// By what it can be told of another configuration while it runs.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Delivers; returns after `stop` once the attempts under way have ended and are written down. `collected` tells
    /// [`Mode::Once`] that no more messages will come.
    ///
    /// # Errors
    /// Only a fault of the spool after which the process must end.
    pub async fn run(
        self,
        mode: Mode,
        collected: CancellationToken,
        stop: CancellationToken,
    ) -> Result<Tally, SpoolError> {
        let sorted = CancellationToken::new();
        let mut changes = self.changes;
        let mut running = JoinSet::new();
        let mut lines = Lines::new(mode, sorted.clone(), stop.clone(), (self.slots, self.metrics));
        lines.adopt(self.means, &mut running);
        let sorting = async {
            let ended = self.sorter.run(mode, collected, stop.clone()).await;
            sorted.cancel();
            match ended {
                Err(error) if error.is_fatal() => Err(error),
                // What is under way is written down first.
                ended => Ok(ended),
            }
        };
        let delivering = async {
            let (mut sum, mut failed) = (Tally::default(), None);
            loop {
                tokio::select! {
                    ended = running.join_next() => {
                        let Some(ended) = ended else { return failed.map_or(Ok(sum), Err) };
                        let (endpoint, one) = ended.map_err(|_| SpoolError::Closed)?;
                        match one {
                            Ok(one) => sum = sum.and(one),
                            Err(error) if error.is_fatal() => return Err(error),
                            // What the others have under way is written down first.
                            Err(error) => failed = Some(error),
                        }
                        lines.ended(&endpoint);
                    }
                    Some((means, done)) = changes.recv() => {
                        lines.adopt(means, &mut running);
                        // Whoever asked may have been stopped meanwhile.
                        done.send(()).unwrap_or_default();
                    }
                }
            }
        };
        let (sorted, tally) = tokio::try_join!(sorting, delivering)?;
        sorted.map(|()| tally)
    }
}

impl Control {
    /// Makes the clients of `config`; nothing changes yet. It reads the system's certificates, so it takes its time.
    ///
    /// # Errors
    /// An endpoint whose client cannot be made.
    pub fn prepare(&self, config: Config) -> Result<Prepared, OpenError> {
        prepare(config, &self.shared)
    }

    /// Goes over to `prepared`: attempts under way end as they began, the next ones are made by the new settings, an
    /// endpoint that is gone gets no further one. When this returns, nothing is sorted by the former routes any more.
    pub async fn adopt(&self, prepared: Prepared) {
        let (done, adopted) = oneshot::channel();
        if self.changes.send((prepared.means, done)).await.is_ok() {
            // It fails only for a deliverer that has ended.
            adopted.await.unwrap_or_default();
        }
        self.shared.declare(&prepared.rules);
        // Waits for the batch that is being sorted.
        *self.rules.write().await = prepared.rules;
    }
}

fn prepare(config: Config, shared: &Shared) -> Result<Prepared, OpenError> {
    let (labels, reading) = (Arc::new(config.labels), Arc::new(config.reading));
    let asks = |endpoint: &&super::Endpoint| endpoint.events.contains(&Event::MailOversize);
    let oversize_to = config.endpoints.iter().filter(asks).map(|endpoint| endpoint.name.clone()).collect();
    let open = |store: &AttachmentStore| -> Result<_, OpenError> {
        let links = Links::over(store, Line::new(&store.http, &shared.clock)?)?;
        Ok(Arc::new(Store::new(links, &shared.clock, &shared.metrics)))
    };
    let store = config.store.as_ref().map(open).transpose()?;
    let means = |endpoint: super::Endpoint| -> Result<_, OpenError> {
        Ok(Arc::new(Means {
            webhook: Webhook::new(endpoint.clone(), &shared.clock)?,
            endpoint,
            labels: Arc::clone(&labels),
            reading: Arc::clone(&reading),
            spool: Arc::clone(&shared.spool),
            recent: Arc::clone(&shared.recent),
            store: store.clone(),
            clock: shared.clock.clone(),
        }))
    };
    let rules = Rules { routes: Arc::new(config.routes), oversize_to, reading: Arc::clone(&reading) };
    Ok(Prepared { means: config.endpoints.into_iter().map(means).collect::<Result<_, _>>()?, rules })
}
