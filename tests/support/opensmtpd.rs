//! `OpenSMTPD` as Debian has it, unpacked by tests/run.sh: a real MTA that takes mail by SMTP and hands it to Dovecot.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use lettre::SmtpTransport;
use lettre::Transport as _;
use lettre::address::Envelope;
use tempfile::TempDir;

use super::as_root;
use super::dovecot::Dovecot;
use super::free_port;
use super::wait_for;

/// Makes a root directory of the unpacked package, runs it there until the standard input ends, and leaves nothing.
const IN_ITS_ROOT: &str = r#"
mkdir -p "$1/dev" "$1/run" "$1/tmp" "$1/var/run" "$1/var/spool/smtpd"
chown -R 0:0 "$1"
chmod 711 "$1/var/spool/smtpd"
mknod -m 666 "$1/dev/null" c 1 3 || install -m 666 /dev/null "$1/dev/null"
chroot "$1" /usr/sbin/smtpd -d -f /etc/smtpd.conf &
read -r _
kill $!
wait
rm -rf "$1"
"#;

/// Who it is, and who handles its queue: two numbers that nobody has.
const PASSWD: &str = "root:x:0:0::/:/bin/sh\nmail:x:8:8::/:/bin/sh\n\
                      opensmtpd:x:9011:9011::/:/bin/false\nopensmtpq:x:9012:9012::/:/bin/false\n";
const GROUP: &str = "root:x:0:\nmail:x:8:\nopensmtpd:x:9011:\nopensmtpq:x:9012:\n";

/// An MTA that is responsible for `example.com`; it stops with this value, or with the test.
pub struct OpenSmtpd {
    port: u16,
    child: Child,
    dir: TempDir,
}

impl OpenSmtpd {
    /// Starts one that delivers to the maildrops of `dovecot`, which was started with `LMTP=yes`.
    pub fn start(dovecot: &Dovecot) -> OpenSmtpd {
        let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/opensmtpd");
        assert!(unpacked.join("usr/sbin/smtpd").exists(), "tests/run.sh unpacks OpenSMTPD to {}", unpacked.display());
        let dir = tempfile::Builder::new().prefix("pophook-opensmtpd-").tempdir().unwrap();
        let root = dir.path().join("root");
        assert!(Command::new("cp").arg("-a").arg(unpacked).arg(&root).status().unwrap().success());
        let (port, lmtp_port) = (free_port(), dovecot.lmtp_port.expect("LMTP=yes"));
        let config = format!(
            "listen on 127.0.0.1 port {port} hostname mx.example.com\n\
             action \"deliver\" lmtp \"127.0.0.1:{lmtp_port}\" rcpt-to virtual {{ \"@example.com\" = mail }}\n\
             match from any for domain \"example.com\" action \"deliver\"\n"
        );
        for (file, text) in [("passwd", PASSWD), ("group", GROUP), ("smtpd.conf", &config)] {
            fs::write(root.join("etc").join(file), text).unwrap();
        }
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let child = as_root("sh", &["-c", IN_ITS_ROOT, "sh", root.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mta = OpenSmtpd { port, child, dir };
        wait_for("OpenSMTPD listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        mta
    }

    /// Hands it one mail, as any program that sends mail does; it answers when the mail is safe in its queue.
    pub fn send(&self, from: &str, to: &[&str], raw: &[u8]) {
        let to = to.iter().map(|address| address.parse().unwrap()).collect();
        let envelope = Envelope::new(Some(from.parse().unwrap()), to).unwrap();
        let client = SmtpTransport::builder_dangerous("127.0.0.1").port(self.port).build();
        // lettre ends the last line itself, also where it is ended.
        client
            .send_raw(&envelope, raw.strip_suffix(b"\r\n").unwrap())
            .unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }
}

impl Drop for OpenSmtpd {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}
