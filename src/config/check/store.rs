//! The attachment store.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;

use crate::config::check::at_least;
use crate::config::check::certificates;
use crate::config::check::endpoint::proxy;
use crate::config::check::noted;
use crate::config::check::required;
use crate::config::file::AttachmentStore;
use crate::config::outside::Outside;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::secret::Source;
use crate::config::secret::resolve;
use crate::deliver;
use crate::deliver::Addressing;
use crate::deliver::Compress;
use crate::deliver::Egress;
use crate::deliver::Http;
use crate::deliver::Links;
use crate::deliver::Timeouts;
use crate::secret::Secret;

const REGION: &str = "us-east-1";
/// The longest that S3 allows for an address that is signed (`X-Amz-Expires`).
const LIFETIME_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
const TIMEOUT: Duration = Duration::from_secs(30);
const URL_REMEDY: &str = "write the store's address, such as https://s3.eu-central-1.amazonaws.com";

pub(super) fn check(
    written: Option<&AttachmentStore>,
    outside: &dyn Outside,
    report: &mut Report,
) -> Option<deliver::AttachmentStore> {
    let (store, path) = (written?, Path::default().key("attachment_store"));
    let url_path = path.key("url");
    let url = required(&store.url, &url_path, URL_REMEDY, report).and_then(|text| noted(url(text), &url_path, report));
    let bucket_path = path.key("bucket");
    let bucket = required(&store.bucket, &bucket_path, "write the bucket's name", report)
        .and_then(|text| noted(bucket(text), &bucket_path, report));
    let prefix = noted(prefix(store.prefix.as_deref().unwrap_or_default()), &path.key("prefix"), report);
    let region = noted(region(store.region.as_deref().unwrap_or(REGION)), &path.key("region"), report);
    let access_key_id = credential(&store.access_key_id, &path.key("access_key_id"), outside, report);
    let secret_access_key = credential(&store.secret_access_key, &path.key("secret_access_key"), outside, report);
    let link_lifetime = lifetime(store, &path.key("link_lifetime"), report);
    let http = http(store, url.as_ref(), &path, outside, report);
    let store = deliver::AttachmentStore {
        url: url?,
        bucket: bucket?.to_owned(),
        prefix: prefix?,
        region: region?.to_owned(),
        access_key_id: access_key_id?,
        secret_access_key: secret_access_key?,
        addressing: or(&store.addressing, Addressing::Path),
        link_lifetime,
        http,
    };
    if Links::new(&store).is_err() {
        let text = "cannot carry the bucket's name in its host; write addressing: path, or the name of a host";
        report.add(&url_path, text);
    }
    Some(store)
}

fn credential(source: &Option<Source>, path: &Path, outside: &dyn Outside, report: &mut Report) -> Option<Secret> {
    let Some(source) = source else {
        report.missing(path, "write { file: PATH } or { env: NAME }, say");
        return None;
    };
    noted(resolve(source, outside), path, report)
}

fn lifetime(store: &AttachmentStore, path: &Path, report: &mut Report) -> Duration {
    let lifetime = or(&store.link_lifetime, LIFETIME_MAX);
    at_least(Duration::from_secs(1), lifetime, path, report);
    if lifetime > LIFETIME_MAX {
        report.add(path, "is longer than S3 allows; write 7d or less");
    }
    Duration::from_secs(lifetime.as_secs())
}

fn http(store: &AttachmentStore, url: Option<&Url>, path: &Path, outside: &dyn Outside, report: &mut Report) -> Http {
    let ca_path = path.key("ca_file");
    if store.ca_file.is_some() && url.is_some_and(|url| url.scheme() == "http") {
        report.add(&ca_path, "has no effect with a url that starts with http:; take it out");
    }
    let answer = or(&store.timeout, TIMEOUT);
    at_least(Duration::from_millis(100), answer, &path.key("timeout"), report);
    Http {
        ca_pem: certificates::read(store.ca_file.as_deref(), &ca_path, outside, report),
        client_certificate: None,
        headers: HeaderMap::new(),
        timeouts: Timeouts { connect: Duration::from_secs(10), stall: Duration::from_secs(30), answer, whole: None },
        proxy: proxy::check(&store.proxy, url, path, outside, report),
        egress: Arc::new(Egress::unbounded()),
        compress: Compress::None,
    }
}

// The texts never repeat the URL: it may carry a password.
fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| format!("is no URL ({e}); {URL_REMEDY}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("is not for HTTP; {URL_REMEDY}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("carries a user name or password; write them as access_key_id and secret_access_key".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("carries a query; {URL_REMEDY}"));
    }
    Ok(url)
}

/// By the rules of S3, and a little beyond them, as other stores and older buckets are.
fn bucket(text: &str) -> Result<&str, &'static str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.len() <= 255 && text.chars().all(legal) && !text.chars().all(|c| c == '.') {
        Ok(text)
    } else {
        Err("is no name of a bucket; write letters, digits, dots and hyphens")
    }
}

/// With one slash at its end.
fn prefix(text: &str) -> Result<String, &'static str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    let trimmed = text.trim_end_matches('/');
    if trimmed.is_empty() {
        return Ok(String::new());
    }
    let odd = |segment: &str| matches!(segment, "" | "." | "..");
    if trimmed.len() > 512 || !trimmed.chars().all(legal) || trimmed.split('/').any(odd) {
        return Err("is no beginning of a key; write one such as mail/, of letters, digits, dots, hyphens and slashes");
    }
    Ok(format!("{trimmed}/"))
}

fn region(text: &str) -> Result<&str, &'static str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !text.is_empty() && text.chars().all(legal) {
        Ok(text)
    } else {
        Err("is no region; write one such as us-east-1")
    }
}
