//! Who is told of an endpoint's dead letters.

use crate::config::check::known::Known;
use crate::config::file::Endpoint;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::ident::EndpointName;

/// Whether there is a way for mail to humans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config::check) enum Mail {
    /// `notices.smtp` is written.
    Sent,
    /// It is not.
    Nowhere,
}

pub(super) fn check(
    endpoint: &Endpoint,
    known: &Known<'_>,
    mail: Mail,
    path: &Path,
    report: &mut Report,
) -> Vec<EndpointName> {
    let Some(written) = &endpoint.on_dead_letter else { return Vec::new() };
    let path = path.key("on_dead_letter");
    let mut told = Vec::new();
    if let Some(name) = &written.endpoint {
        let path = path.key("endpoint");
        if Some(name) == endpoint.name.as_ref() {
            let remedy = "name another endpoint, or write on_dead_letter: null where it comes from the defaults";
            report.add(&path, format!("is this very endpoint, which did not take the mail; {remedy}"));
        }
        known.expect(name, |a, b| a == b, &path, report);
        // A name that is known and not legal is reported where it is given.
        told.extend(EndpointName::parse(name).ok());
    }
    if written.email == Some(true) {
        if mail == Mail::Nowhere {
            report.add(&path.key("email"), "has no mail server; write notices.smtp, with host, from and to");
        }
        told.push(EndpointName::mail());
    }
    told
}
