//! Mail servers that speak on standard input and output, one process for each session, as inetd starts them.
//!
//! They drop to the mail's owner, so they are started as root: by root himself, or with sudo.

use std::fs;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::chown;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;

use tempfile::TempDir;

use super::as_root;

/// The password of every user, and what it looks like in a password file.
const PASSWORD: &str = "pw";

/// A server with a maildrop in mbox format.
pub struct Inetd {
    /// Where it listens.
    pub port: u16,
    mbox: PathBuf,
    dir: TempDir,
    stopped: Arc<AtomicBool>,
}

impl Inetd {
    /// GNU mailutils' pop3d with a maildrop of `alice@test`. It writes `X-UIDL` and more into each header.
    pub fn mailutils() -> Inetd {
        let program = unpacked("mailutils", "usr/sbin/pop3d").to_str().unwrap().to_owned();
        let dir = tempfile::Builder::new().prefix("pophook-mailutils-").tempdir().unwrap();
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let at = dir.path().display();
        let config = format!(
            "mode inetd;\nlogging {{ syslog no; }};\nmailbox {{ mailbox-type mbox; }};\n\
             mandatory-locking {{ enable yes; lock-directory \"{at}/lock\"; }};\n\
             virtdomain {{ passwd-dir \"{at}/domains\"; }};\n\
             auth {{ authentication \"generic:virtdomain\"; authorization \"virtdomain\"; }};\n"
        );
        for folder in ["lock", "domains", "home"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let config_file = dir.path().join("pop3d.conf");
        fs::write(&config_file, config).unwrap();
        let hashed = Command::new("openssl").args(["passwd", "-1", PASSWORD]).output().unwrap().stdout;
        let hashed = String::from_utf8(hashed).unwrap();
        let user = format!("alice:{}:{uid}:{gid}::{at}/home:/bin/false\n", hashed.trim_end());
        fs::write(dir.path().join("domains/test"), user).unwrap();
        let mbox = dir.path().join("home/INBOX");
        fs::write(&mbox, "").unwrap();
        let option = format!("--config-file={}", config_file.display());
        Inetd::start(dir, mbox, move || as_root(&program, &["--no-config", &option]))
    }

    /// popa3d with a maildrop of `alice`, who needs no password. It knows no CAPA, and a unique-id of its is a hash
    /// of a few header fields.
    pub fn popa3d() -> Inetd {
        unpacked("popa3d", "usr/sbin/popa3d");
        let dir = tempfile::Builder::new().prefix("pophook-popa3d-").tempdir().unwrap();
        let root = dir.path().join("root");
        assert!(Command::new("cp").arg("-a").arg(unpacked("popa3d", "")).arg(&root).status().unwrap().success());
        // Two names for one who may do nothing: he who asks for the password, and he who reads the maildrop.
        let (uid, gid) = owner();
        fs::write(root.join("etc/passwd"), format!("popa3d:x:{uid}:{gid}::/:/\nalice:x:{uid}:{gid}::/:/\n")).unwrap();
        fs::write(root.join("etc/group"), format!("alice:x:{gid}:\n")).unwrap();
        let mbox = root.join("var/mail/alice");
        fs::write(&mbox, "").unwrap();
        if rustix::process::geteuid().is_root() {
            chown(&mbox, Some(uid), Some(gid)).unwrap();
        }
        fs::set_permissions(&mbox, fs::Permissions::from_mode(0o600)).unwrap();
        let root = root.to_str().unwrap().to_owned();
        Inetd::start(dir, mbox, move || as_root("chroot", &[&root, "/usr/sbin/popa3d"]))
    }

    fn start(dir: TempDir, mbox: PathBuf, command: impl Fn() -> Command + Send + 'static) -> Inetd {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stopped = Arc::new(AtomicBool::new(false));
        let inetd = Inetd { port, mbox, dir, stopped: Arc::clone(&stopped) };
        let log = fs::File::create(inetd.log_file()).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                let (input, output) = (OwnedFd::from(stream.try_clone().unwrap()), OwnedFd::from(stream));
                let mut session = command();
                session.stdin(input).stdout(output).stderr(log.try_clone().unwrap());
                // It holds the only copies of the connection, so it ends with its client.
                session.spawn().expect("sudo, where root is somebody else").wait().unwrap();
            }
        });
        inetd
    }

    /// Delivers one mail.
    pub fn put(&self, raw: &[u8]) {
        let text = String::from_utf8(raw.to_vec()).unwrap().replace("\r\n", "\n");
        let mut mbox = fs::read(&self.mbox).unwrap();
        mbox.extend(format!("From ann@example.com Fri Jan 30 10:00:00 2026\n{text}\n").bytes());
        fs::write(&self.mbox, mbox).unwrap();
    }

    /// The maildrop as it lies on the disk.
    pub fn mbox(&self) -> String {
        fs::read_to_string(&self.mbox).unwrap()
    }

    /// How many mails lie in the maildrop.
    pub fn count(&self) -> usize {
        self.mbox().lines().filter(|line| line.starts_with("From ")).count()
    }

    /// What the server complained about.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("log")
    }
}

impl Drop for Inetd {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees the flag.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

/// Who owns a maildrop: the tests' own user, but never root, to whom popa3d gives no mail.
fn owner() -> (u32, u32) {
    match (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw()) {
        (0, _) => (9002, 9002),
        own => own,
    }
}

/// A file of a Debian package that `tests/run.sh` unpacks to a folder in `target`.
fn unpacked(package: &str, file: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(package).join(file);
    assert!(path.exists(), "{} is missing: tests/run.sh unpacks it", path.display());
    path
}
