//! The line to operators: in clear, or by TLS 1.2 or later with the certificate that is configured now.
//!
//! Handshakes go on beside each other, within a time and a number, so that whoever connects and says nothing keeps
//! nobody out. What is configured anew counts for the next connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_native_tls::TlsAcceptor;
use async_native_tls::TlsStream;
use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::either::Either;

use super::access::Config;
use super::access::Tls;
use super::share::Share;
use super::share::Shares;

/// The longest that a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at once; whoever comes beyond them waits for one to end.
const HANDSHAKES_MAX: usize = 256;

/// The connection of an operator.
pub(super) type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// A connection that is ready to be served.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) stream: Stream,
    pub(super) peer: SocketAddr,
    pub(super) share: Share,
}

/// What listens.
#[derive(Debug)]
pub(super) struct Line {
    tcp: TcpListener,
    /// `None`: in clear, whatever is configured.
    config: Option<watch::Receiver<Arc<Config>>>,
    acceptor: Option<(Tls, TlsAcceptor)>,
    handshakes: JoinSet<Option<Came>>,
}

impl Line {
    /// In clear, unless `config` has a certificate.
    pub(super) fn new(tcp: TcpListener, config: Option<watch::Receiver<Arc<Config>>>) -> Line {
        Line { tcp, config, acceptor: None, handshakes: JoinSet::new() }
    }

    /// By what the next connection is protected, if it is.
    fn acceptor(&mut self) -> Option<TlsAcceptor> {
        let tls = self.config.as_ref().and_then(|config| config.borrow().tls.clone());
        let Some(tls) = tls else {
            self.acceptor = None;
            return None;
        };
        if self.acceptor.as_ref().is_none_or(|(known, _)| *known != tls) {
            match accepting(&tls) {
                Ok(acceptor) => self.acceptor = Some((tls, acceptor)),
                // It was tried when the configuration was read. The one before is better than none.
                Err(error) => tracing::error!(%error, "cannot use the certificate of admin.cert_file and admin.key"),
            }
        }
        self.acceptor.as_ref().map(|(_, acceptor)| acceptor.clone())
    }

    /// Begins with a connection. Where a certificate is wanted and cannot be used, it is closed: nothing goes in clear.
    fn begin(&mut self, tcp: TcpStream, peer: SocketAddr, share: Share) -> Option<Came> {
        let acceptor = self.acceptor();
        let wanted = self.config.as_ref().is_some_and(|config| config.borrow().tls.is_some());
        match acceptor {
            Some(acceptor) => {
                self.handshakes.spawn(async move {
                    let shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(tcp)).await;
                    shaken.ok()?.ok().map(|stream| Came { stream: Either::Right(stream), peer, share })
                });
                None
            }
            None if wanted => None,
            None => Some(Came { stream: Either::Left(tcp), peer, share }),
        }
    }
}

fn accepting(tls: &Tls) -> Result<TlsAcceptor, native_tls::Error> {
    let identity = native_tls::Identity::from_pkcs8(&tls.chain_pem, tls.key_pem.reveal().as_bytes())?;
    let least = native_tls::Protocol::Tlsv12;
    native_tls::TlsAcceptor::builder(identity).min_protocol_version(Some(least)).build().map(TlsAcceptor::from)
}

impl Line {
    /// The next connection that is ready to be served. Nothing is lost where nobody waits for it to the end. Whoever has more
    /// than its share is closed without a word: an answer would be one more thing to wait for.
    pub(super) async fn accept(&mut self, shares: &Shares) -> Came {
        loop {
            tokio::select! {
                (tcp, peer) = Listener::accept(&mut self.tcp), if self.handshakes.len() < HANDSHAKES_MAX => {
                    if let Some(begun) = shares.take(peer.ip()).and_then(|share| self.begin(tcp, peer, share)) {
                        return begun;
                    }
                }
                Some(ended) = self.handshakes.join_next() => {
                    if let Ok(Some(shaken)) = ended {
                        return shaken;
                    }
                }
            }
        }
    }
}
