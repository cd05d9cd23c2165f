//! Mails of many shapes, each with CRLF and a last line that ends.

/// A small plain mail; `subject` makes it differ from others.
pub fn plain(subject: &str) -> Vec<u8> {
    format!(
        "From: Ann <ann@example.com>\r\nTo: support@example.com\r\nSubject: {subject}\r\n\
         Date: Fri, 30 Jan 2026 10:00:00 +0100\r\nMessage-ID: <{subject}@example.com>\r\n\r\nHello from {subject}.\r\n"
    )
    .into_bytes()
}

/// The same, as received at `received` (an RFC 5322 date).
pub fn received(subject: &str, received: &str) -> Vec<u8> {
    let mut mail =
        format!("Received: from a.example by b.example with ESMTP id {subject}; {received}\r\n").into_bytes();
    mail.extend(plain(subject));
    mail
}

/// A mail of about `size` bytes.
pub fn large(subject: &str, size: usize) -> Vec<u8> {
    let mut mail = plain(subject);
    let line = [b"0123456789abcdef".repeat(4).as_slice(), b"\r\n"].concat();
    while mail.len() < size {
        mail.extend_from_slice(&line);
    }
    mail
}

/// A mail whose `message/rfc822` parts lie `depth` deep in each other.
pub fn nested(depth: usize) -> Vec<u8> {
    let mut mail = b"Subject: nested\r\n".to_vec();
    mail.extend(b"Content-Type: message/rfc822\r\n\r\n".repeat(depth));
    mail.extend(b"Subject: innermost\r\n\r\nend\r\n");
    mail
}

/// Mails of many shapes with a name for each: what makes bytes go wrong on their way.
pub fn shapes() -> Vec<(&'static str, Vec<u8>)> {
    let head = |subject: &str| format!("From: a@example.com\r\nSubject: {subject}\r\n").into_bytes();
    let with = |subject: &str, rest: &[u8]| [head(subject).as_slice(), rest].concat();
    vec![
        ("plain", plain("plain")),
        ("only a header", head("only a header")),
        ("an empty body", with("an empty body", b"\r\n")),
        ("dots", with("dots", b"\r\n.\r\n..\r\n...\r\n.a\r\n a.\r\n.\r\n")),
        ("a long line", with("a long line", &[b"\r\n", b"x".repeat(200_000).as_slice(), b"\r\n"].concat())),
        ("8 bits", with("8 bits", b"X-Name: M\xfcller \xff\xfe\r\n\r\n\x80\x81\xfe\xff caf\xc3\xa9\r\n")),
        ("a NUL", with("a NUL", b"\r\na\0b\0\0c\r\n")),
        ("a bare CR", with("a bare CR", b"\r\na\rb\r\rc\r\n")),
        ("trailing blank lines", with("trailing blank lines", b"\r\nend\r\n\r\n\r\n\r\n")),
        ("a mailbox line", with("a mailbox line", b"\r\nFrom nobody Mon Jan  1 00:00:00 2026\r\n>From x\r\n")),
        (
            "parts",
            with(
                "parts",
                b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
                  Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                  caf=E9=\r\n!\r\n--b\r\nContent-Type: application/octet-stream; name=a.bin\r\n\
                  Content-Transfer-Encoding: base64\r\n\r\nAAECAwQF\r\n--b--\r\nepilogue\r\n",
            ),
        ),
        (
            "an open boundary",
            with("an open boundary", b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n"),
        ),
        ("a megabyte", large("a megabyte", 1 << 20)),
        ("no header at all", b"\r\njust a body\r\n".to_vec()),
        ("not a mail", b"\xff\xd8\xff\xe0 not a mail at all\r\n".to_vec()),
    ]
}

/// Bytes that no compression makes smaller, the same for the same `seed`.
pub fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; size];
    chance.fill(&mut bytes);
    bytes
}

/// A mail with `content` as its one attachment, in base64.
pub fn attached(subject: &str, content: &[u8]) -> Vec<u8> {
    let mut mail = plain(subject);
    let end = mail.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let body = mail.split_off(end);
    mail.extend_from_slice(b"\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n");
    mail.extend_from_slice(&body[2..]);
    mail.extend_from_slice(
        b"--b\r\nContent-Type: application/octet-stream; name=large.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    );
    for line in content.chunks(57) {
        mail.extend_from_slice(data_encoding::BASE64.encode(line).as_bytes());
        mail.extend_from_slice(b"\r\n");
    }
    mail.extend_from_slice(b"--b--\r\n");
    mail
}
