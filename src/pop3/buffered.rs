//! A stream with what was read ahead and what is still to be written.
//!
//! RFC 2449 section 6.8: a client with several commands under way must not wait for a write while the server waits for
//! one. So there is no write to wait for: each wait for bytes also writes on. Nothing here knows lines or deadlines.
//! The promise: what is queued together leaves in one write where the line takes it, because some servers stumble over
//! commands in pieces.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use tokio::io::AsyncWriteExt as _;
use tokio::io::ReadBuf;

use super::stream::Stream;

/// How much is read at once: four TLS records, and room for every status line.
const INCOMING: usize = 64 * 1024;

/// A stream and its two buffers.
pub(super) struct Buffered {
    stream: Stream,
    /// Always [`INCOMING`] long; what was read and not used yet stands at `unused`.
    incoming: Vec<u8>,
    unused: Range<usize>,
    outgoing: Vec<u8>,
}

impl fmt::Debug for Buffered {
    /// Tells nothing of what stands in the buffers: it may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unused, outgoing) = (self.unused.len(), self.outgoing.len());
        f.debug_struct("Buffered").field("unused", &unused).field("outgoing", &outgoing).finish_non_exhaustive()
    }
}

impl Buffered {
    pub(super) fn new(stream: Stream) -> Buffered {
        Buffered { stream, incoming: vec![0; INCOMING], unused: 0..0, outgoing: Vec::new() }
    }

    /// The stream alone; `None` if something was read ahead that would be lost.
    pub(super) fn into_stream(self) -> Option<Stream> {
        self.unused.is_empty().then_some(self.stream)
    }

    /// What was read and not used yet.
    pub(super) fn unused(&self) -> &[u8] {
        self.incoming.get(self.unused.clone()).unwrap_or_default()
    }

    /// Marks the first `count` bytes of [`Buffered::unused`] as used.
    pub(super) fn consume(&mut self, count: usize) {
        self.unused.start = self.unused.start.saturating_add(count).min(self.unused.end);
        if self.unused.is_empty() {
            self.unused = 0..0;
        }
    }

    /// Puts `bytes` behind what is still to be written.
    pub(super) fn queue(&mut self, bytes: &[u8]) {
        self.outgoing.extend_from_slice(bytes);
    }

    /// Writes as much as the line takes at once, without waiting.
    pub(super) async fn push(&mut self) {
        poll_fn(|cx| {
            self.poll_outgoing(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Waits for more bytes and writes on meanwhile; 0 bytes mean that the other side closed.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|cx| {
            self.poll_outgoing(cx);
            self.poll_incoming(cx)
        })
        .await
    }

    /// Closes our side in a polite way.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.stream.0.shutdown().await
    }

    /// Writes until done or the line is full. A failed write ends it: the reading side then tells why, for a server
    /// that closes may have left its reason there.
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) {
        while !self.outgoing.is_empty() {
            match Pin::new(&mut *self.stream.0).poll_write(cx, &self.outgoing) {
                Poll::Pending => return,
                Poll::Ready(Ok(written)) if written > 0 => drop(self.outgoing.drain(..written)),
                Poll::Ready(_) => self.outgoing.clear(),
            }
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.unused.end == self.incoming.len() {
            self.incoming.copy_within(self.unused.clone(), 0);
            self.unused = 0..self.unused.len();
        }
        let mut free = ReadBuf::new(self.incoming.get_mut(self.unused.end..).unwrap_or_default());
        match Pin::new(&mut *self.stream.0).poll_read(cx, &mut free) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                let count = free.filled().len();
                self.unused.end = self.unused.end.saturating_add(count);
                Poll::Ready(Ok(count))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn waiting_for_bytes_writes_on() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut buffered = Buffered::new(Stream(Box::new(ours)));
        // Each side wants to write more than the line takes before the other one reads.
        let server = tokio::spawn(async move {
            theirs.write_all(&[b'b'; 1000]).await.unwrap();
            let mut got = vec![0; 1000];
            theirs.read_exact(&mut got).await.unwrap();
            theirs.write_all(b"!").await.unwrap();
            got
        });
        buffered.queue(&[b'a'; 1000]);
        buffered.push().await;
        while !buffered.unused().ends_with(b"!") {
            assert!(buffered.fill().await.unwrap() > 0);
        }
        assert_eq!(buffered.unused().len(), 1001);
        assert_eq!(server.await.unwrap(), [b'a'; 1000]);
    }

    #[tokio::test]
    async fn unused_bytes_survive_the_end_of_the_buffer() {
        let (ours, mut theirs) = tokio::io::duplex(INCOMING);
        let mut buffered = Buffered::new(Stream(Box::new(ours)));
        theirs.write_all(&vec![b'a'; INCOMING]).await.unwrap();
        while buffered.unused().len() < INCOMING {
            buffered.fill().await.unwrap();
        }
        buffered.consume(INCOMING - 2);
        theirs.write_all(b"bc").await.unwrap();
        buffered.fill().await.unwrap();
        assert_eq!(buffered.unused(), b"aabc");
        assert!(buffered.into_stream().is_none());
    }

    #[tokio::test]
    async fn what_a_closing_server_said_is_still_read() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        theirs.write_all(b"-ERR bye\r\n").await.unwrap();
        drop(theirs);
        let mut buffered = Buffered::new(Stream(Box::new(ours)));
        buffered.queue(b"RETR 1\r\n");
        assert_eq!(buffered.fill().await.unwrap(), 10);
        assert_eq!(buffered.fill().await.unwrap(), 0);
    }
}
