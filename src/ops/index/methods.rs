//! Indexing as methods of `Tensor`, and what a negative index means.

use super::super::elementwise::FROM_END;
use super::{Gather, OneHot, ScatterAdd};
use crate::error::OpError;
use crate::graph::op::{DType, Op};
use crate::graph::{Tensor, record};

/// What a negative index means.
#[derive(Clone, Copy)]
enum Negative {
    /// It is outside.
    Outside,
    /// It counts from the end of the axis.
    FromEnd,
    /// It counts from the end of an axis of this size.
    FromEndOf(usize),
}

impl Tensor {
    /// Records an op along an axis of this tensor with an index. Negative entries count from the end of the axis of `size`, or of this
    /// tensor's axis; with `Negative::Outside` they are outside.
    #[track_caller]
    fn indexed<O: Op>(
        &self,
        name: &'static str,
        axis: isize,
        index: &Tensor,
        negative: Negative,
        op: impl FnOnce(usize) -> O,
    ) -> Tensor {
        let (shape, axis) = match self.try_shape().map(|s| (s, s.axis(axis))) {
            Ok((shape, Ok(axis))) => (shape, axis),
            Ok((_, Err(error))) => return self.refuse(name, error),
            Err(_) => return self.clone(),
        };
        let size = match negative {
            Negative::Outside => return record(op(axis), &[self, index]),
            Negative::FromEndOf(size) => size,
            Negative::FromEnd => shape.dims()[axis],
        };
        match index.counted_from_the_start(size) {
            Ok(index) => record(op(axis), &[self, &index]),
            Err(error) => self.refuse(name, error),
        }
    }

    /// This index with its negative entries as those that they mean, on an axis of `size`.
    #[track_caller]
    pub(super) fn counted_from_the_start(&self, size: usize) -> Result<Tensor, OpError> {
        let (Ok(spec), Ok(limit)) = (self.spec(), i32::try_from(size)) else { return Ok(self.clone()) };
        if spec.dtype != DType::I32 || spec.range.is_some_and(|(low, _)| low >= 0) {
            return Ok(self.clone());
        }
        if let Some((low, high)) = spec.range.filter(|_| spec.shape.numel() > 0) {
            let found = if low < -i64::from(limit) { low } else { high };
            if low < -i64::from(limit) || high >= i64::from(limit) {
                return Err(OpError::OutOfRange { what: "index", found, size });
            }
        }
        Ok(self.pointwise(&FROM_END, &[&self.device().tensor(&[limit], ())], [0.0; 2]))
    }

    /// Element by element along one axis: out[i, j] = x[index[i, j], j] for axis 0, x[i, index[i, j]] for axis 1, and so on.
    ///
    /// The index (u32 or i32) has this tensor's shape but for the axis, and the result has the index's shape
    /// (`torch.gather`, `numpy.take_along_axis`). A negative index counts from the end. One outside is an error where its range is known, else
    /// it gives NaN (0 for integers).
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let x = device.tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    /// let labels = device.tensor(&[1u32, 0], [2, 1]);
    /// assert_eq!(x.gather(1, &labels).to_vec::<f32>()?, [2.0, 3.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[doc(alias = "take_along_axis")]
    #[track_caller]
    pub fn gather(&self, axis: isize, index: &Tensor) -> Tensor {
        self.indexed("gather", axis, index, Negative::FromEnd, |axis| Gather { axis, rows: false, zero: false })
    }

    /// [`Tensor::gather`] by labels: a negative one is outside.
    #[track_caller]
    pub(crate) fn gather_labels(&self, axis: isize, labels: &Tensor) -> Tensor {
        self.indexed("gather", axis, labels, Negative::Outside, |axis| Gather { axis, rows: false, zero: false })
    }

