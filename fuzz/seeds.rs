//! Good files of every kind, made by the library itself or by hand: what mutants are made of.

use super::cache_files;
use super::repair;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use steepest::Device;
use steepest::data::{Array, ArrayData, Prepare, Scale, Table};
use steepest::nn::{self, Module, StateDict};
use steepest::optim::Adam;
use steepest::save::{Checkpoint, ModelFile, TensorFile};

/// What a cache's files are kept under.
pub const HEAD: &str = "steepest 0.1.0 0123456789abcdef\tadapter\tdriver 1.2";

/// Every good file is made here, where nothing may fail.
macro_rules! made {
    ($e:expr) => {
        $e.unwrap_or_else(|error| panic!("a seed cannot be made: {error}"))
    };
}

fn networks() -> Vec<Box<dyn Module>> {
    let device = Device::cpu();
    vec![
        Box::new(nn::mlp(&device, &[4, 5, 3], 1)),
        Box::new(
            nn::Sequential::new()
                .add(nn::Conv2d::new(&device, 1, 2, 3, 7))
                .add(nn::BatchNorm2d::new(&device, 2))
                .add(nn::Activation::Relu)
                .add(nn::Flatten)
                .add(nn::Dropout::new(0.5, 3)),
        ),
    ]
}

fn file_of(file: &ModelFile) -> Vec<u8> {
    let folder = made!(tempfile::tempdir());
    let path = folder.path().join("model.safetensors");
    made!(file.save(&path));
    made!(std::fs::read(path))
}

pub fn models() -> Vec<Vec<u8>> {
    let of = |network: Box<dyn Module>| file_of(&made!(ModelFile::of(&*network)).history(HISTORY).note("target", "y"));
    networks().into_iter().map(of).collect()
}

pub fn tensors() -> Vec<Vec<u8>> {
    let header = r#"{"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]},"b":{"dtype":"BOOL","shape":[3],"data_offsets":[4,7]},"c":{"dtype":"I64","shape":[],"data_offsets":[7,15]},"d":{"dtype":"F64","shape":[0,4],"data_offsets":[15,15]},"__metadata__":{"format":"pt","é":"\u00e9"}}"#;
    let elements = [&[0, 0x3c, 0, 0xc0][..], &[1, 0, 1], &7i64.to_le_bytes()].concat();
    let foreign = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &elements].concat();
    [models(), vec![foreign]].concat()
}

/// Numbers of a small network, for descriptions to be built with.
pub fn numbers() -> StateDict {
    static NUMBERS: OnceLock<StateDict> = OnceLock::new();
    NUMBERS.get_or_init(|| made!(StateDict::of(&nn::mlp(&Device::cpu(), &[4, 5, 3], 1)))).clone()
}

pub fn descriptions() -> Vec<Vec<u8>> {
    let text = |bytes: Vec<u8>| made!(TensorFile::parse("seed", &bytes)).metadata["steepest.model"].clone().into_bytes();
    models().into_iter().map(text).collect()
}

pub fn checkpoints() -> Vec<Vec<u8>> {
    let folder = made!(tempfile::tempdir());
    let path = folder.path().join("step.safetensors");
    let of = |network: Box<dyn Module>| {
        let adam = Adam::new(network.parameters(), 0.1);
        let mut checkpoint = made!(Checkpoint::of(&*network, &adam));
        checkpoint.best = Some(checkpoint.model.clone());
        checkpoint.progress.insert("step".to_owned(), "12".to_owned());
        checkpoint.history = Some(HISTORY.to_owned());
        made!(checkpoint.write(&path));
        made!(std::fs::read(&path))
    };
    networks().into_iter().map(of).collect()
}

fn arrays() -> Vec<Array> {
    vec![
        made!(Array::new(&[2, 3], ArrayData::F32(vec![1.0, -2.5, 0.0, 1e-3, 7.0, 1e9]))),
        made!(Array::new(&[3], ArrayData::I64(vec![1, 0, -1]))),
        made!(Array::new(&[], ArrayData::U16(vec![9]))),
        made!(Array::new(&[1, 4], ArrayData::Bool(vec![true, false, true, true]))),
    ]
}

