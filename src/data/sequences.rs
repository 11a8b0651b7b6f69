//! `Sequences` of different lengths, and `SequenceLoader`: batches of them, padded to a few lengths, with masks.

use super::{Buckets, config, permutation};
use crate::error::{Error, NoRoom, Result};
use crate::memory;
use crate::{Device, Tensor};
use std::sync::atomic::{AtomicU64, Ordering};

/// Sequences of different lengths, each a list of steps, each step of the same number of values.
///
/// ```
/// use steepest::data::Sequences;
/// let mut reviews = Sequences::new(2); // days since the last review, and the grade
/// reviews.push(&[0.0, 3.0, 1.0, 4.0, 6.0, 3.0])?;
/// reviews.push(&[0.0, 1.0])?;
/// assert_eq!((reviews.len(), reviews.length(0), reviews.get(1)), (2, Some(3), Some(&[0.0, 1.0][..])));
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sequences {
    width: usize,
    values: Vec<f32>,
    /// Where each sequence ends.
    ends: Vec<usize>,
}

impl Sequences {
    /// None yet, of steps of `width` values.
    pub fn new(width: usize) -> Sequences {
        Sequences { width, values: vec![], ends: vec![] }
    }

    /// Adds a sequence, step after step.
    ///
    /// # Errors
    /// [`Error::Config`]: it is not a whole number of steps; [`Error::NoRoom`]: it does not fit in this program's memory.
    pub fn push(&mut self, steps: &[f32]) -> Result<()> {
        if self.width == 0 || !steps.len().is_multiple_of(self.width) {
            let (i, width) = (self.len(), self.width);
            return Err(config("sequences", format!("sequence {i} has {} values, expected a multiple of {width}", steps.len())));
        }
        if self.values.try_reserve(steps.len()).is_err() || self.ends.try_reserve(1).is_err() {
            let bytes = 4 * (self.values.len() as u64).saturating_add(steps.len() as u64);
            return Err(Error::NoRoom(NoRoom { what: "sequences".to_owned(), bytes, most: memory::most() }));
        }
        self.values.extend_from_slice(steps);
        self.ends.push(self.values.len());
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Values of a step.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The steps of a sequence, one after the other.
    pub fn get(&self, index: usize) -> Option<&[f32]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.values[start..end])
    }

    /// How many steps a sequence has.
    pub fn length(&self, index: usize) -> Option<usize> {
        self.get(index).map(|steps| steps.len() / self.width.max(1))
    }

    /// How many steps each sequence has: what [`Buckets::fitted`] takes.
    pub fn lengths(&self) -> Vec<usize> {
        (0..self.len()).filter_map(|i| self.length(i)).collect()
    }

    /// Some sequences as `[rows, length, width]`, 0 after their ends; of `None` all is 0.
    fn padded(&self, rows: &[Option<usize>], length: usize) -> Result<Vec<f32>> {
        let row = length.saturating_mul(self.width);
        let what = format_args!("{} sequences of {length} steps", rows.len());
        let mut padded = memory::filled(what, rows.len().saturating_mul(row), 0.0).map_err(Error::NoRoom)?;
        for (to, &index) in padded.chunks_exact_mut(row.max(1)).zip(rows) {
            let steps = index.and_then(|index| self.get(index)).unwrap_or_default();
            to[..steps.len()].copy_from_slice(steps);
        }
        Ok(padded)
    }
}

