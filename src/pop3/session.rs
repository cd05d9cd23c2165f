//! The session: one type for each state of the protocol, so that a command in the wrong state does not compile.
//!
//! RFC 1939 section 3: AUTHORIZATION, TRANSACTION, UPDATE. What is marked here is gone only after [`Transaction::quit`];
//! a [`Transaction`] that is dropped closes the connection without QUIT, and the server then removes nothing
//! (RFC 1939 section 6). The promise: no credential is sent before the line is protected as configured, and a listing
//! is complete or an error.

use super::auth;
use super::auth::Login;
use super::capability::Capabilities;
use super::code::Code;
use super::config::Capa;
use super::config::Config;
use super::config::Credential;
use super::config::Pipelining;
use super::config::Tls;
use super::connection::Answer;
use super::connection::Connection;
use super::error::Pop3Error;
use super::error::Step;
use super::header;
use super::listing;
use super::listing::Listing;
use super::pipeline::Pipeline;
use super::pipeline::Wanted;
use super::reply::Reply;
use super::reply::Status;
use super::retrieve::Retrieval;
use super::stream;
use super::stream::Stream;
use super::wire;
use super::wire::LINE_MAX;

/// The most lines of a listing: ten times the largest maildrop that we heard of.
const LISTING_LINES_MAX: usize = 1_000_000;
/// The most bytes of a listing, and of a header.
const LISTING_MAX: u64 = 64 * 1024 * 1024;
/// The most lines of an answer to CAPA; real ones have about 15.
const CAPA_LINES_MAX: usize = 200;
/// The most bytes of an answer to CAPA.
const CAPA_MAX: u64 = 128 * 1024;

/// A session before the login.
#[derive(Debug)]
pub struct Authorization {
    connection: Connection,
    greeting: Reply,
    capabilities: Capabilities,
    config: Config,
    capa: Capa,
}

/// A session after the login: the maildrop is ours.
#[derive(Debug)]
pub struct Transaction {
    connection: Connection,
    capabilities: Capabilities,
    capa: Capa,
    /// How many commands may be under way.
    window: usize,
}

/// The proof that QUIT was answered `+OK`: the server says that what was marked is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expunged;

/// The end of one DELE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    /// The message's number in this session.
    pub number: u32,
    /// Whether the server answered `+OK`.
    pub accepted: bool,
}

/// Connects, protects the line as configured, and reads greeting and capabilities.
///
/// # Errors
/// Every way in which connecting can fail. With [`Tls::StartTls`] a server that does not go over to TLS is an error,
/// and nothing is sent to it in clear but CAPA and STLS.
pub async fn connect(config: &Config) -> Result<Authorization, Pop3Error> {
    match open(config, config.capa).await {
        // Some servers of old close the session, or fall silent, on a command that they do not know.
        Err(
            Pop3Error::Closed { waiting_for: Step::Answer("CAPA") }
            | Pop3Error::Timeout { waiting_for: Step::Answer("CAPA") },
        ) if config.tls != Tls::StartTls && config.capa == Capa::Asked => open(config, Capa::LeftOut).await,
        done => done,
    }
}

async fn open(config: &Config, capa: Capa) -> Result<Authorization, Pop3Error> {
    let stream = stream::connect(config).await?;
    let stream = match config.tls {
        Tls::Implicit => stream::secure(config, stream).await?,
        Tls::StartTls | Tls::None => stream,
    };
    Authorization::begin(config, stream, capa).await
}

impl Authorization {
    /// Reads the greeting on a line to the server, and goes over to TLS if so configured.
    async fn begin(config: &Config, stream: Stream, capa: Capa) -> Result<Authorization, Pop3Error> {
        let step = match config.tls {
            Tls::Implicit => Step::Greeting,
            Tls::StartTls | Tls::None => Step::ClearGreeting,
        };
        let (mut connection, greeting) = Connection::greet(stream, step, config.timeouts).await?;
        if greeting.status == Status::Err {
            return Err(Pop3Error::Greeting { code: greeting.code(), text: greeting.text() });
        }
        let capa = if config.tls == Tls::StartTls { Capa::Asked } else { capa };
        let mut capabilities = capabilities(&mut connection, capa, Code::is_transient).await?.unwrap_or_default();
        if config.tls == Tls::StartTls {
            connection = start_tls(connection, &capabilities, config).await?;
            // What was said in clear may have been forged.
            capabilities = self::capabilities(&mut connection, capa, Code::is_transient).await?.unwrap_or_default();
        }
        Ok(Authorization { connection, greeting, capabilities, config: config.clone(), capa })
    }

