//! Search: `out[e]` = how many elements of a sorted line come before `values[e]`; buckets and histograms.

use super::native::by_rows;
use crate::error::{OpError, finite};
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Op, Params, Spec, Variant};
use crate::graph::{Tensor, record};
use std::sync::Arc;

/// Of a sorted `[n]` and values of any shape, or of a sorted `[…, n]` and values `[…, m]`: how many of the line are below each value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// Whether those that equal the value count too.
    pub right: bool,
}

impl Search {
    /// Whether an element comes before the place of a value. NaN is the largest.
    fn before(self, element: f64, value: f64) -> bool {
        if self.right { element <= value || value.is_nan() } else { element < value || (value.is_nan() && !element.is_nan()) }
    }
}

impl Op for Search {
    fn name(&self) -> &'static str {
        "searchsorted"
    }
    fn params(&self) -> Vec<u32> {
        vec![u32::from(self.right)]
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        if let Some((i, spec)) = inputs.iter().enumerate().find(|(_, spec)| spec.dtype != DType::F32) {
            return Err(OpError::DType(format!("operand {i} is {spec}, expected f32; convert with to_f32()")));
        }
        let (sorted, values) = (inputs[0].shape, inputs[1].shape);
        let fits = match (sorted.dims().split_last(), values.dims().split_last()) {
            (Some((_, [])), _) => true,
            (Some((_, lines)), Some((_, others))) => lines == others,
            _ => false,
        };
        let Some(&n) = sorted.dims().last().filter(|_| fits) else {
            return Err(OpError::Shape(format!(
                "{sorted} and values {values}: [n] and any shape are expected, or […,n] and […,m]"
            )));
        };
        Ok(Spec { shape: values, dtype: DType::U32, range: Some((0, n as i64)) })
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let (this, count) = (*self, output.shape.numel());
        let n = inputs[0].shape.dims().last().copied().unwrap_or(0);
        // Values that are looked up in one line.
        let m = if inputs[0].shape.rank() == 1 { count } else { output.shape.dims().last().copied().unwrap_or(1) };
        let kernel = Kernel {
            name: "searchsorted",
            params: Params::new().set("count", count).set("n", n).set("m", m),
            variants: vec![Variant {
                consts: vec![("RIGHT", u32::from(self.right))],
                ..Variant::each_element("index/search", count).max_loop_iterations(64)
            }],
            native: Arc::new(move |io| {
                let (sorted, values) = (io.read(0), io.read(1));
                by_rows(&mut *io.writes[0], 1, |first, out| {
                    for (k, place) in (first..).zip(out) {
                        let line = &sorted[k / m * n..][..n];
                        let value = f64::from(values[k]);
                        *place = line.partition_point(|&element| this.before(f64::from(element), value)) as u32;
                    }
                });
            }),
        };
        Lowering::kernel(kernel, 2)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let n = inputs[0].shape.dims().last().copied().unwrap_or(0);
        let m = if inputs[0].shape.rank() == 1 { usize::MAX } else { output.shape.dims().last().copied().unwrap_or(1) };
        Array::from_fn(output.shape, |at| {
            let line = &inputs[0].data[at / m * n..][..n];
            line.iter().filter(|&&element| self.before(element, inputs[1].data[at])).count() as f64
        })
    }
    fn grad(&self, _: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None, None]
    }
}

impl Tensor {
    /// Where values belong in this sorted tensor, as u32 in the values' shape: the number of elements below each, or with `right` not above it. So
    /// putting a value in at that place keeps the order (`torch.searchsorted`, `numpy.searchsorted`).
    ///
    /// This tensor is one sorted line `[n]`, for values of any shape, or `[…, n]` with a line for each of the values' `[…, m]`. Both are f32. NaN is
    /// the largest. Of a line that is not sorted the answer is some number of 0..=n.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (sorted, values) = (device.tensor(&[1.0, 3.0, 3.0, 7.0], 4), device.tensor(&[3.0, 0.0, 9.0], 3));
    /// assert_eq!(sorted.searchsorted(&values, false).to_vec::<u32>()?, [1, 0, 4]);
    /// assert_eq!(sorted.searchsorted(&values, true).to_vec::<u32>()?, [3, 0, 4]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn searchsorted(&self, values: &Tensor, right: bool) -> Tensor {
        record(Search { right }, &[self, values])
    }

    /// The bucket of each element, as u32: how many of the sorted `boundaries` `[n]` are below it, or with `right` not above it (`torch.bucketize`).
    #[track_caller]
    pub fn bucketize(&self, boundaries: &Tensor, right: bool) -> Tensor {
        if let Ok(spec) = boundaries.spec().as_ref().map(|spec| spec.shape)
            && spec.rank() != 1
        {
            return self.refuse("bucketize", OpError::Shape(format!("the boundaries are {spec}, expected one axis")));
        }
        boundaries.searchsorted(self, right).made_by("bucketize", &[self, boundaries])
    }

    /// Whether each element is one of the values of another tensor, of any shape (`torch.isin`); NaN is none. f32 only.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let found = device.tensor(&[1.0, 2.0, 3.0], 3).isin(&device.tensor(&[3.0, 1.0], 2));
    /// assert_eq!(found.to_vec::<bool>()?, [true, false, true]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn isin(&self, values: &Tensor) -> Tensor {
        let sorted = values.flatten().sort(0, false).0;
        let (below, up_to) = (sorted.searchsorted(self, false), sorted.searchsorted(self, true));
        below.ne(&up_to).and(&self.is_nan().not()).made_by("isin", &[self, values])
    }

    /// How many elements fall into each of `bins` equal parts of `low..=high`, as f32: `[bins]` (`torch.histc`, `numpy.histogram`). A part holds its
    /// lower edge and not its upper, but for the last, which holds both. What lies outside counts nowhere, and neither does NaN. The edges are
    /// `device.linspace(low, high, bins + 1)`.
    ///
    /// No bins, and bounds that are no finite f32 or not low below high, are errors. Counts are exact up to 2²⁴.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[0.0, 0.1, 0.5, 0.9, 1.0, 7.0], 6);
    /// assert_eq!(x.histogram(2, 0.0, 1.0).to_vec::<f32>()?, [2.0, 3.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[doc(alias = "histc")]
    #[track_caller]
    pub fn histogram(&self, bins: usize, low: f64, high: f64) -> Tensor {
        for (option, value) in [("low", low), ("high", high)] {
            if let Some(invalid) = self.unfit("histogram", option, value, finite, "a finite number") {
                return invalid;
            }
        }
        if (low as f32) >= (high as f32) {
            return self.refuse("histogram", OpError::Value(format!("low is {low} and high is {high}, expected low below high")));
        }
        if bins == 0 || bins > 1 << 24 {
            return self.refuse("histogram", OpError::Value(format!("bins is {bins}, expected 1 to 2²⁴")));
        }
        let x = self.flatten();
        let edges = self.device().linspace(low, high, bins + 1);
        // Place 0 is below all edges, place bins + 1 above all: but for the last edge itself, which is one of the last bin's.
        let last = self.device().tensor(&[bins as u32], ());
        let place = x.eq_scalar(f64::from(high as f32)).where_(&last, &edges.searchsorted(&x, true));
        x.full_like(1.0).index_add(0, &place, bins + 2).slice(0, 1..bins as isize + 1).made_by("histogram", &[self])
    }
}
