//! `steepest` in a web page: models of tables and the playground's network, with bindings for JavaScript.

#[cfg(target_arch = "wasm32")]
pub mod bindings;
pub mod formula;
pub mod model;
#[cfg(target_arch = "wasm32")]
pub mod model_bindings;
pub mod page;
pub mod playground;
pub mod points;
pub mod program;
pub mod saddle;
pub mod sample;
pub mod settings;
pub mod table;
#[cfg(target_arch = "wasm32")]
mod view_bindings;
pub mod views;
