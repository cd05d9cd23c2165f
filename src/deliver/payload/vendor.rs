//! What the formats of mail services tell that a maildrop does not: taken from what the servers on the way wrote down,
//! or left empty.

use std::net::IpAddr;

use sha1::Digest as _;
use sha1::Sha1;

use crate::ident::MessageId;
use crate::parse::Address;
use crate::parse::Mail;
use crate::parse::SpamFilter;

/// The namespace of URLs (RFC 9562 section 6.6).
const URLS: [u8; 16] = [0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];

/// Who sent it, by the envelope: Return-Path, else X-Envelope-From, else From. Empty for `<>`, and where nothing is known.
pub(super) fn envelope_sender(mail: &Mail) -> &str {
    let noted = || mail.header("X-Envelope-From").map(|text| text.trim().trim_matches(['<', '>']));
    let written = || mail.from.first().map(|from| from.address.as_str());
    mail.return_path.as_deref().or_else(noted).or_else(written).unwrap_or_default()
}

/// Who it was for, by the envelope; empty where nothing is known.
pub(super) fn envelope_recipient(mail: &Mail) -> &str {
    mail.recipients.first().map_or("", |recipient| &recipient.address)
}

/// The text after `+` in the address that it was for.
pub(super) fn recipient_tag(mail: &Mail) -> &str {
    mail.recipients.first().and_then(|recipient| recipient.tag.as_deref()).unwrap_or_default()
}

/// What a filter said of the mail.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spam<'a> {
    /// Whether it called it spam.
    pub(super) flag: bool,
    /// The figure.
    pub(super) score: Option<String>,
    /// The whole of what it said, as `SpamAssassin` words it; empty where another filter spoke.
    pub(super) report: &'a str,
}

/// What the last filter that saw the mail said of it.
pub(super) fn spam(mail: &Mail) -> Option<Spam<'_>> {
    let said = mail.spam.as_ref()?;
    let report = mail.header("X-Spam-Status").filter(|_| said.source == SpamFilter::SpamAssassin);
    Some(Spam {
        flag: said.flag,
        score: said.score.map(|score| score.to_string()),
        report: report.unwrap_or_default().trim(),
    })
}

/// The result of SPF, of a server that the mailbox trusts or else of Received-SPF: one of those of RFC 7208, `none` where
/// nobody said one.
pub(super) fn spf(mail: &Mail) -> &str {
    const RESULTS: [&str; 7] = ["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"];
    let trusted = mail.auth.as_ref().and_then(|auth| auth.spf.as_deref());
    let said = trusted.or_else(|| mail.header("Received-SPF")?.split_whitespace().next());
    let known = said.and_then(|said| RESULTS.into_iter().find(|result| said.eq_ignore_ascii_case(result)));
    known.unwrap_or("none")
}

/// The domain that SPF was asked of.
pub(super) fn spf_domain(mail: &Mail) -> &str {
    envelope_sender(mail).rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Who handed the mail over to our server.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Peer<'a> {
    /// How it called itself.
    pub(super) helo: &'a str,
    /// Its address; empty where it is not told.
    pub(super) ip: String,
    /// Whether the line was encrypted.
    pub(super) tls: bool,
}

/// What the topmost Received field says, which our own server wrote (RFC 5321 section 4.4).
pub(super) fn peer(mail: &Mail) -> Peer<'_> {
    let Some(rest) = mail.header("Received").and_then(|value| value.trim_start().strip_prefix("from ")) else {
        return Peer::default();
    };
    let (from, by) = rest.split_once(" by ").unwrap_or((rest, ""));
    let bracketed = |text: &str| {
        let inner = text.split(']').next().unwrap_or(text);
        inner.strip_prefix("IPv6:").unwrap_or(inner).parse::<IpAddr>().ok()
    };
    let ip = from.split('[').skip(1).find_map(bracketed).map(|ip| ip.to_string());
    // RFC 3848: the protocol's name ends with S, or with SA where the client logged in.
    let with = by.split_whitespace().skip_while(|word| *word != "with").nth(1).unwrap_or_default();
    let tls = with.trim_end_matches(';').trim_end_matches('A').ends_with('S');
    Peer { helo: from.split_whitespace().next().unwrap_or_default(), ip: ip.unwrap_or_default(), tls }
}

