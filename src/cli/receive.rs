//! `pophook receive`: an endpoint for trying things out.

mod form;
mod shown;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::Method;
use axum::http::StatusCode;
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio_util::sync::CancellationToken;

use self::form::Form;
use self::shown::Trust;
use self::shown::one_line;
use self::shown::summary;
use crate::cli::BadArgument;
use crate::cli::gzip;
use crate::cli::out;
use crate::clock::Clock;
use crate::deliver::signature;
use crate::deliver::signature::Signed;
use crate::deliver::signature::Trusted;
use crate::secret::Secret;

/// The largest body that is taken: base64 of the largest mail that anyone accepts, and then some.
const BODY_MAX: usize = 256 * 1024 * 1024;

/// Receives posts, verifies their signature and shows them.
///
/// Point an endpoint's url at it to see what pophook sends, before the real receiver exists:
///
///   pophook receive --secret whsec_…
///   pophook receive --secret whpk_…      the public half, where a whsk_… key signs
///
/// A form (`attachments: multipart`, and some vendors' formats) is shown with the names, types and sizes of its parts, and
/// what its JSON says. With a secret, a post whose signature is missing or wrong is answered 401. Give several during a change of keys.
/// Without one, nothing is verified, and each post is shown as such.
/// A GET or HEAD, such as `pophook check --online` sends, is no post: it is told, answered, and not counted.
/// `--status 503` plays a receiver that is down. Ctrl-C ends it.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Receive {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8089")]
    listen: SocketAddr,
    /// A key that posts must be signed with: whsec_… for HMAC, the public whpk_… for Ed25519 (its private whsk_… will
    /// do, too); may be repeated. `POPHOOK_SECRET` in the environment gives keys, with spaces between them, that do
    /// not show in the list of processes
    #[arg(long, value_name = "SECRET", value_parser = secret)]
    secret: Vec<Secret>,
    /// The status to answer, from 200 to 599
    #[arg(long, value_name = "CODE", default_value = "204", value_parser = status)]
    status: StatusCode,
    /// Print the whole body of each post on one line, and nothing else (address and notes go to standard error). Of a
    /// form: what its parts are (`form`), the name of the field that holds JSON (`json_field`), and that JSON (`json`)
    #[arg(long)]
    json: bool,
    /// End after so many posts were taken; what comes later or is not signed as it should be does not count
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max: Option<u64>,
}

/// Not judged here, where a slip would be repeated on the terminal.
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

fn status(text: &str) -> Result<StatusCode, &'static str> {
    let code: u16 = text.parse().map_err(|_| "not a number")?;
    let final_code = (200..600).contains(&code).then(|| StatusCode::from_u16(code).ok()).flatten();
    final_code.ok_or("not a final status code: 200 to 599")
}

/// The environment variable that is looked at when no secret is given.
const SECRET_ENV: &str = "POPHOOK_SECRET";

/// How long posts that are still under way may take once enough were taken.
const DRAIN: Duration = Duration::from_secs(5);

/// What every post needs.
struct Desk {
    keys: Vec<Trusted>,
    status: StatusCode,
    json: bool,
    left: Option<AtomicU64>,
    stop: CancellationToken,
    clock: Clock,
}

impl Receive {
    /// Serves until a signal, or until enough posts came.
    ///
    /// # Errors
    /// When the address cannot be listened on or the secret in the environment is none.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> anyhow::Result<ExitCode> {
        let keys = self.keys()?;
        let listener = TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on {}: choose another with --listen", self.listen))?;
        let stop = CancellationToken::new();
        let say = |line: &str| if self.json { out::note(line) } else { out::line(line.as_bytes()) };
        say(&format!("listening on http://{}", listener.local_addr()?))?;
        if keys.is_empty() {
            say(&format!("signatures are NOT verified: give --secret, or ${SECRET_ENV}"))?;
        }
        let desk = Arc::new(Desk {
            keys,
            status: self.status,
            json: self.json,
            left: self.max.map(AtomicU64::new),
            stop: stop.clone(),
            clock: Clock::system(),
        });
        let router = Router::new().fallback(take).with_state(desk);
        let mut terminate = signal(SignalKind::terminate())?;
        let (ending, over) = (stop.clone(), stop.clone());
        let ended = async move {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
                () = stop.cancelled() => {}
            }
            ending.cancel();
        };
        let drained = async move {
            over.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        let serving = axum::serve(listener, router).with_graceful_shutdown(ended);
        tokio::select! {
            served = async { serving.await } => served?,
            () = drained => {}
        }
        Ok(ExitCode::SUCCESS)
    }

    fn keys(&self) -> anyhow::Result<Vec<Trusted>> {
        let (secrets, origin) = match self.secret.is_empty() {
            false => (self.secret.clone(), "--secret".to_owned()),
            true => {
                let text = std::env::var(SECRET_ENV).unwrap_or_default();
                (text.split_whitespace().map(Secret::new).collect(), format!("${SECRET_ENV}"))
            }
        };
        let keys: Option<_> = secrets.iter().map(Trusted::parse).collect();
        let forms = "write whsec_ and the base64 of 24 to 64 bytes, or whpk_ and that of an Ed25519 public key";
        Ok(keys.ok_or_else(|| BadArgument(format!("{origin} holds what is no secret; {forms}")))?)
    }
}

