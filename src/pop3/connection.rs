//! Commands out, answers in: the order of a session, without the meaning of its commands.
//!
//! RFC 1939 section 3, RFC 2449 section 6.8 (answers come in the order of the commands). Every wait has its deadline,
//! every answer its limit. The promise: an answer is never taken for that of another command. A connection that was
//! left in the middle of one, by an error or by a dropped future, refuses every later command with
//! [`Pop3Error::Poisoned`], and bytes that nobody asked for end it.

use std::io;
use std::time::Duration;

use tracing::debug;

use super::buffered::Buffered;
use super::config::Config;
use super::config::Timeouts;
use super::error::Pop3Error;
use super::error::Step;
use super::reply::Reply;
use super::reply::Status;
use super::stream;
use super::stream::Stream;
use super::stream::within;
use super::transcript;
use super::wire;
use super::wire::LINE_MAX;
use super::wire::LineEnd;
use super::wire::Unstuffer;

/// A session's line, and how many answers are due on it.
#[derive(Debug)]
pub(super) struct Connection {
    line: Buffered,
    timeouts: Timeouts,
    /// By the line end of the server's first line; `None` before it.
    unstuffer: Option<Unstuffer>,
    /// Commands whose answers were not read to their end.
    unanswered: usize,
    /// Whether an answer was begun and not read to its end.
    torn: bool,
}

/// The answer to a command that is answered with several lines.
#[derive(Debug)]
pub(super) enum Answer {
    /// `+OK`, and the lines without their stuffing.
    Body(Vec<u8>),
    /// `+OK`, and more bytes than the limit; the connection is of no use any more.
    TooLong,
    /// `-ERR`
    Refused(Reply),
}

/// What the server says between AUTH and the end of the exchange (RFC 5034 section 4).
#[derive(Debug)]
pub(super) enum Said {
    /// The text behind `+`.
    Challenge(Vec<u8>),
    /// The exchange is over.
    Reply(Reply),
}

/// What may come next in an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// A challenge or a refusal: the server cannot be content yet.
    Challenge,
    /// A challenge or the end, for better or worse.
    Either,
}

impl Connection {
    /// Reads the greeting of the server at the other end of `stream`; `step` says whether TLS protects it.
    pub(super) async fn greet(
        stream: Stream,
        step: Step,
        timeouts: Timeouts,
    ) -> Result<(Connection, Reply), Pop3Error> {
        let line = Buffered::new(stream);
        let mut connection = Connection { line, timeouts, unstuffer: None, unanswered: 1, torn: false };
        let greeting = connection.read_line(step, timeouts.command).await?;
        let reply = understand(&greeting, step)?;
        connection.answered();
        Ok((connection, reply))
    }

    /// Goes over to TLS; bytes that are there already were sent in clear and must not be taken for protected ones.
    /// Nor is the line end believed that the greeting in clear showed: it decides what ends a message.
    pub(super) async fn secure(self, config: &Config) -> Result<Connection, Pop3Error> {
        let Connection { line, timeouts, unstuffer: _, unanswered, torn } = self;
        let stream = stream::secure(config, line.into_stream().ok_or(Pop3Error::Injection)?).await?;
        Ok(Connection { line: Buffered::new(stream), timeouts, unstuffer: None, unanswered, torn })
    }

    /// Sends a command and reads its status line.
    pub(super) async fn ask(&mut self, verb: &'static str, arguments: &str) -> Result<Reply, Pop3Error> {
        self.ready()?;
        self.queue(verb, arguments);
        self.reply(verb).await
    }

    /// Sends a command and reads its status line and, after `+OK`, at most `limit` bytes up to the final line.
    pub(super) async fn ask_lines(
        &mut self,
        verb: &'static str,
        arguments: &str,
        limit: u64,
    ) -> Result<Answer, Pop3Error> {
        self.ready()?;
        self.queue(verb, arguments);
        self.answer(verb, limit, 0).await
    }

    /// Sends `AUTH` with a mechanism; the first challenge, or the refusal, is what it gives.
    pub(super) async fn begin_auth(&mut self, mechanism: &'static str) -> Result<Said, Pop3Error> {
        self.ready()?;
        self.queue("AUTH", mechanism);
        self.said(Due::Challenge, self.timeouts.command).await
    }

    /// Answers a challenge, with a text that may be a secret and is never shown.
    pub(super) async fn respond(&mut self, response: &str, due: Due) -> Result<Said, Pop3Error> {
        self.expect_silence()?;
        transcript::responded();
        self.line.queue(response.as_bytes());
        self.line.queue(b"\r\n");
        self.said(due, self.timeouts.slow).await
    }

    /// Reads what is said next between AUTH and its final status line.
    async fn said(&mut self, due: Due, longest: Duration) -> Result<Said, Pop3Error> {
        let line = self.read_line(Step::Answer("AUTH"), longest).await?;
        // `+`, `+ `, `+ junk`, and where the exchange cannot be over even `+OK`: servers differ.
        if let Some(challenge) = line.strip_prefix(b"+")
            && (due == Due::Challenge || Reply::parse(&line).is_none())
        {
            self.torn = false;
            return Ok(Said::Challenge(challenge.trim_ascii().to_vec()));
        }
        let reply = understand(&line, Step::Answer("AUTH"))?;
        self.answered();
        Ok(Said::Reply(reply))
    }

    /// Fails unless every answer was read and nothing else has come.
    pub(super) fn ready(&self) -> Result<(), Pop3Error> {
        if self.torn || self.unanswered > 0 {
            return Err(Pop3Error::Poisoned);
        }
        self.expect_silence()
    }

