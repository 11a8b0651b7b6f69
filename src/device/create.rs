//! Making tensors: from this program's memory, and constants.

use super::state::Device;
use crate::error::{At, Error, OpError, Result, finite};
use crate::graph::half;
use crate::graph::node::{Tensor, Value, record_on};
use crate::graph::op::{DType, Spec};
use crate::ops::elementwise::{FILL, Pointwise};
use crate::shape::{Shape, ToShape};
use std::ops::Range;
use std::sync::Arc;

mod sealed {
    pub trait Sealed {}
}

/// Up to here every whole number is an f32.
const MOST_EXACT: f64 = 16_777_216.0;

/// The types a tensor's elements can be read from and written to: `f32`, `u32`, `i32` and `bool`.
pub trait Element: Copy + Send + 'static + sealed::Sealed {
    /// The type on the device.
    const DTYPE: DType;
    /// As a device word.
    fn to_word(self) -> u32;
    /// From a device word.
    fn from_word(word: u32) -> Self;
    /// As an integer, for checking labels; `None` for floats.
    fn integer(self) -> Option<i64>;
}

macro_rules! element {
    ($t:ty, $dtype:ident, |$x:ident| $to:expr, |$w:ident| $from:expr, |$y:ident| $int:expr) => {
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$dtype;
            fn to_word(self) -> u32 {
                let $x = self;
                $to
            }
            fn from_word($w: u32) -> $t {
                $from
            }
            fn integer(self) -> Option<i64> {
                let $y = self;
                $int
            }
        }
    };
}
element!(f32, F32, |x| x.to_bits(), |w| f32::from_bits(w), |_x| None);
element!(u32, U32, |x| x, |w| w, |x| Some(i64::from(x)));
element!(i32, I32, |x| x as u32, |w| w as i32, |x| Some(i64::from(x)));
element!(bool, Bool, |x| u32::from(x), |w| w != 0, |x| Some(i64::from(x)));

/// Shape, type and range of given elements, or why they do not fill the shape.
fn spec_of<T: Element>(data: &[T], shape: impl ToShape) -> Result<Spec, OpError> {
    let shape = shape.to_shape()?;
    if shape.numel() != data.len() {
        return Err(OpError::Shape(format!("{} elements given for shape {shape} of {}", data.len(), shape.numel())));
    }
    let integers = || data.iter().filter_map(|x| x.integer());
    Ok(Spec { shape, dtype: T::DTYPE, range: integers().min().zip(integers().max()) })
}

impl Device {
    #[track_caller]
    fn given<T: Element>(&self, data: &[T], shape: impl ToShape, parameter: bool) -> Tensor {
        let (at, budget) = (At::caller(), self.state.executor.budget());
        let what = || format!("{} numbers given at {at}", data.len());
        let made = spec_of(data, shape).map_err(|error| Error::op("tensor", at, error));
        match made.and_then(|spec| Ok((spec, self.state.with_room(|| budget.room(what, data.len()))?))) {
            Ok((spec, mut words)) => {
                words.extend(data.iter().map(|x| x.to_word()));
                Tensor::leaf(&self.backend, Ok(spec), Some(Value::Host(Arc::new(words))), parameter, at)
            }
            Err(error) => Tensor::invalid(&self.backend, error, at),
        }
    }

    /// A tensor of f32 of which each number is computed. Its size is checked before there is memory for them.
    #[track_caller]
    fn computed<const N: usize>(
        &self,
        op: &'static str,
        shape: [usize; N],
        numbers: impl ExactSizeIterator<Item = f32>,
    ) -> Tensor {
        let at = At::caller();
        let words = shape.to_shape().and_then(|shape| Ok((shape, collected(op, numbers.map(f32::to_bits))?)));
        match words {
            Ok((shape, words)) => self.words(words, shape, DType::F32, false),
            Err(error) => self.invalid(op, at, error),
        }
    }

