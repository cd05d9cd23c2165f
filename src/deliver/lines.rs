//! The queues that run, one for each endpoint, and how they follow the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Mode;
use super::OUTCOMES;
use super::means::Means;
use super::queue::Queue;
use super::score::Tally;
use super::slots::Slots;
use crate::ident::EndpointName;
use crate::metrics::DeliverMetrics;
use crate::spool::Reason;
use crate::spool::SpoolError;

/// How a queue ended.
pub(super) type Ended = (EndpointName, Result<Tally, SpoolError>);

/// The queues of the configured endpoints.
#[derive(Debug)]
pub(super) struct Lines {
    lines: BTreeMap<EndpointName, Line>,
    mode: Mode,
    sorted: CancellationToken,
    stop: CancellationToken,
    slots: Arc<Slots>,
    metrics: DeliverMetrics,
}

#[derive(Debug)]
struct Line {
    means: watch::Sender<Arc<Means>>,
    stop: CancellationToken,
}

impl Lines {
    pub(super) fn new(
        mode: Mode,
        sorted: CancellationToken,
        stop: CancellationToken,
        (slots, metrics): (Arc<Slots>, DeliverMetrics),
    ) -> Lines {
        Lines { lines: BTreeMap::new(), mode, sorted, stop, slots, metrics }
    }

    /// Gives each endpoint its means, begins the queues of new ones, and lets those end whose endpoint is gone.
    pub(super) fn adopt(&mut self, all: Vec<Arc<Means>>, running: &mut JoinSet<Ended>) {
        self.lines.retain(|name, line| {
            let stays = all.iter().any(|means| means.endpoint.name == *name);
            if !stays {
                line.stop.cancel();
            }
            stays
        });
        for means in all {
            let name = means.endpoint.name.clone();
            if let Some(line) = self.lines.get(&name) {
                line.means.send_replace(means);
                continue;
            }
            self.metrics.declare(&name, &OUTCOMES, &Reason::DEAD_LETTERS.map(Reason::as_str));
            let (sender, stop) = (watch::Sender::new(means), self.stop.child_token());
            let queue = Queue::new(sender.subscribe(), Arc::clone(&self.slots), self.metrics.clone());
            let (run, ended) = (queue.run(self.mode, self.sorted.clone(), stop.clone()), name.clone());
            running.spawn(async move { (ended, run.await) });
            self.lines.insert(name, Line { means: sender, stop });
        }
    }

    /// The queue of `endpoint` has ended; if that left the configuration, nothing is counted of it any more.
    pub(super) fn ended(&self, endpoint: &EndpointName) {
        if !self.lines.contains_key(endpoint) {
            self.metrics.forget(endpoint);
        }
    }
}
