//! Commands about many messages, several of them under way at once.
//!
//! RFC 2449 section 6.8. Pure book-keeping over [`Connection`]: who was asked about, who is next to be answered.
//! The window is refilled when a quarter of it is answered: commands leave in few writes, and on a slow line it is full.
//! With a window of one this is the plain dialogue of command and answer.

use std::collections::VecDeque;

use super::connection::Connection;
use super::error::Pop3Error;

/// A message to retrieve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Its number in this session.
    pub number: u32,
    /// What LIST said of its size: tells only how much memory to set aside.
    pub size: Option<u64>,
}

/// One kind of command for a list of messages.
#[derive(Debug)]
pub(super) struct Pipeline {
    verb: &'static str,
    window: usize,
    waiting: VecDeque<Wanted>,
    sent: VecDeque<Wanted>,
}

impl Pipeline {
    /// `verb` for each of `wanted`, at most `window` of them without an answer.
    pub(super) fn new(verb: &'static str, window: usize, wanted: Vec<Wanted>) -> Pipeline {
        Pipeline { verb, window: window.max(1), waiting: wanted.into(), sent: VecDeque::new() }
    }

    /// Sends more commands if it is time; afterwards an answer is due, or all is done.
    pub(super) async fn refill(&mut self, connection: &mut Connection) -> Result<(), Pop3Error> {
        if self.waiting.is_empty() || self.sent.len() > self.window * 3 / 4 {
            return Ok(());
        }
        if self.sent.is_empty() {
            connection.ready()?;
        }
        while self.sent.len() < self.window {
            let Some(wanted) = self.waiting.pop_front() else { break };
            connection.queue(self.verb, &wanted.number.to_string());
            self.sent.push_back(wanted);
        }
        connection.push().await;
        Ok(())
    }

    /// The message whose answer is due; `None` if no command is under way.
    pub(super) fn due(&self) -> Option<&Wanted> {
        self.sent.front()
    }

    /// Notes that the answer that was due was read to its end.
    pub(super) fn answered(&mut self) {
        self.sent.pop_front();
    }
}
