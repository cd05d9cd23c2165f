//! Why no status line came back: the set is closed, because it is stored with each attempt.
//!
//! What nobody foresaw is one of the two last classes, by how far it had come. Pure.

mod chain;

use std::fmt;

use super::outcome::Judgement;
use super::outcome::Outcome;
use super::outcome::Says;
use crate::spool::DAMAGED_REMEDY;
use crate::spool::Reason;

/// Why an attempt, or a look whether anybody is there, got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The host's name has no address, or none can be asked for.
    UnknownHost,
    /// The host has no address that egress allows.
    EgressDenied,
    /// The proxy could not be reached, wants a login, or made no way to the endpoint.
    Proxy,
    /// Nothing listens there.
    ConnectionRefused,
    /// No way leads there.
    Unreachable,
    /// No connection in time, TLS and the look-up of the name included.
    ConnectTimeout,
    /// No trusted authority has signed the certificate, or it is unfit otherwise.
    CertificateUntrusted,
    /// The certificate is for another name.
    CertificateName,
    /// The certificate has expired, or is not valid yet.
    CertificateExpired,
    /// The endpoint wants a certificate of ours, or not the one that we show.
    ClientCertificate,
    /// The TLS handshake failed otherwise.
    Tls,
    /// The connection was reset or closed before an answer.
    ConnectionClosed,
    /// The upload made no progress.
    UploadStalled,
    /// The answer did not begin in time.
    AnswerTimeout,
    /// The whole exchange took too long.
    ExchangeTimeout,
    /// What came is no HTTP.
    NoHttp,
    /// The request itself cannot be made.
    Request,
    /// The body cannot be made.
    Render,
    /// Our copy of the message is gone.
    Released,
    /// Our copy of the message is damaged.
    Damaged,
    /// An attachment is larger than the endpoint may get.
    AttachmentTooLarge,
    /// An attachment, or its key, is larger than the attachment store takes.
    StoreTooLarge,
    /// The attachment store could not be reached, or did not answer in time.
    StoreUnreachable,
    /// The attachment store will not do it: credentials, rights, bucket or region are wrong, or it does not take this one.
    StoreRefused,
    /// The attachment store cannot do it now.
    StoreFailed,
    /// No connection, for a reason that nobody foresaw.
    Connect,
    /// No answer, for a reason that nobody foresaw.
    Exchange,
}

/// How far it had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Connected,
}

/// What stands between us and an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// Nothing.
    Nothing,
    /// A proxy that we hand the request to: every connection is to it.
    Proxy,
    /// A tunnel through a proxy: where that stands, the endpoint is at the other end.
    Tunnel,
}

impl Failure {
    /// Reads what the HTTP client says.
    pub(super) fn of(error: &reqwest::Error, via: Via) -> Failure {
        if error.is_builder() {
            return Failure::Request;
        }
        let stage = if error.is_connect() { Stage::Connecting } else { Stage::Connected };
        match (error.is_timeout(), stage, via) {
            // Who let a tunnel wait cannot be told, and the endpoint must not be blamed for the proxy.
            (true, Stage::Connecting, Via::Proxy | Via::Tunnel) => Failure::Proxy,
            (false, Stage::Connecting, Via::Proxy) => Failure::Proxy,
            (true, Stage::Connecting, Via::Nothing) => Failure::ConnectTimeout,
            (true, Stage::Connected, _) => Failure::AnswerTimeout,
            (false, ..) => chain::read(error, stage),
        }
    }

    /// What an attempt that ended so is judged. What lies on our side of the line says nothing of the endpoint.
    pub(super) fn judgement(self) -> Judgement {
        let never = |reason| Judgement { outcome: Outcome::Refused, says: Says::Never(reason) };
        let says = match self {
            Failure::AttachmentTooLarge | Failure::StoreTooLarge => return never(Reason::TooLarge),
            Failure::Damaged => return never(Reason::Damaged),
            Failure::StoreUnreachable | Failure::StoreFailed => Says::Store,
            // One that refuses everything is not told from one that refuses this attachment.
            Failure::StoreRefused
            | Failure::Proxy
            | Failure::EgressDenied
            | Failure::Request
            | Failure::Render
            | Failure::Released => Says::Ours,
            Failure::UnknownHost
            | Failure::ConnectionRefused
            | Failure::Unreachable
            | Failure::ConnectTimeout
            | Failure::CertificateUntrusted
            | Failure::CertificateName
            | Failure::CertificateExpired
            | Failure::ClientCertificate
            | Failure::Tls
            | Failure::ConnectionClosed
            | Failure::UploadStalled
            | Failure::AnswerTimeout
            | Failure::ExchangeTimeout
            | Failure::NoHttp
            | Failure::Connect
            | Failure::Exchange => Says::Nothing,
        };
        Judgement { outcome: Outcome::Deferred, says }
    }

