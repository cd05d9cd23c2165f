//! How the mail of each mailbox is read, wherever this half parses one.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::ident::MailboxName;
use crate::parse;
use crate::parse::Mail;

/// Per mailbox, what its owner chose about parsing; the others are read by the defaults.
#[derive(Debug, Clone, Default)]
pub struct Reading(pub BTreeMap<MailboxName, parse::Options>);

impl Reading {
    /// Parses a message that was taken from `mailbox`.
    pub fn parse(&self, mailbox: Option<&MailboxName>, raw: &Bytes) -> Mail {
        match mailbox.and_then(|mailbox| self.0.get(mailbox)) {
            Some(options) => parse::parse_shared(raw, options),
            None => parse::parse_shared(raw, &parse::Options::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &[u8] = b"Delivered-To: a@example.com\nX-For: b@example.com\n\n";

    #[test]
    fn each_mailbox_is_read_by_its_own_options() {
        let [desk, shop] = ["desk", "shop"].map(|name| MailboxName::parse(name).unwrap());
        let options = parse::Options { recipient_headers: vec!["X-For".to_owned()], ..parse::Options::default() };
        let reading = Reading(BTreeMap::from([(desk.clone(), options)]));
        let source = |mailbox| {
            let mail = reading.parse(mailbox, &Bytes::from_static(RAW));
            mail.recipients[0].source.clone()
        };
        assert_eq!(source(Some(&desk)), "X-For");
        assert_eq!(source(Some(&shop)), "Delivered-To");
        assert_eq!(source(None), "Delivered-To");
    }
}
