//! The names of charsets, as mail writes them.

use encoding_rs::BIG5;
use encoding_rs::EUC_JP;
use encoding_rs::EUC_KR;
use encoding_rs::Encoding;
use encoding_rs::GB18030;
use encoding_rs::ISO_2022_JP;
use encoding_rs::SHIFT_JIS;
use encoding_rs::UTF_16LE;
use encoding_rs::WINDOWS_874;
use encoding_rs::WINDOWS_1252;
use mail_parser::decoders::charsets::map::charset_decoder;

use super::shifted::Shifts;

/// Longer names are none.
const LABEL_MAX: usize = 64;

/// How a charset is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Charset {
    /// The name says nothing: ASCII, or that the sender does not know.
    Undeclared,
    /// UTF-8.
    Utf8,
    /// UTF-7 (RFC 2152).
    Utf7,
    /// One that shifts between ASCII and two-byte letters, all in seven bits.
    Shifted(Shifts),
    /// One of the Encoding Standard.
    Of(&'static Encoding),
    /// One of single bytes that the Encoding Standard does not have.
    Plain(fn(&[u8]) -> String),
}

/// The charset called `label`; `None` if nobody knows it.
pub(super) fn charset(label: &str) -> Option<Charset> {
    let label = label.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>'));
    let label = label.split([';', ',']).next().unwrap_or_default().trim_end_matches(['"', '\'', ' ']);
    if label.len() > LABEL_MAX {
        return None;
    }
    let label = label.to_ascii_lowercase();
    if let Some(charset) = known(&label) {
        return Some(charset);
    }
    let label = label.strip_prefix("charset=").unwrap_or(&label);
    let tried = [label, &label.replace('_', "-"), label.strip_prefix("x-").unwrap_or(label)];
    let standard = tried.iter().find_map(|label| Encoding::for_label_no_replacement(label.as_bytes()));
    standard.map(Charset::Of).or_else(|| other(label))
}

/// What the Encoding Standard does not know, or reads otherwise than mail means it.
fn known(label: &str) -> Option<Charset> {
    Some(match label.replace('_', "-").as_str() {
        "" | "us-ascii" | "ascii" | "usascii" | "us" | "iso646-us" | "iso-646" | "cp367" | "7bit" | "8bit"
        | "binary" | "x-unknown" | "unknown" | "unknown-8bit" | "x-user-defined" | "default" | "none" | "iso-ir-6"
        | "646" => Charset::Undeclared,
        label if label.starts_with("ansi-x3.4") || label.starts_with("ansi-x3.110") => Charset::Undeclared,
        "utf-8" | "utf8" | "utf-8mb4" | "utf8mb4" | "utf-8mb3" | "utf8mb3" | "utf" | "utf-8-mac" | "cp65001" => {
            Charset::Utf8
        }
        "utf-7" | "utf7" | "unicode-1-1-utf-7" | "unicode-2-0-utf-7" | "x-unicode-2-0-utf-7" | "csutf7" | "cp65000" => {
            Charset::Utf7
        }
        "hz-gb-2312" | "hz" => Charset::Shifted(Shifts::Hz),
        "iso-2022-kr" | "csiso2022kr" => Charset::Shifted(Shifts::Iso2022Kr),
        "utf-16" | "utf16" | "ucs-2" | "csucs2" => Charset::Of(UTF_16LE),
        "iso-2022-jp-ms" | "iso-2022-jp-1" | "iso-2022-jp-2" | "iso-2022-jp-3" | "iso-2022-jp-2004" | "cp50220"
        | "cp50221" | "cp50222" | "jis" => Charset::Of(ISO_2022_JP),
        "cp932" | "windows-932" | "ms932" | "shift-jisx0213" | "shift-jis-2004" => Charset::Of(SHIFT_JIS),
        "cp51932" | "eucjp" | "eucjp-ms" | "ujis" => Charset::Of(EUC_JP),
        "cp936" | "ms936" | "windows-936" | "euc-cn" | "euccn" | "gb" | "cp54936" | "gb-18030" | "gb18030-2022" => {
            Charset::Of(GB18030)
        }
        "cp949" | "uhc" | "ms949" | "euckr" | "ks-c-5601" | "ks-x-1001" | "cp51949" => Charset::Of(EUC_KR),
        "cp950" | "ms950" | "windows-950" | "big-5" | "big5-eten" | "big5-hkscs-2004" | "big5hk" => Charset::Of(BIG5),
        "cp874" | "windows-874-2000" | "tis620" => Charset::Of(WINDOWS_874),
        "latin-1" | "iso-latin-1" | "8859-1" | "iso8859" | "iso-8859" | "cp28591" | "ansi" | "iso-88591" => {
            Charset::Of(WINDOWS_1252)
        }
        _ => return None,
    })
}