pub fn npy() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = arrays().iter().map(|array| made!(array.to_npy())).collect();
    // Columns, of the other byte order, in the second version.
    let header = "{'descr': '>f2', 'fortran_order': True, 'shape': (2, 2), }\n";
    all.push(
        [&b"\x93NUMPY\x02\x00"[..], &(header.len() as u32).to_le_bytes(), header.as_bytes(), &[0x3c, 0, 0x40, 0, 0, 0, 0xbc, 0]]
            .concat(),
    );
    all
}

pub fn npz() -> Vec<Vec<u8>> {
    let folder = made!(tempfile::tempdir());
    let path = folder.path().join("arrays.npz");
    let arrays = arrays();
    let big = made!(Array::new(&[20_000], ArrayData::U8(vec![3; 20_000])));
    made!(steepest::data::write_npz(&path, [("x", &arrays[0]), ("y", &arrays[1]), ("big", &big)]));
    let packed = made!(std::fs::read(&path));
    // One array, stored as it is.
    let content = made!(arrays[3].to_npy());
    let size = (content.len() as u32).to_le_bytes();
    let common = [&[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0][..], &size, &size, &[5, 0, 0, 0]].concat();
    let local = [&b"PK\x03\x04"[..], &common, b"b.npy", &content].concat();
    let record = [&b"PK\x01\x02\x14\x00"[..], &common, &[0; 14], b"b.npy"].concat();
    let stored = [&local[..], &record, b"PK\x05\x06", &[0; 18]].concat();
    vec![packed, repair::zip(&stored)]
}

