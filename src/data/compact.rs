//! A column's texts and numbers in as few bytes as hold them exactly: tables are larger than anything else that is made of them.

use std::collections::BTreeMap;

/// Rows of which the place in the text is known; that of those between follows from their lengths.
const BLOCK: usize = 16;
/// A length that is written elsewhere.
const LONG: u8 = u8::MAX;

/// The texts of a column, consecutive in one buffer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fields {
    text: String,
    /// Of each row twice the length of its text, and one more if the value is missing; `LONG` if that is too much for a byte.
    codes: Vec<u8>,
    /// Where the text of every sixteenth row starts.
    starts: Vec<u64>,
    /// The lengths of long texts, and whether the value is missing.
    long: BTreeMap<usize, (usize, bool)>,
    missing: usize,
}

impl Fields {
    pub(super) fn push(&mut self, field: Option<&str>) {
        let (row, text) = (self.codes.len(), field.unwrap_or(""));
        if row.is_multiple_of(BLOCK) {
            self.starts.push(self.text.len() as u64);
        }
        self.text.push_str(text);
        self.missing += usize::from(field.is_none());
        self.codes.push(if text.len() < usize::from(LONG) / 2 {
            (text.len() as u8) << 1 | u8::from(field.is_none())
        } else {
            self.long.insert(row, (text.len(), field.is_none()));
            LONG
        });
    }

    /// The length of a row's text, and whether it is missing.
    fn code(&self, row: usize) -> (usize, bool) {
        match self.codes[row] {
            LONG => self.long.get(&row).copied().unwrap_or((0, true)),
            code => (usize::from(code >> 1), code & 1 == 1),
        }
    }

    pub(super) fn get(&self, row: usize) -> Option<&str> {
        let (length, missing) = self.code(row);
        if missing {
            return None;
        }
        let first = row / BLOCK * BLOCK;
        let before: usize = (first..row).map(|row| self.code(row).0).sum();
        let start = self.starts[row / BLOCK] as usize + before;
        Some(&self.text[start..start + length])
    }

    pub(super) fn len(&self) -> usize {
        self.codes.len()
    }

    /// How many are missing.
    pub(super) fn missing(&self) -> usize {
        self.missing
    }

    /// Makes a field missing.
    pub(super) fn lose(&mut self, row: usize) {
        self.missing += usize::from(!self.code(row).1);
        match self.codes[row] {
            LONG => {
                if let Some((_, missing)) = self.long.get_mut(&row) {
                    *missing = true;
                }
            }
            code => self.codes[row] = code | 1,
        }
    }

    /// Gives back what was reserved for more rows.
    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.codes.shrink_to_fit();
        self.starts.shrink_to_fit();
    }
}

/// The lines of rows in a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lines {
    /// Row after row, a line each: the first line, and how many.
    All(u64, usize),
    Each(Vec<u32>),
    Large(Vec<u64>),
}

impl Lines {
    pub(super) fn new() -> Lines {
        Lines::All(0, 0)
    }

    pub(super) fn push(&mut self, line: u64) {
        match self {
            Lines::All(first, count @ 0) => (*first, *count) = (line, 1),
            Lines::All(first, count) if *first + *count as u64 == line => *count += 1,
            Lines::All(first, count) => {
                *self = Lines::of((*first..*first + *count as u64).chain([line]));
            }
            Lines::Each(lines) => match u32::try_from(line) {
                Ok(line) => lines.push(line),
                Err(_) => *self = Lines::Large(lines.iter().map(|&line| line.into()).chain([line]).collect()),
            },
            Lines::Large(lines) => lines.push(line),
        }
    }

