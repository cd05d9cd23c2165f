//! What is told to humans, and to the endpoints that ask for it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lettre::Address;

use crate::config::check::certificates;
use crate::config::check::noted;
use crate::config::check::required;
use crate::config::check::server::host;
use crate::config::file::Notices;
use crate::config::file::Smtp;
use crate::config::list::List;
use crate::config::list::items;
use crate::config::outside::Outside;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::secret::resolve;
use crate::config::units::Within;
use crate::deliver;
use crate::deliver::Event;
use crate::ident::EndpointName;
use crate::notice;
use crate::notice::Tls;
use crate::secret::Secret;
use crate::spool::Change;

pub(super) fn check(
    notices: Option<&Notices>,
    endpoints: &[deliver::Endpoint],
    outside: &dyn Outside,
    report: &mut Report,
) -> notice::Config {
    let path = Path::default().key("notices").key("smtp");
    let smtp = notices.and_then(|notices| notices.smtp.as_ref());
    notice::Config { asked: asked(endpoints), smtp: smtp.and_then(|smtp| check_smtp(smtp, &path, outside, report)) }
}

/// The endpoints that ask for each change.
fn asked(endpoints: &[deliver::Endpoint]) -> BTreeMap<Change, Vec<EndpointName>> {
    let mut asked: BTreeMap<Change, Vec<EndpointName>> = BTreeMap::new();
    for endpoint in endpoints {
        for event in &endpoint.events {
            if let Event::Changed(change) = event {
                let to = asked.entry(*change).or_default();
                if !to.contains(&endpoint.name) {
                    to.push(endpoint.name.clone());
                }
            }
        }
    }
    asked
}

fn check_smtp(smtp: &Smtp, path: &Path, outside: &dyn Outside, report: &mut Report) -> Option<notice::Smtp> {
    let tls = or(&smtp.tls, Tls::StartTls);
    let host_path = path.key("host");
    let host = required(&smtp.host, &host_path, "write the server's name, such as smtp.example.com", report)
        .and_then(|text| noted(host(text), &host_path, report));
    let ca_path = path.key("ca_file");
    if smtp.ca_file.is_some() && tls == Tls::None {
        report.add(&ca_path, "has no effect with tls: none; take one of them out");
    }
    let ca_pem = certificates::read(smtp.ca_file.as_deref(), &ca_path, outside, report);
    let login = login(smtp, path, outside, report);
    if login.is_some() && tls == Tls::None && !host.is_some_and(is_here) {
        report.add(&path.key("tls"), "would send the password in clear; write starttls or implicit");
    }
    let from_path = path.key("from");
    let from = required(&smtp.from, &from_path, "write an address, such as pophook@example.com", report)
        .and_then(|text| noted(address(text), &from_path, report));
    let to = recipients(&smtp.to, &path.key("to"), report);
    Some(notice::Smtp { host: host?.to_owned(), port: port(smtp, tls), tls, ca_pem, login, from: from?, to })
}

fn port(smtp: &Smtp, tls: Tls) -> u16 {
    let usual = match tls {
        Tls::Implicit => 465,
        Tls::StartTls => 587,
        Tls::None => 25,
    };
    let Within(port) = or(&smtp.port, Within(usize::from(usual)));
    u16::try_from(port).unwrap_or(usual)
}

fn login(smtp: &Smtp, path: &Path, outside: &dyn Outside, report: &mut Report) -> Option<(String, Secret)> {
    let (user_path, password_path) = (path.key("username"), path.key("password"));
    let password = smtp.password.as_ref().and_then(|source| noted(resolve(source, outside), &password_path, report));
    match (&smtp.username, &smtp.password) {
        (None, None) => None,
        (Some(_), None) => {
            report.missing(&password_path, "write the password of username, or take username out");
            None
        }
        (None, Some(_)) => {
            report.missing(&user_path, "write the login name, or take password out");
            None
        }
        (Some(username), Some(_)) => Some((username.clone(), password?)),
    }
}

fn recipients(list: &Option<List<String>>, path: &Path, report: &mut Report) -> Vec<Address> {
    if list.as_ref().is_none_or(List::is_empty) {
        report.missing(path, "write at least one address, such as [ops@example.com]");
    }
    items(list).filter_map(|(at, text)| noted(address(text), &path.index(at), report)).collect()
}

/// The texts do not repeat the address: it may be anything that was pasted there.
fn address(text: &str) -> Result<Address, &'static str> {
    let address = text.parse().ok().filter(|address: &Address| AsRef::<str>::as_ref(address).is_ascii());
    address.ok_or("is no mail address; write one such as ops@example.com, without a name and <>")
}

/// Whether a host is this machine: what is sent there passes no line.
fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}
