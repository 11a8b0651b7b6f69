//! The WGSL files, embedded. One line per file.

macro_rules! shaders {
    ($($stem:literal),* $(,)?) => {
        /// `(stem, source)` of every shader, as it lies in `shaders/`.
        pub const SHADERS: &[(&str, &str)] = &[$(($stem, include_str!(concat!("../shaders/", $stem, ".wgsl")))),*];
    };
}

shaders!["elementwise", "embed", "matmul", "matmul_registers", "matmul_vectors", "random", "reduce", "reduce_group"];

/// The source of a shader by its stem.
pub fn source(stem: &str) -> Option<&'static str> {
    SHADERS.iter().find(|(name, _)| *name == stem).map(|(_, source)| *source)
}