    fn of(lines: impl Iterator<Item = u64> + Clone) -> Lines {
        match lines.clone().map(|line| u32::try_from(line).ok()).collect() {
            Some(small) => Lines::Each(small),
            None => Lines::Large(lines.collect()),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Lines::All(_, count) => *count,
            Lines::Each(lines) => lines.len(),
            Lines::Large(lines) => lines.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn at(&self, row: usize) -> Option<u64> {
        match self {
            Lines::All(first, count) => (row < *count).then(|| first + row as u64),
            Lines::Each(lines) => lines.get(row).map(|&line| line.into()),
            Lines::Large(lines) => lines.get(row).copied(),
        }
    }

    /// The lines of some rows, which there are.
    pub(super) fn rows(&self, rows: &[usize]) -> Lines {
        Lines::of(rows.iter().filter_map(|&row| self.at(row)))
    }
}

/// Numbers of a column, NaN where there is none.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Numbers {
    F64(Vec<f64>),
    /// Whole numbers, to be divided by a power of ten: `12.5` is 125 of tenths. The least stands for none.
    I8(Vec<i8>, f64),
    I16(Vec<i16>, f64),
    I32(Vec<i32>, f64),
    /// The rows that have a number, in order, and theirs; the number of all rows.
    Few(Vec<u32>, Vec<f64>, usize),
}

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers::F64(Vec::new())
    }
}

/// Places after the point that are tried.
const MOST_PLACES: i32 = 9;
/// Of a column with one number in so many rows only those are kept.
const FEW: usize = 16;

impl Numbers {
    /// The same numbers, to the bit, in as few bytes as this knows how.
    pub(super) fn of(values: Vec<f64>) -> Numbers {
        let present = || values.iter().copied().filter(|x| !x.is_nan());
        // The places that the numbers have after the point; one number that needs more than is tried decides.
        let mut unit = 1.0;
        let mut most: f64 = 0.0;
        for x in present() {
            while unit < 10f64.powi(MOST_PLACES) && !is_whole(x, unit) {
                unit *= 10.0;
            }
            if !is_whole(x, unit) {
                return Numbers::wide(values);
            }
            most = most.max(x.abs());
        }
        // A number that was whole in fewer places is so in more, but for rounding.
        if !present().all(|x| is_whole(x, unit)) {
            return Numbers::wide(values);
        }
        let whole = |x: f64| if x.is_nan() { f64::NEG_INFINITY } else { (x * unit).round() };
        match most * unit {
            most if most < 127.0 => Numbers::I8(values.iter().map(|&x| whole(x) as i8).collect(), unit),
            most if most < 32_767.0 => Numbers::I16(values.iter().map(|&x| whole(x) as i16).collect(), unit),
            most if most < 2_147_483_647.0 => Numbers::I32(values.iter().map(|&x| whole(x) as i32).collect(), unit),
            _ => Numbers::wide(values),
        }
    }

