//! Every public function has a line: a search of the text of `src/`.

use crate::rooms;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What the text says of one file.
struct Source {
    /// Folder or file of `src/`, without `.rs`.
    room: String,
    /// The file's stem, or its folder's name for a `mod.rs`.
    stem: String,
    /// Whether every module on the way to it is public.
    open: bool,
    text: String,
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The words of a line.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').filter(|w| !w.is_empty())
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let all: BTreeMap<PathBuf, String> =
        files(&root).into_iter().map(|p| (p.clone(), std::fs::read_to_string(p).unwrap())).collect();
    // `a/b` for src/a/b.rs and src/a/b/mod.rs.
    let module = |path: &Path| {
        let path = path.strip_prefix(&root).unwrap().with_extension("");
        let path = if path.ends_with("mod") { path.parent().unwrap().to_owned() } else { path };
        path.to_string_lossy().replace('\\', "/")
    };
    let mut declared = BTreeSet::new();
    for (path, text) in &all {
        let here = if path.ends_with("lib.rs") { String::new() } else { module(path) + "/" };
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
                declared.insert(format!("{here}{name}"));
            }
        }
    }
    let mut found = vec![];
    for (path, text) in all {
        let module = module(&path);
        let room = module.split('/').next().unwrap().to_owned();
        if room == "bin" || room == "lib" || module.ends_with("tests") || module.contains("/tests/") {
            continue;
        }
        let steps: Vec<&str> = module.split('/').collect();
        let open = (1..=steps.len()).all(|n| declared.contains(&steps[..n].join("/")));
        found.push(Source { room, stem: (*steps.last().unwrap()).to_owned(), open, text });
    }
    found
}

/// What a `pub use` makes public, by the words of each: modules and names.
struct HandedOn(Vec<BTreeSet<String>>);

impl HandedOn {
    /// Whether one names something of this file.
    fn has(&self, source: &Source, name: &str) -> bool {
        self.0.iter().any(|words| words.contains(&source.stem) && words.contains(name))
    }
}

fn handed_on(sources: &[Source]) -> HandedOn {
    let mut found = vec![];
    for source in sources {
        let mut rest = source.text.as_str();
        while let Some(start) = rest.find("pub use ") {
            rest = &rest[start + 8..];
            let end = rest.find(';').unwrap_or(rest.len());
            found.push(words(&rest[..end]).map(str::to_owned).collect());
        }
    }
    // Of the library's own list.
    let lib = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    for line in lib.lines().filter(|l| l.starts_with("pub use ")) {
        found.push(words(line).map(str::to_owned).collect());
    }
    HandedOn(found)
}

/// The types that can be named from outside.
fn types(source: &Source, handed_on: &HandedOn) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in source.text.lines() {
        let mut words = words(line.trim_start());
        if words.next() != Some("pub") || !matches!(words.next(), Some("struct" | "enum" | "trait" | "type")) {
            continue;
        }
        if let Some(name) = words.next()
            && (source.open || handed_on.has(source, name))
        {
            found.insert(name.to_owned());
        }
    }
    found
}

/// Whether a file declares a type that only it or the library can name.
fn keeps(source: &Source, name: &str, handed_on: &HandedOn) -> bool {
    let declares = |line: &str| {
        let mut words = words(line.trim_start()).skip_while(|w| matches!(*w, "pub" | "crate" | "super"));
        matches!(words.next(), Some("struct" | "enum" | "trait")) && words.next() == Some(name)
    };
    source.text.lines().any(declares) && !types(source, handed_on).contains(name)
}

/// The type of `impl<T> Name<T> {`.
fn implemented(line: &str) -> Option<String> {
    let line = line.trim_start().strip_prefix("impl")?;
    let mut depth = 0;
    let mut after = line;
    if line.starts_with('<') {
        for (i, c) in line.char_indices() {
            depth += i32::from(c == '<') - i32::from(c == '>');
            if depth == 0 {
                after = &line[i + 1..];
                break;
            }
        }
    }
    words(after).next().map(str::to_owned)
}

