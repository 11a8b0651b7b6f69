//! Several small kernels as one: their files in one module, run in turn by a single workgroup.
//!
//! Beside values for constants and bodies for functions this is the third and last thing that is done to a shader file. Names of the k-th file
//! get the prefix `k0_`, `k1_`, …; its buffers become functions that read and write words of buffers which all files share, because two variables
//! for one buffer would let a compiler believe that a write to one does not change the other; its entry point becomes a function that is
//! called for every invocation it would have had. A barrier stands between one kernel and the next.

use super::tokens::{after_attributes, blank_comments, is_word, items, matching, skip_space, word};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::ops::Range;

/// A kernel to be merged with others.
pub struct Part<'a> {
    /// Its file, specialised.
    pub source: &'a str,
    /// Invocations of a workgroup along each axis.
    pub workgroup_size: [u32; 3],
    /// Workgroups along each axis.
    pub groups: [u32; 3],
    /// For each storage variable that is used: the number of the shared buffer, and where in it the variable starts, in words.
    pub buffers: Vec<(&'a str, usize, usize)>,
}

/// One module whose `main` does the work of all parts in order, in one workgroup of so many invocations, on so many buffers (bindings 0, 1, …);
/// the parts' `params` and `scalars` are members `k0`, `k1`, … of its own, in the two bindings after them. `None` if a file does what has no
/// counterpart here: workgroup memory, atomics, pointers to elements of buffers.
pub fn merge(parts: &[Part<'_>], buffers: usize, invocations: u32) -> Option<String> {
    let mut files = String::new();
    let (mut params, mut scalars, mut main) = (String::new(), String::new(), String::new());
    for (number, part) in parts.iter().enumerate() {
        let file = File::read(part, number)?;
        files += &file.written()?;
        if let Some(ty) = &file.params {
            let _ = writeln!(params, "    @align(16) k{number}: k{number}_{ty},");
        }
        if let Some(ty) = &file.scalars {
            let _ = writeln!(scalars, "    @align(16) k{number}: k{number}_{ty},");
        }
        let total =
            u64::from(part.workgroup_size.iter().product::<u32>()) * part.groups.iter().map(|&g| u64::from(g)).product::<u64>();
        let total = u32::try_from(total).ok().filter(|&total| total <= u32::MAX - invocations)?;
        if number > 0 {
            main += "    storageBarrier();\n";
        }
        let _ = if total <= invocations {
            writeln!(main, "    if lane < {total}u {{ k{number}_call(lane); }}")
        } else {
            // Whole rounds first: the loop is the same for all invocations.
            writeln!(
                main,
                "    for (var first = 0u; first < {total}u; first += {invocations}u) {{\n        if first + lane < {total}u {{ \
                 k{number}_call(first + lane); }}\n    }}"
            )
        };
    }
    let mut text = String::from("// Small kernels of a plan, one after the other in one workgroup.\n\n");
    for (name, members, binding) in [("Params", &params, buffers), ("Scalars", &scalars, buffers + 1)] {
        if !members.is_empty() {
            let variable = name.to_lowercase();
            let _ =
                writeln!(text, "struct {name} {{\n{members}}}\n@group(0) @binding({binding}) var<uniform> {variable}: {name};");
        }
    }
    for buffer in 0..buffers {
        let _ = writeln!(text, "@group(0) @binding({buffer}) var<storage, read_write> buffer{buffer}: array<u32>;");
    }
    let _ = write!(
        text,
        "\n{files}@compute @workgroup_size({invocations})\nfn main(@builtin(local_invocation_index) lane: u32) {{\n{main}}}\n"
    );
    Some(text)
}

/// A file taken apart.
struct File<'a> {
    part: &'a Part<'a>,
    prefix: String,
    code: Vec<u8>,
    /// Items that stay, by where they start after their attributes.
    items: Vec<Range<usize>>,
    /// Names declared at module scope that stay.
    names: HashSet<String>,
    /// Storage variables and the type of their elements.
    buffers: HashMap<String, String>,
    /// Names of other types, with what they stand for.
    aliases: HashMap<String, String>,
    params: Option<String>,
    scalars: Option<String>,
    /// Header and body of `main`.
    main: Range<usize>,
}

