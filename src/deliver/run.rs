//! The delivering half: one sorting, one queue for each endpoint.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::ClientError;
use super::Config;
use super::Event;
use super::OUTCOMES;
use super::attempt::Means;
use super::queue::Queue;
use super::recent::Recent;
use super::score::Tally;
use super::slots::Slots;
use super::sorting::Sorter;
use super::webhook::Webhook;
use crate::clock::Clock;
use crate::metrics::DeliverMetrics;
use crate::parse::DefectKind;
use crate::spool::Reason;
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
    queues: Vec<Queue>,
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
    ) -> Result<Deliverer, ClientError> {
        let recent = Arc::new(Recent::default());
        let slots = Arc::new(Slots::new(config.in_flight));
        let labels = Arc::new(config.labels);
        let reasons = Reason::DEAD_LETTERS.map(Reason::as_str);
        for kind in DefectKind::ALL {
            metrics.defects.with_label_values(&[kind.as_str()]);
        }
        let asks = |endpoint: &&super::Endpoint| endpoint.events.contains(&Event::MailOversize);
        let oversize_to = config.endpoints.iter().filter(asks).map(|endpoint| endpoint.name.clone()).collect();
        let queue = |endpoint: super::Endpoint| {
            metrics.declare(&endpoint.name, &OUTCOMES, &reasons);
            let means = Means {
                webhook: Webhook::new(endpoint.clone())?,
                endpoint,
                labels: Arc::clone(&labels),
                spool: Arc::clone(spool),
                recent: Arc::clone(&recent),
                clock: clock.clone(),
            };
            Ok(Queue::new(means, Arc::clone(&slots), metrics.clone()))
        };
        Ok(Deliverer {
            queues: config.endpoints.into_iter().map(queue).collect::<Result<_, _>>()?,
            sorter: Sorter {
                routes: config.routes,
                oversize_to,
                spool: Arc::clone(spool),
                recent,
                clock: clock.clone(),
                metrics: metrics.clone(),
            },
        })
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
        let mut loops = JoinSet::new();
        for queue in self.queues {
            loops.spawn(queue.run(mode, sorted.clone(), stop.clone()));
        }
        let sorting = async {
            let ended = self.sorter.run(mode, collected, stop.clone()).await;
            sorted.cancel();
            ended
        };
        let delivering = async {
            let mut sum = Tally::default();
            while let Some(ended) = loops.join_next().await {
                let one: Tally = ended.map_err(|_| SpoolError::Closed)??;
                sum.delivered += one.delivered;
                sum.deferred += one.deferred;
                sum.dead += one.dead;
            }
            Ok(sum)
        };
        tokio::try_join!(sorting, delivering).map(|((), tally)| tally)
    }
}
