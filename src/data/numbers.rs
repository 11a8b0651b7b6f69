//! `NumberFormat`: how the numbers of a column are written, and the search for the format that all of a column's fields have.

use std::fmt;

/// How the numbers of a column are written.
///
/// A sign may be `+`, `-`, the typographic minus, or brackets around the number as accountants write a negative one.
///
/// ```
/// use steepest::data::Table;
/// let table = Table::parse("t.csv", b"price,share\n\"$1,234.50\",5%\n$7,12%\n")?;
/// let price = table.column("price")?;
/// assert_eq!((price.number(0), price.number(1)), (Some(1234.5), Some(7.0)));
/// assert_eq!(price.format().map(|f| (f.decimal, f.thousands)), Some(('.', Some(','))));
/// assert_eq!(table.column("share")?.number(0), Some(5.0));
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NumberFormat {
    /// What stands before the fraction: `.` or `,`.
    pub decimal: char,
    /// What stands between groups of three digits, if anything. A space stands for all kinds of spaces, `'` for both apostrophes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thousands: Option<char>,
    /// The currency or the percent sign of the fields, if they have any. 5% is read as 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

impl Default for NumberFormat {
    fn default() -> NumberFormat {
        NumberFormat { decimal: '.', thousands: None, unit: None }
    }
}

/// Signs and letters of currencies; longer ones first, where one begins with another.
const CURRENCIES: [&str; 30] = [
    "US$", "A$", "C$", "R$", "$", "€", "£", "¥", "₹", "₽", "₩", "₺", "₫", "₴", "₦", "₪", "฿", "zł", "kr", "Rs.", "USD", "EUR",
    "GBP", "CHF", "JPY", "CNY", "INR", "CAD", "AUD", "SEK",
];

/// A number as Rust and most programs write it; `None` of infinities, NaN and everything else.
pub(super) fn plain(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|x| x.is_finite())
}

/// Whether a text is a number that is not finite: `inf`, `NAN`, `1e999`.
pub(super) fn not_finite(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|x| !x.is_finite())
}

/// A text without spaces, signs and units around it.
struct Stripped<'t> {
    negative: bool,
    unit: Option<&'static str>,
    rest: &'t str,
}

fn sign(text: &str) -> (Option<bool>, &str) {
    let mut chars = text.chars();
    match chars.next() {
        Some('-' | '\u{2212}' | '\u{2013}') => (Some(true), chars.as_str().trim_start()),
        Some('+') => (Some(false), chars.as_str().trim_start()),
        _ => (None, text),
    }
}

fn strip(text: &str) -> Option<Stripped<'_>> {
    // Nothing that is this long is a number that somebody wrote.
    if text.len() > 60 || !text.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let text = text.trim();
    let bracketed = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    let (mut signed, mut rest) = match bracketed {
        Some(inner) => (Some(true), inner.trim()),
        None => sign(text),
    };
    let mut unit = None;
    for currency in CURRENCIES {
        if let Some(inner) = rest.strip_prefix(currency) {
            (unit, rest) = (Some(currency), inner.trim_start());
            break;
        }
        if let Some(inner) = rest.strip_suffix(currency) {
            (unit, rest) = (Some(currency), inner.trim_end());
            break;
        }
    }
    if unit.is_none()
        && let Some(inner) = rest.strip_suffix('%')
    {
        (unit, rest) = (Some("%"), inner.trim_end());
    }
    if signed.is_none() {
        (signed, rest) = sign(rest);
    }
    Some(Stripped { negative: signed == Some(true), unit, rest })
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}')
}

fn separates(c: char, thousands: char) -> bool {
    match thousands {
        ' ' => is_space(c),
        '\'' => matches!(c, '\'' | '\u{2019}'),
        other => c == other,
    }
}

