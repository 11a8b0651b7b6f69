//! From lines to curves: polynomials, sums of hard sigmoids, sums of ReLUs, and layers of them, fitted to six years of airline passengers.

mod common;

use steepest::nn::{Activation, Init, Linear, Module, Sequential};
use steepest::optim::{Adam, Optimizer, Schedule, schedule::Cosine};
use steepest::plot::{Figure, Panels};
use steepest::train::metrics::rmse;
use steepest::{Device, Result, Tensor, no_grad};

/// 1, x, 2x² − 1, …: Chebyshev's polynomials Tₖ = 2x Tₖ₋₁ − Tₖ₋₂ span the same curves as the powers of x, in numbers that f32 tells apart.
fn polynomials(x: &Tensor, degree: usize) -> Tensor {
    let mut all = vec![x.full_like(1.0), x.clone()];
    for k in 2..=degree {
        all.push(x * &all[k - 1] * 2.0 - &all[k - 2]);
    }
    all[0].cat(&all[1..=degree].iter().collect::<Vec<_>>(), 1)
}

/// A network of one input and one output: width[0] neurons, then width[1], …; with one layer it is y = b + Σ cᵢ f(bᵢ + wᵢ x).
/// The first layer starts with bends −bᵢ/wᵢ all over the six years.
fn network(device: &Device, widths: &[usize], f: Activation, seed: u64) -> Sequential {
    let mut model = Sequential::new();
    let mut inputs = 1;
    for (layer, &width) in widths.iter().enumerate() {
        let steep = if f == Activation::HardSigmoid { 6.0 } else { 1.0 }; // a hard sigmoid is 6 / w wide
        let (w, b) = if layer == 0 { (Init::Uniform(steep), Init::Uniform(2.0 * steep)) } else { (Init::FanIn, Init::FanIn) };
        model = model.add(Linear::with_init(device, inputs, width, w, b, seed + layer as u64)).add(f);
        inputs = width;
    }
    model.add(Linear::new(device, inputs, 1, seed + 99))
}

