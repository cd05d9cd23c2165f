//! Who is let in, and to what.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use tokio::sync::watch;

use super::Came;
use super::Config;
use super::Role;
use super::Token;
use super::Who;
use super::cookie;
use super::cookie::Line;
use super::extract::Peer;
use super::origin;
use super::origin::Origin;
use super::refusal::Refusal;
use super::refusal::Why;
use super::session::Hash;
use super::session::Sessions;
use super::session::hash;
use super::session::random;
use super::tries::Tries;
use crate::clock::Clock;

/// Decides who is let in. It follows the configured tokens: a login whose token is gone is gone with it.
#[derive(Debug)]
pub struct Gate {
    config: watch::Receiver<Arc<Config>>,
    clock: Clock,
    reach: Reach,
    /// What forms carry where nobody logs in.
    csrf: Arc<str>,
    sessions: Sessions,
    tries: Tries,
}

/// Who can reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// This machine alone.
    Loopback,
    /// Others, too.
    Network,
}

impl Gate {
    /// A gate before a server that listens on `address`.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new(
        config: watch::Receiver<Arc<Config>>,
        clock: Clock,
        address: SocketAddr,
    ) -> Result<Gate, getrandom::Error> {
        let reach = if address.ip().is_loopback() { Reach::Loopback } else { Reach::Network };
        let (csrf, sessions, tries) = (random()?.into(), Sessions::default(), Tries::default());
        Ok(Gate { config, clock, reach, csrf, sessions, tries })
    }

    /// Whether tokens are configured, so that one can log in.
    pub fn has_tokens(&self) -> bool {
        !self.config.borrow().tokens.is_empty()
    }

    /// What it goes by, which may become something else.
    pub(in crate::admin) fn config(&self) -> watch::Receiver<Arc<Config>> {
        self.config.clone()
    }

    /// Whether page and API are served at all.
    pub fn is_shut(&self) -> bool {
        !self.has_tokens() && self.reach == Reach::Network
    }

    /// Who sent this request.
    ///
    /// # Errors
    /// Nobody who is let in.
    pub(super) fn admit(&self, parts: &Parts) -> Result<Who, Refusal> {
        self.who(parts).map_err(|why| Refusal::new(why, parts))
    }

    /// Who sent this request, to see mail.
    ///
    /// # Errors
    /// Nobody who may.
    pub(super) fn admit_to_mail(&self, parts: &Parts) -> Result<Who, Refusal> {
        let who = self.admit(parts)?;
        if who.sees_mail { Ok(who) } else { Err(Refusal::new(Why::NoMail, parts)) }
    }

    /// Who sent this request, to change something. What its form carries is not looked at yet.
    ///
    /// # Errors
    /// Nobody who may, or not by a page of ours.
    pub(super) fn admit_to_act(&self, parts: &Parts) -> Result<Who, Refusal> {
        let who = self.admit(parts)?;
        let refused = |why| Err(Refusal::new(why, parts));
        if !who.may_operate() {
            return refused(Why::OnlyReads);
        }
        match (&who.came, origin::of(&parts.uri, &parts.headers)) {
            // No browser sends it by itself.
            (Came::WithToken, _) => Ok(who),
            (Came::ByLogin { .. } | Came::FromHere { .. }, Origin::Ours) => Ok(who),
            (Came::FromHere { .. }, Origin::Untold) => Ok(who),
            (Came::ByLogin { .. }, Origin::Untold) | (_, Origin::Foreign) => refused(Why::Foreign),
        }
    }

    /// Who sent this request, to end its login.
    ///
    /// # Errors
    /// Nobody is logged in, or it comes from a page that is not ours.
    pub(super) fn admit_to_leave(&self, parts: &Parts) -> Result<Who, Refusal> {
        let who = self.admit(parts)?;
        match origin::of(&parts.uri, &parts.headers) {
            Origin::Ours => Ok(who),
            Origin::Foreign | Origin::Untold => Err(Refusal::new(Why::Foreign, parts)),
        }
    }

    fn who(&self, parts: &Parts) -> Result<Who, Why> {
        let config = Arc::clone(&self.config.borrow());
        if config.tokens.is_empty() {
            return self.local(parts);
        }
        if let Some(token) = bearer(&parts.headers) {
            let found = self.find(&config, token, parts)?;
            return Ok(who(found, Came::WithToken));
        }
        let session = cookie::read(&parts.headers).and_then(|id| self.sessions.find(id, self.clock.uptime()));
        let session = session.ok_or(Why::NoToken)?;
        let token = known(&config, &session.token).ok_or(Why::NoToken)?;
        Ok(who(token, Came::ByLogin { csrf: session.csrf }))
    }

    fn local(&self, parts: &Parts) -> Result<Who, Why> {
        if self.reach == Reach::Network {
            return Err(Why::Shut);
        }
        if origin::came_by_proxy(parts.version, &parts.headers) {
            return Err(Why::Proxied);
        }
        if !origin::names_this_machine(&parts.uri, &parts.headers) {
            return Err(Why::OtherName);
        }
        let came = Came::FromHere { csrf: Arc::clone(&self.csrf) };
        Ok(Who { name: "loopback".into(), role: Role::Operate, sees_mail: true, came })
    }

    /// The token that somebody brings. A wrong one is counted.
    fn find<'a>(&self, config: &'a Config, token: &str, parts: &Parts) -> Result<&'a Token, Why> {
        let (address, now) = (peer(parts), self.clock.uptime());
        if let Some(wait) = self.tries.wait(address, now) {
            return Err(Why::TooOften(wait));
        }
        known(config, &hash(token)).ok_or_else(|| {
            self.tries.wrong(address, now);
            tracing::warn!(target: "audit", %address, "a wrong token was refused");
            Why::WrongToken
        })
    }

    /// Begins a login with `token`; tells whose it is, and the cookie.
    ///
    /// # Errors
    /// It is wrong, or too many were.
    pub(super) fn log_in(&self, token: &str, parts: &Parts) -> Result<(Arc<str>, String), Refusal> {
        let refused = |why| Refusal::new(why, parts);
        let config = Arc::clone(&self.config.borrow());
        if config.tokens.is_empty() && self.reach == Reach::Network {
            return Err(refused(Why::Shut));
        }
        if origin::of(&parts.uri, &parts.headers) == Origin::Foreign {
            return Err(refused(Why::Foreign));
        }
        let found = self.find(&config, token, parts).map_err(refused)?;
        let id = self.sessions.begin(hash(token), self.clock.uptime()).map_err(|_| refused(Why::Broken))?;
        // The browser forgets it with the new cookie, so nobody could end it any more.
        if let Some(before) = cookie::read(&parts.headers) {
            self.sessions.end(before);
        }
        Ok((Arc::clone(&found.name), cookie::set(&id, self.line(&parts.headers))))
    }

    /// Ends the login of this request; tells the cookie that takes it from the browser.
    pub(super) fn log_out(&self, parts: &Parts) -> String {
        if let Some(id) = cookie::read(&parts.headers) {
            self.sessions.end(id);
        }
        cookie::unset(self.line(&parts.headers))
    }

    /// How the browser's line is protected: by us, or by a proxy before us that says so.
    fn line(&self, headers: &HeaderMap) -> Line {
        let by_proxy = headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes() == b"https");
        if by_proxy || self.config.borrow().tls.is_some() { Line::Tls } else { Line::Clear }
    }
}

fn who(token: &Token, came: Came) -> Who {
    let (name, role) = (Arc::clone(&token.name), token.role);
    Who { name, role, sees_mail: token.sees_mail || role == Role::Operate, came }
}

/// The token of this hash. However many there are, and whichever it is, it takes the same time.
fn known<'a>(config: &'a Config, wanted: &Hash) -> Option<&'a Token> {
    let mut found = None;
    for token in &config.tokens {
        if openssl::memcmp::eq(&hash(token.secret.reveal()), wanted) {
            found = Some(token);
        }
    }
    found
}

/// The token of `Authorization: Bearer` (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn peer(parts: &Parts) -> IpAddr {
    parts.extensions.get::<Peer>().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.0.ip())
}
