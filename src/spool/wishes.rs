//! What operators want of visits.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::ident::MailboxName;

/// What operators want of visits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The mailboxes that are not visited ([`super::Command::Pause`]); a restart keeps them so.
    pub paused: BTreeSet<MailboxName>,
    /// How often each mailbox was to be visited at once, since the start ([`super::Command::Visit`]).
    pub visits: BTreeMap<MailboxName, u64>,
}
