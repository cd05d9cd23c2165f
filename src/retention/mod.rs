//! The end: what may be deleted on the server, and when our own copy goes.

mod policy;

use std::time::Duration;

pub use policy::OnServer;
pub use policy::Policy;

/// How long our own copies are kept.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// After every delivery was delivered.
    pub keep_delivered: Duration,
    /// Dead letters: `None` is for ever; a time means erased unread.
    pub keep_dead: Option<Duration>,
}
