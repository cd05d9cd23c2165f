//! Starts the loops.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::App;
use super::Loops;
use super::Origin;
use super::hands::Hands;
use super::peers::Peers;
use super::reload::Reloader;
use crate::admin;
use crate::admin::Serves;
use crate::admin::access::Gate;
use crate::config::Config;
use crate::deliver::Deliverer;
use crate::deliver::Mode;
use crate::notice;
use crate::notice::Notice;
use crate::retention;
use crate::spool::SpoolError;
use crate::spool::socket;

impl App {
    /// Starts all loops; they end with `stop`. What is returned beside them is the grace, as it is configured by then.
    pub(super) async fn start(
        &self,
        stop: &CancellationToken,
        origin: Origin,
    ) -> anyhow::Result<(Loops, watch::Receiver<Duration>)> {
        let mut loops = JoinSet::new();
        let deliverer = Deliverer::new(self.config.deliver.clone(), &self.spool, &self.clock, &self.metrics.deliver)?;
        let commands =
            socket::Listener::bind(&self.config.spool.path).context("cannot bind the socket for commands")?;
        let (shown, access) = (
            watch::Sender::new(Arc::new(self.config.clone())),
            watch::Sender::new(Arc::clone(&self.config.admin.access)),
        );
        self.serve_operators(stop, shown.subscribe(), access.subscribe()).await?;
        let (mailboxes, endpoints) = (self.config.collect.mailboxes.len(), self.config.deliver.endpoints.len());
        tracing::info!(mailboxes, endpoints, "starting");
        self.tell_of_holds().await?;
        let collect = watch::Sender::new(Arc::new(self.config.collect.clone()));
        let collector = self.collector(collect.subscribe());
        let (spool, clock) = (Arc::clone(&self.spool), self.clock.clone());
        let peers = Peers::new(Arc::clone(&self.spool), self.metrics.collect.clone(), collect.subscribe());
        let (retention, keep) = watch::channel(self.config.retention);
        let (grace, patience) = watch::channel(self.config.grace);
        let (notice, tell) = watch::channel(self.config.notice.clone());
        let telling = self.notice(self.config.notice.clone());
        let token = || stop.clone();
        let (visits, sweeps, posts, asks) = (token(), token(), token(), token());
        let (reloads, tells) = (token(), token());
        let reloader = Reloader {
            origin,
            running: self.config.clone(),
            spool: Arc::clone(&self.spool),
            clock: self.clock.clone(),
            metrics: self.metrics.config.clone(),
            tokens: self.tokens.clone(),
            collect,
            retention,
            notice,
            grace,
            deliver: deliverer.control(),
            shown,
            access,
            unheld: None,
        };
        loops.spawn(async move { ("reloading", reloader.run(reloads).await) });
        loops.spawn(async move { ("collecting", collector.run(visits).await.map_err(Into::into)) });
        loops.spawn(async move {
            let delivered = deliverer.run(Mode::Forever, CancellationToken::new(), posts).await;
            ("delivering", delivered.map(|_| ()).map_err(Into::into))
        });
        for which in [Telling::Changes, Telling::Mail] {
            let telling = follow(which, telling.clone(), tell.clone(), tells.clone());
            loops.spawn(async move { ("notice", telling.await.map_err(Into::into)) });
        }
        loops.spawn(async move {
            ("retention", retention::sweep(keep, spool.as_ref(), &clock, sweeps).await.map_err(Into::into))
        });
        loops.spawn(async move {
            asks.run_until_cancelled(commands.serve(move |user, asked| peers.act(user, asked))).await;
            ("command", Ok(()))
        });
        Ok((loops, patience))
    }

    async fn tell_of_holds(&self) -> Result<(), SpoolError> {
        for row in self.spool.endpoints().await? {
            if let Some(held) = row.held {
                let (endpoint, why, pending) = (&row.endpoint, held.as_str(), row.pending);
                tracing::warn!(%endpoint, why, pending, "the endpoint is held: see `pophook endpoint list`");
            }
        }
        Ok(())
    }

    /// Serves metrics, health, page and API, where they are so configured.
    async fn serve_operators(
        &self,
        stop: &CancellationToken,
        shown: watch::Receiver<Arc<Config>>,
        access: watch::Receiver<Arc<admin::access::Config>>,
    ) -> anyhow::Result<()> {
        let admin::Config { listen, probes_listen, .. } = self.config.admin;
        let hands = Arc::new(Hands::new(shown, Arc::clone(&self.spool), self.clock.clone()));
        let serves = if probes_listen.is_some() { Serves::Operators } else { Serves::Everything };
        for (address, key, serves) in [(listen, "listen", serves), (probes_listen, "probes_listen", Serves::Probes)] {
            let Some(address) = address else { continue };
            let listener = TcpListener::bind(address).await.with_context(|| {
                format!("cannot listen on {address} (admin.{key}); choose another address or `off`")
            })?;
            let gate = Gate::new(access.clone(), self.clock.clone(), address).context("no randomness")?;
            let (address, shut) = (listener.local_addr()?, gate.is_shut());
            match serves {
                Serves::Probes => tracing::info!(%address, "metrics and health"),
                Serves::Operators | Serves::Everything if shut => {
                    tracing::info!(%address, "metrics and health; no token is configured, so page and API are off");
                }
                Serves::Operators => tracing::info!(%address, "page and API"),
                Serves::Everything => tracing::info!(%address, "metrics, health, page and API"),
            }
            let means = admin::Means {
                metrics: self.metrics.clone(),
                spool: Arc::clone(&self.spool),
                clock: self.clock.clone(),
                draining: stop.clone(),
                controls: Arc::<Hands>::clone(&hands),
                gate: Arc::new(gate),
            };
            // It goes on while the others drain, so that readiness can be asked for; the process's end ends it.
            tokio::spawn(admin::serve(listener, means, serves, CancellationToken::new()));
        }
        Ok(())
    }
}

/// One of the two things that the notices do; neither waits for the other.
#[derive(Debug, Clone, Copy)]
enum Telling {
    Changes,
    Mail,
}

/// Tells until `stop`, by each configuration from its beginning on: what is untold stands in the spool.
async fn follow(
    which: Telling,
    mut notice: Notice,
    mut config: watch::Receiver<notice::Config>,
    stop: CancellationToken,
) -> Result<(), SpoolError> {
    while !stop.is_cancelled() {
        notice.config = config.borrow_and_update().clone();
        let this = stop.child_token();
        let run = async {
            match which {
                Telling::Changes => notice.watch(this.clone()).await,
                Telling::Mail => notice.mail(this.clone()).await,
            }
        };
        tokio::pin!(run);
        tokio::select! {
            ended = &mut run => return ended,
            Ok(()) = config.changed() => {
                this.cancel();
                run.await?;
            }
        }
    }
    Ok(())
}
