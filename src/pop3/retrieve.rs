//! Retrieval: RETR for many messages, one after the other or several ahead.
//!
//! RFC 1939 section 5 (RETR). A message ends with its final line and nowhere else: sizes that servers tell are hints.
//! One message that the server refuses does not stop the others. The promise: a message is handed out complete, byte for
//! byte, or not at all, and [`Retrieval::receiving`] tells which message to blame when the connection drops.

use super::connection::Answer;
use super::connection::Connection;
use super::error::Pop3Error;
use super::pipeline::Pipeline;
use super::pipeline::Wanted;
use crate::crash;

/// The most that is set aside for a message before its first byte, whatever LIST said: 64 MiB. What no byte comes to is
/// never touched, and takes no memory.
const EXPECTED_MAX: u64 = 64 * 1024 * 1024;
/// What a message may exceed LIST's size by without a second allocation: servers count LF lines or add a blank one.
const EXPECTED_SLACK: u64 = 4 * 1024;

/// The end of one RETR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retrieved {
    /// The message.
    Message {
        /// Its number in this session.
        number: u32,
        /// Its bytes, as they stood on the wire without the stuffing.
        raw: Vec<u8>,
    },
    /// The server answered `-ERR`; the session goes on.
    Refused {
        /// The message's number in this session.
        number: u32,
        /// The server's words.
        reply: String,
    },
}

/// Messages on their way.
///
/// Dropped while an answer is due, it leaves a session that can only be dropped, too.
#[derive(Debug)]
pub struct Retrieval<'a> {
    connection: &'a mut Connection,
    pipeline: Pipeline,
    max_size: u64,
}

impl<'a> Retrieval<'a> {
    pub(super) fn new(connection: &'a mut Connection, window: usize, wanted: Vec<Wanted>, max_size: u64) -> Self {
        Retrieval { connection, pipeline: Pipeline::new("RETR", window, wanted), max_size }
    }

    /// The next message in the wanted order; `None` after the last one.
    ///
    /// # Errors
    /// [`Pop3Error::TooLarge`] at the first byte above the limit, and every way in which a connection can fail. After
    /// any of them the session must be dropped; what was handed out before is complete.
    pub async fn next(&mut self) -> Result<Option<Retrieved>, Pop3Error> {
        self.pipeline.refill(self.connection).await?;
        let Some(&Wanted { number, size }) = self.pipeline.due() else { return Ok(None) };
        crash::point!("in retrieve");
        let answer = self.connection.answer("RETR", self.max_size, expected(size, self.max_size)).await?;
        let retrieved = match answer {
            Answer::Body(raw) => Retrieved::Message { number, raw },
            Answer::Refused(reply) => Retrieved::Refused { number, reply: reply.text() },
            Answer::TooLong => return Err(Pop3Error::TooLarge { number, limit: self.max_size }),
        };
        self.pipeline.answered();
        Ok(Some(retrieved))
    }

    /// The message whose answer is due: the one to blame if the connection drops now.
    pub fn receiving(&self) -> Option<u32> {
        self.pipeline.due().map(|wanted| wanted.number)
    }
}

/// How much memory to set aside for a message.
fn expected(size: Option<u64>, max_size: u64) -> usize {
    let size = size.map_or(0, |size| size.saturating_add(EXPECTED_SLACK).min(max_size).min(EXPECTED_MAX));
    usize::try_from(size).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lying_size_does_not_take_the_memory() {
        assert_eq!(expected(None, 100), 0);
        assert_eq!(expected(Some(10), 100), 100);
        assert_eq!(expected(Some(1000), 1 << 40), 1000 + 4096);
        assert_eq!(expected(Some(u64::MAX), u64::MAX), 64 << 20);
    }
}
