//! A scripted POP3 server over plain TCP: for what a real one will not do.
//!
//! It follows RFC 1939 (removal only at QUIT, numbers fixed for a session) except where the session's [`Faults`] say
//! otherwise, logs every command, and calls a hook at each instant that a test may want to kill somebody at.

use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
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

use super::tick;

/// One message of the maildrop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What UIDL says of it.
    pub unique_id: Vec<u8>,
    /// Its bytes, without dot-stuffing.
    pub raw: Vec<u8>,
    /// What LIST says of its size, true or not.
    pub size: usize,
}

impl Message {
    /// A message whose size is told truly.
    pub fn new(unique_id: &str, raw: &[u8]) -> Message {
        Message { unique_id: unique_id.into(), raw: raw.into(), size: raw.len() }
    }
}

/// What goes wrong in one session.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// CAPA announces PIPELINING.
    pub pipelining: bool,
    /// CAPA is not understood.
    pub no_capa: bool,
    /// The connection is closed when CAPA is asked.
    pub closes_on_capa: bool,
    /// The connection is closed when a RETR does not wait for the one before.
    pub closes_on_pipelined: bool,
    /// One more line of the answer to CAPA.
    pub capability: Option<&'static str>,
    /// PASS and AUTH are answered by this.
    pub login_refused: Option<&'static str>,
    /// DELE is answered -ERR.
    pub dele_refused: bool,
    /// How UIDL is answered.
    pub uidl: Uidl,
    /// How TOP is answered.
    pub top: Top,
    /// RETR of this unique-id is answered -ERR.
    pub retr_refused: Option<&'static str>,
    /// RETR of this unique-id breaks off after so many bytes of the message.
    pub retr_broken: Option<(&'static str, usize)>,
    /// The connection is closed after DELE was answered.
    pub drop_after_dele: bool,
    /// DELE is answered +OK and forgotten.
    pub dele_ignored: bool,
    /// What was retrieved goes at QUIT, DELE or not.
    pub retr_deletes: bool,
    /// How QUIT is answered.
    pub quit: Quit,
    /// Every answer goes out byte by byte.
    pub byte_by_byte: bool,
}

/// How UIDL is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Uidl {
    #[default]
    Complete,
    /// All lines but the final dot, then the connection is closed.
    NoFinalDot,
    /// The first of the lines, then the connection is closed.
    HalfThenClosed,
    /// Announced, and refused all the same.
    Refused,
    /// Neither announced nor known.
    Unsupported,
}

/// How TOP is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Top {
    #[default]
    Complete,
    /// With the whole message, whatever was asked for.
    Everything,
    /// -ERR.
    Refused,
    /// The connection is closed within the header of this unique-id.
    Broken(&'static str),
}

/// How QUIT is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Quit {
    #[default]
    Honoured,
    /// -ERR, and nothing is removed.
    Refused,
    /// -ERR, and the first half of what was marked is removed.
    Halved,
    /// All is removed, and the connection is closed without an answer.
    HonouredInSilence,
    /// Nothing is removed, and the connection is closed without an answer.
    ForgottenInSilence,
}

/// An instant of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// This command line arrived and nothing was done about it yet.
    Arrived(String),
    /// Half of the message that this RETR asks for was written.
    Halfway(String),
    /// This command was carried out, and the last byte of its answer was written.
    Answered(String),
}

/// What the hook wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    GoOn,
    /// Closes the connection without another byte.
    Drop,
}

/// One command that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// When; see [`tick`].
    pub at: u64,
    /// The how manieth session it was, from 1.
    pub session: usize,
    /// The line without its end; PASS and AUTH without their secrets.
    pub command: String,
    /// Whether it arrived before its predecessor was answered.
    pub pipelined: bool,
}

type Hook = Arc<dyn Fn(&Event) -> Then + Send + Sync>;
type Removal = Arc<dyn Fn(&[Message]) + Send + Sync>;

