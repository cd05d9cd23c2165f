//! File names that are safe to write to a disk, whatever the sender called the file.

use std::collections::HashSet;

/// The longest name in bytes: file systems take 255, and a receiver may want to put something before it.
const NAME_MAX: usize = 200;

/// The longest ending that is kept when a name is cut.
const ENDING_MAX: usize = 20;

/// Names that Windows keeps for devices, with any ending.
const DEVICES: [&str; 7] = ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"];

/// Bytes of which nothing is known.
pub(super) const UNKNOWN: &str = "application/octet-stream";

/// Armoured PGP, whatever type it was sent as; for the name alone.
pub(super) const PGP_MESSAGE: &str = "application/x-pgp-message";

/// What parts without a name are called.
const NAMES: [(&str, &str); 13] = [
    ("message/rfc822", "message.eml"),
    ("message/global", "message.eml"),
    ("text/calendar", "invite.ics"),
    ("application/ms-tnef", "winmail.dat"),
    ("application/vnd.ms-tnef", "winmail.dat"),
    ("application/pkcs7-mime", "smime.p7m"),
    ("application/x-pkcs7-mime", "smime.p7m"),
    ("application/pkcs7-signature", "smime.p7s"),
    ("application/x-pkcs7-signature", "smime.p7s"),
    ("application/pgp-encrypted", "version.txt"),
    ("application/pgp-signature", "signature.asc"),
    ("application/pgp-keys", "key.asc"),
    (PGP_MESSAGE, "encrypted.asc"),
];

/// Types and their endings; the first of several counts.
const TYPES: [(&str, &str); 34] = [
    ("text/plain", "txt"),
    ("text/rfc822-headers", "txt"),
    ("message/delivery-status", "txt"),
    ("message/disposition-notification", "txt"),
    ("message/feedback-report", "txt"),
    ("text/html", "html"),
    ("text/html", "htm"),
    ("text/csv", "csv"),
    ("text/vcard", "vcf"),
    ("text/x-vcard", "vcf"),
    ("text/calendar", "ics"),
    ("image/png", "png"),
    ("image/jpeg", "jpg"),
    ("image/jpg", "jpg"),
    ("image/jpeg", "jpeg"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
    ("image/tiff", "tif"),
    ("image/bmp", "bmp"),
    ("image/svg+xml", "svg"),
    ("application/pdf", "pdf"),
    ("application/json", "json"),
    ("application/xml", "xml"),
    ("application/zip", "zip"),
    ("application/rtf", "rtf"),
    ("application/msword", "doc"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.ms-powerpoint", "ppt"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"),
    ("audio/mpeg", "mp3"),
    ("video/mp4", "mp4"),
    ("message/rfc822", "eml"),
];

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
        let last = shorten(&format!("part-{part} {stem}{ending}"));
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
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffd}'
            | '\u{e0000}'..='\u{e007f}'
    )
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
    format!("{}{ending}", stem.get(..room).unwrap_or_default().trim_end_matches(['.', ' ']))
}

/// The name, and its ending with the dot; an overlong ending is none.
fn cut_ending(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= ENDING_MAX => name.split_at(dot),
        _ => (name, ""),
    }
}

/// What a file is by its ending.
pub(super) fn type_of(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    TYPES.iter().find(|(_, known)| *known == ending).map_or(UNKNOWN, |(content_type, _)| content_type)
}

fn default(content_type: &str, part: &str) -> String {
    if let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == content_type) {
        return (*name).to_owned();
    }
    let ending = TYPES.iter().find(|(known, _)| *known == content_type).map_or("bin", |(_, ending)| ending);
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
            ("conout$", "_conout$"),
            ("a\u{2066}b\u{61c}.pdf", "a_b_.pdf"),
            ("...", "part-2.bin"),
            (" . x . ", "x"),
            ("a/../..", "part-2.bin"),
            ("\u{202e}", "_"),
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
            ("application/pkcs7-mime", "smime.p7m"),
            ("application/pkcs7-signature", "smime.p7s"),
            ("application/pgp-signature", "signature.asc"),
            ("application/ms-tnef", "winmail.dat"),
            ("image/jpeg", "part-1.2.jpg"),
            ("application/octet-stream", "part-1.2.bin"),
        ] {
            assert_eq!(names.safe(None, content_type, "1.2"), expected);
        }
    }
}
