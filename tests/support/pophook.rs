//! The program itself: a configuration written from parts, and its commands run as an operator runs them.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::dovecot::Dovecot;
use super::free_port;
use super::http;
use super::http::Reply;
use super::pop3_server::Pop3Server;
use super::receiver::Receiver;
use super::script::Script;
use super::wait_for;

/// One mailbox of the configuration.
#[derive(Debug, Clone)]
pub struct Mailbox {
    name: String,
    lines: Vec<String>,
    start_from: String,
    on_server: String,
    retention: Vec<String>,
    credential: String,
    deliver_to: Option<Vec<String>>,
}

impl Mailbox {
    fn new(name: &str, host: &str, port: u16, tls: &str, username: &str) -> Mailbox {
        let lines = [
            format!("host: {host}"),
            format!("port: {port}"),
            format!("tls: {tls}"),
            format!("username: {username}"),
            "poll_interval: 1s".to_owned(),
        ];
        Mailbox {
            name: name.to_owned(),
            lines: lines.into(),
            start_from: "all".to_owned(),
            on_server: "keep".to_owned(),
            retention: Vec::new(),
            credential: "password: pw".to_owned(),
            deliver_to: Some(vec!["desk".to_owned()]),
        }
    }

    /// `user`'s maildrop of a Dovecot, by implicit TLS; the mailbox is named as the user.
    pub fn implicit(dovecot: &Dovecot, user: &str) -> Mailbox {
        let ca = format!("ca_file: {}", dovecot.ca_file.display());
        Mailbox::new(user, "localhost", dovecot.pop3s_port, "implicit", user).line(&ca)
    }

    /// `user`'s maildrop of a Dovecot, by STLS.
    pub fn starttls(dovecot: &Dovecot, user: &str) -> Mailbox {
        let ca = format!("ca_file: {}", dovecot.ca_file.display());
        Mailbox::new(user, "localhost", dovecot.pop3_port, "starttls", user).line(&ca)
    }

    /// The maildrop of a scripted server, in clear; the mailbox is named `support`.
    pub fn scripted(server: &Pop3Server) -> Mailbox {
        Mailbox::new("support", "127.0.0.1", server.port, "none", "support")
    }

    /// The maildrop of a server that follows a script, in clear; the mailbox is named `support`.
    pub fn following(script: &Script) -> Mailbox {
        Mailbox::new("support", "127.0.0.1", script.port, "none", "support")
    }

    /// The maildrop of `user` on a server without TLS; the mailbox is named as the user.
    pub fn in_clear(port: u16, user: &str) -> Mailbox {
        Mailbox::new(user, "127.0.0.1", port, "none", user)
    }

    /// Another name.
    pub fn named(mut self, name: &str) -> Mailbox {
        name.clone_into(&mut self.name);
        self
    }

    /// Another host, to which the name in the certificate must fit.
    pub fn host(mut self, host: &str) -> Mailbox {
        self.lines[0] = format!("host: {host}");
        self
    }

    /// Another value of `password`: a literal or one of the forms of a secret.
    pub fn password(mut self, password: &str) -> Mailbox {
        self.credential = format!("password: {password}");
        self
    }

    /// Where access tokens come from, in place of the password.
    pub fn oauth2(mut self, inner: &str) -> Mailbox {
        self.credential = format!("oauth2: {{ {inner} }}");
        self
    }

    /// An access token in place of the password.
    pub fn token(mut self, token: &str) -> Mailbox {
        self.credential = format!("oauth2: {{ token: {token} }}");
        self
    }

    /// Another value of `start_from`.
    pub fn start_from(mut self, start_from: &str) -> Mailbox {
        start_from.clone_into(&mut self.start_from);
        self
    }

    /// `retention.on_server`, which is `keep` otherwise.
    pub fn on_server(mut self, rule: &str) -> Mailbox {
        rule.clone_into(&mut self.on_server);
        self
    }

