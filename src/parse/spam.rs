//! What a spam filter on the way wrote into the header: `SpamAssassin`, Rspamd, Microsoft.
//!
//! The filter whose field stands topmost is the last that saw the mail; it alone is heard, because anybody can send a
//! mail that carries such fields. What cannot be read counts as not said.

use crate::parse::Header;
use crate::parse::Mail;
use crate::parse::Spam;
use crate::parse::SpamFilter;

/// `SpamAssassin`'s own threshold, where the field does not say which was used.
const REQUIRED: f64 = 5.0;

/// The spam confidence level from which Exchange takes a mail for spam.
const SCL_SPAM: f64 = 5.0;

/// What one field says.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Said {
    flag: Option<bool>,
    score: Option<f64>,
    required: Option<f64>,
}

/// The word of the topmost filter.
pub(super) fn find(mail: &Mail) -> Option<Spam> {
    let mut told: Option<(SpamFilter, Said)> = None;
    for (source, said) in mail.headers.iter().filter_map(read) {
        match &mut told {
            None => told = Some((source, said)),
            Some((first, so_far)) if *first == source => {
                so_far.flag = so_far.flag.or(said.flag);
                so_far.score = so_far.score.or(said.score);
                so_far.required = so_far.required.or(said.required);
            }
            Some(_) => {}
        }
    }
    let (source, Said { flag, score, required }) = told?;
    let reached = |score: f64| match source {
        SpamFilter::SpamAssassin => score >= required.unwrap_or(REQUIRED),
        SpamFilter::Rspamd => required.is_some_and(|required| score >= required),
        SpamFilter::Microsoft => score >= SCL_SPAM,
    };
    Some(Spam { flag: flag.unwrap_or_else(|| score.is_some_and(reached)), score, source })
}

/// What `header` says, if it is a filter's and can be read.
fn read(header: &Header) -> Option<(SpamFilter, Said)> {
    let value = header.value.trim();
    let (source, said) = match &*header.name.to_ascii_lowercase() {
        "x-spam-flag" => (SpamFilter::SpamAssassin, Said { flag: yes_or_no(value), ..Said::default() }),
        "x-spam-score" => (SpamFilter::SpamAssassin, Said { score: number(value), ..Said::default() }),
        "x-spam-status" => (SpamFilter::SpamAssassin, status(value)),
        "x-spamd-result" => (SpamFilter::Rspamd, result(value)),
        "x-rspamd-score" => (SpamFilter::Rspamd, Said { score: number(value), ..Said::default() }),
        "x-rspamd-action" => (SpamFilter::Rspamd, Said { flag: action(value), ..Said::default() }),
        "x-ms-exchange-organization-scl" => (SpamFilter::Microsoft, confidence(value)),
        "x-forefront-antispam-report" => {
            let level = value.split(';').find_map(|pair| pair.trim().strip_prefix("SCL:"));
            (SpamFilter::Microsoft, level.map(confidence).unwrap_or_default())
        }
        _ => return None,
    };
    (said != Said::default()).then_some((source, said))
}

fn yes_or_no(value: &str) -> Option<bool> {
    match &*value.to_ascii_lowercase() {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}

/// A finite number at the head of `text`.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let length = text.bytes().take_while(|b| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+')).count();
    let whole = text.get(length..).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()));
    text.get(..length).filter(|_| whole)?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// `Yes, score=7.1 required=5.0 tests=…`; old releases write `hits=`.
