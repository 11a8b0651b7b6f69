//! Rung 1: every shader file and every variant the ops use, without a GPU: naga parses and validates it, it fits the
//! limits every browser grants, and it translates to SPIR-V, MSL, HLSL and GLSL ES.
#![allow(clippy::unwrap_used)]

use naga::back::{glsl, hlsl, msl, spv};
use naga::proc::BoundsCheckPolicies;
use std::collections::BTreeMap;
use steepest::graph::op::{Elementwise, Lowering, Spec, Variant};
use steepest::plan::hide::hide;
use steepest::plan::merge::{Part, merge};
use steepest::plan::pointwise::{Arg, Instruction, Load, Program};
use steepest::plan::wgsl::{BindingKind, Reflected, reflect, specialise};
use steepest::shaders::{Epilogue, MATH, SHADERS};
use steepest::verify;

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

#[test]
fn every_file_is_valid_as_it_lies() {
    for (stem, source) in SHADERS {
        assert!(source.starts_with("//"), "{stem}.wgsl does not say what it computes");
        let shader = reflect(stem, source).unwrap_or_else(|e| panic!("{e}"));
        translate(stem, &shader);
    }
    let on_disk = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders")).unwrap().count();
    assert_eq!(on_disk, SHADERS.len() + 1, "a file in shaders/ is neither in the list nor math.wgsl");
}

/// Functions that stand in several files, because a file is a whole shader: a change of one is a change of all.
#[test]
fn copies_of_a_function_are_alike() {
    let alike = [
        "finished",
        "is_finite",
        "is_not_a_number",
        "is_whole",
        "magnitude",
        "member",
        "power",
        "powers",
        "quotient",
        "taken",
        "total",
    ];
    for name in alike {
        let text = |source: &'static str| {
            let start = source.find(&format!("\nfn {name}("))? + 1;
            let line = source[start..].find('\n')?;
            // A function of one line ends with it, others with a brace at the start of one.
            let whole = if source[start..][..line].ends_with('}') { line } else { source[start..].find("\n}")? + 2 };
            Some(&source[start..][..whole])
        };
        let found: Vec<_> = SHADERS.iter().filter_map(|(stem, source)| Some((stem, text(source)?))).collect();
        assert!(found.len() > 1, "{name} stands in one file");
        for (stem, text) in &found {
            assert_eq!(*text, found[0].1, "{name} in {stem}.wgsl and in {}.wgsl", found[0].0);
        }
    }
}

/// It has no entry point of its own, so `main` here calls every function of it.
#[test]
fn the_functions_for_bodies_are_valid_by_themselves() {
    assert!(MATH.starts_with("//"));
    let module = naga::front::wgsl::parse_str(MATH).unwrap_or_else(|e| panic!("{}", e.emit_to_string(MATH)));
    let argument = |module: &naga::Module, ty| match module.types[ty].inner {
        naga::TypeInner::Scalar(scalar) if scalar == naga::Scalar::I32 => "i32(id.x)",
        naga::TypeInner::Scalar(scalar) if scalar == naga::Scalar::U32 => "id.x",
        naga::TypeInner::Scalar(scalar) if scalar == naga::Scalar::F32 => "f32(id.x)",
        ref other => panic!("an argument of type {other:?}"),
    };
    let mut main = String::from("\n@compute @workgroup_size(1)\nfn main(@builtin(global_invocation_id) id: vec3<u32>) {\n");
    for (_, function) in module.functions.iter() {
        let arguments: Vec<&str> = function.arguments.iter().map(|a| argument(&module, a.ty)).collect();
        main += &format!("    _ = {}({});\n", function.name.as_deref().unwrap(), arguments.join(", "));
    }
    let text = format!("{MATH}{main}}}\n");
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
        "matmul",
        "matmul_registers",
        "matmul_vectors",
        "matmul_half_tiles",
        "matmul_cooperative_16",
        "half_floats",
        "conv",
        "conv_registers",
        "conv_tile",
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
        let bodies = [("finish", finish), ("load0", load(0)), ("load1", load(1)), ("load2", load(2)), ("load3", load(3))];
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
    for (stem, source) in SHADERS {
        let shader = reflect(stem, source).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(shader.subgroup, source.contains("subgroupBroadcast("), "{stem}");
    }
}

