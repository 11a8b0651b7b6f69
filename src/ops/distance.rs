//! Distances between points: p-norms of differences. No |a|² + |b|² − 2 a·b, which has no digits left where points are close to each other.

use super::SIGN_BIT;
use super::case::{Case, Gen};
use crate::error::{OpError, finite};
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, MAX_LOOP_ITERATIONS, Op, Params, Spec, Variant};
use crate::graph::{Accuracy, Tensor, record};
use crate::shape::Shape;
use rayon::prelude::*;
use std::sync::Arc;

/// What the differences of two points make together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The sum of their squares.
    Squares,
    /// The sum of their sizes.
    Sizes,
    /// The largest of their sizes; NaN if one is NaN.
    Largest,
    /// How many are not 0.
    Others,
}

/// `out[…, i, j]` of the differences `x[…, i, k] − y[…, j, k]`, for every pair of points and without the memory for all differences.
#[derive(Clone, Copy, Debug)]
struct Pairs {
    kind: Kind,
}

/// Pairs of points below which threads cost more than they save.
const MIN_PARALLEL_PAIRS: usize = 1 << 10;

impl Kind {
    /// The differences together, each given by its size.
    fn together(self, sizes: impl Iterator<Item = f64>) -> f64 {
        match self {
            Kind::Squares => sizes.map(|size| size * size).sum(),
            Kind::Sizes => sizes.sum(),
            Kind::Largest => sizes.fold(0.0, |best, size| if size.is_nan() || size > best { size } else { best }),
            Kind::Others => sizes.filter(|size| *size != 0.0).count() as f64,
        }
    }
}

/// Points and coordinates `[m, n, d]` of two sets, if they have one batch.
fn sizes(x: &Shape, y: &Shape) -> Option<[usize; 3]> {
    match (x.dims(), y.dims()) {
        ([batch @ .., m, d], [other @ .., n, e]) if batch == other && d == e => Some([*m, *n, *d]),
        _ => None,
    }
}

impl Op for Pairs {
    fn name(&self) -> &'static str {
        "cdist"
    }
    fn params(&self) -> Vec<u32> {
        vec![self.kind as u32]
    }
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        // Of terms with one sign, each rounded a few times.
        Accuracy::Stated { relative: 1e-6, absolute: 1e-37 }
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        if let Some((i, spec)) = inputs.iter().enumerate().find(|(_, spec)| spec.dtype != DType::F32) {
            return Err(OpError::DType(format!("operand {i} is {spec}, expected f32; convert with to_f32()")));
        }
        let (x, y) = (inputs[0].shape, inputs[1].shape);
        match sizes(&x, &y) {
            Some([_, n, _]) => Ok(Spec::f32(x.with_dim(x.rank() - 1, n)?)),
            None => Err(OpError::Shape(format!("{x} and {y}: […,m,d] and […,n,d] are expected"))),
        }
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let [m, n, d] = sizes(&inputs[0].shape, &inputs[1].shape).unwrap_or([1, 1, 1]);
        let (kind, count) = (self.kind, output.shape.numel());
        let kernel = Kernel {
            name: "cdist",
            params: Params::new().set("count", count).set("m", m).set("n", n).set("d", d).set("sign", SIGN_BIT),
            variants: vec![Variant {
                consts: vec![("KIND", kind as u32)],
                ..Variant::each_element("distance/pairs", count).max_loop_iterations(d)
            }],
            native: Arc::new(move |io| {
                let (x, y) = (io.read(0), io.read(1));
                let row = |(i, out): (usize, &mut [f32])| {
                    let own = &x[i * d..][..d];
                    for (j, out) in out.iter_mut().enumerate() {
                        let other = &y[(i / m * n + j) * d..][..d];
                        *out = kind.together(own.iter().zip(other).map(|(x, y)| f64::from((x - y).abs()))) as f32;
                    }
                };
                let out = io.write(0);
                if count < MIN_PARALLEL_PAIRS {
                    out.chunks_exact_mut(n).enumerate().for_each(row);
                } else {
                    out.par_chunks_exact_mut(n).enumerate().for_each(row);
                }
            }),
        };
        Lowering::kernel(kernel, 2)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let [m, n, d] = sizes(&inputs[0].shape, &inputs[1].shape).unwrap_or([1, 1, 1]);
        Array::from_fn(output.shape, |at| {
            let (i, j) = (at / n, at / n / m * n + at % n);
            self.kind.together((0..d).map(|k| (inputs[0].data[i * d + k] - inputs[1].data[j * d + k]).abs()))
        })
    }
    fn flops(&self, inputs: &[Spec], output: &Spec) -> u64 {
        3 * (output.shape.numel() * inputs[0].shape.dims().last().copied().unwrap_or(0)) as u64
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let differences = ctx.inputs[0].unsqueeze(-2).sub(&ctx.inputs[1].unsqueeze(-3));
        let gradient = ctx.grad.unsqueeze(-1);
        let slope = match self.kind {
            Kind::Squares => gradient.mul(&differences).mul_scalar(2.0),
            Kind::Sizes => gradient.signed(&differences),
            Kind::Largest => {
                // Equally large ones share it.
                let best = differences.abs().eq(&ctx.output.detach().unsqueeze(-1));
                let sharing = best.to_f32().sum_keepdim(&[-1]).maximum(&gradient.constant(1.0));
                let share = gradient.div(&sharing).signed(&differences);
                best.where_(&share, &share.full_like(0.0))
            }
            Kind::Others => differences.full_like(0.0),
        };
        vec![ctx.needs[0].then(|| slope.sum(&[-2])), ctx.needs[1].then(|| slope.sum(&[-3]).neg())]
    }
}

