//! The sorting: which endpoints get a mail.
//!
//! Rules are read in the order of the file, and the first that matches decides. Pure: the same rules and the same
//! mail give the same endpoints, always. This room knows neither the spool nor HTTP, and it never fails: a mail that
//! nothing matches is *unrouted*, which the caller shows to a human.

mod pattern;
mod rule;

use std::collections::BTreeMap;

pub use pattern::AnyOf;
pub use pattern::Pattern;
pub use pattern::PatternError;
pub use rule::Matcher;
pub use rule::Rule;
pub use rule::Then;

use crate::ident::EndpointName;
use crate::ident::MailboxName;
use crate::parse::Mail;
use crate::route::rule::Letter;

/// Which mail goes where.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    /// The rules in the order of the file.
    pub rules: Vec<Rule>,
    /// Where a mailbox's mail goes if no rule matches it.
    pub deliver_to: BTreeMap<MailboxName, Vec<EndpointName>>,
}

/// Names the endpoints that get `mail`, which arrived in `mailbox` with `size` raw bytes.
///
/// The first matching rule decides; one that goes on adds its endpoints and lets the later rules add theirs. The
/// mailbox's own `deliver_to` counts only if *no* rule matched, not even one that goes on. Each endpoint is named once,
/// in the order of the rules. An empty answer means that the mail is unrouted.
pub fn route(routes: &Routes, mailbox: &MailboxName, mail: &Mail, size: u64) -> Vec<EndpointName> {
    let letter = Letter { mailbox, mail, size };
    let mut matching = routes.rules.iter().filter(|rule| rule.matches(&letter)).peekable();
    let mut chosen = Vec::new();
    if matching.peek().is_none() {
        add(&mut chosen, routes.deliver_to.get(mailbox).map_or(&[], Vec::as_slice));
        return chosen;
    }
    for rule in matching {
        add(&mut chosen, &rule.deliver_to);
        match rule.then {
            Then::Stop => break,
            Then::GoOn => {}
        }
    }
    chosen
}

fn add(chosen: &mut Vec<EndpointName>, more: &[EndpointName]) {
    for endpoint in more {
        if !chosen.contains(endpoint) {
            chosen.push(endpoint.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(pattern: &str, deliver_to: &str, then: Then) -> Rule {
        let when = vec![Matcher::Subject(AnyOf::new([Pattern::parse(pattern).unwrap()]))];
        Rule { when, deliver_to: endpoints(deliver_to), then }
    }

    fn endpoints(names: &str) -> Vec<EndpointName> {
        names.split_whitespace().map(|name| EndpointName::parse(name).unwrap()).collect()
    }

    /// Routes a mail from mailbox `support`, whose own `deliver_to` is `desk desk`.
    fn check(rules: Vec<Rule>, mail_subject: &str, expected: &str) {
        let support = MailboxName::parse("support").unwrap();
        let routes = Routes { rules, deliver_to: BTreeMap::from([(support.clone(), endpoints("desk desk"))]) };
        let mail = Mail { subject: Some(mail_subject.into()), ..Mail::default() };
        assert_eq!(route(&routes, &support, &mail, 0), endpoints(expected), "{mail_subject}");
    }

    #[test]
    fn the_first_matching_rule_decides() {
        let rules = || vec![subject("a*", "one", Then::Stop), subject("*", "two", Then::Stop)];
        check(rules(), "abc", "one");
        check(rules(), "xyz", "two");
    }

    #[test]
    fn a_rule_that_goes_on_adds_its_endpoints() {
        let rules = || {
            vec![
                subject("a*", "all one", Then::GoOn),
                subject("*b", "two one", Then::GoOn),
                subject("*c", "three", Then::Stop),
                subject("*", "never", Then::Stop),
            ]
        };
        check(rules(), "abc", "all one three");
        check(rules(), "ab", "all one two never");
        check(rules(), "xb", "two one never");
    }

    #[test]
    fn the_mailbox_decides_only_where_no_rule_matched() {
        check(vec![], "abc", "desk");
        check(vec![subject("x*", "one", Then::Stop)], "abc", "desk");
        check(vec![subject("a*", "one", Then::GoOn)], "abc", "one");
    }

    #[test]
    fn an_empty_condition_matches_every_mail() {
        check(vec![Rule { when: vec![], deliver_to: endpoints("all"), then: Then::Stop }], "abc", "all");
    }

    #[test]
    fn mail_of_an_unknown_mailbox_is_unrouted() {
        let stranger = MailboxName::parse("stranger").unwrap();
        assert_eq!(route(&Routes::default(), &stranger, &Mail::default(), 0), []);
    }
}
