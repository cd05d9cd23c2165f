//! The HTML of a mail, made safe, for the frame that shows it.
//!
//! Three walls, each of which would do: `parse::sanitize` leaves nothing that runs or loads; the frame's `sandbox` gives
//! it no scripts, forms, cookies or origin; and the policy of this answer lets nothing be loaded but images that lie in
//! the answer itself. Images that are parts of the same mail are put into it.

use axum::Extension;
use axum::extract::Path;
use axum::extract::State;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::header::X_FRAME_OPTIONS;
use axum::response::Html;
use axum::response::IntoResponse as _;
use axum::response::Response;
use data_encoding::BASE64;
use sha2::Digest as _;
use sha2::Sha256;

use super::Failure;
use super::letter;
use crate::admin::Means;
use crate::admin::access::MailReader;
use crate::admin::turns::Turns;
use crate::parse;
use crate::parse::Attachment;
use crate::parse::Mail;

/// How a mail looks that may not say so itself.
const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:1rem;color:#1a1d23;background:#fff;\
                     overflow-wrap:anywhere}img,table{max-width:100%}blockquote{border-left:2px solid #d5d9e0;\
                     margin-left:0;padding-left:1rem}";
/// Types of images that a browser may show. SVG is a document of its own.
const IMAGES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];
/// Bytes of the images of one mail that are put into its HTML.
const IMAGES_MAX: u64 = 8 << 20;

pub(super) async fn show(
    State(means): State<Means>,
    Extension(turns): Extension<Turns>,
    MailReader(who): MailReader,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let row = letter::find(&means, &id).await?;
    let turn = turns.next().await?;
    let mail = letter::open(&means, &row, who.sees_mail(), &turn).await?.map_err(Failure::conflict)?;
    let html = turn.spend(move || document(&mail)).await?;
    let html = html.ok_or_else(|| Failure::missing("This mail has no HTML that can be shown."))?;
    let headers = [(CONTENT_SECURITY_POLICY, policy()), (X_FRAME_OPTIONS, "SAMEORIGIN".to_owned())];
    Ok((headers, Html(html)).into_response())
}

/// Nothing runs, nothing loads, nobody else frames it.
fn policy() -> String {
    let style = BASE64.encode(&Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{style}'; frame-ancestors 'self'; base-uri 'none'; \
         form-action 'none'; sandbox"
    )
}

/// The whole document; `None` where there is no HTML, or none that can be made safe.
fn document(mail: &Mail) -> Option<String> {
    let mut body = parse::sanitize(mail.html.as_deref()?)?;
    let mut left = IMAGES_MAX;
    for part in &mail.attachments {
        let Some(id) = part.content_id.as_deref() else { continue };
        let place = format!("src=\"cid:{}\"", escaped(id));
        // Each place holds the whole image, and a mail can name one thousands of times.
        let places = body.matches(&place).count();
        if places == 0 {
            continue;
        }
        let Some(source) = image(part, places, &mut left) else { continue };
        body = body.replace(&place, &format!("src=\"{source}\""));
    }
    Some(format!(
        "<!doctype html><html><head><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
         <title>A mail</title><style>{STYLE}</style></head><body>{body}</body></html>"
    ))
}

/// An image as an address that holds it, as long as there is room for it in so many places.
fn image(part: &Attachment, places: usize, left: &mut u64) -> Option<String> {
    let kind = IMAGES.into_iter().find(|kind| *kind == part.content_type)?;
    let needed = part.content.size().checked_mul(u64::try_from(places).ok()?)?;
    *left = left.checked_sub(needed)?;
    let mut bytes = Vec::new();
    part.content.write_to(&mut bytes).ok()?;
    Some(format!("data:{kind};base64,{}", BASE64.encode(&bytes)))
}

/// As the sanitiser writes it in an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(raw: &str) -> Option<String> {
        document(&parse::parse(raw.as_bytes(), &parse::Options::default()))
    }

    #[test]
    fn an_image_that_is_named_ten_thousand_times_is_not_held_ten_thousand_times() {
        let raw = format!(
            "Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n{}\n--b\n\
             Content-Type: image/png\nContent-ID: <a>\n\n{}\n--b--\n",
            "<img src=\"cid:a\">".repeat(10_000),
            "x".repeat(1 << 20)
        );
        assert!(of(&raw).unwrap().len() < 1 << 20);
    }

    #[test]
    fn images_of_the_mail_itself_are_shown_and_no_others() {
        let raw = "Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n\
                   <img src=\"cid:logo@x\"><img src=\"https://example.org/t.gif\"><img src=\"cid:page@x\">\n--b\n\
                   Content-Type: image/png\nContent-ID: <logo@x>\nContent-Transfer-Encoding: base64\n\nAAEC\n--b\n\
                   Content-Type: image/svg+xml\nContent-ID: <page@x>\n\n<svg/>\n--b--\n";
        let html = of(raw).unwrap();
        assert!(html.contains("src=\"data:image/png;base64,AAEC\""), "{html}");
        assert!(!html.contains("example.org") && !html.contains("svg"), "{html}");
        assert!(html.contains("src=\"cid:page@x\""), "{html}");
    }

    #[test]
    fn a_mail_without_html_has_no_document() {
        assert_eq!(of("Subject: a\n\ntext\n"), None);
    }

    #[test]
    fn the_policy_allows_our_style_and_nothing_that_is_loaded() {
        let policy = policy();
        assert!(policy.starts_with("default-src 'none'; img-src data:; style-src 'sha256-"), "{policy}");
        assert!(policy.ends_with("; sandbox"), "{policy}");
    }
}
