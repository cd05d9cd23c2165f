//! Keys of attachments in the store, and addresses that are signed (AWS Signature Version 4, in the query). Pure.
//!
//! A key says nothing of the letter: it is made of our id of the message and the number of the part. So whoever asks for
//! it a second time finds what lies there already.

use std::time::Duration;

use jiff::SignedDuration;
use jiff::Timestamp;
use jiff_of_s3 as of_s3;
use reqwest::Url;
use rusty_s3::Bucket;
use rusty_s3::BucketError;
use rusty_s3::Credentials;
use rusty_s3::S3Action as _;
use rusty_s3::UrlStyle;

use crate::deliver::Addressing;
use crate::deliver::AttachmentStore;
use crate::deliver::carriage::Link;
use crate::ident::MessageId;

/// How long a request of our own may be on its way until the store looks at its signature.
const REQUEST: Duration = Duration::from_secs(15 * 60);

/// Signs links to attachments; whether these lie in the store is not its business.
#[derive(Debug, Clone)]
pub struct Links {
    bucket: Bucket,
    credentials: Credentials,
    prefix: String,
    lifetime: Duration,
}

impl Links {
    /// Signs for the bucket of `store`.
    ///
    /// # Errors
    /// A bucket whose name and address make no URL.
    pub fn new(store: &AttachmentStore) -> Result<Links, BucketError> {
        let style = match store.addressing {
            Addressing::Path => UrlStyle::Path,
            Addressing::VirtualHost => UrlStyle::VirtualHost,
        };
        Ok(Links {
            bucket: Bucket::new(store.url.clone(), style, store.bucket.clone(), store.region.clone())?,
            credentials: Credentials::new(store.access_key_id.reveal(), store.secret_access_key.reveal()),
            prefix: store.prefix.clone(),
            lifetime: store.link_lifetime,
        })
    }

    /// The key of a part of a message.
    pub(super) fn key(&self, id: &MessageId, part: &str) -> String {
        format!("{}{id}/{part}", self.prefix)
    }

    /// The key of the object by which an operator tries the store out.
    pub(super) fn trial_key(&self) -> String {
        format!("{}pophook-check", self.prefix)
    }

    /// A link to a part of a message, signed at `at`.
    pub fn to(&self, id: &MessageId, part: &str, at: Timestamp) -> Link {
        self.to_key(&self.key(id, part), at)
    }

    /// A link to what lies under `key`. The signature knows whole seconds.
    pub(super) fn to_key(&self, key: &str, at: Timestamp) -> Link {
        let url = self.bucket.get_object(Some(&self.credentials), key).sign_with_time(self.lifetime, &time(at));
        let lifetime = SignedDuration::try_from(self.lifetime).unwrap_or(SignedDuration::MAX);
        let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
        let expires_at = whole.checked_add(lifetime).unwrap_or(Timestamp::MAX);
        Link { url: url.into(), expires_at: format!("{expires_at:.0}") }
    }

    /// Where to ask, by HEAD, what lies under `key`.
    pub(super) fn look(&self, key: &str, at: Timestamp) -> Url {
        self.bucket.head_object(Some(&self.credentials), key).sign_with_time(REQUEST, &time(at))
    }

    /// Where to put, by PUT, what is to lie under `key`.
    pub(super) fn put(&self, key: &str, at: Timestamp) -> Url {
        self.bucket.put_object(Some(&self.credentials), key).sign_with_time(REQUEST, &time(at))
    }
}

fn time(at: Timestamp) -> of_s3::Timestamp {
    of_s3::Timestamp::from_second(at.as_second()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::Http;
    use crate::secret::Secret;

    /// The example of the AWS documentation ("Authenticating Requests: Using Query Parameters"), which is of the day
    /// 2013-05-24 and for 24 hours.
    fn example(addressing: Addressing, prefix: &str) -> Links {
        Links::new(&AttachmentStore {
            url: Url::parse("https://s3.amazonaws.com").unwrap(),
            bucket: "examplebucket".to_owned(),
            prefix: prefix.to_owned(),
            region: "us-east-1".to_owned(),
            access_key_id: Secret::new("AKIAIOSFODNN7EXAMPLE"),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            addressing,
            link_lifetime: Duration::from_secs(86400),
            http: Http::for_testing(),
        })
        .unwrap()
    }

    const DAY: i64 = 1_369_353_600;

    #[test]
    fn a_link_is_what_the_documentation_of_aws_gives() {
        let at = Timestamp::from_millisecond(DAY * 1000 + 999).unwrap();
        let link = example(Addressing::VirtualHost, "").to_key("test.txt", at);
        assert_eq!(
            link.url,
            "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
        assert_eq!(link.expires_at, "2013-05-25T00:00:00Z");
    }

    #[test]
    fn a_key_is_made_of_the_id_and_the_part_and_the_bucket_stands_where_it_was_asked_for() {
        let id = MessageId::parse("msg_p54ru6mx5sc2wc6slugowgnw2j").unwrap();
        let check = |addressing, prefix, part, expected: &str| {
            let link = example(addressing, prefix).to(&id, part, Timestamp::from_second(DAY).unwrap());
            assert_eq!(link.url.split('?').next(), Some(expected));
        };
        let (path, host) = ("https://s3.amazonaws.com/examplebucket", "https://examplebucket.s3.amazonaws.com");
        check(Addressing::Path, "", "1.2", &format!("{path}/{id}/1.2"));
        check(Addressing::Path, "mail/in/", "2.tnef.1", &format!("{path}/mail/in/{id}/2.tnef.1"));
        check(Addressing::VirtualHost, "mail/", "1.uu.1", &format!("{host}/mail/{id}/1.uu.1"));
    }

    #[test]
    fn the_keys_are_no_part_of_what_is_printed() {
        let printed = format!("{:?}", example(Addressing::Path, ""));
        assert!(!printed.contains("wJalr"), "{printed}");
    }
}
