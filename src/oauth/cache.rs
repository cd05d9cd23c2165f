//! How long an access token is used, and which is held now (pure).

use std::time::Duration;

use super::error::OauthError;
use crate::secret::Secret;

/// A token whose life is unknown is asked for again after this: at each visit of a mailbox that is visited as usual.
pub(super) const UNKNOWN: Duration = Duration::from_secs(60);

/// A token is given up so long before its end at most: longer than a visit that begins with it takes to log in, however
/// the clocks differ.
const BEFORE_THE_END: Duration = Duration::from_secs(5 * 60);

/// What the last fetch brought.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) fetched: Result<Secret, OauthError>,
    /// By uptime: a wall clock that jumps makes no token younger.
    pub(super) until: Duration,
}

/// How long a token that lives for `lifetime` is used.
pub(super) fn fresh_for(lifetime: Option<Duration>) -> Duration {
    lifetime.map_or(UNKNOWN, |lifetime| lifetime.saturating_sub(BEFORE_THE_END.min(lifetime / 10)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_given_up_shortly_before_its_end() {
        let check = |lifetime: Option<u64>, expected: u64| {
            assert_eq!(fresh_for(lifetime.map(Duration::from_secs)), Duration::from_secs(expected), "{lifetime:?}");
        };
        check(Some(3600), 3300);
        check(Some(86_400), 86_100);
        check(Some(600), 540);
        check(Some(0), 0);
        check(None, 60);
    }
}
