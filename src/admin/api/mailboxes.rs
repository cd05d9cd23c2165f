//! `/mailboxes`: how each is, and visits.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ask::At;
use super::ask::Said;
use super::problem::Problem;
use super::problem::Refused;
use super::shape::Done;
use super::shape::time_of_gauge;
use crate::admin::Means;
use crate::admin::access::Operator;
use crate::admin::access::Reader;
use crate::admin::act;
use crate::admin::controls::Maildrop;
use crate::spool::Command;
use crate::spool::Listed;
use crate::spool::MailboxRow;

pub(super) fn routes() -> OpenApiRouter<Means> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(visit))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(take))
        .routes(routes!(reset))
}

/// Every mailbox that the spool knows.
#[derive(Debug, Serialize, ToSchema)]
struct Mailboxes {
    /// By name.
    mailboxes: Vec<Mailbox>,
}

/// A mailbox.
#[derive(Debug, Serialize, ToSchema)]
struct Mailbox {
    /// Its name.
    mailbox: String,
    /// Whether the configuration names it; one that it does not is visited no more.
    configured: bool,
    /// Host and port of its server.
    server: Option<String>,
    /// The time between the starts of two visits, in seconds.
    poll_interval_seconds: Option<u64>,
    /// What happens to the server's copies: `keep`, `delete_when_delivered` or `delete_when_spooled`.
    on_server: Option<&'static str>,
    /// Whether it can be visited: `ok`, `auth_failed` or `unreachable`.
    condition: String,
    /// Since when that is so.
    #[schema(format = DateTime)]
    condition_since: Option<String>,
    /// Why, in one word.
    condition_reason: Option<String>,
    /// Since when it is not visited because an operator paused it.
    #[schema(format = DateTime)]
    paused_since: Option<String>,
    /// When the last visit that succeeded ended, since the start of the program.
    #[schema(format = DateTime)]
    last_visit: Option<String>,
    /// When the next visit is due; null while one is under way, and while the mailbox is paused.
    #[schema(format = DateTime)]
    next_visit: Option<String>,
    /// When the latest complete listing was committed; one that shows nothing new is noted once an hour.
    #[schema(format = DateTime)]
    listed_at: Option<String>,
    /// Messages in the last complete listing.
    on_server_now: Option<u64>,
    /// Whether most unique-ids changed at once: `none`, `unresolved`, `as_seen` or `as_new`.
    flood: String,
    /// Messages that were taken and are remembered.
    taken: u64,
    /// Messages that were skipped.
    skipped: u64,
    /// Messages that are too large.
    oversize: u64,
}

/// Lists the mailboxes
#[utoipa::path(get, path = "/mailboxes", tag = "mailboxes", responses((status = 200, body = Mailboxes), Refused))]
async fn list(State(means): State<Means>, _: Reader) -> Result<Json<Mailboxes>, Problem> {
    Ok(Json(Mailboxes { mailboxes: all(&means).await? }))
}

/// Shows a mailbox
#[utoipa::path(get, path = "/mailboxes/{mailbox}", tag = "mailboxes",
    params(("mailbox" = String, Path, description = "Its name")),
    responses((status = 200, body = Mailbox), Refused))]
async fn show(State(means): State<Means>, _: Reader, At(name): At<String>) -> Result<Json<Mailbox>, Problem> {
    let found = all(&means).await?.into_iter().find(|mailbox| mailbox.mailbox == name);
    found.map(Json).ok_or_else(|| Problem::unknown("No mailbox has this name."))
}

async fn all(means: &Means) -> Result<Vec<Mailbox>, Problem> {
    let configured = means.controls.mailboxes();
    let find = |name: &str| configured.iter().find(|maildrop| maildrop.name.as_str() == name);
    Ok(means.spool.mailboxes().await?.into_iter().map(|row| mailbox(means, find(&row.mailbox), row)).collect())
}

