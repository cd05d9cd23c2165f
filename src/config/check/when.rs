//! The conditions of a rule.

use std::collections::BTreeMap;

use crate::config::check::known::Names;
use crate::config::file::Auth;
use crate::config::file::Patterns;
use crate::config::file::Score;
use crate::config::file::When;
use crate::config::list::List;
use crate::config::nearest::did_you_mean;
use crate::config::plain::Plain;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::units::Size;
use crate::route::AnyOf;
use crate::route::Condition;
use crate::route::Field;
use crate::route::Matcher;
use crate::route::Method;
use crate::route::Pattern;

/// Conditions in each other; nobody reads more.
const DEPTH_MAX: usize = 8;
/// What a mail can be.
const KINDS: [&str; 6] = ["message", "bounce", "complaint", "receipt", "auto_reply", "calendar"];
/// RFC 8601 section 2.7.
const RESULTS: [&str; 8] = ["pass", "fail", "none", "neutral", "softfail", "policy", "temperror", "permerror"];

/// What `when` asks, all of which must hold.
pub(super) fn conditions(when: &When, known: &Names<'_>, path: &Path, report: &mut Report) -> Vec<Condition> {
    let found = nested(when, known, (path, 1), report);
    if found.is_empty() && !report.has_within(path) {
        report.add(path, "holds no condition, so every mail would match; write one, or take the key out");
    }
    found
}

fn nested(when: &When, known: &Names<'_>, (path, depth): (&Path, usize), report: &mut Report) -> Vec<Condition> {
    if depth > DEPTH_MAX {
        report.add(path, format!("is nested deeper than {DEPTH_MAX} conditions; write several rules"));
        return Vec::new();
    }
    let mut all: Vec<Condition> = texts(when, known, path, report).into_iter().map(Condition::Is).collect();
    all.extend(facts(when, path, report).into_iter().map(Condition::Is));
    let mut groups = |list: &Option<List<When>>, key: &str| {
        let path = path.key(key);
        let list = list.as_ref()?;
        if list.is_empty() {
            report.add(&path, "holds no condition; write some, each group after a -, or take the key out");
        }
        let mut group = |(at, when): (usize, &When)| {
            let path = path.index(at);
            let parts = nested(when, known, (&path, depth + 1), report);
            if parts.is_empty() && !report.has_within(&path) {
                report.add(&path, "holds no condition, so every mail would match; write one, or take the group out");
            }
            Condition::All(parts)
        };
        Some(list.items().map(&mut group).collect())
    };
    let (every, some) = (groups(&when.all, "all"), groups(&when.any, "any"));
    all.extend(every.map(Condition::All));
    all.extend(some.map(Condition::Any));
    if let Some(not) = &when.not {
        let path = path.key("not");
        let parts = nested(not, known, (&path, depth + 1), report);
        // What could not be read is told already.
        if parts.is_empty() && !report.has_within(&path) {
            report.add(&path, "holds no condition, so no mail would match; write one, or take the key out");
        }
        all.push(Condition::Not(Box::new(Condition::All(parts))));
    }
    all
}

/// The conditions that hold patterns against texts.
fn texts(when: &When, known: &Names<'_>, path: &Path, report: &mut Report) -> Vec<Matcher> {
    let mut matchers = Vec::new();
    if let Some(patterns) = &when.mailbox {
        for (path, pattern) in each(patterns, &path.key("mailbox")) {
            if let Some(name) = pattern.literal() {
                known.mailboxes.expect(name, str::eq_ignore_ascii_case, &path, report);
            }
        }
    }
    for name in when.label.iter().flat_map(BTreeMap::keys) {
        known.labels.expect(name, |a, b| a == b, &path.key("label").key(name), report);
    }
    for name in when.header.iter().flat_map(BTreeMap::keys) {
        // RFC 5322 section 2.2.
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            let path = path.key("header").key(name);
            report.add(&path, "is no name of a header field; write it without colon and spaces");
        }
    }
    expect_word(&when.kind, &KINDS, &path.key("kind"), report);
    let mut add = |patterns: &Option<Patterns>, field: Field, path: Path| {
        let matcher = |patterns| Matcher::Text(field, any_of(patterns, &path, report));
        matchers.extend(patterns.as_ref().map(matcher));
    };
    let fields = [
        ("mailbox", &when.mailbox, Field::Mailbox),
        ("sender", &when.sender, Field::Sender),
        ("recipient", &when.recipient, Field::Recipient),
        ("tag", &when.tag, Field::Tag),
        ("subject", &when.subject, Field::Subject),
        ("list_id", &when.list_id, Field::ListId),
        ("attachment_name", &when.attachment_name, Field::AttachmentName),
        ("attachment_type", &when.attachment_type, Field::AttachmentType),
        ("kind", &when.kind, Field::Kind),
    ];
    for (key, patterns, field) in fields {
        add(patterns, field, path.key(key));
    }
    matchers.extend(named("label", &when.label, Field::Label, path, report));
    matchers.extend(named("header", &when.header, Field::Header, path, report));
    if let Some(auth) = &when.auth {
        let (path, before) = (path.key("auth"), matchers.len());
        matchers.extend(results(auth, &path, report));
        if matchers.len() == before {
            no_name(&path, "spf, dkim, dmarc or arc", report);
        }
    }
    matchers
}

