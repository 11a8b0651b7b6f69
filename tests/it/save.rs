//! Files of models: every layer goes out and comes back, other programs read them, and what is malformed is refused.
#![cfg(feature = "save")]
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::layers::{kinds, models};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use steepest::error::Malformed;
use steepest::nn::{self, *};
use steepest::save::{self, Checkpoint, Checkpoints, ModelFile, TensorFile};
use steepest::{Device, Error, Tensor, sequential};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn every_layer_comes_back_without_being_known_beforehand() {
    let folder = folder();
    let mut seen = BTreeSet::new();
    for device in common::devices("saved models") {
        for (i, (model, x)) in models(&device).into_iter().enumerate() {
            // Running statistics that are not those of a new layer.
            if i != 7 {
                model.forward(&x).run().unwrap();
            }
            let path = folder.path().join(format!("{i}.safetensors"));
            save::save(&model, &path).unwrap();
            let same = save::load(&path, &device).unwrap();
            kinds(&model.blueprint().unwrap(), &mut seen);
            assert_eq!(same.blueprint(), model.blueprint());
            assert_eq!(StateDict::of(&*same).unwrap(), StateDict::of(&model).unwrap());
            model.eval();
            let (a, b) = (model.forward(&x).to_vec::<f32>().unwrap(), same.forward(&x).to_vec::<f32>().unwrap());
            assert!(a.iter().zip(&b).all(|(a, b)| a.to_bits() == b.to_bits()), "model {i}: {a:?} and {b:?}");
            // The same content is the same bytes.
            assert_eq!(TensorFile::read(&path).unwrap().to_bytes().unwrap(), std::fs::read(&path).unwrap());
        }
    }
    // A layer of two inputs is no part of a sequence.
    let (device, path) = (Device::cpu(), folder.path().join("bilinear.safetensors"));
    let layer = Bilinear::new(&device, 2, 3, 4, 1);
    save::save(&layer, &path).unwrap();
    let same = save::load(&path, &device).unwrap();
    kinds(&layer.blueprint().unwrap(), &mut seen);
    let inputs = [device.ones([1, 2]), device.ones([1, 3])];
    let of = |model: &dyn Module| model.forward_all(&inputs)[0].to_vec::<f32>().unwrap();
    assert_eq!((same.blueprint(), of(&*same)), (layer.blueprint(), of(&layer)));
    let all: BTreeSet<String> = Registry::new().kinds().map(str::to_owned).collect();
    assert_eq!(seen, all, "a kind of layer that no model here has");
}

struct Twice(Linear);

impl Module for Twice {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.0.forward(x) * 2.0
    }
    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        self.0.visit(visit);
    }
}

