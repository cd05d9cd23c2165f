//! A certificate of our own, with its key.

use std::sync::Arc;

use openssl::pkey::PKey;
use openssl::pkey::Private;
use openssl::x509::X509;

use crate::config::check::certificates;
use crate::config::check::noted;
use crate::config::outside::Outside;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::secret::Source;
use crate::config::secret::resolve_text;
use crate::secret::Secret;

/// The chain and the key, both in PEM, the key by PKCS #8; `names` are the keys under `path` where they are written.
pub(super) fn check(
    (chain, key): (Option<&str>, Option<&Source>),
    names: [&str; 2],
    path: &Path,
    outside: &dyn Outside,
    report: &mut Report,
) -> Option<(Arc<[u8]>, Secret)> {
    let [chain_name, key_name] = names;
    let (chain_path, key_path) = (path.key(chain_name), path.key(key_name));
    match (chain, key) {
        (Some(_), None) => {
            report.missing(&key_path, &format!("write {{ file: PATH }} with the key of {chain_name}, in PEM"));
        }
        (None, Some(_)) => {
            report.missing(&chain_path, &format!("write the PEM file of the certificate that {key_name} is for"));
        }
        (None, None) | (Some(_), Some(_)) => {}
    }
    let chain_pem = certificates::read(chain, &chain_path, outside, report);
    let text = key.and_then(|source| noted(resolve_text(source, outside), &key_path, report));
    let key = text.and_then(|text| noted(private(&text), &key_path, report));
    let (chain_pem, key) = (chain_pem?, key?);
    // A damaged certificate was told above.
    let certificate = X509::from_pem(&chain_pem).ok()?;
    if !certificate.public_key().is_ok_and(|public| public.public_eq(&key)) {
        let problem =
            format!("is not the key of the first certificate in {chain_name}; take those that belong together");
        report.add(&key_path, problem);
        return None;
    }
    // One form for all, whatever the file has: PKCS #8.
    let pem = key.private_key_to_pem_pkcs8().ok().and_then(|pem| String::from_utf8(pem).ok());
    let key_pem = noted(pem.ok_or("cannot be written as PKCS #8; make another key"), &key_path, report)?;
    Some((chain_pem, Secret::new(key_pem)))
}

fn private(text: &Secret) -> Result<PKey<Private>, &'static str> {
    // Without an answer of our own, OpenSSL would ask for the password on the terminal.
    PKey::private_key_from_pem_callback(text.reveal().as_bytes(), |_| Ok(0)).map_err(
        |_| "is no private key in PEM, or has a password; write it without, with: openssl pkey -in KEY -out NEW",
    )
}
