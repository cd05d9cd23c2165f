//! Makes the sources of access tokens, and gives each to its mailbox: `collect` does not know where tokens come from.

use std::sync::Arc;

use crate::clock::Clock;
use crate::collect::Credential;
use crate::config::Config;
use crate::metrics::OauthMetrics;
use crate::oauth;
use crate::oauth::Means;
use crate::oauth::OauthError;
use crate::oauth::Source;
use crate::spool::Tokens;

/// Gives each mailbox of `config` that has a grant its source. Refresh tokens are kept in `tokens`.
///
/// # Errors
/// TLS that cannot be set up.
pub fn make_sources(
    config: &mut Config,
    tokens: Arc<dyn Tokens>,
    clock: &Clock,
    metrics: &OauthMetrics,
) -> Result<(), OauthError> {
    if config.oauth.grants.is_empty() {
        return Ok(());
    }
    let means = Means::new(tokens, clock.clone(), metrics.clone())?;
    let results = oauth::results();
    for mailbox in &mut config.collect.mailboxes {
        let Some(grant) = config.oauth.grants.get(&mailbox.name) else { continue };
        metrics.declare(&mailbox.name, &results);
        let source = Source::new(mailbox.name.clone(), grant.clone(), means.clone());
        mailbox.credential = Credential::Token(Arc::new(source));
    }
    Ok(())
}
