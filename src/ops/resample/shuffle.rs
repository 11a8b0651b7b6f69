//! Channels for room: pixel_shuffle, its reverse, and channels of several groups in turn. Reshapes and a permutation.

use crate::error::OpError;
use crate::graph::Tensor;
use crate::shape::Shape;

/// The axes before the last three as one, then channels, height and width.
fn images(shape: &Shape) -> Result<[usize; 4], OpError> {
    match shape.dims() {
        [outer @ .., channels, height, width] => Ok([outer.iter().product(), *channels, *height, *width]),
        _ => Err(OpError::Shape(format!("operand is {shape}, expected at least three axes [C, H, W]"))),
    }
}

/// A factor's square.
fn square(factor: usize, name: &str) -> Result<usize, OpError> {
    let square = factor.checked_mul(factor).filter(|&square| square > 0);
    square.ok_or_else(|| OpError::Value(format!("{name} is {factor}, expected at least 1 and a square that can be counted")))
}

/// What is wrong where a size is not a multiple.
fn divided(shape: &Shape, what: &str, size: usize, by: usize) -> Result<usize, OpError> {
    if size.is_multiple_of(by) {
        return Ok(size / by);
    }
    Err(OpError::Shape(format!("operand is {shape}: {what} {size} is no multiple of {by}")))
}

impl Tensor {
    /// \[…, C·r², H, W\] → \[…, C, H·r, W·r\]: channel c·r² + i·r + j goes to row i and column j of each r×r block of channel c
    /// (`torch.nn.functional.pixel_shuffle`).
    ///
    /// An invalid tensor if there are less than three axes, the factor is 0, or its square does not divide the channels.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().arange(8).reshape([1, 4, 1, 2]);
    /// assert_eq!(x.pixel_shuffle(2).to_vec::<f32>()?, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn pixel_shuffle(&self, upscale: usize) -> Tensor {
        let r = upscale;
        self.moved("pixel_shuffle", |shape| {
            let [n, channels, h, w] = images(shape)?;
            let c = divided(shape, "the number of channels", channels, square(r, "upscale")?)?;
            Ok((vec![n, c, r, r, h, w], vec![0, 1, 4, 2, 5, 3], vec![c, h * r, w * r]))
        })
    }

    /// \[…, C, H·r, W·r\] → \[…, C·r², H, W\]: the reverse of [`Tensor::pixel_shuffle`] (`torch.nn.functional.pixel_unshuffle`).
    ///
    /// An invalid tensor if there are less than three axes, the factor is 0, or it does not divide height and width.
    #[track_caller]
    pub fn pixel_unshuffle(&self, downscale: usize) -> Tensor {
        let r = downscale;
        self.moved("pixel_unshuffle", |shape| {
            let ([n, c, height, width], square) = (images(shape)?, square(r, "downscale")?);
            let (h, w) = (divided(shape, "the height", height, r)?, divided(shape, "the width", width, r)?);
            Ok((vec![n, c, h, r, w, r], vec![0, 1, 3, 5, 2, 4], vec![c * square, h, w]))
        })
    }

    /// \[N, C, …\] with its channels in turn from each of so many groups: channel k of group g goes to place k · groups + g
    /// (`torch.nn.functional.channel_shuffle`).
    ///
    /// An invalid tensor if there are less than two axes, or the groups do not divide the channels.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().arange(6).reshape([1, 6]);
    /// assert_eq!(x.channel_shuffle(2).to_vec::<f32>()?, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn channel_shuffle(&self, groups: usize) -> Tensor {
        self.moved("channel_shuffle", |shape| {
            let [n, channels, rest @ ..] = shape.dims() else {
                return Err(OpError::Shape(format!("operand is {shape}, expected at least two axes [N, C]")));
            };
            if groups == 0 {
                return Err(OpError::Value("groups is 0, expected at least 1".to_owned()));
            }
            let each = divided(shape, "the number of channels", *channels, groups)?;
            Ok((vec![*n, groups, each, rest.iter().product()], vec![0, 2, 1, 3], [&[*channels], rest].concat()))
        })
    }

    /// Seen in a shape, its axes in another order, then in a shape with these last axes.
    #[track_caller]
    fn moved(
        &self,
        op: &'static str,
        how: impl FnOnce(&Shape) -> Result<(Vec<usize>, Vec<isize>, Vec<usize>), OpError>,
    ) -> Tensor {
        let Ok(shape) = self.try_shape() else { return self.clone() };
        match how(&shape) {
            Ok((seen, order, last)) => {
                let outer = &shape.dims()[..shape.rank() - last.len()];
                self.reshape(seen).permute(&order).reshape([outer, &last].concat()).made_by(op, &[self])
            }
            Err(error) => self.refuse(op, error),
        }
    }
}
