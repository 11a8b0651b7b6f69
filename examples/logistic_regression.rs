//! Logistic regression: malignant or benign; decision boundary, L2, five folds, ROC, and why squared error stalls where cross-entropy learns.

mod common;

use steepest::data::{self, Dataset, Labels, Prepare};
use steepest::nn::loss::{self, Reduction};
use steepest::optim::{Group, Optimizer, Sgd};
use steepest::plot::{self, Figure, Panels};
use steepest::train::metrics::{accuracy, roc_auc};
use steepest::{Device, Result, Tensor, no_grad};

/// h(x) = σ(x θ + b): the probability of class 1.
struct Logistic {
    theta: Tensor,
    bias: Tensor,
}

impl Logistic {
    fn new(device: &Device, features: usize, start: f32) -> Logistic {
        Logistic { theta: device.parameter(&vec![start; features], [features, 1]), bias: device.parameter(&[0.0], 1) }
    }

    /// log(h / (1 − h)): positive where class 1 is the likelier.
    fn logits(&self, x: &Tensor) -> Tensor {
        x.matmul(&self.theta) + &self.bias
    }

    /// Descent on a loss of logits and truth, plus λ/2 Σ θⱼ² (the bias goes free); calls `look` after each step.
    fn fit(
        &self,
        lambda: f64,
        steps: usize,
        loss: impl Fn(&Logistic) -> Tensor,
        mut look: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        let mut opt = Sgd::new([self.bias.clone()], 0.1).momentum(0.9);
        opt = opt.group(Group::new([self.theta.clone()]).weight_decay(lambda));
        for _ in 0..steps {
            opt.step(loss(self).backward())?;
            look()?;
        }
        Ok(())
    }

    fn classes(&self, x: &Tensor) -> Result<Vec<u32>> {
        Ok(no_grad(|| self.logits(x)).to_vec::<f32>()?.into_iter().map(|logit| u32::from(logit > 0.0)).collect())
    }
}

/// J(θ) = −1/m Σ [y log h + (1 − y) log(1 − h)]
fn cross_entropy(logits: &Tensor, y: &Tensor) -> Tensor {
    loss::bce_with_logits(logits, y, None, Reduction::Mean)
}

/// Features [rows, width], and classes as numbers [rows, 1].
fn tensors(device: &Device, rows: &Dataset) -> anyhow::Result<(Tensor, Tensor)> {
    let y: Vec<f32> = common::classes(rows)?.iter().map(|&c| c as f32).collect();
    Ok((device.tensor(rows.features(), [rows.len(), rows.row_len()]), device.tensor(&y, [y.len(), 1])))
}

