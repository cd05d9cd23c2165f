//! An HTTP endpoint double: records what arrives and answers by script.

use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use serde_json::Value;

use super::oracle::is_signed;
use super::tick;
use super::unbase64;

/// How one request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This status and an empty body.
    Status(u16),
    /// This status with one more header field.
    With(u16, &'static str, String),
    /// This status and a JSON body.
    Body(u16, String),
    /// These words, which mean this status to whoever reads them, then the connection is closed.
    Words(&'static str, Option<u16>),
    /// Read, then the connection is reset.
    Reset,
    /// Read, then the connection is closed without an answer.
    Close,
    /// Answered 200 only after [`Receiver::release`].
    Hold,
    /// The status line and header of a 200, but only the first byte of the body that they promise.
    HalfBody,
}

/// One request that arrived.
#[derive(Debug, Clone)]
pub struct Hit {
    /// When its last byte had arrived; see [`tick`].
    pub at: u64,
    /// Its path.
    pub path: String,
    /// Its header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// The status that it was answered with, if it was.
    pub answered: Option<u16>,
    /// Whether it was signed with the oracle's key, as the reference judged on its arrival.
    pub signed: bool,
}

impl Hit {
    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The `webhook-id`.
    pub fn id(&self) -> String {
        self.header("webhook-id").expect("every post carries a webhook-id").to_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// `data.<field>` of the body.
    pub fn data(&self, field: &str) -> Value {
        self.json()["data"][field].clone()
    }

    /// `data.subject` of the body.
    pub fn subject(&self) -> String {
        self.data("subject").as_str().unwrap_or_default().to_owned()
    }

    /// The whole mail, where the endpoint asks for it.
    pub fn raw(&self) -> Vec<u8> {
        unbase64(self.data("raw").as_str().expect("include_raw: true"))
    }
}

impl Answer {
    /// The status that the asker sees.
    fn status(&self) -> Option<u16> {
        match self {
            Answer::Status(status) | Answer::With(status, ..) | Answer::Body(status, _) => Some(*status),
            Answer::Hold | Answer::HalfBody => Some(200),
            Answer::Words(_, status) => *status,
            Answer::Reset | Answer::Close => None,
        }
    }
}

type Arrived = Arc<dyn Fn(&Hit) + Send + Sync>;
type Decide = Box<dyn FnMut(&Hit) -> Answer + Send>;

struct State {
    hits: Vec<Hit>,
    script: VecDeque<Answer>,
    default: Answer,
    decide: Option<Decide>,
    remembers: bool,
    arrived: Option<Arrived>,
    answered: Option<Arrived>,
    held: bool,
}

/// The endpoint; it stops with this value.
pub struct Receiver {
    port: u16,
    state: Arc<Mutex<State>>,
    released: Arc<Condvar>,
    stopped: Arc<AtomicBool>,
}

impl Receiver {
    /// Starts an endpoint that answers 200 until told otherwise.
    pub fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State {
            hits: Vec::new(),
            script: VecDeque::new(),
            default: Answer::Status(200),
            decide: None,
            remembers: true,
            arrived: None,
            answered: None,
            held: true,
        };
        let receiver = Receiver {
            port: listener.local_addr().unwrap().port(),
            state: Arc::new(Mutex::new(state)),
            released: Arc::new(Condvar::new()),
            stopped: Arc::new(AtomicBool::new(false)),
        };
        let (state, released, stopped) =
            (Arc::clone(&receiver.state), Arc::clone(&receiver.released), Arc::clone(&receiver.stopped));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, state, released) = (stream.unwrap(), Arc::clone(&state), Arc::clone(&released));
                thread::spawn(move || {
                    // The peer may die at any moment, so an error is just an end.
                    let _ended: io::Result<()> = serve(stream, &state, &released);
                });
            }
        });
        receiver
    }

    /// Where to post.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/inbound", self.port)
    }

    /// Answers the next requests so, one after another.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.lock().unwrap().script.extend(answers);
    }

    /// Answers so when the script is at its end.
    pub fn set(&self, answer: Answer) {
        self.state.lock().unwrap().default = answer;
    }

    /// Answers each request as `decide` says.
    pub fn decide(&self, decide: impl FnMut(&Hit) -> Answer + Send + 'static) {
        self.state.lock().unwrap().decide = Some(Box::new(decide));
    }

    /// Remembers no request any more: there will be too many.
    pub fn forget(&self) {
        self.state.lock().unwrap().remembers = false;
    }

    /// Calls `hook` for each request before it is answered.
    pub fn on_arrival(&self, hook: impl Fn(&Hit) + Send + Sync + 'static) {
        self.state.lock().unwrap().arrived = Some(Arc::new(hook));
    }

    /// Calls `hook` for each request after the last byte of its answer was written.
    pub fn on_answered(&self, hook: impl Fn(&Hit) + Send + Sync + 'static) {
        self.state.lock().unwrap().answered = Some(Arc::new(hook));
    }

    /// Calls no hook any more.
    pub fn unhook(&self) {
        let mut state = self.state.lock().unwrap();
        state.arrived = None;
        state.answered = None;
    }

    /// Lets every held request go, and those that are still to come.
    pub fn release(&self) {
        self.state.lock().unwrap().held = false;
        self.released.notify_all();
    }

    /// What arrived so far, in order.
    pub fn hits(&self) -> Vec<Hit> {
        self.state.lock().unwrap().hits.clone()
    }

    /// What arrived after the first so many.
    pub fn hits_since(&self, count: usize) -> Vec<Hit> {
        self.state.lock().unwrap().hits.get(count..).unwrap_or_default().to_vec()
    }

    /// How many requests arrived so far.
    pub fn count(&self) -> usize {
        self.state.lock().unwrap().hits.len()
    }

    /// The different ids that arrived so far.
    pub fn ids(&self) -> BTreeSet<String> {
        self.hits().iter().map(Hit::id).collect()
    }

    /// The subjects that arrived so far, sorted.
    pub fn subjects(&self) -> Vec<String> {
        let mut subjects: Vec<String> = self.hits().iter().map(Hit::subject).collect();
        subjects.sort();
        subjects
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.release();
        // Wakes the accepting thread, which then sees the flag.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

/// Answers the requests of one connection, one after another.
fn serve(stream: TcpStream, state: &Mutex<State>, released: &Condvar) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream);
    while let Some(mut hit) = read_request(&mut reader)? {
        hit.signed = is_signed(&hit);
        let (answer, arrived, answered) = {
            let mut state = state.lock().unwrap();
            let decided = state.decide.as_mut().map(|decide| decide(&hit));
            let answer = decided.or_else(|| state.script.pop_front()).unwrap_or_else(|| state.default.clone());
            hit.answered = answer.status();
            if state.remembers {
                state.hits.push(hit.clone());
            }
            (answer, state.arrived.clone(), state.answered.clone())
        };
        if let Some(hook) = arrived {
            hook(&hit);
        }
        let text = match answer {
            Answer::Status(status) => format!("HTTP/1.1 {status} Scripted\r\ncontent-length: 0\r\n\r\n"),
            Answer::With(status, name, value) => {
                format!("HTTP/1.1 {status} Scripted\r\n{name}: {value}\r\ncontent-length: 0\r\n\r\n")
            }
            Answer::Body(status, body) => format!(
                "HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
            Answer::Reset => {
                set_socket_linger(reader.get_ref(), Some(Duration::ZERO))?;
                return Ok(());
            }
            Answer::Close => return Ok(()),
            Answer::Words(words, _) => return reader.get_mut().write_all(words.as_bytes()),
            Answer::Hold => {
                let held = released.wait_while(state.lock().unwrap(), |state| state.held);
                drop(held.unwrap());
                "HTTP/1.1 200 Scripted\r\ncontent-length: 0\r\n\r\n".to_owned()
            }
            Answer::HalfBody => "HTTP/1.1 200 Scripted\r\ncontent-length: 1000\r\n\r\n.".to_owned(),
        };
        reader.get_mut().write_all(text.as_bytes())?;
        if let Some(hook) = answered {
            hook(&hit);
        }
    }
    Ok(())
}

/// The next request of a connection, or `None` at its end.
fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Hit>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let value = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let body = match (value("transfer-encoding"), value("content-length")) {
        (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => read_chunks(reader)?,
        (_, Some(length)) => read_exactly(reader, length.parse().unwrap())?,
        _ => Vec::new(),
    };
    Ok(Some(Hit { at: tick(), path, headers, body, answered: None, signed: false }))
}

fn read_exactly(reader: &mut BufReader<TcpStream>, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_chunks(reader: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16).expect("a chunk's size");
        body.extend(read_exactly(reader, length)?);
        reader.read_line(&mut line)?;
        if length == 0 {
            return Ok(body);
        }
    }
}