#[derive(Default)]
struct State {
    drop: Vec<(u64, Message)>,
    accepted: Vec<Message>,
    taken_away: Vec<Message>,
    expunged: Vec<Message>,
    removal: Option<Removal>,
    scripted: VecDeque<Faults>,
    faults: Faults,
    hook: Option<Hook>,
    log: Vec<Logged>,
    sessions: usize,
}

/// The server; it stops with this value.
pub struct Pop3Server {
    /// Where it listens.
    pub port: u16,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
}

impl Pop3Server {
    /// Starts a server whose one maildrop holds `messages`; any user may log in with the password `pw`.
    pub fn start(messages: Vec<Message>) -> Pop3Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let stopped = Arc::new(AtomicBool::new(false));
        let server = Pop3Server { port, state: Arc::clone(&state), stopped: Arc::clone(&stopped) };
        messages.into_iter().for_each(|message| server.put(message));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, state) = (stream.unwrap(), Arc::clone(&state));
                thread::spawn(move || Session::open(stream, state).run());
            }
        });
        server
    }

    /// Adds a message; running sessions do not see it.
    pub fn put(&self, message: Message) {
        let mut state = self.state.lock().unwrap();
        state.accepted.push(message.clone());
        state.drop.push((tick(), message));
    }

    /// Replaces the whole maildrop.
    pub fn replace(&self, messages: Vec<Message>) {
        let mut state = self.state.lock().unwrap();
        // What somebody else took away is owed by nobody.
        let taken: Vec<Message> = state.drop.drain(..).map(|(_, message)| message).collect();
        state.accepted.retain(|message| !taken.contains(message));
        state.taken_away.extend(taken);
        state.accepted.extend(messages.iter().cloned());
        state.drop = messages.into_iter().map(|message| (tick(), message)).collect();
    }

    /// What goes wrong in every session for which [`script`](Self::script) says nothing.
    pub fn set(&self, faults: Faults) {
        self.state.lock().unwrap().faults = faults;
    }

    /// What goes wrong in the next sessions, one after another.
    pub fn script(&self, faults: impl IntoIterator<Item = Faults>) {
        self.state.lock().unwrap().scripted.extend(faults);
    }

    /// Calls `hook` at each instant of each session.
    pub fn hook(&self, hook: impl Fn(&Event) -> Then + Send + Sync + 'static) {
        self.state.lock().unwrap().hook = Some(Arc::new(hook));
    }

    /// Calls `hook` with what a QUIT removes, just before it is gone.
    pub fn on_removal(&self, hook: impl Fn(&[Message]) + Send + Sync + 'static) {
        self.state.lock().unwrap().removal = Some(Arc::new(hook));
    }

    /// Calls no hook any more, but for removals.
    pub fn unhook(&self) {
        self.state.lock().unwrap().hook = None;
    }

    /// What lies in the maildrop now.
    pub fn messages(&self) -> Vec<Message> {
        self.state.lock().unwrap().drop.iter().map(|(_, message)| message.clone()).collect()
    }

    /// What ever lay in the maildrop, but for what a test took away by [`replace`](Self::replace).
    pub fn accepted(&self) -> Vec<Message> {
        self.state.lock().unwrap().accepted.clone()
    }

    /// What a test took away.
    pub fn taken_away(&self) -> Vec<Message> {
        self.state.lock().unwrap().taken_away.clone()
    }

    /// What was removed at a QUIT, in order.
    pub fn expunged(&self) -> Vec<Message> {
        self.state.lock().unwrap().expunged.clone()
    }

    /// Every command of every session.
    pub fn log(&self) -> Vec<Logged> {
        self.state.lock().unwrap().log.clone()
    }

    /// How many commands began with `verb`.
    pub fn times(&self, verb: &str) -> usize {
        self.log().iter().filter(|logged| logged.command.split(' ').next() == Some(verb)).count()
    }

    /// How many sessions were opened.
    pub fn sessions(&self) -> usize {
        self.state.lock().unwrap().sessions
    }
}

