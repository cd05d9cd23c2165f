//! What is going on: each mailbox and each endpoint in words, with what to do where something is wrong.

use askama::Template;
use axum::extract::Extension;
use axum::extract::RawQuery;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;

use super::Failure;
use super::frame::Badge;
use super::frame::Frame;
use super::frame::link;
use super::page;
use super::settle;
use super::standing;
use super::trends::Chart;
use super::trends::Trends;
use super::words;
use crate::admin::Means;
use crate::admin::access::Reader;
use crate::admin::controls::Maildrop;
use crate::admin::controls::Receiver;
use crate::spool::EndpointRow;
use crate::spool::MailboxRow;
use crate::spool::Search;
use crate::spool::State as MessageState;
use crate::spool::Stats;

/// Failures of an endpoint that are shown.
const FAILURES: usize = 3;

#[derive(Template)]
#[template(path = "overview.html", config = "src/admin/page/askama.toml")]
struct Overview {
    frame: Frame,
    csrf: String,
    may_operate: bool,
    attention: u64,
    troubles: Vec<&'static str>,
    messages: u64,
    bytes: String,
    version: &'static str,
    uptime: String,
    mailboxes: Vec<Mailbox>,
    endpoints: Vec<Endpoint>,
    charts: Vec<Chart>,
}

struct Mailbox {
    name: String,
    link: String,
    server: String,
    configured: bool,
    paused: bool,
    state: Badge,
    remedy: Option<&'static str>,
    last: String,
    next: String,
    listed: String,
    on_server: &'static str,
    taken: u64,
    skipped: u64,
    oversize: u64,
}

struct Endpoint {
    name: String,
    link: String,
    server: String,
    configured: bool,
    resumes: bool,
    state: Badge,
    remedy: Option<&'static str>,
    pending: u64,
    oldest: Option<String>,
    dead: u64,
    latency: String,
    failures: Vec<String>,
}

pub(super) async fn show(
    State(means): State<Means>,
    Extension(trends): Extension<Trends>,
    Reader(who): Reader,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let now = means.clock.now();
    let (stats, rows) = (means.spool.stats().await?, means.spool.mailboxes().await?);
    let maildrops = means.controls.mailboxes();
    let mailboxes = rows.iter().map(|row| mailbox(&means, row, &maildrops, now)).collect();
    let (receivers, mut endpoints) = (means.controls.endpoints(), Vec::new());
    for row in means.spool.endpoints().await? {
        let failures = failures(&means, &row, &stats, now).await?;
        endpoints.push(endpoint(&means, &row, &stats, &receivers, failures, now));
    }
    let waiting = [MessageState::Dead, MessageState::Unrouted, MessageState::Quarantined];
    let count = |states: &[MessageState]| {
        stats.messages.iter().filter(|(state, _)| states.contains(state)).map(|(_, count)| count).sum()
    };
    page(&Overview {
        csrf: who.csrf().to_owned(),
        may_operate: who.may_operate(),
        attention: count(&waiting),
        troubles: troubles(&means),
        messages: count(&MessageState::ALL),
        bytes: words::size(stats.bytes),
        version: concat!("pophook ", env!("CARGO_PKG_VERSION")),
        uptime: words::span(means.clock.uptime()),
        mailboxes,
        endpoints,
        charts: trends.charts(&means.metrics, means.clock.uptime()),
        frame: Frame { said: settle::said(&query.unwrap_or_default()), ..Frame::new("Overview", "overview", who) },
    })
}

/// What is wrong with all of it.
fn troubles(means: &Means) -> Vec<&'static str> {
    let (spool, mut troubles) = (&means.metrics.spool, Vec::new());
    if means.draining.is_cancelled() {
        troubles.push("pophook is stopping: nothing new begins.");
    }
    if spool.writable.get() == 0 {
        troubles.push("The spool cannot be written. Mail stays on its servers; look at the disk and its rights.");
    }
    if spool.full.get() == 1 {
        troubles.push("The spool or its disk is full. Mail stays on its servers until there is room.");
    }
    troubles
}

