//! A recommender: which words will a character of Shakespeare use? Matrix factorisation finds the taste of speakers and words in what is known.

mod common;

use common::text::words_of_speakers;
use std::collections::BTreeMap;
use steepest::Tensor;
use steepest::nn::Init;
use steepest::nn::loss::{Reduction, bce_with_logits};
use steepest::optim::{Adam, Group, Optimizer};
use steepest::plot::{Figure, Panels};
use steepest::random::Stream;
use steepest::train::metrics::roc_auc;

const FACTORS: usize = 8;

fn main() -> std::process::ExitCode {
    common::run(example)
}

/// Speakers × words: 1 where it is known that the speaker uses the word, 2 where that is true and held out, 0 elsewhere.
struct Known {
    speakers: Vec<String>,
    words: Vec<String>,
    cells: Vec<u8>,
}

impl Known {
    fn new(text: &str, seed: u64) -> Known {
        // Who says little tells little; a word that nearly all use, or hardly anyone, tells nothing.
        let said: Vec<_> = words_of_speakers(text).into_iter().filter(|(_, words)| words.len() >= 250).collect();
        let mut users: BTreeMap<&String, usize> = BTreeMap::new();
        said.iter().flat_map(|(_, words)| words).for_each(|word| *users.entry(word).or_default() += 1);
        users.retain(|_, n| (4..=said.len() / 2).contains(n));
        let words: Vec<String> = users.into_keys().cloned().collect();
        let mut stream = Stream::new(seed, 0);
        let cells = said.iter().flat_map(|(_, used)| words.iter().map(|word| used.contains(word)));
        let cells = cells.map(|used| u8::from(used) * if stream.below(5) == 0 { 2 } else { 1 }).collect();
        Known { speakers: said.iter().map(|(name, _)| name.clone()).collect(), words, cells }
    }

    /// How well scores tell held-out words from words never used: the mean over the speakers of the area under the ROC curve.
    fn auc(&self, scores: &[f32]) -> steepest::Result<f64> {
        let width = self.words.len();
        let mut sum = 0.0;
        for (cells, scores) in self.cells.chunks_exact(width).zip(scores.chunks_exact(width)) {
            let open = || cells.iter().zip(scores).filter(|(cell, _)| **cell != 1);
            let (scores, used): (Vec<f32>, Vec<bool>) = open().map(|(cell, score)| (*score, *cell == 2)).unzip();
            sum += roc_auc(&scores, &used)?;
        }
        Ok(sum / self.speakers.len() as f64)
    }

    /// The share of held-out words among the 20 with the highest scores that are not known already.
    fn precision(&self, scores: &[f32]) -> f64 {
        let width = self.words.len();
        let rows = self.cells.chunks_exact(width).zip(scores.chunks_exact(width));
        let hits = rows.map(|(cells, scores)| {
            let mut open: Vec<usize> = (0..width).filter(|&word| cells[word] != 1).collect();
            open.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            open.iter().take(20).filter(|&&word| cells[word] == 2).count()
        });
        hits.sum::<usize>() as f64 / (20 * self.speakers.len()) as f64
    }
}

