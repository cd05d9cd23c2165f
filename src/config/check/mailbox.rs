//! The mailboxes: each by itself, and against each other.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::collect;
use crate::collect::Dedupe;
use crate::collect::SessionLimits;
use crate::config::check::at_least;
use crate::config::check::credential;
use crate::config::check::known::Known;
use crate::config::check::known::Taken;
use crate::config::check::known::deliver_to;
use crate::config::check::noted;
use crate::config::check::parsing;
use crate::config::check::required;
use crate::config::check::server;
use crate::config::file::Mailbox;
use crate::config::file::Retention;
use crate::config::list::List;
use crate::config::list::items;
use crate::config::outside::Outside;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::units::Size;
use crate::config::units::Within;
use crate::deliver::Reading;
use crate::ident::EndpointName;
use crate::ident::MailboxName;
use crate::oauth::Grant;
use crate::retention::OnServer;
use crate::retention::Policy;
use crate::spool::Enrolment;

const POLL_INTERVAL: Duration = Duration::from_secs(60);
const POLL_INTERVAL_MIN: Duration = Duration::from_secs(1);
const VISIT_TIMEOUT: Duration = Duration::from_secs(15 * 60);
const VISIT_TIMEOUT_MIN: Duration = Duration::from_secs(1);
const MAX_MESSAGE_SIZE: Size = Size(50 << 20);
const SESSION_MESSAGES: usize = 1000;
const SESSION_SIZE: Size = Size(256 << 20);
const SESSION_TIME: Duration = Duration::from_secs(120);
const SESSION_TIME_MIN: Duration = Duration::from_secs(1);

/// What the mailboxes of the file are to each room.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) mailboxes: Vec<collect::Mailbox>,
    pub(super) grants: BTreeMap<MailboxName, Grant>,
    pub(super) deliver_to: BTreeMap<MailboxName, Vec<EndpointName>>,
    pub(super) labels: BTreeMap<MailboxName, BTreeMap<String, String>>,
    pub(super) reading: Reading,
}

pub(super) fn check(
    list: &Option<List<Mailbox>>,
    endpoints: &Known<'_>,
    outside: &dyn Outside,
    report: &mut Report,
) -> Collected {
    let path = Path::default().key("mailboxes");
    if list.as_ref().is_none_or(List::is_empty) {
        report.missing(&path, "write at least one mailbox, with name, host, username, password and start_from");
    }
    check_names(list, &path, report);
    check_maildrops(list, &path, report);
    let mut collected = Collected::default();
    for (at, mailbox) in items(list) {
        let path = path.index(at);
        let deliver_to = deliver_to(&mailbox.deliver_to, endpoints, &path.key("deliver_to"), report);
        let options = parsing::check(mailbox.parse.as_ref(), &path.key("parse"), report);
        let Some((checked, grant)) = check_one(mailbox, &path, outside, report) else { continue };
        collected.deliver_to.insert(checked.name.clone(), deliver_to);
        collected.labels.insert(checked.name.clone(), mailbox.labels.clone().unwrap_or_default());
        collected.reading.0.insert(checked.name.clone(), options);
        collected.grants.extend(grant.map(|grant| (checked.name.clone(), grant)));
        collected.mailboxes.push(checked);
    }
    collected
}

/// The place of the mailbox that takes the largest messages, and their size.
pub(super) fn largest_message(list: &Option<List<Mailbox>>) -> Option<(usize, Size)> {
    let sizes = items(list).map(|(at, mailbox)| (at, or(&mailbox.max_message_size, MAX_MESSAGE_SIZE)));
    sizes.max_by_key(|(_, Size(bytes))| *bytes)
}

/// What the spool is told of the mailboxes; nothing of it is secret.
pub(super) fn enrolments(list: &Option<List<Mailbox>>, report: &mut Report) -> Vec<Enrolment> {
    let path = Path::default().key("mailboxes");
    check_names(list, &path, report);
    check_maildrops(list, &path, report);
    let enrolment = |(at, mailbox): (usize, &Mailbox)| {
        let path = path.index(at);
        let (name, identity) = names(mailbox, &path, report);
        let (host, username) = server::login(mailbox, &path, report);
        let (mailbox, host, username) = (name?, host?.to_owned(), username?.to_owned());
        let former_name = identity.filter(|former| *former != mailbox);
        Some(Enrolment { mailbox, former_name, host, username })
    };
    items(list).filter_map(enrolment).collect()
}

