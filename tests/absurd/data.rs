//! Absurd arguments for the public functions of `src/data`.

#[cfg(feature = "arrays")]
mod arrays;
#[cfg(feature = "images")]
mod pictures;
#[cfg(feature = "tables")]
mod tables;

use crate::odd::Odd;
use crate::{Line, Room, table};
use steepest::Error;
use steepest::data::{
    self, Buckets, DataLoader, Dataset, Elements, FoldScores, Idx, IdxData, Labels, LoaderOptions, Parts, Scaler, SequenceLoader,
    SequenceOptions, Sequences,
};

pub fn room() -> Room {
    Room { name: "data", tables: TABLES, not_called: NOT_CALLED, complete: cfg!(feature = "tables") }
}

const TABLES: &[&[Line]] = &[
    SETS,
    LOADERS,
    SEQUENCES,
    #[cfg(feature = "arrays")]
    arrays::TABLE,
    #[cfg(feature = "images")]
    pictures::TABLE,
    #[cfg(feature = "tables")]
    tables::TABLE,
    #[cfg(feature = "tables")]
    tables::PREPARED,
];

#[cfg(feature = "cli")]
const NOT_CALLED: &[(&str, &str)] = &[];
#[cfg(not(feature = "cli"))]
const NOT_CALLED: &[(&str, &str)] = &[
    ("Array::data", "the feature `arrays` is off"),
    ("Array::new", "the feature `arrays` is off"),
    ("Array::parse", "the feature `arrays` is off"),
    ("Array::read", "the feature `arrays` is off"),
    ("Array::shape", "the feature `arrays` is off"),
    ("Array::to_f32", "the feature `arrays` is off"),
    ("Array::to_f64", "the feature `arrays` is off"),
    ("Array::to_npy", "the feature `arrays` is off"),
    ("Array::write", "the feature `arrays` is off"),
    ("ArrayData::is_empty", "the feature `arrays` is off"),
    ("ArrayData::len", "the feature `arrays` is off"),
    ("Npz::get", "the feature `arrays` is off"),
    ("npz::parse_npz", "the feature `arrays` is off"),
    ("npz::read_npz", "the feature `arrays` is off"),
    ("npz::write_npz", "the feature `arrays` is off"),
    ("Pictures::flat", "the feature `images` is off"),
    ("Pictures::grey", "the feature `images` is off"),
    ("Pictures::new", "the feature `images` is off"),
    ("Pictures::parse", "the feature `images` is off"),
    ("Pictures::read", "the feature `images` is off"),
    ("Pictures::read_folder", "the feature `images` is off"),
    ("Pictures::size", "the feature `images` is off"),
];

/// Labels of 6 rows, or of others, of any number of classes.
fn labels(o: &mut Odd) -> Labels {
    let rows = o.size_near(6).min(40);
    let class = |o: &mut Odd| o.size_near(1) as u32;
    match o.pick(&[0, 1, 2]) {
        0 => Labels::Classes((0..rows).map(|_| class(o)).collect(), o.size_near(3)),
        1 => Labels::Values((0..rows).map(|_| o.single()).collect(), o.size_near(1)),
        _ => Labels::Maps((0..rows).map(|_| class(o)).collect(), o.sizes(), o.size_near(3)),
    }
}

fn elements(o: &mut Odd, count: usize) -> Elements {
    let numbers: Vec<f32> = (0..count).map(|i| i as f32).collect();
    match o.pick(&[0, 1, 2, 3]) {
        0 => Elements::U32(numbers.iter().map(|x| *x as u32).collect()),
        1 => Elements::Bool(numbers.iter().map(|x| *x > 1.0).collect()),
        _ => Elements::F32(numbers),
    }
}

/// Six rows of two features and a class each; some have more inputs and targets.
fn set(o: &mut Odd) -> Dataset {
    let classes = Labels::Classes(vec![0, 1, 2, 0, 1, 2], o.size_near(3).clamp(3, 1 << 20));
    let values = Labels::Values((0..6).map(|_| o.single()).collect(), 1);
    let labels = if o.flag() { classes } else { values };
    let features = (0..12).map(|_| o.single()).collect();
    let set = Dataset::new(features, &[2], labels).expect("a data set");
    if o.flag() {
        set
    } else {
        set.with_input(elements(o, 6), &[1]).and_then(|s| s.with_target(elements(o, 12), &[2])).expect("as many rows")
    }
}

fn parts(o: &mut Odd) -> Parts {
    Parts { train: o.sizes(), validation: o.sizes(), test: o.sizes() }
}

