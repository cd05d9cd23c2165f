//! What a visit carries from one of its sessions to the next.
//!
//! A visit is cut into sessions so that a dropped line costs little. They carry out one listing's plan: what came in
//! later, and the deletion of what this visit took itself, are for the next visit.

use std::collections::HashSet;

use super::Report;
use super::intake::Taken;
use super::means::Memory;
use super::plan::Plan;
use super::plan::Take;
use crate::ident::Content;
use crate::ident::UniqueId;
use crate::spool::Known;
use crate::spool::LedgerKey;

/// Headers that one visit asks for: each costs a round trip, while the mail that fits is waiting.
const HEADERS_MAX: usize = 50;

/// One visit, as far as it has come.
#[derive(Debug)]
pub(super) struct Course<'a> {
    pub(super) memory: &'a mut Memory,
    pub(super) report: Report,
    /// How many headers this visit may still ask for, to tell of messages that are too large.
    pub(super) headers_left: usize,
    /// What was handed out as nothing: this visit asks for it no more.
    pub(super) missing: HashSet<Take>,
    rest: Option<Rest>,
    taken: HashSet<LedgerKey>,
    contents: HashSet<Content>,
}

/// The messages of the plan that no session has reached.
#[derive(Debug, Default)]
struct Rest {
    unique_ids: HashSet<UniqueId>,
    /// Whether there are some without a unique-id.
    nameless: bool,
}

impl<'a> Course<'a> {
    pub(super) fn new(memory: &'a mut Memory) -> Course<'a> {
        Course {
            memory,
            report: Report::default(),
            headers_left: HEADERS_MAX,
            missing: HashSet::new(),
            rest: None,
            taken: HashSet::new(),
            contents: HashSet::new(),
        }
    }

    /// Leaves in `plan` what the sessions before have left, if there were any.
    pub(super) fn narrow(&mut self, plan: &mut Plan) {
        self.report.unreached = 0;
        plan.retrieve.retain(|take| !self.missing.contains(take));
        if let Some(rest) = &self.rest {
            plan.retrieve.retain(|take| match &take.unique_id {
                Some(unique_id) => rest.unique_ids.contains(unique_id),
                None => rest.nameless,
            });
        }
    }

    /// Notes what is durable now.
    pub(super) fn note(&mut self, taken: &[Taken]) {
        let new = |one: &&Taken| one.accepted.known == Known::New;
        let count = taken.iter().filter(new).count();
        self.report.taken += count;
        self.report.known += taken.len() - count;
        for one in taken.iter().filter(|one| one.accepted.known != Known::SameUniqueId) {
            self.taken.insert(one.accepted.key);
            self.contents.insert(one.content);
        }
    }

    /// Whether this visit took it for the first time.
    pub(super) fn took(&self, key: LedgerKey) -> bool {
        self.taken.contains(&key)
    }

    /// The same by content: what a later session reads again has another row.
    pub(super) fn took_content(&self, content: &Content) -> bool {
        self.contents.contains(content)
    }

    /// Whether a session before has left something to this one.
    pub(super) fn goes_on(&self) -> bool {
        self.report.unreached > 0
    }

    /// Whether that has messages without a unique-id among it.
    pub(super) fn leaves_nameless(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.nameless)
    }

    /// Notes what is left for another session.
    pub(super) fn leave(&mut self, unreached: Vec<Take>) {
        self.report.unreached = unreached.len();
        let nameless = unreached.iter().any(|take| take.unique_id.is_none());
        self.rest =
            Some(Rest { unique_ids: unreached.into_iter().filter_map(|take| take.unique_id).collect(), nameless });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Accepted;

    fn taken(key: i64, text: &str, known: Known) -> Taken {
        let take = Take { number: 1, size: None, unique_id: None };
        let accepted = Accepted { key: LedgerKey::for_testing(key), known };
        Taken { take, content: Content::of(text.as_bytes()), accepted }
    }

    #[test]
    fn what_a_visit_took_first_is_its_own_under_every_row() {
        let mut memory = Memory::default();
        let mut course = Course::new(&mut memory);
        course.note(&[taken(1, "new", Known::New), taken(2, "old", Known::SameUniqueId)]);
        // A second session reads the first one again and gives it another row.
        course.note(&[taken(3, "new", Known::SameUniqueId)]);
        assert!(course.took(LedgerKey::for_testing(1)) && !course.took(LedgerKey::for_testing(2)));
        assert!(course.took_content(&Content::of(b"new")) && !course.took_content(&Content::of(b"old")));
        assert_eq!((course.report.taken, course.report.known), (1, 2));
    }
}
