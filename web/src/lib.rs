//! `steepest` in a web page: the playground's network, and bindings for JavaScript.

#[cfg(target_arch = "wasm32")]
pub mod bindings;
pub mod formula;
pub mod page;
pub mod playground;
pub mod points;
pub mod program;
pub mod settings;
pub mod table;
