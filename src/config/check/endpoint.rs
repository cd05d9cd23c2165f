//! The endpoints.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;

use crate::config::check::at_least;
use crate::config::check::certificates;
use crate::config::check::known::Taken;
use crate::config::check::noted;
use crate::config::check::required;
use crate::config::file::Endpoint;
use crate::config::list::List;
use crate::config::list::items;
use crate::config::outside::Outside;
use crate::config::plain::Plain;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::secret::Source;
use crate::config::secret::resolve;
use crate::config::units::Within;
use crate::deliver;
use crate::deliver::Attachments;
use crate::deliver::Format;
use crate::deliver::Signing;
use crate::ident::EndpointName;

const TIMEOUT: Duration = Duration::from_secs(30);
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
const MAX_CONCURRENCY: Within<1, 64> = Within(8);
const GIVE_UP_AFTER: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// The waits after the first failures, in seconds: 5 s, 30 s, 2 m, 10 m, 30 m, 1 h, 2 h, 4 h, 8 h.
const BACKOFF: [u64; 9] = [5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800];
const BACKOFF_MIN: Duration = Duration::from_millis(100);

/// The fewest and the most bytes of a signing key, by Standard Webhooks.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const KEY_REMEDY: &str = "make one with: echo whsec_$(openssl rand -base64 32)";

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
    list: &Option<List<Endpoint>>,
    outside: &dyn Outside,
    report: &mut Report,
) -> Vec<deliver::Endpoint> {
    let path = Path::default().key("endpoints");
    if list.as_ref().is_none_or(List::is_empty) {
        report.missing(&path, "write at least one endpoint, with name, url and signing_keys");
    }
    check_names(list, &path, report);
    items(list).filter_map(|(at, endpoint)| check_one(endpoint, &path.index(at), outside, report)).collect()
}

/// The names of the endpoints, without what is secret.
pub(super) fn names(list: &Option<List<Endpoint>>, report: &mut Report) -> Vec<EndpointName> {
    let path = Path::default().key("endpoints");
    check_names(list, &path, report);
    items(list).filter_map(|(at, endpoint)| name(endpoint, &path.index(at), report)).collect()
}

fn check_names(list: &Option<List<Endpoint>>, path: &Path, report: &mut Report) {
    let mut names = Taken::none("endpoints");
    for (at, endpoint) in items(list) {
        for name in endpoint.name.iter() {
            names.take(name, at, &path.index(at).key("name"), report);
        }
    }
}

fn name(endpoint: &Endpoint, path: &Path, report: &mut Report) -> Option<EndpointName> {
    let path = path.key("name");
    required(&endpoint.name, &path, "write a name", report)
        .and_then(|name| noted(EndpointName::parse(name).map_err(|e| e.to_string()), &path, report))
}

fn check_one(
    endpoint: &Endpoint,
    path: &Path,
    outside: &dyn Outside,
    report: &mut Report,
) -> Option<deliver::Endpoint> {
    let name = name(endpoint, path, report);
    let url_path = path.key("url");
    let url = required(&endpoint.url, &url_path, "write where to post, such as https://example.com/inbound", report)
        .and_then(|text| noted(url(text), &url_path, report));
    let ca_path = path.key("ca_file");
    if endpoint.ca_file.is_some() && url.as_ref().is_some_and(|url| url.scheme() == "http") {
        report.add(&ca_path, "has no effect with a url that starts with http:; take it out, or post to https:");
    }
    let ca_pem = certificates::read(endpoint.ca_file.as_deref(), &ca_path, outside, report);
    let signing = signing(endpoint, path, outside, report);
    let headers = headers(endpoint.headers.as_ref(), &path.key("headers"), outside, report);
    let timeout = or(&endpoint.timeout, TIMEOUT);
    at_least(TIMEOUT_MIN, timeout, &path.key("timeout"), report);
    let Within(max_in_flight) = or(&endpoint.max_concurrency, MAX_CONCURRENCY);
    let backoff = backoff(&endpoint.backoff, &path.key("backoff"), report);
    Some(deliver::Endpoint {
        name: name?,
        url: url?,
        format: or(&endpoint.format, Format::Json),
        attachments: or(&endpoint.attachments, Attachments::Inline),
        include_raw: endpoint.include_raw.unwrap_or(false),
        events: items(&endpoint.events).map(|(_, Plain(event))| *event).collect(),
        signing: signing?,
        ca_pem,
        headers,
        timeout,
        max_in_flight,
        backoff,
        give_up_after: or(&endpoint.give_up_after, GIVE_UP_AFTER),
    })
}

// The texts never repeat the URL: it may carry a password or a token.
fn url(text: &str) -> Result<Url, String> {
    let url =
        Url::parse(text).map_err(|e| format!("is no URL ({e}); write one such as https://example.com/inbound"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("is not for HTTP; write a URL that starts with https:// or http://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "carries a user name or password; take it out, and write an Authorization field under headers".to_owned()
        );
    }
    Ok(url)
}

fn signing(endpoint: &Endpoint, path: &Path, outside: &dyn Outside, report: &mut Report) -> Option<Signing> {
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
