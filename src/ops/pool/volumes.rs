//! Pooling of \[N, C, D, H, W\]: the planes of every depth, then along the depth. A largest of largest numbers is the largest, with the first of
//! equals in row order; a mean's divisor is a product of one for each axis.

use super::super::window::ToTriple;
use super::{Cells, Plane, PoolOptions};
use crate::error::OpError;
use crate::graph::Tensor;

/// Whether the depth can be pooled: errors about it name it so.
fn depth_fits(cells: Cells, depth: usize) -> Result<(), OpError> {
    Plane::named(cells, [depth, 1], ["depth", "width"]).map(|_| ())
}

impl Tensor {
    /// The largest of every window of \[N, C, D, H, W\] → \[N, C, oD, oH, oW\], as [`Tensor::max_pool2d`] along three axes. Sizes are one
    /// number, or depth, height and width.
    ///
    /// An invalid tensor if there are not five axes, and as there.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().arange(16).reshape([1, 1, 2, 2, 4]);
    /// assert_eq!(x.max_pool3d(2, 2, 0).to_vec::<f32>()?, [13.0, 15.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn max_pool3d(&self, kernel: impl ToTriple, stride: impl ToTriple, padding: impl ToTriple) -> Tensor {
        self.max_pool3d_with(PoolOptions::new(kernel.to_triple()).stride(stride.to_triple()).padding(padding.to_triple()))
    }

    /// The largest of every window of \[N, C, D, H, W\], as [`Tensor::max_pool2d_with`] along three axes.
    #[track_caller]
    pub fn max_pool3d_with(&self, options: PoolOptions<3>) -> Tensor {
        let (planes, depth) = (options.of_axes([Some(1), Some(2)]), options.of_axes([Some(0), None]));
        let fits = |size: usize| depth_fits(depth.maximum([size, 1]), size);
        self.by_planes_and_depth("max_pool3d", fits, |x| x.max_pool2d_with(planes), |x| x.max_pool2d_with(depth))
    }

    /// [`Tensor::max_pool3d_with`], and where each largest is: (z · H + y) · W + x of the volume, u32 \[N, C, oD, oH, oW\]. It is the first of
    /// several that are equal, in row order, or the first NaN.
    #[track_caller]
    pub fn max_pool3d_with_indices(&self, options: PoolOptions<3>) -> (Tensor, Tensor) {
        let largest = self.max_pool3d_with(options);
        let (Ok(from), Ok(to)) = (self.try_shape(), largest.try_shape()) else { return (largest.clone(), largest) };
        let (&[n, c, d, h, w], &[_, _, depth, height, width]) = (from.dims(), to.dims()) else {
            return (largest.clone(), largest);
        };
        // Of every depth the places in its plane, counted through the volume; of these the one whose depth is taken.
        let planes = self.reshape([n, c * d, h, w]).max_pool2d_with_indices(options.of_axes([Some(1), Some(2)]));
        let (of_planes, in_planes) = (planes.0.reshape([n, c, d, height * width]), planes.1.reshape([n, c, d, height * width]));
        if let Some(invalid) = self.no_room::<u64>("max_pool3d_with_indices", "planes", d) {
            return (largest, invalid);
        }
        let first: Vec<u32> = (0..d).map(|z| (z * h * w) as u32).collect();
        let places = in_planes.add(&self.device().tensor(&first, [d, 1])).reshape([n, c, d * height * width]);
        let taken = of_planes.max_pool2d_with_indices(options.of_axes([Some(0), None])).1;
        let places = places.gather(2, &taken.reshape([n, c, depth * height * width])).reshape([n, c, depth, height, width]);
        (largest, places.made_by("max_pool3d_with_indices", &[self]))
    }

    /// The mean of every window of \[N, C, D, H, W\] → \[N, C, oD, oH, oW\], as [`Tensor::avg_pool2d`] along three axes. Sizes are one
    /// number, or depth, height and width.
    ///
    /// An invalid tensor if there are not five axes, and as there.
    #[track_caller]
    pub fn avg_pool3d(
        &self,
        kernel: impl ToTriple,
        stride: impl ToTriple,
        padding: impl ToTriple,
        count_include_pad: bool,
    ) -> Tensor {
        let options = PoolOptions::new(kernel.to_triple()).stride(stride.to_triple()).padding(padding.to_triple());
        self.avg_pool3d_with(options.count_include_pad(count_include_pad))
    }

    /// The mean of every window of \[N, C, D, H, W\], as [`Tensor::avg_pool2d_with`] along three axes.
    #[track_caller]
    pub fn avg_pool3d_with(&self, options: PoolOptions<3>) -> Tensor {
        let (planes, depth) = (options.of_axes([Some(1), Some(2)]), options.of_axes([Some(0), None]));
        let fits = |size: usize| depth_fits(depth.average([size, 1])?, size);
        self.by_planes_and_depth("avg_pool3d", fits, |x| x.avg_pool2d_with(planes), |x| x.avg_pool2d_with(depth))
    }

    /// The means of a given number of cells of \[N, C, D, H, W\] → \[N, C, oD, oH, oW\], as [`Tensor::adaptive_avg_pool2d`] along three axes.
    #[track_caller]
    pub fn adaptive_avg_pool3d(&self, output: impl ToTriple) -> Tensor {
        let [depth, height, width] = output.to_triple();
        let fits = |size: usize| depth_fits(Cells::Adaptive { output: [depth, 1] }, size);
        let planes = |x: &Tensor| x.adaptive_avg_pool2d([height, width]);
        self.by_planes_and_depth("adaptive_avg_pool3d", fits, planes, |x| adapted(x, depth, Tensor::adaptive_avg_pool2d))
    }

    /// The largest of each of a given number of cells of \[N, C, D, H, W\] → \[N, C, oD, oH, oW\], as [`Tensor::adaptive_max_pool2d`] along
    /// three axes.
    #[track_caller]
    pub fn adaptive_max_pool3d(&self, output: impl ToTriple) -> Tensor {
        let [depth, height, width] = output.to_triple();
        let fits = |size: usize| depth_fits(Cells::Adaptive { output: [depth, 1] }, size);
        let planes = |x: &Tensor| x.adaptive_max_pool2d([height, width]);
        self.by_planes_and_depth("adaptive_max_pool3d", fits, planes, |x| adapted(x, depth, Tensor::adaptive_max_pool2d))
    }

    /// \[N, C, D, H, W\] pooled in the planes of every depth, then along the depth.
    #[track_caller]
    fn by_planes_and_depth(
        &self,
        op: &'static str,
        fits: impl FnOnce(usize) -> Result<(), OpError>,
        planes: impl FnOnce(&Tensor) -> Tensor,
        depth: impl FnOnce(&Tensor) -> Tensor,
    ) -> Tensor {
        let Ok(shape) = self.try_shape() else { return self.clone() };
        let &[n, c, d, h, w] = shape.dims() else {
            return self.refuse(op, OpError::Shape(format!("operand is {shape}, expected five axes [N, C, D, H, W]")));
        };
        if let Err(error) = fits(d) {
            return self.refuse(op, error);
        }
        let y = planes(&self.reshape([n, c * d, h, w]));
        let Ok(plane) = y.try_shape() else { return y.made_by(op, &[self]) };
        let (height, width) = (plane.dims()[2], plane.dims()[3]);
        let y = depth(&y.reshape([n, c, d, height * width]));
        match y.try_shape() {
            Ok(shape) => y.reshape([n, c, shape.dims()[2], height, width]),
            Err(_) => y.made_by(op, &[self]),
        }
    }
}

/// Cells along the height of planes whose width stays.
#[track_caller]
fn adapted(x: &Tensor, cells: usize, pool: fn(&Tensor, [usize; 2]) -> Tensor) -> Tensor {
    match x.try_shape() {
        Ok(shape) => pool(x, [cells, shape.dims()[3]]),
        Err(_) => x.clone(),
    }
}
