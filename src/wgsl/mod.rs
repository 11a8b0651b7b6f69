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
    let file = at.and_then(|at| {
        let before = text.lines().take(at.line_number as usize).enumerate();
        let marks = before.filter_map(|(i, line)| Some((i, line.strip_prefix(crate::shaders::MARK)?)));
        let (start, file) = marks.last()?;
        Some(format!("shaders/{file}.wgsl, line {}: ", at.line_number as usize - start - 1))
    });
    fault(shader, format!("{}{message}", file.unwrap_or_default()))
}
