//! How an endpoint is reached.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;

use crate::config::check::at_least;
use crate::config::check::certificates;
use crate::config::check::noted;
use crate::config::file::Endpoint;
use crate::config::outside::Outside;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::secret::Source;
use crate::config::secret::resolve;
use crate::deliver::Http;

const TIMEOUT: Duration = Duration::from_secs(30);
const TIMEOUT_MIN: Duration = Duration::from_millis(100);

/// Header fields that pophook sets itself.
const OWN_HEADERS: [&str; 8] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "transfer-encoding",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

pub(super) fn check(
    endpoint: &Endpoint,
    url: Option<&Url>,
    path: &Path,
    outside: &dyn Outside,
    report: &mut Report,
) -> Http {
    let ca_path = path.key("ca_file");
    if endpoint.ca_file.is_some() && url.is_some_and(|url| url.scheme() == "http") {
        report.add(&ca_path, "has no effect with a url that starts with http:; take it out, or post to https:");
    }
    let ca_pem = certificates::read(endpoint.ca_file.as_deref(), &ca_path, outside, report);
    let headers = headers(endpoint.headers.as_ref(), &path.key("headers"), outside, report);
    let timeout = or(&endpoint.timeout, TIMEOUT);
    at_least(TIMEOUT_MIN, timeout, &path.key("timeout"), report);
    Http { ca_pem, headers, timeout }
}

fn headers(
    written: Option<&BTreeMap<String, Source>>,
    path: &Path,
    outside: &dyn Outside,
    report: &mut Report,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, source) in written.into_iter().flatten() {
        let path = path.key(name);
        let Some(secret) = noted(resolve(source, outside), &path, report) else { continue };
        let Ok(mut value) = HeaderValue::from_bytes(secret.reveal().as_bytes()) else {
            report.add(&path, "has a value with a control character; take it out");
            continue;
        };
        value.set_sensitive(true);
        match HeaderName::from_bytes(name.as_bytes()) {
            Err(_) => report.add(&path, "is no name of a header field; write letters, digits and '-'"),
            Ok(name) if OWN_HEADERS.contains(&name.as_str()) => {
                report.add(&path, "is set by pophook itself; take it out");
            }
            Ok(name) if headers.contains_key(&name) => {
                report.add(&path, "stands here twice, as case does not count; take one out");
            }
            Ok(name) => {
                headers.insert(name, value);
            }
        }
    }
    headers
}
