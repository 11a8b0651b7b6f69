//! The modules that a browser is given: kernels as they are specialised, in parts, with an epilogue and merged, but for those of subgroups and
//! cooperative matrices, which no browser is given. `web/tint.sh` has Chromium's compiler read them.
//!
//! A browser's compiler refuses what naga takes: a number that rounds to an f32 but is beyond the largest, for one.

use super::shaders::{merged_with_a_product, variants};
use std::collections::BTreeMap;
use steepest::graph::op::Variant;
use steepest::shaders::Epilogue;
use steepest::wgsl::{reflect, specialise};

/// A body for what finishes elements, which calls functions and reads what it is given.
const FINISH: &str = "{ return select(tanh_(v), exp_(v) + log1p_(v * v), v > 0.5); }";

/// Text of a variant with more constants and bodies put into it.
fn text(variant: &Variant, consts: &[(&'static str, u32)], bodies: &[(&'static str, String)]) -> String {
    let source = steepest::shaders::source(variant.shader).unwrap();
    let (consts, bodies) = ([&variant.consts[..], consts].concat(), [&variant.bodies[..], bodies].concat());
    specialise(variant.shader, source, &consts, &bodies).unwrap_or_else(|e| panic!("{e}"))
}

/// Every module, by its text, with what it is.
fn modules() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, (variant, ..)) in variants() {
        let plain = text(&variant, &[], &[]);
        if plain.contains("\nenable ") || reflect(variant.shader, &plain).unwrap().subgroup {
            continue;
        }
        let mut texts = vec![(plain, "")];
        if variant.parts.is_some() {
            texts.push((text(&variant, &[("PART", 7)], &[]), ", in parts"));
        }
        match steepest::shaders::epilogue(variant.shader) {
            Some(Epilogue::Four) if !variant.consts.iter().any(|(name, _)| *name == "FUSED") => {
                texts.push((text(&variant, &[("FUSED", 1)], &[("finish", FINISH.to_owned())]), ", with an epilogue"));
            }
            Some(Epilogue::One) => texts.push((text(&variant, &[], &[("epilogue", FINISH.to_owned())]), ", with an epilogue")),
            _ => {}
        }
        texts.extend(merged_with_a_product(&variant).map(|text| (text, ", merged")));
        for (text, how) in texts {
            found.entry(text).or_insert(format!("{name}{how}"));
        }
    }
    found
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
