//! Text from outside (names in a table or a model, paths) as it may be shown: what steers a terminal, or cannot be seen, is written out.

use std::borrow::Cow;
use std::fmt;

/// A text as it may stand in a line: control characters (those that steer a terminal, and line ends), marks that turn the direction of writing
/// and characters that cannot be seen are written out, as `\n` or `\u{1b}`; all else stays. The joiners that some scripts and emoji are
/// written with stay too.
///
/// ```
/// use steepest::escape::escaped;
/// assert_eq!(escaped("größe (m²)"), "größe (m²)");
/// assert_eq!(escaped("a\u{1b}[2Jb\r\n"), "a\\u{1b}[2Jb\\r\\n");
/// assert_eq!(escaped("abc\u{202e}gpj.exe"), "abc\\u{202e}gpj.exe");
/// ```
pub fn escaped(text: &str) -> Cow<'_, str> {
    written_out(text, is_odd)
}

/// A text of several lines as it may be shown: as [`escaped`], but for line ends and tabs, which stay.
///
/// ```
/// use steepest::escape::escaped_lines;
/// assert_eq!(escaped_lines("a\tb\nc\u{9b}d"), "a\tb\nc\\u{9b}d");
/// ```
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    written_out(text, |c| is_odd(c) && !matches!(c, '\n' | '\t'))
}

/// A JSON text with the same characters in the form that JSON has for them: whoever reads it gets the exact text.
///
/// ```
/// use steepest::escape::escaped_json;
/// assert_eq!(escaped_json("{\n  \"a\u{9b}\": 1\n}"), "{\n  \"a\\u009b\": 1\n}");
/// ```
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    // Outside its texts JSON has line ends; in them it has none.
    let is_hidden = |c: char| is_odd(c) && c != '\n';
    if !json.contains(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match is_hidden(c) {
            true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown += &format!("\\u{unit:04x}")),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// What is shown as [`escaped`], wherever it is written.
pub(crate) fn shown(value: impl fmt::Display) -> impl fmt::Display {
    Shown(value, escaped)
}

/// What is shown as [`escaped_lines`], wherever it is written.
pub(crate) fn shown_lines(value: impl fmt::Display) -> impl fmt::Display {
    Shown(value, escaped_lines)
}

struct Shown<T>(T, fn(&str) -> Cow<'_, str>);

impl<T: fmt::Display> fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.1(&self.0.to_string()))
    }
}

fn written_out(text: &str, is_odd: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_odd) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_odd(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

fn is_odd(c: char) -> bool {
    match c {
        // Most text.
        ' '..='~' => false,
        // Soft hyphen; marks, embeddings, overrides and isolates of direction; line and paragraph separators.
        '\u{ad}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' => true,
        // Of no width, but for the joiners; notes between the lines; tags.
        '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => c.is_control(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn whatever_steers_a_terminal_is_written_out() {
        let controls = (0..0x20).chain(0x7f..0xa0).filter_map(char::from_u32);
        let directions = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        for c in controls.chain(directions.chars()).chain("\u{2028}\u{2029}\u{200b}\u{2060}\u{feff}\u{e0041}".chars()) {
            let text = format!("a{c}b");
            assert!(!escaped(&text).contains(c), "{c:?}");
            assert_eq!(escaped_lines(&text).contains(c), matches!(c, '\n' | '\t'), "{c:?}");
            assert!(!shown(&text).to_string().contains(c), "{c:?}");
            let json = serde_json::to_string(&text).unwrap();
            assert!(!escaped_json(&json).contains(c), "{c:?}");
            assert_eq!(serde_json::from_str::<String>(&escaped_json(&json)).unwrap(), text);
        }
    }

    #[test]
    fn words_of_all_scripts_stay() {
        for text in [
            "naïve café",
            "größe",
            "数量",
            "مقدار",
            "می\u{200c}خواهم",
            "כמות",
            "मूल्य",
            "e\u{301}",
            "👩\u{200d}🔬",
            "a\u{a0}b",
            "C:\\new",
        ] {
            assert_eq!(escaped(text), text);
            assert!(matches!(escaped(text), Cow::Borrowed(_)));
            assert_eq!(escaped_json(text), text);
        }
    }
}
