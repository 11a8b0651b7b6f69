//! Absurd arguments for the public functions of `src/train`.

use crate::odd::Odd;
use crate::{Line, Room, table};
use steepest::data::{DataLoader, Dataset, Labels};
use steepest::nn::{self, loss};
use steepest::optim::Sgd;
use steepest::optim::schedule::{Constant, Plateau, Step};
use steepest::train::metrics::{self, Average, Calibration, ConfusionMatrix, Metric, Predictions, Score, Truth};
use steepest::train::{Callback, EarlyStopping, Flow, History, Interrupt, Record, Trainer};
use steepest::{Error, Tensor};

pub fn room() -> Room {
    Room {
        name: "train",
        tables: &[
            METRICS,
            RUNS,
            #[cfg(feature = "save")]
            SAVED,
        ],
        not_called: NOT_CALLED,
        complete: cfg!(feature = "save"),
    }
}

const NOT_CALLED: &[(&str, &str)] =
    &[("Trainer::stop_on_ctrl_c", "it would take the signals of the process that runs the other calls")];

/// Class numbers, mostly of three classes.
fn classes(o: &mut Odd, count: usize) -> Vec<u32> {
    (0..count).map(|_| o.size_near(2) as u32).collect()
}

fn flags(o: &mut Odd, count: usize) -> Vec<bool> {
    (0..count).map(|_| o.flag()).collect()
}

fn shares(o: &mut Odd, count: usize) -> Vec<f32> {
    (0..count).map(|_| o.share() as f32).collect()
}

fn count(o: &mut Odd) -> usize {
    o.size_near(4).min(300)
}

fn matrix(o: &mut Odd) -> Result<ConfusionMatrix, Error> {
    let n = count(o);
    ConfusionMatrix::new(&classes(o, n), &classes(o, n), o.size_near(3))
}

fn calibration(o: &mut Odd) -> Result<Calibration, Error> {
    let n = count(o);
    Calibration::new(&shares(o, n), &flags(o, n), o.size())
}

fn predictions(o: &mut Odd) -> Result<Predictions, Error> {
    let width = o.size_near(3);
    let outputs: Vec<f32> = (0..width.min(100) * 4).map(|_| o.single()).collect();
    let truth = if o.flag() {
        Truth::Classes(classes(o, 4))
    } else {
        Truth::Values((0..width.min(100) * 4).map(|_| o.single()).collect())
    };
    Predictions::new(outputs, width, truth)
}

fn score(o: &mut Odd) -> Score {
    let (n, class) = (o.size(), o.u32());
    let average = o.pick(&[Average::Macro, Average::Micro, Average::Weighted, Average::Class(class)]);
    o.pick(&[
        Score::Accuracy,
        Score::Precision(average),
        Score::Recall(average),
        Score::F1(average),
        Score::RocAuc,
        Score::TopK(n),
        Score::AveragePrecision,
        Score::LogLoss,
        Score::Perplexity,
        Score::Brier,
        Score::CalibrationError(n),
        Score::Iou(average),
        Score::BalancedAccuracy,
        Score::Mcc,
        Score::Kappa,
        Score::Mae,
        Score::Rmse,
        Score::R2,
        Score::Mape,
        Score::ExplainedVariance,
        Score::MaxError,
        Score::MedianError,
    ])
}

/// Every score of the same predictions.
fn scored(o: &mut Odd, p: &Predictions) -> f64 {
    (0..6).map(|_| score(o).of(p).unwrap_or(0.0)).sum()
}

macro_rules! of_matrix {
    ($o:ident, |$m:ident| $call:expr) => {
        matrix($o).map(|$m| $call)
    };
}

macro_rules! regression {
    ($o:ident, $function:ident) => {{
        let n = count($o);
        let (a, b): (Vec<f32>, Vec<f64>) = ((0..n).map(|_| $o.single()).collect(), (0..n).map(|_| $o.float()).collect());
        metrics::$function(&a, &b, $o.size_near(1))
    }};
}

