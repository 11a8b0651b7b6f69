//! What a shader binds and needs, read off its declarations: for browsers, whose own compiler reads the rest and where naga would be a fifth of the program.
//!
//! Types, constants of integers and which functions `main` reaches are understood, and nothing else: whether the text is WGSL at all is left to the compiler.

use super::binding::{Binding, BindingKind, Member};
use super::errors::fault;
use super::tokens::{blank_comments, is_word, items, matching, skip_space, word};
use crate::error::Result;
use std::collections::{HashMap, HashSet};

/// Names that lead to names: longer chains are taken for circles.
const DEEPEST: u32 = 32;

/// What [`declared`] reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// All declared bindings, by number.
    pub bindings: Vec<Binding>,
    /// Invocations of a workgroup along each axis.
    pub workgroup_size: [u32; 3],
    /// Bytes of workgroup memory `main` uses.
    pub workgroup_bytes: u32,
    /// Whether `main` asks for its place in a subgroup.
    pub subgroup: bool,
}

/// A variable at module scope.
struct Variable<'a> {
    space: &'a str,
    writes: bool,
    name: &'a str,
    ty: &'a str,
    group: Option<&'a str>,
    number: Option<&'a str>,
}

/// A function: its attributes, what is between its brackets, and its body.
struct Function<'a> {
    attributes: &'a str,
    arguments: &'a str,
    body: &'a str,
}

/// The declarations of a module, by name.
#[derive(Default)]
struct Module<'a> {
    structs: HashMap<&'a str, &'a str>,
    aliases: HashMap<&'a str, &'a str>,
    constants: HashMap<&'a str, &'a str>,
    functions: HashMap<&'a str, Function<'a>>,
    variables: Vec<Variable<'a>>,
}

/// Bytes of a type, and what its place must be a multiple of. Of an array of run-time length, those of one element.
#[derive(Clone, Copy)]
struct Layout {
    size: u32,
    alignment: u32,
}

/// Reads a shader's declarations.
///
/// # Errors
/// [`Error::Shader`](crate::Error::Shader) if there is no compute entry point `main`, a size is not understood, or something is bound that the convention of
/// `shaders/` does not know.
pub fn declared(stem: &str, source: &str) -> Result<Declared> {
    let code = blank_comments(source);
    let code = std::str::from_utf8(&code).map_err(|_| fault(stem, "it is no text".to_owned()))?;
    Module::of(code).read().map_err(|message| fault(stem, message))
}

/// The value after `@name(` in a row of attributes.
fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = attributes;
    while let Some((_, after)) = rest.split_once('@') {
        let after = after.trim_start();
        let (found, _) = word(after.as_bytes(), 0)?;
        rest = &after[found.len()..];
        let open = skip_space(rest.as_bytes(), 0);
        if found != name {
            continue;
        }
        if rest.as_bytes().get(open) != Some(&b'(') {
            return Some("");
        }
        return rest.get(open + 1..matching(rest.as_bytes(), open)?);
    }
    None
}

/// The parts of a text between commas that are in no bracket; an empty last one is left out.
fn parts(text: &str) -> Vec<&str> {
    let (mut found, mut depth, mut from) = (vec![], 0, 0);
    for (i, b) in text.bytes().enumerate() {
        match b {
            b'(' | b'[' | b'<' => depth += 1,
            b')' | b']' | b'>' => depth -= 1,
            b',' if depth == 0 => {
                found.push(text[from..i].trim());
                from = i + 1;
            }
            _ => {}
        }
    }
    found.extend(Some(text[from..].trim()).filter(|last| !last.is_empty()));
    found
}

/// The words of a text that are not members of something, and are no numbers.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let code = text.as_bytes();
        while at < code.len() {
            let start = at;
            at += 1;
            if is_word(code[start]) {
                while at < code.len() && is_word(code[at]) {
                    at += 1;
                }
                let member = text[..start].trim_end().ends_with('.');
                if !member && !code[start].is_ascii_digit() {
                    return text.get(start..at);
                }
            }
        }
        None
    })
}

