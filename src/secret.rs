//! Values that must never be printed: passwords, tokens, keys; and where they come from.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// A secret text. `Debug` prints `[secret]`; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps `value`.
    pub fn new(value: impl Into<Arc<str>>) -> Secret {
        Secret(value.into())
    }

    /// The value itself. Call it only where the wire needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Where a secret comes from that does not last, such as an access token: who needs it asks just before.
pub trait Source: fmt::Debug + Send + Sync {
    /// The secret that is good now; it may take a while to get one.
    ///
    /// # Errors
    /// There is none.
    fn current(&self) -> Pin<Box<dyn Future<Output = Result<Secret, Unavailable>> + Send + '_>>;

    /// `secret` was refused where it was used; `current` gives another one from now on, if there is one.
    fn refused(&self, secret: &Secret);
}

/// A secret that is not there, and does not come by itself.
impl Source for Unavailable {
    fn current(&self) -> Pin<Box<dyn Future<Output = Result<Secret, Unavailable>> + Send + '_>> {
        Box::pin(std::future::ready(Err(self.clone())))
    }

    fn refused(&self, _: &Secret) {}
}

/// Why there is no secret now, in words that hold none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// It may well come by itself.
    #[error("{0}")]
    ForNow(String),
    /// A human has to do something first.
    #[error("{0}")]
    UntilHelped(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
    }
}
