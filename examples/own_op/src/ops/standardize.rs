//! standardize(x)_rc = (x_rc − mean_r) / √(variance_r + ε): an op of two kernels, with what the first finds of each row handed to the second.

use steepest::error::OpError;
use steepest::graph::op::{Array, DType, GradCtx, Io, Lowering, Op, Operand, Spec, Stage};
use steepest::graph::{Accuracy, Kernel, Params, Tensor, Variant, Wgsl, record};
use steepest::ops::case::{Case, Gen};

static FILES: [Wgsl; 2] = [
    Wgsl::new("standardize_rows", include_str!("standardize_rows.wgsl")),
    Wgsl::new("standardize_elements", include_str!("standardize_elements.wgsl")),
];

/// What is added to the variance.
const EPSILON: f64 = 1e-3;

#[derive(Clone, Debug)]
struct Standardize;

/// Each row of a matrix with mean 0 and variance 1.
#[track_caller]
pub fn standardize(x: &Tensor) -> Tensor {
    record(Standardize, &[x])
}

impl Op for Standardize {
    fn name(&self) -> &'static str {
        "standardize"
    }

    fn sources(&self) -> &[Wgsl] {
        &FILES
    }

    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        Accuracy::Normalised
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        match inputs {
            [x] if x.dtype == DType::F32 && x.shape.rank() == 2 => Ok(*x),
            _ => Err(OpError::Shape("standardize is of one f32 matrix".to_owned())),
        }
    }

    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let (rows, columns) = (inputs[0].shape.dims()[0], inputs[0].shape.dims()[1]);
        let of_rows = Kernel::new(
            "standardize_rows",
            Params::new().set("count", rows).set("columns", columns).set("epsilon", (EPSILON as f32).to_bits()),
            vec![Variant::source_each_element(&FILES[0], rows).max_loop_iterations(2 * columns)],
        )
        .with_native(move |io: &mut Io<'_>| {
            let x = io.read(0);
            for (r, found) in io.write(0).chunks_exact_mut(2).enumerate() {
                let row = &x[r * columns..][..columns];
                let mean = row.iter().sum::<f32>() / columns as f32;
                let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / columns as f32;
                found.copy_from_slice(&[mean, 1.0 / (variance + EPSILON as f32).sqrt()]);
            }
        });
        let of_elements = Kernel::new(
            "standardize_elements",
            Params::new().set("count", output.shape.numel()).set("columns", columns),
            vec![Variant::source_each_element(&FILES[1], output.shape.numel()).max_loop_iterations(0)],
        )
        .with_native(move |io: &mut Io<'_>| {
            let (x, found) = (io.read(0), io.read(1));
            for (i, y) in io.write(0).iter_mut().enumerate() {
                let r = i / columns;
                *y = (x[i] - found[2 * r]) * found[2 * r + 1];
            }
        });
        // Two numbers of each row lie between the kernels.
        Lowering::Stages {
            temps: vec![2 * rows],
            stages: vec![
                Stage { kernel: of_rows, reads: vec![Operand::Input(0)], writes: vec![Operand::Temp(0)] },
                Stage { kernel: of_elements, reads: vec![Operand::Input(0), Operand::Temp(0)], writes: vec![Operand::Output] },
            ],
        }
    }

    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (x, columns) = (&inputs[0].data, output.shape.dims()[1]);
        Array::from_fn(output.shape, |i| {
            let row = &x[i / columns * columns..][..columns];
            let mean = row.iter().sum::<f64>() / columns as f64;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / columns as f64;
            (x[i] - mean) / (variance + EPSILON).sqrt()
        })
    }

    /// With y the output and 1/σ the second number of a row: (g − mean g − y · mean (g y)) / σ.
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let (x, y, g) = (&ctx.inputs[0], ctx.output, ctx.grad);
        let centred = x - x.mean_keepdim(&[1]);
        let deviation = (centred.square().mean_keepdim(&[1]) + EPSILON).sqrt();
        vec![Some((g - g.mean_keepdim(&[1]) - y * (g * y).mean_keepdim(&[1])) / deviation)]
    }
}

pub fn cases(g: &mut Gen) -> Vec<Case> {
    let shapes = [[1, 2], [3, 5], [7, 64], [300, 3], [2, 1000], [0, 4]];
    shapes.map(|dims| Case::new(format!("{dims:?}"), Standardize, vec![g.normalish(&dims)])).to_vec()
}
