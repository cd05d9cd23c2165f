//! The road: spooled messages are sorted, and due deliveries posted until they are accepted.
//!
//! `sorting` parses each spooled message and commits where it goes. `queue` is one endpoint's loop: it claims what is
//! due, as far as slots are free, and lets `attempt` post it (`payload` renders, `signature` signs, `webhook` sends,
//! `upload` watches the body go out). `outcome`, `backoff` and `settle` decide what an answer means, `failure` why none
//! came, and `told` what of it is news for the log; they are pure. `probe` is for operators.
//!
//! An endpoint's slot is free when the answer is in; the record of it joins the next group commit. **An error that
//! nobody foresaw defers: it never refuses, and it never deletes.** This half never speaks POP3.

pub mod payload;

pub mod signature;

mod attempt;
mod backoff;
mod config;
mod failure;
mod lines;
mod outcome;
mod probe;
mod queue;
mod recent;
mod run;
mod settle;
mod sorting;
mod told;
mod upload;
mod webhook;

pub use config::Attachments;
pub use config::Config;
pub use config::Endpoint;
pub use config::Event;
pub use config::Format;
pub use config::Http;
pub use config::Pace;
pub use config::Retry;
pub use config::Signing;
pub use failure::Failure;
pub use outcome::OUTCOMES;
pub use probe::TEST_EVENT;
pub use probe::Tested;
pub use probe::reach;
pub use probe::test;
pub use queue::Tally;
pub use run::Control;
pub use run::Deliverer;
pub use run::Mode;
pub use run::Prepared;
pub use webhook::ClientError;
