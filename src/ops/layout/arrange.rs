//! Arranging: single slices of an axis, entries repeated, diagonals, turns, grids and products of all pairs; compositions of layout and arithmetic.

use super::cat::{cat, empty};
use super::{Embed, Reshape, Run};
use crate::error::{OpError, Result};
use crate::graph::{Tensor, record};
use crate::memory::room;
use crate::shape::{MAX_RANK, Shape};

/// Which axis of a grid the first of its vectors runs along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// The first: matrix order, row before column.
    Ij,
    /// The second, and the second vector along the first: the order of a plane, x before y.
    Xy,
}

/// Sizes with leading ones, so that there are `rank` of them.
fn led(shape: &Shape, rank: usize) -> Vec<usize> {
    [vec![1; rank - shape.rank()], shape.dims().to_vec()].concat()
}

impl Tensor {
    /// One slice of an axis, without that axis: `x[…, index, …]`. A negative index counts from the end; one outside is an error.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    /// assert_eq!(x.select(1, -1).to_vec::<f32>()?, [2.0, 4.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn select(&self, axis: isize, index: isize) -> Tensor {
        let (at, n) = match self.try_shape().map(|s| s.axis(axis).map(|at| (at as isize, s.dims()[at]))) {
            Err(_) => return self.clone(),
            Ok(Err(error)) => return self.refuse("select", error),
            Ok(Ok(found)) => found,
        };
        let k = if index < 0 { index.saturating_add(n as isize) } else { index };
        if !(0..n as isize).contains(&k) {
            return self.refuse("select", OpError::OutOfRange { what: "index", found: index as i64, size: n });
        }
        self.slice(at, k..k + 1).squeeze(&[at])
    }

    /// All slices of an axis, each without that axis, in order. An axis out of range gives one invalid tensor, and so do more slices than may be
    /// alive ([`Device::set_node_limit`](crate::Device::set_node_limit)).
    #[track_caller]
    pub fn unbind(&self, axis: isize) -> Vec<Tensor> {
        match self.try_shape().map(|s| s.axis(axis).map(|at| (at as isize, s.dims()[at]))) {
            Err(_) => vec![self.clone()],
            Ok(Err(error)) => vec![self.refuse("unbind", error)],
            Ok(Ok((at, n))) => match self.too_many("unbind", "the slices are", n) {
                Some(invalid) => vec![invalid],
                None => self.split(at, &vec![1; n]).iter().map(|part| part.squeeze(&[at])).collect(),
            },
        }
    }

    /// Parts of `size` along an axis, in order; the last has what is left (`torch.split` with a number). A size of 0 or an axis out of range
    /// gives one invalid tensor, and so do more parts than may be alive ([`Device::set_node_limit`](crate::Device::set_node_limit)).
    #[track_caller]
    pub fn split_every(&self, axis: isize, size: usize) -> Vec<Tensor> {
        if size == 0 {
            return vec![self.refuse("split_every", OpError::Value("size is 0, expected a number above 0".to_owned()))];
        }
        match self.try_shape().map(|s| s.axis(axis).map(|at| s.dims()[at])) {
            Err(_) => vec![self.clone()],
            Ok(Err(error)) => vec![self.refuse("split_every", error)],
            Ok(Ok(n)) => {
                if let Some(invalid) = self.too_many("split_every", "the parts are", n.div_ceil(size)) {
                    return vec![invalid];
                }
                let sizes: Vec<usize> = (0..n.div_ceil(size)).map(|i| size.min(n - i * size)).collect();
                self.split(axis, &sizes)
            }
        }
    }

    /// Differences of neighbours along an axis, `times` times over: `[…, n, …]` → `[…, n − times, …]`, nothing where n is smaller
    /// (`numpy.diff`). f32 or integers.
    #[track_caller]
    pub fn diff(&self, times: usize, axis: isize) -> Tensor {
        let n = match self.try_shape().map(|s| s.axis(axis).map(|at| s.dims()[at])) {
            Err(_) => return self.clone(),
            Ok(Err(error)) => return self.refuse("diff", error),
            Ok(Ok(n)) => n,
        };
        if times >= n {
            return self.slice(axis, ..0).sub(&self.slice(axis, ..0)).made_by("diff", &[self]);
        }
        if let Some(invalid) = self.too_many("diff", "times is", times) {
            return invalid;
        }
        let step = |x: Tensor, _| x.slice(axis, 1..).sub(&x.slice(axis, ..-1));
        (0..times).fold(self.clone(), step).made_by("diff", &[self])
    }

    /// A copy of this tensor in which the entries of an axis from `start` on are those of `src`, as many as it has (`torch.slice_scatter`). A negative
    /// start counts from the end. A source that is not this shape but for the axis, or does not fit, is an error.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let x = device.zeros(5).slice_put(0, -3, &device.ones(2));
    /// assert_eq!(x.to_vec::<f32>()?, [0.0, 0.0, 1.0, 1.0, 0.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[doc(alias = "slice_scatter")]
    #[track_caller]
    pub fn slice_put(&self, axis: isize, start: isize, src: &Tensor) -> Tensor {
        let (to, from) = match (self.try_shape(), src.try_shape()) {
            (Ok(to), Ok(from)) => (to, from),
            (Err(_), _) => return self.clone(),
            (_, Err(_)) => return src.clone(),
        };
        let at = match to.axis(axis) {
            Ok(at) => at,
            Err(error) => return self.refuse("slice_put", error),
        };
        let n = to.dims()[at] as isize;
        let first = if start < 0 { start.saturating_add(n) } else { start };
        let along = from.dims().get(at).copied().unwrap_or(0);
        if to.with_dim(at, along).as_ref() != Ok(&from) || first < 0 || first.saturating_add(along as isize) > n {
            let message = format!("the source is {from} from {start} on: it does not fit into axis {at} of {to}");
            return self.refuse("slice_put", OpError::Shape(message));
        }
        let rest = first + along as isize;
        let parts = [&self.slice(axis, ..first), src, &self.slice(axis, rest..)];
        parts[0].cat(&parts[1..], axis).made_by("slice_put", &[self, src])
    }

    /// Several neighbouring axes as one: those from `from` to `to`, both included. Negative ones count from the end; `flatten_axes(1, -1)` keeps the
    /// first. A `to` before `from` is an error.
    #[track_caller]
    pub fn flatten_axes(&self, from: isize, to: isize) -> Tensor {
        self.with_shape("flatten_axes", |s| {
            let (first, last) = (s.axis(from)?, s.axis(to)?);
            if first > last {
                return Err(OpError::Value(format!("axis {to} comes before axis {from} of {s}")));
            }
            let dims = s.dims();
            let shape = Shape::new(&[&dims[..first], &[dims[first..=last].iter().product()], &dims[last + 1..]].concat())?;
            Ok(Reshape { shape })
        })
    }

    /// An axis as several, whose sizes multiply to its own: the opposite of [`Tensor::flatten_axes`].
    #[track_caller]
    pub fn unflatten(&self, axis: isize, sizes: &[usize]) -> Tensor {
        self.with_shape("unflatten", |s| {
            let at = s.axis(axis)?;
            let dims = s.dims();
            if sizes.iter().try_fold(1usize, |product, &n| product.checked_mul(n)) != Some(dims[at]) {
                return Err(OpError::Shape(format!("sizes {sizes:?} do not multiply to axis {at} of {s}")));
            }
            Ok(Reshape { shape: Shape::new(&[&dims[..at], sizes, &dims[at + 1..]].concat())? })
        })
    }

    /// An axis moved to another place, the others in their order (`torch.movedim`, `numpy.moveaxis`). Negative places count from the end.
    #[doc(alias = "moveaxis")]
    #[track_caller]
    pub fn movedim(&self, from: isize, to: isize) -> Tensor {
        let order = match self.try_shape().map(|s| s.axis(from).and_then(|from| Ok((s.rank(), from, s.axis(to)?)))) {
            Err(_) => return self.clone(),
            Ok(Err(error)) => return self.refuse("movedim", error),
            Ok(Ok((rank, from, to))) => {
                let mut order: Vec<isize> = (0..rank as isize).filter(|&axis| axis != from as isize).collect();
                order.insert(to, from as isize);
                order
            }
        };
        self.permute(&order)
    }

    /// Turned by `times` quarters in the plane of two axes, from the first toward the second (`numpy.rot90`); a negative number turns back.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    /// assert_eq!(x.rot90(1, [0, 1]).to_vec::<f32>()?, [2.0, 4.0, 1.0, 3.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn rot90(&self, times: isize, axes: [isize; 2]) -> Tensor {
        if let Ok(Err(error)) = self.try_shape().map(|s| s.axes(&axes)) {
            return self.refuse("rot90", error);
        }
        let [a, b] = axes;
        match times.rem_euclid(4) {
            1 => self.flip(&[b]).transpose(a, b),
            2 => self.flip(&[a, b]),
            3 => self.transpose(a, b).flip(&[b]),
            _ => self.clone(),
        }
    }

    /// Matrices with this tensor's last axis on a diagonal and 0 elsewhere, `[…, n]` → `[…, n + |offset|, n + |offset|]`: the opposite of
    /// [`Tensor::diagonal`]. A positive offset is above the main diagonal. f32 only.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[1.0, 2.0], 2);
    /// assert_eq!(x.diag_embed(0).to_vec::<f32>()?, [1.0, 0.0, 0.0, 2.0]);
    /// assert_eq!(x.diag_embed(-1).to_vec::<f32>()?, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn diag_embed(&self, offset: isize) -> Tensor {
        let Ok(shape) = self.try_shape() else { return self.clone() };
        let Some((&n, batch)) = shape.dims().split_last() else {
            return self.refuse("diag_embed", OpError::Shape(format!("{shape} has no axis to put on a diagonal")));
        };
        let side = n.saturating_add(offset.unsigned_abs());
        let whole = Shape::new(&[batch, &[side, side]].concat());
        let (flat, whole) = match (Shape::new(&[batch, &[side.saturating_mul(side)]].concat()), whole) {
            (Ok(flat), Ok(whole)) => (flat, whole),
            (Err(error), _) | (_, Err(error)) => return self.refuse("diag_embed", error),
        };
        // Along the flattened matrix the next place of a diagonal is a row and one element away.
        let start = offset.min(0).unsigned_abs() * side + offset.max(0) as usize;
        let mut runs: Vec<Run> = batch.iter().map(|&n| Run::all(n)).collect();
        runs.push(Run { start: if n == 0 { 0 } else { start }, step: side as isize + 1, count: n });
        record(Embed { runs, shape: flat, value: 0.0 }, &[self]).reshape(whole).made_by("diag_embed", &[self])
    }

    /// Of a vector the matrix with it on a diagonal, of a matrix that diagonal (`torch.diag`); see [`Tensor::diag_embed`] and
    /// [`Tensor::diagonal`]. Other ranks are an error.
    #[track_caller]
    pub fn diag(&self, offset: isize) -> Tensor {
        match self.try_shape() {
            Err(_) => self.clone(),
            Ok(s) if s.rank() == 1 => self.diag_embed(offset).made_by("diag", &[self]),
            Ok(s) if s.rank() == 2 => self.diagonal(offset).made_by("diag", &[self]),
            Ok(s) => self.refuse("diag", OpError::Shape(format!("{s} is neither a vector nor a matrix"))),
        }
    }

    /// Every entry of an axis several times in a row, as `torch.repeat_interleave` and `numpy.repeat`: one number for all, or one per entry. Another
    /// count of numbers, and an axis out of range, are errors.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[1.0, 2.0, 3.0], 3);
    /// assert_eq!(x.repeat_interleave(&[2], 0).to_vec::<f32>()?, [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    /// assert_eq!(x.repeat_interleave(&[1, 0, 3], 0).to_vec::<f32>()?, [1.0, 3.0, 3.0, 3.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn repeat_interleave(&self, repeats: &[usize], axis: isize) -> Tensor {
        let (at, n) = match self.try_shape().map(|s| s.axis(axis).map(|at| (at, s.dims()[at]))) {
            Err(_) => return self.clone(),
            Ok(Err(error)) => return self.refuse("repeat_interleave", error),
            Ok(Ok(found)) => found,
        };
        if let [count] = repeats {
            return self.repeat(*count, axis).made_by("repeat_interleave", &[self]);
        }
        let total = repeats.iter().try_fold(0usize, |sum, &count| sum.checked_add(count));
        if repeats.len() != n || total.is_none_or(|total| i32::try_from(total).is_err()) {
            let message =
                format!("repeats {repeats:?} for axis {at} with {n} entries: one number for all or one each, below 2³¹ together");
            return self.refuse("repeat_interleave", OpError::Value(message));
        }
        let what = format_args!("repeat_interleave: {} entries", total.unwrap_or(0));
        let mut index: Vec<u32> = match room(what, total.unwrap_or(0)) {
            Ok(memory) => memory,
            Err(error) => return self.refuse("repeat_interleave", OpError::NoRoom(error)),
        };
        index.extend(repeats.iter().zip(0..).flat_map(|(&count, k)| std::iter::repeat_n(k, count)));
        self.index_select(axis, &self.device().tensor(&index, index.len())).made_by("repeat_interleave", &[self])
    }

    /// The Kronecker product (`numpy.kron`): every element of this tensor times the whole of another, of any ranks; the sizes multiply. The shorter
    /// shape gets leading ones.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (a, b) = (device.tensor(&[1.0, 10.0], 2), device.tensor(&[1.0, 2.0, 3.0], 3));
    /// assert_eq!(a.kron(&b).to_vec::<f32>()?, [1.0, 2.0, 3.0, 10.0, 20.0, 30.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn kron(&self, other: &Tensor) -> Tensor {
        let (a, b) = match (self.try_shape(), other.try_shape()) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(_), _) => return self.clone(),
            (_, Err(_)) => return other.clone(),
        };
        let rank = a.rank().max(b.rank());
        let (a, b) = (led(&a, rank), led(&b, rank));
        let product = if 2 * rank <= MAX_RANK {
            let wide = a.iter().flat_map(|&n| [n, 1]).collect::<Vec<_>>();
            let tall = b.iter().flat_map(|&n| [1, n]).collect::<Vec<_>>();
            let sizes: Vec<usize> = a.iter().zip(&b).map(|(n, m)| n.saturating_mul(*m)).collect();
            self.reshape(wide).mul(&other.reshape(tall)).reshape(sizes)
        } else {
            // Too many axes to give each tensor its own.
            let wide = b.iter().zip(0..).fold(self.reshape(a.clone()), |x, (&m, k)| if m == 1 { x } else { x.repeat(m, k) });
            wide.mul(&other.reshape(b).tile(&a))
        };
        product.made_by("kron", &[self, other])
    }

    /// The cross product of vectors in space along an axis of size 3. The shapes broadcast but for that axis, which must be 3 in both.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (x, y) = (device.tensor(&[1.0, 0.0, 0.0], 3), device.tensor(&[0.0, 1.0, 0.0], 3));
    /// assert_eq!(x.cross(&y, -1).to_vec::<f32>()?, [0.0, 0.0, 1.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn cross(&self, other: &Tensor, axis: isize) -> Tensor {
        let (a, b) = match (self.try_shape(), other.try_shape()) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(_), _) => return self.clone(),
            (_, Err(_)) => return other.clone(),
        };
        let rank = a.rank().max(b.rank());
        let (x, y) = (self.reshape(led(&a, rank)), other.reshape(led(&b, rank)));
        for (tensor, own) in [(&x, a), (&y, b)] {
            match tensor.try_shape().map(|s| s.axis(axis).map(|at| s.dims()[at])) {
                Ok(Ok(3)) => {}
                Ok(Err(error)) => return self.refuse("cross", error),
                _ => return self.refuse("cross", OpError::Shape(format!("{own} has not the size 3 along axis {axis}"))),
            }
        }
        // The next and the one after it, around.
        let (next, after) = (|t: &Tensor| t.roll(-1, axis), |t: &Tensor| t.roll(-2, axis));
        next(&x).mul(&after(&y)).sub(&after(&x).mul(&next(&y))).made_by("cross", &[self, other])
    }

    /// The sum of products over pairs of axes: axis `own[k]` of this tensor runs with axis `others[k]` of another (`numpy.tensordot`). The result
    /// has the other axes, this tensor's first. Lists of different lengths, and sizes that differ, are errors.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    /// assert_eq!(x.tensordot(&x, &[0], &[1]).to_vec::<f32>()?, [7.0, 15.0, 10.0, 22.0]);
    /// assert_eq!(x.tensordot(&x, &[0, 1], &[0, 1]).item()?, 30.0);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn tensordot(&self, other: &Tensor, own: &[isize], others: &[isize]) -> Tensor {
        let (a, b) = match (self.try_shape(), other.try_shape()) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(_), _) => return self.clone(),
            (_, Err(_)) => return other.clone(),
        };
        let named = |s: &Shape, axes: &[isize]| {
            let found = axes.iter().map(|&axis| s.axis(axis)).collect::<Result<Vec<usize>, OpError>>()?;
            // No axis twice; an empty list is none here, and all there.
            if axes.is_empty() { Ok(found) } else { s.axes(axes).map(|_| found) }
        };
        let (left, right) = match (named(&a, own), named(&b, others)) {
            (Ok(left), Ok(right)) => (left, right),
            (Err(error), _) | (_, Err(error)) => return self.refuse("tensordot", error),
        };
        let sizes = |s: &Shape, axes: &[usize]| axes.iter().map(|&axis| s.dims()[axis]).collect::<Vec<_>>();
        let summed = sizes(&a, &left);
        if summed != sizes(&b, &right) {
            let message = format!("axes {own:?} of {a} and {others:?} of {b} have not the same sizes");
            return self.refuse("tensordot", OpError::Shape(message));
        }
        let kept = |s: &Shape, gone: &[usize]| (0..s.rank()).filter(|axis| !gone.contains(axis)).collect::<Vec<_>>();
        let order = |axes: Vec<usize>| axes.into_iter().map(|axis| axis as isize).collect::<Vec<_>>();
        let (rows, columns) = (kept(&a, &left), kept(&b, &right));
        let count = |sizes: &[usize]| sizes.iter().product::<usize>();
        let shape = [sizes(&a, &rows), sizes(&b, &columns)];
        let x = self.permute(&order([rows, left].concat())).reshape([count(&shape[0]), count(&summed)]);
        let y = other.permute(&order([right, columns].concat())).reshape([count(&summed), count(&shape[1])]);
        x.matmul(&y).reshape(shape.concat()).made_by("tensordot", &[self, other])
    }
}

