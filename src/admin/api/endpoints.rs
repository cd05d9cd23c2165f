//! `/endpoints`: how each is, a test, the end of a hold.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ask::At;
use super::problem::Problem;
use super::problem::Refused;
use super::shape::Done;
use super::shape::time;
use crate::admin::Means;
use crate::admin::access::Operator;
use crate::admin::access::Reader;
use crate::admin::act;
use crate::ident::EndpointName;
use crate::spool::Command;
use crate::spool::EndpointRow;
use crate::spool::Stats;

pub(super) fn routes() -> OpenApiRouter<Means> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(test)).routes(routes!(resume))
}

/// Every endpoint that the spool knows.
#[derive(Debug, Serialize, ToSchema)]
struct Endpoints {
    /// By name.
    endpoints: Vec<Endpoint>,
}

/// An endpoint.
#[derive(Debug, Serialize, ToSchema)]
struct Endpoint {
    /// Its name.
    endpoint: String,
    /// Whether the configuration names it; the deliveries of one that it does not are held.
    configured: bool,
    /// Scheme, host and port of its URL.
    server: Option<String>,
    /// Why nothing is posted until somebody resumes it, or its cause is gone.
    held: Option<&'static str>,
    /// Until when it asked to be left alone.
    #[schema(format = DateTime)]
    paused_until: Option<String>,
    /// Whether it is spared for having failed again and again: `closed`, `half_open` or `open`.
    breaker: &'static str,
    /// When it is tried again, while its breaker is open.
    #[schema(format = DateTime)]
    probe_at: Option<String>,
    /// Deliveries that wait.
    pending: u64,
    /// When the oldest of them was committed.
    #[schema(format = DateTime)]
    oldest_pending: Option<String>,
    /// Dead letters, by reason.
    dead: BTreeMap<String, u64>,
}

/// Lists the endpoints
#[utoipa::path(get, path = "/endpoints", tag = "endpoints", responses((status = 200, body = Endpoints), Refused))]
async fn list(State(means): State<Means>, _: Reader) -> Result<Json<Endpoints>, Problem> {
    Ok(Json(Endpoints { endpoints: all(&means).await? }))
}

/// Shows an endpoint
#[utoipa::path(get, path = "/endpoints/{endpoint}", tag = "endpoints",
    params(("endpoint" = String, Path, description = "Its name")),
    responses((status = 200, body = Endpoint), Refused))]
async fn show(State(means): State<Means>, _: Reader, At(name): At<String>) -> Result<Json<Endpoint>, Problem> {
    let found = all(&means).await?.into_iter().find(|endpoint| endpoint.endpoint == name);
    found.map(Json).ok_or_else(|| Problem::unknown("No endpoint has this name."))
}

async fn all(means: &Means) -> Result<Vec<Endpoint>, Problem> {
    let configured: BTreeMap<EndpointName, String> =
        means.controls.endpoints().into_iter().map(|receiver| (receiver.name, receiver.server)).collect();
    let (rows, stats) = (means.spool.endpoints().await?, means.spool.stats().await?);
    Ok(rows.into_iter().map(|row| endpoint(configured.get(&row.endpoint), &stats, row)).collect())
}

fn endpoint(server: Option<&String>, stats: &Stats, row: EndpointRow) -> Endpoint {
    let oldest = stats.pending.iter().find(|(name, ..)| *name == row.endpoint).map(|(_, _, at)| time(*at));
    let dead = stats.dead.iter().filter(|(name, ..)| *name == row.endpoint);
    Endpoint {
        endpoint: row.endpoint.as_str().to_owned(),
        configured: server.is_some(),
        server: server.cloned(),
        held: row.held.map(|hold| hold.as_str()),
        paused_until: row.paused_until.map(time),
        breaker: row.breaker.as_str(),
        probe_at: row.breaker.probe_at().map(time),
        pending: row.pending,
        oldest_pending: oldest,
        dead: dead.map(|(_, reason, count)| (reason.clone(), *count)).collect(),
    }
}

/// How a test event ended.
#[derive(Debug, Serialize, ToSchema)]
struct Tested {
    /// Whether it was taken.
    taken: bool,
    /// The HTTP status, where one arrived.
    status: Option<u16>,
    /// Why none arrived.
    failure: Option<String>,
    /// What to look at, where it can be told.
    remedy: Option<String>,
    /// The first bytes of the answer.
    answer: String,
}

/// Posts a signed test event to an endpoint, and shows the answer
#[utoipa::path(post, path = "/endpoints/{endpoint}/test", tag = "endpoints",
    params(("endpoint" = String, Path, description = "Its name")),
    responses((status = 200, body = Tested), Refused))]
async fn test(State(means): State<Means>, operator: Operator, At(name): At<String>) -> Result<Json<Tested>, Problem> {
    let name = EndpointName::parse(&name).map_err(|_| Problem::unknown("No endpoint has this name."))?;
    let tested = act::test(&means, &operator, &name).await?;
    Ok(Json(Tested {
        taken: tested.taken,
        status: tested.status,
        failure: tested.failure,
        remedy: tested.remedy,
        answer: tested.answer,
    }))
}

/// Ends an endpoint's hold and pause, and closes its breaker
#[utoipa::path(post, path = "/endpoints/{endpoint}/resume", tag = "endpoints",
    params(("endpoint" = String, Path, description = "Its name")),
    responses((status = 200, body = Done), Refused))]
async fn resume(
    State(means): State<Means>,
    operator: Operator,
    At(endpoint): At<String>,
) -> Result<Json<Done>, Problem> {
    Ok(Json(act::carry_out(&means, &operator, Command::Resume { endpoint }).await?.into()))
}
