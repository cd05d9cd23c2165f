//! What waits for a human, and how many of it are settled at once: first shown, then done.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::RawQuery;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::response::Redirect;
use axum::response::Response;
use serde::Deserialize;

use super::Failure;
use super::frame::Choice;
use super::frame::Frame;
use super::frame::link;
use super::list::LINES;
use super::list::Line;
use super::list::names;
use super::page;
use super::settle;
use super::words;
use crate::admin::Means;
use crate::admin::access::Operator;
use crate::admin::access::Reader;
use crate::admin::access::Submitted;
use crate::admin::act;
use crate::admin::act::ActError;
use crate::spool;
use crate::spool::Changed;
use crate::spool::Command;
use crate::spool::Filter;
use crate::spool::MessageKey;
use crate::spool::MessageRow;
use crate::spool::Search;
use crate::spool::Shown;
use crate::spool::State as MessageState;

/// What is listed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    mailbox: String,
    endpoint: String,
    before: String,
}

#[derive(Template)]
#[template(path = "dead.html", config = "src/admin/page/askama.toml")]
struct Dead {
    frame: Frame,
    csrf: String,
    may_operate: bool,
    asked: Asked,
    choices: Vec<Choice>,
    rows: Vec<DeadLine>,
    next_page: Option<String>,
}

struct DeadLine {
    id: String,
    at: String,
    ago: String,
    mailbox: String,
    subject: String,
    sender: String,
    why: Vec<String>,
}

/// What is to be settled, and how.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    act: String,
    mailbox: String,
    endpoint: String,
    /// Not empty: all that the filter selects.
    all: String,
    id: Vec<String>,
    /// How many were shown, and by what exactly these are known again.
    changed: String,
    set: String,
}

#[derive(Template)]
#[template(path = "preview.html", config = "src/admin/page/askama.toml")]
struct Preview {
    frame: Frame,
    csrf: String,
    form: Form,
    words: &'static str,
    change: u64,
    set: String,
    /// What is no longer so as it was shown before.
    changed: Option<String>,
    bytes: String,
    counts: Vec<(&'static str, String)>,
    consequence: &'static str,
}

pub(super) async fn show(
    State(means): State<Means>,
    Reader(who): Reader,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = query.unwrap_or_default();
    let asked: Asked = serde_html_form::from_str(&query).unwrap_or_default();
    let list = |value: &str| if value.is_empty() { Vec::new() } else { vec![value.to_owned()] };
    let wanted = Search {
        mailboxes: list(&asked.mailbox),
        endpoints: list(&asked.endpoint),
        waits_for_human: true,
        before: asked.before.parse().ok().map(MessageKey::of_number),
        ..Search::default()
    };
    let found = means.spool.search(wanted, LINES).await?;
    let (now, sees_mail) = (means.clock.now(), who.sees_mail());
    let line = |row: &MessageRow| {
        let Line { id, at, ago, mailbox, sender, subject, .. } = Line::of(row, sees_mail, now);
        DeadLine { id, at, ago, mailbox, sender, subject, why: why(row) }
    };
    let next_page = found.next.map(|next| {
        let before = next.number().to_string();
        link("/dead", &[("mailbox", &asked.mailbox), ("endpoint", &asked.endpoint), ("before", &before)])
    });
    let [mailboxes, endpoints] = names(&means).await?;
    page(&Dead {
        csrf: who.csrf().to_owned(),
        may_operate: who.may_operate(),
        choices: vec![
            Choice::of_names("Mailbox", "mailbox", &mailboxes, &asked.mailbox),
            Choice::of_names("Endpoint", "endpoint", &endpoints, &asked.endpoint),
        ],
        rows: found.messages.iter().map(line).collect(),
        next_page,
        asked,
        frame: Frame { said: settle::said(&query), ..Frame::new("Dead letters", "dead", who) },
    })
}

/// Why a message waits for a human.
fn why(row: &MessageRow) -> Vec<String> {
    if matches!(row.state, MessageState::Unrouted | MessageState::Quarantined) {
        return vec![words::of_message(row).text];
    }
    let dead = row.deliveries.iter().filter(|one| one.state == "dead" && one.reason.as_deref() != Some("dropped"));
    let line = |one: &crate::spool::DeliveryRow| {
        let status = one.last_status.map(|status| format!(", last answer {status}")).unwrap_or_default();
        let reason = words::why_dead(one.reason.as_deref().unwrap_or_default());
        format!("{}: {reason} ({} attempts{status})", one.endpoint, one.attempts)
    };
    dead.map(line).collect()
}

impl Form {
    /// What is to be carried out, as one act, so that what was shown is either done whole or not at all. What was dropped
    /// before is left alone, whatever is marked.
    fn command(&self) -> Option<Command> {
        let some = |value: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
        let all = !self.all.is_empty();
        if !all && self.id.is_empty() {
            return None;
        }
        let filter = Filter {
            ids: if all { Vec::new() } else { self.id.clone() },
            mailbox: some(&self.mailbox),
            endpoint: some(&self.endpoint),
            waits_for_human: true,
            ..Filter::default()
        };
        match self.act.as_str() {
            "drop" => Some(Command::Drop { filter, erase: false }),
            "retry" => Some(Command::Retry { filter, to: None, raw: false }),
            _ => None,
        }
    }

