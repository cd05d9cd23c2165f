//! The form of a login; what it does stands in `access`.

use askama::Template;
use axum::extract::RawQuery;
use axum::response::Response;
use serde::Deserialize;

use super::Failure;
use super::frame::Frame;
use super::page;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    next: String,
    failed: String,
}

#[derive(Template)]
#[template(path = "login.html", config = "src/admin/page/askama.toml")]
struct Login {
    frame: Frame,
    next: String,
    failed: bool,
}

pub(super) async fn show(RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let asked: Asked = serde_html_form::from_str(&query.unwrap_or_default()).unwrap_or_default();
    page(&Login { frame: Frame::bare("Log in"), next: asked.next, failed: !asked.failed.is_empty() })
}
