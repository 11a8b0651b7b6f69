//! Absurd arguments for the public functions of `src/save`.

use crate::odd::Odd;
use crate::{Line, Room, table};
use steepest::nn::{self, Array, Linear, Module, Registry, StateDict, Values};
use steepest::optim::Adam;
use steepest::save::{self, Checkpoint, Checkpoints, ModelFile, TensorFile};
use steepest::{Error, Gradients};

pub fn room() -> Room {
    Room { name: "save", tables: &[TABLE], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[];

fn model(o: &mut Odd) -> Linear {
    Linear::new(&o.device(), o.size_near(4), o.size_near(3), 1)
}

fn array(o: &mut Odd) -> Array {
    let values = o.singles();
    match o.pick(&[0, 1, 2]) {
        0 => Array { shape: o.sizes(), values: Values::Bool(values.iter().map(|v| *v > 0.0).collect()) },
        1 => Array::f32(values, &o.sizes()),
        _ => {
            let shape = [values.len()];
            Array::f32(values, &shape)
        }
    }
}

fn tensors(o: &mut Odd) -> TensorFile {
    let tensors: StateDict = o.many(|o| (o.text(), array(o))).into_iter().collect();
    let metadata = o.many(|o| (o.text(), o.text())).into_iter().collect();
    TensorFile { tensors, metadata, ..TensorFile::default() }
}

/// A file whose header declares anything, or the damaged file of a model.
fn bytes(o: &mut Odd) -> Vec<u8> {
    if o.flag() {
        let mut bytes = ModelFile::of(&nn::mlp(&o.device(), &[2, 2], 1)).and_then(|file| {
            let path = o.folder().join("damaged");
            file.save(&path)?;
            std::fs::read(&path).map_err(|e| Error::Config { what: "test", message: e.to_string() })
        });
        if let Ok(bytes) = &mut bytes {
            let at = o.size_near(0).min(bytes.len() - 1);
            bytes[at] ^= 1;
        }
        return bytes.unwrap_or_default();
    }
    let shape: Vec<String> = o.sizes().iter().map(usize::to_string).collect();
    let (dtype, start, end) = (o.pick(&["F32", "I64", "U8", "F8_E4M3", "BOOL", "X"]), o.size_near(0), o.size());
    let text = format!("{{\"a\":{{\"dtype\":\"{dtype}\",\"shape\":[{}],\"data_offsets\":[{start},{end}]}}}}", shape.join(","));
    let length = o.size_near(text.len()) as u64;
    [&length.to_le_bytes()[..], text.as_bytes(), &o.bytes()].concat()
}

fn file(o: &mut Odd) -> Result<ModelFile, Error> {
    let model = nn::mlp(&o.device(), &[2, 3, 2], 1);
    let mut file = ModelFile::of(&model)?;
    if o.flag() {
        let blueprint = nn::Blueprint::new("Linear").set("inputs", o.size()).set("outputs", o.size()).set("bias", o.flag());
        file.blueprint = Some(blueprint);
        let left = save::LeftOut { dtype: "I64", shape: o.sizes(), fault: steepest::error::Malformed::Short { bytes: o.seed() } };
        file.left_out.insert(o.text(), left);
    }
    Ok(file)
}

fn checkpoint(o: &mut Odd) -> Result<Checkpoint, Error> {
    let model = nn::mlp(&o.device(), &[2, 2], 1);
    let mut made = Checkpoint::of(&model, &Adam::new(model.parameters(), o.float()))?;
    made.optimizer.steps = o.many(|o| o.seed());
    made.optimizer.tensors.insert(o.text(), o.many(|o| o.singles()));
    made.counters.extend(o.many(|o| (o.text(), o.seed())));
    made.progress.extend(o.many(|o| (o.text(), o.text())));
    Ok(made)
}

fn checkpoints(o: &mut Odd) -> Checkpoints {
    Checkpoints::new(o.folder().join("checkpoints")).keep(o.size())
}

const TABLE: &[Line] = table! {
    "save::save" => |o| { let (path, model) = (o.path(), model(o)); save::save(&model, path) };
    "save::load" => |o| { let (path, model) = (o.path(), model(o)); let _ = save::save(&model, &path); save::load(path, &o.device()).map(|m| m.forward(&o.near(&[2, 4]))) };
    "ModelFile::of" => |o| { let model = model(o); ModelFile::of(&model).map(|f| f.state.numbers()) };
    "ModelFile::preprocessing" => |o| { let path = o.path(); file(o).and_then(|f| f.preprocessing(o.text()).save(path)) };
    "ModelFile::history" => |o| { let path = o.path(); file(o).and_then(|f| f.history(o.text()).save(path)) };
    "ModelFile::note" => |o| { let path = o.path(); file(o).and_then(|f| f.note(o.text(), o.text()).save(path)) };
    "ModelFile::save" => |o| { let path = o.path(); file(o).and_then(|f| f.save(&path)).and_then(|()| ModelFile::read(path)).map(|f| f.state.numbers()) };
    "ModelFile::read" => |o| { let (path, bytes) = (o.path(), bytes(o)); let _ = std::fs::write(&path, bytes); ModelFile::read(path).map(|f| f.state.numbers()) };
    "ModelFile::parse" => |o| { let bytes = bytes(o); ModelFile::parse(o.text(), &bytes).map(|f| f.state.numbers()) };
    "ModelFile::to_bytes" => |o| file(o).and_then(|f| f.to_bytes()).map(|bytes| bytes.len());
    "ModelFile::build" => |o| file(o).and_then(|f| f.build(&o.device())).map(|m| m.forward(&o.near(&[2, 2])));
    "ModelFile::build_with" => |o| file(o).and_then(|f| f.build_with(&Registry::new(), &o.device())).map(|m| m.parameter_count());
    "ModelFile::load_into" => |o| { let model = model(o); file(o).and_then(|f| f.load_into(&model)) };
    "TensorFile::read" => |o| { let (path, bytes) = (o.path(), bytes(o)); let _ = std::fs::write(&path, bytes); TensorFile::read(path).map(|f| f.tensors.len()) };
    "TensorFile::parse" => |o| { let bytes = bytes(o); TensorFile::parse(o.text(), &bytes).map(|f| f.tensors.len()) };
    "TensorFile::to_bytes" => |o| tensors(o).to_bytes().and_then(|bytes| TensorFile::parse("again", &bytes)).map(|f| f.tensors.len());
    "TensorFile::write" => |o| { let path = o.path(); tensors(o).write(path) };
    "Checkpoint::of" => |o| checkpoint(o).map(|c| c.model.numbers());
    "Checkpoint::write" => |o| { let path = o.path(); checkpoint(o).and_then(|c| c.write(&path)).and_then(|()| Checkpoint::read(path)).map(|c| c.counters.len()) };
    "Checkpoint::read" => |o| { let (path, bytes) = (o.path(), bytes(o)); let _ = std::fs::write(&path, bytes); Checkpoint::read(path).map(|c| c.counters.len()) };
    "Checkpoint::parse" => |o| { let bytes = bytes(o); Checkpoint::parse(o.text(), &bytes).map(|c| c.counters.len()) };
    "Checkpoint::restore" => |o| {
        let model = nn::mlp(&o.device(), &[2, 2], 1);
        let mut adam = Adam::new(model.parameters(), 0.1);
        let restored = checkpoint(o).and_then(|c| c.restore(&model, &mut adam));
        let gradients: Gradients = model.forward(&o.near(&[2, 2])).sum(&[]).backward();
        let _ = steepest::optim::Optimizer::step(&mut adam, gradients);
        restored
    };
    "Checkpoints::new" => |o| Checkpoints::new(o.path()).files().map(|f| f.len());
    "Checkpoints::keep" => |o| { let step = o.seed(); let all = checkpoints(o).keep(o.size()); checkpoint(o).and_then(|c| all.write(step, &c)).map(|_| ()) };
    "Checkpoints::folder" => |o| checkpoints(o).folder().exists();
    "Checkpoints::write" => |o| { let (step, all) = (o.seed(), checkpoints(o)); checkpoint(o).and_then(|c| all.write(step, &c)).map(|_| ()) };
    "Checkpoints::files" => |o| checkpoints(o).files().map(|f| f.len());
    "Checkpoints::newest" => |o| checkpoints(o).newest().map(|found| found.is_some());
};
