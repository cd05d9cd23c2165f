//! Where a request comes from, as far as its browser tells. Pure.
//!
//! Every browser of today says with each request that changes something which page it comes from: `Sec-Fetch-Site`
//! (Fetch Metadata), and `Origin` (RFC 6454). Programs say neither.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::Uri;
use axum::http::Version;
use axum::http::header::HOST;
use axum::http::header::ORIGIN;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A page of ours.
    Ours,
    /// A page of somebody else.
    Foreign,
    /// Nothing is said of it: no browser.
    Untold,
}

/// Where a request with these headers comes from.
pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Origin {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("illegal"));
    if let Some(site) = text("sec-fetch-site") {
        return if site == "same-origin" { Origin::Ours } else { Origin::Foreign };
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return Origin::Untold };
    let from = origin.split_once("://").map(|(_, authority)| authority);
    match (from, authority(uri, headers)) {
        (Some(from), Some(to)) if from.eq_ignore_ascii_case(to) => Origin::Ours,
        _ => Origin::Foreign,
    }
}

/// Whether the request names this machine: what a browser was led here by, a name of its own, does not.
pub(super) fn names_this_machine(uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(authority) = authority(uri, headers) else { return false };
    let Ok(authority) = authority.parse::<axum::http::uri::Authority>() else { return false };
    let host = authority.host();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// What proxies add to a request that they hand on (RFC 7239, RFC 9110 section 7.6.3, and the custom of all of them).
const BY_PROXY: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// Whether a proxy handed the request on, as far as it tells. Of those that add nothing, some ask by HTTP/1.0, as older
/// nginx does unless it is told otherwise; no browser and no program of ours has done so for a long time. The others cannot
/// be told from who comes directly.
pub(super) fn came_by_proxy(version: Version, headers: &HeaderMap) -> bool {
    version < Version::HTTP_11 || BY_PROXY.iter().any(|name| headers.contains_key(*name))
}

fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let named = uri.authority().map(axum::http::uri::Authority::as_str);
    named.or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;
    use axum::http::HeaderValue;

    use super::*;

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_a_page_of_ours_is_ours() {
        let check = |with: &[(&'static str, &'static str)], expected| {
            let mut all = headers(with);
            all.insert(HOST, HeaderValue::from_static("ops.example:8080"));
            assert_eq!(of(&Uri::from_static("/x"), &all), expected, "{with:?}");
        };
        check(&[], Origin::Untold);
        check(&[("sec-fetch-site", "same-origin")], Origin::Ours);
        for site in ["same-site", "cross-site", "none", "Same-Origin", ""] {
            check(&[("sec-fetch-site", site), ("origin", "http://ops.example:8080")], Origin::Foreign);
        }
        check(&[("origin", "http://ops.example:8080")], Origin::Ours);
        check(&[("origin", "https://OPS.example:8080")], Origin::Ours);
        for origin in ["http://ops.example", "http://ops.example:8081", "http://evil.example", "null", ""] {
            check(&[("origin", origin)], Origin::Foreign);
        }
    }

    #[test]
    fn what_a_proxy_hands_on_is_known_by_what_it_adds() {
        let check = |version, with: &[(&'static str, &'static str)], expected| {
            assert_eq!(came_by_proxy(version, &headers(with)), expected, "{version:?} {with:?}");
        };
        check(Version::HTTP_11, &[("host", "localhost"), ("forward", "no"), ("origin", "http://localhost")], false);
        check(Version::HTTP_10, &[("host", "127.0.0.1:8080")], true);
        for name in BY_PROXY {
            check(Version::HTTP_11, &[("host", "localhost"), (name, "")], true);
        }
    }

    #[test]
    fn a_name_that_was_made_to_point_here_is_not_ours() {
        let check = |host: &'static str, expected| {
            assert_eq!(names_this_machine(&Uri::from_static("/x"), &headers(&[("host", host)])), expected, "{host}");
        };
        for ours in
            ["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8080", "127.1.2.3", "[::1]:9"]
        {
            check(ours, true);
        }
        for foreign in
            ["evil.example", "localhost.evil.example:8080", "10.0.0.1", "[::2]", "", "a b", "127.0.0.1.evil.example"]
        {
            check(foreign, false);
        }
        assert!(!names_this_machine(&Uri::from_static("/x"), &HeaderMap::new()));
    }
}