fn check_one(
    mailbox: &Mailbox,
    path: &Path,
    outside: &dyn Outside,
    report: &mut Report,
) -> Option<(collect::Mailbox, Option<Grant>)> {
    let (name, identity) = names(mailbox, path, report);
    let server = server::check(mailbox, path, outside, report);
    let credential = credential::check(mailbox, path, outside, report);
    let retention = retention(mailbox.retention.as_ref(), &path.key("retention"), report);

    let poll_interval = or(&mailbox.poll_interval, POLL_INTERVAL);
    at_least(POLL_INTERVAL_MIN, poll_interval, &path.key("poll_interval"), report);
    let visit_timeout = or(&mailbox.visit_timeout, VISIT_TIMEOUT);
    at_least(VISIT_TIMEOUT_MIN, visit_timeout, &path.key("visit_timeout"), report);
    let Size(max_message_size) = or(&mailbox.max_message_size, MAX_MESSAGE_SIZE);
    if max_message_size == 0 {
        report.add(&path.key("max_message_size"), "would take no mail at all; write a size such as 50MiB");
    }
    if mailbox.start_from.is_none() {
        let remedy = "write all (take what is there), now (take only new mail) or a date such as 2026-01-31";
        report.missing(&path.key("start_from"), remedy);
    }
    let (credential, grant) = credential?;
    let mailbox = collect::Mailbox {
        name: name?,
        identity: identity?,
        server: server?,
        credential,
        poll_interval,
        start_from: mailbox.start_from?.0,
        max_message_size,
        // Which endpoints ask is known once all are checked.
        oversize_events: false,
        retention,
        dedupe: or(&mailbox.dedupe, Dedupe::Content),
        visit_timeout,
        session: session(mailbox, path, report),
    };
    Some((mailbox, grant))
}

/// The mailbox's name, and the one that its ids are made with.
fn names(mailbox: &Mailbox, path: &Path, report: &mut Report) -> (Option<MailboxName>, Option<MailboxName>) {
    let name_path = path.key("name");
    let name = required(&mailbox.name, &name_path, "write a name that will never change", report)
        .and_then(|name| noted(MailboxName::parse(name).map_err(|e| e.to_string()), &name_path, report));
    let former_path = path.key("former_name");
    let identity = match mailbox.former_name.as_deref() {
        None => name.clone(),
        Some(former) => noted(MailboxName::parse(former).map_err(|e| e.to_string()), &former_path, report),
    };
    (name, identity)
}

fn session(mailbox: &Mailbox, path: &Path, report: &mut Report) -> SessionLimits {
    let Within(messages) = or(&mailbox.max_session_messages, Within(SESSION_MESSAGES));
    let Size(bytes) = or(&mailbox.max_session_size, SESSION_SIZE);
    if bytes == 0 {
        report.add(&path.key("max_session_size"), "would take no mail at all; write a size such as 256MiB");
    }
    let time = or(&mailbox.max_session_time, SESSION_TIME);
    at_least(SESSION_TIME_MIN, time, &path.key("max_session_time"), report);
    SessionLimits { messages, bytes, time }
}

fn retention(written: Option<&Retention>, path: &Path, report: &mut Report) -> Policy {
    let nothing = Retention::default();
    let written = written.unwrap_or(&nothing);
    let on_server = or(&written.on_server, OnServer::Keep);
    let delete_after = or(&written.delete_after, Duration::ZERO);
    let Within(keep_latest) = or(&written.keep_latest, Within(0));
    // A slip in on_server reads as keep here, and is reported as such.
    if on_server == OnServer::Keep && !report.has(&path.key("on_server")) {
        let text = "has no effect with on_server: keep; take it out, or write when mail is deleted";
        if !delete_after.is_zero() {
            report.add(&path.key("delete_after"), text);
        }
        if keep_latest > 0 {
            report.add(&path.key("keep_latest"), text);
        }
    }
    Policy { on_server, delete_after, keep_latest }
}

/// Names are unique; so are the names in the ids, or equal mails of two mailboxes would be one.
fn check_names(list: &Option<List<Mailbox>>, path: &Path, report: &mut Report) {
    let mut names = Taken::none("mailboxes");
    for (at, mailbox) in items(list) {
        for name in mailbox.name.iter() {
            names.take(name, at, &path.index(at).key("name"), report);
        }
    }
    for (at, mailbox) in items(list) {
        for name in mailbox.former_name.iter() {
            names.take(name, at, &path.index(at).key("former_name"), report);
        }
    }
}

/// Two mailboxes on one maildrop would take, and delete, each other's mail.
fn check_maildrops(list: &Option<List<Mailbox>>, path: &Path, report: &mut Report) {
    let mut seen = BTreeMap::new();
    for (at, mailbox) in items(list) {
        let (Some(host), Some(username)) = (&mailbox.host, &mailbox.username) else { continue };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let first = *seen.entry((host, server::port(mailbox), username)).or_insert(at);
        if first != at {
            let text = format!("has the host, port and username of mailboxes[{first}]; one maildrop is one mailbox");
            report.add(&path.index(at), text);
        }
    }
}
