//! File names that are safe to write to a disk, whatever the sender called the file.

use std::collections::HashSet;

/// The longest name in bytes: file systems take 255, and a receiver may want to put something before it.
const NAME_MAX: usize = 200;

/// The longest ending that is kept when a name is cut.
const ENDING_MAX: usize = 20;

/// Names that Windows keeps for devices, with any ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// The names given out within one mail.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
}

impl Names {
    /// A name without path, control characters, reserved words, leading dots or repeats.
    pub(super) fn safe(&mut self, given: Option<&str>, content_type: &str, part: &str) -> String {
        let name = given.map(clean).filter(|name| !name.is_empty()).unwrap_or_else(|| default(content_type, part));
        let name = if is_device(&name) { format!("_{name}") } else { name };
        let name = shorten(&name);
        if self.taken.insert(name.to_lowercase()) {
            return name;
        }
        let (stem, ending) = cut_ending(&name);
        // The part's number is unlike that of every other part, so this ends at once where counting would not.
        let counted = (2..100).map(|n| format!("{stem} ({n}){ending}"));
        let last = format!("{stem} (part {part}){ending}");
        let free = counted.chain([last.clone()]).find(|name| self.taken.insert(name.to_lowercase()));
        free.unwrap_or(last)
    }
}

/// The last component of a path, without what no file name may hold.
fn clean(name: &str) -> String {
    let base = name.rsplit(['/', '\\']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    let legal = |c: char| match c {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' => '_',
        c if c.is_control() || is_invisible(c) => '_',
        c => c,
    };
    base.chars().map(legal).collect::<String>().trim_start_matches(['.', ' ']).trim_end_matches(['.', ' ']).to_owned()
}

/// Marks that turn the reading direction or hide: `exe.gpj` would look like `jpg.exe`.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffd}')
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device)
            .is_some_and(|n| n.chars().count() == 1 && n.chars().all(|c| "0123456789¹²³".contains(c)))
    };
    DEVICES.contains(&&*stem) || numbered("com") || numbered("lpt")
}

fn shorten(name: &str) -> String {
    if name.len() <= NAME_MAX {
        return name.to_owned();
    }
    let (stem, ending) = cut_ending(name);
    let mut room = NAME_MAX - ending.len();
    while !stem.is_char_boundary(room) {
        room -= 1;
    }
    format!("{}{ending}", stem.get(..room).unwrap_or_default())
}

/// The name, and its ending with the dot; an overlong ending is none.
fn cut_ending(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= ENDING_MAX => name.split_at(dot),
        _ => (name, ""),
    }
}

fn default(content_type: &str, part: &str) -> String {
    let ending = match content_type {
        "message/rfc822" | "message/global" => return "message.eml".to_owned(),
        "text/calendar" => return "invite.ics".to_owned(),
        "message/delivery-status" | "message/disposition-notification" | "message/feedback-report" => "txt",
        "text/plain" | "text/rfc822-headers" => "txt",
        "text/html" => "html",
        "text/csv" => "csv",
        "text/vcard" | "text/x-vcard" => "vcf",
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpg",
        "image/gif" => "gif",
        "image/svg+xml" => "svg",
        "application/pdf" => "pdf",
        "application/json" => "json",
        "application/zip" => "zip",
        "application/pgp-signature" => "asc",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => "p7s",
        _ => "bin",
    };
    format!("part-{part}.{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &str, expected: &str) {
        assert_eq!(Names::default().safe(Some(given), "application/x-any", "2"), expected, "{given:?}");
    }

    #[test]
    fn names_lose_what_a_file_system_must_not_see() {
        for (given, expected) in [
            ("a b.txt", "a b.txt"),
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\x.doc", "x.doc"),
            ("dir/", "dir"),
            (".bashrc", "bashrc"),
            ("..", "part-2.bin"),
            ("a\r\nb\0c.txt", "a__b_c.txt"),
            ("what?.txt. ", "what_.txt"),
            ("nul", "_nul"),
            ("Com1.txt", "_Com1.txt"),
            ("COM¹", "_COM¹"),
            ("community.txt", "community.txt"),
            ("x\u{202e}gpj.exe", "x_gpj.exe"),
            ("日本語.pdf", "日本語.pdf"),
            ("", "part-2.bin"),
        ] {
            check(given, expected);
        }
    }

    #[test]
    fn long_names_keep_their_ending() {
        let name = Names::default().safe(Some(&format!("{}.pdf", "é".repeat(300))), "application/pdf", "2");
        assert!(name.len() <= NAME_MAX && name.ends_with("é.pdf"), "{name}");
        let name = Names::default().safe(Some(&format!("x.{}", "é".repeat(300))), "application/pdf", "2");
        assert!(name.len() <= NAME_MAX, "{name}");
    }

    #[test]
    fn repeats_are_counted_without_regard_to_case() {
        let mut names = Names::default();
        let given: Vec<_> = ["a.txt", "A.txt", "a (2).txt", "a.txt"].map(|n| names.safe(Some(n), "x/y", "1")).into();
        assert_eq!(given, ["a.txt", "A (2).txt", "a (2) (2).txt", "a (3).txt"]);
        let many: HashSet<_> = (0..300).map(|n| names.safe(Some("b"), "x/y", &n.to_string())).collect();
        assert_eq!(many.len(), 300);
    }

    #[test]
    fn a_part_without_a_name_is_named_by_its_type() {
        let mut names = Names::default();
        for (content_type, expected) in [
            ("message/rfc822", "message.eml"),
            ("message/rfc822", "message (2).eml"),
            ("text/calendar", "invite.ics"),
            ("image/png", "part-1.2.png"),
            ("application/octet-stream", "part-1.2.bin"),
        ] {
            assert_eq!(names.safe(None, content_type, "1.2"), expected);
        }
    }
}
