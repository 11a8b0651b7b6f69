//! Rung 1: every shader file and every variant the ops use, without a GPU: naga parses and validates it, it fits the
//! limits every browser grants, and it translates to SPIR-V, MSL, HLSL and GLSL ES.
#![allow(clippy::unwrap_used)]

use naga::back::{glsl, hlsl, msl, spv};
use naga::proc::BoundsCheckPolicies;
use std::collections::BTreeMap;
use steepest::graph::op::Variant;
use steepest::shaders::{Epilogue, SHADERS};
use steepest::verify::{self, CaseVariant};
use steepest::wgsl::opaque::opaque_uniforms;
use steepest::wgsl::{BindingKind, Reflected, pack, reflect, specialise};

/// Translates a validated module to every language a backend of wgpu speaks.
fn translate(what: &str, shader: &Reflected) {
    let (module, info) = (&shader.module, &shader.info);
    spv::write_vec(module, info, &spv::Options::default(), None).unwrap_or_else(|e| panic!("{what}: SPIR-V: {e}"));

    // Only Vulkan and Metal have cooperative matrices, and only devices that have them are given these shaders.
    let cooperative = module.types.iter().any(|(_, ty)| matches!(ty.inner, naga::TypeInner::CooperativeMatrix { .. }));
    let lang_version = if cooperative { (2, 3) } else { (2, 0) };
    let options = msl::Options { lang_version, fake_missing_bindings: true, ..Default::default() };
    msl::write_string(module, info, &options, &msl::PipelineOptions::default()).unwrap_or_else(|e| panic!("{what}: MSL: {e}"));

    if cooperative {
        return;
    }

    let options = hlsl::Options { fake_missing_bindings: true, ..Default::default() };
    let pipeline = hlsl::PipelineOptions::default();
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &pipeline).write(module, info, None).unwrap_or_else(|e| panic!("{what}: HLSL: {e}"));

    let options = glsl::Options { version: glsl::Version::new_gles(310), ..Default::default() };
    let pipeline =
        glsl::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: "main".to_owned(), multiview: None };
    let mut text = String::new();
    glsl::Writer::new(&mut text, module, info, &options, &pipeline, BoundsCheckPolicies::default())
        .and_then(|mut w| w.write().map(|_| ()))
        .unwrap_or_else(|e| panic!("{what}: GLSL ES: {e}"));
}

/// The limits of WebGPU that every adapter grants.
fn fits_a_browser(what: &str, shader: &Reflected) {
    let storage = shader.of(BindingKind::Input).chain(shader.of(BindingKind::Output)).filter(|b| b.used).count();
    assert!(storage <= 8, "{what}: {storage} storage buffers");
    assert!(shader.workgroup_bytes <= 16 << 10, "{what}: {} bytes of workgroup memory", shader.workgroup_bytes);
    assert!(shader.invocations() <= 256, "{what}: {} invocations", shader.invocations());
}

/// No compiler can know which of a hidden uniform's copies is read: all go by an index that is none of the file's constants.
fn keeps_secrets(what: &str, shader: &Reflected) {
    let module = &shader.module;
    for function in module.functions.iter().map(|(_, f)| f).chain(module.entry_points.iter().map(|e| &e.function)) {
        let is_uniform = |handle| {
            matches!(function.expressions[handle], naga::Expression::GlobalVariable(variable)
                if module.global_variables[variable].space == naga::AddressSpace::Uniform)
        };
        for (_, expression) in function.expressions.iter() {
            let told = match *expression {
                naga::Expression::AccessIndex { base, .. } => is_uniform(base),
                naga::Expression::Load { pointer } => is_uniform(pointer),
                naga::Expression::Access { base, index } => {
                    is_uniform(base) && !matches!(function.expressions[index], naga::Expression::Load { .. })
                }
                _ => false,
            };
            assert!(!told, "{what}: {expression:?} of {:?}", function.name);
        }
    }
}

/// With `STEEPEST_JOINED=folder`, each is written there with its parts, for editors and other compilers.
#[test]
fn every_shader_is_valid_unspecialised() {
    let folder = std::env::var_os("STEEPEST_JOINED").map(std::path::PathBuf::from);
    for (stem, source) in SHADERS.iter() {
        if let Some(folder) = &folder {
            let file = folder.join(format!("{stem}.wgsl"));
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, source).unwrap();
        }
        assert!(source.starts_with("//"), "{stem}.wgsl does not say what it computes");
        let shader = reflect(stem, source).unwrap_or_else(|e| panic!("{e}"));
        translate(stem, &shader);
    }
}

