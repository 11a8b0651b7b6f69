//! Every kind of picture: trains small networks and writes what there is to see of them into a folder, as SVG and PNG.

mod common;

use common::Args;
use std::path::PathBuf;
use steepest::data::{self, DataLoader, Dataset};
use steepest::nn::{self, Activation, Linear, Module, Sequential};
use steepest::optim::{Adam, Optimizer, Sgd};
use steepest::plot::{self, Field, Figure, Panels};
use steepest::train::{Trainer, metrics::Score};
use steepest::{Device, Result, Tensor, no_grad, random};

/// Where the pictures go.
struct Folder(PathBuf);

impl Folder {
    fn save(&self, name: &str, sheet: &Panels) -> Result<()> {
        for ending in ["svg", "png"] {
            sheet.save(self.0.join(format!("{name}.{ending}")))?;
        }
        println!("{}", self.0.join(format!("{name}.png")).display());
        Ok(())
    }

    fn one(&self, name: &str, figure: Figure) -> Result<()> {
        self.save(name, &Panels::new(1, [figure]))
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse("A gallery of every kind of picture", 20)?;
    let device = args.device()?;
    let folder = Folder(args.out.clone().unwrap_or_else(|| std::env::temp_dir().join("steepest-gallery")));
    fitted_line(&device, &args, &folder)?;
    descents(&folder)?;
    moons(&device, &args, &folder)?;
    digits(&device, &args, &folder)?;
    let functions: [plot::Named<'_>; 4] =
        [("ReLU", &Tensor::relu), ("tanh", &Tensor::tanh), ("sigmoid", &Tensor::sigmoid), ("GELU", &Tensor::gelu)];
    folder.save("activations", &plot::activations(&functions, 4.0)?)?;
    Ok(())
}

/// Points, the line fitted to them, and the cost over its two parameters with the way there.
fn fitted_line(device: &Device, args: &Args, folder: &Folder) -> Result<()> {
    let xs: Vec<f32> = (0..40).map(|i| i as f32 / 13.0).collect();
    let noise = random::normal_host(xs.len(), 0.0, 0.3, args.seed, 0);
    let ys: Vec<f32> = xs.iter().zip(&noise).map(|(x, n)| 0.8 + 1.5 * x + n).collect();
    let model = Linear::new(device, 1, 1, args.seed);
    model.weight().set(&[-1.0])?;
    let (x, y) = (device.tensor(&xs, [xs.len(), 1]), device.tensor(&ys, [ys.len(), 1]));
    let mut opt = Sgd::new(model.parameters(), 0.1);
    let mut way = vec![];
    for _ in 0..100 {
        way.push((f64::from(model.parameters()[1].item()?), f64::from(model.weight().item()?)));
        opt.step(model.forward(&x).mse(&y).backward())?;
    }
    let points = xs.iter().zip(&ys).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    let (b, w) = way[way.len() - 1];
    let line = Figure::new("A straight line by gradient descent")
        .labels("time / s", "distance / m")
        .points("measured", points.clone())
        .line(format!("fitted: {b:.2} m + {w:.2} m/s · t"), [(0.0, b), (3.0, b + 3.0 * w)]);
    println!("{}\n", line.sketch(78, 22)?);
    folder.one("line", line)?;
    let cost = |b: f64, w: f64| points.clone().map(|(x, y)| (b + w * x - y).powi(2)).sum::<f64>() / xs.len() as f64;
    let field = Field::sample((-1.5, 3.0), (-1.5, 3.5), 80, cost)?;
    let contour = Figure::new("Its cost, and the way of the descent")
        .labels("offset / m", "slope / m/s")
        .contour(&field)
        .path("descent, rate 0.1", way.clone());
    println!("{}\n", contour.sketch(78, 24)?);
    let heat = Figure::new("The same as a heat map, log₁₀").labels("offset / m", "slope / m/s").value_label("log₁₀ cost / m²");
    let heat = heat.heat_map(&field.clone().map(f64::log10)).path("descent", way);
    let surface =
        plot::surface("The same in three dimensions", &field).labels("offset / m", "slope / m/s").value_label("cost / m²");
    folder.save("cost", &Panels::new(2, [contour, heat, surface]))
}

/// Three rules of descent in a narrow valley.
fn descents(folder: &Folder) -> Result<()> {
    let gradient = |x: f64, y: f64| (x, 12.0 * y);
    let way = |rate: f64, momentum: f64| {
        let ((mut x, mut y), (mut u, mut v)) = ((-4.0, 1.6), (0.0, 0.0));
        (0..40).map(move |_| {
            let at = (x, y);
            let g = gradient(x, y);
            (u, v) = (momentum * u - rate * g.0, momentum * v - rate * g.1);
            (x, y) = (x + u, y + v);
            at
        })
    };
    let valley = Field::sample((-5.0, 3.0), (-2.0, 2.0), 90, |x, y| 0.5 * (x * x + 12.0 * y * y))?;
    let figure = Figure::new("Descents in a narrow valley").labels("w₁", "w₂").contour(&valley);
    folder.one(
        "descents",
        figure.path("rate 0.15", way(0.15, 0.0)).path("rate 0.03", way(0.03, 0.0)).path("0.03, momentum 0.8", way(0.03, 0.8)),
    )
}

/// Two half moons: the border between them, the ROC curve, the loss around the weights.
fn moons(device: &Device, args: &Args, folder: &Folder) -> Result<()> {
    let noise = random::normal_host(400, 0.0, 0.12, args.seed, 1);
    let moon = |i: usize| {
        let (class, t) = (i % 2, std::f32::consts::PI * (i / 2) as f32 / 99.0);
        let (x, y) = if class == 0 { (t.cos(), t.sin()) } else { (1.0 - t.cos(), 0.4 - t.sin()) };
        ([x + noise[2 * i], y + noise[2 * i + 1]], class as u32)
    };
    let (points, labels): (Vec<[f32; 2]>, Vec<u32>) = (0..200).map(moon).unzip();
    let model = Sequential::new().add(Linear::new(device, 2, 16, args.seed)).add(Activation::Tanh).add(Linear::new(
        device,
        16,
        2,
        args.seed + 1,
    ));
    let (x, y) = (device.tensor(points.as_flattened(), [200, 2]), device.tensor(&labels, [200]));
    let mut opt = Adam::new(model.parameters(), 0.03);
    for _ in 0..10 * args.epochs {
        opt.step(model.forward(&x).cross_entropy(&y).backward())?;
    }
    let classify = |points: &[[f32; 2]]| {
        let x = device.tensor(points.as_flattened(), [points.len(), 2]);
        no_grad(|| model.forward(&x).argmax(1)).to_vec::<u32>()
    };
    let of = |class: u32| points.iter().zip(&labels).filter(move |(_, l)| **l == class).map(|(p, _)| (p[0].into(), p[1].into()));
    let border =
        plot::decision_boundary("Two moons, told apart", (-1.6, 2.6), (-1.2, 1.6), 160, classify, &["upper moon", "lower moon"])?
            .labels("x₁", "x₂")
            .points("upper moon", of(0))
            .points("lower moon", of(1));
    println!("{}\n", border.sketch(78, 24)?);
    folder.one("boundary", border)?;
    let depth: Vec<f32> = points.iter().map(|p| -p[1]).collect();
    folder.one("roc", plot::roc(&depth, &labels)?)?;
    let loss = || no_grad(|| model.forward(&x).cross_entropy(&y)).item();
    let slices = plot::loss_slices(&model.parameters(), args.seed, 1.0, 61, loss)?;
    let around = plot::loss_surface(&model.parameters(), args.seed, 1.0, 31, loss)?;
    let flat = Figure::new("Loss around the weights").labels("direction 1", "direction 2").contour(&around);
    let high = plot::surface("The same in three dimensions", &around).labels("direction 1", "direction 2").value_label("loss");
    folder.save("landscape", &Panels::new(2, [slices, flat, high]))
}

/// Handwritten digits: learning curves, confusion matrix, some of them with what was seen in them.
fn digits(device: &Device, args: &Args, folder: &Folder) -> anyhow::Result<()> {
    let (train, test) = data::digits()?.stratified_split(0.2, args.seed)?;
    let loader = DataLoader::new(&train, 32).shuffle(args.seed).on_device(device)?;
    let held_out = DataLoader::new(&test, 360).on_device(device)?;
    let model = nn::mlp(device, &[64, 32, 10], args.seed);
    let report = Trainer::new(&model, Adam::new(model.parameters(), 2e-3), |y, t| y.cross_entropy(t))
        .epochs(args.epochs)
        .validate(&held_out)
        .metric(Score::Accuracy)
        .fit(&loader)?;
    let curves = plot::learning_curves(&report.history);
    println!("{}\n", curves.sketch(78, 20)?);
    folder.save("learning", &Panels::new(2, [curves, plot::metric_curves(&report.history)]))?;
    let matrix = common::evaluate(&model, &held_out, 10)?;
    let recalls = (0..10).map(|digit| (digit.to_string(), 100.0 * matrix.recall(digit)));
    folder.one("recall", Figure::new("Digits found").labels("digit", "recall / %").bars("", recalls))?;
    folder.one("confusion", plot::confusion(&matrix, &[]))?;
    let seen =
        |test: &Dataset| no_grad(|| model.forward(&device.tensor(test.features(), [test.len(), 64])).argmax(1)).to_vec::<u32>();
    let (seen, labels) = (seen(&test)?, held_out.epoch_at(0).next().map_or(Ok(vec![]), |batch| batch.y.to_vec::<u32>())?);
    let mut order: Vec<usize> = (0..test.len()).collect();
    order.sort_by_key(|i| seen[*i] == labels[*i]);
    let shown = &order[..40.min(order.len())];
    let pixels: Vec<f32> = shown.iter().flat_map(|i| test.features()[64 * i..64 * (i + 1)].to_vec()).collect();
    let captions: Vec<String> = shown
        .iter()
        .map(|i| if seen[*i] == labels[*i] { seen[*i].to_string() } else { format!("{} for {}", seen[*i], labels[*i]) })
        .collect();
    let wrong: Vec<bool> = shown.iter().map(|i| seen[*i] != labels[*i]).collect();
    Ok(folder.one("images", plot::images("Digits of the test set; mistakes first", &pixels, (8, 8), &captions, &wrong)?)?)
}
