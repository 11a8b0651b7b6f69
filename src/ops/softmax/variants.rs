//! Kernels of softmax and cross-entropy: their parameters, and which shader suits.

use super::super::SIGN_BIT;
use crate::graph::op::{MAX_LOOP_ITERATIONS, Params, Target, Variant};

/// Elements in a row from which a workgroup for each row pays on hardware: half a workgroup has something to do. Not measured there.
const MIN_ROW_FOR_GROUP: usize = 128;

/// Elements in a row beyond which only a workgroup for each row makes no more loop iterations than every device does: one invocation makes
/// up to four walks.
const MAX_ROW_FOR_ONE: usize = MAX_LOOP_ITERATIONS / 4;

/// Invocations of a workgroup where each has a row of its own, and where a software adapter's vectors hold them.
const ROWS_PER_GROUP: usize = 64;
const ROWS_PER_SOFTWARE_GROUP: usize = 8;

/// The members of `Params`, of which all kernels of the family have the same.
pub(super) fn params(rows: usize, n: usize, inner: usize) -> Params {
    Params::new().set("rows", rows).set("n", n).set("inner", inner).set("sign", SIGN_BIT)
}

/// The forms of a kernel, each with its loop iterations.
struct Forms {
    rows: usize,
    /// Elements of a row.
    n: usize,
    /// What is specialised in each.
    flag: (&'static str, u32),
}

impl Forms {
    fn form(&self, shader: &'static str, rows_per_group: usize, target: Target, iterations: usize) -> Variant {
        Variant {
            consts: vec![self.flag],
            target,
            ..Variant::new(shader, Variant::groups(self.rows.div_ceil(rows_per_group))).max_loop_iterations(iterations)
        }
    }

    /// A row to an invocation, which goes over it some times.
    fn one(&self, shader: &'static str, walks: usize) -> Variant {
        self.form(shader, ROWS_PER_GROUP, Target::Any, walks * self.n)
    }

    /// The same, four elements at a time.
    fn fours(&self, shader: &'static str, iterations: usize) -> Variant {
        self.form(shader, ROWS_PER_SOFTWARE_GROUP, Target::Software, iterations)
    }

    /// A row to a workgroup, whose 256 invocations go over it some times, each taking eight elements at once where a row is long.
    fn group(&self, shader: &'static str, target: Target, walks: usize) -> Variant {
        let each = if self.n > MAX_ROW_FOR_ONE { 8 } else { 1 };
        let mut form = self.form(shader, 1, target, walks * (self.n.div_ceil(256 * each) + 8));
        form.consts.push(("EACH", each as u32));
        form
    }
}

/// Those of softmax, or of its logarithm.
pub(super) fn softmax(rows: usize, n: usize, inner: usize, log: bool) -> Vec<Variant> {
    let forms = Forms { rows, n, flag: ("LOG", u32::from(log)) };
    let mut variants = vec![];
    if inner == 1 && n >= MIN_ROW_FOR_GROUP {
        variants.push(forms.group("softmax/softmax_group", Target::Hardware, 2));
    }
    if inner == 1 && n.is_multiple_of(4) {
        variants.push(forms.fours("softmax/software/softmax", n / 2 + 8));
    }
    variants.push(forms.one("softmax/softmax", 3));
    if inner != 1 && n > MAX_ROW_FOR_ONE {
        // For devices that leave so long a loop early.
        variants.push(forms.group("softmax/softmax_group", Target::Any, 2));
    }
    variants
}

/// Those of cross-entropy, of labels or of probabilities (`soft`).
pub(super) fn cross_entropy(rows: usize, classes: usize, soft: bool) -> Vec<Variant> {
    let forms = Forms { rows, n: classes, flag: ("SOFT", u32::from(soft)) };
    let mut variants = vec![];
    if classes >= MIN_ROW_FOR_GROUP {
        variants.push(forms.group("softmax/cross_entropy_group", Target::Hardware, 3));
    }
    if classes.is_multiple_of(4) {
        variants.push(forms.fours("softmax/software/cross_entropy", classes / 16 + 4 + if soft { classes } else { 0 }));
    }
    variants.push(forms.one("softmax/cross_entropy", 3));
    variants
}

/// Those of its gradient.
pub(super) fn cross_entropy_grad(rows: usize, classes: usize, soft: bool) -> Vec<Variant> {
    let forms = Forms { rows, n: classes, flag: ("SOFT", u32::from(soft)) };
    let mut variants = vec![];
    if classes >= MIN_ROW_FOR_GROUP {
        variants.push(forms.group("softmax/cross_entropy_grad_group", Target::Hardware, 3));
    }
    if classes.is_multiple_of(4) {
        variants.push(forms.fours("softmax/software/cross_entropy_grad", classes / 16 + 4 + classes / 2));
    }
    variants.push(forms.one("softmax/cross_entropy_grad", if soft { 4 } else { 3 }));
    variants
}