fn status(value: &str) -> Said {
    let word = value.split([',', ' ']).next().unwrap_or_default();
    let Some(flag) = yes_or_no(word) else { return Said::default() };
    let of = |name: &str| {
        value.split([' ', ',', ';']).find_map(|pair| pair.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')))
    };
    Said {
        flag: Some(flag),
        score: of("score").or_else(|| of("hits")).and_then(number),
        required: of("required").and_then(number),
    }
}

/// `default: False [3.20 / 15.00]; …`.
fn result(value: &str) -> Said {
    let said = value.split(';').next().unwrap_or_default();
    let Some((head, figures)) = said.split_once('[') else { return Said::default() };
    let flag = head.rsplit(':').next().and_then(|word| yes_or_no(word.trim()));
    let (score, required) = figures.split_once('/').unwrap_or((figures, ""));
    Said { flag, score: number(score), required: number(required) }
}

/// What Rspamd did with the mail; the names of its actions are fixed.
fn action(value: &str) -> Option<bool> {
    match &*value.to_ascii_lowercase() {
        "reject" | "add header" | "rewrite subject" | "quarantine" => Some(true),
        "no action" | "greylist" | "soft reject" => Some(false),
        _ => None,
    }
}

/// A spam confidence level, -1 to 9.
fn confidence(value: &str) -> Said {
    let level = value.trim().parse::<i8>().ok().filter(|level| (-1..=9).contains(level));
    Said { score: level.map(f64::from), ..Said::default() }
}

#[cfg(test)]
mod tests {
    use crate::parse::Options;
    use crate::parse::parse;

    fn check(header: &str, expected: Option<(bool, Option<f64>, &str)>) {
        let spam = parse(format!("{header}\n\nx").as_bytes(), &Options::default()).spam;
        let found = spam.map(|spam| (spam.flag, spam.score, spam.source.as_str()));
        assert_eq!(found, expected, "{header:?}");
    }

    #[test]
    fn what_cannot_be_read_counts_as_not_said() {
        for header in [
            "Subject: x",
            "X-Spam-Flag: banana",
            "X-Spam-Score:",
            "X-Spam-Score: 1e999",
            "X-Spam-Score: 5x",
            "X-Spam-Score: nan",
            "X-Spam-Status: maybe, score=9",
            "X-Spamd-Result: default",
            "X-MS-Exchange-Organization-SCL: 11",
            "X-Forefront-Antispam-Report: CIP:192.0.2.1;CTRY:;",
            "X-Spam-Level: *****",
        ] {
            check(header, None);
        }
    }

    #[test]
    fn each_filter_in_its_own_words() {
        for (header, expected) in [
            ("X-Spam-Flag: YES", (true, None, "spamassassin")),
            ("X-Spam-Status: Yes, score=7.1 required=5.0\n\ttests=A,\n\tB", (true, Some(7.1), "spamassassin")),
            ("X-Spam-Status: No, hits=-1.2 required=4", (false, Some(-1.2), "spamassassin")),
            ("X-Spam-Flag: NO\nX-Spam-Score: 4.9", (false, Some(4.9), "spamassassin")),
            ("X-Spam-Score: 5.3 (+++++)", (true, Some(5.3), "spamassassin")),
            ("X-Spam-Flag: YES\nX-Spam-Score: lots", (true, None, "spamassassin")),
            ("X-Spamd-Result: default: False [3.20 / 15.00];\n\tA(1.00)[x]", (false, Some(3.2), "rspamd")),
            ("X-Spamd-Result: default: True [16.20 / 15.00]", (true, Some(16.2), "rspamd")),
            ("X-Rspamd-Action: add header\nX-Rspamd-Score: 7", (true, Some(7.0), "rspamd")),
            ("X-Rspamd-Score: 7", (false, Some(7.0), "rspamd")),
            ("X-MS-Exchange-Organization-SCL: 5", (true, Some(5.0), "microsoft")),
            ("X-MS-Exchange-Organization-SCL: -1", (false, Some(-1.0), "microsoft")),
            ("X-Forefront-Antispam-Report: CIP:192.0.2.1;SCL:6;SRV:;", (true, Some(6.0), "microsoft")),
        ] {
            check(header, Some(expected));
        }
    }

    #[test]
    fn the_topmost_filter_is_the_last_that_saw_the_mail() {
        check(
            "X-Rspamd-Score: 1\nX-Spam-Flag: YES\nX-Rspamd-Score: 9\nX-Spam-Score: 9",
            Some((false, Some(1.0), "rspamd")),
        );
        check("X-Spam-Flag: NO\nX-Spam-Flag: YES", Some((false, None, "spamassassin")));
    }
}
