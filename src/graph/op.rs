//! What an op tells the world: its shape rule, its kernels, its definition, its gradient.

use super::accuracy::Accuracy;
use super::half;
pub use super::kernel::{
    Finish, Io, Kernel, MAX_LOOP_ITERATIONS, Native, Params, Parts, SelfTest, Target, Trial, Variant, Workspace,
};
use super::node::Tensor;
pub use super::source::Wgsl;
use crate::error::OpError;
use crate::shape::{Shape, View};
use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Element types. Every element takes a word of 4 bytes on every device, and a bool is a 0 or a 1; but for f16, of which a word holds two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit float: everything that has a gradient.
    F32,
    /// 32-bit unsigned integer: labels and indices.
    U32,
    /// 32-bit signed integer: labels and indices.
    I32,
    /// Truth value: masks.
    Bool,
    /// 16-bit float, for storage only: two of them to a word, row-major without gaps. What is computed from it is f32, and so is its gradient.
    F16,
}

impl DType {
    /// Whether it is one of the types that have a gradient.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F16)
    }

    /// Words that `count` elements take.
    pub fn words(self, count: usize) -> usize {
        if self == DType::F16 { half::words(count) } else { count }
    }

    /// Elements as the words of a device buffer, each rounded as [`DType::to_word`] does.
    pub fn pack(self, numbers: &[f64]) -> Vec<u32> {
        if self == DType::F16 {
            return half::pack(&numbers.iter().map(|&x| x as f32).collect::<Vec<_>>());
        }
        numbers.iter().map(|&x| self.to_word(x)).collect()
    }

    /// The first `count` elements of a device buffer as numbers.
    pub fn unpack(self, words: &[u32], count: usize) -> Vec<f64> {
        if self == DType::F16 {
            return half::unpack(words, count).into_iter().map(f64::from).collect();
        }
        words.iter().take(count).map(|&word| self.to_f64(word)).collect()
    }

    /// The word of a device buffer as a number; of a half, the one in its low bits.
    pub fn to_f64(self, word: u32) -> f64 {
        match self {
            DType::F32 => f64::from(f32::from_bits(word)),
            DType::I32 => f64::from(word as i32),
            DType::U32 | DType::Bool => f64::from(word),
            DType::F16 => f64::from(half::to_f32(word as u16)),
        }
    }

    /// A number as the word of a device buffer (rounded to f32 and where wanted to f16, truncated to an integer).
    pub fn to_word(self, value: f64) -> u32 {
        match self {
            DType::F32 => (value as f32).to_bits(),
            DType::I32 => value as i32 as u32,
            DType::U32 => value as u32,
            DType::Bool => u32::from(value != 0.0),
            DType::F16 => u32::from(half::from_f32(value as f32)),
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::U32 => "u32",
            DType::I32 => "i32",
            DType::Bool => "bool",
            DType::F16 => "f16",
        })
    }
}

/// What is known of a tensor before anything runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// Its sizes.
    pub shape: Shape,
    /// Its element type.
    pub dtype: DType,
    /// Smallest and largest value of an integer tensor, where known: lets an op refuse a label before running. Not part of a plan's key.
    pub range: Option<(i64, i64)>,
}

impl Spec {
    /// A spec without a known range.
    pub fn new(shape: Shape, dtype: DType) -> Spec {
        Spec { shape, dtype, range: None }
    }

    /// An f32 spec.
    pub fn f32(shape: Shape) -> Spec {
        Spec::new(shape, DType::F32)
    }

    /// Words of a device buffer that its elements take.
    pub fn words(&self) -> usize {
        self.dtype.words(self.shape.numel())
    }

    /// The same elements (type and range) in another shape.
    pub fn reshaped(self, shape: Shape) -> Spec {
        Spec { shape, ..self }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

/// A value on the reference: a shape and f64 numbers (integers and bools are exact in f64).
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Sizes.
    pub shape: Shape,
    /// Elements, row-major.
    pub data: Vec<f64>,
}

impl Array {
    /// An array from its elements.
    ///
    /// # Panics
    /// If the count is not the shape's: a fault of the op's reference.
    pub fn new(shape: Shape, data: Vec<f64>) -> Array {
        assert_eq!(shape.numel(), data.len(), "array of shape {shape}");
        Array { shape, data }
    }

    /// An array computed element by element from its row-major index.
    pub fn from_fn(shape: Shape, f: impl FnMut(usize) -> f64) -> Array {
        Array { shape, data: (0..shape.numel()).map(f).collect() }
    }

