//! `DataLoader`: a data set cut into batches, shuffled anew each epoch, on the device or copied to it batch by batch.

use super::dataset::{Elements, More, gather, of_elements};
use super::{Dataset, Labels, config, permutation};
use crate::error::Result;
use crate::{Device, Tensor};
use std::sync::atomic::{AtomicU64, Ordering};

/// Hands out a data set batch by batch, epoch by epoch.
///
/// ```
/// use steepest::{Device, data::{DataLoader, digits}};
/// let loader = DataLoader::new(&digits()?, 100).shuffle(7).on_device(&Device::cpu())?;
/// assert_eq!(loader.len(), 18);
/// for batch in loader.epoch() {
///     // Record a step with batch.x and batch.y.
///     assert_eq!(batch.len, if batch.index < 17 { 100 } else { 97 });
/// }
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct DataLoader {
    rows: usize,
    batch_size: usize,
    shuffle: Option<u64>,
    drop_last: bool,
    device: Device,
    source: Source,
    /// The epoch that [`DataLoader::epoch`] starts next.
    next: AtomicU64,
}

#[derive(Debug)]
enum Source {
    /// The whole set, x `[rows, row_shape…]` and y, on the device, with the other inputs and targets.
    Device { x: Tensor, y: Tensor, inputs: Vec<Tensor>, targets: Vec<Tensor> },
    /// The set in this program's memory.
    Host(Dataset),
}

/// A loader's settings, made by [`DataLoader::new`]; [`LoaderOptions::on_device`] or [`LoaderOptions::from_host`] makes the loader.
#[derive(Clone, Debug)]
#[must_use = "settings load nothing; end with on_device or from_host"]
pub struct LoaderOptions<'d> {
    dataset: &'d Dataset,
    batch_size: usize,
    shuffle: Option<u64>,
    drop_last: bool,
    f16: bool,
}

/// Some rows of a data set as tensors.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The features: `[len, row_shape…]`, f32 unless the data set says otherwise.
    pub x: Tensor,
    /// The labels: classes as u32 `[len]`, values as f32 `[len, width]`, classes of places as u32 `[len, shape…]`.
    pub y: Tensor,
    /// The inputs after the features, where the data set has more: each `[len, row_shape…]`.
    pub more_inputs: Vec<Tensor>,
    /// The targets after the labels, where the data set has more: each `[len, row_shape…]`.
    pub more_targets: Vec<Tensor>,
    /// The batch's number in its epoch, from 0.
    pub index: usize,
    /// The data set's rows in it, in order.
    pub rows: Vec<u32>,
    /// The number of rows: the batch size, or less in the last batch of an epoch.
    pub len: usize,
}

impl Batch {
    /// All inputs, the features first: what [`Module::forward_all`](crate::nn::Module::forward_all) takes.
    pub fn inputs(&self) -> Vec<Tensor> {
        std::iter::once(&self.x).chain(&self.more_inputs).cloned().collect()
    }

    /// All targets, the labels first.
    pub fn targets(&self) -> Vec<Tensor> {
        std::iter::once(&self.y).chain(&self.more_targets).cloned().collect()
    }
}

