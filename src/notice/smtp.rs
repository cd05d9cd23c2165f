//! Hands a report to the mail server (RFC 5321), by `lettre`. One connection for each recipient, so that one address that
//! the server refuses does not keep the others from being told.

use std::time::Duration;

use lettre::AsyncSmtpTransport;
use lettre::AsyncTransport as _;
use lettre::Tokio1Executor;
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::Certificate;
use lettre::transport::smtp::client::Tls as Line;
use lettre::transport::smtp::client::TlsParameters;
use lettre::transport::smtp::client::TlsVersion;
use lettre::transport::smtp::extension::ClientId;

use super::Smtp;
use super::Tls;
use super::report::Form;
use super::report::Report;

/// How long the server may take to be reached.
const CONNECT: Duration = Duration::from_secs(30);
/// How long one report may take in all: RFC 5321 section 4.5.3.2 lets a server think ten minutes after the final dot.
const WHOLE: Duration = Duration::from_secs(15 * 60);
/// Bytes that are kept of what the server answered.
const ANSWER_MAX: usize = 512;

/// How a report ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// The server took it, for one recipient at least.
    Taken {
        /// Its answer's code.
        status: u16,
    },
    /// It did not.
    Failed {
        /// Its answer's code, where one came.
        status: Option<u16>,
        /// What went wrong, in one word.
        error: &'static str,
        /// What the server said.
        answer: Option<String>,
    },
}

/// Sends a report to each recipient. It counts as taken if one of them gets it: sent again, that one would have it twice.
pub(super) async fn send(smtp: &Smtp, report: &Report) -> Sent {
    let transport = match transport(smtp) {
        Ok(transport) => transport,
        Err(error) => return failed(&error),
    };
    let (mut taken, mut refused) = (None, None);
    for to in &smtp.to {
        // No sender: a bounce of a report goes nowhere (RFC 3464 section 2).
        let Ok(envelope) = Envelope::new(None, vec![to.clone()]) else { continue };
        match tokio::time::timeout(WHOLE, send_one(&transport, &envelope, report)).await {
            Ok(Ok(status)) => taken = Some(status),
            Ok(Err(error)) => refused = Some(failed(&error)),
            Err(_) => refused = Some(Sent::Failed { status: None, error: "timeout", answer: None }),
        }
    }
    match (taken, refused) {
        (Some(status), None) => Sent::Taken { status },
        (Some(status), Some(_)) => {
            tracing::warn!(id = %report.id, "the mail server refused the report for some of the recipients");
            Sent::Taken { status }
        }
        (None, Some(refused)) => refused,
        (None, None) => Sent::Failed { status: None, error: "no_recipient", answer: None },
    }
}

async fn send_one(
    transport: &AsyncSmtpTransport<Tokio1Executor>,
    envelope: &Envelope,
    report: &Report,
) -> Result<u16, lettre::transport::smtp::Error> {
    let (bytes, form) = report.write(Form::AsItIs);
    let ended = match transport.send_raw(envelope, &bytes).await {
        // `lettre` sends nothing to a server without 8BITMIME that is not ASCII.
        Err(error) if error.is_client() && form == Form::AsItIs => {
            transport.send_raw(envelope, &report.write(Form::Encoded).0).await
        }
        ended => ended,
    };
    ended.map(|response| response.code().into())
}

fn transport(smtp: &Smtp) -> Result<AsyncSmtpTransport<Tokio1Executor>, lettre::transport::smtp::Error> {
    let line = match smtp.tls {
        Tls::None => Line::None,
        Tls::Implicit => Line::Wrapper(tls(smtp)?),
        Tls::StartTls => Line::Required(tls(smtp)?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.host.clone())
        .port(smtp.port)
        .tls(line)
        .hello_name(ClientId::Domain(smtp.from.domain().to_owned()))
        .timeout(Some(CONNECT));
    if let Some((name, password)) = &smtp.login {
        builder = builder.credentials(Credentials::new(name.clone(), password.reveal().to_owned()));
    }
    Ok(builder.build())
}

fn tls(smtp: &Smtp) -> Result<TlsParameters, lettre::transport::smtp::Error> {
    let mut tls = TlsParameters::builder(smtp.host.clone()).set_min_tls_version(TlsVersion::Tlsv12);
    for pem in smtp.ca_pem.iter().flat_map(|pem| certificates(pem)) {
        tls = tls.add_root_certificate(Certificate::from_pem(pem.as_bytes())?);
    }
    tls.build()
}

/// The certificates of a PEM file, one by one.
fn certificates(pem: &[u8]) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let text = String::from_utf8_lossy(pem);
    text.split(BEGIN).skip(1).map(|rest| format!("{BEGIN}{rest}")).collect()
}

fn failed(error: &lettre::transport::smtp::Error) -> Sent {
    let word = match error {
        error if error.is_permanent() => "refused",
        error if error.is_transient() => "busy",
        error if error.is_timeout() => "timeout",
        error if error.is_tls() => "tls",
        error if error.is_response() => "no_smtp",
        error if error.is_client() => "unsupported",
        _ => "unreachable",
    };
    let status = error.status().map(u16::from);
    let said = status.and_then(|_| std::error::Error::source(error)).map(ToString::to_string);
    let answer = said.map(|said| said.chars().take(ANSWER_MAX).collect());
    Sent::Failed { status, error: word, answer }
}