    /// The elements read through a view, as an array of `shape`.
    pub fn viewed(&self, view: &View, shape: Shape) -> Array {
        let mut data = Vec::with_capacity(shape.numel());
        view.positions(0, shape.numel(), |p| data.push(self.data[p]));
        Array { shape, data }
    }
}

/// An op. One value of the implementing type is one recorded call: its fields are the call's parameters.
///
/// There is no default for what matters. Columns that may stay empty (`params`, `scalars`) do stay empty.
pub trait Op: Any + fmt::Debug + Send + Sync {
    /// The name in plans, errors and the registry. Nothing is decided by it: two ops may have the same name.
    fn name(&self) -> &'static str;

    /// The rule this call applies, for a type whose calls apply many: with the type and [`Op::params`] it is what calls that share a plan have
    /// in common. A plan with an [elementwise](Lowering::Elementwise) call that applies another rule than it says here is not kept for later runs.
    fn rule(&self) -> Option<&'static Rule> {
        None
    }

    /// The op that this one wraps, for one that changes how another is computed and not what: how exact it must be follows from that one.
    fn wrapped(&self) -> Option<&dyn Op> {
        None
    }

    /// How exact a device must be on these inputs. An op that does not say is held to the reference to the last bit.
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        let _ = inputs;
        Accuracy::Exact
    }

    /// The same call with its real numbers as devices hold them, rounded to f32: what a device is compared with. `None` if it has no such
    /// numbers, or they are f32 already. 0.1 is no f32: the definition of x < 0.1 in f64 and that on a device differ at the f32 nearest to 0.1.
    fn rounded(&self) -> Option<Arc<dyn Op>> {
        None
    }

    /// Parameters that change the program (axis, stride, transpose flags): part of a plan's key.
    fn params(&self) -> Vec<u32> {
        Vec::new()
    }

    /// The WGSL from outside this library that its kernels have: part of a plan's key, as the type and the parameters are. A plan with a kernel
    /// whose source is not named here is right, but is not kept for later runs.
    fn sources(&self) -> &[Wgsl] {
        &[]
    }

    /// Numbers that do not change the program (learning rate, seed, slope), as words of the WGSL `Scalars` struct: not part of a plan's key.
    fn scalars(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Adds [`Op::scalars`] to a list, as every run does; without an allocation where a type says so itself.
    fn add_scalars(&self, words: &mut Vec<u32>) {
        words.extend(self.scalars());
    }

    /// The shape rule.
    ///
    /// # Errors
    /// Whatever is wrong with the inputs' shapes, types or ranges.
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError>;

    /// Whether it can read inputs of type [`DType::F16`], of which a word holds two. Recording refuses them for every op that does not say so.
    fn accepts_f16(&self) -> bool {
        false
    }

    /// How devices compute it.
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering;

    /// Of an op that no device has a kernel of ([`Lowering::Host`]): how the host computes it.
    fn on_host(&self) -> Option<&dyn HostOp> {
        None
    }

    /// The definition, in f64, as naive as it can be. Whoever asks for that of an op without one (CHECK mode, the reference, a CPU without a native
    /// kernel of it) gets [`OpError::Definition`].
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let _ = (inputs, output);
        Array { shape: Shape::new(&[0]).unwrap_or(Shape::SCALAR), data: vec![] }
    }

    /// The vector-Jacobian product, written in ops: one gradient per input, `None` where there is none. An op that does not say has no gradient:
    /// a parameter that it cuts off from a loss is an error that names it.
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let _ = ctx;
        vec![]
    }

    /// Whether it was called so that no gradient comes through.
    fn detaches(&self) -> bool {
        false
    }

    /// Floating-point operations of a call, for profiles: an addition, a product and a function count one each, so a multiply-add two. 0 for
    /// what only moves numbers, and for what nobody counted.
    fn flops(&self, inputs: &[Spec], output: &Spec) -> u64 {
        let _ = (inputs, output);
        0
    }

    /// Inputs that are overwritten in place, all of the output's effects (parameter updates).
    fn mutates(&self) -> &'static [usize] {
        &[]
    }
}

