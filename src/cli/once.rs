//! `pophook once`: one round, for cron and for trying things out.

use std::convert::Infallible;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ConfigFile;
use super::LEFT;
use super::block_on;
use super::interrupt::unless_interrupted;
use super::log;
use super::out;
use super::store;
use crate::app::App;
use crate::app::Round;
use crate::app::Waiting;
use crate::app::enrolments;
use crate::clock::Clock;
use crate::collect;
use crate::collect::Report;
use crate::collect::VisitError;
use crate::collect::Visits;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::spool::Reading;
use crate::spool::sqlite::Readers;

/// How often the progress line moves.
const TICK: Duration = Duration::from_millis(200);

/// Visits every mailbox once, delivers what is due, deletes what may go, and ends
///
/// Each delivery that is due is tried once. Then a second, short session deletes what this run delivered and retention
/// releases; where a server wants a delay between logins, the next run does. Exit code 0: every mailbox was visited and
/// nothing tried is left pending or dead. 2: something is left, safe in the spool, or SIGTERM or Ctrl-C ended it, which
/// waits for an access token that is being fetched. 1: fault. 64: configuration. What was not tried (held, not yet due,
/// unrouted, dead before) does not change the code; the last line tells of it.
///
/// The table: `listed` messages lie on the server; `taken` ones are new in the spool; `read again` ones were retrieved and
/// turned out to lie in the spool already, under another unique-id, say, or after the spool was restored from a copy
/// (what the ledger knows is not retrieved at all, and not counted there); `deleted` ones were deleted on the server;
/// `left` ones stay there by this visit: no room, refused by the server, waiting for `mailbox reset` or the next visit,
/// or noted now as too large or skipped (`spool list` and `mailbox list` show those of earlier visits).
#[derive(Debug, Args)]
pub(super) struct Once {
    #[command(flatten)]
    config: ConfigFile,
    /// Tell what would be retrieved, and at most deleted if every endpoint took it; change nothing
    ///
    /// Nothing but a refresh token: one that the authorization server puts in the place of another is kept in the spool.
    /// A mailbox whose refresh token a running pophook uses is not looked at.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// How log lines look; `POPHOOK_LOG=debug` shows more of them
    #[arg(long, value_enum, default_value_t = log::Format::Text)]
    log_format: log::Format,
}

impl Once {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        log::start(self.log_format, "warn");
        let config = self.config.load()?;
        if self.dry_run {
            return block_on(self.look(config));
        }
        block_on(async {
            let app = App::open(config, Clock::system()).await?;
            let stop = CancellationToken::new();
            let going = async {
                tokio::select! {
                    round = app.once(stop) => round,
                    never = show_progress(&app.metrics) => match never {},
                }
            };
            let note = "pophook: interrupted; what was taken is safe in the spool";
            let Some(round) = unless_interrupted(&app.fetches, note, going).await? else {
                return Ok(ExitCode::from(LEFT));
            };
            let round = round?;
            self.show(&round)?;
            Ok(if round.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(LEFT) })
        })
    }

    async fn look(&self, mut config: Config) -> anyhow::Result<ExitCode> {
        let clock = Clock::system();
        let sources = store::make_sources(&mut config, &clock)?;
        let spool = match config.spool.path.exists() {
            true => Some(Readers::open(&config.spool.path)?),
            false => None,
        };
        if let Some(readers) = &spool {
            readers.may_enrol(enrolments(&config)).await?;
        }
        let looking = async {
            let mut visits = Visits::new();
            for mailbox in &config.collect.mailboxes {
                let spool = spool.as_ref().map(|readers| -> &dyn Reading { readers });
                let visit = match sources.are_ours(&mailbox.name) {
                    Ok(()) => collect::look(mailbox, spool, &clock).await,
                    Err(unavailable) => Err(unavailable.into()),
                };
                visits.push((mailbox.name.clone(), visit));
            }
            visits
        };
        let Some(visits) = unless_interrupted(&sources.fetches, "pophook: interrupted", looking).await? else {
            return Ok(ExitCode::from(LEFT));
        };
        self.show_visits(&visits, ["would take", "may delete"])?;
        let visited = visits.iter().all(|(_, visit)| visit.is_ok());
        Ok(if visited { ExitCode::SUCCESS } else { ExitCode::from(LEFT) })
    }

    fn show(&self, round: &Round) -> anyhow::Result<()> {
        self.show_visits(&round.visits, ["taken", "deleted"])?;
        let (attempts, waiting) = (&round.attempts, &round.waiting);
        if self.json {
            out::json(&json!({
                "attempts": { "delivered": attempts.delivered, "deferred": attempts.deferred, "dead": attempts.dead },
                "complete": round.is_complete(),
                "waiting": {
                    "pending": waiting.pending, "held": waiting.held, "dead": waiting.dead,
                    "unrouted": waiting.unrouted, "quarantined": waiting.quarantined,
                },
            }))?;
        } else {
            let (delivered, deferred, dead) = (attempts.delivered, attempts.deferred, attempts.dead);
            out::line(format!("{delivered} delivered, {deferred} deferred, {dead} dead").as_bytes())?;
            if let Some(told) = told(waiting) {
                out::line(told.as_bytes())?;
            }
        }
        Ok(())
    }

    fn show_visits(&self, visits: &Visits, [taken, deleted]: [&str; 2]) -> anyhow::Result<()> {
        if self.json {
            for (mailbox, visit) in visits {
                out::json(&as_json(mailbox.as_str(), visit))?;
            }
            return Ok(());
        }
        let mut table = out::table(["mailbox", "listed", taken, "read again", deleted, "left", "result"]);
        for (mailbox, visit) in visits {
            let mut cells = vec![mailbox.to_string()];
            match visit {
                Ok(report) => {
                    let left = report.left + report.refused + report.oversize + report.skipped + report.unreached;
                    let counts = [report.listed, report.taken, report.known, report.expunged, left];
                    cells.extend(counts.map(|count| count.to_string()));
                    cells.push(remark(report));
                }
                Err(error) => {
                    cells.extend(std::iter::repeat_n(String::new(), 5));
                    cells.push(error.reason().to_owned());
                }
            }
            table.add_row(cells);
        }
        out::line(table.to_string().as_bytes())?;
        for (mailbox, visit) in visits {
            if let Err(error) = visit {
                out::line(format!("{mailbox}: {}", error.explain()).as_bytes())?;
            }
        }
        Ok(())
    }
}

