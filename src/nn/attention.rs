//! Attention in several heads (Vaswani et al. 2017) as a layer: masks, heads that share keys and values, rotary positions, a cache of keys.

use super::dropout::Dropout;
use super::path::{KeptPath, entered_as};
use super::{Blueprint, Linear, Module, RotaryEmbedding, Site};
use crate::error::{OpError, Result};
use crate::{AttentionOptions, Device, RopeOptions, Shape, Tensor};

/// Seeds of the parts of a layer, far from those of neighbours.
pub(super) fn part(seed: u64, i: u64) -> u64 {
    seed.wrapping_add((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// What a layer of attention is made of, apart from numbers it learns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    pub(super) width: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    /// Features of keys and of values where they are given.
    pub(super) inputs: [usize; 2],
    pub(super) bias: bool,
    pub(super) causal: bool,
    pub(super) rotary: Option<RopeOptions>,
    pub(super) dropout: f64,
    pub(super) dropout_seed: u64,
}

impl Heads {
    pub(super) fn new(width: usize, heads: usize, seed: u64) -> Heads {
        Heads {
            width,
            heads,
            kv_heads: heads,
            inputs: [width; 2],
            bias: true,
            causal: false,
            rotary: None,
            dropout: 0.0,
            dropout_seed: part(seed, 9),
        }
    }

    /// Features of all heads of keys, and of values.
    fn kv_width(&self) -> usize {
        if self.kv_heads == self.heads {
            self.width
        } else {
            self.kv_heads.saturating_mul(self.width.checked_div(self.heads).unwrap_or(0))
        }
    }

    /// What is wrong with the numbers of heads.
    fn wrong(&self) -> Option<String> {
        let Heads { width, heads, kv_heads, .. } = *self;
        if width.checked_rem(heads) != Some(0) {
            Some(format!("{heads} heads do not divide a width of {width}"))
        } else if heads.checked_rem(kv_heads) != Some(0) {
            Some(format!("{kv_heads} heads of keys and values do not divide {heads} heads of queries"))
        } else {
            None
        }
    }

    /// What a blueprint says, with the parameters reserved. What is not in it is as in a new layer: older files have less.
    pub(super) fn read(site: &Site<'_>) -> Result<Heads> {
        let (width, heads) = (site.size("width")?, site.size("heads")?);
        let plain = Heads::new(width, heads, 0);
        let given = |name: &str| site.blueprint().settings().contains_key(name);
        let kv_heads = if given("kv_heads") { site.size("kv_heads")? } else { heads };
        let inputs = if given("inputs") { site.blueprint().pair("inputs")? } else { [width; 2] };
        let bias = if given("bias") { site.flag("bias")? } else { true };
        let rotary = if given("pairing") { Some(RotaryEmbedding::read(site)?) } else { None };
        let (dropout, dropout_seed) = if given("attention_dropout") {
            (site.number("attention_dropout")?, site.blueprint().whole("attention_seed")?)
        } else {
            (0.0, plain.dropout_seed)
        };
        let causal = site.flag("causal")?;
        let heads = Heads { kv_heads, inputs, bias, causal, rotary, dropout, dropout_seed, ..plain };
        // Else the widths below are no sizes of this layer.
        if let Some(wrong) = heads.wrong().filter(|_| heads.kv_heads != heads.heads) {
            return Err(site.blueprint().refuse(wrong));
        }
        let narrow = heads.kv_width();
        for (outputs, inputs) in [(width, width), (narrow, inputs[0]), (narrow, inputs[1]), (width, width)] {
            site.reserve(&[&[outputs, inputs], &[if bias { outputs } else { 0 }]])?;
        }
        Ok(heads)
    }

    /// A blueprint with what is not as in a new layer.
    pub(super) fn write(&self, blueprint: Blueprint) -> Blueprint {
        let mut blueprint = blueprint.set("width", self.width).set("heads", self.heads).set("causal", self.causal);
        if self.kv_heads != self.heads {
            blueprint = blueprint.set("kv_heads", self.kv_heads);
        }
        if self.inputs != [self.width; 2] {
            blueprint = blueprint.set("inputs", &self.inputs[..]);
        }
        if !self.bias {
            blueprint = blueprint.set("bias", false);
        }
        if let Some(rotary) = self.rotary {
            blueprint = RotaryEmbedding::write(blueprint, rotary);
        }
        if self.dropout == 0.0 {
            return blueprint;
        }
        blueprint.set("attention_dropout", self.dropout).set("attention_seed", self.dropout_seed)
    }

    fn describe(&self) -> String {
        let mut text = format!("{}, {} heads", self.width, self.heads);
        if self.kv_heads != self.heads {
            text += &format!(" of which keys have {}", self.kv_heads);
        }
        for (on, what) in [
            (self.causal, ", causal".to_owned()),
            (self.rotary.is_some(), ", rotary".to_owned()),
            (!self.bias, ", no bias".to_owned()),
            (self.dropout != 0.0, format!(", dropout {}", self.dropout)),
        ] {
            if on {
                text += &what;
            }
        }
        text
    }
}

/// Attention in several heads: \[n, t, width\] → \[n, t, width\].
///
/// Queries, keys and values are linear functions of the input (`q_proj`, `k_proj`, `v_proj`, each with `weight` and `bias`), `heads` parts
/// of them attend apart from one another, and `out_proj` is a linear function of the parts together. PyTorch packs the first three
/// into one `in_proj_weight`: its rows are those of q, k and v one after the other.
///
/// Masks and padding are given where it is used ([`MultiHeadAttention::attend_with`]); what belongs to the layer is set when it is made.
///
/// ```
/// use steepest::{AttentionOptions, Device, nn::{Module, MultiHeadAttention}};
/// let device = Device::cpu();
/// let layer = MultiHeadAttention::new(&device, 16, 4, 0).kv_heads(2).causal();
/// let x = device.zeros([2, 5, 16]);
/// assert_eq!(layer.forward(&x).shape().dims(), [2, 5, 16]);
/// // The last two rows of the second sequence are padding.
/// let padding = device.tensor(&[false, false, false, false, false, false, false, false, true, true], [2, 5]);
/// let y = layer.attend_with(&x, &x, &x, &AttentionOptions::new().key_padding(&padding));
/// assert_eq!(y.shape(), x.shape());
/// ```
#[derive(Debug)]
pub struct MultiHeadAttention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    /// `None` where nothing is dropped, so that no counter is handed out.
    dropout: Option<Dropout>,
    rotary: Option<RotaryEmbedding>,
    made: Heads,
    seed: u64,
    path: KeptPath,
}

/// A linear layer from so many inputs to so many outputs. No closure makes them: an error names the line of whoever made the whole.
#[track_caller]
pub(super) fn linear(device: &Device, [inputs, outputs]: [usize; 2], bias: bool, seed: u64) -> Linear {
    let linear = Linear::new(device, inputs, outputs, seed);
    if bias { linear } else { linear.without_bias() }
}

impl MultiHeadAttention {
    /// `heads` heads of size `width` / `heads`, which must be a whole number: else the output is invalid.
    #[track_caller]
    pub fn new(device: &Device, width: usize, heads: usize, seed: u64) -> MultiHeadAttention {
        MultiHeadAttention::of(device, Heads::new(width, heads, seed), seed)
    }

    #[track_caller]
    pub(super) fn of(device: &Device, made: Heads, seed: u64) -> MultiHeadAttention {
        let (width, narrow, bias) = (made.width, made.kv_width(), made.bias);
        MultiHeadAttention {
            q_proj: linear(device, [width, width], bias, part(seed, 0)),
            k_proj: linear(device, [made.inputs[0], narrow], bias, part(seed, 1)),
            v_proj: linear(device, [made.inputs[1], narrow], bias, part(seed, 2)),
            out_proj: linear(device, [width, width], bias, part(seed, 3)),
            dropout: (made.dropout != 0.0).then(|| Dropout::new(made.dropout, made.dropout_seed)),
            rotary: made.rotary.map(RotaryEmbedding::new),
            made,
            seed,
            path: KeptPath::default(),
        }
    }

    /// The same layer made anew with other settings.
    #[track_caller]
    pub(super) fn with(&self, change: impl FnOnce(Heads) -> Heads) -> MultiHeadAttention {
        MultiHeadAttention::of(&self.q_proj.weight().device(), change(self.made), self.seed)
    }

    pub(super) fn made(&self) -> &Heads {
        &self.made
    }

    /// Row i sees the rows up to i only.
    pub fn causal(mut self) -> MultiHeadAttention {
        self.made.causal = true;
        self
    }

    /// Grouped queries (Ainslie et al. 2023): keys and values have `heads` heads, each for several of the queries'; 1 is multi-query attention.
    /// The parameters are made anew. A number that does not divide that of the queries makes the output invalid.
    #[track_caller]
    pub fn kv_heads(self, heads: usize) -> MultiHeadAttention {
        self.with(|made| Heads { kv_heads: heads, ..made })
    }

    /// Keys with `keys` and values with `values` features, where they are of another sequence; the parameters are made anew.
    #[track_caller]
    pub fn inputs(self, keys: usize, values: usize) -> MultiHeadAttention {
        self.with(|made| Heads { inputs: [keys, values], ..made })
    }

    /// The same layer without biases.
    pub fn without_bias(mut self) -> MultiHeadAttention {
        self.made.bias = false;
        let [q_proj, k_proj, v_proj, out_proj] = [self.q_proj, self.k_proj, self.v_proj, self.out_proj].map(Linear::without_bias);
        MultiHeadAttention { q_proj, k_proj, v_proj, out_proj, ..self }
    }

    /// Turns queries and keys by their positions: [`Tensor::rope`].
    pub fn rotary(mut self, options: RopeOptions) -> MultiHeadAttention {
        self.made.rotary = Some(options);
        self.rotary = Some(RotaryEmbedding::new(options));
        self
    }

    /// Drops weights with probability `p` in training. A `p` outside 0 ≤ p < 1 makes the output invalid.
    pub fn dropout(mut self, p: f64) -> MultiHeadAttention {
        self.made.dropout = p;
        self.dropout = (p != 0.0).then(|| Dropout::new(p, self.made.dropout_seed));
        self
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(MultiHeadAttention::of(site.device(), Heads::read(site)?, 0)))
    }

    /// Attention of `queries` \[n, t, width\] to other `keys` and `values` \[n, s, width\]: \[n, t, width\].
    ///
    /// Shapes that do not fit make the result invalid.
    #[track_caller]
    pub fn attend(&self, queries: &Tensor, keys: &Tensor, values: &Tensor) -> Tensor {
        self.attend_with(queries, keys, values, &AttentionOptions::new())
    }

    /// The same with a mask, which broadcasts to \[n, heads, t, s\], and padding \[n, s\]: see [`AttentionOptions`]. Causality, heads and
    /// dropout are the layer's.
    #[track_caller]
    pub fn attend_with(&self, queries: &Tensor, keys: &Tensor, values: &Tensor, options: &AttentionOptions) -> Tensor {
        let _layer = entered_as(self, &self.path);
        if let Some(invalid) = self.wrong(queries, keys, Some(values)) {
            return invalid;
        }
        let ((q, k), v) = (self.turned(queries, keys, 0), self.values(values));
        let options = if self.made.causal { options.clone().causal() } else { options.clone() };
        self.mixed(&q, &k, &v, options)
    }

    /// The weights of [`MultiHeadAttention::attend_with`], \[n, heads, t, s\]: which row attends to which, for looking at.
    #[track_caller]
    pub fn weights(&self, queries: &Tensor, keys: &Tensor, options: &AttentionOptions) -> Tensor {
        if let Some(invalid) = self.wrong(queries, keys, None) {
            return invalid;
        }
        let (q, k) = self.turned(queries, keys, 0);
        let options = if self.made.causal { options.clone().causal() } else { options.clone() };
        q.attention_weights(&k, &options.kv_heads(self.made.kv_heads))
    }

    /// Causal attention of the next rows `x` \[n, t, width\] to themselves and all rows before, whose keys and values `cache` holds; those of x
    /// are added to it. Row after row, or a few at a time, it gives what [`MultiHeadAttention::causal`] gives of the whole sequence.
    ///
    /// For generating, inside [`no_grad`](crate::no_grad): else the cache carries its history on. A mask is for \[n, heads, t, s\] with all s
    /// rows so far, padding for \[n, s\]. Rows of another n or width than the cache's make the result invalid, and are not added to it.
    ///
    /// ```
    /// use steepest::{Device, nn::{KeyValueCache, Module, MultiHeadAttention}, no_grad};
    /// let device = Device::cpu();
    /// let layer = MultiHeadAttention::new(&device, 8, 2, 0).causal();
    /// let x = device.uniform([1, 3, 8], -1.0, 1.0, 0);
    /// let whole = layer.forward(&x).slice(1, 2..).to_vec::<f32>()?;
    /// let mut cache = KeyValueCache::new();
    /// no_grad(|| {
    ///     layer.step(&x.slice(1, ..2), &mut cache);
    ///     let last = layer.step(&x.slice(1, 2..), &mut cache).to_vec::<f32>()?;
    ///     assert!(last.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-6));
    ///     Ok::<(), steepest::Error>(())
    /// })?;
    /// assert_eq!(cache.len(), 3);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn step(&self, x: &Tensor, cache: &mut KeyValueCache) -> Tensor {
        self.step_with(x, cache, &AttentionOptions::new())
    }

    /// [`MultiHeadAttention::step`] with a mask or padding.
    #[track_caller]
    pub fn step_with(&self, x: &Tensor, cache: &mut KeyValueCache, options: &AttentionOptions) -> Tensor {
        let _layer = entered_as(self, &self.path);
        if let Some(invalid) = self.wrong(x, x, Some(x)) {
            return invalid;
        }
        let first = cache.len();
        let ((q, k), v) = (self.turned(x, x, first), self.values(x));
        let (k, v) = match &cache.keys_values {
            Some((keys, values)) => (keys.cat(&[&k], 2), values.cat(&[&v], 2)),
            None => (k, v),
        };
        let out = self.mixed(&q, &k, &v, options.clone().causal_from(first));
        if out.check().is_ok() {
            cache.keys_values = Some((k, v));
        }
        out
    }

    /// Queries and keys in heads \[n, heads, t, d\], turned where the layer is rotary; the first row is at position `first`.
    #[track_caller]
    fn turned(&self, queries: &Tensor, keys: &Tensor, first: usize) -> (Tensor, Tensor) {
        let q = split(&self.q_proj.forward(queries), self.made.heads);
        let k = split(&self.k_proj.forward(keys), self.made.kv_heads);
        match &self.rotary {
            Some(rotary) => (rotary.at(&q, first), rotary.at(&k, first)),
            None => (q, k),
        }
    }

    /// Values in heads.
    #[track_caller]
    fn values(&self, values: &Tensor) -> Tensor {
        split(&self.v_proj.forward(values), self.made.kv_heads)
    }

    /// \[n, heads, t, width / heads\] → \[n, t, width\]
    #[track_caller]
    fn mixed(&self, q: &Tensor, k: &Tensor, v: &Tensor, options: AttentionOptions) -> Tensor {
        let options = options.kv_heads(self.made.kv_heads);
        let options = match self.dropout.as_ref().and_then(Dropout::draw) {
            Some((p, seed, stream)) => options.dropout(p, seed, stream),
            None => options,
        };
        let mixed = q.attention(k, v, &options).transpose(1, 2);
        let Ok(shape) = mixed.try_shape() else { return mixed };
        self.out_proj.forward(&mixed.reshape([shape.dims()[0], shape.dims()[1], self.made.width]))
    }

    #[track_caller]
    fn wrong(&self, q: &Tensor, k: &Tensor, v: Option<&Tensor>) -> Option<Tensor> {
        if let Some(invalid) = [q, k].into_iter().chain(v).find(|t| t.check().is_err()) {
            return Some(invalid.clone());
        }
        if let Some(message) = self.made.wrong() {
            return Some(q.refuse("attention", OpError::Value(message)));
        }
        let (a, b, c) = (q.shape(), k.shape(), v.map(Tensor::shape));
        let Heads { width, inputs, .. } = self.made;
        let [n, s] = [a.dims().first(), b.dims().get(1)];
        let fits = |x: Shape, n, s, width| matches!(x.dims(), [a, b, c] if Some(a) == n && Some(b) == s && *c == width);
        let values = c.is_none_or(|c| fits(c, n, s, inputs[1]));
        if fits(a, n, a.dims().get(1), width) && fits(b, n, s, inputs[0]) && values {
            return None;
        }
        let [keys, values] = inputs;
        let found = c.map_or(String::new(), |c| format!(", values {c}"));
        let message = format!("queries {a}, keys {b}{found}, expected [n,t,{width}], [n,s,{keys}] and [n,s,{values}]");
        Some(q.refuse("attention", OpError::Shape(message)))
    }
}

