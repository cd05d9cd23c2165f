//! The login: USER and PASS, or AUTH PLAIN.
//!
//! RFC 1939 section 7 (USER, PASS), RFC 5034 and RFC 4616 (AUTH PLAIN), always in the two-step form, which every server
//! takes and no line limit hinders. APOP and the token mechanisms are not built. The promise: a password with a line
//! break is never sent, and no error or log holds a password even where the server repeats it.

use super::capability::Capabilities;
use super::config::Auth;
use super::config::Config;
use super::connection::Connection;
use super::error::Pop3Error;
use super::reply::Reply;
use super::reply::Status;

/// Logs in, or tells why not.
pub(super) async fn login(
    connection: &mut Connection,
    capabilities: &Capabilities,
    config: &Config,
) -> Result<(), Pop3Error> {
    let illegal = |text: &str| text.contains(['\r', '\n', '\0']);
    if illegal(&config.username) || illegal(config.password.reveal()) {
        return Err(Pop3Error::IllegalCredentials);
    }
    match config.auth {
        Auth::User => user_pass(connection, config).await,
        Auth::Plain => plain(connection, config).await,
        Auth::Auto if capabilities.sasl().iter().any(|mechanism| mechanism == "PLAIN") => {
            plain(connection, config).await
        }
        Auth::Auto => user_pass(connection, config).await,
    }
}

async fn user_pass(connection: &mut Connection, config: &Config) -> Result<(), Pop3Error> {
    let password = config.password.reveal();
    accepted(&connection.ask("USER", &config.username).await?, &[password])?;
    accepted(&connection.ask("PASS", password).await?, &[password])
}

async fn plain(connection: &mut Connection, config: &Config) -> Result<(), Pop3Error> {
    let password = config.password.reveal();
    let response = base64_simd::STANDARD.encode_to_string(format!("\0{}\0{password}", config.username));
    if let Some(refused) = connection.ask_continuation("PLAIN").await? {
        return accepted(&refused, &[]);
    }
    accepted(&connection.continue_with(&response).await?, &[password, &response])
}

fn accepted(reply: &Reply, secrets: &[&str]) -> Result<(), Pop3Error> {
    match reply.status {
        Status::Ok => Ok(()),
        Status::Err => Err(Pop3Error::LoginRefused { code: reply.login_code(), text: reply.text_without(secrets) }),
    }
}
