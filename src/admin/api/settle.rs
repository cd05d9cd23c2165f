//! `/retry` and `/drop`: first what would be done, and with `yes` it is done.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ask::Said;
use super::ask::object;
use super::problem::Problem;
use super::problem::Refused;
use crate::admin::Means;
use crate::admin::access::Operator;
use crate::admin::act;
use crate::spool::Command;
use crate::spool::Filter;
use crate::spool::Preview;
use crate::spool::Shown;

pub(super) fn routes() -> OpenApiRouter<Means> {
    OpenApiRouter::new().routes(routes!(retry)).routes(routes!(drop_these))
}

/// Which deliveries and messages; all keys must fit.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Selection {
    /// These message ids.
    #[serde(default)]
    ids: Vec<String>,
    /// This endpoint.
    endpoint: Option<String>,
    /// This mailbox.
    mailbox: Option<String>,
    /// This state, as `pophook spool list` shows it.
    state: Option<String>,
    /// This reason: `refused`, `expired`, `dropped`, why an endpoint is held, or `rule NAME`.
    reason: Option<String>,
    /// Committed at this time or later.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Committed at this time or before.
    #[schema(format = DateTime)]
    until: Option<String>,
}

/// What to try again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Retry {
    /// Which.
    #[serde(default, deserialize_with = "object")]
    select: Selection,
    /// Everything that is dead, unrouted or quarantined, where nothing is selected.
    #[serde(default)]
    all: bool,
    /// Hand the deliveries over to this endpoint.
    to: Option<String>,
    /// Send unrouted and quarantined messages unparsed, to this endpoint.
    unparsed_to: Option<String>,
    /// Do it; without, only what would be done is told.
    #[serde(default)]
    yes: bool,
    /// What was told that would be done: where it is something else by now, nothing is done.
    #[serde(default, deserialize_with = "object")]
    expected: Expected,
}

/// What to drop.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Drop {
    /// Which.
    #[serde(default, deserialize_with = "object")]
    select: Selection,
    /// Erase our copy too, where nobody needs it any more.
    #[serde(default)]
    erase: bool,
    /// Do it; without, only what would be done is told.
    #[serde(default)]
    yes: bool,
    /// What was told that would be done: where it is something else by now, nothing is done.
    #[serde(default, deserialize_with = "object")]
    expected: Expected,
}

/// What was told that would be done. Each that is given must still be so.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// `changed`: so many, whichever they are.
    #[schema(minimum = 0, maximum = 4_294_967_295_u32, format = "uint32")]
    changed: Option<u32>,
    /// `preview.set`: exactly these, each in the state that it was in.
    set: Option<String>,
}

/// What was done, or would be.
#[derive(Debug, Serialize, ToSchema)]
struct Settled {
    /// Whether it was done.
    done: bool,
    /// Deliveries, and messages without one, that changed or would.
    changed: u64,
    /// Of these, messages whose copy is gone now.
    erased: u64,
    /// Of these, deliveries that were handed over to an endpoint which has taken the message before: nothing is posted.
    joined: u64,
    /// What would be done, in figures; null once it is done.
    preview: Option<Figures>,
}

/// What would be done, in figures.
#[derive(Debug, Serialize, ToSchema)]
struct Figures {
    /// Different messages.
    messages: usize,
    /// Their bytes.
    bytes: u64,
    /// How many deliveries of each endpoint.
    endpoints: std::collections::BTreeMap<String, u64>,
    /// How many of each mailbox.
    mailboxes: std::collections::BTreeMap<String, u64>,
    /// How many in each state.
    states: std::collections::BTreeMap<String, u64>,
    /// How many for each reason.
    reasons: std::collections::BTreeMap<String, u64>,
    /// When the oldest was committed.
    #[schema(format = DateTime)]
    oldest: Option<String>,
    /// When the newest was committed.
    #[schema(format = DateTime)]
    newest: Option<String>,
    /// What `expected.set` holds of this.
    set: String,
}

impl Selection {
    fn filter(self) -> Result<Filter, Problem> {
        let Selection { ids, endpoint, mailbox, state, reason, since, until } = self;
        let time = |key: &str, text: Option<String>| -> Result<Option<i64>, Problem> {
            let refused = |_| Problem::wrong_body(format!("select.{key} is a time such as 2026-01-31T12:00:00Z."));
            Ok(text.map(|text| text.parse().map_err(refused)).transpose()?.map(Timestamp::as_millisecond))
        };
        let (spooled_since, spooled_until) = (time("since", since)?, time("until", until)?);
        Ok(Filter { ids, endpoint, mailbox, state, reason, spooled_until, spooled_since, ..Filter::default() })
    }
}

/// Tries dead letters again, and sorts unrouted and quarantined messages anew
#[utoipa::path(post, path = "/retry", tag = "settling", request_body = Retry,
    responses((status = 200, body = Settled), Refused))]
async fn retry(
    State(means): State<Means>,
    operator: Operator,
    Said(retry): Said<Retry>,
) -> Result<Json<Settled>, Problem> {
    let filter = retry.select.filter()?;
    if (filter == Filter::default()) != retry.all {
        return Err(Problem::impossible("Say in `select` what to try again, or `all: true`."));
    }
    let (to, raw) = match (retry.to, retry.unparsed_to) {
        (Some(_), Some(_)) => return Err(Problem::impossible("Write `to` or `unparsed_to`, not both.")),
        (to, None) => (to, false),
        (None, unparsed_to) => (unparsed_to, true),
    };
    settle(&means, &operator, Command::Retry { filter, to, raw }, retry.yes, retry.expected).await
}

/// Settles deliveries, and unrouted and quarantined messages, without delivering them
#[utoipa::path(post, path = "/drop", tag = "settling", request_body = Drop,
    responses((status = 200, body = Settled), Refused))]
async fn drop_these(
    State(means): State<Means>,
    operator: Operator,
    Said(drop): Said<Drop>,
) -> Result<Json<Settled>, Problem> {
    let command = Command::Drop { filter: drop.select.filter()?, erase: drop.erase };
    settle(&means, &operator, command, drop.yes, drop.expected).await
}

async fn settle(
    means: &Means,
    operator: &Operator,
    command: Command,
    yes: bool,
    Expected { changed, set }: Expected,
) -> Result<Json<Settled>, Problem> {
    let shown = Shown { changed: changed.map(u64::from), set };
    if yes {
        let command = match shown == Shown::default() {
            true => command,
            false => Command::AsShown { shown, command: Box::new(command) },
        };
        let done = act::carry_out(means, operator, command).await?;
        let (changed, erased, joined) = (done.changed, done.erased, done.joined);
        return Ok(Json(Settled { done: true, changed, erased, joined, preview: None }));
    }
    let Preview { would_change, messages, bytes, endpoints, mailboxes, states, reasons, oldest, newest, set } =
        act::preview(means, &command).await?;
    let preview = Some(Figures { messages, bytes, endpoints, mailboxes, states, reasons, oldest, newest, set });
    Ok(Json(Settled { done: false, changed: would_change, erased: 0, joined: 0, preview }))
}
