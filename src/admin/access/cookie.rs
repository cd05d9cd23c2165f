//! The cookie of a login. Pure.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;

/// The cookie's name.
const NAME: &str = "pophook_session";

/// The value of our cookie, if the request brings one.
pub(super) fn read(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == NAME).map(|(_, value)| value)
}

/// Whether the browser may send a cookie over a line in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// It is in clear, and there is no other.
    Clear,
    /// TLS protects it.
    Tls,
}

/// Gives a browser this value, for as long as it runs.
pub(super) fn set(value: &str, line: Line) -> String {
    format!("{NAME}={value}; {}", attributes(line))
}

/// Takes it away again.
pub(super) fn unset(line: Line) -> String {
    format!("{NAME}=; Max-Age=0; {}", attributes(line))
}

fn attributes(line: Line) -> &'static str {
    match line {
        Line::Clear => "Path=/; HttpOnly; SameSite=Strict",
        Line::Tls => "Path=/; HttpOnly; SameSite=Strict; Secure",
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(cookies: &[&'static str], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, HeaderValue::from_static(cookie));
        }
        assert_eq!(read(&headers), expected, "{cookies:?}");
    }

    #[test]
    fn our_cookie_is_found_among_others() {
        check(&[], None);
        check(&["a=b"], None);
        check(&["a=b; pophook_session=xyz; c=d"], Some("xyz"));
        check(&["a=b", "pophook_session=xyz"], Some("xyz"));
        check(&["not_pophook_session=xyz"], None);
        check(&["pophook_session"], None);
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_of_other_sites() {
        assert_eq!(set("x", Line::Clear), "pophook_session=x; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(unset(Line::Tls), "pophook_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict; Secure");
    }
}
