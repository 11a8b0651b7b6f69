//! What is fuzzed: each reader of files as a function that takes any bytes and says whether they could be read. Two drivers share these:
//! libFuzzer (`fuzz_targets/`, with a nightly compiler) and `tests/fuzz.rs`, which CI runs.
#![allow(dead_code)]

#[path = "../src/gpu/cache_files.rs"]
#[allow(unused_imports)]
mod cache_files;
#[path = "repair.rs"]
mod repair;
#[path = "seeds.rs"]
mod seeds;
// The reader of the program's settings, which is no part of the library.
#[path = "../src/bin/steepest/settings.rs"]
mod settings;

use std::path::Path;
use std::sync::OnceLock;
use steepest::Device;
use steepest::data::{Array, Csv, Idx, Pictures, Prepare, Preprocessor, Scale, Table, parse_npz};
use steepest::save::{Checkpoint, ModelFile, TensorFile};
use steepest::train::History;

/// A reader, and what it is held to.
pub struct Target {
    pub name: &'static str,
    /// Reads the bytes; false if they were refused.
    pub run: fn(&[u8]) -> bool,
    /// Good files, to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// The longest input.
    pub longest: usize,
    /// Bytes of memory that reading may take for each byte of input.
    pub growth: usize,
}

/// What is not packed takes some times itself in memory, and its error besides.
const PLAIN: usize = 100;
/// Deflate makes at most 1032 bytes out of one; they become numbers, which are copied once.
const PACKED: usize = 1032 * 8;
/// Of a picture of one bit a pixel, each bit becomes three bytes, and then three numbers, which are copied once.
const PICTURE: usize = 1032 * 8 * (3 + 24);

const fn target(name: &'static str, run: fn(&[u8]) -> bool, seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds, longest: 1 << 14, growth: PLAIN }
}

pub const TARGETS: &[Target] = &[
    target("tensors", tensors, seeds::tensors),
    target("models", models, seeds::models),
    target("descriptions", descriptions, seeds::descriptions),
    target("checkpoints", checkpoints, seeds::checkpoints),
    target("npy", npy, seeds::npy),
    Target { longest: 1 << 12, growth: PACKED, ..target("npz", npz, seeds::npz) },
    target("idx", idx, seeds::idx),
    Target { longest: 1 << 12, growth: PACKED, ..target("idx_gzip", idx_gzip, seeds::idx_gzip) },
    target("tables", tables, seeds::tables),
    Target { longest: 1 << 11, growth: PACKED, ..target("tables_gzip", tables_gzip, seeds::tables_gzip) },
    target("settings", settings_file, seeds::settings),
    target("preprocessors", preprocessors, seeds::preprocessors),
    Target { longest: 1 << 8, growth: PICTURE, ..target("pictures", pictures, seeds::pictures) },
    target("histories", histories, seeds::histories),
    target("tuned", tuned, seeds::tuned),
    target("pipelines", pipelines, seeds::pipelines),
];

fn device() -> &'static Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(Device::cpu)
}

/// As it is, and with its lengths and checksums put right.
fn both(bytes: &[u8], repair: fn(&[u8]) -> Vec<u8>, read: impl Fn(&[u8]) -> bool) -> bool {
    let as_it_is = read(bytes);
    read(&repair(bytes)) || as_it_is
}

pub fn tensors(bytes: &[u8]) -> bool {
    both(bytes, repair::safetensors, |bytes| {
        let Ok(mut file) = TensorFile::parse("fuzzed", bytes) else { return false };
        file.left_out.clear();
        let Ok(written) = file.to_bytes() else { return true };
        let again = TensorFile::parse("fuzzed", &written).map(|again| again.to_bytes());
        assert!(matches!(again, Ok(Ok(again)) if again == written), "what was written is read otherwise");
        true
    })
}

pub fn models(bytes: &[u8]) -> bool {
    both(bytes, repair::safetensors, |bytes| ModelFile::parse("fuzzed", bytes).is_ok_and(|file| file.build(device()).is_ok()))
}

/// The description alone, in a sound file with some numbers.
pub fn descriptions(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut file = TensorFile::default();
    file.metadata.insert("steepest.model".to_owned(), text.to_owned());
    let Ok(bytes) = file.to_bytes() else { return false };
    let Ok(mut file) = ModelFile::parse("fuzzed", &bytes) else { return false };
    file.state = seeds::numbers();
    let _ = file.build(device());
    true
}

