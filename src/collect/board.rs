//! Every mailbox with its standing, when each is due, and the visits under way.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Config;
use super::Mailbox;
use super::Report;
use super::VisitError;
use super::budget::Budget;
use super::change::Change;
use super::change::ends_a_visit;
use super::habits::Habits;
use super::means::Memory;
use super::schedule::Pace;
use super::schedule::Slots;
use crate::ident::MailboxName;

/// What the loop remembers of one mailbox between visits.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub(super) memory: Memory,
    pub(super) pace: Pace,
    /// How long the last visit took.
    pub(super) took: Duration,
}

/// A visit that ended: the mailbox as it was visited.
pub(super) type Visited = (Mailbox, Standing, Result<Report, VisitError>);

/// Everything that changes while the loop runs.
#[derive(Debug)]
pub(super) struct Board {
    seats: BTreeMap<MailboxName, Seat>,
    /// When each mailbox is due, by uptime: a wall clock that jumps moves no visit. Not those that are being visited.
    pub(super) due: BTreeSet<(Duration, MailboxName)>,
    pub(super) slots: Slots,
    pub(super) habits: Habits,
    pub(super) budget: Arc<Budget>,
    pub(super) visits: JoinSet<Visited>,
    /// Those that operators do not want visited.
    pub(super) paused: BTreeSet<MailboxName>,
}

/// One mailbox.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) mailbox: Mailbox,
    /// What is remembered of it; with the visit while one is under way.
    pub(super) standing: Standing,
    /// The visit under way.
    pub(super) visiting: Option<Visiting>,
    /// Whether it changed so, during a visit, that this visit tells nothing of when the next one is due.
    changed: Option<Change>,
    /// Whether it left the configuration during a visit.
    removed: bool,
}

/// By what a visit under way is ended.
#[derive(Debug, Clone)]
pub(super) struct Visiting {
    /// It is to end as soon as nothing is lost by it.
    pub(super) stop: CancellationToken,
    /// The rules that it goes by count no more.
    pub(super) revoked: CancellationToken,
}

impl Visiting {
    /// A visit that also ends when `all` do.
    pub(super) fn among(all: &CancellationToken) -> Visiting {
        Visiting { stop: all.child_token(), revoked: CancellationToken::new() }
    }

    fn revoke(&self) {
        self.revoked.cancel();
        self.stop.cancel();
    }
}

impl Seat {
    fn new(mailbox: Mailbox) -> Seat {
        Seat { mailbox, standing: Standing::default(), visiting: None, changed: None, removed: false }
    }
}

impl Board {
    pub(super) fn new(config: &Config) -> Board {
        let seat = |mailbox: &Mailbox| (mailbox.name.clone(), Seat::new(mailbox.clone()));
        Board {
            seats: config.mailboxes.iter().map(seat).collect(),
            due: BTreeSet::new(),
            slots: Slots::new(config.max_visits, config.max_visits_per_host),
            habits: Habits::default(),
            budget: Arc::new(Budget::new(config.max_bytes_in_flight)),
            visits: JoinSet::new(),
            paused: BTreeSet::new(),
        }
    }

    pub(super) fn seat(&mut self, name: &MailboxName) -> Option<&mut Seat> {
        self.seats.get_mut(name)
    }

    /// The mailboxes, and whether each is paused.
    pub(super) fn names(&self) -> impl Iterator<Item = (&MailboxName, bool)> {
        self.seats.keys().map(|name| (name, self.paused.contains(name)))
    }

    /// Goes over to another configuration at `now`. Tells which mailboxes are gone for good.
    pub(super) fn adopt(&mut self, config: &Config, now: Duration) -> Vec<MailboxName> {
        self.slots.limit(config.max_visits, config.max_visits_per_host);
        let kept: BTreeSet<&MailboxName> = config.mailboxes.iter().map(|mailbox| &mailbox.name).collect();
        let mut gone = Vec::new();
        self.due.retain(|(_, name)| kept.contains(name));
        self.seats.retain(|name, seat| {
            if kept.contains(name) {
                return true;
            }
            seat.removed = true;
            match &seat.visiting {
                Some(visit) => visit.revoke(),
                None => gone.push(name.clone()),
            }
            seat.visiting.is_some()
        });
        for mailbox in &config.mailboxes {
            match self.seats.get_mut(&mailbox.name) {
                Some(seat) => seat.adopt(mailbox, &mut self.due, now),
                None => {
                    self.seats.insert(mailbox.name.clone(), Seat::new(mailbox.clone()));
                    self.due.insert((now, mailbox.name.clone()));
                }
            }
        }
        gone
    }

