//! The login: each mechanism's dialogue.
//!
//! RFC 1939 section 7 (USER, PASS, APOP), RFC 5034 (AUTH), always in the form of two steps, which every server takes
//! and no line limit hinders. `choose` decides which mechanism is tried, `scram`, `bearer` and `apop` know the texts.
//! Channel binding and the UTF8 command (RFC 6856) are not built; names and passwords go as the UTF-8 that they are.
//!
//! The promise: a credential with a line break is never sent, no error or log holds one even where the server repeats
//! it, and a weaker mechanism is tried only where the server knew the stronger one not and had seen no credential yet.

mod apop;
mod bearer;
mod choose;
mod scram;

#[cfg(test)]
mod tests;

use tracing::debug;

use self::choose::Choice;
use self::choose::Mechanism;
use self::choose::Sasl;
use self::choose::choose;
use self::scram::Hash;
use self::scram::Scram;
use self::scram::Verdict;
use super::capability::Capabilities;
use super::config::Config;
use super::config::Credential;
use super::connection::Connection;
use super::connection::Due;
use super::connection::Said;
use super::error::Pop3Error;
use super::reply::Reply;
use super::reply::Status;

/// How much chance a nonce holds, in bytes.
const NONCE: usize = 18;

/// What a login is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) config: &'a Config,
    pub(super) credential: &'a Credential,
    /// The words of the greeting.
    pub(super) greeting: &'a [u8],
    /// Fresh from [`nonce`].
    pub(super) nonce: &'a str,
}

/// A text that was never used before (RFC 5802 section 5.1).
pub(super) fn nonce() -> Result<String, Pop3Error> {
    let mut bytes = [0; NONCE];
    getrandom::fill(&mut bytes).map_err(|error| Pop3Error::NoRandomness { source: error.into() })?;
    Ok(base64_simd::STANDARD.encode_to_string(bytes))
}

/// Logs in, or tells why not.
pub(super) async fn log_in(
    connection: &mut Connection,
    capabilities: &Capabilities,
    login: Login<'_>,
) -> Result<(), Pop3Error> {
    let illegal = |text: &str| text.contains(['\r', '\n', '\0']);
    if illegal(&login.config.username) || illegal(login.credential.reveal()) {
        return Err(Pop3Error::IllegalCredentials);
    }
    let timestamp = apop::timestamp(login.greeting);
    let Choice { first: mut mechanism, others } = choose(login.config, login.credential, capabilities, timestamp)?;
    let mut others = others.into_iter();
    while let Some(unknown) = attempt(connection, mechanism, login).await? {
        // A refusal that gives a reason is about the maildrop, and not about the mechanism.
        let next = others.next().filter(|_| unknown.login_code().is_none());
        let Some(next) = next else { return Err(refusal(&unknown, &[])) };
        debug!(?mechanism, ?next, "server does not know the mechanism");
        mechanism = next;
    }
    Ok(())
}

/// Logs in with one mechanism; `Some` if the server refused it before it saw a credential.
async fn attempt(
    connection: &mut Connection,
    mechanism: Mechanism<'_>,
    login: Login<'_>,
) -> Result<Option<Reply>, Pop3Error> {
    let (username, secret) = (&login.config.username, login.credential.reveal());
    match mechanism {
        Mechanism::User => {
            accepted(&connection.ask("USER", username).await?, &[secret])?;
            accepted(&connection.ask("PASS", secret).await?, &[secret])?;
        }
        Mechanism::Apop { timestamp } => {
            let digest = apop::digest(timestamp, secret);
            accepted(&connection.ask("APOP", &format!("{username} {digest}")).await?, &[secret, &digest])?;
        }
        // The first challenge says nothing in any of these: LOGIN's is known, and the others begin with the client.
        Mechanism::Sasl(sasl) => match connection.begin_auth(sasl.name()).await? {
            Said::Challenge(_) => exchange(connection, sasl, login).await?,
            Said::Reply(refused) => return Ok(Some(refused)),
        },
    }
    Ok(None)
}

/// The rest of an exchange that the server agreed to.
async fn exchange(connection: &mut Connection, sasl: Sasl, login: Login<'_>) -> Result<(), Pop3Error> {
    let Config { username, host, port, .. } = login.config;
    let secret = login.credential.reveal();
    match sasl {
        Sasl::Plain => {
            let response = encode(&format!("\0{username}\0{secret}"));
            conclude(connection, sasl, &response, &[secret, &response]).await
        }
        Sasl::Login => {
            let response = encode(secret);
            match connection.respond(&encode(username), Due::Challenge).await? {
                Said::Challenge(_) => conclude(connection, sasl, &response, &[secret, &response]).await,
                Said::Reply(reply) => accepted(&reply, &[]),
            }
        }
        Sasl::XOAuth2 => {
            bear(connection, sasl, secret, &bearer::xoauth2(username, secret), bearer::XOAUTH2_HEARD).await
        }
        Sasl::OAuthBearer => {
            let message = bearer::oauthbearer(username, host, *port, secret);
            bear(connection, sasl, secret, &message, bearer::OAUTHBEARER_HEARD).await
        }
        Sasl::Scram(hash) => scram(connection, sasl, hash, login).await,
    }
}

