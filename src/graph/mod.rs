//! WHAT to compute: recorded nodes, handles to them, gradients, keys and dumps. Plain data, no device.

pub mod accuracy;
pub mod curvature;
mod disconnected;
pub mod dump;
pub mod forward;
pub mod grad;
pub mod half;
pub mod kernel;
pub mod key;
pub mod node;
pub mod op;
pub mod source;

pub use accuracy::Accuracy;
pub use curvature::Curvature;
pub use disconnected::Missing;
pub use forward::jvp;
pub(crate) use grad::GradOff;
pub(crate) use grad::without_grad;
pub use grad::{Gradients, no_grad};
pub use node::{Backend, Edge, Node, Storage, Tensor, Value, record, record_on, record_shared};
pub use op::{
    Array, DType, Elementwise, GradCtx, HostOp, Io, Kernel, Lowering, Native, Op, Operand, Params, Rule, Spec, Stage, Target,
    Variant,
};
pub use source::Wgsl;