    /// Has a mailbox tried at once whose login was mended.
    pub(super) fn mended(&mut self, name: &MailboxName, now: Duration) {
        if let Some(seat) = self.seats.get_mut(name) {
            seat.turn(Change::WayIn, &mut self.due, now);
        }
    }

    /// Has a mailbox visited as soon as its server allows, if that is sooner than it is due; one that is being visited, once
    /// more.
    pub(super) fn visit_soon(&mut self, name: &MailboxName, now: Duration) {
        let Some(seat) = self.seats.get_mut(name).filter(|_| !self.paused.contains(name)) else { return };
        if seat.visiting.is_some() {
            seat.changed = seat.changed.max(Some(Change::Rules));
            return;
        }
        let soonest = now.saturating_add(seat.standing.pace.between_logins());
        let due = self.due.iter().find(|(_, due)| due == name).map_or(soonest, |(at, _)| soonest.min(*at));
        self.due.retain(|(_, other)| other != name);
        self.due.insert((due, name.clone()));
    }

    /// From now on these are paused, and no others: visits under way to them end, and those that were paused before are
    /// due at once.
    pub(super) fn pause(&mut self, paused: BTreeSet<MailboxName>, now: Duration) {
        for name in &paused {
            if let Some(visit) = self.seats.get(name).and_then(|seat| seat.visiting.as_ref()) {
                visit.stop.cancel();
            }
        }
        let before = std::mem::replace(&mut self.paused, paused);
        for name in before.difference(&self.paused.clone()) {
            self.visit_soon(name, now);
        }
    }

    /// Takes a seat back after its visit. `Some`: when it is due, where that does not follow from the visit.
    pub(super) fn back(&mut self, name: &MailboxName, standing: Standing) -> Back {
        let Some(seat) = self.seats.get_mut(name) else { return Back::Gone };
        seat.visiting = None;
        if seat.removed {
            self.seats.remove(name);
            return Back::Gone;
        }
        seat.standing = standing;
        match seat.changed.take() {
            None => Back::AsEver,
            Some(change) => {
                seat.forget(change);
                Back::AtOnce
            }
        }
    }
}

/// What becomes of a mailbox after a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// Its end says when the next one is due.
    AsEver,
    /// The mailbox is another one by now.
    AtOnce,
    /// It left the configuration.
    Gone,
}

impl Seat {
    fn adopt(&mut self, mailbox: &Mailbox, due: &mut BTreeSet<(Duration, MailboxName)>, now: Duration) {
        let change = Change::of(&self.mailbox, mailbox);
        let ends = ends_a_visit(&self.mailbox, mailbox) || self.removed;
        self.removed = false;
        self.mailbox = mailbox.clone();
        if ends && let Some(visit) = &self.visiting {
            visit.revoke();
            self.changed = self.changed.max(Some(change));
        }
        match change {
            Change::Rules => {}
            Change::Interval if self.visiting.is_none() => {
                let soonest = now.saturating_add(self.standing.pace.wait(mailbox.poll_interval, Duration::ZERO, 0.0));
                let later: Vec<_> =
                    due.iter().filter(|(at, name)| *name == mailbox.name && *at > soonest).cloned().collect();
                for entry in later {
                    due.remove(&entry);
                    due.insert((soonest, mailbox.name.clone()));
                }
            }
            Change::Interval => {}
            Change::WayIn | Change::Maildrop => self.turn(change, due, now),
        }
    }

    fn turn(&mut self, change: Change, due: &mut BTreeSet<(Duration, MailboxName)>, now: Duration) {
        if self.visiting.is_some() {
            self.changed = self.changed.max(Some(change));
            return;
        }
        self.forget(change);
        due.retain(|(_, name)| *name != self.mailbox.name);
        // A server that wants a delay between logins gets it all the same.
        let soonest = now.saturating_add(self.standing.pace.between_logins());
        due.insert((soonest, self.mailbox.name.clone()));
    }

