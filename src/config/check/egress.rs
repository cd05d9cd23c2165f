//! Which addresses endpoints may have.

use ipnet::IpNet;

use crate::config::file::Egress;
use crate::config::list::List;
use crate::config::list::items;
use crate::config::plain::Plain;
use crate::config::units::Network;
use crate::deliver;

pub(super) fn check(written: Option<&Egress>) -> deliver::Egress {
    let Some(Egress { deny, allow }) = written else { return deliver::Egress::default() };
    deliver::Egress::new(networks(deny), networks(allow))
}

fn networks(list: &Option<List<Plain<Network>>>) -> Vec<IpNet> {
    items(list).map(|(_, Plain(Network(network)))| *network).collect()
}
