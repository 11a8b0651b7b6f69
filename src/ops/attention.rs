//! Attention: softmax(q kᵀ · scale) v, with masks, padding, causality, and heads that share keys and values.

use super::layout::triangle::Triangle;
use crate::error::OpError;
use crate::graph::{DType, Tensor, record};
use crate::shape::Shape;

/// What [`Tensor::attention`] may attend to, and how. Queries are `[B,H,T,D]`, keys `[B,H,S,D]`: position i of T attends to position j of S.
///
/// A pair (i, j) is attended to only if mask, padding and causality all allow it. A query with no key left gives zeros and passes no
/// gradient.
///
/// ```
/// use steepest::{AttentionOptions, Device};
/// let device = Device::cpu();
/// let (q, k) = (device.zeros([1, 1, 2, 4]), device.zeros([1, 1, 3, 4]));
/// let v = device.tensor(&[1.0, 3.0, 100.0], [1, 1, 3, 1]);
/// // The third key is padding; the first query sees the first key only.
/// let padding = device.tensor(&[false, false, true], [1, 3]);
/// let y = q.attention(&k, &v, &AttentionOptions::new().causal().key_padding(&padding));
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AttentionOptions {
    causal: Option<usize>,
    mask: Option<Tensor>,
    key_padding: Option<Tensor>,
    scale: Option<f64>,
    kv_heads: Option<usize>,
    dropout: Option<(f64, u64, u64)>,
}

impl AttentionOptions {
    /// Every query attends to every key; the scale is 1/√D.
    pub fn new() -> AttentionOptions {
        AttentionOptions::default()
    }

    /// Position i attends to the keys j ≤ i only, both counted from the start, also where T and S differ.
    pub fn causal(self) -> AttentionOptions {
        self.causal_from(0)
    }

    /// Position i attends to the keys j ≤ `first` + i only: the first query stands at position `first` of the keys.
    pub fn causal_from(self, first: usize) -> AttentionOptions {
        AttentionOptions { causal: Some(first), ..self }
    }

    /// A mask that broadcasts to `[B,H,T,S]`: of bools, true where i may attend to j; or of f32, added to the scaled scores, where −∞ forbids.
    ///
    /// What a mask forbids has weight 0 and gradient 0 whatever its score is. A value of `v` that is not finite still spoils the row: 0 · ∞.
    pub fn mask(self, mask: &Tensor) -> AttentionOptions {
        AttentionOptions { mask: Some(mask.clone()), ..self }
    }

    /// Which keys are padding: bools `[B,S]` (`[S]` where queries have two axes only), true for a key that nothing attends to.
    ///
    /// Keys and values that are padding are never computed with: they may hold anything, NaN too.
    pub fn key_padding(self, padding: &Tensor) -> AttentionOptions {
        AttentionOptions { key_padding: Some(padding.clone()), ..self }
    }

    /// The factor of the scores q kᵀ, 1/√D if not given. It must be finite.
    pub fn scale(self, scale: f64) -> AttentionOptions {
        AttentionOptions { scale: Some(scale), ..self }
    }

    /// Grouped queries (Ainslie et al. 2023): keys and values have `heads` heads where queries have H, a multiple of it, and query head h
    /// attends by head h / (H / `heads`), rounded down. No key or value is copied for it.
    pub fn kv_heads(self, heads: usize) -> AttentionOptions {
        AttentionOptions { kv_heads: Some(heads), ..self }
    }

    /// Drops weights with probability `p`, as [`Tensor::dropout`] with this seed and stream. For training only.
    pub fn dropout(self, p: f64, seed: u64, stream: u64) -> AttentionOptions {
        AttentionOptions { dropout: Some((p, seed, stream)), ..self }
    }

