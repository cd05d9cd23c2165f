//! Printing to standard output, for people on a terminal and for programs behind a pipe.

use std::io;
use std::io::IsTerminal as _;
use std::io::Write as _;

use comfy_table::Attribute;
use comfy_table::Cell;
use comfy_table::ContentArrangement;
use comfy_table::Table;
use serde::Serialize;

/// Whether a person reads standard output.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Prints one line and sends it off at once.
///
/// # Errors
/// When standard output is gone.
pub(super) fn line(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Prints bytes as they are.
///
/// # Errors
/// When standard output is gone.
pub(super) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Prints one JSON object on a line of its own.
///
/// # Errors
/// When standard output is gone.
pub(super) fn json(value: &impl Serialize) -> io::Result<()> {
    line(&serde_json::to_vec(value)?)
}

/// An empty table with these columns, as wide as the terminal allows.
pub(super) fn table<const COLUMNS: usize>(columns: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.map(|column| Cell::new(column).add_attribute(Attribute::Bold)));
    table
}

/// Prints a line for people beside output that is for programs.
///
/// # Errors
/// When standard error is gone.
pub(super) fn note(text: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{text}")
}

/// `text` on one line of at most `limit` characters, without what could steer a terminal.
pub(super) fn excerpt(text: &str, limit: usize) -> String {
    let mut words = text.split_whitespace().flat_map(|word| [" ", word]).skip(1).flat_map(str::chars);
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut line: String = words.by_ref().take(limit).map(shown).collect();
    if words.next().is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_short_harmless_line() {
        for (text, expected) in [
            ("a\r\n b\tc", "a b c"),
            ("", ""),
            ("1234567", "1234567"),
            ("12345678", "1234567…"),
            ("\x1b[2J", "\u{fffd}[2J"),
        ] {
            assert_eq!(excerpt(text, 7), expected, "{text:?}");
        }
    }
}
