//! What a mail says: its bytes, its attachments, its payload. For tokens that may see mail.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_DISPOSITION;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde::Serialize;
use utoipa::IntoParams;
use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::RefOr;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::SchemaType;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ask::Asked;
use super::ask::At;
use super::ask::given;
use super::problem::Problem;
use super::problem::Refused;
use crate::admin::Means;
use crate::admin::access::MailReader;
use crate::admin::turns::Turn;
use crate::admin::turns::Turns;
use crate::ident::EndpointName;
use crate::parse;
use crate::parse::Mail;
use crate::spool::Kind;
use crate::spool::MessageRow;
use crate::spool::Search;
use crate::spool::Spooled;

/// A browser that opens it runs nothing of it.
const SANDBOX: &str = "sandbox; default-src 'none'";

pub(super) fn routes() -> OpenApiRouter<Means> {
    OpenApiRouter::new()
        .routes(routes!(raw))
        .routes(routes!(payload))
        .routes(routes!(attachments))
        .routes(routes!(attachment))
}

/// Gives a message byte for byte; of an event, what is kept of it
///
/// For tokens that may see mail: those with the role `operate` or with `mail_content`. Others are answered 403.
#[utoipa::path(get, path = "/messages/{id}/raw", tag = "mail",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, content_type = "message/rfc822", body = Octets), Refused))]
async fn raw(
    State(means): State<Means>,
    Extension(turns): Extension<Turns>,
    _: MailReader,
    At(id): At<String>,
) -> Result<Response, Problem> {
    let _turn = turns.next().await?;
    let message = find(&means, &id).await?;
    let bytes = bytes_of(&means, &message).await?;
    Ok(download("message/rfc822", &format!("{id}.eml"), bytes))
}

/// Bytes in whatever language they are written.
struct Octets;

impl PartialSchema for Octets {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::AnyValue).build().into()
    }
}

impl ToSchema for Octets {}

/// For which endpoint.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct For {
    /// The endpoint whose format is wanted; without it, the native JSON.
    #[serde(default, deserialize_with = "given")]
    endpoint: Option<String>,
}

/// Gives what an endpoint is posted for a mail, by today's configuration
///
/// For tokens that may see mail: those with the role `operate` or with `mail_content`. Others are answered 403.
#[utoipa::path(get, path = "/messages/{id}/payload", tag = "mail",
    params(("id" = String, Path, description = "Its id"), For),
    responses((status = 200, content_type = "*/*", body = Octets), Refused))]
async fn payload(
    State(means): State<Means>,
    Extension(turns): Extension<Turns>,
    _: MailReader,
    At(id): At<String>,
    Asked(whose): Asked<For>,
) -> Result<Response, Problem> {
    let unknown = || Problem::unknown("No endpoint of this name is configured.");
    let endpoint = whose.endpoint.map(|name| EndpointName::parse(&name).map_err(|_| unknown())).transpose()?;
    if let Some(name) = &endpoint
        && !means.controls.endpoints().iter().any(|receiver| receiver.name == *name)
    {
        return Err(unknown());
    }
    let message = find(&means, &id).await?;
    if let Kind::DeadLetter | Kind::Changed(_) = message.kind {
        return Err(Problem::unknown("It is an event, and has no payload of a mail; see /raw for what it tells."));
    }
    expect_read(&means, &id).await?;
    let _turn = turns.next().await?;
    let payload = means.controls.payload(&message, endpoint.as_ref()).await?.ok_or_else(gone)?;
    Ok(download(&payload.content_type, &format!("{id}.payload"), payload.body))
}

/// The attachments of a mail.
#[derive(Debug, Serialize, ToSchema)]
struct Attachments {
    /// In their order.
    attachments: Vec<Attachment>,
}

/// An attachment, or an inline part.
#[derive(Debug, Serialize, ToSchema)]
struct Attachment {
    /// Its number within the mail, from 0.
    number: usize,
    /// A name that is safe to save it under.
    safe_filename: String,
    /// As the sender wrote it.
    filename: Option<String>,
    /// `type/subtype`.
    content_type: String,
    /// Whether the sender meant it to be shown in place.
    inline: bool,
    /// Decoded bytes.
    size: u64,
    /// SHA-256 of the decoded bytes, in hexadecimal.
    sha256: String,
}

