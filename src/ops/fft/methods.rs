//! Fourier transforms and complex numbers as methods of `Tensor`. A complex tensor has a last axis of 2: real and imaginary part.

use super::{Line, transform};
use crate::error::OpError;
use crate::graph::Tensor;
use crate::graph::op::{DType, Spec};
use crate::shape::Shape;

/// Where a transform and its inverse are divided by the number of elements n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FftNorm {
    /// The inverse by n.
    #[default]
    Backward,
    /// Both by √n.
    Ortho,
    /// The transform by n.
    Forward,
}

impl FftNorm {
    fn factor(self, n: usize, inverse: bool) -> f64 {
        match (self, inverse) {
            (FftNorm::Backward, false) | (FftNorm::Forward, true) => 1.0,
            (FftNorm::Ortho, _) => 1.0 / (n as f64).sqrt(),
            _ => 1.0 / n as f64,
        }
    }
}

/// The axis of a transform: not the pair of a complex tensor, and with elements.
fn axis_of(spec: &Spec, axis: isize, complex: bool) -> Result<usize, OpError> {
    if spec.dtype != DType::F32 {
        return Err(OpError::DType(format!("the tensor is {spec}, expected f32; convert with to_f32()")));
    }
    let shape = spec.shape;
    let found = shape.axis(axis)?;
    if complex {
        pairs(&shape)?;
        if found + 1 == shape.rank() {
            let message = format!("axis {axis} of {shape} holds the two parts of complex numbers; the one before it is −2");
            return Err(OpError::Value(message));
        }
    }
    if shape.dims()[found] == 0 {
        return Err(OpError::Shape(format!("axis {axis} of {shape} has no elements")));
    }
    Ok(found)
}

/// That a shape is one of complex numbers.
fn pairs(shape: &Shape) -> Result<(), OpError> {
    if shape.dims().last() == Some(&2) {
        return Ok(());
    }
    Err(OpError::Shape(format!("{shape} is no complex tensor: its last axis should hold 2 numbers, real and imaginary part")))
}

/// What a transform is called with, checked; the error if it is of no use.
fn line(x: &Tensor, axis: isize, real: bool) -> Result<Result<(Shape, usize, Line), OpError>, ()> {
    let Ok(spec) = x.spec() else { return Err(()) };
    Ok(axis_of(&spec, axis, !real).map(|axis| {
        let shape = spec.shape;
        let (outer, n, after) = shape.around(axis);
        (shape, axis, Line { outer, n, inner: if real { after } else { after / 2 }, real })
    }))
}

