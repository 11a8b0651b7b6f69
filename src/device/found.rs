//! Tensors whose size only the values decide: what a mask chooses, where something is not 0, different values, counts up to the largest. They
//! wait for the values, like reading.

use super::create::room;
use crate::error::{At, Error, OpError, Result};
use crate::graph::Tensor;
use crate::graph::op::DType;
use crate::location::recording_for_caller;
use crate::platform::waited;
use crate::shape::Shape;

/// The different values of a tensor, see [`Tensor::unique`].
#[derive(Clone, Debug)]
pub struct Unique {
    /// The different values in ascending order, `[k]`.
    pub values: Tensor,
    /// For each element of the tensor the place of its value among them, in the tensor's shape, as u32.
    pub inverse: Tensor,
    /// How often each value is there, `[k]`, as u32.
    pub counts: Tensor,
}

impl Tensor {
    /// The elements where a mask (bool) is true, in row-major order, `[k]`. The shapes broadcast. Waits for the mask; the gradient goes to the
    /// elements chosen. Where the size need not depend on the mask, [`Tensor::masked_fill`] and `where_` never wait.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[3.0, -1.0, 2.0], 3);
    /// assert_eq!(x.masked_select(&x.gt_scalar(0.0))?.to_vec::<f32>()?, [3.0, 2.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// A mask that is not bool, shapes that do not broadcast, or what the device reports.
    #[track_caller]
    pub fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        waited(self.node().backend().name(), self.masked_select_async(mask))
    }

    /// [`Tensor::masked_select`] without blocking.
    ///
    /// # Errors
    /// As [`Tensor::masked_select`].
    #[track_caller]
    pub fn masked_select_async<'a>(&'a self, mask: &'a Tensor) -> impl Future<Output = Result<Tensor>> + 'a {
        recording_for_caller(self.masked_select_at(mask, At::caller()))
    }

    async fn masked_select_at(&self, mask: &Tensor, at: At) -> Result<Tensor> {
        let fail = |error| Error::op("masked_select", at, error);
        let (spec, by) = (self.spec()?, mask.spec()?);
        if by.dtype != DType::Bool {
            return Err(fail(OpError::DType(format!("the mask is {by}, expected bool; convert with to_bool()"))));
        }
        let whole = spec.shape.broadcast(&by.shape).map_err(fail)?;
        let flags = mask.expand(whole).fetch::<bool>().await?;
        let chosen = flags.iter().filter(|chosen| **chosen).count();
        let mut index: Vec<u32> = room("masked_select", chosen).map_err(fail)?;
        index.extend((0..).zip(flags).filter(|(_, chosen)| *chosen).map(|(k, _)| k));
        Ok(self.expand(whole).flatten().index_select(0, &self.device().tensor(&index, index.len())))
    }

    /// Where the elements are not 0, in row-major order: `[k, rank]` as u32, a row of places for each (`torch.nonzero`, `numpy.argwhere`). NaN is not
    /// 0. Waits for the values.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[0.0, 7.0, 0.0, 0.0, 0.0, 9.0], [2, 3]);
    /// assert_eq!(x.nonzero()?.to_vec::<u32>()?, [0, 1, 1, 2]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// The error this tensor carries, or what the device reports.
    #[doc(alias = "argwhere")]
    #[track_caller]
    pub fn nonzero(&self) -> Result<Tensor> {
        waited(self.node().backend().name(), self.nonzero_async())
    }

    /// [`Tensor::nonzero`] without blocking.
    ///
    /// # Errors
    /// As [`Tensor::nonzero`].
    #[track_caller]
    pub fn nonzero_async<'a>(&'a self) -> impl Future<Output = Result<Tensor>> + 'a {
        recording_for_caller(self.nonzero_at(At::caller()))
    }

    async fn nonzero_at(&self, at: At) -> Result<Tensor> {
        let shape = self.try_shape()?;
        let flags = self.to_bool().fetch::<bool>().await?;
        let strides = shape.strides();
        let count = flags.iter().filter(|there| **there).count();
        let fail = |error| Error::op("nonzero", at, error);
        Shape::new(&[count, shape.rank()]).map_err(fail)?;
        let mut places: Vec<u32> = room("nonzero", count * shape.rank()).map_err(fail)?;
        for (place, _) in flags.iter().enumerate().filter(|(_, there)| **there) {
            places.extend(shape.dims().iter().zip(&strides).map(|(n, stride)| (place / stride % n) as u32));
        }
        Ok(self.device().tensor(&places, [count, shape.rank()]))
    }

    /// The different values in ascending order, where each element's is among them, and how often each is there (`torch.unique` with
    /// `return_inverse` and `return_counts`). Of any type; −0 and 0 are one value, and every NaN is one of its own, at the end. Waits for the
    /// values. The gradient of a value goes to its first element in row-major order.
    ///
    /// ```
    /// use steepest::Device;
    /// let found = Device::cpu().tensor(&[5u32, 2, 5, 9], [2, 2]).unique()?;
    /// assert_eq!(found.values.to_vec::<u32>()?, [2, 5, 9]);
    /// assert_eq!(found.inverse.to_vec::<u32>()?, [1, 0, 1, 2]);
    /// assert_eq!(found.counts.to_vec::<u32>()?, [1, 2, 1]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// The error this tensor carries, a tensor of halves, or what the device reports.
    #[track_caller]
    pub fn unique(&self) -> Result<Unique> {
        waited(self.node().backend().name(), self.unique_async())
    }

    /// [`Tensor::unique`] without blocking.
    ///
    /// # Errors
    /// As [`Tensor::unique`].
    #[track_caller]
    pub fn unique_async<'a>(&'a self) -> impl Future<Output = Result<Unique>> + 'a {
        recording_for_caller(self.unique_at(At::caller()))
    }

    async fn unique_at(&self, at: At) -> Result<Unique> {
        let shape = self.try_shape()?;
        let (flat, n) = (self.flatten(), shape.numel());
        let order = flat.argsort(0, false).made_by("unique", &[self]);
        let sorted = flat.index_select(0, &order);
        let places = order.fetch::<u32>().await?;
        let changes = if n < 2 { vec![] } else { sorted.slice(0, 1..).ne(&sorted.slice(0, ..-1)).fetch::<bool>().await? };
        let different = changes.iter().filter(|changes| **changes).count() + usize::from(n > 0);
        let fail = |error| Error::op("unique", at, error);
        let mut inverse: Vec<u32> = room("unique", n).map_err(fail)?;
        inverse.resize(n, 0);
        let [mut firsts, mut counts]: [Vec<u32>; 2] =
            [room("unique", different).map_err(fail)?, room("unique", different).map_err(fail)?];
        for (r, &place) in places.iter().enumerate() {
            if r == 0 || changes[r - 1] {
                // Equal elements are in their order: this is the first of them.
                firsts.push(place);
                counts.push(0u32);
            }
            if let Some(count) = counts.last_mut() {
                *count += 1;
            }
            inverse[place as usize] = counts.len() as u32 - 1;
        }
        let device = self.device();
        Ok(Unique {
            values: flat.index_select(0, &device.tensor(&firsts, firsts.len())),
            inverse: device.tensor(&inverse, shape),
            counts: device.tensor(&counts, counts.len()),
        })
    }

    /// How often each of 0, 1, 2, … is among these integers (u32 or i32, any shape), or with `weights` (f32, the same shape) the sum of the weights of
    /// each: f32 `[n]`, with n one more than the largest, and at least `min_length`. Waits for the values unless their range is known;
    /// [`Tensor::index_add`] of a given size never does. Counts are exact up to 2²⁴.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[1u32, 3, 1], 3);
    /// assert_eq!(x.bincount(None, 0)?.to_vec::<f32>()?, [0.0, 2.0, 0.0, 1.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// A type that is no integer, a negative number, weights of another shape, or what the device reports.
    #[track_caller]
    pub fn bincount(&self, weights: Option<&Tensor>, min_length: usize) -> Result<Tensor> {
        waited(self.node().backend().name(), self.bincount_async(weights, min_length))
    }

    /// [`Tensor::bincount`] without blocking.
    ///
    /// # Errors
    /// As [`Tensor::bincount`].
    #[track_caller]
    pub fn bincount_async<'a>(
        &'a self,
        weights: Option<&'a Tensor>,
        min_length: usize,
    ) -> impl Future<Output = Result<Tensor>> + 'a {
        recording_for_caller(self.bincount_at(weights, min_length, At::caller()))
    }

    async fn bincount_at(&self, weights: Option<&Tensor>, min_length: usize, at: At) -> Result<Tensor> {
        let fail = |error| Error::op("bincount", at, error);
        let spec = self.spec()?;
        if let Some(given) = weights.map(|w| w.try_shape()).transpose()?.filter(|given| *given != spec.shape) {
            return Err(fail(OpError::Shape(format!("weights {given} for {}: one shape is expected", spec.shape))));
        }
        let found = match (spec.range, spec.dtype) {
            (_, DType::F32 | DType::F16 | DType::Bool) => {
                return Err(fail(OpError::DType(format!("{spec} is counted, expected u32 or i32; convert with to_u32()"))));
            }
            (Some(range), _) if spec.shape.numel() > 0 => Some(range),
            (_, DType::U32) => extremes(self.fetch::<u32>().await?.into_iter().map(i64::from)),
            (_, DType::I32) => extremes(self.fetch::<i32>().await?.into_iter().map(i64::from)),
        };
        let (low, high) = found.unwrap_or((0, -1));
        if low < 0 {
            return Err(fail(OpError::Value(format!("{low} is among the numbers counted, expected none below 0"))));
        }
        let length = usize::try_from(high + 1).unwrap_or(0).max(min_length);
        Shape::new(&[length]).map_err(fail)?;
        let each = match weights {
            Some(weights) => weights.flatten(),
            None => self.device().ones(spec.shape.numel()),
        };
        Ok(each.index_add(0, &self.flatten(), length).made_by("bincount", &[self]))
    }
}

/// The smallest and the largest.
fn extremes(numbers: impl Iterator<Item = i64>) -> Option<(i64, i64)> {
    numbers.fold(None, |found, x| Some(found.map_or((x, x), |(low, high): (i64, i64)| (low.min(x), high.max(x)))))
}
