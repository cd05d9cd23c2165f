//! Why there is no access token, and what a human can do about it.
//!
//! Texts name the thing and the remedy. They hold an error code of the RFCs at most, never other words of a server.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;

use super::config::Grant;
use crate::ident::MailboxName;
use crate::spool::SpoolError;

/// Why there is no access token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OauthError {
    /// Nobody answered.
    #[error("cannot reach {host}")]
    Unreachable { host: String, source: Arc<reqwest::Error> },
    /// 5xx or 429.
    #[error("{host} cannot answer now (HTTP {status})")]
    Busy { host: String, status: u16 },
    /// The server says why it gives no token (RFC 6749 section 5.2).
    #[error("{host} refused with {code}; {remedy}")]
    Refused { host: String, code: Code, remedy: String },
    /// An answer that the protocol does not know.
    #[error("{host} gave no answer that can be used: {what}")]
    Nonsense { host: String, what: &'static str },
    /// There is no refresh token yet.
    #[error("nobody has logged in yet; run `pophook oauth login {mailbox}`")]
    NoLogin { mailbox: MailboxName },
    /// There is one, which was given to another client, by another server, or for another user.
    #[error(
        "the refresh token that is kept was not given for this token_url, client_id and username; \
         log in again: run `pophook oauth login {mailbox}`"
    )]
    OthersLogin { mailbox: MailboxName },
    /// The mailbox's grant needs no login, or has no address for one.
    #[error("mailbox {mailbox} {why}")]
    NoDevice { mailbox: MailboxName, why: &'static str },
    /// The program gave no token.
    #[error("the command {program:?} {fault}; run it by hand to see why")]
    Command { program: String, fault: CommandFault },
    /// A service account's key does not sign.
    #[error("cannot sign with the key of service_account")]
    Unsigned(#[source] Arc<openssl::error::ErrorStack>),
    /// A refresh token cannot be read or kept.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// TLS cannot be set up.
    #[error("cannot make the HTTP client for tokens")]
    Client(#[source] Arc<reqwest::Error>),
    /// The fetch ended without an answer, which is a fault of ours.
    #[error("the fetch of a token crashed")]
    Crashed,
}

/// Why a program gave no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandFault {
    /// It was not there, say.
    #[error("cannot be run: {0}")]
    Run(io::ErrorKind),
    /// It says so itself.
    #[error("failed with {0}")]
    Failed(ExitStatus),
    /// It did not end.
    #[error("did not end in time")]
    TooSlow,
    /// It printed something else.
    #[error("printed no token: one line of visible ASCII")]
    NoToken,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident $name:literal;)*) => {
        /// The error codes of RFC 6749 section 5.2 and RFC 8628 section 3.5, and those of large providers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $code,)*
            /// Any other; its text is the server's, so it is not told.
            Unknown,
        }

        impl Code {
            pub(super) fn parse(text: &str) -> Code {
                match text {
                    $($name => Code::$code,)*
                    _ => Code::Unknown,
                }
            }

            /// The code as the server wrote it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Code::$code => $name,)*
                    Code::Unknown => "an error code that is not known",
                }
            }
        }
    };
}

codes! {
    /// The request lacks something.
    InvalidRequest "invalid_request";
    /// The client is not known, or its secret is wrong.
    InvalidClient "invalid_client";
    /// The refresh token, assertion or device code counts no more.
    InvalidGrant "invalid_grant";
    /// This client may not use this grant.
    UnauthorizedClient "unauthorized_client";
    /// The server does not know this grant.
    UnsupportedGrantType "unsupported_grant_type";
    /// The scope is not known, or not for this client.
    InvalidScope "invalid_scope";
    /// The human has not agreed yet.
    AuthorizationPending "authorization_pending";
    /// As before, and the polls come too often.
    SlowDown "slow_down";
    /// The human refused.
    AccessDenied "access_denied";
    /// The device code has run out.
    ExpiredToken "expired_token";
    /// Microsoft: a human has to do something in the browser.
    InteractionRequired "interaction_required";
    /// Microsoft: a human has to agree anew.
    ConsentRequired "consent_required";
    /// As HTTP 503.
    TemporarilyUnavailable "temporarily_unavailable";
    /// As HTTP 500.
    ServerError "server_error";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Every value of [`OauthError::reason`].
pub(super) const REASONS: &[&str] = &[
    "unreachable",
    "busy",
    "invalid_grant",
    "invalid_client",
    "refused",
    "nonsense",
    "no_login",
    "command",
    "spool",
    "fault",
];

impl OauthError {
    /// Whether the next try may well succeed without a human doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            OauthError::Refused { code, .. } => matches!(code, Code::TemporarilyUnavailable | Code::ServerError),
            OauthError::Unreachable { .. }
            | OauthError::Busy { .. }
            | OauthError::Nonsense { .. }
            | OauthError::Command { .. }
            | OauthError::Spool(_)
            | OauthError::Client(_)
            | OauthError::Crashed => true,
            OauthError::NoLogin { .. }
            | OauthError::OthersLogin { .. }
            | OauthError::NoDevice { .. }
            | OauthError::Unsigned(_) => false,
        }
    }

    /// The error with its causes, as one line.
    pub fn chain(&self) -> String {
        let first: &(dyn Error + 'static) = self;
        let causes = std::iter::successors(Some(first), |error| (*error).source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }

    /// The value for a metric's label.
    pub fn reason(&self) -> &'static str {
        match self {
            OauthError::Unreachable { .. } => "unreachable",
            OauthError::Busy { .. } => "busy",
            OauthError::Refused { code: Code::TemporarilyUnavailable | Code::ServerError, .. } => "busy",
            OauthError::Refused { code: Code::InvalidGrant, .. } => "invalid_grant",
            OauthError::Refused { code: Code::InvalidClient, .. } => "invalid_client",
            OauthError::Refused { .. } => "refused",
            OauthError::Nonsense { .. } => "nonsense",
            OauthError::NoLogin { .. } | OauthError::OthersLogin { .. } | OauthError::NoDevice { .. } => "no_login",
            OauthError::Command { .. } => "command",
            OauthError::Spool(_) => "spool",
            OauthError::Unsigned(_) | OauthError::Client(_) | OauthError::Crashed => "fault",
        }
    }
}

