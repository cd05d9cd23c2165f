//! The wire: one POP3 session, from greeting to QUIT.

mod config;

pub use config::Auth;
pub use config::Config;
pub use config::Pipelining;
pub use config::Timeouts;
pub use config::Tls;
