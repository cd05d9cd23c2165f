//! A service account's key, as Google gives it out.

use std::fmt;

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::Id;
use openssl::pkey::PKey;
use openssl::pkey::Private;
use openssl::sign::Signer;
use serde::Deserialize;

/// A service account's name and private key. `Debug` prints `[secret]`.
#[derive(Clone)]
pub struct ServiceKey {
    email: String,
    id: Option<String>,
    key: PKey<Private>,
}

/// What is used of Google's file.
#[derive(Deserialize)]
struct File {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
}

impl ServiceKey {
    /// Reads the JSON that Google gives out with the key of a service account; `None` if it is anything else.
    pub fn parse(json: &str) -> Option<ServiceKey> {
        let file: File = serde_json::from_str(json).ok()?;
        let key = PKey::private_key_from_pem(file.private_key.as_bytes()).ok()?;
        let is_rsa = key.id() == Id::RSA;
        is_rsa.then_some(ServiceKey { email: file.client_email, id: file.private_key_id, key })
    }

    /// Whose key it is.
    pub(super) fn email(&self) -> &str {
        &self.email
    }

    /// What the key is called, so that its other half is found.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Signs `bytes` with RS256 (RFC 7518 section 3.3).
    pub(super) fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        Signer::new(MessageDigest::sha256(), &self.key)?.sign_oneshot_to_vec(bytes)
    }
}

impl PartialEq for ServiceKey {
    fn eq(&self, other: &ServiceKey) -> bool {
        self.email == other.email && self.id == other.id && self.key.public_eq(&other.key)
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in crate::oauth) fn file(private_key: &str) -> String {
        let file = json!({
            "type": "service_account",
            "client_email": "robot@project.example",
            "private_key": private_key,
            "private_key_id": "k1",
        });
        file.to_string()
    }

    pub(in crate::oauth) fn pem(key: &PKey<Private>) -> String {
        String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }

    #[test]
    fn only_a_service_accounts_rsa_key_is_one() {
        let elliptic = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
        let elliptic = PKey::from_ec_key(openssl::ec::EcKey::generate(&elliptic).unwrap()).unwrap();
        for bad in ["", "{}", "[]", &file("hello"), &file(&pem(&elliptic))] {
            assert!(ServiceKey::parse(bad).is_none(), "{bad}");
        }
    }
}
