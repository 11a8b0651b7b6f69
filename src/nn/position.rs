//! Where a row stands in its sequence: rotary embedding, sinusoids that are added, and biases that grow with the distance.

use super::{Blueprint, Module, Site};
use crate::error::{At, OpError, Result};
use crate::threads::lock;
use crate::{Device, Pairing, RopeOptions, RopeTables, Shape, Tensor, memory};
use std::sync::Mutex;

/// Rotary position embedding (Su et al. 2021) as a layer: \[…, t, d\] → \[…, t, d\], see [`Tensor::rope`].
///
/// The tables of the last call are kept: a sequence of the same length uses them again. It has no parameters.
///
/// ```
/// use steepest::{Device, RopeOptions, nn::{Module, RotaryEmbedding}};
/// let rotary = RotaryEmbedding::new(RopeOptions::new().half());
/// let q = Device::cpu().ones([2, 4, 5, 8]);
/// assert_eq!(rotary.forward(&q).shape(), q.shape());
/// ```
#[derive(Debug)]
pub struct RotaryEmbedding {
    options: RopeOptions,
    tables: Mutex<Option<(Device, usize, RopeTables)>>,
}

impl RotaryEmbedding {
    /// A layer that turns as `options` say.
    pub fn new(options: RopeOptions) -> RotaryEmbedding {
        RotaryEmbedding { options, tables: Mutex::new(None) }
    }

    /// How it turns.
    pub fn options(&self) -> RopeOptions {
        self.options
    }

    /// The same for a sequence whose first row is at position `offset`, counted from the layer's own.
    #[track_caller]
    pub fn at(&self, x: &Tensor, offset: usize) -> Tensor {
        let Ok(shape) = x.try_shape() else { return x.clone() };
        let options = self.options.offset(self.options.offset.saturating_add(offset));
        let mut kept = lock(&self.tables);
        let tables = match &*kept {
            Some((device, at, tables))
                if *device == x.device() && *at == offset && shape.dims().ends_with(&tables.sizes()) && shape.rank() > 1 =>
            {
                tables.clone()
            }
            _ => {
                let tables = x.rope_tables(&options);
                // Tables of what is refused are for nothing else.
                if shape.dims().ends_with(&tables.sizes()) {
                    *kept = Some((x.device(), offset, tables.clone()));
                }
                tables
            }
        };
        x.rope_by(&tables)
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(RotaryEmbedding::new(RotaryEmbedding::read(site)?)))
    }

    /// Options as a blueprint holds them.
    pub(super) fn read(site: &Site<'_>) -> Result<RopeOptions> {
        let pairing = match site.blueprint().text("pairing")? {
            "interleaved" => Pairing::Interleaved,
            "half" => Pairing::Half,
            other => return Err(site.blueprint().refuse(format!("no pairing is called `{other}`"))),
        };
        Ok(RopeOptions { pairing, base: site.number("base")?, offset: site.size("offset")? })
    }

    /// A blueprint with the options.
    pub(super) fn write(blueprint: Blueprint, options: RopeOptions) -> Blueprint {
        let pairing = match options.pairing {
            Pairing::Interleaved => "interleaved",
            Pairing::Half => "half",
        };
        blueprint.set("pairing", pairing).set("base", options.base).set("offset", options.offset)
    }
}

impl Module for RotaryEmbedding {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        self.at(x, 0)
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(RotaryEmbedding::write(Blueprint::new("RotaryEmbedding"), self.options))
    }

    fn describe(&self) -> String {
        format!("RotaryEmbedding({:?}, base {})", self.options.pairing, self.options.base)
    }
}

