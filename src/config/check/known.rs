//! The names that the file gives, for those who refer to them.

use std::collections::BTreeMap;

use crate::config::file::Mailbox;
use crate::config::list::List;
use crate::config::list::items;
use crate::config::nearest::did_you_mean;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::ident::EndpointName;

/// The names that rules may say, and a condition may ask for.
pub(super) struct Names<'a> {
    pub(super) mailboxes: &'a Known<'a>,
    pub(super) labels: &'a Known<'a>,
    pub(super) endpoints: &'a Known<'a>,
}

/// Every name of one kind.
pub(super) struct Known<'a> {
    kind: &'static str,
    names: Vec<&'a str>,
    /// Whether there are items, and each could be read and has a name. If not, a strange name may be that of one.
    complete: bool,
}

impl<'a> Known<'a> {
    pub(super) fn of<T>(kind: &'static str, list: &'a Option<List<T>>, name: impl Fn(&T) -> Option<&str>) -> Known<'a> {
        let names: Vec<Option<&str>> = items(list).map(|(_, item)| name(item)).collect();
        let complete = list.as_ref().is_some_and(|list| !list.is_empty() && list.is_complete())
            && names.iter().all(Option::is_some);
        let mut names: Vec<&str> = names.into_iter().flatten().collect();
        names.sort_unstable();
        names.dedup();
        Known { kind, names, complete }
    }

    /// The names of the labels that mailboxes have.
    pub(super) fn labels(mailboxes: &'a Option<List<Mailbox>>) -> Known<'a> {
        let complete = mailboxes.as_ref().is_some_and(List::is_complete);
        let labels = items(mailboxes).filter_map(|(_, mailbox)| mailbox.labels.as_ref());
        let mut names: Vec<&str> = labels.flat_map(|labels| labels.keys().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        Known { kind: "label", names, complete }
    }

    /// Notes it if nothing has this name. `alike` tells whether two names are the same.
    pub(super) fn expect(&self, name: &str, alike: impl Fn(&str, &str) -> bool, path: &Path, report: &mut Report) {
        if !self.complete || self.names.iter().any(|known| alike(known, name)) {
            return;
        }
        let kind = self.kind;
        let remedy = did_you_mean(name, self.names.iter().copied()).unwrap_or_else(|| match self.names[..] {
            [] => "; none is known here".to_owned(),
            _ => format!("; known here: {}", self.names.join(", ")),
        });
        report.add(path, format!("no {kind} is named {name:?}{remedy}"));
    }
}

/// The endpoints that a `deliver_to` names.
pub(super) fn deliver_to(
    list: &Option<List<String>>,
    known: &Known<'_>,
    path: &Path,
    report: &mut Report,
) -> Vec<EndpointName> {
    let mut names = Vec::new();
    for (at, name) in items(list) {
        known.expect(name, |a, b| a == b, &path.index(at), report);
        // A name that is known and not legal is reported where it is given.
        names.extend(EndpointName::parse(name).ok());
    }
    names
}

/// Notes each item whose name an earlier one has.
pub(super) struct Taken<'a> {
    by: BTreeMap<&'a str, usize>,
    list: &'static str,
}

impl<'a> Taken<'a> {
    pub(super) fn none(list: &'static str) -> Taken<'a> {
        Taken { by: BTreeMap::new(), list }
    }

    pub(super) fn take(&mut self, name: &'a str, at: usize, path: &Path, report: &mut Report) {
        let first = *self.by.entry(name).or_insert(at);
        if first != at {
            report.add(path, format!("{name:?} is taken by {}[{first}]; choose another name", self.list));
        }
    }
}
