//! What operators do, whether they come by the page or by the API.
//!
//! Each act can be shown first where many things would change, is carried out once, and noted in the log under the target
//! `audit` with who did what to what. Such a line names ids, never what a mail says.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Means;
use super::access::Operator;
use super::controls::Tested;
use crate::crash;
use crate::ident::EndpointName;
use crate::ident::MessageId;
use crate::spool::Changed;
use crate::spool::Command;
use crate::spool::Filter;
use crate::spool::Preview;
use crate::spool::Spool;
use crate::spool::SpoolError;

/// The most ids that an audit line names; how many there were stands beside them.
const NAMED_MAX: usize = 20;

/// Why an act was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ActError {
    /// A name or an id that is nowhere.
    #[error("{0}")]
    Unknown(String),
    /// It cannot be done to this, or says too little.
    #[error("{0}")]
    Impossible(String),
    /// It would do something else than what was shown before. Nothing was done.
    #[error(transparent)]
    NotAsShown(SpoolError),
    /// The spool failed.
    #[error(transparent)]
    Spool(SpoolError),
}

impl From<SpoolError> for ActError {
    fn from(error: SpoolError) -> ActError {
        match error {
            SpoolError::Impossible(why) => ActError::Impossible(why),
            changed @ SpoolError::NotAsShown { .. } => ActError::NotAsShown(changed),
            other => ActError::Spool(other),
        }
    }
}

/// What `command`, a retry or a drop, would do.
///
/// # Errors
/// A name or an id that is nowhere, a command that selects nothing, or a spool that cannot be read.
pub async fn preview(means: &Means, command: &Command) -> Result<Preview, ActError> {
    check(means, command).await?;
    let (Command::Retry { filter, .. } | Command::Drop { filter, .. }) = command.itself() else {
        return Ok(Preview::default());
    };
    let rows = means.spool.list(filter.clone()).await?;
    Ok(Preview::of(rows.iter().filter(|row| command.touches(row))))
}

/// Carries `command` out.
///
/// # Errors
/// A name or an id that is nowhere, what cannot be done, or a spool that cannot be written.
pub async fn carry_out(means: &Means, operator: &Operator, command: Command) -> Result<Changed, ActError> {
    check(means, &command).await?;
    let (spool, who) = (Arc::clone(&means.spool), operator.who().name().to_owned());
    // Whoever asked may hang up. What was begun is ended, and told to who must know, all the same.
    let ended = tokio::spawn(async move { change(&*spool, &who, command).await });
    ended.await.unwrap_or(Err(SpoolError::Closed)).map_err(ActError::from)
}

/// Has `spool` carry `command` out for `who`, and notes it in the log.
///
/// # Errors
/// What cannot be done, or a spool that cannot be written.
pub async fn change(spool: &dyn Spool, who: &str, command: Command) -> Result<Changed, SpoolError> {
    let (action, on) = (name(&command), object(&command));
    crash::point!("before change");
    let changed = spool.change(command).await;
    crash::point!("after change");
    match changed {
        Ok(done) => {
            let Changed { changed, erased, joined } = done;
            tracing::info!(target: "audit", who, action, on, changed, erased, joined, "done");
            Ok(done)
        }
        Err(error) => {
            tracing::warn!(target: "audit", who, action, on, %error, "not done");
            Err(error)
        }
    }
}

/// Notes in the log that `who` has posted a test event to an endpoint.
pub fn note_test(who: &str, endpoint: &str, taken: bool, status: Option<u16>) {
    tracing::info!(target: "audit", who, action = "test_endpoint", on = %endpoint, taken, status, "done");
}

/// Posts a signed test event to `endpoint`.
///
/// # Errors
/// No such endpoint is configured.
pub async fn test(means: &Means, operator: &Operator, endpoint: &EndpointName) -> Result<Tested, ActError> {
    let (testing, who, on) = (means.controls.test(endpoint), operator.who().name().to_owned(), endpoint.clone());
    // Whoever asked may hang up: what was posted is noted all the same.
    let ended = tokio::spawn(async move {
        let tested = testing.await;
        let tested = tested.ok_or_else(|| ActError::Unknown(format!("No endpoint {on} is configured.")))?;
        note_test(&who, on.as_str(), tested.taken, tested.status);
        Ok(tested)
    });
    ended.await.unwrap_or(Err(ActError::Spool(SpoolError::Closed)))
}

/// What an act is called in audit lines.
fn name(command: &Command) -> &'static str {
    match command {
        Command::AsShown { command, .. } => name(command),
        Command::Retry { .. } => "retry",
        Command::Drop { erase: false, .. } => "drop",
        Command::Drop { erase: true, .. } => "erase",
        Command::Take { .. } => "take_skipped",
        Command::Import { .. } => "import_ledger",
        Command::Reset { .. } => "reset_mailbox",
        Command::Visit { .. } => "visit_mailbox",
        Command::Pause { .. } => "pause_mailbox",
        Command::Unpause { .. } => "resume_mailbox",
        Command::Resume { .. } => "resume_endpoint",
        Command::KeepToken { .. } => "keep_token",
    }
}

