//! The line to the server: TCP, and TLS on top of it.
//!
//! RFC 8314 (implicit TLS), RFC 2595 (STLS); TLS 1.2 or later, by RFC 8996. The certificate must be for the configured
//! host and trusted by the system's roots or the configured certificates. Every wait has its deadline. Nothing here
//! speaks POP3: when to go over to TLS is decided by `session`.

use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use async_native_tls::Certificate;
use async_native_tls::Protocol;
use async_native_tls::TlsConnector;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::config::Config;
use super::error::Pop3Error;
use super::error::Step;
use super::handshake::HandshakeError;

/// Bytes read from the kernel at a time.
const READ_AHEAD: usize = 64 << 10;

/// Whatever bytes can go to and fro on.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A line to the server, protected or not.
pub(super) struct Stream(pub(super) Box<dyn Duplex>);

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

/// Waits for `act`, but no longer than `longest`.
pub(super) async fn within<T>(longest: Duration, step: Step, act: impl Future<Output = T>) -> Result<T, Pop3Error> {
    timeout(longest, act).await.map_err(|_| Pop3Error::Timeout { waiting_for: step })
}

/// Connects to the first of the host's addresses that accepts, each within the connect timeout.
pub(super) async fn connect(config: &Config) -> Result<Stream, Pop3Error> {
    let failed = |source| Pop3Error::Connect { host: config.host.clone(), port: config.port, source };
    let longest = config.timeouts.connect;
    let addresses = lookup_host((config.host.as_str(), config.port));
    let addresses = within(longest, Step::Addresses, addresses).await?.map_err(failed)?;

    let mut last = failed(io::Error::new(io::ErrorKind::NotFound, "host has no address"));
    for address in addresses {
        match within(longest, Step::Connection, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                // Commands are written whole, so waiting for more to send could only cost time.
                tcp.set_nodelay(true).map_err(failed)?;
                return Ok(Stream(Box::new(tcp)));
            }
            Ok(Err(error)) => last = failed(error),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Goes over to TLS.
pub(super) async fn secure(config: &Config, stream: Stream) -> Result<Stream, Pop3Error> {
    let mut connector = TlsConnector::new().min_protocol_version(Some(Protocol::Tlsv12));
    for certificate in trusted(config.ca_pem.as_deref())? {
        connector = connector.add_root_certificate(certificate);
    }
    // OpenSSL asks for each record's head and body apart; the buffer answers most of that without the kernel.
    let handshake = connector.connect(config.host.as_str(), BufReader::with_capacity(READ_AHEAD, stream.0));
    let tls = within(config.timeouts.tls, Step::Handshake, handshake).await?;
    let tls =
        tls.map_err(|error| Pop3Error::Tls { host: config.host.clone(), source: HandshakeError::read(&error) })?;
    Ok(Stream(Box::new(tls)))
}

/// The certificates that are trusted beside the system's roots.
fn trusted(pem: Option<&[u8]>) -> Result<Vec<Certificate>, Pop3Error> {
    let Some(pem) = pem else { return Ok(Vec::new()) };
    let found = Certificate::stack_from_pem(pem).map_err(|source| Pop3Error::Certificates { source: Some(source) })?;
    if found.is_empty() { Err(Pop3Error::Certificates { source: None }) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::pop3::Auth;
    use crate::pop3::Capa;
    use crate::pop3::Pipelining;
    use crate::pop3::Timeouts;
    use crate::pop3::Tls;

    #[test]
    fn certificates_that_are_none_are_an_error() {
        assert!(trusted(None).unwrap().is_empty());
        for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(trusted(Some(pem.as_bytes())), Err(Pop3Error::Certificates { .. })), "{pem:?}");
        }
    }

    fn config() -> Config {
        let wait = Duration::from_secs(20);
        Config {
            host: "pop.example.com".to_owned(),
            port: 995,
            tls: Tls::Implicit,
            ca_pem: None,
            username: String::new(),
            auth: Auth::Auto,
            pipelining: Pipelining::Off,
            capa: Capa::Asked,
            timeouts: Timeouts { connect: wait, tls: wait, command: wait, idle: wait, slow: wait },
        }
    }

    #[tokio::test]
    async fn a_server_that_goes_away_in_the_handshake_may_be_back_soon() {
        let (ours, theirs) = tokio::io::duplex(64);
        drop(theirs);
        let error = secure(&config(), Stream(Box::new(ours))).await.unwrap_err();
        assert!(matches!(error, Pop3Error::Tls { .. }) && error.is_transient(), "{error:?}");
    }

    #[tokio::test]
    async fn a_port_that_speaks_no_tls_is_known_by_its_greeting() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        theirs.write_all(b"+OK POP3 server ready <1896.697170952@example.com>\r\n").await.unwrap();
        let error = secure(&config(), Stream(Box::new(ours))).await.unwrap_err();
        assert!(matches!(error, Pop3Error::Tls { source: HandshakeError::NoTls, .. }), "{error:?}");
    }
}
