//! `pophook spool retry` and `drop`: settle what lies in the spool.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use serde_json::json;

use super::BadArgument;
use super::LEFT;
use super::bulk;
use super::bulk::Consent;
use super::out;
use super::selection::Selection;
use super::selection::expect_endpoint;
use super::selection::gone;
use super::selection::unknown;
use super::store;
use super::target::Server;
use super::target::Target;
use super::target::Way;
use super::target::field;
use crate::spool::Changed;
use crate::spool::Command;
use crate::spool::Filter;
use crate::spool::Preview;
use crate::spool::Reading as _;
use crate::spool::Row;
use crate::spool::sqlite::Readers;

#[derive(Debug, Args)]
pub(super) struct Retry {
    #[command(flatten)]
    target: Target,
    /// Message ids (msg_…, evt_…); where none is given, what the filters select
    ids: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// Hand the deliveries over to this endpoint; unrouted and dropped messages go there whatever the routes say
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// Send unrouted and quarantined messages unparsed, to the endpoint that --endpoint names
    #[arg(long, requires = "endpoint", conflicts_with = "to")]
    raw: bool,
    /// Retry everything that is dead, unrouted or quarantined, but for what was dropped, delivered or waits
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    consent: Consent,
}

#[derive(Debug, Args)]
pub(super) struct Drop {
    #[command(flatten)]
    target: Target,
    /// Message ids (msg_…, evt_…); where none is given, what the filters select
    ids: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// Erase our copy too, where nothing is left to deliver and neither a dead letter of another endpoint nor a notice
    /// that waits needs it
    #[arg(long)]
    erase: bool,
    #[command(flatten)]
    consent: Consent,
}

impl Retry {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        const NOTHING: &str = "nothing that is selected is dead, unrouted or quarantined; --state delivered sends \
                               delivered mail again, --state pending makes due now what waits for its next try";
        if self.ids.is_empty() && self.selection.is_empty() && !self.all {
            let remedy = "name ids, --endpoint, --mailbox, --state, --reason or an age; or --all for everything";
            return Err(BadArgument(remedy.to_owned()).into());
        }
        if self.to.is_some() && self.ids.is_empty() && !self.selection.names_endpoint() && !self.selection.names_state()
        {
            let remedy = "--to wants to know what it takes over: name ids, --endpoint, --state or --reason";
            return Err(BadArgument(remedy.to_owned()).into());
        }
        let config = match self.target.way().await? {
            Way::File(config) => config,
            Way::Server(server) => {
                let (select, unparsed_to) = select(&self.ids, &self.selection, self.raw);
                let what = self.to.as_ref().map_or("try again".to_owned(), |to| format!("send to {to}"));
                let all = select == json!({});
                let body = |yes: bool| json!({ "select": select, "all": all, "to": self.to, "unparsed_to": unparsed_to, "yes": yes });
                let Some(changed) =
                    settle(&server, ("retry", &body), (&what, NOTHING), &self.ids, &self.consent).await?
                else {
                    return Ok(ExitCode::from(LEFT));
                };
                return told(changed, &retried(changed), NOTHING, &self.consent);
            }
        };
        let spool = store::read(&config)?;
        let mut filter = self.selection.filter(self.ids, &config, &spool).await?;
        if let Some(to) = &self.to {
            expect_endpoint(to, &config, &spool).await?;
        }
        expect_copies(&filter.ids, &spool).await?;
        let to = if self.raw { filter.endpoint.take() } else { self.to };
        let would = |row: &Row| filter.retries(row, to.as_deref());
        let what = to.as_ref().map_or("try again".to_owned(), |to| format!("send to {to}"));
        if !agreed(&filter, would, &what, NOTHING, &self.consent, &spool).await? {
            return Ok(ExitCode::from(LEFT));
        }
        let changed = store::change(&config, Command::Retry { filter, to, raw: self.raw }).await?;
        told(changed, &retried(changed), NOTHING, &self.consent)
    }
}

