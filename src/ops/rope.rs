//! Rotary position embedding (Su et al. 2021): pair i of the features at position p is turned by the angle p · base^(−2i/D).

use crate::error::{At, OpError, finite};
use crate::graph::op::Spec;
use crate::graph::{DType, Tensor, Value};
use crate::shape::Shape;
use std::sync::Arc;

/// Which two of D features are a pair (u, v), which becomes (u cos − v sin, u sin + v cos).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pairing {
    /// Features 2i and 2i + 1, as in the paper.
    #[default]
    Interleaved,
    /// Features i and i + D/2, as in GPT-NeoX and Llama's published weights.
    Half,
}

/// How [`Tensor::rope`] turns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RopeOptions {
    /// Which features are pairs.
    pub pairing: Pairing,
    /// Of the angles' powers: 10,000 in the paper.
    pub base: f64,
    /// The position of the first row.
    pub offset: usize,
}

impl Default for RopeOptions {
    fn default() -> RopeOptions {
        RopeOptions { pairing: Pairing::Interleaved, base: 10_000.0, offset: 0 }
    }
}

impl RopeOptions {
    /// Neighbours are pairs, the base is 10,000, the first row is position 0.
    pub fn new() -> RopeOptions {
        RopeOptions::default()
    }

    /// The same with features i and i + D/2 as pairs.
    pub fn half(self) -> RopeOptions {
        RopeOptions { pairing: Pairing::Half, ..self }
    }

    /// The same with another base.
    pub fn base(self, base: f64) -> RopeOptions {
        RopeOptions { base, ..self }
    }

    /// The same from another position on.
    pub fn offset(self, offset: usize) -> RopeOptions {
        RopeOptions { offset, ..self }
    }

    /// Rows, features and what is before them, if x can be turned.
    fn sizes(&self, x: Shape) -> Result<[usize; 3], OpError> {
        let [before @ .., rows, features] = x.dims() else {
            return Err(OpError::Shape(format!("input is {x}, expected [..,T,D]")));
        };
        if features % 2 != 0 {
            return Err(OpError::Shape(format!("input is {x}: its {features} features are no pairs, expected an even number")));
        }
        Ok([before.iter().product(), *rows, *features])
    }
}

/// Cosines and sines of the rows of a sequence, for [`Tensor::rope_by`]: made once and used for every tensor of as many rows and features.
#[derive(Clone, Debug)]
pub struct RopeTables {
    /// Cosines, a pair after the other, with an axis for the two of a pair.
    cos: Table,
    /// Sines in the same places, −sin for what is added to u.
    sin: Table,
    rows: usize,
    features: usize,
    pairing: Pairing,
}

impl RopeTables {
    /// Rows and features of what they turn.
    pub fn sizes(&self) -> [usize; 2] {
        [self.rows, self.features]
    }
}

/// Numbers of f64 as two tensors of f32: what f32 holds of each, and the rest. Their sum is the rounded number on a device, and nearly all of it
/// on the reference.
#[derive(Clone, Debug)]
struct Table {
    rounded: Tensor,
    rest: Tensor,
}

impl Table {
    /// A table on the device of `x`.
    #[track_caller]
    fn new(x: &Tensor, shape: &[usize], values: &[f64]) -> Table {
        let leaf = |part: fn(f64) -> f32| {
            let words = values.iter().map(|&value| part(value).to_bits()).collect();
            let spec = Shape::new(shape).map(|shape| Spec::new(shape, DType::F32));
            Tensor::leaf(x.node().backend(), spec, Some(Value::Host(Arc::new(words))), false, At::caller())
        };
        Table { rounded: leaf(|value| value as f32), rest: leaf(|value| (value - f64::from(value as f32)) as f32) }
    }

    /// Added where it is used, in the kernel that multiplies by it.
    #[track_caller]
    fn sum(&self) -> Tensor {
        self.rounded.add(&self.rest)
    }
}