fn mailbox(means: &Means, row: &MailboxRow, maildrops: &[Maildrop], now: Timestamp) -> Mailbox {
    let configured = maildrops.iter().find(|one| one.name.as_str() == row.mailbox);
    // A label pair is looked at only where it was made: a look must not make one.
    let gauges = configured.map(|_| standing::gauges(&means.metrics.collect, &row.mailbox));
    let (state, remedy) = standing::mailbox(row, gauges, now);
    let time = |seconds: i64| Timestamp::from_second(seconds).ok().filter(|_| seconds > 0);
    let paused = row.paused_since.is_some();
    Mailbox {
        link: link("/messages", &[("mailbox", &row.mailbox)]),
        server: configured.map(|one| one.server.clone()).unwrap_or_default(),
        configured: configured.is_some(),
        paused,
        state,
        remedy,
        last: match gauges.and_then(|gauges| time(gauges.last_success)) {
            Some(at) => words::ago(now, at),
            None => "not since the start".to_owned(),
        },
        next: match gauges.and_then(|gauges| time(gauges.next_visit)) {
            _ if paused => "none: paused".to_owned(),
            Some(at) if at <= now => "now".to_owned(),
            Some(at) => words::ago(now, at),
            None if configured.is_some() => "under way".to_owned(),
            None => String::new(),
        },
        listed: match (&row.listed_at, gauges) {
            (Some(_), Some(gauges)) => gauges.listed.to_string(),
            _ => "unknown".to_owned(),
        },
        on_server: configured.map_or("left alone", |one| one.on_server),
        taken: row.taken,
        skipped: row.skipped,
        oversize: row.oversize,
        name: row.mailbox.clone(),
    }
}

fn dead(stats: &Stats, row: &EndpointRow) -> u64 {
    stats.dead.iter().filter(|(endpoint, ..)| *endpoint == row.endpoint).map(|(.., count)| count).sum()
}

fn endpoint(
    means: &Means,
    row: &EndpointRow,
    stats: &Stats,
    receivers: &[Receiver],
    failures: Vec<String>,
    now: Timestamp,
) -> Endpoint {
    let name = row.endpoint.to_string();
    let configured = receivers.iter().find(|one| one.name == row.endpoint);
    let (state, remedy) = standing::endpoint(row, now);
    let oldest = stats.pending.iter().find(|(endpoint, ..)| *endpoint == row.endpoint).map(|(.., oldest)| *oldest);
    Endpoint {
        link: link("/messages", &[("endpoint", &name)]),
        server: configured.map(|one| one.server.clone()).unwrap_or_default(),
        configured: configured.is_some(),
        resumes: state.level != "good",
        state,
        remedy,
        pending: row.pending,
        oldest: oldest.map(|oldest| words::ago(now, oldest)),
        dead: dead(stats, row),
        latency: configured.and_then(|_| standing::mean(&means.metrics.deliver, &name)).unwrap_or_default(),
        failures,
        name,
    }
}

/// The last failures of the newest messages that an endpoint has not taken.
async fn failures(means: &Means, row: &EndpointRow, stats: &Stats, now: Timestamp) -> Result<Vec<String>, Failure> {
    if row.pending == 0 && dead(stats, row) == 0 {
        return Ok(Vec::new());
    }
    let name = row.endpoint.as_str();
    let wanted = Search {
        endpoints: vec![name.to_owned()],
        states: vec![MessageState::Routed, MessageState::Dead],
        ..Search::default()
    };
    let mut failures = Vec::new();
    for found in means.spool.search(wanted, FAILURES).await?.messages {
        let attempts = means.spool.attempts(found.message.key).await?;
        let last = attempts.iter().rfind(|attempt| attempt.endpoint == name && attempt.outcome != "delivered");
        let Some(last) = last else { continue };
        let status = last.status.map(|status| status.to_string());
        let what = last.error.clone().or(status).unwrap_or_else(|| last.outcome.clone());
        let at = last.started_at.parse().map(|at| words::ago(now, at)).unwrap_or_default();
        failures.push(format!("{what}, {at}"));
    }
    Ok(failures)
}
