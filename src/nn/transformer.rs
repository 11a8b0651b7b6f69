//! The transformer's block: attention to itself, attention to another sequence where it decodes one, an MLP, normalisation before or after each.

use super::attention::{Heads, linear, part};
use super::path::{KeptPath, entered_as, into_part};
use super::summary::within;
use super::{Activation, Blueprint, Dropout, KeyValueCache, LayerNorm, Linear, Module, MultiHeadAttention, RmsNorm, Row, Site};
use crate::error::{OpError, Result};
use crate::{AttentionOptions, Device, RopeOptions, Tensor};
use std::cell::RefCell;
use std::fmt;

/// A block's normalisation.
#[derive(Debug)]
enum Norm {
    Layer(LayerNorm),
    Rms(RmsNorm),
}

impl Norm {
    #[track_caller]
    fn new(device: &Device, width: usize, rms: bool) -> Norm {
        if rms { Norm::Rms(RmsNorm::new(device, width)) } else { Norm::Layer(LayerNorm::new(device, width)) }
    }

    fn inner(&self) -> &dyn Module {
        match self {
            Norm::Layer(norm) => norm,
            Norm::Rms(norm) => norm,
        }
    }
}

impl Module for Norm {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        self.inner().forward(x)
    }
    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        self.inner().visit(visit);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        match self {
            Norm::Layer(norm) => norm.visit_mut(visit),
            Norm::Rms(norm) => norm.visit_mut(visit),
        }
    }
    fn trace(&self, name: &str, x: &Tensor, rows: &mut Vec<Row>) -> Tensor {
        self.inner().trace(name, x, rows)
    }
    fn describe(&self) -> String {
        self.inner().describe()
    }
}

/// What a block is made of besides its attention.
#[derive(Clone, Copy, Debug)]
struct Shape {
    hidden: usize,
    dropout: f64,
    /// Of the dropouts after attention, MLP, and attention to another sequence.
    seeds: [u64; 3],
    post_norm: bool,
    rms: bool,
    gated: bool,
    cross: bool,
}

/// The transformer's block, by itself with normalisation first (Xiong et al. 2020): y = x + attention(norm1 x), then y + mlp(norm2 y).
///
/// The MLP is `linear1` to `hidden`, GELU, `linear2` back; dropout comes after the attention and after the MLP. Parts are named as in
/// PyTorch's `TransformerEncoderLayer`, the attention `self_attn`. \[n, t, width\] → \[n, t, width\].
///
/// Otherwise: [`post_norm`](TransformerBlock::post_norm) (Vaswani et al. 2017), [`rms_norm`](TransformerBlock::rms_norm),
/// [`activation`](TransformerBlock::activation) and [`gated`](TransformerBlock::gated), [`kv_heads`](TransformerBlock::kv_heads),
/// [`rotary`](TransformerBlock::rotary), [`without_bias`](TransformerBlock::without_bias); with
/// [`cross_attention`](TransformerBlock::cross_attention) it is a decoder's, with the parts of PyTorch's `TransformerDecoderLayer`.
///
/// ```
/// use steepest::{Device, RopeOptions, nn::{Module, TransformerBlock}};
/// let device = Device::cpu();
/// // As in Llama.
/// let block = TransformerBlock::new(&device, 16, 4, 32, 0.0, 0).causal();
/// let block = block.kv_heads(2).rotary(RopeOptions::new().half()).swiglu().rms_norm().without_bias();
/// assert_eq!(block.forward(&device.ones([1, 3, 16])).shape().dims(), [1, 3, 16]);
/// // As in the paper, decoding: memory is what the encoder made.
/// let block = TransformerBlock::new(&device, 16, 4, 32, 0.1, 0).causal().cross_attention().post_norm();
/// assert_eq!(block.decode(&device.ones([1, 3, 16]), &device.ones([1, 7, 16])).shape().dims(), [1, 3, 16]);
/// ```
pub struct TransformerBlock {
    norm1: Norm,
    self_attn: MultiHeadAttention,
    norm2: Norm,
    multihead_attn: Option<MultiHeadAttention>,
    norm3: Option<Norm>,
    linear1: Linear,
    /// What the hidden units are multiplied by, where they are gated.
    linear_gate: Option<Linear>,
    linear2: Linear,
    activation: Box<dyn Module>,
    dropout1: Dropout,
    dropout2: Dropout,
    dropout3: Option<Dropout>,
    made: Shape,
    seed: u64,
    path: KeptPath,
}

impl fmt::Debug for TransformerBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

