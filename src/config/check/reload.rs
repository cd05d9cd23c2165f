//! When the file is read anew, and which endpoints may then go.

use std::time::Duration;

use crate::config::Reload;
use crate::config::check::at_least;
use crate::config::check::noted;
use crate::config::file::File;
use crate::config::list::items;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::units::Every;
use crate::ident::EndpointName;

/// A look costs one question to the disk for each file.
const WATCH: Every = Every(Some(Duration::from_secs(5)));
const WATCH_MIN: Duration = Duration::from_millis(100);

pub(super) fn check(file: &File, report: &mut Report) -> Reload {
    let Every(watch) = file.reload.as_ref().map_or(WATCH, |reload| or(&reload.watch, WATCH));
    if let Some(every) = watch {
        at_least(WATCH_MIN, every, &Path::default().key("reload").key("watch"), report);
    }
    let path = Path::default().key("removed_endpoints");
    let mut removed_endpoints = Vec::new();
    for (at, name) in items(&file.removed_endpoints) {
        let path = path.index(at);
        if items(&file.endpoints).any(|(_, endpoint)| endpoint.name.as_ref() == Some(name)) {
            report.add(&path, format!("{name:?} stands under endpoints, too; take it out of one of them"));
        }
        removed_endpoints.extend(noted(EndpointName::parse(name).map_err(|e| e.to_string()), &path, report));
    }
    Reload { watch, removed_endpoints }
}
