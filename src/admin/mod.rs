//! The HTTP server for operators: `/metrics`, `/healthz`, `/readyz`.
//!
//! `/healthz` tells whether the loops run, never whether a mail server or an endpoint is down: Kubernetes would restart
//! a healthy pod. `/readyz` is false while draining, and while the spool cannot be written or is full. Gauges over the spool are
//! filled when they are asked for.

mod gauges;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use prometheus::Encoder as _;
use prometheus::TextEncoder;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::spool::Spool;

/// Where the server listens.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// `None`: no server.
    pub listen: Option<SocketAddr>,
}

/// What the pages show.
#[derive(Debug, Clone)]
pub struct Page {
    /// The metrics.
    pub metrics: Metrics,
    /// Where the figures over the spool come from.
    pub spool: Arc<dyn Spool>,
    /// What ages are reckoned from.
    pub clock: Clock,
    /// Cancelled once the program is asked to stop.
    pub draining: CancellationToken,
}

/// Serves until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, page: Page, stop: CancellationToken) -> std::io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(page);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn metrics(State(page): State<Page>) -> Response {
    if let Err(error) = gauges::refresh(&page).await {
        // The counters are still right, and a scrape that fails would hide them.
        tracing::warn!(%error, "cannot read the spool's figures");
    }
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&page.metrics.registry.gather(), &mut text) {
        Ok(()) => ([(CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn ready(State(page): State<Page>) -> Response {
    if page.draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    if page.metrics.spool.writable.get() == 0 {
        return (StatusCode::SERVICE_UNAVAILABLE, "the spool cannot be written\n").into_response();
    }
    if page.metrics.spool.full.get() == 1 {
        let text = "the spool is full: mail stays on its servers until there is room\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    "ready\n".into_response()
}