fn as_json(mailbox: &str, visit: &Result<Report, VisitError>) -> serde_json::Value {
    match visit {
        Ok(report) => json!({
            "mailbox": mailbox, "result": "ok", "listed": report.listed, "taken": report.taken,
            "read_again": report.known,
            "deleted": report.expunged, "refused": report.refused, "oversize": report.oversize,
            "skipped": report.skipped, "left": report.left, "unreached": report.unreached,
        }),
        Err(error) => json!({ "mailbox": mailbox, "result": error.reason(), "error": error.explain() }),
    }
}

/// Why messages stay on the server.
fn remark(report: &Report) -> String {
    let reasons = [
        (report.left, "have no room in the spool, or wait for the next visit or for `mailbox reset`"),
        (report.unreached, "wait for the next visit"),
        (report.refused, "refused by the server"),
        (report.oversize, "too large"),
        (report.skipped, "skipped by start_from"),
    ];
    let told: Vec<String> =
        reasons.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect();
    if told.is_empty() { "ok".to_owned() } else { told.join(", ") }
}

/// What lies in the spool, and where to look at it; nothing where nothing does.
fn told(waiting: &Waiting) -> Option<String> {
    let kinds = [
        (waiting.pending, "pending"),
        (waiting.held, "held (`pophook endpoint list`)"),
        (waiting.dead, "dead"),
        (waiting.unrouted, "unrouted"),
        (waiting.quarantined, "quarantined"),
    ];
    let told: Vec<String> =
        kinds.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| format!("{count} {kind}")).collect();
    (!told.is_empty()).then(|| format!("in the spool: {}; see `pophook spool list`", told.join(", ")))
}

/// Shows on a terminal how far a long round is; never returns.
async fn show_progress(metrics: &Metrics) -> Infallible {
    let bar = if out::is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    loop {
        tokio::time::sleep(TICK).await;
        let sum = |vec: &prometheus::IntCounterVec, wanted: Option<&str>| -> f64 {
            let families = prometheus::core::Collector::collect(vec);
            let labelled = families.iter().flat_map(prometheus::proto::MetricFamily::get_metric).filter(|metric| {
                wanted.is_none_or(|wanted| metric.get_label().iter().any(|label| label.value() == wanted))
            });
            labelled.map(|metric| metric.get_counter().get_value()).sum()
        };
        let retrieved = sum(&metrics.collect.retrieved, None);
        let delivered = sum(&metrics.deliver.attempts, Some("delivered"));
        bar.set_message(format!("{retrieved} retrieved, {delivered} delivered"));
        bar.tick();
    }
}
