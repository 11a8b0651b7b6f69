//! When two texts are the same class, and how a table spells it: `1.0` and `1`, `Yes` and `yes`.

use super::table::{Column, Kind, Table, class_order};
use crate::error::Result;
use std::borrow::Cow;
use std::collections::HashMap;

/// From here on not every whole number is one of f64: they are told apart by their digits.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The text that stands for a number: its shortest form, so that 3 and 3.0 are the same, and 0 and -0.
pub(super) fn number_key(value: f64, text: &str) -> Cow<'_, str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if value.abs() >= EXACT && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned((value + 0.0).to_string())
}

/// The form in which texts of one meaning are equal: of a number its shortest, of yes and no small letters.
fn normal(text: &str) -> Cow<'_, str> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => number_key(value, text),
        _ if super::infer::yes_no(text).is_some() => Cow::Owned(text.to_lowercase()),
        _ => Cow::Borrowed(text),
    }
}

/// The place of each text of a list. `3.0` finds `3`, and `TRUE` finds `true`, if they do not stand there themselves: programs that write
/// tables differ in this.
pub(super) struct Places<'t> {
    at: HashMap<&'t str, usize>,
    normal: HashMap<Cow<'t, str>, usize>,
}

impl<'t> Places<'t> {
    pub(super) fn new(texts: &'t [String]) -> Places<'t> {
        let at = texts.iter().enumerate().map(|(i, text)| (text.as_str(), i)).collect();
        let mut forms = HashMap::with_capacity(texts.len());
        for (i, text) in texts.iter().enumerate() {
            forms.entry(normal(text)).or_insert(i);
        }
        Places { at, normal: forms }
    }

    pub(super) fn find(&self, text: &str) -> Option<usize> {
        self.at.get(text).or_else(|| self.normal.get(&normal(text))).copied()
    }
}

/// The texts in which each class of a column is written, with the number of rows: the most frequent first, of equals the first in the table.
fn spellings(column: &Column) -> HashMap<String, Vec<(String, usize)>> {
    let mut texts: HashMap<&str, (usize, usize)> = HashMap::new();
    for (row, text) in (0..column.len()).filter_map(|row| Some((row, column.text(row)?))) {
        texts.entry(text).or_insert((row, 0)).1 += 1;
    }
    let mut texts: Vec<(&str, usize, usize)> = texts.into_iter().map(|(text, (row, count))| (text, row, count)).collect();
    texts.sort_by_key(|&(_, row, count)| (std::cmp::Reverse(count), row));
    let mut found: HashMap<String, Vec<(String, usize)>> = HashMap::new();
    for (text, row, count) in texts {
        if let Some(key) = column.key(row) {
            found.entry(key.into_owned()).or_default().push((text.to_owned(), count));
        }
    }
    found
}

/// How the table spells the classes of these keys: as in most rows. A number with marks between its digits is called by its shortest form.
pub(super) fn spelled(column: &Column, keys: &[String]) -> Vec<String> {
    let mut found = spellings(column);
    let plain = |text: &str| column.kind() != Kind::Number || text.parse::<f64>().is_ok();
    let first =
        |key: &String| found.remove(key).and_then(|texts| texts.into_iter().map(|(text, _)| text).find(|text| plain(text)));
    keys.iter().map(first).zip(keys).map(|(text, key)| text.unwrap_or_else(|| key.clone())).collect()
}

impl Table {
    /// The texts in which each class of a column is written, and how many rows have each: classes in the order of
    /// [`Table::classes`], of each the most frequent text first, by which it is called.
    ///
    /// ```
    /// use steepest::data::Table;
    /// let table = Table::parse("t.csv", b"x,sold\n1,Yes\n2,No\n3,yes\n4,Yes\n")?;
    /// let yes = [("Yes".to_owned(), 2), ("yes".to_owned(), 1)];
    /// assert_eq!(table.spellings("sold")?[1], yes);
    /// assert_eq!(table.classes("sold")?.1, ["No", "Yes"]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Table`](crate::Error::Table): no such column.
    pub fn spellings(&self, name: &str) -> Result<Vec<Vec<(String, usize)>>> {
        let column = self.column(name)?;
        let mut found = spellings(column);
        Ok(class_order(column).iter().map(|key| found.remove(key).unwrap_or_default()).collect())
    }
}
