//! What a shader needs and binds, read from its source with naga.

use super::errors::{fault, locate};
use super::opaque::OPAQUE;
use crate::error::Result;
use naga::Binding::BuiltIn as Builtin;
use naga::valid::{Capabilities, GlobalUse, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, BuiltIn, Handle, Module, ShaderStage, StorageAccess, Type, TypeInner};
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
    pub module: Module,
    /// What the validator found out.
    pub info: ModuleInfo,
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

/// What a shader may use. `unpack2x16float` is WGSL without extensions, and every backend but some of OpenGL has it. Cooperative matrices are for
/// the files that ask for them, which only devices with the feature are given.
fn capabilities(source: &str) -> Capabilities {
    let plain = Capabilities::default() | Capabilities::SUBGROUP | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    match source.contains("\nenable wgpu_cooperative_matrix;") {
        true => plain | Capabilities::COOPERATIVE_MATRIX | Capabilities::SHADER_FLOAT16,
        false => plain,
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

/// The compute entry points of a module, by name.
fn entry_points(module: &Module) -> String {
    let names: Vec<String> = module.entry_points.iter().map(|e| format!("`{}` ({:?})", e.name, e.stage)).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn reflect_in(folder: &str, stem: &str, source: &str) -> Result<Reflected> {
    let path = format!("{stem}.wgsl");
    let module = naga::front::wgsl::parse_str(source)
        .map_err(|e| locate(folder, stem, source, e.location(source), e.emit_to_string_with_path(source, &path)))?;
    let info = Validator::new(ValidationFlags::all(), capabilities(source))
        .validate(&module)
        .map_err(|e| locate(folder, stem, source, e.location(source), e.emit_to_string_with_path(source, &path)))?;
    let main = |module: &Module| module.entry_points.iter().position(|e| e.name == "main" && e.stage == ShaderStage::Compute);
    let entry = main(&module)
        .ok_or_else(|| fault(stem, format!("no compute entry point `main`; entry points: {}", entry_points(&module))))?;

    let layout = layouter(stem, &module)?;
    let mut bindings = vec![];
    let (mut params, mut scalars) = (vec![], vec![]);
    for (handle, variable) in module.global_variables.iter() {
        let Some(binding) = variable.binding else { continue };
        let name = variable.name.clone().unwrap_or_default();
        if binding.group != 0 {
            return Err(fault(stem, format!("`{name}` is in group {}: only group 0 is used", binding.group)));
        }
        let kind = match (variable.space, name.as_str()) {
            (AddressSpace::Storage { access }, _) if access.contains(StorageAccess::STORE) => BindingKind::Output,
            (AddressSpace::Storage { .. }, _) => BindingKind::Input,
            (AddressSpace::Uniform, "params") => BindingKind::Params,
            (AddressSpace::Uniform, "scalars") => BindingKind::Scalars,
            _ => return Err(fault(stem, format!("`{name}` is neither a storage buffer nor the uniform `params` or `scalars`"))),
        };
        let inner = inner_type(&module, variable.ty);
        let members = match &module.types[inner].inner {
            TypeInner::Struct { members, .. } => members.as_slice(),
            _ => &[],
        };
        let members = members.iter().map(|m| Member {
            name: m.name.clone().unwrap_or_default(),
            offset: m.offset,
            size: layout[m.ty].size,
        });
        let mut starts = vec![];
        match kind {
            BindingKind::Params => params = members.collect(),
            BindingKind::Scalars => scalars = members.collect(),
            BindingKind::Input | BindingKind::Output => {}
        }
        if let BindingKind::Params | BindingKind::Scalars = kind {
            let of = if kind == BindingKind::Params { &params } else { &scalars };
            starts = of.clone();
        }
        let uses = info.get_entry_point(entry)[handle];
        bindings.push(Binding {
            number: binding.binding,
            name,
            kind,
            used: !uses.is_empty(),
            measured: uses.contains(GlobalUse::QUERY),
            bytes: layout[inner].size,
            bound: layout[variable.ty].size,
            members: starts,
        });
    }
    bindings.sort_by_key(|b| b.number);
    if let Some(two) = bindings.windows(2).find(|two| two[0].number == two[1].number) {
        let [a, b] = [&two[0].name, &two[1].name];
        return Err(fault(stem, format!("`{a}` and `{b}` are both binding {}: each has a number of its own", two[0].number)));
    }

    // Sizes of workgroups and their memory may depend on overrides, which become constants here.
    let (fixed, fixed_info) = naga::back::pipeline_constants::process_overrides(
        &module,
        &info,
        Some((ShaderStage::Compute, "main")),
        &Default::default(),
    )
    .map_err(|e| fault(stem, format!("overrides: {e}")))?;
    let fixed_entry = main(&fixed).ok_or_else(|| fault(stem, "no compute entry point `main`".to_owned()))?;
    let layout = layouter(stem, &fixed)?;
    let workgroup_bytes = fixed
        .global_variables
        .iter()
        .filter(|(handle, v)| v.space == AddressSpace::WorkGroup && !fixed_info.get_entry_point(fixed_entry)[*handle].is_empty())
        .map(|(_, v)| layout[v.ty].size.next_multiple_of(16))
        .sum();
    let workgroup_size = fixed.entry_points[fixed_entry].workgroup_size;
    let place = Some(Builtin(BuiltIn::SubgroupInvocationId));
    let subgroup = fixed.entry_points[fixed_entry].function.arguments.iter().any(|a| a.binding == place);
    drop((fixed, fixed_info));
    Ok(Reflected { bindings, workgroup_size, workgroup_bytes, subgroup, params, scalars, module, info })
}

/// The type inside an opaque uniform; of others, their own.
fn inner_type(module: &Module, ty: Handle<Type>) -> Handle<Type> {
    let TypeInner::Array { base, .. } = module.types[ty].inner else { return ty };
    match &module.types[base] {
        Type { name: Some(name), inner: TypeInner::Struct { members, .. } } if name.starts_with(OPAQUE) => members[0].ty,
        _ => ty,
    }
}

fn layouter(stem: &str, module: &Module) -> Result<naga::proc::Layouter> {
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).map_err(|e| fault(stem, format!("layout: {e}")))?;
    Ok(layouter)
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
