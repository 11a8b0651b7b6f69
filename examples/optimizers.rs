//! Optimizers compared: SGD, momentum, AdaGrad, RMSProp and Adam on one badly scaled cost surface, with their paths, and on a small network.

mod common;

use steepest::Tensor;
use steepest::data::{self, DataLoader};
use steepest::nn::{self, Module};
use steepest::optim::{AdaGrad, Adam, Optimizer, RmsProp, Sgd};
use steepest::plot::{Field, Figure, Panels};
use steepest::train::Trainer;
use steepest::train::metrics::Score;

/// A name, how the optimizer is made, its learning rate on the surface and in the network.
type Entry = (&'static str, fn(Vec<Tensor>, f64) -> Box<dyn Optimizer>, f64, f64);

/// Each has a rate that suits it, found by trying.
const OPTIMIZERS: [Entry; 5] = [
    ("SGD", |p, lr| Box::new(Sgd::new(p, lr)), 0.1, 0.5),
    ("momentum 0.9", |p, lr| Box::new(Sgd::new(p, lr).momentum(0.9)), 0.05, 0.1),
    ("AdaGrad", |p, lr| Box::new(AdaGrad::new(p, lr)), 2.0, 0.05),
    ("RMSProp", |p, lr| Box::new(RmsProp::new(p, lr)), 0.5, 0.005),
    ("Adam", |p, lr| Box::new(Adam::new(p, lr)), 2.0, 0.005),
];

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("Optimizers on a cost surface and on a small network", 10)?;
    let output = args.output()?;
    let table = args.table("mpg.csv", &["mpg", "weight"])?;
    let device = args.device()?;

    // Miles per gallon = θ₀ + θ₁ · thousands of pounds: as θ₀ and θ₁ trade against each other, the cost is a long narrow valley.
    let weight: Vec<f32> = common::numbers(&table, "weight")?.into_iter().map(|pounds| pounds / 1000.0).collect();
    let mpg = common::numbers(&table, "mpg")?;
    let points: Vec<(f64, f64)> = weight.iter().zip(&mpg).map(|(x, y)| ((*x).into(), (*y).into())).collect();
    let cost = |t0: f64, t1: f64| points.iter().map(|(x, y)| (t0 + t1 * x - y).powi(2)).sum::<f64>() / (2 * points.len()) as f64;
    let (range0, range1) = ((-5.0, 60.0), (-15.0, 15.0));
    let valley = Field::sample(range0, range1, 60, cost)?;
    let (x, y) = (device.tensor(&weight, [weight.len(), 1]), device.tensor(&mpg, [mpg.len(), 1]));
    let best = common::normal_equation(&device.ones([weight.len(), 1]).cat(&[&x], 1), &y, 0.0)?;
    let least = cost(best[0], best[1]);
    let steps = 20 * args.epochs;
    println!("\ncost above the least, {least:.3}, of a line fitted from (0, 10)");
    println!("{:<14} {:>6} {:>12} {:>12} {:>12}", "", "rate", "10 steps", "50 steps", format!("{steps} steps"));
    let mut panels = vec![];
    let mut curves = Figure::new("cost above the least, by step").labels("step", "J − J*").log_y();
    for (name, make, rate, _) in OPTIMIZERS {
        let theta = [device.parameter(&[0.0], 1), device.parameter(&[10.0], 1)];
        let mut opt = make(theta.to_vec(), rate);
        let mut path = vec![(0.0, 10.0)];
        for _ in 0..steps {
            let loss = (&theta[0] + &theta[1] * &x).mse(&y) * 0.5;
            opt.step(loss.backward())?;
            path.push((theta[0].item()?.into(), theta[1].item()?.into()));
        }
        let above: Vec<f64> = path.iter().map(|(t0, t1)| cost(*t0, *t1) - least).collect();
        let at = |step: usize| above.get(step).map_or("-".to_owned(), |a| format!("{a:.4}"));
        println!("{name:<14} {rate:>6} {:>12} {:>12} {:>12}", at(10), at(50), at(steps));
        let inside = |p: &&(f64, f64)| (range0.0..=range0.1).contains(&p.0) && (range1.0..=range1.1).contains(&p.1);
        let figure = Figure::new(format!("{name}, rate {rate}")).labels("θ₀", "θ₁").contour(&valley);
        panels.push(figure.path("path", path.iter().take_while(inside).copied()).points("least", [(best[0], best[1])]));
        curves = curves.line(name, above.iter().enumerate().map(|(step, a)| (step as f64, a.max(1e-6))));
    }
    panels.push(curves);

    // The same five on a network of 64-32-10 units that reads digits.
    let (train, test) = data::digits()?.stratified_split(0.2, args.seed)?;
    let (held_out, mut best) = (DataLoader::full_batch(&test).on_device(&device)?, (0.0, ""));
    let mut worst = f64::INFINITY;
    let mut losses = Figure::new("digits: cross-entropy while learning").labels("epoch", "loss").log_y();
    let mut scores = Figure::new("digits: held out").labels("epoch", "accuracy");
    println!(
        "\ndigits by 64-32-10 units, {} epochs\n{:<14} {:>6} {:>10} {:>18}",
        args.epochs, "", "rate", "loss", "held-out accuracy"
    );
    for (name, make, _, rate) in OPTIMIZERS {
        let loader = DataLoader::new(&train, 32).shuffle(args.seed).on_device(&device)?;
        let model = nn::mlp(&device, &[64, 32, 10], args.seed);
        let trainer = Trainer::new(&model, make(model.parameters(), rate), |logits, labels| logits.cross_entropy(labels));
        let history = trainer.epochs(args.epochs).validate(&held_out).metric(Score::Accuracy).quiet().fit(&loader)?.history;
        let accuracy = history.last().and_then(|r| r.get("accuracy")).unwrap_or(0.0);
        println!("{name:<14} {rate:>6} {:>10.4} {:>16.2} %", history.last().map_or(f64::NAN, |r| r.loss), 100.0 * accuracy);
        losses = losses.line(name, history.records.iter().map(|r| (r.epoch as f64, r.loss)));
        scores = scores.line(name, history.records.iter().map(|r| (r.epoch as f64, r.get("accuracy").unwrap_or(0.0))));
        worst = worst.min(accuracy);
        if accuracy > best.0 {
            best = (accuracy, name);
        }
    }
    panels.extend([losses, scores]);
    let panels = Panels::new(2, panels).title("Optimizers: the same surface, five ways down");
    output.picture("optimizers.svg", |path| panels.save(path))?;
    common::figures(&[("worst", 100.0 * worst), ("best", 100.0 * best.0)]);
    println!("held-out accuracy: {:.2} % by {}", 100.0 * best.0, best.1);
    Ok(())
}
