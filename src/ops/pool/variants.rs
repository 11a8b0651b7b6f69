//! The kernels of poolings: which there are, what they are told, and how many loop iterations an invocation makes.

use super::super::window::Window;
use super::{Cells, Plane, native};
use crate::graph::op::{Kernel, Lowering, MAX_LOOP_ITERATIONS, Operand, Params, Spec, Stage, Variant};
use std::sync::Arc;

/// Invocations of a workgroup.
const WORKGROUP: usize = 64;

impl Plane {
    /// v at the largest x of every window; v is input `second`, x the first.
    pub(super) fn lower_pick(&self, name: &'static str, x: &Spec, second: usize) -> Lowering {
        let planes = x.shape.numel() / self.elements();
        let variants = vec![self.max(planes)];
        let kernel = Kernel { name, params: self.params(planes), variants, native: native::pick(*self, second == 0) };
        let reads = vec![Operand::Input(0), Operand::Input(second)];
        Lowering::Stages { temps: vec![], stages: vec![Stage { kernel, reads, writes: vec![Operand::Output] }] }
    }

    /// Where in its plane the largest x of every window lies.
    pub(super) fn lower_indices(&self, name: &'static str, x: &Spec) -> Lowering {
        let planes = x.shape.numel() / self.elements();
        let kernel =
            Kernel { name, params: self.params(planes), variants: vec![self.place(planes)], native: native::indices(*self) };
        let reads = vec![Operand::Input(0); 2];
        Lowering::Stages { temps: vec![], stages: vec![Stage { kernel, reads, writes: vec![Operand::Output] }] }
    }

    /// The gradient of maximum pooling: by window where windows do not overlap, else by element.
    pub(super) fn lower_max_input(&self, output: &Spec) -> Lowering {
        let (name, planes) = ("max_pool2d_input", output.shape.numel() / self.elements());
        let mut variants = vec![];
        if let Cells::Sliding { window, .. } = self.cells
            && window.padding == [0, 0]
            && (0..2).all(|axis| reach(&window, axis) <= window.stride[axis])
        {
            let iterations = nested(self.sides(), 0).saturating_add(nested(self.owned(window.stride), 0));
            let disjoint = dispatch("pool/max_input_disjoint", planes * self.windows()).max_loop_iterations(iterations);
            variants.push(self.told(disjoint));
        }
        let iterations = nested(self.covering(), nested(self.sides(), 0));
        let searched = dispatch("pool/max_input", planes * self.elements()).max_loop_iterations(iterations);
        variants.push(self.told(searched));
        let native = native::max_input(*self);
        if variants.iter().any(|variant| variant.loop_iterations.is_some_and(|n| n <= MAX_LOOP_ITERATIONS)) {
            return Lowering::kernel(Kernel { name, params: self.params(planes), variants, native }, 2);
        }
        // Windows too large to be searched in one go, or again for each place: first where the largest of each lies.
        let places = Kernel { name, params: self.params(planes), variants: vec![self.place(planes)], native: Arc::new(|_| {}) };
        let known = self.told(self.over_windows(dispatch("pool/max_input_known", planes * self.elements())));
        let known = Kernel { name, params: self.params(planes), variants: vec![known], native };
        let (x, g, found) = (Operand::Input(0), Operand::Input(1), Operand::Temp(0));
        Lowering::Stages {
            temps: vec![planes * self.windows()],
            stages: vec![
                Stage { kernel: places, reads: vec![x, x], writes: vec![found] },
                Stage { kernel: known, reads: vec![x, g, found], writes: vec![Operand::Output] },
            ],
        }
    }

    /// The mean of every window.
    pub(super) fn lower_average(&self, output: &Spec) -> Lowering {
        let planes = output.shape.numel() / self.windows();
        let variant = self.average(self.over_elements(dispatch("pool/average", planes * self.windows())));
        let (params, variants) = (self.params(planes), vec![variant]);
        Lowering::kernel(Kernel { name: "avg_pool2d", params, variants, native: native::average(*self) }, 1)
    }

    /// The gradient of averages.
    pub(super) fn lower_average_input(&self, output: &Spec) -> Lowering {
        let planes = output.shape.numel() / self.elements();
        let variant = self.average(self.over_windows(dispatch("pool/average_input", planes * self.elements())));
        let (params, variants) = (self.params(planes), vec![variant]);
        Lowering::kernel(Kernel { name: "avg_pool2d_input", params, variants, native: native::average_input(*self) }, 1)
    }