    /// What the server announced before the login; empty if it does not know CAPA.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Logs in and takes the maildrop (RFC 1939 section 4).
    ///
    /// # Errors
    /// [`Pop3Error::LoginRefused`] and the other ways in which a login ends badly, or the connection failed.
    pub async fn login(self, credential: &Credential) -> Result<Transaction, Pop3Error> {
        let Authorization { mut connection, greeting, mut capabilities, config, capa } = self;
        let nonce = auth::nonce()?;
        let login = Login { config: &config, credential, greeting: greeting.words(), nonce: &nonce };
        auth::log_in(&mut connection, &capabilities, login).await?;
        // Gmail announces PIPELINING only now, and LOGIN-DELAY and EXPIRE may be this user's own now. Dovecot opens the
        // maildrop after it accepted the password: that it failed comes as the answer to this.
        if let Some(after) = self::capabilities(&mut connection, capa, |_| true).await? {
            capabilities = after;
        }
        let window = match config.pipelining {
            Pipelining::Window(window) if capabilities.has("PIPELINING") => window.get(),
            Pipelining::Window(_) | Pipelining::Off => 1,
        };
        Ok(Transaction { connection, capabilities, capa, window })
    }
}

impl Transaction {
    /// What the server announced after the login.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Whether the server was asked for its capabilities; if not, it must not be asked the next time either.
    pub fn capa(&self) -> Capa {
        self.capa
    }

    /// Asks what lies in the maildrop; the answer is complete or an error.
    ///
    /// # Errors
    /// [`Pop3Error::Refused`] if LIST is refused, or UIDL with a code; UIDL refused without one means that the server
    /// has no unique-ids. Otherwise the connection failed.
    pub async fn list(&mut self) -> Result<Listing, Pop3Error> {
        let has_uidl = self.capabilities().has("UIDL");
        let connection = &mut self.connection;
        // LIST first: a mail that comes in between two answers without a snapshot is then known by its unique-id.
        connection.ready()?;
        connection.queue("LIST", "");
        if self.window > 1 {
            connection.queue("UIDL", "");
        }
        let list = connection.answer("LIST", LISTING_MAX, 0).await?;
        // Before the next answer: a server that refuses LIST may have closed by then, and this is the reason.
        let list = within_limits("LIST", list)?.map_err(|reply| reply.refused("LIST"))?;
        if self.window == 1 {
            connection.ready()?;
            connection.queue("UIDL", "");
        }
        let uidl = connection.answer("UIDL", LISTING_MAX, 0).await?;
        let uidl = match within_limits("UIDL", uidl)? {
            Ok(uidl) => Some(uidl),
            // A server that has UIDL and refuses it today has not lost its unique-ids.
            Err(reply) if reply.code().is_some() || has_uidl => return Err(reply.refused("UIDL")),
            Err(_) => None,
        };
        Ok(listing::join(&list, uidl.as_deref()))
    }

