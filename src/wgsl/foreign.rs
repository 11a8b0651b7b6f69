//! WGSL from outside the library: joined with the parts that it names, and specialised.

use super::errors::fault;
use super::specialise;
use crate::error::Result;
use crate::shaders;

/// The text of a kernel's file from outside, as it is compiled.
///
/// # Errors
/// [`Error::Shader`](crate::Error::Shader) for a part that is not there, or a name that is specialised and not declared.
pub(crate) fn foreign(
    name: &str,
    text: &str,
    consts: &[(&'static str, u32)],
    bodies: &[(&'static str, String)],
) -> Result<String> {
    let joined = joined(text).map_err(|message| fault(name, message))?;
    specialise(name, &joined, consts, bodies)
}

/// The text with the parts that it names after it; in words, a part that is not there, with the line.
fn joined(text: &str) -> Result<String, String> {
    for (number, line) in (1..).zip(text.lines()) {
        let known = |name: &str| shaders::parts().any(|part| part == name);
        if let Some(name) = shaders::uses(line).find(|name| !known(name)) {
            let general: Vec<&str> = shaders::parts().filter(|name| name.starts_with("shared/")).collect();
            let general = general.join(", ");
            return Err(format!("line {number}: `// use: {name}`: there is no such part; the general ones are {general}"));
        }
    }
    Ok(shaders::uses(text).fold(text.to_owned(), shaders::with_part))
}
