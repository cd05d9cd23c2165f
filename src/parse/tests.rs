//! Odd mails, each with one oddity.

use std::fmt::Write as _;

use super::*;

fn read(raw: impl AsRef<[u8]>) -> Mail {
    parse(raw.as_ref(), &Options::default())
}

fn kinds(mail: &Mail) -> Vec<&'static str> {
    mail.defects.iter().map(|defect| defect.kind.as_str()).collect()
}

/// The text, the kinds of defects, and a line for each attachment: part, type, file name, size.
fn outline(mail: &Mail) -> String {
    let mut line = format!("{:?} {:?}", mail.text.as_deref().unwrap_or("(null)"), kinds(mail));
    for part in &mail.attachments {
        let inline = if part.inline { " inline" } else { "" };
        write!(line, " [{} {} {} {}{inline}]", part.part, part.content_type, part.safe_filename, part.content.size())
            .unwrap();
    }
    line
}

fn check(raw: impl AsRef<[u8]>, expected: &str) {
    let raw = raw.as_ref();
    assert_eq!(outline(&read(raw)), expected, "{:.300}", raw.escape_ascii().to_string());
}

fn multipart(subtype: &str, parts: &[&str]) -> String {
    let boundary = format!("={subtype}=");
    let mut mail = format!("Content-Type: multipart/{subtype}; boundary=\"{boundary}\"\r\n\r\n");
    for part in parts {
        write!(mail, "--{boundary}\r\n{part}\r\n").unwrap();
    }
    mail + &format!("--{boundary}--\r\n")
}

const PLAIN: &str = "Content-Type: text/plain\r\n\r\nplain";
const HTML: &str = "Content-Type: text/html\r\n\r\n<p>rich</p>";

#[test]
fn bytes_that_are_hardly_a_mail() {
    check("", "\"(null)\" [\"empty\"]");
    check("\r\n\n\r\n", "\"(null)\" [\"empty\"]");
    check("just some words\r\nand more\r\n", "\"just some words\\nand more\\n\" [\"no_header\"]");
    check("Subject: x", "\"\" []");
    check("\r\n\r\nSubject: x\r\n\r\nbody", "\"body\" []");
    check("   \n \r\nSubject: x\n\nbody", "\"body\" []");
    check("\u{feff}Subject: x\n\nbody\n", "\"body\\n\" []");
    check("From me Thu Jan  1 00:00:00 1970\nSubject: x\n\nbody", "\"body\" []");
    check(b"Subject: \xff\0\n\nbody", "\"body\" [\"invalid_text\"]");
    check(b"Subject: \xff\n\nbody", "\"body\" [\"guessed_charset\"]");
    check([0; 3], "\"\u{fffd}\u{fffd}\u{fffd}\" [\"no_header\", \"invalid_text\"]");
}

#[test]
fn texts_in_many_charsets() {
    let mail = |charset: &str, body: &[u8]| {
        [format!("Content-Type: text/plain; charset={charset}\r\n\r\n").as_bytes(), body].concat()
    };
    check(mail("iso-2022-jp", b"\x1b$B%O%m!<\x1b(B"), "\"ハロー\" []");
    check(mail("koi8-r", b"\xf0\xd2\xc9\xd7\xc5\xd4"), "\"Привет\" []");
    check(mail("windows-1252", b"\x93quoted\x94 caf\xe9"), "\"“quoted” café\" []");
    check(mail("x-martian", b"caf\xc3\xa9"), "\"café\" [\"unknown_charset\"]");
    check(mail("utf-8", b"caf\xe9\0"), "\"caf\u{fffd}\u{fffd}\" [\"invalid_text\"]");
}

#[test]
fn encodings_that_are_broken() {
    let mail = |encoding: &str, body: &str| format!("Content-Transfer-Encoding: {encoding}\n\n{body}");
    check(mail("base64", "aGVsbG8="), "\"hello\" []");
    check(mail("base64", "aGVs!bG8"), "\"hello\" [\"broken_encoding\"]");
    check(mail("BASE64 (really)", "aGVsbG8"), "\"hello\" []");
    check(mail("quoted-printable", "caf=C3=A9=\n!"), "\"café!\" []");
    check(mail("quoted-printable", "100 =% sure"), "\"100 =% sure\" [\"broken_encoding\"]");
    check(mail("x-uuencode", "begin"), "\"begin\" [\"broken_encoding\"]");
}

#[test]
fn the_text_that_a_human_would_read() {
    check(multipart("alternative", &[PLAIN, HTML]), "\"plain\" []");
    check(multipart("alternative", &[HTML]), "\"rich\" []");
    check(multipart("alternative", &["Content-Type: text/plain\r\n\r\n \r\n", HTML]), "\"rich\" []");
    check(
        multipart("mixed", &[HTML, "Content-Type: text/plain\r\n\r\n-- list footer"]),
        "\"rich\\n\\n-- list footer\" []",
    );
    check(multipart("mixed", &[PLAIN, PLAIN]), "\"plain\\n\\nplain\" []");
    check("Content-Type: text/markdown; name=x.md\n\n# hi", "\"# hi\" []");
    check("Content-Type: application/pdf; name=x.pdf\n\n%PDF", "\"(null)\" [] [1 application/pdf x.pdf 4]");
    check("Content-Disposition: attachment\n\nx", "\"(null)\" [] [1 text/plain part-1.txt 1]");
    check("Content-Type: nonsense;;;=\n\nx", "\"(null)\" [] [1 application/octet-stream part-1.bin 1]");
}