const SETS: &[Line] = table! {
    "Dataset::new" => |o| { let labels = labels(o); Dataset::new((0..o.size_near(12).min(99)).map(|_| 0.5).collect(), &o.sizes(), labels).map(|s| s.to_string()) };
    "Dataset::of" => |o| { let (labels, features) = (labels(o), elements(o, 12)); Dataset::of(features, &[o.size_near(2)], labels).map(|s| s.class_counts().len()) };
    "Dataset::with_input" => |o| { let (set, more) = (set(o), elements(o, 6)); set.with_input(more, &o.sizes()).map(|s| s.to_string()) };
    "Dataset::with_target" => |o| { let (set, more) = (set(o), elements(o, 6)); set.with_target(more, &[o.size_near(1)]).map(|s| s.to_string()) };
    "Dataset::inputs" => |o| set(o).inputs().count();
    "Dataset::more_targets" => |o| set(o).more_targets().count();
    "Dataset::with_feature_names" => |o| set(o).with_feature_names(o.texts()).map(|s| s.feature_names().len());
    "Dataset::with_class_names" => |o| set(o).with_class_names(o.texts()).map(|s| s.class_names().len());
    "Dataset::with_row_shape" => |o| set(o).with_row_shape(&o.sizes()).map(|s| s.row_len());
    "Dataset::normalized" => |o| set(o).normalized(o.single(), o.single()).map(|s| s.nan_count());
    "Dataset::standardized" => |o| set(o).standardized().map(|(s, _)| s.nan_count());
    "Dataset::len" => |o| set(o).len();
    "Dataset::is_empty" => |o| set(o).is_empty();
    "Dataset::features" => |o| set(o).features().len();
    // Rows that there are: others are documented to panic.
    "Dataset::features_of" => |o| { let set = set(o); set.features_of(&(0..set.len()).collect::<Vec<_>>()).len() };
    "Dataset::labels" => |o| format!("{:?}", set(o).labels());
    "Dataset::row_shape" => |o| set(o).row_shape().len();
    "Dataset::row_len" => |o| set(o).row_len();
    "Dataset::row" => |o| set(o).row(o.size()).map(<[f32]>::len);
    "Dataset::feature_names" => |o| set(o).feature_names().len();
    "Dataset::class_names" => |o| set(o).class_names().len();
    "Dataset::classes" => |o| set(o).classes();
    "Dataset::class_counts" => |o| { let labels = labels(o); Dataset::new(vec![0.5; 6], &[1], labels).map(|s| s.class_counts().len()) };
    "Dataset::nan_count" => |o| set(o).nan_count();
    "Dataset::subset" => |o| set(o).subset(&o.sizes()).map(|s| s.len());
    "Dataset::split" => |o| set(o).split(o.share(), o.seed()).map(|(s, _)| s.len());
    "Dataset::stratified_split" => |o| set(o).stratified_split(o.share(), o.seed()).map(|(s, _)| s.len());
    "Dataset::split_three" => |o| set(o).split_three(o.share(), o.share(), o.seed()).map(|(s, _, _)| s.len());
    "Dataset::stratified_split_three" => |o| set(o).stratified_split_three(o.share(), o.share(), o.seed()).map(|(s, _, _)| s.len());
    "Dataset::parts" => |o| { let parts = parts(o); set(o).parts(&parts).map(|(s, _, _)| s.len()) };
    "Elements::len" => |o| elements(o, 3).len();
    "Elements::is_empty" => |o| elements(o, 0).is_empty();
    "Elements::as_f32" => |o| elements(o, 3).as_f32().map(<[f32]>::len);
    "Scaler::fit" => |o| { let labels = labels(o); Dataset::new(o.singles(), &[1], labels).and_then(|s| Scaler::fit(&s)).map(|s| s.mean.len()) };
    "Scaler::apply" => |o| Scaler { mean: o.singles(), std: o.singles() }.apply(&set(o)).map(|s| s.nan_count());
    "Scaler::apply_row" => |o| Scaler { mean: o.singles(), std: o.singles() }.apply_row(&mut o.singles());
    "split::random_parts" => |o| data::random_parts(o.size_near(100), o.share(), o.share(), o.seed()).map(|p| p.train.len());
    "split::stratified_parts" => |o| { let classes: Vec<u32> = o.sizes().into_iter().map(|c| c as u32).collect(); data::stratified_parts(&classes, o.share(), o.share(), o.seed()).map(|p| p.test.len()) };
    "split::folds" => |o| data::folds(o.size_near(100), o.size(), o.seed()).map(|f| f.len());
    "split::stratified_folds" => |o| { let classes: Vec<u32> = o.sizes().into_iter().map(|c| c as u32).collect(); data::stratified_folds(&classes, o.size(), o.seed()).map(|f| f.len()) };
    "FoldScores::mean" => |o| { let s = FoldScores { scores: o.floats() }; (s.to_string(), s.mean()) };
    "FoldScores::std" => |o| FoldScores { scores: o.floats() }.std();
    "Idx::read" => |o| { let (path, bytes) = (o.path(), idx(o)); let _ = std::fs::write(&path, bytes); Idx::read(path).map(|i| i.numel()) };
    "Idx::parse" => |o| { let bytes = idx(o); Idx::parse(o.text(), &bytes).map(|i| i.numel()) };
    "Idx::numel" => |o| Idx { dims: o.sizes(), data: IdxData::U8(o.bytes()) }.numel();
    "Idx::to_f32" => |o| Idx { dims: o.sizes(), data: IdxData::F64(o.floats()) }.to_f32().map(|v| v.len());
    "digits::digits" => |o| { let _ = o.flag(); data::digits().map(|d| d.len()) };
    "mnist::mnist" => |o| {
        let folder = o.folder();
        for name in ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
            let bytes = idx(o);
            let _ = std::fs::write(folder.join(name), bytes);
        }
        data::mnist(folder).map(|(train, _)| train.len())
    };
};