    fn forget(&mut self, change: Change) {
        match change {
            Change::Rules | Change::Interval => {}
            Change::WayIn => self.standing.pace.mended(),
            Change::Maildrop => self.standing = Standing::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::plan::tests::mailbox;
    use crate::retention::OnServer;

    const HOUR: Duration = Duration::from_secs(3600);

    fn config(mailboxes: Vec<Mailbox>) -> Config {
        Config { max_visits: 9, max_visits_per_host: 9, max_bytes_in_flight: 9, mailboxes }
    }

    /// A board with one mailbox, due in an hour, and whether it is being visited.
    fn board(visiting: bool) -> (Board, Mailbox, Visiting) {
        let (mailbox, visit) = (mailbox(OnServer::Keep), Visiting::among(&CancellationToken::new()));
        let mut board = Board::new(&config(vec![mailbox.clone()]));
        match visiting {
            true => board.seat(&mailbox.name).unwrap().visiting = Some(visit.clone()),
            false => _ = board.due.insert((HOUR, mailbox.name.clone())),
        }
        (board, mailbox, visit)
    }

    fn dues(board: &Board) -> Vec<Duration> {
        board.due.iter().map(|(at, _)| *at).collect()
    }

    #[test]
    fn a_mailbox_that_was_mended_is_due_at_once_and_any_other_when_it_was() {
        let (mut board, mailbox, _) = board(false);
        board.adopt(&config(vec![mailbox.clone()]), Duration::ZERO);
        assert_eq!(dues(&board), [HOUR]);
        board.mended(&mailbox.name, Duration::from_secs(7));
        assert_eq!(dues(&board), [Duration::from_secs(7)]);
    }

    #[test]
    fn a_login_during_a_visit_makes_the_next_one_due_at_once() {
        let (mut board, mailbox, visit) = board(true);
        board.mended(&mailbox.name, Duration::ZERO);
        assert!(!visit.stop.is_cancelled() && board.due.is_empty());
        assert_eq!(board.back(&mailbox.name, Standing::default()), Back::AtOnce);
    }

    #[test]
    fn a_visit_whose_mailbox_is_gone_or_keeps_now_is_ended() {
        let (mut board_, mailbox, visit) = board(true);
        assert!(board_.adopt(&config(Vec::new()), HOUR).is_empty(), "gone only after its visit");
        assert!(visit.stop.is_cancelled() && visit.revoked.is_cancelled());
        assert_eq!(board_.back(&mailbox.name, Standing::default()), Back::Gone);

        let (mut board, mut mailbox, visit) = board(true);
        mailbox.retention.keep_latest += 1;
        board.adopt(&config(vec![mailbox.clone()]), HOUR);
        assert!(visit.stop.is_cancelled() && visit.revoked.is_cancelled());
        assert_eq!(board.back(&mailbox.name, Standing::default()), Back::AtOnce);
    }

    #[test]
    fn a_paused_mailbox_ends_its_visit_and_is_due_at_once_when_it_is_resumed() {
        let (mut board, mailbox, visit) = board(true);
        let paused = BTreeSet::from([mailbox.name.clone()]);
        board.pause(paused.clone(), HOUR);
        assert!(visit.stop.is_cancelled() && !visit.revoked.is_cancelled(), "by the rules that it began with");
        assert_eq!(board.back(&mailbox.name, Standing::default()), Back::AsEver);
        board.visit_soon(&mailbox.name, HOUR);
        assert!(dues(&board).is_empty(), "not while it is paused");
        board.pause(paused, HOUR);
        assert!(dues(&board).is_empty(), "nor when it was so already");
        board.pause(BTreeSet::new(), HOUR);
        assert_eq!(dues(&board), [HOUR]);
    }

    #[test]
    fn a_visit_that_is_asked_for_makes_none_later_and_follows_one_under_way() {
        let (mut waiting, mailbox, _) = board(false);
        waiting.visit_soon(&mailbox.name, 2 * HOUR);
        assert_eq!(dues(&waiting), [HOUR], "it is due sooner");
        waiting.visit_soon(&mailbox.name, Duration::ZERO);
        assert_eq!(dues(&waiting), [Duration::ZERO]);
        let (mut visited, mailbox, visit) = board(true);
        visited.visit_soon(&mailbox.name, HOUR);
        assert!(!visit.stop.is_cancelled() && dues(&visited).is_empty());
        assert_eq!(visited.back(&mailbox.name, Standing::default()), Back::AtOnce);
    }

    #[test]
    fn of_two_changes_during_a_visit_the_greater_one_counts() {
        let (mut board, mut mailbox, _) = board(true);
        mailbox.server.port += 1;
        board.adopt(&config(vec![mailbox.clone()]), HOUR);
        board.mended(&mailbox.name, HOUR);
        let known = Standing { took: HOUR, ..Standing::default() };
        assert_eq!(board.back(&mailbox.name, known), Back::AtOnce);
        assert_eq!(board.seat(&mailbox.name).unwrap().standing.took, Duration::ZERO, "nothing is known of it");
    }

    #[test]
    fn a_delay_between_logins_counts_for_what_is_due_at_once_too() {
        let (mut board, mailbox, _) = board(false);
        let delay = Some(Duration::from_secs(900));
        let seat = board.seat(&mailbox.name).unwrap();
        seat.standing.pace.note(mailbox.poll_interval, delay, &Ok(Report::default()));
        board.mended(&mailbox.name, HOUR);
        assert_eq!(dues(&board), [HOUR + Duration::from_secs(900)]);
    }
}