/// Grids of coordinates: of n vectors n tensors of n axes, each with one vector running along its axis and repeated along the others; numbers
/// without axes count as vectors of one. With [`Indexing::Xy`] the first two axes are exchanged (NumPy's default; PyTorch's is `Ij`).
///
/// ```
/// use steepest::{Device, ops::{Indexing, meshgrid}};
/// let device = Device::cpu();
/// let (y, x) = (device.tensor(&[0.0, 1.0], 2), device.tensor(&[5.0, 6.0, 7.0], 3));
/// let grids = meshgrid(&[&y, &x], Indexing::Ij)?;
/// assert_eq!(grids[0].to_vec::<f32>()?, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
/// assert_eq!(grids[1].to_vec::<f32>()?, [5.0, 6.0, 7.0, 5.0, 6.0, 7.0]);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// An empty list: there is no device to record on. Everything else (a matrix, more than 8 vectors) is reported by the tensors returned.
#[track_caller]
pub fn meshgrid(vectors: &[&Tensor], indexing: Indexing) -> Result<Vec<Tensor>> {
    let Some(first) = vectors.first() else { return Err(empty("meshgrid")) };
    let mut sizes = vec![];
    for vector in vectors {
        match vector.try_shape() {
            Err(_) => return Ok(vec![(*vector).clone(); vectors.len()]),
            Ok(s) if s.rank() > 1 => {
                let error = OpError::Shape(format!("{s} is no vector"));
                return Ok(vec![first.refuse("meshgrid", error); vectors.len()]);
            }
            Ok(s) => sizes.push(s.numel()),
        }
    }
    let place = |k: usize| if indexing == Indexing::Xy && k < 2 && sizes.len() > 1 { 1 - k } else { k };
    let whole: Vec<usize> = (0..sizes.len()).map(|k| sizes[place(k)]).collect();
    let mut grids = vec![];
    for (k, vector) in vectors.iter().enumerate() {
        let mut own = vec![1; sizes.len()];
        own[place(k)] = sizes[k];
        grids.push(vector.reshape(own).expand(whole.clone()).made_by("meshgrid", &[vector]));
    }
    Ok(grids)
}

