//! HTML that can be shown to a human: no scripts, no styles, nothing that loads from elsewhere.
//!
//! What stays is text and its structure. An image stays where it is a part of the same mail (`cid:`) or lies in the HTML
//! itself (`data:`); every other source is taken out, so that opening a mail tells nobody that it was opened. A link
//! opens without telling where it was followed. The work of a hostile document is measured beforehand, and what would
//! take too long is not sanitised at all.

mod effort;

use std::borrow::Cow;
use std::collections::HashSet;

use ammonia::Builder;
use ammonia::UrlRelative;

/// The most HTML that is sanitised, in bytes.
const HTML_MAX: usize = 2 << 20;

/// What links may lead to.
const LINKS: [&str; 4] = ["http", "https", "mailto", "tel"];
/// What images may be. SVG is a document of its own.
const IMAGES: [&str; 4] = ["data:image/png", "data:image/jpeg", "data:image/gif", "data:image/webp"];

/// What of `html` is safe to show; `None` where it is too long, or built to take too long.
pub fn sanitize(html: &str) -> Option<String> {
    if html.len() > HTML_MAX || !effort::is_bounded(html) {
        return None;
    }
    let schemes: HashSet<&str> = LINKS.into_iter().chain(["cid", "data"]).collect();
    let clean = Builder::default()
        .link_rel(Some("noopener noreferrer"))
        .url_schemes(schemes)
        .url_relative(UrlRelative::Deny)
        .attribute_filter(|element, attribute, value| keep(element, attribute, value).then_some(Cow::Borrowed(value)))
        .clean(html)
        .to_string();
    // The HTML parser takes it for U+FFFD in most places, and the payload must have none in any.
    Some(if clean.contains('\0') { clean.replace('\0', "\u{fffd}") } else { clean })
}