/// The digits before the decimal sign, without what separates them: all groups but the first of three digits, or of two before the
/// last one, as in India.
fn whole(text: &str, thousands: Option<char>, into: &mut String) -> bool {
    let Some(thousands) = thousands.filter(|&t| text.chars().any(|c| separates(c, t))) else {
        into.push_str(text);
        return text.bytes().all(|b| b.is_ascii_digit());
    };
    let groups: Vec<&str> = text.split(|c| separates(c, thousands)).collect();
    let (first, last, middle) = (groups[0], groups[groups.len() - 1], &groups[1..groups.len() - 1]);
    let sizes = |size: usize| middle.iter().all(|group| group.len() == size);
    let fits = last.len() == 3
        && ((1..=3).contains(&first.len()) && sizes(3) || (1..=2).contains(&first.len()) && sizes(2) && thousands == ',');
    // `0,125` is no number of thousands.
    let leads = !(first.starts_with('0'));
    groups.iter().for_each(|group| into.push_str(group));
    fits && leads && into.bytes().all(|b| b.is_ascii_digit())
}

impl NumberFormat {
    /// The number of a text that is written so; `None` if it is not, or not finite.
    pub fn parse(&self, text: &str) -> Option<f64> {
        let usual = self.decimal == '.' && self.unit.as_deref() != Some("%");
        if let Some(x) = Some(text).filter(|_| usual).and_then(plain) {
            return Some(x);
        }
        let Stripped { negative, unit, rest } = strip(text)?;
        // A currency may be left out here and there; without its sign a share could be anything. Nothing is nothing, though.
        let fits = match (self.unit.as_deref(), unit) {
            (Some("%"), None) => rest == "0",
            (_, None) => true,
            (Some(own), Some(unit)) => own == unit,
            (None, Some(_)) => false,
        };
        if !fits {
            return None;
        }
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], &rest[at..]),
            None => (rest, ""),
        };
        let (before, after) = mantissa.split_once(self.decimal).unwrap_or((mantissa, ""));
        let mut digits = String::with_capacity(rest.len() + 2);
        if negative {
            digits.push('-');
        }
        let mut front = String::with_capacity(before.len());
        if !whole(before, self.thousands, &mut front) || !after.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        if front.is_empty() && after.is_empty() {
            return None;
        }
        digits += &front;
        digits.push('.');
        digits += after;
        digits += exponent;
        plain(&digits)
    }

    /// What is special about it, in words: ` with …`, or nothing.
    pub(super) fn words(&self) -> String {
        let mut parts = vec![];
        if let Some(thousands) = self.thousands {
            let name = if thousands == ' ' { "a space".to_owned() } else { format!("`{thousands}`") };
            parts.push(format!("{name} between thousands"));
        }
        if self.decimal == ',' {
            parts.push("a decimal comma".to_owned());
        }
        if let Some(unit) = &self.unit {
            parts.push(format!("`{unit}`"));
        }
        if parts.is_empty() { String::new() } else { format!(" with {}", parts.join(", ")) }
    }

    /// In words, with an example: what a field is read as.
    pub(super) fn described(&self, example: &str) -> String {
        let value = self.parse(example).map_or_else(String::new, |x| x.to_string());
        format!("numbers{}: `{example}` is read as {value}", self.words())
    }
}

impl fmt::Display for NumberFormat {
    /// `with a decimal comma`; `plainly` where there is nothing special.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words();
        f.pad(if words.is_empty() { "plainly" } else { words.trim_start() })
    }
}

/// What the user said about numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) decimal: Option<char>,
    pub(super) thousands: Option<char>,
}

impl Said {
    /// The ways of writing that may be found, the most usual first.
    fn candidates(self) -> impl Iterator<Item = (char, Option<char>)> {
        const ALL: [(char, Option<char>); 8] = [
            ('.', None),
            ('.', Some(',')),
            (',', None),
            (',', Some('.')),
            ('.', Some(' ')),
            (',', Some(' ')),
            ('.', Some('\'')),
            (',', Some('\'')),
        ];
        ALL.into_iter().filter(move |&(decimal, thousands)| {
            let groups = |own: char| own != decimal && thousands.is_none_or(|found| found == own);
            self.decimal.is_none_or(|own| own == decimal) && self.thousands.is_none_or(groups)
        })
    }
}

/// What is found of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) format: NumberFormat,
    /// How many fields fit.
    pub(super) fit: usize,
    /// Whether every comma could as well mean the other thing.
    pub(super) open: bool,
}

