//! A login by device (RFC 8628): a human opens an address in any browser, writes a code there, and agrees.
//!
//! What comes of it is a refresh token, to be kept in the spool by whoever asked. The promise: the server is polled
//! no faster than it allows, and the codes are told to nobody but the caller.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::answer;
use super::answer::Bad;
use super::answer::Granted;
use super::config::Client;
use super::config::Grant;
use super::error::Code;
use super::error::OauthError;
use super::error::remedy;
use super::http::Http;
use super::http::host;
use super::refresh;
use super::refresh::Whom;
use super::request;
use super::source::explain;
use crate::clock::Clock;
use crate::ident::MailboxName;
use crate::secret::Secret;
use crate::spool::Token;

/// The wait between polls where the server names none (RFC 8628 section 3.2), and what `slow_down` adds to it
/// (section 3.5).
const INTERVAL: Duration = Duration::from_secs(5);
/// The shortest and the longest wait between polls that a server may name.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// What can be done where the scope is refused.
const NOT_BY_DEVICE: &str = "Google does not let most clients ask for mail by device: write a refresh_token that was \
    got elsewhere, or use service_account; elsewhere, look at scope";

/// What the human has to be told. `Debug` prints `[secret]`: the address may hold the code.
#[derive(Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The address to open.
    pub verification_uri: String,
    /// The same address with the code in it, where the server gives one.
    pub verification_uri_complete: Option<String>,
    /// The code to write there.
    pub user_code: Secret,
    /// How long the code counts.
    pub expires_in: Duration,
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A login that waits for its human.
#[derive(Debug)]
pub struct Login {
    /// What the human has to be told.
    pub prompt: Prompt,
    mailbox: MailboxName,
    grant: Grant,
    client: Client,
    /// The configuration's refresh token, whose place the new one takes.
    configured: Option<Secret>,
    whom: Whom,
    http: Http,
    clock: Clock,
    device_code: Secret,
    interval: Duration,
    /// By uptime.
    until: Duration,
}

/// RFC 8628 section 3.2. Google writes `verification_url`.
#[derive(Deserialize)]
struct Begun {
    device_code: String,
    user_code: String,
    #[serde(alias = "verification_url")]
    verification_uri: String,
    #[serde(alias = "verification_url_complete")]
    verification_uri_complete: Option<String>,
    expires_in: Value,
    interval: Option<Value>,
}

impl Login {
    /// Asks for a code for `mailbox`.
    ///
    /// # Errors
    /// A grant that needs no login, and whatever the server says.
    pub async fn begin(mailbox: MailboxName, grant: Grant, clock: Clock) -> Result<Login, OauthError> {
        let Grant::Refresh { client, username, refresh_token } = &grant else {
            let why = "gets its tokens without a login; `pophook check --online` tells whether they come";
            return Err(OauthError::NoDevice { mailbox, why });
        };
        let Some(url) = &client.device_url else {
            return Err(OauthError::NoDevice { mailbox, why: "has no device_url under oauth2; write one" });
        };
        let http = Http::new()?;
        let answer = http.post(url, request::device(client)).await?;
        let begun: Begun = answer::body(&answer).map_err(|bad| match bad {
            Bad::Refused(code @ Code::InvalidScope) => {
                OauthError::Refused { host: host(url), code, remedy: NOT_BY_DEVICE.to_owned() }
            }
            bad => explain(bad, host(url), &grant, &mailbox),
        })?;
        let started = clock.uptime();
        let expires_in = answer::seconds(&begun.expires_in).unwrap_or_default();
        let interval = begun.interval.as_ref().and_then(answer::seconds).unwrap_or(INTERVAL);
        Ok(Login {
            prompt: Prompt {
                verification_uri: begun.verification_uri,
                verification_uri_complete: begun.verification_uri_complete,
                user_code: Secret::new(begun.user_code),
                expires_in,
            },
            client: client.clone(),
            configured: refresh_token.clone(),
            whom: refresh::whom(client, username),
            mailbox,
            grant,
            http,
            clock,
            device_code: Secret::new(begun.device_code),
            interval: interval.clamp(INTERVAL_MIN, INTERVAL_MAX),
            until: started.saturating_add(expires_in),
        })
    }

