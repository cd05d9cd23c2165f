//! What handlers ask for: each of these is proof that the gate was asked.

use std::net::SocketAddr;

use axum::extract::FromRequest;
use axum::extract::FromRequestParts;
use axum::extract::Request;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::Came;
use super::Who;
use super::refusal::Refusal;
use super::refusal::Why;
use crate::admin::Means;
use crate::admin::body;

/// Somebody who may look.
#[derive(Debug, Clone)]
pub struct Reader(pub Who);

/// Somebody who may look, and see what mails say.
#[derive(Debug, Clone)]
pub struct MailReader(pub Who);

/// Somebody who may change something, and a program that says so: a browser's script sends the login's token in the header
/// `X-CSRF-Token`. Forms come as [`Submitted`].
#[derive(Debug, Clone)]
pub struct Operator(pub(super) Who);

/// A form of ours, filled in by somebody who may change something. Its field `csrf` holds [`Who::csrf`].
#[derive(Debug)]
pub struct Submitted<T> {
    /// Who.
    pub operator: Operator,
    /// What the fields say.
    pub form: T,
}

impl Operator {
    /// Who it is.
    pub fn who(&self) -> &Who {
        &self.0
    }
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(in crate::admin) struct Peer(pub(in crate::admin) SocketAddr);

impl FromRequestParts<Means> for Reader {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, means: &Means) -> Result<Reader, Refusal> {
        means.gate.admit(parts).map(Reader)
    }
}

impl FromRequestParts<Means> for MailReader {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, means: &Means) -> Result<MailReader, Refusal> {
        means.gate.admit_to_mail(parts).map(MailReader)
    }
}

impl FromRequestParts<Means> for Operator {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, means: &Means) -> Result<Operator, Refusal> {
        let who = means.gate.admit_to_act(parts)?;
        let sent = parts.headers.get("x-csrf-token").and_then(|value| value.to_str().ok());
        let proven = match &who.came {
            Came::ByLogin { csrf } => is_same(csrf, sent.unwrap_or_default()),
            // Their origin was looked at, and a script of another site cannot send JSON unasked (Fetch, CORS preflight).
            Came::WithToken | Came::FromHere { .. } => true,
        };
        if proven { Ok(Operator(who)) } else { Err(Refusal::new(Why::NoFormToken, parts)) }
    }
}

impl<T: DeserializeOwned> FromRequest<Means> for Submitted<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, means: &Means) -> Result<Submitted<T>, Refusal> {
        let (parts, body) = request.into_parts();
        let who = means.gate.admit_to_act(&parts)?;
        let refused = |why| Refusal::new(why, &parts);
        let bytes = body::whole(Request::from_parts(parts.clone(), body)).await.map_err(|_| refused(Why::BadForm))?;
        let sent = form_urlencoded::parse(&bytes).find(|(name, _)| name == "csrf").map(|(_, value)| value);
        let proven = match &who.came {
            Came::WithToken => true,
            Came::ByLogin { csrf } | Came::FromHere { csrf } => is_same(csrf, &sent.unwrap_or_default()),
        };
        if !proven {
            return Err(refused(Why::NoFormToken));
        }
        let form = serde_html_form::from_bytes(&bytes).map_err(|_| refused(Why::BadForm))?;
        Ok(Submitted { operator: Operator(who), form })
    }
}

fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len() && openssl::memcmp::eq(one.as_bytes(), other.as_bytes())
}
