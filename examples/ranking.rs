//! Learning to rank: from pairs "this house cost more than that one" a network learns a score that puts houses of an unseen street in order.

mod common;

use steepest::data::{Prepare, Table};
use steepest::nn::{self, Module};
use steepest::no_grad;
use steepest::optim::{Adam, Optimizer};
use steepest::plot::{Figure, Panels};
use steepest::random::{Stream, permutation};

/// What is known of a house; the neighbourhood is the question asked, not a part of the answer.
#[rustfmt::skip]
const KNOWN: [&str; 17] = [
    "Lot Area", "Lot Frontage", "Bldg Type", "Overall Cond", "Year Built", "Year Remod/Add", "Foundation", "Heating QC", "Total Bsmt SF",
    "Gr Liv Area", "Full Bath", "Bedroom AbvGr", "Kitchen Qual", "TotRms AbvGrd", "Fireplaces", "Garage Area", "Exter Qual",
];
/// Pairs between two steps of the optimizer, and steps in an epoch.
const PAIRS: usize = 256;
const STEPS: usize = 20;

fn main() -> std::process::ExitCode {
    common::run(example)
}

/// Houses of one neighbourhood: their rows, and what they cost.
struct Street {
    name: String,
    rows: Vec<usize>,
    prices: Vec<f32>,
}

/// A house ranked among others, one number per row of the table, is judged in two ways.
impl Street {
    /// Whether there are enough houses to rank, and prices that differ.
    fn can_be_asked(&self) -> bool {
        self.rows.len() >= 20 && self.prices.iter().any(|&price| price != self.prices[0])
    }

    /// The share of pairs of houses in the right order; equal scores are half right.
    fn in_order(&self, scores: &[f32]) -> f64 {
        let houses = || self.rows.iter().zip(&self.prices);
        let pairs = houses().flat_map(|a| houses().map(move |b| (a, b))).filter(|(a, b)| a.1 > b.1);
        let right = |(a, b): (f32, f32)| if a == b { 0.5 } else { f64::from(u8::from(a > b)) };
        let right: Vec<f64> = pairs.map(|(a, b)| right((scores[*a.0], scores[*b.0]))).collect();
        right.iter().sum::<f64>() / right.len().max(1) as f64
    }

    /// Normalised discounted cumulative gain of the ten first (Järvelin and Kekäläinen 2002): Σ (2^grade − 1) / log₂(place + 1), as a part of
    /// the most there can be; a house's grade is its fifth of the street's prices, 0 to 4.
    fn ndcg(&self, scores: &[f32]) -> f64 {
        let n = self.rows.len();
        let by = |key: &dyn Fn(usize) -> f32| {
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
            order
        };
        let ideal = by(&|i| self.prices[i]);
        let mut grade = vec![0; n];
        ideal.iter().enumerate().for_each(|(place, &i)| grade[i] = 4 - 5 * place / n);
        let gain = |order: Vec<usize>| -> f64 {
            let terms = order.iter().take(10).enumerate();
            terms.map(|(place, &i)| (f64::from(1 << grade[i]) - 1.0) / (place as f64 + 2.0).log2()).sum()
        };
        gain(by(&|i| scores[self.rows[i]])) / gain(ideal)
    }
}

fn streets(table: &Table) -> anyhow::Result<Vec<Street>> {
    let (of_row, names) = table.classes("Neighborhood")?;
    let prices = common::numbers(table, "SalePrice")?;
    let street = |(number, name)| {
        let rows: Vec<usize> = (0..table.len()).filter(|&row| of_row[row] == number).collect();
        let prices = rows.iter().map(|&row| prices[row]).collect();
        Street { name, rows, prices }
    };
    Ok((0..).zip(names).map(street).filter(Street::can_be_asked).collect())
}

/// A pair of houses of the same street, the dearer one first.
fn pair(streets: &[Street], stream: &mut Stream) -> (u32, u32) {
    loop {
        let street = &streets[stream.below(streets.len() as u32) as usize];
        let mut any = || stream.below(street.rows.len() as u32) as usize;
        let (i, j) = (any(), any());
        if street.prices[i] > street.prices[j] {
            return (street.rows[i] as u32, street.rows[j] as u32);
        }
    }
}