#[test]
fn a_model_of_ones_own_is_loaded_into() {
    let (folder, device) = (folder(), Device::cpu());
    let path = folder.path().join("own.safetensors");
    save::save(&Twice(Linear::new(&device, 2, 3, 1)), &path).unwrap();
    let file = ModelFile::read(&path).unwrap();
    let error = file.build(&device).err().unwrap().to_string();
    assert!(error.contains("own.safetensors") && error.contains("no description"), "{error}");
    let own = Twice(Linear::new(&device, 2, 3, 2));
    file.load_into(&own).unwrap();
    assert_eq!(StateDict::of(&own).unwrap(), file.state);
    let other = Twice(Linear::new(&device, 2, 4, 2).without_bias());
    let error = file.load_into(&other).unwrap_err();
    assert!(matches!(error, Error::State { .. }));
    let error = error.to_string();
    for part in ["own.safetensors", "unexpected: bias", "weight is f32 [3, 2], the model's is f32 [4, 2]"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_partial_load_tells_what_it_did() {
    let device = Device::cpu();
    let mut state = StateDict::of(&nn::mlp(&device, &[4, 8, 3], 1)).unwrap();
    state.insert("2.num_batches_tracked", Array { shape: vec![], values: Values::I32(vec![5]) });
    state.insert("head.weight", Array::f32(vec![1.0], &[1]));
    state.remove("0.bias");
    let model = nn::mlp(&device, &[4, 8, 5], 2);
    let before = StateDict::of(&model).unwrap();
    assert!(state.load(&model).is_err());
    assert_eq!(StateDict::of(&model).unwrap(), before, "a strict load that failed changed something");
    let report = state.load_partial(&model).unwrap();
    assert_eq!((&report.loaded[..], &report.missing[..]), (&["0.weight".to_owned()][..], &["0.bias".to_owned()][..]));
    assert_eq!((&report.unexpected[..], report.wrong.len()), (&["head.weight".to_owned()][..], 2));
    let after = StateDict::of(&model).unwrap();
    assert_eq!(after.get("0.weight"), state.get("0.weight"));
    assert_eq!(after.get("2.weight"), before.get("2.weight"));
    println!("{report}");
}

/// A file of a header and as many bytes.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn fault(bytes: &[u8]) -> Malformed {
    match TensorFile::parse("x.safetensors", bytes) {
        Err(Error::Malformed { path, fault }) if path == Path::new("x.safetensors") => fault,
        other => panic!("{other:?}"),
    }
}

/// A tensor `w` of four f32, with one thing changed.
fn changed(from: &str, to: &str) -> Malformed {
    const GOOD: &str = r#"{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#;
    assert!(GOOD.contains(from));
    TensorFile::parse("x", &file(GOOD, &[0; 16])).unwrap();
    fault(&file(&GOOD.replace(from, to), &[0; 16]))
}

#[test]
fn malformed_files_are_refused_with_the_reason() {
    use Malformed as M;
    // The length of the header.
    for bytes in 0..8 {
        assert_eq!(fault(&vec![0; bytes]), M::Short { bytes: bytes as u64 });
    }
    assert_eq!(fault(&file("", &[])), M::HeaderLength { length: 0, most: 0 });
    assert_eq!(fault(&[&u64::MAX.to_le_bytes()[..], b"{}"].concat()), M::HeaderLength { length: u64::MAX, most: 2 });
    let long = [&100_000_001u64.to_le_bytes()[..], &vec![b' '; 100_000_001]].concat();
    assert_eq!(fault(&long), M::HeaderLength { length: 100_000_001, most: 100_000_000 });
    // Text and JSON.
    assert_eq!(fault(&[&4u64.to_le_bytes()[..], b"{\"\xff}"].concat()), M::Utf8 { at: 2 });
    for header in [
        "[]",
        "3",
        "null",
        "\"w\"",
        " {}",
        "{",
        "{}x",
        r#"{"w":{"dtype":"F32","shape":[2,2],"data_o"#,
        r#"{"w":3}"#,
        r#"{"__metadata__":{"a":1}}"#,
    ] {
        assert!(matches!(fault(&file(header, &[])), M::Json(_)), "{header}");
    }
    // Places.
    assert!(matches!(changed("[0,16]", "[-1,16]"), M::Number { .. }));
    assert!(matches!(changed("[0,16]", "[0,16.0]"), M::Number { .. }));
    assert!(matches!(changed("[0,16]", "[0,1.6e1]"), M::Number { .. }));
    assert!(matches!(changed("[0,16]", "[0,18446744073709551616]"), M::Number { .. }));
    assert!(matches!(changed("[0,16]", "[\"0\",16]"), M::Json(_)));
    assert!(matches!(changed("[0,16]", "[16,0]"), M::Place { start: 16, end: 0, .. }));
    assert!(matches!(changed("[0,16]", "[0,17]"), M::Place { end: 17, length: 16, .. }));
    assert!(matches!(changed("[0,16]", "[0,18446744073709551615]"), M::Place { .. }));
    assert!(matches!(changed("[0,16]", "[0]"), M::Field { .. }));
    assert!(matches!(changed("[0,16]", "[0,8,16]"), M::Field { .. }));
    let two = |a: &str, b: &str, bytes: usize| {
        let tensor = |place: &str| format!(r#"{{"dtype":"U8","shape":[4],"data_offsets":[{place}]}}"#);
        fault(&file(&format!(r#"{{"a":{},"b":{}}}"#, tensor(a), tensor(b)), &vec![0; bytes]))
    };
    assert_eq!(two("0,4", "3,7", 7), M::Overlap { first: "a".to_owned(), second: "b".to_owned() });
    assert_eq!(two("0,4", "0,4", 4), M::Overlap { first: "a".to_owned(), second: "b".to_owned() });
    assert_eq!(two("5,9", "0,4", 9), M::Hole { tensor: "a".to_owned(), bytes: 1 });
    assert_eq!(two("1,5", "5,9", 9), M::Hole { tensor: "a".to_owned(), bytes: 1 });
    assert!(matches!(two("4,8", "0,4", 9), M::Trailing { bytes: 1 }));
    assert_eq!(fault(&file("{}", &[7])), M::Trailing { bytes: 1 });
    // Shapes and types.
    assert_eq!(changed("[2,2]", "[2,3]"), M::Size { tensor: "w".to_owned(), found: 16, expected: 24 });
    assert!(matches!(changed("F32", "F64"), M::Size { .. }));
    assert!(matches!(changed("[2,2]", "[0,2]"), M::Size { expected: 0, .. }));
    assert!(matches!(changed("[2,2]", "[4294967296,4294967296]"), M::Overflow { .. }));
    assert!(matches!(changed("[2,2]", "[9223372036854775807]"), M::Overflow { .. }));
    assert!(matches!(changed("[2,2]", "[0,4294967296,4294967296]"), M::Overflow { .. }));
    assert!(matches!(changed("[2,2]", "[2,-2]"), M::Number { .. }));
    assert!(matches!(changed("[2,2]", "[2,2.5]"), M::Number { .. }));
    assert_eq!(changed("[2,2]", "[2,2,1,1,1,1,1,1,1]"), M::Rank { tensor: "w".to_owned() });
    assert_eq!(changed("F32", "F31"), M::DType { tensor: "w".to_owned(), found: "F31".to_owned() });
    assert!(matches!(changed("F32", "f32"), M::DType { .. }));
    let bools = r#"{"m":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}"#;
    assert_eq!(fault(&file(bools, &[0, 1, 2])), M::Bool { tensor: "m".to_owned(), index: 2, found: 2 });
    // Fields.
    assert!(matches!(changed(r#""dtype":"F32","#, ""), M::Field { .. }));
    assert!(matches!(changed(r#""shape":[2,2],"#, ""), M::Field { .. }));
    assert!(matches!(changed(r#","data_offsets":[0,16]"#, ""), M::Field { .. }));
    assert!(matches!(changed(r#""dtype":"F32""#, r#""dtype":"F32","dtype":"F32""#), M::Field { .. }));
    assert!(matches!(changed(r#""shape":[2,2]"#, r#""shape":[2,2],"shape":[4]"#), M::Field { .. }));
    assert!(matches!(changed(r#""dtype":"F32""#, r#""dtype":"F32","more":[1,{}]"#), M::Field { .. }));
    // Names.
    let w = r#""w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}"#;
    let double = format!(r#"{w},"w":{{"dtype":"F32","shape":[],"data_offsets":[16,20]}}"#);
    assert_eq!(changed(w, &double), M::Duplicate("w".to_owned()));
    assert!(matches!(changed("w", ""), M::Name { .. }));
    assert!(matches!(changed("w", "a\\u0000b"), M::Name { .. }));
    assert!(matches!(changed("w", "../../etc"), M::Name { .. }));
    let twice = r#"{"__metadata__":{},"__metadata__":{}}"#;
    assert_eq!(fault(&file(twice, &[])), M::Duplicate("__metadata__".to_owned()));
    assert!(matches!(fault(&file(r#"{"__metadata__":{"a":"1","a":"2"}}"#, &[])), M::Metadata { .. }));
    // Types whose elements are no whole bytes: of their number is known what they need.
    let quarter = r#"{"n":{"dtype":"F6_E2M3","shape":[3],"data_offsets":[0,3]}}"#;
    assert_eq!(fault(&file(quarter, &[0; 3])), M::Size { tensor: "n".to_owned(), found: 3, expected: 3 });
}

#[test]
fn descriptions_are_not_believed() {
    let device = Device::cpu();
    let build = |description: &str| {
        let mut file = TensorFile::default();
        file.tensors.insert("0.weight", Array::f32(vec![0.5; 6], &[3, 2]));
        file.metadata.insert("steepest.model".to_owned(), description.to_owned());
        let bytes = file.to_bytes().unwrap();
        ModelFile::parse("m.safetensors", &bytes).and_then(|file| file.build(&device))
    };
    let linear = |settings: &str| format!(r#"{{"kind":"Sequential","parts":[{{"name":"0","kind":"Linear",{settings}}}]}}"#);
    build(&linear(r#""inputs":2,"outputs":3,"bias":false"#)).unwrap();
    let deep = r#"{"kind":"Sequential","parts":["#.repeat(100_000);
    for (description, part) in [
        (linear(r#""inputs":2000000000,"outputs":3000000000,"bias":false"#), "more than the 6 numbers left"),
        (linear(r#""inputs":18446744073709551615,"outputs":18446744073709551615,"bias":false"#), "more than the 6 numbers left"),
        (linear(r#""inputs":2,"outputs":3,"bias":true"#), "more than the 6 numbers left"),
        (linear(r#""inputs":3,"outputs":2,"bias":false"#), "0.weight is f32 [3, 2], the model's is f32 [2, 3]"),
        (linear(r#""inputs":-2,"outputs":3,"bias":false"#), "`inputs` is Number(-2.0), expected a size"),
        (linear(r#""inputs":2,"bias":false"#), "`outputs` is nothing, expected a size"),
        (linear(r#""inputs":2,"outputs":null,"bias":false"#), "setting `outputs` is null"),
        (r#"{"kind":"os.system"}"#.to_owned(), "description of a `os.system`: no such kind"),
        (r#"{"kind":"Sequential"}"#.to_owned(), "unexpected: 0.weight"),
        (r#"{"kind":"Residual"}"#.to_owned(), "no part `inner`"),
        (r#"{"kind":"Conv2d","inputs":1,"outputs":1,"groups":1,"bias":false,"kernel":[1,2,3],"stride":[1,1],"padding":[0,0],"dilation":[1,1]}"#.to_owned(), "expected 2 sizes"),
        (r#"{"kind":"LayerNorm","shape":[1,1,1,1,1,1,1,1,1],"eps":1e-5,"affine":true}"#.to_owned(), "up to 8 sizes"),
        (r#"{"kind":"Activation","function":"sudo"}"#.to_owned(), "no function is called `sudo`"),
        ("[1]".to_owned(), "expected an object"),
        ("{".to_owned(), "EOF"),
        (deep, "recursion limit"),
    ] {
        let error = build(&description).err().unwrap_or_else(|| panic!("built: {description}")).to_string();
        assert!(error.contains("m.safetensors") && error.contains(part), "{error}");
    }
}

/// Random numbers that are the same every time.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn no_damage_goes_unnoticed_and_none_panics() {
    let device = Device::cpu();
    let model = sequential![Linear::new(&device, 2, 3, 1), Dropout::new(0.5, 1)];
    let file = ModelFile::of(&model).unwrap().preprocessing("{\"a\": \"b\"}").note("steepest", "x").to_owned();
    let folder = folder();
    let path = folder.path().join("m.safetensors");
    file.save(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    assert_eq!(ModelFile::read(&path).unwrap().state, file.state);
    for length in 0..good.len() {
        assert!(ModelFile::parse("m", &good[..length]).is_err(), "{length} bytes of {}", good.len());
    }
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert!(ModelFile::parse("m", &bad).is_err(), "bit {bit} of byte {at}");
        }
    }
    // The same without a checksum, as other programs write files: most damage is legal then, but what is accepted is well-formed, which the
    // reference reader confirms.
    let foreign = {
        let tensors: Vec<(String, Vec<u8>, Vec<usize>)> = file
            .state
            .iter()
            .map(|(name, a)| {
                (name.to_owned(), a.as_f32().unwrap().iter().flat_map(|x| x.to_le_bytes()).collect(), a.shape.clone())
            })
            .collect();
        let views = tensors.iter().map(|(name, bytes, shape)| {
            (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    };
    let (mut seed, mut accepted) = (88_172_645_463_325_252, 0);
    for round in 0..20_000 {
        let mut bad = foreign.clone();
        for _ in 0..=next(&mut seed) % 3 {
            // Mostly in the header, mostly other characters of JSON.
            let at = (next(&mut seed) % if round % 4 == 0 { bad.len() as u64 } else { 200.min(bad.len() as u64) }) as usize;
            bad[at] = match next(&mut seed) % 3 {
                0 => b"{}[]\",:0123456789-.eE "[(next(&mut seed) % 22) as usize],
                1 => bad[at] ^ 1 << (next(&mut seed) % 8),
                _ => next(&mut seed) as u8,
            };
        }
        if round % 5 == 0 {
            bad.truncate((next(&mut seed) % bad.len() as u64) as usize);
        }
        if TensorFile::parse("m", &bad).is_ok() {
            accepted += 1;
            safetensors::SafeTensors::deserialize(&bad).unwrap();
        }
    }
    println!("{accepted} of 20,000 damaged files without checksum were still well-formed");
    assert!(accepted > 100);
}

#[test]
fn numbers_of_other_types_become_f32() {
    // 1.5, −2, the smallest half above 0, infinity.
    let half = [0x3e00u16, 0xc000, 0x0001, 0x7c00].map(u16::to_le_bytes).concat();
    let brain = [0x3fc0u16, 0xc000].map(u16::to_le_bytes).concat();
    let header = r#"{"h":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]},
        "d":{"dtype":"F64","shape":[],"data_offsets":[12,20]},"n.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[20,28]}}"#;
    let bytes = file(header, &[half, brain, 0.1f64.to_le_bytes().to_vec(), 3i64.to_le_bytes().to_vec()].concat());
    let tensors = TensorFile::parse("m", &bytes).unwrap().tensors;
    let of = |name: &str| tensors.get(name).unwrap().as_f32().unwrap().to_vec();
    assert_eq!(of("h"), [1.5, -2.0, 2f32.powi(-24), f32::INFINITY]);
    assert_eq!((of("b"), of("d"), tensors.len()), (vec![1.5, -2.0], vec![0.1f32], 4));
    assert_eq!(tensors.get("n.num_batches_tracked").unwrap().values, Values::I32(vec![3]));
}

/// Runs Python with the packages, or says what is skipped.
fn python(script: &str, arguments: &[&Path], what: &str) -> Option<String> {
    let output = Command::new("python3").arg("-c").arg(script).args(arguments).output();
    match output {
        Ok(output) if output.status.success() => Some(String::from_utf8(output.stdout).unwrap()),
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("ModuleNotFoundError") => {
            println!("SKIPPED ({}): {what}", String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default());
            None
        }
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            println!("SKIPPED (python3: {error}): {what}");
            None
        }
    }
}

#[test]
fn python_reads_and_writes_the_same_numbers() {
    let (folder, device) = (folder(), Device::cpu());
    let (ours, theirs) = (folder.path().join("ours.safetensors"), folder.path().join("theirs.safetensors"));
    let model = sequential![
        Conv2d::new(&device, 2, 3, (3, 2), 1),
        BatchNorm2d::new(&device, 3),
        Flatten,
        Linear::new(&device, 12, 4, 2),
    ];
    let lstm = sequential![Lstm::new(&device, 4, 3, 5), Gru::new(&device, 3, 2, 6)];
    let model = sequential![model, lstm];
    save::save(&model, &ours).unwrap();
    let script = r"
import sys
from safetensors.numpy import load_file, save_file
t = load_file(sys.argv[1])
for name in sorted(t):
    print(name, list(t[name].shape), t[name].dtype, t[name].tobytes().hex())
save_file({k: v * 2 for k, v in t.items()}, sys.argv[2])
";
    let Some(text) = python(script, &[&ours, &theirs], "files read by the safetensors package") else { return };
    let hex = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).map(|b| format!("{b:02x}")).collect::<String>();
    let state = StateDict::of(&model).unwrap();
    let expected: String =
        state.iter().map(|(name, a)| format!("{name} {:?} float32 {}\n", a.shape, hex(a.as_f32().unwrap()))).collect();
    assert_eq!(text, expected);
    assert!(
        text.contains("0.0.weight [3, 2, 3, 2]")
            && text.contains("0.1.running_mean [3]")
            && text.contains("1.0.weight_ih_l0 [12, 4]")
    );
    for (name, array) in TensorFile::read(&theirs).unwrap().tensors.iter() {
        let doubled: Vec<f32> = state.get(name).unwrap().as_f32().unwrap().iter().map(|x| x * 2.0).collect();
        assert_eq!(array.as_f32().unwrap(), doubled);
    }
}

#[test]
fn pytorch_computes_the_same_from_the_file() {
    let (folder, device) = (folder(), Device::cpu());
    let (path, out) = (folder.path().join("m.safetensors"), folder.path().join("x.safetensors"));
    let model = sequential![
        Conv2d::new(&device, 2, 4, 3, 1).padding(1),
        BatchNorm2d::new(&device, 4),
        Activation::Relu,
        Flatten,
        Linear::new(&device, 36, 5, 2),
    ];
    model.forward(&device.uniform([4, 2, 3, 3], -1.0, 2.0, 3)).run().unwrap();
    save::save(&model, &path).unwrap();
    let script = r"
import sys, torch
from safetensors.torch import load_file, save_file
m = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(36, 5))
m.load_state_dict(load_file(sys.argv[1]))
m.eval()
x = torch.randn(3, 2, 3, 3)
save_file({'x': x, 'y': m(x).detach()}, sys.argv[2])
";
    let Some(_) = python(script, &[&path, &out], "files read by PyTorch") else { return };
    let tensors = TensorFile::read(&out).unwrap().tensors;
    let of = |name: &str| tensors.get(name).unwrap().as_f32().unwrap().to_vec();
    model.eval();
    let y = model.forward(&device.tensor(&of("x"), [3, 2, 3, 3])).to_vec::<f32>().unwrap();
    assert!(y.iter().zip(of("y")).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn what_cannot_be_written_is_refused_and_leaves_nothing() {
    let (folder, device) = (folder(), Device::cpu());
    let path = folder.path().join("m.safetensors");
    let mut file = TensorFile::default();
    for (name, array) in [
        ("", Array::f32(vec![1.0], &[1])),
        ("a..b", Array::f32(vec![1.0], &[1])),
        ("__metadata__", Array::f32(vec![1.0], &[1])),
        ("w", Array::f32(vec![1.0], &[2])),
        ("w", Array::f32(vec![1.0], &[1; 9])),
    ] {
        file.tensors = [(name.to_owned(), array)].into_iter().collect();
        assert!(file.write(&path).is_err(), "{name}");
    }
    let nested = (0..50).fold(sequential![Linear::new(&device, 1, 1, 0)], |model, _| sequential![model]);
    assert!(save::save(&nested, &path).is_err());
    assert!(ModelFile::of(&nested).unwrap().note("format", "mine").save(&path).is_err());
    assert!(save::save(&Linear::new(&device, 1, 1, 0), folder.path().join("nowhere/m.safetensors")).is_err());
    // A folder in the file's place.
    std::fs::create_dir(folder.path().join("taken")).unwrap();
    assert!(save::save(&Linear::new(&device, 1, 1, 0), folder.path().join("taken")).is_err());
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["taken"], "half a file was left");
}

#[test]
fn the_newest_valid_checkpoint_counts() {
    let (folder, device) = (folder(), Device::cpu());
    let model = nn::mlp(&device, &[2, 3, 1], 1);
    let opt = steepest::optim::Adam::new(model.parameters(), 0.1);
    let checkpoints = Checkpoints::new(folder.path().join("run")).keep(3);
    assert!(checkpoints.newest().unwrap().is_none());
    for step in [5, 10, 15, 20] {
        let mut checkpoint = Checkpoint::of(&model, &opt).unwrap();
        checkpoint.progress.insert("step".to_owned(), step.to_string());
        checkpoints.write(step, &checkpoint).unwrap();
    }
    let files = checkpoints.files().unwrap();
    assert_eq!(files.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [20, 15, 10]);
    let step = || checkpoints.newest().unwrap().unwrap().1.progress["step"].clone();
    assert_eq!(step(), "20");
    // Cut short, as by a full disk; a bit flipped; a model in its place.
    let bytes = std::fs::read(&files[0].1).unwrap();
    std::fs::write(&files[0].1, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(step(), "15");
    let mut bytes = std::fs::read(&files[1].1).unwrap();
    *bytes.last_mut().unwrap() ^= 4;
    std::fs::write(&files[1].1, &bytes).unwrap();
    assert_eq!(step(), "10");
    save::save(&model, &files[2].1).unwrap();
    let error = checkpoints.newest().unwrap_err().to_string();
    assert!(error.contains("step-000000000020"), "{error}");
    assert!(matches!(Checkpoint::read(&files[2].1), Err(Error::Malformed { fault: Malformed::Metadata { .. }, .. })));
    // A checkpoint is no model.
    let path = folder.path().join("c.safetensors");
    Checkpoint::of(&model, &opt).unwrap().write(&path).unwrap();
    assert!(ModelFile::read(&path).err().unwrap().to_string().contains("checkpoint of a training run"));
}
