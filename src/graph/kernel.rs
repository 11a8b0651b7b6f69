//! Kernels as data: a native form and WGSL variants, their parameters by name, what kind of device each is for.

use super::source::Wgsl;
pub use crate::workspace::Workspace;
use std::sync::{Arc, LazyLock};

/// One dispatch: a native kernel, and WGSL variants of which the device takes the first that suits it.
#[derive(Clone)]
pub struct Kernel {
    /// Name in plans and profiles.
    pub name: &'static str,
    /// Members of the shader's uniform `params`: shapes and strides, fixed for a plan.
    pub params: Params,
    /// WGSL forms, best first. The last one must run under the browser's default limits.
    pub variants: Vec<Variant>,
    /// The native form; one made by [`Kernel::new`] has none.
    pub native: Native,
}

/// The native form of kernels that have none: known by its address, never run.
static NO_NATIVE: LazyLock<Native> = LazyLock::new(|| Arc::new(|_| {}));

impl Kernel {
    /// A kernel without a native form: the CPU computes its op by the definition in f64 ([`Op::reference`](super::op::Op::reference)), slowly.
    pub fn new(name: &'static str, params: Params, variants: Vec<Variant>) -> Kernel {
        Kernel { name, params, variants, native: NO_NATIVE.clone() }
    }

    /// The same with a native form, which reads and writes the buffers that the shader does, in the same order.
    #[must_use]
    pub fn with_native(self, native: impl Fn(&mut Io<'_>) + Send + Sync + 'static) -> Kernel {
        Kernel { native: Arc::new(native), ..self }
    }

    /// Whether it has a native form.
    pub fn has_native(&self) -> bool {
        !Arc::ptr_eq(&self.native, &NO_NATIVE)
    }
}

/// The members of a kernel's uniform `params` by name, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params {
    /// Name and words of each.
    pub members: Vec<(&'static str, Vec<u32>)>,
}

impl Params {
    /// None yet.
    pub fn new() -> Params {
        Params::default()
    }

    /// With one more: a count, a flag, a signed number, raw words, or a list of them for an array. Counts beyond u32 are its largest number.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: impl Word) -> Params {
        let mut words = Vec::new();
        value.words(&mut words);
        self.members.push((name, words));
        self
    }
}

/// What a member of a uniform can be made of.
pub trait Word {
    /// Adds its words.
    fn words(self, words: &mut Vec<u32>);
}

impl Word for usize {
    fn words(self, words: &mut Vec<u32>) {
        words.push(u32::try_from(self).unwrap_or(u32::MAX));
    }
}

impl Word for u32 {
    fn words(self, words: &mut Vec<u32>) {
        words.push(self);
    }
}

impl Word for i32 {
    fn words(self, words: &mut Vec<u32>) {
        words.push(self as u32);
    }
}

impl Word for bool {
    fn words(self, words: &mut Vec<u32>) {
        words.push(u32::from(self));
    }
}

impl<T: Word, const N: usize> Word for [T; N] {
    fn words(self, words: &mut Vec<u32>) {
        self.into_iter().for_each(|value| value.words(words));
    }
}

impl<T: Word> Word for Vec<T> {
    fn words(self, words: &mut Vec<u32>) {
        self.into_iter().for_each(|value| value.words(words));
    }
}

/// A WGSL form of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Stem of the file in `shaders/`; empty if it has a `source`.
    pub shader: &'static str,
    /// The file if it is none of this library's; see [`Variant::source`].
    pub source: Option<Wgsl>,
    /// Values for named `const`s of the file.
    pub consts: Vec<(&'static str, u32)>,
    /// Bodies (with braces) for named functions of the file, types for named aliases.
    pub bodies: Vec<(&'static str, String)>,
    /// Workgroups to start; see [`Variant::groups`].
    pub groups: [u32; 3],
    /// The kind of device it is made for.
    pub target: Target,
    /// Loop iterations of one invocation, at most, where that is known; see [`Variant::max_loop_iterations`].
    pub loop_iterations: Option<usize>,
    /// How it is done in several dispatches where one may not make so many iterations; see [`Variant::in_parts`].
    pub parts: Option<Parts>,
    /// What it has to compute rightly on a device before it is used there.
    pub self_test: Option<SelfTest>,
}

/// How a device finds out whether it computes a variant rightly, where drivers are known to get it wrong.
#[derive(Clone, Copy, Debug)]
pub struct SelfTest {
    /// A short name, for the file with the verdict.
    pub name: &'static str,
    /// Makes the trials of a variant.
    pub trials: fn(&Variant) -> Vec<Trial>,
}

/// By name: two tests of one name are the same.
impl PartialEq for SelfTest {
    fn eq(&self, other: &SelfTest) -> bool {
        self.name == other.name
    }
}

/// One computation of a self-test.
#[derive(Clone)]
pub struct Trial {
    /// What is computed, for people.
    pub label: String,
    /// The kernel, with the variant on trial as its only one. It takes no scalars and writes f32 numbers.
    pub kernel: Kernel,
    /// The words of each buffer read.
    pub inputs: Vec<Vec<u32>>,
    /// The numbers it must compute, each with how far it may be off.
    pub expected: Vec<(f64, f64)>,
    /// Numbers in a row of the output.
    pub columns: usize,
}

/// Invocations in a workgroup of `shaders/shared/each_element.wgsl`.
const WORKGROUP: usize = 256;

/// Loop iterations that an invocation may make on every device that is known: Mesa's software adapter leaves loops after 65,535.
pub const MAX_LOOP_ITERATIONS: usize = 65_000;

/// A loop that several dispatches can share, one part of it each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The iterations of the whole loop.
    pub iterations: usize,
    /// Iterations of other loops in each dispatch.
    pub others: usize,
}