async fn take(State(desk): State<Arc<Desk>>, request: Request<Body>) -> (StatusCode, String) {
    let (head, body) = request.into_parts();
    if matches!(head.method, Method::GET | Method::HEAD) {
        return (desk.probed(&head.method), String::new());
    }
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {BODY_MAX} bytes, or it broke off\n"));
    };
    // What a framework or a server in front of it does for a real receiver: signatures are of the plain body.
    match gzip::undone(&head.headers, body, BODY_MAX) {
        Ok(body) => desk.answer(&head.headers, &body, form::read(&head.headers, &body).await),
        Err(status) => (status, "the body cannot be decompressed\n".to_owned()),
    }
}

impl Desk {
    /// Tells of somebody who looks whether this is here.
    fn probed(&self, method: &Method) -> StatusCode {
        let told = format!("{method}: somebody looks whether anybody listens here, as `pophook check --online` does");
        match self.json {
            // Standard output is for posts alone. That nobody reads the note is no fault of the sender.
            true => drop(out::note(&told)),
            false => self.print(format!("{told}\n").as_bytes()),
        }
        self.status
    }

    fn answer(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        form: Option<Result<Form, multer::Error>>,
    ) -> (StatusCode, String) {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let signed = Signed {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
        };
        let now = self.clock.now().as_second();
        let trust = match self.keys.is_empty() {
            true => Ok(Trust::NotVerified),
            false => signature::verify(&self.keys, signed, now, body).map(|()| Trust::Verified),
        };
        let trust = match trust {
            Ok(trust) => trust,
            Err(why) => {
                match self.json {
                    true => self.print(serde_json::json!({ "refused": why.to_string() }).to_string().as_bytes()),
                    false => self.print(format!("refused: {why}\n").as_bytes()),
                }
                return (StatusCode::UNAUTHORIZED, format!("{why}\n"));
            }
        };
        let Some(left) = self.take_one() else {
            return (StatusCode::SERVICE_UNAVAILABLE, "enough posts were taken\n".to_owned());
        };
        match self.json {
            true => match form {
                Some(Ok(form)) => self.print(form.as_json().to_string().as_bytes()),
                Some(Err(_)) | None => self.print(&one_line(body)),
            },
            false => self.print(summary(signed.id, trust, body, form).as_bytes()),
        }
        if left == 0 {
            self.stop.cancel();
        }
        (self.status, String::new())
    }

    fn print(&self, text: &[u8]) {
        // A reader that has gone away shall not make the sender try again.
        if out::line(text).is_err() {
            self.stop.cancel();
        }
    }

    /// Counts a post and tells how many more are taken; `None` if enough were.
    fn take_one(&self) -> Option<u64> {
        let Some(left) = &self.left else { return Some(u64::MAX) };
        let counted = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        counted.ok().map(|before| before.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::signature::Key;

    const TAKEN: StatusCode = StatusCode::NO_CONTENT;

    fn desk(keys: Vec<Trusted>) -> Desk {
        let status = TAKEN;
        let clock = Clock::by_hand(jiff::Timestamp::from_second(1000).unwrap());
        Desk { keys, status, json: true, left: Some(AtomicU64::new(2)), stop: CancellationToken::new(), clock }
    }

    #[test]
    fn a_post_that_is_not_signed_with_the_secret_is_refused() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = signature::sign(&[&Key::parse(&secret).unwrap()], "msg_1", 1000, b"{}").unwrap();
        let headers = [("webhook-id", "msg_1"), ("webhook-timestamp", "1000"), ("webhook-signature", &*signature)];
        let headers: HeaderMap =
            headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).into_iter().collect();
        let desk = desk(vec![Trusted::parse(&secret).unwrap()]);
        assert_eq!(desk.answer(&headers, b"{ }", None).0, StatusCode::UNAUTHORIZED);
        assert_eq!(desk.answer(&HeaderMap::new(), b"{}", None).0, StatusCode::UNAUTHORIZED);
        // What was refused did not count.
        assert_eq!([0; 2].map(|_| desk.answer(&headers, b"{}", None).0), [TAKEN; 2]);
    }

    #[test]
    fn without_a_secret_every_post_is_taken_until_enough_came() {
        let desk = desk(Vec::new());
        let post = || (desk.answer(&HeaderMap::new(), b"not json", None).0, desk.stop.is_cancelled());
        assert_eq!([post(), post(), post()], [(TAKEN, false), (TAKEN, true), (StatusCode::SERVICE_UNAVAILABLE, true)]);
    }

    #[test]
    fn a_probe_is_no_post_and_needs_no_signature() {
        let desk = desk(vec![Trusted::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap()]);
        assert_eq!([Method::HEAD, Method::GET].map(|method| desk.probed(&method)), [TAKEN; 2]);
        assert_eq!(desk.take_one(), Some(1), "neither counted");
    }

    #[test]
    fn only_final_statuses_can_be_answered() {
        for (text, fits) in [("199", false), ("200", true), ("599", true), ("600", false), ("700", false), ("x", false)]
        {
            assert_eq!(status(text).is_ok(), fits, "{text}");
        }
    }
}