impl Tensor {
    /// The discrete Fourier transform of complex numbers along an axis, X(k) = Σ_j x(j) e^(−2πi jk/n): `[.., n, .., 2]` → the same shape.
    ///
    /// Complex numbers are a last axis of 2, real and imaginary part (as PyTorch's `view_as_real` has them); `axis` counts the tensor's own axes, so
    /// the last one before the pair is −2. Any length is transformed in a time of n log n, large primes in a few times that.
    /// It is made of products with small matrices: relative to the norm of the result its error is below 2 · 10⁻⁷ log₂ n, and it has gradients of every
    /// order on every device. To transform fewer or more numbers, [`slice`](Tensor::slice) or [`pad`](Tensor::pad) before.
    ///
    /// # Errors
    /// No complex tensor, another type than f32, an axis that is out of range, that of the pair, or without elements.
    ///
    /// ```
    /// use steepest::{Device, FftNorm};
    /// let x = Device::cpu().tensor(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [4, 2]);
    /// assert_eq!(x.fft(0, FftNorm::Backward).to_vec::<f32>()?, [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn fft(&self, axis: isize, norm: FftNorm) -> Tensor {
        self.transformed("fft", axis, norm, false)
    }

    /// The inverse of [`Tensor::fft`] with the same `norm`: x(j) = 1/n Σ_k X(k) e^(2πi jk/n).
    ///
    /// # Errors
    /// As [`Tensor::fft`].
    #[track_caller]
    pub fn ifft(&self, axis: isize, norm: FftNorm) -> Tensor {
        self.transformed("ifft", axis, norm, true)
    }

    #[track_caller]
    fn transformed(&self, op: &'static str, axis: isize, norm: FftNorm, inverse: bool) -> Tensor {
        let (shape, line) = match line(self, axis, false) {
            Ok(Ok((shape, _, line))) => (shape, line),
            Ok(Err(error)) => return self.refuse(op, error),
            Err(()) => return self.clone(),
        };
        let Line { outer, n, inner, .. } = line;
        let made = transform(&self.reshape([outer, n, inner, 2]), line, inverse).reshape(shape);
        scaled(made, norm.factor(n, inverse)).made_by(op, &[self])
    }

    /// The transform of real numbers along an axis, without the half that follows from the other: `[.., n, ..]` → `[.., n/2 + 1, .., 2]`.
    ///
    /// # Errors
    /// As [`Tensor::fft`], and a tensor that has as many axes as there may be already.
    ///
    /// ```
    /// use steepest::{Device, FftNorm};
    /// let x = Device::cpu().tensor(&[1.0, 2.0, 3.0, 4.0], 4);
    /// let spectrum = x.rfft(0, FftNorm::Backward);
    /// assert_eq!(spectrum.to_vec::<f32>()?, [10.0, 0.0, -2.0, 2.0, -2.0, 0.0]);
    /// assert_eq!(spectrum.irfft(Some(4), 0, FftNorm::Backward).to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn rfft(&self, axis: isize, norm: FftNorm) -> Tensor {
        let (shape, axis, line) = match line(self, axis, true) {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return self.refuse("rfft", error),
            Err(()) => return self.clone(),
        };
        let Line { outer, n, inner, .. } = line;
        let half = n / 2 + 1;
        let whole = transform(&self.reshape([outer, n, inner]), line, false);
        let made =
            whole.slice(1, ..half as isize).reshape([&shape.dims()[..axis], &[half], &shape.dims()[axis + 1..], &[2]].concat());
        scaled(made, norm.factor(n, false)).made_by("rfft", &[self])
    }

    /// The inverse of [`Tensor::rfft`], `[.., h, .., 2]` → `[.., n, ..]` of real numbers with h = n/2 + 1. An odd n must be given; `None` is
    /// 2 (h − 1).
    ///
    /// The imaginary part of X(0), and of X(n/2) for an even n, is not looked at.
    ///
    /// # Errors
    /// As [`Tensor::fft`], and an n that does not belong to h, or 0.
    #[track_caller]
    pub fn irfft(&self, n: Option<usize>, axis: isize, norm: FftNorm) -> Tensor {
        let (shape, axis, half) = match line(self, axis, false) {
            Ok(Ok((shape, axis, line))) => (shape, axis, line),
            Ok(Err(error)) => return self.refuse("irfft", error),
            Err(()) => return self.clone(),
        };
        let Line { outer, n: half, inner, .. } = half;
        let n = n.unwrap_or(2 * (half - 1));
        if n == 0 || n / 2 + 1 != half {
            let (odd, even) = (2 * half - 1, 2 * (half - 1));
            let fits = if even > 0 { format!("{even} or {odd}") } else { format!("{odd}") };
            let message = format!("n is {n}, and axis {axis} of {shape} has {half} elements, which are half of {fits}");
            return self.refuse("irfft", OpError::Value(message));
        }
        // X[n − k] is the conjugate of X[k].
        let given = self.reshape([outer, half, inner, 2]);
        let other = given.slice(1, 1..(n - half + 1) as isize).flip(&[1]).complex_conj();
        let whole = given.cat(&[&other], 1);
        let made = transform(&whole, Line { outer, n, inner, real: false }, true).slice(-1, ..1);
        let made = made.reshape([&shape.dims()[..axis], &[n], &shape.dims()[axis + 1..shape.rank() - 1]].concat());
        scaled(made, norm.factor(n, true)).made_by("irfft", &[self])
    }

    /// [`Tensor::fft`] along two axes: the last two before the pair, `[.., m, n, 2]`.
    ///
    /// # Errors
    /// As [`Tensor::fft`].
    #[track_caller]
    pub fn fft2(&self, norm: FftNorm) -> Tensor {
        self.fft(-2, norm).fft(-3, norm).made_by("fft2", &[self])
    }

    /// The inverse of [`Tensor::fft2`].
    ///
    /// # Errors
    /// As [`Tensor::fft`].
    #[track_caller]
    pub fn ifft2(&self, norm: FftNorm) -> Tensor {
        self.ifft(-2, norm).ifft(-3, norm).made_by("ifft2", &[self])
    }

    /// The transform of real numbers along the last two axes: `[.., m, n]` → `[.., m, n/2 + 1, 2]`.
    ///
    /// # Errors
    /// As [`Tensor::rfft`].
    #[track_caller]
    pub fn rfft2(&self, norm: FftNorm) -> Tensor {
        self.rfft(-1, norm).fft(-3, norm).made_by("rfft2", &[self])
    }

    /// The inverse of [`Tensor::rfft2`], `[.., m, h, 2]` → `[.., m, n]`; n as in [`Tensor::irfft`].
    ///
    /// # Errors
    /// As [`Tensor::irfft`].
    #[track_caller]
    pub fn irfft2(&self, n: Option<usize>, norm: FftNorm) -> Tensor {
        self.ifft(-3, norm).irfft(n, -2, norm).made_by("irfft2", &[self])
    }

    /// Frequency 0 brought from the beginning of each axis to its middle: rolled by half its size. `axes` are the tensor's own, of a complex tensor
    /// without that of the pair; an axis out of range is an error.
    #[track_caller]
    pub fn fftshift(&self, axes: &[isize]) -> Tensor {
        let mut made = self.clone();
        for &axis in axes {
            let n = self.size_along(axis);
            made = made.roll(n / 2, axis);
        }
        made.made_by("fftshift", &[self])
    }

    /// The inverse of [`Tensor::fftshift`].
    #[track_caller]
    pub fn ifftshift(&self, axes: &[isize]) -> Tensor {
        let mut made = self.clone();
        for &axis in axes {
            let n = self.size_along(axis);
            made = made.roll(n - n / 2, axis);
        }
        made.made_by("ifftshift", &[self])
    }

    fn size_along(&self, axis: isize) -> isize {
        let shape = self.try_shape().unwrap_or(Shape::SCALAR);
        shape.axis(axis).map_or(0, |axis| shape.dims()[axis] as isize)
    }

    /// A complex tensor, `[.., 2]`, of this tensor as real parts and another of the same shape as imaginary parts.
    #[track_caller]
    pub fn complex(&self, imaginary: &Tensor) -> Tensor {
        self.stack(&[imaginary], -1).made_by("complex", &[self, imaginary])
    }

    /// The real parts of a complex tensor, `[.., 2]` → `[..]`.
    #[track_caller]
    pub fn complex_re(&self) -> Tensor {
        self.one_part("complex_re", 0)
    }

    /// The imaginary parts of a complex tensor, `[.., 2]` → `[..]`.
    #[track_caller]
    pub fn complex_im(&self) -> Tensor {
        self.one_part("complex_im", 1)
    }

    #[track_caller]
    fn one_part(&self, op: &'static str, which: isize) -> Tensor {
        if let Some(invalid) = self.no_pairs(op) {
            return invalid;
        }
        self.slice(-1, which..which + 1).squeeze(&[-1]).made_by(op, &[self])
    }

    /// What to return if this is no complex tensor.
    #[track_caller]
    fn no_pairs(&self, op: &'static str) -> Option<Tensor> {
        match self.try_shape().map(|shape| pairs(&shape)) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(self.refuse(op, error)),
            Err(_) => Some(self.clone()),
        }
    }

    /// The conjugates of complex numbers: the imaginary parts negated.
    #[track_caller]
    pub fn complex_conj(&self) -> Tensor {
        if let Some(invalid) = self.no_pairs("complex_conj") {
            return invalid;
        }
        self.slice(-1, ..1).cat(&[&self.slice(-1, 1..).neg()], -1).made_by("complex_conj", &[self])
    }

    /// The product of complex numbers, `[.., 2]` and `[.., 2]`; the axes before the pair broadcast.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (x, y) = (device.tensor(&[1.0, 2.0], 2), device.tensor(&[3.0, -1.0], 2));
    /// assert_eq!(x.complex_mul(&y).to_vec::<f32>()?, [5.0, 5.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn complex_mul(&self, other: &Tensor) -> Tensor {
        if let Some(invalid) = self.no_pairs("complex_mul") {
            return invalid;
        }
        if let Some(invalid) = other.no_pairs("complex_mul") {
            return invalid;
        }
        let (re, im) = (other.slice(-1, ..1), other.slice(-1, 1..));
        let made = self.mul(&re).add(&self.flip(&[-1]).mul(&im.neg().cat(&[&im], -1)));
        made.made_by("complex_mul", &[self, other])
    }

    /// The absolute values of complex numbers, `[.., 2]` → `[..]`; gradient 0 at 0.
    #[track_caller]
    pub fn complex_abs(&self) -> Tensor {
        if let Some(invalid) = self.no_pairs("complex_abs") {
            return invalid;
        }
        self.l2_norm(&[-1]).made_by("complex_abs", &[self])
    }

    /// The angles of complex numbers, `[.., 2]` → `[..]`, from −π to π; of 0 as [`Tensor::atan2`] has it.
    #[track_caller]
    pub fn complex_angle(&self) -> Tensor {
        if let Some(invalid) = self.no_pairs("complex_angle") {
            return invalid;
        }
        let (re, im) = (self.slice(-1, ..1).squeeze(&[-1]), self.slice(-1, 1..).squeeze(&[-1]));
        im.atan2(&re).made_by("complex_angle", &[self])
    }
}

/// x times a factor; x itself for 1.
#[track_caller]
fn scaled(x: Tensor, factor: f64) -> Tensor {
    if factor == 1.0 { x } else { x.mul_scalar(factor) }
}