/// A list of addresses as a header field would have it, names in quotes.
pub(super) fn formatted(list: &[Address]) -> String {
    let one = |address: &Address| match &address.name {
        Some(name) => {
            format!("\"{}\" <{}>", name.replace('\\', "\\\\").replace('"', "\\\""), address.address)
        }
        None => address.address.clone(),
    };
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Our id as a UUID of version 5 (RFC 9562 section 5.5), for those who expect one.
pub(super) fn uuid(id: &MessageId) -> String {
    let hash = Sha1::new().chain_update(URLS).chain_update(b"urn:pophook:").chain_update(id.as_str()).finalize();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = *version & 0x0f | 0x50;
    *variant = *variant & 0x3f | 0x80;
    let mut text = data_encoding::HEXLOWER.encode(&bytes);
    [20, 16, 12, 8].into_iter().for_each(|at| text.insert(at, '-'));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn mail(header: &str) -> Mail {
        parse::parse(header.replace('\n', "\r\n").as_bytes(), &parse::Options::default())
    }

    #[test]
    fn the_envelope_is_what_the_servers_noted() {
        let check = |header: &str, sender: &str, recipient: &str| {
            let mail = mail(header);
            assert_eq!((envelope_sender(&mail), envelope_recipient(&mail)), (sender, recipient), "{header}");
        };
        check("Return-Path: <a@x>\nFrom: b@x\nDelivered-To: c+t@x\nTo: d@x\n\n", "a@x", "c+t@x");
        check("Return-Path: <>\nFrom: b@x\nTo: d@x\n\n", "", "d@x");
        check("X-Envelope-From: <a@x>\nFrom: b@x\n\n", "a@x", "");
        check("From: b@x\n\n", "b@x", "");
        check("\n", "", "");
    }

    #[test]
    fn spam_is_what_a_filter_called_so() {
        let check = |header: &str, expected: Option<(bool, Option<&str>, &str)>| {
            let mail = mail(header);
            let spam = spam(&mail);
            assert_eq!(spam.as_ref().map(|spam| (spam.flag, spam.score.as_deref(), spam.report)), expected, "{header}");
        };
        let status = "Yes, score=12.3 required=5.0 tests=A";
        check(&format!("X-Spam-Status: {status}\n\n"), Some((true, Some("12.3"), status)));
        check("X-Spam-Status: No\nX-Spam-Score: -1.5\n\n", Some((false, Some("-1.5"), "No")));
        check("X-Spam-Flag: YES\n\n", Some((true, None, "")));
        check("X-Rspamd-Action: reject\nX-Spam-Status: No, score=0\n\n", Some((true, None, "")));
        check("X-MS-Exchange-Organization-SCL: 9\n\n", Some((true, Some("9"), "")));
        check("X-Spam-Score: much\n\n", None);
        check("X-Spam-Score: nan\n\n", None);
        check("Subject: x\n\n", None);
    }

    #[test]
    fn spf_is_one_of_the_known_words() {
        for (header, expected) in [
            ("Received-SPF: Pass (sender SPF authorized)\n\n", "pass"),
            ("Received-SPF: softfail\nReceived-SPF: pass\n\n", "softfail"),
            ("Received-SPF: <script>\n\n", "none"),
            ("Subject: x\n\n", "none"),
        ] {
            assert_eq!(spf(&mail(header)), expected, "{header}");
        }
    }

    #[test]
    fn the_peer_is_the_one_of_the_topmost_field() {
        let check = |value: &str, helo: &str, ip: &str, tls: bool| {
            let mail = mail(&format!("Received: {value}\nReceived: from x ([192.0.2.9]) by y with ESMTPS; z\n\n"));
            assert_eq!(peer(&mail), Peer { helo, ip: ip.to_owned(), tls }, "{value}");
        };
        check("from a.example (b.example [192.0.2.1])\n by c with ESMTPS id 1; Thu", "a.example", "192.0.2.1", true);
        check("from a ([IPv6:2001:db8::1]) by c with ESMTP id 1; Thu", "a", "2001:db8::1", false);
        check("from a (unknown [x]) by c with ESMTPSA; Thu", "a", "", true);
        check("by c with LMTP id 1; Thu", "", "", false);
    }

    #[test]
    fn a_uuid_is_one_and_stays_the_same() {
        let id = MessageId::parse("msg_p54ru6mx5sc2wc6slugowgnw2j").unwrap();
        let uuid = uuid(&id);
        let shape: String = uuid.chars().map(|c| if c.is_ascii_hexdigit() { 'x' } else { c }).collect();
        assert_eq!(shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
        assert_eq!(
            (uuid.chars().nth(14), matches!(uuid.chars().nth(19), Some('8' | '9' | 'a' | 'b'))),
            (Some('5'), true)
        );
        assert_eq!(uuid, super::uuid(&id));
    }

    #[test]
    fn names_stand_in_quotes() {
        let mail = mail("To: \"Lee, \\\"A\\\"\" <a@x>, b@x\n\n");
        assert_eq!(formatted(&mail.to), "\"Lee, \\\"A\\\"\" <a@x>, b@x");
    }
}
