//! What a spooled message is: a mail, or an event about mails, mailboxes and endpoints.

/// What a spooled message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A mail; its bytes are the mail.
    Mail,
    /// The event that a mail stays on the server because it is too large; its bytes are the mail's header, as far as
    /// the server gave it.
    Oversize {
        /// The size seen, in bytes.
        size: u64,
        /// The limit in force, in bytes.
        limit: u64,
    },
    /// The notice that a delivery of a mail became a dead letter; its bytes are a [`super::DeadLetter`] in JSON.
    DeadLetter,
    /// The event that something changed with a mailbox or an endpoint; its bytes are [`super::Facts`] in JSON.
    Changed(Change),
}

/// What can change with a mailbox or an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// The server refuses a mailbox's login.
    AuthFailed,
    /// A mailbox cannot be visited.
    Unreachable,
    /// A mailbox of which one of these was told can be visited again.
    Recovered,
    /// Most known unique-ids of a mailbox went at once.
    UidlReset,
    /// An endpoint's deliveries are held until somebody resumes it.
    EndpointHeld,
}

impl Kind {
    /// The name in the spool and in listings; an event's is the `type` of its payload.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Mail => "mail",
            Kind::Oversize { .. } => "mail.oversize",
            Kind::DeadLetter => "mail.dead_letter",
            Kind::Changed(change) => change.as_str(),
        }
    }

    /// Reads the name of an event back that has no size and no limit.
    pub(super) fn parse_event(name: &str) -> Option<Kind> {
        let changed = Change::ALL.into_iter().map(Kind::Changed);
        changed.chain([Kind::DeadLetter]).find(|kind| kind.as_str() == name)
    }
}

impl Change {
    /// All changes.
    pub const ALL: [Change; 5] =
        [Change::AuthFailed, Change::Unreachable, Change::Recovered, Change::UidlReset, Change::EndpointHeld];

    /// The `type` of the payload that tells of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::AuthFailed => "mailbox.auth_failed",
            Change::Unreachable => "mailbox.unreachable",
            Change::Recovered => "mailbox.recovered",
            Change::UidlReset => "mailbox.uidl_reset",
            Change::EndpointHeld => "endpoint.held",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_reads_back() {
        for kind in Change::ALL.into_iter().map(Kind::Changed).chain([Kind::DeadLetter]) {
            assert_eq!(Kind::parse_event(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::parse_event("mail"), None);
    }
}
