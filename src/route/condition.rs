//! What a rule asks of a mail, and whether it holds.
//!
//! [`Condition::judge`] is the only judge: what decides and what explains differ in how far they look, and in nothing
//! else. To add a condition: a field of [`Field`] where a text is looked at, else a variant of [`Matcher`] with its
//! lines in `holds` and `tell`; and its key in the configuration.

use crate::route::AnyOf;
use crate::route::letter::Field;
use crate::route::letter::Letter;

/// A condition, or several joined.
#[derive(Debug, Clone)]
pub enum Condition {
    /// One fact.
    Is(Matcher),
    /// All of these; none at all holds for every mail.
    All(Vec<Condition>),
    /// At least one of these.
    Any(Vec<Condition>),
    /// This does not hold.
    Not(Box<Condition>),
}

/// One fact about a mail.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// A text of this field matches. Where the mail has none, nothing matches.
    Text(Field, AnyOf),
    /// More raw bytes than this.
    LargerThan(u64),
    /// Fewer raw bytes than this.
    SmallerThan(u64),
    /// Whether a part is attached; those that are shown in place do not count.
    HasAttachment(bool),
    /// Whether a spam filter called it spam; where none did, it is none.
    Spam(bool),
    /// A spam filter gave it this score or a higher one. Where none gave a score, it has none.
    SpamScoreFrom(f64),
}

/// How far to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Until it is decided.
    Enough,
    /// At everything.
    Everything,
}

/// A condition and whether it holds.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    pub(super) condition: &'a Condition,
    pub(super) held: bool,
    /// The conditions that it joins, as far as they were looked at.
    pub(super) parts: Vec<Judged<'a>>,
}

impl Condition {
    /// Judges `letter`. The conditions in it are nested no deeper than the configuration allows.
    pub(super) fn judge(&self, letter: &Letter<'_>, look: Look) -> Judged<'_> {
        let (held, parts) = match self {
            Condition::Is(matcher) => (matcher.holds(letter), Vec::new()),
            Condition::All(list) => {
                let parts = judge_until(false, list, letter, look);
                (parts.iter().all(|part| part.held), parts)
            }
            Condition::Any(list) => {
                let parts = judge_until(true, list, letter, look);
                (parts.iter().any(|part| part.held), parts)
            }
            Condition::Not(one) => {
                let part = one.judge(letter, look);
                (!part.held, vec![part])
            }
        };
        Judged { condition: self, held, parts }
    }

    /// Whether it holds for every mail, whatever the mail is.
    pub(super) fn is_always(&self) -> bool {
        match self {
            Condition::All(list) => list.iter().all(Condition::is_always),
            Condition::Any(list) => list.iter().any(Condition::is_always),
            Condition::Is(_) | Condition::Not(_) => false,
        }
    }
}

/// Judges each of `list`; where that is enough, only up to the first for which `decisive` is the judgement.
fn judge_until<'a>(decisive: bool, list: &'a [Condition], letter: &Letter<'_>, look: Look) -> Vec<Judged<'a>> {
    let mut judged = Vec::with_capacity(list.len());
    for condition in list {
        let one = condition.judge(letter, look);
        let decided = one.held == decisive;
        judged.push(one);
        if decided && look == Look::Enough {
            break;
        }
    }
    judged
}

impl Matcher {
    fn holds(&self, letter: &Letter<'_>) -> bool {
        match self {
            Matcher::Text(field, any) => letter.values(field).into_iter().any(|value| any.matches(value)),
            Matcher::LargerThan(size) => letter.size > *size,
            Matcher::SmallerThan(size) => letter.size < *size,
            Matcher::HasAttachment(wanted) => letter.has_attachment() == *wanted,
            Matcher::Spam(wanted) => letter.findings.spam == *wanted,
            Matcher::SpamScoreFrom(least) => letter.findings.spam_score.is_some_and(|score| score >= *least),
        }
    }

    /// What is looked at, what is wanted of it, and all that `letter` has.
    pub(super) fn tell(&self, letter: &Letter<'_>) -> (String, String, Vec<String>) {
        let one = |value: &dyn ToString| vec![value.to_string()];
        match self {
            Matcher::Text(field, any) => {
                let values = letter.values(field).into_iter().map(str::to_owned).collect();
                (field.to_string(), any.to_string(), values)
            }
            Matcher::LargerThan(size) => ("larger_than".to_owned(), format!("{size} bytes"), one(&letter.size)),
            Matcher::SmallerThan(size) => ("smaller_than".to_owned(), format!("{size} bytes"), one(&letter.size)),
            Matcher::HasAttachment(wanted) => {
                ("has_attachment".to_owned(), wanted.to_string(), one(&letter.has_attachment()))
            }
            Matcher::Spam(wanted) => ("spam".to_owned(), wanted.to_string(), one(&letter.findings.spam)),
            Matcher::SpamScoreFrom(least) => {
                let score = letter.findings.spam_score.iter().map(f64::to_string).collect();
                ("spam_score_from".to_owned(), least.to_string(), score)
            }
        }
    }
}

#[cfg(test)]
mod tests;
