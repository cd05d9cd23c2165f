//! The certificate that we show to an endpoint which asks for one, with its key.

use crate::config::check::key_pair;
use crate::config::file::Endpoint;
use crate::config::outside::Outside;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::deliver::ClientCertificate;

pub(super) fn check(
    endpoint: &Endpoint,
    path: &Path,
    outside: &dyn Outside,
    report: &mut Report,
) -> Option<ClientCertificate> {
    let pair = (endpoint.client_cert_file.as_deref(), endpoint.client_key.as_ref());
    let (chain_pem, key_pem) = key_pair::check(pair, ["client_cert_file", "client_key"], path, outside, report)?;
    Some(ClientCertificate { chain_pem, key_pem })
}
