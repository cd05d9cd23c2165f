//! The road: spooled messages are sorted, and due deliveries posted until they are accepted.
//!
//! `sorting` parses each spooled message and commits where it goes. `queue` is one endpoint's loop: it claims what is
//! due, as far as slots are free, and lets `attempt` post it (`payload` renders, `signature` signs, `webhook` sends,
//! `upload` watches the body go out, `answer` reads what comes back). `client` makes the connections: `resolve` looks
//! names up, and `egress` says which addresses are allowed. `outcome`, `statuses`, `backoff` and `settle` decide what an
//! answer means, `failure` why none came, and `told` and `remark` what of it is news for the log; they are pure. `probe`
//! is for operators.
//!
//! An endpoint's slot is free when the answer is in; the record of it joins the next group commit. **An error that
//! nobody foresaw defers: it never refuses, and it never deletes.** This half never speaks POP3.

pub mod payload;

pub mod signature;

mod answer;
mod attempt;
mod backoff;
mod client;
mod config;
mod egress;
mod failure;
mod outcome;
mod probe;
mod queue;
mod recent;
mod remark;
mod resolve;
mod run;
mod settle;
mod sorting;
mod statuses;
mod told;
mod upload;
mod webhook;

pub use client::ClientError;
pub use config::Attachments;
pub use config::ClientCertificate;
pub use config::Compress;
pub use config::Config;
pub use config::Endpoint;
pub use config::Event;
pub use config::Format;
pub use config::Http;
pub use config::Pace;
pub use config::Proxy;
pub use config::Retry;
pub use config::Signing;
pub use config::Timeouts;
pub use egress::Egress;
pub use failure::Failure;
pub use outcome::OUTCOMES;
pub use probe::TEST_EVENT;
pub use probe::Tested;
pub use probe::reach;
pub use probe::test;
pub use queue::Tally;
pub use run::Deliverer;
pub use run::Mode;
pub use statuses::Meaning;
pub use statuses::Preset;
pub use statuses::Statuses;
