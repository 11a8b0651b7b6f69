//! Shader files: joined from their parts, specialised, reflected, merged. Text in, text out; the only room that reads WGSL.

pub mod merge;
pub mod opaque;
mod pack;
mod reflect;
mod specialise;
mod tokens;

pub use crate::error::{Error, Result};
pub use pack::pack;
pub use reflect::{Binding, BindingKind, Member, Reflected, reflect};
pub use specialise::specialise;

/// What is wrong with a shader.
fn fault(shader: &str, message: String) -> Error {
    Error::Shader { shader: shader.to_owned(), message }
}

/// What is wrong with a shader at a place in its text: names the file the line stands in, and its number there. A text is joined from
/// several files, each after a line that names it.
fn locate(shader: &str, text: &str, at: Option<naga::SourceLocation>, message: String) -> Error {
    let file = at.map(|at| {
        let line = at.line_number as usize;
        let before = text.lines().take(line).enumerate();
        let marks = before.filter_map(|(i, line)| Some((i + 1, line.strip_prefix(crate::shaders::MARK)?)));
        let (start, file) = marks.last().unwrap_or((0, shader));
        format!("shaders/{file}.wgsl, line {}: ", line - start)
    });
    fault(shader, format!("{}{message}", file.unwrap_or_default()))
}
