//! How the HTTP client of an endpoint is made, and how old its connections grow.
//!
//! The pool of a client keeps a connection as long as it is used. So the client is made anew once a minute while posts
//! go out: what is under way ends on the old connections, and the next post connects, which looks the name up again. The
//! TLS settings, which are costly as they hold all the system's certificates, are made once.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use native_tls::Certificate;
use native_tls::Identity;
use native_tls::Protocol;
use native_tls::TlsConnector;
use reqwest::redirect::Policy;
use tower_layer::Layer;
use tower_service::Service;

use super::Http;
use super::Proxy;
use super::resolve::Resolver;
use crate::clock::Clock;

/// Idle connections go before the peer's own limit (5 s in many servers) closes them under a request.
const IDLE: Duration = Duration::from_secs(4);
/// The oldest that a client, and with it a connection that is used again, grows.
const AGE: Duration = Duration::from_secs(60);

/// Why the client of an endpoint, or of the attachment store, cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Its certificates, or TLS itself.
    #[error("{name}: cannot make its TLS settings")]
    Tls { name: String, source: native_tls::Error },
    /// Anything else.
    #[error("{name}: cannot make its HTTP client")]
    Client { name: String, source: reqwest::Error },
}

/// The connections to one endpoint.
pub(super) struct Connections {
    plan: Plan,
    current: Mutex<Current>,
    begun: Begun,
    clock: Clock,
}

/// The client in use, and the uptime when it was made.
struct Current {
    client: reqwest::Client,
    made: Duration,
}

/// What every client of the endpoint is made from.
struct Plan {
    tls: TlsConnector,
    resolver: Arc<Resolver>,
    proxy: Option<Proxy>,
    connect: Duration,
}

/// How many connections were begun.
#[derive(Debug, Clone, Default)]
pub(super) struct Begun(Arc<AtomicU64>);

impl Connections {
    /// Makes the first client of what errors call `name`.
    pub(super) fn new(name: &str, http: &Http, clock: &Clock) -> Result<Connections, ClientError> {
        let tls = tls(http).map_err(|source| ClientError::Tls { name: name.to_owned(), source })?;
        // Behind a proxy, only the proxy is looked up; whoever wrote it wants it to be connected to.
        let egress = http.proxy.is_none().then(|| Arc::clone(&http.egress));
        let plan = Plan {
            tls,
            resolver: Arc::new(Resolver::system(egress)),
            proxy: http.proxy.clone(),
            connect: http.timeouts.connect,
        };
        let begun = Begun::default();
        let first = plan.client(&begun).map_err(|source| ClientError::Client { name: name.to_owned(), source })?;
        let current = Mutex::new(Current { client: first, made: clock.uptime() });
        Ok(Connections { plan, current, begun, clock: clock.clone() })
    }

    /// The client for the next exchange.
    pub(super) fn client(&self) -> reqwest::Client {
        let mut current = self.current();
        if self.clock.uptime().saturating_sub(current.made) >= AGE {
            self.replace(&mut current);
        }
        current.client.clone()
    }

    /// Gives up all connections that nothing is under way on.
    pub(super) fn renew(&self) {
        self.replace(&mut self.current());
    }

    fn replace(&self, current: &mut Current) {
        // One like it was made before; if this one cannot be, the old one is still good.
        if let Ok(client) = self.plan.client(&self.begun) {
            *current = Current { client, made: self.clock.uptime() };
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections were begun so far. An exchange during which none was begun used an old one.
    pub(super) fn begun(&self) -> u64 {
        self.begun.0.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl Plan {
    fn client(&self, begun: &Begun) -> Result<reqwest::Client, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .dns_resolver(Arc::clone(&self.resolver))
            .redirect(Policy::none())
            .connect_timeout(self.connect)
            .connector_layer(begun.clone())
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("pophook/", env!("CARGO_PKG_VERSION")))
            // The environment is the business of the configuration.
            .no_proxy();
        if let Some(written) = &self.proxy {
            let mut proxy = reqwest::Proxy::all(written.url.clone())?;
            if let Some(authorization) = &written.authorization {
                proxy = proxy.custom_http_auth(authorization.clone());
            }
            builder = builder.proxy(proxy);
        }
        builder.build()
    }
}

fn tls(http: &Http) -> Result<TlsConnector, native_tls::Error> {
    let mut builder = TlsConnector::builder();
    builder.min_protocol_version(Some(Protocol::Tlsv12)).request_alpns(&["h2", "http/1.1"]);
    if let Some(pem) = &http.ca_pem {
        for certificate in Certificate::stack_from_pem(pem)? {
            builder.add_root_certificate(certificate);
        }
    }
    if let Some(ours) = &http.client_certificate {
        builder.identity(Identity::from_pkcs8(&ours.chain_pem, ours.key_pem.reveal().as_bytes())?);
    }
    builder.build()
}

impl<S> Layer<S> for Begun {
    type Service = Counted<S>;

    fn layer(&self, connector: S) -> Counted<S> {
        Counted { connector, begun: self.clone() }
    }
}

/// A connector whose connections are counted as they begin.
#[derive(Debug, Clone)]
pub(super) struct Counted<S> {
    connector: S,
    begun: Begun,
}

impl<S: Service<R>, R> Service<R> for Counted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.begun.0.fetch_add(1, Ordering::SeqCst);
        self.connector.call(request)
    }
}
