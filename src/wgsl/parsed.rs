//! What a shader needs and binds, read from its source with naga, which also says whether it is valid.

use super::binding::{Binding, BindingKind, Member, Reflected};
use super::errors::fault;
use super::opaque::OPAQUE;
use crate::error::{Error, Result, ShaderPlace};
use naga::Binding::BuiltIn as Builtin;
use naga::valid::{Capabilities, GlobalUse, ValidationFlags, Validator};
use naga::{AddressSpace, BuiltIn, Handle, Module, ShaderStage, StorageAccess, Type, TypeInner};

/// What a shader may use. `unpack2x16float` is WGSL without extensions, and every backend but some of OpenGL has it. Cooperative matrices are for
/// the files that ask for them, which only devices with the feature are given.
fn capabilities(source: &str) -> Capabilities {
    let plain = Capabilities::default() | Capabilities::SUBGROUP | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    match source.contains("\nenable wgpu_cooperative_matrix;") {
        true => plain | Capabilities::COOPERATIVE_MATRIX | Capabilities::SHADER_FLOAT16,
        false => plain,
    }
}

/// The compute entry points of a module, by name.
fn entry_points(module: &Module) -> String {
    let names: Vec<String> = module.entry_points.iter().map(|e| format!("`{}` ({:?})", e.name, e.stage)).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// A shader, parsed and validated.
pub(super) fn reflect_in(folder: &str, stem: &str, source: &str) -> Result<Reflected> {
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

/// What is wrong with a shader at a place in its text: names the file the line is in, and its number there. A text is joined from
/// several files, each after a line that names it; `folder` is where the first of them is.
fn locate(folder: &str, shader: &str, text: &str, at: Option<naga::SourceLocation>, message: String) -> Error {
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
