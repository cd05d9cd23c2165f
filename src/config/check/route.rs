//! The routes.

use crate::config::check::known::Known;
use crate::config::check::known::deliver_to;
use crate::config::file::Patterns;
use crate::config::file::Route;
use crate::config::file::When;
use crate::config::list::List;
use crate::config::list::items;
use crate::config::plain::Plain;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::units::Size;
use crate::route::AnyOf;
use crate::route::Matcher;
use crate::route::Pattern;
use crate::route::Rule;
use crate::route::Then;

pub(super) fn check(
    list: &Option<List<Route>>,
    mailboxes: &Known<'_>,
    endpoints: &Known<'_>,
    report: &mut Report,
) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (at, route) in items(list) {
        let path = Path::default().key("routes").index(at);
        let to_path = path.key("deliver_to");
        if route.deliver_to.as_ref().is_none_or(List::is_empty) {
            report.missing(&to_path, "write the endpoints that get this mail, such as [helpdesk]");
        }
        let deliver_to = deliver_to(&route.deliver_to, endpoints, &to_path, report);
        let when =
            route.when.as_ref().map_or_else(Vec::new, |when| conditions(when, mailboxes, &path.key("when"), report));
        let then = if route.go_on.unwrap_or(false) { Then::GoOn } else { Then::Stop };
        rules.push(Rule { when, deliver_to, then });
    }
    rules
}

fn conditions(when: &When, mailboxes: &Known<'_>, path: &Path, report: &mut Report) -> Vec<Matcher> {
    let mut matchers = Vec::new();
    if let Some(patterns) = &when.mailbox {
        let path = path.key("mailbox");
        for (path, pattern) in each(patterns, &path) {
            if let Some(name) = pattern.literal() {
                mailboxes.expect(name, str::eq_ignore_ascii_case, &path, report);
            }
        }
        matchers.push(Matcher::Mailbox(any_of(patterns, &path, report)));
    }
    let mut add = |key: &str, patterns: &Option<Patterns>, matcher: fn(AnyOf) -> Matcher| {
        matchers.extend(patterns.as_ref().map(|patterns| matcher(any_of(patterns, &path.key(key), report))));
    };
    add("sender", &when.sender, Matcher::Sender);
    add("recipient", &when.recipient, Matcher::Recipient);
    add("subject", &when.subject, Matcher::Subject);
    for (name, patterns) in when.header.iter().flatten() {
        let path = path.key("header").key(name);
        // RFC 5322 section 2.2.
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            report.add(&path, "is no name of a header field; write it without colon and spaces");
        }
        matchers.push(Matcher::Header(name.clone(), any_of(patterns, &path, report)));
    }
    if let (Some(Plain(Size(larger))), Some(Plain(Size(smaller)))) = (when.larger_than, when.smaller_than)
        && smaller <= larger
    {
        report.add(&path.key("smaller_than"), "leaves no size above larger_than; write a larger one");
    }
    matchers.extend(when.larger_than.map(|Plain(Size(size))| Matcher::LargerThan(size)));
    matchers.extend(when.smaller_than.map(|Plain(Size(size))| Matcher::SmallerThan(size)));
    matchers.extend(when.has_attachment.map(Matcher::HasAttachment));
    matchers
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
