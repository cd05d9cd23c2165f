//! How an endpoint is reached.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use super::authorization;
use super::client_certificate;
use super::proxy;
use crate::config::check::at_least;
use crate::config::check::certificates;
use crate::config::file::Endpoint;
use crate::config::outside::Outside;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::deliver::Compress;
use crate::deliver::Egress;
use crate::deliver::Http;
use crate::deliver::Timeouts;

const CONNECT: Duration = Duration::from_secs(10);
const STALL: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(30);
const TIMEOUT_MIN: Duration = Duration::from_millis(100);

pub(super) fn check(
    endpoint: &Endpoint,
    url: Option<&Url>,
    egress: &Arc<Egress>,
    path: &Path,
    outside: &dyn Outside,
    report: &mut Report,
) -> Http {
    let tls_only = [("ca_file", endpoint.ca_file.is_some()), ("client_cert_file", endpoint.client_cert_file.is_some())];
    for (key, _) in tls_only.iter().filter(|(_, written)| *written) {
        if url.is_some_and(|url| url.scheme() == "http") {
            let text = "has no effect with a url that starts with http:; take it out, or post to https:";
            report.add(&path.key(key), text);
        }
    }
    if let Some(address) = url.and_then(|url| egress.denied_literal(url)) {
        let text = format!("names the address {address}, which egress refuses; write another, or allow it there");
        report.add(&path.key("url"), text);
    }
    Http {
        ca_pem: certificates::read(endpoint.ca_file.as_deref(), &path.key("ca_file"), outside, report),
        client_certificate: client_certificate::check(endpoint, path, outside, report),
        headers: authorization::headers(endpoint, path, outside, report),
        timeouts: timeouts(endpoint, path, report),
        proxy: proxy::check(&endpoint.proxy, url, path, outside, report),
        egress: Arc::clone(egress),
        compress: or(&endpoint.compress, Compress::None),
    }
}

fn timeouts(endpoint: &Endpoint, path: &Path, report: &mut Report) -> Timeouts {
    let times = Timeouts {
        connect: or(&endpoint.connect_timeout, CONNECT),
        stall: or(&endpoint.stall_timeout, STALL),
        answer: or(&endpoint.timeout, ANSWER),
        whole: endpoint.total_timeout.map(|plain| plain.0),
    };
    at_least(TIMEOUT_MIN, times.connect, &path.key("connect_timeout"), report);
    at_least(TIMEOUT_MIN, times.stall, &path.key("stall_timeout"), report);
    at_least(TIMEOUT_MIN, times.answer, &path.key("timeout"), report);
    if let Some(whole) = times.whole {
        at_least(times.answer, whole, &path.key("total_timeout"), report);
    }
    times
}
