//! The access token of one mailbox: held while it is fresh, fetched once for all who ask.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::watch;

use super::RESULT_OK;
use super::answer;
use super::answer::Bad;
use super::answer::Granted;
use super::assertion::assertion;
use super::cache::Held;
use super::cache::fresh_for;
use super::command;
use super::config::Client;
use super::config::Grant;
use super::error::Code;
use super::error::OauthError;
use super::error::remedy;
use super::fetches::Fetches;
use super::http::Answer;
use super::http::Http;
use super::http::host;
use super::refresh;
use super::refresh::Missing;
use super::refresh::Whom;
use super::request;
use crate::clock::Clock;
use crate::ident::MailboxName;
use crate::metrics::OauthMetrics;
use crate::secret;
use crate::secret::Secret;
use crate::secret::Unavailable;
use crate::spool::Token;
use crate::spool::Tokens;

/// What sources need; shared by all of them.
#[derive(Debug, Clone)]
pub struct Means {
    pub(super) http: Http,
    tokens: Arc<dyn Tokens>,
    fetches: Fetches,
    clock: Clock,
    metrics: OauthMetrics,
}

impl Means {
    /// Makes the HTTP client that they share. `tokens` is where refresh tokens are kept; whoever ends the process waits
    /// for `fetches` first.
    ///
    /// # Errors
    /// TLS that cannot be set up.
    pub fn new(
        tokens: Arc<dyn Tokens>,
        fetches: Fetches,
        clock: Clock,
        metrics: OauthMetrics,
    ) -> Result<Means, OauthError> {
        Ok(Means { http: Http::new()?, tokens, fetches, clock, metrics })
    }
}

/// Where one mailbox gets its access tokens; cheap to clone.
#[derive(Debug, Clone)]
pub struct Source(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    mailbox: MailboxName,
    grant: Grant,
    means: Means,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    fetching: Option<watch::Receiver<Option<Fetched>>>,
    /// A rotated refresh token that the spool could not take. The one before may be worth nothing.
    unkept: Option<Rotated>,
}

/// A refresh token that came with an access token, and the kept one whose place it takes.
#[derive(Debug, Clone)]
struct Rotated {
    token: Token,
    instead_of: Option<Token>,
}

type Fetched = Result<Secret, OauthError>;

enum Now {
    Held(Fetched),
    Fetching(watch::Receiver<Option<Fetched>>),
}

impl Source {
    /// The source of `mailbox`, by `grant`.
    pub fn new(mailbox: MailboxName, grant: Grant, means: Means) -> Source {
        Source(Arc::new(Inner { mailbox, grant, means, state: Mutex::default() }))
    }

    /// An access token that is fresh. Whoever asks while one is fetched waits for that one.
    ///
    /// # Errors
    /// Why there is none; the next call tries again.
    pub async fn token(&self) -> Result<Secret, OauthError> {
        match self.now() {
            Now::Held(fetched) => fetched,
            Now::Fetching(mut fetching) => {
                let fetched = fetching.wait_for(Option::is_some).await.ok().and_then(|fetched| fetched.clone());
                fetched.unwrap_or(Err(OauthError::Crashed))
            }
        }
    }

    fn now(&self) -> Now {
        let mut state = self.0.state();
        let uptime = self.0.means.clock.uptime();
        if let Some(held) = state.held.as_ref().filter(|held| uptime < held.until) {
            return Now::Held(held.fetched.clone());
        }
        // One whose sender is gone without an answer has crashed, and is not waited for.
        if let Some(fetching) = state.fetching.as_ref().filter(|fetching| fetching.has_changed().is_ok()) {
            return Now::Fetching(fetching.clone());
        }
        let (ended, fetching) = watch::channel(None);
        state.fetching = Some(fetching.clone());
        // A task of its own: a visit that gives up in the middle must not lose the refresh token that is on its way.
        let (inner, fetch) = (Arc::clone(&self.0), self.0.means.fetches.begin());
        tokio::spawn(async move {
            let fetched = inner.fetch_and_hold().await;
            ended.send_replace(Some(fetched));
            drop(fetch);
        });
        Now::Fetching(fetching)
    }
}

