//! Which addresses an endpoint may have: link-local ones, those of cloud metadata services and those of no single host
//! are refused unless the operator allows them. Pure.
//!
//! A name is judged by the addresses that it has when we connect, so a name that changes its mind gains nothing. An IPv6
//! address that carries an IPv4 address inside (mapped, compatible, NAT64, 6to4, Teredo) is judged by both. Loopback and
//! private networks are allowed: receivers usually live there.
//!
//! Like routes, the longest prefix that covers an address decides; of two equal ones, the one that allows.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use ipnet::IpNet;
use reqwest::Url;

/// What is refused where nobody says otherwise.
const DENIED: [&str; 13] = [
    // "This host" (RFC 1122): on Linux, a way to loopback.
    "0.0.0.0/8",
    "::/128",
    // Link-local: the metadata services of most clouds, at 169.254.169.254, and of containers on AWS.
    "169.254.0.0/16",
    "fe80::/10",
    // Metadata services outside of it: AWS and Google by IPv6, Alibaba, Oracle, Azure.
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
    "100.100.100.200/32",
    "192.0.0.192/32",
    "168.63.129.16/32",
    // Multicast and broadcast.
    "224.0.0.0/4",
    "255.255.255.255/32",
    "ff00::/8",
    // The local NAT64 prefix (RFC 8215), where an IPv4 address may stand at several places.
    "64:ff9b:1::/48",
];

/// The rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress {
    deny: Vec<IpNet>,
    allow: Vec<IpNet>,
}

impl Default for Egress {
    fn default() -> Egress {
        Egress::new(Vec::new(), Vec::new())
    }
}

impl Egress {
    /// The usual rule with these changes.
    pub fn new(mut deny: Vec<IpNet>, allow: Vec<IpNet>) -> Egress {
        deny.extend(DENIED.iter().filter_map(|network| network.parse::<IpNet>().ok()));
        Egress { deny, allow }
    }

    /// No address is refused: for what an operator names and no mail has a part in.
    pub fn unbounded() -> Egress {
        Egress { deny: Vec::new(), allow: Vec::new() }
    }

    /// Whether `address` may be connected to.
    pub fn permits(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => self.permits_as_written(address),
            IpAddr::V6(v6) => {
                let mapped = v6.to_ipv4_mapped().is_some();
                (mapped || self.permits_as_written(address))
                    && inside(v6).into_iter().flatten().all(|v4| self.permits_as_written(v4.into()))
            }
        }
    }

    /// The address that `url` names in place of a host name, if it may not be connected to.
    pub fn denied_literal(&self, url: &Url) -> Option<IpAddr> {
        let address = literal(url)?;
        (!self.permits(address)).then_some(address)
    }

    fn permits_as_written(&self, address: IpAddr) -> bool {
        let longest = |networks: &[IpNet]| {
            networks.iter().filter(|network| network.contains(&address)).map(IpNet::prefix_len).max()
        };
        match (longest(&self.deny), longest(&self.allow)) {
            (None, _) => true,
            (Some(denied), allowed) => allowed.is_some_and(|allowed| allowed >= denied),
        }
    }
}

/// The address that stands in `url` in place of a host name; a decimal or octal one is an address, too.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The IPv4 addresses that a gateway could read out of an IPv6 address.
fn inside(v6: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None, None],
        // Compatible (RFC 4291, given up), mapped, translated (RFC 2765), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => [v4(high, low), None],
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => [v4(high, low), None],
        // Teredo (RFC 4380): the server, and the client with every bit turned.
        [0x2001, 0, server_high, server_low, _, _, high, low] => [v4(server_high, server_low), v4(!high, !low)],
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(egress: &Egress, expected: bool, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(egress.permits(address.parse().unwrap()), expected, "{address}");
        }
    }

    fn rule(deny: &[&str], allow: &[&str]) -> Egress {
        let read = |list: &[&str]| list.iter().map(|network| network.parse().unwrap()).collect();
        Egress::new(read(deny), read(allow))
    }

    #[test]
    fn every_network_of_the_usual_rule_can_be_read() {
        assert_eq!(Egress::default().deny.len(), DENIED.len());
    }

    #[test]
    fn metadata_and_link_local_addresses_are_refused_in_every_disguise() {
        check(
            &Egress::default(),
            false,
            &[
                "169.254.169.254",
                "169.254.0.1",
                "::ffff:169.254.169.254",
                "::169.254.169.254",
                "::ffff:0:169.254.169.254",
                "64:ff9b::169.254.169.254",
                "64:ff9b:1::1",
                "2002:a9fe:a9fe::1",
                "2001:0:a9fe:a9fe::1",
                "2001:0:102:304:0:0:5601:5601",
                "fe80::1",
                "fd00:ec2::254",
                "fd20:ce::254",
                "100.100.100.200",
                "192.0.0.192",
                "168.63.129.16",
                "0.0.0.0",
                "::",
                "::ffff:0.0.0.0",
                "224.0.0.1",
                "255.255.255.255",
                "ff02::1",
            ],
        );
    }

    #[test]
    fn loopback_private_and_public_addresses_are_allowed() {
        check(
            &Egress::default(),
            true,
            &["127.0.0.1", "::1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "100.64.0.1", "fd12::1", "203.0.113.9"],
        );
        check(&Egress::default(), true, &["2001:db8::1", "::ffff:10.0.0.1", "64:ff9b::203.0.113.9"]);
    }

    #[test]
    fn the_longest_prefix_decides_and_of_equal_ones_the_one_that_allows() {
        let closed = rule(&["0.0.0.0/0", "::/0"], &["10.0.0.0/8", "203.0.113.0/24"]);
        check(&closed, true, &["10.9.9.9", "203.0.113.1", "::ffff:10.9.9.9"]);
        check(&closed, false, &["203.0.114.1", "127.0.0.1", "2001:db8::1", "64:ff9b::10.0.0.1"]);
        check(&rule(&["10.1.0.0/16"], &["10.0.0.0/8"]), false, &["10.1.0.1"]);
        check(&rule(&[], &["0.0.0.0/0"]), false, &["169.254.169.254"]);
        check(&rule(&[], &["169.254.0.0/16"]), true, &["169.254.169.254", "::ffff:169.254.1.1"]);
    }

    #[test]
    fn an_address_in_a_url_is_seen_however_it_is_written() {
        let check = |url: &str, expected: Option<&str>| {
            let denied = Egress::default().denied_literal(&Url::parse(url).unwrap());
            assert_eq!(denied, expected.map(|address| address.parse().unwrap()), "{url}");
        };
        check("http://169.254.169.254/x", Some("169.254.169.254"));
        check("http://2852039166/", Some("169.254.169.254"));
        check("http://0xa9.0376.43518/", Some("169.254.169.254"));
        check("http://[::ffff:169.254.169.254]:80/", Some("::ffff:a9fe:a9fe"));
        check("http://127.0.0.1/", None);
        check("http://metadata.example/", None);
    }
}