impl Variant {
    /// A variant without specialisation, for any device.
    pub fn new(shader: &'static str, groups: [u32; 3]) -> Variant {
        Variant {
            shader,
            source: None,
            consts: vec![],
            bodies: vec![],
            groups,
            target: Target::Any,
            loop_iterations: None,
            parts: None,
            self_test: None,
        }
    }

    /// A variant whose shader uses `shared/each_element`: it does `count` elements, one per invocation.
    pub fn each_element(shader: &'static str, count: usize) -> Variant {
        Variant::new(shader, Variant::groups(count.div_ceil(WORKGROUP)))
    }

    /// A variant of WGSL that is none of this library's, for any device; its op names it among its [`Op::sources`](super::op::Op::sources).
    pub fn source(source: &Wgsl, groups: [u32; 3]) -> Variant {
        Variant { source: Some(source.clone()), ..Variant::new("", groups) }
    }

    /// The same of a file that uses `shared/each_element`: it does `count` elements, one per invocation.
    pub fn source_each_element(source: &Wgsl, count: usize) -> Variant {
        Variant::source(source, Variant::groups(count.div_ceil(WORKGROUP)))
    }

    /// The name of its file, without `.wgsl`.
    pub fn file(&self) -> &str {
        self.source.as_ref().map_or(self.shader, Wgsl::name)
    }

    /// The same, with a bound on the iterations of all loops of one invocation together. Mesa's software adapter leaves every loop once
    /// it has counted 65,535 iterations, silently: there a variant with more is not used, but [in parts](Variant::in_parts).
    ///
    /// Iterations are counted for neighbouring invocations together: of each loop those of the invocation that makes most of them. So the bound of
    /// nested loops is the product of the largest trip counts, and not the largest product. An unrolled loop has none.
    pub fn max_loop_iterations(mut self, iterations: usize) -> Variant {
        self.loop_iterations = Some(iterations);
        self
    }

    /// The same, which can be done by several dispatches, one after the other, where one may not make so many iterations.
    ///
    /// The file has a `const PART: u32 = 0xffffffffu` and a member `first` of `Params`, 0 where it is done in one. A dispatch does iterations
    /// `first` to `first + PART` of a loop of `iterations`, and continues from what the one before left in the output; other loops have `others`
    /// iterations at most. What is fused after the kernel is done after the last iteration of an element only.
    pub fn in_parts(mut self, iterations: usize, others: usize) -> Variant {
        self.parts = Some(Parts { iterations, others });
        self
    }

    /// How it is done where an invocation may make `most` iterations: those of a dispatch and how many dispatches. `None` if not at all.
    pub fn divided(&self, most: usize) -> Option<(usize, usize)> {
        if self.loop_iterations.is_none_or(|iterations| iterations <= most) {
            return Some((usize::MAX, 1));
        }
        let parts = self.parts?;
        let iterations = most.saturating_sub(parts.others).min(parts.iterations);
        (iterations > 0).then(|| (iterations, parts.iterations.div_ceil(iterations)))
    }

    /// Spreads `n` workgroups over x and y, because one dimension holds at most 65,535.
    /// The shader numbers them `y * num_workgroups.x + x` and must ignore those beyond its work.
    pub fn groups(n: usize) -> [u32; 3] {
        let x = n.clamp(1, 65_535);
        [x as u32, n.div_ceil(x).max(1) as u32, 1]
    }
}

/// The kind of device a variant is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Any adapter.
    Any,
    /// Hardware only: it leans on workgroup memory.
    Hardware,
    /// Software adapters only (llvmpipe, SwiftShader, WARP), where workgroup memory and barriers cost.
    Software,
    /// Hardware with cooperative matrices of this side whose subgroups make up teams of this many invocations, once it has passed a self-test.
    Cooperative {
        /// Rows and columns of a matrix.
        side: u32,
        /// Invocations of a team.
        team: u32,
    },
}

/// What a native kernel works on. Words are reinterpreted with [`bytemuck::cast_slice`].
pub struct Io<'a> {
    /// Buffers read.
    pub reads: &'a [&'a [u32]],
    /// Buffers written.
    pub writes: &'a mut [&'a mut [u32]],
    /// The op's scalars.
    pub scalars: &'a [u32],
    /// What is to be done to every element of the only buffer written, once it is finished. A kernel that takes it does that itself, stretch by
    /// stretch while they are in a cache; if it is left, all is done when the kernel is through.
    pub finish: Option<Finish<'a>>,
    /// Where it gets memory to work in. Its inputs' sizes decide how much it takes there; what it takes elsewhere is small whatever they are.
    pub room: &'a Workspace<'a>,
}

/// Works on a stretch of a kernel's output; gets the number of its first element.
pub type Finish<'a> = &'a (dyn Fn(usize, &mut [u32]) + Sync);

impl<'a> Io<'a> {
    /// The i-th buffer read, as floats.
    pub fn read(&self, i: usize) -> &'a [f32] {
        bytemuck::cast_slice(self.reads[i])
    }

    /// The i-th buffer written, as floats.
    pub fn write(&mut self, i: usize) -> &mut [f32] {
        bytemuck::cast_slice_mut(self.writes[i])
    }

    /// The i-th scalar as a float.
    pub fn scalar(&self, i: usize) -> f32 {
        f32::from_bits(self.scalars[i])
    }

    /// Says that the kernel cannot do this, and why: the run point returns it as an error with the op's line, and nothing that was written counts.
    pub fn fail(&self, message: impl Into<String>) {
        self.room.fail(message.into());
    }
}

/// A native f32 kernel: a closure over the call's shapes.
pub type Native = Arc<dyn Fn(&mut Io<'_>) + Send + Sync>;
