//! The modules that a browser is given: kernels as they are specialised, in parts, with an epilogue and merged, but for those of subgroups and
//! cooperative matrices, which no browser is given. `web/tint.sh` has Chromium's compiler read them.
//!
//! A browser's compiler refuses what naga takes: a number that rounds to an f32 but is beyond the largest, for one.

use std::collections::BTreeMap;
use steepest::verify;
use steepest::wgsl::{declared, reflect};

/// Every module, by its text, with what it is.
fn modules() -> BTreeMap<String, String> {
    let all = verify::modules(&verify::variants()).unwrap();
    let subgroups = |shader, text: &str| reflect(shader, text).unwrap().subgroup;
    let for_browsers = all.into_iter().filter(|m| !m.text.contains("\nenable ") && !subgroups(m.shader, &m.text));
    for_browsers.map(|m| (m.text, m.name)).collect()
}

/// The decimal numbers of a text that have a point or an exponent.
fn numbers(text: &str) -> impl Iterator<Item = f64> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let words = code.flat_map(|line| {
        let exponents = line.replace("e-", "e~").replace("e+", "e");
        let words: Vec<String> = exponents
            .split(|c: char| !(c.is_alphanumeric() || "_.~".contains(c)))
            .map(|word| word.replace('~', "-").trim_end_matches('f').to_owned())
            .collect();
        words
    });
    words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).filter_map(|word| word.parse().ok())
}

/// With `STEEPEST_MODULES=folder`, each is written there, its first line what it is.
#[test]
fn no_number_is_beyond_what_a_browser_takes() {
    let modules = modules();
    let folder = std::env::var_os("STEEPEST_MODULES").map(std::path::PathBuf::from);
    let mut faults = vec![];
    for (i, (text, what)) in modules.iter().enumerate() {
        if let Some(folder) = &folder {
            std::fs::write(folder.join(format!("{i:04}.wgsl")), format!("// {}\n{text}", what.replace('\n', " "))).unwrap();
        }
        faults.extend(numbers(text).filter(|x| *x > f64::from(f32::MAX)).map(|x| format!("{what}: {x:e}")));
    }
    println!("{} modules for a browser", modules.len());
    assert!(modules.len() > 1000, "{}", modules.len());
    assert!(faults.is_empty(), "{} numbers beyond the largest f32:\n{}", faults.len(), faults.join("\n"));
    // It sees them.
    assert_eq!(numbers("const A: f32 = -3.5e38; // 4e40\nlet b = x1.y + 2e-3f;").collect::<Vec<_>>(), [3.5e38, 2e-3]);
}

/// In a browser what a module binds is read off its declarations: the same as naga says of it.
#[test]
fn declarations_say_what_naga_says() {
    let mut faults = vec![];
    for (text, what) in modules() {
        let (naga, own) = (reflect("t", &text).unwrap(), declared("t", &text).unwrap_or_else(|e| panic!("{what}: {e}")));
        let same =
            (naga.workgroup_size, naga.workgroup_bytes, naga.subgroup) == (own.workgroup_size, own.workgroup_bytes, own.subgroup);
        if !same || naga.bindings != own.bindings {
            faults.push(format!("{what}: {own:?}, not {:?} {} {:?}", naga.workgroup_size, naga.workgroup_bytes, naga.bindings));
        }
    }
    assert!(faults.is_empty(), "{} modules, the first:\n{}", faults.len(), faults[0]);
}
