//! Shapes of rank 0 to 8, axes, broadcasting, and strided views of a linear buffer.

use crate::error::OpError;
use std::fmt;

/// The largest number of axes a tensor may have.
pub const MAX_RANK: usize = 8;

/// The sizes of a tensor's axes, outermost first. A scalar has no axes; a size may be zero.
///
/// The number of elements always fits in a `u32`, because kernels index with one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    rank: u8,
    dims: [usize; MAX_RANK],
}

impl Shape {
    /// A shape of rank 0: one element.
    pub const SCALAR: Shape = Shape { rank: 0, dims: [0; MAX_RANK] };

    /// Builds a shape from its sizes.
    ///
    /// # Errors
    /// More than [`MAX_RANK`] axes, or more than `u32::MAX` elements.
    pub fn new(dims: &[usize]) -> Result<Shape, OpError> {
        if dims.len() > MAX_RANK {
            return Err(OpError::Shape(format!("{dims:?} has {} axes; at most {MAX_RANK} are supported", dims.len())));
        }
        // A zero size hides a huge one from the product, so the product of the others is checked too.
        let elements = dims.iter().filter(|&&d| d > 0).try_fold(1usize, |n, &d| n.checked_mul(d));
        if elements.is_none_or(|n| n > u32::MAX as usize) {
            return Err(OpError::Shape(format!("{dims:?} has more than {} elements", u32::MAX)));
        }
        let mut shape = Shape { rank: dims.len() as u8, dims: [0; MAX_RANK] };
        shape.dims[..dims.len()].copy_from_slice(dims);
        Ok(shape)
    }

    /// The sizes, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank as usize]
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// The number of elements: the product of all sizes, 1 for a scalar.
    pub fn numel(&self) -> usize {
        self.dims().iter().product()
    }

    /// Row-major strides in elements: how far apart neighbours along each axis are.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.rank()];
        for axis in (1..self.rank()).rev() {
            strides[axis - 1] = strides[axis] * self.dims[axis].max(1);
        }
        strides
    }

    /// Turns an axis that may count from the end (−1 is the last) into an index.
    ///
    /// # Errors
    /// The axis is outside `-rank..rank`.
    pub fn axis(&self, axis: isize) -> Result<usize, OpError> {
        let rank = self.rank() as isize;
        let index = if axis < 0 { axis + rank } else { axis };
        if (0..rank).contains(&index) { Ok(index as usize) } else { Err(OpError::Axis { axis, shape: *self }) }
    }

    /// Several axes as a sorted list of indices; an empty list means all axes.
    ///
    /// # Errors
    /// An axis out of range, or named twice.
    pub fn axes(&self, axes: &[isize]) -> Result<Vec<usize>, OpError> {
        if axes.is_empty() {
            return Ok((0..self.rank()).collect());
        }
        let mut indices = axes.iter().map(|&a| self.axis(a)).collect::<Result<Vec<_>, _>>()?;
        indices.sort_unstable();
        if indices.windows(2).any(|w| w[0] == w[1]) {
            return Err(OpError::Value(format!("axes {axes:?} name one axis of {self} twice")));
        }
        Ok(indices)
    }

    /// The shape two operands broadcast to, by NumPy's rule: aligned at the right, sizes equal or 1.
    ///
    /// # Errors
    /// A pair of sizes that differ and of which neither is 1.
    pub fn broadcast(&self, other: &Shape) -> Result<Shape, OpError> {
        if self == other {
            return Ok(*self);
        }
        let rank = self.rank().max(other.rank());
        let mut dims = [0; MAX_RANK];
        for (i, dim) in dims[..rank].iter_mut().enumerate() {
            let size = |s: &Shape| (i + s.rank()).checked_sub(rank).map_or(1, |axis| s.dims[axis]);
            let (a, b) = (size(self), size(other));
            *dim = match (a, b) {
                _ if a == b => a,
                (1, n) | (n, 1) => n,
                _ => {
                    return Err(OpError::Shape(format!("{self} and {other} do not broadcast: sizes {a} and {b} differ")));
                }
            };
        }
        Shape::new(&dims[..rank])
    }

    /// This shape with one axis given another size.
    pub(crate) fn with_dim(&self, axis: usize, size: usize) -> Result<Shape, OpError> {
        let mut dims = self.dims;
        dims[axis] = size;
        Shape::new(&dims[..self.rank()])
    }

    /// This shape with `axes` set to 1 (`keepdim`) or taken out.
    pub(crate) fn reduced(&self, axes: &[usize], keepdim: bool) -> Shape {
        let mut shape = Shape::SCALAR;
        for (axis, &size) in self.dims().iter().enumerate() {
            let gone = axes.contains(&axis);
            if !gone || keepdim {
                shape.dims[shape.rank as usize] = if gone { 1 } else { size };
                shape.rank += 1;
            }
        }
        shape
    }

    /// `(outer, n, inner)`: the products of the sizes before, at and after `axis`.
    pub(crate) fn around(&self, axis: usize) -> (usize, usize, usize) {
        let dims = self.dims();
        (dims[..axis].iter().product(), dims[axis], dims[axis + 1..].iter().product())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, d) in self.dims().iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{d}")?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What may stand where a shape is asked for: arrays, slices and vectors of sizes, one size, or `()`.
pub trait ToShape {
    /// The shape, or why there is none.
    ///
    /// # Errors
    /// As [`Shape::new`].
    fn to_shape(&self) -> Result<Shape, OpError>;
}