    /// Puts a command behind those that are still to be written.
    pub(super) fn queue(&mut self, verb: &'static str, arguments: &str) {
        transcript::sent(verb, arguments);
        self.unanswered = self.unanswered.saturating_add(1);
        self.line.queue(verb.as_bytes());
        if !arguments.is_empty() {
            self.line.queue(b" ");
            self.line.queue(arguments.as_bytes());
        }
        self.line.queue(b"\r\n");
    }

    /// Writes what the line takes at once, without waiting.
    pub(super) async fn push(&mut self) {
        self.line.push().await;
    }

    /// Reads the status line that is due for `verb`.
    pub(super) async fn reply(&mut self, verb: &'static str) -> Result<Reply, Pop3Error> {
        let longest = match verb {
            // The maildrop is locked and read, or expunged, before these are answered.
            "PASS" | "APOP" | "QUIT" => self.timeouts.slow,
            _ => self.timeouts.command,
        };
        let line = self.read_line(Step::Answer(verb), longest).await?;
        let reply = understand(&line, Step::Answer(verb))?;
        self.answered();
        Ok(reply)
    }

    /// Reads the whole answer that is due for `verb`; room for `expected` bytes is made at once.
    pub(super) async fn answer(
        &mut self,
        verb: &'static str,
        limit: u64,
        expected: usize,
    ) -> Result<Answer, Pop3Error> {
        let line = self.read_line(Step::Answer(verb), self.timeouts.command).await?;
        let reply = understand(&line, Step::Answer(verb))?;
        if reply.status == Status::Err {
            self.answered();
            return Ok(Answer::Refused(reply));
        }
        let mut body = Vec::with_capacity(expected);
        loop {
            let unstuffer = self.unstuffer.get_or_insert_with(|| Unstuffer::new(LineEnd::CrLf));
            let taken = unstuffer.take(self.line.unused(), &mut body);
            self.line.consume(taken.used);
            if u64::try_from(body.len()).is_ok_and(|length| length > limit) {
                return Ok(Answer::TooLong);
            }
            if taken.ended {
                self.in_step(verb)?;
                self.answered();
                transcript::received(verb, body.len());
                return Ok(Answer::Body(body));
            }
            self.fill(Step::Rest(verb), self.timeouts.idle).await?;
        }
    }

    /// Closes the line after QUIT; whether that works is of no interest any more.
    pub(super) async fn close(mut self) {
        let closed = within(self.timeouts.command, Step::Answer("QUIT"), self.line.close()).await;
        debug!(closed = matches!(closed, Ok(Ok(()))), "session ended");
    }

    /// Reads one line; the answer that it begins counts as torn until [`Connection::answered`].
    async fn read_line(&mut self, step: Step, longest: Duration) -> Result<Vec<u8>, Pop3Error> {
        if self.torn {
            return Err(Pop3Error::Poisoned);
        }
        self.torn = true;
        let (text, end) = within(longest, step, self.read_line_at_leisure(step)).await??;
        self.unstuffer.get_or_insert_with(|| Unstuffer::new(end));
        Ok(text)
    }

    async fn read_line_at_leisure(&mut self, step: Step) -> Result<(Vec<u8>, LineEnd), Pop3Error> {
        loop {
            let unused = self.line.unused();
            let line = wire::line(unused);
            if line.as_ref().map_or(unused.len(), |line| line.text.len()) > LINE_MAX {
                return Err(Pop3Error::Desync { waiting_for: step, bytes: unused.len() });
            }
            if let Some(wire::Line { text, end, used }) = line {
                let text = text.to_vec();
                self.line.consume(used);
                return Ok((text, end));
            }
            let got = self.line.fill().await;
            progress(got, step)?;
        }
    }

    /// Fails if what follows the lines for `verb` can be seen to be no answer: then their end was not their end. A server
    /// that does not stuff the dots of a mail does that, and no mail is better than half of one.
    fn in_step(&self, verb: &'static str) -> Result<(), Pop3Error> {
        match self.line.unused() {
            [] | [b'+' | b'-', ..] => Ok(()),
            bytes => Err(Pop3Error::Desync { waiting_for: Step::Rest(verb), bytes: bytes.len() }),
        }
    }

    async fn fill(&mut self, step: Step, longest: Duration) -> Result<(), Pop3Error> {
        let got = within(longest, step, self.line.fill()).await?;
        progress(got, step)
    }

    fn answered(&mut self) {
        self.torn = false;
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    fn expect_silence(&self) -> Result<(), Pop3Error> {
        let unasked = self.line.unused();
        if unasked.is_empty() {
            return Ok(());
        }
        // Shown only if it is a reply: anything else may be a line of a mail.
        let line = unasked.split(|&b| b == b'\n').next().unwrap_or_default();
        Err(Pop3Error::Unasked { text: Reply::parse(line).map(|reply| reply.text()) })
    }
}

fn understand(line: &[u8], waiting_for: Step) -> Result<Reply, Pop3Error> {
    let reply = Reply::parse(line).ok_or(Pop3Error::Desync { waiting_for, bytes: line.len() })?;
    transcript::answered(waiting_for, &reply);
    Ok(reply)
}

/// Tells the end of the line from a broken one; both are common, and TLS adds its own ways to end without a word.
fn progress(got: io::Result<usize>, waiting_for: Step) -> Result<(), Pop3Error> {
    use io::ErrorKind::BrokenPipe;
    use io::ErrorKind::ConnectionAborted;
    use io::ErrorKind::ConnectionReset;
    use io::ErrorKind::UnexpectedEof;
    match got {
        Ok(0) => Err(Pop3Error::Closed { waiting_for }),
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Err(Pop3Error::Closed { waiting_for }),
            _ => Err(Pop3Error::Io { waiting_for, source: error }),
        },
    }
}
