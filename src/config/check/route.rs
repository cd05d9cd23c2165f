//! The routes: from the rules of the file to what they mean.

use crate::config::check::known::Names;
use crate::config::check::known::Taken;
use crate::config::check::known::deliver_to;
use crate::config::check::when;
use crate::config::file::Dropping;
use crate::config::file::Route;
use crate::config::list::List;
use crate::config::list::items;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::ident::EndpointName;
use crate::route::Condition;
use crate::route::Rule;
use crate::route::Then;

/// A name is a metric's label, and stands in a column of a listing.
const NAME_MAX: usize = 64;

pub(super) fn check(list: &Option<List<Route>>, known: &Names<'_>, report: &mut Report) -> Vec<Rule> {
    let mut taken = Taken::none("routes");
    let mut rules = Vec::new();
    for (at, route) in items(list) {
        let path = Path::default().key("routes").index(at);
        if let Some(name) = &route.name {
            let path = path.key("name");
            taken.take(name, at, &path, report);
            check_name(name, &path, report);
        }
        let label = route.name.clone().unwrap_or_else(|| (at + 1).to_string());
        let conditions =
            route.when.as_ref().map_or_else(Vec::new, |when| when::conditions(when, known, &path.key("when"), report));
        rules.push(Rule { label, when: Condition::All(conditions), then: then(route, known, &path, report) });
    }
    rules
}

/// A name of digits could be taken for a number.
fn check_name(name: &str, path: &Path, report: &mut Report) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let legal = !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(plain);
    if !legal || name.bytes().all(|b| b.is_ascii_digit()) {
        let remedy = format!("write letters, digits, -, _ and ., {NAME_MAX} at most, and not digits alone");
        report.add(path, format!("is no name for a rule; {remedy}"));
    }
}

fn then(route: &Route, known: &Names<'_>, path: &Path, report: &mut Report) -> Then {
    let to_path = path.key("deliver_to");
    let endpoints = deliver_to(&route.deliver_to, known.endpoints, &to_path, report);
    let goes_on = route.go_on.unwrap_or(false);
    let counts_as_delivered = match &route.drop {
        // How it was to be dropped could not be read, which is told already.
        None if report.has_within(&path.key("drop")) => false,
        None | Some(Dropping::Plain(false)) => return sent(route, endpoints, goes_on, &to_path, report),
        Some(Dropping::Plain(true)) => false,
        Some(Dropping::With(options)) => options.counts_as_delivered.unwrap_or(false),
    };
    if route.deliver_to.is_some() {
        report.add(&to_path, "stands beside drop, which sends mail nowhere; take one of the two out");
    }
    if goes_on {
        report.add(&path.key("continue"), "stands beside drop, after which no rule is read; take one of the two out");
    }
    Then::Drop { counts_as_delivered }
}

fn sent(route: &Route, endpoints: Vec<EndpointName>, goes_on: bool, path: &Path, report: &mut Report) -> Then {
    if route.deliver_to.as_ref().is_none_or(List::is_empty) {
        report.missing(path, "write the endpoints that get this mail, such as [helpdesk], or drop: true");
    }
    if goes_on { Then::AndGoOn(endpoints) } else { Then::DeliverTo(endpoints) }
}
