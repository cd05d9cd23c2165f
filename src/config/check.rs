//! From the file's shape to what each room is told: here it must make sense.
//!
//! No check stops at its first problem. A section that cannot be used gives `None`, and then a problem says why; the
//! other sections are checked all the same.

mod certificates;
mod credential;
mod egress;
mod endpoint;
mod in_flight;
mod key_pair;
mod known;
mod mailbox;
mod notices;
mod oauth2;
mod operators;
mod parsing;
mod reload;
mod route;
mod server;
mod spool;
mod store;
mod when;

use std::sync::Arc;
use std::time::Duration;

use crate::collect;
use crate::config::Config;
use crate::config::Outline;
use crate::config::check::endpoint::Mail;
use crate::config::check::known::Known;
use crate::config::check::known::Names;
use crate::config::file::File;
use crate::config::outside::Outside;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::units::Size;
use crate::config::units::Within;
use crate::deliver;
use crate::ident::EndpointName;
use crate::oauth;
use crate::route::Routes;

/// Kubernetes kills after 30 s; this leaves time to close the spool.
const GRACE: Duration = Duration::from_secs(25);

/// What visits may hold in memory at once, if the file does not say.
const BYTES_IN_FLIGHT: Size = Size(128 << 20);

/// Turns `file` into a configuration. The outcome counts only if `report` is still empty after it.
pub(super) fn check(file: &File, outside: &dyn Outside, report: &mut Report) -> Option<Config> {
    let known_mailboxes = Known::of("mailbox", &file.mailboxes, |mailbox| mailbox.name.as_deref());
    let known_endpoints = Known::of("endpoint", &file.endpoints, |endpoint| endpoint.name.as_deref());

    let (spool, retention) = spool::check(file.spool.as_ref(), report).unzip();
    let mut collected = mailbox::check(&file.mailboxes, &known_endpoints, outside, report);
    if let Some(written) = &file.spool {
        spool::check_room(written, mailbox::largest_message(&file.mailboxes), report);
    }
    let egress = Arc::new(egress::check(file.egress.as_ref()));
    let mail = if has_smtp(file) { Mail::Sent } else { Mail::Nowhere };
    let store = store::check(file.attachment_store.as_ref(), outside, report);
    endpoint::attachments::check(&file.endpoints, file.attachment_store.is_some(), report);
    let endpoints = endpoint::check(&file.endpoints, &egress, (&known_endpoints, mail), outside, report);
    let notice = notices::check(file.notices.as_ref(), &endpoints, outside, report);
    let asks = |endpoint: &deliver::Endpoint| endpoint.events.contains(&deliver::Event::MailOversize);
    let oversize_events = endpoints.iter().any(asks);
    collected.mailboxes.iter_mut().for_each(|mailbox| mailbox.oversize_events = oversize_events);
    let known_labels = Known::labels(&file.mailboxes);
    let known = Names { mailboxes: &known_mailboxes, labels: &known_labels, endpoints: &known_endpoints };
    let rules = route::check(&file.routes, &known, report);

    let collect = file.collect.as_ref();
    let Within(max_visits) = collect.map_or(Within(100), |collect| or(&collect.max_visits, Within(100)));
    let Within(max_visits_per_host) =
        collect.map_or(Within(10), |collect| or(&collect.max_visits_per_host, Within(10)));
    let Size(max_bytes_in_flight) =
        collect.map_or(BYTES_IN_FLIGHT, |collect| or(&collect.max_bytes_in_flight, BYTES_IN_FLIGHT));
    let in_flight = in_flight::check(file.deliver.as_ref(), report);

    let routes = Routes { rules, deliver_to: collected.deliver_to, labels: collected.labels.clone() };
    Some(Config {
        spool: spool?,
        retention: retention?,
        collect: collect::Config {
            max_visits,
            max_visits_per_host,
            max_bytes_in_flight,
            mailboxes: collected.mailboxes,
        },
        oauth: oauth::Config { grants: collected.grants },
        deliver: deliver::Config {
            endpoints,
            routes,
            labels: collected.labels,
            reading: collected.reading,
            in_flight,
            store,
        },
        notice,
        admin: operators::check(file.admin.as_ref(), outside, report),
        grace: or(&file.grace, GRACE),
        reload: reload::check(file, report),
    })
}

/// Turns the section `spool` alone into a configuration.
pub(super) fn check_spool(file: &File, report: &mut Report) -> Option<crate::spool::Config> {
    spool::check(file.spool.as_ref(), report).map(|(spool, _)| spool)
}

/// Turns what is no secret into the names that the spool goes by. It counts only if `report` is still empty after it.
pub(super) fn check_outline(file: &File, report: &mut Report) -> Option<Outline> {
    let spool = check_spool(file, report);
    let mailboxes = mailbox::enrolments(&file.mailboxes, report);
    let mut endpoints = endpoint::names(&file.endpoints, report);
    endpoints.extend(has_smtp(file).then(EndpointName::mail));
    Some(Outline { spool: spool?, mailboxes, endpoints })
}

/// Whether there is a way for mail to humans.
fn has_smtp(file: &File) -> bool {
    file.notices.as_ref().is_some_and(|notices| notices.smtp.is_some())
}

/// The text of a key that must be written.
fn required<'a>(text: &'a Option<String>, path: &Path, remedy: &str, report: &mut Report) -> Option<&'a str> {
    match text.as_deref() {
        None => {
            report.missing(path, remedy);
            None
        }
        Some("") => {
            report.add(path, format!("is empty; {remedy}"));
            None
        }
        text => text,
    }
}

/// Passes on a value, or notes why there is none.
fn noted<T, E: Into<String>>(outcome: Result<T, E>, path: &Path, report: &mut Report) -> Option<T> {
    outcome.map_err(|text| report.add(path, text)).ok()
}

fn at_least(least: Duration, value: Duration, path: &Path, report: &mut Report) {
    if value < least {
        report.add(path, format!("is too short; write {} or more", humantime::format_duration(least)));
    }
}
