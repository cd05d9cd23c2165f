//! What can be downloaded of a mail: its bytes, its attachments, and what an endpoint is posted.
//!
//! A browser saves all of it and opens none: a part may say that it is a web page, and must not become one of ours.

use axum::Extension;
use axum::extract::Path;
use axum::extract::State;
use axum::http::header::CONTENT_DISPOSITION;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use axum::response::Response;
use bytes::Bytes;

use super::Failure;
use super::letter;
use crate::admin::Means;
use crate::admin::access::MailReader;
use crate::admin::turns::Turns;
use crate::ident::EndpointName;

/// The longest name of a file that is offered, in bytes: file systems take 255.
const NAME_MAX: usize = 200;

pub(super) async fn raw(
    State(means): State<Means>,
    Extension(turns): Extension<Turns>,
    _: MailReader,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let row = letter::find(&means, &id).await?;
    let _turn = turns.next().await?;
    let raw = means.spool.raw(row.message.key).await?;
    let raw = raw.ok_or_else(|| Failure::missing("Our copy of this message is gone."))?;
    Ok(download(&format!("{}.eml", row.message.id), raw.into()))
}

pub(super) async fn attachment(
    State(means): State<Means>,
    Extension(turns): Extension<Turns>,
    MailReader(who): MailReader,
    Path((id, number)): Path<(String, usize)>,
) -> Result<Response, Failure> {
    let row = letter::find(&means, &id).await?;
    let turn = turns.next().await?;
    let mail = letter::open(&means, &row, who.sees_mail(), &turn).await?.map_err(Failure::conflict)?;
    let part = mail.attachments.into_iter().nth(number);
    let part = part.ok_or_else(|| Failure::missing("This mail has no such attachment."))?;
    let decode = move || {
        let mut bytes = Vec::new();
        part.content.write_to(&mut bytes).map(|()| (part.safe_filename, bytes))
    };
    let decoded = turn.spend(decode).await?;
    let (name, bytes) = decoded.map_err(|error| Failure::conflict(&error.to_string()))?;
    Ok(download(&name, bytes.into()))
}

pub(super) async fn payload(
    State(means): State<Means>,
    Extension(turns): Extension<Turns>,
    MailReader(who): MailReader,
    Path((id, endpoint)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let row = letter::find(&means, &id).await?;
    // It is parsed for this, so the same is asked for as for a look at it.
    let turn = turns.next().await?;
    letter::open(&means, &row, who.sees_mail(), &turn).await?.map(drop).map_err(Failure::conflict)?;
    let endpoint = EndpointName::read_back(&endpoint).map_err(|_| Failure::missing("No endpoint has this name."))?;
    let payload = means.controls.payload(&row.message, Some(&endpoint)).await?;
    let payload = payload.ok_or_else(|| {
        Failure::missing("There is no such body: the endpoint is not configured any more, or our copy is gone.")
    })?;
    let kind = payload.content_type.split(';').next().unwrap_or_default().trim();
    if kind != "application/json" && !kind.ends_with("+json") {
        return Ok(download(&format!("{}.{endpoint}.body", row.message.id), payload.body));
    }
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
    ];
    Ok((headers, payload.body).into_response())
}

/// Bytes for the disk, under a name that is safe there.
fn download(name: &str, bytes: Bytes) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, disposition(name)),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
    ];
    (headers, bytes).into_response()
}

/// `Content-Disposition` (RFC 6266): the name in ASCII for old readers, and as it is for all others (RFC 8187).
fn disposition(name: &str) -> String {
    let mut end = name.len().min(NAME_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let name = name.get(..end).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._- ".contains(c) { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let attribute = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let encoded: String = name.bytes().map(attribute).collect();
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_field() {
        let check = |name: &str, expected: &str| assert_eq!(disposition(name), format!("attachment; {expected}"));
        check("a.pdf", "filename=\"a.pdf\"; filename*=UTF-8''a.pdf");
        check("Übersicht 1.pdf", "filename=\"_bersicht 1.pdf\"; filename*=UTF-8''%C3%9Cbersicht%201.pdf");
        check("a\"; x=\"b\r\n.html", "filename=\"a__ x__b__.html\"; filename*=UTF-8''a%22%3B%20x%3D%22b%0D%0A.html");
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let said = disposition(&"ä".repeat(500));
        assert!(said.ends_with("%C3%A4") && said.len() < 1000, "{said}");
    }
}
