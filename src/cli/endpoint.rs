//! `pophook endpoint`: states, a test event, the end of a hold.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;

use super::BadArgument;
use super::LEFT;
use super::block_on;
use super::log;
use super::out;
use super::selection::expect_endpoint;
use super::store;
use super::target::Target;
use super::target::Way;
use super::target::array;
use super::target::field;
use super::target::text;
use crate::clock::Clock;
use crate::deliver;
use crate::deliver::Tested;
use crate::spool::Command;
use crate::spool::EndpointRow;
use crate::spool::Hold;
use crate::spool::Reading as _;
use crate::spool::socket;

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
    target: Target,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    #[command(flatten)]
    target: Target,
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
        let rows = match self.target.way().await? {
            Way::Server(server) => array(&server.ask("endpoints", &[]).await?, "endpoints").to_vec(),
            Way::File(config) => store::read(&config)?.endpoints().await?.iter().map(as_json).collect(),
        };
        if self.json {
            rows.iter().try_for_each(out::json)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = out::table(["endpoint", "held", "paused until", "breaker", "next probe", "pending"]);
        for row in &rows {
            let held = if field(row, "held").is_null() { "no".to_owned() } else { text(row, "held") };
            table.add_row([
                text(row, "endpoint"),
                held,
                text(row, "paused_until"),
                text(row, "breaker"),
                text(row, "probe_at"),
                text(row, "pending"),
            ]);
        }
        out::line(table.to_string().as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn as_json(row: &EndpointRow) -> Value {
    let shown = |time: Option<Timestamp>| time.map(|time| format!("{time:.3}"));
    json!({
        "endpoint": row.endpoint.as_str(),
        "held": row.held.map(|hold| hold.as_str()),
        "paused_until": shown(row.paused_until),
        "breaker": row.breaker.as_str(),
        "probe_at": shown(row.breaker.probe_at()),
        "pending": row.pending,
    })
}

impl Named {
    async fn resume(self) -> anyhow::Result<ExitCode> {
        let held = match self.target.way().await? {
            Way::Server(server) => {
                let path = format!("endpoints/{}", self.name);
                let held = text(&server.ask(&path, &[]).await?, "held");
                server.act(&format!("{path}/resume"), &json!({})).await?;
                Hold::parse(&held)
            }
            Way::File(config) => {
                let spool = store::read(&config)?;
                expect_endpoint(&self.name, &config, &spool).await?;
                let rows = spool.endpoints().await?;
                let row = rows.into_iter().find(|row| row.endpoint.as_str() == self.name);
                store::change(&config, Command::Resume { endpoint: self.name.clone() }).await?;
                row.and_then(|row| row.held)
            }
        };
        let remedy = match held {
            Some(Hold::NoValidKey) => "; while none of its signing_keys is valid, it is held again at once",
            _ => "",
        };
        out::line(format!("{} is resumed{remedy}", self.name).as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn test(self) -> anyhow::Result<ExitCode> {
        let (told, taken) = match self.target.way().await? {
            Way::Server(server) => {
                let tested = server.act(&format!("endpoints/{}/test", self.name), &json!({})).await?;
                (shown_by_server(&tested), *field(&tested, "taken") == true)
            }
            Way::File(config) => {
                let config = config.load()?;
                let endpoint = config
                    .deliver
                    .endpoints
                    .iter()
                    .find(|endpoint| endpoint.name.as_str() == self.name)
                    .ok_or_else(|| BadArgument(format!("no endpoint {:?} in the configuration", self.name)))?;
                let tested = deliver::test(endpoint, &Clock::system()).await?;
                note(&config.spool.path, &tested, &self.name).await?;
                (shown(&tested), is_taken(&tested))
            }
        };
        out::line(format!("{}: {told}", self.name).as_bytes())?;
        Ok(if taken { ExitCode::SUCCESS } else { ExitCode::from(LEFT) })
    }
}

fn is_taken(tested: &Tested) -> bool {
    matches!(tested, Tested::Answered { status: 200..=299, .. })
}

/// Has the pophook that runs on the spool, if one does, note in its log what was posted.
async fn note(spool: &Path, tested: &Tested, endpoint: &str) -> anyhow::Result<()> {
    let status = match tested {
        Tested::Answered { status, .. } => Some(*status),
        Tested::Failed(_) => None,
        Tested::Unsigned => return Ok(()),
    };
    let noted = socket::Tested { endpoint: endpoint.to_owned(), taken: is_taken(tested), status };
    if let Err(error) = socket::note_test(spool, noted).await {
        out::note(&format!("the log of the pophook that runs does not tell of this test: {error}"))?;
    }
    Ok(())
}

/// As [`shown`], of what the API answers.
fn shown_by_server(tested: &Value) -> String {
    let end = match field(tested, "status").as_u64() {
        Some(status) => format!("HTTP {status}"),
        None => format!("no answer: {}", text(tested, "failure")),
    };
    let said = [text(tested, "remedy"), out::excerpt(&text(tested, "answer"), 200)];
    let [remedy, answer] = said;
    let answer = if answer.is_empty() { answer } else { format!("it answered: {answer}") };
    [end, remedy, answer].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
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
