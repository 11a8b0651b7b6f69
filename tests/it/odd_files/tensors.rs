//! Safetensors: every type of the format; numbers that no tensor holds; a model that needs what was left out; damage.

use super::{damaged, refused};
use steepest::error::Malformed;
use steepest::nn::{Array, Linear, StateDict, Values};
use steepest::save::{ModelFile, TensorFile};
use steepest::{Device, Error};

/// A file of tensors: name, type, shape, bytes.
fn file(metadata: &str, tensors: &[(&str, &str, &str, &[u8])]) -> Vec<u8> {
    let (mut places, mut data) = (vec![], vec![]);
    for (name, kind, shape, bytes) in tensors {
        let start = data.len();
        data.extend(*bytes);
        places.push(format!(r#""{name}":{{"dtype":"{kind}","shape":{shape},"data_offsets":[{start},{}]}}"#, data.len()));
    }
    let header = format!("{{{metadata}{}}}", places.join(","));
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

fn read(bytes: &[u8]) -> steepest::Result<TensorFile> {
    TensorFile::parse("odd.safetensors", bytes)
}

#[test]
fn every_type_of_the_format() {
    let all = |values: &[i64], of: fn(i64) -> Vec<u8>| values.iter().flat_map(|&x| of(x)).collect::<Vec<u8>>();
    for (kind, bytes, expected) in [
        ("BOOL", vec![1, 0], Values::Bool(vec![true, false])),
        ("U8", vec![255, 0], Values::U32(vec![255, 0])),
        ("I8", vec![128, 127], Values::I32(vec![-128, 127])),
        ("U16", vec![255, 255, 0, 1], Values::U32(vec![65_535, 256])),
        ("I16", vec![0, 128, 255, 255], Values::I32(vec![-32_768, -1])),
        ("U32", vec![255, 255, 255, 255, 1, 0, 0, 0], Values::U32(vec![u32::MAX, 1])),
        ("I32", all(&[i64::from(i32::MIN), 5], |x| (x as i32).to_le_bytes().to_vec()), Values::I32(vec![i32::MIN, 5])),
        ("U64", all(&[(1 << 32) - 1, 0], |x| x.to_le_bytes().to_vec()), Values::U32(vec![u32::MAX, 0])),
        ("I64", all(&[-(1 << 31), (1 << 31) - 1], |x| x.to_le_bytes().to_vec()), Values::I32(vec![i32::MIN, i32::MAX])),
        ("F16", vec![0, 0x3c, 1, 0], Values::F32(vec![1.0, 2f32.powi(-24)])),
        ("BF16", vec![0x80, 0x3f, 0x80, 0xff], Values::F32(vec![1.0, f32::NEG_INFINITY])),
        ("F32", [f32::MIN_POSITIVE, -0.0].map(f32::to_le_bytes).concat(), Values::F32(vec![f32::MIN_POSITIVE, -0.0])),
        ("F64", [0.1, f64::INFINITY].map(f64::to_le_bytes).concat(), Values::F32(vec![0.1, f32::INFINITY])),
    ] {
        let found = read(&file("", &[("w", kind, "[2]", &bytes)])).unwrap();
        assert_eq!(found.tensors.get("w"), Some(&Array { shape: vec![2], values: expected }), "{kind}");
        assert!(found.left_out.is_empty(), "{kind}");
        // No element, and one without axes.
        let found = read(&file("", &[("w", kind, "[0,2]", &[]), ("v", kind, "[]", &bytes[..bytes.len() / 2])])).unwrap();
        assert_eq!((found.tensors.get("w").unwrap().len(), found.tensors.get("v").unwrap().len()), (0, 1), "{kind}");
    }
}

#[test]
fn what_cannot_be_read_is_left_out_and_named() {
    let one = 1.5f32.to_le_bytes();
    let f64s = |x: f64| [0.5, x].map(f64::to_le_bytes).concat();
    let i64s = |x: i64| [3, x].map(i64::to_le_bytes).concat();
    let u64s = |x: u64| [3, x].map(u64::to_le_bytes).concat();
    let range = |kind, bytes, value: &str| (kind, bytes, Some(value.to_owned()));
    for (kind, bytes, value) in [
        range("F64", f64s(1e300), "1e300"),
        range("F64", f64s(-1e39), "-1e39"),
        range("F64", f64s(1e-60), "1e-60"),
        range("F64", f64s(-5e-324), "-5e-324"),
        range("I64", i64s(1 << 31), "2147483648"),
        range("I64", i64s(i64::MIN), "-9223372036854775808"),
        range("U64", u64s(1 << 32), "4294967296"),
        range("U64", u64s(u64::MAX), "18446744073709551615"),
        ("F4", vec![0], None),
        ("F8_E5M2", vec![0; 2], None),
        ("F8_E4M3", vec![0; 2], None),
        ("F8_E8M0", vec![0; 2], None),
        ("F8_E4M3FNUZ", vec![0; 2], None),
        ("F8_E5M2FNUZ", vec![0; 2], None),
        ("C64", vec![0; 16], None),
    ] {
        let bytes = file("", &[("a", "F32", "[1]", &one), ("odd", kind, "[2]", &bytes), ("z", "F32", "[1]", &one)]);
        let found = read(&bytes).unwrap_or_else(|e| panic!("{kind}: {e}"));
        assert_eq!(found.tensors.names().collect::<Vec<_>>(), ["a", "z"], "{kind}");
        let left = &found.left_out["odd"];
        assert_eq!((found.left_out.len(), left.dtype, &left.shape[..]), (1, kind, &[2][..]));
        match (&left.fault, value) {
            (Malformed::Range { tensor, index: 1, value, .. }, Some(expected)) => {
                assert_eq!((tensor.as_str(), value), ("odd", &expected))
            }
            (Malformed::Unsupported { tensor, dtype }, None) => assert_eq!((tensor.as_str(), *dtype), ("odd", kind)),
            (other, _) => panic!("{kind}: {other:?}"),
        }
        // Written again it would be lost without a word.
        let error = found.to_bytes().unwrap_err();
        assert!(matches!(error, Error::Config { .. }) && error.to_string().contains("`odd`"), "{error}");
    }
    // Sizes are checked whatever the type.
    for (kind, shape, bytes) in
        [("F4", "[3]", 2), ("F6_E3M2", "[2]", 2), ("C64", "[2]", 8), ("F8_E4M3", "[2]", 3), ("F9", "[2]", 2)]
    {
        refused(kind, read(&file("", &[("w", kind, shape, &vec![0; bytes])])));
    }
}

#[test]
fn a_model_that_needs_it_is_told() {
    let device = Device::cpu();
    let description = r#""__metadata__":{"steepest.model":"{\"kind\":\"Linear\",\"inputs\":1,\"outputs\":2,\"bias\":false}"},"#;
    let model = Linear::new(&device, 1, 2, 1).without_bias();
    let of = |kind: &str, bytes: &[u8], counter: i64| {
        let counter = counter.to_le_bytes();
        ModelFile::parse(
            "odd.safetensors",
            &file(description, &[("weight", kind, "[2,1]", bytes), ("num_batches_tracked", "I64", "[]", &counter)]),
        )
    };
    let before = StateDict::of(&model).unwrap();
    for (kind, bytes, expected) in [
        (
            "F64",
            [1.0, 1e300].map(f64::to_le_bytes).concat(),
            "tensor `weight`: element 1 is 1e300, which is beyond the range of f32",
        ),
        ("C64", vec![0; 16], "tensor `weight` has elements of type C64"),
    ] {
        let found = of(kind, &bytes, 1).unwrap();
        for message in [refused(kind, found.load_into(&model)), refused(kind, found.build(&device).map(|_| ()))] {
            assert!(message.contains(expected), "{message}");
        }
        assert_eq!(StateDict::of(&model).unwrap(), before);
        assert_eq!(found.state.load_partial(&model).unwrap().missing, ["weight"]);
        assert!(found.save(std::env::temp_dir().join("never-written.safetensors")).is_err());
    }
    // Whole numbers where the model has others: named with both types, as any tensor that does not fit.
    let error = of("I64", &[0; 16], 1).unwrap().load_into(&model).unwrap_err().to_string();
    assert!(error.contains("weight is i32 [2, 1], the model's is f32 [2, 1]"), "{error}");
    // What no model needs keeps no model from being loaded.
    let found = of("F64", &[0.25, -4.0].map(f64::to_le_bytes).concat(), i64::MAX).unwrap();
    assert!(found.left_out.contains_key("num_batches_tracked"));
    found.load_into(&model).unwrap();
    let built = found.build(&device).unwrap();
    assert_eq!(built.parameters()[0].to_vec::<f32>().unwrap(), [0.25, -4.0]);
}

/// Settings in the description of a model.
#[test]
fn settings_beyond_f32_are_refused() {
    let device = Device::cpu();
    let weight = 1f32.to_le_bytes();
    let with = |eps: &str| {
        let description = format!(r#""__metadata__":{{"steepest.model":"{{\"kind\":\"RmsNorm\",\"width\":1,\"eps\":{eps}}}"}},"#);
        ModelFile::parse("odd.safetensors", &file(&description, &[("weight", "F32", "[1]", &weight)]))?.build(&device)
    };
    with("1e-5").unwrap();
    for (eps, expected) in
        [("1e300", "`eps` is 1e300, which is beyond"), ("1e-300", "would round to 0"), ("1e999", "out of range")]
    {
        let message = refused(eps, with(eps).map(|_| ()));
        assert!(message.contains(expected), "{message}");
    }
    // Nor is a file written that could not be read.
    let norm = steepest::nn::RmsNorm::new(&device, 1).eps(1e-300);
    let folder = tempfile::tempdir().unwrap();
    assert!(steepest::save::save(&norm, folder.path().join("m.safetensors")).is_err());
}

#[test]
fn damage() {
    let doubles = [1.0, 1e300].map(f64::to_le_bytes).concat();
    let bytes = file(
        "",
        &[
            ("a", "BF16", "[2]", &[1, 2, 3, 4]),
            ("b", "F64", "[2]", &doubles),
            ("c", "F4", "[2]", &[0]),
            ("d", "BOOL", "[1]", &[1]),
        ],
    );
    damaged("tensors", &bytes, read, |found, bytes| found.tensors.numbers() <= bytes.len() as u64);
}
