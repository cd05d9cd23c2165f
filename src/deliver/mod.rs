//! The road: due deliveries, posted until they are accepted.

pub mod payload;

pub mod signature;

mod config;

pub use config::Attachments;
pub use config::Config;
pub use config::Endpoint;
pub use config::Format;
pub use config::Signing;
