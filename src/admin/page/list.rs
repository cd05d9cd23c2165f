//! All mail of all mailboxes in one list, with search.

use askama::Template;
use axum::extract::RawQuery;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::Failure;
use super::frame::Badge;
use super::frame::Choice;
use super::frame::Frame;
use super::frame::link;
use super::page;
use super::words;
use crate::admin::Means;
use crate::admin::access::Reader;
use crate::parse::Kind as MailKind;
use crate::spool::Change;
use crate::spool::Kind;
use crate::spool::MessageKey;
use crate::spool::MessageRow;
use crate::spool::Search;
use crate::spool::State as MessageState;

/// Lines of one page.
pub(super) const LINES: usize = 50;

/// What the form asks for; empty where anything will do.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    mailbox: String,
    endpoint: String,
    state: String,
    kind: String,
    /// Days in UTC.
    since: String,
    until: String,
    before: String,
}

#[derive(Template)]
#[template(path = "list.html", config = "src/admin/page/askama.toml")]
struct List {
    frame: Frame,
    asked: Asked,
    sees_mail: bool,
    choices: Vec<Choice>,
    wrong: Option<&'static str>,
    is_filtered: bool,
    rows: Vec<Line>,
    first_page: Option<String>,
    next_page: Option<String>,
}

/// One line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) at: String,
    pub(super) ago: String,
    pub(super) mailbox: String,
    pub(super) sender: String,
    pub(super) subject: String,
    pub(super) attachments: u32,
    pub(super) kind: String,
    pub(super) badges: Vec<Badge>,
    pub(super) size: String,
}

impl Line {
    /// What is shown of `row` to somebody who may see mail, or may not.
    pub(super) fn of(row: &MessageRow, sees_mail: bool, now: Timestamp) -> Line {
        let message = &row.message;
        let glance = row.glance.as_ref();
        let subject = match (glance, message.kind) {
            (_, kind) if kind != Kind::Mail => "an event".to_owned(),
            (Some(_), _) if !sees_mail => message.id.to_string(),
            (Some(glance), _) => glance.subject.clone().unwrap_or_else(|| "(no subject)".to_owned()),
            (None, _) => "(not read yet)".to_owned(),
        };
        let shown = glance.filter(|_| sees_mail);
        Line {
            id: message.id.to_string(),
            at: words::time(message.spooled_at),
            ago: words::ago(now, message.spooled_at),
            mailbox: message.mailbox.as_ref().map(ToString::to_string).unwrap_or_default(),
            sender: shown.map(|glance| glance.sender.clone()).unwrap_or_default(),
            subject,
            attachments: shown.map_or(0, |glance| glance.attachments),
            kind: glance.map_or(message.kind.as_str(), |glance| &glance.kind).to_owned(),
            badges: words::of_line(row),
            size: words::size(message.size),
        }
    }
}

impl Asked {
    /// What to look for, and what of it makes no sense. Whoever may not see mail cannot search in it either.
    fn search(&self, sees_mail: bool) -> (Search, Option<&'static str>) {
        let list = |value: &str| if value.is_empty() { Vec::new() } else { vec![value.to_owned()] };
        let (since, until) = (day(&self.since), day(&self.until));
        let wrong = (since.is_err() || until.is_err()).then_some("A day is written as 2026-01-31.");
        let end =
            |start: Timestamp| start.checked_add(24.hours()).and_then(|end| end.checked_sub(1.millisecond())).ok();
        let search = Search {
            text: if sees_mail { self.q.clone() } else { String::new() },
            mailboxes: list(&self.mailbox),
            endpoints: list(&self.endpoint),
            states: MessageState::parse(&self.state).into_iter().collect(),
            kinds: list(&self.kind),
            waits_for_human: self.state == "attention",
            since: since.ok().flatten(),
            until: until.ok().flatten().and_then(end),
            before: self.before.parse().ok().map(MessageKey::of_number),
            ..Search::default()
        };
        (search, wrong)
    }

