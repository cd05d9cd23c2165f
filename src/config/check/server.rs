//! A mailbox's server, and the name there.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use crate::config::check::certificates;
use crate::config::check::noted;
use crate::config::check::required;
use crate::config::file::Mailbox;
use crate::config::outside::Outside;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::units::Within;
use crate::pop3;
use crate::pop3::Auth;
use crate::pop3::Capa;
use crate::pop3::Pipelining;
use crate::pop3::Timeouts;
use crate::pop3::Tls;

/// RETR commands under way where nobody says otherwise: as many as 50 ms of round trip need.
const WINDOW: NonZeroUsize = NonZeroUsize::new(32).unwrap();

pub(super) fn check(
    mailbox: &Mailbox,
    path: &Path,
    outside: &dyn Outside,
    report: &mut Report,
) -> Option<pop3::Config> {
    let tls = or(&mailbox.tls, Tls::Implicit);
    let ca_path = path.key("ca_file");
    if mailbox.ca_file.is_some() && tls == Tls::None {
        report.add(&ca_path, "has no effect with tls: none; take one of them out");
    }
    let ca_pem = certificates::read(mailbox.ca_file.as_deref(), &ca_path, outside, report);

    let (host, username) = login(mailbox, path, report);

    Some(pop3::Config {
        host: host?.to_owned(),
        port: port(mailbox),
        tls,
        ca_pem,
        username: username?.to_owned(),
        auth: or(&mailbox.auth, Auth::Auto),
        pipelining: or(&mailbox.pipelining, Pipelining::Window(WINDOW)),
        capa: Capa::Asked,
        timeouts: Timeouts::default(),
    })
}

/// The host and the login name.
pub(super) fn login<'a>(mailbox: &'a Mailbox, path: &Path, report: &mut Report) -> (Option<&'a str>, Option<&'a str>) {
    let host_path = path.key("host");
    let host = required(&mailbox.host, &host_path, "write the server's name, such as pop.example.com", report)
        .and_then(|text| noted(host(text), &host_path, report));
    let user_path = path.key("username");
    let username = required(&mailbox.username, &user_path, "write the login name", report)
        .and_then(|text| noted(username(text), &user_path, report));
    (host, username)
}

/// The port that a mailbox is visited on.
pub(super) fn port(mailbox: &Mailbox) -> u16 {
    let usual = match or(&mailbox.tls, Tls::Implicit) {
        Tls::Implicit => 995,
        Tls::StartTls | Tls::None => 110,
    };
    mailbox
        .port
        .and_then(|port| {
            let Within(port) = port.0;
            u16::try_from(port).ok()
        })
        .unwrap_or(usual)
}

/// A host name or an address.
pub(super) fn host(text: &str) -> Result<&str, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.parse::<IpAddr>().is_ok() || text.chars().all(legal) {
        return Ok(text);
    }
    let remedy = if text.contains("://") {
        "take the part before :// out, and say how the line is protected with tls"
    } else if text.contains(':') || text.contains('[') {
        "write the port with the key port, and an IPv6 address without brackets"
    } else if text.is_ascii() {
        "write a name such as pop.example.com"
    } else {
        "write it in its ASCII form, which starts with xn--"
    };
    Err(format!("{text:?} is no host name; {remedy}"))
}

fn username(text: &str) -> Result<&str, &'static str> {
    if text.contains(char::is_control) { Err("holds a control character; take it out") } else { Ok(text) }
}
