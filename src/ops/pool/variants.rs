//! The kernels of poolings: their params, and how many loop iterations an invocation makes.

use super::{Cells, Plane};
use crate::graph::op::{Kernel, Native, Params, Variant};

impl Plane {
    /// A kernel with an invocation for each of `count` elements.
    pub(super) fn kernel(&self, name: &'static str, shader: &'static str, count: usize, native: Native) -> Kernel {
        let (kernel, stride, padding, consts) = match self.cells {
            Cells::Sliding { window, .. } => (window.kernel, window.stride, window.padding, vec![("ADAPTIVE", 0)]),
            Cells::Adaptive { .. } => ([1, 1], [1, 1], [0, 0], vec![("ADAPTIVE", 1)]),
        };
        let inside = !matches!(self.cells, Cells::Sliding { count_include_pad: true, .. });
        let average = shader.starts_with("pool/average");
        let params = Params::new().set("count", count).set("windows", count / self.elements().max(1) * self.windows());
        let params = params.set("inside", inside).set("first", 0u32).set("size", self.size).set("output", self.output);
        let params = params.set("kernel", kernel).set("stride", stride).set("padding", padding);
        let (consts, bodies) = match average {
            true => (consts, vec![("divided", "{ return div_(a, b); }".to_owned())]),
            false => (vec![], vec![]),
        };
        let variant = Variant { consts, bodies, ..Variant::new(shader, Variant::groups(count.div_ceil(64))) };
        let (places, windows) = (self.sides(), self.holding());
        let variant = match shader {
            "pool/max_input" => variant.max_loop_iterations(nested(windows, nested(places, 0))),
            _ => {
                let around = if matches!(shader, "pool/average" | "pool/max") { places } else { windows };
                variant.max_loop_iterations(nested(around, 0)).in_parts(around[0].saturating_mul(around[1]), 0)
            }
        };
        Kernel { name, params, variants: vec![variant], native }
    }

    /// Places of a window along both axes, at most.
    pub(super) fn sides(&self) -> [usize; 2] {
        [0, 1].map(|axis| match self.cells {
            Cells::Sliding { window, .. } => window.kernel[axis].min(self.size[axis]),
            Cells::Adaptive { .. } => (self.size[axis].div_ceil(self.output[axis].max(1)) + 1).min(self.size[axis]),
        })
    }

    /// Windows that hold a place along both axes, at most.
    fn holding(&self) -> [usize; 2] {
        [0, 1].map(|axis| match self.cells {
            Cells::Sliding { window, .. } => window.kernel[axis].div_ceil(window.stride[axis]).min(self.output[axis]),
            Cells::Adaptive { .. } => (self.output[axis].div_ceil(self.size[axis].max(1)) + 1).min(self.output[axis]),
        })
    }

    /// Places along both axes that a window owns, at most, where windows do not overlap: the last one owns what is left.
    pub(super) fn owned(&self, stride: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            let before = (self.output[axis].max(1) - 1).saturating_mul(stride[axis]);
            stride[axis].min(self.size[axis]).max(self.size[axis].saturating_sub(before))
        })
    }
}

/// Rounds of a loop within a loop, with so many others within each.
pub(super) fn nested([outer, inner]: [usize; 2], each: usize) -> usize {
    outer.saturating_mul(inner.saturating_mul(each.saturating_add(1)).saturating_add(1))
}