/// The variants of all kernels the test cases use, each once, with the number of words of its params and scalars.
fn variants() -> BTreeMap<String, (Variant, usize, usize, bool)> {
    let mut found = BTreeMap::new();
    // What no op uses: the table of a driver's functions, the look-out for what is not finite, and what measures a device's peak.
    for v in verify::driver_variants() {
        found.insert(format!("{} {:?}", v.shader, v.bodies), (v, 1, 0, true));
    }
    found.insert("watch".to_owned(), (steepest::plan::watch::variant(), 3, 0, true));
    found.insert("peak".to_owned(), (Variant::new("peak", [1; 3]).turning(9), 2, 0, true));
    for (_, case) in verify::cases("") {
        let specs: Vec<Spec> = case.inputs.iter().map(|i| Spec::new(i.array.shape, i.dtype)).collect();
        let output = case.op.infer(&specs).unwrap();
        let scalars = case.op.scalars().len();
        let kernels = match case.op.lower(&specs, &output) {
            Lowering::Elementwise(Elementwise { rule, views }) => {
                let args = (0..views.len()).map(Arg::Load).collect();
                let loads = views.into_iter().map(|view| Load { view }).collect();
                let instructions = vec![Instruction { rule: Some(rule), args }];
                vec![Program::new(output.shape.numel(), loads, instructions).kernel()]
            }
            Lowering::View(view) => {
                let instructions = vec![Instruction { rule: None, args: vec![Arg::Load(0)] }];
                vec![Program::new(output.shape.numel(), vec![Load { view }], instructions).kernel()]
            }
            Lowering::Alias => vec![],
            // Alone and with another one behind it.
            Lowering::Update(joined) => {
                let n = specs[0].shape.numel();
                let alone = 0..n;
                vec![joined(std::slice::from_ref(&alone)), joined(&[0..n, n.next_multiple_of(64)..n.next_multiple_of(64) + n])]
            }
            Lowering::Stages { stages, .. } => stages.into_iter().map(|s| s.kernel).collect(),
        };
        for kernel in kernels {
            let last = kernel.variants.len() - 1;
            for (i, v) in kernel.variants.iter().enumerate() {
                let name = format!("{} {:?} {:?}", v.shader, v.consts, v.bodies);
                let entry = found.entry(name).or_insert((v.clone(), kernel.params.len(), scalars, false));
                entry.3 |= i == last;
            }
        }
    }
    found
}

