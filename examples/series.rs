//! Forecasting a series from its past: next month's airline passengers by those of months before, learned by squares and by absolute errors.

mod common;

use std::ops::Range;
use steepest::optim::{Adam, Optimizer, Schedule, schedule::Cosine};
use steepest::plot::{Figure, Panels};
use steepest::train::metrics::{mae, rmse};
use steepest::{Device, Tensor};

/// Months held out: the last two years.
const UNSEEN: usize = 24;
/// The first month that has the longest lag before it.
const FIRST: usize = 13;

/// What a forecast of each month may look at: X [months, 1 + lags], a one and the values so many months before; and y [months, 1].
fn window(device: &Device, series: &[f32], lags: &[usize], months: Range<usize>) -> (Tensor, Tensor) {
    let row = |t: usize| [1.0].into_iter().chain(lags.iter().map(move |lag| series[t - lag]));
    let x: Vec<f32> = months.clone().flat_map(row).collect();
    let rows = months.len();
    (device.tensor(&x, [rows, 1 + lags.len()]), device.tensor(&series[months], [rows, 1]))
}

/// Weights of the forecast ŷ(t) = w₀ + Σ wᵢ y(t − lagᵢ) by descent on the mean of (y − ŷ)², or of |y − ŷ|.
fn learn(x: &Tensor, y: &Tensor, squares: bool, steps: usize) -> anyhow::Result<Vec<f32>> {
    let features = x.shape().dims()[1];
    let w = x.device().parameter(&vec![0.0; features], [features, 1]);
    let mut opt = Adam::new([w.clone()], 0.0);
    let rate = Cosine::new(0.03, steps.max(1), 1e-4)?;
    for step in 0..steps {
        opt.set_lr(rate.lr(step)); // small steps at the end: |y − ŷ| has no flat bottom to settle on
        let error = x.matmul(&w) - y;
        let loss = if squares { error.square().mean(&[]) } else { error.abs().mean(&[]) };
        opt.step(loss.backward())?;
    }
    Ok(w.to_vec()?)
}

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("Airline passengers of next month by a linear forecast", 2000)?;
    let output = args.output()?;
    let table = args.table("airline_passengers.csv", &["month", "passengers"])?;
    let passengers = common::numbers(&table, "passengers")?;
    let months = passengers.len();
    anyhow::ensure!(
        months >= FIRST + 2 * UNSEEN,
        "{months} months, expected {} or more: two years are held out",
        FIRST + 2 * UNSEEN
    );
    let device = args.device()?;
    let (first, split) = (FIRST, months - UNSEEN);

    // Numbers around 1 are easier to descend on than numbers around 300.
    let unit = passengers[..split].iter().sum::<f32>() / split as f32;
    let series: Vec<f32> = passengers.iter().map(|p| p / unit).collect();
    let truth = &passengers[split..];
    println!(
        "forecasts of the last {UNSEEN} months, learned from the {} before; errors in thousands of passengers",
        split - first
    );
    println!("\n{:<22} {:<14} {:>8} {:>8}", "looks at months t −", "learned by", "MAE", "RMSE");
    let line = |lags: &str, how: &str, forecast: &[f32]| -> anyhow::Result<f64> {
        let error = mae(forecast, truth, 1)?;
        println!("{lags:<22} {how:<14} {error:>8.2} {:>8.2}", rmse(forecast, truth, 1)?);
        Ok(error)
    };
    let last_month = line("1", "naive: as then", &passengers[split - 1..months - 1])?;
    let naive = line("12", "naive: as then", &passengers[split - 12..months - 12])?;

    let (mut shown, mut bars) = (vec![], vec![("as a year ago".to_owned(), naive)]);
    let (mut held_out, mut by_mae) = (f64::NAN, f64::NAN);
    let all: Vec<usize> = (1..=13).collect();
    for (name, lags) in [("1", &[1][..]), ("1, 12", &[1, 12]), ("1, 12, 13", &[1, 12, 13]), ("1, 2, … 13", &all)] {
        let (x, y) = window(&device, &series, lags, first..split);
        let (unseen, _) = window(&device, &series, lags, split..months);
        let forecast = |w: &[f32]| -> anyhow::Result<Vec<f32>> {
            let scaled = unseen.matmul(&device.tensor(w, [w.len(), 1])) * f64::from(unit);
            Ok(scaled.to_vec()?)
        };
        for (how, squares) in [("MSE", true), ("MAE", false)] {
            let said = forecast(&learn(&x, &y, squares, args.epochs)?)?;
            let error = line(name, how, &said)?;
            match (lags.len(), squares) {
                (3, true) => held_out = error,
                (3, false) => by_mae = error,
                _ => {}
            }
            if squares {
                bars.push((format!("t − {name}"), error));
                shown.push((name, said));
            }
        }
        let exact: Vec<f32> = common::normal_equation(&x, &y, 0.0)?.into_iter().map(|w| w as f32).collect();
        line(name, "normal eq.", &forecast(&exact)?)?;
    }

    let year = |t: usize| 1949.0 + t as f64 / 12.0;
    let curve = |from: usize, values: &[f32]| -> Vec<(f64, f64)> {
        values.iter().enumerate().map(|(i, v)| (year(from + i), f64::from(*v))).collect()
    };
    let labels = |figure: Figure| figure.labels("year", "thousands of passengers");
    let whole = labels(Figure::new("international airline passengers by month"));
    let whole = whole.line("to learn from", curve(0, &passengers[..split])).line("held out", curve(split, truth));
    let mut close =
        labels(Figure::new("the months held out, and what was forecast for each")).points("passengers", curve(split, truth));
    for (name, said) in shown.iter().filter(|(name, _)| ["1", "1, 12, 13"].contains(name)) {
        close = close.line(format!("by months t − {name}"), curve(split, said));
    }
    let errors = Figure::new("mean absolute error on the months held out").labels("looks at", "thousands of passengers");
    let panels = Panels::new(2, [whole, close, errors.bars("MAE", bars)]).title("A linear forecast of a series from its past");
    output.picture("series.svg", |path| panels.save(path))?;
    common::figures(&[("mse", held_out), ("mae", by_mae), ("year", naive), ("month", last_month)]);
    println!("held-out MAE: {held_out:.2} thousand, {naive:.2} by the same month a year ago");
    Ok(())
}
