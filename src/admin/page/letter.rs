//! One mail: what it says, where it went, and what was tried.

use askama::Template;
use axum::Extension;
use axum::extract::Path;
use axum::extract::RawQuery;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;

use super::Failure;
use super::frame::Badge;
use super::frame::Frame;
use super::page;
use super::settle;
use super::words;
use crate::admin::Means;
use crate::admin::access::Reader;
use crate::admin::turns::Turn;
use crate::admin::turns::Turns;
use crate::parse;
use crate::parse::Mail;
use crate::spool;
use crate::spool::AttemptRow;
use crate::spool::DeliveryRow;
use crate::spool::Kind;
use crate::spool::MessageRow;
use crate::spool::Search;
use crate::spool::State as MessageState;

/// Characters of a text that a page shows; the rest is in the mail as it was received.
const TEXT_MAX: usize = 200_000;
/// Characters of a header field that are shown; its whole is in the mail as it was received.
const FIELD_MAX: usize = 4_000;
/// Header fields that are shown.
const FIELDS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "letter.html", config = "src/admin/page/askama.toml")]
struct Letter {
    frame: Frame,
    csrf: String,
    id: String,
    mailbox: String,
    at: String,
    ago: String,
    state: Badge,
    kind: String,
    size: String,
    is_mail: bool,
    is_here: bool,
    sees_mail: bool,
    may_operate: bool,
    /// Unrouted or quarantined: it waits for a human as a whole.
    waits: Option<&'static str>,
    /// Reading it failed: it can only be sent as it was received.
    is_unreadable: bool,
    /// Where it could be sent whatever the routes say.
    endpoints: Vec<String>,
    fields: Vec<(&'static str, String)>,
    /// Why nothing of the mail is shown.
    unshown: Option<&'static str>,
    deliveries: Vec<Delivery>,
    attempts: Vec<AttemptRow>,
    mail: Option<Shown>,
}

struct Delivery {
    endpoint: String,
    state: String,
    badge: Badge,
    attempts: u32,
    status: String,
    due: String,
    retries: bool,
    retry_label: &'static str,
    drops: bool,
    /// By what it is known again, so that a button that is pressed twice does its work once.
    set: String,
}

/// What a mail says.
struct Shown {
    attachments: Vec<Attached>,
    has_html: bool,
    no_html: Option<&'static str>,
    text: Option<String>,
    defects: Vec<String>,
    headers: Vec<(String, String)>,
}

struct Attached {
    /// Its place among the attachments, from 0.
    number: usize,
    name: String,
    content_type: String,
    size: String,
}

pub(super) async fn show(
    State(means): State<Means>,
    Extension(turns): Extension<Turns>,
    Reader(who): Reader,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let row = find(&means, &id).await?;
    let sees_mail = who.sees_mail();
    let turn = turns.next().await?;
    let (mail, unshown) = match open(&means, &row, sees_mail, &turn).await? {
        Ok(mail) => (Some(mail), None),
        Err(why) => (None, Some(why)),
    };
    let (message, now) = (&row.message, means.clock.now());
    // Making its HTML safe may take a while, which is not the time of those who serve.
    let said_by = |mail: Mail| {
        let subject = cut(mail.subject.as_deref().unwrap_or("(no subject)"));
        (subject, kind(&mail), fields(&mail), shown(mail))
    };
    let told = match mail {
        Some(mail) => Some(turn.spend(move || said_by(mail)).await?),
        None => None,
    };
    let (subject, kind, fields, mail) = match told {
        Some((subject, kind, fields, shown)) => (Some(subject), kind, fields, Some(shown)),
        None => (None, message.kind.as_str().to_owned(), Vec::new(), None),
    };
    let title = subject.unwrap_or_else(|| message.id.to_string());
    let said = settle::said(query.as_deref().unwrap_or_default());
    page(&Letter {
        csrf: who.csrf().to_owned(),
        id: message.id.to_string(),
        mailbox: message.mailbox.as_ref().map(ToString::to_string).unwrap_or_default(),
        at: words::time(message.spooled_at),
        ago: words::ago(now, message.spooled_at),
        state: words::of_message(&row),
        kind,
        size: words::size(message.size),
        is_mail: message.kind == Kind::Mail,
        is_here: row.released_at.is_none(),
        sees_mail,
        may_operate: who.may_operate(),
        waits: row.released_at.is_none().then(|| whole(row.state)).flatten(),
        is_unreadable: row.state == MessageState::Quarantined,
        endpoints: means.controls.endpoints().into_iter().map(|one| one.name.to_string()).collect(),
        fields,
        unshown,
        deliveries: row.deliveries.iter().map(|one| delivery(message.id.as_str(), one)).collect(),
        attempts: means.spool.attempts(message.key).await?,
        mail,
        frame: Frame { said, ..Frame::new(title, "messages", who) },
    })
}

/// The message of that id, with its deliveries.
pub(super) async fn find(means: &Means, id: &str) -> Result<MessageRow, Failure> {
    let wanted = Search { ids: vec![id.to_owned()], ..Search::default() };
    let found = means.spool.search(wanted, 1).await?.messages.into_iter().next();
    found.ok_or_else(|| Failure::missing("No message has this id, or its mailbox's ledger has forgotten it."))
}

/// The state of a message that waits for a human as a whole.
fn whole(state: MessageState) -> Option<&'static str> {
    matches!(state, MessageState::Unrouted | MessageState::Quarantined).then(|| state.as_str())
}

