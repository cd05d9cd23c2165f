//! A letter that was built from known parts comes back with those parts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

#[allow(unreachable_pub, reason = "the benchmark uses it too")]
#[path = "support/letters.rs"]
mod letters;

use letters::Built;
use letters::Size;
use pophook::parse;

fn check(built: &Built) {
    let mail = parse::parse(&built.raw, &parse::Options::default());
    let shown = String::from_utf8_lossy(&built.raw);
    assert_eq!(mail.defects, [], "{shown}");
    assert_eq!(mail.subject.as_ref(), Some(&built.subject), "{shown}");
    let from: Vec<_> =
        mail.from.iter().map(|from| (from.name.clone().unwrap_or_default(), from.address.clone())).collect();
    assert_eq!(from, std::slice::from_ref(&built.from), "{shown}");
    assert_eq!(mail.text.as_deref().map(str::trim_end), Some(&*built.text), "{shown}");
    let html = mail.html.as_deref().map(|html| html.replace("\r\n", "\n"));
    assert_eq!(html, built.html, "{shown}");
    let found: Vec<_> =
        mail.attachments.iter().map(|part| (part.filename.clone().unwrap(), part.content_id.clone())).collect();
    let expected: Vec<_> = built.attachments.iter().map(|part| (part.name.clone(), part.content_id.clone())).collect();
    assert_eq!(found, expected, "{shown}");
    for (found, expected) in mail.attachments.iter().zip(&built.attachments) {
        assert!(found.content.bytes() == expected.bytes, "the bytes of {}", expected.name);
        assert_eq!(found.inline, expected.content_id.is_some(), "{shown}");
    }
}

#[test]
fn what_was_put_into_a_letter_comes_out_of_it() {
    let mut chance = fastrand::Rng::with_seed(5322);
    for _ in 0..600 {
        let size = Size { text: chance.usize(1..600), html: chance.usize(1..900), attached: chance.usize(10..3000) };
        let (with_html, files) = (chance.bool(), chance.usize(..3));
        check(&letters::build(&mut chance, size, with_html, files));
    }
}
