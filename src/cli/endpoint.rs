//! `pophook endpoint`: states, a test event, the end of a hold.

use std::process::ExitCode;

use clap::Args;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;

use super::BadArgument;
use super::ConfigFile;
use super::LEFT;
use super::block_on;
use super::log;
use super::out;
use super::selection::expect_endpoint;
use super::store;
use crate::clock::Clock;
use crate::deliver;
use crate::deliver::Tested;
use crate::spool::Command;
use crate::spool::Reading as _;

/// Shows endpoints, posts a test event, ends a hold
#[derive(Debug, Subcommand)]
pub(super) enum Endpoint {
    /// List endpoints and what waits for them
    List(List),
    /// Post a signed test event and show the answer, with what to look at if it is no success
    Test(Named),
    /// End an endpoint's hold and pause, and close its breaker
    Resume(Named),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    config: ConfigFile,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    #[command(flatten)]
    config: ConfigFile,
    /// The endpoint
    name: String,
}

impl Endpoint {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        log::start(log::Format::Text, "error");
        block_on(async {
            match self {
                Endpoint::List(list) => list.run().await,
                Endpoint::Test(named) => named.test().await,
                Endpoint::Resume(named) => {
                    expect_endpoint(&named.name, &named.config, &store::read(&named.config)?).await?;
                    store::change(&named.config, Command::Resume { endpoint: named.name.clone() }).await?;
                    out::line(format!("{} is resumed", named.name).as_bytes())?;
                    Ok(ExitCode::SUCCESS)
                }
            }
        })
    }
}

impl List {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let rows = store::read(&self.config)?.endpoints().await?;
        let mut table = out::table(["endpoint", "held", "paused until", "breaker", "next probe", "pending"]);
        for row in rows {
            let shown = |time: Option<Timestamp>| time.map(|time| format!("{time:.3}"));
            let (held, breaker) = (row.held.map(|hold| hold.as_str()), row.breaker.as_str());
            let (paused, probe) = (shown(row.paused_until), shown(row.breaker.probe_at()));
            if self.json {
                out::json(&json!({
                    "endpoint": row.endpoint.as_str(),
                    "held": held,
                    "paused_until": paused,
                    "breaker": breaker,
                    "probe_at": probe,
                    "pending": row.pending,
                }))?;
                continue;
            }
            table.add_row([
                row.endpoint.to_string(),
                held.unwrap_or("no").to_owned(),
                paused.unwrap_or_default(),
                breaker.to_owned(),
                probe.unwrap_or_default(),
                row.pending.to_string(),
            ]);
        }
        if !self.json {
            out::line(table.to_string().as_bytes())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Named {
    async fn test(self) -> anyhow::Result<ExitCode> {
        let config = self.config.load()?;
        let endpoint = config
            .deliver
            .endpoints
            .iter()
            .find(|endpoint| endpoint.name.as_str() == self.name)
            .ok_or_else(|| BadArgument(format!("no endpoint {:?} in the configuration", self.name)))?;
        let tested = deliver::test(endpoint, Clock::system().now()).await?;
        out::line(format!("{}: {}", self.name, shown(&tested)).as_bytes())?;
        let taken = matches!(tested, Tested::Answered { status: 200..=299, .. });
        Ok(if taken { ExitCode::SUCCESS } else { ExitCode::from(LEFT) })
    }
}

/// The end of a test, its remedy, and the first words of the answer, which come last because they are not ours.
fn shown(tested: &Tested) -> String {
    let (end, body) = match tested {
        Tested::Answered { status, body } => (format!("HTTP {status}"), out::excerpt(body, 200)),
        Tested::Failed(failure) => (format!("no answer: {failure}"), String::new()),
    };
    let remedy = tested.remedy().map(|remedy| format!("; {remedy}")).unwrap_or_default();
    let body = if body.is_empty() { body } else { format!("; it answered: {body}") };
    format!("{end}{remedy}{body}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::Failure;

    #[test]
    fn a_failed_test_shows_what_to_look_at() {
        let answered = |status, body: &str| Tested::Answered { status, body: body.to_owned() };
        for (tested, expected) in [
            (answered(204, ""), "HTTP 204"),
            (answered(200, "thanks\n"), "HTTP 200; it answered: thanks"),
            (answered(404, "no\x1b[2J"), "HTTP 404; look at the path of url; it answered: no\u{fffd}[2J"),
            (Tested::Failed(Failure::UnknownHost), "no answer: unknown host; look at the host name in url, and at DNS"),
        ] {
            assert_eq!(shown(&tested), expected);
        }
    }
}
