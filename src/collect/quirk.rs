//! What an operator should know of a server: where it and the mailbox's rules do not fit. Pure.

use std::collections::HashSet;
use std::fmt;

use super::Mailbox;
use super::known::does_not_delete;
use super::known::latest_rows;
use crate::ident::UniqueId;
use crate::pop3::Capabilities;
use crate::pop3::Expire;
use crate::pop3::Listing;
use crate::retention::OnServer;
use crate::spool::Ledger;

/// A trait of a server that its mailbox's rules should reckon with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quirk {
    /// `EXPIRE 0` (RFC 2449 section 6.7), though `on_server` is `keep`.
    ExpiresAtOnce,
    /// Messages without a usable unique-id, though `on_server` is `keep`.
    NoUniqueIds,
    /// Messages that it was told to delete are still there.
    DoesNotDelete,
    /// It lists only a part of the maildrop at a time.
    Window,
    /// `LOGIN-DELAY` (RFC 2449 section 6.5) is longer than the interval.
    LoginDelay,
}

impl Quirk {
    /// Every quirk.
    pub const ALL: [Quirk; 5] =
        [Quirk::ExpiresAtOnce, Quirk::NoUniqueIds, Quirk::DoesNotDelete, Quirk::Window, Quirk::LoginDelay];

    /// The value for a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Quirk::ExpiresAtOnce => "expire_0",
            Quirk::NoUniqueIds => "no_unique_ids",
            Quirk::DoesNotDelete => "does_not_delete",
            Quirk::Window => "window",
            Quirk::LoginDelay => "login_delay",
        }
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Quirk::ExpiresAtOnce => "the server may delete what was retrieved (EXPIRE 0), though on_server is keep",
            Quirk::NoUniqueIds => "messages without a unique-id are read anew at each visit, at most once an hour",
            Quirk::DoesNotDelete => {
                "the server does not delete: it keeps what it was told to; the mailbox is treated as keep"
            }
            Quirk::Window => {
                "the server (Gmail) lists a part of the maildrop at a time; the rest comes in later visits"
            }
            Quirk::LoginDelay => "the server wants a longer delay between logins than poll_interval; it gets it",
        })
    }
}

/// The quirks that a session shows, beside what the ledger knows of the sessions before.
pub fn quirks(mailbox: &Mailbox, capabilities: &Capabilities, listing: &Listing, ledger: &Ledger) -> Vec<Quirk> {
    let listed: HashSet<&UniqueId> = listing.entries.iter().filter_map(|entry| entry.unique_id.as_ref()).collect();
    let keeps = mailbox.retention.on_server == OnServer::Keep;
    let nameless = listing.entries.iter().any(|entry| entry.unique_id.is_none());
    let delayed = capabilities.login_delay().is_some_and(|delay| delay > mailbox.poll_interval);
    [
        (keeps && capabilities.expire() == Some(Expire::Days(0)), Quirk::ExpiresAtOnce),
        (keeps && nameless, Quirk::NoUniqueIds),
        (does_not_delete(&latest_rows(ledger), &listed), Quirk::DoesNotDelete),
        (capabilities.has("X-GOOGLE-RICO"), Quirk::Window),
        (delayed, Quirk::LoginDelay),
    ]
    .into_iter()
    .filter_map(|(shown, quirk)| shown.then_some(quirk))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::plan::tests::mailbox;
    use crate::pop3::Entry;

    /// What this answer to CAPA shows, with one message of this unique-id in the maildrop.
    fn check(on_server: OnServer, capa: &str, unique_id: &str, expected: &[Quirk]) {
        let capabilities = Capabilities::parse(capa.as_bytes());
        let unique_id = UniqueId::parse(unique_id.as_bytes());
        let listing = Listing { entries: vec![Entry { number: 1, size: None, unique_id }], unique_ids: true };
        assert_eq!(quirks(&mailbox(on_server), &capabilities, &listing, &Ledger::default()), expected, "{capa:?}");
    }

    #[test]
    fn a_server_that_does_not_fit_the_rules_is_noticed() {
        use OnServer::DeleteWhenDelivered;
        use OnServer::Keep;
        check(Keep, "UIDL\r\nEXPIRE NEVER\r\nLOGIN-DELAY 60", "a", &[]);
        check(Keep, "EXPIRE 0", "a", &[Quirk::ExpiresAtOnce]);
        check(Keep, "EXPIRE 60", "a", &[]);
        check(Keep, "UIDL", "", &[Quirk::NoUniqueIds]);
        check(DeleteWhenDelivered, "EXPIRE 0", "", &[]);
        check(DeleteWhenDelivered, "LOGIN-DELAY 61", "a", &[Quirk::LoginDelay]);
        let gmail = "USER\r\nRESP-CODES\r\nEXPIRE 0\r\nLOGIN-DELAY 300\r\nTOP\r\nUIDL\r\nX-GOOGLE-RICO";
        check(Keep, gmail, "a", &[Quirk::ExpiresAtOnce, Quirk::Window, Quirk::LoginDelay]);
    }
}
