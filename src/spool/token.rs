//! A refresh token as it is kept: the only secret that the spool holds.
//!
//! It lies in the spool's file in clear, as the mail does; the file's mode (0600) is what guards both.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

/// A refresh token (RFC 6749 section 1.5), whom it was given to, and which one of the configuration it took the place of.
///
/// `Debug` prints `[secret]`; there is no `Display`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    refresh_token: String,
    in_place_of: Option<[u8; 32]>,
    given_to: Option<[u8; 32]>,
}

impl Token {
    /// Wraps `refresh_token`; `in_place_of` is the SHA-256 of the one in the configuration, where there is one.
    pub fn new(refresh_token: impl Into<String>, in_place_of: Option<[u8; 32]>) -> Token {
        Token { refresh_token: refresh_token.into(), in_place_of, given_to: None }
    }

    /// The same token with the SHA-256 of whom it was given to. One that has none may be shown to nobody.
    #[must_use]
    pub fn given_to(self, whom: Option<[u8; 32]>) -> Token {
        Token { given_to: whom, ..self }
    }

    /// The token itself. Call it only where the wire or the disk needs it.
    pub fn reveal(&self) -> &str {
        &self.refresh_token
    }

    /// The SHA-256 of the configuration's token when this one was kept.
    pub fn in_place_of(&self) -> Option<&[u8; 32]> {
        self.in_place_of.as_ref()
    }

    /// The SHA-256 of whom it was given to.
    pub fn whose(&self) -> Option<&[u8; 32]> {
        self.given_to.as_ref()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
