//! The road: spooled messages are sorted, and due deliveries posted until they are accepted.
//!
//! `sorting` parses each spooled message and commits where it goes. `queue` is one endpoint's loop: it claims what is
//! due, as far as slots are free, and lets `attempt` post it by its `means` (`payload` renders, `body` says from where, `signature`
//! signs, `webhook` sends, `upload` watches the body go out, `answer` reads what comes back). `letter` gathers what a mail's body is
//! made of, `carriage` decides how each attachment travels, and `store` keeps those that travel as links. `event` renders
//! what is told of dead letters and accounts; `reading` parses by what each mailbox asks for. `client` makes the connections: `resolve` looks names up, and `egress` says which addresses are allowed.
//! `outcome`, `statuses`, `backoff` and `settle` decide what an answer means, `failure` why none came, `keyring` which
//! keys are valid, and `told` and `remark` what of an answer is news for the log; they are pure. `keywatch` holds an
//! endpoint while none of its keys is valid. `probe` and `preview` are for operators.
//!
//! How much an endpoint gets is decided before it is claimed: `gate` goes by its answers (`breaker` spares one that
//! fails, `concurrency` finds how much it takes at once), `rate` by the configuration, and `slots` by what all endpoints
//! have under way together; `wanted` asks the spool for that much. **No endpoint waits for another one's slots.**
//!
//! An endpoint's slot is free when the answer is in; the record of it joins the next group commit. **An error that
//! nobody foresaw defers: it never refuses, and it never deletes.** This half never speaks POP3.

pub mod carriage;

pub mod payload;

pub mod signature;

mod answer;
mod attempt;
mod backoff;
mod body;
mod breaker;
mod client;
mod concurrency;
mod config;
mod egress;
mod event;
mod failure;
mod gate;
mod glance;
mod keyring;
mod keywatch;
mod letter;
mod lines;
mod means;
mod open;
mod outcome;
mod preview;
mod probe;
mod queue;
mod rate;
mod reading;
mod recent;
mod remark;
mod resolve;
mod run;
mod score;
mod settle;
mod slots;
mod sorting;
mod statuses;
mod store;
mod task;
mod tell;
mod told;
mod upload;
mod wanted;
mod webhook;
mod when;
mod writing;

pub use client::ClientError;
pub use config::Addressing;
pub use config::AfterBlock;
pub use config::AttachmentStore;
pub use config::Attachments;
pub use config::ClientCertificate;
pub use config::CloudEvents;
pub use config::Cloudmailin;
pub use config::Compress;
pub use config::Config;
pub use config::Endpoint;
pub use config::Event;
pub use config::Format;
pub use config::HeadBlock;
pub use config::Http;
pub use config::InFlight;
pub use config::Limits;
pub use config::OnLarge;
pub use config::Ordering;
pub use config::Pace;
pub use config::Proxy;
pub use config::Rate;
pub use config::Retry;
pub use config::Sendgrid;
pub use config::Signing;
pub use config::Timeouts;
pub use egress::Egress;
pub use failure::Failure;
pub use keyring::Keyring;
pub use keyring::SigningKey;
pub use keyring::Standing;
pub use open::OpenError;
pub use outcome::OUTCOMES;
pub use preview::Rendered;
pub use preview::render;
pub use probe::TEST_EVENT;
pub use probe::Tested;
pub use probe::reach;
pub use probe::test;
pub use reading::Reading;
pub use run::Control;
pub use run::Deliverer;
pub use run::Mode;
pub use run::Prepared;
pub use score::Tally;
pub use statuses::Meaning;
pub use statuses::Preset;
pub use statuses::Statuses;
pub use store::BucketError;
pub use store::Links;
pub use store::try_out;
