//! Files of models: every kind of value comes back as it was, what stands at a limit is written and what is beyond it is not, and messages say
//! what was expected.
#![cfg(feature = "save")]
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::tied::{ends, state, step};
use steepest::error::Malformed;
use steepest::nn::*;
use steepest::save::{Checkpoints, ModelFile, TensorFile};
use steepest::{Device, Error, sequential};

/// A file of a header and as many bytes.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn fault(bytes: &[u8]) -> Malformed {
    match TensorFile::parse("x", bytes) {
        Err(Error::Malformed { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

/// A file with one tensor under a name.
fn one(name: &str, array: Array) -> TensorFile {
    let mut file = TensorFile::default();
    file.tensors.insert(name, array);
    file
}

#[test]
fn every_kind_of_value_comes_back() {
    let mut all = TensorFile::default();
    let values = [
        ("f", Values::F32(vec![1.5, -0.0, f32::MIN_POSITIVE, f32::INFINITY, f32::MAX])),
        ("u", Values::U32(vec![0, 1, 0x0102_0304, 1 << 31, u32::MAX])),
        ("i", Values::I32(vec![0, -1, 0x0102_0304, i32::MIN, i32::MAX])),
        ("b", Values::Bool(vec![true, false, false, true, true])),
    ];
    for (name, values) in values {
        all.tensors.insert(name, Array { shape: vec![5], values });
    }
    // Nothing, one number without axes, and the most axes there may be.
    all.tensors.insert("none", Array::f32(vec![], &[0]));
    all.tensors.insert("scalar", Array::f32(vec![7.0], &[]));
    all.tensors.insert("eight", Array::f32(vec![1.0, 2.0], &[1, 1, 1, 2, 1, 1, 1, 1]));
    let bytes = all.to_bytes().unwrap();
    assert_eq!(TensorFile::parse("x", &bytes).unwrap().tensors, all.tensors);
    let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(read.tensor("u").unwrap().data()[8..12], [4, 3, 2, 1]);
    assert_eq!(read.len(), 7);
}

/// Readers that map a file into memory want numbers where a number may stand.
#[test]
fn tensors_start_at_a_multiple_of_eight_bytes() {
    for length in 1..20 {
        let bytes = one(&"w".repeat(length), Array::f32(vec![1.0], &[1])).to_bytes().unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        assert!(header.is_multiple_of(8), "{length}");
        assert_eq!(bytes.len() as u64, 8 + header + 4);
        let spaces = bytes[..bytes.len() - 4].iter().rev().take_while(|&&byte| byte == b' ').count();
        assert!(spaces < 8, "{length}: {spaces} spaces");
    }
}

/// The format allows headers of 100,000,000 bytes and not one more.
#[test]
fn the_longest_header_is_written_and_read() {
    let mut long = TensorFile::default();
    long.metadata.insert("a".to_owned(), String::new());
    let empty = u64::from_le_bytes(long.to_bytes().unwrap()[..8].try_into().unwrap()) as usize;
    // What it had of spaces may be too few or too many by 7.
    long.metadata.insert("a".to_owned(), "a".repeat(100_000_000 - empty));
    let bytes = long.to_bytes().unwrap();
    assert_eq!(u64::from_le_bytes(bytes[..8].try_into().unwrap()), 100_000_000);
    assert_eq!(TensorFile::parse("x", &bytes).unwrap().metadata, long.metadata);
    drop(bytes);
    long.metadata.insert("b".to_owned(), "a".repeat(8));
    let error = long.to_bytes().unwrap_err().to_string();
    assert!(error.contains("expected at most 100000000"), "{error}");
}

#[test]
fn messages_say_what_was_expected() {
    for (header, expected) in [
        ("[]", "begin with `{`"),
        (r#"{"w":3}"#, "expected dtype, shape and data_offsets of tensor `w`"),
        (r#"{"w":{"dtype":"F32","shape":3,"data_offsets":[0,0]}}"#, "expected a list of whole numbers for tensor `w`"),
        (r#"{"__metadata__":3}"#, "expected metadata: an object of texts"),
    ] {
        let Malformed::Json(message) = fault(&file(header, &[])) else { panic!("{header}") };
        assert!(message.contains(expected), "{header}: {message}");
    }
    // Of a tensor that does not come first, its own size is named.
    let two = r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,10]}}"#;
    assert_eq!(fault(&file(two, &[0; 10])), Malformed::Size { tensor: "b".to_owned(), found: 6, expected: 4 });
    // Of one without elements, place and bytes agree.
    let none = r#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#;
    assert_eq!(TensorFile::parse("x", &file(none, &[0; 4])).unwrap().tensors.len(), 2);
}

#[test]
fn names_of_the_files_own_are_refused_as_notes() {
    let device = Device::cpu();
    let model = || ModelFile::of(&Linear::new(&device, 1, 1, 0)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    for key in ["format", "steepest.model", "steepest.of_my_own"] {
        let error = model().note(key, "mine").save(&path).unwrap_err();
        assert!(matches!(error, Error::Config { .. }) && error.to_string().contains(key), "{error}");
        assert!(!path.exists());
    }
    model().note("formats", "mine").note("steepest", "yes").save(&path).unwrap();
    assert_eq!(ModelFile::read(&path).unwrap().notes.len(), 2);
}

/// Descriptions hold numbers as numbers, and those that JSON does not have as texts.
#[test]
fn settings_come_back_whatever_they_are() {
    for value in [0.25, f64::INFINITY, f64::NEG_INFINITY] {
        let blueprint = Blueprint::new("Own")
            .set("bound", value)
            .set("size", 7_usize)
            .set("on", true)
            .set("text", "number")
            .set("sizes", &[1, 2, 3][..]);
        let whole = Blueprint::new("Both").with_part("a", blueprint.clone()).with_part("b", blueprint);
        let mut file = ModelFile::of(&sequential![]).unwrap();
        file.blueprint = Some(whole);
        let bytes = file.to_bytes().unwrap();
        let description = &TensorFile::parse("m", &bytes).unwrap().metadata["steepest.model"];
        let written = if value.is_finite() { r#""bound":0.25"#.to_owned() } else { format!(r#""bound":{{"number":"{value}"}}"#) };
        assert!(description.contains(&written), "{description}");
        assert_eq!(ModelFile::parse("m", &bytes).unwrap().blueprint, file.blueprint);
        // A number under another name is none.
        let mut other = TensorFile::parse("m", &bytes).unwrap();
        let changed = description.replace(r#"{"number":"#, r#"{"numbers":"#);
        other.metadata.insert("steepest.model".to_owned(), changed);
        assert_eq!(ModelFile::parse("m", &other.to_bytes().unwrap()).is_err(), !value.is_finite());
    }
}

#[test]
fn parts_may_be_forty_deep() {
    let device = Device::cpu();
    let nested = |deep: usize| (1..deep).fold(sequential![Linear::new(&device, 1, 1, 0)], |model, _| sequential![model]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let deepest = (1..100).find(|&deep| steepest::save::save(&nested(deep + 1), &path).is_err()).unwrap();
    assert_eq!(nested(deepest).blueprint().unwrap().depth(), 40);
    steepest::save::save(&nested(deepest), &path).unwrap();
    assert_eq!(steepest::save::load(&path, &device).unwrap().blueprint(), nested(deepest).blueprint());
}

/// A model whose numbers are of a type that is not read: that is what is said, and not that the model is larger than its file.
#[test]
fn a_model_with_numbers_of_another_type_says_which() {
    let device = Device::cpu();
    let header = r#"{"__metadata__":{"steepest.model":"{\"kind\":\"Linear\",\"inputs\":2,\"outputs\":3,\"bias\":true}"},"bias":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"weight":{"dtype":"F8_E5M2","shape":[3,2],"data_offsets":[12,18]}}"#;
    let model = ModelFile::parse("m", &file(header, &[0; 18])).unwrap();
    match model.build(&device).err().unwrap() {
        Error::Malformed { fault: Malformed::Unsupported { tensor, dtype: "F8_E5M2" }, .. } => assert_eq!(tensor, "weight"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_folder_of_checkpoints_that_is_none_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a file");
    assert!(Checkpoints::new(&path).files().unwrap().is_empty());
    std::fs::write(&path, "text").unwrap();
    assert!(matches!(Checkpoints::new(&path).files(), Err(Error::File { .. })));
    assert!(matches!(Checkpoints::new(&path).newest(), Err(Error::File { .. })));
}

/// Whatever a name of the metadata ends in, the checksum is written and read in its own place.
#[test]
fn no_other_name_is_taken_for_the_checksums() {
    for name in ["a\":[0],\"steepest.checksum", "\"steepest.checksum", "\\\"steepest.checksum", "steepest.checksum\":\"", "a\\"] {
        let mut file = one("w", Array { shape: vec![2], values: Values::F32(vec![1.0, 2.0]) });
        file.metadata.insert(name.to_owned(), "crc32:00000000\",\"steepest.checksum\":\"crc32:00000000".to_owned());
        let bytes = file.to_bytes().unwrap();
        let again = TensorFile::parse("x", &bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(again.metadata[name], file.metadata[name]);
        assert_eq!(again.to_bytes().unwrap(), bytes, "{name}");
        // And what is changed is seen.
        let mut damaged = bytes.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(matches!(fault(&damaged), Malformed::Checksum { .. }), "{name}");
    }
}

#[test]
fn layers_that_share_a_parameter_share_it_after_a_file() {
    for device in common::devices("tied weights in files") {
        let model = ends(&device);
        let file = ModelFile::of(&model).unwrap();
        let bytes = file.to_bytes().unwrap();
        let read = ModelFile::parse("tied", &bytes).unwrap();
        assert_eq!(read.blueprint, file.blueprint);
        assert_eq!(read.to_bytes().unwrap(), bytes);
        let again = read.build(&device).unwrap();
        assert_eq!(again.parameter_count(), model.parameter_count());
        assert_eq!(again.parameters().len(), model.parameters().len());
        for _ in 0..3 {
            assert_eq!(step(&*again, &device), step(&model, &device));
            let (ours, theirs) = (state(&*again), state(&model));
            assert_eq!(ours, theirs);
            assert_eq!(ours["0.weight"], ours["2.weight"]);
            assert_eq!(ours["1.0.bias"], ours["1.2.bias"]);
        }
        // And so after another file, of the model that was read.
        assert_eq!(ModelFile::of(&*again).unwrap().blueprint, file.blueprint);
    }
}

#[test]
fn what_says_nothing_of_sharing_is_read_as_before() {
    let device = Device::cpu();
    let model = ends(&device);
    // As files were before they said so.
    let mut file = ModelFile::of(&model).unwrap();
    file.blueprint = model.blueprint();
    let bytes = file.to_bytes().unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("shared"));
    let apart = ModelFile::parse("old", &bytes).unwrap().build(&device).unwrap();
    assert_eq!((apart.parameters().len(), state(&*apart)), (6, state(&model)));
    // And a model that shares nothing has the same file as ever, whatever its settings are called.
    let odd = Blueprint::new("Odd").set("shared", true);
    file.blueprint = Some(odd.clone());
    let read = ModelFile::parse("odd", &file.to_bytes().unwrap()).unwrap();
    assert_eq!(read.blueprint, Some(odd.clone()));
    file.blueprint = Some(odd.share(["a", "b"]));
    assert!(file.to_bytes().unwrap_err().to_string().contains("`shared`"));
}
