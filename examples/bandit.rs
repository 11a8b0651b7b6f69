//! A contextual bandit: it is never told which digit it sees, only whether its guess was right; so it must try things out.

mod common;

use steepest::data::{self, Labels};
use steepest::nn::loss::{Reduction, bce_with_logits};
use steepest::nn::{self, Init, Linear, Module, Sequential};
use steepest::optim::{Adam, Optimizer};
use steepest::plot::Figure;
use steepest::random::{Stream, permutation};
use steepest::train::metrics::accuracy;
use steepest::{Device, Result, no_grad, sequential};

/// Guesses between two steps of the optimizer.
const BATCH: usize = 16;
const ACTIONS: u32 = 10;

fn main() -> std::process::ExitCode {
    common::run(example)
}

/// How the probability of trying something at random falls: a share of it at the start, and the round where half of that is left.
#[derive(Clone, Copy)]
struct Policy {
    name: &'static str,
    epsilon: f64,
    half: f64,
}

const POLICIES: [Policy; 4] = [
    Policy { name: "greedy", epsilon: 0.0, half: 1.0 },
    Policy { name: "ε = 0.1", epsilon: 0.1, half: f64::INFINITY },
    Policy { name: "ε falling", epsilon: 1.0, half: 1000.0 },
    Policy { name: "at random", epsilon: 1.0, half: f64::INFINITY },
];

/// Image → a logit per action: how likely it is to be rewarded. All start low, so that nothing is tried for its promise alone.
fn values(device: &Device, seed: u64) -> Sequential {
    let last = Linear::with_init(device, 64, ACTIONS as usize, Init::FanIn, Init::Constant(-2.0), seed + 1);
    sequential![nn::mlp(device, &[64, 64], seed), nn::Activation::Relu, last]
}

/// Plays rounds and learns from them: the model and the regret, how many rewards were missed so far, after each batch of rounds.
fn play(
    policy: Policy,
    images: &[f32],
    digits: &[u32],
    epochs: usize,
    device: &Device,
    seed: u64,
) -> Result<(Sequential, Vec<f64>)> {
    let model = values(device, seed);
    let mut opt = Adam::new(model.parameters(), 2e-3);
    let mut coin = Stream::new(seed, 1 << 32);
    let (mut regret, mut missed, mut round) = (vec![], 0.0, 0.0);
    for epoch in 0..epochs {
        let order = permutation(digits.len(), seed, epoch as u64);
        for rows in order.chunks_exact(BATCH) {
            let pixels: Vec<f32> = rows.iter().flat_map(|&row| &images[row as usize * 64..][..64]).copied().collect();
            let x = device.tensor(&pixels, [BATCH, 64]);
            let best = no_grad(|| model.forward(&x).argmax(1)).to_vec::<u32>()?;
            let epsilon = policy.epsilon * policy.half / (policy.half + round);
            let epsilon = if policy.half.is_finite() { epsilon } else { policy.epsilon };
            let tried = best.into_iter().map(|best| if f64::from(coin.uniform()) < epsilon { coin.below(ACTIONS) } else { best });
            let tried: Vec<u32> = tried.collect();
            // All that is learned of a round: whether the one action that was taken was right.
            let rewards: Vec<f32> =
                rows.iter().zip(&tried).map(|(&row, &action)| f32::from(digits[row as usize] == action)).collect();
            let value = model.forward(&x).gather(1, &device.tensor(&tried, [BATCH, 1]));
            let loss = bce_with_logits(&value, &device.tensor(&rewards, [BATCH, 1]), None, Reduction::Mean);
            opt.step(loss.backward())?;
            missed += BATCH as f64 - f64::from(rewards.iter().sum::<f32>());
            round += BATCH as f64;
            regret.push(missed);
        }
    }
    Ok((model, regret))
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("digits as a contextual bandit: ε-greedy beside greedy", 10)?;
    let output = args.output()?;
    let device = args.device()?;
    let (train, test) = data::digits()?.stratified_split(0.2, args.seed)?;
    let (Labels::Classes(digits, _), Labels::Classes(right, _)) = (train.labels(), test.labels()) else {
        anyhow::bail!("the digits have no classes");
    };
    let held_out = device.tensor(test.features(), [test.len(), 64]);

    let mut figure = Figure::new("Digits as a bandit: rewards missed").labels("rounds", "regret (rewards missed)");
    let (mut scores, mut chance) = (vec![], 0.0);
    for policy in POLICIES {
        let (model, regret) = play(policy, train.features(), digits, args.epochs, &device, args.seed)?;
        let read = no_grad(|| model.forward(&held_out).argmax(1)).to_vec::<u32>()?;
        let (score, missed) = (100.0 * accuracy(&read, right)?, regret.last().copied().unwrap_or(0.0));
        let rounds = regret.len() * BATCH;
        println!("{:<10} {rounds} rounds, {missed:>6} rewards missed; held-out digits right: {score:.2} %", policy.name);
        let every = regret.len().div_ceil(200).max(1);
        figure = figure.line(policy.name, regret.iter().enumerate().step_by(every).map(|(i, &r)| ((i * BATCH) as f64, r)));
        scores.push(score);
        chance = missed / rounds.max(1) as f64;
    }
    output.picture("bandit.svg", |path| figure.save(path))?;
    println!("at random {:.1} % of the rewards are missed", 100.0 * chance);
    common::figures(&[("accuracy", scores[2]), ("greedy", scores[0])]);
    println!("greedy: {:.2} %", scores[0]);
    println!("test accuracy: {:.2} %", scores[2]);
    Ok(())
}
