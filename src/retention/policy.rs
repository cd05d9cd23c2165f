//! Which server copies a mailbox lets go. Pure.
//!
//! | our copy | `delete_when_delivered` | `delete_when_spooled` |
//! |---|---|---|
//! | every delivery delivered; dropped by a rule that counts as delivered | `delete_after` after the last one | `delete_after` after the commit |
//! | any pending or dead; unrouted; quarantined; dropped | never | `delete_after` after the commit |

use std::time::Duration;

use jiff::Timestamp;

use crate::spool::OurCopy;

/// A mailbox's rule for the server's copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// When a message may be deleted on the server.
    pub on_server: OnServer,
    /// How much longer it stays there after that.
    pub delete_after: Duration,
    /// This many of the newest in the listing stay in any case.
    pub keep_latest: usize,
}

/// When a message may be deleted on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnServer {
    /// Never.
    Keep,
    /// When every endpoint took it.
    DeleteWhenDelivered,
    /// When it lies in our spool.
    DeleteWhenSpooled,
}

/// Whether the server's copy of a message may go now, going by what became of ours.
pub fn may_go(policy: &Policy, copy: &OurCopy, now: Timestamp) -> bool {
    let since = match policy.on_server {
        OnServer::Keep => None,
        OnServer::DeleteWhenDelivered => copy.delivered_at,
        OnServer::DeleteWhenSpooled => Some(copy.spooled_at),
    };
    since.and_then(|since| since.checked_add(policy.delete_after).ok()).is_some_and(|due| due <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_server_copy_goes_only_by_the_written_rule() {
        use OnServer::DeleteWhenDelivered;
        use OnServer::DeleteWhenSpooled;
        use OnServer::Keep;
        let check = |on_server, delete_after, delivered: Option<i64>, now, expected| {
            let policy = Policy { on_server, delete_after: Duration::from_secs(delete_after), keep_latest: 0 };
            let copy = OurCopy { spooled_at: at(100), delivered_at: delivered.map(at) };
            assert_eq!(may_go(&policy, &copy, at(now)), expected, "{on_server:?} {delete_after} {delivered:?} {now}");
        };
        check(Keep, 0, Some(200), 1_000_000, false);
        check(DeleteWhenDelivered, 0, None, 1_000_000, false);
        check(DeleteWhenDelivered, 0, Some(200), 200, true);
        check(DeleteWhenDelivered, 50, Some(200), 249, false);
        check(DeleteWhenDelivered, 50, Some(200), 250, true);
        check(DeleteWhenSpooled, 0, None, 100, true);
        check(DeleteWhenSpooled, 50, None, 149, false);
        check(DeleteWhenSpooled, 50, Some(200), 150, true);
    }
}
