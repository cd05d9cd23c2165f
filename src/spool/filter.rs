//! Which lines of the spool a command is about, and what it may do with each. Pure, so that a command can tell beforehand.

use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use super::Hold;
use super::Reason;
use super::Row;
use super::State;

/// Which lines are wanted; nothing set means all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
// A daemon that does not know a filter must not do more than was asked for.
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// These message ids.
    #[serde(default)]
    pub ids: Vec<String>,
    /// This endpoint.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// This mailbox.
    #[serde(default)]
    pub mailbox: Option<String>,
    /// This state; `dropped` takes in the dead deliveries that were dropped.
    #[serde(default)]
    pub state: Option<String>,
    /// This reason.
    #[serde(default)]
    pub reason: Option<String>,
    /// Only what waits for a human: a delivery that is dead and not dropped, and what is unrouted or quarantined.
    #[serde(default)]
    pub waits_for_human: bool,
    /// Committed at this time or before, in milliseconds of Unix time.
    #[serde(default)]
    pub spooled_until: Option<i64>,
    /// Committed at this time or later, in milliseconds of Unix time.
    #[serde(default)]
    pub spooled_since: Option<i64>,
}

impl Filter {
    /// Every state that a line can have, what waits for a human first.
    pub const STATES: [&str; 9] =
        ["dead", "quarantined", "unrouted", "pending", "spooled", "oversize", "delivered", "skipped", "dropped"];

    /// How the reason of mail begins that a rule dropped; the rule's name follows.
    pub const RULE: &str = "rule ";

    /// Every reason that can be asked for, beside a rule that drops: why a delivery is dead, then why its endpoint is held.
    pub fn reasons() -> impl Iterator<Item = &'static str> {
        Reason::ALL.into_iter().map(Reason::as_str).chain(Hold::ALL.into_iter().map(Hold::as_str))
    }

    /// Whether a line can have this reason.
    pub fn is_reason(text: &str) -> bool {
        let by_rule = text.strip_prefix(Filter::RULE).is_some_and(|name| !name.is_empty());
        by_rule || Filter::reasons().any(|known| known == text)
    }

    /// Whether what an operator or a rule dropped is asked for by name.
    pub fn asks_for_dropped(&self) -> bool {
        let dropped = Some(Reason::Dropped.as_str());
        let reason = self.reason.as_deref();
        let by_rule = reason.is_some_and(|reason| reason.starts_with(Filter::RULE));
        !self.ids.is_empty() || by_rule || reason == dropped || self.state.as_deref() == dropped
    }

    /// Whether `row` is wanted.
    pub fn takes(&self, row: &Row) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|w| Some(w) == found);
        let dropped = self.state.as_deref() == Some(State::Dropped.as_str()) && row.is_dropped();
        (self.ids.is_empty() || row.id.as_ref().is_some_and(|id| self.ids.contains(id)))
            && is(&self.endpoint, row.endpoint.as_deref())
            && is(&self.mailbox, row.mailbox.as_deref())
            && (dropped || is(&self.state, Some(row.state)))
            && is(&self.reason, row.reason.as_deref())
            && (!self.waits_for_human || row.waits_for_human())
            && self.takes_age(row)
    }

    /// What was never retrieved has no age.
    fn takes_age(&self, row: &Row) -> bool {
        if self.spooled_until.is_none() && self.spooled_since.is_none() {
            return true;
        }
        let spooled_at = row.spooled_at.as_ref().and_then(|text| text.parse().ok()).map(Timestamp::as_millisecond);
        spooled_at.is_some_and(|at| {
            self.spooled_until.is_none_or(|until| at <= until) && self.spooled_since.is_none_or(|since| at >= since)
        })
    }

    /// Whether a retry does something with `row`: dead letters by default, but for what was dropped and is not asked
    /// for; delivered ones only where they are asked for; waiting ones where they are asked for, which makes them due, or
    /// to move them elsewhere; messages that wait for a human are sorted anew.
    pub fn retries(&self, row: &Row, to: Option<&str>) -> bool {
        if row.endpoint.is_none() {
            let waits = matches!(row.state, "unrouted" | "quarantined");
            return waits || (row.is_dropped() && self.asks_for_dropped());
        }
        match row.state {
            "dead" if row.is_dropped() => self.asks_for_dropped(),
            "dead" => true,
            "delivered" => self.state.as_deref() == Some("delivered"),
            "pending" => to.map_or(self.state.as_deref() == Some("pending"), |to| row.endpoint.as_deref() != Some(to)),
            _ => false,
        }
    }

    /// Whether a drop settles `row`.
    pub fn drops(&self, row: &Row) -> bool {
        match row.endpoint {
            Some(_) => matches!(row.state, "dead" | "pending"),
            None => matches!(row.state, "unrouted" | "quarantined"),
        }
    }

    /// Whether an erasing drop may take the copy of `row`, which was settled before: a filter that is meant for dead
    /// letters must not take delivered mail along.
    pub fn erases(&self, row: &Row) -> bool {
        match row.state {
            "delivered" => !self.ids.is_empty() || self.state.as_deref() == Some("delivered"),
            _ => row.is_dropped(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_that_is_shown_can_be_asked_for() {
        // A routed message is shown by its deliveries.
        let own = State::ALL.into_iter().filter(|state| *state != State::Routed).map(State::as_str);
        let mut shown: Vec<&str> = own.chain(["pending", "skipped", "oversize"]).collect();
        let mut known = Filter::STATES.to_vec();
        shown.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, shown);
    }

    #[test]
    fn what_is_no_dead_letter_is_retried_only_where_its_state_is_asked_for() {
        let row = |state: &'static str| Row {
            id: Some("msg_1".to_owned()),
            kind: None,
            about: None,
            mailbox: Some("support".to_owned()),
            unique_id: None,
            endpoint: Some("desk".to_owned()),
            state,
            reason: None,
            attempts: 1,
            last_status: None,
            due: None,
            spooled_at: None,
            size: None,
        };
        let check = |filter: &Filter, state, to: Option<&str>, expected| {
            assert_eq!(filter.retries(&row(state), to), expected, "{state} {filter:?} to {to:?}");
        };
        let of_state = |state: &str| Filter { state: Some(state.to_owned()), ..Filter::default() };
        for state in ["delivered", "pending"] {
            check(&Filter::default(), state, None, false);
            check(&Filter { ids: vec!["msg_1".to_owned()], ..Filter::default() }, state, None, false);
            check(&of_state(state), state, None, true);
        }
        check(&of_state("pending"), "pending", Some("erp"), true);
        check(&of_state("pending"), "pending", Some("desk"), false);
        check(&Filter::default(), "pending", Some("erp"), true);
    }

    #[test]
    fn the_reasons_are_all_that_a_delivery_gives() {
        let known: Vec<&str> = Filter::reasons().collect();
        assert_eq!(
            known,
            [
                "refused",
                "expired",
                "too_large",
                "damaged",
                "dropped",
                "gone",
                "refuses_all",
                "head_refused",
                "answered_hold",
                "no_valid_key",
                "removed"
            ]
        );
    }
}
