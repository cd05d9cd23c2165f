//! The text that a reader of an HTML mail sees, one line per block.
//!
//! No renderer: tags are dropped in one pass, blocks become lines, cells are kept apart, entities are decoded and
//! white space is squeezed. What is not shown (style, script, head, comments) is left out.
//!
//! The crate for this, `html2text`, builds the page as a tree and lays it out. Its time grows with the square of the
//! depth: 50 KB of nested `div` take it a second, 39 KB of nested quotes 17 seconds and 18 MB of text, and deeper ones
//! did not end within a minute. A limit on depth would need a parser before the parser; here the time is linear, and nothing nests.

use mail_parser::decoders::html::html_to_text;
use memchr::memchr;
use memchr::memchr2;
use memchr::memmem;

/// Elements whose content is not shown.
const HIDDEN: [&[u8]; 5] = [b"script", b"style", b"title", b"template", b"noscript"];

/// Elements that stand on lines of their own.
const BLOCKS: [&[u8]; 27] = [
    b"address",
    b"article",
    b"blockquote",
    b"body",
    b"br",
    b"center",
    b"dd",
    b"div",
    b"dl",
    b"dt",
    b"fieldset",
    b"footer",
    b"form",
    b"h5",
    b"h6",
    b"header",
    b"hr",
    b"li",
    b"main",
    b"nav",
    b"ol",
    b"section",
    b"table",
    b"tr",
    b"ul",
    b"tbody",
    b"caption",
];

/// Elements with a blank line around them.
const PARAGRAPHS: [&[u8]; 6] = [b"p", b"h1", b"h2", b"h3", b"h4", b"pre"];

/// The longest entity with its `&` and `;` that is looked for.
const ENTITY_MAX: usize = 40;

/// Makes readable text of `html`.
pub(super) fn from_html(html: &str) -> String {
    let mut page = Page { text: String::with_capacity(html.len() / 4), space: false, lines: 0 };
    let mut rest = html;
    while let Some(at) = memchr2(b'<', b'&', rest.as_bytes()) {
        let (before, marked) = rest.split_at_checked(at).unwrap_or((rest, ""));
        page.push_text(before);
        rest = match marked.as_bytes().first() {
            Some(b'&') => page.entity(marked),
            _ => page.tag(marked),
        };
    }
    page.push_text(rest);
    page.text
}

/// The text so far, and the white space that waits for a word to follow.
struct Page {
    text: String,
    space: bool,
    lines: usize,
}

impl Page {
    fn push_text(&mut self, text: &str) {
        for (blanks, word) in text.split(is_blank).enumerate() {
            self.space |= blanks > 0;
            if !word.is_empty() {
                self.push_word(word);
            }
        }
    }

    fn push_word(&mut self, word: &str) {
        if !self.text.is_empty() {
            for _ in 0..self.lines {
                self.text.push('\n');
            }
            if self.space && self.lines == 0 {
                self.text.push(' ');
            }
        }
        (self.space, self.lines) = (false, 0);
        self.text.push_str(word);
    }

    /// Takes the entity at the head of `html`; a `&` that begins none stands for itself.
    fn entity<'h>(&mut self, html: &'h str) -> &'h str {
        let bytes = html.as_bytes();
        let end = bytes.iter().take(ENTITY_MAX).position(|b| *b == b';').map(|at| at + 1);
        let name = end.and_then(|end| html.get(..end)).filter(|name| {
            name.bytes().skip(1).all(|b| b.is_ascii_alphanumeric() || matches!(b, b'#' | b';')) && name.len() > 2
        });
        let Some(name) = name else {
            self.push_word("&");
            return html.get(1..).unwrap_or_default();
        };
        match name {
            "&nbsp;" | "&#160;" | "&#xa0;" | "&#xA0;" => self.space = true,
            "&lt;" => self.push_word("<"),
            "&gt;" => self.push_word(">"),
            "&amp;" => self.push_word("&"),
            "&shy;" | "&zwnj;" | "&zwj;" | "&#8203;" | "&#847;" => {}
            _ => self.push_text(&html_to_text(name).replace('\0', "\u{fffd}")),
        }
        html.get(name.len()..).unwrap_or_default()
    }

    /// Takes the tag or comment at the head of `html`; a `<` that begins none stands for itself.
    fn tag<'h>(&mut self, html: &'h str) -> &'h str {
        if let Some(comment) = html.strip_prefix("<!--") {
            return after(comment, "-->");
        }
        let inner = html.get(1..).unwrap_or_default();
        let closing = inner.starts_with('/');
        let named = inner.trim_start_matches(['/', '!', '?']);
        let length = named.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let name = named.get(..length).unwrap_or_default().to_ascii_lowercase();
        if name.is_empty() && !inner.starts_with(['/', '!', '?']) {
            self.push_word("<");
            return inner;
        }
        let rest = after_tag(named);
        let name = name.as_bytes();
        if HIDDEN.contains(&name) && !closing {
            return after_element(rest, name);
        }
        if name == b"td" || name == b"th" || name == b"img" {
            self.space = true;
        } else if name == b"br" {
            self.lines += 1;
        } else if BLOCKS.contains(&name) {
            self.lines = self.lines.max(1);
        } else if PARAGRAPHS.contains(&name) {
            self.lines = self.lines.max(2);
        }
        self.lines = self.lines.min(3);
        rest
    }
}

