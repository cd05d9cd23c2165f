//! Servers that follow a script, for the tests of this room.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use super::config::Timeouts;
use super::stream::Stream;

/// What the server reads, and what it then writes.
pub(super) type Turn = (&'static str, &'static [u8]);

pub(super) const GREETING: Turn = ("", b"+OK hi\r\n");

/// How much a line holds.
pub(super) const SIZES: [usize; 3] = [1, 7, 100_000];

/// Long enough for every test, short enough for one that hangs.
pub(super) fn timeouts() -> Timeouts {
    let wait = Duration::from_secs(20);
    Timeouts { connect: wait, tls: wait, command: wait, idle: wait, slow: wait }
}

/// A server that follows `script`, then waits for the client to close and has nothing more said to it.
pub(super) fn serve(size: usize, script: &[&[Turn]]) -> (Stream, JoinHandle<()>) {
    let (line, script) = (tokio::io::duplex(size), script.concat());
    let server = tokio::spawn(async move {
        let mut line = line.1;
        follow(&mut line, &script).await;
        let mut rest = Vec::new();
        line.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest.escape_ascii().to_string(), "", "after the script");
    });
    (Stream(Box::new(line.0)), server)
}

/// A server that follows `script` and closes.
pub(super) fn serve_and_close(size: usize, script: &[&[Turn]]) -> Stream {
    let (line, script) = (tokio::io::duplex(size), script.concat());
    tokio::spawn(async move {
        let mut line = line.1;
        follow(&mut line, &script).await;
    });
    Stream(Box::new(line.0))
}

pub(super) async fn follow(line: &mut DuplexStream, script: &[Turn]) {
    for (expected, answer) in script {
        let mut got = vec![0; expected.len()];
        line.read_exact(&mut got).await.unwrap();
        assert_eq!(got.escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
        line.write_all(answer).await.unwrap();
    }
}