impl secret::Source for Source {
    fn current(&self) -> Pin<Box<dyn Future<Output = Result<Secret, Unavailable>> + Send + '_>> {
        Box::pin(async {
            self.token().await.map_err(|error| match error.is_transient() {
                true => Unavailable::ForNow(error.chain()),
                false => Unavailable::UntilHelped(error.chain()),
            })
        })
    }

    /// Throws `token` away, because the mail server refused it: the next call fetches another one.
    ///
    /// Nothing comes of it within a minute of a command's last run.
    fn refused(&self, token: &Secret) {
        if let Grant::Command(_) = self.0.grant {
            return;
        }
        let mut state = self.0.state();
        if state.held.as_ref().is_some_and(|held| held.fetched.as_ref().is_ok_and(|held| held == token)) {
            state.held = None;
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch_and_hold(&self) -> Fetched {
        let began = self.means.clock.uptime();
        let granted = self.fetch().await;
        let result = granted.as_ref().map_or_else(OauthError::reason, |_| RESULT_OK);
        self.means.metrics.refreshes.with_label_values(&[self.mailbox.as_str(), result]).inc();
        tracing::debug!(mailbox = %self.mailbox, result, "asked for an access token");
        let lifetime = granted.as_ref().ok().and_then(|granted| granted.lifetime);
        let fetched = granted.map(|granted| granted.access_token);
        let mut state = self.state();
        state.fetching = None;
        // A command is not run twice within a minute, whatever came of it; a server is asked again at once.
        if fetched.is_ok() || matches!(self.grant, Grant::Command(_)) {
            let until = began.saturating_add(fresh_for(lifetime));
            state.held = Some(Held { fetched: fetched.clone(), until });
        }
        fetched
    }

    async fn fetch(&self) -> Result<Granted, OauthError> {
        let ready = |access_token| Granted { access_token, lifetime: None, refresh_token: None };
        match &self.grant {
            Grant::Command(words) => command::token(words).await.map(ready),
            Grant::Refresh { client, username, refresh_token } => {
                self.refresh(client, refresh_token.as_ref(), refresh::whom(client, username)).await
            }
            Grant::ClientCredentials(client) => {
                let answer = self.means.http.post(&client.token_url, request::client_credentials(client)).await?;
                self.granted(&client.token_url, &answer)
            }
            Grant::ServiceAccount(account) => {
                let assertion = assertion(account, self.means.clock.now())?;
                let answer = self.means.http.post(&account.token_url, request::jwt_bearer(&assertion)).await?;
                self.granted(&account.token_url, &answer)
            }
        }
    }

    /// Refreshes (RFC 6749 section 6). Returns only once the refresh token that counts from now on is on the disk.
    async fn refresh(&self, client: &Client, configured: Option<&Secret>, whom: Whom) -> Result<Granted, OauthError> {
        let unkept = self.state().unkept.clone();
        if let Some(rotated) = unkept {
            self.keep(rotated).await?;
        }
        let kept = self.means.tokens.token(&self.mailbox).await?;
        let used = refresh::current(kept.clone(), configured, whom).map_err(|missing| match missing {
            Missing::Never => OauthError::NoLogin { mailbox: self.mailbox.clone() },
            Missing::Another => OauthError::OthersLogin { mailbox: self.mailbox.clone() },
        })?;
        let answer = self.means.http.post(&client.token_url, request::refresh(client, used.reveal())).await?;
        let granted = self.granted(&client.token_url, &answer)?;
        if let Some(new) = granted.refresh_token.as_ref().filter(|new| new.reveal() != used.reveal()) {
            self.keep(Rotated { token: refresh::rotated(new, &used), instead_of: kept }).await?;
        }
        Ok(granted)
    }

    async fn keep(&self, rotated: Rotated) -> Result<(), OauthError> {
        self.state().unkept = Some(rotated.clone());
        // What was kept meanwhile comes of a login, and is newer.
        if self.means.tokens.token(&self.mailbox).await? == rotated.instead_of {
            self.means.tokens.keep_token(&self.mailbox, rotated.token).await?;
        }
        self.state().unkept = None;
        Ok(())
    }

    fn granted(&self, url: &reqwest::Url, answer: &Answer) -> Result<Granted, OauthError> {
        answer::granted(answer).map_err(|bad| explain(bad, host(url), &self.grant, &self.mailbox))
    }
}

/// Names whom it came from, and the remedy.
pub(super) fn explain(bad: Bad, host: String, grant: &Grant, mailbox: &MailboxName) -> OauthError {
    match bad {
        Bad::Busy(status) => OauthError::Busy { host, status },
        Bad::Refused(code @ (Code::AuthorizationPending | Code::SlowDown)) => {
            OauthError::Refused { host, code, remedy: "it is tried again".to_owned() }
        }
        Bad::Refused(code) => OauthError::Refused { host, code, remedy: remedy(code, grant, mailbox) },
        Bad::Nonsense(what) => OauthError::Nonsense { host, what },
    }
}
