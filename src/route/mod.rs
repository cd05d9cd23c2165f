//! The sorting: which endpoints get a mail.
//!
//! Rules are read in the order of the file, and the first that matches decides. Pure: the same rules and the same
//! mail give the same decision, always. This room knows neither the spool nor HTTP, and it never fails: a mail that
//! nothing matches is *unrouted*, which the caller shows to a human. What decides and what explains are one piece of
//! code.

mod condition;
mod explain;
mod letter;
mod pattern;
mod rule;

use std::collections::BTreeMap;

pub use condition::Condition;
pub use condition::Matcher;
pub use explain::Explanation;
pub use explain::ToldCondition;
pub use explain::ToldRule;
pub use explain::Tried;
pub use explain::explain;
pub use letter::Field;
pub use letter::Method;
pub use pattern::AnyOf;
pub use pattern::Pattern;
pub use pattern::PatternError;
pub use rule::Rule;
pub use rule::Then;

use crate::ident::EndpointName;
use crate::ident::MailboxName;
use crate::parse::Mail;
use crate::route::condition::Judged;
use crate::route::condition::Look;
use crate::route::letter::Findings;
use crate::route::letter::Letter;

/// Which mail goes where.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    /// The rules in the order of the file.
    pub rules: Vec<Rule>,
    /// Where a mailbox's mail goes if no rule matches it.
    pub deliver_to: BTreeMap<MailboxName, Vec<EndpointName>>,
    /// Per mailbox, the labels that rules may ask for.
    pub labels: BTreeMap<MailboxName, BTreeMap<String, String>>,
}

impl Routes {
    /// What those rules are called that drop mail.
    pub fn dropping(&self) -> impl Iterator<Item = &str> {
        let dropping = self.rules.iter().filter(|rule| matches!(rule.then, Then::Drop { .. }));
        dropping.map(|rule| rule.label.as_str())
    }
}

/// Where a mail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// To these endpoints, at least one, each named once, in the order of the rules.
    Deliver(Vec<EndpointName>),
    /// Nowhere, because a rule says so.
    Drop {
        /// What the rule is called.
        rule: String,
        /// Whether retention takes the mail for delivered.
        counts_as_delivered: bool,
    },
    /// Nowhere, because nobody says where.
    Unrouted,
}

/// Decides where `mail` goes, which arrived in `mailbox` with `size` raw bytes.
///
/// The first matching rule decides; one that goes on adds its endpoints and lets the later rules add theirs. A rule that
/// drops ends the reading, and drops the mail if no rule before it named an endpoint. The mailbox's own `deliver_to`
/// counts only if *no* rule matched, not even one that goes on.
pub fn route(routes: &Routes, mailbox: &MailboxName, mail: &Mail, size: u64) -> Decision {
    decide(routes, &letter(routes, mailbox, mail, size), Look::Enough).decision
}

/// The first rule that is never read, by its number from 1, and the one before it that every mail matches.
pub fn unreachable(routes: &Routes) -> Option<(usize, usize)> {
    let last = routes.rules.iter().position(|rule| rule.when.is_always() && !rule.then.goes_on())? + 1;
    (last < routes.rules.len()).then_some((last + 1, last))
}

fn letter<'a>(routes: &'a Routes, mailbox: &'a MailboxName, mail: &'a Mail, size: u64) -> Letter<'a> {
    const NONE: &BTreeMap<String, String> = &BTreeMap::new();
    let labels = routes.labels.get(mailbox).unwrap_or(NONE);
    Letter { mailbox, labels, mail, size, findings: Findings::of(mail) }
}

/// A decision and how it came about.
struct Decided<'a> {
    decision: Decision,
    /// The rules that were read, in order; those that are missing at the end were not.
    judged: Vec<Judged<'a>>,
}

fn decide<'a>(routes: &'a Routes, letter: &Letter<'_>, look: Look) -> Decided<'a> {
    let (mut chosen, mut judged) = (Vec::new(), Vec::new());
    let mut matched = false;
    for rule in &routes.rules {
        let one = rule.when.judge(letter, look);
        let held = one.held;
        judged.push(one);
        if !held {
            continue;
        }
        matched = true;
        match &rule.then {
            Then::AndGoOn(endpoints) => add(&mut chosen, endpoints),
            Then::DeliverTo(endpoints) => {
                add(&mut chosen, endpoints);
                break;
            }
            Then::Drop { counts_as_delivered } if chosen.is_empty() => {
                let (rule, counts_as_delivered) = (rule.label.clone(), *counts_as_delivered);
                return Decided { decision: Decision::Drop { rule, counts_as_delivered }, judged };
            }
            Then::Drop { .. } => break,
        }
    }
    if !matched {
        add(&mut chosen, routes.deliver_to.get(letter.mailbox).map_or(&[], Vec::as_slice));
    }
    let decision = if chosen.is_empty() { Decision::Unrouted } else { Decision::Deliver(chosen) };
    Decided { decision, judged }
}

fn add(chosen: &mut Vec<EndpointName>, more: &[EndpointName]) {
    for endpoint in more {
        if !chosen.contains(endpoint) {
            chosen.push(endpoint.clone());
        }
    }
}

#[cfg(test)]
mod tests;