/// Names and text of the declarations at module scope, comments left out.
fn declarations(text: &str) -> Vec<(String, String)> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default().trim_end()).collect::<Vec<_>>().join("\n");
    let (mut found, mut depth, mut start) = (vec![], 0, None);
    for (i, c) in code.char_indices() {
        if start.is_none() && !c.is_whitespace() && c != ';' {
            start = Some(i);
        }
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 0
            && (c == ';' || c == '}')
            && let Some(from) = start.take()
        {
            let item = code[from..=i].to_owned();
            let words: Vec<&str> = item.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty()).collect();
            let keyword = words.iter().position(|w| ["fn", "struct", "const", "override", "alias", "var"].contains(w));
            let Some(keyword) = keyword else { continue };
            // `var<storage, read> name`
            let skip = match words[keyword] {
                "var" => words[keyword + 1..]
                    .iter()
                    .take_while(|w| ["storage", "read", "read_write", "uniform", "workgroup", "private"].contains(w))
                    .count(),
                _ => 0,
            };
            found.push((format!("{} {}", words[keyword], words[keyword + 1 + skip]), item));
        }
    }
    found
}

fn files_on_disk(folder: &std::path::Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_on_disk(&path, found);
        } else if path.extension().is_some_and(|e| e == "wgsl") {
            let below = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders")).unwrap();
            found.push(below.with_extension("").to_string_lossy().replace('\\', "/"));
        }
    }
}