impl Tensor {
    /// Distances between all pairs of points of two sets, `[…, m, d]` and `[…, n, d]` → `[…, m, n]`: (Σ |x − y|^p)^(1/p). p = 2 is Euclid's, 1 the
    /// sum of the differences, ∞ the largest of them, and 0 counts those that are not 0. The axes before the last two broadcast.
    ///
    /// Of close points it is as exact as their difference; its gradient is 0 where the distance is 0. Another p than these four, sets that broadcast and
    /// gradients take memory for the differences, m · n · d numbers for each pair of sets. A p that is negative, NaN, or of which p or 1/p is no normal f32, and different d, are errors.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (x, y) = (device.tensor(&[0.0, 0.0, 3.0, 4.0], [2, 2]), device.tensor(&[3.0, 0.0], [1, 2]));
    /// assert_eq!(x.cdist(&y, 2.0).to_vec::<f32>()?, [3.0, 4.0]);
    /// assert_eq!(x.cdist(&x, f64::INFINITY).to_vec::<f32>()?, [0.0, 4.0, 4.0, 0.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn cdist(&self, other: &Tensor, p: f64) -> Tensor {
        if let Some(invalid) = self.unfit("cdist", "p", p, |p| p >= 0.0, "0, a positive number, or ∞") {
            return invalid;
        }
        let made = match (self.try_shape(), other.try_shape()) {
            (Err(_), _) => return self.clone(),
            (_, Err(_)) => return other.clone(),
            (Ok(a), Ok(b)) => match (a.dims(), b.dims()) {
                ([.., m, d], [.., n, e]) if d == e => {
                    let kind = match p {
                        0.0 => Some(Kind::Others),
                        1.0 => Some(Kind::Sizes),
                        2.0 => Some(Kind::Squares),
                        f64::INFINITY => Some(Kind::Largest),
                        _ => None,
                    };
                    match kind.filter(|_| sizes(&a, &b).is_some() && *d > 0 && *d <= MAX_LOOP_ITERATIONS) {
                        Some(Kind::Squares) => record(Pairs { kind: Kind::Squares }, &[self, other]).root(),
                        Some(kind) => record(Pairs { kind }, &[self, other]),
                        None => {
                            let differences = self.unsqueeze(-2).sub(&other.unsqueeze(-3));
                            // Of no numbers there is no largest: points without coordinates are at distance 0.
                            if m * n * d == 0 { differences.sum(&[-1]) } else { differences.norm(p, &[-1]) }
                        }
                    }
                }
                _ => self.refuse("cdist", OpError::Shape(format!("{a} and {b}: […,m,d] and […,n,d] are expected"))),
            },
        };
        made.made_by("cdist", &[self, other])
    }

    /// Distances between all pairs of different points of one set, `[n, d]` → `[n (n − 1) / 2]`: of points 0 and 1, 0 and 2, …, 1 and 2, …; see
    /// [`Tensor::cdist`]. Other ranks are an error.
    #[track_caller]
    pub fn pdist(&self, p: f64) -> Tensor {
        if let Some(invalid) = self.unfit("pdist", "p", p, |p| p >= 0.0, "0, a positive number, or ∞") {
            return invalid;
        }
        let (n, d) = match self.try_shape() {
            Err(_) => return self.clone(),
            Ok(s) => match *s.dims() {
                [n, d] => (n, d),
                _ => return self.refuse("pdist", OpError::Shape(format!("{s}: [n,d] is expected"))),
            },
        };
        let count = n.saturating_mul(n.saturating_sub(1)) / 2;
        if let Err(error) = Shape::new(&[count, d]) {
            return self.refuse("pdist", error);
        }
        // Pairs, then their first and second points, then these as words.
        if let Some(invalid) = self.no_room::<[u64; 3]>("pdist", "pairs of points", count) {
            return invalid;
        }
        let pairs: Vec<(u32, u32)> = (0..n as u32).flat_map(|i| (i + 1..n as u32).map(move |j| (i, j))).collect();
        let points = |index: Vec<u32>| self.index_select(0, &self.device().tensor(&index, index.len()));
        let (left, right) = pairs.into_iter().unzip();
        let differences = points(left).sub(&points(right));
        let made = if n < 2 || d == 0 { differences.sum(&[-1]) } else { differences.norm(p, &[-1]) };
        made.made_by("pdist", &[self])
    }

    /// Distances between points of the same place, along the last axis, which is gone from the result: (Σ |x − y + eps|^p)^(1/p)
    /// (`torch.nn.PairwiseDistance`, whose `eps` is 10⁻⁶ unless another is given). The shapes broadcast; p as in [`Tensor::cdist`]. An `eps` that is
    /// no finite f32 is an error.
    #[track_caller]
    pub fn pairwise_distance(&self, other: &Tensor, p: f64, eps: f64) -> Tensor {
        let name = "pairwise_distance";
        if let Some(invalid) = self.unfit(name, "p", p, |p| p >= 0.0, "0, a positive number, or ∞") {
            return invalid;
        }
        if let Some(invalid) = self.unfit(name, "eps", eps, finite, "a finite number") {
            return invalid;
        }
        let differences = self.sub(other);
        let differences = if eps == 0.0 { differences } else { differences.add_scalar(eps) };
        let empty = differences.try_shape().is_ok_and(|s| s.dims().last() == Some(&0));
        let made = if empty { differences.sum(&[-1]) } else { differences.norm(p, &[-1]) };
        made.made_by(name, &[self, other])
    }
}

