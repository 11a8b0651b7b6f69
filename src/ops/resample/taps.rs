//! Sparse matrices along an axis: of each row the entries that are not zero.

use std::fmt;

/// A sparse matrix: row k is a list of entries, each a column and a weight.
#[derive(Clone, PartialEq)]
pub struct Taps {
    /// Columns.
    sources: usize,
    /// Where the entries of each row begin, and where the last end.
    starts: Vec<u32>,
    /// The columns of the entries.
    columns: Vec<u32>,
    /// Their weights.
    weights: Vec<f64>,
}

/// Its sizes: the entries would fill pages.
impl fmt::Debug for Taps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Taps({} → {}, {} entries)", self.sources, self.rows(), self.entries())
    }
}

impl Taps {
    /// A matrix of so many columns from its rows, each a list of columns and weights. Weights of 0 are left out: what they would multiply may
    /// be infinite.
    pub fn new<R: IntoIterator<Item = (usize, f64)>>(sources: usize, rows: impl IntoIterator<Item = R>) -> Taps {
        let mut taps = Taps { sources, starts: vec![0], columns: vec![], weights: vec![] };
        for row in rows {
            for (column, weight) in row.into_iter().filter(|(_, weight)| *weight != 0.0) {
                taps.columns.push(column as u32);
                taps.weights.push(weight);
            }
            taps.starts.push(taps.columns.len() as u32);
        }
        taps
    }

    /// The number of columns: the size of the axis it is applied along.
    pub fn sources(&self) -> usize {
        self.sources
    }

    /// The number of rows: the size of the axis afterwards.
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// The number of entries.
    pub fn entries(&self) -> usize {
        self.columns.len()
    }

    /// The entries of a row, in order.
    pub fn row(&self, k: usize) -> impl Iterator<Item = (usize, f64)> {
        let span = self.starts[k] as usize..self.starts[k + 1] as usize;
        self.columns[span.clone()].iter().zip(&self.weights[span]).map(|(&column, &weight)| (column as usize, weight))
    }

    /// The most entries that a row has.
    pub fn longest(&self) -> usize {
        self.starts.windows(2).map(|ends| (ends[1] - ends[0]) as usize).max().unwrap_or(0)
    }

    /// The transposed matrix, the entries of a row in the order of their columns.
    pub fn transposed(&self) -> Taps {
        let mut starts = vec![0; self.sources + 1];
        self.columns.iter().for_each(|&column| starts[column as usize + 1] += 1);
        (0..self.sources).for_each(|column| starts[column + 1] += starts[column]);
        let (mut columns, mut weights) = (vec![0; self.entries()], vec![0.0; self.entries()]);
        let mut next = starts.clone();
        for k in 0..self.rows() {
            for (column, weight) in self.row(k) {
                let at = next[column] as usize;
                (columns[at], weights[at]) = (k as u32, weight);
                next[column] += 1;
            }
        }
        Taps { sources: self.rows(), starts, columns, weights }
    }

    /// As a device reads it: the starts, then of each entry its column and the bits of its weight as f32.
    pub fn table(&self) -> Vec<u32> {
        let entries = self.columns.iter().zip(&self.weights).flat_map(|(&column, &weight)| [column, (weight as f32).to_bits()]);
        self.starts.iter().copied().chain(entries).collect()
    }

    /// The words of the table.
    pub fn words(&self) -> usize {
        self.starts.len() + 2 * self.entries()
    }

    /// With weights rounded to f32; `None` if they are already.
    pub fn rounded(&self) -> Option<Taps> {
        let weights: Vec<f64> = self.weights.iter().map(|&weight| f64::from(weight as f32)).collect();
        (weights != self.weights).then(|| Taps { weights, ..self.clone() })
    }

    /// Whether each row is a copy of what it takes, or empty.
    pub fn copies(&self) -> bool {
        self.longest() <= 1 && self.weights.iter().all(|&weight| weight == 1.0)
    }

    /// Whether it changes nothing.
    pub fn is_identity(&self) -> bool {
        self.copies() && self.rows() == self.sources && self.columns.iter().copied().eq(0..self.sources as u32)
    }

    /// Whether a weight is negative.
    pub fn has_negative(&self) -> bool {
        self.weights.iter().any(|&weight| weight < 0.0)
    }

    /// The largest sum of sizes of weights of a row.
    pub fn gain(&self) -> f64 {
        (0..self.rows()).map(|k| self.row(k).map(|(_, weight)| weight.abs()).sum()).fold(0.0, f64::max)
    }
}
