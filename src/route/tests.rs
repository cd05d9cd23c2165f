//! Decisions, and that an explanation never disagrees with one.

use fastrand::Rng;

use super::*;
use crate::parse::Address;
use crate::parse::Header;

fn when(pattern: &str) -> Condition {
    Condition::All(vec![text(Field::Subject, pattern)])
}

fn text(field: Field, pattern: &str) -> Condition {
    Condition::Is(Matcher::Text(field, AnyOf::new([Pattern::parse(pattern).unwrap()])))
}

fn endpoints(names: &str) -> Vec<EndpointName> {
    names.split_whitespace().map(|name| EndpointName::parse(name).unwrap()).collect()
}

fn to(pattern: &str, names: &str) -> Rule {
    Rule { label: pattern.to_owned(), when: when(pattern), then: Then::DeliverTo(endpoints(names)) }
}

fn also(pattern: &str, names: &str) -> Rule {
    Rule { then: Then::AndGoOn(endpoints(names)), ..to(pattern, "") }
}

fn dropping(pattern: &str, counts_as_delivered: bool) -> Rule {
    Rule { then: Then::Drop { counts_as_delivered }, ..to(pattern, "") }
}

fn support() -> MailboxName {
    MailboxName::parse("support").unwrap()
}

/// Rules for mailbox `support`, whose own `deliver_to` is `desk desk`.
fn routes(rules: Vec<Rule>) -> Routes {
    let deliver_to = BTreeMap::from([(support(), endpoints("desk desk"))]);
    Routes { rules, deliver_to, labels: BTreeMap::new() }
}

fn check_decision(rules: Vec<Rule>, mail_subject: &str, expected: &Decision) {
    let routes = routes(rules);
    let mail = Mail { subject: Some(mail_subject.into()), ..Mail::default() };
    assert_eq!(route(&routes, &support(), &mail, 0), *expected, "{mail_subject}");
    assert_eq!(explain(&routes, &support(), &mail, 0).decision, *expected, "{mail_subject}");
}

fn check(rules: Vec<Rule>, mail_subject: &str, expected: &str) {
    check_decision(rules, mail_subject, &Decision::Deliver(endpoints(expected)));
}

#[test]
fn the_first_matching_rule_decides() {
    let rules = || vec![to("a*", "one"), to("*", "two")];
    check(rules(), "abc", "one");
    check(rules(), "xyz", "two");
}

#[test]
fn a_rule_that_goes_on_adds_its_endpoints() {
    let rules = || vec![also("a*", "all one"), also("*b", "two one"), to("*c", "three"), to("*", "never")];
    check(rules(), "abc", "all one three");
    check(rules(), "ab", "all one two never");
    check(rules(), "xb", "two one never");
}

#[test]
fn the_mailbox_decides_only_where_no_rule_matched() {
    check(vec![], "abc", "desk");
    check(vec![to("x*", "one")], "abc", "desk");
    check(vec![also("a*", "one")], "abc", "one");
}

#[test]
fn a_rule_that_drops_ends_the_reading() {
    let drop = |rule: &str, counts_as_delivered| Decision::Drop { rule: rule.to_owned(), counts_as_delivered };
    let rules = || vec![dropping("spam*", false), dropping("news*", true), to("*", "one")];
    check_decision(rules(), "spam!", &drop("spam*", false));
    check_decision(rules(), "news!", &drop("news*", true));
    check(rules(), "abc", "one");
    // What an earlier rule has sent somewhere is not taken back.
    check(vec![also("*", "archive"), dropping("spam*", true), to("*", "one")], "spam!", "archive");
    check(vec![to("spam*", "one"), dropping("spam*", true)], "spam!", "one");
}

#[test]
fn an_empty_condition_matches_every_mail() {
    let all = Rule { when: Condition::All(vec![]), ..to("*", "all") };
    check(vec![all], "abc", "all");
}