/// \[n, t, heads · d\] → \[n, heads, t, d\]
#[track_caller]
fn split(x: &Tensor, heads: usize) -> Tensor {
    let Ok(shape) = x.try_shape() else { return x.clone() };
    let [n, t, width] = [0, 1, 2].map(|axis| shape.dims().get(axis).copied().unwrap_or(1));
    x.reshape([n, t, heads, width / heads.max(1)]).transpose(1, 2)
}

/// The keys and values of the rows that a layer of attention has seen, for [`MultiHeadAttention::step`]: one for each layer of a model.
#[derive(Clone, Debug, Default)]
pub struct KeyValueCache {
    /// Each \[n, kv_heads, t, d\].
    keys_values: Option<(Tensor, Tensor)>,
}

impl KeyValueCache {
    /// Of no rows.
    pub fn new() -> KeyValueCache {
        KeyValueCache::default()
    }

    /// How many rows it holds.
    pub fn len(&self) -> usize {
        let shape = self.keys_values.as_ref().and_then(|(keys, _)| keys.try_shape().ok());
        shape.map_or(0, |shape| shape.dims()[2])
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all rows: a new sequence begins.
    pub fn clear(&mut self) {
        self.keys_values = None;
    }
}

impl Module for MultiHeadAttention {
    /// Attention of a sequence to itself.
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = entered_as(self, &self.path);
        self.attend(x, x, x)
    }

    /// Of one input attention to itself, of three queries, keys and values.
    #[track_caller]
    fn forward_all(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        let _layer = entered_as(self, &self.path);
        match inputs {
            [x] => vec![self.forward(x)],
            [queries, keys, values] => vec![self.attend(queries, keys, values)],
            _ => super::wrong_inputs("MultiHeadAttention", inputs, 3),
        }
    }

    crate::parts!(q_proj, k_proj, v_proj, out_proj, dropout);

    fn multiply_adds(&self, input: &Shape, _: &Shape) -> usize {
        let &[n, t, _] = input.dims() else { return 0 };
        let Heads { width, inputs, .. } = self.made;
        // What overflows is more than any machine can do.
        let product = |of: &[usize]| of.iter().fold(1, |product: usize, &n| product.saturating_mul(n));
        let pairs = product(&[inputs[0].saturating_add(inputs[1]), self.made.kv_width()]);
        let weights = product(&[2, width, width]).saturating_add(pairs);
        product(&[n, t, weights]).saturating_add(product(&[2, n, t, t, width]))
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(self.made.write(Blueprint::new("MultiHeadAttention")))
    }

    fn describe(&self) -> String {
        format!("MultiHeadAttention({})", self.made.describe())
    }
}
