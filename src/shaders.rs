//! The WGSL files, embedded. One line per file; a file names the parts it uses itself.

use std::sync::LazyLock;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../shaders/", $name, ".wgsl")))),*]
    };
}

/// `(name, text)` of each kernel's own file, as it is in `shaders/`.
const KERNELS: &[(&str, &str)] = files![
    "checks/nonfinite",
    "checks/peak",
    "checks/probe",
    "conv/plain",
    "conv/software/flat",
    "conv/software/flat_weight",
    "conv/software/registers",
    "conv/software/subgroup",
    "conv/software/vectors",
    "conv/tile",
    "distance/pairs",
    "elementwise/elements",
    "elementwise/vectors",
    "f16/from_f32",
    "f16/permute",
    "f16/to_f32",
    "index/extreme",
    "index/gather",
    "index/last",
    "index/one_hot",
    "index/scatter",
    "index/scatter_sorted",
    "index/scatter_starts",
    "index/weighted",
    "index/search",
    "layout/cat",
    "layout/embed",
    "layout/triangle",
    "matmul/cooperative",
    "matmul/registers",
    "matmul/software/subgroup",
    "matmul/software/vectors",
    "matmul/split_k",
    "matmul/tiles",
    "matmul/tiles_scalar",
    "pool/average",
    "pool/average_input",
    "pool/max",
    "pool/max_input",
    "pool/max_input_disjoint",
    "pool/max_input_known",
    "random/philox",
    "reduce/best",
    "reduce/group",
    "reduce/reduce",
    "reduce/software/vectors",
    "reduce/words",
    "scan/extreme",
    "scan/recurrence",
    "scan/scan",
    "softmax/cross_entropy",
    "softmax/cross_entropy_grad",
    "softmax/cross_entropy_grad_group",
    "softmax/cross_entropy_group",
    "softmax/softmax",
    "softmax/softmax_group",
    "softmax/software/cross_entropy",
    "softmax/software/cross_entropy_grad",
    "softmax/software/softmax",
    "sort/merge",
    "sort/spans",
    "unfold/overlap_add",
    "update/adadelta",
    "update/adagrad",
    "update/adam",
    "update/adamax",
    "update/lion",
    "update/nadam",
    "update/rmsprop",
    "update/rmsprop_centered",
    "update/running",
    "update/sgd",
];

/// The same of the parts that kernels share.
const PARTS: &[(&str, &str)] = files![
    "conv/columns",
    "conv/product",
    "conv/software/bands",
    "conv/software/block",
    "conv/software/shared_rows",
    "conv/software/shift",
    "elementwise/program",
    "f16/pack",
    "index/sizes",
    "index/sorted",
    "index/sums",
    "matmul/blocks",
    "matmul/cooperative_tiles",
    "matmul/elements",
    "matmul/problem",
    "matmul/register_tile",
    "matmul/software/add_bands",
    "matmul/write_block",
    "pool/largest",
    "pool/mean",
    "pool/window",
    "reduce/members",
    "reduce/one_member",
    "reduce/totals",
    "shared/compensated",
    "shared/each_element",
    "shared/extra",
    "shared/functions",
    "shared/fused",
    "shared/fused_vectors",
    "shared/grid",
    "shared/math",
    "shared/numbers",
    "shared/outer_product",
    "shared/quotient",
    "shared/scalars",
    "shared/subgroup",
    "softmax/elements",
    "softmax/normalised",
    "softmax/row",
    "softmax/row_by_group",
    "softmax/row_by_one",
    "softmax/slope",
    "softmax/software/row_by_fours",
    "softmax/targets",
    "sort/lines",
    "update/decay",
    "update/first_moment",
    "update/second_moment",
    "update/tensors",
    "update/velocity",
];

/// The parts that a body put into a shader may call without saying so.
pub const MATH: &[&str] = &["shared/math", "shared/functions"];

/// How the line of a file begins that names the parts it uses: `// use: shared/math, matmul/product`.
const USE: &str = "// use: ";

/// How the line begins that names the file of what follows it, in a text joined of several.
pub(crate) const MARK: &str = "// ==== ";

/// `(name, source)` of every shader: its own file and, after it, each part it uses, once.
pub static SHADERS: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
    let joined = |&(name, text): &(&'static str, &str)| (name, uses(text).fold(text.to_owned(), with_part));
    KERNELS.iter().map(joined).collect()
});

/// The source of a shader by its name: its own file and the parts it uses.
pub fn source(name: &str) -> Option<&'static str> {
    SHADERS.iter().find(|(known, _)| *known == name).map(|(_, source)| source.as_str())
}

/// The text of one file, a kernel's or a part, as it is in `shaders/`.
pub fn file(name: &str) -> Option<&'static str> {
    KERNELS.iter().chain(PARTS).find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names of all parts.
pub fn parts() -> impl Iterator<Item = &'static str> {
    PARTS.iter().map(|(name, _)| *name)
}

/// The parts a file says it uses.
pub fn uses(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix(USE)).flat_map(|list| list.split(',')).map(str::trim)
}

/// These parts and all that they use, each once.
pub(crate) fn with_parts<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut all = names.to_vec();
    let mut next = 0;
    while next < all.len() {
        for name in uses(file(all[next]).unwrap_or_default()) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        next += 1;
    }
    all
}

/// A text with a part and all that it uses after it, unless they are there already.
pub(crate) fn with_part(text: String, name: &str) -> String {
    with_parts(&[name]).into_iter().fold(text, |text, name| {
        let mark = format!("\n{MARK}{name}\n");
        match file(name) {
            Some(part) if !text.contains(&mark) => text + &mark + part,
            _ => text,
        }
    })
}

/// How pointwise ops can be fused after a kernel of a text from outside: it uses the part for that.
pub(crate) fn epilogue_of(text: &str) -> Option<Epilogue> {
    let parts = with_parts(&uses(text).collect::<Vec<_>>());
    let uses = |name| parts.contains(&name);
    let one = uses("shared/fused").then_some(Epilogue::One);
    one.or_else(|| uses("shared/fused_vectors").then_some(Epilogue::Four))
}

/// How pointwise ops are fused after a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// Its shader has a function `epilogue`, of one element.
    One,
    /// Its shader has functions `finish` and `load_extra0` to `load_extra3`, of four neighbours.
    Four,
}

/// How pointwise ops can be fused after a kernel, if they can: its shader has the functions, and the spare inputs that go with them.
pub fn epilogue(stem: &str) -> Option<Epilogue> {
    static STEMS: LazyLock<Vec<(&str, Epilogue)>> = LazyLock::new(|| {
        let each = SHADERS.iter().filter_map(|(stem, source)| {
            let takes = |text: &str| source.contains(text);
            let one = takes("fn epilogue(v: f32, i: u32) -> f32").then_some(Epilogue::One);
            let four = || takes("fn finish(v: f32, x0: u32, x1: u32, x2: u32, x3: u32) -> f32").then_some(Epilogue::Four);
            Some((*stem, one.or_else(four)?))
        });
        each.collect()
    });
    STEMS.iter().find(|(name, _)| *name == stem).map(|(_, epilogue)| *epilogue)
}

/// Whether pointwise ops can be fused after a kernel.
pub fn takes_epilogue(stem: &str) -> bool {
    epilogue(stem).is_some()
}