    /// One more line of `retention`.
    pub fn retention(mut self, line: &str) -> Mailbox {
        self.retention.push(line.to_owned());
        self
    }

    /// One more line.
    pub fn line(mut self, line: &str) -> Mailbox {
        self.lines.push(line.to_owned());
        self
    }

    /// Commands are sent ahead where the server allows it.
    pub fn pipelined(self) -> Mailbox {
        self.line("pipelining: 32")
    }

    /// Without a line that was there.
    pub fn without(mut self, line: &str) -> Mailbox {
        self.lines.retain(|other| other != line);
        self
    }

    /// Other endpoints than `desk`.
    pub fn deliver_to(mut self, endpoints: &[&str]) -> Mailbox {
        self.deliver_to = Some(endpoints.iter().map(|&name| name.to_owned()).collect());
        self
    }

    /// No `deliver_to` at all.
    pub fn undelivered(mut self) -> Mailbox {
        self.deliver_to = None;
        self
    }

    fn yaml(&self) -> String {
        let mut yaml = format!("  - name: {}\n", self.name);
        for line in &self.lines {
            writeln!(yaml, "    {line}").unwrap();
        }
        writeln!(yaml, "    {}", self.credential).unwrap();
        writeln!(yaml, "    start_from: {}", self.start_from).unwrap();
        writeln!(yaml, "    retention:\n      on_server: {}", self.on_server).unwrap();
        for line in &self.retention {
            writeln!(yaml, "      {line}").unwrap();
        }
        if let Some(endpoints) = &self.deliver_to {
            writeln!(yaml, "    deliver_to: [{}]", endpoints.join(", ")).unwrap();
        }
        yaml
    }
}

/// One endpoint of the configuration.
#[derive(Debug, Clone)]
pub struct Endpoint {
    name: String,
    url: String,
    signing: String,
    lines: Vec<String>,
}

impl Endpoint {
    /// An endpoint that gets the whole mail, unsigned, and is tried again after 100 ms.
    pub fn new(name: &str, url: &str) -> Endpoint {
        Endpoint {
            name: name.to_owned(),
            url: url.to_owned(),
            signing: "signing: none".to_owned(),
            lines: vec!["include_raw: true".to_owned(), "backoff: [100ms]".to_owned()],
        }
    }

    /// The endpoint `desk`.
    pub fn desk(receiver: &Receiver) -> Endpoint {
        Endpoint::new("desk", &receiver.url())
    }

    /// Signed with these keys.
    pub fn signed(mut self, keys: &[&str]) -> Endpoint {
        self.signing = format!("signing_keys: [{}]", keys.join(", "));
        self
    }

    /// One more line, in place of one with the same key.
    pub fn line(mut self, line: &str) -> Endpoint {
        let key = line.split(':').next();
        self.lines.retain(|other| other.split(':').next() != key);
        self.lines.push(line.to_owned());
        self
    }

    fn yaml(&self) -> String {
        let mut yaml = format!("  - name: {}\n    url: {}\n    {}\n", self.name, self.url, self.signing);
        for line in &self.lines {
            writeln!(yaml, "    {line}").unwrap();
        }
        yaml
    }
}

/// The end of a command.
#[derive(Debug, Clone)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Ended {
    /// Its exit code; -1 where a signal ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Insists on an exit code, and shows all that was said if it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Ended {
        assert_eq!(self.code(), code, "{}\n--- stdout\n{}\n--- stderr\n{}", self.status, self.stdout, self.stderr);
        self
    }

    /// Everything it said.
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Its output as one JSON object a line.
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().filter(|line| !line.is_empty()).map(parse).collect()
    }
}

/// A command that is still running; killed with this value.
pub struct Running {
    child: Child,
    output: Option<(JoinHandle<String>, JoinHandle<String>)>,
}