/// Sends the last response of an exchange and takes its end.
async fn conclude(connection: &mut Connection, sasl: Sasl, response: &str, secrets: &[&str]) -> Result<(), Pop3Error> {
    match connection.respond(response, Due::Either).await? {
        Said::Reply(reply) => accepted(&reply, secrets),
        Said::Challenge(_) => Err(cancelled(connection, sasl).await),
    }
}

/// Sends a token. A challenge is the server's way to tell why it refuses it.
async fn bear(
    connection: &mut Connection,
    sasl: Sasl,
    token: &str,
    message: &str,
    heard: &str,
) -> Result<(), Pop3Error> {
    let response = encode(message);
    let secrets = [token, &response];
    let challenge = match connection.respond(&response, Due::Either).await? {
        Said::Reply(reply) => return accepted(&reply, &secrets),
        Said::Challenge(challenge) => challenge,
    };
    let status = decode(&challenge).and_then(|told| bearer::status(&told));
    let refused = conclude(connection, sasl, heard, &secrets).await;
    match (refused, status) {
        (Err(Pop3Error::LoginRefused { code, text }), Some(status)) => {
            Err(Pop3Error::LoginRefused { code, text: format!("{text} (status {status})") })
        }
        (other, _) => other,
    }
}

/// Proves that we know the password, and has the server prove it too.
async fn scram(connection: &mut Connection, sasl: Sasl, hash: Hash, login: Login<'_>) -> Result<(), Pop3Error> {
    let client = Scram::new(hash, &login.config.username, login.credential.secret().clone(), login.nonce);
    let challenge = challenged(connection, sasl, &client.first()).await?;
    // On a thread of its own: the rounds would hold up all other visits and deliveries.
    let proving = tokio::task::spawn_blocking(move || client.prove(&decode(&challenge)?));
    let Ok(Some(proof)) = proving.await else {
        return Err(cancelled(connection, sasl).await);
    };
    let last = challenged(connection, sasl, &proof.message).await?;
    match decode(&last).map_or(Verdict::Forged, |message| proof.judge(&message)) {
        Verdict::Genuine => conclude(connection, sasl, "", &[]).await,
        Verdict::Refused => conclude(connection, sasl, "", &[]).await.and(Err(unproven(sasl))),
        Verdict::Forged => {
            cancel(connection).await;
            Err(unproven(sasl))
        }
    }
}

/// Sends a message of SCRAM and takes the server's. A server that is content without one has proved nothing.
async fn challenged(connection: &mut Connection, sasl: Sasl, message: &str) -> Result<Vec<u8>, Pop3Error> {
    match connection.respond(&encode(message), Due::Either).await? {
        Said::Challenge(challenge) => Ok(challenge),
        Said::Reply(reply) => accepted(&reply, &[]).and(Err(unproven(sasl))),
    }
}

fn unproven(sasl: Sasl) -> Pop3Error {
    Pop3Error::Unproven { mechanism: sasl.name() }
}

/// Ends an exchange whose challenge was not understood.
async fn cancelled(connection: &mut Connection, sasl: Sasl) -> Pop3Error {
    cancel(connection).await;
    Pop3Error::Challenge { mechanism: sasl.name() }
}

/// Cancels an exchange (RFC 5034 section 4). The session ends anyway, so the answer counts for nothing.
async fn cancel(connection: &mut Connection) {
    let answered = connection.respond("*", Due::Either).await.is_ok();
    debug!(answered, "cancelled the exchange");
}

fn encode(message: &str) -> String {
    base64_simd::STANDARD.encode_to_string(message)
}

fn decode(challenge: &[u8]) -> Option<Vec<u8>> {
    base64_simd::STANDARD.decode_to_vec(challenge).ok()
}

fn accepted(reply: &Reply, secrets: &[&str]) -> Result<(), Pop3Error> {
    match reply.status {
        Status::Ok => Ok(()),
        Status::Err => Err(refusal(reply, secrets)),
    }
}

fn refusal(reply: &Reply, secrets: &[&str]) -> Pop3Error {
    Pop3Error::LoginRefused { code: reply.login_code(), text: reply.text_without(secrets) }
}
