//! A request body that shows how far it has gone out.
//!
//! A body that is written as it is sent comes from a thread of its own, in chunks, a few ahead of the wire. Whoever
//! writes it says so when it is complete; without that word, the request breaks off, so that no receiver takes half a
//! body for a whole one: the announced length is not reached, or the last chunk does not come.

use std::io;
use std::io::Write as _;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::Frame;
use http_body::SizeHint;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Failure;
use super::Timeouts;
use super::body::Body;
use super::body::Rendering;

/// Bytes handed to the connection at a time: each is progress that the deadline looks for.
const CHUNK: usize = 64 << 10;
/// Chunks that are written ahead of the wire.
const AHEAD: usize = 2;
/// The whole exchange: this, and a second for each [`RATE`] bytes.
const WHOLE: Duration = Duration::from_secs(45);
/// The slowest upload that is waited for, in bytes per second.
const RATE: u64 = 512 << 10;

/// How far a body has gone out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// A chunk was handed over; more will come.
    Underway,
    /// All of it was.
    Gone,
    /// It cannot be written to its end.
    Broken,
}

/// The body could not be written to its end.
#[derive(Debug, thiserror::Error)]
#[error("the body could not be written to its end")]
pub(super) struct Broken;

/// Bytes that are sent in chunks; the watcher sees each of them go.
#[derive(Debug)]
pub(super) struct Upload {
    source: Source,
    /// Bytes still to come, where their number is known.
    left: Option<u64>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug)]
enum Source {
    Here(Bytes),
    Coming(mpsc::Receiver<Chunk>),
}

/// What the thread that writes a body tells.
#[derive(Debug)]
enum Chunk {
    Bytes(Bytes),
    /// There are no more.
    End,
}

impl Upload {
    /// Sends `body`. Call it within a runtime.
    pub(super) fn new(body: &Body) -> (Upload, watch::Receiver<Progress>) {
        let (source, left) = match body {
            Body::Whole(bytes) => (Source::Here(bytes.clone()), Some(body.size())),
            Body::Written { rendering, size, compressed } => {
                let (chunks, coming) = mpsc::channel(AHEAD);
                let (rendering, compressed) = (rendering.clone(), *compressed);
                // Nobody waits for it: it ends when it is done, when it fails, or when nobody takes its chunks any more.
                drop(tokio::task::spawn_blocking(move || write(&rendering, compressed, chunks)));
                (Source::Coming(coming), (!compressed).then_some(*size))
            }
        };
        let progress = if left == Some(0) { Progress::Gone } else { Progress::Underway };
        let (progress, watcher) = watch::channel(progress);
        (Upload { source, left, progress }, watcher)
    }

    fn hand_over(&mut self, chunk: Bytes) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let left = self.left.map(|left| left.checked_sub(length));
        if left == Some(None) {
            return self.broken();
        }
        self.left = left.flatten();
        let progress = if self.left == Some(0) { Progress::Gone } else { Progress::Underway };
        self.progress.send_replace(progress);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn broken(&self) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.progress.send_replace(Progress::Broken);
        Poll::Ready(Some(Err(Broken)))
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let coming = match &mut self.source {
            Source::Here(rest) if rest.is_empty() => return Poll::Ready(None),
            Source::Here(rest) => {
                let chunk = rest.split_to(CHUNK.min(rest.len()));
                return self.hand_over(chunk);
            }
            Source::Coming(coming) => coming,
        };
        match ready!(coming.poll_recv(context)) {
            Some(Chunk::Bytes(chunk)) => self.hand_over(chunk),
            Some(Chunk::End) if self.left.is_none_or(|left| left == 0) => {
                self.progress.send_replace(Progress::Gone);
                Poll::Ready(None)
            }
            // It ended before its time, or without a word.
            Some(Chunk::End) | None => self.broken(),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// How long an exchange may take until the answer's header is there.
pub(super) fn whole(times: Timeouts, body: &Body) -> Duration {
    let upload = Duration::from_secs(body.size() / RATE);
    times.whole.unwrap_or_else(|| WHOLE.max(times.connect.saturating_add(times.answer)).saturating_add(upload))
}

/// Returns when the upload stalls or breaks, or the answer to it does not begin in time.
pub(super) async fn too_slow(times: Timeouts, mut upload: watch::Receiver<Progress>) -> Failure {
    // Nothing goes out before there is a connection, whose time is its own.
    let mut patience = times.connect.saturating_add(times.stall);
    loop {
        let progress = *upload.borrow_and_update();
        match progress {
            Progress::Underway => {}
            Progress::Gone => break,
            Progress::Broken => return Failure::Render,
        }
        match timeout(patience, upload.changed()).await {
            Ok(Ok(())) => patience = times.stall,
            // The body is dropped, sent or not: the answer, or an error, is what remains to wait for.
            Ok(Err(_)) => break,
            Err(_) => return Failure::UploadStalled,
        }
    }
    tokio::time::sleep(times.answer).await;
    Failure::AnswerTimeout
}

/// Whether a body whose answer came before it was gone is one that can be written to its end. How much of it an endpoint
/// reads that has answered is its own matter.
pub(super) async fn is_whole(times: Timeouts, mut upload: watch::Receiver<Progress>) -> bool {
    let slow = too_slow(times, upload.clone());
    let ended = async {
        // Or nobody takes it any more.
        drop(upload.wait_for(|progress| *progress != Progress::Underway).await);
        *upload.borrow() != Progress::Broken
    };
    tokio::select! {
        is_whole = ended => is_whole,
        failure = slow => failure != Failure::Render,
    }
}

/// Writes a body into `chunks`. Should it fail or crash, the end is not told.
fn write(rendering: &Rendering, compressed: bool, chunks: mpsc::Sender<Chunk>) {
    let mut out = Chunks { begun: Vec::with_capacity(CHUNK), chunks };
    let written = if compressed { compress(rendering, &mut out) } else { rendering.write(&mut out) };
    let ended = written.and_then(|()| out.hand_over()).and_then(|()| out.send(Chunk::End));
    if let Err(error) = ended {
        tracing::debug!(%error, "a body was not written to its end");
    }
}

fn compress(rendering: &Rendering, out: &mut Chunks) -> io::Result<()> {
    let mut gathered = io::BufWriter::with_capacity(CHUNK, GzEncoder::new(out, Compression::default()));
    rendering.write(&mut gathered)?;
    gathered.flush()?;
    gathered.into_inner()?.finish().map(drop)
}

/// Gathers what is written to it into chunks.
struct Chunks {
    begun: Vec<u8>,
    chunks: mpsc::Sender<Chunk>,
}

impl Chunks {
    fn hand_over(&mut self) -> io::Result<()> {
        if self.begun.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.begun, Vec::with_capacity(CHUNK));
        self.send(Chunk::Bytes(full.into()))
    }

    /// Waits until there is room. Fails when nobody takes chunks any more.
    fn send(&self, chunk: Chunk) -> io::Result<()> {
        self.chunks.blocking_send(chunk).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fitting = bytes.len().min(CHUNK - self.begun.len());
        self.begun.extend_from_slice(bytes.get(..fitting).unwrap_or(bytes));
        if self.begun.len() >= CHUNK {
            self.hand_over()?;
        }
        Ok(fitting)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