/// The name of the function that a line declares, if it is public.
fn function(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let mut words = rest.split([' ', '(', '<']);
    loop {
        match words.next()? {
            "fn" => return words.next(),
            "const" | "async" | "unsafe" => {}
            _ => return None,
        }
    }
}

/// The names that a macro of this file is given before the first `=>`, `(` or `:` of each of its lines.
fn given_to(source: &str, name: &str) -> Vec<String> {
    let mut found = vec![];
    let mut inside = false;
    for line in source.lines() {
        if line.starts_with(&format!("{name}! {{")) {
            inside = true;
        } else if line.starts_with('}') {
            inside = false;
        } else if inside && !line.trim_start().starts_with("//") && line.contains("=>") {
            let end = line.find(['(', ':', '=']).unwrap();
            found.extend(words(&line[..end]).filter(|w| w.chars().next().unwrap().is_alphabetic()).map(str::to_owned));
        }
    }
    found
}

/// The types that a macro of this file is given, each the first word of a line or of the call.
fn types_given_to(source: &str, name: &str) -> Vec<String> {
    let (mut found, mut inside) = (vec![], false);
    for line in source.lines() {
        let call = line.strip_prefix(name).and_then(|rest| rest.strip_prefix('!'));
        if line.starts_with('}') || line.starts_with(')') {
            inside = false;
        }
        if call.is_some() || inside && !line.trim_start().starts_with("//") {
            let first = words(call.unwrap_or(line)).next();
            found.extend(first.filter(|w| w.starts_with(char::is_uppercase)).map(str::to_owned));
        }
        inside |= call.is_some_and(|rest| rest.ends_with(['{', '(']));
    }
    found.sort();
    found.dedup();
    found
}

/// Every public function, by room.
fn public() -> BTreeMap<String, BTreeSet<String>> {
    let sources = sources();
    let handed_on = handed_on(&sources);
    let known: BTreeSet<String> = sources.iter().flat_map(|s| types(s, &handed_on)).collect();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in &sources {
        let room = found.entry(source.room.clone()).or_default();
        let (mut of, mut maker) = (None, None);
        for line in source.text.lines() {
            if line.starts_with("mod tests {") {
                break;
            }
            if let Some(name) = line.strip_prefix("macro_rules! ") {
                maker = words(name).next();
            }
            if line.starts_with('}') {
                (of, maker) = (None, None);
            }
            let start = line.trim_start_matches([' ', '$', '(']);
            if line.trim_end().ends_with('{') && (line.starts_with("impl") || maker.is_some() && start.starts_with("impl")) {
                of = implemented(start);
            }
            let Some(name) = function(line) else { continue };
            let names = match (name.starts_with('$'), maker) {
                (true, Some(maker)) => given_to(&source.text, maker),
                _ => vec![name.to_owned()],
            };
            let types = match (&of, maker) {
                (Some(of), Some(maker)) if of.starts_with('$') => types_given_to(&source.text, maker),
                (Some(of), _) if known.contains(of) && !keeps(source, of, &handed_on) => vec![of.clone()],
                _ => vec![],
            };
            for name in names {
                room.extend(types.iter().map(|of| format!("{of}::{name}")));
                if of.is_none() && (source.open || handed_on.has(source, &name)) {
                    room.insert(format!("{}::{name}", source.stem));
                }
            }
        }
    }
    found.retain(|_, names| !names.is_empty());
    found
}