fn fit(model: &Sequential, x: &Tensor, y: &Tensor, steps: usize) -> Result<()> {
    let mut opt = Adam::new(model.parameters(), 0.0);
    let rate = Cosine::new(0.01, steps.max(1), 1e-4)?;
    for step in 0..steps {
        opt.set_lr(rate.lr(step));
        opt.step(model.forward(x).mse(y).backward())?;
    }
    Ok(())
}

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("Curves from polynomials, hard sigmoids, ReLUs and layers", 2500)?;
    let output = args.output()?;
    let table = args.table("airline_passengers.csv", &["month", "passengers"])?;
    let passengers = common::numbers(&table, "passengers")?;
    anyhow::ensure!(passengers.len() == 144, "{} months, expected the 144 from 1949 to 1960", passengers.len());
    let device = args.device()?;

    // The last six years; every fifth month is held out. x runs from −3 to 3, y around 0.
    let months: Vec<usize> = (72..144).collect();
    let (unseen, seen): (Vec<usize>, Vec<usize>) = months.iter().partition(|&&month| month % 5 == 2);
    let x_of = |month: f64| ((month - 107.5) / 12.0) as f32;
    let column = |months: &[usize]| {
        let x: Vec<f32> = months.iter().map(|&m| x_of(m as f64)).collect();
        let y: Vec<f32> = months.iter().map(|&m| passengers[m] / 100.0 - 4.0).collect();
        (device.tensor(&x, [x.len(), 1]), device.tensor(&y, [y.len(), 1]))
    };
    let ((x, y), (x_unseen, y_unseen)) = (column(&seen), column(&unseen));
    let fine: Vec<f64> = (0..=284).map(|i| 72.0 + f64::from(i) / 4.0).collect();
    let x_fine = device.tensor(&fine.iter().map(|&m| x_of(m)).collect::<Vec<_>>(), [fine.len(), 1]);
    let dots =
        |months: &[usize]| months.iter().map(|&m| (1949.0 + m as f64 / 12.0, f64::from(passengers[m]))).collect::<Vec<_>>();

    let gap = no_grad(|| {
        let two = (&x / 6.0 + 0.5).relu() - (&x / 6.0 - 0.5).relu();
        (x.hard_sigmoid() - two).abs().max(&[])
    });
    println!("a hard sigmoid is the difference of two ReLUs; largest gap over the months: {:.1e}", gap.item()?);
    println!(
        "\n{} months to learn from, {} held out; root mean square error in thousands of passengers",
        seen.len(),
        unseen.len()
    );
    println!("{:<34} {:>8} {:>9} {:>9}", "", "unknowns", "learned", "held out");

    let mut panels = vec![];
    let (mut best, mut errors) = ((f64::INFINITY, String::new()), vec![]);
    let mut report = |name: &str, unknowns: usize, predict: &dyn Fn(&Tensor) -> Tensor| -> anyhow::Result<Vec<(f64, f64)>> {
        let error = |x: &Tensor, y: &Tensor| -> anyhow::Result<f64> {
            Ok(100.0 * rmse(&no_grad(|| predict(x)).to_vec::<f32>()?, &y.to_vec::<f32>()?, 1)?)
        };
        let (learned, held_out) = (error(&x, &y)?, error(&x_unseen, &y_unseen)?);
        println!("{name:<34} {unknowns:>8} {learned:>9.1} {held_out:>9.1}");
        errors.push((name.to_owned(), held_out));
        if held_out < best.0 {
            best = (held_out, name.to_owned());
        }
        let curve = no_grad(|| predict(&x_fine)).to_vec::<f32>()?;
        Ok(fine.iter().zip(curve).map(|(m, y)| (1949.0 + m / 12.0, 100.0 * f64::from(y) + 400.0)).collect())
    };
    let figure = |title: &str| {
        let figure = Figure::new(title).labels("year", "thousands of passengers");
        figure.points("learned", dots(&seen)).points("held out", dots(&unseen))
    };

    let mut lines = figure("polynomials");
    for degree in [1, 3, 14, 30] {
        let theta = common::normal_equation(&polynomials(&(&x / 3.0), degree), &y, 1e-5)?;
        let theta = device.tensor(&theta.iter().map(|&t| t as f32).collect::<Vec<_>>(), [degree + 1, 1]);
        let curve =
            report(&format!("polynomial of degree {degree}"), degree + 1, &|x| polynomials(&(x / 3.0), degree).matmul(&theta))?;
        lines = lines.line(format!("degree {degree}"), curve.into_iter().filter(|(_, y)| (0.0..=900.0).contains(y)));
    }
    panels.push(lines);
    for (title, f, shapes) in [
        ("sums of hard sigmoids", Activation::HardSigmoid, &[&[1][..], &[4], &[16], &[64]][..]),
        ("more ReLUs in one layer", Activation::Relu, &[&[4], &[16], &[64], &[256]]),
        ("more layers of ReLUs", Activation::Relu, &[&[16, 16], &[32, 32], &[16, 16, 16]]),
    ] {
        let mut lines = figure(title);
        for widths in shapes {
            let model = network(&device, widths, f, args.seed);
            fit(&model, &x, &y, args.epochs)?;
            let name = widths.iter().map(usize::to_string).collect::<Vec<_>>().join(" → ");
            let curve = report(&format!("{title}: {name}"), model.parameter_count(), &|x| model.forward(x))?;
            lines = lines.line(name, curve);
        }
        panels.push(lines);
    }
    let panels = Panels::new(2, panels).title("From lines to curves");
    output.picture("curves.svg", |path| panels.save(path))?;
    let of = |name: &str| errors.iter().find(|error: &&(String, f64)| error.0 == name).map_or(f64::NAN, |error| error.1);
    common::figures(&[
        ("line", of("polynomial of degree 1")),
        ("degree_30", of("polynomial of degree 30")),
        ("sigmoids_64", of("sums of hard sigmoids: 64")),
        ("relus_256", of("more ReLUs in one layer: 256")),
        ("layers_3", of("more layers of ReLUs: 16 → 16 → 16")),
    ]);
    println!("held-out error: {:.1} thousand passengers, the least of all, by {}", best.0, best.1);
    Ok(())
}
