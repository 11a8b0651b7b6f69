//! Files of models that lie about their size must not cost memory. Alone in its program, because it watches the memory of all of it.
#![cfg(all(target_os = "linux", feature = "save"))]
#![allow(clippy::unwrap_used)]

use steepest::Device;
use steepest::nn::Array;
use steepest::save::{ModelFile, TensorFile};

/// The most memory this program ever asked for, in bytes, touched or not.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmPeak:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

fn file(length: u64, header: &str) -> Vec<u8> {
    [&length.to_le_bytes()[..], header.as_bytes()].concat()
}

#[test]
fn a_model_that_lies_costs_no_memory() {
    let device = Device::cpu();
    let described = |description: &str| {
        let mut file = TensorFile::default();
        file.tensors.insert("weight", Array::f32(vec![0.5; 4], &[4]));
        file.metadata.insert("steepest.model".to_owned(), description.to_owned());
        file.to_bytes().unwrap()
    };
    let honest = |header: String| file(header.len() as u64, &header);
    let lies = [
        ("header", file(99_000_000, "{}")),
        ("shape", honest(r#"{"w":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}"#.to_owned())),
        ("place", honest(r#"{"w":{"dtype":"F32","shape":[0],"data_offsets":[4398046511104,4398046511104]}}"#.to_owned())),
        ("axes", honest(format!(r#"{{"w":{{"dtype":"F32","shape":[{}1],"data_offsets":[0,4]}}}}"#, "1,".repeat(500_000)))),
        ("hollow linear", described(r#"{"kind":"Linear","inputs":0,"outputs":900000000,"bias":false}"#)),
        (
            "hollow kernel",
            described(
                r#"{"kind":"Conv2d","inputs":1,"outputs":900000000,"groups":1,"bias":false,"kernel":[0,1],"stride":[1,1],"padding":[0,0],"dilation":[1,1]}"#,
            ),
        ),
        ("linear", described(r#"{"kind":"Linear","inputs":60000,"outputs":60000,"bias":false}"#)),
        (
            "groups",
            described(
                r#"{"kind":"Conv1d","inputs":9000,"outputs":9000,"groups":1,"bias":false,"kernel":[9],"stride":[1,1],"padding":[0,0],"dilation":[1,1]}"#,
            ),
        ),
        ("lstm", described(r#"{"kind":"Lstm","inputs":9000,"hidden":9000,"batch_first":false,"last_only":false}"#)),
        (
            "layers",
            described(
                r#"{"kind":"Gru","inputs":1,"hidden":1,"batch_first":false,"last_only":false,"layers":900000000,"bidirectional":true}"#,
            ),
        ),
        ("attention", described(r#"{"kind":"MultiHeadAttention","width":20000,"heads":1,"causal":false}"#)),
        (
            "keys",
            described(
                r#"{"kind":"MultiHeadAttention","width":4,"heads":4,"causal":false,"kv_heads":900000000,"inputs":[0,0],"bias":false}"#,
            ),
        ),
        ("norm", described(r#"{"kind":"LayerNorm","shape":[90000,9000],"eps":1e-5,"affine":true}"#)),
        ("plain norm", described(r#"{"kind":"GroupNorm","groups":1,"channels":900000000,"eps":1e-5,"affine":false}"#)),
        ("batch norm", described(r#"{"kind":"BatchNorm2d","channels":900000000,"momentum":0.1,"eps":1e-5,"affine":false}"#)),
        ("embedding", described(r#"{"kind":"Embedding","rows":90000,"width":9000}"#)),
        ("tables", described(r#"{"kind":"FeatureEmbedding","inputs":1,"outputs":9000,"rows":[3,90000,90000]}"#)),
    ];
    let before = peak();
    for (what, bytes) in lies {
        let error = ModelFile::parse(what, &bytes).and_then(|file| file.build(&device)).err().unwrap();
        let grown = peak() - before;
        assert!(grown < 8 << 20, "{what}: {} MiB more for a file of {} bytes; {error}", grown >> 20, bytes.len());
    }
}