const METRICS: &[Line] = table! {
    "metrics::accuracy" => |o| { let n = count(o); metrics::accuracy(&classes(o, n), &classes(o, 4)) };
    "ConfusionMatrix::new" => |o| { let n = count(o); ConfusionMatrix::new(&classes(o, n), &classes(o, 4), o.size()).map(|m| m.to_string()) };
    "ConfusionMatrix::empty" => |o| ConfusionMatrix::empty(o.size()).map(|m| m.classes());
    "ConfusionMatrix::add" => |o| ConfusionMatrix::empty(o.size_near(3)).and_then(|mut m| m.add(&classes(o, 4), &classes(o, 4)));
    "ConfusionMatrix::with_names" => |o| matrix(o).and_then(|m| m.with_names(o.texts())).map(|m| m.to_string());
    "ConfusionMatrix::classes" => |o| of_matrix!(o, |m| m.classes());
    "ConfusionMatrix::count" => |o| of_matrix!(o, |m| m.count(o.size(), o.size()));
    "ConfusionMatrix::support" => |o| of_matrix!(o, |m| m.support(o.size()));
    "ConfusionMatrix::predicted" => |o| of_matrix!(o, |m| m.predicted(o.size()));
    "ConfusionMatrix::total" => |o| of_matrix!(o, |m| m.total());
    "ConfusionMatrix::accuracy" => |o| of_matrix!(o, |m| m.accuracy());
    "ConfusionMatrix::precision" => |o| of_matrix!(o, |m| m.precision(o.size()));
    "ConfusionMatrix::recall" => |o| of_matrix!(o, |m| m.recall(o.size()));
    "ConfusionMatrix::f1" => |o| of_matrix!(o, |m| m.f1(o.size()));
    "ConfusionMatrix::iou" => |o| of_matrix!(o, |m| m.iou(o.size()));
    "ConfusionMatrix::dice" => |o| of_matrix!(o, |m| m.dice(o.size()));
    "ConfusionMatrix::macro_precision" => |o| of_matrix!(o, |m| m.macro_precision());
    "ConfusionMatrix::macro_recall" => |o| of_matrix!(o, |m| m.macro_recall());
    "ConfusionMatrix::macro_f1" => |o| of_matrix!(o, |m| m.macro_f1());
    "ConfusionMatrix::mean_iou" => |o| of_matrix!(o, |m| m.mean_iou());
    "ConfusionMatrix::balanced_accuracy" => |o| of_matrix!(o, |m| m.balanced_accuracy());
    "ConfusionMatrix::mcc" => |o| of_matrix!(o, |m| m.mcc());
    "ConfusionMatrix::kappa" => |o| of_matrix!(o, |m| m.kappa());
    "Calibration::new" => |o| calibration(o).map(|c| c.to_string());
    "Calibration::bins" => |o| calibration(o).map(|c| c.bins().len());
    "Calibration::expected_error" => |o| calibration(o).map(|c| c.expected_error());
    "Calibration::largest_error" => |o| calibration(o).map(|c| c.largest_error());
    "probability::log_loss" => |o| { let n = count(o); metrics::log_loss(&shares(o, n), &flags(o, 4)) };
    "probability::brier" => |o| { let n = count(o); metrics::brier(&shares(o, n), &flags(o, 4)) };
    "ranking::roc_auc" => |o| { let n = count(o); metrics::roc_auc(&shares(o, n), &flags(o, 4)) };
    "ranking::roc_curve" => |o| { let n = count(o); metrics::roc_curve(&shares(o, n), &flags(o, n)).map(|c| c.len()) };
    "ranking::pr_curve" => |o| { let n = count(o); metrics::pr_curve(&shares(o, n), &flags(o, n)).map(|c| c.len()) };
    "ranking::average_precision" => |o| { let n = count(o); metrics::average_precision(&o.singles(), &flags(o, n)) };
    "ranking::top_k_accuracy" => |o| { let n = count(o); metrics::top_k_accuracy(&o.singles(), o.size(), &classes(o, n), o.size()) };
    "regression::mae" => |o| regression!(o, mae);
    "regression::rmse" => |o| regression!(o, rmse);
    "regression::r2" => |o| regression!(o, r2);
    "regression::mape" => |o| regression!(o, mape);
    "regression::explained_variance" => |o| regression!(o, explained_variance);
    "regression::max_error" => |o| regression!(o, max_error);
    "regression::median_absolute_error" => |o| regression!(o, median_absolute_error);
    "Predictions::new" => |o| predictions(o).map(|p| scored(o, &p));
    "Predictions::of" => |o| { let (model, set) = (nn::mlp(&o.device(), &[2, o.size_near(3)], 1), set(o)); loader(o, &set).and_then(|l| Predictions::of(&model, &l)).map(|p| scored(o, &p)) };
    "Predictions::outputs" => |o| predictions(o).map(|p| p.outputs().len());
    "Predictions::into_outputs" => |o| predictions(o).map(|p| p.into_outputs().len());
    "Predictions::width" => |o| predictions(o).map(|p| p.width());
    "Predictions::rows" => |o| predictions(o).map(|p| p.rows());
    "Predictions::truth" => |o| predictions(o).map(|p| format!("{:?}", p.truth()));
    "Predictions::predicted" => |o| predictions(o).map(|p| p.predicted().len());
    "Predictions::labels" => |o| predictions(o).and_then(|p| p.labels()).map(|l| l.len());
    "Predictions::confusion" => |o| predictions(o).and_then(|p| p.confusion()).map(|m| m.total());
    "Predictions::probabilities" => |o| predictions(o).map(|p| p.probabilities().len());
    "Predictions::calibration" => |o| predictions(o).and_then(|p| p.calibration(o.size())).map(|c| c.expected_error());
};