/// Blanks that a browser squeezes, and the hard one that mails use for layout.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{a0}')
}

/// What follows `mark`; nothing, if it never comes.
fn after<'h>(html: &'h str, mark: &str) -> &'h str {
    memmem::find(html.as_bytes(), mark.as_bytes()).and_then(|at| html.get(at + mark.len()..)).unwrap_or_default()
}

/// What follows the end of a tag; a `>` inside quotes does not end it.
fn after_tag(html: &str) -> &str {
    let mut rest = html;
    while let Some(at) = rest.bytes().position(|b| matches!(b, b'>' | b'"' | b'\'')) {
        let mark = rest.as_bytes().get(at).copied().unwrap_or(b'>');
        let tail = rest.get(at + 1..).unwrap_or_default();
        if mark == b'>' {
            return tail;
        }
        // A quote that is never closed is none.
        rest = memchr(mark, tail.as_bytes()).and_then(|at| tail.get(at + 1..)).unwrap_or(tail);
    }
    ""
}

/// What follows the closing tag of the element called `name`.
fn after_element<'h>(html: &'h str, name: &[u8]) -> &'h str {
    let mut rest = html;
    while let Some(at) = memmem::find(rest.as_bytes(), b"</") {
        rest = rest.get(at + 2..).unwrap_or_default();
        if rest.as_bytes().get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name)) {
            return after_tag(rest);
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(html: &str, expected: &str) {
        assert_eq!(from_html(html), expected, "{html:?}");
    }

    #[test]
    fn blocks_become_lines_and_cells_stay_apart() {
        for (html, expected) in [
            ("<p>One</p><p>two</p>", "One\n\ntwo"),
            ("<div>a<div>b</div></div>c", "a\nb\nc"),
            ("a<br>b<br/><br/>c", "a\nb\n\nc"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
            ("<ul>\n <li>x</li>\n <li>y</li>\n</ul>", "x\ny"),
            ("a <b>bold</b>er  and\n<i>so</i> on", "a bolder and so on"),
        ] {
            check(html, expected);
        }
    }

    #[test]
    fn what_is_not_shown_is_left_out() {
        for (html, expected) in [
            ("<html><head><title>t</title><style>p{}</style></head><body>x</body></html>", "x"),
            ("a<script>if (1</2) x()</SCRIPT>b<!-- c > -->d", "abd"),
            ("<a href=\"x>y\" title='>'>link</a>", "link"),
            ("<img alt=x src=y>", ""),
            ("<!DOCTYPE html><?xml?>x", "x"),
        ] {
            check(html, expected);
        }
    }

    #[test]
    fn entities_and_stray_marks() {
        for (html, expected) in [
            ("a&nbsp;&nbsp;b &amp; c &lt;d&gt;", "a b & c <d>"),
            ("caf&eacute; &#233;&#xe9; &euro;", "café éé €"),
            ("AT&T & x&bogus; 1 < 2", "AT&T & x&bogus; 1 < 2"),
            ("&#0;&", "\u{fffd}&"),
            ("<", "<"),
            ("a <b", "a"),
        ] {
            check(html, expected);
        }
    }

    #[test]
    fn hostile_html_takes_little_time() {
        for hostile in
            ["<", "&", "<a \"", "<!--", "</", "<script>", "&#", "<a '>", "<div>", "<table><tr><td>x", "<blockquote>"]
        {
            from_html(&hostile.repeat(300_000));
        }
    }
}
