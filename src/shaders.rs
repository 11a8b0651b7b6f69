//! The WGSL files, embedded. One line per file.

use std::sync::LazyLock;

macro_rules! shaders {
    ($($stem:literal),* $(,)?) => {
        /// `(stem, source)` of every shader, as it lies in `shaders/`.
        pub const SHADERS: &[(&str, &str)] = &[$(($stem, include_str!(concat!("../shaders/", $stem, ".wgsl")))),*];
    };
}

shaders![
    "adadelta",
    "adagrad",
    "adam",
    "avg_pool",
    "avg_pool_input",
    "cat",
    "conv",
    "conv_flat",
    "conv_flat_weight",
    "conv_registers",
    "conv_shared",
    "conv_tile",
    "conv_vectors",
    "cross_entropy",
    "cross_entropy_grad",
    "cross_entropy_grad_group",
    "cross_entropy_grad_vectors",
    "cross_entropy_group",
    "cross_entropy_vectors",
    "elementwise",
    "elementwise_vectors",
    "embed",
    "gather",
    "half",
    "half_floats",
    "half_view",
    "matmul",
    "matmul_cooperative_16",
    "matmul_cooperative_8",
    "matmul_deep",
    "matmul_half_tiles",
    "matmul_half_vectors",
    "matmul_registers",
    "matmul_shared",
    "matmul_tiles",
    "matmul_vectors",
    "max_pool",
    "max_pool_input",
    "max_pool_input_apart",
    "max_pool_spread",
    "one_hot",
    "peak",
    "probe",
    "random",
    "recurrence",
    "reduce",
    "reduce_best",
    "reduce_group",
    "reduce_vectors",
    "rmsprop",
    "rmsprop_centered",
    "scan",
    "scatter",
    "scatter_sorted",
    "scatter_starts",
    "sgd",
    "sgd_momentum",
    "softmax",
    "softmax_group",
    "softmax_vectors",
    "sort",
    "sort_merge",
    "triangle",
    "watch",
];

/// `shaders/math.wgsl`: no shader, but functions for the bodies that are put into shaders.
pub const MATH: &str = include_str!("../shaders/math.wgsl");

/// The source of a shader by its stem.
pub fn source(stem: &str) -> Option<&'static str> {
    SHADERS.iter().find(|(name, _)| *name == stem).map(|(_, source)| *source)
}

/// How pointwise ops are put behind a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// Its shader has a function `epilogue`, of one element.
    One,
    /// Its shader has functions `finish` and `load0` to `load3`, of four neighbours.
    Four,
}

/// How pointwise ops can be put behind a kernel, if they can: its shader has the functions, and the spare inputs that go with them.
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

/// Whether pointwise ops can be put behind a kernel.
pub fn takes_epilogue(stem: &str) -> bool {
    epilogue(stem).is_some()
}