/// Hands out sequences batch by batch, each batch of one bucket: the sequences of a batch are padded to the same length, and the last batch of a
/// bucket is filled up with empty sequences. So all batches have as many shapes as there are buckets, and a training makes as many plans, whatever
/// the lengths are. What is padding is 0 in the [`mask`](SequenceBatch::mask): a loss has to leave it out.
///
/// ```
/// use steepest::{Device, data::{Buckets, SequenceLoader, Sequences}};
/// let mut x = Sequences::new(1);
/// for length in 1..=20 {
///     x.push(&vec![1.0; length])?;
/// }
/// let device = Device::cpu();
/// let loader = SequenceLoader::new(&x, 4, &Buckets::new([8, 16, 32])?).shuffle(1).on(&device)?;
/// let mut steps = 0.0;
/// for batch in loader.epoch() {
///     let batch = batch?;
///     assert_eq!(batch.x.shape().dims(), [4, batch.length, 1]);
///     steps += (batch.x.squeeze(&[2]) * &batch.mask).sum(&[]).item()?;
/// }
/// assert_eq!((steps, device.plan_cache().plans), (210.0, 3));
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct SequenceLoader {
    sequences: Sequences,
    targets: Option<Sequences>,
    batch_size: usize,
    shuffle: Option<u64>,
    device: Device,
    /// The buckets' lengths that any sequence is padded to.
    lengths: Vec<usize>,
    /// Of each sequence, which of them.
    bucket_of: Vec<u32>,
    batches: usize,
    next: AtomicU64,
}

/// A loader's settings, made by [`SequenceLoader::new`]; [`SequenceOptions::on`] makes the loader.
#[derive(Clone, Debug)]
#[must_use = "settings load nothing; end with on"]
pub struct SequenceOptions<'s> {
    sequences: &'s Sequences,
    targets: Option<&'s Sequences>,
    buckets: &'s Buckets,
    batch_size: usize,
    shuffle: Option<u64>,
}

/// Some sequences as tensors of one length.
#[derive(Clone, Debug)]
pub struct SequenceBatch {
    /// The steps, `[batch, length, width]`: 0 after the end of a sequence.
    pub x: Tensor,
    /// The targets of the steps, padded as they are, where the loader was given [targets](SequenceOptions::targets).
    pub y: Option<Tensor>,
    /// `[batch, length]`: 1 where there is a step, 0 after the end of a sequence.
    pub mask: Tensor,
    /// The length of each sequence, what [`Recurrent::run_lengths`](crate::nn::Recurrent::run_lengths) takes: 0 for those that fill the batch up.
    pub lengths: Vec<usize>,
    /// Which sequences these are, in order; there are fewer than `lengths` where the batch was filled up.
    pub rows: Vec<u32>,
    /// The length that all are padded to.
    pub length: usize,
    /// How many steps there are that are not padding: what a sum over the mask is divided by.
    pub steps: usize,
    /// The batch's number in its epoch, from 0.
    pub index: usize,
}

impl SequenceLoader {
    /// Settings for batches of `batch_size` sequences: not shuffled, those of the shortest bucket first.
    #[expect(clippy::new_ret_no_self, reason = "a loader needs a device, which comes last because only then all can be checked")]
    pub fn new<'s>(sequences: &'s Sequences, batch_size: usize, buckets: &'s Buckets) -> SequenceOptions<'s> {
        SequenceOptions { sequences, targets: None, buckets, batch_size, shuffle: None }
    }

    /// The number of batches in an epoch.
    pub fn len(&self) -> usize {
        self.batches
    }

    /// Whether an epoch has no batches: never, such loaders are not made.
    pub fn is_empty(&self) -> bool {
        self.batches == 0
    }