impl Running {
    fn start(mut command: Command) -> Running {
        let mut child = command.spawn().expect("setpriv of util-linux is installed");
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let read = |pipe: &mut dyn std::io::Read| {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let output = (thread::spawn(move || read(&mut out)), thread::spawn(move || read(&mut err)));
        Running { child, output: Some(output) }
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Asks it to drain.
    pub fn terminate(&self) {
        rustix::process::kill_process(self.pid(), Signal::TERM).unwrap();
    }

    /// Kills it, as a pulled plug does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits at most a minute for its end.
    pub fn wait(mut self) -> Ended {
        let mut status = None;
        wait_for("pophook ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let (out, err) = self.output.take().unwrap();
        Ended { status: status.unwrap(), stdout: out.join().unwrap(), stderr: err.join().unwrap() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

/// Starts `pophook receive ARGUMENTS` on `port`; returns when it listens.
pub fn receive(port: u16, arguments: &[&str]) -> Running {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_pophook"), "receive", "--listen"]);
    command.arg(format!("127.0.0.1:{port}")).args(arguments).env_remove("POPHOOK_SECRET");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = Running::start(command);
    wait_for("pophook receive listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    running
}

/// A folder with a configuration and a spool.
pub struct Pophook {
    dir: TempDir,
    spool: PathBuf,
    admin_port: u16,
    env: Vec<(String, String)>,
}

impl Pophook {
    /// A configuration with these mailboxes and endpoints, and an empty spool.
    pub fn new(mailboxes: impl IntoIterator<Item = Mailbox>, endpoints: impl IntoIterator<Item = Endpoint>) -> Pophook {
        let dir = tempfile::Builder::new().prefix("pophook-").tempdir().unwrap();
        let spool = dir.path().join("spool.db");
        Pophook::make(dir, spool, mailboxes, endpoints)
    }

    /// The same with the spool somewhere else.
    pub fn with_spool_at(
        spool: PathBuf,
        mailboxes: impl IntoIterator<Item = Mailbox>,
        endpoints: impl IntoIterator<Item = Endpoint>,
    ) -> Pophook {
        let dir = tempfile::Builder::new().prefix("pophook-").tempdir().unwrap();
        Pophook::make(dir, spool, mailboxes, endpoints)
    }

    fn make(
        dir: TempDir,
        spool: PathBuf,
        mailboxes: impl IntoIterator<Item = Mailbox>,
        endpoints: impl IntoIterator<Item = Endpoint>,
    ) -> Pophook {
        let pophook = Pophook { dir, spool, admin_port: free_port(), env: Vec::new() };
        pophook.configure(mailboxes, endpoints, "");
        pophook
    }

    /// Writes the configuration anew, with `more` top-level YAML at its end; the spool stays.
    pub fn configure(
        &self,
        mailboxes: impl IntoIterator<Item = Mailbox>,
        endpoints: impl IntoIterator<Item = Endpoint>,
        more: &str,
    ) {
        // Whatever disk it runs on.
        let mut yaml = format!("spool:\n  url: sqlite:{}\n  min_free: 0\nmailboxes:\n", self.spool().display());
        yaml.extend(mailboxes.into_iter().map(|mailbox| mailbox.yaml()));
        yaml.push_str("endpoints:\n");
        yaml.extend(endpoints.into_iter().map(|endpoint| endpoint.yaml()));
        write!(yaml, "admin:\n  listen: 127.0.0.1:{}\n{more}", self.admin_port).unwrap();
        self.write_config(&yaml);
    }

    /// Writes any text as the configuration.
    pub fn write_config(&self, yaml: &str) {
        fs::write(self.config(), yaml).unwrap();
    }

    /// The configuration's file.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("pophook.yaml")
    }

    /// The spool's file.
    pub fn spool(&self) -> PathBuf {
        self.spool.clone()
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Forgets everything that was spooled.
    pub fn lose_spool(&self) {
        for entry in fs::read_dir(self.dir()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("spool.db") {
                fs::remove_file(path).unwrap();
            }
        }
    }

    /// Sets a variable of the environment of all further commands.
    pub fn env(mut self, name: &str, value: &str) -> Pophook {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts `pophook ARGUMENTS -c FILE`, behind `before` (say, strace), without waiting for its end.
    pub fn start_behind(&self, before: &[&str], arguments: &[&str]) -> Running {
        self.start_so(before, &[], arguments)
    }

    /// Asks a daemon to drain that something else started: its process stands in the lock file.
    pub fn terminate(&self) {
        let lock = format!("{}.lock", self.spool().display());
        let pid: i32 = fs::read_to_string(lock).unwrap().trim().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    }

    /// Starts `pophook ARGUMENTS -c FILE` with these variables of the environment, without waiting for its end.
    pub fn start_with(&self, env: &[(&str, &str)], arguments: &[&str]) -> Running {
        self.start_so(&[], env, arguments)
    }

    fn start_so(&self, before: &[&str], env: &[(&str, &str)], arguments: &[&str]) -> Running {
        // setpriv: whatever ends this test, the program ends with it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(before).arg(env!("CARGO_BIN_EXE_pophook")).args(arguments);
        command.arg("-c").arg(self.config()).envs(self.env.iter().cloned()).env_remove("RUST_LOG");
        command.envs(env.iter().copied());
        command.env("NO_PROXY", "127.0.0.1,localhost").env("no_proxy", "127.0.0.1,localhost");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::start(command)
    }

    /// Starts `pophook ARGUMENTS -c FILE` without waiting for its end.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_behind(&[], arguments)
    }

    /// Runs `pophook ARGUMENTS -c FILE` to its end.
    pub fn command(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait()
    }

    /// `pophook once`.
    pub fn once(&self) -> Ended {
        self.command(&["once"])
    }

    /// `pophook once`, again and again (the waits after failures are short here) until `condition` holds.
    #[track_caller]
    pub fn once_until(&self, what: &str, mut condition: impl FnMut() -> bool) -> Ended {
        let mut last = None;
        for _ in 0..200 {
            let ended = self.once();
            assert!([0, 2].contains(&ended.code()), "once neither succeeded nor left something to do: {ended:#?}");
            if condition() {
                return ended;
            }
            last = Some(ended);
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{what}: not after 200 runs, of which the last was {last:#?}");
    }

    /// `pophook spool list --json`.
    #[track_caller]
    pub fn list(&self) -> Vec<Value> {
        self.command(&["spool", "list", "--json"]).expect(0).json()
    }

    /// What `spool raw` gives; `None` where there is no copy.
    pub fn raw(&self, id: &str) -> Option<Vec<u8>> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pophook"));
        let ran = command.args(["spool", "raw", id, "-c"]).arg(self.config()).output().unwrap();
        ran.status.success().then_some(ran.stdout)
    }

    /// The lines of `spool list --json` with this state.
    #[track_caller]
    pub fn in_state(&self, state: &str) -> Vec<Value> {
        self.list().into_iter().filter(|line| line["state"] == state).collect()
    }

    /// Where the admin server listens.
    pub fn admin(&self) -> String {
        format!("127.0.0.1:{}", self.admin_port)
    }

    /// The port of the operators' server.
    pub fn admin_port(&self) -> u16 {
        self.admin_port
    }

    /// Asks the operators' server of a running daemon.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        http::ask(self.admin_port, method, path, headers, body)
    }

    /// What `/metrics` of a running daemon says now; empty while it does not answer.
    pub fn metrics(&self) -> String {
        self.get("/metrics")
    }

    /// The answer of a running daemon's admin server, head and body; empty while it does not answer.
    pub fn get(&self, path: &str) -> String {
        use std::io::Write as _;
        let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", self.admin_port)) else {
            return String::new();
        };
        let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
        let mut answer = String::new();
        match stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer)) {
            Ok(_) => answer,
            Err(_) => String::new(),
        }
    }
}