impl ToShape for Shape {
    fn to_shape(&self) -> Result<Shape, OpError> {
        Ok(*self)
    }
}
impl ToShape for () {
    fn to_shape(&self) -> Result<Shape, OpError> {
        Ok(Shape::SCALAR)
    }
}
impl ToShape for usize {
    fn to_shape(&self) -> Result<Shape, OpError> {
        Shape::new(&[*self])
    }
}
impl ToShape for [usize] {
    fn to_shape(&self) -> Result<Shape, OpError> {
        Shape::new(self)
    }
}
impl<const N: usize> ToShape for [usize; N] {
    fn to_shape(&self) -> Result<Shape, OpError> {
        Shape::new(self)
    }
}
impl ToShape for Vec<usize> {
    fn to_shape(&self) -> Result<Shape, OpError> {
        Shape::new(self)
    }
}
impl<T: ToShape + ?Sized> ToShape for &T {
    fn to_shape(&self) -> Result<Shape, OpError> {
        (**self).to_shape()
    }
}

/// One axis of a [`View`]: its size and how many elements of the buffer one step along it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ViewDim {
    /// Number of steps.
    pub size: usize,
    /// Elements per step; zero repeats, negative runs backwards.
    pub stride: isize,
}

/// Where in a buffer the i-th element (row-major) of a shape is read: an affine map, one term an axis.
///
/// Broadcasting, permuting, slicing, flipping and expanding are all views.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// Position of the first element.
    pub offset: usize,
    /// Axes, outermost first; neighbours that move as one are merged by [`View::new`].
    pub dims: Vec<ViewDim>,
}

impl View {
    /// A view with axes of size 1 dropped and contiguous neighbours merged.
    pub fn new(offset: usize, dims: impl IntoIterator<Item = ViewDim>) -> View {
        let mut merged: Vec<ViewDim> = Vec::new();
        for dim in dims {
            if dim.size == 1 {
                continue;
            }
            match merged.last_mut() {
                Some(last)
                    if isize::try_from(dim.size).ok().and_then(|size| size.checked_mul(dim.stride)) == Some(last.stride)
                        && last.size.checked_mul(dim.size).is_some() =>
                {
                    *last = ViewDim { size: last.size * dim.size, stride: dim.stride };
                }
                _ => merged.push(dim),
            }
        }
        View { offset, dims: merged }
    }

    /// The view that reads a buffer of `shape` in order.
    pub fn contiguous(shape: &Shape) -> View {
        View::broadcast(shape, shape)
    }

    /// The view that reads a buffer of shape `from` as if it had the (broadcast) shape `to`.
    pub fn broadcast(from: &Shape, to: &Shape) -> View {
        let strides = from.strides();
        let missing = to.rank() - from.rank();
        View::new(
            0,
            to.dims().iter().enumerate().map(|(i, &size)| ViewDim {
                size,
                stride: match i.checked_sub(missing) {
                    Some(axis) if from.dims()[axis] != 1 => strides[axis] as isize,
                    _ => 0,
                },
            }),
        )
    }

    /// Number of elements the view reads; `usize::MAX` stands for more than can be counted.
    pub fn numel(&self) -> usize {
        let sizes = || self.dims.iter().map(|d| d.size);
        if sizes().any(|size| size == 0) { 0 } else { sizes().fold(1, usize::saturating_mul) }
    }

    /// Whether element i is at position i.
    pub fn is_contiguous(&self) -> bool {
        self.offset == 0 && (self.dims.is_empty() || (self.dims.len() == 1 && self.dims[0].stride == 1))
    }

    /// Buffer positions of the elements `start..start + count`, in order, handed to `visit`.
    pub fn positions(&self, start: usize, count: usize, mut visit: impl FnMut(usize)) {
        if count == 0 {
            return;
        }
        let Some((inner, outer)) = self.dims.split_last() else {
            (0..count).for_each(|_| visit(self.offset));
            return;
        };
        let mut done = 0;
        while done < count {
            let index = start + done;
            let (mut row, column) = (index / inner.size, index % inner.size);
            let mut base = self.offset as isize;
            for dim in outer.iter().rev() {
                base += (row % dim.size) as isize * dim.stride;
                row /= dim.size;
            }
            let run = (inner.size - column).min(count - done);
            for step in column..column + run {
                visit((base + step as isize * inner.stride) as usize);
            }
            done += run;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(dims: &[usize]) -> Shape {
        Shape::new(dims).expect("valid")
    }

    #[test]
    fn broadcasting_follows_numpy() {
        assert_eq!(shape(&[3, 1]).broadcast(&shape(&[4])).expect("ok"), shape(&[3, 4]));
        assert_eq!(shape(&[0]).broadcast(&shape(&[1])).expect("ok"), shape(&[0]));
        assert_eq!(Shape::SCALAR.broadcast(&shape(&[2, 2])).expect("ok"), shape(&[2, 2]));
        assert!(shape(&[3]).broadcast(&shape(&[4])).is_err());
    }

    #[test]
    fn limits_are_errors() {
        assert!(Shape::new(&[1; 9]).is_err());
        assert!(Shape::new(&[1 << 20, 1 << 20]).is_err());
        assert!(Shape::new(&[0, usize::MAX, 2]).is_err());
        assert!(shape(&[2, 3]).axis(2).is_err());
        assert_eq!(shape(&[2, 3]).axis(-1).expect("ok"), 1);
        assert!(shape(&[2, 3]).axes(&[0, -2]).is_err());
    }

    #[test]
    fn views_merge_and_walk() {
        let view = View::broadcast(&shape(&[3, 1]), &shape(&[2, 3, 2]));
        let mut seen = vec![];
        view.positions(0, 12, |p| seen.push(p));
        assert_eq!(seen, [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
        assert!(View::contiguous(&shape(&[2, 3, 4])).is_contiguous());
        let mut tail = vec![];
        view.positions(5, 4, |p| tail.push(p));
        assert_eq!(tail, seen[5..9]);
    }
}
