//! A real S3-compatible store, behind a gate that counts what passes and fails as it is told.
//!
//! The store is s3s-fs, which `tests/run.sh` builds to `target/s3s`. It checks signatures, and a bucket is a folder.

use std::fs;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::SystemTime;

use pophook::clock::Clock;
use tempfile::TempDir;

use super::free_port;
use super::wait_for;

/// Who may put and get.
pub const ACCESS_KEY_ID: &str = "AKIAPOPHOOK";
/// By which secret.
pub const SECRET_ACCESS_KEY: &str = "s3cret/with+signs";
/// The bucket that is there.
pub const BUCKET: &str = "letters";

/// What the gate does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It passes.
    Open,
    /// It passes, and what it would replace is gone before: a store that ignores `If-None-Match`.
    Unconditional,
    /// An upload with `If-None-Match` is answered with 501: a store that says that it does not know that.
    Unknown,
    /// It is answered with this status.
    Status(u16),
    /// Uploads are answered with this status, and everything else passes.
    PutStatus(u16),
    /// The second part of an upload is answered with this status, or cut off; everything else passes.
    SecondPart(Option<u16>),
    /// Uploads pass after so long.
    SlowPut(Duration),
    /// It is read and never answered.
    Silent,
    /// Its connection is closed at once.
    Closed,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    dir: PathBuf,
    seen: Vec<String>,
}

/// The store and its gate; they stop with this value.
pub struct S3 {
    port: u16,
    child: Child,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
    dir: TempDir,
}

impl S3 {
    /// Starts a store with an empty bucket; returns when it answers.
    pub fn start() -> S3 {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/s3s/bin/s3s-fs");
        assert!(program.exists(), "tests/run.sh builds the store that the tests need: {}", program.display());
        let dir = tempfile::Builder::new().prefix("pophook-s3-").tempdir().unwrap();
        fs::create_dir(dir.path().join(BUCKET)).unwrap();
        let behind = free_port();
        // setpriv: whatever ends this test, the store ends with it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(["--host", "127.0.0.1"]);
        command.args(["--port", &behind.to_string(), "--access-key", ACCESS_KEY_ID]);
        command.args(["--secret-key", SECRET_ACCESS_KEY]).arg(dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("setpriv of util-linux is installed");
        wait_for("the store listens", || TcpStream::connect(("127.0.0.1", behind)).is_ok());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { mode: Mode::Open, dir: dir.path().to_owned(), seen: Vec::new() }));
        let stopped = Arc::new(AtomicBool::new(false));
        let (shared, ends) = (Arc::clone(&state), Arc::clone(&stopped));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, state) = (stream.unwrap(), Arc::clone(&shared));
                // Either side may go at any moment, so an error is just an end.
                thread::spawn(move || drop(pass(stream, behind, &state)));
            }
        });
        S3 { port, child, state, stopped, dir }
    }

    /// The section of the configuration, with `more` lines in it.
    pub fn section(&self, more: &str) -> String {
        let more: String = more.lines().map(|line| format!("  {line}\n")).collect();
        format!(
            "attachment_store:\n  url: http://127.0.0.1:{}\n  bucket: {BUCKET}\n  prefix: mail/\n  access_key_id: \
             {ACCESS_KEY_ID}\n  secret_access_key: {SECRET_ACCESS_KEY}\n{more}",
            self.port
        )
    }

    /// What the gate does from now on.
    pub fn set(&self, mode: Mode) {
        self.state.lock().unwrap().mode = mode;
    }

    /// The requests so far by this method, each its path without the signature.
    pub fn seen(&self, method: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let of = |line: &String| Some(line.strip_prefix(method)?.trim().split(['?', ' ']).next()?.to_owned());
        state.seen.iter().filter_map(of).collect()
    }

    fn bucket(&self) -> PathBuf {
        self.dir.path().join(BUCKET)
    }

    /// What lies under a key, and which file it is: another one after each upload.
    pub fn object(&self, key: &str) -> Option<(Vec<u8>, u64)> {
        let path = self.bucket().join(key);
        Some((fs::read(&path).ok()?, fs::metadata(&path).ok()?.ino()))
    }

    /// Whether anything is there of uploads that were begun and never ended.
    pub fn has_leftovers(&self) -> bool {
        fs::read_dir(&self.dir)
            .unwrap()
            .any(|entry| entry.unwrap().file_name().to_str().unwrap().starts_with(".upload"))
    }

    /// Lets what lies under a key look as if it had been put so long ago.
    pub fn age(&self, key: &str, age: Duration) {
        let file = fs::File::options().write(true).open(self.bucket().join(key)).unwrap();
        let now = Duration::from_secs(Clock::system().now().as_second().try_into().unwrap());
        file.set_modified(SystemTime::UNIX_EPOCH + now - age).unwrap();
    }

    /// Lets something else lie under a key.
    pub fn replace(&self, key: &str, bytes: &[u8]) {
        fs::write(self.bucket().join(key), bytes).unwrap();
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the gate.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Serves one request: the store is asked to close after its answer, so that the next one is seen, too.
fn pass(client: TcpStream, behind: u16, state: &Mutex<State>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line == "\r\n" {
            break;
        }
        lines.push(line);
    }
    let first = lines[0].clone();
    let (mode, dir) = {
        let mut state = state.lock().unwrap();
        state.seen.push(first.clone());
        (state.mode, state.dir.clone())
    };
    let conditional = lines.iter().any(|line| line.to_ascii_lowercase().starts_with("if-none-match:"));
    let mut client = client;
    match mode {
        Mode::PutStatus(status) if first.starts_with("PUT ") => return answer(client, status),
        Mode::Status(status) => return answer(client, status),
        Mode::Unknown if conditional => return answer(client, 501),
        Mode::SecondPart(end) if first.contains("partNumber=2&") => match end {
            Some(status) => return answer(client, status),
            None => {
                // In the middle of what comes.
                io::copy(&mut reader.take(1 << 20), &mut io::sink())?;
                return client.shutdown(Shutdown::Both);
            }
        },
        Mode::Unconditional if conditional => {
            let path = first.split(' ').nth(1).unwrap().trim_start_matches('/');
            drop(fs::remove_file(dir.join(path)));
        }
        Mode::Closed => return client.shutdown(Shutdown::Both),
        Mode::Silent => {
            // As long as the other side waits.
            io::copy(&mut reader, &mut io::sink())?;
            return Ok(());
        }
        Mode::SlowPut(wait) if first.starts_with("PUT ") => thread::sleep(wait),
        Mode::Open
        | Mode::Unconditional
        | Mode::Unknown
        | Mode::PutStatus(_)
        | Mode::SecondPart(_)
        | Mode::SlowPut(_) => {}
    }
    lines.push("connection: close\r\n\r\n".to_owned());
    let mut store = TcpStream::connect(("127.0.0.1", behind))?;
    store.write_all(lines.concat().as_bytes())?;
    let mut up = store.try_clone()?;
    let sending = thread::spawn(move || io::copy(&mut reader, &mut up));
    io::copy(&mut store, &mut client)?;
    client.shutdown(Shutdown::Both)?;
    drop(sending.join());
    Ok(())
}

fn answer(mut client: TcpStream, status: u16) -> io::Result<()> {
    let body = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code></Error>";
    write!(client, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())?;
    client.shutdown(Shutdown::Write)?;
    // What still comes is read, so that the answer is not lost with a reset.
    io::copy(&mut client, &mut io::sink()).map(drop)
}

/// Follows a link as a browser does: the status, the header in lower case, and the bytes.
pub fn follow(url: &str) -> (u16, String, Vec<u8>) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), answer.split_off(end + 4))
}