/// What keeps `shaders/` readable: every file is known; a file uses the parts it names; what several kernels need is in a part, once;
/// and the algorithm begins near the top.
#[test]
fn shared_things_are_in_one_place() {
    let mut files = vec![];
    files_on_disk(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders")), &mut files);
    files.sort();
    let mut known: Vec<&str> = SHADERS.iter().map(|(stem, _)| *stem).chain(steepest::shaders::parts()).collect();
    known.sort_unstable();
    assert_eq!(files, known, "files in shaders/ and files in the list");

    let mut places: BTreeMap<String, Vec<(&str, String)>> = BTreeMap::new();
    let mut faults = vec![];
    for file in &known {
        let text = steepest::shaders::file(file).unwrap();
        assert!(text.starts_with("//"), "{file}.wgsl does not say what it is");
        for (name, item) in declarations(text) {
            places.entry(name).or_default().push((file, item));
        }
        if let Some(line) = text.lines().position(|line| line.starts_with("fn main(")).filter(|line| *line >= 80) {
            faults.push(format!("{file}.wgsl: `main` starts at line {}", line + 1));
        }
        // What a part uses may be for what the kernels put into it.
        let is_part = steepest::shaders::parts().any(|part| part == *file);
        for part in steepest::shaders::uses(text).filter(|_| !is_part) {
            let Some(other) = steepest::shaders::file(part) else {
                faults.push(format!("{file}.wgsl uses {part}, which is not there"));
                continue;
            };
            // It uses something of the part, or the part calls a function of it.
            let uses = |text: &str, of: &str, kind: &str| {
                let words: Vec<&str> = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
                let names = declarations(of).into_iter().filter(|(name, _)| name.starts_with(kind));
                names.filter_map(|(name, _)| Some(name.split(' ').nth(1)?.to_owned())).any(|name| words.contains(&name.as_str()))
            };
            if !uses(text, other, "") && !uses(other, text, "fn ") {
                faults.push(format!("{file}.wgsl uses nothing of {part}"));
            }
        }
    }
    // A kernel's own: its entry point, its buffers, its numbers. Everything else has one place.
    // A function that a part calls is each kernel's own too.
    let called_by_parts = ["fn element", "fn f16_at", "fn updated"];
    let own = |name: &str| {
        ["fn main", "struct Params", "struct Scalars"].contains(&name)
            || called_by_parts.contains(&name)
            || name.starts_with("var ")
            || name.starts_with("const ")
    };
    for (name, found) in &places {
        let alike = |a: &(&str, String)| found.iter().filter(|b| a.1 == b.1).count() > 1 && a.1.lines().count() > 1;
        if found.len() > 1 && (!own(name) || found.iter().any(alike)) {
            faults.push(format!("`{name}` is in {:?}", found.iter().map(|(file, _)| *file).collect::<Vec<_>>()));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// An error in a shader names the file that the line stands in, and its number there.
#[test]
fn errors_name_file_and_line() {
    let with_parts = |stem: &str, source: &str| steepest::shaders::file(stem) != Some(source);
    let with_main = |stem: &str| steepest::shaders::file(stem).unwrap().contains("\nfn main(");
    let stem = SHADERS.iter().find(|(stem, source)| with_parts(stem, source) && with_main(stem)).unwrap().0;
    let source = steepest::shaders::source(stem).unwrap();
    let part = steepest::shaders::uses(source).next().unwrap();
    let text = steepest::shaders::file(part).unwrap();
    let (line, last) = text.lines().enumerate().filter(|(_, line)| line.starts_with("fn ")).last().unwrap();
    let message = reflect(stem, &source.replace(last, &last.replace("fn ", "fn 1"))).unwrap_err().to_string();
    assert!(message.contains(&format!("shaders/{part}.wgsl, line {}", line + 1)), "{message}");
    let message = reflect(stem, &source.replace("fn main(", "fn main[")).unwrap_err().to_string();
    let line = steepest::shaders::file(stem).unwrap().lines().position(|line| line.starts_with("fn main(")).unwrap();
    assert!(message.contains(&format!("shaders/{stem}.wgsl, line {}", line + 1)), "{message}");
}

/// It has no entry point of its own, so `main` here calls every function of it.
#[test]
fn the_functions_for_bodies_are_valid_by_themselves() {
    let math = specialise("math", "fn f() {}", &[], &[("f", "{ exp_(1.0); }".to_owned())]).unwrap();
    let module = naga::front::wgsl::parse_str(&math).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&math)));
    let argument = |module: &naga::Module, ty| match module.types[ty].inner {
        naga::TypeInner::Scalar(scalar) if scalar == naga::Scalar::I32 => "i32(id.x)",
        naga::TypeInner::Scalar(scalar) if scalar == naga::Scalar::U32 => "id.x",
        naga::TypeInner::Scalar(scalar) if scalar == naga::Scalar::F32 => "f32(id.x)",
        naga::TypeInner::Vector { size: naga::VectorSize::Quad, scalar: naga::Scalar::U32 } => "vec4<u32>(id.x)",
        naga::TypeInner::Vector { size: naga::VectorSize::Quad, scalar: naga::Scalar::F32 } => "vec4<f32>(f32(id.x))",
        ref other => panic!("an argument of type {other:?}"),
    };
    let mut main = String::from("\n@compute @workgroup_size(1)\nfn main(@builtin(global_invocation_id) id: vec3<u32>) {\n");
    for (_, function) in module.functions.iter().filter(|(_, f)| f.name.as_deref() != Some("f")) {
        let arguments: Vec<&str> = function.arguments.iter().map(|a| argument(&module, a.ty)).collect();
        main += &format!("    _ = {}({});\n", function.name.as_deref().unwrap(), arguments.join(", "));
    }
    let text = format!("{math}{main}}}\n");
    let shader = reflect("math", &text).unwrap_or_else(|e| panic!("{e}"));
    translate("math", &shader);
}

/// What fusion relies on: in every file with an `epilogue` the spare inputs fit beside its own, and a body may use all of them.
#[test]
fn an_epilogue_may_use_all_spare_inputs() {
    let mut files = vec![];
    for (stem, source) in SHADERS.iter().filter(|(_, source)| source.contains("\nfn epilogue(")) {
        let body = "{
            let d = params.extra[31];
            let x = bitcast<f32>(extra0[i]) + bitcast<f32>(extra1[i % d.y]) + bitcast<f32>(extra2[d.w]) + bitcast<f32>(extra3[i]);
            return tanh_(v + scalars.v[7][3] * x);
        }";
        let text = specialise(stem, source, &[], &[("epilogue", body.to_owned())]).unwrap();
        let shader = reflect(stem, &text).unwrap_or_else(|e| panic!("{e}"));
        fits_a_browser(stem, &shader);
        translate(stem, &shader);
        let last = shader.params.last().unwrap();
        assert_eq!((last.name.as_str(), last.size), ("extra", 512), "{stem}: the last member of Params");
        let inputs: Vec<&str> = shader.of(BindingKind::Input).map(|b| b.name.as_str()).collect();
        assert!(inputs.ends_with(&["extra0", "extra1", "extra2", "extra3"]), "{stem}: {inputs:?}");
        files.push(*stem);
    }
    println!("an epilogue in {files:?}");
    for stem in [
        "matmul/tiles_scalar",
        "matmul/registers",
        "matmul/software/vectors",
        "matmul/tiles",
        "matmul/cooperative",
        "f16/to_f32",
        "conv/plain",
        "conv/software/registers",
        "conv/tile",
    ] {
        assert!(files.contains(&stem), "{stem} has no epilogue");
    }
}

