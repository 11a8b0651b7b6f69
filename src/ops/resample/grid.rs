//! Sampling images at places of a grid: gathers of whole rows of channels, weighted; everything is made of other ops, so it has derivatives of
//! every order, and sums of gradients are in a fixed order.

use super::super::elementwise::CELL;
use super::super::index::Gather;
use super::super::window::ToPair;
use crate::error::OpError;
use crate::graph::op::DType;
use crate::graph::{Tensor, record};
use crate::shape::Shape;

/// What a sample beside an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridPadding {
    /// 0.
    Zeros,
    /// What is at the edge.
    Border,
    /// The image mirrored again and again: at its outer edges, or with `align_corners` at the centres of its outer pixels.
    Reflection,
}

/// How [`Tensor::grid_sample`] finds numbers between pixels: bilinear, zeros beside the image, −1 and 1 at its outer edges at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridSampling {
    /// Whether the nearest pixel is taken, halves to even; else the four neighbours are weighted.
    pub nearest: bool,
    /// What is beside the image.
    pub padding: GridPadding,
    /// Whether −1 and 1 are the centres of the outer pixels; else the outer edges of the image.
    pub align_corners: bool,
}

impl Default for GridSampling {
    fn default() -> GridSampling {
        GridSampling { nearest: false, padding: GridPadding::Zeros, align_corners: false }
    }
}

impl GridSampling {
    /// Bilinear, zeros beside the image, −1 and 1 at its outer edges.
    pub fn new() -> GridSampling {
        GridSampling::default()
    }

    /// Whether the nearest pixel is taken.
    pub fn nearest(mut self, on: bool) -> GridSampling {
        self.nearest = on;
        self
    }

    /// What is beside the image.
    pub fn padding(mut self, padding: GridPadding) -> GridSampling {
        self.padding = padding;
        self
    }

    /// Whether −1 and 1 are the centres of the outer pixels.
    pub fn align_corners(mut self, on: bool) -> GridSampling {
        self.align_corners = on;
        self
    }

    /// Where along an axis of so many pixels a number of the grid lies, in pixels from the first one.
    #[track_caller]
    fn place(&self, g: &Tensor, size: usize) -> Tensor {
        let n = size as f64;
        let g = g.is_nan().where_(&g.full_like(-1.0), g).clamp(-FARTHEST, FARTHEST).add_scalar(1.0);
        let p = if self.align_corners { g.mul_scalar((n - 1.0) / 2.0) } else { g.mul_scalar(n).add_scalar(-1.0).div_scalar(2.0) };
        match self.padding {
            // Beyond these no neighbour is inside, and they keep the numbers small.
            GridPadding::Zeros => p.clamp(-2.0, n + 1.0),
            GridPadding::Border => p.clamp(0.0, n - 1.0),
            GridPadding::Reflection => self.reflected(&p, n).clamp(0.0, n - 1.0),
        }
    }

    /// A place mirrored into the image.
    #[track_caller]
    fn reflected(&self, p: &Tensor, n: f64) -> Tensor {
        let (first, span) = if self.align_corners { (0.0, n - 1.0) } else { (-0.5, n) };
        if span == 0.0 {
            return p.mul_scalar(0.0);
        }
        let far = p.add_scalar(-first).abs();
        // Every second turn runs backwards.
        let turns = far.div_scalar(span).floor();
        let within = far.sub(&turns.mul_scalar(span));
        let odd = turns.sub(&turns.div_scalar(2.0).floor().mul_scalar(2.0)).gt_scalar(0.5);
        odd.where_(&within.neg().add_scalar(span), &within).add_scalar(first)
    }
}

/// A number of a grid beyond this counts as this.
const FARTHEST: f64 = 1e6;
/// Rows and columns up to here are exact in f32.
const LARGEST_SIDE: usize = 1 << 24;

