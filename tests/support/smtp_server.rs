//! A mail server double: takes mail over by SMTP, keeps each as the bytes that arrived, and refuses by script.

use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;

/// A mail that was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The argument of MAIL.
    pub from: String,
    /// The arguments of RCPT.
    pub to: Vec<String>,
    /// The mail, dot-unstuffed.
    pub bytes: Vec<u8>,
}

impl Taken {
    /// The mail as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The bytes of the part that begins with this content type.
    pub fn part(&self, content_type: &str) -> Option<Vec<u8>> {
        let boundary = self.text().split("boundary=\"").nth(1)?.split('"').next()?.to_owned();
        let begin = find(&self.bytes, format!("Content-Type: {content_type}").as_bytes())?;
        let blank = begin + find(&self.bytes[begin..], b"\r\n\r\n")? + 4;
        let end = blank + find(&self.bytes[blank..], format!("\r\n--{boundary}").as_bytes())?;
        Some(self.bytes[blank..end].to_vec())
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[derive(Default)]
struct State {
    taken: Vec<Taken>,
    commands: Vec<String>,
    extensions: Vec<&'static str>,
    /// What is answered to a command that begins so, in place of success.
    refuses: Option<(&'static str, &'static str)>,
}

/// The server; it stops with this value.
pub struct SmtpServer {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
}

impl SmtpServer {
    /// Starts a server that announces 8BITMIME and takes everything.
    pub fn start() -> SmtpServer {
        SmtpServer::announcing(&["8BITMIME"])
    }

    /// Starts a server with these extensions.
    pub fn announcing(extensions: &[&'static str]) -> SmtpServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State { extensions: extensions.to_vec(), ..State::default() };
        let server = SmtpServer {
            port: listener.local_addr().unwrap().port(),
            state: Arc::new(Mutex::new(state)),
            stopped: Arc::new(AtomicBool::new(false)),
        };
        let (state, stopped) = (Arc::clone(&server.state), Arc::clone(&server.stopped));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, state) = (stream.unwrap(), Arc::clone(&state));
                thread::spawn(move || {
                    // The peer may die at any moment, so an error is just an end.
                    let _ended: io::Result<()> = serve(stream, &state);
                });
            }
        });
        server
    }

    /// Answers commands that begin with `command` so; `None`: takes everything.
    pub fn refuse(&self, refused: Option<(&'static str, &'static str)>) {
        self.state.lock().unwrap().refuses = refused;
    }

    /// The mails that were taken over.
    pub fn taken(&self) -> Vec<Taken> {
        self.state.lock().unwrap().taken.clone()
    }

    /// The commands that arrived.
    pub fn commands(&self) -> Vec<String> {
        self.state.lock().unwrap().commands.clone()
    }

    /// `notices:` of a configuration that mails through this server to `to`.
    pub fn yaml(&self, to: &str) -> String {
        let port = self.port;
        format!(
            "notices:\n  smtp: {{ host: 127.0.0.1, port: {port}, tls: none, from: pophook@example.com, to: [{to}] }}\n"
        )
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    writer.write_all(b"220 double\r\n")?;
    let (mut from, mut to) = (String::new(), Vec::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_owned();
        let (extensions, refuses) = {
            let mut state = state.lock().unwrap();
            state.commands.push(line.clone());
            (state.extensions.clone(), state.refuses)
        };
        if let Some((_, answer)) = refuses.filter(|(command, _)| line.starts_with(command)) {
            writer.write_all(format!("{answer}\r\n").as_bytes())?;
            continue;
        }
        match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => {
                let lines: String = extensions.iter().map(|extension| format!("250-{extension}\r\n")).collect();
                writer.write_all(format!("250-double\r\n{lines}250 HELP\r\n").as_bytes())?;
            }
            "MAIL" => {
                line["MAIL FROM:".len()..].clone_into(&mut from);
                writer.write_all(b"250 fine\r\n")?;
            }
            "RCPT" => {
                to.push(line["RCPT TO:".len()..].to_owned());
                writer.write_all(b"250 fine\r\n")?;
            }
            "DATA" => {
                writer.write_all(b"354 go on\r\n")?;
                let bytes = data(&mut reader)?;
                state.lock().unwrap().taken.push(Taken { from: from.clone(), to: std::mem::take(&mut to), bytes });
                writer.write_all(b"250 taken\r\n")?;
            }
            "QUIT" => {
                writer.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => writer.write_all(b"500 unknown\r\n")?,
        }
    }
}

/// Reads up to the line with a dot alone; the CRLF before it belongs to the mail.
fn data(reader: &mut impl io::BufRead) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(bytes);
        }
        bytes.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
