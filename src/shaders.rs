//! The WGSL files, embedded. One line per file.

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
    "cross_entropy",
    "cross_entropy_grad",
    "elementwise",
    "embed",
    "gather",
    "matmul",
    "matmul_registers",
    "matmul_vectors",
    "max_pool",
    "max_pool_input",
    "one_hot",
    "probe",
    "random",
    "recurrence",
    "reduce",
    "reduce_group",
    "rmsprop",
    "rmsprop_centered",
    "scan",
    "scatter",
    "sgd",
    "sgd_momentum",
    "softmax",
    "sort",
    "sort_merge",
    "triangle",
    "watch",
];

/// The source of a shader by its stem.
pub fn source(stem: &str) -> Option<&'static str> {
    SHADERS.iter().find(|(name, _)| *name == stem).map(|(_, source)| *source)
}