/// All products x₁ⁱ x₂ʲ of degree 1 to 6: a line in these 27 features is a curve in the two.
fn products(pairs: &[f32]) -> Vec<f32> {
    let powers = (1..=6).flat_map(|degree: i32| (0..=degree).map(move |j| (degree - j, j))).collect::<Vec<_>>();
    pairs.chunks(2).flat_map(|pair| powers.iter().map(|&(i, j)| pair[0].powi(i) * pair[1].powi(j))).collect()
}

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("Breast cancer by logistic regression", 300)?;
    let output = args.output()?;
    let pair = ["mean_texture", "mean_concave_points"];
    let table = args.table("breast_cancer.csv", &[&pair[..], &["diagnosis"]].concat())?;
    let device = args.device()?;
    let (class_of, names) = table.classes("diagnosis")?;
    anyhow::ensure!(names.len() == 2, "{} classes, expected benign and malignant", names.len());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut panels = vec![];

    // Two features, 100 rows to learn from: the more freedom, the more the boundary winds around single rows.
    let parts = data::stratified_parts(&class_of, 0.0, 1.0 - 100.0 / table.len() as f64, args.seed)?;
    let (train, _, test) = table.parts(&parts)?;
    let (two, two_unseen) = common::prepare(&Prepare::new().only(pair).target("diagnosis"), &train, &test)?;
    let lift = |rows: &Dataset| Dataset::new(products(rows.features()), &[27], rows.labels().clone());
    let (lifted, scaler) = lift(&two)?.standardized()?;
    let ((x, y), (unseen, _)) = (tensors(&device, &lifted)?, tensors(&device, &scaler.apply(&lift(&two_unseen)?)?)?);
    let [across, up] = [0, 1].map(|at| {
        let values = two.features().iter().skip(at).step_by(2).map(|&v| f64::from(v));
        values.fold((0.0, 0.0), |(low, high): (f64, f64), v| (low.min(v - 0.5), high.max(v + 0.5)))
    });
    println!("\ndiagnosis by {}: {} rows learned, {} held out", pair.join(" and "), two.len(), two_unseen.len());
    println!("{:>8} {:>12} {:>18} {:>18}", "L2 λ", "‖θ‖", "accuracy learned", "accuracy held out");
    for lambda in [0.0, 0.01, 1.0] {
        let model = Logistic::new(&device, 27, 0.0);
        model.fit(lambda, 10 * args.epochs, |m| cross_entropy(&m.logits(&x), &y), || Ok(()))?;
        let score = |x: &Tensor, rows: &Dataset| anyhow::Ok(100.0 * accuracy(&model.classes(x)?, common::classes(rows)?)?);
        let (learned, held_out) = (score(&x, &two)?, score(&unseen, &two_unseen)?);
        println!("{lambda:>8} {:>12.2} {learned:>16.1} % {held_out:>16.1} %", model.theta.frobenius_norm().item()?);
        let title = format!("λ = {lambda}: {held_out:.1} % of unseen rows right");
        let classify = |points: &[[f32; 2]]| {
            let rows = Dataset::new(products(points.as_flattened()), &[27], Labels::Classes(vec![0; points.len()], 2))?;
            model.classes(&device.tensor(scaler.apply(&rows)?.features(), [points.len(), 27]))
        };
        let figure = plot::decision_boundary(&title, across, up, 120, classify, &names)?;
        let figure = figure.labels("texture (standardised)", "concave points (standardised)");
        panels.push(figure.points(names[0], common::places(&two, 0)?).points(names[1], common::places(&two, 1)?));
    }

    // All thirty features, judged by five folds.
    let (mut scores, mut truth) = (vec![], vec![]);
    let folds = data::stratified_folds(&class_of, 5, args.seed)?;
    let accuracies = data::cross_validate(&table, &Prepare::new().target("diagnosis"), &folds, |fold| {
        let ((x, y), (unseen, _)) = (tensors(&device, &fold.train)?, tensors(&device, &fold.test)?);
        let model = Logistic::new(&device, fold.train.row_len(), 0.0);
        model.fit(0.01, args.epochs, |m| cross_entropy(&m.logits(&x), &y), || Ok(()))?;
        scores.extend(no_grad(|| model.logits(&unseen)).to_vec::<f32>()?);
        truth.extend_from_slice(common::classes(&fold.test)?);
        anyhow::Ok(accuracy(&model.classes(&unseen)?, common::classes(&fold.test)?)?)
    })?;
    let positive: Vec<bool> = truth.iter().map(|&c| c == 1).collect();
    println!("\nall features, λ = 0.01: accuracy {accuracies}, area under the ROC curve {:.4}", roc_auc(&scores, &positive)?);
    panels.push(plot::roc(&scores, &truth)?);

    // From a start that is surely wrong: σ is flat there, and the gradient of (h − y)² has σ' as a factor. That of cross-entropy is h − y.
    let whole = Prepare::new().target("diagnosis").fit(&table)?.dataset(&table)?.0;
    let ((x, y), labels) = (tensors(&device, &whole)?, common::classes(&whole)?);
    let mut shares = Figure::new("from a wrong start: rows right by step").labels("step", "share of rows");
    println!("\nfrom θ = −1, where most rows are surely taken for the other class:");
    for (name, squared) in [("cross-entropy", false), ("squared error", true)] {
        let model = Logistic::new(&device, x.shape().dims()[1], -1.0);
        let mut right = vec![];
        let loss = |m: &Logistic| if squared { m.logits(&x).sigmoid().mse(&y) } else { cross_entropy(&m.logits(&x), &y) };
        let first = loss(&model).backward().wrt(&model.theta)?.frobenius_norm().item()?;
        model.fit(0.0, args.epochs, loss, || {
            right.push(accuracy(&model.classes(&x)?, labels)?);
            Ok(())
        })?;
        let most = right.iter().position(|share| *share >= 0.9).map_or("never".to_owned(), |step| (step + 1).to_string());
        println!("  {name:<14} first gradient {first:<10.3e} nine rows of ten right at step {most}");
        shares = shares.line(name, right.into_iter().enumerate().map(|(step, share)| (step as f64 + 1.0, share)));
    }
    panels.push(shares);
    let panels = Panels::new(3, panels).title("Logistic regression: tumours, malignant or benign");
    output.picture("logistic_regression.svg", |path| panels.save(path))?;
    common::figures(&[("accuracy", 100.0 * accuracies.mean()), ("auc", roc_auc(&scores, &positive)?)]);
    println!("held-out accuracy: {:.2} %", 100.0 * accuracies.mean());
    Ok(())
}