    /// A tensor from a slice of `f32`, `u32`, `i32` or `bool`, row-major.
    ///
    /// A wrong number of elements makes the tensor invalid.
    ///
    /// ```
    /// use steepest::Device;
    /// let labels = Device::cpu().tensor(&[3u32, 1, 4], 3);
    /// assert_eq!(labels.to_vec::<u32>()?, [3, 1, 4]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn tensor<T: Element>(&self, data: &[T], shape: impl ToShape) -> Tensor {
        self.given(data, shape, false)
    }

    /// A tensor of halves from a slice of f32, row-major: each number rounded to the nearest half, in half the memory. See [`Tensor::to_f16`].
    ///
    /// For data that stays on a device and is read in batches, and for weights that are not trained.
    ///
    /// ```
    /// use steepest::{DType, Device};
    /// let device = Device::cpu();
    /// let data = device.tensor_f16(&[0.5, 1.5, 2.5, 3.5], [2, 2]);
    /// let batch = data.index_select(0, &device.tensor(&[1u32], 1)); // f32
    /// assert_eq!((batch.dtype(), batch.to_vec::<f32>()?), (DType::F32, vec![2.5, 3.5]));
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn tensor_f16(&self, data: &[f32], shape: impl ToShape) -> Tensor {
        let made = spec_of(data, shape).and_then(|spec| {
            let pairs = data.chunks(2).map(|pair| half::pair(pair[0], pair.get(1).copied().unwrap_or(0.0)));
            Ok((Spec { dtype: DType::F16, ..spec }, collected("tensor_f16", pairs)?))
        });
        let (spec, value) = match made {
            Ok((spec, words)) => (Ok(spec), Some(Value::Host(Arc::new(words)))),
            Err(error) => (Err(error), None),
        };
        Tensor::leaf(&self.backend, spec, value, false, At::caller())
    }

    /// A parameter: a tensor that gradients are taken by and that optimizers update in place.
    #[track_caller]
    pub fn parameter(&self, data: &[f32], shape: impl ToShape) -> Tensor {
        self.given(data, shape, true)
    }

    /// A tensor of any type from device words; the range of integers is worked out.
    #[track_caller]
    pub(crate) fn words(&self, words: Vec<u32>, shape: Shape, dtype: DType, parameter: bool) -> Tensor {
        if dtype == DType::F16 {
            let spec = Spec::new(shape, dtype);
            let spec = if spec.words() == words.len() {
                Ok(spec)
            } else {
                Err(OpError::Shape(format!("{} words given for {spec}, which takes {}", words.len(), spec.words())))
            };
            return Tensor::leaf(&self.backend, spec, Some(Value::Host(Arc::new(words))), parameter, At::caller());
        }
        let spec = match dtype {
            DType::F32 => spec_of(&words, shape).map(|s| Spec { dtype, range: None, ..s }),
            DType::I32 => spec_of(&words.iter().map(|&w| w as i32).collect::<Vec<_>>(), shape),
            DType::U32 | DType::Bool | DType::F16 => spec_of(&words, shape).map(|s| Spec { dtype, ..s }),
        };
        Tensor::leaf(&self.backend, spec, Some(Value::Host(Arc::new(words))), parameter, At::caller())
    }

    /// A scalar.
    #[track_caller]
    pub fn scalar(&self, value: f32) -> Tensor {
        self.given(&[value], (), false)
    }

    /// Every element the same.
    #[track_caller]
    pub fn full(&self, shape: impl ToShape, value: f64) -> Tensor {
        record_on(&self.backend, Pointwise { row: &FILL, scalars: [value, 0.0] }, &[]).expand(or_scalar(shape))
    }

    /// All zero.
    #[track_caller]
    pub fn zeros(&self, shape: impl ToShape) -> Tensor {
        self.full(shape, 0.0)
    }

    /// All one.
    #[track_caller]
    pub fn ones(&self, shape: impl ToShape) -> Tensor {
        self.full(shape, 1.0)
    }

    /// 0, 1, … n − 1. More numbers than a tensor can hold, or than there is memory for, make it invalid.
    #[track_caller]
    pub fn arange(&self, n: usize) -> Tensor {
        self.computed("arange", [n], (0..n).map(|i| i as f32))
    }

    /// Numbers from `start` on in steps of `step`, below `stop` (above it, if the step is negative): start, start + step, start + 2 step, …
    ///
    /// Numbers that are no finite f32, a step of 0, and more than 2²⁴ numbers make the tensor invalid. Each is computed alone and rounded once.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// assert_eq!(device.arange_step(1.0, 2.0, 0.25).to_vec::<f32>()?, [1.0, 1.25, 1.5, 1.75]);
    /// assert_eq!(device.arange_step(2.0, 0.0, -1.0).to_vec::<f32>()?, [2.0, 1.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn arange_step(&self, start: f64, stop: f64, step: f64) -> Tensor {
        let at = At::caller();
        let named = [("start", start), ("stop", stop), ("step", step)];
        if let Some((name, value)) = named.into_iter().find(|(name, value)| !finite(*value) || (*name == "step" && *value == 0.0))
        {
            let expected = if name == "step" { "a finite number that is not 0" } else { "a finite number" };
            return self.invalid("arange_step", at, OpError::Value(format!("{name} is {value}, expected {expected}")));
        }
        let count = ((stop - start) / step).ceil().max(0.0);
        if count > MOST_EXACT {
            let message = format!("step is {step}: from {start} to {stop} it makes {count} numbers, expected at most 2²⁴");
            return self.invalid("arange_step", at, OpError::Value(message));
        }
        let numbers: Vec<f32> = (0..count as u32).map(|i| (start + f64::from(i) * step) as f32).collect();
        self.given(&numbers, numbers.len(), false)
    }

    /// `count` numbers from `start` to `stop` in equal steps, both ends included and exact: of 1 number it is `start`, of 0 there are none. The
    /// numbers of the second half are counted from `stop`.
    ///
    /// Ends that are no finite f32, a step that is none, and more than 2²⁴ numbers, make the tensor invalid.
    ///
    /// ```
    /// use steepest::Device;
    /// assert_eq!(Device::cpu().linspace(-1.0, 1.0, 5).to_vec::<f32>()?, [-1.0, -0.5, 0.0, 0.5, 1.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn linspace(&self, start: f64, stop: f64, count: usize) -> Tensor {
        let at = At::caller();
        if let Some((name, value)) = [("start", start), ("stop", stop)].into_iter().find(|(_, value)| !finite(*value)) {
            return self.invalid("linspace", at, OpError::Value(format!("{name} is {value}, expected a finite number")));
        }
        if count as f64 > MOST_EXACT {
            return self.invalid("linspace", at, OpError::Value(format!("count is {count}, expected at most 2²⁴")));
        }
        if count < 2 {
            return self.full(count, start);
        }
        let (last, half) = (count - 1, count.div_ceil(2));
        // Two steps, so that the way between the largest numbers is none beyond the range.
        let step = stop / last as f64 - start / last as f64;
        if !finite(step) {
            let message = format!("start is {start} and stop is {stop}: {count} numbers between them are too far apart");
            return self.invalid("linspace", at, OpError::Value(message));
        }
        let first = self.arange(half).mul_scalar(step).add_scalar(start);
        let second: Vec<f32> = (half..count).map(|i| i as f32 - last as f32).collect();
        let second = self.given(&second, second.len(), false).mul_scalar(step).add_scalar(stop);
        first.cat(&[&second], 0)
    }

    /// The n×n identity matrix. One larger than a tensor can be, or than there is memory for, is invalid.
    #[track_caller]
    pub fn eye(&self, n: usize) -> Tensor {
        self.computed("eye", [n, n], (0..n.saturating_mul(n)).map(|i| if i / n == i % n { 1.0 } else { 0.0 }))
    }

    /// The frequencies of a Fourier transform of n samples that are `spacing` apart, in its order: 0, 1, … −2, −1, divided by n · spacing.
    #[track_caller]
    pub fn fftfreq(&self, n: usize, spacing: f64) -> Tensor {
        self.frequencies("fftfreq", (0..n).map(|k| if k < n - k { k as f64 } else { k as f64 - n as f64 }), n, spacing)
    }

    /// The frequencies of [`Tensor::rfft`] of n samples that are `spacing` apart: 0, 1, … n/2, divided by n · spacing.
    #[track_caller]
    pub fn rfftfreq(&self, n: usize, spacing: f64) -> Tensor {
        self.frequencies("rfftfreq", (0..if n == 0 { 0 } else { n / 2 + 1 }).map(|k| k as f64), n, spacing)
    }

    #[track_caller]
    fn frequencies(&self, op: &'static str, numbers: impl ExactSizeIterator<Item = f64>, n: usize, spacing: f64) -> Tensor {
        self.computed(op, [numbers.len()], numbers.map(|k| (k / (n as f64 * spacing)) as f32))
    }

    /// Where the lower triangle of a matrix is, in row-major order, as u32: the rows and the columns, `[k]` each, of all places with
    /// column − row ≤ `offset` (`torch.tril_indices`). For [`Tensor::at`].
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let [rows, columns] = device.tril_indices(2, 3, 0);
    /// assert_eq!((rows.to_vec::<u32>()?, columns.to_vec::<u32>()?), (vec![0, 1, 1], vec![0, 0, 1]));
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn tril_indices(&self, rows: usize, columns: usize, offset: isize) -> [Tensor; 2] {
        // The rows in which there are any, and of each the columns up to the diagonal.
        let first = offset.min(0).unsigned_abs().min(rows);
        let end = |row: usize| row.saturating_add_signed(offset).saturating_add(1).min(columns);
        self.triangle("tril_indices", [rows, columns], offset as i128, (first..rows).map(|row| (row, 0..end(row))))
    }

    /// The same of the upper triangle: all places with column − row ≥ `offset`; see [`Device::tril_indices`].
    #[track_caller]
    pub fn triu_indices(&self, rows: usize, columns: usize, offset: isize) -> [Tensor; 2] {
        let last = columns.saturating_add_signed(offset.saturating_neg()).min(rows);
        let start = |row: usize| row.saturating_add_signed(offset);
        // Turned by half a turn it is a lower triangle, which has as many places.
        let turned = columns as i128 - rows as i128 - offset as i128;
        self.triangle("triu_indices", [rows, columns], turned, (0..last).map(|row| (row, start(row)..columns)))
    }

    /// The places of a triangle, from the columns of each of its rows: as many as the lower triangle up to the diagonal `offset` has.
    #[track_caller]
    fn triangle(
        &self,
        op: &'static str,
        [rows, columns]: [usize; 2],
        offset: i128,
        places: impl Iterator<Item = (usize, Range<usize>)>,
    ) -> [Tensor; 2] {
        let at = At::caller();
        let memory = || {
            Shape::new(&[rows, columns])?;
            let count = places_below(rows, columns, offset);
            Ok((count, room(op, count)?, room(op, count)?))
        };
        let (count, mut first, mut second) = match memory() {
            Ok(memory) => memory,
            Err(error) => {
                let invalid = self.invalid(op, at, error);
                return [invalid.clone(), invalid];
            }
        };
        // Many rows may have none.
        for (row, columns) in places.take(count) {
            first.extend(columns.clone().map(|_| row as u32));
            second.extend(columns.map(|column| column as u32));
        }
        [first, second].map(|places| self.given(&places, places.len(), false))
    }

    /// A tensor that carries an error.
    pub(crate) fn invalid(&self, op: &'static str, at: At, error: OpError) -> Tensor {
        Tensor::invalid(&self.backend, Error::op(op, at, error), at)
    }

    /// The device's side of the graph.
    pub(crate) fn backend(&self) -> &Arc<dyn crate::graph::Backend> {
        &self.backend
    }
}