/// Names of a family and a number (`win-1251`, `cp-1251`, `8859-2`), and what `mail-parser` reads beside the standard.
fn other(label: &str) -> Option<Charset> {
    let number = label.trim_start_matches(|c: char| !c.is_ascii_digit());
    let family = label.get(..label.len() - number.len()).unwrap_or_default().trim_end_matches(['-', '_']);
    let standard = match family {
        "win" | "windows" | "cp" | "ms" | "ansi" | "x-cp" | "x-windows" | "ibm" => format!("windows-{number}"),
        "" | "iso" | "iso-8859" => format!("iso-{number}"),
        "koi8" | "koi-8" => "koi8-r".to_owned(),
        _ => String::new(),
    };
    let standard = Encoding::for_label_no_replacement(standard.as_bytes()).map(Charset::Of);
    standard.or_else(|| {
        matches!(label, "ibm850" | "cp850" | "850" | "cspc850multilingual")
            .then_some(())
            .and_then(|()| charset_decoder(label.as_bytes()))
            .map(Charset::Plain)
    })
}

#[cfg(test)]
mod tests {
    use super::super::decode;

    fn check(labels: &[&str], bytes: &[u8], expected: &str) {
        for label in labels {
            let decoded = decode(bytes.into(), Some(label));
            assert_eq!((&*decoded.text, decoded.defect), (expected, None), "{label}");
        }
    }

    #[test]
    fn a_charset_has_many_names() {
        check(&["windows-1252", "CP1252", "cp-1252", "x-cp1252", "win-1252"], b"caf\xe9 \x93x\x94", "café “x”");
        check(&["ISO_8859-1", "latin1", "iso8859-1", "ISO-8859-1;format=flowed", "8859-1", "l1"], b"caf\xe9", "café");
        check(&["iso-8859-2", "latin2", "ISO_8859-2:1987"], b"\xb1\xe6", "ąć");
        check(&["iso-8859-8", "iso-8859-8-i", "ISO-8859-8-E", "hebrew"], b"\xf9\xec\xe5\xed", "שלום");
        check(&["windows-1255", "cp1255"], b"\xf9\xec\xe5\xed", "שלום");
        check(&["windows-1256", "cp1256"], b"\xe3\xd1\xcd\xc8\xc7", "مرحبا");
        check(&["windows-1258", "cp1258"], b"\xd0\xfe", "Đ₫");
        check(&["windows-1251", "cp1251", "win-1251", "Windows1251"], b"\xcf\xf0\xe8", "При");
        check(&["KOI8-R", "koi8_r", "koi8"], b"\xf0\xd2\xc9", "При");
        check(&["koi8-u", "koi8-ru"], b"\xa4\xa6", "єі");
        check(&["gb2312", "GBK", "x-gbk", "gb18030", "cp936", "gb_2312-80", "euc-cn"], b"\xc4\xe3\xba\xc3", "你好");
        check(&["gb18030", "gb2312"], b"\x81\x30\x89\x38", "ß");
        check(&["big5", "big5-hkscs", "cn-big5", "cp950"], b"\xa7\x41\xa6\x6e", "你好");
        check(&["ks_c_5601-1987", "euc-kr", "cp949", "ksc5601"], b"\xbe\xc8\xb3\xe7", "안녕");
        check(&["shift_jis", "sjis", "cp932", "windows-31j", "x-sjis"], b"\x83\x6e\x83\x8d\x81\x5b", "ハロー");
        check(&["euc-jp", "x-euc-jp", "eucJP"], b"\xa5\xcf\xa5\xed", "ハロ");
        check(&["iso-2022-jp", "iso-2022-jp-ms", "ISO-2022-JP-2", "cp50221"], b"\x1b$B%O%m!<\x1b(B!", "ハロー!");
        check(&["iso-2022-jp"], b"\x1b$B-!\x1b(B", "①");
        check(&["utf-7", "unicode-1-1-utf-7", "UNICODE-1-1-UTF-7"], b"+ZYeB9FH6ckh5Pg-", "文致出版社");
        check(&["utf8", "utf-8mb4", "'utf-8'", "\"UTF-8\"", "cp65001", "utf_8", " utf-8 "], "né".as_bytes(), "né");
        check(&["ansi_x3.4-1968", "us-ascii", "x-unknown", "", "ASCII"], b"plain", "plain");
        check(&["tis-620", "windows-874", "iso-8859-11"], b"\xca\xc7\xd1", "สวั");
        check(&["macintosh", "x-mac-roman"], b"caf\x8e", "café");
        check(&["cp850", "ibm850"], b"caf\x82", "café");
        check(&["cp866", "ibm866"], b"\x8f\xe0\xa8", "При");
        check(&["koi8-r"], b"", "");
    }
}
