//! Where mail is kept on disk, and how long.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;

use crate::config::check::noted;
use crate::config::check::required;
use crate::config::file::Spool;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::units::Keep;
use crate::config::units::Percent;
use crate::config::units::Size;
use crate::retention;
use crate::spool;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const KEEP_DELIVERED: Duration = DAY.saturating_mul(7);
const LEDGER_KEEP: Duration = DAY.saturating_mul(90);
const MAX_SIZE: Size = Size(10 << 30);
/// An empty spool and one message of the usual largest size have room in it.
const MAX_SIZE_MIN: u64 = 64 << 20;
const MIN_FREE: Size = Size(256 << 20);
const MAX_SHARE: Percent = Percent(25);

/// What to write for `url`.
const REMEDY: &str = "write sqlite: and the path of a file, such as sqlite:/var/lib/pophook/spool.db";

pub(super) fn check(spool: Option<&Spool>, report: &mut Report) -> Option<(spool::Config, retention::Config)> {
    let path = Path::default().key("spool");
    let Some(spool) = spool else {
        report.missing(&path.key("url"), REMEDY);
        return None;
    };
    let Size(max_size) = or(&spool.max_size, MAX_SIZE);
    if max_size < MAX_SIZE_MIN {
        report.add(&path.key("max_size"), "leaves no room for mail; write 64MiB or more");
    }
    let Size(min_free) = or(&spool.min_free, MIN_FREE);
    let Percent(max_share) = or(&spool.max_share, MAX_SHARE);
    let Keep(keep_dead) = or(&spool.keep_dead, Keep(None));
    let retention = retention::Config { keep_delivered: or(&spool.keep_delivered, KEEP_DELIVERED), keep_dead };
    let ledger_keep = or(&spool.ledger_keep, LEDGER_KEEP);

    let url = required(&spool.url, &path.key("url"), REMEDY, report)?;
    let file = noted(database(url), &path.key("url"), report)?;
    Some((spool::Config { path: file, max_size, min_free, max_share, ledger_keep }, retention))
}

/// A message that is larger than the spool would keep its mailbox waiting for ever.
pub(super) fn check_room(spool: &Spool, largest: Option<(usize, Size)>, report: &mut Report) {
    let path = Path::default().key("spool").key("max_size");
    let (Size(max_size), Some((at, Size(message)))) = (or(&spool.max_size, MAX_SIZE), largest) else { return };
    if max_size <= message && !report.has(&path) {
        let message = ByteSize(message);
        let text = format!(
            "is too small for a message of mailboxes[{at}], which may have {message} (max_message_size); write more \
             than that"
        );
        report.add(&path, text);
    }
}

// The texts never repeat the URL: one for PostgreSQL carries a password.
fn database(url: &str) -> Result<PathBuf, String> {
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        return Err(format!("PostgreSQL is not supported yet; {REMEDY}"));
    }
    let path = url.strip_prefix("sqlite:").ok_or_else(|| format!("is of no known kind; {REMEDY}"))?;
    if path.starts_with("//") {
        return Err(format!("has the slashes of a web address; {REMEDY}"));
    }
    if path.is_empty() || path.ends_with('/') {
        return Err(format!("names no file; {REMEDY}"));
    }
    if path.contains(":memory:") {
        return Err(format!("would be lost with the process; {REMEDY}"));
    }
    if path.contains(['?', '#', '\0']) {
        return Err(format!("has parameters, which are not used here; {REMEDY}"));
    }
    Ok(path.into())
}
