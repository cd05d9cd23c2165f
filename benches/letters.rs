//! How fast letters are read, and told as JSON: 60 % plain text of 2 KB, 30 % with 15 KB of HTML, 10 % with a file of
//! 100 to 500 KB.
//!
//!     cargo bench --bench letters

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, unreachable_pub, reason = "a benchmark")]

#[allow(dead_code, reason = "the tests look at what the letters were built from")]
#[path = "../tests/support/letters.rs"]
mod letters;

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::Criterion;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;
use jiff::Timestamp;
use letters::Size;
use letters::build;
use pophook::deliver::Attachments;
use pophook::deliver::carriage::unlimited;
use pophook::deliver::payload::Facts;
use pophook::deliver::payload::Options;
use pophook::deliver::payload::Source;
use pophook::deliver::payload::json;
use pophook::ident::Content;
use pophook::ident::MailboxName;
use pophook::ident::MessageId;
use pophook::parse;

fn mix() -> Vec<Vec<u8>> {
    let mut chance = fastrand::Rng::with_seed(1);
    let mut mix = Vec::new();
    for number in 0..200 {
        let attached = chance.usize(70_000..370_000);
        let built = match number % 10 {
            0..=5 => build(&mut chance, Size { text: 2_000, html: 0, attached: 0 }, false, 0),
            6..=8 => build(&mut chance, Size { text: 5_000, html: 15_000, attached: 20_000 }, true, 0),
            _ => build(&mut chance, Size { text: 2_000, html: 0, attached }, false, 1),
        };
        mix.push(built.raw);
    }
    mix
}

fn render(raw: &[u8], mail: &parse::Mail, mailbox: &MailboxName) -> Vec<u8> {
    let facts = Facts {
        id: &MessageId::of(mailbox, &Content::of(b"")),
        mailbox,
        labels: &BTreeMap::new(),
        unique_id: None,
        spooled_at: Timestamp::UNIX_EPOCH,
        size: raw.len().try_into().unwrap(),
        sha256: [0; 32],
    };
    let options = Options { attachments: Attachments::Inline, include_raw: false, include_sanitized_html: false };
    let mut body = Vec::with_capacity(raw.len() * 2);
    let ways = unlimited(&mail.attachments, options.attachments);
    json::write(&Source { facts, mail, raw, options, ways: &ways }, &mut body).unwrap();
    body
}

fn letters_per_second(criterion: &mut Criterion) {
    let mix = mix();
    let mailbox = MailboxName::parse("support").unwrap();
    let options = parse::Options::default();
    let mut group = criterion.benchmark_group("letters");
    group.throughput(Throughput::Bytes(mix.iter().map(|raw| u64::try_from(raw.len()).unwrap()).sum()));
    group.bench_function("parse", |bencher| {
        bencher.iter(|| mix.iter().for_each(|raw| drop(black_box(parse::parse(raw, &options)))));
    });
    group.bench_function("parse and render", |bencher| {
        bencher.iter(|| {
            mix.iter().for_each(|raw| drop(black_box(render(raw, &parse::parse(raw, &options), &mailbox))));
        });
    });
    group.finish();
}

criterion_group!(benches, letters_per_second);
criterion_main!(benches);