    /// The largest of every window.
    fn max(&self, planes: usize) -> Variant {
        self.told(self.over_elements(dispatch("pool/max", planes * self.windows())))
    }

    /// Where in its plane the largest of every window is.
    fn place(&self, planes: usize) -> Variant {
        let mut variant = self.max(planes);
        variant.consts.push(("PLACE", 1));
        variant
    }

    /// A kernel of averages: which windows it takes, and how it divides.
    fn average(&self, variant: Variant) -> Variant {
        Variant { bodies: vec![("divided", "{ return div_(a, b); }".to_owned())], ..self.told(variant) }
    }

    /// A kernel that is told which kind of windows it takes.
    fn told(&self, variant: Variant) -> Variant {
        let consts = match self.cells {
            Cells::Adaptive { .. } => vec![("ADAPTIVE", 1)],
            Cells::Sliding { window, .. } if window.dilation != [1, 1] => vec![("DILATED", 1)],
            Cells::Sliding { .. } => vec![],
        };
        Variant { consts, ..variant }
    }

    /// What all kernels are told, the members of `pool/window.wgsl`.
    fn params(&self, planes: usize) -> Params {
        let (window, inside) = match self.cells {
            Cells::Sliding { window, count_include_pad } => (window, !count_include_pad),
            Cells::Adaptive { .. } => {
                (Window { kernel: [1; 2], stride: [1; 2], padding: [0; 2], after: [0; 2], dilation: [1; 2] }, true)
            }
        };
        let params = Params::new().set("planes", planes).set("inside", inside).set("first", 0u32);
        let params = params.set("size", self.size).set("output", self.output);
        let params = params.set("kernel", window.kernel).set("stride", window.stride).set("padding", window.padding);
        params.set("dilation", window.dilation)
    }

    /// A kernel whose invocations visit the elements of a window.
    fn over_elements(&self, variant: Variant) -> Variant {
        let sides = self.sides();
        variant.max_loop_iterations(nested(sides, 0)).in_parts(sides[0].saturating_mul(sides[1]), 0)
    }

    /// A kernel whose invocations visit the windows that cover an element.
    fn over_windows(&self, variant: Variant) -> Variant {
        let covering = self.covering();
        variant.max_loop_iterations(nested(covering, 0)).in_parts(covering[0].saturating_mul(covering[1]), 0)
    }

    /// Elements of a window along both axes, at most.
    fn sides(&self) -> [usize; 2] {
        [0, 1].map(|axis| match self.cells {
            Cells::Sliding { window, .. } => window.kernel[axis].min(self.size[axis]),
            Cells::Adaptive { .. } => (self.size[axis].div_ceil(self.output[axis].max(1)) + 1).min(self.size[axis]),
        })
    }

    /// Windows that cover an element along both axes, at most.
    fn covering(&self) -> [usize; 2] {
        [0, 1].map(|axis| match self.cells {
            Cells::Sliding { window, .. } => reach(&window, axis).div_ceil(window.stride[axis]).min(self.output[axis]),
            Cells::Adaptive { .. } => (self.output[axis].div_ceil(self.size[axis].max(1)) + 1).min(self.output[axis]),
        })
    }

    /// Elements along both axes that a window owns, at most, where windows do not overlap: the last one owns what is left.
    fn owned(&self, stride: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            let before = (self.output[axis].max(1) - 1).saturating_mul(stride[axis]);
            stride[axis].min(self.size[axis]).max(self.size[axis].saturating_sub(before))
        })
    }
}

/// From the first element of a window to one after its last.
fn reach(window: &Window, axis: usize) -> usize {
    (window.kernel[axis] - 1) * window.dilation[axis] + 1
}

/// A shader with so many invocations.
fn dispatch(shader: &'static str, invocations: usize) -> Variant {
    Variant::new(shader, Variant::groups(invocations.div_ceil(WORKGROUP)))
}

/// Iterations of a loop within a loop, with so many others within each.
fn nested([outer, inner]: [usize; 2], each: usize) -> usize {
    outer.saturating_mul(inner.saturating_mul(each.saturating_add(1)).saturating_add(1))
}