    /// The tensors among the options.
    fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.mask.iter().chain(&self.key_padding)
    }

    /// The shape of the scores `[…, T, S]`, if queries, keys, values and masks fit.
    fn scores(&self, q: Shape, k: Shape, v: Option<Shape>) -> Result<Shape, OpError> {
        let values = v.map_or(String::new(), |v| format!(", values {v}"));
        let fail = |what: &str| Err(OpError::Shape(format!("queries {q}, keys {k}{values}: {what}")));
        let v = v.unwrap_or(k);
        let ([batch_q @ .., t, d], [batch_k @ .., s, features], [batch_v @ .., rows, _]) = (q.dims(), k.dims(), v.dims()) else {
            return fail("each needs two axes at least, positions and features");
        };
        match (self.kv_heads, batch_q, batch_k) {
            _ if batch_k != batch_v => return fail("the axes before the last two differ"),
            (None, ..) if batch_q != batch_k => return fail("the axes before the last two differ"),
            (Some(heads), [before @ .., all], [same @ .., shared]) if before == same && *shared == heads => {
                let even = all.checked_rem(heads) == Some(0);
                even.then_some(()).ok_or_else(|| {
                    OpError::Shape(format!(
                        "queries {q}, keys {k}{values}: {heads} heads of keys and values do not divide {all} heads of queries"
                    ))
                })?;
            }
            (Some(heads), ..) => return fail(&format!("keys and values need an axis of {heads} heads before the last two")),
            _ => {}
        }
        if d != features {
            return fail("queries and keys differ in their features");
        }
        if s != rows {
            return fail("keys and values differ in their positions");
        }
        match self.scale {
            Some(scale) if !scale.is_finite() => Err(OpError::Value(format!("scale is {scale}; a finite number is expected"))),
            _ => Shape::new(&[batch_q, &[*t, *s]].concat()).and_then(|scores| self.masks_fit(scores).map(|()| scores)),
        }
    }

    /// Whether mask and padding fit the scores.
    fn masks_fit(&self, scores: Shape) -> Result<(), OpError> {
        if let Some(mask) = self.mask.as_ref().and_then(|mask| mask.spec().ok()) {
            if !matches!(mask.dtype, DType::Bool | DType::F32) {
                return Err(OpError::DType(format!("mask is {mask}, expected bool or f32")));
            }
            if mask.shape.broadcast(&scores).ok() != Some(scores) {
                return Err(OpError::Shape(format!("mask {} does not broadcast to the scores {scores}", mask.shape)));
            }
        }
        if let Some(padding) = self.key_padding.as_ref().and_then(|padding| padding.spec().ok()) {
            if padding.dtype != DType::Bool {
                return Err(OpError::DType(format!("key padding is {padding}, expected bool")));
            }
            let expected = padding_of(&scores);
            if padding.shape.dims() != expected {
                return Err(OpError::Shape(format!(
                    "key padding is {}, expected {expected:?} for scores {scores}",
                    padding.shape
                )));
            }
        }
        Ok(())
    }

    /// Where i may attend to j by mask, padding and causality together; `None` where mask and padding are not given. And what is added to the
    /// scores there.
    #[track_caller]
    fn allowed(&self, scores: Shape) -> (Option<Tensor>, Option<Tensor>) {
        let (mut allowed, mut added) = match &self.mask {
            Some(mask) if mask.spec().is_ok_and(|spec| spec.dtype == DType::F32) => {
                let allowed = mask.eq_scalar(f64::NEG_INFINITY).not();
                let added = allowed.where_(mask, &mask.constant(0.0));
                (Some(allowed), Some(added))
            }
            mask => (mask.clone(), None),
        };
        if let Some(padding) = &self.key_padding {
            let there = lined_up(&padding.not(), &scores, &[1]);
            allowed = Some(allowed.map_or(there.clone(), |allowed| allowed.and(&there)));
        }
        if let (Some(first), Some(some)) = (self.causal, &allowed) {
            let square = scores.dims()[scores.rank() - 2..].iter().copied();
            let own = some.try_shape().map_or(vec![], |s| s.dims()[..s.rank().saturating_sub(2)].to_vec());
            let whole = some.expand(own.into_iter().chain(square).collect::<Vec<_>>());
            allowed = Some(whole.tril(diagonal(first)));
        }
        // An expansion that failed carries its error; nothing is added to it.
        added = added.filter(|_| allowed.as_ref().is_some_and(|allowed| allowed.check().is_ok()));
        (allowed, added)
    }
}

/// Refuses queries, keys and values that are whole numbers or bools: softmax has none of these.
fn numbers(tensors: &[&Tensor]) -> Result<(), OpError> {
    match tensors.iter().zip(["queries", "keys", "values"]).find(|(t, _)| !t.dtype().is_float()) {
        None => Ok(()),
        Some((t, what)) => Err(OpError::DType(format!("{what} are {}, expected f32; convert with to_f32()", t.dtype()))),
    }
}

/// The diagonal of a position: no shape is so large that it matters where it does not fit.
fn diagonal(first: usize) -> isize {
    isize::try_from(first).unwrap_or(isize::MAX)
}

/// The shape of the padding for scores `[B, …, T, S]`.
fn padding_of(scores: &Shape) -> Vec<usize> {
    match scores.dims() {
        [_, s] => vec![*s],
        [batch, .., _, s] => vec![*batch, *s],
        _ => vec![],
    }
}

/// Padding `[B, S]` as `[B, 1, …, 1, S]`, with ones before or after S as `around` says: broadcasts to `[B, …, T, S]` or `[B, …, S, D]`.
#[track_caller]
fn lined_up(padding: &Tensor, scores: &Shape, before: &[usize]) -> Tensor {
    let [batch @ .., s] = &padding_of(scores)[..] else { return padding.clone() };
    let ones = vec![1; scores.rank() - 2 - batch.len()];
    let after = vec![1; 1 - before.len()];
    padding.reshape([batch, &ones, before, &[*s], &after].concat())
}