/// The format that most of the texts have; `None` if none has any of them. `sample` gives texts for a first look.
pub(super) fn find<'t, I: Iterator<Item = &'t str>>(texts: impl Fn() -> I, said: Said) -> Option<Found> {
    let unit = texts().take(1000).filter_map(strip).find_map(|stripped| stripped.unit).map(str::to_owned);
    let mut best: Option<Found> = None;
    for (decimal, thousands) in said.candidates() {
        let format = NumberFormat { decimal, thousands, unit: unit.clone() };
        if !texts().take(1000).any(|text| format.parse(text).is_some()) {
            continue;
        }
        let fit = texts().filter(|text| format.parse(text).is_some()).count();
        if best.as_ref().is_none_or(|best| fit > best.fit) {
            best = Some(Found { format, fit, open: false });
        }
    }
    let best = best?;
    if said != Said::default() || best.format.decimal == ',' && best.format.thousands.is_some() {
        return Some(best);
    }
    let comma = |thousands| NumberFormat {
        decimal: if thousands { '.' } else { ',' },
        thousands: thousands.then_some(','),
        unit: unit.clone(),
    };
    let (thousands, decimal) = (comma(true), comma(false));
    let is_comma = best.format == thousands || best.format == decimal;
    if !is_comma {
        return Some(best);
    }
    let count = |format: &NumberFormat| texts().filter(|text| format.parse(text).is_some()).count();
    let open = count(&thousands) == count(&decimal) && !bare_only_below_a_thousand(texts());
    Some(Found { open, ..best })
}

/// Whether there are numbers without a comma, and all are below a thousand: then the comma comes where a thousand is full. (Of fractions
/// that end in zeros the zeros would be left out, and some would have one or two digits.)
fn bare_only_below_a_thousand<'t>(texts: impl Iterator<Item = &'t str>) -> bool {
    let mut some = false;
    for text in texts.filter_map(|text| strip(text).map(|stripped| stripped.rest)) {
        if !text.contains(',') {
            some = true;
            if text.len() > 3 {
                return false;
            }
        }
    }
    some
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_write_a_number() {
        let format = |decimal, thousands: Option<char>, unit: Option<&str>| NumberFormat {
            decimal,
            thousands,
            unit: unit.map(str::to_owned),
        };
        let us = format('.', Some(','), None);
        for (text, value) in [
            ("1,234", Some(1234.0)),
            ("1,234,567.5", Some(1_234_567.5)),
            ("12,34,567", Some(1_234_567.0)),
            ("(1,234.50)", Some(-1234.5)),
            ("\u{2212}1,234", Some(-1234.0)),
            ("+7", Some(7.0)),
            ("1234", Some(1234.0)),
            ("1,2", None),
            ("0,125", None),
            ("1,2345", None),
            ("1234,567", None),
            (",123", None),
            ("$5", None),
            ("5%", None),
            ("1.5e3", Some(1500.0)),
            ("", None),
            ("-", None),
            ("()", None),
            ("e5", None),
            ("1e999", None),
            ("inf", None),
        ] {
            assert_eq!(us.parse(text), value, "{text}");
        }
        let german = format(',', Some('.'), Some("€"));
        assert_eq!(german.parse("1.234,5 €"), Some(1234.5));
        assert_eq!(german.parse("€ -3"), Some(-3.0));
        assert_eq!((german.parse("3.5"), german.parse("$3")), (None, None));
        let share = format('.', None, Some("%"));
        assert_eq!(
            (share.parse("5 %"), share.parse("-0.5%"), share.parse("0"), share.parse("5")),
            (Some(5.0), Some(-0.5), Some(0.0), None)
        );
        let swiss = format('.', Some('\''), None);
        assert_eq!((swiss.parse("1'234.5"), swiss.parse("1\u{2019}234")), (Some(1234.5), Some(1234.0)));
        let french = format(',', Some(' '), None);
        assert_eq!(
            (french.parse("1\u{202f}234,5"), french.parse("1\u{a0}234"), french.parse("12 34")),
            (Some(1234.5), Some(1234.0), None)
        );
    }
}