pub fn checkpoints(bytes: &[u8]) -> bool {
    both(bytes, repair::safetensors, |bytes| Checkpoint::parse("fuzzed", bytes).is_ok())
}

pub fn npy(bytes: &[u8]) -> bool {
    let Ok(array) = Array::parse("fuzzed", bytes) else { return false };
    let (_, _) = (array.to_f32(), array.to_f64());
    let again = array.to_npy().and_then(|bytes| Array::parse("fuzzed", &bytes));
    let again = again.and_then(|again| again.to_npy());
    assert_eq!(again.ok(), array.to_npy().ok(), "what was written is read otherwise");
    true
}

pub fn npz(bytes: &[u8]) -> bool {
    both(bytes, repair::zip, |bytes| parse_npz("fuzzed", bytes).is_ok())
}

pub fn idx(bytes: &[u8]) -> bool {
    Idx::parse("fuzzed", bytes).is_ok_and(|idx| {
        assert_eq!(idx.to_f32().map_or(idx.numel(), |numbers| numbers.len()), idx.numel());
        true
    })
}

/// Packed bytes that were changed, and changed bytes that are packed.
pub fn idx_gzip(bytes: &[u8]) -> bool {
    both(bytes, repair::gzip, idx)
}

pub fn tables(bytes: &[u8]) -> bool {
    let mut read = false;
    for csv in [Csv::new(), Csv::new().header(false).delimiter(b';'), Csv::new().strict(true).missing(["-1"])] {
        if let Ok(table) = csv.parse("fuzzed", bytes) {
            read = true;
            prepared(&table);
        }
    }
    read
}

pub fn tables_gzip(bytes: &[u8]) -> bool {
    both(bytes, repair::gzip, |bytes| Table::parse("fuzzed", bytes).is_ok())
}

/// What a training makes of a table.
fn prepared(table: &Table) {
    let names = table.names();
    let (Some(first), Some(last)) = (names.first(), names.last()) else { return };
    for prepare in [Prepare::new().target(*last), Prepare::new().target(*first).dates(true).index_above(2).scale(Scale::MinMax)] {
        let Ok(fitted) = prepare.fit(table) else { continue };
        let (_, _) = (fitted.features(table).map(|features| features.to_f32()), fitted.dataset(table).map(drop));
        let Ok(text) = fitted.to_json() else { continue };
        let again = Preprocessor::from_json("fuzzed", &text);
        assert!(again.is_ok_and(|again| again == fitted), "what was written is read otherwise: {text}");
    }
}

pub fn settings_file(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(settings) = settings::Settings::parse(Path::new("fuzzed"), text) else { return false };
    let _ = settings.chosen();
    true
}

pub fn preprocessors(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(fitted) = Preprocessor::from_json("fuzzed", text) else { return false };
    assert_eq!(fitted.width() == 0, fitted.feature_names().is_empty());
    let table = seeds::table();
    let (_, _) = (fitted.features(&table).map(|features| features.to_f32()), fitted.dataset(&table).map(drop));
    true
}

pub fn pictures(bytes: &[u8]) -> bool {
    both(bytes, repair::png, |bytes| {
        let read = Pictures::new().parse("fuzzed", bytes);
        let _ = Pictures::new().grey().size(5, 3).parse("fuzzed", bytes);
        read.is_ok_and(|(numbers, shape)| {
            assert_eq!(numbers.len(), shape.iter().product::<usize>());
            true
        })
    })
}

pub fn histories(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(history) = History::from_csv(text) else { return false };
    let written = history.to_csv();
    let again = History::from_csv(&written).map(|again| again.to_csv());
    assert_eq!(again.ok(), Some(written), "what was written is read otherwise");
    true
}

pub fn tuned(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let head = text.split('\n').next().unwrap_or_default();
    let read = cache_files::parse(&text, seeds::HEAD).is_some();
    cache_files::parse(&text, head).is_some_and(|measured| {
        let written = cache_files::text(head, &measured);
        let again = cache_files::parse(&written, head).map(|again| cache_files::text(head, &again));
        assert_eq!(again, Some(written), "what was written is read otherwise");
        true
    }) || read
}

pub fn pipelines(bytes: &[u8]) -> bool {
    let key = seeds::HEAD;
    let read = |bytes: &[u8]| {
        cache_files::unpack(bytes, key).is_some_and(|data| {
            assert_eq!(cache_files::pack(key, data), bytes, "what was written is read otherwise");
            true
        })
    };
    let as_it_is = read(bytes);
    read(&repair::pipelines(bytes, key.as_bytes(), cache_files::checksum)) || as_it_is
}