impl Drop for Pop3Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees the flag.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

struct Session {
    reader: BufReader<TcpStream>,
    state: Arc<Mutex<State>>,
    faults: Faults,
    number: usize,
    user: Option<String>,
    /// The maildrop as it was at the login.
    drop: Option<Vec<(u64, Message)>>,
    marked: BTreeSet<usize>,
    retrieved: BTreeSet<usize>,
}

/// Whether the session goes on.
enum Next {
    Command,
    Close,
}

impl Session {
    fn open(stream: TcpStream, state: Arc<Mutex<State>>) -> Session {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let (faults, number) = {
            let mut state = state.lock().unwrap();
            state.sessions += 1;
            (state.scripted.pop_front().unwrap_or_else(|| state.faults.clone()), state.sessions)
        };
        Session {
            reader: BufReader::new(stream),
            state,
            faults,
            number,
            user: None,
            drop: None,
            marked: BTreeSet::new(),
            retrieved: BTreeSet::new(),
        }
    }

    /// Talks until somebody closes; the peer may die at any moment, so an error is just an end.
    fn run(mut self) {
        let _ended: io::Result<()> = self.talk();
        let _closed: io::Result<()> = self.reader.get_ref().shutdown(Shutdown::Both);
    }

    fn talk(&mut self) -> io::Result<()> {
        self.say("+OK scripted")?;
        loop {
            let pipelined = self.reader.buffer().contains(&b'\n');
            let mut line = Vec::new();
            if self.reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let line = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
            let shown = match line.split_once(' ') {
                Some((verb @ ("PASS" | "AUTH"), _)) => verb.to_owned(),
                _ => line.clone(),
            };
            let logged = Logged { at: tick(), session: self.number, command: shown.clone(), pipelined };
            self.state.lock().unwrap().log.push(logged);
            if self.tell(&Event::Arrived(shown.clone())) == Then::Drop
                || (self.faults.closes_on_capa && shown == "CAPA")
                || (self.faults.closes_on_pipelined && pipelined && shown.starts_with("RETR"))
            {
                return Ok(());
            }
            let next = self.answer(&line)?;
            if self.tell(&Event::Answered(shown)) == Then::Drop || matches!(next, Next::Close) {
                return Ok(());
            }
        }
    }

    fn tell(&self, event: &Event) -> Then {
        let hook = self.state.lock().unwrap().hook.clone();
        hook.map_or(Then::GoOn, |hook| hook(event))
    }

    fn answer(&mut self, line: &str) -> io::Result<Next> {
        let mut words = line.split(' ');
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        let argument = words.next();
        match verb.as_str() {
            "CAPA" if self.faults.no_capa => self.say("-ERR what?"),
            "CAPA" => {
                let pipelining = if self.faults.pipelining { "PIPELINING\r\n" } else { "" };
                let extra = self.faults.capability.map(|line| format!("{line}\r\n")).unwrap_or_default();
                let uidl = if self.faults.uidl == Uidl::Unsupported { "" } else { "UIDL\r\n" };
                self.say(&format!("+OK\r\nTOP\r\n{uidl}USER\r\nRESP-CODES\r\nSASL PLAIN\r\n{pipelining}{extra}."))
            }
            "USER" => {
                self.user = argument.map(ToOwned::to_owned);
                self.say("+OK")
            }
            "PASS" => self.login(self.user.is_some() && argument == Some("pw")),
            "AUTH" => {
                let response = match words.next() {
                    Some(response) => response.to_owned(),
                    None => {
                        self.say("+ ")?;
                        let mut response = String::new();
                        self.reader.read_line(&mut response)?;
                        response.trim_end().to_owned()
                    }
                };
                let response = data_encoding::BASE64.decode(response.as_bytes()).unwrap_or_default();
                self.login(response.ends_with(b"\0pw") || response.ends_with(b"\x01auth=Bearer pw\x01\x01"))
            }
            "QUIT" => return self.quit(),
            _ if self.drop.is_none() => self.say("-ERR not now"),
            "STAT" => {
                let sizes: Vec<usize> = self.listed().map(|(_, message)| message.size).collect();
                self.say(&format!("+OK {} {}", sizes.len(), sizes.iter().sum::<usize>()))
            }
            "LIST" => self.list(argument, |message| message.size.to_string().into_bytes()),
            "UIDL" => return self.uidl(argument),
            "RETR" => return self.retr(argument),
            "TOP" => return self.top(argument),
            "DELE" => return self.dele(argument),
            "RSET" => {
                self.marked.clear();
                self.say("+OK")
            }
            "NOOP" => self.say("+OK"),
            _ => self.say("-ERR what?"),
        }?;
        Ok(Next::Command)
    }

