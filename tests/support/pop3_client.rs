//! A plain, patient POP3 client: the second opinion on what a server holds.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

/// One session over plain TCP.
pub struct Pop3Client {
    reader: BufReader<TcpStream>,
}

impl Pop3Client {
    /// Connects and reads the greeting.
    pub fn connect(port: u16) -> Pop3Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut client = Pop3Client { reader: BufReader::new(stream) };
        let greeting = client.line();
        assert!(greeting.starts_with(b"+OK"), "{}", greeting.escape_ascii());
        client
    }

    /// Connects and logs in.
    pub fn login(port: u16, user: &str, password: &str) -> Pop3Client {
        let mut client = Pop3Client::connect(port);
        client.ok(&format!("USER {user}"));
        client.ok(&format!("PASS {password}"));
        client
    }

    /// Sends `command` and returns the first line of the answer.
    pub fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes());
        String::from_utf8_lossy(&self.line()).trim_end().to_owned()
    }

    /// The same for a command that must succeed.
    pub fn ok(&mut self, command: &str) -> String {
        let answer = self.ask(command);
        assert!(answer.starts_with("+OK"), "{command}: {answer}");
        answer
    }

    /// A command whose answer goes on to the final dot; its bytes without dot-stuffing.
    pub fn long(&mut self, command: &str) -> Vec<u8> {
        self.ok(command);
        let mut data = Vec::new();
        loop {
            let line = self.line();
            match line.as_slice() {
                b"" => panic!("{command}: the connection ended"),
                b".\r\n" => return data,
                _ => data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line)),
            }
        }
    }

    /// Writes raw bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    /// The next line with its end; empty at the end of the connection.
    pub fn line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line).unwrap();
        line
    }
}
