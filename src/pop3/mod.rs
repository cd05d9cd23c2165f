//! The wire: one POP3 session, from greeting to QUIT.
//!
//! RFC 1939 with CAPA (2449), STLS (2595), response codes (3206) and AUTH (5034; SCRAM and access tokens too), spoken
//! as real servers speak it. In the order of a session: `stream` connects and protects, `buffered` and `connection`
//! keep commands and answers in step, `wire` and `reply` read them, `session` gives each state of the protocol its
//! type, `auth` logs in, `listing`, `header` and `retrieve` tell and take what is there. `handshake` and `remedy` say
//! what went wrong and what to do about it; `transcript` shows a session at debug.
//!
//! It knows no spool and no policy: which messages to retrieve and to mark is told by the caller. **A message is handed
//! out complete or not at all; nothing is expunged before [`Transaction::quit`]; no credential is sent on a line that is
//! not protected as configured.**
//!
//! Not built: channel binding, UTF8 (RFC 6856), SRV look-up. Names and passwords go as the UTF-8 that they are.

mod auth;
mod buffered;
mod capability;
mod code;
mod config;
mod connection;
mod error;
mod handshake;
mod header;
mod listing;
mod pipeline;
mod remedy;
mod reply;
mod retrieve;
mod session;
mod stream;
mod transcript;
mod wire;

#[cfg(test)]
mod scripted;

#[cfg(any(debug_assertions, fuzzing))]
#[doc(hidden)]
pub mod properties;

pub use capability::Capabilities;
pub use capability::Expire;
pub use code::Code;
pub use config::Auth;
pub use config::Capa;
pub use config::Config;
pub use config::Credential;
pub use config::Pipelining;
pub use config::Timeouts;
pub use config::Tls;
pub use error::NoMechanism;
pub use error::Pop3Error;
pub use error::Step;
pub use handshake::HandshakeError;
pub use listing::Entry;
pub use listing::Listing;
pub use pipeline::Wanted;
pub use retrieve::Retrieval;
pub use retrieve::Retrieved;
pub use session::Authorization;
pub use session::Expunged;
pub use session::Marked;
pub use session::Transaction;
pub use session::connect;
