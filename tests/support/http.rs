//! A client of the operators' server that sends exactly what a test wants, and shows all of the answer.

use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;

use serde_json::Value;

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status; 0 where nothing was answered.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header field; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Insists on a status, and shows the whole answer if it is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Reply {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }
}

/// Sends one request on a connection of its own; `host` is added where the headers have none.
pub fn ask(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("host")) {
        request.push_str("host: 127.0.0.1\r\n");
    }
    headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
    request.push_str("\r\n");
    send(port, &[request.as_bytes(), body].concat())
}

/// Sends these bytes on a connection of their own, which the server has to close.
pub fn send(port: u16, request: &[u8]) -> Reply {
    let mut answer = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        let sent = stream.write_all(request);
        // What was not taken whole may have been answered all the same.
        drop(sent.and_then(|()| stream.read_to_end(&mut answer).map(drop)));
    }
    read(&answer)
}

fn read(answer: &[u8]) -> Reply {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).unwrap_or(0);
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Reply { status, headers: headers.collect(), body: answer.get(end + 4..).unwrap_or_default().to_vec() }
}
