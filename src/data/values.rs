//! One value of a table as a number, written as in training, or why it is none.

use super::dates::DateParts;
use super::numbers::NumberFormat;
use super::table::{Column, Kind, Table};
use crate::error::Result;

impl Table {
    /// The number of a row, whatever kind the column has here, written as in training; `None` where it is missing.
    pub(super) fn number(&self, column: &Column, row: usize, format: &NumberFormat) -> Result<Option<f64>> {
        let same = column.kind() == Kind::Number && column.format == *format;
        let value = match (same, column.text(row)) {
            (_, None) => return Ok(None),
            (true, _) => column.number(row),
            (false, Some(text)) => format.parse(text),
        };
        match value.filter(|x: &f64| x.is_finite()) {
            Some(value) => Ok(Some(value)),
            None => {
                let found = format!("`{}`", super::csv::shortened(column.text(row).unwrap_or("")));
                let written = format.words();
                let expected = format!("a finite number, as in training{written}");
                let advice = "correct it, or name it as missing";
                Err(self.error(self.line(row), Some(column.name()), found, expected, advice))
            }
        }
    }

    /// The days of a row's date.
    pub(super) fn date(&self, column: &Column, row: usize, parts: &DateParts) -> Result<Option<f64>> {
        let Some(text) = column.text(row) else { return Ok(None) };
        let same = column.kind() == Kind::Date && column.order == Some(parts.order);
        let days = if same { column.number(row) } else { parts.order.parse(text) };
        days.map(Some).ok_or_else(|| {
            let found = format!("`{}`", super::csv::shortened(text));
            let advice = "correct it, or name it as missing";
            self.error(self.line(row), Some(column.name()), found, parts.order.expected(), advice)
        })
    }

    /// 1 of yes and 1, 0 of no and 0.
    pub(super) fn flag(&self, column: &Column, row: usize, text: &str) -> Result<f32> {
        let number = || text.parse::<f32>().ok().filter(|&x| x == 0.0 || x == 1.0);
        super::infer::yes_no(text).map(|yes| f32::from(u8::from(yes))).or_else(number).ok_or_else(|| {
            let found = format!("`{}`", super::csv::shortened(text));
            let advice = "correct it, or name it as missing";
            self.error(self.line(row), Some(column.name()), found, "yes or no, or 1 or 0", advice)
        })
    }

    /// A number as f32, which must be able to hold it.
    pub(super) fn narrow(&self, column: &Column, row: usize, value: f64) -> Result<f32> {
        let narrow = value as f32;
        if narrow.is_finite() {
            return Ok(narrow);
        }
        let found = format!("{value:e} after scaling");
        let advice = "scale the column, use another unit, or name such values as missing";
        Err(self.error(self.line(row), Some(column.name()), found, "a number that fits into f32", advice))
    }
}
