//! Where a command goes: to the spool's file, or to a running pophook by its API.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::anyhow;
use clap::Args;
use reqwest::Client;
use reqwest::Method;
use reqwest::StatusCode;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::BadArgument;
use super::ConfigFile;
use super::out;

/// The variable that holds the token, where no file does.
const TOKEN: &str = "POPHOOK_TOKEN";

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take, a test of an endpoint and a large mail included.
const WHOLE: Duration = Duration::from_secs(300);

/// Where a command goes.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The configuration file; with --server, used where nobody answers there
    #[arg(short, long = "config", value_name = "FILE", required_unless_present = "server")]
    config: Option<PathBuf>,
    /// Ask the pophook that runs there (`http://127.0.0.1:8080`) by its API, in place of the spool's file
    #[arg(long, value_name = "URL", value_parser = address)]
    server: Option<Url>,
    /// The file that holds a token for --server; without it, the variable `POPHOOK_TOKEN` does, if one is needed
    #[arg(long, value_name = "FILE", requires = "server")]
    token_file: Option<PathBuf>,
}

/// The address of a server, with nothing left to guess.
fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| "write it with http:// or https://, such as http://127.0.0.1:8080".to_owned())
}

/// The way to what a command is about.
pub(super) enum Way {
    /// The spool's file, and the socket of the pophook that runs on it.
    File(ConfigFile),
    /// The API of a running pophook.
    Server(Server),
}

/// The API of a running pophook.
pub(super) struct Server {
    client: Client,
    base: Url,
    token: Option<String>,
}

impl Target {
    /// The way that is open: the server's, or, where nobody answers there, that of the file, if one was named.
    ///
    /// # Errors
    /// A token that cannot be read, or a server that does not answer where no file was named.
    pub(super) async fn way(self) -> anyhow::Result<Way> {
        let file = |config: Option<PathBuf>| config.map(|config| Way::File(ConfigFile { config }));
        let Some(base) = self.server else {
            return file(self.config).context("name the configuration file with -c, or a server with --server");
        };
        let token = match &self.token_file {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
                Some(text.trim().to_owned())
            }
            None => std::env::var(TOKEN).ok(),
        };
        let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let is_here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if token.is_some() && base.scheme() == "http" && !is_here {
            out::note("the token goes over the network in clear; give pophook a certificate, and write https://")?;
        }
        // A proxy for the network has no business between us and this machine.
        let builder = if is_here { Client::builder().no_proxy() } else { Client::builder() };
        let client = builder
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .user_agent(concat!("pophook/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let server = Server { client, base, token };
        match server.get("whoami", &[]).await {
            Ok(_) => Ok(Way::Server(server)),
            Err(Failed::Unreachable(error)) => match file(self.config) {
                Some(way) => {
                    out::note(&format!("nobody answers at {}; looking into the spool's file", server.base))?;
                    Ok(way)
                }
                None => Err(Failed::Unreachable(error).into()),
            },
            Err(error) => Err(error.into()),
        }
    }
}

/// Why the API did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// Nobody answers.
    #[error("nobody answers there; look at --server, and whether pophook runs")]
    Unreachable(#[source] reqwest::Error),
    /// It said why not.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// Its sentence.
        message: String,
    },
}

impl Failed {
    /// As what the command ends with: a name that is nowhere is an argument that nobody could use.
    fn told(self) -> anyhow::Error {
        match self {
            Failed::Refused { status: StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND, message } => {
                BadArgument(message).into()
            }
            Failed::Refused { status: StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT, message } => {
                anyhow!(message)
            }
            other => other.into(),
        }
    }
}

impl Server {
    /// What stands at a path, as JSON.
    ///
    /// # Errors
    /// What the server said, or that it did not.
    pub(super) async fn ask(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        let bytes = self.get(path, query).await.map_err(Failed::told)?;
        serde_json::from_slice(&bytes).context("the server's answer is no JSON; is it pophook's API?")
    }

    /// What stands at a path, byte for byte.
    ///
    /// # Errors
    /// What the server said, or that it did not.
    pub(super) async fn bytes(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        self.get(path, &[]).await.map_err(Failed::told)
    }

    /// Does what stands at a path.
    ///
    /// # Errors
    /// What the server said, or that it did not.
    pub(super) async fn act(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.request(Method::POST, path, &[]).header(CONTENT_TYPE, "application/json");
        let bytes = send(request.body(body.to_string())).await.map_err(Failed::told)?;
        serde_json::from_slice(&bytes).context("the server's answer is no JSON; is it pophook's API?")
    }

    async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Vec<u8>, Failed> {
        send(self.request(Method::GET, path, query)).await
    }

    fn request(&self, method: Method, path: &str, query: &[(&str, String)]) -> reqwest::RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // Each is one name, whatever it holds.
            segments.pop_if_empty().extend(["api", "v1"]).extend(path.split('/'));
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.client.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

/// A field of an answer; null where it is missing.
pub(super) fn field<'a>(answer: &'a Value, key: &str) -> &'a Value {
    answer.get(key).unwrap_or(&Value::Null)
}

/// The elements of an answer's list.
pub(super) fn array<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    field(answer, key).as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A field for people; nothing where it is null or missing.
pub(super) fn text(answer: &Value, key: &str) -> String {
    match field(answer, key) {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

async fn send(request: reqwest::RequestBuilder) -> Result<Vec<u8>, Failed> {
    let failed = |error: reqwest::Error| Failed::Unreachable(error.without_url());
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    let bytes = response.bytes().await.map_err(failed)?;
    if status.is_success() {
        return Ok(bytes.into());
    }
    let said: Option<Value> = serde_json::from_slice(&bytes).ok();
    let word = said.as_ref().and_then(|said| field(said, "error").as_str()).unwrap_or_default();
    let message = match said.as_ref().and_then(|said| field(said, "message").as_str()) {
        Some(said) => format!("{said}{}", remedy(status, word)),
        None => format!("the server answered {status}; is it pophook's API?"),
    };
    Err(Failed::Refused { status, message })
}

/// What somebody can do who is not let in; nothing where the server's own sentence says it.
fn remedy(status: StatusCode, word: &str) -> &'static str {
    match (status, word) {
        (StatusCode::UNAUTHORIZED, _) => {
            " Give one of its admin.tokens: put it in the variable POPHOOK_TOKEN, or name its file with --token-file."
        }
        (StatusCode::FORBIDDEN, "read_only_token" | "no_mail_content") => {
            " To change something takes a token with `role: operate`; to see what mails say, that or `mail_content: true` \
             (admin.tokens)."
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_it_is_spoken_to() {
        for good in ["http://127.0.0.1:8080", "https://pophook.example.com/"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["127.0.0.1:8080", "localhost:8080", "pophook.example.com", "ftp://a", ""] {
            assert!(address(bad).unwrap_err().contains("http://"), "{bad}");
        }
    }
}
