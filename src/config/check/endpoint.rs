//! The endpoints.

pub(super) mod attachments;
mod authorization;
mod client_certificate;
mod dead_letter;
mod format;
mod http;
mod order;
pub(super) mod proxy;
mod retry;
mod signing;
mod statuses;

use std::sync::Arc;

use reqwest::Url;

use crate::config::check::known::Known;
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
use crate::config::units::Within;
use crate::deliver;
use crate::deliver::Egress;
use crate::deliver::Pace;
use crate::ident::EndpointName;

const MAX_CONCURRENCY: Within<1, 64> = Within(16);

pub(super) use self::dead_letter::Mail;

pub(super) fn check(
    list: &Option<List<Endpoint>>,
    egress: &Arc<Egress>,
    (known, mail): (&Known<'_>, Mail),
    outside: &dyn Outside,
    report: &mut Report,
) -> Vec<deliver::Endpoint> {
    let path = Path::default().key("endpoints");
    if list.as_ref().is_none_or(List::is_empty) {
        report.missing(&path, "write at least one endpoint, with name, url and signing_keys");
    }
    check_names(list, &path, report);
    format::check_events(list, &path, report);
    items(list)
        .filter_map(|(at, endpoint)| {
            let path = path.index(at);
            let on_dead_letter = dead_letter::check(endpoint, known, mail, &path, report);
            Some(deliver::Endpoint { on_dead_letter, ..check_one(endpoint, egress, &path, outside, report)? })
        })
        .collect()
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
    egress: &Arc<Egress>,
    path: &Path,
    outside: &dyn Outside,
    report: &mut Report,
) -> Option<deliver::Endpoint> {
    let name = name(endpoint, path, report);
    let url_path = path.key("url");
    let url = required(&endpoint.url, &url_path, "write where to post, such as https://example.com/inbound", report)
        .and_then(|text| noted(url(text), &url_path, report));
    let http = http::check(endpoint, url.as_ref(), egress, path, outside, report);
    let signing = signing::check(endpoint, path, outside, report);
    let format = format::check(endpoint, path, outside, report);
    let attachments = attachments::usual(endpoint);
    let Within(max_in_flight) = or(&endpoint.max_concurrency, MAX_CONCURRENCY);
    let statuses = statuses::check(endpoint, path, report);
    let retry = retry::check(endpoint, path, report);
    let ordering = order::check(endpoint, path, report);
    Some(deliver::Endpoint {
        name: name?,
        url: url?,
        format: format?,
        attachments,
        limits: attachments::limits(endpoint),
        include_raw: endpoint.include_raw.unwrap_or(false),
        include_sanitized_html: endpoint.include_sanitized_html.unwrap_or(false),
        events: items(&endpoint.events).map(|(_, Plain(event))| *event).collect(),
        on_dead_letter: Vec::new(),
        keep_answers: endpoint.keep_answers.unwrap_or(true),
        signing: signing?,
        http,
        statuses,
        pace: Pace { max_in_flight, rate: endpoint.rate_limit.as_ref().map(|Plain(rate)| *rate) },
        retry,
        ordering,
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
        return Err("carries a user name or password; take it out, and write it as basic_auth".to_owned());
    }
    Ok(url)
}
