//! The header fields that an operator adds to each request, `Authorization` in its three ways among them.

use data_encoding::BASE64;
use reqwest::header::AUTHORIZATION;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;

use crate::config::check::noted;
use crate::config::check::required;
use crate::config::file::BasicAuth;
use crate::config::file::Endpoint;
use crate::config::outside::Outside;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::secret::resolve;

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

const CONTROL: &str = "has a value with a control character; take it out";

pub(super) fn headers(endpoint: &Endpoint, path: &Path, outside: &dyn Outside, report: &mut Report) -> HeaderMap {
    let mut headers = written(endpoint, &path.key("headers"), outside, report);
    let ways = [
        ("basic_auth", basic(endpoint, &path.key("basic_auth"), outside, report)),
        ("bearer_token", bearer(endpoint, &path.key("bearer_token"), outside, report)),
    ];
    for (key, value) in ways {
        let Some(value) = value else { continue };
        if headers.insert(AUTHORIZATION, value).is_some() {
            let text =
                "is not the only way to say who we are; write one of headers.Authorization, basic_auth, bearer_token";
            report.add(&path.key(key), text);
        }
    }
    headers
}

fn written(endpoint: &Endpoint, path: &Path, outside: &dyn Outside, report: &mut Report) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, source) in endpoint.headers.iter().flatten() {
        let path = path.key(name);
        let Some(secret) = noted(resolve(source, outside), &path, report) else { continue };
        let Some(value) = value(secret.reveal(), &path, report) else { continue };
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

/// RFC 7617: UTF-8, as nearly every server reads it today.
fn basic(endpoint: &Endpoint, path: &Path, outside: &dyn Outside, report: &mut Report) -> Option<HeaderValue> {
    let BasicAuth { username, password } = endpoint.basic_auth.as_ref()?;
    let username = required(username, &path.key("username"), "write the user's name", report);
    let password_path = path.key("password");
    if password.is_none() {
        report.missing(&password_path, "write { file: PATH }, say, with the user's password");
    }
    let password = noted(resolve(password.as_ref()?, outside), &password_path, report)?;
    let username = username?;
    if username.contains(':') {
        report.add(&path.key("username"), "has a colon, which ends a user name in HTTP; write one without");
        return None;
    }
    let pair = BASE64.encode(format!("{username}:{}", password.reveal()).as_bytes());
    value(&format!("Basic {pair}"), path, report)
}

/// RFC 6750.
fn bearer(endpoint: &Endpoint, path: &Path, outside: &dyn Outside, report: &mut Report) -> Option<HeaderValue> {
    let token = noted(resolve(endpoint.bearer_token.as_ref()?, outside), path, report)?;
    if token.reveal().to_ascii_lowercase().starts_with("bearer ") {
        report.add(path, "begins with Bearer, which pophook writes itself; leave it out");
        return None;
    }
    value(&format!("Bearer {}", token.reveal()), path, report)
}

fn value(text: &str, path: &Path, report: &mut Report) -> Option<HeaderValue> {
    let mut value = noted(HeaderValue::from_bytes(text.as_bytes()).map_err(|_| CONTROL), path, report)?;
    value.set_sensitive(true);
    Some(value)
}
