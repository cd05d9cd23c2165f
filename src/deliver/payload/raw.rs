//! `format: raw`: the mail as the server sent it, dot-unstuffed (`message/rfc822`); and such a mail inside other formats.

use std::fmt;
use std::io;

use serde::Serialize;
use serde::Serializer;

use crate::deliver::payload::Head;
use crate::deliver::payload::Source;

pub(super) fn head() -> Head {
    Head::of("message/rfc822".to_owned())
}

pub(super) fn write(source: &Source<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(source.raw)
}

/// Raw bytes as text with LF alone, piece by piece; what is not UTF-8, and NUL, becomes U+FFFD.
#[derive(Debug)]
pub(super) struct Text<'a>(pub(super) &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            let lines = chunk.valid().split("\r\n").enumerate();
            for (at, line) in lines {
                f.write_str(if at == 0 { "" } else { "\n" })?;
                let clean = line.split('\0').enumerate();
                for (at, piece) in clean {
                    f.write_str(if at == 0 { "" } else { "\u{fffd}" })?;
                    f.write_str(piece)?;
                }
            }
            f.write_str(if chunk.invalid().is_empty() { "" } else { "\u{fffd}" })?;
        }
        Ok(())
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_are_text_in_a_string() {
        for (raw, expected) in [
            (&b"a\r\nb\r\n"[..], "a\nb\n"),
            (b"a\rb\n\xffc\0\r\n", "a\rb\n\u{fffd}c\u{fffd}\n"),
            (b"\xe2\x82", "\u{fffd}"),
            (b"", ""),
        ] {
            assert_eq!(Text(raw).to_string(), expected, "{raw:?}");
        }
    }
}
