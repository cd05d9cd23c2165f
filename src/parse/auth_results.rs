//! What a trusted server found about where a mail comes from: Authentication-Results (RFC 8601).
//!
//! Anybody can send a mail that carries such fields, so only those count whose authserv-id the mailbox's owner trusts,
//! and of these only the topmost run: below the Received field that follows it stands what was there when the mail came
//! in. Other fields (Received-SPF, ARC-Authentication-Results) are not read.

use crate::parse::Auth;
use crate::parse::Header;

/// Results beyond this, in one field, are not read.
const FIELD_MAX: usize = 64 * 1024;

/// What the servers called `trusted` found, if one of them wrote it down.
pub(super) fn find(headers: &[Header], trusted: &[String]) -> Option<Auth> {
    if trusted.is_empty() {
        return None;
    }
    let mut auth: Option<Auth> = None;
    for Header { name, value } in headers {
        if auth.is_some() && name.eq_ignore_ascii_case("Received") {
            break;
        }
        if !name.eq_ignore_ascii_case("Authentication-Results") {
            continue;
        }
        let mut statements = statements(value);
        let id = statements.next().unwrap_or_default();
        // A version number may follow the name.
        let id = id.split_whitespace().next().unwrap_or_default().trim_matches('"').to_owned();
        if trusted.iter().any(|name| name.eq_ignore_ascii_case(&id)) {
            let auth = auth.get_or_insert_default();
            statements.for_each(|statement| take(auth, &statement));
        }
    }
    auth
}

/// Takes what one `method=result …` says: of several the first, but for DKIM one that passes.
fn take(auth: &mut Auth, statement: &str) {
    let Some((method, rest)) = statement.split_once('=') else { return };
    let method = method.split('/').next().unwrap_or_default().trim().to_ascii_lowercase();
    let result = rest.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    if result.is_empty() || !result.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return;
    }
    let place = match &*method {
        "dkim" if result == "pass" => return auth.dkim = Some(result),
        "dkim" => &mut auth.dkim,
        "spf" => &mut auth.spf,
        "dmarc" => &mut auth.dmarc,
        "arc" => &mut auth.arc,
        _ => return,
    };
    place.get_or_insert(result);
}

/// The statements between semicolons, comments taken out; a quoted string may hold anything (RFC 5322 section 3.2).
fn statements(value: &str) -> impl Iterator<Item = String> {
    let value = value.get(..value.floor_char_boundary(FIELD_MAX)).unwrap_or_default();
    let mut found = vec![String::new()];
    let (mut depth, mut quoted, mut escaped) = (0u32, false, false);
    for c in value.chars() {
        let plain = !std::mem::take(&mut escaped);
        match c {
            '\\' if plain && (quoted || depth > 0) => escaped = true,
            '"' if plain && depth == 0 => quoted = !quoted,
            '(' if plain && !quoted => depth += 1,
            // A comment parts words.
            ')' if plain && depth > 0 => {
                depth -= 1;
                found.last_mut().into_iter().for_each(|last| last.push(' '));
            }
            ';' if plain && !quoted && depth == 0 => found.push(String::new()),
            _ if depth > 0 => {}
            _ => found.last_mut().into_iter().for_each(|last| last.push(c)),
        }
    }
    // "spf = pass" is legal too.
    found.into_iter().map(|statement| match statement.split_once('=') {
        Some((method, rest)) => format!("{}={}", method.trim(), rest.trim_start()),
        None => statement.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::Options;
    use crate::parse::parse;

    fn read(header: &str, trusted: &[&str]) -> Option<Auth> {
        let trusted_authserv_ids = trusted.iter().map(|id| (*id).to_owned()).collect();
        parse(format!("{header}\n\nx").as_bytes(), &Options { trusted_authserv_ids, ..Options::default() }).auth
    }

    fn check(header: &str, expected: [&str; 4]) {
        let auth = read(header, &["mx.example.com"]).unwrap();
        let found = [auth.spf, auth.dkim, auth.dmarc, auth.arc].map(Option::unwrap_or_default);
        assert_eq!(found, expected, "{header:?}");
    }

    #[test]
    fn nobody_is_believed_who_is_not_trusted() {
        let given = "Authentication-Results: mx.example.com; spf=pass";
        assert_eq!(read(given, &[]), None);
        assert_eq!(read(given, &["mx.example.org"]), None);
        for forged in [
            "Authentication-Results: evil.example.org; spf=pass; mx.example.com; dkim=pass",
            "Authentication-Results: (mx.example.com) evil.example.org; spf=pass",
            "Received-SPF: pass",
            "ARC-Authentication-Results: i=1; mx.example.com; spf=pass",
            "Authentication-Results:",
        ] {
            assert_eq!(read(forged, &["mx.example.com"]), None, "{forged:?}");
        }
    }

    #[test]
    fn what_stood_there_when_the_mail_came_in_does_not_count() {
        let own = "Authentication-Results: mx.example.com; spf=fail\nAuthentication-Results: mx.example.com; dkim=fail";
        let forged = "Received: from x\nAuthentication-Results: mx.example.com; dkim=pass; dmarc=pass";
        check(&format!("Received: by y\n{own}\n{forged}"), ["fail", "fail", "", ""]);
    }

    #[test]
    fn comments_folding_versions_and_repeats() {
        for (header, expected) in [
            ("mx.example.com; none", ["", "", "", ""]),
            ("MX.example.com 1; spf=Pass smtp.mailfrom=a@b;", ["pass", "", "", ""]),
            ("mx.example.com (a; dkim=pass (x));\n\tdkim=fail (bad\\) ; spf=pass)", ["", "fail", "", ""]),
            ("mx.example.com; dkim=fail reason=\"x; spf=pass\"; spf=none", ["none", "fail", "", ""]),
            ("mx.example.com; dkim=fail; dkim=pass header.d=a; dkim=neutral", ["", "pass", "", ""]),
            ("mx.example.com; dmarc(v1)=pass(p=none); spf = softfail", ["softfail", "", "pass", ""]),
            ("mx.example.com; arc/1=pass; spf=; iprev=pass", ["", "", "", "pass"]),
            ("mx.example.com; spf=pa\u{e9}ss; dmarc", ["", "", "", ""]),
        ] {
            check(&format!("Authentication-Results: {header}"), expected);
        }
    }
}
