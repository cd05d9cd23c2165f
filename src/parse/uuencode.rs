//! Files that stand in a text as uuencode: `begin 644 name`, lines, `end`.

/// A file out of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// More files than these stay in the text.
const FILES_MAX: usize = 1_000;

/// Takes the files out of `text`; `None` where it holds none. A block that does not decode whole stays text.
///
/// Each line is read at most twice: no line of a block looks like one that begins it.
pub(super) fn take_out(text: &str) -> Option<(String, Vec<File>)> {
    if !text.starts_with("begin ") && !text.contains("\nbegin ") {
        return None;
    }
    let (mut left, mut files) = (String::with_capacity(text.len()), Vec::new());
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let block = name(line).filter(|_| files.len() < FILES_MAX).and_then(|name| {
            let mut ahead = lines.clone();
            let bytes = block(&mut ahead)?;
            lines = ahead;
            Some(File { name: name.to_owned(), bytes })
        });
        match block {
            Some(file) => files.push(file),
            None => left.push_str(line),
        }
    }
    (!files.is_empty()).then_some((left, files))
}

/// The name in a line that begins a block.
fn name(line: &str) -> Option<&str> {
    let (mode, name) = line.strip_prefix("begin ")?.trim_start().split_once(' ')?;
    let legal = matches!(mode.len(), 3 | 4) && mode.bytes().all(|b| matches!(b, b'0'..=b'7'));
    Some(name.trim()).filter(|name| legal && !name.is_empty())
}

/// The bytes of a block whose first line was read, up to its end.
fn block<'t>(lines: &mut impl Iterator<Item = &'t str>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let line = lines.next()?.trim_end_matches(['\r', '\n']);
        if line.trim_end() == "end" {
            return Some(bytes);
        }
        decode_line(line.as_bytes(), &mut bytes)?;
    }
}

/// Blanks at the end of a line may be lost, and a check sum of one letter may be added.
fn decode_line(line: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    let Some((&first, letters)) = line.split_first() else { return Some(()) };
    let length = usize::from(six_bits(first)?);
    let needed = length.div_ceil(3) * 4;
    // Of a line that says it holds nothing, what follows is a check sum, or it is no such line.
    let blank = |b: &&u8| matches!(b, b' ' | b'`');
    let follow = if length > 0 { letters.len() } else { letters.iter().filter(|b| !blank(b)).count() };
    if follow > needed + 1 {
        return None;
    }
    let end = bytes.len() + length;
    for at in (0..needed).step_by(4) {
        let mut quad = [0; 4];
        for (slot, at) in quad.iter_mut().zip(at..) {
            *slot = six_bits(letters.get(at).copied().unwrap_or(b' '))?;
        }
        let [a, b, c, d] = quad;
        bytes.extend([(a << 2) | (b >> 4), (b << 4) | (c >> 2), (c << 6) | d]);
    }
    bytes.truncate(end);
    Some(())
}

fn six_bits(b: u8) -> Option<u8> {
    matches!(b, b' '..=b'`').then(|| (b - b' ') & 0x3f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, left: &str, files: &[(&str, &[u8])]) {
        let (found, taken) = take_out(text).unwrap_or_else(|| (text.to_owned(), Vec::new()));
        let taken: Vec<_> = taken.iter().map(|file| (&*file.name, &*file.bytes)).collect();
        assert_eq!((&*found, &*taken), (left, files), "{text:?}");
    }

    #[test]
    fn blocks_are_taken_out_and_the_text_around_them_stays() {
        check("a\nbegin 644 x.txt\n%:&5L;&\\\n`\nend\nb\n", "a\nb\n", &[("x.txt", b"hello")]);
        check("begin 0755 two words\n%:&5L;&\\\n \nend", "", &[("two words", b"hello")]);
        check("begin 644 e\n`\nend\nbegin 644 f\n#86)C\nend\n", "", &[("e", b""), ("f", b"abc")]);
        check("begin 644 x\r\n$86)C9`\r\n`\r\nend\r\n", "", &[("x", b"abcd")]);
        check("begin 644 x\n$86)C9```\n`\nend\n", "", &[("x", b"abcd")]);
    }

    #[test]
    fn what_is_no_whole_block_stays_text() {
        for text in [
            "begin 644 x\n%:&5L;&\\\n`\n",
            "begin 644 x\nno such line\nend\n",
            "begin with a word\nend\n",
            "begin 999 x\n`\nend\n",
            "begin 644 \n`\nend\n",
            " begin 644 x\n`\nend\n",
            "begin 644 x\né\nend\n",
            "begin 644 x\n  indented words\nend\n",
            "begin 644 x\n`` \n `a word\nend\n",
        ] {
            check(text, text, &[]);
        }
        check("begin 644 x\nbegin 644 y\n#86)C\nend\n", "begin 644 x\n", &[("y", b"abc")]);
    }

    #[test]
    fn any_cut_can_be_read_and_many_beginnings_take_little_time() {
        let text = "a\nbegin 644 x.txt\n%:&5L;&\\\n`\nend\nb\n";
        for at in 0..text.len() {
            take_out(&text[..at]);
        }
        take_out(&"begin 644 x\n".repeat(100_000));
        take_out(&format!("begin 644 x\n{}", "#86)C\n".repeat(100_000)));
    }
}
