//! What the formats of mail services tell that a maildrop does not: taken from what the servers on the way wrote down,
//! or left empty.

use std::net::IpAddr;

use sha1::Digest as _;
use sha1::Sha1;

use crate::ident::MessageId;
use crate::parse::Address;
use crate::parse::Mail;

/// The namespace of URLs (RFC 9562 section 6.6).
const URLS: [u8; 16] = [0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];

/// The value of the topmost field called `name`, decoded.
pub(super) fn header<'a>(mail: &'a Mail, name: &str) -> Option<&'a str> {
    mail.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.as_str())
}

/// Who sent it, by the envelope: Return-Path, else X-Envelope-From, else From. Empty for `<>`, and where nothing is known.
pub(super) fn envelope_sender(mail: &Mail) -> &str {
    let noted = || header(mail, "X-Envelope-From").map(|text| text.trim().trim_matches(['<', '>']));
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

/// The text after the first `+` of the local part.
pub(super) fn tag(address: &str) -> &str {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
    local.split_once('+').map_or("", |(_, tag)| tag)
}

/// The text without what it quotes and without its signature.
pub(super) fn stripped_text(mail: &Mail) -> Option<&str> {
    mail.reply_text()
}

/// What a filter said of the mail.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spam<'a> {
    /// Whether it called it spam.
    pub(super) flag: bool,
    /// The figure, as written.
    pub(super) score: Option<&'a str>,
    /// The whole of what it said.
    pub(super) report: &'a str,
}

/// What a filter said of the mail, in X-Spam-Status or X-Spam-Score.
pub(super) fn spam(mail: &Mail) -> Option<Spam<'_>> {
    let number = |text: &'_ &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    let written = header(mail, "X-Spam-Score").map(str::trim).filter(number);
    let status = header(mail, "X-Spam-Status").map(str::trim);
    let told = status.and_then(|status| status.split_once("score=")).map(|(_, rest)| rest);
    let told = told.and_then(|rest| rest.split([' ', ',']).next()).filter(number);
    let flag = status.is_some_and(|status| status.get(..3).is_some_and(|yes| yes.eq_ignore_ascii_case("yes")));
    let score = told.or(written);
    (status.is_some() || score.is_some()).then(|| Spam { flag, score, report: status.unwrap_or_default() })
}

/// The result of SPF, of a server that the mailbox trusts or else of Received-SPF: one of those of RFC 7208, `none` where
/// nobody said one.
pub(super) fn spf(mail: &Mail) -> &str {
    const RESULTS: [&str; 7] = ["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"];
    let trusted = mail.auth.as_ref().and_then(|auth| auth.spf.as_deref());
    let said = trusted.or_else(|| header(mail, "Received-SPF")?.split_whitespace().next());
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
    let Some(rest) = header(mail, "Received").and_then(|value| value.trim_start().strip_prefix("from ")) else {
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
        let check = |header: &str, expected: Option<(bool, Option<&str>)>| {
            let mail = mail(header);
            assert_eq!(spam(&mail).map(|spam| (spam.flag, spam.score)), expected, "{header}");
        };
        check("X-Spam-Status: Yes, score=12.3 required=5.0 tests=A\n\n", Some((true, Some("12.3"))));
        check("X-Spam-Status: No\nX-Spam-Score: -1.5\n\n", Some((false, Some("-1.5"))));
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
