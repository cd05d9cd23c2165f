//! What a visit carries from one of its sessions to the next.
//!
//! A visit is cut into sessions so that a dropped line costs little. They carry out one listing's plan: what came in
//! later, and the deletion of what this visit took itself, are for the next visit.

use std::collections::HashSet;

use super::Report;
use super::intake::Taken;
use super::means::Memory;
use super::oversize::HEADERS_MAX;
use super::plan::Plan;
use super::plan::Take;
use crate::ident::UniqueId;
use crate::spool::Known;
use crate::spool::LedgerKey;

/// One visit, as far as it has come.
#[derive(Debug)]
pub(super) struct Course<'a> {
    pub(super) memory: &'a mut Memory,
    pub(super) report: Report,
    /// How many headers this visit may still ask for, to tell of messages that are too large.
    pub(super) headers_left: usize,
    rest: Option<Rest>,
    taken: HashSet<LedgerKey>,
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
        let (report, taken) = (Report::default(), HashSet::new());
        Course { memory, report, headers_left: HEADERS_MAX, rest: None, taken }
    }

    /// Leaves in `plan` what the sessions before have left, if there were any.
    pub(super) fn narrow(&mut self, plan: &mut Plan) {
        self.report.unreached = 0;
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
        let first = taken.iter().filter(|one| one.accepted.known != Known::SameUniqueId);
        self.taken.extend(first.map(|one| one.accepted.key));
    }

    /// Whether this visit took it for the first time.
    pub(super) fn took(&self, key: LedgerKey) -> bool {
        self.taken.contains(&key)
    }

    /// Notes what is left for another session.
    pub(super) fn leave(&mut self, unreached: Vec<Take>) {
        self.report.unreached = unreached.len();
        let nameless = unreached.iter().any(|take| take.unique_id.is_none());
        self.rest =
            Some(Rest { unique_ids: unreached.into_iter().filter_map(|take| take.unique_id).collect(), nameless });
    }
}