impl<'a> Module<'a> {
    fn of(code: &'a str) -> Module<'a> {
        let mut module = Module::default();
        for item in items(code.as_bytes()) {
            if let Some(text) = code.get(item) {
                module.enter(text);
            }
        }
        module
    }

    /// Enters a declaration; what is none is left out.
    fn enter(&mut self, text: &'a str) -> Option<()> {
        let start = super::tokens::after_attributes(text.as_bytes(), 0)?;
        let (attributes, rest) = text.split_at_checked(start)?;
        let (keyword, after) = word(rest.as_bytes(), 0)?;
        let rest = rest.get(after..)?.trim_start();
        match &*keyword {
            "struct" => {
                let (name, members) = rest.split_once('{')?;
                self.structs.insert(name.trim(), members.strip_suffix('}')?);
            }
            "alias" => {
                let (name, ty) = rest.split_once('=')?;
                self.aliases.insert(name.trim(), ty.trim_end_matches(';').trim());
            }
            "const" | "override" => {
                let (name, value) = rest.split_once('=').unwrap_or((rest.trim_end_matches(';'), ""));
                let name = name.split(':').next()?.trim();
                self.constants.insert(name, value.trim_end_matches(';').trim());
            }
            "fn" => {
                let open = rest.find('(')?;
                let close = matching(rest.as_bytes(), open)?;
                let body = close + rest[close..].find('{')?;
                let function = Function { attributes, arguments: &rest[open + 1..close], body: &rest[body..] };
                self.functions.insert(rest[..open].trim(), function);
            }
            "var" => {
                let (space, rest) = match rest.strip_prefix('<') {
                    Some(inner) => inner.split_once('>')?,
                    None => ("", rest),
                };
                let (name, ty) = rest.split_once(':')?;
                let ty = ty.trim_end_matches(';').split('=').next()?.trim();
                let mut space = space.split(',').map(str::trim);
                let (space, writes) = (space.next()?, space.next().is_some_and(|access| access != "read"));
                let [group, number] = ["group", "binding"].map(|name| attribute(attributes, name));
                self.variables.push(Variable { space, writes, name: name.trim(), ty, group, number });
            }
            _ => {}
        }
        Some(())
    }

    fn read(&self) -> Result<Declared, String> {
        let main = self.functions.get("main").filter(|main| attribute(main.attributes, "compute").is_some());
        let main = main.ok_or_else(|| "no compute entry point `main`".to_owned())?;
        let reached = self.reached("main");
        let used: HashSet<&str> = reached.iter().flat_map(|function| words(function.body)).collect();
        let mut bindings = vec![];
        for variable in &self.variables {
            if let (Some(number), Some(group)) = (variable.number, variable.group) {
                bindings.push(self.binding(variable, [group, number], &used, &reached)?);
            }
        }
        bindings.sort_by_key(|binding: &Binding| binding.number);
        if let Some(two) = bindings.windows(2).find(|two| two[0].number == two[1].number) {
            let [a, b] = [&two[0].name, &two[1].name];
            return Err(format!("`{a}` and `{b}` are both binding {}: each has a number of its own", two[0].number));
        }
        let mut workgroup_bytes = 0u32;
        for variable in self.variables.iter().filter(|v| v.space == "workgroup" && used.contains(v.name)) {
            workgroup_bytes = workgroup_bytes.saturating_add(self.layout(variable.ty, 0)?.size.next_multiple_of(16));
        }
        let mut workgroup_size = [1; 3];
        let sizes = attribute(main.attributes, "workgroup_size").unwrap_or_default();
        for (size, text) in workgroup_size.iter_mut().zip(parts(sizes)) {
            *size = self.count(text)?;
        }
        let subgroup = main.arguments.contains("subgroup_invocation_id");
        Ok(Declared { bindings, workgroup_size, workgroup_bytes, subgroup })
    }

    fn binding(
        &self,
        variable: &Variable<'_>,
        [group, number]: [&str; 2],
        used: &HashSet<&str>,
        reached: &[&Function<'_>],
    ) -> Result<Binding, String> {
        let Variable { space, writes, name, ty, .. } = *variable;
        if self.count(group)? != 0 {
            return Err(format!("`{name}` is in group {group}: only group 0 is used"));
        }
        let kind = match (space, name) {
            ("storage", _) if writes => BindingKind::Output,
            ("storage", _) => BindingKind::Input,
            ("uniform", "params") => BindingKind::Params,
            ("uniform", "scalars") => BindingKind::Scalars,
            _ => return Err(format!("`{name}` is neither a storage buffer nor the uniform `params` or `scalars`")),
        };
        let measured = reached.iter().any(|function| {
            let asked = function.body.match_indices("arrayLength").filter_map(|(at, _)| {
                let rest = function.body[at + "arrayLength".len()..].trim_start().strip_prefix('(')?;
                words(rest).next()
            });
            asked.into_iter().any(|asked| asked == name)
        });
        let bytes = self.layout(ty, 0)?.size;
        let members = match kind {
            BindingKind::Params | BindingKind::Scalars => self.members(ty)?,
            BindingKind::Input | BindingKind::Output => vec![],
        };
        let (number, used) = (self.count(number)?, used.contains(name));
        Ok(Binding { number, name: name.to_owned(), kind, used, measured, bytes, bound: bytes, members })
    }

    /// A function and all that it calls.
    fn reached(&self, name: &str) -> Vec<&Function<'a>> {
        let (mut found, mut seen, mut next) = (vec![], HashSet::new(), vec![name]);
        while let Some(name) = next.pop() {
            if let Some(function) = self.functions.get(name)
                && seen.insert(name)
            {
                found.push(function);
                next.extend(words(function.body));
            }
        }
        found
    }

    /// A type without the names that stand for it.
    fn named(&self, ty: &'a str) -> &'a str {
        let mut ty = ty;
        for _ in 0..DEEPEST {
            match self.aliases.get(ty) {
                Some(other) => ty = other,
                None => break,
            }
        }
        ty
    }

    /// The members of a struct, with their places; of another type none.
    fn members(&self, ty: &'a str) -> Result<Vec<Member>, String> {
        let Some(text) = self.structs.get(self.named(ty)) else { return Ok(vec![]) };
        Ok(self.laid_out(text, 0)?.0)
    }

    /// Members one after the other, and the layout of the whole.
    fn laid_out(&self, text: &'a str, depth: u32) -> Result<(Vec<Member>, Layout), String> {
        let (mut members, mut end, mut alignment) = (vec![], 0u32, 1);
        for part in parts(text) {
            let start = super::tokens::after_attributes(part.as_bytes(), 0).unwrap_or(0);
            let (attributes, rest) = part.split_at_checked(start).unwrap_or(("", part));
            let (name, ty) = rest.split_once(':').ok_or_else(|| format!("`{part}` is no member"))?;
            let layout = self.layout(ty.trim(), depth)?;
            let given = |name| attribute(attributes, name).map(|text| self.count(text)).transpose();
            let own = given("align")?.unwrap_or(layout.alignment).max(1);
            let offset = end.checked_next_multiple_of(own).ok_or("a struct is too large")?;
            let size = given("size")?.unwrap_or(layout.size);
            members.push(Member { name: name.trim().to_owned(), offset, size: layout.size });
            end = offset.checked_add(size).ok_or("a struct is too large")?;
            alignment = alignment.max(own);
        }
        let size = end.checked_next_multiple_of(alignment).ok_or("a struct is too large")?;
        Ok((members, Layout { size, alignment }))
    }

    fn layout(&self, ty: &'a str, depth: u32) -> Result<Layout, String> {
        let unknown = || format!("the size of `{ty}` is not understood");
        if depth > DEEPEST {
            return Err(unknown());
        }
        let ty = self.named(ty.trim());
        if let Some(members) = self.structs.get(ty) {
            return Ok(self.laid_out(members, depth + 1)?.1);
        }
        let (name, inside) = match ty.split_once('<') {
            Some((name, inside)) => (name.trim(), parts(inside.strip_suffix('>').ok_or_else(unknown)?)),
            None => (ty, vec![]),
        };
        let scalar = |short: &str| match short {
            "f" | "i" | "u" => Some(4),
            "h" => Some(2),
            _ => None,
        };
        // Columns of so many rows, by the name's digits.
        let vector = |rows: &str, bytes: u32| {
            let (size, alignment) = match rows {
                "2" => (2 * bytes, 2 * bytes),
                "3" => (3 * bytes, 4 * bytes),
                "4" => (4 * bytes, 4 * bytes),
                _ => return Err(unknown()),
            };
            Ok(Layout { size, alignment })
        };
        match (name, inside.as_slice()) {
            ("f32" | "i32" | "u32" | "bool", []) => Ok(Layout { size: 4, alignment: 4 }),
            ("f16", []) => Ok(Layout { size: 2, alignment: 2 }),
            ("atomic", [inner]) => self.layout(inner, depth + 1),
            ("array", [inner, count @ ..]) => {
                let element = self.layout(inner, depth + 1)?;
                let stride = element.size.checked_next_multiple_of(element.alignment).ok_or_else(unknown)?;
                let count = count.first().map_or(Ok(1), |count| self.count(count))?;
                Ok(Layout { size: stride.checked_mul(count).ok_or_else(unknown)?, ..element })
            }
            (_, [inner]) if name.starts_with("vec") => vector(&name[3..], self.layout(inner, depth + 1)?.size),
            (_, []) if name.starts_with("vec") && name.len() == 5 && name.is_ascii() => {
                vector(&name[3..4], scalar(&name[4..]).ok_or_else(unknown)?)
            }
            (_, inner) if name.starts_with("mat") && name.len() >= 6 && name.is_ascii() => {
                let bytes = match inner {
                    [inner] => self.layout(inner, depth + 1)?.size,
                    _ => scalar(&name[6..]).ok_or_else(unknown)?,
                };
                let column = vector(&name[5..6], bytes)?;
                let columns: u32 = name[3..4].parse().map_err(|_| unknown())?;
                Ok(Layout { size: columns * column.size.next_multiple_of(column.alignment), ..column })
            }
            _ => Err(unknown()),
        }
    }

    /// The value of a constant expression that counts something.
    fn count(&self, text: &str) -> Result<u32, String> {
        let value = Sum { module: self, rest: text, depth: 0 }.whole();
        value.and_then(|value| u32::try_from(value).ok()).ok_or_else(|| format!("the number `{text}` is not understood"))
    }
}

/// A constant expression of integers: sums, products, shifts, brackets, names, `min`, `max` and conversions.
struct Sum<'m, 't> {
    module: &'m Module<'m>,
    rest: &'t str,
    depth: u32,
}

impl Sum<'_, '_> {
    fn whole(mut self) -> Option<i64> {
        let value = self.sum()?;
        self.rest.trim().is_empty().then_some(value)
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn sum(&mut self) -> Option<i64> {
        let mut value = self.product()?;
        loop {
            value = if self.take("+") {
                value.checked_add(self.product()?)?
            } else if self.take("-") {
                value.checked_sub(self.product()?)?
            } else if self.take("<<") {
                value.checked_shl(u32::try_from(self.product()?).ok()?)?
            } else if self.take(">>") {
                value.checked_shr(u32::try_from(self.product()?).ok()?)?
            } else {
                return Some(value);
            };
        }
    }

    fn product(&mut self) -> Option<i64> {
        let mut value = self.one()?;
        loop {
            value = if self.take("*") {
                value.checked_mul(self.one()?)?
            } else if self.take("/") {
                value.checked_div(self.one()?)?
            } else if self.take("%") {
                value.checked_rem(self.one()?)?
            } else {
                return Some(value);
            };
        }
    }

    fn one(&mut self) -> Option<i64> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        if self.take("(") {
            let value = self.sum()?;
            return self.take(")").then(|| self.up(value));
        }
        let (found, length) = word(self.rest.trim_start().as_bytes(), 0)?;
        self.rest = &self.rest.trim_start()[length..];
        let value = match &*found {
            "u32" | "i32" if self.take("(") => self.sum().filter(|_| self.take(")"))?,
            "min" | "max" if self.take("(") => {
                let a = self.sum().filter(|_| self.take(","))?;
                let b = self.sum()?;
                self.take(",");
                if !self.take(")") {
                    return None;
                }
                if found == "min" { a.min(b) } else { a.max(b) }
            }
            number if number.starts_with(|c: char| c.is_ascii_digit()) => {
                let digits = number.trim_end_matches(['u', 'i']);
                match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
                    Some(hexadecimal) => i64::from_str_radix(hexadecimal, 16).ok()?,
                    None => digits.parse().ok()?,
                }
            }
            name => {
                let text = self.module.constants.get(name)?;
                Sum { module: self.module, rest: text, depth: self.depth }.whole()?
            }
        };
        Some(self.up(value))
    }

    /// Out of a bracket or a name again.
    fn up(&mut self, value: i64) -> i64 {
        self.depth -= 1;
        value
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn what_is_wrong_is_an_error() {
        let bad = |text: &str| match declared("t", text) {
            Err(Error::Shader { message, .. }) => message,
            other => panic!("{other:?}"),
        };
        let main = "@compute @workgroup_size(1) fn main() {}";
        assert!(bad("fn main() {}").contains("no compute entry point"));
        assert!(bad(&format!("@group(1) @binding(0) var<storage, read> a: array<f32>; {main}")).contains("group 1"));
        assert!(bad(&format!("@group(0) @binding(0) var<uniform> par: vec4<f32>; {main}")).contains("`par`"));
        let twice =
            "@group(0) @binding(2) var<storage, read> a: array<f32>; @group(0) @binding(2) var<storage, read> b: array<f32>;";
        assert!(bad(&format!("{twice} {main}")).contains("both binding 2"));
        assert!(bad("const N = M; const M = N; @compute @workgroup_size(N) fn main() {}").contains("`N` is not understood"));
        assert!(
            bad("alias A = B; alias B = A; var<workgroup> a: A; @compute @workgroup_size(1) fn main() { a = 1; }")
                .contains("not understood")
        );
        assert!(bad("override N: u32; @compute @workgroup_size(N) fn main() {}").contains("not understood"));
        let deep = format!("@compute @workgroup_size({}1{}) fn main() {{}}", "(".repeat(99_999), ")".repeat(99_999));
        assert!(bad(&deep).contains("not understood"));
    }

    #[test]
    fn sizes_are_those_of_the_language() {
        let text = "\
struct Inner { a: vec3<f32>, b: f32, c: mat3x2<f32> }
struct Params { n: u32, @align(16) m: array<vec3u, 2 * N>, @size(64) inner: Inner, last: vec2h }
alias Uniform = Params;
const N = max(1u, SIDE / 2u) << 1u;
const SIDE = 0x4;
@group(0) @binding(3) var<uniform> params: Uniform;
var<workgroup> seen: array<atomic<u32>, (N + 1) % 4>;
fn other() { seen[0] = params.n; }
fn helper() { let x = y.other; }
@compute @workgroup_size(N, SIDE - 1) fn main() { helper(); }";
        let found = declared("t", text).unwrap();
        assert_eq!((found.workgroup_size, found.workgroup_bytes, found.bindings[0].used), ([4, 3, 1], 0, false));
        let members: Vec<_> = found.bindings[0].members.iter().map(|m| (m.name.as_str(), m.offset, m.size)).collect();
        assert_eq!(members, [("n", 0, 4), ("m", 16, 128), ("inner", 144, 48), ("last", 208, 4)]);
        assert_eq!(found.bindings[0].bytes, 224);
        let found = declared("t", &text.replace("y.other", "other()")).unwrap();
        assert_eq!((found.workgroup_bytes, found.bindings[0].used), (16, true));
        // As naga has it.
        let naga = crate::wgsl::reflect(
            "t",
            &text.replace("vec2h", "vec2f").replace("seen[0] = params.n", "let z = params.n").replace("y.other", "1"),
        );
        assert_eq!(naga.unwrap().params[2].offset, 144);
    }
}