    /// The same list from `before` on.
    fn link(&self, before: &str) -> String {
        let Asked { q, mailbox, endpoint, state, kind, since, until, before: _ } = self;
        let fields = [
            ("q", q),
            ("mailbox", mailbox),
            ("endpoint", endpoint),
            ("state", state),
            ("kind", kind),
            ("since", since),
        ];
        let mut query: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        query.extend([("until", until.as_str()), ("before", before)]);
        link("/messages", &query)
    }
}

/// The beginning of a day in UTC; `None` where nothing is written.
fn day(text: &str) -> Result<Option<Timestamp>, jiff::Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let day: Date = text.parse()?;
    Ok(Some(TimeZone::UTC.to_timestamp(day.to_datetime(Time::midnight()))?))
}

pub(super) async fn show(
    State(means): State<Means>,
    Reader(who): Reader,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let asked: Asked = serde_html_form::from_str(&query.unwrap_or_default()).unwrap_or_default();
    let sees_mail = who.sees_mail();
    let (search, wrong) = asked.search(sees_mail);
    let found = means.spool.search(search, LINES).await?;
    let now = means.clock.now();
    let next = found.next.map(|key| key.number().to_string());
    let first_page = (!asked.before.is_empty()).then(|| asked.link(""));
    page(&List {
        sees_mail,
        choices: choices(&means, &asked).await?,
        wrong,
        is_filtered: asked.link("") != "/messages",
        rows: found.messages.iter().map(|row| Line::of(row, sees_mail, now)).collect(),
        first_page,
        next_page: next.map(|next| asked.link(&next)),
        frame: Frame::new("Mail", "messages", who),
        asked,
    })
}

async fn choices(means: &Means, asked: &Asked) -> Result<Vec<Choice>, Failure> {
    let kinds: Vec<&str> = MailKind::ALL
        .into_iter()
        .map(MailKind::as_str)
        .chain(["mail.oversize", Kind::DeadLetter.as_str()])
        .chain(Change::ALL.into_iter().map(Change::as_str))
        .collect();
    let [mailboxes, endpoints] = names(means).await?;
    Ok(vec![
        Choice::of_names("Mailbox", "mailbox", &mailboxes, &asked.mailbox),
        Choice::of_names("Endpoint", "endpoint", &endpoints, &asked.endpoint),
        Choice::new("State", "state", words::STATES, &asked.state),
        Choice::new("Kind", "kind", kinds.into_iter().map(|kind| (kind, kind)), &asked.kind),
    ])
}

/// The mailboxes and the endpoints that the spool knows.
pub(super) async fn names(means: &Means) -> Result<[Vec<String>; 2], Failure> {
    let mailboxes = means.spool.mailboxes().await?.into_iter().map(|row| row.mailbox).collect();
    let endpoints = means.spool.endpoints().await?.into_iter().map(|row| row.endpoint.to_string()).collect();
    Ok([mailboxes, endpoints])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        serde_html_form::from_str(query).unwrap()
    }

    #[test]
    fn an_empty_form_asks_for_everything() {
        let (search, wrong) = asked("q=&mailbox=&endpoint=&state=&kind=&since=&until=").search(true);
        assert_eq!((search, wrong), (Search::default(), None));
    }

    #[test]
    fn a_day_is_whole_and_in_utc() {
        let (search, wrong) = asked("since=2026-01-30&until=2026-01-31").search(true);
        assert_eq!(search.since, "2026-01-30T00:00:00Z".parse().ok());
        assert_eq!((search.until, wrong), ("2026-01-31T23:59:59.999Z".parse().ok(), None));
        assert!(asked("since=yesterday").search(true).1.is_some());
    }

    #[test]
    fn whoever_may_not_see_mail_cannot_search_in_it() {
        let (search, _) = asked("q=salary&state=dead").search(false);
        assert_eq!((&*search.text, search.states), ("", vec![MessageState::Dead]));
    }

    #[test]
    fn the_next_page_keeps_what_was_asked_for() {
        let asked = asked("q=a+%26+b&state=attention&before=7");
        assert_eq!(asked.link("9"), "/messages?q=a+%26+b&state=attention&before=9");
        assert_eq!(asked.link(""), "/messages?q=a+%26+b&state=attention");
    }
}