/// How many places of a matrix have column − row ≤ `offset`.
fn places_below(rows: usize, columns: usize, offset: i128) -> usize {
    let (rows, columns) = (rows as i128, columns as i128);
    // The rows that have any, the places of the first of them, and the rows that have one more than the row before.
    let there = (rows - (-offset).max(0)).max(0);
    let first = (offset.max(0) + 1).min(columns);
    let growing = (columns - first).clamp(0, there);
    let places = growing * first + growing * (growing - 1) / 2 + (there - growing) * columns;
    usize::try_from(places).unwrap_or(usize::MAX)
}

/// [`memory::room`](crate::memory::room) for what an op makes.
pub(super) fn room<T>(op: &str, count: usize) -> Result<Vec<T>, OpError> {
    crate::memory::room(format_args!("{op}: {count} numbers"), count).map_err(OpError::NoRoom)
}

/// [`memory::collected`](crate::memory::collected) for what an op makes.
pub(super) fn collected<T>(op: &str, numbers: impl ExactSizeIterator<Item = T>) -> Result<Vec<T>, OpError> {
    let count = numbers.len();
    crate::memory::collected(format_args!("{op}: {count} numbers"), numbers).map_err(OpError::NoRoom)
}

/// Hands a shape on as a value that may be an error: `expand` reports it with the caller's line.
fn or_scalar(shape: impl ToShape) -> impl ToShape {
    struct Given(Result<Shape, OpError>);
    impl ToShape for Given {
        fn to_shape(&self) -> Result<Shape, OpError> {
            self.0.clone()
        }
    }
    Given(shape.to_shape())
}