/// Whether an attribute that holds an address may stay; all others may.
fn keep(element: &str, attribute: &str, value: &str) -> bool {
    let has =
        |known: &str| value.trim_start().get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known));
    let is_image = || has("cid:") || IMAGES.iter().any(|kind| has(&format!("{kind};")));
    match (element, attribute) {
        ("img", "src") => is_image(),
        (_, "src" | "srcset" | "background" | "poster" | "longdesc") => false,
        (_, "href" | "cite") => LINKS.iter().any(|scheme| has(&format!("{scheme}:"))),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::Instant;

    use super::*;

    fn check(html: &str, expected: &str) {
        assert_eq!(sanitize(html).as_deref(), Some(expected), "{html}");
    }

    #[test]
    fn nothing_that_runs_stays() {
        check("<script>alert(1)</script>a", "a");
        check("<p onclick=\"x()\">a</p>", "<p>a</p>");
        check("<a href=\"javascript:x()\">a</a>", "<a rel=\"noopener noreferrer\">a</a>");
        check("<a href=\"data:text/html,x\">a</a>", "<a rel=\"noopener noreferrer\">a</a>");
        check("<iframe src=\"https://example.org/\"></iframe><object data=x></object><form action=x>a</form>", "a");
        check("<svg><script>x</script><image href=\"https://example.org/x\"/></svg>a", "a");
        check("<img src=x onerror=x()>", "<img>");
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        check("<img src=\"https://example.org/track.gif\" alt=\"a\">", "<img alt=\"a\">");
        check("<img src=\"//example.org/a.gif\"><img src=\"/a.gif\">", "<img><img>");
        check("<img src=\"cid:logo@example.org\">", "<img src=\"cid:logo@example.org\">");
        check("<img src=\"data:image/png;base64,AAAA\">", "<img src=\"data:image/png;base64,AAAA\">");
        check("<img src=\"data:image/svg+xml;base64,AAAA\">", "<img>");
        check("<img srcset=\"https://example.org/a.gif 2x\">", "<img>");
        check(
            "<style>@import url(https://example.org/)</style><p style=\"background:url(https://x/)\">a</p>",
            "<p>a</p>",
        );
        check(
            "<table background=\"https://example.org/\"><tbody><tr><td>a</td></tr></tbody></table>",
            "<table><tbody><tr><td>a</td></tr></tbody></table>",
        );
        check("<link rel=stylesheet href=\"https://example.org/\"><base href=\"https://example.org/\">a", "a");
        check("<video src=\"https://example.org/\" poster=\"https://example.org/\"></video>", "");
    }

    #[test]
    fn links_open_without_telling_where_they_were_followed() {
        let safe = "rel=\"noopener noreferrer\"";
        check("<a href=\"https://example.org/\">a</a>", &format!("<a href=\"https://example.org/\" {safe}>a</a>"));
        check(
            "<a href=\"mailto:a@example.org\" rel=x>a</a>",
            &format!("<a href=\"mailto:a@example.org\" {safe}>a</a>"),
        );
        check("<a href=\"cid:x\">a</a><a href=\"x\">b</a>", &format!("<a {safe}>a</a><a {safe}>b</a>"));
    }

    #[test]
    fn text_and_structure_stay() {
        check("<h1>a</h1><ul><li>b &amp; <b>c</b></li></ul>", "<h1>a</h1><ul><li>b &amp; <b>c</b></li></ul>");
        check("", "");
        check("a < b", "a &lt; b");
        check("a\0b", "ab");
    }

    /// How long a hostile document takes, and whether it was sanitised.
    #[expect(clippy::disallowed_methods, reason = "the time that a computation takes is measured")]
    fn hostile(name: &str, html: &str) -> bool {
        let begun = Instant::now();
        let done = sanitize(html).is_some();
        assert!(begun.elapsed() < Duration::from_secs(30), "{name}: {:?}", begun.elapsed());
        done
    }

    #[test]
    fn what_is_built_to_take_long_is_left_alone() {
        let n = 100_000;
        let many = |make: &dyn Fn(usize) -> String| (0..n).map(make).collect::<String>();
        let bold = |count: usize| (0..count).map(|at| format!("<b id={at}>")).collect::<String>();
        assert!(!hostile("long", &"a".repeat(10 << 20)));
        assert!(!hostile("ten megabytes of b", &"<b>".repeat(3 << 20)));
        assert!(!hostile("deep", &"<div>".repeat(n)));
        assert!(!hostile("bold", &bold(n)));
        assert!(!hostile("rebuilt", &format!("{}{}", bold(20_000), "<p>x".repeat(n))));
        assert!(!hostile("adopted", &format!("{}{}", bold(20_000), "<p></b>".repeat(n))));
        assert!(!hostile("attributes", &format!("<p {}>", many(&|at| format!("a{at} ")))));
        assert!(!hostile("quoted attributes", &format!("<p {}>", many(&|at| format!("a{at}=\"\"")))));
        assert!(!hostile("an open comment", &format!("<!--{}", "< a ".repeat(n))));
        assert!(!hostile("tables", &"<table><tr><td>".repeat(n / 2)));
        let unclosed = |count: usize| (0..count).map(|at| format!("<p><b id={at}></p>")).collect::<String>();
        assert!(!hostile("unclosed", &unclosed(n / 2)));
        // What is left is done in time.
        hostile("just a few", &unclosed(200));
    }

    #[test]
    fn what_people_write_is_not_too_much() {
        let row = "<tr><td align=\"left\"><font face=\"Arial\"><b>Some text</b> and <a href=\"https://example.org/\">more \
                   of it</a></font></td></tr>\r\n";
        assert!(hostile("a newsletter", &format!("<table><tbody>{}</tbody></table>", row.repeat(2000))));
        let thread =
            (0..50).fold(String::new(), |inner, _| format!("<div><p>Text.</p><blockquote>{inner}</blockquote></div>"));
        assert!(hostile("a long thread", &thread));
        let image = format!("<img src=\"data:image/png;base64,{}\">", format!("{}/", "A".repeat(63)).repeat(10_000));
        assert!(hostile("an image", &image));
        assert!(hostile("a long text", &"Some words, and more of them.\r\n".repeat(30_000)));
    }
}