/// Has a layer of a block, of this name, make its output.
type Part<'a> = &'a dyn Fn(&'static str, &dyn Module, &Tensor) -> Tensor;

#[track_caller]
fn forward(name: &'static str, layer: &dyn Module, x: &Tensor) -> Tensor {
    let _part = into_part(name);
    layer.forward(x)
}

impl TransformerBlock {
    /// A block with `heads` heads, an MLP with `hidden` units and dropout with probability `dropout`.
    #[track_caller]
    pub fn new(device: &Device, width: usize, heads: usize, hidden: usize, dropout: f64, seed: u64) -> TransformerBlock {
        let seeds = [7, 8, 12].map(|i| part(seed, i));
        let made = Shape { hidden, dropout, seeds, post_norm: false, rms: false, gated: false, cross: false };
        let attention = Heads::new(width, heads, part(seed, 4));
        TransformerBlock::of(device, attention, made, Box::new(Activation::Gelu), seed)
    }

    #[track_caller]
    fn of(device: &Device, attention: Heads, made: Shape, activation: Box<dyn Module>, seed: u64) -> TransformerBlock {
        let (width, hidden) = (attention.width, made.hidden);
        let (bias, (into, out_of)) = (attention.bias, ([width, hidden], [hidden, width]));
        // No closure makes a part: an error names the line of whoever made the block.
        let (multihead_attn, norm3) = if made.cross {
            // It sees the whole of the other sequence, wherever that is.
            let dropout_seed = part(attention.dropout_seed, 1);
            let cross = Heads { causal: false, rotary: None, inputs: [width; 2], dropout_seed, ..attention };
            (Some(MultiHeadAttention::of(device, cross, part(seed, 11))), Some(Norm::new(device, width, made.rms)))
        } else {
            (None, None)
        };
        let linear_gate = if made.gated { Some(linear(device, into, bias, part(seed, 10))) } else { None };
        TransformerBlock {
            norm1: Norm::new(device, width, made.rms),
            self_attn: MultiHeadAttention::of(device, attention, part(seed, 4)),
            norm2: Norm::new(device, width, made.rms),
            multihead_attn,
            norm3,
            linear1: linear(device, into, bias, part(seed, 5)),
            linear_gate,
            linear2: linear(device, out_of, bias, part(seed, 6)),
            activation,
            dropout1: Dropout::new(made.dropout, made.seeds[0]),
            dropout2: Dropout::new(made.dropout, made.seeds[1]),
            dropout3: made.cross.then(|| Dropout::new(made.dropout, made.seeds[2])),
            made,
            seed,
            path: KeptPath::default(),
        }
    }

    /// The same block made anew with other settings.
    #[track_caller]
    fn with(self, change: impl FnOnce(&mut Heads, &mut Shape)) -> TransformerBlock {
        let (device, mut heads, mut made) = (self.linear1.weight().device(), *self.self_attn.made(), self.made);
        change(&mut heads, &mut made);
        TransformerBlock::of(&device, heads, made, self.activation, self.seed)
    }

    /// Row i sees the rows up to i only.
    pub fn causal(self) -> TransformerBlock {
        TransformerBlock { self_attn: self.self_attn.causal(), ..self }
    }

    /// Normalisation after each part and what goes past it, as in the first transformer: y = norm1(x + attention x), then norm2(y + mlp y).
    pub fn post_norm(mut self) -> TransformerBlock {
        self.made.post_norm = true;
        self
    }

    /// [`RmsNorm`] in place of [`LayerNorm`].
    #[track_caller]
    pub fn rms_norm(self) -> TransformerBlock {
        self.with(|_, made| made.rms = true)
    }

    /// Another activation in the MLP than GELU.
    pub fn activation(mut self, activation: impl Module + 'static) -> TransformerBlock {
        self.activation = Box::new(activation);
        self
    }

    /// A gated MLP (Shazeer 2020): `linear2`(activation(`linear_gate` x) · `linear1` x). The parameters are made anew.
    #[track_caller]
    pub fn gated(self) -> TransformerBlock {
        self.with(|_, made| made.gated = true)
    }

    /// A gated MLP with SiLU.
    #[track_caller]
    pub fn swiglu(self) -> TransformerBlock {
        self.gated().activation(Activation::Silu)
    }

    /// Keys and values with fewer heads: [`MultiHeadAttention::kv_heads`]. The parameters are made anew.
    #[track_caller]
    pub fn kv_heads(self, heads: usize) -> TransformerBlock {
        self.with(|attention, _| attention.kv_heads = heads)
    }

    /// Turns queries and keys of the attention to itself by their positions: [`Tensor::rope`].
    pub fn rotary(self, options: RopeOptions) -> TransformerBlock {
        TransformerBlock { self_attn: self.self_attn.rotary(options), ..self }
    }

    /// Drops weights of attention with probability `p` in training, too.
    #[track_caller]
    pub fn attention_dropout(self, p: f64) -> TransformerBlock {
        self.with(|attention, _| attention.dropout = p)
    }

    /// The same block without biases in attention and MLP. The parameters are made anew.
    #[track_caller]
    pub fn without_bias(self) -> TransformerBlock {
        self.with(|attention, _| attention.bias = false)
    }

    /// A decoder's block: after the attention to itself comes `multihead_attn`, attention to another sequence, the memory. Used by
    /// [`TransformerBlock::decode`]. `norm2` is that attention's and `norm3` the MLP's, as in PyTorch. The parameters are made anew.
    #[track_caller]
    pub fn cross_attention(self) -> TransformerBlock {
        self.with(|_, made| made.cross = true)
    }

    /// The block on x \[n, t, width\] with a mask or padding for its attention: [`AttentionOptions`].
    #[track_caller]
    pub fn encode(&self, x: &Tensor, options: &AttentionOptions) -> Tensor {
        self.run(x, |x| self.self_attn.attend_with(x, x, x, options), None, &forward)
    }

    /// The block of a decoder on x \[n, t, width\] and the memory \[n, s, width\].
    ///
    /// A block without [`cross_attention`](TransformerBlock::cross_attention) makes the result invalid.
    #[track_caller]
    pub fn decode(&self, x: &Tensor, memory: &Tensor) -> Tensor {
        self.decode_with(x, memory, &AttentionOptions::new(), &AttentionOptions::new())
    }

    /// The same with a mask or padding for x, and for the memory.
    #[track_caller]
    pub fn decode_with(&self, x: &Tensor, memory: &Tensor, options: &AttentionOptions, of_memory: &AttentionOptions) -> Tensor {
        self.run(x, |x| self.self_attn.attend_with(x, x, x, options), Some((memory, of_memory)), &forward)
    }

    /// The block on the next rows of a sequence, whose rows before `cache` holds: [`MultiHeadAttention::step`].
    #[track_caller]
    pub fn step(&self, x: &Tensor, cache: &mut KeyValueCache) -> Tensor {
        self.run(x, |x| self.self_attn.step(x, cache), None, &forward)
    }

    /// The same of a decoder, with its memory.
    #[track_caller]
    pub fn decode_step(&self, x: &Tensor, memory: &Tensor, cache: &mut KeyValueCache) -> Tensor {
        self.run(x, |x| self.self_attn.step(x, cache), Some((memory, &AttentionOptions::new())), &forward)
    }

    /// x and what `inner` makes of it, with normalisation before or after.
    #[track_caller]
    fn around(&self, x: &Tensor, norm: impl FnOnce(&Tensor) -> Tensor, inner: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
        if self.made.post_norm { norm(&(x + inner(x))) } else { x + inner(&norm(x)) }
    }

    /// The block; `part` has each layer make its output and gets its name.
    #[track_caller]
    fn run(
        &self,
        x: &Tensor,
        attend: impl FnOnce(&Tensor) -> Tensor,
        memory: Option<(&Tensor, &AttentionOptions)>,
        part: Part<'_>,
    ) -> Tensor {
        let _layer = entered_as(self, &self.path);
        let attend = |x: &Tensor| {
            let _part = into_part("self_attn");
            attend(x)
        };
        let x = self.around(x, |x| part("norm1", &self.norm1, x), |x| self.dropout1.forward(&attend(x)));
        match (&self.multihead_attn, &self.norm3, &self.dropout3, memory) {
            (Some(cross), Some(last), Some(dropout), Some((memory, options))) => {
                let attend = |x: &Tensor| {
                    let attended = {
                        let _part = into_part("multihead_attn");
                        cross.attend_with(x, memory, memory, options)
                    };
                    dropout.forward(&attended)
                };
                let x = self.around(&x, |x| part("norm2", &self.norm2, x), attend);
                self.around(&x, |x| part("norm3", last, x), |x| self.dropout2.forward(&self.mlp(x, part)))
            }
            (None, None, None, None) => {
                self.around(&x, |x| part("norm2", &self.norm2, x), |x| self.dropout2.forward(&self.mlp(x, part)))
            }
            (cross, ..) => {
                let what =
                    if cross.is_some() { "a decoder's block needs the memory" } else { "the block has no cross_attention" };
                x.refuse("transformer_block", OpError::Value(what.to_owned()))
            }
        }
    }

    #[track_caller]
    fn mlp(&self, x: &Tensor, part: Part<'_>) -> Tensor {
        let hidden = part("linear1", &self.linear1, x);
        let hidden = match &self.linear_gate {
            Some(gate) => part("activation", &*self.activation, &part("linear_gate", gate, x)) * hidden,
            None => part("activation", &*self.activation, &hidden),
        };
        part("linear2", &self.linear2, &hidden)
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(TransformerBlock::of_site(site)?))
    }

    /// The block that a blueprint says.
    pub(super) fn of_site(site: &Site<'_>) -> Result<TransformerBlock> {
        if site.blueprint().kind() != "TransformerBlock" {
            return Err(site.blueprint().refuse("expected a TransformerBlock"));
        }
        let given = |name: &str| site.blueprint().settings().contains_key(name);
        let flag = |name: &str| if given(name) { site.flag(name) } else { Ok(false) };
        let whole = |name: &str| site.blueprint().whole(name);
        let (width, hidden, dropout) = (site.size("width")?, site.size("hidden")?, site.number("dropout")?);
        let (post_norm, rms, gated, cross) = (flag("post_norm")?, flag("rms_norm")?, flag("gated")?, flag("cross_attention")?);
        let seeds = [whole("seed1")?, whole("seed2")?, if cross { whole("seed3")? } else { 0 }];
        let attention = Heads::read(site)?;
        if cross {
            // As many parameters once more.
            Heads::read(site)?;
        }
        let bias = |n: usize| if attention.bias { n } else { 0 };
        site.reserve(&[&[hidden, width], &[bias(hidden)], &[width, hidden], &[bias(width)]])?;
        if gated {
            site.reserve(&[&[hidden, width], &[bias(hidden)]])?;
        }
        for _ in 0..if cross { 3 } else { 2 } {
            site.reserve(&[&[width], &[if rms { 0 } else { width }]])?;
        }
        let named = site.blueprint().parts().iter().any(|(name, _)| name == "activation");
        let activation = if named { site.part("activation")? } else { Box::new(Activation::Gelu) };
        let made = Shape { hidden, dropout, seeds, post_norm, rms, gated, cross };
        Ok(TransformerBlock::of(site.device(), attention, made, activation, 0))
    }
}