/// Six rows of two features and one of three classes.
fn set(o: &mut Odd) -> Dataset {
    Dataset::new((0..12).map(|_| o.single()).collect(), &[2], Labels::Classes(vec![0, 1, 2, 0, 1, 2], 3)).expect("a data set")
}

fn loader(o: &mut Odd, set: &Dataset) -> Result<DataLoader, Error> {
    DataLoader::new(set, o.size_near(2)).on_device(&o.device())
}

/// A run of a few epochs with one setting more.
fn trained(o: &mut Odd, set_up: impl for<'a> FnOnce(&mut Odd, Trainer<'a>) -> Trainer<'a>) -> Result<u64, Error> {
    let model = nn::mlp(&o.device(), &[2, 3], 1);
    let set = set(o);
    let loader = loader(o, &set)?;
    let entropy = |x: &Tensor, y: &Tensor| loss::CrossEntropy::new().of(x, y);
    let trainer = Trainer::new(&model, Sgd::new(nn::Module::parameters(&model), 0.1), entropy).epochs(2).quiet();
    let mut trainer = set_up(o, trainer);
    let report = trainer.fit(&loader)?;
    let _ = (report.history.to_csv(), report.checkpointed());
    Ok(report.steps)
}

/// Whatever a history may hold.
pub fn history(o: &mut Odd) -> History {
    let records = o.many(|o| Record {
        epoch: o.size(),
        steps: o.seed(),
        lr: o.float(),
        loss: o.float(),
        val_loss: o.maybe(|o| o.float()),
        metrics: o.many(|o| (o.text(), o.float())),
        seconds: o.float(),
    });
    History { records }
}

struct Stops(usize);

impl Callback for Stops {
    fn on_epoch(&mut self, history: &History, _: &dyn nn::Module) -> Result<Flow, Error> {
        Ok(if history.records.len() >= self.0 { Flow::Stop } else { Flow::Go })
    }
}

const RUNS: &[Line] = table! {
    "Trainer::new" => |o| trained(o, |_, t| t);
    "Trainer::with_loss" => |o| {
        let model = nn::mlp(&o.device(), &[2, o.size_near(3)], 1);
        let set = set(o);
        let of = o.near(&[2, 3]);
        loader(o, &set).and_then(|l| Trainer::with_loss(&model, Sgd::new(nn::Module::parameters(&model), o.float()), |outputs, _| outputs[0].mul(&of).sum(&[])).epochs(1).quiet().fit(&l)).map(|r| r.steps)
    };
    "Trainer::epochs" => |o| trained(o, |o, t| t.epochs(o.size()).callback(Stops(2)));
    "Trainer::validate" => |o| validated(o, None);
    "Trainer::metric" => |o| { let score = score(o); validated(o, Some(score)) };
    "Trainer::schedule" => |o| trained(o, |o, t| match Step::new(o.share(), o.size(), o.float()) { Ok(s) => t.schedule(s), Err(_) => t });
    "Trainer::schedule_by_step" => |o| trained(o, |o, t| match Constant::new(o.float()) { Ok(s) => t.schedule_by_step(s), Err(_) => t });
    "Trainer::plateau" => |o| trained(o, |o, t| match Plateau::new(o.share(), o.size()) { Ok(s) => t.plateau(s), Err(_) => t });
    "Trainer::early_stopping" => |o| trained(o, |o, t| t.early_stopping(EarlyStopping::new(o.size()).min_delta(o.float())));
    "Trainer::clip_norm" => |o| trained(o, |o, t| t.clip_norm(o.float()));
    "Trainer::clip_value" => |o| trained(o, |o, t| t.clip_value(o.float()));
    "Trainer::l1" => |o| trained(o, |o, t| t.l1(o.float()));
    "Trainer::l2" => |o| trained(o, |o, t| t.l2(o.float()));
    "Trainer::accumulate" => |o| trained(o, |o, t| t.accumulate(o.size()));
    "Trainer::ema" => |o| trained(o, |o, t| t.ema(o.float()));
    "Trainer::swa" => |o| trained(o, |o, t| t.swa(o.size()));
    "Trainer::callback" => |o| trained(o, |o, t| t.callback(Stops(o.size())));
    "Trainer::on_step" => |o| trained(o, |o, t| { let stop = o.flag(); t.on_step(move |_| Ok(if stop { Flow::Stop } else { Flow::Go })) });
    "Trainer::on_epoch" => |o| trained(o, |o, t| { let stop = o.flag(); t.on_epoch(move |_| Ok(if stop { Flow::Stop } else { Flow::Go })) });
    "Trainer::interrupt" => |o| { let interrupt = Interrupt::new(); for _ in 0..o.size().min(5) { interrupt.ask(); } trained(o, |_, t| t.interrupt(&interrupt)) };
    "Trainer::quiet" => |o| trained(o, |_, t| t.quiet());
    "Trainer::optimizer" => |o| { let model = nn::mlp(&o.device(), &[2, 3], 1); Trainer::new(&model, Sgd::new(nn::Module::parameters(&model), o.float()), |x, _| x.clone()).optimizer().lr() };
    "Trainer::fit" => |o| trained(o, |o, t| t.l1(o.share()).accumulate(o.size()).ema(o.share()).clip_norm(o.float()));
    "Report::checkpointed" => |o| trained(o, |o, t| t.epochs(o.size()).callback(Stops(1)));
    "EarlyStopping::new" => |o| trained(o, |o, t| t.early_stopping(EarlyStopping::new(o.size())));
    "EarlyStopping::never" => |o| trained(o, |_, t| t.early_stopping(EarlyStopping::never()));
    "EarlyStopping::monitor" => |o| trained(o, |o, t| t.early_stopping(EarlyStopping::new(1).monitor(o.text())));
    "EarlyStopping::min_delta" => |o| trained(o, |o, t| t.early_stopping(EarlyStopping::new(1).min_delta(o.float())));
    "Interrupt::new" => |o| { let _ = o.flag(); Interrupt::new().after_batch() };
    "Interrupt::ask" => |o| { let i = Interrupt::new(); for _ in 0..o.size().min(1000) { i.ask(); } i.after_batch() };
    "Interrupt::after_epoch" => |o| { let i = Interrupt::new(); for _ in 0..o.size().min(9) { i.ask(); } i.after_epoch() };
    "Interrupt::after_batch" => |o| { let i = Interrupt::new(); for _ in 0..o.size().min(9) { i.ask(); } i.after_batch() };
    "History::column" => |o| history(o).column(&o.text()).len();
    "History::last" => |o| history(o).last().is_some();
    "History::to_csv" => |o| { let csv = history(o).to_csv(); History::from_csv(&csv).map(|h| h.records.len()) };
    "History::from_csv" => |o| History::from_csv(&format!("epoch,steps,lr,loss,val_loss,seconds{}\n{},{},1,1,,{}\n", o.text(), o.size(), o.int(), o.float())).map(|h| h.records.len());
    "Record::get" => |o| history(o).last().and_then(|r| r.get(&o.text()));
};

