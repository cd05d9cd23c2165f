//! What waits for a human, and how many of it are settled at once: first shown, then done.

use askama::Template;
use axum::extract::RawQuery;
use axum::extract::State;
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
use crate::admin::access::Reader;
use crate::admin::access::Submitted;
use crate::admin::act;
use crate::spool::Command;
use crate::spool::Filter;
use crate::spool::MessageKey;
use crate::spool::MessageRow;
use crate::spool::Reason;
use crate::spool::Search;
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
}

#[derive(Template)]
#[template(path = "preview.html", config = "src/admin/page/askama.toml")]
struct Preview {
    frame: Frame,
    csrf: String,
    form: Form,
    words: &'static str,
    change: u64,
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
    /// What is to be carried out, one after the other. What was dropped before is left alone, whatever is marked.
    fn commands(&self) -> Vec<Command> {
        let some = |value: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
        let all = !self.all.is_empty();
        if !all && self.id.is_empty() {
            return Vec::new();
        }
        let base = Filter {
            ids: if all { Vec::new() } else { self.id.clone() },
            mailbox: some(&self.mailbox),
            endpoint: some(&self.endpoint),
            ..Filter::default()
        };
        let dead = Reason::DEAD_LETTERS.map(|reason| (MessageState::Dead, Some(reason.as_str().to_owned())));
        let whole = [MessageState::Unrouted, MessageState::Quarantined].map(|state| (state, None));
        // What goes to no endpoint has none that could be asked for.
        let whole = whole.into_iter().filter(|_| base.endpoint.is_none());
        let filter = |(state, reason): (MessageState, Option<String>)| Filter {
            state: Some(state.as_str().to_owned()),
            reason,
            ..base.clone()
        };
        let command = |filter| match self.act.as_str() {
            "drop" => Some(Command::Drop { filter, erase: false }),
            "retry" => Some(Command::Retry { filter, to: None, raw: false }),
            _ => None,
        };
        dead.into_iter().chain(whole).map(filter).filter_map(command).collect()
    }
}

pub(super) async fn preview(State(means): State<Means>, submitted: Submitted<Form>) -> Result<Response, Failure> {
    let Submitted { operator, form } = submitted;
    let (mut change, mut bytes) = (0, 0);
    let mut counts = [("Endpoints", Vec::new()), ("Mailboxes", Vec::new()), ("States", Vec::new())];
    for command in form.commands() {
        let part = act::preview(&means, &command).await?;
        (change, bytes) = (change + part.would_change, bytes + part.bytes);
        for ((_, sums), of_part) in counts.iter_mut().zip([part.endpoints, part.mailboxes, part.states]) {
            of_part.into_iter().for_each(|(name, count)| add(sums, name, count));
        }
    }
    let shown = |sums: Vec<(String, u64)>| {
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
        change,
        bytes: words::size(bytes),
        counts: counts.collect(),
        consequence,
        form,
        frame: Frame::new("Dead letters: what would be done", "dead", who),
    })
}

fn add(sums: &mut Vec<(String, u64)>, name: String, count: u64) {
    match sums.iter_mut().find(|(known, _)| *known == name) {
        Some((_, sum)) => *sum += count,
        None => sums.push((name, count)),
    }
}

pub(super) async fn settle(State(means): State<Means>, submitted: Submitted<Form>) -> Result<Response, Failure> {
    let Submitted { operator, form } = submitted;
    let mut changed = 0;
    for command in form.commands() {
        changed += act::carry_out(&means, &operator, command).await?.changed;
    }
    let done = if form.act == "drop" { "drop" } else { "retry" };
    Ok(Redirect::to(&settle::done("/dead", done, changed)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(query: &str) -> Vec<Command> {
        serde_html_form::from_str::<Form>(query).unwrap().commands()
    }

    #[test]
    fn nothing_marked_settles_nothing() {
        assert_eq!(commands("act=drop&mailbox=&endpoint="), []);
        assert_eq!(commands("act=something&all=yes"), []);
    }

    #[test]
    fn what_was_dropped_before_is_left_alone() {
        for command in commands("act=retry&id=msg_a&id=msg_b") {
            let Command::Retry { filter, to: None, raw: false } = command else { panic!("{command:?}") };
            assert_eq!(filter.ids, ["msg_a", "msg_b"]);
            let state = filter.state.as_deref().unwrap();
            assert!(state != "dead" || filter.reason.is_some_and(|reason| reason != "dropped"));
            assert!(["dead", "unrouted", "quarantined"].contains(&state));
        }
    }

    #[test]
    fn all_that_the_filter_selects_does_not_mean_what_is_marked() {
        let all = commands("act=drop&all=yes&endpoint=desk&id=msg_a");
        assert_eq!(all.len(), Reason::DEAD_LETTERS.len(), "what goes to no endpoint is not selected: {all:?}");
        for command in all {
            let Command::Drop { filter, erase: false } = command else { panic!("{command:?}") };
            assert_eq!((filter.ids.len(), filter.endpoint.as_deref()), (0, Some("desk")));
        }
    }
}
