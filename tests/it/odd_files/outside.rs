//! Files that NumPy, Pillow and safetensors write, where Python has them: every number is what those programs say it is.

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use steepest::data::{Array, Pictures, read_npz};
use steepest::nn::Values;
use steepest::save::TensorFile;

const SCRIPT: &str = r#"
import json, sys
import numpy as np
from numpy.lib import format
from PIL import Image
from safetensors.numpy import save_file
folder = sys.argv[1] + "/"
rng = np.random.default_rng(5)
said = []
def tell(kind, file, name, a):
    said.append({"kind": kind, "file": file, "name": name, "shape": list(a.shape), "values": a.astype(np.float64).ravel().tolist()})
arrays = {}
for code in ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]:
    for order in "<>":
        for shape in [(), (3,), (2, 3), (2, 3, 4), (0, 2)]:
            a = (rng.integers(-100, 100, shape) if code[0] in "if" else rng.integers(0, 2 if code == "b1" else 200, shape))
            a = np.asarray(a).astype(order + code)
            if code[0] == "f":
                a = np.asarray(a / 7).astype(order + code)
            for version in [(1, 0), (2, 0), (3, 0)]:
                for fortran in [False, True]:
                    b = np.asfortranarray(a) if fortran and a.ndim else a
                    file = f"{len(said)}.npy"
                    with open(folder + file, "wb") as f:
                        format.write_array(f, b, version=version)
                    tell("npy", file, "", b)
            arrays[f"{code}{'lb'[order == '>']}{len(shape)}"] = a
odd = {"objects": np.array([1, None], object), "text": np.array(["a", "bc"]), "complex": np.array([1j]),
       "records": np.zeros(2, [("a", "f4"), ("b", "i8")]), "times": np.array(["2020-01-01"], "M8[D]")}
for file, save in [("plain.npz", np.savez), ("packed.npz", np.savez_compressed)]:
    save(folder + file, **odd, **arrays)
    for name, a in arrays.items():
        tell("npz", file, name, a)
tensors = {k: np.ascontiguousarray(v.astype(v.dtype.newbyteorder("="))) for k, v in arrays.items() if v.ndim}
save_file(tensors, folder + "t.safetensors")
for name, a in tensors.items():
    tell("tensors", "t.safetensors", name, a)
h, w = 5, 9
modes = {"1": 1, "L": 255, "RGB": 255, "RGBA": 255, "LA": 255, "P": 255, "I;16": 65535}
for mode, most in modes.items():
    if mode == "1":
        image = Image.fromarray(rng.integers(0, 2, (h, w)).astype(np.uint8) * 255).convert("1")
    elif mode == "I;16":
        image = Image.fromarray(rng.integers(0, 65536, (h, w)).astype(np.uint16))
    elif mode == "P":
        image = Image.fromarray(rng.integers(0, 256, (h, w, 3)).astype(np.uint8)).quantize(13)
    else:
        n = len(mode)
        image = Image.fromarray(rng.integers(0, 256, (h, w, n) if n > 1 else (h, w)).astype(np.uint8), mode if n > 1 else None)
    file = f"{mode.replace(';', '')}.png"
    image.save(folder + file)
    read = Image.open(folder + file)
    if read.mode in ("I;16", "I"):
        a = np.asarray(read).astype(np.float64)[..., None].repeat(3, 2) / 65535
    else:
        a = np.asarray(read.convert("RGBA"))[..., :3].astype(np.float64) / 255
    tell("png", file, "", np.moveaxis(a, 2, 0))
print(json.dumps(said))
"#;

fn numbers(values: &Values) -> Vec<f64> {
    match values {
        Values::F32(v) => v.iter().map(|&x| x.into()).collect(),
        Values::U32(v) => v.iter().map(|&x| x.into()).collect(),
        Values::I32(v) => v.iter().map(|&x| x.into()).collect(),
        Values::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
    }
}

fn found(folder: &Path, kind: &str, file: &str, name: &str) -> (Vec<usize>, Vec<f64>) {
    let path = folder.join(file);
    match kind {
        "npy" => {
            let array = Array::read(path).unwrap_or_else(|e| panic!("{e}"));
            (array.shape().to_vec(), array.to_f64().unwrap())
        }
        "npz" => {
            let archive = read_npz(path).unwrap_or_else(|e| panic!("{e}"));
            let left: Vec<&str> = archive.left_out.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(left, ["objects", "text", "complex", "records", "times"]);
            let array = archive.get(name).unwrap();
            (array.shape().to_vec(), array.to_f64().unwrap())
        }
        "tensors" => {
            let file = TensorFile::read(path).unwrap_or_else(|e| panic!("{e}"));
            assert!(file.left_out.is_empty());
            let tensor = file.tensors.get(name).unwrap();
            (tensor.shape.clone(), numbers(&tensor.values))
        }
        _ => {
            let (pixels, shape) = Pictures::new().read(path).unwrap_or_else(|e| panic!("{e}"));
            (shape.to_vec(), pixels.into_iter().map(f64::from).collect())
        }
    }
}

#[test]
fn what_other_programs_write_is_read_as_they_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("python3").arg("-c").arg(SCRIPT).arg(folder.path()).output();
    let output = match output {
        Ok(output) if output.status.success() => output.stdout,
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("ModuleNotFoundError") => {
            let why = String::from_utf8_lossy(&output.stderr);
            println!("SKIPPED ({}): files of NumPy, Pillow and safetensors", why.lines().last().unwrap_or_default());
            return;
        }
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            println!("SKIPPED (python3: {error}): files of NumPy, Pillow and safetensors");
            return;
        }
    };
    let said: Vec<Value> = serde_json::from_slice(&output).unwrap();
    for case in &said {
        let [kind, file, name] = ["kind", "file", "name"].map(|key| case[key].as_str().unwrap());
        let (shape, values) = found(folder.path(), kind, file, name);
        assert_eq!(serde_json::json!(shape), case["shape"], "{case}");
        let expected: Vec<f64> = case["values"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        assert_eq!(values.len(), expected.len(), "{case}");
        for (&x, &y) in values.iter().zip(&expected) {
            // Fractions of f64 are rounded to f32 in tensors, pixels divided in f32; everything else is exact.
            let bound = if kind == "npy" || kind == "npz" { 0.0 } else { 6e-8 * y.abs().max(1e-3) };
            assert!((x - y).abs() <= bound, "{kind} {file} {name}: {x}, expected {y}");
        }
    }
    println!("{} arrays, tensors and pictures of other programs", said.len());
    assert!(said.len() > 500);
}
