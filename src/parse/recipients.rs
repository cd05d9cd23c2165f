//! Who a mail was really for: the servers on its way wrote it down, each in a field of its own.

use std::collections::HashSet;

use crate::parse::Address;
use crate::parse::Recipient;
use crate::parse::address;
use crate::parse::fields::Field;

/// The recipients named by the fields called `names`, in that order, each address once; without any, those of To and Cc.
pub(super) fn find(fields: &[Field<'_>], names: &[String], to: &[Address], cc: &[Address]) -> Vec<Recipient> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for name in names {
        let addresses = address::list(fields.iter().filter(|field| field.is(name)).map(|field| field.value));
        add(&mut found, &mut seen, name, &addresses);
    }
    if found.is_empty() {
        add(&mut found, &mut seen, "To", to);
        add(&mut found, &mut seen, "Cc", cc);
    }
    found
}

fn add(found: &mut Vec<Recipient>, seen: &mut HashSet<String>, source: &str, addresses: &[Address]) {
    for given in addresses {
        if seen.insert(given.address.to_ascii_lowercase()) {
            found.push(Recipient {
                address: given.address.clone(),
                tag: given.tag().map(str::to_owned),
                source: source.to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::Options;
    use crate::parse::fields::Fields;

    fn check(header: &str, expected: &[(&str, Option<&str>, &str)]) {
        let fields: Vec<_> = Fields::of(header.as_bytes()).collect();
        let of = |name| address::list(fields.iter().filter(|field| field.is(name)).map(|field| field.value));
        let found = find(&fields, &Options::default().recipient_headers, &of("To"), &of("Cc"));
        let found: Vec<_> = found.iter().map(|r| (&*r.address, r.tag.as_deref(), &*r.source)).collect();
        assert_eq!(found, expected, "{header:?}");
    }

    #[test]
    fn what_the_servers_wrote_goes_before_what_the_sender_wrote() {
        check(
            "Delivered-To: b@x\nX-Original-To: a+t@x\nDelivered-To: A+T@x\nTo: list@y\n",
            &[("a+t@x", Some("t"), "X-Original-To"), ("b@x", None, "Delivered-To")],
        );
        check(
            "To: L <l@y>, m@y\nCc: l@y, n+1+2@y\n",
            &[("l@y", None, "To"), ("m@y", None, "To"), ("n+1+2@y", Some("1+2"), "Cc")],
        );
        check("Envelope-To: <a@x>, b@x\nTo: c@x\n", &[("a@x", None, "Envelope-To"), ("b@x", None, "Envelope-To")]);
        check("Delivered-To: a+@x\nDelivered-To:\n", &[("a+@x", None, "Delivered-To")]);
        check("Delivered-To: Mailing-List\n", &[("Mailing-List", None, "Delivered-To")]);
        check("Subject: x\n", &[]);
    }
}
