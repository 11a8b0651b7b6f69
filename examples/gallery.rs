//! Every kind of picture: trains small networks and writes what there is to see of them into a folder, as SVG and PNG.

mod common;

use common::Args;
use steepest::data::{self, DataLoader};
use steepest::nn::{self, Activation, Linear, Module, Sequential};
use steepest::optim::{Adam, Optimizer, Sgd};
use steepest::plot::{self, Field, Figure, Panels};
use steepest::train::{Trainer, metrics::Score};
use steepest::{Device, Result, Tensor, no_grad, random};

/// Sheets of figures with the names of their files.
type Gallery = Vec<(&'static str, Panels)>;

fn main() -> anyhow::Result<()> {
    let args = Args::parse("A gallery of every kind of picture", 20)?;
    let device = args.device()?;
    let mut gallery = vec![("descents", Panels::new(1, [descents()?]))];
    gallery.extend(line(&device, args.seed)?);
    gallery.extend(moons(&device, &args)?);
    gallery.extend(digits(&device, &args)?);
    let functions: [plot::Named<'_>; 4] =
        [("ReLU", &Tensor::relu), ("tanh", &Tensor::tanh), ("sigmoid", &Tensor::sigmoid), ("GELU", &Tensor::gelu)];
    gallery.push(("activations", plot::activations(&functions, 4.0)?));

    let folder = args.out.unwrap_or_else(|| std::env::temp_dir().join("steepest-gallery"));
    for (name, sheet) in gallery {
        println!("\n{}\n", sheet.figures()[0].sketch(78, 22)?);
        for ending in ["svg", "png"] {
            let path = folder.join(format!("{name}.{ending}"));
            sheet.save(&path)?;
            println!("{}", path.display());
        }
    }
    Ok(())
}

/// Three rules of descent in a narrow valley.
fn descents() -> Result<Figure> {
    let valley = Field::sample((-5.0, 3.0), (-2.0, 2.0), 90, |x, y| 0.5 * (x * x + 12.0 * y * y))?;
    let mut figure = Figure::new("Descents in a narrow valley").labels("w₁", "w₂").contour(&valley);
    for (name, rate, momentum) in [("rate 0.15", 0.15, 0.0), ("rate 0.03", 0.03, 0.0), ("0.03, momentum 0.8", 0.03, 0.8)] {
        let ((mut x, mut y), (mut u, mut v)) = ((-4.0, 1.6), (0.0, 0.0));
        let step = |_| {
            let at = (x, y);
            (u, v) = (momentum * u - rate * x, momentum * v - rate * 12.0 * y);
            (x, y) = (x + u, y + v);
            at
        };
        figure = figure.path(name, (0..40).map(step));
    }
    Ok(figure)
}

/// Points, the line fitted to them, and the cost over its two parameters with the way there.
fn line(device: &Device, seed: u64) -> Result<Gallery> {
    let xs: Vec<f32> = (0..40).map(|i| i as f32 / 13.0).collect();
    let noise = random::normal_host(xs.len(), 0.0, 0.3, seed, 0);
    let ys: Vec<f32> = xs.iter().zip(&noise).map(|(x, n)| 0.8 + 1.5 * x + n).collect();
    let model = Linear::new(device, 1, 1, seed);
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
    let fitted =
        Figure::new("A straight line by gradient descent").labels("time / s", "distance / m").points("measured", points.clone());
    let fitted = fitted.line(format!("fitted: {b:.2} m + {w:.2} m/s · t"), [(0.0, b), (3.0, b + 3.0 * w)]);
    let cost = |b: f64, w: f64| points.clone().map(|(x, y)| (b + w * x - y).powi(2)).sum::<f64>() / xs.len() as f64;
    let field = Field::sample((-1.5, 3.0), (-1.5, 3.5), 80, cost)?;
    let label = |figure: Figure, value: &str| figure.labels("offset / m", "slope / m/s").value_label(value);
    let contour =
        label(Figure::new("Its cost, and the way of the descent"), "").contour(&field).path("descent, rate 0.1", way.clone());
    let heat = label(Figure::new("The same as a heat map"), "log₁₀ cost / m²")
        .heat_map(&field.clone().map(f64::log10))
        .path("descent", way);
    let surface = label(plot::surface("The same in three dimensions", &field), "cost / m²");
    Ok(vec![("cost", Panels::new(2, [fitted, contour, heat, surface]))])
}

/// Two half moons: the border between them, the ROC curve of a rule without a network, the loss around the weights.
fn moons(device: &Device, args: &Args) -> Result<Gallery> {
    let noise = random::normal_host(400, 0.0, 0.12, args.seed, 1);
    let moon = |i: usize| {
        let (class, t) = (i % 2, std::f32::consts::PI * (i / 2) as f32 / 99.0);
        let (x, y) = if class == 0 { (t.cos(), t.sin()) } else { (1.0 - t.cos(), 0.4 - t.sin()) };
        ([x + noise[2 * i], y + noise[2 * i + 1]], class as u32)
    };
    let (points, labels): (Vec<[f32; 2]>, Vec<u32>) = (0..200).map(moon).unzip();
    let model = Sequential::new().add(Linear::new(device, 2, 16, args.seed)).add(Activation::Tanh);
    let model = model.add(Linear::new(device, 16, 2, args.seed + 1));
    let (x, y) = (device.tensor(points.as_flattened(), [200, 2]), device.tensor(&labels, [200]));
    let mut opt = Adam::new(model.parameters(), 0.03);
    for _ in 0..10 * args.epochs {
        opt.step(model.forward(&x).cross_entropy(&y).backward())?;
    }
    let classify = |points: &[[f32; 2]]| {
        let x = device.tensor(points.as_flattened(), [points.len(), 2]);
        no_grad(|| model.forward(&x).argmax(1)).to_vec::<u32>()
    };
    let of = |class: usize| points.iter().skip(class).step_by(2).map(|p| (p[0].into(), p[1].into()));
    let names = ["upper moon", "lower moon"];
    let border = plot::decision_boundary("Two moons, told apart", (-1.6, 2.6), (-1.2, 1.6), 280, classify, &names)?;
    let border = border.labels("x₁", "x₂").points(names[0], of(0)).points(names[1], of(1));
    let depth: Vec<f32> = points.iter().map(|p| -p[1]).collect();
    let loss = || no_grad(|| model.forward(&x).cross_entropy(&y)).item();
    let slices = plot::loss_slices(&model.parameters(), args.seed, 1.0, 61, loss)?;
    let around = plot::loss_surface(&model.parameters(), args.seed, 1.0, 41, loss)?;
    let flat = Figure::new("Loss around the weights").labels("direction 1", "direction 2").contour(&around);
    let high = plot::surface("The same in three dimensions", &around).labels("direction 1", "direction 2").value_label("loss");
    let (border, roc) = (Panels::new(1, [border]), Panels::new(1, [plot::roc(&depth, &labels)?]));
    Ok(vec![("boundary", border), ("roc", roc), ("landscape", Panels::new(3, [slices, flat, high]))])
}

/// Handwritten digits: learning curves, confusion matrix, some of them with what was seen in them.
fn digits(device: &Device, args: &Args) -> anyhow::Result<Gallery> {
    let (train, test) = data::digits()?.stratified_split(0.2, args.seed)?;
    let loader = DataLoader::new(&train, 32).shuffle(args.seed).on_device(device)?;
    let held_out = DataLoader::new(&test, 360).on_device(device)?;
    let model = nn::mlp(device, &[64, 32, 10], args.seed);
    let trainer = Trainer::new(&model, Adam::new(model.parameters(), 2e-3), |y, t| y.cross_entropy(t)).epochs(args.epochs);
    let history = trainer.validate(&held_out).metric(Score::Accuracy).fit(&loader)?.history;
    let matrix = common::evaluate(&model, &held_out, 10)?;
    let recalls = (0..10).map(|digit| (digit.to_string(), 100.0 * matrix.recall(digit)));
    let recall = Figure::new("Digits found").labels("digit", "recall / %").bars("", recalls);

    let Some(batch) = held_out.epoch_at(0).next() else { anyhow::bail!("no digits are held out") };
    let (seen, right) = (no_grad(|| model.forward(&batch.x).argmax(1)).to_vec::<u32>()?, batch.y.to_vec::<u32>()?);
    let mut order: Vec<usize> = (0..seen.len()).collect();
    order.sort_by_key(|i| seen[*i] == right[*i]);
    order.truncate(40);
    let pixels: Vec<f32> = order.iter().flat_map(|i| test.features()[64 * i..64 * (i + 1)].to_vec()).collect();
    let wrong: Vec<bool> = order.iter().map(|i| seen[*i] != right[*i]).collect();
    let caption =
        |i: &usize| if seen[*i] == right[*i] { seen[*i].to_string() } else { format!("{} for {}", seen[*i], right[*i]) };
    let captions: Vec<String> = order.iter().map(caption).collect();
    let images = plot::images("Digits of the test set; mistakes first", &pixels, (8, 8), &captions, &wrong)?;
    Ok(vec![
        ("learning", Panels::new(2, [plot::learning_curves(&history), plot::metric_curves(&history)])),
        ("recall", Panels::new(1, [recall])),
        ("confusion", Panels::new(1, [plot::confusion(&matrix, &[])])),
        ("images", Panels::new(1, [images])),
    ])
}