#[test]
fn every_public_function_is_called() {
    let public = public();
    let rooms = rooms();
    let mut faults = vec![];
    let features_off = ["plot", "save"];
    for room in public.keys().filter(|name| !features_off.contains(&name.as_str())) {
        if !rooms.iter().any(|r| r.name == room) {
            faults.push(format!("src/{room} has public functions and no table"));
        }
    }
    let (mut all, mut called) = (0, 0);
    for room in rooms {
        let names = public.get(room.name).cloned().unwrap_or_default();
        let lines: BTreeSet<&str> = room.tables.iter().copied().flatten().map(|line| line.name).collect();
        let excepted: BTreeSet<&str> = room.not_called.iter().map(|(name, _)| *name).collect();
        // What a blocking form waits for is its async form (`tests/it/waiting.rs` sees to it): a line, or an excuse, is of both.
        let is_waited_for =
            |name: &str| name.strip_suffix("_async").is_some_and(|known| lines.contains(known) || excepted.contains(known));
        let missing: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|n| !lines.contains(n) && !excepted.contains(n) && !is_waited_for(n))
            .collect();
        all += names.len();
        called += names.iter().filter(|n| lines.contains(n.as_str())).count();
        if !missing.is_empty() {
            let text = format!("{}: {} public functions have no line: {}", room.name, missing.len(), missing.join(", "));
            if room.complete { faults.push(text) } else { println!("{text}") }
        }
        for name in lines.iter().chain(&excepted).filter(|name| !names.contains(**name)) {
            faults.push(format!("{}: `{name}` is no public function", room.name));
        }
        faults.extend(lines.intersection(&excepted).map(|name| format!("{}: `{name}` has a line and an excuse", room.name)));
        faults.extend(room.not_called.iter().filter(|(_, why)| why.len() < 10).map(|(name, _)| format!("{name}: no reason")));
    }
    println!("{called} of {all} public functions are called");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn public_functions_are_found_in_the_text() {
    let public = public();
    let expected = [
        ("ops", "Tensor::chunk"),
        ("ops", "Tensor::hypot"),
        ("ops", "Tensor::softplus"),
        ("ops", "Tensor::sum_keepdim"),
        ("ops", "Tensor::fmod_scalar"),
        ("ops", "Tensor::global_avg_pool2d"),
        ("ops", "cat::stack"),
        ("ops", "random::permutation"),
        ("ops", "ConvNdOptions::dilation"),
        ("nn", "Glu::new"),
        ("nn", "MaxPool2d::new"),
        ("nn", "AvgPool1d::count_include_pad"),
        ("nn", "Dropout::new"),
        ("train", "Trainer::interrupt"),
        ("device", "Device::eye"),
        ("device", "Device::best_async"),
        ("shape", "Shape::new"),
    ];
    for (room, name) in expected {
        assert!(public[room].contains(name), "{name} in {room}");
    }
    // In private modules, and handed on by nobody.
    for name in ["math::exp", "Window::row", "gemm::multiply"] {
        assert!(!public["ops"].contains(name), "{name}");
    }
}

/// The table that stands in the documentation of `Tensor`: each method once, but those that are hidden there.
#[test]
fn every_method_of_a_tensor_has_a_theme() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/graph/methods.md")).unwrap();
    let mut listed: BTreeMap<&str, usize> = BTreeMap::new();
    for link in page.split("(crate::Tensor::").skip(1) {
        *listed.entry(link.split(')').next().unwrap()).or_default() += 1;
    }
    let hidden: BTreeSet<String> = sources().iter().flat_map(|source| hidden_functions(&source.text)).collect();
    let methods: BTreeSet<String> = public()
        .into_values()
        .flatten()
        .filter_map(|name| name.strip_prefix("Tensor::").map(str::to_owned))
        .filter(|name| !hidden.contains(name))
        .collect();
    let missing: Vec<&String> = methods.iter().filter(|name| !listed.contains_key(name.as_str())).collect();
    let wrong: Vec<_> = listed.iter().filter(|(name, count)| !methods.contains(**name) || **count != 1).collect();
    assert!(methods.len() > 350 && hidden.len() > 15, "{} methods, {} hidden", methods.len(), hidden.len());
    assert!(missing.is_empty() && wrong.is_empty(), "src/graph/methods.md lacks {missing:?}, and has {wrong:?} twice or in vain");
}

/// Names of the functions after `#[doc(hidden)]`.
fn hidden_functions(text: &str) -> Vec<String> {
    let after = text.split("#[doc(hidden)]").skip(1);
    after.filter_map(|rest| rest.lines().find_map(function).map(str::to_owned)).collect()
}
