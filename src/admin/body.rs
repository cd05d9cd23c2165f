//! The body of a request, whole: within a size and a time, also of whom nobody knows yet.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::FromRequest as _;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;

/// The longest that a body may take. It has 2 MiB at most, axum's own limit.
const WITHIN: Duration = Duration::from_secs(30);

/// Why a body is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// It is too long.
    TooLarge,
    /// It took too long.
    TooSlow,
    /// It ended before its end.
    Cut,
}

/// Reads the body.
///
/// # Errors
/// It did not come whole, within its size and its time.
pub(super) async fn whole(request: Request) -> Result<Bytes, Lost> {
    whole_within(request, WITHIN).await
}

async fn whole_within(request: Request, limit: Duration) -> Result<Bytes, Lost> {
    let read = tokio::time::timeout(limit, Bytes::from_request(request, &())).await;
    read.map_err(|_| Lost::TooSlow)?.map_err(|refused| match refused.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => Lost::TooLarge,
        _ => Lost::Cut,
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::task::Context;
    use std::task::Poll;

    use axum::body::Body;
    use hyper::body::Frame;

    use super::*;

    /// A body that begins, and then ends, fails, or says no more.
    enum Begun {
        Ends(Option<Bytes>),
        Fails(Option<Bytes>),
        Stays(Option<Bytes>),
    }

    impl hyper::body::Body for Begun {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            let (Begun::Ends(piece) | Begun::Fails(piece) | Begun::Stays(piece)) = &mut *self;
            match (piece.take(), &*self) {
                (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(piece)))),
                (None, Begun::Ends(_)) => Poll::Ready(None),
                (None, Begun::Fails(_)) => Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
                (None, Begun::Stays(_)) => Poll::Pending,
            }
        }
    }

    async fn check(body: Body, expected: Result<&'static [u8], Lost>) {
        let read = whole_within(Request::new(body), Duration::from_millis(50)).await;
        assert_eq!(read, expected.map(Bytes::from_static));
    }

    #[tokio::test]
    async fn a_body_comes_whole_and_in_time_or_not_at_all() {
        let piece = || Some(Bytes::from_static(b"begun"));
        check(Body::from("whole"), Ok(b"whole")).await;
        check(Body::new(Begun::Ends(piece())), Ok(b"begun")).await;
        check(Body::new(Begun::Stays(piece())), Err(Lost::TooSlow)).await;
        check(Body::new(Begun::Fails(piece())), Err(Lost::Cut)).await;
        check(Body::from(vec![0; (2 << 20) + 1]), Err(Lost::TooLarge)).await;
    }
}
