//! Certificates that are trusted, and one of our own.

use super::check;
use super::smtp;
use super::support::pop3_server::Pop3Server;
use super::support::pophook::Endpoint;
use super::support::pophook::Mailbox;
use super::support::receiver::Answer;
use super::support::receiver::Receiver;
use super::support::tls_peer::Identity;
use super::support::tls_peer::Met;
use super::support::tls_peer::TlsPeer;
use super::support::volume::Volume;

/// A bundle of certificates that `parts` have trusted: first it holds a stranger's, then that of the peer.
#[track_caller]
fn check_bundle(what: &str, parts: impl Fn(&Pop3Server, &TlsPeer, &str) -> (Mailbox, Endpoint, String)) {
    let (server, identity) = (Pop3Server::start(Vec::new()), Identity::new("peer"));
    let (peer, bundles) = (TlsPeer::start(&identity), [Identity::new("stranger").pem(), identity.pem()]);
    let parts = |volume: &Volume| parts(&server, &peer, &format!("ca_file: {}", volume.path("ca.pem").display()));
    let is_used = |which: usize| peer.met().contains(&[Met::Distrusted, Met::Trusted(None)][which]);
    check(what, &[("ca.pem", [&bundles[0], &bundles[1]])], &server, parts, is_used);
}

/// Where nothing is ever taken, tried again less often than a breaker would mind.
fn out_of_reach(url: &str) -> Endpoint {
    Endpoint::new("desk", url).line("backoff: [1s]")
}

#[test]
fn a_bundle_of_certificates_is_changed() {
    let desk = Receiver::start();
    check_bundle("of a mailbox", |_, peer, bundle| {
        let tls = ["tls: none", &format!("port: {}", peer.port)];
        let mailbox = Mailbox::in_clear(peer.port, "support").without(tls[0]).line("tls: implicit").line(bundle);
        (mailbox, Endpoint::desk(&desk), String::new())
    });
    check_bundle("of an endpoint", |server, peer, bundle| {
        let desk = out_of_reach(&format!("https://127.0.0.1:{}/", peer.port)).line(bundle);
        (Mailbox::scripted(server), desk, String::new())
    });
    let refusing = Receiver::start();
    refusing.set(Answer::Status(422));
    check_bundle("of the mail server of reports", |server, peer, bundle| {
        let more = smtp(peer.port, &format!("tls: implicit, {bundle}"));
        (Mailbox::scripted(server), Endpoint::desk(&refusing).line("on_dead_letter: { email: true }"), more)
    });
}

#[test]
fn our_own_certificate_is_changed() {
    let (server, identity) = (Pop3Server::start(Vec::new()), Identity::new("peer"));
    let (peer, ours) = (TlsPeer::start(&identity), ["one", "two"].map(Identity::new));
    let authority = identity.pem();
    let [certificates, keys] = [ours.each_ref().map(Identity::pem), ours.each_ref().map(Identity::key_pem)];
    let files = [
        ("tls.crt", [&*certificates[0], &*certificates[1]]),
        ("tls.key", [&*keys[0], &*keys[1]]),
        ("ca.crt", [&*authority; 2]),
    ];
    let parts = |volume: &Volume| {
        let desk = out_of_reach(&format!("https://127.0.0.1:{}/", peer.port))
            .line(&format!("client_cert_file: {}", volume.path("tls.crt").display()))
            .line(&format!("client_key: {}", volume.secret("tls.key")))
            .line(&format!("ca_file: {}", volume.path("ca.crt").display()));
        (Mailbox::scripted(&server), desk, String::new())
    };
    let is_used = |which: usize| peer.met().contains(&Met::Trusted(Some(["one", "two"][which].to_owned())));
    check("client certificate", &files, &server, parts, is_used);
}
