//! A real Dovecot, started by the script that the demo uses too.

use std::collections::BTreeMap;
use std::fs;
use std::io::BufRead as _;
use std::io::BufReader;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use rustix::process::Pid;
use rustix::process::Signal;
use tempfile::TempDir;

use super::pop3_client::Pop3Client;
use super::tick;
use super::wait_for;

/// The password of every user.
pub const PASSWORD: &str = "pw";

/// A private Dovecot with an empty maildrop for each of its users.
pub struct Dovecot {
    child: Child,
    /// Where TLS is spoken from the first byte.
    pub pop3s_port: u16,
    /// Where STLS is offered.
    pub pop3_port: u16,
    /// Where mail is taken by LMTP, if it is (`LMTP=yes`).
    pub lmtp_port: Option<u16>,
    /// The authority that signed its certificate, which is for `localhost` and `pop.test`.
    pub ca_file: PathBuf,
    mail_dir: PathBuf,
    log_file: PathBuf,
    dir: TempDir,
}

impl Dovecot {
    /// Starts one; returns when both ports answer.
    pub fn start(users: &[&str]) -> Dovecot {
        Dovecot::start_with(users, &[])
    }

    /// Starts one that offers other mechanisms, or takes access tokens, by the variables that `dovecot.sh` knows.
    pub fn start_with(users: &[&str], variables: &[(&str, &str)]) -> Dovecot {
        (0..5).find_map(|_| Dovecot::try_start(users, variables)).expect("two free ports within five attempts")
    }

    /// `None` if another process took one of the ports in between.
    fn try_start(users: &[&str], variables: &[(&str, &str)]) -> Option<Dovecot> {
        let dir = tempfile::Builder::new().prefix("pophook-dovecot-").tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/demo/dovecot.sh");
        let mut child = Command::new(script)
            .arg(dir.path())
            .args(users)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash runs deploy/demo/dovecot.sh");
        let mut facts = BTreeMap::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let (key, value) = line.split_once('=').expect("KEY=VALUE");
            facts.insert(key.to_owned(), value.to_owned());
            if key == "DOVECOT" {
                break;
            }
        }
        if !facts.contains_key("DOVECOT") {
            panic!("dovecot.sh ended early ({}): its message stands above", child.wait().unwrap());
        }
        let port = |key: &str| facts[key].parse().unwrap();
        let mut dovecot = Dovecot {
            child,
            pop3s_port: port("POP3S_PORT"),
            pop3_port: port("POP3_PORT"),
            lmtp_port: facts["LMTP_PORT"].parse().ok(),
            ca_file: PathBuf::from(&facts["CA_FILE"]),
            mail_dir: PathBuf::from(&facts["MAIL_DIR"]),
            log_file: PathBuf::from(&facts["LOG_FILE"]),
            dir,
        };
        let mut ended = None;
        wait_for("Dovecot listens", || {
            ended = dovecot.child.try_wait().unwrap();
            let ports = [Some(dovecot.pop3_port), Some(dovecot.pop3s_port), dovecot.lmtp_port];
            ended.is_some() || ports.into_iter().flatten().all(answers)
        });
        match ended {
            None => Some(dovecot),
            Some(status) if status.code() == Some(89) => None,
            Some(status) => panic!("Dovecot ended ({status}):\n{}", dovecot.log()),
        }
    }

    /// Puts one mail into a maildrop, as a mail system does: written aside, then renamed into place.
    pub fn put(&self, user: &str, raw: &[u8]) -> PathBuf {
        let name = format!("{:012}.test", tick());
        let home = self.mail_dir.join(user);
        let (aside, place) = (home.join("tmp").join(&name), home.join("new").join(&name));
        fs::write(&aside, raw).unwrap();
        fs::rename(&aside, &place).unwrap();
        place
    }

    /// What lies in the maildrop now, oldest first.
    pub fn files(&self, user: &str) -> Vec<Vec<u8>> {
        let mut paths: Vec<_> = ["new", "cur"]
            .iter()
            .flat_map(|sub| fs::read_dir(self.mail_dir.join(user).join(sub)).unwrap())
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name(), entry.path()))
            .collect();
        paths.sort();
        paths.iter().map(|(_, path)| fs::read(path).unwrap()).collect()
    }

    /// How many mails lie in the maildrop now.
    pub fn count(&self, user: &str) -> usize {
        self.files(user).len()
    }

    /// A session of an independent client, logged in over the plain port.
    pub fn client(&self, user: &str) -> Pop3Client {
        Pop3Client::login(self.pop3_port, user, PASSWORD)
    }

    /// Changes the format of all unique-ids: from a hash of each mail to its number.
    pub fn number_anew(&self) {
        let file = self.dir.path().join("dovecot.conf");
        let before = fs::read_to_string(&file).unwrap();
        let after = before
            .replace("pop3_uidl_format = %g", "pop3_uidl_format = %v.%u")
            .replace("pop3_uidl_format = %{guid}", "pop3_uidl_format = %{uidvalidity}.%{uid}");
        assert_ne!(before, after, "a format that is known");
        fs::write(&file, after).unwrap();
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    /// What Dovecot logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log_file).unwrap_or_default()
    }
}

impl Drop for Dovecot {
    /// Dovecot's master ends its own children when it is asked politely.
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.child);
        if rustix::process::kill_process(pid, Signal::TERM).is_ok() {
            self.child.wait().unwrap();
        }
    }
}

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}
