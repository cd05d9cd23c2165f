//! A server that says what a script says, byte for byte: for dialogues that no maildrop could bring about.

use std::fs;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use native_tls::Identity;
use native_tls::TlsAcceptor;
use native_tls::TlsStream;
use tempfile::TempDir;

/// A command line that is expected, without its end, and the bytes of the answer. The greeting answers "".
pub type Turn = (&'static str, &'static [u8]);

/// In place of an answer: the connection is closed, without a word even where TLS asks for one.
pub const CLOSE: &[u8] = b"[close]";
/// In place of an answer: the line goes over to TLS.
pub const HANDSHAKE: &[u8] = b"[handshake]";

/// A throw-away certificate for 127.0.0.1, its own authority, and the server that shows it.
pub struct Certificate {
    /// The certificate.
    pub ca_file: PathBuf,
    acceptor: TlsAcceptor,
    _dir: TempDir,
}

impl Certificate {
    /// The one that all scripts share.
    pub fn shared() -> &'static Certificate {
        static SHARED: OnceLock<Certificate> = OnceLock::new();
        SHARED.get_or_init(|| {
            let dir = tempfile::Builder::new().prefix("pophook-certificate-").tempdir().unwrap();
            let (ca_file, key_file) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
            let made = Command::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
                .args(["-days", "7", "-subj", "/CN=script", "-addext", "subjectAltName=IP:127.0.0.1"])
                .arg("-out")
                .arg(&ca_file)
                .arg("-keyout")
                .arg(&key_file)
                .output()
                .unwrap();
            assert!(made.status.success(), "{made:?}");
            let identity = Identity::from_pkcs8(&fs::read(&ca_file).unwrap(), &fs::read(&key_file).unwrap()).unwrap();
            Certificate { ca_file, acceptor: TlsAcceptor::new(identity).unwrap(), _dir: dir }
        })
    }
}

/// A line to the client, protected or not.
enum Line {
    Plain(TcpStream),
    Protected(Box<TlsStream<TcpStream>>),
}

impl Line {
    fn tcp(&self) -> &TcpStream {
        match self {
            Line::Plain(stream) => stream,
            Line::Protected(stream) => stream.get_ref(),
        }
    }

    fn protect(self) -> io::Result<Line> {
        match self {
            Line::Plain(stream) => {
                let stream = Certificate::shared().acceptor.accept(stream).map_err(io::Error::other)?;
                Ok(Line::Protected(Box::new(stream)))
            }
            Line::Protected(_) => panic!("TLS within TLS"),
        }
    }
}

impl Read for Line {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Line::Plain(stream) => stream.read(bytes),
            Line::Protected(stream) => stream.read(bytes),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Line::Plain(stream) => stream.write(bytes),
            Line::Protected(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Line::Plain(stream) => stream.flush(),
            Line::Protected(stream) => stream.flush(),
        }
    }
}

#[derive(Default)]
struct State {
    /// The sessions to come, first one first.
    sessions: Vec<Vec<Turn>>,
    /// What arrived in place of what was expected.
    surprises: Vec<String>,
}

/// The server; it stops with this value.
pub struct Script {
    /// Where it listens.
    pub port: u16,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
}

impl Script {
    /// Starts a server that follows one script after the other, a session for each.
    pub fn start(sessions: Vec<Vec<Turn>>) -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { sessions, ..State::default() }));
        let stopped = Arc::new(AtomicBool::new(false));
        let script = Script { port, state: Arc::clone(&state), stopped: Arc::clone(&stopped) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let mut waiting = state.lock().unwrap();
                if waiting.sessions.is_empty() {
                    waiting.surprises.push("a session more than the script has".to_owned());
                    continue;
                }
                let turns = waiting.sessions.remove(0);
                drop(waiting);
                // One session at a time: a script says which one comes first.
                let _ended: io::Result<()> = follow(stream.unwrap(), &turns, &state);
            }
        });
        script
    }

    /// How many sessions are still to come.
    pub fn left(&self) -> usize {
        self.state.lock().unwrap().sessions.len()
    }

    /// Insists that everything was said that the scripts expect, and nothing else.
    #[track_caller]
    pub fn expect_followed(&self, what: &str) {
        let state = self.state.lock().unwrap();
        assert!(state.surprises.is_empty(), "{what}: {:#?}", state.surprises);
        assert!(state.sessions.is_empty(), "{what}: {} sessions were not opened", state.sessions.len());
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees the flag.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn follow(stream: TcpStream, turns: &[Turn], state: &Mutex<State>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut reader = BufReader::new(Line::Plain(stream));
    for (expected, answer) in turns {
        if !expected.is_empty() {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line != format!("{expected}\r\n") {
                state.lock().unwrap().surprises.push(format!("{line:?} instead of {expected:?}"));
                return reader.get_ref().tcp().shutdown(Shutdown::Both);
            }
        }
        if *answer == CLOSE {
            return reader.get_ref().tcp().shutdown(Shutdown::Both);
        }
        if *answer == HANDSHAKE {
            reader = BufReader::new(reader.into_inner().protect()?);
            continue;
        }
        reader.get_mut().write_all(answer)?;
    }
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest)?;
    if !rest.is_empty() {
        state.lock().unwrap().surprises.push(format!("\"{}\" after the script", rest.escape_ascii()));
    }
    Ok(())
}
