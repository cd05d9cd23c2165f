//! The line to operators, by TLS.

use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use native_tls::TlsConnector;

use crate::CHIEF;
use crate::Stage;
use crate::support::http;
use crate::support::wait_for;
use crate::tokens;

/// Makes a certificate of this name, with its key, in `folder`.
fn make(folder: &Path, name: &str) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "7", "-subj", &format!("/CN={name}"), "-out", "tls.crt", "-keyout", "tls.key"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// Asks by TLS: the answer, and the certificate that was shown.
fn ask(port: u16, request: &str) -> Option<(String, Vec<u8>)> {
    let connector = TlsConnector::builder().danger_accept_invalid_certs(true).build().unwrap();
    let mut stream = connector.connect("localhost", TcpStream::connect(("127.0.0.1", port)).ok()?).ok()?;
    let shown = stream.peer_certificate().unwrap().unwrap().to_der().unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // The server may close without a farewell.
    drop(stream.read_to_string(&mut answer));
    Some((answer, shown))
}

#[test]
fn operators_are_served_by_tls_with_the_certificate_of_now_and_nobody_is_kept_out_by_who_says_nothing() {
    let mut stage = Stage::start(&[]);
    let folder = stage.pophook.dir().to_owned();
    make(&folder, "first");
    let path = |name: &str| folder.join(name).display().to_string();
    let more = format!("  cert_file: {}\n  key: {{ file: {} }}\n", path("tls.crt"), path("tls.key"));
    stage.configure(&format!("{more}{}", tokens()));
    let port = stage.pophook.admin_port();
    let whoami =
        format!("GET /api/v1/whoami HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {CHIEF}\r\nconnection: close\r\n\r\n");
    let first = std::cell::RefCell::new(Vec::new());
    wait_for("TLS is spoken", || {
        ask(port, &whoami).is_some_and(|(answer, shown)| {
            *first.borrow_mut() = shown;
            answer.starts_with("HTTP/1.1 200") && answer.contains("\"chief\"")
        })
    });
    assert_ne!(http::ask(port, "GET", "/healthz", &[], b"").status, 200, "nothing goes in clear");
    let silent: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    assert!(ask(port, &whoami).unwrap().0.starts_with("HTTP/1.1 200"));
    drop(silent);

    let body = format!("token={CHIEF}");
    let log_in =
        format!("POST /login HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    assert!(ask(port, &log_in).unwrap().0.contains("; Secure"), "the cookie stays on such lines");

    make(&folder, "second");
    wait_for("the certificate of now is shown", || {
        ask(port, &whoami).is_some_and(|(_, shown)| shown != *first.borrow())
    });
    std::fs::write(folder.join("tls.key"), "no key").unwrap();
    wait_for("a bad one is not taken", || {
        ask(port, "GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .is_some_and(|(answer, _)| answer.contains("pophook_config_reload_failed 1"))
    });
    stage.stop();
}
