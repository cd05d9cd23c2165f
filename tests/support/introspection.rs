//! An authority that knows one access token and tells a mail server whose it is (RFC 7662).

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::net::TcpStream;
use std::thread;

/// The authority; its thread ends with the test process.
pub struct Introspection {
    port: u16,
}

impl Introspection {
    /// Starts one that knows `token` as that of `username`.
    pub fn start(token: &'static str, username: &'static str) -> Introspection {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let body = read(stream.as_ref().unwrap());
                let known = body.split('&').any(|field| field.strip_prefix("token=") == Some(token));
                let answer = format!(r#"{{"active":{known},"username":"{}"}}"#, if known { username } else { "" });
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
                write!(stream.unwrap(), "{head}content-length: {}\r\n\r\n{answer}", answer.len()).unwrap();
            }
        });
        Introspection { port }
    }

    /// Where it is asked.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/introspect", self.port)
    }
}

/// The body of a request.
fn read(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}
