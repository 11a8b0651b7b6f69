//! Generative adversarial networks: one network draws digits, another tells them from real ones, and each learns from the other.

mod common;

use steepest::data::{self, DataLoader, Dataset};
use steepest::nn::loss::{Reduction, bce_with_logits};
use steepest::nn::{self, Activation, BatchNorm1d, Linear, Module, Sequential};
use steepest::optim::{Adam, Optimizer};
use steepest::random::{Stream, normal_host};
use steepest::train::Trainer;
use steepest::train::metrics::{Metric, Predictions, Score};
use steepest::{Device, Result, Tensor, no_grad, plot, sequential};

/// Numbers of noise that a digit is made of.
const NOISE: usize = 16;
const BATCH: usize = 64;
/// Generated digits that are judged.
const JUDGED: usize = 1000;

fn main() -> std::process::ExitCode {
    common::run(example)
}

/// Noise [n, NOISE] → digits [n, 64].
fn generator(device: &Device, seed: u64) -> Sequential {
    sequential![
        Linear::new(device, NOISE, 128, seed),
        BatchNorm1d::new(device, 128),
        Activation::Relu,
        Linear::new(device, 128, 128, seed + 1),
        BatchNorm1d::new(device, 128),
        Activation::Relu,
        Linear::new(device, 128, 64, seed + 2),
        Activation::Sigmoid,
    ]
}

/// Digits [n, 64] → a logit each [n, 1]: how real it looks.
fn discriminator(device: &Device, seed: u64) -> Sequential {
    sequential![
        Linear::new(device, 64, 128, seed + 3),
        Activation::LeakyRelu(0.2),
        Linear::new(device, 128, 64, seed + 4),
        Activation::LeakyRelu(0.2),
        Linear::new(device, 64, 1, seed + 5),
    ]
}

fn noise(device: &Device, n: usize, seed: u64, number: u64) -> Tensor {
    device.tensor(&normal_host(n * NOISE, 0.0, 1.0, seed, number), [n, NOISE])
}

/// Digits of the same noise each time: how the drawing hand gets better.
fn draw(generator: &Sequential, device: &Device, n: usize, seed: u64) -> Result<Vec<f32>> {
    generator.eval();
    let drawn = no_grad(|| generator.forward(&noise(device, n, seed, u64::MAX))).to_vec();
    generator.train();
    drawn
}

/// What a reader of digits says of pictures: the share it is at least 90 % sure of, and how many digits there seem to be, 2 to the entropy
/// of what it reads (10 where all are as frequent).
fn judge(reader: &Sequential, device: &Device, pixels: &[f32]) -> Result<(f64, f64)> {
    let n = pixels.len() / 64;
    let shares = no_grad(|| reader.forward(&device.tensor(pixels, [n, 64])).softmax(1)).to_vec::<f32>()?;
    let mut counts = [0.0; 10];
    let mut sure = 0;
    for row in shares.chunks_exact(10) {
        let best = (0..10).fold(0, |best, digit| if row[digit] > row[best] { digit } else { best });
        counts[best] += 1.0 / n as f64;
        sure += usize::from(row[best] >= 0.9);
    }
    let entropy: f64 = counts.iter().filter(|&&p| p > 0.0).map(|p| -p * p.log2()).sum();
    Ok((sure as f64 / n as f64, entropy.exp2()))
}

/// The mean distance of pictures to the nearest of `others`: 0 means that they were copied.
fn distance(pixels: &[f32], others: &[f32]) -> f64 {
    let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    let nearest = |a: &[f32]| others.chunks_exact(64).map(|b| apart(a, b)).fold(f32::INFINITY, f32::min).sqrt();
    pixels.chunks_exact(64).map(|a| f64::from(nearest(a))).sum::<f64>() / (pixels.len() / 64) as f64
}

