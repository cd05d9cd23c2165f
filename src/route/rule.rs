//! One rule: its condition, and what happens to a mail for which that holds.

use crate::ident::EndpointName;
use crate::route::Condition;

/// What happens to the mail for which `when` holds.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What people and metrics call it: its name, or its number from 1 where it has none.
    pub label: String,
    /// What it asks.
    pub when: Condition,
    /// What follows.
    pub then: Then,
}

/// What follows a rule whose condition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// The mail goes to these endpoints, and no further rule is read.
    DeliverTo(Vec<EndpointName>),
    /// The mail goes to these endpoints, and later rules add theirs (`continue: true`). The mailbox's own `deliver_to`
    /// no longer counts, even if none of them matches.
    AndGoOn(Vec<EndpointName>),
    /// It goes nowhere else, and no further rule is read.
    Drop {
        /// Whether retention takes it for delivered.
        counts_as_delivered: bool,
    },
}

impl Then {
    /// Whether later rules are read too.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self, Then::AndGoOn(_))
    }
}
