//! How the mail of a mailbox is read.

use crate::config::file::Parsing;
use crate::config::list::List;
use crate::config::list::items;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::parse::Options;

pub(super) fn check(written: Option<&Parsing>, path: &Path, report: &mut Report) -> Options {
    let mut options = Options::default();
    let Some(written) = written else { return options };
    if written.recipient_headers.is_some() {
        options.recipient_headers = names(&written.recipient_headers, &path.key("recipient_headers"), report);
    }
    options.open_forwarded = written.open_forwarded.unwrap_or(options.open_forwarded);
    options
}

/// Names of header fields (RFC 5322 section 2.2).
fn names(list: &Option<List<String>>, path: &Path, report: &mut Report) -> Vec<String> {
    let mut names = Vec::new();
    for (at, name) in items(list) {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            report.add(&path.index(at), "is no name of a header field; write one such as X-Original-To");
        }
        names.push(name.clone());
    }
    names
}
