//! The certificate that we show to an endpoint which asks for one, with its key.

use std::sync::Arc;

use openssl::pkey::PKey;
use openssl::pkey::Private;
use openssl::x509::X509;

use crate::config::check::certificates;
use crate::config::check::noted;
use crate::config::file::Endpoint;
use crate::config::outside::Outside;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::secret::resolve_text;
use crate::deliver::ClientCertificate;
use crate::secret::Secret;

pub(super) fn check(
    endpoint: &Endpoint,
    path: &Path,
    outside: &dyn Outside,
    report: &mut Report,
) -> Option<ClientCertificate> {
    let (file_path, key_path) = (path.key("client_cert_file"), path.key("client_key"));
    match (&endpoint.client_cert_file, &endpoint.client_key) {
        (Some(_), None) => report.missing(&key_path, "write { file: PATH } with the key of client_cert_file, in PEM"),
        (None, Some(_)) => report.missing(&file_path, "write the PEM file of the certificate that client_key is for"),
        (None, None) | (Some(_), Some(_)) => {}
    }
    let chain_pem = certificates::read(endpoint.client_cert_file.as_deref(), &file_path, outside, report);
    let text = endpoint.client_key.as_ref().and_then(|source| noted(resolve_text(source, outside), &key_path, report));
    let key = text.and_then(|text| noted(key(&text), &key_path, report));
    let (chain_pem, key) = (chain_pem?, key?);
    // A damaged certificate was told above.
    let certificate = X509::from_pem(&chain_pem).ok()?;
    if !certificate.public_key().is_ok_and(|public| public.public_eq(&key)) {
        report.add(
            &key_path,
            "is not the key of the first certificate in client_cert_file; take those that belong together",
        );
        return None;
    }
    // One form for all, whatever the file has: PKCS #8.
    let pem = key.private_key_to_pem_pkcs8().ok().and_then(|pem| String::from_utf8(pem).ok());
    let key_pem = noted(pem.ok_or("cannot be written as PKCS #8; make another key"), &key_path, report)?;
    Some(ClientCertificate { chain_pem: Arc::clone(&chain_pem), key_pem: Secret::new(key_pem) })
}

fn key(text: &Secret) -> Result<PKey<Private>, &'static str> {
    // Without an answer of our own, OpenSSL would ask for the password on the terminal.
    PKey::private_key_from_pem_callback(text.reveal().as_bytes(), |_| Ok(0)).map_err(
        |_| "is no private key in PEM, or has a password; write it without, with: openssl pkey -in KEY -out NEW",
    )
}
