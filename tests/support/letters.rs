//! Letters built from known parts, in the charsets, encodings and shapes that mail comes in; the same for the same seed.

use std::fmt::Write as _;

use data_encoding::BASE64;
use encoding_rs::Encoding;
use fastrand::Rng;

/// A letter, and what it was built from.
#[derive(Debug, Clone, Default)]
pub struct Built {
    pub raw: Vec<u8>,
    pub subject: String,
    pub from: (String, String),
    pub text: String,
    pub html: Option<String>,
    pub attachments: Vec<Attached>,
}

/// An attached file.
#[derive(Debug, Clone)]
pub struct Attached {
    pub name: String,
    pub bytes: Vec<u8>,
    /// Shown in place by the HTML.
    pub content_id: Option<String>,
}

/// How much of it there is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub text: usize,
    pub html: usize,
    pub attached: usize,
}

/// A charset's label, and words that it has.
const CHARSETS: &[(&str, &str)] = &[
    ("us-ascii", "order number please find attached the invoice regards ticket closed reply"),
    ("utf-8", "héllo naïve 世界 привет customer świat €uro Žluťoučký 🚚 delivery"),
    ("iso-8859-1", "Grüße façade señor über größer événement commande merci"),
    ("windows-1252", "quote “price” – total… Müller résumé order"),
    ("iso-8859-15", "prix € œuvre garçon année livraison numéro"),
    ("iso-8859-2", "zamówienie faktura dziękuję żółty příloha děkuji"),
    ("windows-1251", "заказ счёт спасибо доставка клиент договор"),
    ("koi8-r", "письмо ответ заявка номер отправлено"),
    ("iso-2022-jp", "注文 請求書 お客様 ありがとう 配送 添付"),
    ("gb18030", "订单 发票 客户 谢谢 附件 确认"),
    ("big5", "訂單 發票 客戶 謝謝 附件 確認"),
    ("euc-kr", "주문 송장 고객 감사합니다"),
];

/// A transfer encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transfer {
    Plain,
    QuotedPrintable,
    Base64,
}

/// Builds one: of text alone, with HTML beside it, with a picture in that, with files; as chance has it.
pub fn build(chance: &mut Rng, size: Size, with_html: bool, with_files: usize) -> Built {
    let (charset, words) = *chance.choice(CHARSETS).unwrap();
    let length = chance.usize(3..9);
    let mut built = Built {
        subject: phrase(chance, words, length),
        from: (phrase(chance, words, 2), format!("ann{}@example.org", chance.u32(..))),
        text: text(chance, words, size.text),
        ..Built::default()
    };
    let mut body = part("text/plain", charset, &built.text, chance);
    if with_html {
        let html = html(&text(chance, words, size.html));
        let mut shown = part("text/html", charset, &html, chance);
        if chance.bool() {
            let picture = Attached {
                name: "logo.png".to_owned(),
                bytes: std::iter::repeat_with(|| chance.u8(..)).take(size.attached / 10).collect(),
                content_id: Some(format!("logo{}@example.org", chance.u32(..))),
            };
            shown = multipart("related", &[shown, file(&picture, chance)], chance);
            built.attachments.push(picture);
        }
        built.html = Some(html);
        body = multipart("alternative", &[body, shown], chance);
    }
    let mut parts = vec![body];
    for number in 0..with_files {
        let name = format!("{} {number}.pdf", phrase(chance, words, 2));
        let bytes = std::iter::repeat_with(|| chance.u8(..)).take(size.attached).collect();
        let attached = Attached { name, bytes, content_id: None };
        parts.push(file(&attached, chance));
        built.attachments.push(attached);
    }
    let body = if parts.len() == 1 { parts.remove(0) } else { multipart("mixed", &parts, chance) };
    let (id, day) = (chance.u64(..), 1 + chance.u8(..28));
    let head = format!(
        "Return-Path: <{0}>\r\nReceived: from mx.example.org by mail.example.com with ESMTPS; {day} Jan 2026 10:00:00 \
         +0100\r\nDelivered-To: support+{1}@example.com\r\nFrom: {2} <{0}>\r\nTo: Support <support+{1}@example.com>\r\n\
         Subject: {3}\r\nMessage-ID: <{id}@example.org>\r\nDate: {day} Jan 2026 09:59:58 +0100\r\nMIME-Version: 1.0\r\n",
        built.from.1,
        chance.u16(..),
        words_of(&built.from.0, charset, chance),
        words_of(&built.subject, charset, chance),
    );
    built.raw = [head.into_bytes(), body].concat();
    built
}

fn phrase(chance: &mut Rng, words: &str, count: usize) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    let chosen: Vec<&str> = (0..count).map(|_| *chance.choice(&words).unwrap()).collect();
    chosen.join(" ")
}

fn text(chance: &mut Rng, words: &str, size: usize) -> String {
    let mut text = String::new();
    while text.len() < size {
        let line = phrase(chance, words, 9);
        text.push_str(&line);
        text.push_str(if chance.u8(..8) == 0 { "\n\n" } else { "\n" });
    }
    text.truncate(text.trim_end().len());
    text
}

