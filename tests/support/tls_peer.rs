//! Somebody who speaks TLS and nothing else: tells for each connection whether he was trusted, and who came.

use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;

use openssl::asn1::Asn1Time;
use openssl::ec::EcGroup;
use openssl::ec::EcKey;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::pkey::Private;
use openssl::ssl::SslAcceptor;
use openssl::ssl::SslMethod;
use openssl::ssl::SslVerifyMode;
use openssl::x509::X509;
use openssl::x509::X509NameBuilder;
use openssl::x509::extension::BasicConstraints;
use openssl::x509::extension::SubjectAlternativeName;

/// A certificate for 127.0.0.1 that is its own authority, and its key.
pub struct Identity {
    certificate: X509,
    key: PKey<Private>,
}

impl Identity {
    /// A new one of this common name.
    pub fn new(name: &str) -> Identity {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut named = X509NameBuilder::new().unwrap();
        named.append_entry_by_text("CN", name).unwrap();
        let named = named.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_subject_name(&named).unwrap();
        builder.set_issuer_name(&named).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.set_not_before(&Asn1Time::from_unix(1_400_000_000).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(7).unwrap()).unwrap();
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        let names = SubjectAlternativeName::new().ip("127.0.0.1").build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Identity { certificate: builder.build(), key }
    }

    /// The certificate in PEM.
    pub fn pem(&self) -> String {
        String::from_utf8(self.certificate.to_pem().unwrap()).unwrap()
    }

    /// The key in PEM.
    pub fn key_pem(&self) -> String {
        String::from_utf8(self.key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }
}

/// What became of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Met {
    /// The client did not trust the certificate.
    Distrusted,
    /// It did, and showed a certificate of this common name, if it had one.
    Trusted(Option<String>),
}

/// The server; it stops with this value.
pub struct TlsPeer {
    /// Where it listens.
    pub port: u16,
    met: Arc<Mutex<Vec<Met>>>,
    stopped: Arc<AtomicBool>,
}

impl TlsPeer {
    /// Starts one that shows `identity`, asks for a certificate, and closes after the handshake.
    pub fn start(identity: &Identity) -> TlsPeer {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        acceptor.set_private_key(&identity.key).unwrap();
        acceptor.set_certificate(&identity.certificate).unwrap();
        acceptor.set_verify_callback(SslVerifyMode::PEER, |_, _| true);
        let acceptor = acceptor.build();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (met, stopped) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let peer = TlsPeer { port, met: Arc::clone(&met), stopped: Arc::clone(&stopped) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let outcome = acceptor.accept(stream.unwrap()).map_or(Met::Distrusted, |line| {
                    let shown = line.ssl().peer_certificate();
                    let name = |shown: X509| {
                        let entry = shown.subject_name().entries_by_nid(Nid::COMMONNAME).next()?;
                        entry.data().to_string().ok()
                    };
                    Met::Trusted(shown.and_then(name))
                });
                met.lock().unwrap().push(outcome);
            }
        });
        peer
    }

    /// What became of each connection so far, in order.
    pub fn met(&self) -> Vec<Met> {
        self.met.lock().unwrap().clone()
    }
}

impl Drop for TlsPeer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees the flag.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}