/// On what, in names and ids.
fn object(command: &Command) -> String {
    match command {
        Command::AsShown { command, .. } => object(command),
        Command::Retry { filter, to: Some(to), .. } => format!("{} to={to}", selected(filter)),
        Command::Retry { filter, to: None, .. } | Command::Drop { filter, .. } => selected(filter),
        Command::Take { mailbox, unique_ids } | Command::Import { mailbox, unique_ids } => {
            format!("{mailbox} unique_ids={}", unique_ids.len())
        }
        Command::Reset { mailbox, .. }
        | Command::Visit { mailbox }
        | Command::Pause { mailbox }
        | Command::Unpause { mailbox }
        | Command::KeepToken { mailbox, .. } => mailbox.clone(),
        Command::Resume { endpoint } => endpoint.clone(),
    }
}

fn selected(filter: &Filter) -> String {
    let Filter { ids, endpoint, mailbox, state, reason, waits_for_human, spooled_until, spooled_since } = filter;
    let mut words = Vec::new();
    if *waits_for_human {
        words.push("waits_for_human".to_owned());
    }
    if !ids.is_empty() {
        let named: Vec<&str> = ids.iter().take(NAMED_MAX).map(String::as_str).collect();
        words.push(format!("ids={} ({})", named.join(","), ids.len()));
    }
    let named = [("endpoint", endpoint), ("mailbox", mailbox), ("state", state), ("reason", reason)];
    words.extend(named.iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={value}"))));
    let times = [("since", spooled_since), ("until", spooled_until)];
    words.extend(times.iter().filter_map(|(name, value)| value.map(|value| format!("{name}={value}"))));
    if words.is_empty() { "everything".to_owned() } else { words.join(" ") }
}

/// Refuses names, ids and words that are nowhere, so that a slip does not look like success, and what is logged is ours.
async fn check(means: &Means, command: &Command) -> Result<(), ActError> {
    match command.itself() {
        Command::Retry { filter, to, raw } => {
            check_filter(means, filter).await?;
            if let Some(to) = to {
                expect_endpoint(means, to).await?;
                let chosen = [&filter.endpoint, &filter.state, &filter.reason].iter().any(|word| word.is_some());
                if !raw && !chosen && filter.ids.is_empty() {
                    let remedy = "`to` wants to know what it takes over: name ids, endpoint, state or reason.";
                    return Err(ActError::Impossible(remedy.to_owned()));
                }
            }
            Ok(())
        }
        Command::Drop { filter, .. } => {
            if *filter == Filter::default() {
                let remedy = "Say what to drop: ids, endpoint, mailbox, state, reason, since or until.";
                return Err(ActError::Impossible(remedy.to_owned()));
            }
            check_filter(means, filter).await
        }
        Command::Take { mailbox, .. }
        | Command::Import { mailbox, .. }
        | Command::Reset { mailbox, .. }
        | Command::Visit { mailbox }
        | Command::Pause { mailbox }
        | Command::Unpause { mailbox }
        | Command::KeepToken { mailbox, .. } => expect_mailbox(means, mailbox).await,
        Command::Resume { endpoint } => expect_endpoint(means, endpoint).await,
        Command::AsShown { .. } => Ok(()),
    }
}

async fn check_filter(means: &Means, filter: &Filter) -> Result<(), ActError> {
    let Filter { ids, endpoint, mailbox, state, reason, .. } = filter;
    let mut seen = BTreeSet::new();
    for id in ids.iter().filter(|id| seen.insert(id.as_str())) {
        let found = if MessageId::parse(id).is_some() { means.spool.find(id).await? } else { None };
        found.ok_or_else(|| ActError::Unknown("No message has one of these ids.".to_owned()))?;
    }
    if let Some(endpoint) = endpoint {
        expect_endpoint(means, endpoint).await?;
    }
    if let Some(mailbox) = mailbox {
        expect_mailbox(means, mailbox).await?;
    }
    if let Some(state) = state
        && !Filter::STATES.contains(&state.as_str())
    {
        return Err(ActError::Impossible(format!("No line has this state; known are {}.", Filter::STATES.join(", "))));
    }
    if let Some(reason) = reason
        && !Filter::is_reason(reason)
    {
        let known = Filter::reasons().collect::<Vec<_>>().join(", ");
        return Err(ActError::Impossible(format!("No line has this reason; known are {known}, and \"rule NAME\".")));
    }
    Ok(())
}

/// Of a mailbox that the spool knows.
async fn expect_mailbox(means: &Means, name: &str) -> Result<(), ActError> {
    let known = means.spool.mailboxes().await?.iter().any(|row| row.mailbox == name);
    if known { Ok(()) } else { Err(ActError::Unknown("No mailbox has this name.".to_owned())) }
}

/// Of an endpoint that the spool knows, also one that left the configuration.
async fn expect_endpoint(means: &Means, name: &str) -> Result<(), ActError> {
    let known = means.spool.endpoints().await?.iter().any(|row| row.endpoint.as_str() == name);
    if known { Ok(()) } else { Err(ActError::Unknown("No endpoint has this name.".to_owned())) }
}