#[test]
fn mail_of_an_unknown_mailbox_is_unrouted() {
    let stranger = MailboxName::parse("stranger").unwrap();
    assert_eq!(route(&Routes::default(), &stranger, &Mail::default(), 0), Decision::Unrouted);
}

#[test]
fn a_rule_asks_for_the_labels_of_the_mailbox() {
    let team = |team: &str| Condition::All(vec![text(Field::Label("team".to_owned()), team)]);
    let rules = vec![Rule { when: team("blue"), ..to("*", "blue") }, Rule { when: team("red"), ..to("*", "red") }];
    let labels = BTreeMap::from([(support(), BTreeMap::from([("team".to_owned(), "red".to_owned())]))]);
    let routes = Routes { labels, ..routes(rules) };
    assert_eq!(route(&routes, &support(), &Mail::default(), 0), Decision::Deliver(endpoints("red")));
}

#[test]
fn what_stands_behind_a_rule_for_all_mail_is_never_reached() {
    let all = |rule: Rule| Rule { when: Condition::All(vec![]), ..rule };
    let check = |rules: Vec<Rule>, expected| assert_eq!(unreachable(&routes(rules)), expected);
    check(vec![], None);
    check(vec![to("a", "one"), all(to("*", "two"))], None);
    check(vec![all(also("*", "one")), to("a", "two")], None);
    check(vec![to("a", "one"), all(to("*", "two")), to("b", "three"), to("c", "four")], Some((3, 2)));
    check(vec![all(dropping("*", false)), to("b", "three")], Some((2, 1)));
}

#[test]
fn an_explanation_tells_what_was_wanted_what_was_seen_and_what_came_of_it() {
    let not = Condition::Not(Box::new(text(Field::Sender, "*@example.org")));
    let second = Rule { when: Condition::All(vec![not, text(Field::Tag, "x")]), ..to("second", "two") };
    let routes = routes(vec![second, also("hel*", "one"), to("*", "two"), to("*", "three")]);
    let from = Address { name: None, address: "a@example.org".to_owned(), group: None };
    let mail = Mail { subject: Some("hello".to_owned()), from: vec![from], ..Mail::default() };
    let told = explain(&routes, &support(), &mail, 0);
    let tried: Vec<_> = told.rules.iter().map(|rule| (rule.number, rule.tried)).collect();
    let expected = [(1, Tried::NotMatched), (2, Tried::Matched), (3, Tried::Matched), (4, Tried::NotTried)];
    assert_eq!(tried, expected);
    assert!(!told.by_mailbox);
    let leaf = |condition: &str, held, wanted: &str, seen: &[&str]| ToldCondition {
        condition: condition.to_owned(),
        held,
        wanted: wanted.to_owned(),
        seen: seen.iter().map(|&text| text.to_owned()).collect(),
        parts: Vec::new(),
    };
    let sender = leaf("sender", true, "\"*@example.org\"", &["a@example.org"]);
    let not = ToldCondition { parts: vec![sender], ..leaf("not", false, "", &[]) };
    // The first has decided that the rule does not match; the second is told all the same.
    assert_eq!(told.rules[0].conditions, [not, leaf("tag", false, "\"x\"", &[])]);
    assert_eq!(told.rules[1].conditions, [leaf("subject", true, "\"hel*\"", &["hello"])]);
}

/// A random condition, at most so deep.
fn condition(rng: &mut Rng, depth: usize) -> Condition {
    let pattern = |rng: &mut Rng| ["a*", "*b", "?", "*", "", "/a.?b/", "b"][rng.usize(..7)];
    match rng.usize(..if depth == 0 { 6 } else { 9 }) {
        0 => text(Field::Subject, pattern(rng)),
        1 => text(Field::Header("X".to_owned()), pattern(rng)),
        2 => text(Field::Sender, pattern(rng)),
        3 => Condition::Is(Matcher::LargerThan(rng.u64(..4))),
        4 => Condition::Is(Matcher::SpamScoreFrom(rng.f64() * 2.0)),
        5 => Condition::Is(Matcher::HasAttachment(rng.bool())),
        6 => Condition::Not(Box::new(condition(rng, depth - 1))),
        join => {
            let parts = (0..rng.usize(..4)).map(|_| condition(rng, depth - 1)).collect();
            if join == 7 { Condition::All(parts) } else { Condition::Any(parts) }
        }
    }
}

