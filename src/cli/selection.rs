//! Which lines of the spool a command is about. A word that can fit no line is refused, not answered with an empty table.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;

use super::BadArgument;
use super::ConfigFile;
use crate::clock::Clock;
use crate::config::did_you_mean;
use crate::spool::Filter;
use crate::spool::Reading;
use crate::spool::sqlite::Readers;

#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Only deliveries to this endpoint
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Only mail of this mailbox
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// Only this state; `dropped` also finds the deliveries that are dead because somebody dropped them
    #[arg(long, value_parser = Filter::STATES)]
    state: Option<String>,
    /// Only this reason: why a delivery is dead (such as expired), why its endpoint is held (such as gone), or
    /// "rule NAME" of mail that this rule dropped
    #[arg(long, value_parser = reason)]
    reason: Option<String>,
    /// Only what was spooled longer ago than this, such as 2d or 36h
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Only what was spooled within this, such as 1h
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    newer_than: Option<Duration>,
}

impl Selection {
    pub(super) fn is_empty(&self) -> bool {
        let Selection { endpoint, mailbox, state, reason, older_than, newer_than } = self;
        let words = [endpoint, mailbox, state, reason].into_iter().all(Option::is_none);
        words && older_than.is_none() && newer_than.is_none()
    }

    /// Whether one endpoint's deliveries are meant.
    pub(super) fn names_endpoint(&self) -> bool {
        self.endpoint.is_some()
    }

    /// Whether one state, or one reason, is meant.
    pub(super) fn names_state(&self) -> bool {
        self.state.is_some() || self.reason.is_some()
    }

    /// What the API is asked for, as pairs; times by the clock of this machine.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let Selection { endpoint, mailbox, state, reason, older_than, newer_than } = self;
        let now = Clock::system().now();
        let ago = |age: &Option<Duration>| age.and_then(|age| now.checked_sub(age).ok()).map(|at| format!("{at:.3}"));
        let words = [endpoint, mailbox, state, reason].map(Clone::clone);
        let pairs = ["endpoint", "mailbox", "state", "reason"].into_iter().zip(words);
        let pairs = pairs.chain([("until", ago(older_than)), ("since", ago(newer_than))]);
        pairs.filter_map(|(key, value)| value.map(|value| (key, value))).collect()
    }

    /// The filter, with these ids, whose names and ids are all known.
    ///
    /// # Errors
    /// A name that neither the file nor the spool has, or an id that the spool does not have.
    pub(super) async fn filter(self, ids: Vec<String>, config: &ConfigFile, spool: &Readers) -> anyhow::Result<Filter> {
        let Selection { endpoint, mailbox, state, reason, older_than, newer_than } = self;
        let now = Clock::system().now();
        if let Some(name) = &endpoint {
            expect_endpoint(name, config, spool).await?;
        }
        if let Some(name) = &mailbox {
            expect_mailbox(name, config, spool).await?;
        }
        for id in &ids {
            spool.find(id).await?.with_context(|| unknown(id))?;
        }
        let ago = |age: Option<Duration>| age.and_then(|age| now.checked_sub(age).ok()).map(Timestamp::as_millisecond);
        let (spooled_until, spooled_since) = (ago(older_than), ago(newer_than));
        Ok(Filter { ids, endpoint, mailbox, state, reason, spooled_until, spooled_since, ..Filter::default() })
    }
}

/// A reason that a line can have.
fn reason(text: &str) -> Result<String, String> {
    if Filter::is_reason(text) {
        return Ok(text.to_owned());
    }
    let known = || format!("; known here: {}, \"rule NAME\"", Filter::reasons().collect::<Vec<_>>().join(", "));
    let remedy = did_you_mean(text, Filter::reasons()).unwrap_or_else(known);
    Err(format!("no line can have this reason{remedy}"))
}

/// What is said of an id that is nowhere.
pub(super) fn unknown(id: &str) -> String {
    format!("no message {id} in the spool; see `pophook spool list`")
}

/// What is said of a message whose copy went.
pub(super) fn gone(id: &str, at: Timestamp) -> String {
    format!("our copy of {id} was erased at {at:.0}")
}

/// Refuses the name of an endpoint that neither the file nor the spool has.
pub(super) async fn expect_endpoint(name: &str, config: &ConfigFile, spool: &Readers) -> anyhow::Result<()> {
    let spooled = spool.endpoints().await?;
    let spooled = spooled.iter().map(|row| row.endpoint.as_str());
    let written = config.load_names()?.endpoints;
    Ok(expect("endpoint", name, written.iter().map(String::as_str).chain(spooled))?)
}

/// Refuses the name of a mailbox that neither the file nor the spool has.
pub(super) async fn expect_mailbox(name: &str, config: &ConfigFile, spool: &Readers) -> anyhow::Result<()> {
    let spooled = spool.mailboxes().await?;
    let spooled = spooled.iter().map(|row| row.mailbox.as_str());
    let written = config.load_names()?.mailboxes;
    Ok(expect("mailbox", name, written.iter().map(String::as_str).chain(spooled))?)
}

fn expect<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Result<(), BadArgument> {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.dedup();
    if known.contains(&name) {
        return Ok(());
    }
    let remedy = did_you_mean(name, known.iter().copied()).unwrap_or_else(|| match known[..] {
        [] => String::new(),
        _ => format!("; known here: {}", known.join(", ")),
    });
    Err(BadArgument(format!("no {kind} is named {name:?}, neither in the file nor in the spool{remedy}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, known: &[&str], expected: &str) {
        let said =
            expect("endpoint", name, known.iter().copied()).map_or_else(|e| e.to_string(), |()| "fine".to_owned());
        assert_eq!(said, expected, "{name}");
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let nowhere = "neither in the file nor in the spool";
        check("desk", &["erp", "desk"], "fine");
        check("dsk", &["erp", "desk", "desk"], &format!("no endpoint is named \"dsk\", {nowhere}; did you mean desk?"));
        check("x", &["erp", "desk"], &format!("no endpoint is named \"x\", {nowhere}; known here: desk, erp"));
        check("x", &[], &format!("no endpoint is named \"x\", {nowhere}"));
    }
}
