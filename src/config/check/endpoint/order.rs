//! In which order an endpoint gets its mail.

use std::time::Duration;

use crate::config::file::Endpoint;
use crate::config::names::Ordered;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::deliver::AfterBlock;
use crate::deliver::HeadBlock;
use crate::deliver::Ordering;

const MAX_HEAD_BLOCK: Duration = Duration::from_secs(60 * 60);

pub(super) fn check(endpoint: &Endpoint, path: &Path, report: &mut Report) -> Ordering {
    if or(&endpoint.ordering, Ordered::No) == Ordered::PerMailbox {
        return Ordering::PerMailbox(HeadBlock {
            at_most: or(&endpoint.max_head_block, MAX_HEAD_BLOCK),
            then: or(&endpoint.on_head_block, AfterBlock::DeadLetter),
        });
    }
    let written =
        [("max_head_block", endpoint.max_head_block.is_some()), ("on_head_block", endpoint.on_head_block.is_some())];
    for (key, _) in written.iter().filter(|(_, written)| *written) {
        report.add(&path.key(key), "has no effect without ordering: per_mailbox; take it out, or write that");
    }
    Ordering::None
}