#[test]
fn html_is_given_only_where_it_was_sent() {
    let mail = read(multipart("alternative", &[PLAIN, HTML]));
    assert_eq!((mail.html.as_deref(), mail.text_source), (Some("<p>rich</p>"), Some(TextSource::Plain)));
    let mail = read("Subject: x\n\nplain");
    assert_eq!((mail.html, mail.text_source), (None, Some(TextSource::Plain)));
    let mail = read(HTML);
    assert_eq!((mail.text.as_deref(), mail.text_source), (Some("rich"), Some(TextSource::Html)));
    assert_eq!(read("Content-Type: image/png\n\nx").text_source, None);
}

#[test]
fn parts_that_are_no_body_are_attachments() {
    let related = multipart("related", &[HTML, "Content-Type: image/png\r\nContent-ID: <i@x>\r\n\r\nPNG"]);
    check(&related, "\"rich\" [] [2 image/png part-2.png 3 inline]");
    check(
        multipart(
            "mixed",
            &[&multipart("alternative", &[PLAIN, &related]), "Content-Type: text/plain; name=n.txt\r\n\r\nnote"],
        ),
        "\"plain\" [] [1.2.2 image/png part-1.2.2.png 3 inline] [2 text/plain n.txt 4]",
    );
    let calendar = "Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR";
    check(multipart("alternative", &[PLAIN, HTML, calendar]), "\"plain\" [] [3 text/calendar invite.ics 15]");
    check(calendar, "\"(null)\" [] [1 text/calendar invite.ics 15]");
    check(
        multipart("report", &[PLAIN, "Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n"]),
        "\"plain\" [] [2 message/delivery-status part-2.txt 16]",
    );
}

#[test]
fn a_mail_within_a_mail_is_one_attachment_with_its_own_bytes() {
    let inner = multipart("alternative", &[PLAIN, HTML]);
    let mail = read(multipart("mixed", &[PLAIN, &format!("Content-Type: message/rfc822\r\n\r\n{inner}")]));
    assert_eq!(mail.attachments[0].content.bytes(), inner.as_bytes());
    let encoded = base64_simd::STANDARD.encode_to_string(&inner);
    let part = format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}");
    let mail = read(multipart("mixed", &[PLAIN, &part]));
    assert_eq!(mail.attachments[0].content.bytes(), inner.as_bytes());
    assert_eq!(outline(&mail), format!("\"plain\" [] [2 message/rfc822 message.eml {}]", inner.len()));
}

#[test]
fn nested_twenty_thousand_deep() {
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(20_000);
    let mail = read(&messages);
    assert_eq!((kinds(&mail), mail.text), (vec!["nesting_limit"], None));
    let open = |n: u32| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
    let mail = read((0..20_000).map(open).collect::<String>() + "\r\ndeep");
    assert!(kinds(&mail).contains(&"nesting_limit") && mail.text.is_none());
    let both = |n: u32| format!("{}Content-Type: message/rfc822\r\n\r\n", open(n));
    assert!(kinds(&read((0..20_000).map(both).collect::<String>())).contains(&"nesting_limit"));
    // One boundary for all levels: the first level takes every line.
    let mail = read("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n".repeat(20_000));
    assert!(kinds(&mail).contains(&"nesting_limit"));
}

#[test]
fn the_first_of_repeated_fields_counts_and_all_are_listed() {
    let mail = read(
        "Subject: one\nX: 1\nsubject: two\nFrom: a@x\nFrom: b@x\nTo: c@x\nTo: d@x\nDate: never\nReturn-Path: <>\n\n",
    );
    assert_eq!(mail.subject.as_deref(), Some("one"));
    assert_eq!(mail.from.len(), 1);
    assert_eq!(mail.to.len(), 2);
    assert_eq!(mail.return_path.as_deref(), Some(""));
    assert_eq!((mail.date.as_deref(), kinds(&mail)), (None, vec!["invalid_date"]));
    let names: Vec<_> = mail.headers.iter().map(|header| &*header.name).collect();
    assert_eq!(names, ["Subject", "X", "subject", "From", "From", "To", "To", "Date", "Return-Path"]);
}

#[test]
fn header_fields_beyond_the_limit_stay_in_the_raw_message() {
    let mail = read("a:\n".repeat(20_000) + "\nbody");
    assert_eq!((mail.headers.len(), kinds(&mail)), (header::FIELDS_MAX, vec!["header_limit"]));
    assert_eq!(mail.text.as_deref(), Some("body"));
}

#[test]
fn a_parser_that_fails_leaves_the_header() {
    let mail = header_only(b"\nSubject: a\n b\nX: \0\xff\n\nbody");
    let values: Vec<_> = mail.headers.iter().map(|header| &*header.value).collect();
    assert_eq!((values, kinds(&mail)), (vec!["a\n b", "\u{fffd}\u{fffd}"], vec!["parser_failed"]));
}

#[test]
fn any_cut_and_any_flipped_byte_still_gives_a_mail() {
    let mail = multipart(
        "mixed",
        &[&multipart("alternative", &[PLAIN, HTML]), "Content-Type: image/png; name*=utf-8''a%20b\r\n\r\nx"],
    );
    let mail = format!("From: =?utf-8?q?a?= <a@b>, g: c@d;\r\nDate: 1 Jan 2025 00:00 +0000\r\n{mail}");
    for at in 0..mail.len() {
        assert!(!kinds(&read(&mail.as_bytes()[..at])).contains(&"parser_failed"), "cut at {at}");
        for flip in [0x01, 0x20, 0x80, 0xff] {
            let mut flipped = mail.clone().into_bytes();
            flipped[at] ^= flip;
            assert!(!kinds(&read(flipped)).contains(&"parser_failed"), "byte {at} ^ {flip}");
        }
    }
}