/// The two directions along which rows [n, width] differ most: power iteration on their covariance, the first taken out before the second.
fn plane(rows: &[f32], width: usize) -> Vec<(f64, f64)> {
    let n = rows.len() / width;
    let mean = |j| rows.iter().skip(j).step_by(width).map(|&x| f64::from(x)).sum::<f64>() / n as f64;
    let mean: Vec<f64> = (0..width).map(mean).collect();
    let centred = |row: &[f32]| row.iter().zip(&mean).map(|(&x, m)| f64::from(x) - m).collect::<Vec<f64>>();
    let mut rows: Vec<Vec<f64>> = rows.chunks_exact(width).map(centred).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut axis = || {
        let mut direction = vec![1.0; width];
        for _ in 0..200 {
            let mut next = vec![0.0; width];
            rows.iter().for_each(|row| next.iter_mut().zip(row).for_each(|(n, x)| *n += dot(row, &direction) * x));
            let length = dot(&next, &next).sqrt().max(1e-12);
            direction = next.iter().map(|x| x / length).collect();
        }
        let along: Vec<f64> = rows.iter().map(|row| dot(row, &direction)).collect();
        rows.iter_mut().zip(&along).for_each(|(row, a)| row.iter_mut().zip(&direction).for_each(|(x, d)| *x -= a * d));
        along
    };
    axis().into_iter().zip(axis()).collect()
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("matrix factorisation of who uses which word in Shakespeare", 500)?;
    let output = args.output()?;
    let known = Known::new(&args.shakespeare()?, args.seed);
    let (speakers, words) = (known.speakers.len(), known.words.len());
    anyhow::ensure!(
        speakers >= 10 && words >= 100,
        "{speakers} speakers with {words} words between them: is this a play, `NAME:` before each speech?"
    );
    let count = |what: u8| known.cells.iter().filter(|&&cell| cell == what).count();
    println!("data: {speakers} speakers, {words} words; {} cells known, {} held out, {} empty", count(1), count(2), count(0));

    let device = args.device()?;
    let truth: Vec<f32> = known.cells.iter().map(|&cell| f32::from(u8::from(cell == 1))).collect();
    let truth = device.tensor(&truth, [speakers, words]);
    let start = |shape: &[usize], stream| Init::Normal(0.1).parameter(&device, shape, (1, 1), args.seed, stream);
    let (of_speaker, of_word) = (start(&[speakers, 1], 0), start(&[1, words], 1));
    let (taste, flavour) = (start(&[speakers, FACTORS], 2), start(&[words, FACTORS], 3));
    // How much this speaker says, how common this word is, and how well the two go together.
    let scores = || -> Tensor { taste.matmul(&flavour.t()) + &of_speaker + &of_word };
    // Only the factors are held small: with few known cells a large one would be chance.
    let factors = Group::new([taste.clone(), flavour.clone()]).weight_decay(2.0);
    let mut opt = Adam::w([of_speaker.clone(), of_word.clone()], 2e-2).weight_decay(0.0).group(factors);

    let popular: Vec<f32> =
        (0..words).map(|j| known.cells.iter().skip(j).step_by(words).filter(|&&cell| cell == 1).count() as f32).collect();
    let popular = popular.repeat(speakers);
    let baseline = (known.auc(&popular)?, known.precision(&popular));
    let mut curve = vec![];
    for epoch in 1..=args.epochs {
        let loss = bce_with_logits(&scores(), &truth, None, Reduction::Mean);
        opt.step(loss.backward())?;
        if epoch % 50 == 0 || epoch == args.epochs {
            let auc = known.auc(&scores().to_vec::<f32>()?)?;
            println!("epoch {epoch:>4}  loss {:.4}  held-out AUC {auc:.4}", loss.item()?);
            curve.push((epoch as f64, auc));
        }
    }
    let found = scores().to_vec::<f32>()?;
    let (auc, precision) = (known.auc(&found)?, known.precision(&found));
    let places = plane(&taste.to_vec::<f32>()?, FACTORS);
    // The plays stand one after the other: who comes early belongs with who comes early.
    let map = (0..4).fold(
        Figure::new("Speakers by their taste in words").labels("first direction", "second direction"),
        |map, part| {
            let of_part = (0..speakers).filter(|i| i * 4 / speakers == part).map(|i| places[i]);
            map.points(["first plays", "second quarter", "third quarter", "last plays"][part], of_part.collect::<Vec<_>>())
        },
    );
    let curve = Figure::new("Held-out words").labels("epoch", "AUC").line("factors", curve);
    let curve = curve.line("popularity", [(1.0, baseline.0), (args.epochs.max(2) as f64, baseline.0)]);
    output.picture("recommender.svg", |path| Panels::new(2, [map, curve]).save(path))?;
    println!(
        "of the 20 best guesses for each speaker {:.1} % are held-out words, by popularity {:.1} %",
        100.0 * precision,
        100.0 * baseline.1
    );
    common::figures(&[
        ("auc", auc),
        ("precision", 100.0 * precision),
        ("popular_auc", baseline.0),
        ("popular_precision", 100.0 * baseline.1),
    ]);
    println!("popularity: AUC {:.4}", baseline.0);
    println!("test AUC: {auc:.4}");
    Ok(())
}