    fn wide(mut values: Vec<f64>) -> Numbers {
        let rows = values.len();
        let there = values.iter().filter(|x| !x.is_nan()).count();
        if there > rows / FEW || rows > u32::MAX as usize {
            values.shrink_to_fit();
            return Numbers::F64(values);
        }
        let few = || (0..rows).filter(|&row| !values[row].is_nan());
        Numbers::Few(few().map(|row| row as u32).collect(), few().map(|row| values[row]).collect(), rows)
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Numbers::F64(values) => values.len(),
            Numbers::I8(values, _) => values.len(),
            Numbers::I16(values, _) => values.len(),
            Numbers::I32(values, _) => values.len(),
            Numbers::Few(_, _, rows) => *rows,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of a row, which must be there; NaN for none.
    pub(super) fn at(&self, row: usize) -> f64 {
        match self {
            Numbers::F64(values) => values[row],
            Numbers::I8(values, unit) => narrow(values[row], i8::MIN, *unit),
            Numbers::I16(values, unit) => narrow(values[row], i16::MIN, *unit),
            Numbers::I32(values, unit) => narrow(values[row], i32::MIN, *unit),
            Numbers::Few(rows, values, _) => rows.binary_search(&(row as u32)).map_or(f64::NAN, |at| values[at]),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = f64> + Clone + '_ {
        (0..self.len()).map(|row| self.at(row))
    }

    /// The numbers that are there, in the order of the rows.
    pub(super) fn present(&self) -> Vec<f64> {
        self.iter().filter(|x| !x.is_nan()).collect()
    }

    /// The numbers of some rows.
    pub(super) fn rows(&self, rows: &[usize]) -> Numbers {
        match self {
            Numbers::F64(values) => Numbers::F64(rows.iter().map(|&row| values[row]).collect()),
            Numbers::I8(values, unit) => Numbers::I8(rows.iter().map(|&row| values[row]).collect(), *unit),
            Numbers::I16(values, unit) => Numbers::I16(rows.iter().map(|&row| values[row]).collect(), *unit),
            Numbers::I32(values, unit) => Numbers::I32(rows.iter().map(|&row| values[row]).collect(), *unit),
            Numbers::Few(..) => Numbers::wide(rows.iter().map(|&row| self.at(row)).collect()),
        }
    }
}

/// Whether a number is a whole number of these parts, to the bit: no zero with a sign, nothing that is rounded.
fn is_whole(x: f64, unit: f64) -> bool {
    let whole = (x * unit).round();
    // By way of an integer, which has no −0.
    whole.abs() < 2_147_483_647.0 && (f64::from(whole as i32) / unit).to_bits() == x.to_bits()
}

fn narrow<T: PartialEq + Into<f64>>(value: T, none: T, unit: f64) -> f64 {
    if value == none { f64::NAN } else { value.into() / unit }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_went_in() {
        let long = "x".repeat(126);
        let longer = "ä".repeat(200);
        let texts = ["", "a", "größe", &long, &longer, &long[1..], "b"];
        let mut fields = Fields::default();
        let known: Vec<Option<&str>> = (0..200).map(|i| (i % 5 != 3).then_some(texts[i * 7 % texts.len()])).collect();
        known.iter().for_each(|text| fields.push(*text));
        let there = |fields: &Fields| (0..fields.len()).map(|row| fields.get(row).map(str::to_owned)).collect::<Vec<_>>();
        let owned = |known: &[Option<&str>]| known.iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>();
        assert_eq!((there(&fields), fields.missing()), (owned(&known), 40));
        let mut lost = known.clone();
        for row in [0, 2, 3, 18, 20, 21, 199] {
            fields.lose(row);
            lost[row] = None;
        }
        fields.shrink();
        assert_eq!((there(&fields), fields.missing()), (owned(&lost), lost.iter().filter(|text| text.is_none()).count()));
    }

    #[test]
    fn numbers_come_back_to_the_bit() {
        let same = |values: &[f64]| {
            let numbers = Numbers::of(values.to_vec());
            let bits = |all: Vec<f64>| all.into_iter().map(|x| if x.is_nan() { 1 } else { x.to_bits() }).collect::<Vec<_>>();
            assert_eq!(bits(numbers.iter().collect()), bits(values.to_vec()), "{numbers:?}");
            let rows: Vec<usize> = (0..values.len()).rev().step_by(2).collect();
            assert_eq!(bits(numbers.rows(&rows).iter().collect()), bits(rows.iter().map(|&row| values[row]).collect()));
            numbers
        };
        let nan = f64::NAN;
        assert!(matches!(same(&[0.0, 1.0, nan, -126.0]), Numbers::I8(..)));
        assert!(matches!(same(&[0.1, 0.25, nan, -1.26]), Numbers::I8(..)));
        assert!(matches!(same(&[0.1, 0.123, nan, -1.26]), Numbers::I16(..)));
        assert!(matches!(same(&[-1.2345, 0.1, 3.0, 99_999.000_1]), Numbers::I32(..)));
        assert!(matches!(same(&[127.0, 0.5]), Numbers::I16(..)));
        for wide in
            [&[-0.0, 1.0][..], &[1e300], &[1.0 / 3.0], &[2_147_483_647.0], &[0.1 + 0.2], &[f64::MIN_POSITIVE, 1.0], &[1e-10]]
        {
            assert!(matches!(same(wide), Numbers::F64(..)), "{wide:?}");
        }
        let mut few = vec![nan; 100];
        (few[3], few[99]) = (1.0 / 3.0, -0.0);
        assert!(matches!(same(&few), Numbers::Few(..)));
        same(&[]);
        same(&[nan; 40]);
        // Every number of four places, and numbers that are near to them.
        same(&(-20_000..20_000).map(|i| f64::from(i) / 1e4 + 0.0).collect::<Vec<_>>());
        same(&(1..2_000).map(|i| (f64::from(i) / 1e3).next_up()).collect::<Vec<_>>());
    }
}
