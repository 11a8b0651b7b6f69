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
    "conv_registers",
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
    "matmul_tiles",
    "matmul_vectors",
    "max_pool",
    "max_pool_input",
    "max_pool_input_apart",
    "one_hot",
    "peak",
    "probe",
    "random",
    "recurrence",
    "reduce",
    "reduce_group",
    "reduce_vectors",
    "rmsprop",
    "rmsprop_centered",
    "scan",
    "scatter",
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

/// Whether pointwise ops can be put behind a kernel: its shader has a function `epilogue` and the spare inputs that go with it.
pub fn takes_epilogue(stem: &str) -> bool {
    static STEMS: LazyLock<Vec<&str>> = LazyLock::new(|| {
        let takes = |(_, source): &&(&str, &str)| source.contains("fn epilogue(v: f32, i: u32) -> f32");
        SHADERS.iter().filter(takes).map(|(stem, _)| *stem).collect()
    });
    STEMS.contains(&stem)
}