/// The value of a call by its definition.
///
/// # Errors
/// [`OpError::Definition`] if the op has none, or one that gives another number of elements than its shape rule.
pub(crate) fn defined(op: &dyn Op, inputs: &[&Array], output: &Spec) -> Result<Array, OpError> {
    let value = op.reference(inputs, output);
    let (found, expected) = (value.data.len(), output.shape.numel());
    // That of an update has all that it overwrites.
    if found == expected || (found > 0 && !op.mutates().is_empty()) {
        return Ok(Array { shape: output.shape, data: value.data });
    }
    Err(OpError::Definition(match found {
        0 => "it has no definition in f64 (`Op::reference`)".to_owned(),
        _ => format!("its definition gives {found} elements, its shape rule {output}, which has {expected}"),
    }))
}

/// How the host computes an op, for one that is no work for kernels, such as a factorisation of small matrices.
///
/// A device reads the inputs (and waits for them), calls this and has the value: before the plan of a run is made, which sees the value as
/// given. On a GPU such an op costs a round trip.
pub trait HostOp: Send + Sync {
    /// The value, in f64; it is rounded to the output's type afterwards.
    ///
    /// # Errors
    /// What the numbers are wrong for, such as a singular matrix: the run point returns it with the op's name and line.
    fn compute(&self, inputs: &[&Array], output: &Spec) -> Result<Array, OpError>;
}

/// What a gradient rule may use.
pub struct GradCtx<'a> {
    /// Gradient of the loss by the output; has the output's shape.
    pub grad: &'a Tensor,
    /// The op's inputs.
    pub inputs: &'a [Tensor],
    /// The op's output.
    pub output: &'a Tensor,
    /// Which inputs need a gradient; work for others may be left out.
    pub needs: &'a [bool],
}

/// How devices compute an op.
pub enum Lowering {
    /// One expression per element over broadcast inputs; fused with its neighbours.
    Elementwise(Elementwise),
    /// Output element i is input element `view(i)`.
    View(View),
    /// The input's bytes under another shape: no work.
    Alias,
    /// An update in place: one kernel for all updates of its kind in a run.
    Update(MultiTensorUpdate),
    /// No kernel: [`Op::on_host`] computes it, before the plan of a run is made. No plan holds such a call.
    Host,
    /// Kernels in order, with temporaries between them.
    Stages {
        /// Sizes of the temporaries, in words.
        temps: Vec<usize>,
        /// The kernels.
        stages: Vec<Stage>,
    },
}

impl Lowering {
    /// One kernel that reads all inputs in order and writes the output.
    pub fn kernel(kernel: Kernel, inputs: usize) -> Lowering {
        let stage = Stage { kernel, reads: (0..inputs).map(Operand::Input).collect(), writes: vec![Operand::Output] };
        Lowering::Stages { temps: vec![], stages: vec![stage] }
    }
}

/// Makes the kernel of an update for parameters that are contiguous, each in the given span of words.
///
/// It reads the gradients, which are laid out like the parameters, and overwrites what the op [mutates](Op::mutates), each in that order. Its scalars are
/// those of the updates, one after the other. Input 1 of the op is the gradient.
pub type MultiTensorUpdate = Arc<dyn Fn(&[Range<usize>]) -> Kernel + Send + Sync>;

/// One kernel of an op and what it is bound to.
pub struct Stage {
    /// The kernel.
    pub kernel: Kernel,
    /// What it reads, in the order of the shader's read-only bindings.
    pub reads: Vec<Operand>,
    /// What it writes, in the order of the shader's read-write bindings.
    pub writes: Vec<Operand>,
}

/// A buffer seen from inside an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// The op's i-th input.
    Input(usize),
    /// The op's output.
    Output,
    /// The op's i-th temporary.
    Temp(usize),
}

/// A row of the elementwise table: one op in every language it is spoken in.
pub struct Rule {
    /// The op's name.
    pub name: &'static str,
    /// WGSL expression over `a`, `b`, `c` (inputs) and `p`, `q` (scalars); may call functions of the parts
    /// `shared/math.wgsl` and `shared/functions.wgsl`.
    pub wgsl: &'static str,
    /// Types of the inputs; `None` takes any type and hands the raw word on.
    pub inputs: &'static [Option<DType>],
    /// Type of the output; `None` is the type of the last input.
    pub output: Option<DType>,
    /// The native kernel, on a chunk of elements.
    pub chunk: fn(inputs: &[&[u32]], scalars: [f32; 2], output: &mut [u32]),
    /// The definition, on one element.
    pub reference: fn(inputs: [f64; 3], scalars: [f64; 2]) -> f64,
    /// Number of scalars.
    pub scalars: usize,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// An elementwise call: a rule and how each input is read.
pub struct Elementwise {
    /// The row.
    pub rule: &'static Rule,
    /// How the inputs are read, one per input.
    pub views: Vec<View>,
}