/// The means over streets of both measures.
fn judge(streets: &[Street], scores: &[f32]) -> (f64, f64) {
    let mean = |of: &dyn Fn(&Street) -> f64| streets.iter().map(of).sum::<f64>() / streets.len() as f64;
    (mean(&|street| street.in_order(scores)), mean(&|street| street.ndcg(scores)))
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("houses of a neighbourhood in the order of their prices, learned from pairs", 30)?;
    let output = args.output()?;
    let columns: Vec<&str> = KNOWN.into_iter().chain(["Neighborhood", "SalePrice"]).collect();
    let table = args.table("ames_housing.csv", &columns)?;
    let mut all = streets(&table)?;
    anyhow::ensure!(all.len() >= 8, "{} neighbourhoods with 20 houses or more, expected at least 8", all.len());
    // Whole neighbourhoods are held out: what is asked later was never asked before.
    let order = permutation(all.len(), args.seed, 0);
    let mut places = order.iter();
    all.sort_by_cached_key(|_| places.next());
    let held_out = all.split_off(all.len() * 2 / 3);
    let learned: Vec<usize> = all.iter().flat_map(|street| street.rows.clone()).collect();
    let names: Vec<&str> = held_out.iter().map(|street| street.name.as_str()).collect();
    println!("{} neighbourhoods to learn from; to be tested on: {}", all.len(), names.join(", "));
    let fitted = Prepare::new().only(KNOWN).fit(&table.rows(&learned)?)?;
    let (features, width) = (fitted.features(&table)?.to_f32(), fitted.width());

    let device = args.device()?;
    let x = device.tensor(&features, [table.len(), width]);
    let model = nn::mlp(&device, &[width, 32, 1], args.seed);
    let scores = || no_grad(|| model.forward(&x)).to_vec::<f32>();
    let mut opt = Adam::w(model.parameters(), 2e-3).weight_decay(0.1);
    let mut stream = Stream::new(args.seed, 1);
    let mut curve = vec![];
    for epoch in 0..args.epochs {
        for _ in 0..STEPS {
            let (dear, cheap): (Vec<u32>, Vec<u32>) = (0..PAIRS).map(|_| pair(&all, &mut stream)).unzip();
            let score = |rows: &[u32]| model.forward(&x.index_select(0, &device.tensor(rows, PAIRS)));
            // −log σ(s₁ − s₂): how unlikely the right order is (RankNet, Burges et al. 2005).
            let loss = (score(&cheap) - score(&dear)).softplus(1.0).mean(&[]);
            opt.step(loss.backward())?;
        }
        let (order, ndcg) = judge(&held_out, &scores()?);
        curve.push((epoch as f64 + 1.0, 100.0 * order));
        println!("epoch {:>2}  {:.2} % of unseen pairs in order, NDCG@10 {ndcg:.3}", epoch + 1, 100.0 * order);
    }

    let area = common::numbers(&table, "Gr Liv Area")?;
    let ours = scores()?;
    let (by_area, by_score) = (judge(&held_out, &area), judge(&held_out, &ours));
    let line = Figure::new("Unseen neighbourhoods").labels("epoch", "pairs in the right order (%)").line("score", curve);
    let line = line.line("by living area", [(1.0, 100.0 * by_area.0), (args.epochs.max(2) as f64, 100.0 * by_area.0)]);
    let bars = |scores: &[f32]| held_out.iter().map(|street| (street.name.clone(), street.ndcg(scores))).collect::<Vec<_>>();
    let each = Figure::new("The ten first of each").labels("neighbourhood", "NDCG@10");
    let each = each.bars("score", bars(&ours)).bars("by living area", bars(&area));
    output.picture("ranking.svg", |path| Panels::new(2, [line, each]).save(path))?;
    common::figures(&[
        ("order", 100.0 * by_score.0),
        ("ndcg", by_score.1),
        ("area_order", 100.0 * by_area.0),
        ("area_ndcg", by_area.1),
    ]);
    println!("by living area: {:.2} % of pairs in order, NDCG@10 {:.3}", 100.0 * by_area.0, by_area.1);
    println!("by score: NDCG@10 {:.3}", by_score.1);
    println!("test pairs in order: {:.2} %", 100.0 * by_score.0);
    Ok(())
}
