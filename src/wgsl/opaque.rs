//! Uniforms that a driver's compiler cannot turn into constants.
//!
//! Mesa's software adapter puts the numbers that alone decide a branch or bound a loop into the code, and compiles that anew: version 22.3 for each
//! dispatch whose code grew by it, as it does when loops are unrolled, later ones for each new number. Milliseconds, where the dispatch takes
//! microseconds. So there a uniform is declared twice, as an array of two, and the first is read, by an index that no compiler knows: the
//! workgroup's place along z, where every dispatch is one workgroup wide.

use super::tokens::{blank_comments, body_of, is_word};
use std::ops::Range;

/// How often an opaque uniform is declared.
pub const COPIES: u32 = 2;
/// What the names of an opaque uniform's struct begin with.
pub(super) const OPAQUE: &str = "Opaque_";
/// The private variable that holds the index.
const INDEX: &str = "opaque_first";

/// A shader file with its `params` and `scalars` opaque; as it is, if it has none, has no `main` that could be read, or enables an extension:
/// cooperative matrices want control flow that is uniform for all to see. What is not code stays, and so do the lines.
pub fn opaque_uniforms(source: &str) -> String {
    rewritten(source).unwrap_or_else(|| source.to_owned())
}

fn rewritten(source: &str) -> Option<String> {
    if source.contains("\nenable ") {
        return None;
    }
    let code = blank_comments(source);
    let mut edits: Vec<(Range<usize>, String)> = vec![];
    let mut structs = String::new();
    for name in ["params", "scalars"] {
        let Some(ty) = uniform_type(&code, name) else { continue };
        let declared = source[ty.clone()].trim();
        structs += &format!("\nstruct {OPAQUE}{name} {{ @align(16) inner: {declared} }}");
        edits.extend(uses(&code, name).map(|end| (end..end, format!("[{INDEX}].inner"))));
        edits.push((ty, format!(" array<{OPAQUE}{name}, {COPIES}>")));
    }
    if edits.is_empty() {
        return None;
    }
    let body = body_of(&code, "main").ok()?;
    let close = code[..body.start].iter().rposition(|&b| b == b')')?;
    let open = code[..body.start].windows(7).rposition(|w| w == b"fn main").map(|at| at + 7)?;
    let signature = std::str::from_utf8(&code[open..close]).ok()?;
    const PLACE: &str = "@builtin(workgroup_id)";
    let group = match signature.split_once(PLACE) {
        Some((_, after)) => after.split(':').next()?.trim().to_owned(),
        None => {
            let comma = if signature.trim_end().ends_with([',', '(']) { "" } else { ", " };
            edits.push((close..close, format!("{comma}{PLACE} opaque_group: vec3<u32>")));
            "opaque_group".to_owned()
        }
    };
    edits.push((body.start + 1..body.start + 1, format!(" {INDEX} = {group}.z;")));
    edits.sort_by_key(|(place, _)| place.start);
    let mut text = String::with_capacity(source.len() + 32 * edits.len());
    let mut at = 0;
    for (place, new) in edits {
        text += source.get(at..place.start)?;
        text += &new;
        at = place.end;
    }
    text += &source[at..];
    text += &structs;
    text += &format!("\nvar<private> {INDEX}: u32;\n");
    Some(text)
}

/// Where the type of a uniform variable is, from after its colon to its semicolon.
fn uniform_type(code: &[u8], name: &str) -> Option<Range<usize>> {
    const DECLARED: &[u8] = b"var<uniform>";
    let mut from = 0;
    while let Some(found) = code[from..].windows(DECLARED.len()).position(|w| w == DECLARED) {
        let start = from + found + DECLARED.len();
        let colon = start + code[start..].iter().position(|&b| b == b':')?;
        let end = colon + code[colon..].iter().position(|&b| b == b';')?;
        if code[start..colon].trim_ascii() == name.as_bytes() {
            return Some(colon + 1..end);
        }
        from = end;
    }
    None
}

/// Where a variable's name ends, wherever a member of it is read. Members and types of that name are others.
fn uses<'c>(code: &'c [u8], name: &'c str) -> impl Iterator<Item = usize> + 'c {
    let found = code.windows(name.len() + 1).enumerate();
    let read = found.filter(move |(_, w)| w.strip_prefix(name.as_bytes()).is_some_and(|after| after == b"."));
    let own = read.filter(|&(start, _)| !code[..start].last().is_some_and(|&b| is_word(b) || b == b'.'));
    own.map(move |(start, _)| start + name.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::wgsl::{BindingKind, reflect};

    const FILE: &str = "\
// params.n numbers
struct Params { n: u32, params: vec2<f32> }
struct Scalars { v: f32 }
@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> scalars : Scalars ;
fn term(i: u32) -> f32 { return params.params[i % 2u] * scalars.v; }
@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) { // params
    for (var i = 0u; i < params.n; i++) { out[id.x] += term(i); }
}
";

    #[test]
    fn uniforms_are_read_by_an_index() {
        let text = opaque_uniforms(FILE);
        assert_eq!(
            text,
            "\
// params.n numbers
struct Params { n: u32, params: vec2<f32> }
struct Scalars { v: f32 }
@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@group(0) @binding(1) var<uniform> params: array<Opaque_params, 2>;
@group(0) @binding(2) var<uniform> scalars : array<Opaque_scalars, 2>;
fn term(i: u32) -> f32 { return params[opaque_first].inner.params[i % 2u] * scalars[opaque_first].inner.v; }
@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) opaque_group: vec3<u32>) { opaque_first = opaque_group.z; // params
    for (var i = 0u; i < params[opaque_first].inner.n; i++) { out[id.x] += term(i); }
}

struct Opaque_params { @align(16) inner: Params }
struct Opaque_scalars { @align(16) inner: Scalars }
var<private> opaque_first: u32;
"
        );
        // What is read off is the struct inside; what is bound is both copies.
        let (plain, opaque) = (reflect("t", FILE).unwrap(), reflect("t", &text).unwrap());
        assert_eq!((&plain.params, &plain.scalars), (&opaque.params, &opaque.scalars));
        let bytes = |of: &crate::wgsl::Reflected, kind| of.of(kind).map(|b| (b.bytes, b.bound)).next().unwrap();
        assert_eq!((bytes(&plain, BindingKind::Params), bytes(&opaque, BindingKind::Params)), ((16, 16), (16, 32)));
        assert_eq!((bytes(&plain, BindingKind::Scalars), bytes(&opaque, BindingKind::Scalars)), ((4, 4), (4, 32)));
    }

    #[test]
    fn a_main_that_has_its_place_keeps_it_and_files_without_uniforms_stay() {
        let with = FILE.replace("id: vec3<u32>)", "id: vec3<u32>, @builtin(workgroup_id) at : vec3<u32>,)");
        let text = opaque_uniforms(&with);
        assert!(text.contains("opaque_first = at.z;") && !text.contains("opaque_group"), "{text}");
        reflect("t", &text).unwrap();
        let comma = opaque_uniforms(&FILE.replace("id: vec3<u32>)", "id: vec3<u32>,)"));
        reflect("t", &comma).unwrap();
        let none = "@group(0) @binding(0) var<storage, read_write> out: array<f32>;\n@compute @workgroup_size(1) fn main() { out[0] = 1.0; }";
        assert_eq!(opaque_uniforms(none), none);
        let bare = opaque_uniforms(&FILE.replace("@builtin(global_invocation_id) id: vec3<u32>", "").replace("id.x", "0"));
        reflect("t", &bare).unwrap();
    }
}
