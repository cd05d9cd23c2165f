//! What is answered to who is not let in.

use std::time::Duration;

use axum::Json;
use axum::extract::OriginalUri;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::http::header::RETRY_AFTER;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::json;

/// Somebody was not let in, or may not do this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub(super) why: Why,
    place: Place,
}

/// Why somebody is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It brings neither a token nor a login that lasts.
    NoToken,
    /// Nobody has this token.
    WrongToken,
    /// Too many wrong ones came from its address.
    TooOften(Duration),
    /// No token is configured, and others than this machine could come.
    Shut,
    /// It does not call this machine by a name of its own.
    OtherName,
    /// Somebody else handed it on, who may be open to the world.
    Proxied,
    /// It may only look.
    OnlyReads,
    /// It may not see mail.
    NoMail,
    /// It comes from a page that is not ours.
    Foreign,
    /// It does not carry what our forms do.
    NoFormToken,
    /// The form does not say what it should.
    BadForm,
    /// The system gave no randomness.
    Broken,
}

/// Who is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A program.
    Api,
    /// A browser that wants to see this.
    Page { back: String },
    /// A browser that wants to do something.
    Form,
}

impl Refusal {
    pub(super) fn new(why: Why, parts: &Parts) -> Refusal {
        // A router within a router sees only the rest of the path.
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let place = match path {
            _ if path.starts_with("/api/") => Place::Api,
            _ if parts.method == Method::GET => Place::Page { back: path.to_owned() },
            _ => Place::Form,
        };
        Refusal { why, place }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self.why {
            Why::NoToken | Why::WrongToken => StatusCode::UNAUTHORIZED,
            Why::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Why::Shut => StatusCode::NOT_FOUND,
            Why::BadForm => StatusCode::UNPROCESSABLE_ENTITY,
            Why::Broken => StatusCode::INTERNAL_SERVER_ERROR,
            Why::OtherName | Why::Proxied | Why::OnlyReads | Why::NoMail | Why::Foreign | Why::NoFormToken => {
                StatusCode::FORBIDDEN
            }
        }
    }

    /// One word for programs.
    pub fn code(&self) -> &'static str {
        match self.why {
            Why::NoToken => "no_token",
            Why::WrongToken => "wrong_token",
            Why::TooOften(_) => "too_many_wrong_tokens",
            Why::Shut => "not_served",
            Why::OtherName => "other_name",
            Why::Proxied => "proxied",
            Why::OnlyReads => "read_only_token",
            Why::NoMail => "no_mail_content",
            Why::Foreign => "foreign_origin",
            Why::NoFormToken => "no_csrf_token",
            Why::BadForm => "bad_form",
            Why::Broken => "failed",
        }
    }

    /// A sentence for people.
    pub fn message(&self) -> &'static str {
        match self.why {
            Why::NoToken => "This needs a token: send `Authorization: Bearer TOKEN`, or log in at /login.",
            Why::WrongToken => "No such token is configured.",
            Why::TooOften(_) => "Too many wrong tokens came from your address; wait, and look at the one that you use.",
            Why::Shut => {
                "Page and API need a token: configure admin.tokens. Without one they are served on a loopback address \
                 only."
            }
            Why::OtherName => {
                "Without a configured token, page and API are for this machine alone: call it localhost or 127.0.0.1."
            }
            Why::Proxied => {
                "The request came by a proxy, which lets others in than those on this machine: configure admin.tokens. \
                 Without a token, page and API are for who comes directly."
            }
            Why::OnlyReads => "This token may look, and change nothing: its role is read.",
            Why::NoMail => "This token may not see what mails say: mail_content is not set for it.",
            Why::Foreign => "The request comes from the page of another site.",
            Why::NoFormToken => {
                "The form is old, or not ours: load the page again. Programs that bring a cookie send its token in \
                 X-CSRF-Token."
            }
            Why::BadForm => "The form does not hold what it should.",
            Why::Broken => "The system gives no randomness.",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, message) = (self.status(), self.message());
        let mut response = match &self.place {
            Place::Api => (status, Json(json!({ "error": self.code(), "message": message }))).into_response(),
            Place::Page { back } if self.why == Why::NoToken => {
                let query = serde_html_form::to_string([("next", back)]).unwrap_or_default();
                (StatusCode::SEE_OTHER, [(LOCATION, format!("/login?{query}"))]).into_response()
            }
            Place::Page { .. } | Place::Form => (status, format!("{message}\n")).into_response(),
        };
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"pophook\""));
        }
        if let Why::TooOften(wait) = self.why {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}