impl Tensor {
    /// Puts new numbers into a leaf in place, as loading weights does. A leaf of halves takes f32 and rounds.
    ///
    /// # Errors
    /// A wrong number of elements, a type other than the tensor's, integers beyond the range it was made with, or a tensor
    /// that is computed and not given.
    #[track_caller]
    pub fn set<T: Element>(&self, data: &[T]) -> Result<()> {
        let spec = self.spec()?;
        let at = At::caller();
        let fail = |error| Error::op("set", at, error);
        let rounds = spec.dtype == DType::F16 && T::DTYPE == DType::F32;
        if spec.dtype != T::DTYPE && !rounds {
            return Err(fail(OpError::DType(format!("{} elements for a tensor {spec}", T::DTYPE))));
        }
        let given = spec_of(data, spec.shape).map_err(fail)?;
        if let (Some((low, high)), Some((least, most))) = (spec.range, given.range)
            && (least < low || most > high)
        {
            // What was recorded from this tensor was checked against the range it had.
            let message = format!("values {least}..={most} for a tensor made with {low}..={high}; make a new tensor");
            return Err(fail(OpError::Value(message)));
        }
        if !self.is_leaf() {
            return Err(fail(OpError::Value("the tensor is computed from others; only given tensors can be set".to_owned())));
        }
        let float = |x: &T| f32::from_bits(x.to_word());
        let words = if rounds {
            collected("set", data.chunks(2).map(|two| half::pair(float(&two[0]), two.get(1).map_or(0.0, float))))
        } else {
            collected("set", data.iter().map(|x| x.to_word()))
        };
        let words = words.map_err(fail)?;
        self.node().replace_value(Value::Host(Arc::new(words)));
        Ok(())
    }

