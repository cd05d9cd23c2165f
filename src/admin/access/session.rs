//! The logins, kept in memory: a restart ends them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use sha2::Digest as _;
use sha2::Sha256;

/// A login ends so long after it.
const LASTS: Duration = Duration::from_secs(12 * 3600);
/// And so long after it was used last.
const IDLE: Duration = Duration::from_secs(2 * 3600);
/// Logins at once; beyond them, the one that was used the longest ago ends.
const SESSIONS_MAX: usize = 1000;

/// What a hash of ours gives.
pub(super) type Hash = [u8; 32];

/// The logins, by the hash of what the cookie holds: memory that leaks lets nobody in.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<Hash, Session>>);

/// One login.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// The hash of the token that it was made with: it lasts no longer than this one is configured.
    pub(super) token: Hash,
    /// What its forms carry.
    pub(super) csrf: Arc<str>,
    began: Duration,
    used: Duration,
}

/// The hash that tokens and cookies are known by.
pub(super) fn hash(text: &str) -> Hash {
    Sha256::digest(text).into()
}

/// 256 bits that nobody foresees, as text.
///
/// # Errors
/// When the system gives no randomness.
pub(super) fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

impl Sessions {
    /// Begins a login with the token of this hash; tells what the cookie holds.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(super) fn begin(&self, token: Hash, now: Duration) -> Result<String, getrandom::Error> {
        let (id, csrf) = (random()?, random()?.into());
        let mut sessions = self.lock();
        sessions.retain(|_, session| !session.is_over(now));
        if sessions.len() >= SESSIONS_MAX
            && let Some(oldest) = sessions.iter().min_by_key(|(_, session)| session.used).map(|(hash, _)| *hash)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(hash(&id), Session { token, csrf, began: now, used: now });
        Ok(id)
    }

    /// The login that a cookie stands for; it is used now.
    pub(super) fn find(&self, id: &str, now: Duration) -> Option<Session> {
        let mut sessions = self.lock();
        let session = sessions.get_mut(&hash(id)).filter(|session| !session.is_over(now))?;
        session.used = now;
        Some(session.clone())
    }

    /// Ends a login.
    pub(super) fn end(&self, id: &str) {
        self.lock().remove(&hash(id));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.began) >= LASTS || now.saturating_sub(self.used) >= IDLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Hash = [7; 32];

    #[test]
    fn a_login_lasts_while_it_is_used_and_never_longer_than_half_a_day() {
        let sessions = Sessions::default();
        let id = sessions.begin(TOKEN, Duration::ZERO).unwrap();
        let mut now = Duration::ZERO;
        while now + Duration::from_secs(3600) < LASTS {
            now += Duration::from_secs(3600);
            assert!(sessions.find(&id, now).is_some(), "{now:?}");
        }
        assert!(sessions.find(&id, LASTS).is_none());
        let id = sessions.begin(TOKEN, Duration::ZERO).unwrap();
        assert!(sessions.find(&id, IDLE).is_none());
    }

    #[test]
    fn a_login_that_was_ended_or_made_up_is_none() {
        let sessions = Sessions::default();
        let id = sessions.begin(TOKEN, Duration::ZERO).unwrap();
        assert!(sessions.find("made up", Duration::ZERO).is_none());
        assert_eq!(sessions.find(&id, Duration::ZERO).unwrap().token, TOKEN);
        sessions.end(&id);
        assert!(sessions.find(&id, Duration::ZERO).is_none());
    }

    #[test]
    fn no_more_logins_are_kept_than_memory_has_for_them() {
        let sessions = Sessions::default();
        let first = sessions.begin(TOKEN, Duration::ZERO).unwrap();
        for second in 1..=SESSIONS_MAX {
            sessions.begin(TOKEN, Duration::from_secs(u64::try_from(second).unwrap())).unwrap();
        }
        assert_eq!(sessions.lock().len(), SESSIONS_MAX);
        assert!(sessions.find(&first, Duration::ZERO).is_none());
    }
}
