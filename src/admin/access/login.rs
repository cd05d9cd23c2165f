//! `POST /login` and `POST /logout`. The form itself is a page.

use axum::Router;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::http::header::SET_COOKIE;
use axum::response::IntoResponse as _;
use axum::response::Response;
use axum::routing::post;
use serde::Deserialize;

use super::Refusal;
use super::refusal::Why;
use crate::admin::Means;
use crate::admin::body;

/// What the form of a login says.
#[derive(Deserialize)]
struct Login {
    token: String,
    #[serde(default)]
    next: String,
}

/// Where logins begin and end.
pub(in crate::admin) fn routes() -> Router<Means> {
    Router::new().route("/login", post(log_in)).route("/logout", post(log_out))
}

async fn log_in(State(means): State<Means>, request: Request) -> Result<Response, Response> {
    let (parts, body) = request.into_parts();
    let bad = || Refusal::new(Why::BadForm, &parts).into_response();
    let body = body::whole(Request::from_parts(parts.clone(), body)).await.map_err(|_| bad())?;
    let login: Login = serde_html_form::from_bytes(&body).map_err(|_| bad())?;
    match means.gate.log_in(login.token.trim(), &parts) {
        Ok((who, cookie)) => {
            tracing::info!(target: "audit", %who, action = "log_in", "logged in");
            Ok(see(local(&login.next), &[(SET_COOKIE, cookie)]))
        }
        Err(refusal) if refusal.status() == StatusCode::UNAUTHORIZED => {
            let query = [("failed", "token"), ("next", local(&login.next))];
            Ok(see(&format!("/login?{}", serde_html_form::to_string(query).unwrap_or_default()), &[]))
        }
        Err(refusal) => Err(refusal.into_response()),
    }
}

/// Whoever is logged in may leave, whatever the role; only a page of ours can ask for it.
async fn log_out(State(means): State<Means>, request: Request) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let who = means.gate.admit_to_leave(&parts)?;
    let cookie = means.gate.log_out(&parts);
    tracing::info!(target: "audit", who = who.name(), action = "log_out", "logged out");
    Ok(see("/login", &[(SET_COOKIE, cookie)]))
}

fn see(place: &str, headers: &[(HeaderName, String)]) -> Response {
    let location = [(LOCATION, place.to_owned())];
    let mut response = (StatusCode::SEE_OTHER, location).into_response();
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// A path of ours; whatever else was asked for is the first page.
fn local(next: &str) -> &str {
    let path = next.strip_prefix('/').is_some_and(|rest| !rest.starts_with(['/', '\\']));
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic()) && !next.contains('\\');
    if path && plain { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_no_other_site() {
        for (next, expected) in [
            ("", "/"),
            ("/", "/"),
            ("/messages?state=dead", "/messages?state=dead"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/a\\b", "/"),
            ("https://evil.example/", "/"),
            ("javascript:alert(1)", "/"),
            ("/a\r\nset-cookie: x", "/"),
        ] {
            assert_eq!(local(next), expected, "{next:?}");
        }
    }
}
