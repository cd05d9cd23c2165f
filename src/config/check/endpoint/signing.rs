//! How an endpoint's posts are signed.

use jiff::Timestamp;

use crate::config::check::noted;
use crate::config::file::Endpoint;
use crate::config::file::Moment;
use crate::config::file::SigningKey;
use crate::config::list::items;
use crate::config::outside::Outside;
use crate::config::plain::Plain;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::secret::Source;
use crate::config::secret::resolve;
use crate::deliver;
use crate::deliver::Keyring;
use crate::deliver::Signing;
use crate::deliver::signature::Key;

/// The most keys of one endpoint: each of them costs every post a signature.
const KEYS_MAX: usize = 10;
const KEY_REMEDY: &str = "make one with: echo whsec_$(openssl rand -base64 32)";

pub(super) fn check(endpoint: &Endpoint, path: &Path, outside: &dyn Outside, report: &mut Report) -> Option<Signing> {
    let (none_path, path) = (path.key("signing"), path.key("signing_keys"));
    match (&endpoint.signing_keys, endpoint.signing) {
        (None, Some(_)) => return Some(Signing::None),
        (Some(_), Some(_)) => report.add(&none_path, "contradicts signing_keys; take one of them out"),
        (None, None) if report.has(&none_path) => {}
        (None, None) => report.missing(&path, &format!("write keys ({KEY_REMEDY}), or signing: none")),
        (Some(keys), None) if keys.is_empty() => {
            report.add(&path, format!("holds no key; write one ({KEY_REMEDY}), or signing: none instead"));
        }
        (Some(_), None) => {}
    }
    let mut keys: Vec<(usize, deliver::SigningKey)> = Vec::new();
    for (at, written) in items(&endpoint.signing_keys) {
        let path = path.index(at);
        let found = match written {
            SigningKey::Plain(source) => key(source, &path, outside, report).map(|key| (key, None, None)),
            SigningKey::Dated(dated) => {
                let (from, until) = validity(&dated.not_before, &dated.not_after, &path, report);
                let path = path.key("key");
                if dated.key.is_none() {
                    report.missing(&path, "write the key as a secret, such as { env: NAME }");
                }
                let key = dated.key.as_ref().and_then(|source| key(source, &path, outside, report));
                key.map(|key| (key, from, until))
            }
        };
        let Some((key, from, until)) = found else { continue };
        if let Some((twin, _)) = keys.iter().find(|(_, other)| other.key == key) {
            report.add(&path, format!("is the same key as signing_keys[{twin}]; take one of them out"));
        }
        keys.push((at, deliver::SigningKey { key, from, until }));
    }
    if keys.len() > KEYS_MAX {
        report.add(&path, format!("holds {} keys; write at most {KEYS_MAX}", keys.len()));
    }
    Some(Signing::Keys(Keyring(keys.into_iter().map(|(_, key)| key).collect())))
}

fn key(source: &Source, path: &Path, outside: &dyn Outside, report: &mut Report) -> Option<Key> {
    let secret = noted(resolve(source, outside), path, report)?;
    noted(Key::parse(&secret).map_err(|why| why.to_string()), path, report)
}

/// The first instant at which a key is valid, and the first at which it is no more.
fn validity(
    not_before: &Option<Plain<Moment>>,
    not_after: &Option<Plain<Moment>>,
    path: &Path,
    report: &mut Report,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let from = not_before.map(|Plain(moment)| moment.beginning());
    let until = not_after.map(|Plain(moment)| moment.end());
    if from.zip(until).is_some_and(|(from, until)| until <= from) {
        report.add(&path.key("not_after"), "leaves no time after not_before; write a later one");
    }
    (from, until)
}
