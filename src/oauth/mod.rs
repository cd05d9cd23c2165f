//! Access tokens for mailboxes that log in with OAuth 2.0: fetched, cached, refreshed, rotated tokens stored.
//!
//! A [`Source`] gives one mailbox its access token, by one [`Grant`]: a refresh token (RFC 6749 section 6), client
//! credentials (section 4.4), a service account's signature (RFC 7523), or a command. [`Login`] is how a human hands out
//! the first refresh token, from any browser (RFC 8628).
//!
//! The promise: a refresh token that takes the place of another is on the disk before the access token that came with
//! it is used, a kept one is shown to nobody but whom it was given to, and no token, address or word of a server ever
//! stands in a log or an error. [`Fetches`] lets the end of the process wait for what is under way.
//!
//! What it does not know: POP3, and when a mailbox is visited. There is no authorization code flow (RFC 6749
//! section 4.1): it needs a web server that the browser can reach.

mod answer;
mod assertion;
mod cache;
mod command;
mod config;
mod device;
mod error;
mod fetches;
mod http;
mod provider;
mod refresh;
mod request;
mod service_key;
mod source;

pub use config::Client;
pub use config::Config;
pub use config::Grant;
pub use config::ServiceAccount;
pub use device::Login;
pub use device::Prompt;
pub use error::Code;
pub use error::OauthError;
pub use fetches::Fetches;
pub use provider::Provider;
pub use service_key::ServiceKey;
pub use source::Means;
pub use source::Source;

/// The result label of a token that was fetched.
const RESULT_OK: &str = "ok";

/// Every value of the label `result`.
pub fn results() -> Vec<&'static str> {
    std::iter::once(RESULT_OK).chain(error::REASONS.iter().copied()).collect()
}
