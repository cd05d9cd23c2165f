//! Metrics and health, for Prometheus and Kubernetes.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use axum::response::Response;
use axum::routing::get;
use prometheus::Encoder as _;
use prometheus::TextEncoder;

use super::Means;
use super::gauges;

/// Open to everybody who reaches them.
pub(super) fn routes() -> Router<Means> {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
}

async fn metrics(State(means): State<Means>) -> Response {
    if let Err(error) = gauges::refresh(&means).await {
        // The counters are still right, and a scrape that fails would hide them.
        tracing::warn!(%error, "cannot read the spool's figures");
    }
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&means.metrics.registry.gather(), &mut text) {
        Ok(()) => ([(CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn ready(State(means): State<Means>) -> Response {
    if means.draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    if means.metrics.spool.writable.get() == 0 {
        return (StatusCode::SERVICE_UNAVAILABLE, "the spool cannot be written\n").into_response();
    }
    if means.metrics.spool.full.get() == 1 {
        let text = "the spool is full: mail stays on its servers until there is room\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    "ready\n".into_response()
}