impl Module for TransformerBlock {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = entered_as(self, &self.path);
        self.encode(x, &AttentionOptions::new())
    }

    /// Of one input the block, of two a decoder's with its memory.
    #[track_caller]
    fn forward_all(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        let _layer = entered_as(self, &self.path);
        match inputs {
            [x] => vec![self.forward(x)],
            [x, memory] => vec![self.decode(x, memory)],
            _ => super::wrong_inputs("TransformerBlock", inputs, 2),
        }
    }

    crate::parts!(
        norm1,
        self_attn,
        norm2,
        multihead_attn,
        norm3,
        linear1,
        linear_gate,
        linear2,
        activation,
        dropout1,
        dropout2,
        dropout3
    );

    fn trace(&self, name: &str, x: &Tensor, rows: &mut Vec<Row>) -> Tensor {
        let rows = RefCell::new(rows);
        let part = |part: &'static str, layer: &dyn Module, x: &Tensor| {
            let _part = into_part(part);
            layer.trace(&within(name, part), x, &mut rows.borrow_mut())
        };
        self.run(x, |x| part("self_attn", &self.self_attn, x), None, &part)
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let Shape { hidden, dropout, seeds, post_norm, rms, gated, cross } = self.made;
        let blueprint = self.self_attn.made().write(Blueprint::new("TransformerBlock"));
        let blueprint = blueprint.set("hidden", hidden).set("dropout", dropout).set("seed1", seeds[0]).set("seed2", seeds[1]);
        // Only what is not as in a new block.
        let flags = [("post_norm", post_norm), ("rms_norm", rms), ("gated", gated), ("cross_attention", cross)];
        let blueprint = flags.iter().filter(|(_, on)| *on).fold(blueprint, |blueprint, (name, on)| blueprint.set(*name, *on));
        let blueprint = if cross { blueprint.set("seed3", seeds[2]) } else { blueprint };
        let activation = self.activation.blueprint()?;
        let gelu = Activation::Gelu.blueprint()?;
        Some(if activation == gelu { blueprint } else { blueprint.with_part("activation", activation) })
    }

    fn describe(&self) -> String {
        let Shape { post_norm, rms, gated, cross, .. } = self.made;
        let mut text = format!("TransformerBlock({}", self.self_attn.describe());
        for (on, what) in [(post_norm, "norm after"), (rms, "RMS norm"), (gated, "gated"), (cross, "cross attention")] {
            if on {
                text += &format!(", {what}");
            }
        }
        text + ")"
    }
}
