//! A server that says what a script says, byte for byte: for dialogues that no maildrop could bring about.

use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// A command line that is expected, without its end, and the bytes of the answer. The greeting answers "".
pub type Turn = (&'static str, &'static [u8]);

/// In place of an answer: the connection is closed.
pub const CLOSE: &[u8] = b"[close]";

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
    let mut reader = BufReader::new(stream);
    for (expected, answer) in turns {
        if !expected.is_empty() {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line != format!("{expected}\r\n") {
                state.lock().unwrap().surprises.push(format!("{line:?} instead of {expected:?}"));
                return reader.get_ref().shutdown(Shutdown::Both);
            }
        }
        if *answer == CLOSE {
            return reader.get_ref().shutdown(Shutdown::Both);
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
