//! `/deliveries`: the lines of `pophook spool list`, what waits for a human first.

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
use super::ask::given;
use super::problem::Problem;
use super::problem::Refused;
use crate::admin::Means;
use crate::admin::access::Reader;
use crate::spool::Filter;
use crate::spool::LineKey;
use crate::spool::Row;

/// Lines, if nobody says.
const LIMIT: usize = 1000;
/// At most.
const LIMIT_MAX: usize = 10_000;

pub(super) fn routes() -> OpenApiRouter<Means> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which lines; all keys must fit.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// These message ids.
    #[serde(default)]
    id: Vec<String>,
    /// This endpoint.
    #[serde(default, deserialize_with = "given")]
    endpoint: Option<String>,
    /// This mailbox.
    #[serde(default, deserialize_with = "given")]
    mailbox: Option<String>,
    /// This state; `dropped` also finds the deliveries that are dead because somebody dropped them.
    #[serde(default, deserialize_with = "given")]
    state: Option<String>,
    /// This reason.
    #[serde(default, deserialize_with = "given")]
    reason: Option<String>,
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
    #[param(pattern = "^[0-9a-f]{1,15}-[0-9a-f]{1,15}-[0-9a-f]{1,15}$")]
    cursor: Option<String>,
    /// Lines on a page. Default: 1000.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
}

/// Deliveries, and messages without one.
#[derive(Debug, Serialize, ToSchema)]
struct Deliveries {
    /// Dead letters first, then what waits, then the rest; the oldest first. What changes its state between two pages moves
    /// in this order, and may be met twice or not at all; nothing else is, whatever comes and goes.
    deliveries: Vec<Line>,
    /// Whether there are more than `limit`.
    more: bool,
    /// The `cursor` of the next page; null: this is the last one.
    next: Option<String>,
}

/// A delivery, or a message that has none.
#[derive(Debug, Serialize, ToSchema)]
struct Line {
    /// The message's id; null of what was never retrieved.
    id: Option<String>,
    /// What it is, where it is not a mail but an event.
    kind: Option<String>,
    /// The mail that a notice tells of.
    about: Option<String>,
    /// Whose mail it is.
    mailbox: Option<String>,
    /// What its server calls it, in its printed form.
    unique_id: Option<String>,
    /// The endpoint, where there is a delivery.
    endpoint: Option<String>,
    /// `pending`, `delivered` or `dead`; the message's own state where there is no delivery.
    state: &'static str,
    /// Why it is in that state.
    reason: Option<String>,
    /// Attempts made.
    attempts: u32,
    /// The last HTTP status.
    last_status: Option<u16>,
    /// When the next attempt is due.
    #[schema(format = DateTime)]
    due: Option<String>,
    /// When it was committed.
    #[schema(format = DateTime)]
    spooled_at: Option<String>,
    /// Bytes.
    size: Option<u64>,
}

impl From<Row> for Line {
    fn from(row: Row) -> Line {
        let Row { id, kind, about, mailbox, unique_id, endpoint, state, reason, .. } = row;
        let Row { attempts, last_status, due, spooled_at, size, .. } = row;
        Line {
            id,
            kind,
            about,
            mailbox,
            unique_id,
            endpoint,
            state,
            reason,
            attempts,
            last_status,
            due,
            spooled_at,
            size,
        }
    }
}

impl Which {
    fn filter(self) -> Result<Filter, Problem> {
        let Which { id, endpoint, mailbox, state, reason, since, until, .. } = self;
        let time = |key: &str, text: Option<String>| -> Result<Option<i64>, Problem> {
            let refused = |_| Problem::bad_request(format!("{key} is a time such as 2026-01-31T12:00:00Z."));
            Ok(text.map(|text| text.parse().map_err(refused)).transpose()?.map(Timestamp::as_millisecond))
        };
        let (spooled_since, spooled_until) = (time("since", since)?, time("until", until)?);
        Ok(Filter { ids: id, endpoint, mailbox, state, reason, spooled_until, spooled_since, ..Filter::default() })
    }
}

/// Lists deliveries, and messages without one, as `pophook spool list` does
#[utoipa::path(get, path = "/deliveries", tag = "messages", params(Which),
    responses((status = 200, body = Deliveries), Refused))]
async fn list(State(means): State<Means>, _: Reader, Asked(which): Asked<Which>) -> Result<Json<Deliveries>, Problem> {
    let limit = which.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad_request(format!("limit is a number from 1 to {LIMIT_MAX}.")));
    }
    let read =
        |text: &String| LineKey::parse(text).ok_or_else(|| Problem::bad_request("cursor is not the `next` of a page."));
    let after = which.cursor.as_ref().map(read).transpose()?;
    let found = means.spool.lines(which.filter()?, after, limit).await?;
    let (deliveries, next) = (found.rows.into_iter().map(Line::from).collect(), found.next);
    Ok(Json(Deliveries { deliveries, more: next.is_some(), next: next.map(|next| next.to_string()) }))
}
