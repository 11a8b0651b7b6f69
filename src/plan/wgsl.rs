//! Shader files: give values to consts and overrides, replace a named function, and read off what a file binds.

use super::hide::HIDDEN;
use super::{Error, Result};
use crate::shaders::MATH;
use naga::Binding::BuiltIn as Builtin;
use naga::valid::{Capabilities, GlobalUse, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, BuiltIn, Handle, Module, ShaderStage, StorageAccess, Type, TypeInner};
use std::ops::Range;
use std::sync::LazyLock;

/// Specialises a shader file: sets `const NAME: u32` or `override NAME: u32` at module scope, and replaces the bodies (braces included) of
/// named functions. Everything else, comments too, stays as it lies in the file. If a new body calls a function of `math.wgsl`, that file
/// is appended.
///
/// # Errors
/// [`Error::Shader`] if a name is not declared in the file in that form, or a body is not in braces.
pub fn specialise(stem: &str, source: &str, consts: &[(&'static str, u32)], bodies: &[(&'static str, String)]) -> Result<String> {
    let code = blank_comments(source);
    let mut edits: Vec<(Range<usize>, String)> = Vec::with_capacity(consts.len() + bodies.len());
    for &(name, value) in consts {
        let place = value_of(&code, name).map_err(|message| fault(stem, message))?;
        edits.push((place, format!(" = {value}u")));
    }
    for (name, body) in bodies {
        let text = body.trim();
        if !(text.starts_with('{') && text.ends_with('}')) {
            return Err(fault(stem, format!("the new body of `{name}` is not in braces: {text}")));
        }
        let place = body_of(&code, name).map_err(|message| fault(stem, message))?;
        edits.push((place, text.to_owned()));
    }
    edits.sort_by_key(|(place, _)| place.start);
    let mut result = String::with_capacity(source.len() + 64);
    let mut at = 0;
    for (place, text) in edits {
        if place.start < at {
            return Err(fault(stem, "a name is specialised twice".to_owned()));
        }
        result.push_str(&source[at..place.start]);
        result.push_str(&text);
        at = place.end;
    }
    result.push_str(&source[at..]);
    if bodies.iter().any(|(_, body)| calls_math(body)) {
        result.push_str(MATH);
    }
    Ok(result)
}

/// Whether a body calls a function of `math.wgsl`.
fn calls_math(body: &str) -> bool {
    static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| {
        let lines = MATH.lines().filter_map(|line| line.strip_prefix("fn "));
        lines.filter_map(|line| line.split('(').next()).collect()
    });
    let code = blank_comments(body);
    let mut start = None;
    for (i, &b) in code.iter().enumerate() {
        match (is_word(b), start) {
            (true, None) => start = Some(i),
            (false, Some(from)) => {
                if b == b'(' && NAMES.iter().any(|name| name.as_bytes() == &code[from..i]) {
                    return true;
                }
                start = None;
            }
            _ => {}
        }
    }
    false
}

pub(super) fn is_word(b: u8) -> bool {
    b == b'_' || b.is_ascii_alphanumeric() || b >= 0x80
}

fn fault(stem: &str, message: String) -> Error {
    Error::Shader { shader: stem.to_owned(), message }
}

/// The source with comments turned into spaces, byte for byte, so that positions stay the same. WGSL block comments nest.
pub(super) fn blank_comments(source: &str) -> Vec<u8> {
    let mut code = source.as_bytes().to_vec();
    let (mut i, mut depth) = (0, 0usize);
    while i < code.len() {
        match (depth, code[i], code.get(i + 1).copied()) {
            (0, b'/', Some(b'/')) => {
                while i < code.len() && code[i] != b'\n' {
                    code[i] = b' ';
                    i += 1;
                }
            }
            (_, b'/', Some(b'*')) => {
                depth += 1;
                code[i..i + 2].fill(b' ');
                i += 2;
            }
            (1.., b'*', Some(b'/')) => {
                depth -= 1;
                code[i..i + 2].fill(b' ');
                i += 2;
            }
            (0, _, _) => i += 1,
            _ => {
                if code[i] != b'\n' {
                    code[i] = b' ';
                }
                i += 1;
            }
        }
    }
    code
}

