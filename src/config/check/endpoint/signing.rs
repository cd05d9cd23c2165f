//! How an endpoint's posts are signed.

use crate::config::check::noted;
use crate::config::file::Endpoint;
use crate::config::list::items;
use crate::config::outside::Outside;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::secret::resolve;
use crate::deliver::Signing;

/// The fewest and the most bytes of a signing key, by Standard Webhooks.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const KEY_REMEDY: &str = "make one with: echo whsec_$(openssl rand -base64 32)";

pub(super) fn check(endpoint: &Endpoint, path: &Path, outside: &dyn Outside, report: &mut Report) -> Option<Signing> {
    let (none_path, path) = (path.key("signing"), path.key("signing_keys"));
    match (&endpoint.signing_keys, endpoint.signing) {
        (None, Some(_)) => return Some(Signing::None),
        (Some(_), Some(_)) => report.add(&none_path, "contradicts signing_keys; take one of them out"),
        (None, None) if report.has(&none_path) => {}
        (None, None) => report.missing(&path, &format!("write keys ({KEY_REMEDY}), or signing: none")),
        (Some(keys), None) if keys.is_empty() => {
            report.add(&path, format!("holds no key; write one ({KEY_REMEDY}), or signing: none instead"));
        }
        (Some(_), None) => {}
    }
    let mut keys = Vec::new();
    for (at, source) in items(&endpoint.signing_keys) {
        let path = path.index(at);
        let Some(key) = noted(resolve(source, outside), &path, report) else { continue };
        if !is_key(key.reveal()) {
            report.add(&path, format!("is no signing key: whsec_ and 24 to 64 bytes in base64; {KEY_REMEDY}"));
        }
        keys.push(key);
    }
    Some(Signing::Keys(keys))
}

fn is_key(text: &str) -> bool {
    let bytes = text.strip_prefix("whsec_").and_then(|tail| data_encoding::BASE64.decode(tail.as_bytes()).ok());
    bytes.is_some_and(|bytes| KEY_BYTES.contains(&bytes.len()))
}