fn html(text: &str) -> String {
    let rows: String = text.lines().map(|line| format!("<tr><td class=\"row\">{line}</td></tr>\n")).collect();
    format!("<!DOCTYPE html><html><body><table>\n{rows}</table></body></html>")
}

/// A text part with its own header.
fn part(kind: &str, charset: &str, text: &str, chance: &mut Rng) -> Vec<u8> {
    let encoded = encode(charset, &text.replace('\n', "\r\n"));
    let plain_does =
        encoded.iter().all(|byte| *byte != 0) && encoded.split(|b| *b == b'\n').all(|line| line.len() < 990);
    let transfer = match chance.u8(..3) {
        0 if plain_does => Transfer::Plain,
        1 => Transfer::QuotedPrintable,
        _ => Transfer::Base64,
    };
    let head = format!("Content-Type: {kind}; charset={charset}\r\n");
    [head.into_bytes(), body(&encoded, transfer)].concat()
}

fn file(attached: &Attached, chance: &mut Rng) -> Vec<u8> {
    let head = match &attached.content_id {
        Some(id) => format!("Content-Type: image/png; name={}\r\nContent-ID: <{id}>\r\n", attached.name),
        None => format!(
            "Content-Type: application/pdf\r\nContent-Disposition: attachment;{}\r\n",
            parameter("filename", &attached.name, chance)
        ),
    };
    [head.into_bytes(), body(&attached.bytes, Transfer::Base64)].concat()
}

fn multipart(kind: &str, parts: &[Vec<u8>], chance: &mut Rng) -> Vec<u8> {
    let boundary = format!("=_{:016x}", chance.u64(..));
    let mut whole = format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"\r\n\r\n").into_bytes();
    for part in parts {
        whole.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        whole.extend_from_slice(part);
        whole.extend_from_slice(b"\r\n");
    }
    whole.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    whole
}

fn body(bytes: &[u8], transfer: Transfer) -> Vec<u8> {
    let (name, encoded) = match transfer {
        Transfer::Plain => ("8bit", bytes.to_vec()),
        Transfer::QuotedPrintable => ("quoted-printable", quoted_printable(bytes)),
        Transfer::Base64 => {
            let lines: Vec<String> = bytes.chunks(57).map(|line| BASE64.encode(line)).collect();
            ("base64", lines.join("\r\n").into_bytes())
        }
    };
    [format!("Content-Transfer-Encoding: {name}\r\n\r\n").into_bytes(), encoded].concat()
}

fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = String::new();
    let mut length = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if bytes[at..].starts_with(b"\r\n") {
            encoded.push_str("\r\n");
            (length, at) = (0, at + 2);
            continue;
        }
        let blank_at_end = byte == b' ' && bytes.get(at + 1).is_none_or(|next| *next == b'\r');
        let written = match byte {
            b' ' | b'!'..=b'<' | b'>'..=b'~' if !blank_at_end => char::from(byte).to_string(),
            _ => format!("={byte:02X}"),
        };
        if length + written.len() > 75 {
            encoded.push_str("=\r\n");
            length = 0;
        }
        length += written.len();
        encoded.push_str(&written);
        at += 1;
    }
    encoded.into_bytes()
}

/// Encoded words (RFC 2047), or the text itself where ASCII does.
fn words_of(text: &str, charset: &str, chance: &mut Rng) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let q = chance.bool();
    let mut encoded = String::new();
    let letters: Vec<char> = text.chars().collect();
    for piece in letters.chunks(8) {
        let bytes = encode(charset, &piece.iter().collect::<String>());
        let word = if q { bytes.iter().map(|byte| format!("={byte:02X}")).collect() } else { BASE64.encode(&bytes) };
        let space = if encoded.is_empty() { "" } else { "\r\n " };
        write!(encoded, "{space}=?{charset}?{}?{word}?=", if q { 'q' } else { 'B' }).unwrap();
    }
    encoded
}

/// A parameter: quoted, or by RFC 2231 with continuations.
fn parameter(name: &str, value: &str, chance: &mut Rng) -> String {
    if value.is_ascii() && chance.bool() {
        return format!(" {name}=\"{value}\"");
    }
    let mut written = String::new();
    let letters: Vec<char> = value.chars().collect();
    for (number, piece) in letters.chunks(6).enumerate() {
        let piece: String = piece.iter().collect();
        let charset = if number == 0 { "utf-8''" } else { "" };
        let bytes: String = piece.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let end = if (number + 1) * 6 >= letters.len() { "" } else { ";" };
        write!(written, "\r\n {name}*{number}*={charset}{bytes}{end}").unwrap();
    }
    written
}

fn encode(charset: &str, text: &str) -> Vec<u8> {
    let encoding = Encoding::for_label(charset.as_bytes()).unwrap();
    let (bytes, _, lost) = encoding.encode(text);
    assert!(!lost, "{charset} has not all of {text}");
    bytes.into_owned()
}
