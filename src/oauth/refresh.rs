//! Which refresh token counts: the one that was kept, or the configuration's (pure).
//!
//! A kept one is shown to nobody but whom it was given to: the same client, at the same address, for the same user.

use sha2::Digest as _;
use sha2::Sha256;

use super::config::Client;
use crate::secret::Secret;
use crate::spool::Token;

/// The SHA-256 of whom a refresh token is given to.
pub(super) type Whom = [u8; 32];

/// Why no refresh token counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// There is none.
    Never,
    /// There is one, which somebody else was given.
    Another,
}

/// Whom `client` is given tokens as, for the mailbox of `username`.
pub(super) fn whom(client: &Client, username: &Secret) -> Whom {
    let mut hash = Sha256::new();
    for part in [client.token_url.as_str(), &client.id, username.reveal()] {
        // The length first, so that no two lists of parts look alike.
        hash.update(part.len().to_string());
        hash.update(":");
        hash.update(part);
    }
    hash.finalize().into()
}

/// The kept token if it was given to `whom`, unless the configuration's has changed since it was kept.
pub(super) fn current(kept: Option<Token>, configured: Option<&Secret>, whom: Whom) -> Result<Token, Missing> {
    let another = kept.is_some();
    let kept = kept.filter(|kept| kept.whose() == Some(&whom));
    let Some(configured) = configured else {
        return kept.ok_or(if another { Missing::Another } else { Missing::Never });
    };
    let hash = hash(configured);
    let kept = kept.filter(|kept| kept.in_place_of() == Some(&hash));
    Ok(kept.unwrap_or_else(|| Token::new(configured.reveal(), Some(hash)).given_to(Some(whom))))
}

/// `new`, given to `whom` in the place of the configuration's token as it is now.
pub(super) fn logged_in(new: &Secret, configured: Option<&Secret>, whom: Whom) -> Token {
    Token::new(new.reveal(), configured.map(hash)).given_to(Some(whom))
}

/// `new`, in the place of `used`.
pub(super) fn rotated(new: &Secret, used: &Token) -> Token {
    Token::new(new.reveal(), used.in_place_of().copied()).given_to(used.whose().copied())
}

fn hash(token: &Secret) -> [u8; 32] {
    Sha256::digest(token.reveal()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Whom = [1; 32];

    fn check(kept: Option<Token>, configured: Option<&str>, expected: Result<&str, Missing>) {
        let configured = configured.map(Secret::new);
        let found = current(kept, configured.as_ref(), ME);
        assert_eq!(found.as_ref().map(Token::reveal), expected.as_ref().copied(), "{configured:?}");
    }

    #[test]
    fn the_kept_token_counts_until_the_file_changes() {
        let file = Secret::new("file");
        check(None, None, Err(Missing::Never));
        check(None, Some("file"), Ok("file"));
        let login = logged_in(&Secret::new("new"), None, ME);
        check(Some(login.clone()), None, Ok("new"));
        check(Some(login), Some("file"), Ok("file"));
        let login = logged_in(&Secret::new("new"), Some(&file), ME);
        check(Some(login.clone()), Some("file"), Ok("new"));
        check(Some(login.clone()), Some("other"), Ok("other"));
        check(Some(login.clone()), None, Ok("new"));
        let next = rotated(&Secret::new("next"), &login);
        check(Some(next.clone()), Some("file"), Ok("next"));
        check(Some(next), Some("other"), Ok("other"));
        let used = current(None, Some(&file), ME).unwrap();
        check(Some(rotated(&Secret::new("next"), &used)), Some("file"), Ok("next"));
    }

    #[test]
    fn a_token_that_another_was_given_does_not_count() {
        let file = Secret::new("file");
        for whom in [None, Some([2; 32])] {
            let kept = |configured| logged_in(&Secret::new("new"), configured, ME).given_to(whom);
            check(Some(kept(None)), None, Err(Missing::Another));
            check(Some(rotated(&Secret::new("next"), &kept(None))), None, Err(Missing::Another));
            check(Some(kept(Some(&file))), Some("file"), Ok("file"));
        }
    }

    #[test]
    fn whom_a_token_is_given_to_depends_on_address_client_and_user() {
        let whom = |url: &str, id: &str, username: &str| {
            let client = Client {
                token_url: url.parse().unwrap(),
                device_url: None,
                scope: None,
                id: id.to_owned(),
                secret: None,
            };
            whom(&client, &Secret::new(username))
        };
        let me = whom("https://h/t", "id", "ann");
        assert_eq!(me, whom("https://h/t", "id", "ann"));
        for (url, id, username) in [
            ("https://g/t", "id", "ann"),
            ("https://h/u", "id", "ann"),
            ("https://h/t", "other", "ann"),
            ("https://h/t", "id", "bob"),
            ("https://h/t", "ida", "nn"),
            ("https://h/ti", "d", "ann"),
            ("https://h/t", "id3:ann", ""),
        ] {
            assert_ne!(me, whom(url, id, username), "{url} {id} {username}");
        }
    }
}
