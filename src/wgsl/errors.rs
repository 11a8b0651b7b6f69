//! What is wrong with a shader.

use crate::error::Error;

/// What is wrong with a shader.
pub(super) fn fault(shader: &str, message: String) -> Error {
    Error::Shader { shader: shader.to_owned(), place: None, message }
}