/// Patterns for each of several names.
fn named(
    key: &str,
    map: &Option<BTreeMap<String, Patterns>>,
    field: fn(String) -> Field,
    path: &Path,
    report: &mut Report,
) -> Vec<Matcher> {
    let path = path.key(key);
    if map.as_ref().is_some_and(BTreeMap::is_empty) {
        no_name(&path, "a name", report);
    }
    let matcher = |(name, patterns): (&String, &Patterns)| {
        Matcher::Text(field(name.clone()), any_of(patterns, &path.key(name), report))
    };
    map.iter().flatten().map(matcher).collect()
}

fn no_name(path: &Path, name: &str, report: &mut Report) {
    if !report.has_within(path) {
        report.add(path, format!("holds no pattern; write {name} and a pattern below it, or take the key out"));
    }
}

fn results(auth: &Auth, path: &Path, report: &mut Report) -> Vec<Matcher> {
    let methods =
        [(&auth.spf, Method::Spf), (&auth.dkim, Method::Dkim), (&auth.dmarc, Method::Dmarc), (&auth.arc, Method::Arc)];
    let mut matchers = Vec::new();
    for (patterns, method) in methods {
        let path = path.key(method.as_str());
        expect_word(patterns, &RESULTS, &path, report);
        let matcher = |patterns| Matcher::Text(Field::Auth(method), any_of(patterns, &path, report));
        matchers.extend(patterns.as_ref().map(matcher));
    }
    matchers
}

/// The conditions that are no texts.
fn facts(when: &When, path: &Path, report: &mut Report) -> Vec<Matcher> {
    if let (Some(Plain(Size(larger))), Some(Plain(Size(smaller)))) = (when.larger_than, when.smaller_than)
        && smaller <= larger
    {
        report.add(&path.key("smaller_than"), "leaves no size above larger_than; write a larger one");
    }
    let mut matchers = Vec::new();
    matchers.extend(when.larger_than.map(|Plain(Size(size))| Matcher::LargerThan(size)));
    matchers.extend(when.smaller_than.map(|Plain(Size(size))| Matcher::SmallerThan(size)));
    matchers.extend(when.has_attachment.map(Matcher::HasAttachment));
    matchers.extend(when.spam.map(Matcher::Spam));
    matchers.extend(when.spam_score_from.map(|Plain(Score(score))| Matcher::SpamScoreFrom(score)));
    matchers
}

/// A word that no mail can have there is a slip.
fn expect_word(patterns: &Option<Patterns>, known: &[&str], path: &Path, report: &mut Report) {
    for (path, pattern) in patterns.iter().flat_map(|patterns| each(patterns, path)) {
        let Some(word) = pattern.literal() else { continue };
        if !known.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            let remedy = did_you_mean(word, known.iter().copied())
                .unwrap_or_else(|| format!("; known here: {}", known.join(", ")));
            report.add(&path, format!("{word:?} is not known{remedy}"));
        }
    }
}

fn any_of(patterns: &Patterns, path: &Path, report: &mut Report) -> AnyOf {
    if matches!(patterns, Patterns::Any(list) if list.is_empty()) {
        report.add(path, "holds no pattern, so no mail would match; write one, or take the key out");
    }
    AnyOf::new(each(patterns, path).into_iter().map(|(_, pattern)| pattern.clone()))
}

fn each<'a>(patterns: &'a Patterns, path: &Path) -> Vec<(Path, &'a Pattern)> {
    match patterns {
        Patterns::One(pattern) => vec![(path.clone(), pattern)],
        Patterns::Any(list) => list.items().map(|(at, Plain(pattern))| (path.index(at), pattern)).collect(),
    }
}
