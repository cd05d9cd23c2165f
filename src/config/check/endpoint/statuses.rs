//! What an endpoint's answers mean.

use std::collections::BTreeMap;

use crate::config::file::Endpoint;
use crate::config::plain::Plain;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::deliver::Meaning;
use crate::deliver::Preset;
use crate::deliver::Statuses;

/// What a key of the map stands for.
enum Which {
    Code(u16),
    Class(u16),
}

pub(super) fn check(endpoint: &Endpoint, path: &Path, report: &mut Report) -> Statuses {
    let path = path.key("statuses");
    let preset = or(&endpoint.status_preset, Preset::Default);
    let (mut classes, mut codes) = (BTreeMap::new(), BTreeMap::new());
    for (key, Plain(meaning)) in endpoint.statuses.iter().flatten() {
        match which(key) {
            Some(Which::Code(200..=299) | Which::Class(2)) if *meaning == Meaning::Accept => {}
            Some(Which::Code(200..=299) | Which::Class(2)) => {
                report.add(&path.key(key), "is a success, which is always accepted; take it out");
            }
            Some(Which::Code(code)) => {
                codes.insert(code, *meaning);
            }
            Some(Which::Class(class)) => {
                classes.insert(class, *meaning);
            }
            None => report.add(&path.key(key), "is no status; write a code such as 409, or 3xx, 4xx or 5xx"),
        }
    }
    Statuses { preset, classes, codes }
}

fn which(key: &str) -> Option<Which> {
    if let Some(class) = key.strip_suffix("xx") {
        return class.parse().ok().filter(|class| (2..=5).contains(class)).map(Which::Class);
    }
    key.parse().ok().filter(|code| (200..=599).contains(code)).map(Which::Code)
}
