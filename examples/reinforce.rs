//! Reinforcement learning: a policy learns to balance a pole by making what turned out better than expected more likely (REINFORCE).

mod common;

use steepest::nn::{Activation::Tanh, Linear, Module, Sequential};
use steepest::optim::{Adam, Optimizer};
use steepest::plot::Figure;
use steepest::random::Stream;
use steepest::{Device, Result, no_grad, sequential};

/// Episodes played side by side between two steps of the optimizer.
const EPISODES: usize = 16;
/// An episode ends here if the pole is still up.
const LIMIT: usize = 500;
/// What a reward is worth one step later.
const DISCOUNT: f32 = 0.99;

fn main() -> std::process::ExitCode {
    common::run(example)
}

/// A pole on a cart (Barto, Sutton and Anderson 1983): place and speed of the cart in m and m/s, angle and its speed in rad and rad/s.
#[derive(Clone, Copy)]
struct CartPole([f32; 4]);

impl CartPole {
    fn new(stream: &mut Stream) -> CartPole {
        CartPole([(); 4].map(|()| stream.uniform() * 0.1 - 0.05))
    }

    /// A push of 10 N to the left (0) or right (1) for 0.02 s, without friction; whether the pole still stands and the cart is on its track.
    fn push(&mut self, action: usize) -> bool {
        const GRAVITY: f32 = 9.8;
        const CART: f32 = 1.0;
        const POLE: f32 = 0.1;
        const HALF: f32 = 0.5; // half of the pole's length
        let [x, v, angle, spin] = self.0;
        let force = if action == 1 { 10.0 } else { -10.0 };
        let (sin, cos) = angle.sin_cos();
        let push = (force + POLE * HALF * spin * spin * sin) / (CART + POLE);
        let turn = (GRAVITY * sin - cos * push) / (HALF * (4.0 / 3.0 - POLE * cos * cos / (CART + POLE)));
        let pull = push - POLE * HALF * turn * cos / (CART + POLE);
        self.0 = [x + 0.02 * v, v + 0.02 * pull, angle + 0.02 * spin, spin + 0.02 * turn];
        self.0[0].abs() <= 2.4 && self.0[2].abs() <= 12f32.to_radians()
    }
}

/// Episodes of the same number of rows each, those after an episode's end of weight 0: one shape, one plan.
struct Played {
    states: Vec<f32>,
    actions: Vec<u32>,
    /// What came after each step, discounted.
    returns: Vec<f32>,
    weights: Vec<f32>,
    lengths: Vec<usize>,
}

/// Plays episodes with actions drawn from the policy, or at random without one.
fn play(policy: Option<&Sequential>, device: &Device, stream: &mut Stream) -> Result<Played> {
    let rows = EPISODES * LIMIT;
    let mut played = Played {
        states: vec![0.0; rows * 4],
        actions: vec![0; rows],
        returns: vec![0.0; rows],
        weights: vec![0.0; rows],
        lengths: vec![0; EPISODES],
    };
    let mut carts = [(); EPISODES].map(|()| CartPole::new(stream));
    let mut standing = [true; EPISODES];
    for step in 0..LIMIT {
        if !standing.contains(&true) {
            break;
        }
        let seen: Vec<f32> = carts.iter().flat_map(|cart| cart.0).collect();
        let shares = match policy {
            Some(policy) => no_grad(|| policy.forward(&device.tensor(&seen, [EPISODES, 4])).softmax(1)).to_vec::<f32>()?,
            None => vec![0.5; EPISODES * 2],
        };
        for episode in (0..EPISODES).filter(|&episode| standing[episode]).collect::<Vec<_>>() {
            let (row, action) = (episode * LIMIT + step, stream.weighted(&shares[2 * episode..][..2]).unwrap_or(0));
            played.states[4 * row..][..4].copy_from_slice(&carts[episode].0);
            (played.actions[row], played.weights[row]) = (action as u32, 1.0);
            played.lengths[episode] = step + 1;
            standing[episode] = carts[episode].push(action);
        }
    }
    for (episode, &length) in played.lengths.iter().enumerate() {
        let mut after = 0.0;
        for row in (episode * LIMIT..episode * LIMIT + length).rev() {
            after = 1.0 + DISCOUNT * after; // a reward of 1 for every step that the pole stands
            played.returns[row] = after;
        }
    }
    Ok(played)
}

fn mean(lengths: &[usize]) -> f64 {
    lengths.iter().sum::<usize>() as f64 / lengths.len() as f64
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("cart-pole by REINFORCE with a baseline; an epoch is 16 episodes", 150)?;
    let output = args.output()?;
    let device = args.device()?;
    let hidden = |out, seed| sequential![Linear::new(&device, 4, 32, seed), Tanh, Linear::new(&device, 32, out, seed + 1)];
    let (policy, baseline) = (hidden(2, args.seed), hidden(1, args.seed + 2));
    let mut policy_opt = Adam::new(policy.parameters(), 1e-2);
    let mut baseline_opt = Adam::new(baseline.parameters(), 1e-2);

    let (mut curve, rows) = (vec![], EPISODES * LIMIT);
    for epoch in 0..args.epochs {
        let played = play(Some(&policy), &device, &mut Stream::new(args.seed, epoch as u64))?;
        let count = f64::from(played.weights.iter().sum::<f32>());
        let (states, weights) = (device.tensor(&played.states, [rows, 4]), device.tensor(&played.weights, [rows, 1]));
        // In parts of the longest return there is: what networks say lies around 1.
        let returns: Vec<f32> = played.returns.iter().map(|r| r * (1.0 - DISCOUNT)).collect();
        let returns = device.tensor(&returns, [rows, 1]);
        // How much better than expected it went; no gradient of the policy's loss goes into the expectation.
        let advantage = (&returns - no_grad(|| baseline.forward(&states))) * &weights;
        let spread = advantage.square().sum(&[]).mul_scalar(1.0 / count).sqrt().add_scalar(1e-6);
        let chosen = policy.forward(&states).log_softmax(1).gather(1, &device.tensor(&played.actions, [rows, 1]));
        let gain = (chosen * (advantage / spread)).sum(&[]).mul_scalar(-1.0 / count);
        policy_opt.step(gain.backward())?;
        let surprise = ((&returns - baseline.forward(&states)).square() * &weights).sum(&[]).mul_scalar(1.0 / count);
        baseline_opt.step(surprise.backward())?;
        curve.push((epoch as f64 + 1.0, mean(&played.lengths)));
        if (epoch + 1) % 10 == 0 {
            println!("epoch {:>3}  mean return {:.1}", epoch + 1, mean(&played.lengths));
        }
    }

    // Fresh starts that no episode of the training had.
    let mut fresh = Stream::new(args.seed, 1 << 40);
    let mut tested = |policy: Option<&Sequential>| -> Result<f64> {
        let lengths = (0..7).map(|_| Ok(play(policy, &device, &mut fresh)?.lengths)).collect::<Result<Vec<_>>>()?.concat();
        Ok(mean(&lengths))
    };
    let (chance, learned) = (tested(None)?, tested(Some(&policy))?);
    let figure = Figure::new("Balancing a pole by REINFORCE").labels("epoch (16 episodes)", "mean return (steps, at most 500)");
    let figure = figure.line("policy", curve).line("at random", [(1.0, chance), (args.epochs.max(2) as f64, chance)]);
    output.picture("reinforce.svg", |path| figure.save(path))?;
    common::figures(&[("steps", learned), ("random", chance)]);
    println!("at random: {chance:.1} steps");
    println!("test mean return: {learned:.1} of {LIMIT} steps");
    Ok(())
}
