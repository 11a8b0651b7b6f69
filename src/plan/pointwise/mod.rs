//! Pointwise programs: a chain of elementwise rules as one kernel, in WGSL and natively.

mod native;
mod wgsl;

use super::{Io, Kernel, Params, Variant};
use crate::graph::op::Rule;
use crate::shaders::{self, Epilogue};
use crate::shape::View;
use std::sync::Arc;

/// Read bindings `in0`..`in5` of `elementwise/elements.wgsl`.
pub const MAX_LOADS: usize = 6;
/// Read bindings `extra0`..`extra3` of kernels that take an epilogue.
pub const MAX_EXTRA: usize = 4;
/// Axes a view may have in `elementwise/elements.wgsl`.
const MAX_DIMS: usize = 8;
/// Scalars a program may take.
pub const MAX_SCALARS: usize = 32;
/// Rules in one program.
pub const MAX_INSTRUCTIONS: usize = 32;

/// One buffer, read in one way.
pub struct Load {
    /// Where element i is.
    pub view: View,
}

/// How pointwise ops can be fused after a variant, if they can.
pub(super) fn epilogue(variant: &Variant) -> Option<Epilogue> {
    match &variant.source {
        Some(source) => shaders::epilogue_of(source.text()),
        None => shaders::epilogue(variant.shader),
    }
}

/// What an instruction works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// A load.
    Load(usize),
    /// An earlier instruction's result.
    Result(usize),
    /// What the kernel that the program is an epilogue of has computed.
    Core,
}

/// One rule applied.
pub struct Instruction {
    /// The rule; `None` copies its argument as it is.
    pub rule: Option<&'static Rule>,
    /// Its arguments.
    pub args: Vec<Arg>,
}

/// `out[i] = last instruction`, for `i` in `0..count`.
pub struct Program {
    /// Elements.
    pub count: usize,
    /// Buffers read.
    pub loads: Vec<Load>,
    /// Rules, in order.
    pub instructions: Vec<Instruction>,
    /// Which of them have the same result everywhere, whatever is read.
    constant: Vec<bool>,
}

impl Program {
    /// A program over `count` elements.
    pub fn new(count: usize, loads: Vec<Load>, instructions: Vec<Instruction>) -> Program {
        let mut constant: Vec<bool> = Vec::with_capacity(instructions.len());
        for instruction in &instructions {
            let same = |arg: &Arg| matches!(arg, Arg::Result(k) if constant[*k]);
            constant.push(instruction.args.iter().all(same));
        }
        debug_assert!(loads.iter().all(|load| load.view.numel() == count), "a load of another number of elements than {count}");
        Program { count, loads, instructions, constant }
    }

    /// The kernel in both forms.
    pub fn kernel(self) -> Kernel {
        self.kernel_with(true)
    }

    /// The kernel in both forms, or without `shaders` in the native one only.
    pub(in crate::plan) fn kernel_with(self, shaders: bool) -> Kernel {
        let simple = || Variant {
            bodies: vec![("chain", self.wgsl("in", "dims", ""))],
            ..Variant::each_element("elementwise/elements", self.count).max_loop_iterations(0)
        };
        let variants = if shaders { self.vectors().into_iter().chain([simple()]).collect() } else { vec![] };
        let name = match self.instructions.as_slice() {
            [Instruction { rule: Some(rule), .. }] => rule.name,
            [_] => "copy",
            _ => "elementwise",
        };
        let params = if shaders { self.params() } else { Params::new() };
        Kernel { name, params, variants, native: self.native() }
    }

    /// The program fused after a kernel, as its epilogue: it works on each element before the kernel stores it. The kernel reads the loads
    /// after its own inputs; its member `params.extra` says how. Without `shaders` it has the native form only.
    pub fn fused_after(self, kernel: Kernel, shaders: bool) -> Kernel {
        let Kernel { name, mut params, mut variants, native } = kernel;
        if shaders {
            params = params.set("extra", self.dims());
        } else {
            variants.clear();
        }
        for variant in &mut variants {
            if epilogue(variant) == Some(Epilogue::Four) {
                variant.bodies.extend(self.finish());
            } else {
                variant.bodies.push(("epilogue", self.wgsl("extra", "extra", "bitcast<f32>")));
            }
            // Some shaders want to know whether there is one.
            variant.consts.iter_mut().filter(|(name, _)| *name == "FUSED").for_each(|fused| fused.1 = 1);
        }
        let (compiled, loads) = (self.compiled(), self.loads.len());
        let own = Arc::new(move |io: &mut Io<'_>| {
            let (reads, extra) = io.reads.split_at(io.reads.len() - loads);
            let out = &mut *io.writes[0];
            let scalars = io.scalars;
            let finish = |start: usize, part: &mut [u32]| compiled.evaluate(extra, scalars, start, part);
            let mut core = Io { reads, writes: &mut [&mut *out], scalars: &[], finish: Some(&finish), room: io.room };
            native(&mut core);
            if core.finish.is_some() {
                compiled.compute(extra, scalars, out);
            }
        });
        Kernel { name, params, variants, native: own }
    }

    /// The uniform: the count, then how the loads are read.
    fn params(&self) -> Params {
        Params::new().set("count", self.count).set("dims", self.dims())
    }
}