impl Tensor {
    /// Rotary position embedding of `[…,T,D]`: row t is position `offset` + t, and pair i of its features turns by the angle
    /// position · base^(−2i/D). The shape stays.
    ///
    /// Angles are taken in f64, so that late positions are as exact as early ones. The gradient turns back.
    ///
    /// # Errors
    /// The result is invalid for fewer than two axes, an odd D, another type than f32, and a base that is not positive and finite.
    ///
    /// ```
    /// use steepest::{Device, RopeOptions};
    /// let x = Device::cpu().tensor(&[1.0, 0.0, 1.0, 0.0], [2, 2]);
    /// let y = x.rope(&RopeOptions::new()).to_vec::<f32>()?;
    /// assert_eq!(y, [1.0, 0.0, 1f32.cos(), 1f32.sin()]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn rope(&self, options: &RopeOptions) -> Tensor {
        self.turned(&self.rope_tables(options), "rope")
    }

    /// The tables that turn tensors of this one's last two axes, on its device.
    ///
    /// # Errors
    /// [`Tensor::rope_by`] reports what [`Tensor::rope`] would.
    #[track_caller]
    pub fn rope_tables(&self, options: &RopeOptions) -> RopeTables {
        let pairing = options.pairing;
        let failed = |invalid: Tensor| {
            let table = Table { rounded: invalid.clone(), rest: invalid };
            RopeTables { cos: table.clone(), sin: table, rows: 0, features: 0, pairing }
        };
        let fits = |base: f64| finite(base) && base > 0.0;
        if let Some(invalid) = self.unfit("rope", "base", options.base, fits, "a positive finite number") {
            return failed(invalid);
        }
        let [_, rows, features] = match self.try_shape().map(|shape| options.sizes(shape)) {
            Ok(Ok(sizes)) => sizes,
            Ok(Err(error)) => return failed(self.refuse("rope", error)),
            Err(_) => return failed(self.clone()),
        };
        let pairs = features / 2;
        // The angles, their cosines, and two sines of each, in f64 and in two parts as words.
        if let Some(invalid) = self.no_room::<[u64; 8]>("rope", "the tables of angles", rows * pairs) {
            return failed(invalid);
        }
        let angle = |row: usize, pair: usize| {
            let position = options.offset as f64 + row as f64;
            position * options.base.powf(-2.0 * pair as f64 / features as f64)
        };
        let angles: Vec<f64> = (0..rows * pairs).map(|at| angle(at / pairs, at % pairs)).collect();
        let cos: Vec<f64> = angles.iter().map(|angle| angle.cos()).collect();
        let sines = |row: &[f64]| -> Vec<f64> {
            match pairing {
                Pairing::Interleaved => row.iter().flat_map(|angle| [-angle.sin(), angle.sin()]).collect(),
                Pairing::Half => row.iter().map(|angle| -angle.sin()).chain(row.iter().map(|angle| angle.sin())).collect(),
            }
        };
        let sin: Vec<f64> = angles.chunks(pairs.max(1)).flat_map(sines).collect();
        let (one, two) = match pairing {
            Pairing::Interleaved => ([rows, pairs, 1], [rows, pairs, 2]),
            Pairing::Half => ([rows, 1, pairs], [rows, 2, pairs]),
        };
        RopeTables { cos: Table::new(self, &one, &cos), sin: Table::new(self, &two, &sin), rows, features, pairing }
    }

    /// [`Tensor::rope`] with tables at hand.
    ///
    /// # Errors
    /// The result is invalid where the last two axes are not those that the tables are for, and if the tables were made of what `rope` refuses.
    #[track_caller]
    pub fn rope_by(&self, tables: &RopeTables) -> Tensor {
        self.turned(tables, "rope_by")
    }

    #[track_caller]
    fn turned(&self, tables: &RopeTables, name: &'static str) -> Tensor {
        let RopeTables { cos, sin, rows, features, pairing } = tables;
        let shape = match (self.try_shape(), cos.rounded.check()) {
            (Err(_), _) => return self.clone(),
            (_, Err(_)) => return cos.rounded.clone(),
            (Ok(shape), Ok(())) => shape,
        };
        let before = match shape.dims() {
            [before @ .., t, d] if t == rows && d == features => before.iter().product::<usize>(),
            _ => {
                return self.refuse(name, OpError::Shape(format!("input is {shape}, expected [..,{rows},{features}]")));
            }
        };
        let (apart, axis) = match pairing {
            Pairing::Interleaved => ([before, *rows, features / 2, 2], 3),
            Pairing::Half => ([before, *rows, 2, features / 2], 2),
        };
        let pairs = self.reshape(apart);
        // (u, v) cos + (v, u) (−sin, sin)
        let turned = pairs.mul(&cos.sum()).add(&pairs.flip(&[axis]).mul(&sin.sum()));
        turned.reshape(shape).made_by(name, &[self])
    }
}
