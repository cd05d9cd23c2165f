//! Why a mail goes where it goes, as data: for an operator's own eyes, since it quotes the mail.

use serde::Serialize;

use crate::ident::MailboxName;
use crate::parse::Mail;
use crate::route::Condition;
use crate::route::Decision;
use crate::route::Routes;
use crate::route::Rule;
use crate::route::condition::Judged;
use crate::route::condition::Look;
use crate::route::decide;
use crate::route::letter;
use crate::route::letter::Letter;

/// Where a mail goes, and every rule on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What [`route`](super::route) says of the same mail.
    pub decision: Decision,
    /// Whether it is the mailbox's own `deliver_to` that counts, because no rule matched.
    pub by_mailbox: bool,
    /// Whether only rules matched that go on: then the mailbox's own `deliver_to` does not count, which surprises.
    pub only_went_on: bool,
    /// All rules in their order.
    pub rules: Vec<ToldRule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldRule {
    /// From 1.
    pub number: usize,
    /// What it is called.
    pub label: String,
    /// Whether it matched.
    pub tried: Tried,
    /// Its conditions; none where it was not tried.
    pub conditions: Vec<ToldCondition>,
}

/// What came of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tried {
    /// It matched.
    Matched,
    /// It did not.
    NotMatched,
    /// A rule before it had decided.
    NotTried,
}

/// One condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToldCondition {
    /// Its key in the configuration: `subject`, `header.X-Spam`, `all`, `any`, `not`.
    pub condition: String,
    /// Whether it holds.
    pub held: bool,
    /// What it asks for; empty where it joins others.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub wanted: String,
    /// What the mail has there; empty where it has nothing, or where the condition joins others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<String>,
    /// The conditions that it joins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<ToldCondition>,
}

/// Explains where `mail` goes, which arrived in `mailbox` with `size` raw bytes.
pub fn explain(routes: &Routes, mailbox: &MailboxName, mail: &Mail, size: u64) -> Explanation {
    let letter = letter(routes, mailbox, mail, size);
    let decided = decide(routes, &letter, Look::Everything);
    let by_mailbox = decided.judged.iter().all(|judged| !judged.held);
    let mut held = routes.rules.iter().zip(&decided.judged).filter(|(_, judged)| judged.held);
    let only_went_on = !by_mailbox && held.all(|(rule, _)| rule.then.goes_on());
    let mut judged = decided.judged.into_iter();
    let tell = |(number, rule): (usize, &Rule)| tell_rule(number, rule, judged.next(), &letter);
    let rules = (1..).zip(&routes.rules).map(tell).collect();
    Explanation { decision: decided.decision, by_mailbox, only_went_on, rules }
}

fn tell_rule(number: usize, rule: &Rule, judged: Option<Judged<'_>>, letter: &Letter<'_>) -> ToldRule {
    let label = rule.label.clone();
    let Some(judged) = judged else {
        return ToldRule { number, label, tried: Tried::NotTried, conditions: Vec::new() };
    };
    let tried = if judged.held { Tried::Matched } else { Tried::NotMatched };
    // The conditions of a rule are joined by all; that goes without saying.
    let conditions = match judged.condition {
        Condition::All(_) => judged.parts.iter().map(|part| tell(part, letter)).collect(),
        Condition::Is(_) | Condition::Any(_) | Condition::Not(_) => vec![tell(&judged, letter)],
    };
    ToldRule { number, label, tried, conditions }
}

fn tell(judged: &Judged<'_>, letter: &Letter<'_>) -> ToldCondition {
    let joined = |name: &str| (name.to_owned(), String::new(), Vec::new());
    let (condition, wanted, seen) = match judged.condition {
        Condition::Is(matcher) => matcher.tell(letter),
        Condition::All(_) => joined("all"),
        Condition::Any(_) => joined("any"),
        Condition::Not(_) => joined("not"),
    };
    let parts = judged.parts.iter().map(|part| tell(part, letter)).collect();
    ToldCondition { condition, held: judged.held, wanted, seen, parts }
}
