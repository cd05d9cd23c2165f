//! Files of certificates that an operator trusts.

use std::sync::Arc;

use async_native_tls::Certificate;

use crate::config::outside::Outside;
use crate::config::problem::Path;
use crate::config::problem::Report;

/// How a certificate begins in a PEM file (RFC 7468).
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// Reads the PEM file at `file`, where one is named, and tries each of its certificates.
pub(super) fn read(file: Option<&str>, path: &Path, outside: &dyn Outside, report: &mut Report) -> Option<Arc<[u8]>> {
    let file = file?;
    let pem = match outside.file(std::path::Path::new(file)) {
        Ok(pem) => pem,
        Err(e) => {
            report.add(path, format!("cannot read {file}: {e}; create the file, or let pophook read it"));
            return None;
        }
    };
    let text = String::from_utf8_lossy(&pem);
    let mut certificates = text.split(BEGIN).skip(1).zip(1..).peekable();
    if certificates.peek().is_none() {
        report.add(path, format!("{file} holds no certificate; write PEM, which starts with {BEGIN}"));
    }
    for (rest, number) in certificates {
        if Certificate::from_pem(format!("{BEGIN}{rest}").as_bytes()).is_err() {
            report.add(path, format!("certificate {number} in {file} is damaged; copy it anew"));
        }
    }
    Some(pem.into())
}
