//! When an endpoint's deliveries are tried again.

use std::time::Duration;

use crate::config::check::at_least;
use crate::config::file::Endpoint;
use crate::config::list::List;
use crate::config::list::items;
use crate::config::plain::Plain;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::deliver::Retry;

const GIVE_UP_AFTER: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// The waits after the first failures, in seconds: 5 s, 30 s, 2 m, 10 m, 30 m, 1 h, 2 h, 4 h, 8 h.
const BACKOFF: [u64; 9] = [5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800];
const BACKOFF_MIN: Duration = Duration::from_millis(100);

pub(super) fn check(endpoint: &Endpoint, path: &Path, report: &mut Report) -> Retry {
    let backoff = backoff(&endpoint.backoff, &path.key("backoff"), report);
    Retry { backoff, give_up_after: or(&endpoint.give_up_after, GIVE_UP_AFTER) }
}

fn backoff(written: &Option<List<Plain<Duration>>>, path: &Path, report: &mut Report) -> Vec<Duration> {
    let Some(list) = written else { return BACKOFF.map(Duration::from_secs).to_vec() };
    if list.is_empty() {
        report.add(path, "holds no wait; write at least one, such as [5s, 30s, 2m]");
    }
    let mut waits = Vec::new();
    for (at, Plain(wait)) in items(written) {
        at_least(BACKOFF_MIN, *wait, &path.index(at), report);
        waits.push(*wait);
    }
    waits
}
