//! Attention: softmax(q kᵀ · scale) v, with −∞ in place of the scores above the diagonal if causal.

use super::layout::triangle::Triangle;
use crate::error::OpError;
use crate::graph::{Tensor, record};
use crate::shape::Shape;

/// Whether queries, keys and values fit: `[…, T, D]`, `[…, S, D]` and `[…, S, E]`.
fn fits(q: Shape, k: Shape, v: Shape, scale: Option<f64>) -> Result<(), OpError> {
    let fail = |what: &str| Err(OpError::Shape(format!("queries {q}, keys {k}, values {v}: {what}")));
    let ([batch_q @ .., _, d], [batch_k @ .., s, features], [batch_v @ .., rows, _]) = (q.dims(), k.dims(), v.dims()) else {
        return fail("each needs two axes at least, positions and features");
    };
    match scale {
        _ if batch_q != batch_k || batch_q != batch_v => fail("the axes before the last two differ"),
        _ if d != features => fail("queries and keys differ in their features"),
        _ if s != rows => fail("keys and values differ in their positions"),
        Some(scale) if !scale.is_finite() => Err(OpError::Value(format!("scale is {scale}; a finite number is expected"))),
        _ => Ok(()),
    }
}

impl Tensor {
    /// Scaled dot-product attention of queries (this tensor) over keys and values: softmax(q kᵀ · scale) v.
    ///
    /// `[B,H,T,D]`, `[B,H,S,D]` and `[B,H,S,E]` give `[B,H,T,E]`; any axes may stand before the last two, or none, the same in all three.
    /// `causal` lets position i see the keys j ≤ i only, counted from the start; no mask is stored for it. `scale` is 1/√D if not given.
    /// Shapes that do not fit, a type other than f32 and a scale that is not finite are errors.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (q, v) = (device.zeros([2, 4]), device.tensor(&[1.0, 3.0], [2, 1]));
    /// let y = q.scaled_dot_product_attention(&q, &v, true, None);
    /// assert_eq!(y.to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn scaled_dot_product_attention(&self, k: &Tensor, v: &Tensor, causal: bool, scale: Option<f64>) -> Tensor {
        let (shape, keys, values) = match (self.try_shape(), k.try_shape(), v.try_shape()) {
            (Ok(shape), Ok(keys), Ok(values)) => (shape, keys, values),
            (Err(_), ..) => return self.clone(),
            (_, Err(_), _) => return k.clone(),
            _ => return v.clone(),
        };
        if let Err(error) = fits(shape, keys, values, scale) {
            return self.refuse("scaled_dot_product_attention", error);
        }
        let features = shape.dims()[shape.rank() - 1].max(1);
        // Scaling the queries costs T·D products, scaling the scores T·S.
        let scores = self.mul_scalar(scale.unwrap_or(1.0 / (features as f64).sqrt())).matmul(&k.t());
        let seen = Triangle { upper: false, diagonal: 0, fill: f64::NEG_INFINITY };
        let scores = if causal { record(seen, &[&scores]) } else { scores };
        scores.softmax(-1).matmul(v).made_by("scaled_dot_product_attention", &[self, k, v])
    }
}
