//! Makes the sources of access tokens, and gives each to its mailbox: `collect` does not know where tokens come from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::collect::Credential;
use crate::config::Config;
use crate::ident::MailboxName;
use crate::metrics::OauthMetrics;
use crate::oauth;
use crate::oauth::Fetches;
use crate::oauth::Grant;
use crate::oauth::Means;
use crate::oauth::OauthError;
use crate::oauth::Source;
use crate::spool;

/// The sources by mailbox, each with the grant that it goes by.
type ByMailbox = BTreeMap<MailboxName, (Grant, Arc<Source>)>;

/// Makes sources; one whose grant stays the same stays, with what it holds and is fetching.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    store: Arc<dyn spool::Tokens>,
    clock: Clock,
    metrics: OauthMetrics,
    pub(super) fetches: Fetches,
    sources: ByMailbox,
}

impl Tokens {
    pub(super) fn new(store: Arc<dyn spool::Tokens>, clock: &Clock, metrics: &OauthMetrics) -> Tokens {
        let (fetches, sources) = (Fetches::default(), BTreeMap::new());
        Tokens { store, clock: clock.clone(), metrics: metrics.clone(), fetches, sources }
    }

    /// Gives each mailbox of `config` that has a grant its source. What is returned takes the place of these.
    ///
    /// # Errors
    /// TLS that cannot be set up.
    pub(super) fn furnish(&self, config: &mut Config) -> Result<Tokens, OauthError> {
        let mut next = Tokens { sources: BTreeMap::new(), ..self.clone() };
        if config.oauth.grants.is_empty() {
            return Ok(next);
        }
        let means =
            Means::new(Arc::clone(&self.store), self.fetches.clone(), self.clock.clone(), self.metrics.clone())?;
        for mailbox in &mut config.collect.mailboxes {
            let Some(grant) = config.oauth.grants.get(&mailbox.name) else { continue };
            self.metrics.declare(&mailbox.name, &oauth::results());
            let source = match self.sources.get(&mailbox.name) {
                Some((known, source)) if known == grant => Arc::clone(source),
                _ => Arc::new(Source::new(mailbox.name.clone(), grant.clone(), means.clone())),
            };
            mailbox.credential = Credential::Token(Arc::<Source>::clone(&source));
            next.sources.insert(mailbox.name.clone(), (grant.clone(), source));
        }
        Ok(next)
    }

    /// Forgets what was counted of mailboxes that have no source in `next`.
    pub(super) fn forget_but(&self, next: &Tokens) {
        self.sources.keys().filter(|name| !next.sources.contains_key(*name)).for_each(|name| self.metrics.forget(name));
    }
}

/// Gives each mailbox of `config` that has a grant its source. Refresh tokens are kept in `tokens`; what is returned
/// counts the fetches.
///
/// # Errors
/// TLS that cannot be set up.
pub fn make_sources(
    config: &mut Config,
    tokens: Arc<dyn spool::Tokens>,
    clock: &Clock,
    metrics: &OauthMetrics,
) -> Result<Fetches, OauthError> {
    Tokens::new(tokens, clock, metrics).furnish(config).map(|made| made.fetches)
}

/// Waits for the access tokens that are being fetched: an answer may hold the only refresh token that counts.
pub async fn end_fetches(fetches: &Fetches, at_most: Duration) {
    if tokio::time::timeout(at_most, fetches.ended()).await.is_err() {
        tracing::warn!("an access token is still being fetched; if `no_token` follows, log the mailbox in again");
    }
}
