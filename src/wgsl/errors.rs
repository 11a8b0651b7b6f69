//! What is wrong with a shader, with the file and the line.

use crate::error::Error;

/// What is wrong with a shader.
pub(super) fn fault(shader: &str, message: String) -> Error {
    Error::Shader { shader: shader.to_owned(), message }
}

/// What is wrong with a shader at a place in its text: names the file the line is in, and its number there. A text is joined from
/// several files, each after a line that names it.
pub(super) fn locate(shader: &str, text: &str, at: Option<naga::SourceLocation>, message: String) -> Error {
    let file = at.map(|at| {
        let line = at.line_number as usize;
        let before = text.lines().take(line).enumerate();
        let marks = before.filter_map(|(i, line)| Some((i + 1, line.strip_prefix(crate::shaders::MARK)?)));
        let (start, file) = marks.last().unwrap_or((0, shader));
        format!("shaders/{file}.wgsl, line {}: ", line - start)
    });
    fault(shader, format!("{}{message}", file.unwrap_or_default()))
}