    /// Puts another tensor's numbers into a leaf in place, bit for bit and on the device: nothing is read by the host. The other tensor is
    /// computed if need be, and may have been computed from this one. What was recorded from this tensor before is stale afterwards.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (target, w) = (device.parameter(&[1.0, 2.0], 2), device.parameter(&[5.0, 6.0], 2));
    /// target.copy_from(&(&target * 0.5 + &w * 0.5))?;
    /// assert_eq!(target.to_vec::<f32>()?, [3.0, 4.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// Another shape, type or device, integers that are not known to be within the range this tensor was made with, or a tensor that is computed
    /// and not given; the error that the other tensor carries, or what the device reports. Nothing is changed then.
    #[track_caller]
    pub fn copy_from(&self, source: &Tensor) -> Result<()> {
        let at = At::caller();
        let fail = |error| Err(Error::op("copy_from", at, error));
        let (spec, given) = (self.spec()?, source.spec()?);
        let (here, there) = (self.node().backend(), source.node().backend());
        if here.id() != there.id() {
            return fail(OpError::Devices(here.name().to_owned(), there.name().to_owned()));
        }
        if spec.dtype != given.dtype {
            return fail(OpError::DType(format!("a tensor {given} for one that is {spec}; convert it first")));
        }
        if spec.shape != given.shape {
            return fail(OpError::Shape(format!("a tensor {given} for one that is {spec}")));
        }
        if !self.is_leaf() {
            let message = "the tensor is computed from others; only given tensors can be copied into";
            return fail(OpError::Value(message.to_owned()));
        }
        if let Some((low, high)) = spec.range.filter(|_| spec.dtype != DType::Bool)
            && !given.range.is_some_and(|(least, most)| least >= low && most <= high)
        {
            // What was recorded from this tensor was checked against the range it had.
            let found = given.range.map_or("unknown values".to_owned(), |(least, most)| format!("values {least}..={most}"));
            return fail(OpError::Value(format!("{found} for a tensor made with {low}..={high}; make a new tensor")));
        }
        if self.id() == source.id() {
            return Ok(());
        }
        // A value of its own: one that others hold may be overwritten, by a step of theirs or of ours.
        let copy = if spec.dtype == DType::F16 { source.reshape(spec.shape) } else { source.detach() };
        copy.run()?;
        match copy.node().value() {
            Some(value) => self.node().replace_value(value),
            None => return fail(OpError::Stale("it has no value after its run".to_owned())),
        }
        Ok(())
    }

    /// Whether this tensor was given, not computed.
    pub fn is_leaf(&self) -> bool {
        matches!(self.node().body(), crate::graph::node::Body::Leaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_of_a_triangle_are_counted_as_they_lie() {
        let (device, most) = (Device::cpu(), isize::MAX);
        for (rows, columns) in [(0, 0), (0, 3), (3, 0), (1, 1), (2, 5), (5, 2), (4, 4)] {
            for offset in (-7..=7).chain([most, most - 1, -most, isize::MIN]) {
                let all = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
                let (lower, upper): (Vec<(usize, usize)>, Vec<_>) =
                    all.partition(|&(row, column)| column as isize - row as isize <= offset);
                assert_eq!(places_below(rows, columns, offset as i128), lower.len(), "{rows} {columns} {offset}");
                let upper = match offset.checked_add(1) {
                    Some(offset) => (offset, upper),
                    None => (offset, vec![]),
                };
                for ([first, second], expected) in
                    [(device.tril_indices(rows, columns, offset), lower), (device.triu_indices(rows, columns, upper.0), upper.1)]
                {
                    let places = |t: Tensor| t.to_vec::<u32>().expect("places");
                    let found: Vec<(usize, usize)> = places(first)
                        .into_iter()
                        .zip(places(second))
                        .map(|(row, column)| (row as usize, column as usize))
                        .collect();
                    assert_eq!(found, expected, "{rows} {columns} {offset}");
                }
            }
        }
    }
}