/// The same of files that finish four neighbours at a time.
#[test]
fn an_epilogue_of_four_may_use_all_spare_inputs() {
    let files = SHADERS.iter().filter(|(stem, _)| steepest::shaders::epilogue(stem) == Some(Epilogue::Four));
    let mut count = 0;
    for (stem, source) in files {
        let load = |k: usize| format!("{{ return vec4<u32>(extra{k}[i], extra{k}[i + 1u], extra{k}[params.extra[31].y], 0u); }}");
        let finish = "{ return tanh_(v + scalars.v[7][3] * f32(x0 + x1 * x2 - x3)); }".to_owned();
        let bodies = [
            ("finish", finish),
            ("load_extra0", load(0)),
            ("load_extra1", load(1)),
            ("load_extra2", load(2)),
            ("load_extra3", load(3)),
        ];
        let text = specialise(stem, source, &[("FUSED", 1)], &bodies).unwrap();
        let shader = reflect(stem, &text).unwrap_or_else(|e| panic!("{e}"));
        fits_a_browser(stem, &shader);
        translate(stem, &shader);
        let last = shader.params.last().unwrap();
        assert_eq!((last.name.as_str(), last.size), ("extra", 512), "{stem}: the last member of Params");
        let inputs: Vec<&str> = shader.of(BindingKind::Input).filter(|b| b.used).map(|b| b.name.as_str()).collect();
        assert!(inputs.ends_with(&["extra0", "extra1", "extra2", "extra3"]), "{stem}: {inputs:?}");
        count += 1;
    }
    assert!(count > 0);
}

/// Kernels that hand numbers around in a subgroup say so: a device without subgroups of just their workgroup must not run them.
#[test]
fn kernels_that_need_a_subgroup_are_known() {
    for (stem, source) in SHADERS.iter() {
        let shader = reflect(stem, source).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(shader.subgroup, source.contains("subgroupBroadcast("), "{stem}");
    }
}

