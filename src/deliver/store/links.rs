//! Keys of attachments in the store, and links that are signed (AWS Signature Version 4, in the query).
//!
//! A key says nothing of the letter: it is made of our id of the message and the number of the part. So whoever asks for
//! it a second time finds what lies there already.

use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::Timestamp;
use object_store::RetryConfig;
use object_store::aws::AmazonS3;
use object_store::aws::AmazonS3Builder;
use object_store::aws::S3ConditionalPut;
use object_store::client::HttpConnector;
use object_store::path::Path;
use object_store::signer::Signer as _;
use reqwest::Method;

use super::line::Nowhere;
use crate::deliver::Addressing;
use crate::deliver::AttachmentStore;
use crate::deliver::carriage::Link;
use crate::ident::MessageId;

/// The bucket's name and the store's address make no address together.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The name would stand in the host, which cannot carry it.
    #[error("the bucket's name cannot stand in the host")]
    Host,
    /// Nothing can be signed for it.
    #[error("nothing can be signed for it")]
    Address(#[source] object_store::Error),
}

/// Signs links to attachments; whether these lie in the store is not its business.
#[derive(Debug, Clone)]
pub struct Links {
    bucket: AmazonS3,
    prefix: String,
    lifetime: Duration,
}

impl Links {
    /// Signs for the bucket of `store`, and opens no connection.
    ///
    /// # Errors
    /// A bucket whose name and address make no URL.
    pub fn new(store: &AttachmentStore) -> Result<Links, BucketError> {
        Links::over(store, Nowhere)
    }

    /// The same, with a bucket that is reached over `line`.
    pub(in crate::deliver) fn over(store: &AttachmentStore, line: impl HttpConnector) -> Result<Links, BucketError> {
        let mut url = store.url.clone();
        if store.addressing == Addressing::VirtualHost {
            let host = format!("{}.{}", store.bucket, url.domain().ok_or(BucketError::Host)?);
            url.set_host(Some(&host)).map_err(|_| BucketError::Host)?;
        }
        let bucket = AmazonS3Builder::new()
            .with_endpoint(url.as_str().trim_end_matches('/'))
            .with_virtual_hosted_style_request(store.addressing == Addressing::VirtualHost)
            .with_bucket_name(&store.bucket)
            .with_region(&store.region)
            .with_access_key_id(store.access_key_id.reveal())
            .with_secret_access_key(store.secret_access_key.reveal())
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            // The delivery is made again, after its own waits.
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_http_connector(line)
            .build()
            .map_err(BucketError::Address)?;
        let links = Links { bucket, prefix: store.prefix.clone(), lifetime: store.link_lifetime };
        links.sign(&links.trial_path()).map_err(BucketError::Address)?;
        Ok(links)
    }

    /// The bucket that the links lead to.
    pub(super) fn bucket(&self) -> &AmazonS3 {
        &self.bucket
    }

    /// Where a part of a message lies.
    pub(super) fn path(&self, id: &MessageId, part: &str) -> Path {
        Path::from(format!("{}{id}/{part}", self.prefix))
    }

    /// Where the object lies by which an operator tries the store out.
    pub(super) fn trial_path(&self) -> Path {
        Path::from(format!("{}pophook-check", self.prefix))
    }

    /// A link to a part of a message, signed now, which is `at` or a little later.
    pub fn to(&self, id: &MessageId, part: &str, at: Timestamp) -> Link {
        self.to_path(&self.path(id, part), at)
    }

    /// A link to what lies at `path`. The signature knows whole seconds.
    pub(super) fn to_path(&self, path: &Path, at: Timestamp) -> Link {
        // `over` has signed one, so that this fails for none.
        let url = self.sign(path).unwrap_or_default();
        let lifetime = SignedDuration::try_from(self.lifetime).unwrap_or(SignedDuration::MAX);
        let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
        let expires_at = whole.checked_add(lifetime).unwrap_or(Timestamp::MAX);
        Link { url, expires_at: format!("{expires_at:.0}") }
    }

