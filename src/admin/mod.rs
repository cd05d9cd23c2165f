//! The HTTP server for operators: `/metrics`, `/healthz`, `/readyz`; the API and the page.
//!
//! `/healthz` tells whether the loops run, never whether a mail server or an endpoint is down: Kubernetes would restart
//! a healthy pod. `/readyz` is false while draining, and while the spool cannot be written or is full. Gauges over the spool are
//! filled when they are asked for. These three are open to everybody who reaches them.
//!
//! Everything else passes `access`. `api` is for programs; what it and the page do is done by `act`, with what the spool
//! and `controls` give, and each act leaves a line in the log.

pub mod access;

pub mod act;

pub mod controls;

mod api;
mod body;
mod gauges;
mod line;
mod page;
mod probes;
mod serve;
mod share;
mod turns;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::access::Gate;
use self::controls::Controls;
use self::line::Line;
use self::page::Trends;
use self::serve::Limits;
use self::turns::Turns;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::spool::Spool;

/// Where the server listens, and who may use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `None`: no server.
    pub listen: Option<SocketAddr>,
    /// Where metrics and health are served, if not with the rest.
    pub probes_listen: Option<SocketAddr>,
    /// Who may use page and API.
    pub access: Arc<access::Config>,
}

/// What every handler works with.
#[derive(Debug, Clone)]
pub struct Means {
    /// The metrics.
    pub metrics: Metrics,
    /// Where messages lie.
    pub spool: Arc<dyn Spool>,
    /// What ages are reckoned from.
    pub clock: Clock,
    /// Cancelled once the program is asked to stop.
    pub draining: CancellationToken,
    /// The rest of the program.
    pub controls: Arc<dyn Controls>,
    /// Who is let in.
    pub gate: Arc<Gate>,
}

/// What a server serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// Metrics and health.
    Probes,
    /// API and page.
    Operators,
    /// All of it.
    Everything,
}

/// Serves until `stop`. A listener that fails is asked again.
pub async fn serve(listener: TcpListener, means: Means, serves: Serves, stop: CancellationToken) {
    let trends = Trends::default();
    let (metrics, clock) = (means.metrics.clone(), means.clock.clone());
    let tls = (serves != Serves::Probes).then(|| means.gate.config());
    let router = router(serves, &trends).with_state(means);
    tokio::select! {
        () = serve::serve(Line::new(listener, tls), router, Limits::USUAL, stop) => {}
        () = trends.sample(&metrics, &clock), if serves != Serves::Probes => {}
    }
}

fn router(serves: Serves, trends: &Trends) -> Router<Means> {
    let page = || page::routes(trends.clone());
    let operators = || {
        let all = access::routes().merge(api::routes()).merge(page());
        all.layer(Extension(Turns::default())).layer(axum::middleware::map_response(access::harden))
    };
    match serves {
        Serves::Probes => probes::routes(),
        Serves::Operators => operators(),
        Serves::Everything => probes::routes().merge(operators()),
    }
}