/// Tensors in the one shape that they broadcast to.
///
/// # Errors
/// An empty list: there is no device to record on. Shapes that do not broadcast are reported by the tensors returned.
#[track_caller]
pub fn broadcast_tensors(tensors: &[&Tensor]) -> Result<Vec<Tensor>> {
    let Some(first) = tensors.first() else { return Err(empty("broadcast_tensors")) };
    let mut whole = Shape::SCALAR;
    for tensor in tensors {
        match tensor.try_shape().map(|s| whole.broadcast(&s)) {
            Err(_) => return Ok(vec![(*tensor).clone(); tensors.len()]),
            Ok(Err(error)) => return Ok(vec![first.refuse("broadcast_tensors", error); tensors.len()]),
            Ok(Ok(shape)) => whole = shape,
        }
    }
    Ok(tensors.iter().map(|tensor| tensor.expand(whole)).collect())
}

/// A matrix with matrices along its diagonal and 0 elsewhere; a vector counts as one row, a number as a matrix of one. f32 only.
///
/// ```
/// use steepest::{Device, ops};
/// let device = Device::cpu();
/// let (a, b) = (device.tensor(&[1.0, 2.0], [2, 1]), device.tensor(&[3.0, 4.0], [1, 2]));
/// assert_eq!(ops::block_diag(&[&a, &b])?.to_vec::<f32>()?, [1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 3.0, 4.0]);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// An empty list: there is no device to record on. Everything else (more than two axes) is reported by the tensor returned.
#[track_caller]
pub fn block_diag(matrices: &[&Tensor]) -> Result<Tensor> {
    let Some(first) = matrices.first() else { return Err(empty("block_diag")) };
    let mut sizes = vec![];
    for matrix in matrices {
        match matrix.try_shape() {
            Err(_) => return Ok((*matrix).clone()),
            Ok(s) if s.rank() > 2 => return Ok(first.refuse("block_diag", OpError::Shape(format!("{s} is no matrix")))),
            Ok(s) => sizes.push(led(&s, 2)),
        }
    }
    let columns = |blocks: &[Vec<usize>]| blocks.iter().map(|size| size[1]).sum::<usize>();
    let band = |(k, matrix): (usize, &&Tensor)| {
        let pads = [(0, 0), (columns(&sizes[..k]), columns(&sizes[k + 1..]))];
        matrix.reshape(sizes[k].clone()).pad(&pads, 0.0)
    };
    let bands: Vec<Tensor> = matrices.iter().enumerate().map(band).collect();
    Ok(cat(&bands.iter().collect::<Vec<_>>(), 0)?.made_by("block_diag", matrices))
}