impl DataLoader {
    /// Settings for batches of `batch_size` rows: not shuffled, the last batch as short as it comes.
    #[expect(clippy::new_ret_no_self, reason = "a loader needs a device, which comes last because only then all can be checked")]
    pub fn new(dataset: &Dataset, batch_size: usize) -> LoaderOptions<'_> {
        LoaderOptions { dataset, batch_size, shuffle: None, drop_last: false, f16: false }
    }

    /// Settings for full batches: all rows at once, one batch an epoch, as in plain gradient descent.
    pub fn full_batch(dataset: &Dataset) -> LoaderOptions<'_> {
        DataLoader::new(dataset, dataset.len().max(1))
    }

    /// Settings for stochastic gradient descent in the strict sense: one row at a time, in an order of its own each epoch.
    pub fn stochastic(dataset: &Dataset, seed: u64) -> LoaderOptions<'_> {
        DataLoader::new(dataset, 1).shuffle(seed)
    }

    /// The number of batches in an epoch.
    pub fn len(&self) -> usize {
        if self.drop_last { self.rows / self.batch_size } else { self.rows.div_ceil(self.batch_size) }
    }

    /// Whether an epoch has no batches: never, such loaders are not made.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The device the batches are for.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether the set lives on the device.
    pub fn is_resident(&self) -> bool {
        matches!(self.source, Source::Device { .. })
    }

    /// The next epoch: 0 at first, then 1 and so on, each in an order of its own.
    pub fn epoch(&self) -> Epoch<'_> {
        self.ordered(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Epoch `number`, whose order depends on nothing but it and the seed; [`DataLoader::epoch`] goes on after it.
    ///
    /// `epoch_at(n).skip(k)` is what was left of epoch n after k batches, and makes none of those it skips.
    pub fn epoch_at(&self, number: u64) -> Epoch<'_> {
        self.next.store(number.wrapping_add(1), Ordering::Relaxed);
        self.ordered(number)
    }

    /// The number of the epoch that [`DataLoader::epoch`] starts next.
    pub fn next_epoch(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    fn ordered(&self, number: u64) -> Epoch<'_> {
        let order = match self.shuffle {
            Some(seed) => permutation(self.rows, seed, number),
            None => (0..self.rows as u32).collect(),
        };
        Epoch { loader: self, number, order, next: 0 }
    }

    #[track_caller]
    fn batch(&self, index: usize, rows: Vec<u32>) -> Batch {
        let len = rows.len();
        let (x, y, more_inputs, more_targets) = match &self.source {
            Source::Device { x, y, inputs, targets } => {
                let index = self.device.tensor(&rows, len);
                let picked = |all: &[Tensor]| all.iter().map(|t| t.index_select(0, &index)).collect();
                (x.index_select(0, &index), y.index_select(0, &index), picked(inputs), picked(targets))
            }
            Source::Host(dataset) => {
                let (picked, width) = (|| rows.iter().map(|&row| row as usize), dataset.row_len());
                let (first, shape) = (dataset.first().0, batched(dataset.row_shape(), len));
                let x = match dataset.is_made() {
                    true => self.device.tensor(&dataset.features_of(&picked().collect::<Vec<_>>()), shape),
                    false => of_elements!(first, v => self.device.tensor(&gather(v, width, picked()), shape)),
                };
                let y = match dataset.labels() {
                    Labels::Classes(classes, _) => self.device.tensor(&gather(classes, 1, picked()), len),
                    Labels::Values(values, width) => self.device.tensor(&gather(values, *width, picked()), [len, *width]),
                    Labels::Maps(classes, shape, _) => {
                        let width = shape.iter().product();
                        self.device.tensor(&gather(classes, width, picked()), batched(shape, len))
                    }
                };
                let indices: Vec<usize> = picked().collect();
                let (inputs, targets) = dataset.more();
                let of = |all: &[More]| all.iter().map(|more| whole(&self.device, &more.picked(&indices), len)).collect();
                (x, y, of(inputs), of(targets))
            }
        };
        Batch { x, y, more_inputs, more_targets, index, rows, len }
    }
}

/// The shape of `rows` rows of an input.
fn batched(row_shape: &[usize], rows: usize) -> Vec<usize> {
    [rows].iter().chain(row_shape).copied().collect()
}

/// All rows of an input or a target as a tensor.
#[track_caller]
fn whole(device: &Device, more: &More, rows: usize) -> Tensor {
    of_elements!(&*more.elements, values => device.tensor(values, batched(&more.row_shape, rows)))
}

