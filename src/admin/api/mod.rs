//! `/api/v1`: for programs.

use axum::Router;

use super::Means;

pub(super) fn routes() -> Router<Means> {
    Router::new()
}