/// The sinusoids of Vaswani et al. (2017) for positions 0 to `rows` − 1, \[rows, width\]: sin(p · base^(−2i/width)) in column 2i, the cosine of
/// the same in column 2i + 1. The paper's base is 10,000.
#[track_caller]
pub fn sinusoids(device: &Device, rows: usize, width: usize, base: f64) -> Tensor {
    let number = |at: usize| {
        let (row, column) = (at / width, at % width);
        let angle = row as f64 * base.powf(-((column / 2 * 2) as f64) / width as f64);
        (if column % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
    };
    table(device, "sinusoids", &[rows, width], number)
}

/// A tensor of numbers that follow from their places.
#[track_caller]
fn table(device: &Device, name: &'static str, shape: &[usize], number: impl Fn(usize) -> f32) -> Tensor {
    let numbers = |shape: Shape| {
        let numbers = memory::collected(format_args!("{name} of shape {shape}"), (0..shape.numel()).map(number));
        Ok((numbers.map_err(OpError::NoRoom)?, shape))
    };
    match Shape::new(shape).and_then(numbers) {
        Ok((numbers, shape)) => device.tensor(&numbers, shape),
        Err(error) => device.invalid(name, At::caller(), error),
    }
}

/// Adds [`sinusoids`] with base 10,000 to the rows of a sequence: \[…, t, width\] → \[…, t, width\]. It has no parameters.
///
/// ```
/// use steepest::{Device, nn::{Module, PositionalEncoding}};
/// let y = PositionalEncoding::new().forward(&Device::cpu().zeros([1, 2, 2]));
/// assert_eq!(y.to_vec::<f32>()?, [0.0, 1.0, 1f32.sin(), 1f32.cos()]);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct PositionalEncoding {
    table: Mutex<Option<(Device, Tensor)>>,
}

impl PositionalEncoding {
    /// A layer for sequences of any length and width; the table of the last call is kept.
    pub fn new() -> PositionalEncoding {
        PositionalEncoding::default()
    }

    pub(super) fn build(_: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(PositionalEncoding::new()))
    }
}

impl Module for PositionalEncoding {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        let Ok(shape) = x.try_shape() else { return x.clone() };
        let &[.., rows, width] = shape.dims() else {
            return x.refuse("positional_encoding", OpError::Shape(format!("input is {shape}, expected [..,t,width]")));
        };
        let mut kept = lock(&self.table);
        let table = match &*kept {
            Some((device, table)) if *device == x.device() && table.try_shape().is_ok_and(|s| s.dims() == [rows, width]) => {
                table.clone()
            }
            _ => {
                let table = sinusoids(&x.device(), rows, width, 10_000.0);
                *kept = Some((x.device(), table.clone()));
                table
            }
        };
        x.add(&table)
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(Blueprint::new("PositionalEncoding"))
    }

    fn describe(&self) -> String {
        "PositionalEncoding".to_owned()
    }
}

/// Biases of attention that grow with the distance (ALiBi, Press et al. 2022), \[heads, queries, keys\]: −slope · |i + first − j|, to be added to
/// the scores by [`AttentionOptions::mask`](crate::AttentionOptions::mask). `first` is where the first query stands among the keys.
///
/// For a power of two, head h has the slope 2^(−8 (h + 1) / heads); for other numbers of heads the paper's: those of the power of two below,
/// then every other one of the power of two above.
///
/// ```
/// use steepest::{Device, nn::alibi};
/// let bias = alibi(&Device::cpu(), 8, 2, 2, 0);
/// assert_eq!(bias.to_vec::<f32>()?[..4], [-0.0, -0.5, -0.5, -0.0]);
/// # Ok::<(), steepest::Error>(())
/// ```
#[track_caller]
pub fn alibi(device: &Device, heads: usize, queries: usize, keys: usize, first: usize) -> Tensor {
    let number = |at: usize| {
        let (head, i, j) = (at / keys / queries, at / keys % queries, at % keys);
        (-slope(heads, head) * i.saturating_add(first).abs_diff(j) as f64) as f32
    };
    table(device, "alibi", &[heads, queries, keys], number)
}

/// The slope of a head among `heads`.
fn slope(heads: usize, head: usize) -> f64 {
    let of = |power: usize, head: usize| (-8.0 * (head + 1) as f64 / power as f64).exp2();
    let below = 1 << heads.max(1).ilog2();
    if head < below { of(below, head) } else { of(2 * below, 2 * (head - below)) }
}