fn rule(rng: &mut Rng, number: usize) -> Rule {
    let some = |rng: &mut Rng| endpoints(["one", "two", "one three", "four two"][rng.usize(..4)]);
    let then = match rng.usize(..4) {
        0 => Then::Drop { counts_as_delivered: rng.bool() },
        1 => Then::DeliverTo(some(rng)),
        _ => Then::AndGoOn(some(rng)),
    };
    Rule { label: number.to_string(), when: condition(rng, 3), then }
}

fn mail(rng: &mut Rng) -> Mail {
    let text = |rng: &mut Rng| -> String { (0..rng.usize(..4)).map(|_| if rng.bool() { 'a' } else { 'b' }).collect() };
    let names = ["X", "x", "X-Spam-Score", "Y"];
    let headers = (0..rng.usize(..4)).map(|_| Header {
        name: names[rng.usize(..4)].to_owned(),
        value: ["a", "b", "1", "ab"][rng.usize(..4)].into(),
    });
    Mail {
        headers: headers.collect(),
        subject: rng.bool().then(|| text(rng)),
        return_path: rng.bool().then(|| text(rng)),
        ..Mail::default()
    }
}

/// What a rule's condition comes to, by its own parts alone.
fn holds(told: &ToldCondition) -> bool {
    match told.condition.as_str() {
        "all" => told.parts.iter().all(holds),
        "any" => told.parts.iter().any(holds),
        "not" => told.parts.iter().all(|part| !holds(part)),
        _ => told.held,
    }
}

#[test]
fn what_decides_and_what_explains_never_disagree() {
    let mut rng = Rng::with_seed(5);
    for round in 0..5000 {
        let rules = (1..=rng.usize(..6)).map(|number| rule(&mut rng, number)).collect();
        let routes = Routes {
            deliver_to: if rng.bool() { routes(vec![]).deliver_to } else { BTreeMap::new() },
            ..routes(rules)
        };
        let (mail, size) = (mail(&mut rng), rng.u64(..4));
        let told = explain(&routes, &support(), &mail, size);
        assert_eq!(route(&routes, &support(), &mail, size), told.decision, "round {round}: {routes:?} {mail:?}");
        // The decision is what follows from what was told, read by somebody else.
        let (mut chosen, mut dropped, mut matched) = (Vec::new(), None, false);
        for (rule, told) in routes.rules.iter().zip(&told.rules) {
            let held = told.conditions.iter().all(holds);
            let is_read = told.tried != Tried::NotTried;
            assert_eq!(is_read && held, told.tried == Tried::Matched, "round {round}: {told:?}");
            if told.tried != Tried::Matched {
                continue;
            }
            matched = true;
            match &rule.then {
                Then::DeliverTo(more) | Then::AndGoOn(more) => add(&mut chosen, more),
                Then::Drop { counts_as_delivered } => dropped = Some((rule.label.clone(), *counts_as_delivered)),
            }
        }
        assert_eq!(told.by_mailbox, !matched, "round {round}");
        if !matched {
            add(&mut chosen, routes.deliver_to.get(&support()).map_or(&[], Vec::as_slice));
        }
        let expected = match dropped {
            Some((rule, counts_as_delivered)) if chosen.is_empty() => Decision::Drop { rule, counts_as_delivered },
            _ if chosen.is_empty() => Decision::Unrouted,
            _ => Decision::Deliver(chosen),
        };
        assert_eq!(told.decision, expected, "round {round}: {told:?}");
    }
}
