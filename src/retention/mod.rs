//! The end: what may be deleted on the server, and when our own copy goes.
//!
//! [`may_go`] judges the server's copies; `collect` asks it and acts. [`sweep()`] releases our own copies in their time.
//! A dead letter never causes a DELE, and our copy of it goes only after `keep_dead`, which is for ever unless
//! somebody wrote otherwise.

mod policy;
mod sweep;

use std::time::Duration;

pub use policy::OnServer;
pub use policy::Policy;
pub use policy::may_go;
pub use sweep::sweep;

/// How long our own copies are kept.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// After every delivery was delivered, or a rule dropped the message.
    pub keep_delivered: Duration,
    /// Dead letters: `None` is for ever; a time means erased unread.
    pub keep_dead: Option<Duration>,
}
