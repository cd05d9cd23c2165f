//! How many connections each address has, from its first packet on.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::access::network;

/// How many connections each address has.
#[derive(Debug, Clone)]
pub(super) struct Shares {
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    of_one: usize,
}

/// One of the connections of an address; it ends with this.
#[derive(Debug)]
pub(super) struct Share {
    of: Shares,
    address: IpAddr,
}

impl Shares {
    /// `of_one`: as many as one address may have.
    pub(super) fn new(of_one: usize) -> Shares {
        Shares { taken: Arc::default(), of_one }
    }

    /// `None`: the address has all that it may have.
    pub(super) fn take(&self, address: IpAddr) -> Option<Share> {
        let address = network(address);
        let mut shares = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = shares.entry(address).or_default();
        if *count >= self.of_one {
            return None;
        }
        *count += 1;
        Some(Share { of: self.clone(), address })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut shares = self.of.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = shares.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                shares.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_is_no_longer_counted() {
        let (shares, address) = (Shares::new(1), "192.0.2.1".parse().unwrap());
        let one = shares.take(address);
        assert!(one.is_some() && shares.take(address).is_none());
        drop(one);
        assert!(shares.take(address).is_some());
        assert!(shares.taken.lock().unwrap().is_empty(), "nobody is remembered");
    }
}
