//! Shader files: joined from their parts, specialised, reflected, merged. Text in, text out; the only room that reads WGSL.

mod binding;
mod declared;
mod errors;
mod foreign;
pub mod merge;
pub mod opaque;
mod pack;
#[cfg(not(target_family = "wasm"))]
mod parsed;
mod reflect;
mod specialise;
mod tokens;

pub use crate::error::Result;
pub use binding::{Binding, BindingKind, Member, Reflected};
pub use declared::{Declared, declared};
pub(crate) use foreign::foreign;
pub use pack::pack;
pub use reflect::reflect;
pub(crate) use reflect::reflect_foreign;
pub use specialise::specialise;

/// A shader with everything that tests of the passes look for: comments with code in them, nested names, constants, overrides.
#[cfg(test)]
const EXAMPLE: &str = "\
// const TILE: u32 = 1u; fn epilogue() { } — a comment, with a brace: {
/* fn epilogue(v: f32) -> f32 { /* nested */ return 0.0; } */
struct Params { n: u32, scale: vec2<f32>, m: u32 }
struct Scalars { rate: f32 }
@group(0) @binding(5) var<uniform> scalars: Scalars;
@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;
const TILE: u32 = 4u;
@id(1) override ROWS : u32=2u;
override DEPTH: u32;
var<workgroup> tile: array<f32, TILE * 3u>;
var<workgroup> more: array<f32, ROWS>;
fn epilogue(v: f32) -> f32 { if (v < 0.0) { return v; /* } */ } return v + 1.0; }
fn TILES() -> u32 { let TILE = 9u; return TILE; }
@compute @workgroup_size(TILE, ROWS) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    tile[id.x % TILE] = in0[id.x].x; // main() }
    more[0] = f32(DEPTH);
    workgroupBarrier();
    if (id.x < params.n && arrayLength(&out) > 0u) { out[id.x] = epilogue(tile[0] + more[0] + f32(TILES())); }
}
";