fn validated(o: &mut Odd, metric: Option<Score>) -> Result<u64, Error> {
    let other = set(o);
    let held_out = loader(o, &other)?;
    let model = nn::mlp(&o.device(), &[2, 3], 1);
    let set = set(o);
    let loader = loader(o, &set)?;
    let entropy = |x: &Tensor, y: &Tensor| loss::CrossEntropy::new().of(x, y);
    let trainer = Trainer::new(&model, Sgd::new(nn::Module::parameters(&model), 0.1), entropy).epochs(2).quiet();
    let trainer = trainer.validate(&held_out);
    let mut trainer = if let Some(metric) = metric { trainer.metric(metric) } else { trainer };
    trainer.fit(&loader).map(|report| report.steps)
}

#[cfg(feature = "save")]
const SAVED: &[Line] = table! {
    "Trainer::checkpoints" => |o| { let (folder, every) = saving(o); trained(o, |_, t| t.checkpoints(folder, every)) };
    "Trainer::keep" => |o| { let (folder, every) = saving(o); trained(o, |o, t| t.checkpoints(folder, every).keep(o.size()).resume()) };
    "Trainer::resume" => |o| {
        let (folder, every) = saving(o);
        let _ = trained(o, |_, t| t.checkpoints(folder.clone(), every).resume());
        // A run that counts beyond what it can reach.
        if let Ok(Some((path, mut checkpoint))) = steepest::save::Checkpoints::new(&folder).newest() {
            for name in ["epoch", "batch", "step", "rows", "bad", "batches"] {
                if o.flag() {
                    checkpoint.progress.insert(name.to_owned(), o.size().to_string());
                }
            }
            let _ = checkpoint.write(path);
        }
        trained(o, |_, t| t.checkpoints(folder, every).resume().callback(Stops(1)))
    };
    "Trainer::preprocessing" => |o| { let (folder, every) = saving(o); trained(o, |o, t| t.checkpoints(folder, every).resume().preprocessing(o.text())) };
};

#[cfg(feature = "save")]
fn saving(o: &mut Odd) -> (std::path::PathBuf, steepest::train::Every) {
    use steepest::train::Every;
    let (folder, number) = (o.folder().join("run"), o.seed());
    let _ = std::fs::remove_dir_all(&folder);
    (folder, if o.flag() { Every::Epochs(number as usize) } else { Every::Steps(number) })
}
