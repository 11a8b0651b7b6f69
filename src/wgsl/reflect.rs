//! What a shader needs and binds, read from its source: with naga, or in a browser off its declarations.

#[cfg(target_family = "wasm")]
use super::binding::BindingKind;
use super::binding::Reflected;
use super::errors::fault;
#[cfg(not(target_family = "wasm"))]
use super::parsed::reflect_in;
use crate::error::Result;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Parses and validates a shader and reads off its bindings, workgroup and uniform structs.
///
/// # Errors
/// [`Error::Shader`](crate::Error::Shader) if it does not parse or validate, has no compute entry point `main`, or binds something the convention does not know.
pub fn reflect(stem: &str, source: &str) -> Result<Reflected> {
    reflect_in("shaders/", stem, source)
}

/// The same of a text from outside the library, of which errors say so; a fault of the parser is an error too.
pub(crate) fn reflect_foreign(name: &str, source: &str) -> Result<Reflected> {
    let read = catch_unwind(AssertUnwindSafe(|| reflect_in("", name, source)));
    read.unwrap_or_else(|_| Err(fault(name, "naga, which reads WGSL, cannot read it".to_owned())))
}

/// What a browser is told of a shader are its declarations: whether it is valid its own compiler says.
#[cfg(target_family = "wasm")]
fn reflect_in(_folder: &str, stem: &str, source: &str) -> Result<Reflected> {
    let super::Declared { bindings, workgroup_size, workgroup_bytes, subgroup } = super::declared(stem, source)?;
    let members = |kind| bindings.iter().find(|b| b.kind == kind).map(|b| b.members.clone()).unwrap_or_default();
    let (params, scalars) = (members(BindingKind::Params), members(BindingKind::Scalars));
    Ok(Reflected { bindings, workgroup_size, workgroup_bytes, subgroup, params, scalars })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::wgsl::{BindingKind, EXAMPLE as FILE, specialise};

    #[test]
    fn reflection_reads_bindings_workgroup_and_structs() {
        let text = specialise("t", FILE, &[("TILE", 8), ("ROWS", 5), ("DEPTH", 3)], &[]).expect("specialises");
        let r = reflect("t", &text).expect("valid");
        let brief: Vec<_> = r.bindings.iter().map(|b| (b.number, b.name.as_str(), b.kind, b.used, b.measured, b.bytes)).collect();
        assert_eq!(
            brief,
            [
                (0, "in0", BindingKind::Input, true, false, 16),
                (1, "in1", BindingKind::Input, false, false, 4),
                (3, "out", BindingKind::Output, true, true, 4),
                (4, "params", BindingKind::Params, true, false, 24),
                (5, "scalars", BindingKind::Scalars, false, false, 4),
            ]
        );
        assert_eq!(r.workgroup_size, [8, 5, 1]);
        assert_eq!(r.invocations(), 40);
        assert_eq!(r.workgroup_bytes, 8 * 3 * 4 + 32, "two arrays, each rounded up to 16 bytes");
        let members: Vec<_> = r.params.iter().map(|m| (m.name.as_str(), m.offset, m.size)).collect();
        assert_eq!(members, [("n", 0, 4), ("scale", 8, 8), ("m", 16, 4)]);
        assert_eq!(r.scalars.len(), 1);
        assert_eq!(r.of(BindingKind::Input).map(|b| b.number).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn faults_of_a_shader_are_errors() {
        let bad = |text: &str| match reflect("t", text) {
            Err(Error::Shader { message, .. }) => message,
            other => panic!("{other:?}"),
        };
        assert!(bad("fn main() { return 1 }").contains("t.wgsl"));
        assert!(bad("fn f() -> u32 { return 1.5f; } @compute @workgroup_size(1) fn main() {}").contains("t.wgsl"));
        assert!(bad("fn main() {}").contains("no compute entry point"));
        assert!(
            bad("@group(1) @binding(0) var<storage, read> a: array<f32>; @compute @workgroup_size(1) fn main() { _ = a[0]; }")
                .contains("group 1")
        );
        assert!(
            bad("@group(0) @binding(0) var<uniform> par: vec4<f32>; @compute @workgroup_size(1) fn main() { _ = par; }")
                .contains("`par`")
        );
        assert!(bad("override N: u32; @compute @workgroup_size(N) fn main() { }").contains("overrides"));
    }
}
