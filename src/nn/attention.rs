//! Attention (Vaswani et al. 2017): several heads of softmax(q kᵀ / √d) v, and the transformer's block around them.

use super::summary::within;
use super::{Activation, Blueprint, Dropout, LayerNorm, Linear, Module, Row, Site};
use crate::error::{OpError, Result};
use crate::{Device, Shape, Tensor};

/// softmax(q kᵀ / √d) v over the last two axes; where `causal`, row i sees the keys up to i.
#[track_caller]
fn attention(q: &Tensor, k: &Tensor, v: &Tensor, causal: bool) -> Tensor {
    let sizes = |t: &Tensor| t.try_shape().ok().and_then(|s| s.dims().last_chunk::<2>().copied());
    let (Some([rows, d]), Some([columns, _])) = (sizes(q), sizes(k)) else { return q.matmul(&k.t()).matmul(v) };
    let mut scores = q.matmul(&k.t()).mul_scalar(1.0 / (d as f64).sqrt());
    if causal {
        let seen: Vec<bool> = (0..rows * columns).map(|i| i % columns <= i / columns).collect();
        scores = q.device().tensor(&seen, [rows, columns]).where_(&scores, &scores.full_like(-1e30));
    }
    scores.softmax(-1).matmul(v)
}

/// Attention in several heads: \[n, t, width\] → \[n, t, width\].
///
/// Queries, keys and values are linear functions of the input (`q_proj`, `k_proj`, `v_proj`, each with `weight` and `bias`), `heads` parts
/// of them attend apart from one another, and `out_proj` is a linear function of the parts together. PyTorch packs the first three
/// into one `in_proj_weight`: its rows are those of q, k and v one after the other.
///
/// ```
/// use steepest::{Device, nn::{Module, MultiHeadAttention}};
/// let device = Device::cpu();
/// let layer = MultiHeadAttention::new(&device, 16, 4, 0).causal();
/// assert_eq!(layer.forward(&device.zeros([2, 5, 16])).shape().dims(), [2, 5, 16]);
/// ```
#[derive(Debug)]
pub struct MultiHeadAttention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    width: usize,
    heads: usize,
    causal: bool,
}