impl Tensor {
    /// Attention of queries (this tensor) over keys and values: softmax(q kᵀ · scale) v, with what `options` say.
    ///
    /// `[B,H,T,D]`, `[B,H,S,D]` and `[B,H,S,E]` give `[B,H,T,E]`; any axes may stand before the last two, or none, the same in all three but
    /// for [`AttentionOptions::kv_heads`]. A query with no key to attend to gives zeros and passes no gradient.
    ///
    /// # Errors
    /// The result is invalid for shapes that do not fit, masks of another type than bool or f32, padding of another than bool, operands that
    /// are not f32, and a scale or a probability that is none.
    #[track_caller]
    pub fn attention(&self, k: &Tensor, v: &Tensor, options: &AttentionOptions) -> Tensor {
        self.attended(k, v, options, "attention")
    }

    /// Scaled dot-product attention, causal or not: [`Tensor::attention`] without masks.
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
        let options = AttentionOptions { causal: causal.then_some(0), scale, ..AttentionOptions::new() };
        self.attended(k, v, &options, "scaled_dot_product_attention")
    }

    /// The weights of [`Tensor::attention`], `[B,H,T,S]`: each row sums to 1, or is 0 where there is no key to attend to.
    #[track_caller]
    pub fn attention_weights(&self, k: &Tensor, options: &AttentionOptions) -> Tensor {
        let given: Vec<&Tensor> = [self, k].into_iter().chain(options.tensors()).collect();
        if let Some(invalid) = given.iter().find(|t| t.check().is_err()) {
            return (*invalid).clone();
        }
        if let Err(error) = numbers(&[self, k]) {
            return self.refuse("attention_weights", error);
        }
        match options.scores(self.shape(), k.shape(), None) {
            Ok(scores) => self.weights(k, scores, options).made_by("attention_weights", &given),
            Err(error) => self.refuse("attention_weights", error),
        }
    }

    #[track_caller]
    fn attended(&self, k: &Tensor, v: &Tensor, options: &AttentionOptions, name: &'static str) -> Tensor {
        let given: Vec<&Tensor> = [self, k, v].into_iter().chain(options.tensors()).collect();
        if let Some(invalid) = given.iter().find(|t| t.check().is_err()) {
            return (*invalid).clone();
        }
        let (shape, keys, values) = (self.shape(), k.shape(), v.shape());
        let scores = match numbers(&[self, k, v]).and_then(|()| options.scores(shape, keys, Some(values))) {
            Ok(scores) => scores,
            Err(error) => return self.refuse(name, error),
        };
        let weights = self.weights(k, scores, options);
        let mixed = weights.reshape(grouped(scores, keys)).matmul(&without_padding(v, &scores, options));
        match shape.with_dim(shape.rank() - 1, values.dims()[values.rank() - 1]) {
            Ok(to) => mixed.reshape(to).made_by(name, &given),
            Err(error) => self.refuse(name, error),
        }
    }

    /// softmax(q kᵀ · scale), 0 where it is not allowed. What comes in fits.
    #[track_caller]
    fn weights(&self, k: &Tensor, shape: Shape, options: &AttentionOptions) -> Tensor {
        let (q, keys) = (self.shape(), k.shape());
        let features = q.dims()[q.rank() - 1].max(1);
        // Scaling the queries costs T·D products, scaling the scores T·S.
        let scaled = self.mul_scalar(options.scale.unwrap_or(1.0 / (features as f64).sqrt()));
        let scores = scaled.reshape(grouped(q, keys)).matmul(&without_padding(k, &shape, options).t()).reshape(shape);
        let weights = match (options.allowed(shape), options.causal) {
            ((None, _), None) => scores.softmax(-1),
            ((None, _), Some(first)) => {
                // The first key is always seen, so that no row is empty.
                record(Triangle { upper: false, diagonal: diagonal(first), fill: f64::NEG_INFINITY }, &[&scores]).softmax(-1)
            }
            ((Some(allowed), added), _) => {
                let scores = added.map_or(scores.clone(), |added| scores.add(&added));
                // Finite, so that a row without any key is no ∞ − ∞; whatever it comes to there is left out afterwards.
                let (least, zero) = (scores.constant(f64::from(f32::MIN)), scores.constant(0.0));
                allowed.where_(&allowed.where_(&scores, &least).softmax(-1), &zero)
            }
        };
        match options.dropout {
            Some((p, seed, stream)) => weights.dropout(p, seed, stream),
            None => weights,
        }
    }
}

/// Queries or scores `[…, H, T, n]` as `[…, g, H/g·T, n]` where keys have g heads: those that share keys are one matrix.
fn grouped(x: Shape, keys: Shape) -> Vec<usize> {
    let (x, [batch @ .., _, _]) = (x.dims(), keys.dims()) else { return x.dims().to_vec() };
    let last = x[x.len() - 1];
    let shared: usize = batch.iter().product();
    let rows = x[..x.len() - 1].iter().product::<usize>().checked_div(shared);
    // Without any heads there are no rows to share.
    [batch, &[rows.unwrap_or(x[x.len() - 2]), last]].concat()
}

/// Keys or values with zeros in place of padding.
#[track_caller]
fn without_padding(x: &Tensor, scores: &Shape, options: &AttentionOptions) -> Tensor {
    match &options.key_padding {
        Some(padding) => lined_up(padding, scores, &[]).where_(&x.constant(0.0), x),
        None => x.clone(),
    }
}
