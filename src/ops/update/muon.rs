//! Muon in place: a step whose singular values are all near 1, by a Newton-Schulz iteration that needs only products.

use crate::graph::{GradOff, Tensor};

/// The coefficients a, b, c of Jordan et al. 2024, which bring small singular values up fast.
pub const COEFFICIENTS: (f64, f64, f64) = (3.4445, -4.7750, 2.0315);

/// Muon (Jordan et al. 2024), as PyTorch's: b ← μb + (1 − μ)g, x = (1 − μ)g + μb with Nesterov's look-ahead, else b; o = the iteration's result for x
/// (see [`Tensor::newton_schulz`]), p ← p (1 − ηλ) − ηs · o. A parameter of more than two axes is taken as a matrix \[first axis, all others\].
#[derive(Clone, Debug)]
pub struct Muon {
    /// η
    pub lr: f64,
    /// μ
    pub momentum: f64,
    /// Whether the step looks ahead.
    pub nesterov: bool,
    /// λ
    pub weight_decay: f64,
    /// Rounds of the iteration.
    pub steps: usize,
    /// a, b and c
    pub coefficients: (f64, f64, f64),
    /// s, by the rows and columns of the matrix.
    pub scale: Scale,
}

/// How long a step of Muon is in units of the learning rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// √max(1, rows/columns): Muon's own.
    #[default]
    Original,
    /// 0.2 √max(rows, columns): elements as large as AdamW's steps usually are, so that its learning rate and weight decay fit
    /// (Liu et al. 2025).
    MatchAdam,
    /// 1: singular values of a step are near the learning rate.
    None,
}

impl Scale {
    /// s
    pub fn of(self, rows: usize, columns: usize) -> f64 {
        match self {
            Scale::Original => (rows as f64 / columns as f64).max(1.0).sqrt(),
            Scale::MatchAdam => 0.2 * (rows.max(columns) as f64).sqrt(),
            Scale::None => 1.0,
        }
    }
}

impl Tensor {
    /// A matrix with this one's singular vectors and singular values near 1: x ← x / max(‖x‖, 1e-7), then `steps` times
    /// A = x xᵀ, x ← ax + (bA + cA²) x. Five steps with the usual [coefficients](COEFFICIENTS) bring values from 0.01 ‖x‖ on to between 0.68 and 1.14.
    ///
    /// ```
    /// use steepest::{Device, ops::update::COEFFICIENTS};
    /// let x = Device::cpu().tensor(&[3.0, 0.0, 0.0, 0.0, 0.5, 0.0], [2, 3]);
    /// let o = x.newton_schulz(5, COEFFICIENTS).to_vec::<f32>()?;
    /// assert!((0.68..1.14).contains(&o[0]) && (0.68..1.14).contains(&o[4]) && o[1] == 0.0);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// What is no matrix, and more steps than recorded nodes may be alive, make the result invalid.
    #[track_caller]
    #[doc(hidden)]
    pub fn newton_schulz(&self, steps: usize, (a, b, c): (f64, f64, f64)) -> Tensor {
        if let Some(invalid) = self.too_many("newton_schulz", "steps is", steps) {
            return invalid;
        }
        let tall = self.try_shape().is_ok_and(|shape| matches!(shape.dims(), &[rows, columns] if rows > columns));
        // The product x xᵀ is smaller where there are fewer rows than columns.
        let mut x = if tall { self.t() } else { self.clone() };
        x = x.div(&x.frobenius_norm().clamp(1e-7, f64::INFINITY));
        for _ in 0..steps {
            let squares = x.matmul(&x.t());
            let more = squares.mul_scalar(b).add(&squares.matmul(&squares).mul_scalar(c));
            x = x.mul_scalar(a).add(&more.matmul(&x));
        }
        let x = if tall { x.t() } else { x };
        x.made_by("newton_schulz", &[self])
    }

    /// Updates of this parameter of two or more axes and its momentum by Muon, to be run together. There is nothing to run for a parameter without
    /// elements.
    #[track_caller]
    #[doc(hidden)]
    pub fn muon_update(&self, gradient: &Tensor, momentum: &Tensor, settings: &Muon) -> Vec<Tensor> {
        let dims = self.try_shape().map_or(vec![], |shape| shape.dims().to_vec());
        let (rows, columns) = (dims.first().copied().unwrap_or(1), dims.iter().skip(1).product::<usize>());
        if rows * columns == 0 {
            return vec![];
        }
        let _off = GradOff::begin();
        let Muon { lr, momentum: mu, nesterov, weight_decay, steps, coefficients, scale } = *settings;
        let own = gradient.mul_scalar(1.0 - mu);
        let after = momentum.mul_scalar(mu).add(&own);
        let x = if nesterov { own.add(&after.mul_scalar(mu)) } else { after };
        let way = x.reshape([rows, columns]).newton_schulz(steps, coefficients);
        let step = way.mul_scalar(lr * scale.of(rows, columns)).reshape(&dims[..]);
        // p − 1 (ηs o + ηλ p)
        vec![self.sgd_update(&step, None, 1.0, lr * weight_decay), momentum.running_update(gradient, mu, 1.0 - mu)]
    }
}