/// What a human can do about `code`, where `mailbox` asks by `grant`.
pub(super) fn remedy(code: Code, grant: &Grant, mailbox: &MailboxName) -> String {
    let text = match (code, grant) {
        (
            Code::InvalidGrant | Code::InteractionRequired | Code::ConsentRequired | Code::ExpiredToken,
            Grant::Refresh { client, .. },
        ) => match client.device_url {
            Some(_) => return format!("run `pophook oauth login {mailbox}`"),
            None => "write a new refresh_token",
        },
        (Code::InvalidGrant, Grant::ServiceAccount(_)) => {
            "look at the mailbox's username, at the key of service_account, and at this machine's clock"
        }
        (Code::InvalidClient, Grant::ServiceAccount(_)) => "look at service_account; its key may have been deleted",
        (Code::InvalidClient, _) => "look at client_id and client_secret, which may have run out",
        (Code::UnauthorizedClient, Grant::ServiceAccount(_)) => {
            "allow the scope to the service account (domain-wide delegation)"
        }
        (Code::UnauthorizedClient, _) => "allow this grant to the client, at the provider",
        (Code::InvalidScope, _) => "look at scope, and at what the client may ask for",
        (Code::AccessDenied, _) => "whoever had the code refused, or may not agree without an administrator",
        (Code::UnsupportedGrantType, _) => "look at token_url and at the grant",
        (Code::TemporarilyUnavailable | Code::ServerError, _) => "it is tried again",
        (_, _) => "look at oauth2 of the mailbox",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::config::Client;
    use crate::secret::Secret;

    fn refresh(device_url: Option<&str>) -> Grant {
        let client = Client {
            token_url: "https://login.example/token".parse().unwrap(),
            device_url: device_url.map(|url| url.parse().unwrap()),
            scope: None,
            id: "id".to_owned(),
            secret: None,
        };
        Grant::Refresh { client, username: Secret::new("ann"), refresh_token: None }
    }

    fn check(code: &str, grant: &Grant, transient: bool, reason: &str, text: &str) {
        let (code, mailbox) = (Code::parse(code), MailboxName::parse("support").unwrap());
        let error = OauthError::Refused { host: "h".to_owned(), code, remedy: remedy(code, grant, &mailbox) };
        assert_eq!((error.is_transient(), error.reason(), error.to_string().as_str()), (transient, reason, text));
        assert!(REASONS.contains(&reason));
    }

    #[test]
    fn a_refusal_says_what_a_human_can_do() {
        let (device, file) = (refresh(Some("https://login.example/device")), refresh(None));
        let login = "run `pophook oauth login support`";
        check("invalid_grant", &device, false, "invalid_grant", &format!("h refused with invalid_grant; {login}"));
        check("consent_required", &device, false, "refused", &format!("h refused with consent_required; {login}"));
        let write = "h refused with invalid_grant; write a new refresh_token";
        check("invalid_grant", &file, false, "invalid_grant", write);
        let client = "h refused with invalid_client; look at client_id and client_secret, which may have run out";
        check("invalid_client", &file, false, "invalid_client", client);
        let later = "h refused with temporarily_unavailable; it is tried again";
        check("temporarily_unavailable", &file, true, "busy", later);
        let unknown = "h refused with an error code that is not known; look at oauth2 of the mailbox";
        check("ann@example.com", &file, false, "refused", unknown);
    }
}