pub fn idx() -> Vec<Vec<u8>> {
    let of = |kind: u8, sizes: &[u32], elements: &[u8]| {
        let sizes: Vec<u8> = sizes.iter().flat_map(|size| size.to_be_bytes()).collect();
        [&[0, 0, kind, (sizes.len() / 4) as u8][..], &sizes, elements].concat()
    };
    vec![
        of(0x08, &[2, 2, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        of(0x0d, &[2], &[0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0]),
        of(0x0e, &[1], &1.5f64.to_be_bytes()),
        of(0x0b, &[2, 1], &[0, 1, 0xff, 0xff]),
    ]
}

pub fn idx_gzip() -> Vec<Vec<u8>> {
    let packed: Vec<Vec<u8>> = idx().iter().map(|bytes| repair::gzip(bytes)).collect();
    let two = [repair::gzip(&idx()[0][..7]), repair::gzip(&idx()[0][7..])].concat();
    let zeros = repair::gzip(&[&[0, 0, 8, 1, 0, 0, 0x40, 0][..], &[0; 0x4000]].concat());
    // Plain ones too: what they become is packed by the target.
    [idx(), packed, vec![two, zeros]].concat()
}

const TABLES: [&str; 5] = [
    "rooms,alley,price\nNA,Pave,127500\n2,NA,106000\n4,NA,178100\n3,Grvl,99000.5\n",
    "day,yes,amount,note\n2024-01-31,true,\"1,234.50\",first\n2024-02-29,false,\"-2,000.00\",\"a \"\"b\"\"\nc\"\n2023-12-01,true,0.25,x\n",
    "sep=;\nname;size;when\nfoo;1,5;15.01.2024 10:30\nbar;2,25;16.01.2024 11:00\n",
    "\u{feff}x,y,class\r\n1e3,50 %,a\r\n-2.5E-3,12 %,b\r\n0,100 %,a\r\n7,1 %,c\r\n",
    "a,b,c,d\n1,2,3,4\n5,6,7,8\n9,10,11,12\n13,14,15,16\n17,18,19,20\n",
];

/// A table that preprocessors are applied to.
pub fn table() -> Table {
    made!(Table::parse("seed", TABLES[0].as_bytes()))
}

pub fn tables() -> Vec<Vec<u8>> {
    TABLES.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub fn tables_gzip() -> Vec<Vec<u8>> {
    let packed: Vec<Vec<u8>> = tables().iter().map(|bytes| repair::gzip(bytes)).collect();
    [tables(), packed].concat()
}

pub fn settings() -> Vec<Vec<u8>> {
    let plain = "target = \"price\"\nlayers = [64, 32]\nepochs = 100\nrate = 1e-3\nmodel = \"mlp\"\nseed = 7\n";
    vec![plain.into(), "test = 0.25\noptimizer = \"sgd\"\nbatch = 32\n# a comment\nclip = 1.5\n".into()]
}

pub fn preprocessors() -> Vec<Vec<u8>> {
    let fit = |at: usize, prepare: Prepare| {
        let table = made!(Table::parse("seed", TABLES[at].as_bytes()));
        made!(made!(prepare.fit(&table)).to_json()).into_bytes()
    };
    vec![
        fit(0, Prepare::new().target("price")),
        fit(4, Prepare::new().target("d").scale(Scale::MinMax)),
        fit(1, Prepare::new().target("amount").dates(true).clip(3.0)),
        fit(3, Prepare::new().target("class").index_above(1)),
    ]
}

pub fn pictures() -> Vec<Vec<u8>> {
    let chunk = |name: &[u8; 4], data: &[u8]| [&(data.len() as u32).to_be_bytes()[..], name, data, &[0; 4]].concat();
    let picture = |width: u32, height: u32, depth: u8, kind: u8, laced: u8, palette: &[u8], lines: &[u8]| {
        let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, kind, 0, 0, laced]].concat();
        let mut encoder = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::default());
        made!(std::io::Write::write_all(&mut encoder, lines));
        let palette = if palette.is_empty() { vec![] } else { chunk(b"PLTE", palette) };
        let parts = [chunk(b"IHDR", &header), palette, chunk(b"IDAT", &made!(encoder.finish())), chunk(b"IEND", &[])].concat();
        repair::png(&[b"\x89PNG\r\n\x1a\n", &parts[..]].concat())
    };
    vec![
        picture(3, 2, 8, 2, 0, &[], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        picture(4, 3, 1, 3, 0, &[0, 0, 0, 255, 255, 255], &[0, 0xa0, 0, 0x50, 0, 0xf0]),
        picture(2, 2, 16, 4, 0, &[], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 4, 1, 2, 3, 4, 5, 6, 7, 8]),
        // Interlaced: of 2 × 2 pixels the first pass has one, the sixth one, the seventh two.
        picture(2, 2, 8, 0, 1, &[], &[0, 10, 0, 20, 0, 30, 40]),
    ]
}

const HISTORY: &str = "epoch,steps,lr,loss,val_loss,seconds,accuracy\n1,10,0.1,2.5,2.25,0.5,0.75\n2,20,0.01,1.5,,0.75,0.875\n";

pub fn histories() -> Vec<Vec<u8>> {
    vec![HISTORY.into(), "epoch,steps,lr,loss,val_loss,seconds\n1,1,1e-3,NaN,,0.1\n".into()]
}

pub fn tuned() -> Vec<Vec<u8>> {
    let found = |variant, microseconds, label: &str| cache_files::Measured { variant, microseconds, label: label.to_owned() };
    let all = BTreeMap::from([(7, found(2, 12.5, "matmul f32[64,256]")), (u64::MAX, found(0, 0.0, ""))]);
    vec![cache_files::text(HEAD, &all).into_bytes(), cache_files::text(HEAD, &BTreeMap::new()).into_bytes()]
}

pub fn pipelines() -> Vec<Vec<u8>> {
    vec![cache_files::pack(HEAD, b"what a driver gave out"), cache_files::pack(HEAD, &[])]
}
