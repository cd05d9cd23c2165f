//! The look-up of an endpoint's name, each time that a connection begins: only addresses that may be connected to come
//! out of it.
//!
//! The system's resolver blocks a thread as long as it pleases. So an endpoint has few look-ups under way at once,
//! those that nobody waits for any more included: a silent name server takes that many threads from others, and no more.

use std::io;
use std::net::SocketAddr;
use std::net::ToSocketAddrs as _;
use std::sync::Arc;

use reqwest::dns::Addrs;
use reqwest::dns::Name;
use reqwest::dns::Resolve;
use reqwest::dns::Resolving;
use tokio::sync::Semaphore;

use super::egress::Egress;

/// Look-ups of one endpoint at once.
const LOOKUPS: usize = 4;

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    /// It has no address, or none can be asked for.
    #[error("no address")]
    Unknown(#[source] io::Error),
    /// It has none that may be connected to.
    #[error("no address that egress allows")]
    Denied,
}

/// How the addresses of a name are asked for; it may block.
type Ask = Arc<dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// The resolver of one endpoint.
pub(super) struct Resolver {
    ask: Ask,
    /// `None`: whatever comes out may be connected to.
    egress: Option<Arc<Egress>>,
    lookups: Arc<Semaphore>,
}

impl Resolver {
    /// Asks the system.
    pub(super) fn system(egress: Option<Arc<Egress>>) -> Resolver {
        // The port is put in where the address is used.
        Resolver::asking(egress, Arc::new(|host| Ok((host, 0).to_socket_addrs()?.collect())))
    }

    fn asking(egress: Option<Arc<Egress>>, ask: Ask) -> Resolver {
        Resolver { ask, egress, lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (ask, egress, lookups) = (Arc::clone(&self.ask), self.egress.clone(), Arc::clone(&self.lookups));
        Box::pin(async move {
            let permit = lookups.acquire_owned().await?;
            let asked = tokio::task::spawn_blocking(move || {
                let found = ask(name.as_str());
                // Only now: whoever waited may have given up long ago.
                drop(permit);
                found
            });
            Ok(allowed(asked.await?, egress.as_deref())?)
        })
    }
}

fn allowed(found: io::Result<Vec<SocketAddr>>, egress: Option<&Egress>) -> Result<Addrs, LookupError> {
    let mut addresses = found.map_err(LookupError::Unknown)?;
    if addresses.is_empty() {
        return Err(LookupError::Unknown(io::ErrorKind::NotFound.into()));
    }
    addresses.retain(|address| egress.is_none_or(|egress| egress.permits(address.ip())));
    if addresses.is_empty() { Err(LookupError::Denied) } else { Ok(Box::new(addresses.into_iter())) }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    use std::sync::mpsc;
    use std::task::Poll;

    use super::*;

    fn resolver(egress: Egress, ask: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Resolver {
        Resolver::asking(Some(Arc::new(egress)), Arc::new(ask))
    }

    fn answer(addresses: &[&str]) -> io::Result<Vec<SocketAddr>> {
        Ok(addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect())
    }

    async fn resolve(resolver: &Resolver) -> Result<Vec<String>, String> {
        let found = resolver.resolve("desk.example".parse().unwrap()).await;
        found.map(|found| found.map(|address| address.ip().to_string()).collect()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn n3_a_name_that_turns_to_a_metadata_address_is_refused_at_the_next_connection() {
        let answers = Mutex::new(vec![
            answer(&["64:ff9b::a9fe:a9fe"]),
            answer(&["::ffff:169.254.169.254"]),
            answer(&["169.254.169.254"]),
            answer(&["203.0.113.9"]),
        ]);
        let resolver = resolver(Egress::default(), move |_| answers.lock().unwrap().pop().unwrap());
        assert_eq!(resolve(&resolver).await, Ok(vec!["203.0.113.9".to_owned()]));
        for _ in 0..3 {
            assert_eq!(resolve(&resolver).await, Err("no address that egress allows".to_owned()));
        }
    }

    #[tokio::test]
    async fn of_several_addresses_the_refused_ones_are_left_out() {
        let resolver =
            resolver(Egress::default(), |_| answer(&["169.254.169.254", "10.0.0.1", "fe80::1", "2001:db8::1"]));
        assert_eq!(resolve(&resolver).await, Ok(vec!["10.0.0.1".to_owned(), "2001:db8::1".to_owned()]));
    }

    #[tokio::test]
    async fn n1_a_name_without_an_address_is_unknown() {
        let nothing = resolver(Egress::default(), |_| answer(&[]));
        assert_eq!(resolve(&nothing).await, Err("no address".to_owned()));
        let failing = resolver(Egress::default(), |_| Err(io::Error::other("SERVFAIL")));
        assert_eq!(resolve(&failing).await, Err("no address".to_owned()));
    }

    #[tokio::test]
    async fn n1_look_ups_that_nobody_waits_for_any_more_still_count() {
        let (asked, begun) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let running = Arc::new(AtomicUsize::new(0));
        let silent = Arc::clone(&running);
        let resolver = resolver(Egress::default(), move |_| {
            silent.fetch_add(1, Ordering::SeqCst);
            asked.send(()).unwrap();
            // Each look-up ends when it may.
            assert!(held.lock().unwrap().recv().is_err());
            answer(&["10.0.0.1"])
        });
        for _ in 0..3 * LOOKUPS {
            let mut look_up = resolver.resolve("desk.example".parse().unwrap());
            // Polled once and given up, as a connection is that takes too long.
            let polled = std::future::poll_fn(|context| Poll::Ready(look_up.as_mut().poll(context))).await;
            assert!(polled.is_pending());
        }
        for _ in 0..LOOKUPS {
            begun.recv().unwrap();
        }
        assert_eq!(resolver.lookups.available_permits(), 0);
        assert_eq!(running.load(Ordering::SeqCst), LOOKUPS);
        drop(release);
    }
}
