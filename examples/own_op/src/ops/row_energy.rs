//! row_energy(x)_r = Σ_c x_rc²: a reduction of each row of a matrix, by one workgroup with memory of its own.

use steepest::error::OpError;
use steepest::graph::op::{Array, DType, GradCtx, Io, Lowering, Op, Spec};
use steepest::graph::{Accuracy, Kernel, Params, Tensor, Variant, Wgsl, record};
use steepest::ops::case::{Case, Gen};
use steepest::shape::Shape;

static ROW_ENERGY: Wgsl = Wgsl::new("row_energy", include_str!("row_energy.wgsl"));

/// Invocations of the workgroup: `WORKGROUP` in the shader.
const WORKGROUP: usize = 64;

#[derive(Clone, Debug)]
struct RowEnergy;

/// The sum of the squares of each row: `[rows, columns]` → `[rows]`.
#[track_caller]
pub fn row_energy(x: &Tensor) -> Tensor {
    record(RowEnergy, &[x])
}

impl Op for RowEnergy {
    fn name(&self) -> &'static str {
        "row_energy"
    }

    fn sources(&self) -> &[Wgsl] {
        std::slice::from_ref(&ROW_ENERGY)
    }

    /// Sums of as many terms as a row has.
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        Accuracy::Terms(inputs[0].shape.dims()[1])
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        match inputs {
            [x] if x.dtype == DType::F32 && x.shape.rank() == 2 => Ok(Spec::f32(Shape::new(&[x.shape.dims()[0]])?)),
            _ => Err(OpError::Shape("row_energy is of one f32 matrix".to_owned())),
        }
    }

    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let (rows, columns) = (inputs[0].shape.dims()[0], inputs[0].shape.dims()[1]);
        let params = Params::new().set("rows", rows).set("columns", columns);
        // A workgroup for each row. Its loops: over a row, and over the halves of its sums.
        let iterations = columns.div_ceil(WORKGROUP) + WORKGROUP.ilog2() as usize;
        let variants = vec![Variant::source(&ROW_ENERGY, Variant::groups(rows)).max_loop_iterations(iterations)];
        let kernel = Kernel::new("row_energy", params, variants).with_native(move |io: &mut Io<'_>| {
            let x = io.read(0);
            for (r, sum) in io.write(0).iter_mut().enumerate() {
                *sum = x[r * columns..][..columns].iter().map(|x| x * x).sum();
            }
        });
        Lowering::kernel(kernel, 1)
    }

    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let columns = inputs[0].shape.dims()[1];
        Array::from_fn(output.shape, |r| inputs[0].data[r * columns..][..columns].iter().map(|x| x * x).sum())
    }

    /// 2 x g, with g the same for all of a row.
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let x = &ctx.inputs[0];
        let rows = x.shape().dims()[0];
        vec![Some(x * ctx.grad.reshape([rows, 1]) * 2.0)]
    }
}

pub fn cases(g: &mut Gen) -> Vec<Case> {
    // Both sides of a workgroup, several elements for each of its invocations, no rows.
    let shapes = [[1, 1], [3, 5], [2, 63], [2, 64], [3, 65], [5, 300], [0, 4]];
    shapes.map(|dims| Case::new(format!("{dims:?}"), RowEnergy, vec![g.normalish(&dims)])).to_vec()
}
