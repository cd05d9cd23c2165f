//! What is shown where a page cannot be.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Html;
use axum::response::IntoResponse;
use axum::response::Response;

use super::frame::Frame;
use crate::admin::act::ActError;
use crate::spool::SpoolError;

/// Why there is no page.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    why: String,
}

#[derive(Template)]
#[template(path = "failed.html", config = "src/admin/page/askama.toml")]
struct Failed {
    frame: Frame,
    why: String,
}

impl Failure {
    /// Nothing has this name or id.
    pub(super) fn missing(what: &str) -> Failure {
        Failure { status: StatusCode::NOT_FOUND, why: what.to_owned() }
    }

    /// It cannot be done, for a reason that the reader can change.
    pub(super) fn conflict(why: &str) -> Failure {
        Failure { status: StatusCode::CONFLICT, why: why.to_owned() }
    }
}

impl From<SpoolError> for Failure {
    fn from(error: SpoolError) -> Failure {
        Failure { status: StatusCode::SERVICE_UNAVAILABLE, why: error.to_string() }
    }
}

impl From<ActError> for Failure {
    fn from(error: ActError) -> Failure {
        let status = match &error {
            ActError::Unknown(_) => StatusCode::NOT_FOUND,
            ActError::Impossible(_) | ActError::NotAsShown(_) => StatusCode::CONFLICT,
            ActError::Spool(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Failure { status, why: error.to_string() }
    }
}

impl From<askama::Error> for Failure {
    fn from(error: askama::Error) -> Failure {
        Failure { status: StatusCode::INTERNAL_SERVER_ERROR, why: error.to_string() }
    }
}

impl From<tokio::task::JoinError> for Failure {
    fn from(_: tokio::task::JoinError) -> Failure {
        let why = "This mail cannot be read: the parser failed. It can be downloaded as it was received.";
        Failure { status: StatusCode::INTERNAL_SERVER_ERROR, why: why.to_owned() }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let failed = Failed { frame: Frame::bare(title), why: self.why };
        match failed.render() {
            Ok(page) => (self.status, Html(page)).into_response(),
            Err(_) => (self.status, failed.why).into_response(),
        }
    }
}
