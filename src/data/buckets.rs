//! `Buckets`: the few lengths to which sequences of many lengths are padded.

use super::config;
use crate::error::{Error, NoRoom, Result};
use crate::memory;

/// The lengths to which sequences are padded, so that those of many lengths make batches of few shapes: each shape needs a plan of its own
/// ([`Device::plan_cache`](crate::Device::plan_cache)). More buckets pad less and need more plans.
///
/// ```
/// use steepest::data::Buckets;
/// let buckets = Buckets::new([8, 16, 32])?;
/// assert_eq!((buckets.length_for(3)?, buckets.length_for(8)?, buckets.length_for(9)?), (8, 8, 16));
/// assert!(buckets.length_for(33).is_err());
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// Ascending, each once, none of them 0.
    lengths: Vec<usize>,
}

/// Lengths that are told apart where buckets are fitted.
const MOST_FITTED: usize = 400;

impl Buckets {
    /// Buckets of these lengths, in any order.
    ///
    /// # Errors
    /// [`Error::Config`]: no length at all, or one of 0.
    pub fn new(lengths: impl IntoIterator<Item = usize>) -> Result<Buckets> {
        let mut lengths: Vec<usize> = lengths.into_iter().collect();
        lengths.sort_unstable();
        lengths.dedup();
        match lengths.first() {
            None => Err(config("buckets", "found no length, expected at least one")),
            Some(0) => Err(config("buckets", "found a length of 0, expected at least 1")),
            Some(_) => Ok(Buckets { lengths }),
        }
    }

    /// Multiples of a length, up to the first that holds `longest` steps.
    ///
    /// ```
    /// use steepest::data::Buckets;
    /// assert_eq!(Buckets::multiples_of(8, 30)?.lengths(), [8, 16, 24, 32]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`]: a length of 0; [`Error::NoRoom`]: more buckets than this program has memory for.
    pub fn multiples_of(length: usize, longest: usize) -> Result<Buckets> {
        if length == 0 {
            return Err(config("buckets", "found multiples of 0, expected at least 1"));
        }
        let count = longest.div_ceil(length).max(1);
        let multiples = (0..count).map(|i| length.saturating_mul(i + 1));
        let lengths = memory::collected(format_args!("{count} buckets"), multiples).map_err(Error::NoRoom)?;
        Buckets::new(lengths)
    }

    /// At most `count` buckets, so chosen that sequences of these lengths are padded by the fewest steps in all.
    ///
    /// ```
    /// use steepest::data::Buckets;
    /// assert_eq!(Buckets::fitted(&[3, 3, 4, 20, 21, 21], 2)?.lengths(), [4, 21]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`]: no sequence of any length, or no bucket.
    pub fn fitted(lengths: &[usize], count: usize) -> Result<Buckets> {
        if count == 0 {
            return Err(config("buckets", "found 0, expected at least 1"));
        }
        let different = different(lengths).map_err(Error::NoRoom)?;
        if different.is_empty() {
            return Err(config("buckets", "all sequences are empty: there is no length to choose"));
        }
        Ok(Buckets { lengths: fewest_steps(&different, count.min(different.len())) })
    }

    /// The lengths, ascending.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The length to which a sequence of `length` steps is padded: the least of the buckets' that holds it.
    ///
    /// # Errors
    /// [`Error::Config`]: it is longer than every bucket.
    pub fn length_for(&self, length: usize) -> Result<usize> {
        self.place_for(length).map(|place| self.lengths[place])
    }

    /// As [`Buckets::length_for`], which of the lengths it is.
    pub(super) fn place_for(&self, length: usize) -> Result<usize> {
        let place = self.lengths.partition_point(|&bucket| bucket < length);
        if place < self.lengths.len() {
            return Ok(place);
        }
        let longest = self.lengths.last().copied().unwrap_or(0);
        Err(config("buckets", format!("a sequence has {length} steps, the longest bucket {longest}")))
    }
}

/// Ascending lengths, each with how many sequences have it; of a great many, neighbours are counted as the longest of them.
fn different(lengths: &[usize]) -> Result<Vec<(usize, usize)>, NoRoom> {
    let mut sorted = memory::collected("lengths of sequences", lengths.iter().copied())?;
    sorted.retain(|&length| length > 0);
    sorted.sort_unstable();
    let mut counted: Vec<(usize, usize)> = sorted.chunk_by(|a, b| a == b).map(|same| (same[0], same.len())).collect();
    let together = counted.len().div_ceil(MOST_FITTED);
    if together > 1 {
        let merged = |group: &[(usize, usize)]| (group[group.len() - 1].0, group.iter().map(|(_, count)| count).sum());
        counted = counted.rchunks(together).rev().map(merged).collect();
    }
    Ok(counted)
}