/// Lists the attachments of a mail
///
/// For tokens that may see mail: those with the role `operate` or with `mail_content`. Others are answered 403.
#[utoipa::path(get, path = "/messages/{id}/attachments", tag = "mail",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = Attachments), Refused))]
async fn attachments(
    State(means): State<Means>,
    Extension(turns): Extension<Turns>,
    _: MailReader,
    At(id): At<String>,
) -> Result<Json<Attachments>, Problem> {
    let turn = turns.next().await?;
    let mail = mail(&means, &id, &turn).await?;
    let shown = mail.attachments.iter().enumerate().map(|(number, part)| Attachment {
        number,
        safe_filename: part.safe_filename.clone(),
        filename: part.filename.clone(),
        content_type: part.content_type.clone(),
        inline: part.inline,
        size: part.content.size(),
        sha256: data_encoding::HEXLOWER.encode(part.content.sha256()),
    });
    Ok(Json(Attachments { attachments: shown.collect() }))
}

/// Gives an attachment, decoded
///
/// For tokens that may see mail: those with the role `operate` or with `mail_content`. Others are answered 403.
#[utoipa::path(get, path = "/messages/{id}/attachments/{number}", tag = "mail",
    params(("id" = String, Path, description = "Its id"), ("number" = usize, Path, description = "From 0")),
    responses((status = 200, content_type = "*/*", body = Octets), Refused))]
async fn attachment(
    State(means): State<Means>,
    Extension(turns): Extension<Turns>,
    _: MailReader,
    At((id, number)): At<(String, usize)>,
) -> Result<Response, Problem> {
    let turn = turns.next().await?;
    let mail = mail(&means, &id, &turn).await?;
    let part = mail.attachments.get(number).ok_or_else(|| Problem::unknown("The mail has no such attachment."))?;
    let content = part.content.clone();
    let bytes = turn.spend(move || content.bytes()).await.map_err(|_| gone())?;
    Ok(download(&part.content_type, &part.safe_filename, bytes))
}

async fn find(means: &Means, id: &str) -> Result<Spooled, Problem> {
    means.spool.find(id).await?.ok_or_else(|| Problem::unknown("No message has this id."))
}

async fn bytes_of(means: &Means, message: &Spooled) -> Result<Bytes, Problem> {
    means.spool.raw(message.key).await?.map(Bytes::from).ok_or_else(gone)
}

fn gone() -> Problem {
    Problem::gone("Our copy of this message was released.")
}

/// Refuses a mail that the sorting has not read: what kills its reader must not take this process down.
async fn expect_read(means: &Means, id: &str) -> Result<(), Problem> {
    let wanted = Search { ids: vec![id.to_owned()], ..Search::default() };
    let found = means.spool.search(wanted, 1).await?.messages.into_iter().next();
    // What is gone, or no mail, is told as that.
    let is_mail = |row: &MessageRow| row.message.kind == Kind::Mail && row.released_at.is_none();
    let is_read = found.is_some_and(|row| row.is_read() || !is_mail(&row));
    let why = "Nobody has read this mail yet, or reading it failed; see /raw.";
    if is_read { Ok(()) } else { Err(Problem::impossible(why)) }
}

/// The mail, parsed on a thread that may take its time.
async fn mail(means: &Means, id: &str, turn: &Turn) -> Result<Mail, Problem> {
    let message = find(means, id).await?;
    if message.kind != Kind::Mail {
        return Err(Problem::unknown("It is an event, and no mail."));
    }
    expect_read(means, id).await?;
    let raw = bytes_of(means, &message).await?;
    let parsed = turn.spend(move || parse::parse_shared(&raw, &parse::Options::default())).await;
    parsed.map_err(|_| Problem::unknown("The mail cannot be parsed; see /raw."))
}

/// Bytes that a browser saves, and does not run.
fn download(content_type: &str, name: &str, bytes: Bytes) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap_or(octets));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    // RFC 6266 section 4.1, RFC 8187 section 3.2.1.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let spelt: String = name
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{spelt}")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}