/// A plain classifier of real digits.
fn reader(device: &Device, train: &Dataset, test: &Dataset, seed: u64) -> anyhow::Result<Sequential> {
    let model = nn::mlp(device, &[64, 128, 10], seed);
    let loader = DataLoader::new(train, 32).shuffle(seed).on_device(device)?;
    Trainer::new(&model, Adam::new(model.parameters(), 2e-3), |y, t| y.cross_entropy(t)).epochs(15).fit(&loader)?;
    let accuracy = Score::Accuracy.of(&Predictions::of(&model, &DataLoader::full_batch(test).on_device(device)?)?)?;
    println!("the judge reads {:.2} % of held-out real digits", 100.0 * accuracy);
    Ok(model)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("a generative adversarial network on 8×8 digits", 300)?;
    let output = args.output()?;
    let device = args.device()?;
    let (real, test) = data::digits()?.stratified_split(0.2, args.seed)?;
    let judge_of_digits = reader(&device, &real, &test, args.seed)?;

    let (maker, critic) = (generator(&device, args.seed), discriminator(&device, args.seed));
    let adam = |model: &Sequential| Adam::new(model.parameters(), 1e-3).betas(0.5, 0.999);
    let (mut maker_opt, mut critic_opt) = (adam(&maker), adam(&critic));
    let loader = DataLoader::new(&real, BATCH).shuffle(args.seed).drop_last(true).on_device(&device)?;
    // Real is not quite 1: a critic that is never certain keeps telling the maker what to do.
    let (yes, almost, no) = (device.ones([BATCH, 1]), device.full([BATCH, 1], 0.9), device.zeros([BATCH, 1]));
    let loss = |logits: &Tensor, truth: &Tensor| bce_with_logits(logits, truth, None, Reduction::Mean);
    let stages = [0, 2, 5, 15, 50, 100].map(|share| args.epochs * share / 100);
    let (mut pictures, mut captions, mut step) = (vec![], vec![], 0);
    for epoch in 0..=args.epochs {
        if stages.contains(&epoch) {
            let (sure, kinds) = judge(&judge_of_digits, &device, &draw(&maker, &device, JUDGED, args.seed)?)?;
            println!("epoch {epoch:>3}  sure of {:>5.1} %, {kinds:.1} of 10 digits", 100.0 * sure);
            pictures.extend(draw(&maker, &device, 10, args.seed)?);
            captions.extend((0..10).map(|i| if i == 0 { format!("epoch {epoch}") } else { String::new() }));
        }
        if epoch == args.epochs {
            break;
        }
        for batch in loader.epoch() {
            step += 2;
            // The critic: real ones are real, made ones are not. No gradient goes on into the maker.
            let made = no_grad(|| maker.forward(&noise(&device, BATCH, args.seed, step)));
            let fooled = loss(&critic.forward(&batch.x), &almost) + loss(&critic.forward(&made), &no);
            critic_opt.step(fooled.backward())?;
            // The maker: what it makes is to look real. Only its own weights move.
            let made = maker.forward(&noise(&device, BATCH, args.seed, step + 1));
            maker_opt.step(loss(&critic.forward(&made), &yes).backward())?;
        }
    }

    let made = draw(&maker, &device, JUDGED, args.seed)?;
    let (sure, kinds) = judge(&judge_of_digits, &device, &made)?;
    // Two yardsticks: real digits, and pixels that each come from a real digit, but not from the same one.
    let mut any = Stream::new(args.seed, 1 << 32);
    let mixed: Vec<f32> =
        (0..JUDGED * 64).map(|i| real.features()[any.below(real.len() as u32) as usize * 64 + i % 64]).collect();
    let (mixed_sure, _) = judge(&judge_of_digits, &device, &mixed)?;
    let (real_sure, real_kinds) = judge(&judge_of_digits, &device, test.features())?;
    let (near, usual) = (distance(&made, real.features()), distance(test.features(), real.features()));
    let wrong = vec![false; captions.len()];
    let grid = plot::images("Ten digits, drawn better and better", &pictures, (8, 8), &captions, &wrong)?;
    output.picture("gan.svg", |path| grid.save(path))?;
    println!("distance to the nearest training digit: made {near:.2}, real held-out {usual:.2}");
    common::figures(&[("sure", 100.0 * sure), ("real", 100.0 * real_sure), ("mixed", 100.0 * mixed_sure), ("kinds", kinds)]);
    println!("real held-out digits: sure of {:.1} %, {real_kinds:.1} of 10 digits", 100.0 * real_sure);
    println!("pixels of different digits put together: sure of {:.1} %", 100.0 * mixed_sure);
    println!("made digits: sure of {:.1} %, {kinds:.1} of 10 digits", 100.0 * sure);
    Ok(())
}
