//! `/api/v1`: for programs. JSON in and out, errors with a sentence, lists page by page.
//!
//! `/api/v1/openapi.json` is made from the handlers and the types in this folder, so that it says what is served. What
//! mails say is shown only to tokens that may see it; what is changed goes through `act`.

mod ask;
mod deliveries;
mod document;
mod endpoints;
mod mail;
mod mailboxes;
mod messages;
mod problem;
mod settle;
mod shape;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::problem::Problem;
use self::problem::Refused;
use super::Means;
use super::access::Reader;

/// The API's version is part of its paths: what would break a client gets a new one.
const BASE: &str = "/api/v1";

/// The API, with its document.
pub(super) fn routes() -> Router<Means> {
    let api = OpenApiRouter::new()
        .routes(routes!(whoami))
        .merge(mailboxes::routes())
        .merge(endpoints::routes())
        .merge(messages::routes())
        .merge(deliveries::routes())
        .merge(mail::routes())
        .merge(settle::routes());
    let (router, document) = OpenApiRouter::with_openapi(document::head()).nest(BASE, api).split_for_parts();
    let document = document::finish(document);
    router
        .route(&format!("{BASE}/openapi.json"), get(async move |_: Reader| Json(document)))
        .route("/api/{*rest}", axum::routing::any(nowhere))
        .method_not_allowed_fallback(no_method)
}

/// Whoever may know what is served learns that this is not.
async fn nowhere(_: Reader) -> Problem {
    Problem::unknown("The API has no such path; see /api/v1/openapi.json.")
}

async fn no_method(_: Reader) -> Problem {
    Problem::no_method()
}

/// Who is asking.
#[derive(Debug, Serialize, ToSchema)]
struct Whoami {
    /// The name of the token; `loopback` where none is configured.
    name: String,
    /// `read` or `operate`.
    role: &'static str,
    /// Whether what mails say is shown.
    sees_mail: bool,
    /// What a script that uses a login sends in `X-CSRF-Token`; empty for bearer tokens.
    csrf: String,
}

/// Tells whose token this is, and what it may
#[utoipa::path(get, path = "/whoami", tag = "access", responses((status = 200, body = Whoami), Refused))]
async fn whoami(State(_): State<Means>, Reader(who): Reader) -> Json<Whoami> {
    let role = if who.may_operate() { "operate" } else { "read" };
    Json(Whoami { name: who.name().to_owned(), role, sees_mail: who.sees_mail(), csrf: who.csrf().to_owned() })
}