    fn login(&mut self, welcome: bool) -> io::Result<()> {
        if let Some(answer) = self.faults.login_refused {
            return self.say(answer);
        }
        if !welcome {
            return self.say("-ERR [AUTH] wrong password");
        }
        self.drop = Some(self.state.lock().unwrap().drop.clone());
        self.say("+OK welcome")
    }

    /// The messages that are not marked, with their numbers.
    fn listed(&self) -> impl Iterator<Item = (usize, &Message)> {
        let all = self.drop.iter().flatten().enumerate().map(|(index, (_, message))| (index + 1, message));
        all.filter(|(number, _)| !self.marked.contains(number))
    }

    fn find(&self, argument: Option<&str>) -> Option<(usize, Message)> {
        let wanted: usize = argument?.parse().ok()?;
        self.listed().find(|(number, _)| *number == wanted).map(|(number, message)| (number, message.clone()))
    }

    fn list(&mut self, argument: Option<&str>, show: impl Fn(&Message) -> Vec<u8>) -> io::Result<()> {
        if argument.is_some() {
            return match self.find(argument) {
                None => self.say("-ERR no such message"),
                Some((number, message)) => {
                    let mut line = format!("+OK {number} ").into_bytes();
                    line.extend(show(&message));
                    line.extend(b"\r\n");
                    self.write(&line)
                }
            };
        }
        let mut answer = b"+OK\r\n".to_vec();
        for (number, message) in self.listed() {
            answer.extend(format!("{number} ").bytes());
            answer.extend(show(message));
            answer.extend(b"\r\n");
        }
        answer.extend(b".\r\n");
        self.write(&answer)
    }

    fn uidl(&mut self, argument: Option<&str>) -> io::Result<Next> {
        let show = |message: &Message| message.unique_id.clone();
        match self.faults.uidl {
            Uidl::Complete => self.list(argument, show)?,
            Uidl::Refused | Uidl::Unsupported => self.say("-ERR internal error")?,
            cut @ (Uidl::NoFinalDot | Uidl::HalfThenClosed) => {
                let mut answer = b"+OK\r\n".to_vec();
                let lines = if cut == Uidl::NoFinalDot { usize::MAX } else { 1 };
                for (number, message) in self.listed().take(lines) {
                    answer.extend(format!("{number} ").bytes());
                    answer.extend(show(message));
                    answer.extend(b"\r\n");
                }
                self.write(&answer)?;
                return Ok(Next::Close);
            }
        }
        Ok(Next::Command)
    }

