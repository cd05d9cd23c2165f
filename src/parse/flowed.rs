//! `format=flowed` (RFC 3676): lines that a mail program broke for show are joined again.

/// Joins the flowed lines of `text`, whose line ends are LF. With `del_sp`, the blank at a break is not part of the text.
pub(super) fn joined(text: &str, del_sp: bool) -> String {
    let mut out = String::with_capacity(text.len());
    // The depth of the paragraph that goes on.
    let mut open: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let unquoted = line.trim_start_matches('>');
        let depth = line.len() - unquoted.len();
        let content = unquoted.strip_prefix(' ').unwrap_or(unquoted);
        let signature = content == "-- ";
        let flows = content.ends_with(' ') && !signature;
        if open.is_some_and(|of| of != depth || signature) {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            open = None;
        }
        if open.is_none() {
            out.extend(std::iter::repeat_n('>', depth));
            out.push_str(if depth > 0 && !content.is_empty() { " " } else { "" });
        }
        let kept = if flows && del_sp { content.strip_suffix(' ').unwrap_or(content) } else { content };
        out.push_str(kept);
        if flows {
            open = Some(depth);
        } else {
            out.push_str(end);
            open = None;
        }
    }
    if open.is_some() {
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_as_they_were_written() {
        for (text, del_sp, expected) in [
            ("one \ntwo\nthree\n", false, "one two\nthree\n"),
            ("Zei \nchen\n", true, "Zeichen\n"),
            (" From me\n  two\n", false, "From me\n two\n"),
            ("> a \n> b\n>> c \n> d\n", false, "> a b\n>> c\n> d\n"),
            (">a \n> b\n", false, "> a b\n"),
            ("a \n\nb\n", false, "a \nb\n"),
            ("hello \n-- \nAnn\n", false, "hello\n-- \nAnn\n"),
            ("> x\n>\n> y\n", false, "> x\n>\n> y\n"),
            ("ends \n", false, "ends\n"),
            ("", false, ""),
        ] {
            assert_eq!(joined(text, del_sp), expected, "{text:?}");
        }
    }
}