    /// Polls until the human has decided, or the code has run out. Whoever gets the token has to keep it.
    ///
    /// # Errors
    /// The human's refusal, a code that ran out, and whatever else the server says.
    pub async fn wait(mut self) -> Result<Token, OauthError> {
        let url = self.client.token_url.clone();
        loop {
            if self.clock.uptime().saturating_add(self.interval) > self.until {
                return Err(self.explain(Bad::Refused(Code::ExpiredToken)));
            }
            self.clock.wait(self.interval).await;
            let form = request::device_code(&self.client, self.device_code.reveal());
            let polled = match self.http.post(&url, form).await {
                Ok(answer) => answer::granted(&answer),
                // RFC 8628 section 3.5: after a timeout, polls come more slowly.
                Err(OauthError::Unreachable { .. }) => Err(Bad::Refused(Code::SlowDown)),
                Err(error) => return Err(error),
            };
            match next(polled, self.interval) {
                Next::Poll(interval) => self.interval = interval,
                Next::Agreed(token) => return Ok(self.token(&token)),
                Next::Failed(bad) => return Err(self.explain(bad)),
            }
        }
    }

    fn token(&self, new: &Secret) -> Token {
        refresh::logged_in(new, self.configured.as_ref(), self.whom)
    }

    fn explain(&self, bad: Bad) -> OauthError {
        let url = &self.client.token_url;
        match bad {
            Bad::Refused(code @ (Code::ExpiredToken | Code::InvalidGrant)) => {
                let again = format!("nobody agreed in time; {}", remedy(code, &self.grant, &self.mailbox));
                OauthError::Refused { host: host(url), code, remedy: again }
            }
            bad => explain(bad, host(url), &self.grant, &self.mailbox),
        }
    }
}

/// What follows from an answer.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Poll(Duration),
    Agreed(Secret),
    Failed(Bad),
}

fn next(polled: Result<Granted, Bad>, interval: Duration) -> Next {
    match polled {
        Ok(Granted { refresh_token: Some(token), .. }) => Next::Agreed(token),
        Ok(Granted { refresh_token: None, .. }) => {
            Next::Failed(Bad::Nonsense("there is no refresh token in it; the scope may have to ask for one"))
        }
        Err(Bad::Refused(Code::AuthorizationPending)) => Next::Poll(interval),
        Err(Bad::Refused(Code::SlowDown) | Bad::Busy(_)) => Next::Poll(interval.saturating_add(INTERVAL)),
        Err(bad @ (Bad::Refused(_) | Bad::Nonsense(_))) => Next::Failed(bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_to_a_poll_has_its_consequence() {
        let check = |polled: Result<Granted, Bad>, expected: Next| {
            assert_eq!(next(polled, Duration::from_secs(7)), expected);
        };
        let granted = |refresh_token: Option<&str>| Granted {
            access_token: Secret::new("t"),
            lifetime: None,
            refresh_token: refresh_token.map(Secret::new),
        };
        check(Ok(granted(Some("r"))), Next::Agreed(Secret::new("r")));
        let none = "there is no refresh token in it; the scope may have to ask for one";
        check(Ok(granted(None)), Next::Failed(Bad::Nonsense(none)));
        check(Err(Bad::Refused(Code::AuthorizationPending)), Next::Poll(Duration::from_secs(7)));
        for slower in [Bad::Refused(Code::SlowDown), Bad::Busy(429), Bad::Busy(503)] {
            check(Err(slower), Next::Poll(Duration::from_secs(12)));
        }
        for failed in [Code::AccessDenied, Code::ExpiredToken, Code::InvalidClient, Code::Unknown] {
            check(Err(Bad::Refused(failed)), Next::Failed(Bad::Refused(failed)));
        }
    }
}