/// Parses a mail to show it; the reason where that is not done.
///
/// Only what the sorting has read whole is read here: a mail that kills its reader is quarantined, and must not take this
/// process down from a page.
pub(super) async fn open(
    means: &Means,
    row: &MessageRow,
    sees_mail: bool,
    turn: &Turn,
) -> Result<Result<Mail, &'static str>, Failure> {
    if row.message.kind != Kind::Mail {
        return Ok(Err("This is an event, and no mail: endpoints that ask for it are told of it."));
    }
    if !sees_mail {
        return Ok(Err("What mails say is not shown to you: your token may only see that they are there."));
    }
    if row.released_at.is_some() {
        return Ok(Err("Our copy of this mail is gone, by retention or by command."));
    }
    if !row.is_read() {
        return Ok(Err(
            "Nobody has read this mail yet, or reading it failed. It can be downloaded as it was received.",
        ));
    }
    let Some(raw) = means.spool.raw(row.message.key).await? else {
        return Ok(Err("Our copy of this mail is gone, by retention or by command."));
    };
    let raw = Bytes::from(raw);
    // A large mail takes a while, which is not the time of those who serve.
    let read = move || parse::parse_shared(&raw, &parse::Options::default());
    Ok(Ok(turn.spend(read).await?))
}

fn kind(mail: &Mail) -> String {
    let kind = mail.kind.map(|kind| kind.as_str()).unwrap_or_default();
    match &mail.kind_reason {
        Some(reason) => format!("{kind} ({reason})"),
        None => kind.to_owned(),
    }
}

fn fields(mail: &Mail) -> Vec<(&'static str, String)> {
    let list = |all: &[parse::Address]| {
        let one = |address: &parse::Address| match &address.name {
            Some(name) => format!("{name} <{}>", address.address),
            None => address.address.clone(),
        };
        all.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let real: Vec<&str> = mail.recipients.iter().map(|recipient| recipient.address.as_str()).collect();
    let all = [
        ("From", list(&mail.from)),
        ("Reply to", list(&mail.reply_to)),
        ("To", list(&mail.to)),
        ("Cc", list(&mail.cc)),
        ("Really for", real.join(", ")),
        ("Date", mail.date.clone().unwrap_or_default()),
        ("Message-ID", mail.message_id.clone().unwrap_or_default()),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, cut(&value))).collect()
}

fn cut(text: &str) -> String {
    text.chars().take(FIELD_MAX).collect()
}

fn delivery(id: &str, row: &DeliveryRow) -> Delivery {
    let dropped = row.reason.as_deref() == Some("dropped");
    Delivery {
        endpoint: row.endpoint.clone(),
        state: row.state.clone(),
        badge: words::of_delivery(row),
        attempts: row.attempts,
        status: row.last_status.map(|status| status.to_string()).unwrap_or_default(),
        due: row.due.map(words::time).unwrap_or_default(),
        retries: matches!(&*row.state, "dead" | "delivered"),
        retry_label: if row.state == "dead" { "Retry" } else { "Send again" },
        drops: row.state == "pending" || (row.state == "dead" && !dropped),
        set: spool::Shown::one(id, row).set.unwrap_or_default(),
    }
}

fn shown(mail: Mail) -> Shown {
    let html = mail.html.as_deref().map(parse::sanitize);
    let has_html = matches!(html, Some(Some(_)));
    let too_much = matches!(html, Some(None));
    let attachments = mail.attachments.iter().enumerate().map(|(number, part)| Attached {
        number,
        name: part.safe_filename.clone(),
        content_type: part.content_type.clone(),
        size: words::size(part.content.size()),
    });
    Shown {
        attachments: attachments.collect(),
        has_html,
        no_html: too_much.then_some("Its HTML is too large, or built to take too long; the text below is made of it."),
        text: mail.text.as_deref().map(|text| text.chars().take(TEXT_MAX).collect()),
        defects: mail.defects.iter().map(|defect| format!("{}: {}", defect.kind.as_str(), defect.detail)).collect(),
        headers: mail.headers.into_iter().take(FIELDS_MAX).map(|field| (cut(&field.name), cut(&field.value))).collect(),
    }
}