/// Positions after each `keyword name` at module scope, with the keyword found there.
fn declarations<'k>(code: &[u8], keywords: &[&'k str], name: &str) -> Vec<(&'k str, usize)> {
    let (mut found, mut depth, mut i) = (vec![], 0i64, 0);
    let mut previous: &[u8] = b"";
    while i < code.len() {
        if is_word(code[i]) {
            let start = i;
            while i < code.len() && is_word(code[i]) {
                i += 1;
            }
            let this = &code[start..i];
            if depth == 0 && this == name.as_bytes() {
                found.extend(keywords.iter().filter(|k| k.as_bytes() == previous).map(|&k| (k, i)));
            }
            previous = this;
        } else {
            match code[i] {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            if !code[i].is_ascii_whitespace() {
                previous = b"";
            }
            i += 1;
        }
    }
    found
}

/// Where the ` = value` of a u32 constant lies; empty, before the semicolon, for an override without a value.
fn value_of(code: &[u8], name: &str) -> Result<Range<usize>, String> {
    let [(keyword, after)] = declarations(code, &["const", "override"], name)[..] else {
        return Err(format!("no `const {name}: u32` or `override {name}: u32` at module scope"));
    };
    let end = code[after..].iter().position(|&b| b == b';').map(|n| after + n);
    let end = end.ok_or_else(|| format!("`{keyword} {name}` has no semicolon"))?;
    let equals = code[after..end].iter().position(|&b| b == b'=').map_or(end, |n| after + n);
    let declared: String = code[after..equals].iter().map(|&b| char::from(b)).filter(|c| !c.is_whitespace()).collect();
    if declared != ":u32" {
        return Err(format!("`{keyword} {name}` is not declared `: u32`"));
    }
    let mut start = equals;
    while code[start - 1].is_ascii_whitespace() {
        start -= 1;
    }
    Ok(start..end)
}

/// Where the body of a function lies, braces included.
pub(super) fn body_of(code: &[u8], name: &str) -> Result<Range<usize>, String> {
    let [(_, after)] = declarations(code, &["fn"], name)[..] else {
        return Err(format!("no `fn {name}` at module scope"));
    };
    let open = code[after..].iter().position(|&b| b == b'{').map(|n| after + n);
    let open = open.ok_or_else(|| format!("`fn {name}` has no body"))?;
    let mut depth = 0;
    for (i, &b) in code.iter().enumerate().skip(open) {
        match b {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Ok(open..i + 1),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    Err(format!("the body of `fn {name}` does not end"))
}

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
    /// For a uniform, the bytes that must be bound: more than `bytes` if it is hidden (see [`hide`](super::hide)).
    pub bound: u32,
    /// The members of its struct, and where each starts, in bytes; empty for a storage buffer.
    pub members: Vec<(String, u32)>,
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
/// [`Error::Shader`] if it does not parse or validate, has no compute entry point `main`, or binds something the convention does not know.
pub fn reflect(stem: &str, source: &str) -> Result<Reflected> {
    let path = format!("{stem}.wgsl");
    let module = naga::front::wgsl::parse_str(source).map_err(|e| fault(stem, e.emit_to_string_with_path(source, &path)))?;
    let info = Validator::new(ValidationFlags::all(), capabilities(source))
        .validate(&module)
        .map_err(|e| fault(stem, e.emit_to_string_with_path(source, &path)))?;
    let main = |module: &Module| module.entry_points.iter().position(|e| e.name == "main" && e.stage == ShaderStage::Compute);
    let entry = main(&module).ok_or_else(|| fault(stem, "no compute entry point `main`".to_owned()))?;

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
        let inner = unhidden(&module, variable.ty);
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
            starts = of.iter().map(|m| (m.name.clone(), m.offset)).collect();
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

    // Sizes of workgroups and their memory may hang on overrides, which become constants here.
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

/// The type inside a hidden uniform; of others, their own.
fn unhidden(module: &Module, ty: Handle<Type>) -> Handle<Type> {
    let TypeInner::Array { base, .. } = module.types[ty].inner else { return ty };
    match &module.types[base] {
        Type { name: Some(name), inner: TypeInner::Struct { members, .. } } if name.starts_with(HIDDEN) => members[0].ty,
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

    const FILE: &str = "\
// const TILE: u32 = 1u; fn epilogue() { } — a comment, with a brace: {
/* fn epilogue(v: f32) -> f32 { /* nested */ return 0.0; } */
struct Params { n: u32, scale: vec2<f32>, m: u32 }
struct Scalars { rate: f32 }
@group(0) @binding(5) var<uniform> scalars: Scalars;
@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;
const TILE: u32 = 4u;
@id(1) override ROWS : u32=2u;
override DEPTH: u32;
var<workgroup> tile: array<f32, TILE * 3u>;
var<workgroup> more: array<f32, ROWS>;
fn epilogue(v: f32) -> f32 { if (v < 0.0) { return v; /* } */ } return v + 1.0; }
fn TILES() -> u32 { let TILE = 9u; return TILE; }
@compute @workgroup_size(TILE, ROWS) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    tile[id.x % TILE] = in0[id.x].x; // main() }
    more[0] = f32(DEPTH);
    workgroupBarrier();
    if (id.x < params.n && arrayLength(&out) > 0u) { out[id.x] = epilogue(tile[0] + more[0] + f32(TILES())); }
}
";

    #[test]
    fn consts_and_bodies_are_replaced_where_they_are_declared() {
        let bodies = [("epilogue", "{ return max(v, 0.0); }".to_owned())];
        let text = specialise("t", FILE, &[("TILE", 8), ("ROWS", 1), ("DEPTH", 3)], &bodies).expect("specialises");
        assert!(
            text.contains("\nconst TILE: u32 = 8u;\n@id(1) override ROWS : u32 = 1u;\noverride DEPTH: u32 = 3u;\n"),
            "{text}"
        );
        assert!(
            text.contains(
                "\nfn epilogue(v: f32) -> f32 { return max(v, 0.0); }\nfn TILES() -> u32 { let TILE = 9u; return TILE; }\n"
            ),
            "{text}"
        );
        assert!(text.starts_with("// const TILE: u32 = 1u; fn epilogue() { } — a comment"), "{text}");
        assert_eq!(specialise("t", FILE, &[], &[]).expect("nothing to do"), FILE);
    }

    #[test]
    fn math_comes_with_a_body_that_calls_it() {
        let with = |body: &str| specialise("t", FILE, &[], &[("epilogue", body.to_owned())]).expect("specialises");
        for body in ["{ return tanh_(v); }", "{ return 1.0 + exp_(v); }", "{\n    if is_nan(v) { return v; }\n    return 0.0;\n}"]
        {
            let text = with(body);
            assert!(text.ends_with(MATH), "{text}");
            reflect("t", &text.replace("override DEPTH: u32", "const DEPTH: u32 = 1u")).expect("valid");
        }
        // Built-in functions, longer names and comments are none of its.
        for body in ["{ return max(v, 0.0); }", "{ let exp_ = v; return exp_; }", "{ return v; /* exp_(v) */ }"] {
            assert!(!with(body).contains("fn exp_("));
        }
        assert!(!specialise("t", FILE, &[("TILE", 8)], &[]).expect("specialises").contains("fn exp_("));
    }

    #[test]
    fn names_that_are_not_there_are_errors() {
        let bad = |consts: &[(&'static str, u32)], bodies: &[(&'static str, String)]| match specialise("t", FILE, consts, bodies)
        {
            Err(Error::Shader { shader, message }) => format!("{shader}: {message}"),
            other => panic!("{other:?}"),
        };
        assert!(bad(&[("tile", 1)], &[]).contains("no `const tile: u32`"));
        assert!(bad(&[("TIL", 1)], &[]).contains("no `const TIL: u32`"));
        assert!(bad(&[("epilogue", 1)], &[]).contains("no `const epilogue"));
        assert!(bad(&[], &[("TILE", "{}".to_owned())]).contains("no `fn TILE`"));
        assert!(bad(&[], &[("epilogue", "return v;".to_owned())]).contains("not in braces"));
        assert!(bad(&[("TILE", 1), ("TILE", 2)], &[]).contains("twice"));
        let float = specialise("t", "const A: f32 = 1.0;", &[("A", 1)], &[]);
        assert!(matches!(float, Err(Error::Shader { message, .. }) if message.contains("not declared `: u32`")));
    }

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
