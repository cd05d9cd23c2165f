//! `/messages` and `/dead-letters`, page by page, and one message with its attempts.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ask::Asked;
use super::ask::At;
use super::ask::given;
use super::problem::Problem;
use super::problem::Refused;
use super::shape::Message;
use crate::admin::Means;
use crate::admin::access::Reader;
use crate::admin::access::Who;
use crate::spool::AttemptRow;
use crate::spool::MessageKey;
use crate::spool::Search;
use crate::spool::State as Standing;

/// Messages on a page, if nobody says.
const LIMIT: usize = 50;
/// At most.
const LIMIT_MAX: usize = 500;
/// The digits of a cursor, at most.
const CURSOR_MAX: usize = 18;

pub(super) fn routes() -> OpenApiRouter<Means> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(dead_letters)).routes(routes!(show))
}

/// Which messages. Of a key that is repeated, each value is wanted; all keys must fit.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// These ids, also of messages whose copy was released.
    #[serde(default)]
    id: Vec<String>,
    /// These mailboxes.
    #[serde(default)]
    mailbox: Vec<String>,
    /// These endpoints: one has a delivery of it.
    #[serde(default)]
    endpoint: Vec<String>,
    /// These states.
    #[serde(default)]
    #[param(inline)]
    state: Vec<MessageState>,
    /// These kinds: `mail`, or the type of an event.
    #[serde(default)]
    kind: Vec<String>,
    /// Mails that hold all of these words, anywhere in subject, addresses, names of attachments and the beginning of the
    /// text; `"several words"` stand together. For tokens that may see mail.
    #[serde(default, deserialize_with = "given")]
    #[param(max_length = 300, pattern = r#"[^\s"]"#)]
    q: Option<String>,
    /// Committed at this time or later.
    #[serde(default, deserialize_with = "given")]
    #[param(format = DateTime)]
    since: Option<String>,
    /// Committed at this time or before.
    #[serde(default, deserialize_with = "given")]
    #[param(format = DateTime)]
    until: Option<String>,
    /// Where the page before ended: its `next`.
    #[serde(default, deserialize_with = "given")]
    #[param(pattern = "^[1-9][0-9]{0,17}$")]
    cursor: Option<String>,
    /// Messages on a page. Default: 50.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// What is true of our copy of a message.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MessageState {
    Spooled,
    Routed,
    Delivered,
    Dead,
    Unrouted,
    Quarantined,
    Dropped,
}

impl From<MessageState> for Standing {
    fn from(state: MessageState) -> Standing {
        match state {
            MessageState::Spooled => Standing::Spooled,
            MessageState::Routed => Standing::Routed,
            MessageState::Delivered => Standing::Delivered,
            MessageState::Dead => Standing::Dead,
            MessageState::Unrouted => Standing::Unrouted,
            MessageState::Quarantined => Standing::Quarantined,
            MessageState::Dropped => Standing::Dropped,
        }
    }
}

impl Which {
    /// What is searched for `who`, and how much of it is a page.
    fn search(self, who: &Who) -> Result<(Search, usize), Problem> {
        let limit = self.limit.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::bad_request(format!("limit is a number from 1 to {LIMIT_MAX}.")));
        }
        let time = |key: &str, text: Option<String>| -> Result<Option<Timestamp>, Problem> {
            let refused = |_| Problem::bad_request(format!("{key} is a time such as 2026-01-31T12:00:00Z."));
            text.map(|text| text.parse().map_err(refused)).transpose()
        };
        let search = Search {
            ids: self.id,
            mailboxes: self.mailbox,
            endpoints: self.endpoint,
            states: self.state.into_iter().map(Standing::from).collect(),
            kinds: self.kind,
            text: self.q.map(|text| read_words(text, who)).transpose()?.unwrap_or_default(),
            since: time("since", self.since)?,
            until: time("until", self.until)?,
            before: self.cursor.as_deref().map(read_cursor).transpose()?,
            ..Search::default()
        };
        Ok((search, limit))
    }
}