impl Drop {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        if self.ids.is_empty() && self.selection.is_empty() {
            return Err(BadArgument("name ids, --endpoint, --mailbox, --state, --reason or an age".to_owned()).into());
        }
        let (what, nothing) = match self.erase {
            true => {
                ("drop, erase where nobody needs it any more,", "nothing that is selected can be dropped or erased")
            }
            false => ("drop", "nothing that is selected waits or is dead; --erase erases our copy of delivered mail"),
        };
        let config = match self.target.way().await? {
            Way::File(config) => config,
            Way::Server(server) => {
                let (select, _) = select(&self.ids, &self.selection, false);
                let body = |yes: bool| json!({ "select": select, "erase": self.erase, "yes": yes });
                let Some(changed) = settle(&server, ("drop", &body), (what, nothing), &self.ids, &self.consent).await?
                else {
                    return Ok(ExitCode::from(LEFT));
                };
                return told(changed, &dropped(changed, self.erase), nothing, &self.consent);
            }
        };
        let spool = store::read(&config)?;
        let filter = self.selection.filter(self.ids, &config, &spool).await?;
        expect_copies(&filter.ids, &spool).await?;
        let would = |row: &Row| filter.drops(row) || (self.erase && filter.erases(row));
        if !agreed(&filter, would, what, nothing, &self.consent, &spool).await? {
            return Ok(ExitCode::from(LEFT));
        }
        let changed = store::change(&config, Command::Drop { filter, erase: self.erase }).await?;
        told(changed, &dropped(changed, self.erase), nothing, &self.consent)
    }
}

fn retried(changed: Changed) -> String {
    match changed.joined {
        0 => "will be tried again".to_owned(),
        joined => format!("handed over, {joined} of them to an endpoint that took the mail before: nothing is posted"),
    }
}

fn dropped(changed: Changed, erase: bool) -> String {
    match changed.erased {
        _ if !erase => "dropped".to_owned(),
        erased if erased == changed.changed => "erased".to_owned(),
        erased => format!("dropped, {erased} of them erased: the others are still needed by another endpoint"),
    }
}

/// What the API is asked to settle; the endpoint apart where it is not for selecting.
fn select(ids: &[String], selection: &Selection, apart: bool) -> (Value, Option<String>) {
    let mut select = serde_json::Map::new();
    if !ids.is_empty() {
        select.insert("ids".to_owned(), json!(ids));
    }
    let mut endpoint = None;
    for (key, value) in selection.pairs() {
        match key {
            "endpoint" if apart => endpoint = Some(value),
            _ => _ = select.insert(key.to_owned(), json!(value)),
        }
    }
    (Value::Object(select), endpoint)
}

/// By the API: what was named by its id was meant, what a filter selects is shown first. `None`: it is left at that.
async fn settle(
    server: &Server,
    (path, body): (&str, &impl Fn(bool) -> Value),
    (what, nothing): (&str, &str),
    ids: &[String],
    consent: &Consent,
) -> anyhow::Result<Option<Changed>> {
    if ids.is_empty() && !consent.yes {
        let shown = server.act(path, &body(false)).await?;
        let preview: Preview =
            serde_json::from_value(field(&shown, "preview").clone()).context("no preview came back")?;
        let would_change = field(&shown, "changed").as_u64().unwrap_or_default();
        let preview = Preview { would_change, ..preview };
        if preview.is_empty() {
            anyhow::bail!("{nothing}; see `pophook spool list`");
        }
        if !bulk::agreed(&preview, what, consent)? {
            return Ok(None);
        }
    }
    let done = server.act(path, &body(true)).await?;
    serde_json::from_value(done).map(Some).context("no outcome came back")
}

/// Whether to go on: what was named by its id was meant, what a filter selects is shown first.
async fn agreed(
    filter: &Filter,
    would: impl Fn(&Row) -> bool,
    what: &str,
    nothing: &str,
    consent: &Consent,
    spool: &Readers,
) -> anyhow::Result<bool> {
    if !filter.ids.is_empty() || consent.yes {
        return Ok(true);
    }
    let rows = spool.list(filter.clone()).await?;
    let preview = Preview::of(rows.iter().filter(|row| would(row)));
    if preview.is_empty() {
        anyhow::bail!("{nothing}; see `pophook spool list`");
    }
    bulk::agreed(&preview, what, consent)
}

/// Nothing found is worth an exit code: a script that settles one message wants to know.
fn told(changed: Changed, done: &str, nothing: &str, consent: &Consent) -> anyhow::Result<ExitCode> {
    if changed.changed == 0 {
        anyhow::bail!("{nothing}; see `pophook spool list`");
    }
    match consent.json {
        true => out::json(&changed)?,
        false => out::line(format!("{} {done}", changed.changed).as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses ids of messages whose copies are gone: there is nothing left to send or to erase.
async fn expect_copies(ids: &[String], spool: &Readers) -> anyhow::Result<()> {
    for id in ids {
        let message = spool.find(id).await?.with_context(|| unknown(id))?;
        if let Some(at) = spool.released_at(message.key).await? {
            anyhow::bail!(gone(id, at));
        }
    }
    Ok(())
}