/// A file of any header and a few elements.
fn idx(o: &mut Odd) -> Vec<u8> {
    let rank = o.size_near(3) as u8;
    let mut bytes = vec![0, 0, o.pick(&[8, 9, 11, 12, 13, 14, 0, 255]), rank];
    for _ in 0..rank.min(9) {
        bytes.extend(o.u32().to_be_bytes());
    }
    bytes.extend(o.bytes());
    bytes
}

/// Everything that a loader can be asked for, a few batches among it.
fn loaded(
    o: &mut Odd,
    of: impl FnOnce(&mut Odd, LoaderOptions<'_>) -> Result<DataLoader, Error>,
    batch: usize,
) -> Result<usize, Error> {
    let set = set(o);
    let loader = of(o, DataLoader::new(&set, batch))?;
    let mut epoch = loader.epoch();
    let mut rows = epoch.number() as usize % 7 + loader.len();
    let _ = epoch.nth(o.size());
    for batch in loader.epoch_at(o.seed()).take(3) {
        rows += batch.len;
        batch.inputs().iter().chain(&batch.targets()).try_for_each(|t| t.run())?;
    }
    Ok(rows + loader.next_epoch() as usize % 7 + loader.epoch().count())
}

fn placed(o: &mut Odd, options: LoaderOptions<'_>) -> Result<DataLoader, Error> {
    let device = o.device();
    if o.flag() { options.on_device(&device) } else { options.from_host(&device) }
}

const LOADERS: &[Line] = table! {
    "DataLoader::new" => |o| { let batch = o.size(); loaded(o, placed, batch) };
    "DataLoader::full_batch" => |o| { let set = set(o); let loader = placed(o, DataLoader::full_batch(&set)); loader.map(|l| l.epoch().count()) };
    "DataLoader::stochastic" => |o| { let set = set(o); let options = DataLoader::stochastic(&set, o.seed()); placed(o, options).map(|l| l.epoch().count()) };
    "DataLoader::len" => |o| { let (set, batch) = (set(o), o.size()); placed(o, DataLoader::new(&set, batch)).map(|l| l.len()) };
    "DataLoader::is_empty" => |o| { let (set, batch) = (set(o), o.size()); placed(o, DataLoader::new(&set, batch).drop_last(true)).map(|l| l.is_empty()) };
    "DataLoader::device" => |o| { let set = set(o); placed(o, DataLoader::new(&set, 2)).map(|l| l.device().name().to_owned()) };
    "DataLoader::is_resident" => |o| { let set = set(o); placed(o, DataLoader::new(&set, 2)).map(|l| l.is_resident()) };
    "DataLoader::epoch" => |o| { let set = set(o); placed(o, DataLoader::new(&set, 2)).map(|l| l.epoch().map(|b| b.x).collect::<Vec<_>>()) };
    "DataLoader::epoch_at" => |o| { let (set, number) = (set(o), o.seed()); placed(o, DataLoader::new(&set, 2).shuffle(1)).map(|l| l.epoch_at(number).map(|b| b.y).collect::<Vec<_>>()) };
    "DataLoader::next_epoch" => |o| { let (set, number) = (set(o), o.seed()); placed(o, DataLoader::new(&set, 2)).map(|l| { drop(l.epoch_at(number)); drop(l.epoch()); l.next_epoch() }) };
    "LoaderOptions::shuffle" => |o| { let batch = o.size(); loaded(o, |o, l| { let seed = o.seed(); placed(o, l.shuffle(seed)) }, batch) };
    "LoaderOptions::drop_last" => |o| { let batch = o.size(); loaded(o, |o, l| { let on = o.flag(); placed(o, l.drop_last(on)) }, batch) };
    "LoaderOptions::f16" => |o| { let batch = o.size(); loaded(o, |o, l| placed(o, l.f16()), batch) };
    "LoaderOptions::on_device" => |o| { let batch = o.size(); loaded(o, |o, l| l.on_device(&o.device()), batch) };
    "LoaderOptions::from_host" => |o| { let batch = o.size(); loaded(o, |o, l| l.from_host(&o.device()), batch) };
    "Batch::inputs" => |o| { let set = set(o); placed(o, DataLoader::full_batch(&set)).map(|l| l.epoch().map(|b| b.inputs()).collect::<Vec<_>>()) };
    "Batch::targets" => |o| { let set = set(o); placed(o, DataLoader::full_batch(&set)).map(|l| l.epoch().map(|b| b.targets()).collect::<Vec<_>>()) };
    "Epoch::number" => |o| { let (set, number) = (set(o), o.seed()); placed(o, DataLoader::full_batch(&set)).map(|l| l.epoch_at(number).number()) };
};

/// A few sequences, most of them of whole steps.
fn sequences(o: &mut Odd) -> Sequences {
    let mut found = Sequences::new(if o.flag() { 2 } else { o.size_near(2) });
    for _ in 0..6 {
        let values = o.singles();
        let whole = values.len().min(40) / 2 * 2;
        drop(found.push(if o.flag() { &values[..whole] } else { &values }));
    }
    found
}

fn buckets(o: &mut Odd) -> Buckets {
    let lengths = [o.size(), o.size_near(6), 40];
    Buckets::new(lengths).unwrap_or_else(|_| Buckets::multiples_of(3, 40).expect("a few"))
}

/// Everything that a loader of sequences can be asked for, a few batches among it.
fn sequenced(
    o: &mut Odd,
    of: impl FnOnce(&mut Odd, SequenceOptions<'_>) -> Result<SequenceLoader, Error>,
) -> Result<usize, Error> {
    let (set, buckets) = (sequences(o), buckets(o));
    let batch = if o.flag() { 4 } else { o.size() };
    let loader = of(o, SequenceLoader::new(&set, batch, &buckets))?;
    let mut steps = usize::from(loader.is_empty()) + loader.len();
    for batch in loader.epoch_at(o.seed()).take(3).chain(loader.epoch().take(1)) {
        let batch = batch?;
        steps += batch.steps + batch.length % 7;
        (&batch.x.sum(&[]) + &batch.mask.sum(&[])).run()?;
    }
    Ok(steps + loader.device().name().len())
}

const SEQUENCES: &[Line] = table! {
    "Buckets::new" => |o| Buckets::new(o.sizes()).map(|b| b.lengths().len());
    "Buckets::multiples_of" => |o| Buckets::multiples_of(o.size(), o.size()).map(|b| b.lengths().len());
    "Buckets::fitted" => |o| Buckets::fitted(&o.sizes(), o.size()).map(|b| b.lengths().len());
    "Buckets::fitted" => |o| { let many: Vec<usize> = (0..3000_usize).map(|i| i.wrapping_mul(o.size_near(2)) % 7919).collect(); Buckets::fitted(&many, o.size()).map(|b| b.lengths().len()) };
    "Buckets::lengths" => |o| buckets(o).lengths().len();
    "Buckets::length_for" => |o| buckets(o).length_for(o.size());
    "Sequences::new" => |o| { let mut all = Sequences::new(o.size()); (all.push(&o.singles()), all.lengths()) };
    "Sequences::push" => |o| sequences(o).push(&o.singles());
    "Sequences::len" => |o| sequences(o).len();
    "Sequences::is_empty" => |o| sequences(o).is_empty();
    "Sequences::width" => |o| sequences(o).width();
    "Sequences::get" => |o| sequences(o).get(o.size()).map(<[f32]>::len);
    "Sequences::length" => |o| sequences(o).length(o.size());
    "Sequences::lengths" => |o| sequences(o).lengths();
    "SequenceLoader::new" => |o| sequenced(o, |o, l| l.on(&o.device()));
    "SequenceLoader::len" => |o| sequenced(o, |o, l| l.on(&o.device()));
    "SequenceLoader::is_empty" => |o| sequenced(o, |o, l| l.on(&o.device()));
    "SequenceLoader::device" => |o| sequenced(o, |o, l| l.on(&o.device()));
    "SequenceLoader::epoch" => |o| sequenced(o, |o, l| l.on(&o.device()));
    "SequenceLoader::epoch_at" => |o| sequenced(o, |o, l| l.shuffle(1).on(&o.device()));
    "SequenceOptions::targets" => |o| sequenced(o, |o, l| { let targets = sequences(o); l.targets(&targets).on(&o.device()) });
    "SequenceOptions::shuffle" => |o| sequenced(o, |o, l| { let seed = o.seed(); l.shuffle(seed).on(&o.device()) });
    "SequenceOptions::on" => |o| sequenced(o, |o, l| l.on(&o.device()));
};
