//! Which refresh token counts: the one that was kept, or the configuration's (pure).

use sha2::Digest as _;
use sha2::Sha256;

use crate::secret::Secret;
use crate::spool::Token;

/// The kept token, unless the configuration's has changed since it was kept.
pub(super) fn current(kept: Option<Token>, configured: Option<&Secret>) -> Option<Token> {
    let Some(configured) = configured else { return kept };
    let hash = hash(configured);
    let kept = kept.filter(|kept| kept.in_place_of() == Some(&hash));
    Some(kept.unwrap_or_else(|| Token::new(configured.reveal(), Some(hash))))
}

/// `new`, in the place of the configuration's token as it is now.
pub(super) fn logged_in(new: &Secret, configured: Option<&Secret>) -> Token {
    Token::new(new.reveal(), configured.map(hash))
}

/// `new`, in the place of `used`.
pub(super) fn rotated(new: &Secret, used: &Token) -> Token {
    Token::new(new.reveal(), used.in_place_of().copied())
}

fn hash(token: &Secret) -> [u8; 32] {
    Sha256::digest(token.reveal()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kept: Option<Token>, configured: Option<&str>, expected: Option<&str>) {
        let configured = configured.map(Secret::new);
        let found = current(kept, configured.as_ref());
        assert_eq!(found.as_ref().map(Token::reveal), expected, "{configured:?}");
    }

    #[test]
    fn the_kept_token_counts_until_the_file_changes() {
        let file = Secret::new("file");
        check(None, None, None);
        check(None, Some("file"), Some("file"));
        let login = logged_in(&Secret::new("new"), None);
        check(Some(login.clone()), None, Some("new"));
        check(Some(login), Some("file"), Some("file"));
        let login = logged_in(&Secret::new("new"), Some(&file));
        check(Some(login.clone()), Some("file"), Some("new"));
        check(Some(login.clone()), Some("other"), Some("other"));
        check(Some(login.clone()), None, Some("new"));
        let next = rotated(&Secret::new("next"), &login);
        check(Some(next.clone()), Some("file"), Some("next"));
        check(Some(next), Some("other"), Some("other"));
        let used = current(None, Some(&file)).unwrap();
        check(Some(rotated(&Secret::new("next"), &used)), Some("file"), Some("next"));
    }
}