#[test]
fn every_variant_is_valid_and_translates() {
    let variants = variants();
    let mut seen = std::collections::BTreeSet::new();
    for (name, (variant, params, _, fallback)) in &variants {
        let source = steepest::shaders::source(variant.shader).unwrap();
        let text = specialise(variant.shader, source, &variant.consts, &variant.bodies).unwrap_or_else(|e| panic!("{e}"));
        let shader = reflect(variant.shader, &text).unwrap_or_else(|e| panic!("{name}: {e}"));
        if *fallback {
            fits_a_browser(name, &shader);
        }
        // The words the host sends fill the uniform struct; only the last member, if it is an array, may be given in part.
        if let Some(binding) = shader.of(BindingKind::Params).next() {
            let last = shader.params.last().unwrap();
            let least = if last.size > 16 { last.offset } else { binding.bytes.min(last.offset + last.size) };
            assert!((least..=binding.bytes).contains(&(4 * *params as u32)), "{name}: {params} words for params");
        }
        assert_eq!(shader.of(BindingKind::Scalars).next().is_some(), !shader.scalars.is_empty(), "{name}: scalars");
        translate(name, &shader);
        if !text.contains("\nenable ") {
            let hidden = reflect(variant.shader, &hide(&text)).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!((&hidden.params, &hidden.scalars), (&shader.params, &shader.scalars), "{name}");
            keeps_secrets(name, &hidden);
            translate(name, &hidden);
        }
        assert!(variant.turns.is_some(), "{name} does not say how many loop iterations it makes");
        if let Some(parts) = variant.parts {
            assert!(text.contains("\nconst PART: u32 = 0xffffffffu;"), "{name} has no PART");
            let first = shader.params.iter().find(|member| member.offset == 4 * parts.first as u32);
            assert_eq!(first.map(|member| member.name.as_str()), Some("first"), "{name}: word {} of params", parts.first);
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
    let unused: Vec<&str> = SHADERS.iter().map(|(stem, _)| *stem).filter(|stem| !seen.contains(stem)).collect();
    assert!(unused.is_empty(), "no test case uses {unused:?}");
}

/// What few devices have is allowed to the files that ask for it only.
#[test]
fn cooperative_matrices_are_for_the_files_that_enable_them() {
    let asking: Vec<&str> = SHADERS.iter().filter(|(_, text)| text.contains("\nenable ")).map(|(stem, _)| *stem).collect();
    assert_eq!(asking, ["matmul_cooperative_16", "matmul_cooperative_8"]);
    let source = steepest::shaders::source("matmul_cooperative_16").unwrap();
    for line in ["enable f16;", "enable wgpu_cooperative_matrix;"] {
        assert!(reflect("matmul_cooperative_16", &source.replace(line, "")).is_err(), "{line}");
    }
    let plain = steepest::shaders::source("half").unwrap();
    let with_f16 = format!("enable f16;\n{}", plain.replace("var word = half_of", "let h = f16(1.0); var word = half_of"));
    assert!(reflect("half", &with_f16).is_err(), "f16 arithmetic is not for every device");
}

/// WGSL has no type whose size is a constant's, so there are two files for two sizes: they differ in nothing else.
#[test]
fn cooperative_matrices_of_both_sizes_are_used_alike() {
    let [large, small] = ["matmul_cooperative_16", "matmul_cooperative_8"].map(|stem| steepest::shaders::source(stem).unwrap());
    let code = |text: &str| text.lines().filter(|line| !line.starts_with("//")).collect::<Vec<_>>().join("\n");
    let turned = code(large).replace("coop_mat16x16", "coop_mat8x8").replace("SIDE: u32 = 16u", "SIDE: u32 = 8u");
    assert_eq!(turned, code(small));
}

/// The rung has teeth: a shader that does not parse, one that does not validate, and one too large for a browser.
#[test]
fn broken_shaders_are_caught() {
    let source = steepest::shaders::source("sgd").unwrap();
    assert!(reflect("sgd", &source.replace("let p = parameter[i];", "let p = parameter[i]")).is_err());
    assert!(reflect("sgd", &source.replace("let p = parameter[i];", "let p: u32 = parameter[i];")).is_err());
    let wide = specialise("sgd", source, &[("WORKGROUP", 512)], &[]).unwrap();
    let wide = reflect("sgd", &wide).unwrap();
    assert!(std::panic::catch_unwind(|| fits_a_browser("wide", &wide)).is_err());
    assert!(specialise("sgd", source, &[("NO_SUCH", 1)], &[]).is_err());
}

/// Every variant that needs no workgroup memory can be merged with another: with itself and with a product, as if all shared one buffer.
#[test]
fn variants_without_barriers_can_be_merged() {
    let whole = |v: &Variant| {
        let text =
            specialise(v.shader, SHADERS.iter().find(|(stem, _)| *stem == v.shader).unwrap().1, &v.consts, &v.bodies).unwrap();
        let shader = reflect(v.shader, &text).unwrap();
        (text, shader)
    };
    let names = |shader: &Reflected| -> Vec<String> {
        shader.of(BindingKind::Input).chain(shader.of(BindingKind::Output)).filter(|b| b.used).map(|b| b.name.clone()).collect()
    };
    let (product, of_product) = whole(&Variant::new("matmul_registers", [3, 1, 1]));
    let (mut merged, mut apart) = (0, std::collections::BTreeSet::new());
    for (name, (variant, ..)) in variants() {
        let (text, shader) = whole(&variant);
        let held = shader.workgroup_bytes > 0 || text.contains("Barrier(") || shader.bindings.iter().any(|b| b.measured);
        let (own, others) = (names(&shader), names(&of_product));
        let part = |source, size, names: &'_ [String], first: usize| Part {
            source,
            workgroup_size: size,
            groups: [2, 1, 1],
            buffers: names
                .iter()
                .enumerate()
                .map(|(i, name)| (Box::leak(name.clone().into_boxed_str()) as &str, i.min(1), first + 64 * i))
                .collect(),
        };
        let parts = [
            part(&text, shader.workgroup_size, &own, 0),
            part(&product, of_product.workgroup_size, &others, 128),
            part(&text, shader.workgroup_size, &own, 256),
        ];
        match merge(&parts, 2, 64) {
            Some(text) => {
                assert!(!held, "{name} needs its workgroup and was merged");
                let shader = reflect("merged", &text).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
                fits_a_browser(&name, &shader);
                if merged % 8 == 0 {
                    translate(&name, &shader);
                    let hidden = reflect("merged", &hide(&text)).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
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
