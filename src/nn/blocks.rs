//! Transformer blocks one after the other: an encoder, a decoder, or a model that generates.

use super::path::{KeptPath, entered_container, into_numbered, into_part};
use super::summary::within;
use super::{Blueprint, KeyValueCache, Module, Row, Site, TransformerBlock};
use crate::error::{OpError, Result};
use crate::{AttentionOptions, Tensor};
use std::fmt;

/// Blocks one after the other and, where it is given, a last normalisation: \[n, t, width\] → \[n, t, width\]. Masks and padding are every
/// block's. Parts are named as in PyTorch's `TransformerEncoder` and `TransformerDecoder`: `layers.0`, …, `norm`.
///
/// ```
/// use steepest::{AttentionOptions, Device, nn::{LayerNorm, Transformer, TransformerBlock}};
/// let device = Device::cpu();
/// let block = |seed| TransformerBlock::new(&device, 8, 2, 16, 0.1, seed);
/// let encoder = Transformer::new((0..2).map(block)).norm(LayerNorm::new(&device, 8));
/// let decoder = Transformer::new((2..4).map(|seed| block(seed).causal().cross_attention()));
/// let (source, target) = (device.ones([1, 4, 8]), device.ones([1, 3, 8]));
/// // The last row of the source is padding.
/// let padding = device.tensor(&[false, false, false, true], [1, 4]);
/// let options = AttentionOptions::new().key_padding(&padding);
/// let memory = encoder.encode(&source, &options);
/// let y = decoder.decode_with(&target, &memory, &AttentionOptions::new(), &options);
/// assert_eq!(y.shape(), target.shape());
/// ```
pub struct Transformer {
    layers: Vec<TransformerBlock>,
    norm: Option<Box<dyn Module>>,
    path: KeptPath,
}

impl fmt::Debug for Transformer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl Transformer {
    /// These blocks, in this order.
    pub fn new(blocks: impl IntoIterator<Item = TransformerBlock>) -> Transformer {
        Transformer { layers: blocks.into_iter().collect(), norm: None, path: KeptPath::default() }
    }

    /// Normalises at the end: blocks that normalise first leave that open.
    pub fn norm(self, norm: impl Module + 'static) -> Transformer {
        Transformer { norm: Some(Box::new(norm)), ..self }
    }

    /// The blocks.
    pub fn blocks(&self) -> &[TransformerBlock] {
        &self.layers
    }

    #[track_caller]
    fn through(&self, x: &Tensor, mut block: impl FnMut(usize, &TransformerBlock, &Tensor) -> Tensor) -> Tensor {
        let _layer = entered_container(self, &self.path);
        let x = {
            let _layers = into_part("layers");
            self.layers.iter().enumerate().fold(x.clone(), |x, (i, layer)| {
                let _part = into_numbered(i);
                block(i, layer, &x)
            })
        };
        let _part = into_part("norm");
        self.norm.as_ref().map_or(x.clone(), |norm| norm.forward(&x))
    }

    /// All blocks with a mask or padding: [`TransformerBlock::encode`].
    #[track_caller]
    pub fn encode(&self, x: &Tensor, options: &AttentionOptions) -> Tensor {
        self.through(x, |_, block, x| block.encode(x, options))
    }

    /// All blocks of a decoder, each with the same memory: [`TransformerBlock::decode`].
    #[track_caller]
    pub fn decode(&self, x: &Tensor, memory: &Tensor) -> Tensor {
        self.through(x, |_, block, x| block.decode(x, memory))
    }

    /// The same with a mask or padding for x, and for the memory.
    #[track_caller]
    pub fn decode_with(&self, x: &Tensor, memory: &Tensor, options: &AttentionOptions, of_memory: &AttentionOptions) -> Tensor {
        self.through(x, |_, block, x| block.decode_with(x, memory, options, of_memory))
    }

    /// Empty caches for [`Transformer::step`], one for each block.
    pub fn caches(&self) -> Vec<KeyValueCache> {
        vec![KeyValueCache::new(); self.layers.len()]
    }

    /// All blocks on the next rows of a sequence, whose rows before `caches` hold: [`MultiHeadAttention::step`](super::MultiHeadAttention::step).
    ///
    /// As many caches as blocks, or the result is invalid.
    #[track_caller]
    pub fn step(&self, x: &Tensor, caches: &mut [KeyValueCache]) -> Tensor {
        match self.wrong(x, caches) {
            Some(invalid) => invalid,
            None => self.through(x, |i, block, x| block.step(x, &mut caches[i])),
        }
    }

    /// The same of a decoder, with its memory.
    #[track_caller]
    pub fn decode_step(&self, x: &Tensor, memory: &Tensor, caches: &mut [KeyValueCache]) -> Tensor {
        match self.wrong(x, caches) {
            Some(invalid) => invalid,
            None => self.through(x, |i, block, x| block.decode_step(x, memory, &mut caches[i])),
        }
    }

    #[track_caller]
    fn wrong(&self, x: &Tensor, caches: &[KeyValueCache]) -> Option<Tensor> {
        if caches.len() == self.layers.len() {
            return None;
        }
        let message = format!("{} caches for {} blocks", caches.len(), self.layers.len());
        Some(x.refuse("transformer", OpError::Value(message)))
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let (mut layers, mut norm) = (vec![], None);
        for (name, inner) in site.inner() {
            match name {
                "norm" => norm = Some(site.part("norm")?),
                _ => layers.push(TransformerBlock::of_site(&inner)?),
            }
        }
        Ok(Box::new(Transformer { layers, norm, path: KeptPath::default() }))
    }
}

impl Module for Transformer {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = entered_container(self, &self.path);
        self.encode(x, &AttentionOptions::new())
    }

    /// Of one input the blocks, of two a decoder's with their memory.
    #[track_caller]
    fn forward_all(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        let _layer = entered_container(self, &self.path);
        match inputs {
            [x] => vec![self.forward(x)],
            [x, memory] => vec![self.decode(x, memory)],
            _ => super::wrong_inputs("Transformer", inputs, 2),
        }
    }

    crate::parts!(layers, norm);

    fn trace(&self, name: &str, x: &Tensor, rows: &mut Vec<Row>) -> Tensor {
        let _layer = entered_container(self, &self.path);
        let mut x = x.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            let _layers = into_part("layers");
            let _part = into_numbered(i);
            x = layer.trace(&within(name, &format!("layers.{i}")), &x, rows);
        }
        let _part = into_part("norm");
        self.norm.as_ref().map_or(x.clone(), |norm| norm.trace(&within(name, "norm"), &x, rows))
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let blueprint = Blueprint::new("Transformer");
        let blueprint = self.layers.iter().enumerate().try_fold(blueprint, |b, (i, layer)| b.part(i.to_string(), layer))?;
        match &self.norm {
            Some(norm) => blueprint.part("norm", &**norm),
            None => Some(blueprint),
        }
    }

    fn describe(&self) -> String {
        format!("Transformer({} blocks)", self.layers.len())
    }
}