    fn sign(&self, path: &Path) -> object_store::Result<String> {
        let signing = pin!(self.bucket.signed_url(Method::GET, path, self.lifetime));
        match signing.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(signed) => signed.map(String::from),
            Poll::Pending => Err(object_store::Error::NotSupported { source: "the keys are not at hand".into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::*;
    use crate::deliver::Http;
    use crate::secret::Secret;

    /// The bucket and the keys of the documentation of AWS, for 24 hours.
    fn example(addressing: Addressing, prefix: &str) -> Links {
        with(addressing, prefix, "https://s3.amazonaws.com").unwrap()
    }

    fn with(addressing: Addressing, prefix: &str, url: &str) -> Result<Links, BucketError> {
        Links::new(&AttachmentStore {
            url: Url::parse(url).unwrap(),
            bucket: "examplebucket".to_owned(),
            prefix: prefix.to_owned(),
            region: "eu-central-1".to_owned(),
            access_key_id: Secret::new("AKIAIOSFODNN7EXAMPLE"),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            addressing,
            link_lifetime: Duration::from_secs(86400),
            http: Http::for_testing(),
        })
    }

    const DAY: i64 = 1_369_353_600;

    #[test]
    fn a_link_carries_what_the_signature_is_made_of_and_says_when_it_ends() {
        let at = Timestamp::from_millisecond(DAY * 1000 + 999).unwrap();
        let link = example(Addressing::VirtualHost, "").to_path(&Path::from("test.txt"), at);
        assert_eq!(link.expires_at, "2013-05-25T00:00:00Z");
        let url = Url::parse(&link.url).unwrap();
        let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let names: Vec<&str> = query.iter().map(|(name, _)| name.as_str()).collect();
        let date = &query[2].1;
        let expected = [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("X-Amz-Credential", format!("AKIAIOSFODNN7EXAMPLE/{}/eu-central-1/s3/aws4_request", &date[..8])),
            ("X-Amz-Date", date.clone()),
            ("X-Amz-Expires", "86400".to_owned()),
            ("X-Amz-SignedHeaders", "host".to_owned()),
            ("X-Amz-Signature", query[5].1.clone()),
        ];
        assert_eq!(names, expected.each_ref().map(|(name, _)| *name));
        assert_eq!(query, expected.map(|(name, value)| (name.to_owned(), value)));
        assert!(query[5].1.len() == 64 && query[5].1.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn a_key_is_made_of_the_id_and_the_part_and_the_bucket_stands_where_it_was_asked_for() {
        let id = MessageId::parse("msg_p54ru6mx5sc2wc6slugowgnw2j").unwrap();
        let check = |addressing, prefix, url, part, expected: &str| {
            let link = with(addressing, prefix, url).unwrap().to(&id, part, Timestamp::from_second(DAY).unwrap());
            assert_eq!(link.url.split('?').next(), Some(expected));
        };
        let amazon = "https://s3.amazonaws.com";
        let (path, host) = ("https://s3.amazonaws.com/examplebucket", "https://examplebucket.s3.amazonaws.com");
        check(Addressing::Path, "", amazon, "1.2", &format!("{path}/{id}/1.2"));
        check(Addressing::Path, "mail/in/", amazon, "2.tnef.1", &format!("{path}/mail/in/{id}/2.tnef.1"));
        check(Addressing::VirtualHost, "mail/", amazon, "1.uu.1", &format!("{host}/mail/{id}/1.uu.1"));
        let (own, local) = ("http://store.example.com:9000", "http://127.0.0.1:9000/");
        let expected = format!("http://examplebucket.store.example.com:9000/{id}/2");
        check(Addressing::VirtualHost, "", own, "2", &expected);
        check(Addressing::Path, "", local, "2", &format!("http://127.0.0.1:9000/examplebucket/{id}/2"));
        assert!(with(Addressing::VirtualHost, "", local).is_err(), "an address is no name");
    }

    #[test]
    fn the_keys_are_no_part_of_what_is_printed() {
        let printed = format!("{:?}", example(Addressing::Path, ""));
        assert!(!printed.contains("wJalr"), "{printed}");
    }
}
