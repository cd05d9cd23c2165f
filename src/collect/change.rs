//! What a new configuration means for a mailbox that is there already. Pure.

use super::Mailbox;

/// How far a mailbox is another one than before, as far as its next visit is concerned; the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Its rules at most: it is visited when it would have been anyway.
    Rules,
    /// How often it is visited, too.
    Interval,
    /// The way in: what was refused before may be accepted now, so it is tried at once.
    WayIn,
    /// Its maildrop: nothing is known of it.
    Maildrop,
}

impl Change {
    pub(super) fn of(old: &Mailbox, new: &Mailbox) -> Change {
        let maildrop = |mailbox: &Mailbox| {
            let server = &mailbox.server;
            (server.host.clone(), server.port, server.username.clone(), mailbox.identity.clone())
        };
        if maildrop(old) != maildrop(new) {
            Change::Maildrop
        } else if old.server != new.server || old.credential != new.credential {
            Change::WayIn
        } else if old.poll_interval != new.poll_interval {
            Change::Interval
        } else {
            Change::Rules
        }
    }
}

/// Whether a visit by the old settings must not go on: it would log in wrongly, or delete what the new rule keeps.
pub(super) fn ends_a_visit(old: &Mailbox, new: &Mailbox) -> bool {
    let rules = |mailbox: &Mailbox| (mailbox.retention, mailbox.start_from, mailbox.dedupe, mailbox.max_message_size);
    matches!(Change::of(old, new), Change::WayIn | Change::Maildrop) || rules(old) != rules(new)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::collect::Credential;
    use crate::collect::plan::tests::mailbox;
    use crate::retention::OnServer;
    use crate::secret::Secret;

    fn check(change: impl Fn(&mut Mailbox), expected: Change, ends: bool) {
        let old = mailbox(OnServer::DeleteWhenDelivered);
        let mut new = old.clone();
        change(&mut new);
        assert_eq!((Change::of(&old, &new), ends_a_visit(&old, &new)), (expected, ends), "{new:?}");
    }

    #[test]
    fn what_changed_decides_when_it_is_visited_and_whether_a_visit_goes_on() {
        check(|_| {}, Change::Rules, false);
        check(|new| new.oversize_events = true, Change::Rules, false);
        check(|new| new.retention.on_server = OnServer::Keep, Change::Rules, true);
        check(|new| new.retention.delete_after = Duration::from_secs(99), Change::Rules, true);
        check(|new| new.poll_interval = Duration::from_secs(99), Change::Interval, false);
        check(|new| new.credential = Credential::Password(Secret::new("another")), Change::WayIn, true);
        check(|new| new.credential = Credential::Ready(Secret::new("another")), Change::WayIn, true);
        check(|new| new.server.ca_pem = Some(b"pem".as_slice().into()), Change::WayIn, true);
        check(|new| new.server.port += 1, Change::Maildrop, true);
        check(|new| new.server.username.push('x'), Change::Maildrop, true);
    }
}