/// The `count` lengths to which all can be padded with the fewest steps in all: the best ends of the first buckets are known when the next one's is
/// looked for.
fn fewest_steps(different: &[(usize, usize)], count: usize) -> Vec<usize> {
    let n = different.len();
    // Sequences among the first i lengths.
    let mut before = vec![0u64; n + 1];
    for (i, &(_, sequences)) in different.iter().enumerate() {
        before[i + 1] = before[i] + sequences as u64;
    }
    let steps = |from: usize, to: usize| u128::from(before[to] - before[from]) * different[to - 1].0 as u128;
    // The steps of the first i lengths in so many buckets, and where the last of these begins.
    let mut best: Vec<u128> = (0..=n).map(|to| if to == 0 { 0 } else { steps(0, to) }).collect();
    let mut begins = vec![vec![0; n + 1]];
    for _ in 1..count {
        let choices: Vec<(u128, usize)> =
            (0..=n).map(|to| (0..to).map(|from| (best[from] + steps(from, to), from)).min().unwrap_or((0, 0))).collect();
        best = choices.iter().map(|choice| choice.0).collect();
        begins.push(choices.iter().map(|choice| choice.1).collect());
    }
    let (mut lengths, mut end) = (vec![], n);
    for begin in begins.iter().rev() {
        if end == 0 {
            break;
        }
        lengths.push(different[end - 1].0);
        end = begin[end];
    }
    lengths.reverse();
    lengths
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn padded(lengths: &[usize], buckets: &Buckets) -> usize {
        lengths.iter().map(|&length| buckets.length_for(length).unwrap()).sum()
    }

    #[test]
    fn no_other_buckets_pad_less() {
        let lengths = [1, 1, 2, 5, 5, 5, 6, 9, 9, 14, 15, 15];
        let all = [1, 2, 5, 6, 9, 14];
        for count in 1..9 {
            let fitted = Buckets::fitted(&lengths, count).unwrap();
            assert!(fitted.lengths().len() <= count);
            // Every choice of the others, by the bits of a number.
            let least = (0u32..1 << all.len())
                .filter(|bits| bits.count_ones() < count as u32)
                .map(|bits| (0..all.len()).filter(move |i| bits >> i & 1 == 1).map(|i| all[i]).chain([15]))
                .map(|chosen| padded(&lengths, &Buckets::new(chosen).unwrap()))
                .min();
            assert_eq!(Some(padded(&lengths, &fitted)), least, "{count} buckets: {fitted:?}");
        }
        // All different lengths at the most, and no padding then.
        assert_eq!(padded(&lengths, &Buckets::fitted(&lengths, 100).unwrap()), lengths.iter().sum::<usize>());
    }

    #[test]
    fn a_great_many_lengths_are_fitted_too() {
        let lengths: Vec<usize> = (0..5000).collect();
        let fitted = Buckets::fitted(&lengths, 4).unwrap();
        assert_eq!((fitted.lengths().len(), fitted.lengths()[3]), (4, 4999));
        let even: usize = 1250 * (1250 + 2500 + 3750 + 5000);
        assert!(padded(&lengths[1..], &fitted) <= even + even / 500, "{fitted:?}");
    }

    #[test]
    fn what_makes_no_bucket_is_refused() {
        assert!(Buckets::new([]).is_err() && Buckets::new([3, 0]).is_err());
        assert!(Buckets::fitted(&[], 3).is_err() && Buckets::fitted(&[0, 0], 3).is_err() && Buckets::fitted(&[1], 0).is_err());
        assert!(Buckets::multiples_of(0, 5).is_err() && Buckets::multiples_of(1, usize::MAX).is_err());
        assert_eq!(Buckets::multiples_of(5, 0).unwrap().lengths(), [5]);
        assert_eq!(Buckets::new([4, 2, 4]).unwrap().lengths(), [2, 4]);
        let error = Buckets::new([4]).unwrap().length_for(5).unwrap_err().to_string();
        assert!(error.contains("5 steps") && error.contains('4'), "{error}");
    }
}
