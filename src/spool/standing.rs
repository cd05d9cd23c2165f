//! Where an endpoint stands: what the spool remembers of it between two claims, two starts, two replicas.

use jiff::Timestamp;

use super::Hold;
use super::MessageKey;

/// Where an endpoint stands, as a claim found it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Nothing is posted before this.
    pub paused_until: Option<Timestamp>,
    /// Nothing is posted until somebody resumes it.
    pub held: Option<Hold>,
    /// What its answers have made of it.
    pub health: Health,
    /// How often somebody has resumed it. What was thought of it before counts no more.
    pub resumes: u64,
}

/// What an endpoint's answers have made of it, as far as that must survive a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Its breaker.
    pub breaker: Breaker,
    /// When it first said that it is gone, if it has taken nothing since.
    pub gone_since: Option<Timestamp>,
    /// The different messages that it refused, if it has taken none since.
    pub refused: Vec<MessageKey>,
}

/// Whether an endpoint that failed again and again is spared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Breaker {
    /// It gets what is due.
    #[default]
    Closed,
    /// It has taken a probe, and gets one message at a time.
    HalfOpen,
    /// It gets nothing, and then a probe.
    Open {
        /// When the probe may go out.
        probe_at: Timestamp,
        /// How many probes failed in a row.
        failed: u32,
    },
}

impl Breaker {
    /// The name in the spool and in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Breaker::Closed => "closed",
            Breaker::HalfOpen => "half_open",
            Breaker::Open { .. } => "open",
        }
    }

    /// When the next probe may go out, where that is waited for.
    pub fn probe_at(self) -> Option<Timestamp> {
        match self {
            Breaker::Closed | Breaker::HalfOpen => None,
            Breaker::Open { probe_at, .. } => Some(probe_at),
        }
    }
}