/// Words to look for in what mails say.
fn read_words(text: String, who: &Who) -> Result<String, Problem> {
    if !who.sees_mail() {
        return Err(Problem::no_mail(
            "`q` looks into what mails say, which this token may not see: `mail_content` is not set for it in admin.tokens.",
        ));
    }
    if text.chars().count() > Search::TEXT_MAX {
        return Err(Problem::bad_request(format!("q has at most {} characters.", Search::TEXT_MAX)));
    }
    if text.chars().all(|c| c.is_whitespace() || c == '"') {
        return Err(Problem::bad_request("q holds no word; leave it out to look for none."));
    }
    Ok(text)
}

fn cursor(key: MessageKey) -> String {
    key.number().to_string()
}

fn read_cursor(text: &str) -> Result<MessageKey, Problem> {
    let number = text.parse().ok().filter(|number: &i64| *number > 0 && text.len() <= CURSOR_MAX);
    number.map(MessageKey::of_number).ok_or_else(|| Problem::bad_request("cursor is not the `next` of a page."))
}

/// One page, the newest message first.
#[derive(Debug, Serialize, ToSchema)]
struct Page {
    /// The messages.
    messages: Vec<Message>,
    /// The `cursor` of the next page; null: this is the last one.
    next: Option<String>,
}

/// Lists messages, the newest first
#[utoipa::path(get, path = "/messages", tag = "messages", params(Which),
    responses((status = 200, body = Page), Refused))]
async fn list(
    State(means): State<Means>,
    Reader(who): Reader,
    Asked(which): Asked<Which>,
) -> Result<Json<Page>, Problem> {
    let (search, limit) = which.search(&who)?;
    page(&means, &who, search, limit).await
}

/// Lists what waits for a human: dead letters, and what is unrouted or quarantined
#[utoipa::path(get, path = "/dead-letters", tag = "messages", params(Which),
    responses((status = 200, body = Page), Refused))]
async fn dead_letters(
    State(means): State<Means>,
    Reader(who): Reader,
    Asked(which): Asked<Which>,
) -> Result<Json<Page>, Problem> {
    let (search, limit) = which.search(&who)?;
    page(&means, &who, Search { waits_for_human: true, ..search }, limit).await
}

async fn page(means: &Means, who: &Who, search: Search, limit: usize) -> Result<Json<Page>, Problem> {
    let found = means.spool.search(search, limit).await?;
    let next = found.next.map(cursor);
    let messages = found.messages.into_iter().map(|row| Message::of(row, who.sees_mail())).collect();
    Ok(Json(Page { messages, next }))
}

/// A message with everything that was tried.
#[derive(Debug, Serialize, ToSchema)]
struct Whole {
    #[serde(flatten)]
    message: Message,
    /// The attempts, oldest first.
    attempts: Vec<Attempt>,
}

/// One attempt.
#[derive(Debug, Serialize, ToSchema)]
struct Attempt {
    /// The endpoint.
    endpoint: String,
    /// Its number, from 1.
    attempt: u32,
    /// Raised by each retry by hand.
    generation: u32,
    /// When it began.
    #[schema(format = DateTime)]
    started_at: String,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// `delivered`, `deferred`, `refused` or `dead`.
    outcome: String,
    /// The HTTP status.
    status: Option<u16>,
    /// The kind of error.
    error: Option<String>,
    /// The first bytes of the answer. They may quote the mail, so they are shown to who may see it.
    answer: Option<String>,
}

/// Shows a message with its deliveries and attempts
#[utoipa::path(get, path = "/messages/{id}", tag = "messages",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = Whole), Refused))]
async fn show(State(means): State<Means>, Reader(who): Reader, At(id): At<String>) -> Result<Json<Whole>, Problem> {
    let found = means.spool.search(Search { ids: vec![id], ..Search::default() }, 1).await?;
    let row = found.messages.into_iter().next().ok_or_else(|| Problem::unknown("No message has this id."))?;
    let attempts = means.spool.attempts(row.message.key).await?;
    let attempts = attempts.into_iter().map(|attempt| shown(attempt, who.sees_mail())).collect();
    Ok(Json(Whole { message: Message::of(row, who.sees_mail()), attempts }))
}

fn shown(row: AttemptRow, sees_mail: bool) -> Attempt {
    Attempt {
        endpoint: row.endpoint,
        attempt: row.attempt,
        generation: row.generation,
        started_at: row.started_at,
        took_ms: row.took_ms,
        outcome: row.outcome,
        status: row.status,
        error: row.error,
        answer: row.answer.filter(|_| sees_mail),
    }
}