fn mailbox(means: &Means, maildrop: Option<&Maildrop>, row: MailboxRow) -> Mailbox {
    let gauges = &means.metrics.collect;
    // A gauge that is asked for comes into being.
    let gauge = |gauge: &prometheus::IntGaugeVec| maildrop.map(|_| gauge.with_label_values(&[&row.mailbox]).get());
    let (last, next) = (gauge(&gauges.last_success), gauge(&gauges.next_visit));
    let listed = gauge(&gauges.maildrop_messages).filter(|_| last.is_some_and(|last| last > 0));
    Mailbox {
        configured: maildrop.is_some(),
        server: maildrop.map(|maildrop| maildrop.server.clone()),
        poll_interval_seconds: maildrop.map(|maildrop| maildrop.poll_interval.as_secs()),
        on_server: maildrop.map(|maildrop| maildrop.on_server),
        last_visit: last.and_then(time_of_gauge),
        next_visit: next.and_then(time_of_gauge),
        on_server_now: listed.and_then(|count| u64::try_from(count).ok()),
        mailbox: row.mailbox,
        condition: row.condition,
        condition_since: row.condition_since,
        condition_reason: row.condition_reason,
        paused_since: row.paused_since,
        listed_at: row.listed_at,
        flood: row.flood,
        taken: row.taken,
        skipped: row.skipped,
        oversize: row.oversize,
    }
}

async fn done(means: &Means, operator: &Operator, command: Command) -> Result<Json<Done>, Problem> {
    Ok(Json(act::carry_out(means, operator, command).await?.into()))
}

/// Visits a mailbox at once, or as soon as its server allows
#[utoipa::path(post, path = "/mailboxes/{mailbox}/visit", tag = "mailboxes",
    params(("mailbox" = String, Path, description = "Its name")),
    responses((status = 200, body = Done), Refused))]
async fn visit(State(means): State<Means>, operator: Operator, At(mailbox): At<String>) -> Result<Json<Done>, Problem> {
    done(&means, &operator, Command::Visit { mailbox }).await
}

/// Visits a mailbox no more, over restarts too, until it is resumed
#[utoipa::path(post, path = "/mailboxes/{mailbox}/pause", tag = "mailboxes",
    params(("mailbox" = String, Path, description = "Its name")),
    responses((status = 200, body = Done), Refused))]
async fn pause(State(means): State<Means>, operator: Operator, At(mailbox): At<String>) -> Result<Json<Done>, Problem> {
    done(&means, &operator, Command::Pause { mailbox }).await
}

/// Visits a paused mailbox again, at once
#[utoipa::path(post, path = "/mailboxes/{mailbox}/resume", tag = "mailboxes",
    params(("mailbox" = String, Path, description = "Its name")),
    responses((status = 200, body = Done), Refused))]
async fn resume(
    State(means): State<Means>,
    operator: Operator,
    At(mailbox): At<String>,
) -> Result<Json<Done>, Problem> {
    done(&means, &operator, Command::Unpause { mailbox }).await
}

/// Which skipped messages to take.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Take {
    /// Their unique-ids in the printed form.
    #[serde(default)]
    unique_ids: Vec<String>,
    /// Take all that were skipped, where no unique-id is given.
    #[serde(default)]
    all: bool,
}

/// Takes messages after all that were skipped, at the next visit
#[utoipa::path(post, path = "/mailboxes/{mailbox}/take", tag = "mailboxes", request_body = Take,
    params(("mailbox" = String, Path, description = "Its name")),
    responses((status = 200, body = Done), Refused))]
async fn take(
    State(means): State<Means>,
    operator: Operator,
    At(mailbox): At<String>,
    Said(take): Said<Take>,
) -> Result<Json<Done>, Problem> {
    if take.unique_ids.is_empty() != take.all {
        return Err(Problem::impossible("Name unique_ids, or say `all: true`."));
    }
    done(&means, &operator, Command::Take { mailbox, unique_ids: take.unique_ids }).await
}

/// What the messages are whose unique-ids changed all at once.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Reset {
    /// Seen: leave them alone. New: take them.
    listed: As,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum As {
    Seen,
    New,
}

/// Settles a flood of new unique-ids
#[utoipa::path(post, path = "/mailboxes/{mailbox}/reset", tag = "mailboxes", request_body = Reset,
    params(("mailbox" = String, Path, description = "Its name")),
    responses((status = 200, body = Done), Refused))]
async fn reset(
    State(means): State<Means>,
    operator: Operator,
    At(mailbox): At<String>,
    Said(reset): Said<Reset>,
) -> Result<Json<Done>, Problem> {
    let listed = match reset.listed {
        As::Seen => Listed::Seen,
        As::New => Listed::New,
    };
    done(&means, &operator, Command::Reset { mailbox, listed }).await
}
