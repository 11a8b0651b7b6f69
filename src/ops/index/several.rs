//! Indexing by several indices at once, as `x[i, j]` in NumPy and PyTorch: they broadcast together, and each names a place on an axis of its own.

use super::check;
use crate::error::OpError;
use crate::graph::Tensor;
use crate::graph::op::DType;
use crate::shape::Shape;

/// Where several indices point.
struct Places {
    /// The number of each place in row-major order over the indexed axes, beyond them all where one index is outside; of one axis.
    number: Tensor,
    /// The shape that the indices broadcast to.
    shape: Shape,
    /// The axes that are not indexed.
    rest: Vec<usize>,
    /// How many places there are.
    count: usize,
}

impl Tensor {
    /// Where indices point in this tensor, one for each of its first axes.
    #[track_caller]
    fn places(&self, indices: &[&Tensor]) -> Result<Places, OpError> {
        let invalid = |_| OpError::Value("an operand is invalid".to_owned());
        let own = self.try_shape().map_err(invalid)?;
        if indices.is_empty() || indices.len() > own.rank() {
            let given = indices.len();
            return Err(OpError::Value(format!(
                "{given} indices for {own}, expected one for each of its first axes, at least one"
            )));
        }
        let (axes, rest) = own.dims().split_at(indices.len());
        let mut shape = Shape::SCALAR;
        for index in indices {
            shape = shape.broadcast(&index.try_shape().map_err(invalid)?)?;
        }
        let whole = |n: usize| self.device().tensor(&[n as u32], ());
        let (mut number, mut inside) = (None::<Tensor>, None::<Tensor>);
        for (index, &n) in indices.iter().zip(axes) {
            let spec = index.spec().map_err(invalid)?;
            if !matches!(spec.dtype, DType::U32 | DType::I32) {
                return Err(OpError::DType(format!("the index is {spec}, expected u32 or i32; convert with to_u32()")));
            }
            let index = index.counted_from_the_start(n)?;
            check("index", &index.spec().map_err(invalid)?, n)?;
            // As plain words a negative index is beyond all places.
            let index = index.to_u32();
            let fits = index.lt(&whole(n));
            inside = Some(inside.map_or(fits.clone(), |inside| inside.and(&fits)));
            number = Some(number.map_or(index.clone(), |number| number.mul(&whole(n)).add(&index)));
        }
        let (Some(number), Some(inside)) = (number, inside) else { return Err(OpError::Value("no indices".to_owned())) };
        let number = inside.where_(&number, &whole(u32::MAX as usize)).expand(shape).flatten();
        Ok(Places { number, shape, rest: rest.to_vec(), count: axes.iter().product() })
    }

    /// Elements, or whole slices of the axes that are left, by one index for each of the first axes, as `x[i, j]` in NumPy and PyTorch:
    /// `out[…, r] = x[i[…], j[…], r]`. The indices (u32 or i32) broadcast together to `[s…]`, and the result is `[s…, rest…]`.
    ///
    /// A negative index counts from the end. One outside is an error where its range is known, else it gives NaN (0 for integers).
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let x = device.tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]);
    /// let (rows, columns) = (device.tensor(&[0u32, 1, 1], 3), device.tensor(&[2i32, 0, -1], 3));
    /// assert_eq!(x.at(&[&rows, &columns]).to_vec::<f32>()?, [3.0, 4.0, 6.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn at(&self, indices: &[&Tensor]) -> Tensor {
        if let Some(invalid) = [&[self], indices].concat().into_iter().find(|t| t.check().is_err()) {
            return invalid.clone();
        }
        match self.places(indices) {
            Ok(Places { number, shape, rest, count }) => {
                let slices = self.reshape([&[count], &rest[..]].concat()).index_select(0, &number);
                slices.reshape([shape.dims(), &rest].concat()).made_by("at", &[&[self], indices].concat())
            }
            Err(error) => self.refuse("at", error),
        }
    }

    /// A copy of this tensor in which what [`Tensor::at`] reads by the same indices is exchanged for `src`, or with `accumulate` increased by it
    /// (`torch.index_put`). The source broadcasts to the shape that is read. Which of several for one place wins, and who gets the gradient, is as in
    /// [`Tensor::index_put`].
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (rows, columns) = (device.tensor(&[0u32, 1], 2), device.tensor(&[2u32, 0], 2));
    /// let x = device.zeros([2, 3]).put_at(&[&rows, &columns], &device.tensor(&[7.0, 8.0], 2), false);
    /// assert_eq!(x.to_vec::<f32>()?, [0.0, 0.0, 7.0, 8.0, 0.0, 0.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn put_at(&self, indices: &[&Tensor], src: &Tensor, accumulate: bool) -> Tensor {
        let all = [&[self, src], indices].concat();
        if let Some(invalid) = all.iter().find(|t| t.check().is_err()) {
            return (*invalid).clone();
        }
        let (places, own) = match (self.places(indices), self.try_shape()) {
            (Ok(places), Ok(own)) => (places, own),
            (Err(error), _) => return self.refuse("put_at", error),
            (_, Err(_)) => return self.clone(),
        };
        let Places { number, shape, rest, count } = places;
        let source = src.expand([shape.dims(), &rest].concat()).reshape([&[shape.numel()], &rest[..]].concat());
        let made = self.reshape([&[count], &rest[..]].concat()).index_put(0, &number, &source, accumulate);
        made.reshape(own).made_by("put_at", &all)
    }
}
