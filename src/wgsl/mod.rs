//! Shader files: joined from their parts, specialised, reflected, merged. Text in, text out; the only room that reads WGSL.

mod errors;
pub mod merge;
pub mod opaque;
mod pack;
mod reflect;
mod specialise;
mod tokens;

pub use crate::error::Result;
pub use pack::pack;
pub use reflect::{Binding, BindingKind, Member, Reflected, reflect};
pub use specialise::specialise;
