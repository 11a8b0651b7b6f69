//! What is wrong with a shader, with the file and the line.

use crate::error::{Error, ShaderPlace};

/// What is wrong with a shader.
pub(super) fn fault(shader: &str, message: String) -> Error {
    Error::Shader { shader: shader.to_owned(), place: None, message }
}

/// What is wrong with a shader at a place in its text: names the file the line is in, and its number there. A text is joined from
/// several files, each after a line that names it; `folder` is where the first of them is.
pub(super) fn locate(folder: &str, shader: &str, text: &str, at: Option<naga::SourceLocation>, message: String) -> Error {
    let place = at.map(|at| {
        let line = at.line_number as usize;
        let before = text.lines().take(line).enumerate();
        let marks = before.filter_map(|(i, line)| Some((i + 1, line.strip_prefix(crate::shaders::MARK)?)));
        let (start, file) = match marks.last() {
            Some((start, part)) => (start, format!("shaders/{part}")),
            None => (0, format!("{folder}{shader}")),
        };
        ShaderPlace { file, line: (line - start) as u32, column: at.line_position }
    });
    Error::Shader { shader: shader.to_owned(), place, message }
}
