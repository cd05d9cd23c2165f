//! A request body that shows how far it has gone out.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use tokio::sync::watch;

/// Bytes handed to the connection at a time: each is progress that the deadline looks for.
const CHUNK: usize = 64 << 10;

/// Bytes that are sent in chunks; the watcher sees what is left.
#[derive(Debug)]
pub(super) struct Upload {
    rest: Bytes,
    left: watch::Sender<usize>,
}

impl Upload {
    /// A body of `bytes`, and the number of them that are left to send.
    pub(super) fn new(bytes: Bytes) -> (Upload, watch::Receiver<usize>) {
        let (left, watcher) = watch::channel(bytes.len());
        (Upload { rest: bytes, left }, watcher)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let next = CHUNK.min(self.rest.len());
        let chunk = self.rest.split_to(next);
        let left = self.rest.len();
        self.left.send_replace(left);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}
