//! What a shader needs and binds, read from its source: with naga, or in a browser off its declarations.

use super::errors::fault;
#[cfg(not(target_family = "wasm"))]
use super::parsed::reflect_in;
use crate::error::Result;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a binding is for, by the convention of `shaders/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindingKind {
    /// `var<storage, read>`: a buffer read.
    Input,
    /// `var<storage, read_write>`: a buffer written.
    Output,
    /// `var<uniform> params`: the kernel's shapes and strides.
    Params,
    /// `var<uniform> scalars`: numbers that change from run to run.
    Scalars,
}

/// One binding of a shader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its number in group 0.
    pub number: u32,
    /// The variable's name.
    pub name: String,
    /// What it is for.
    pub kind: BindingKind,
    /// Whether `main` uses it. A binding that is not used needs no buffer.
    pub used: bool,
    /// Whether `main` asks for its `arrayLength`.
    pub measured: bool,
    /// Bytes of the variable's type; for an array of run-time length, those of one element: the least that may be bound.
    pub bytes: u32,
    /// For a uniform, the bytes that must be bound: more than `bytes` if it is opaque (see [`opaque`](super::opaque)).
    pub bound: u32,
    /// The members of its struct; empty for a storage buffer.
    pub members: Vec<Member>,
}

/// A member of the `Params` or `Scalars` struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Bytes before it.
    pub offset: u32,
    /// Its size in bytes.
    pub size: u32,
}

impl Member {
    /// Whether it is an array, which may be given in part: anything longer than a vector.
    pub fn is_array(&self) -> bool {
        self.size > 16
    }
}

/// What a shader needs and binds, read from its source.
#[derive(Clone, Debug)]
pub struct Reflected {
    /// All declared bindings, by number.
    pub bindings: Vec<Binding>,
    /// Invocations of a workgroup along each axis.
    pub workgroup_size: [u32; 3],
    /// Bytes of workgroup memory `main` uses.
    pub workgroup_bytes: u32,
    /// Whether `main` asks for its place in a subgroup: then a workgroup must be one subgroup, whole.
    pub subgroup: bool,
    /// Members of the `params` struct; empty if there is none.
    pub params: Vec<Member>,
    /// Members of the `scalars` struct; empty if there is none.
    pub scalars: Vec<Member>,
    /// The parsed module, so that a device need not parse again.
    #[cfg(not(target_family = "wasm"))]
    pub module: naga::Module,
    /// What the validator found out.
    #[cfg(not(target_family = "wasm"))]
    pub info: naga::valid::ModuleInfo,
}

impl Reflected {
    /// Declared bindings of one kind, by number: the k-th input is the k-th of these.
    pub fn of(&self, kind: BindingKind) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(move |b| b.kind == kind)
    }

    /// Invocations of a workgroup.
    pub fn invocations(&self) -> u32 {
        self.workgroup_size.iter().product()
    }
}

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
    use crate::wgsl::{EXAMPLE as FILE, specialise};

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