/// Tensors side by side: along the second axis, vectors along their only one (`numpy.hstack`).
///
/// # Errors
/// An empty list: there is no device to record on. Everything else is reported by the tensor returned.
#[track_caller]
pub fn hstack(tensors: &[&Tensor]) -> Result<Tensor> {
    let flat = |t: &&Tensor| if t.try_shape().is_ok_and(|s| s.rank() == 0) { t.reshape(1) } else { (*t).clone() };
    let parts: Vec<Tensor> = tensors.iter().map(flat).collect();
    let Some(first) = parts.first() else { return Err(empty("hstack")) };
    let axis = isize::from(first.try_shape().is_ok_and(|s| s.rank() > 1));
    Ok(cat(&parts.iter().collect::<Vec<_>>(), axis)?.made_by("hstack", tensors))
}

/// Tensors one below the other: along the first axis, vectors as rows (`numpy.vstack`).
///
/// # Errors
/// An empty list: there is no device to record on. Everything else is reported by the tensor returned.
#[track_caller]
pub fn vstack(tensors: &[&Tensor]) -> Result<Tensor> {
    let row = |t: &&Tensor| match t.try_shape() {
        Ok(s) if s.rank() < 2 => t.reshape([1, s.numel()]),
        _ => (*t).clone(),
    };
    let parts: Vec<Tensor> = tensors.iter().map(row).collect();
    if parts.is_empty() {
        return Err(empty("vstack"));
    }
    Ok(cat(&parts.iter().collect::<Vec<_>>(), 0)?.made_by("vstack", tensors))
}
