//! The embedded table: 1,797 handwritten digits of 8×8 pixels.

use super::{Dataset, Labels};
use crate::error::{Error, Result};
use flate2::read::GzDecoder;
use std::io::Read;

const PATH: &str = "examples/data/digits.csv.gz";
const PACKED: &[u8] = include_bytes!("../../examples/data/digits.csv.gz");
const CLASSES: usize = 10;
/// Pixels are counts of 0 to 16.
const MOST: f32 = 16.0;

/// 1,797 handwritten digits: rows `[64]` (8×8 pixels, 0..1), 10 classes. Part of this crate: nothing is downloaded or opened.
///
/// From the UCI "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak 1998; CC BY 4.0), as shipped in scikit-learn.
///
/// ```
/// let digits = steepest::data::digits()?;
/// assert_eq!(digits.to_string(), "1797 rows of [64], 10 classes");
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`], if the crate was built with a damaged table.
pub fn digits() -> Result<Dataset> {
    let mut text = String::new();
    GzDecoder::new(PACKED).read_to_string(&mut text).map_err(|e| Error::file(PATH, format!("damaged: {e}")))?;
    let Table { mut names, numbers } = numbers(PATH, &text)?;
    names.pop();
    let width = names.len();
    let (mut features, mut classes) = (Vec::new(), Vec::new());
    for row in numbers.chunks_exact(width + 1) {
        features.extend(row[..width].iter().map(|x| x / MOST));
        classes.push(row[width] as u32);
    }
    Dataset::new(features, &[width], Labels::Classes(classes, CLASSES))?.with_feature_names(names)
}

/// A table of numbers, row-major, and the names of its columns.
#[derive(Debug)]
struct Table {
    names: Vec<String>,
    numbers: Vec<f32>,
}

/// Reads a header and rows of finite numbers. Knows no quotes and no missing values: it serves the table above only.
fn numbers(path: &str, text: &str) -> Result<Table> {
    let fail = |line: usize, column: &str, message: String| Error::file(path, format!("line {line}{column}: {message}"));
    let mut lines = text.lines().enumerate().map(|(i, line)| (i + 1, line));
    let Some((_, header)) = lines.next().filter(|(_, header)| !header.is_empty()) else {
        return Err(fail(1, "", "found nothing, expected the names of the columns".to_owned()));
    };
    let names: Vec<String> = header.split(',').map(str::to_owned).collect();
    let mut numbers = Vec::new();
    for (line, row) in lines {
        let before = numbers.len();
        for (name, field) in names.iter().zip(row.split(',')) {
            match field.parse::<f32>() {
                Ok(x) if x.is_finite() => numbers.push(x),
                _ => return Err(fail(line, &format!(", column {name}"), format!("found `{field}`, expected a finite number"))),
            }
        }
        let found = row.split(',').count();
        if found != names.len() || numbers.len() - before != names.len() {
            return Err(fail(line, "", format!("found {found} columns, expected {}", names.len())));
        }
    }
    Ok(Table { names, numbers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_numbers() {
        let table = numbers("t.csv", "a,b\n1,2.5\n-3,4e1\n").expect("valid");
        assert_eq!((table.names, table.numbers), (vec!["a".to_owned(), "b".to_owned()], vec![1.0, 2.5, -3.0, 40.0]));
        for (text, expected) in [
            ("", "t.csv: line 1: found nothing, expected the names of the columns"),
            ("a,b\n1,2\n1,x\n", "t.csv: line 3, column b: found `x`, expected a finite number"),
            ("a,b\n,2\n", "t.csv: line 2, column a: found ``, expected a finite number"),
            ("a,b\n1,inf\n", "t.csv: line 2, column b: found `inf`, expected a finite number"),
            ("a,b\n1,1e999\n", "t.csv: line 2, column b: found `1e999`, expected a finite number"),
            ("a,b\n1\n", "t.csv: line 2: found 1 columns, expected 2"),
            ("a,b\n1,2,3\n", "t.csv: line 2: found 3 columns, expected 2"),
        ] {
            assert_eq!(numbers("t.csv", text).expect_err(text).to_string(), expected);
        }
    }
}
