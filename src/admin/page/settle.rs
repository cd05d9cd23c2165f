//! What the forms of pages do: each is one act, after which the page is shown again and says what was done.

use askama::Template;
use axum::extract::Path;
use axum::extract::State;
use axum::response::IntoResponse as _;
use axum::response::Redirect;
use axum::response::Response;
use serde::Deserialize;

use super::Failure;
use super::frame::Frame;
use super::frame::link;
use super::page;
use crate::admin::Means;
use crate::admin::access::Operator;
use crate::admin::access::Submitted;
use crate::admin::act;
use crate::admin::act::ActError;
use crate::admin::controls::Tested;
use crate::ident::EndpointName;
use crate::spool::Command;
use crate::spool::Filter;
use crate::spool::Shown;

/// A form that says no more than which button was pressed.
#[derive(Debug, Deserialize)]
pub(super) struct Press {}

/// Which delivery of a message is meant, and as what it was shown; the message as a whole where no endpoint is named.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct One {
    endpoint: String,
    state: String,
    /// An endpoint that gets it whatever the routes say.
    to: String,
    /// Not empty: unparsed.
    raw: String,
    /// By what a delivery is known again, as it was shown.
    set: String,
}

#[derive(Template)]
#[template(path = "tested.html", config = "src/admin/page/askama.toml")]
struct Test {
    frame: Frame,
    tested: Tested,
}

/// What a page is told that is shown after an act.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Done {
    done: String,
    count: u64,
}

/// The address of a page that says that `what` was done to `count`.
pub(super) fn done(path: &str, what: &str, count: u64) -> String {
    link(path, &[("done", what), ("count", &count.to_string())])
}

/// What was done, in a sentence of ours: an address that somebody made up can say nothing else.
pub(super) fn said(query: &str) -> Option<String> {
    let Done { done, count } = serde_html_form::from_str(query).unwrap_or_default();
    let deliveries =
        if count == 1 { "1 delivery or message".to_owned() } else { format!("{count} deliveries or messages") };
    let said = match done.as_str() {
        "retry" | "drop" if count == 0 => "Nothing was changed: somebody settled it meanwhile.".to_owned(),
        "retry" => format!("{deliveries} will be tried again."),
        "drop" => format!("{deliveries} dropped."),
        "visit" => "The mailbox is visited as soon as its server allows.".to_owned(),
        "pause" => "The mailbox is paused: it is visited no more until somebody resumes it.".to_owned(),
        "unpause" => "The mailbox is visited again.".to_owned(),
        "resume" => "The endpoint is tried again at once.".to_owned(),
        _ => return None,
    };
    Some(said)
}

impl One {
    /// What was shown when the button was pressed, and nothing that it has become since.
    fn filter(&self, id: String) -> Result<Filter, Failure> {
        let some = |value: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
        let state = some(&self.state).ok_or_else(|| Failure::conflict("The form does not say what was shown."))?;
        Ok(Filter { ids: vec![id], endpoint: some(&self.endpoint), state: Some(state), ..Filter::default() })
    }

    /// Tells how many changed: none, where it is something else by now than what was shown.
    async fn settle(&self, means: &Means, operator: &Operator, command: Command) -> Result<u64, Failure> {
        let shown = Shown { changed: None, set: Some(self.set.clone()).filter(|set| !set.is_empty()) };
        let command = Command::AsShown { shown, command: Box::new(command) };
        match act::carry_out(means, operator, command).await {
            Ok(done) => Ok(done.changed),
            Err(ActError::NotAsShown(_)) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

pub(super) async fn retry_one(
    State(means): State<Means>,
    Path(id): Path<String>,
    Submitted { operator, form }: Submitted<One>,
) -> Result<Response, Failure> {
    let to = Some(form.to.clone()).filter(|to| !to.is_empty());
    let command = Command::Retry { filter: form.filter(id.clone())?, raw: to.is_some() && !form.raw.is_empty(), to };
    let changed = form.settle(&means, &operator, command).await?;
    Ok(back(&format!("/messages/{id}"), "retry", changed))
}

pub(super) async fn drop_one(
    State(means): State<Means>,
    Path(id): Path<String>,
    Submitted { operator, form }: Submitted<One>,
) -> Result<Response, Failure> {
    let command = Command::Drop { filter: form.filter(id.clone())?, erase: false };
    let changed = form.settle(&means, &operator, command).await?;
    Ok(back(&format!("/messages/{id}"), "drop", changed))
}

pub(super) async fn visit(
    State(means): State<Means>,
    Path(mailbox): Path<String>,
    Submitted { operator, .. }: Submitted<Press>,
) -> Result<Response, Failure> {
    act::carry_out(&means, &operator, Command::Visit { mailbox }).await?;
    Ok(back("/", "visit", 1))
}

pub(super) async fn pause(
    State(means): State<Means>,
    Path(mailbox): Path<String>,
    Submitted { operator, .. }: Submitted<Press>,
) -> Result<Response, Failure> {
    act::carry_out(&means, &operator, Command::Pause { mailbox }).await?;
    Ok(back("/", "pause", 1))
}

pub(super) async fn unpause(
    State(means): State<Means>,
    Path(mailbox): Path<String>,
    Submitted { operator, .. }: Submitted<Press>,
) -> Result<Response, Failure> {
    act::carry_out(&means, &operator, Command::Unpause { mailbox }).await?;
    Ok(back("/", "unpause", 1))
}

pub(super) async fn resume(
    State(means): State<Means>,
    Path(endpoint): Path<String>,
    Submitted { operator, .. }: Submitted<Press>,
) -> Result<Response, Failure> {
    act::carry_out(&means, &operator, Command::Resume { endpoint }).await?;
    Ok(back("/", "resume", 1))
}

pub(super) async fn test(
    State(means): State<Means>,
    Path(endpoint): Path<String>,
    Submitted { operator, .. }: Submitted<Press>,
) -> Result<Response, Failure> {
    let endpoint = EndpointName::parse(&endpoint).map_err(|_| Failure::missing("No endpoint has this name."))?;
    let tested = act::test(&means, &operator, &endpoint).await?;
    let title = format!("Test of {endpoint}");
    page(&Test { frame: Frame::new(title, "overview", operator.who().clone()), tested })
}

fn back(path: &str, what: &str, count: u64) -> Response {
    Redirect::to(&done(path, what, count)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_was_done_and_nothing_that_an_address_says() {
        let check = |query: &str, expected: Option<&str>| assert_eq!(said(query).as_deref(), expected, "{query}");
        check("done=retry&count=1", Some("1 delivery or message will be tried again."));
        check("done=drop&count=3", Some("3 deliveries or messages dropped."));
        check("done=retry&count=0", Some("Nothing was changed: somebody settled it meanwhile."));
        check("done=Your+account+is+locked&count=1", None);
        check("mailbox=a", None);
        check("", None);
    }
}