    /// What was shown; `None` of a form that shows nothing.
    fn shown(&self) -> Option<Shown> {
        let set = Some(self.set.clone()).filter(|set| !set.is_empty())?;
        Some(Shown { changed: self.changed.parse().ok(), set: Some(set) })
    }
}

pub(super) async fn preview(
    State(means): State<Means>,
    Submitted { operator, form }: Submitted<Form>,
) -> Result<Response, Failure> {
    show_first(&means, &operator, form, None).await
}

/// Shows what would be done; `changed` says that it was something else before.
async fn show_first(
    means: &Means,
    operator: &Operator,
    form: Form,
    changed: Option<String>,
) -> Result<Response, Failure> {
    let would = match form.command() {
        Some(command) => act::preview(means, &command).await?,
        None => spool::Preview::default(),
    };
    let counts = [("Endpoints", would.endpoints), ("Mailboxes", would.mailboxes), ("States", would.states)];
    let shown = |sums: BTreeMap<String, u64>| {
        sums.iter().map(|(name, count)| format!("{name} ({count})")).collect::<Vec<_>>().join(", ")
    };
    let counts = counts.into_iter().filter(|(_, sums)| !sums.is_empty()).map(|(name, sums)| (name, shown(sums)));
    let (words, consequence) = match form.act.as_str() {
        "drop" => (
            "drop",
            "What is dropped is not delivered. Our copy stays until somebody erases it, and the server's copy is not \
             deleted for it.",
        ),
        _ => ("try again", "Each keeps its id; the time that it is tried for starts anew."),
    };
    let who = operator.who().clone();
    page(&Preview {
        csrf: who.csrf().to_owned(),
        words,
        change: would.would_change,
        set: would.set,
        changed,
        bytes: words::size(would.bytes),
        counts: counts.collect(),
        consequence,
        form,
        frame: Frame::new("Dead letters: what would be done", "dead", who),
    })
}

/// Does what was shown. Where it would be something else by now, that is shown first.
pub(super) async fn settle(
    State(means): State<Means>,
    Submitted { operator, form }: Submitted<Form>,
) -> Result<Response, Failure> {
    let (Some(command), Some(shown)) = (form.command(), form.shown()) else {
        return show_first(&means, &operator, form, None).await;
    };
    match act::carry_out(&means, &operator, Command::AsShown { shown, command: Box::new(command) }).await {
        Ok(Changed { changed, .. }) => {
            let done = if form.act == "drop" { "drop" } else { "retry" };
            Ok(Redirect::to(&settle::done("/dead", done, changed)).into_response())
        }
        Err(ActError::NotAsShown(why)) => {
            let why = format!("Nothing was done: {why}. Look again.");
            let page = show_first(&means, &operator, form, Some(why)).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(query: &str) -> Option<Command> {
        serde_html_form::from_str::<Form>(query).unwrap().command()
    }

    #[test]
    fn nothing_marked_settles_nothing() {
        assert_eq!(command("act=drop&mailbox=&endpoint="), None);
        assert_eq!(command("act=something&all=yes"), None);
    }

    #[test]
    fn only_what_waits_for_a_human_is_settled() {
        let Some(Command::Retry { filter, to: None, raw: false }) = command("act=retry&id=msg_a&id=msg_b") else {
            panic!("it is a retry")
        };
        assert_eq!(filter.ids, ["msg_a", "msg_b"]);
        assert!(filter.waits_for_human);
    }

    #[test]
    fn all_that_the_filter_selects_does_not_mean_what_is_marked() {
        let Some(Command::Drop { filter, erase: false }) = command("act=drop&all=yes&endpoint=desk&id=msg_a") else {
            panic!("it is a drop")
        };
        assert_eq!((filter.ids.len(), filter.endpoint.as_deref()), (0, Some("desk")));
        assert!(filter.waits_for_human);
    }

    #[test]
    fn a_form_that_showed_nothing_proves_nothing() {
        let shown = |query| serde_html_form::from_str::<Form>(query).unwrap().shown();
        assert_eq!(shown("act=drop&all=yes"), None);
        assert_eq!(shown("act=drop&all=yes&changed=3"), None);
        let whole = Shown { changed: Some(3), set: Some("ab".to_owned()) };
        assert_eq!(shown("act=drop&all=yes&changed=3&set=ab"), Some(whole));
    }
}
