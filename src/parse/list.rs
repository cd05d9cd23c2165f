//! The mailing list that a mail came through: List-Id (RFC 2919), List-Unsubscribe and List-Post (RFC 2369).

use crate::parse::List;
use crate::parse::Mail;

/// What the list says about itself, if there is one.
pub(super) fn find(mail: &Mail) -> Option<List> {
    let list = List {
        id: mail.header("List-Id").and_then(id),
        unsubscribe: mail.header("List-Unsubscribe").and_then(unsubscribe),
        post: mail.header("List-Post").and_then(|value| bracketed(value).into_iter().next()),
    };
    (list != List::default()).then_some(list)
}

/// What stands between the last brackets, or all of it where there are none.
fn id(value: &str) -> Option<String> {
    let inner = value.rsplit_once('<').map_or(value, |(_, rest)| rest.split('>').next().unwrap_or_default());
    Some(inner.trim().to_owned()).filter(|id| !id.is_empty())
}

/// The first https address, else the first mailto one, else the first.
fn unsubscribe(value: &str) -> Option<String> {
    let ways = bracketed(value);
    let of = |scheme: &str| {
        ways.iter().find(|way| way.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme))).cloned()
    };
    of("https:").or_else(|| of("mailto:")).or_else(|| ways.first().cloned())
}

/// What stands between brackets; blanks inside are folding (RFC 2369 section 2). `NO` stands without them.
fn bracketed(value: &str) -> Vec<String> {
    let inner = value.split('<').skip(1).filter_map(|rest| rest.split_once('>'));
    inner.map(|(way, _)| way.split_whitespace().collect::<String>()).filter(|way| !way.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use crate::parse::Options;
    use crate::parse::parse;

    fn check(header: &str, expected: Option<[&str; 3]>) {
        let list = parse(format!("{header}\n\nx").as_bytes(), &Options::default()).list;
        let found = list.map(|list| [list.id, list.unsubscribe, list.post].map(Option::unwrap_or_default));
        assert_eq!(found, expected.map(|fields| fields.map(str::to_owned)), "{header:?}");
    }

    #[test]
    fn a_mail_that_names_no_list_has_none() {
        for header in ["Subject: x", "List-Id:", "List-Id: <>", "List-Post: NO", "List-Unsubscribe: <"] {
            check(header, None);
        }
    }

    #[test]
    fn ids_and_the_ways_to_leave() {
        for (header, expected) in [
            ("List-Id: Team <team.example.com>", ["team.example.com", "", ""]),
            ("List-ID: team.example.com", ["team.example.com", "", ""]),
            ("List-Id: \"<odd> name\" <team.example.com>", ["team.example.com", "", ""]),
            (
                "List-Unsubscribe: <mailto:leave@example.com?subject=x>,\n <https://example.com/leave>",
                ["", "https://example.com/leave", ""],
            ),
            ("List-Unsubscribe: (by mail) <MAILTO:leave@example.com>", ["", "MAILTO:leave@example.com", ""]),
            ("List-Unsubscribe: <http://example.com/a\n b>", ["", "http://example.com/ab", ""]),
            ("List-Post: <mailto:team@example.com> (moderated)", ["", "", "mailto:team@example.com"]),
        ] {
            check(header, Some(expected));
        }
    }
}