    /// The device the batches are for.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The next epoch: 0 at first, then 1 and so on, each in an order of its own if they are shuffled. A batch that there is no memory for is an error.
    pub fn epoch(&self) -> impl ExactSizeIterator<Item = Result<SequenceBatch>> {
        self.epoch_at(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Epoch `number`, whose order depends on nothing but it and the seed; [`SequenceLoader::epoch`] goes on after it.
    pub fn epoch_at(&self, number: u64) -> impl ExactSizeIterator<Item = Result<SequenceBatch>> {
        self.next.store(number.wrapping_add(1), Ordering::Relaxed);
        let order = |n: usize, which: u64| match self.shuffle {
            Some(seed) => permutation(n, seed, number.wrapping_mul(2).wrapping_add(which)),
            None => (0..n as u32).collect(),
        };
        let mut buckets = vec![vec![]; self.lengths.len()];
        for row in order(self.sequences.len(), 0) {
            buckets[self.bucket_of[row as usize] as usize].push(row);
        }
        let mut batches = Vec::with_capacity(self.batches);
        for (rows, &length) in buckets.iter().zip(&self.lengths) {
            batches.extend(rows.chunks(self.batch_size).map(|rows| (rows.to_vec(), length)));
        }
        // A model would forget short sequences over the long ones of an epoch's end.
        let order = order(batches.len(), 1);
        let take = move |(index, at): (usize, u32)| {
            let (rows, length) = std::mem::take(&mut batches[at as usize]);
            self.batch(index, rows, length)
        };
        order.into_iter().enumerate().map(take)
    }

    fn batch(&self, index: usize, rows: Vec<u32>, length: usize) -> Result<SequenceBatch> {
        let n = self.batch_size;
        let mut all = memory::filled("a batch of sequences", n, None).map_err(Error::NoRoom)?;
        all.iter_mut().zip(&rows).for_each(|(to, &row)| *to = Some(row as usize));
        let lengths: Vec<usize> = all.iter().map(|row| row.and_then(|row| self.sequences.length(row)).unwrap_or(0)).collect();
        let tensor = |of: &Sequences| of.padded(&all, length).map(|padded| self.device.tensor(&padded, [n, length, of.width]));
        let mut mask = memory::filled("a mask", n.saturating_mul(length), 0.0f32).map_err(Error::NoRoom)?;
        mask.chunks_exact_mut(length).zip(&lengths).for_each(|(mask, &steps)| mask[..steps].fill(1.0));
        Ok(SequenceBatch {
            x: tensor(&self.sequences)?,
            y: self.targets.as_ref().map(tensor).transpose()?,
            mask: self.device.tensor(&mask, [n, length]),
            steps: lengths.iter().sum(),
            lengths,
            rows,
            length,
            index,
        })
    }
}

impl<'s> SequenceOptions<'s> {
    /// With a target for each step: as many sequences of the same lengths, of any width. A target for a whole sequence needs none: it is found by
    /// [`SequenceBatch::rows`].
    pub fn targets(mut self, targets: &'s Sequences) -> Self {
        self.targets = Some(targets);
        self
    }

    /// Every epoch in an order of its own, which depends on the seed and the epoch's number only: which sequences of a bucket are in a batch, and the
    /// order of all batches.
    pub fn shuffle(mut self, seed: u64) -> Self {
        self.shuffle = Some(seed);
        self
    }

    /// A loader that keeps the sequences in this program's memory and copies each batch to the device.
    ///
    /// # Errors
    /// [`Error::Config`]: a batch size of zero, no sequence that has a step, one longer than every bucket, or targets whose lengths are others.
    pub fn on(self, device: &Device) -> Result<SequenceLoader> {
        let SequenceOptions { sequences, targets, buckets, batch_size, shuffle } = self;
        if batch_size == 0 {
            return Err(config("batch size", "found 0, expected at least 1"));
        }
        let lengths = sequences.lengths();
        if let Some(targets) = targets {
            let others = targets.lengths();
            if let Some(i) = (0..lengths.len().max(others.len())).find(|&i| lengths.get(i) != others.get(i)) {
                let of = |lengths: &[usize]| lengths.get(i).map_or("is not there".to_owned(), |n| format!("has {n} steps"));
                let message = format!("sequence {i} {}, its target {}", of(&lengths), of(&others));
                return Err(config("sequences", message));
            }
        }
        if lengths.iter().all(|&length| length == 0) {
            return Err(config("sequences", "there is none that has a step"));
        }
        let places = lengths.iter().map(|&length| buckets.place_for(length)).collect::<Result<Vec<_>>>()?;
        let mut used: Vec<usize> = places.clone();
        used.sort_unstable();
        used.dedup();
        let bucket_of: Vec<u32> = places.iter().map(|place| used.partition_point(|used| used < place) as u32).collect();
        let mut counts = vec![0usize; used.len()];
        bucket_of.iter().for_each(|&bucket| counts[bucket as usize] += 1);
        Ok(SequenceLoader {
            sequences: sequences.clone(),
            targets: targets.cloned(),
            batch_size,
            shuffle,
            device: device.clone(),
            lengths: used.iter().map(|&place| buckets.lengths()[place]).collect(),
            bucket_of,
            batches: counts.iter().map(|count| count.div_ceil(batch_size)).sum(),
            next: AtomicU64::new(0),
        })
    }
}