impl LoaderOptions<'_> {
    /// Every epoch in an order of its own, which depends on the seed and the epoch's number only.
    pub fn shuffle(mut self, seed: u64) -> Self {
        self.shuffle = Some(seed);
        self
    }

    /// Whether to leave out a last batch that is shorter than the others.
    pub fn drop_last(mut self, drop: bool) -> Self {
        self.drop_last = drop;
        self
    }

    /// Keeps the features on the device in half precision: half the memory, and room for a set twice as large. Each number is rounded to 11
    /// significant bits ([`Tensor::to_f16`]), which a pixel or a scaled column hardly notices; what is beyond ±65,504 would become infinite and
    /// is better scaled first. Batches are f32 as ever. A loader that copies batches from this program's memory does not round.
    pub fn f16(mut self) -> Self {
        self.f16 = true;
        self
    }

    /// A loader that puts the whole set on the device, at the first batch that runs. A batch is then a list of rows, and its
    /// tensors are gathered on the device as part of what is computed with them: nothing else is sent for a step.
    ///
    /// A set larger than one tensor of the device may be ([`Device::tensor_bytes`]) is kept in this program's memory instead,
    /// as by [`LoaderOptions::from_host`], and so is one whose features are made when they are asked for; [`DataLoader::is_resident`] tells. The batches
    /// are the same.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config): a batch size of zero, a data set without rows, or `drop_last` with a batch
    /// larger than the set, which would train nothing.
    #[track_caller]
    pub fn on_device(self, device: &Device) -> Result<DataLoader> {
        let set = self.dataset;
        if set.is_made() {
            return self.from_host(device);
        }
        let (first, shape) = set.first();
        let bytes = if self.f16 && first.as_f32().is_some() { 2 } else { 4 };
        let (inputs, targets) = set.more();
        let longest = inputs.iter().chain(targets).map(|more| 4 * more.elements.len() as u64).max().unwrap_or(0);
        if longest.max(bytes * first.len() as u64) > device.tensor_bytes() {
            return self.from_host(device);
        }
        let y = match set.labels() {
            Labels::Classes(classes, _) => device.tensor(classes, set.len()),
            Labels::Values(values, width) => device.tensor(values, [set.len(), *width]),
            Labels::Maps(classes, shape, _) => device.tensor(classes, batched(shape, set.len())),
        };
        let shape = batched(shape, set.len());
        let x = match (first.as_f32(), self.f16) {
            (Some(features), true) => device.tensor_f16(features, shape),
            _ => of_elements!(first, values => device.tensor(values, shape)),
        };
        let of = |all: &[More]| all.iter().map(|more| whole(device, more, set.len())).collect();
        let source = Source::Device { x, y, inputs: of(inputs), targets: of(targets) };
        self.loader(device, source)
    }

    /// A loader that keeps the set in this program's memory and copies each batch to the device: for sets that are too large
    /// for it.
    ///
    /// # Errors
    /// As [`LoaderOptions::on_device`].
    pub fn from_host(self, device: &Device) -> Result<DataLoader> {
        let source = Source::Host(self.dataset.clone());
        self.loader(device, source)
    }

    fn loader(self, device: &Device, source: Source) -> Result<DataLoader> {
        let LoaderOptions { dataset, batch_size, shuffle, drop_last, f16: _ } = self;
        let rows = dataset.len();
        if batch_size == 0 {
            return Err(config("batch size", "found 0, expected at least 1"));
        }
        if rows == 0 {
            return Err(config("data loader", "the data set has no rows"));
        }
        if drop_last && batch_size > rows {
            let all = format!("a batch of {batch_size} is more than all {rows} rows");
            return Err(config(
                "batch size",
                format!("{all}, and drop_last would leave out the only batch: nothing would be trained"),
            ));
        }
        Ok(DataLoader { rows, batch_size, shuffle, drop_last, device: device.clone(), source, next: AtomicU64::new(0) })
    }
}

/// The batches of one epoch.
#[derive(Debug)]
pub struct Epoch<'l> {
    loader: &'l DataLoader,
    number: u64,
    order: Vec<u32>,
    next: usize,
}

impl Epoch<'_> {
    /// The epoch's number.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Iterator for Epoch<'_> {
    type Item = Batch;

    #[track_caller]
    fn next(&mut self) -> Option<Batch> {
        if self.next >= self.loader.len() {
            return None;
        }
        let (index, size) = (self.next, self.loader.batch_size);
        self.next += 1;
        let rows = self.order[index * size..].iter().take(size).copied().collect();
        Some(self.loader.batch(index, rows))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.loader.len().saturating_sub(self.next);
        (left, Some(left))
    }

    // What is skipped need not be made: `skip` comes here.
    #[track_caller]
    fn nth(&mut self, n: usize) -> Option<Batch> {
        self.next = self.next.saturating_add(n).min(self.loader.len());
        self.next()
    }
}

impl ExactSizeIterator for Epoch<'_> {}
impl std::iter::FusedIterator for Epoch<'_> {}