impl<'a> File<'a> {
    fn read(part: &'a Part<'a>, number: usize) -> Option<File<'a>> {
        let code = blank_comments(part.source);
        let mut file = File {
            part,
            prefix: format!("k{number}_"),
            items: vec![],
            names: HashSet::new(),
            buffers: HashMap::new(),
            aliases: HashMap::new(),
            params: None,
            scalars: None,
            main: 0..0,
            code: vec![],
        };
        for item in items(&code) {
            let start = after_attributes(&code, item.start)?;
            let (keyword, after) = word(&code, start)?;
            let colon = || code[start..item.end].iter().position(|&b| b == b':').map(|n| start + n);
            match keyword.as_str() {
                "fn" | "struct" | "const" | "override" | "alias" => {
                    let (name, end) = word(&code, skip_space(&code, after))?;
                    if keyword == "alias" {
                        let ty = std::str::from_utf8(&code[end..item.end - 1]).ok()?.trim().strip_prefix('=')?.trim();
                        file.aliases.insert(name.clone(), ty.to_owned());
                    }
                    if name == "main" {
                        file.main = start..item.end;
                    } else {
                        file.names.insert(name);
                        file.items.push(start..item.end);
                    }
                }
                "var" => {
                    let open = skip_space(&code, after);
                    let close = code[open..].iter().position(|&b| b == b'>').map(|n| open + n)?;
                    let space = std::str::from_utf8(code.get(open + 1..close)?).ok()?.split(',').next()?.trim();
                    let (name, _) = word(&code, skip_space(&code, close + 1))?;
                    let ty = std::str::from_utf8(&code[colon()? + 1..item.end - 1]).ok()?.trim().to_owned();
                    match (space, name.as_str()) {
                        ("uniform", "params") => file.params = Some(ty),
                        ("uniform", "scalars") => file.scalars = Some(ty),
                        ("storage", _) => {
                            let element = ty.strip_prefix("array<")?.strip_suffix('>')?.trim().to_owned();
                            file.buffers.insert(name, element);
                        }
                        ("private", _) => {
                            file.names.insert(name);
                            file.items.push(start..item.end);
                        }
                        _ => return None,
                    }
                }
                _ => return None,
            }
        }
        file.code = code;
        (!file.main.is_empty()).then_some(file)
    }

    /// The file under its new names, with its buffers' functions and the call of its entry point.
    fn written(&self) -> Option<String> {
        let mut text = String::new();
        for item in &self.items {
            text += &self.rewrite(item.clone())?;
            text += "\n";
        }
        for (name, number, start) in &self.part.buffers {
            text += &self.access(name, *number, *start)?;
        }
        self.entry(&mut text)?;
        Some(text)
    }

    /// Reads and writes of a buffer's elements.
    fn access(&self, name: &str, number: usize, start: usize) -> Option<String> {
        let (prefix, element) = (&self.prefix, self.buffers.get(name)?);
        let element = self.aliases.get(element).unwrap_or(element);
        let (size, scalar) = match element.strip_suffix('>').map(|inner| inner.split_at(inner.find('<').map_or(0, |i| i + 1))) {
            None => (1, element.as_str()),
            Some(("vec2<", scalar)) => (2, scalar),
            Some(("vec4<", scalar)) => (4, scalar),
            Some(_) => return None,
        };
        if !["f32", "u32", "i32"].contains(&scalar.trim()) {
            return None;
        }
        let word = |lane: usize| format!("buffer{number}[at + {}u]", start + lane);
        let index = if size == 1 { "i".to_owned() } else { format!("{size}u * i") };
        let (words, raw): (Vec<_>, _) =
            ((0..size).map(word).collect(), if size == 1 { "u32".to_owned() } else { format!("vec{size}<u32>") });
        let gathered = if size == 1 { words[0].clone() } else { format!("{raw}({})", words.join(", ")) };
        let component = |lane: usize| if size == 1 { String::new() } else { format!("[{lane}]") };
        let stores: String = (0..size).map(|lane| format!(" {} = words{};", words[lane], component(lane))).collect();
        Some(format!(
            "fn {prefix}{name}(i: u32) -> {element} {{ let at = {index}; return bitcast<{element}>({gathered}); }}\n\
             fn {prefix}put_{name}(i: u32, v: {element}) {{ let at = {index}; let words = bitcast<{raw}>(v);{stores} }}\n"
        ))
    }

    /// `main` as a function, and a function that calls it as the n-th of all its invocations.
    fn entry(&self, text: &mut String) -> Option<()> {
        let (code, prefix) = (&self.code, &self.prefix);
        let open = self.main.start + code[self.main.clone()].iter().position(|&b| b == b'(')?;
        let close = matching(code, open)?;
        let (mut parameters, mut arguments) = (vec![], vec![]);
        let [x, y, _] = self.part.workgroup_size;
        let size = self.part.workgroup_size.iter().product::<u32>();
        let [groups_x, groups_y, groups_z] = self.part.groups;
        for parameter in std::str::from_utf8(&code[open + 1..close]).ok()?.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (builtin, declared) = parameter.strip_prefix("@builtin(")?.split_once(')')?;
            parameters.push(declared.trim().to_owned());
            arguments.push(match builtin.trim() {
                "local_invocation_index" => "lane".to_owned(),
                "local_invocation_id" => "local".to_owned(),
                "workgroup_id" => "group".to_owned(),
                "num_workgroups" => format!("vec3<u32>({groups_x}u, {groups_y}u, {groups_z}u)"),
                "global_invocation_id" => {
                    let [x, y, z] = self.part.workgroup_size;
                    format!("group * vec3<u32>({x}u, {y}u, {z}u) + local")
                }
                _ => return None,
            });
        }
        let body = self.rewrite(close + 1..self.main.end)?;
        let _ = writeln!(text, "fn {prefix}main({}){body}", parameters.join(", "));
        let _ = writeln!(
            text,
            "fn {prefix}call(n: u32) {{\n    let lane = n % {size}u;\n    let g = n / {size}u;\n    let local = vec3<u32>(lane % {x}u, lane / {x}u % {y}u, \
             lane / {}u);\n    let group = vec3<u32>(g % {groups_x}u, g / {groups_x}u % {groups_y}u, g / {}u);\n    {prefix}main({});\n}}\n",
            x * y,
            groups_x * groups_y,
            arguments.join(", ")
        );
        Some(())
    }

    /// A piece of code under its new names.
    fn rewrite(&self, range: Range<usize>) -> Option<String> {
        let code = &self.code;
        let mut text = String::new();
        let mut i = range.start;
        while i < range.end {
            if !is_word(code[i]) {
                text.push(char::from(code[i]));
                i += 1;
                continue;
            }
            let (name, end) = word(code, i)?;
            let before = code[range.start..i].trim_ascii_end();
            let member = before.ends_with(b".");
            let pointed = before.ends_with(b"&") && !before.ends_with(b"&&");
            if self.names.contains(&name) {
                let _ = write!(text, "{}{name}", self.prefix);
            } else if !member && (name == "params" && self.params.is_some() || name == "scalars" && self.scalars.is_some()) {
                let _ = write!(text, "{name}.{}", self.prefix.trim_end_matches('_'));
            } else if !member && self.buffers.contains_key(&name) {
                if pointed {
                    return None;
                }
                i = self.element(&name, end, range.end, &mut text)?;
                continue;
            } else {
                text += &name;
            }
            i = end;
        }
        Some(text)
    }

    /// A buffer's name with its index after it, read or written. Returns where it goes on.
    fn element(&self, name: &str, after: usize, end: usize, text: &mut String) -> Option<usize> {
        let (code, prefix) = (&self.code, &self.prefix);
        let open = skip_space(code, after);
        // A variable without a buffer is not used by `main`, and here it would have to be left out.
        if open >= end || code[open] != b'[' || !self.part.buffers.iter().any(|(bound, ..)| *bound == name) {
            return None;
        }
        let close = matching(code, open)?;
        let index = self.rewrite(open + 1..close)?;
        let mut next = skip_space(code, close + 1);
        let whole = next;
        while next < end && (code[next] == b'.' || code[next] == b'[') {
            next = if code[next] == b'[' { matching(code, next)? + 1 } else { word(code, skip_space(code, next + 1))?.1 };
            next = skip_space(code, next);
        }
        let three = code.get(next..next + 3).unwrap_or(b"   ");
        let compound = b"+-*/%&|^".contains(&three[0]) && three[1] == b'=';
        match three {
            [b'=', b'=', _] => {}
            [b'+', b'+', _] | [b'-', b'-', _] | [b'<', b'<', b'='] | [b'>', b'>', b'='] => return None,
            _ if three[0] == b'=' || compound => {
                let stop = next + code[next..end].iter().position(|&b| b == b';')?;
                if next != whole {
                    return None;
                }
                let value = self.rewrite(next + 1 + usize::from(compound)..stop)?.trim().to_owned();
                let _ = if compound {
                    let operator = char::from(three[0]);
                    write!(text, "{prefix}put_{name}({index}, {prefix}{name}({index}) {operator} ({value}))")
                } else {
                    write!(text, "{prefix}put_{name}({index}, {value})")
                };
                return Some(stop);
            }
            _ => {}
        }
        let _ = write!(text, "{prefix}{name}({index})");
        Some(close + 1)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::wgsl::{BindingKind, reflect};

    /// y = scale · x + y of n numbers: a compound store, a loop, a comment, names that both files have, a member named like a function.
    const AXPY: &str = "\
// y = scale x + y. out[0] = nothing; }
struct Params { n: u32, twice: u32 }
struct Scalars { scale: f32 }
@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> unbound: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;
@group(0) @binding(4) var<uniform> scalars: Scalars;
const SIZE: u32 = 4u;
fn twice(x: f32) -> f32 { return x + x; }
@compute @workgroup_size(SIZE, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * SIZE + id.x;
    if i >= params.n { return; }
    out[i] += scalars.scale * in0[i]; /* out[i] */
    if params.twice == 1u { out[i] = twice(out[i]); }
}
";
    /// Vectors: z = x.wzyx of each four.
    const TURN: &str = "\
// Turns vectors round.
@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
fn twice(v: vec4<f32>) -> vec4<f32> { return v.wzyx; }
@compute @workgroup_size(2)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32, @builtin(local_invocation_id) id: vec3<u32>) {
    let i = group.x * 2u + lane;
    if in0[i].x == in0[i].x && id.z == 0u { out[i] = twice(in0[i]); }
}
";

    fn part<'a>(source: &'a str, workgroup_size: [u32; 3], groups: [u32; 3], buffers: &[(&'a str, usize, usize)]) -> Part<'a> {
        Part { source, workgroup_size, groups, buffers: buffers.to_vec() }
    }

    #[test]
    fn two_files_become_one_that_shares_their_buffers() {
        let parts = [
            part(AXPY, [4, 2, 1], [2, 1, 1], &[("in0", 0, 0), ("out", 1, 8)]),
            part(TURN, [2, 1, 1], [2, 1, 1], &[("in0", 1, 8), ("out", 2, 0)]),
        ];
        let text = merge(&parts, 3, 8).unwrap();
        let whole = reflect("merged", &text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(whole.of(BindingKind::Output).count(), 3);
        assert_eq!(whole.of(BindingKind::Input).count(), 0);
        assert_eq!(whole.workgroup_size, [8, 1, 1]);
        let members: Vec<_> = whole.params.iter().map(|m| (m.name.as_str(), m.offset, m.size)).collect();
        assert_eq!(members, [("k0", 0, 8)]);
        for line in [
            "struct k0_Params { n: u32, k0_twice: u32 }",
            "const k0_SIZE: u32 = 4u;",
            "    k0_put_out(i, k0_out(i) + (scalars.k0.scale * k0_in0(i)));",
            "    if params.k0.k0_twice == 1u { k0_put_out(i, k0_twice(k0_out(i))); }",
            "    if k1_in0(i).x == k1_in0(i).x && id.z == 0u { k1_put_out(i, k1_twice(k1_in0(i))); }",
            "    let group = vec3<u32>(g % 2u, g / 2u % 1u, g / 2u);",
            // 16 invocations in rounds of eight, a barrier, four invocations.
            "    for (var first = 0u; first < 16u; first += 8u) {\n        if first + lane < 16u { k0_call(first + lane); }\n    }\n    \
             storageBarrier();\n    if lane < 4u { k1_call(lane); }\n}",
            "fn k0_out(i: u32) -> f32 { let at = i; return bitcast<f32>(buffer1[at + 8u]); }",
            "return bitcast<vec4<f32>>(vec4<u32>(buffer1[at + 8u], buffer1[at + 9u], buffer1[at + 10u], buffer1[at + 11u]));",
        ] {
            let flat = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat(&text).contains(&flat(line)), "{line}\n in\n{text}");
        }
        assert!(!text.contains("nothing"), "comments are gone");
    }

    #[test]
    fn what_has_no_counterpart_is_left_alone() {
        let bound = [("in0", 0, 0), ("out", 1, 0)];
        let works = |source: &str| {
            let parts = [part(source, [4, 2, 1], [1, 1, 1], &bound), part(TURN, [2, 1, 1], [1, 1, 1], &bound)];
            merge(&parts, 2, 8).is_some()
        };
        assert!(works(AXPY));
        let with = |from: &str, to: &str| {
            assert!(AXPY.contains(from));
            AXPY.replacen(from, to, 1)
        };
        let store = "out[i] = twice(out[i]);";
        for broken in [
            with(store, "let p = &out[i]; *p = 1.0;"),
            with(store, "out[i]++;"),
            with(store, "out[i] <<= 1u;"),
            with(store, "out[i] = f32(arrayLength(&out));"),
            with(store, "out[i] = f32(unbound[i]);"),
            with(store, "let in0 = 1.0;"),
            with("read_write> out: array<f32>", "read_write> out: array<vec4<f32>>").replace("out[i] +=", "out[i].x +="),
            with("read_write> out: array<f32>", "read_write> out: array<atomic<u32>>"),
            with("read_write> out: array<f32>", "read_write> out: array<f32, 8>"),
            with("const SIZE", "var<workgroup> shared: f32;\nconst SIZE"),
            with("const SIZE", "enable f16;\nconst SIZE"),
            with("@builtin(num_workgroups)", "@builtin(subgroup_size)"),
            with("fn main", "fn other"),
        ] {
            assert!(!works(&broken), "{broken}");
        }
    }
}
