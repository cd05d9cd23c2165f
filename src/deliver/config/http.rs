//! How an endpoint is reached: everything about the line, nothing about what goes over it.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderValue;

use crate::deliver::egress::Egress;
use crate::secret::Secret;

/// How an endpoint is reached.
#[derive(Debug, Clone)]
pub struct Http {
    /// PEM certificates that are trusted beside the system's roots.
    pub ca_pem: Option<Arc<[u8]>>,
    /// The certificate that we show to an endpoint that asks for one.
    pub client_certificate: Option<ClientCertificate>,
    /// Fields that are added to each request, an `Authorization` among them; their values are secrets.
    pub headers: HeaderMap,
    /// How long each step of an exchange may take.
    pub timeouts: Timeouts,
    /// What stands between us and the endpoint, if anything does.
    pub proxy: Option<Proxy>,
    /// Which addresses may be connected to.
    pub egress: Arc<Egress>,
    /// Whether large bodies are compressed.
    pub compress: Compress,
}

/// How long each step of an exchange may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// The look-up of the name, TCP and TLS together.
    pub connect: Duration,
    /// An upload that makes no progress for so long has failed.
    pub stall: Duration,
    /// The longest wait for the answer's status line and header, after the body is sent.
    pub answer: Duration,
    /// The whole exchange up to there; `None`: by the size of the body.
    pub whole: Option<Duration>,
}

/// An HTTP proxy: `https` goes through it by CONNECT, and `http` is handed to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Where it is, without user name and password.
    pub url: Url,
    /// The value of `Proxy-Authorization`, marked as sensitive.
    pub authorization: Option<HeaderValue>,
}

/// A certificate of ours with its key.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// The certificate in PEM, and after it those of its authorities, as far as the endpoint needs them.
    pub chain_pem: Arc<[u8]>,
    /// The key in PEM, by PKCS #8.
    pub key_pem: Secret,
}

/// Whether large bodies are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    /// Never.
    None,
    /// With gzip, where it is worth it.
    Gzip,
}

#[cfg(test)]
impl Http {
    /// A plain line with the usual patience.
    pub(in crate::deliver) fn for_testing() -> Http {
        Http {
            ca_pem: None,
            client_certificate: None,
            headers: HeaderMap::new(),
            timeouts: Timeouts {
                connect: Duration::from_secs(10),
                stall: Duration::from_secs(30),
                answer: Duration::from_secs(30),
                whole: None,
            },
            proxy: None,
            egress: Arc::new(Egress::default()),
            compress: Compress::None,
        }
    }
}