    /// The name under which it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Failure::UnknownHost => "unknown_host",
            Failure::EgressDenied => "egress_denied",
            Failure::Proxy => "egress_proxy",
            Failure::ConnectionRefused => "connection_refused",
            Failure::Unreachable => "unreachable",
            Failure::ConnectTimeout => "connect_timeout",
            Failure::CertificateUntrusted => "certificate_untrusted",
            Failure::CertificateName => "certificate_name",
            Failure::CertificateExpired => "certificate_expired",
            Failure::ClientCertificate => "client_certificate",
            Failure::Tls => "tls",
            Failure::ConnectionClosed => "connection_closed",
            Failure::UploadStalled => "upload_stalled",
            Failure::AnswerTimeout => "answer_timeout",
            Failure::ExchangeTimeout => "exchange_timeout",
            Failure::NoHttp => "no_http",
            Failure::Request => "request",
            Failure::Render => "render",
            Failure::Released => "released",
            Failure::Damaged => "damaged",
            Failure::AttachmentTooLarge => "attachment_too_large",
            Failure::StoreTooLarge => "store_too_large",
            Failure::StoreUnreachable => "store_unreachable",
            Failure::StoreRefused => "store_refused",
            Failure::StoreFailed => "store_failed",
            Failure::Connect => "connect",
            Failure::Exchange => "exchange",
        }
    }

    /// What an operator can do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Failure::UnknownHost => "look at the host name in url, and at DNS",
            Failure::EgressDenied => "look at the host in url, or allow its network under egress",
            Failure::Proxy => {
                "look at proxy, or HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment, and at the proxy's own log"
            }
            Failure::ConnectionRefused => "nothing listens at that address: look at host and port of url",
            Failure::Unreachable | Failure::Connect => "look at the host in url, and at the network",
            Failure::ConnectTimeout => "look at host and port of url, and for a firewall in between",
            Failure::CertificateUntrusted => "ca_file adds the authority's certificate",
            Failure::CertificateName => "write in url a host name that stands in the certificate",
            Failure::CertificateExpired => "the endpoint needs a new one, if the clock here is right",
            Failure::ClientCertificate => {
                "client_cert_file and client_key must be what the endpoint wants to see, and not have expired"
            }
            Failure::Tls => "the port may speak no TLS, or none from 1.2 on: look at http or https and the port in url",
            Failure::ConnectionClosed | Failure::Exchange => {
                "look at the endpoint's own log; url may need https, or another port"
            }
            Failure::UploadStalled => "look why the endpoint stops reading",
            Failure::AnswerTimeout => "the endpoint should answer first and work later, or raise timeout",
            Failure::ExchangeTimeout => "look why the endpoint reads or answers so slowly",
            Failure::NoHttp => "look at http or https and the port in url",
            Failure::Request => "look at url and headers",
            Failure::Render | Failure::Released => "look at the message with `pophook spool show`",
            Failure::Damaged => DAMAGED_REMEDY,
            Failure::StoreTooLarge => {
                "raise the limit of the store, or of what stands before it (nginx: client_max_body_size), or let no \
                 such attachment go there; then `pophook spool retry`"
            }
            Failure::AttachmentTooLarge => {
                "raise max_attachment_size or max_attachments_size, or change on_large_attachment; then `pophook spool retry`"
            }
            Failure::StoreUnreachable => "look at url under attachment_store, at ca_file and proxy, and at the network",
            Failure::StoreRefused => {
                "look at access_key_id, secret_access_key, bucket and region under attachment_store, at what that key may \
                 do (put and get objects), and at the clock here"
            }
            Failure::StoreFailed => "look at the store's own log",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::UnknownHost => "unknown host",
            Failure::EgressDenied => "the address is refused by egress",
            Failure::Proxy => "the proxy made no way",
            Failure::ConnectionRefused => "connection refused",
            Failure::Unreachable => "host or network unreachable",
            Failure::ConnectTimeout => "no connection in time",
            Failure::CertificateUntrusted => "the certificate is not trusted",
            Failure::CertificateName => "the certificate is for another name",
            Failure::CertificateExpired => "the certificate has expired, or is not valid yet",
            Failure::ClientCertificate => "the endpoint does not accept our certificate",
            Failure::Tls => "the TLS handshake failed",
            Failure::ConnectionClosed => "connection reset or closed",
            Failure::UploadStalled => "the upload stalled",
            Failure::AnswerTimeout => "no answer in time",
            Failure::ExchangeTimeout => "the exchange took too long",
            Failure::NoHttp => "what came is no HTTP",
            Failure::Request => "the request cannot be made",
            Failure::Render => "the body cannot be made",
            Failure::Released => "our copy of the message is gone",
            Failure::Damaged => "our copy of the message is damaged",
            Failure::AttachmentTooLarge => "an attachment is too large",
            Failure::StoreTooLarge => "the attachment store takes nothing so large",
            Failure::StoreUnreachable => "the attachment store cannot be reached",
            Failure::StoreRefused => "the attachment store refuses",
            Failure::StoreFailed => "the attachment store fails",
            Failure::Connect => "no connection",
            Failure::Exchange => "the exchange broke off",
        })
    }
}