#[test]
fn every_variant_is_valid_and_translates() {
    let variants = verify::variants();
    let mut seen = std::collections::BTreeSet::new();
    for CaseVariant { name, variant, params, last } in &variants {
        let source = steepest::shaders::source(variant.shader).unwrap();
        let text = specialise(variant.shader, source, &variant.consts, &variant.bodies).unwrap_or_else(|e| panic!("{e}"));
        let shader = reflect(variant.shader, &text).unwrap_or_else(|e| panic!("{name}: {e}"));
        if *last {
            fits_a_browser(name, &shader);
        }
        // What the host sends by name is what the uniform struct has.
        if let Some(binding) = shader.of(BindingKind::Params).next() {
            pack(&params.members, &binding.members, binding.bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        assert_eq!(shader.of(BindingKind::Scalars).next().is_some(), !shader.scalars.is_empty(), "{name}: scalars");
        translate(name, &shader);
        if !text.contains("\nenable ") {
            let hidden = reflect(variant.shader, &opaque_uniforms(&text)).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!((&hidden.params, &hidden.scalars), (&shader.params, &shader.scalars), "{name}");
            keeps_secrets(name, &hidden);
            translate(name, &hidden);
        }
        assert!(variant.loop_iterations.is_some(), "{name} does not say how many loop iterations it makes");
        if variant.parts.is_some() {
            assert!(text.contains("\nconst PART: u32 = 0xffffffffu;"), "{name} has no PART");
            assert!(shader.params.iter().any(|member| member.name == "first"), "{name} has no `first` in its params");
            // As it runs where a dispatch may not make so many iterations.
            let part =
                specialise(variant.shader, source, &[&variant.consts[..], &[("PART", 7)]].concat(), &variant.bodies).unwrap();
            let part = reflect(variant.shader, &part).unwrap_or_else(|e| panic!("{name} in parts: {e}"));
            translate(name, &part);
        }
        assert_eq!(variant.groups[2], 1, "{name}: the place along z is what hidden uniforms go by");
        seen.insert(variant.shader);
    }
    println!("{} variants of {} files", variants.len(), seen.len());
    let names: std::collections::BTreeSet<&str> = variants.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names.len(), variants.len(), "two variants of one name");
    let unused: Vec<&str> = SHADERS.iter().map(|(stem, _)| *stem).filter(|stem| !seen.contains(stem)).collect();
    assert!(unused.is_empty(), "no test case uses {unused:?}");
}

/// What few devices have is allowed to the files that ask for it only.
#[test]
fn cooperative_matrices_are_for_the_files_that_enable_them() {
    let asking: Vec<&str> = SHADERS.iter().filter(|(_, text)| text.contains("\nenable ")).map(|(stem, _)| *stem).collect();
    assert_eq!(asking, ["matmul/cooperative"]);
    let source = steepest::shaders::source("matmul/cooperative").unwrap();
    for line in ["enable f16;", "enable wgpu_cooperative_matrix;"] {
        assert!(reflect("matmul/cooperative", &source.replace(line, "")).is_err(), "{line}");
    }
    let plain = steepest::shaders::source("f16/from_f32").unwrap();
    let line = "let sign = (word";
    assert!(plain.contains(line));
    let with_f16 = format!("enable f16;\n{}", plain.replace(line, &format!("let h = f16(1.0); {line}")));
    assert!(reflect("f16/from_f32", &with_f16).is_err(), "f16 arithmetic is not for every device");
}

/// The rung has teeth: a shader that does not parse, one that does not validate, and one too large for a browser.
#[test]
fn broken_shaders_are_caught() {
    let source = steepest::shaders::source("update/sgd").unwrap();
    let line = "let g = slope + c.weight_decay * p;";
    assert!(source.contains(line));
    assert!(reflect("update/sgd", &source.replace(line, line.trim_end_matches(';'))).is_err());
    assert!(reflect("update/sgd", &source.replace(line, &line.replace("let g", "let g: u32"))).is_err());
    let wide = specialise("update/sgd", source, &[("WORKGROUP", 512)], &[]).unwrap();
    let wide = reflect("update/sgd", &wide).unwrap();
    assert!(std::panic::catch_unwind(|| fits_a_browser("wide", &wide)).is_err());
    assert!(specialise("update/sgd", source, &[("NO_SUCH", 1)], &[]).is_err());
}

/// A variant's text, specialised, and what it binds.
fn whole(v: &Variant) -> (String, Reflected) {
    let text = specialise(v.shader, steepest::shaders::source(v.shader).unwrap(), &v.consts, &v.bodies).unwrap();
    let shader = reflect(v.shader, &text).unwrap();
    (text, shader)
}

/// Every variant that needs no workgroup memory can be merged with another: with itself and with a product, as if all shared one buffer.
#[test]
fn variants_without_barriers_can_be_merged() {
    let (mut merged, mut apart) = (0, std::collections::BTreeSet::new());
    for CaseVariant { name, variant, .. } in verify::variants() {
        let (text, shader) = whole(&variant);
        let held = shader.workgroup_bytes > 0 || text.contains("Barrier(") || shader.bindings.iter().any(|b| b.measured);
        match verify::merged_with_a_product(&variant).unwrap() {
            Some(text) => {
                assert!(!held, "{name} needs its workgroup and was merged");
                let shader = reflect("merged", &text).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
                fits_a_browser(&name, &shader);
                if merged % 8 == 0 {
                    translate(&name, &shader);
                    let hidden = reflect("merged", &opaque_uniforms(&text)).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
                    keeps_secrets(&name, &hidden);
                    translate(&name, &hidden);
                }
                merged += 1;
            }
            None => {
                assert!(held || shader.subgroup || text.contains("\nenable "), "{name} is not merged");
                apart.insert(variant.shader);
            }
        }
    }
    println!("{merged} variants can be merged; not those of {apart:?}");
    assert!(merged > 100, "{merged}");
}

/// What a device says it gives the driver is a whole shader for each dispatch; the CPU gives none.
#[test]
fn a_device_tells_the_text_of_each_kernel() {
    use steepest::nn::{self, Module};
    for device in crate::common::devices("the text of kernels") {
        let model = nn::mlp(&device, &[6, 5, 3], 1);
        let loss = model.forward(&device.ones([4, 6])).cross_entropy(&device.tensor(&[0u32, 1, 2, 1], 4));
        let gradients = loss.backward();
        let all: Vec<&steepest::Tensor> = std::iter::once(&loss).chain(gradients.iter().unwrap()).collect();
        let plan = device.plan(all).unwrap();
        let texts = device.shader_texts(&plan).unwrap();
        assert_eq!(texts.len(), plan.dispatches.len());
        for (text, dispatch) in texts.into_iter().zip(&plan.dispatches) {
            assert_eq!(text.is_some(), device.is_gpu(), "{}", dispatch.label);
            let Some(text) = text else { continue };
            let shader = reflect(dispatch.kernel.name, &text).unwrap();
            let bound = shader.bindings.iter().filter(|b| matches!(b.kind, BindingKind::Input | BindingKind::Output)).count();
            assert!(bound >= dispatch.writes.len(), "{}: {} bindings", dispatch.label, bound);
        }
    }
}