    /// Whole rows along one axis, in the order of an index (u32 or i32) of one axis: a shuffle, a batch, an embedding.
    ///
    /// A negative index counts from the end. One outside is an error where its range is known, else its row is NaN (0 for integers).
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let x = device.tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    /// let rows = device.tensor(&[1u32, 1, 0], 3);
    /// assert_eq!(x.index_select(0, &rows).to_vec::<f32>()?, [3.0, 4.0, 3.0, 4.0, 1.0, 2.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn index_select(&self, axis: isize, index: &Tensor) -> Tensor {
        self.indexed("index_select", axis, index, Negative::FromEnd, |axis| Gather { axis, rows: true, zero: false })
    }

    /// [`Tensor::index_select`] by labels: a negative one is outside.
    #[track_caller]
    pub(crate) fn select_labels(&self, axis: isize, labels: &Tensor) -> Tensor {
        self.indexed("index_select", axis, labels, Negative::Outside, |axis| Gather { axis, rows: true, zero: false })
    }

    /// Rows of this table for an index of any shape: `[v, d…]` and `[n…]` give `[n…, d…]`. A negative index is outside.
    #[track_caller]
    pub fn embedding(&self, index: &Tensor) -> Tensor {
        let (table, wanted) = match (self.try_shape(), index.try_shape()) {
            (Ok(table), Ok(wanted)) => (table, wanted),
            (Err(_), _) => return self.clone(),
            (_, Err(_)) => return index.clone(),
        };
        let rows = self.select_labels(0, &index.flatten());
        if rows.check().is_err() {
            return rows;
        }
        rows.reshape([wanted.dims(), &table.dims()[1..]].concat())
    }

    /// [`Tensor::embedding`] with one row, `padding`, that gets no gradient: what stands for "nothing here" in sentences of different lengths
    /// (`torch.nn.functional.embedding` with `padding_idx`). The row is read as any other. A `padding` outside the table is an error.
    #[track_caller]
    pub fn embedding_padded(&self, index: &Tensor, padding: usize) -> Tensor {
        let rows = self.embedding(index).made_by("embedding_padded", &[self, index]);
        let (Ok(table), Ok(wanted)) = (self.try_shape(), index.try_shape()) else { return rows };
        let size = table.dims().first().copied().unwrap_or(0);
        if padding >= size {
            let message = format!("padding is {padding}, expected the number of one of the {size} rows of {table}");
            return self.refuse("embedding_padded", OpError::Value(message));
        }
        if rows.check().is_err() {
            return rows;
        }
        let dims = [wanted.dims(), &vec![1; table.rank() - 1]].concat();
        let padded = index.to_u32().eq(&self.device().tensor(&[padding as u32], ())).reshape(dims);
        padded.where_(&rows.detach(), &rows).made_by("embedding_padded", &[self, index])
    }

    /// The elements at places of the flattened tensor, in the index's shape (`torch.take`, `numpy.take` without an axis).
    ///
    /// A negative index counts from the end. One outside is an error where its range is known, else it gives NaN (0 for integers).
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let x = device.tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    /// assert_eq!(x.take(&device.tensor(&[-1i32, 0], [2, 1])).to_vec::<f32>()?, [4.0, 1.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn take(&self, index: &Tensor) -> Tensor {
        match index.try_shape() {
            Ok(shape) => self.flatten().index_select(0, &index.flatten()).reshape(shape).made_by("take", &[self, index]),
            Err(_) => index.clone(),
        }
    }

    /// `value` where the mask (bool) is true, this tensor's element elsewhere. The shapes broadcast. Of integers it must be one of them.
    ///
    /// No gradient flows to what is filled, whatever comes behind it. Any number is a value: −∞ before a softmax leaves an element out.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let x = device.tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    /// let later = device.tensor(&[false, true], 2);
    /// assert_eq!(x.masked_fill(&later, -1.0).to_vec::<f32>()?, [1.0, -1.0, 3.0, -1.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor, value: f64) -> Tensor {
        if self.check().is_err() {
            return self.clone();
        }
        mask.where_(&self.value_alike("masked_fill", value), self).made_by("masked_fill", &[self, mask])
    }

    /// A copy of this tensor in which the elements where a mask (bool) is true are, in row-major order, the first of `src` (`torch.masked_scatter`).
    /// The mask broadcasts to this tensor. Where the source has too few elements for it, the rest is NaN (0 for integers).
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let mask = device.tensor(&[false, true, true], 3);
    /// let x = device.zeros(3).masked_scatter(&mask, &device.tensor(&[5.0, 6.0], 2));
    /// assert_eq!(x.to_vec::<f32>()?, [0.0, 5.0, 6.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn masked_scatter(&self, mask: &Tensor, src: &Tensor) -> Tensor {
        let Ok(shape) = self.try_shape() else { return self.clone() };
        let whole = mask.expand(shape);
        // How many are true up to each: the next of the source, counted from 1.
        let place = whole.to_u32().flatten().cumsum(0, false).sub(&self.device().tensor(&[1u32], ()));
        let taken = src.flatten().index_select(0, &place).reshape(shape);
        whole.where_(&taken, self).made_by("masked_scatter", &[self, mask, src])
    }

    /// Zeros of `size` along one axis, to which every element is added where its index says: the opposite of [`Tensor::gather`].
    ///
    /// The index has this tensor's shape. Added up in the order of the axis: the same bits every time. A negative index counts from the end of
    /// `size`. One outside is an error where its range is known, else its element is left out.
    #[track_caller]
    pub fn scatter_add(&self, axis: isize, index: &Tensor, size: usize) -> Tensor {
        self.indexed("scatter_add", axis, index, Negative::FromEndOf(size), |axis| ScatterAdd { axis, size, rows: false })
    }

    /// Zeros of `size` along one axis, to which row j is added at index\[j\]: the opposite of [`Tensor::index_select`].
    ///
    /// The index has one axis. Added up in order: the same bits every time. A negative index counts from the end of `size`. One outside is an
    /// error where its range is known, else its row is left out.
    #[track_caller]
    pub fn index_add(&self, axis: isize, index: &Tensor, size: usize) -> Tensor {
        self.indexed("index_add", axis, index, Negative::FromEndOf(size), |axis| ScatterAdd { axis, size, rows: true })
    }

    /// 1 at each label (u32 or i32) and 0 elsewhere along a new last axis, as f32.
    ///
    /// A label outside is an error where the range is known, else its row is all zero.
    #[track_caller]
    pub fn one_hot(&self, classes: usize) -> Tensor {
        self.with_shape("one_hot", |_| Ok(OneHot { classes }))
    }
}