/// Seeds of the parts of a layer, far from those of neighbours.
fn part(seed: u64, i: u64) -> u64 {
    seed.wrapping_add((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl MultiHeadAttention {
    /// `heads` heads of size `width` / `heads`, which must be a whole number: else the output is invalid.
    #[track_caller]
    pub fn new(device: &Device, width: usize, heads: usize, seed: u64) -> MultiHeadAttention {
        let [q_proj, k_proj, v_proj, out_proj] = [0, 1, 2, 3].map(|i| Linear::new(device, width, width, part(seed, i)));
        MultiHeadAttention { q_proj, k_proj, v_proj, out_proj, width, heads, causal: false }
    }

    /// Row i sees the rows up to i only.
    pub fn causal(self) -> MultiHeadAttention {
        MultiHeadAttention { causal: true, ..self }
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(MultiHeadAttention::of(site)?))
    }

    fn of(site: &Site<'_>) -> Result<MultiHeadAttention> {
        let (width, heads) = (site.size("width")?, site.size("heads")?);
        (0..4).try_for_each(|_| site.reserve(&[&[width, width], &[width]]))?;
        let layer = MultiHeadAttention::new(site.device(), width, heads, 0);
        Ok(if site.flag("causal")? { layer.causal() } else { layer })
    }

    /// Attention of `queries` \[n, t, width\] to other `keys` and `values` \[n, s, width\]: \[n, t, width\].
    ///
    /// Shapes that do not fit make the result invalid.
    #[track_caller]
    pub fn attend(&self, queries: &Tensor, keys: &Tensor, values: &Tensor) -> Tensor {
        if let Some(invalid) = self.wrong(queries, keys, values) {
            return invalid;
        }
        let (q, k, v) = (self.q_proj.forward(queries), self.k_proj.forward(keys), self.v_proj.forward(values));
        let mixed = attention(&self.split(&q), &self.split(&k), &self.split(&v), self.causal);
        // [n, heads, t, width / heads] → [n, t, width]
        self.out_proj.forward(&mixed.transpose(1, 2).reshape(queries.shape()))
    }

    /// \[n, t, width\] → \[n, heads, t, width / heads\]
    #[track_caller]
    fn split(&self, x: &Tensor) -> Tensor {
        let Ok(shape) = x.try_shape() else { return x.clone() };
        x.reshape([shape.dims()[0], shape.dims()[1], self.heads, self.width / self.heads]).transpose(1, 2)
    }

    #[track_caller]
    fn wrong(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Option<Tensor> {
        if let Some(invalid) = [q, k, v].into_iter().find(|t| t.check().is_err()) {
            return Some(invalid.clone());
        }
        if self.width.checked_rem(self.heads) != Some(0) {
            let message = format!("{} heads do not divide a width of {}", self.heads, self.width);
            return Some(q.refuse("attention", OpError::Value(message)));
        }
        let [a, b, c] = [q.shape(), k.shape(), v.shape()];
        let wide = [a, b, c].iter().all(|s| s.rank() == 3 && s.dims()[2] == self.width);
        if wide && b == c && a.dims()[0] == b.dims()[0] {
            return None;
        }
        let message = format!("queries {a}, keys {b}, values {c}, expected [n,t,{0}] and twice [n,s,{0}]", self.width);
        Some(q.refuse("attention", OpError::Shape(message)))
    }
}

impl Module for MultiHeadAttention {
    /// Attention of a sequence to itself.
    fn forward(&self, x: &Tensor) -> Tensor {
        self.attend(x, x, x)
    }

    crate::parts!(q_proj, k_proj, v_proj, out_proj);

    fn multiply_adds(&self, input: &Shape, _: &Shape) -> usize {
        let &[n, t, width] = input.dims() else { return 0 };
        4 * n * t * width * width + 2 * n * t * t * width
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let blueprint = Blueprint::new("MultiHeadAttention").set("width", self.width).set("heads", self.heads);
        Some(blueprint.set("causal", self.causal))
    }

    fn describe(&self) -> String {
        let causal = if self.causal { ", causal" } else { "" };
        format!("MultiHeadAttention({}, {} heads{causal})", self.width, self.heads)
    }
}

/// The transformer's block with normalisation first (Xiong et al. 2020): y = x + attention(norm1 x), then y + mlp(norm2 y).
///
/// The MLP is `linear1` to `hidden`, GELU, `linear2` back; dropout comes after the attention and after the MLP. Parts are named as in
/// PyTorch's `TransformerEncoderLayer`, the attention `self_attn`. \[n, t, width\] → \[n, t, width\].
#[derive(Debug)]
pub struct TransformerBlock {
    norm1: LayerNorm,
    self_attn: MultiHeadAttention,
    norm2: LayerNorm,
    linear1: Linear,
    linear2: Linear,
    dropout1: Dropout,
    dropout2: Dropout,
}

impl TransformerBlock {
    /// A block with `heads` heads, an MLP with `hidden` units and dropout with probability `dropout`.
    #[track_caller]
    pub fn new(device: &Device, width: usize, heads: usize, hidden: usize, dropout: f64, seed: u64) -> TransformerBlock {
        TransformerBlock {
            norm1: LayerNorm::new(device, width),
            self_attn: MultiHeadAttention::new(device, width, heads, part(seed, 4)),
            norm2: LayerNorm::new(device, width),
            linear1: Linear::new(device, width, hidden, part(seed, 5)),
            linear2: Linear::new(device, hidden, width, part(seed, 6)),
            dropout1: Dropout::new(dropout, part(seed, 7)),
            dropout2: Dropout::new(dropout, part(seed, 8)),
        }
    }

    /// Row i sees the rows up to i only.
    pub fn causal(self) -> TransformerBlock {
        TransformerBlock { self_attn: self.self_attn.causal(), ..self }
    }
}

impl TransformerBlock {
    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let (width, hidden, p) = (site.size("width")?, site.size("hidden")?, site.number("dropout")?);
        site.reserve(&[&[hidden, width], &[hidden], &[width, hidden], &[width], &[width], &[width], &[width], &[width]])?;
        let self_attn = MultiHeadAttention::of(site)?;
        let block = TransformerBlock::new(site.device(), width, self_attn.heads, hidden, p, 0);
        let [dropout1, dropout2] =
            [site.blueprint().whole("seed1")?, site.blueprint().whole("seed2")?].map(|s| Dropout::new(p, s));
        Ok(Box::new(TransformerBlock { self_attn, dropout1, dropout2, ..block }))
    }
}

impl Module for TransformerBlock {
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = x + self.dropout1.forward(&self.self_attn.forward(&self.norm1.forward(x)));
        let hidden = self.linear1.forward(&self.norm2.forward(&x)).gelu();
        &x + self.dropout2.forward(&self.linear2.forward(&hidden))
    }

    crate::parts!(norm1, self_attn, norm2, linear1, linear2, dropout1, dropout2);

    fn trace(&self, name: &str, x: &Tensor, rows: &mut Vec<Row>) -> Tensor {
        let mut part = |layer: &dyn Module, part: &str, x: &Tensor| layer.trace(&within(name, part), x, rows);
        let normal = part(&self.norm1, "norm1", x);
        let x = x + part(&self.self_attn, "self_attn", &normal);
        let normal = part(&self.norm2, "norm2", &x);
        let hidden = part(&self.linear1, "linear1", &normal);
        let hidden = part(&Activation::Gelu, "gelu", &hidden);
        &x + part(&self.linear2, "linear2", &hidden)
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let hidden = self.linear1.weight().try_shape().ok()?.dims()[0];
        let blueprint = Blueprint::new("TransformerBlock").set("width", self.self_attn.width).set("heads", self.self_attn.heads);
        let blueprint = blueprint.set("causal", self.self_attn.causal).set("hidden", hidden).set("dropout", self.dropout1.p);
        Some(blueprint.set("seed1", self.dropout1.seed).set("seed2", self.dropout2.seed))
    }

    fn describe(&self) -> String {
        format!("TransformerBlock({})", self.self_attn.describe())
    }
}