    /// When the message was received, by its header; `None` if that cannot be told.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn received_at(&mut self, number: u32) -> Result<Option<jiff::Timestamp>, Pop3Error> {
        Ok(self.header(number).await?.and_then(|header| header::date(&header)))
    }

    /// The message's header as TOP gives it, with nothing behind it; `None` if the server refuses.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn header(&mut self, number: u32) -> Result<Option<Vec<u8>>, Pop3Error> {
        match self.connection.ask_lines("TOP", &format!("{number} 0"), LISTING_MAX).await? {
            Answer::Body(mut top) => {
                top.truncate(header::end(&top));
                Ok(Some(top))
            }
            Answer::Refused(_) => Ok(None),
            Answer::TooLong => Err(Pop3Error::TooLarge { number, limit: LISTING_MAX }),
        }
    }

    /// Begins to retrieve messages in the wanted order, each of at most `max_size` bytes.
    pub fn retrieve(&mut self, wanted: Vec<Wanted>, max_size: u64) -> Retrieval<'_> {
        Retrieval::new(&mut self.connection, self.window, wanted, max_size)
    }

    /// Marks messages for deletion; they are gone only after [`Transaction::quit`].
    ///
    /// # Errors
    /// The connection failed; then nothing is marked, because marks die with their session.
    pub async fn mark_deleted(&mut self, numbers: &[u32]) -> Result<Vec<Marked>, Pop3Error> {
        let wanted = numbers.iter().map(|&number| Wanted { number, size: None }).collect();
        let mut pipeline = Pipeline::new("DELE", self.window, wanted);
        let mut marked = Vec::with_capacity(numbers.len());
        loop {
            pipeline.refill(&mut self.connection).await?;
            let Some(&Wanted { number, .. }) = pipeline.due() else { return Ok(marked) };
            let reply = self.connection.reply("DELE").await?;
            pipeline.answered();
            marked.push(Marked { number, accepted: reply.status == Status::Ok });
        }
    }

    /// Ends the session; the server now removes what was marked.
    ///
    /// # Errors
    /// [`Pop3Error::QuitRefused`] and [`Pop3Error::QuitUnanswered`]: what is gone, only a later listing can tell. The same
    /// holds for [`Pop3Error::Desync`], after which nothing of this session is to be trusted.
    pub async fn quit(mut self) -> Result<Expunged, Pop3Error> {
        self.connection.ready()?;
        let reply = self.connection.ask("QUIT", "").await;
        let reply = reply.map_err(|error| match error {
            Pop3Error::Desync { .. } => error,
            source => Pop3Error::QuitUnanswered { source: Box::new(source) },
        })?;
        if reply.status == Status::Err {
            return Err(Pop3Error::QuitRefused { code: reply.code(), text: reply.text() });
        }
        self.connection.close().await;
        Ok(Expunged)
    }
}

/// STLS, and all that must be so before a credential may follow.
async fn start_tls(
    mut connection: Connection,
    capabilities: &Capabilities,
    config: &Config,
) -> Result<Connection, Pop3Error> {
    if !capabilities.has("STLS") {
        return Err(Pop3Error::NoStls);
    }
    match connection.ask("STLS", "").await?.status {
        Status::Ok => connection.secure(config).await,
        Status::Err => Err(Pop3Error::NoStls),
    }
}

/// Asks for the capabilities; `None` if the server does not know the command. A refusal with a code that is `telling`
/// is about more than the command.
async fn capabilities(
    connection: &mut Connection,
    capa: Capa,
    telling: fn(Code) -> bool,
) -> Result<Option<Capabilities>, Pop3Error> {
    if capa == Capa::LeftOut {
        return Ok(None);
    }
    match connection.ask_lines("CAPA", "", CAPA_MAX).await? {
        Answer::Body(body) if wire::fits(&body, CAPA_LINES_MAX, LINE_MAX) => Ok(Some(Capabilities::parse(&body))),
        Answer::Body(_) | Answer::TooLong => Err(Pop3Error::ListingTooLong { command: "CAPA" }),
        Answer::Refused(reply) if reply.code().is_some_and(telling) => Err(reply.refused("CAPA")),
        Answer::Refused(_) => Ok(None),
    }
}

/// The lines of a listing that has a sensible size, or the reply that refused it.
fn within_limits(command: &'static str, answer: Answer) -> Result<Result<Vec<u8>, Reply>, Pop3Error> {
    match answer {
        Answer::Body(body) if wire::fits(&body, LISTING_LINES_MAX, LINE_MAX) => Ok(Ok(body)),
        Answer::Body(_) | Answer::TooLong => Err(Pop3Error::ListingTooLong { command }),
        Answer::Refused(reply) => Ok(Err(reply)),
    }
}

#[cfg(test)]
mod tests;
