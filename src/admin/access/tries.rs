//! How often somebody may be wrong: wrong tokens are counted for each address that they come from.
//!
//! An address that has been wrong too often is not listened to, whatever it brings, until time has forgiven it some.
//! Whoever is logged in already goes on.

use std::collections::HashMap;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// Wrong tokens in a row that an address has free.
const FREE: u32 = 10;
/// One of them is forgiven in so long.
const FORGIVEN_IN: Duration = Duration::from_secs(6);
/// So many addresses are remembered; beyond them, those that are forgiven are forgotten, and then all.
const ADDRESSES_MAX: usize = 10_000;

/// The addresses that were wrong lately, each with the uptime at which all is forgiven.
#[derive(Debug, Default)]
pub(super) struct Tries(Mutex<HashMap<IpAddr, Duration>>);

impl Tries {
    /// How long `address` has to wait until it is listened to; `None`: it need not.
    pub(super) fn wait(&self, address: IpAddr, now: Duration) -> Option<Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let owed = known.get(&network(address))?.saturating_sub(now);
        let wait = owed.saturating_sub(FORGIVEN_IN.saturating_mul(FREE - 1));
        (!wait.is_zero()).then_some(wait)
    }

    /// `address` brought a wrong token.
    pub(super) fn wrong(&self, address: IpAddr, now: Duration) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ADDRESSES_MAX {
            known.retain(|_, forgiven| *forgiven > now);
        }
        if known.len() >= ADDRESSES_MAX {
            known.clear();
        }
        let forgiven = known.entry(network(address)).or_default();
        *forgiven = (*forgiven).max(now).saturating_add(FORGIVEN_IN);
    }
}

/// Whoever has one IPv6 address has a network of them.
pub(in crate::admin) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => IpAddr::V4(four),
            None => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() >> 64 << 64)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_is_wrong_too_often_waits_and_others_do_not() {
        let (tries, one, other) = (Tries::default(), address("192.0.2.1"), address("192.0.2.2"));
        let at = Duration::from_secs;
        for _ in 0..FREE {
            assert_eq!(tries.wait(one, at(100)), None);
            tries.wrong(one, at(100));
        }
        assert_eq!(tries.wait(one, at(100)), Some(FORGIVEN_IN));
        assert_eq!(tries.wait(other, at(100)), None);
        assert_eq!(tries.wait(one, at(106)), None, "one was forgiven");
        tries.wrong(one, at(106));
        assert_eq!(tries.wait(one, at(106)), Some(FORGIVEN_IN), "and the next one is too many again");
        assert_eq!(tries.wait(one, at(100_000)), None);
    }

    #[test]
    fn another_address_of_the_same_network_is_nobody_else() {
        let tries = Tries::default();
        for last in 0..FREE {
            tries.wrong(address(&format!("2001:db8::{last:x}")), Duration::ZERO);
        }
        assert!(tries.wait(address("2001:db8::ffff"), Duration::ZERO).is_some());
        assert_eq!(tries.wait(address("2001:db8:0:1::1"), Duration::ZERO), None);
        for _ in 0..FREE {
            tries.wrong(address("::ffff:192.0.2.1"), Duration::ZERO);
        }
        assert!(tries.wait(address("192.0.2.1"), Duration::ZERO).is_some());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let tries = Tries::default();
        for bits in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 1 {
            tries.wrong(IpAddr::V4(bits.into()), Duration::ZERO);
        }
        assert!(tries.0.lock().unwrap().len() <= ADDRESSES_MAX);
    }
}