    fn retr(&mut self, argument: Option<&str>) -> io::Result<Next> {
        let Some((number, message)) = self.find(argument) else {
            self.say("-ERR no such message")?;
            return Ok(Next::Command);
        };
        if self.faults.retr_refused.is_some_and(|id| id.as_bytes() == message.unique_id) {
            self.say("-ERR cannot read this message")?;
            return Ok(Next::Command);
        }
        let stuffed = stuff(&message.raw);
        if let Some((id, bytes)) = self.faults.retr_broken
            && id.as_bytes() == message.unique_id
        {
            self.say("+OK")?;
            self.write(&stuffed[..bytes.min(stuffed.len())])?;
            return Ok(Next::Close);
        }
        self.retrieved.insert(number);
        let mut answer = format!("+OK {} octets\r\n", message.size).into_bytes();
        answer.extend(stuffed);
        answer.extend(b".\r\n");
        let (first, second) = answer.split_at(answer.len() / 2);
        self.write(first)?;
        if self.tell(&Event::Halfway(format!("RETR {number}"))) == Then::Drop {
            return Ok(Next::Close);
        }
        self.write(second)?;
        Ok(Next::Command)
    }

    fn top(&mut self, argument: Option<&str>) -> io::Result<Next> {
        let Some((_, message)) = self.find(argument).filter(|_| self.faults.top != Top::Refused) else {
            self.say("-ERR no such message")?;
            return Ok(Next::Command);
        };
        let header = message.raw.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        let end = header.filter(|_| self.faults.top != Top::Everything).unwrap_or(message.raw.len());
        let mut answer = b"+OK\r\n".to_vec();
        answer.extend(stuff(&message.raw[..end]));
        if matches!(self.faults.top, Top::Broken(id) if id.as_bytes() == message.unique_id) {
            self.write(&answer[..answer.len() / 2])?;
            return Ok(Next::Close);
        }
        answer.extend(b".\r\n");
        self.write(&answer)?;
        Ok(Next::Command)
    }

    fn dele(&mut self, argument: Option<&str>) -> io::Result<Next> {
        match self.find(argument) {
            None => self.say("-ERR no such message")?,
            Some(_) if self.faults.dele_refused => self.say("-ERR Message already deleted.")?,
            Some((number, _)) => {
                self.marked.insert(number);
                self.say("+OK marked")?;
                if self.faults.drop_after_dele {
                    return Ok(Next::Close);
                }
            }
        }
        Ok(Next::Command)
    }

    fn quit(&mut self) -> io::Result<Next> {
        match self.faults.quit {
            Quit::Honoured => {
                self.expunge();
                self.say("+OK bye")?;
            }
            Quit::Refused => self.say("-ERR some deleted messages not removed")?,
            Quit::Halved => {
                let half = self.marked.len().div_ceil(2);
                self.marked = std::mem::take(&mut self.marked).into_iter().take(half).collect();
                self.expunge();
                self.say("-ERR some deleted messages not removed")?;
            }
            Quit::HonouredInSilence => self.expunge(),
            Quit::ForgottenInSilence => {}
        }
        Ok(Next::Close)
    }

    fn expunge(&mut self) {
        let mut going = if self.faults.dele_ignored { BTreeSet::new() } else { self.marked.clone() };
        if self.faults.retr_deletes {
            going.extend(&self.retrieved);
        }
        let Some(drop) = &self.drop else { return };
        let messages: Vec<Message> = going.iter().map(|number| drop[number - 1].1.clone()).collect();
        let removal = self.state.lock().unwrap().removal.clone();
        if let Some(removal) = removal.filter(|_| !messages.is_empty()) {
            removal(&messages);
        }
        let mut state = self.state.lock().unwrap();
        for number in going {
            let (key, message) = &drop[number - 1];
            let before = state.drop.len();
            state.drop.retain(|(other, _)| other != key);
            if state.drop.len() < before {
                state.expunged.push(message.clone());
            }
        }
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        self.write(format!("{line}\r\n").as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.reader.get_mut();
        if self.faults.byte_by_byte {
            return bytes.iter().try_for_each(|byte| stream.write_all(&[*byte]));
        }
        stream.write_all(bytes)
    }
}

/// Dot-stuffs a message, and ends its last line if that has no end.
fn stuff(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + 2);
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !out.ends_with(b"\r\n") && !out.is_empty() {
        out.extend_from_slice(b"\r\n");
    }
    out
}