/// Test inputs: batches, one and many of everything, none, both sides of the threads, ties, close points, values that are not finite.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [(&[usize], usize); 9] = [
        (&[1, 1], 1),
        (&[3, 4], 5),
        (&[2, 3, 2], 4),
        (&[2, 1, 3, 5], 1),
        (&[0, 3], 2),
        (&[2, 3], 0),
        (&[40, 3], 33),
        (&[2, 17, 65], 19),
        (&[3, 1500], 2),
    ];
    for kind in [Kind::Squares, Kind::Sizes, Kind::Largest, Kind::Others] {
        for (dims, n) in shapes {
            let mut other = dims.to_vec();
            other[dims.len() - 2] = n;
            let inputs = vec![g.normalish(dims), g.normalish(&other)];
            let case = Case::new(format!("{dims:?} to {n}"), Pairs { kind }, inputs);
            cases.push(if dims.iter().product::<usize>() * n < 500 { case } else { case.forward_only() });
        }
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 1.0, 3e38, -3e38, 1.0, 1.0, 0.0];
        let inputs = [[6, 2], [9, 2]].map(|dims| g.input(DType::F32, &dims, |g| f64::from(odd[g.below(10)] as f32)));
        cases.push(Case::new("odd numbers", Pairs { kind }, inputs.to_vec()).forward_only());
        let close = [4096.0, 4096.0 + 1.0 / 2048.0];
        let inputs = [[6, 3], [7, 3]].map(|dims| g.input(DType::F32, &dims, |g| close[g.below(2)]));
        cases.push(Case::new("close points", Pairs { kind }, inputs.to_vec()).forward_only());
    }
    cases
}
