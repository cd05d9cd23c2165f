//! What the black-box tests share: a real mail server, a scripted one, an HTTP endpoint, and the program itself.
//!
//! Everything listens on 127.0.0.1 on a port of its own, keeps its files in a folder of its own and ends with the
//! value that started it, so that tests run side by side.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stderr,
    unreachable_pub,
    dead_code,
    reason = "test code, of which no test crate uses all"
)]

pub mod dovecot;
pub mod http;
pub mod in_process;
pub mod inetd;
pub mod introspection;
pub mod mails;
pub mod opensmtpd;
pub mod oracle;
pub mod pop3_client;
pub mod pop3_server;
pub mod pophook;
pub mod prometheus;
pub mod receiver;
pub mod s3;
pub mod script;
pub mod small_disk;
pub mod smtp_server;
pub mod stage;
pub mod strace;
pub mod tls_peer;
pub mod volume;

use std::net::TcpListener;
use std::process;
use std::process::Command;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use sha2::Digest as _;
use sha2::Sha256;

/// The next instant of this test process: a larger one is later, whoever took it.
pub fn tick() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::SeqCst)
}

/// Waits at most a minute for something that another process does.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if condition() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("waited a minute in vain: {what}");
}

/// A port of 127.0.0.1 that nobody uses, below those that the kernel gives to outgoing connections.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(process::id() % 8000).unwrap();
    loop {
        let port = 10_000 + (start + NEXT.fetch_add(1, Ordering::SeqCst)) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// SHA-256 in lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

/// Decodes standard base64.
pub fn unbase64(text: &str) -> Vec<u8> {
    data_encoding::BASE64.decode(text.as_bytes()).expect("base64 with padding")
}

/// A command that root runs: root himself, or with sudo.
pub fn as_root(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(if rustix::process::geteuid().is_root() { "env" } else { "sudo" });
    if !rustix::process::geteuid().is_root() {
        command.args(["-n", "env"]);
    }
    // Not every user's path leads to such programs.
    command.arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin").arg(program).args(arguments);
    command
}
