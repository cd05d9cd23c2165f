//! The oracle over a spool that the test's own process has open, whose clock is moved by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use pophook::spool::Filter;
use pophook::spool::Row;
use pophook::spool::Spool;
use standardwebhooks::Webhook;

use super::oracle::Line;
use super::oracle::Owed;
use super::oracle::Post;
use super::oracle::judge;
use super::receiver::Hit;
use super::receiver::Receiver;
use super::sha256;

/// Insists on I1, I2, I4, I5 and I9: of `owed`, at `endpoints`, which ask for the raw mail and have it signed with one
/// of `keys`.
///
/// It may be asked at any time: what is posted meanwhile is looked at last.
pub async fn holds(spool: &Arc<dyn Spool>, owed: Vec<Owed>, endpoints: &[(&str, &Receiver)], keys: &[&str]) {
    let rows = spool.list(Filter::default()).await.unwrap();
    let lines: Vec<Line> = rows.iter().filter_map(line).collect();
    let mut copies = BTreeMap::new();
    for one in &owed {
        let Some(message) = spool.find(&one.id).await.unwrap() else { continue };
        if let Some(raw) = spool.raw(message.key).await.unwrap() {
            copies.insert(one.id.clone(), sha256(&raw));
        }
    }
    let hits = |(name, receiver): &(&str, &Receiver)| -> Vec<Post> {
        receiver.hits().iter().filter_map(|hit| post(name, hit, keys)).collect()
    };
    let posts: Vec<Post> = endpoints.iter().flat_map(hits).collect();
    let wrong = judge(&owed, &posts, &lines, &[], |id| copies.get(id).cloned());
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

fn line(row: &Row) -> Option<Line> {
    Some(Line {
        id: row.id.clone()?,
        endpoint: row.endpoint.clone(),
        state: row.state.to_owned(),
        attempts: row.attempts.into(),
    })
}

/// As [`Post::read`], with the signature judged as of the time that it names: the clock is not that of the reference.
fn post(endpoint: &str, hit: &Hit, keys: &[&str]) -> Option<Post> {
    Some(Post { signed: keys.iter().any(|key| is_signed(hit, key).unwrap_or(false)), ..Post::read(endpoint, hit)? })
}

fn is_signed(hit: &Hit, key: &str) -> Option<bool> {
    let signed_at = hit.header("webhook-timestamp")?.parse().ok()?;
    let expected = Webhook::new(key).ok()?.sign(&hit.id(), signed_at, &hit.body).ok()?;
    Some(hit.header("webhook-signature")?.split(' ').any(|one| one == expected))
}
