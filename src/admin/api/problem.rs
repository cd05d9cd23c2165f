//! What the API answers where it does not do what was asked: a word for programs, a sentence for people.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Serialize;
use utoipa::IntoResponses;
use utoipa::PartialSchema as _;
use utoipa::ToSchema;
use utoipa::openapi::ContentBuilder;
use utoipa::openapi::RefOr;
use utoipa::openapi::ResponseBuilder;
use utoipa::openapi::response::Response as Described;

use crate::admin::act::ActError;
use crate::spool::SpoolError;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Problem {
    /// One word.
    error: &'static str,
    /// A sentence.
    message: String,
    #[serde(skip)]
    status: StatusCode,
}

impl Problem {
    fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Problem {
        Problem { error, message: message.into(), status }
    }

    /// A request that nobody could understand.
    pub(super) fn bad_request(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// A body in another language.
    pub(super) fn no_json() -> Problem {
        let message = "Send the body as JSON, with `Content-Type: application/json`.";
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "no_json", message)
    }

    /// A body that did not come to its end.
    pub(super) fn too_slow() -> Problem {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "The body took too long.")
    }

    /// A body that is too long.
    pub(super) fn too_large() -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too long.")
    }

    /// A body that does not say what it should.
    pub(super) fn wrong_body(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_body", message)
    }

    /// What cannot be done, or says too little.
    pub(super) fn impossible(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::CONFLICT, "impossible", message)
    }

    /// What would do something else than what was shown.
    fn not_as_shown(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::CONFLICT, "not_as_shown", message)
    }

    /// What mails say, for a token that may not see it.
    pub(super) fn no_mail(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "no_mail_content", message)
    }

    /// A name, an id or a path that is nowhere.
    pub(super) fn unknown(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "unknown", message)
    }

    /// What is no more: our copy of a message.
    pub(super) fn gone(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::GONE, "gone", message)
    }

    /// A path that is not asked so.
    pub(super) fn no_method() -> Problem {
        let message = "This path does not take this method; see /api/v1/openapi.json.";
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no_method", message)
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Problem {
        match error {
            ActError::Unknown(why) => Problem::unknown(why),
            ActError::Impossible(why) => Problem::impossible(why),
            ActError::NotAsShown(why) => Problem::not_as_shown(format!("Nothing was done: {why}. Look again.")),
            ActError::Spool(error) => error.into(),
        }
    }
}

impl From<SpoolError> for Problem {
    fn from(error: SpoolError) -> Problem {
        tracing::warn!(%error, "the API cannot use the spool");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "spool", format!("{error}; see the log."))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

/// The problems that every path may answer with.
pub(super) struct Refused;

/// Their statuses, and what each means.
const REFUSALS: [(&str, &str); 13] = [
    ("400", "The query or the body cannot be read."),
    ("401", "There is no token, or a wrong one."),
    ("403", "The token may not do this."),
    ("404", "No such name, id or path; or no token is configured, and the API is off."),
    ("405", "The path does not take this method."),
    ("408", "The body took too long."),
    ("409", "It cannot be done to this, or `expected` is not what it would do."),
    ("410", "Our copy of the message was released."),
    ("413", "The body is too long."),
    ("415", "The body is no JSON."),
    ("422", "The body does not say what it should."),
    ("429", "Too many wrong tokens came from this address."),
    ("503", "The spool cannot be used now."),
];

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let content = || ContentBuilder::new().schema(Some(Problem::schema())).build();
        let described = |text: &str| ResponseBuilder::new().description(text).content("application/json", content());
        REFUSALS.iter().map(|(status, text)| ((*status).to_owned(), described(text).build().into())).collect()
    }
}
