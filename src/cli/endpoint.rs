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
use crate::spool::Hold;
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
                Endpoint::Resume(named) => named.resume().await,
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
    async fn resume(self) -> anyhow::Result<ExitCode> {
        let spool = store::read(&self.config)?;
        expect_endpoint(&self.name, &self.config, &spool).await?;
        let rows = spool.endpoints().await?;
        let held = rows.into_iter().find(|row| row.endpoint.as_str() == self.name).and_then(|row| row.held);
        store::change(&self.config, Command::Resume { endpoint: self.name.clone() }).await?;
        let remedy = match held {
            Some(Hold::NoValidKey) => "; while none of its signing_keys is valid, it is held again at once",
            _ => "",
        };
        out::line(format!("{} is resumed{remedy}", self.name).as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn test(self) -> anyhow::Result<ExitCode> {
        let config = self.config.load()?;
        let endpoint = config
            .deliver
            .endpoints
            .iter()
            .find(|endpoint| endpoint.name.as_str() == self.name)
            .ok_or_else(|| BadArgument(format!("no endpoint {:?} in the configuration", self.name)))?;
        let tested = deliver::test(endpoint, &Clock::system()).await?;
        out::line(format!("{}: {}", self.name, shown(&tested)).as_bytes())?;
        let taken = matches!(tested, Tested::Answered { status: 200..=299, .. });
        Ok(if taken { ExitCode::SUCCESS } else { ExitCode::from(LEFT) })
    }
}

/// The end of a test, its remedy, and the first words of the answer, which come last because they are not ours.
fn shown(tested: &Tested) -> String {
    let (end, body) = match tested {
        Tested::Answered { status, body, redirect } => {
            let to = redirect.as_ref().map(|host| format!(" to {host}")).unwrap_or_default();
            (format!("HTTP {status}{to}"), out::excerpt(body, 200))
        }
        Tested::Failed(failure) => (format!("no answer: {failure}"), String::new()),
        Tested::Unsigned => ("not sent: no signing key is valid now".to_owned(), String::new()),
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
        let answered = |status, body: &str| Tested::Answered { status, body: body.to_owned(), redirect: None };
        let redirect = Some("desk.example".to_owned());
        for (tested, expected) in [
            (answered(204, ""), "HTTP 204"),
            (answered(200, "thanks\n"), "HTTP 200; it answered: thanks"),
            (answered(404, "no\x1b[2J"), "HTTP 404; look at the path of url; it answered: no\u{fffd}[2J"),
            (
                Tested::Answered { status: 308, body: String::new(), redirect },
                "HTTP 308 to desk.example; redirects are never followed: write in url the address that is finally reached",
            ),
            (
                Tested::Failed(Failure::EgressDenied),
                "no answer: the address is refused by egress; look at the host in url, or allow its network under egress",
            ),
            (Tested::Failed(Failure::UnknownHost), "no answer: unknown host; look at the host name in url, and at DNS"),
            (
                Tested::Unsigned,
                "not sent: no signing key is valid now; write a valid key in signing_keys, or look at not_before and \
                 not_after there",
            ),
        ] {
            assert_eq!(shown(&tested), expected);
        }
    }
}