/// What is wrong with an image and a grid, or N, C, H, W and the grid's height and width.
fn sizes(image: &Tensor, x: &Shape, grid: &Shape) -> Result<[usize; 6], OpError> {
    let (&[n, c, h, w], &[m, rows, columns, 2]) = (x.dims(), grid.dims()) else {
        return Err(OpError::Shape(format!("image {x} and grid {grid}, expected [N, C, H, W] and [N, H, W, 2]")));
    };
    if n != m {
        return Err(OpError::Shape(format!("image {x} and grid {grid}: {n} images and {m} grids")));
    }
    if image.dtype() != DType::F32 {
        return Err(OpError::DType(format!("image is {}{x}, expected f32; convert with to_f32()", image.dtype())));
    }
    let places = n.checked_mul(h).and_then(|p| p.checked_mul(w)).filter(|&p| p <= i32::MAX as usize);
    if h == 0 || w == 0 || h.max(w) > LARGEST_SIDE || places.is_none() {
        return Err(OpError::Shape(format!("image {x}, expected sides from 1 to {LARGEST_SIDE} and less than 2³¹ pixels")));
    }
    Ok([n, c, h, w, rows, columns])
}

impl Tensor {
    /// Images \[N, C, H, W\] sampled at the places of a grid \[N, oH, oW, 2\] → \[N, C, oH, oW\] (`torch.nn.functional.grid_sample`). The last axis
    /// of the grid holds x and y, where −1 and 1 are the left and the right, the upper and the lower end of the image.
    ///
    /// A place is (g + 1) W/2 − ½, or with `align_corners` (g + 1)(W − 1)/2, in pixels from the first one; what is sampled there is the sum of the
    /// four pixels around it, each times (1 − its distance in x)(1 − its distance in y), or the nearest. NaN in the grid counts as −1, and what is
    /// beyond ±10⁶ as ±10⁶; both without a gradient. The grid has no gradient where the nearest pixel is taken, and a place on a pixel
    /// that of its right and lower side.
    ///
    /// An invalid tensor if the shapes are others, the image has no pixels, or more than 2³¹ with all of a batch.
    ///
    /// ```
    /// use steepest::{Device, GridPadding, GridSampling};
    /// let device = Device::cpu();
    /// let x = device.tensor(&[1.0, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
    /// let grid = device.tensor(&[0.0, 0.0, 3.0, -0.5], [1, 1, 2, 2]);
    /// assert_eq!(x.grid_sample(&grid, GridSampling::new()).to_vec::<f32>()?, [2.5, 0.0]);
    /// let border = GridSampling::new().padding(GridPadding::Border);
    /// assert_eq!(x.grid_sample(&grid, border).to_vec::<f32>()?, [2.5, 2.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn grid_sample(&self, grid: &Tensor, options: GridSampling) -> Tensor {
        let (x, g) = match (self.try_shape(), grid.try_shape()) {
            (Ok(x), Ok(g)) => (x, g),
            (Err(_), _) => return self.clone(),
            (_, Err(_)) => return grid.clone(),
        };
        let [n, c, h, w, rows, columns] = match sizes(self, &x, &g) {
            Ok(sizes) => sizes,
            Err(error) => return self.refuse("grid_sample", error),
        };
        let q = rows * columns;
        let of = |axis: isize, size: usize| options.place(&grid.slice(3, axis..axis + 1).reshape([n, q]), size);
        let (across, down) = (of(0, w), of(1, h));
        // Whole pixels are rows of their channels.
        let pixels = self.permute(&[0, 2, 3, 1]).reshape([n * h * w, c]);
        if let Some(invalid) = self.no_room::<u64>("grid_sample", "images", n) {
            return invalid;
        }
        let first: Vec<i32> = (0..n).map(|image| (image * h * w) as i32).collect();
        let first = self.device().tensor(&first, [n, 1]);
        let taken = |y: &Tensor, x: &Tensor, count: usize| {
            let cells = y.pointwise(&CELL, &[x, &first], [w as f64, h as f64]).reshape([count]);
            record(Gather { axis: 0, rows: true, zero: true }, &[&pixels, &cells])
        };
        let samples = if options.nearest {
            taken(&down.round(), &across.round(), n * q)
        } else {
            let pair = |p: &Tensor, size: usize| neighbours(p, size, options.padding == GridPadding::Zeros);
            let ([y, wy], [x, wx]) = (pair(&down, h), pair(&across, w));
            let four = taken(&y.unsqueeze(1), &x.unsqueeze(0), 4 * n * q).reshape([2, 2, n, q, c]);
            let weights = wy.reshape([2, 1, n, q, 1]).mul(&wx.reshape([1, 2, n, q, 1]));
            four.mul(&weights).sum(&[0, 1])
        };
        samples.reshape([n, rows, columns, c]).permute(&[0, 3, 1, 2]).made_by("grid_sample", &[self, grid])
    }

    /// The grid of an affine map for [`Tensor::grid_sample`]: matrices \[N, 2, 3\] and a height and width → \[N, H, W, 2\]
    /// (`torch.nn.functional.affine_grid`). The place x, y of the output, from −1 to 1, is taken from (a x + b y + c, d x + e y + f); `align_corners`
    /// as there.
    ///
    /// An invalid tensor if the matrices are of another shape, or a size is 0.
    ///
    /// ```
    /// use steepest::{Device, GridSampling};
    /// let device = Device::cpu();
    /// let x = device.tensor(&[1.0, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
    /// let mirrored = device.tensor(&[-1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [1, 2, 3]);
    /// let y = x.grid_sample(&mirrored.affine_grid(2, false), GridSampling::new());
    /// assert_eq!(y.to_vec::<f32>()?, [2.0, 1.0, 4.0, 3.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn affine_grid(&self, size: impl ToPair, align_corners: bool) -> Tensor {
        let Ok(shape) = self.try_shape() else { return self.clone() };
        let [h, w] = size.to_pair();
        let &[n, 2, 3] = shape.dims() else {
            return self.refuse("affine_grid", OpError::Shape(format!("matrices {shape}, expected [N, 2, 3]")));
        };
        if h == 0 || w == 0 || h.max(w) > LARGEST_SIDE {
            let message = format!("a grid of {h}×{w}, expected sides from 1 to {LARGEST_SIDE}");
            return self.refuse("affine_grid", OpError::Value(message));
        }
        if let Some(invalid) = self.no_room::<u64>("affine_grid", "places along its sides", h.saturating_add(w)) {
            return invalid;
        }
        // By whole numbers, which are exact.
        let places = |size: usize| {
            let cells = size - usize::from(align_corners);
            let numerators: Vec<f32> = (0..size).map(|j| (2 * j + 1) as f32 - size as f32).collect();
            self.device().tensor(&numerators, size).div_scalar(cells.max(1) as f64)
        };
        let part = |k: isize| self.slice(2, k..k + 1).reshape([n, 1, 1, 2]);
        let x = part(0).mul(&places(w).reshape([1, 1, w, 1]));
        let y = part(1).mul(&places(h).reshape([1, h, 1, 1]));
        x.add(&y).add(&part(2)).made_by("affine_grid", &[self])
    }
}

/// The pixels before and after each place of an axis, [2, …], and their weights. Where it ends there is no pixel after the last one, unless what
/// is beside the image is not the image's.
#[track_caller]
fn neighbours(p: &Tensor, size: usize, beside: bool) -> [Tensor; 2] {
    let low = p.floor();
    let t = p.sub(&low);
    let high = low.add_scalar(1.0);
    let high = if beside { high } else { high.clamp(0.0, size as f64 - 1.0) };
    [low.stack(&[&high], 0), t.neg().add_scalar(1.0).stack(&[&t], 0)]
}
