//! Makes the sources of access tokens, and gives each to its mailbox: `collect` does not know where tokens come from.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::collect::Credential;
use crate::config::Config;
use crate::metrics::OauthMetrics;
use crate::oauth;
use crate::oauth::Fetches;
use crate::oauth::Means;
use crate::oauth::OauthError;
use crate::oauth::Source;
use crate::spool::Tokens;

/// Gives each mailbox of `config` that has a grant its source. Refresh tokens are kept in `tokens`; what is returned
/// counts the fetches.
///
/// # Errors
/// TLS that cannot be set up.
pub fn make_sources(
    config: &mut Config,
    tokens: Arc<dyn Tokens>,
    clock: &Clock,
    metrics: &OauthMetrics,
) -> Result<Fetches, OauthError> {
    let fetches = Fetches::default();
    if config.oauth.grants.is_empty() {
        return Ok(fetches);
    }
    let means = Means::new(tokens, fetches.clone(), clock.clone(), metrics.clone())?;
    let results = oauth::results();
    for mailbox in &mut config.collect.mailboxes {
        let Some(grant) = config.oauth.grants.get(&mailbox.name) else { continue };
        metrics.declare(&mailbox.name, &results);
        let source = Source::new(mailbox.name.clone(), grant.clone(), means.clone());
        mailbox.credential = Credential::Token(Arc::new(source));
    }
    Ok(fetches)
}

/// Waits for the access tokens that are being fetched: an answer may hold the only refresh token that counts.
pub async fn end_fetches(fetches: &Fetches, at_most: Duration) {
    if tokio::time::timeout(at_most, fetches.ended()).await.is_err() {
        tracing::warn!("an access token is still being fetched; if `no_token` follows, log the mailbox in again");
    }
}
