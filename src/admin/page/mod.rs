//! The pages for people: what is going on, all mail in one list, one mail, and what waits for a human.
//!
//! They are made on the server and need no script, so the policy of `access` allows none. What a mail says is shown only
//! to those who may see mail. Its HTML is sanitised and stands in a frame of its own that may run and load nothing
//! (HTML, `iframe sandbox`; CSP 3). Every value is escaped by the templates.
//!
//! All of it comes from the spool, so it is there while every mail server is offline.

mod dead;
mod embedded;
mod failure;
mod files;
mod frame;
mod letter;
mod list;
mod login;
mod overview;
mod settle;
mod standing;
mod trends;
mod words;

use askama::Template;
use axum::Extension;
use axum::Router;
use axum::http::header::CACHE_CONTROL;
use axum::http::header::CONTENT_TYPE;
use axum::response::Html;
use axum::response::IntoResponse as _;
use axum::response::Response;
use axum::routing::get;
use axum::routing::post;

pub(super) use self::trends::Trends;

use self::failure::Failure;
use crate::admin::Means;

/// The one style sheet.
const STYLE: &str = include_str!("style.css");

/// Every page, and what its forms do.
pub(super) fn routes(trends: Trends) -> Router<Means> {
    Router::new()
        .route("/", get(overview::show))
        .route("/login", get(login::show))
        .route("/style.css", get(style))
        .route("/messages", get(list::show))
        .route("/messages/{id}", get(letter::show))
        .route("/messages/{id}/html", get(embedded::show))
        .route("/messages/{id}/raw", get(files::raw))
        .route("/messages/{id}/attachments/{number}", get(files::attachment))
        .route("/messages/{id}/payload/{endpoint}", get(files::payload))
        .route("/messages/{id}/retry", post(settle::retry_one))
        .route("/messages/{id}/drop", post(settle::drop_one))
        .route("/dead", get(dead::show))
        .route("/dead/preview", post(dead::preview))
        .route("/dead/settle", post(dead::settle))
        .route("/mailboxes/{name}/visit", post(settle::visit))
        .route("/mailboxes/{name}/pause", post(settle::pause))
        .route("/mailboxes/{name}/resume", post(settle::unpause))
        .route("/endpoints/{name}/test", post(settle::test))
        .route("/endpoints/{name}/resume", post(settle::resume))
        .layer(Extension(trends))
}

async fn style() -> Response {
    // It says nothing about anybody; a new version of the program is seen within the hour.
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=3600")], STYLE).into_response()
}

/// A page, made of its template.
fn page(template: &impl Template) -> Result<Response, Failure> {
    Ok(Html(template.render()?).into_response())
}
