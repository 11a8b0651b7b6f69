//! Spaced repetition: when will a card be forgotten? A recurrent formula of 21 numbers, written by hand, learned by autograd from reviews of 10,000 cards.
//!
//! The formula is that of FSRS 6 as its authors describe it (open-spaced-repetition, "The Algorithm", version 6): a card has a stability S, the
//! days after which 90 % recall it, and a difficulty D from 1 to 10, and each review changes both by how well it went.
// The measuring program takes parts of this.
#![allow(dead_code)]

pub mod common;

use steepest::data::{Buckets, SequenceBatch, SequenceLoader, Sequences};
use steepest::optim::{Adam, Optimizer};
use steepest::{Device, Result, Tensor, no_grad};

/// What the parameters are, and the ones that the cards were made with.
const PARAMETERS: [(&str, f32); 21] = [
    ("stability after a first grade 1", 0.4),
    ("stability after a first grade 2", 1.2),
    ("stability after a first grade 3", 3.0),
    ("stability after a first grade 4", 9.0),
    ("first difficulty", 6.5),
    ("first difficulty, by the grade", 0.6),
    ("difficulty, by the grade", 1.4),
    ("difficulty, back to that of a grade 4", 0.05),
    ("growth when recalled", 1.4),
    ("growth, less where S is large", 0.15),
    ("growth, more where R is small", 1.1),
    ("S when forgotten", 1.6),
    ("S when forgotten, less where D is large", 0.12),
    ("S when forgotten, more where S was large", 0.3),
    ("S when forgotten, more where R is small", 1.5),
    ("growth after grade 2", 0.5),
    ("growth after grade 4", 2.2),
    ("same day, by the grade", 0.5),
    ("same day, at grade 3", 0.2),
    ("same day, less where S is large", 0.1),
    ("decay of the forgetting curve", 0.25),
];

/// Where learning starts: a plain guess for everybody.
const GUESS: [f32; 21] =
    [1.0, 1.0, 2.0, 4.0, 5.0, 1.0, 1.0, 0.1, 1.0, 0.3, 0.7, 1.0, 0.3, 0.5, 1.0, 0.8, 1.3, 0.3, 0.5, 0.2, 0.5];

/// Stability is kept between a quarter of an hour and a hundred years.
pub const LOG_STABILITY: (f64, f64) = (-4.6, 10.5);

/// Reviews of some cards by time, `[reviews, cards]`, and what follows from the grades alone.
pub struct Reviews {
    /// Days since the review before.
    days: Tensor,
    /// How well it went: 1 forgotten, 2 hard, 3 good, 4 easy.
    grade: Tensor,
    forgotten: Tensor,
    hard: Tensor,
    easy: Tensor,
    same_day: Tensor,
    /// First grades, from 0, `[cards]`.
    first: Tensor,
    /// Which reviews, but for the first, are to be foretold: one over their number, and 0 for the others and for padding.
    weight: Tensor,
    /// How many are.
    pub count: f64,
}

impl Reviews {
    /// The reviews of a batch, computed once: they stay on the device.
    pub fn new(batch: &SequenceBatch) -> Result<Reviews> {
        let by_time = |x: Tensor| x.transpose(0, 1);
        let [days, grade] = [0, 1].map(|i| by_time(batch.x.slice(2, i..=i).squeeze(&[2])));
        let same_day = days.lt_scalar(0.5);
        let told = (by_time(batch.mask.clone()) * same_day.not().to_f32()).slice(0, 1..);
        let count = f64::from(told.sum(&[]).item()?).max(1.0);
        let reviews = Reviews {
            forgotten: grade.le_scalar(1.5),
            hard: grade.eq_scalar(2.0).to_f32(),
            easy: grade.eq_scalar(4.0).to_f32(),
            first: (grade.slice(0, 0..1).squeeze(&[0]) - 1.0).to_u32(),
            weight: told / count,
            days,
            grade,
            same_day,
            count,
        };
        let Reviews { days, grade, forgotten, hard, easy, same_day, first, weight, .. } = &reviews;
        days.device().run([days, grade, forgotten, hard, easy, same_day, first, weight])?;
        Ok(reviews)
    }

    /// How likely each card is recalled at each review but the first, `[reviews − 1, cards]`, by parameters w = exp θ, all positive.
    pub fn recall(&self, theta: &Tensor) -> Tensor {
        let (reviews, cards) = (self.days.shape().dims()[0], self.days.shape().dims()[1]);
        // Once for each card: so the gradient of a number is summed over the cards once, and not at every review.
        let w = theta.exp().split(0, &[1; 21]).into_iter().map(|w| w.expand([1, cards])).collect::<Vec<_>>();
        let log_w11 = theta.slice(0, 11..12).expand([1, cards]);
        let (growth, flatter, decay) = (w[8].exp(), -&w[9], -&w[20]);
        // R falls to 0.9 when as many days have gone by as S says.
        let scale = (-0.9f64.ln() / &w[20]).exp() - 1.0;
        // What no state is needed for, of all reviews at once.
        let first_difficulty = |grade: &Tensor| (&w[4] - (&w[5] * (grade - 1.0)).exp() + 1.0).clamp(1.0, 10.0);
        let better = &self.grade - 3.0;
        let session = &w[17] * (&better + &w[18]);
        let harder = &w[6] * &better / 9.0;
        let bonus = &self.hard * (&w[15] - 1.0) + &self.easy * (&w[16] - 1.0) + 1.0;
        let back = &w[7] * first_difficulty(&theta.device().full([1], 4.0));
        let stay = 1.0 - &w[7];

        // The gradient of a part is as large as the whole; `split` adds them up by halves, `slice` one by one.
        let [bonus, session, harder] = [bonus, session, harder].map(|x| x.split(0, &vec![1; reviews]));
        // ln S and D, [1, cards].
        let mut s = theta.index_select(0, &self.first).reshape([1, cards]);
        let mut d = first_difficulty(&self.grade.slice(0, 0..1));
        let mut found = Vec::with_capacity(reviews);
        for t in 1..reviews {
            let at = |x: &Tensor| x.slice(0, t as isize..=t as isize);
            let elapsed = at(&self.days) * (-&s).exp();
            let recalled = ((elapsed * &scale + 1.0).log() * &decay).exp();
            let lost = 1.0 - &recalled;
            let gain = &growth * (11.0 - &d) * (&flatter * &s).exp() * ((&w[10] * &lost).exp() - 1.0) * &bonus[t];
            let grown = &s + (gain + 1.0).log();
            let kept = ((&w[13] * (s.exp() + 1.0).log()).exp() - 1.0).log();
            let relearned = (&log_w11 - &w[12] * d.log() + kept + &w[14] * &lost).minimum(&s);
            let again = &s + &session[t] - &w[19] * &s;
            let next = at(&self.forgotten).where_(&relearned, &grown);
            s = at(&self.same_day).where_(&again, &next).clamp(LOG_STABILITY.0, LOG_STABILITY.1);
            let moved = &d - &harder[t] * (10.0 - &d);
            d = (&back + &stay * moved).clamp(1.0, 10.0);
            found.push(recalled);
        }
        found[0].cat(&found[1..].iter().collect::<Vec<_>>(), 0)
    }

    /// The mean of −ln of how likely what happened was said to be.
    pub fn loss(&self, theta: &Tensor) -> Tensor {
        let recall = self.recall(theta);
        let forgotten = self.forgotten.slice(0, 1..);
        let likely = forgotten.where_(&(1.0 - &recall), &recall).clamp(1e-5, 1.0);
        -(likely.log() * &self.weight).sum(&[])
    }
}

/// Random numbers in 0..1 (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mix = |x: u64, shift: u32, factor: u64| (x ^ (x >> shift)).wrapping_mul(factor);
        let mixed = mix(mix(self.0, 30, 0xbf58_476d_1ce4_e5b9), 27, 0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The first place whose share, added to those before it, is beyond a random number.
    fn place(&mut self, shares: &[f64]) -> usize {
        let (at, mut sum) = (self.next(), 0.0);
        let beyond = |share: &f64| {
            sum += share;
            at < sum
        };
        shares.iter().position(beyond).unwrap_or(shares.len() - 1)
    }
}

/// Cards whose owners forget by known parameters: of each review the days since the one before it, and the grade.
pub fn cards(count: usize, w: &[f32; 21], seed: u64) -> Result<Sequences> {
    let w = w.map(f64::from);
    let mut random = Random(seed);
    let mut all = Sequences::new(2);
    let first_difficulty = |grade: f64| (w[4] - (w[5] * (grade - 1.0)).exp() + 1.0).clamp(1.0, 10.0);
    for _ in 0..count {
        let reviews = 3 + (random.next() * 8.0) as usize;
        let grade = random.place(&[0.2, 0.2, 0.45, 0.15]);
        let (mut s, mut d) = (w[grade], first_difficulty(grade as f64 + 1.0));
        let mut steps = vec![0.0, grade as f32 + 1.0];
        for _ in 1..reviews {
            // People review too early and too late, and now and then twice on a day.
            let days =
                if random.next() < 0.1 { 0.0 } else { (s * 4f64.powf(1.6 * random.next() - 0.8)).round().clamp(1.0, 3650.0) };
            let scale = (-0.9f64.ln() / w[20]).exp() - 1.0;
            let r = (1.0 + scale * days / s).powf(-w[20]);
            let forgotten = random.next() > r;
            let grade = if forgotten { 1.0 } else { [2.0, 3.0, 4.0][random.place(&[0.2, 0.65, 0.15])] };
            s = if days == 0.0 {
                s * (w[17] * (grade - 3.0 + w[18])).exp() * s.powf(-w[19])
            } else if forgotten {
                (w[11] * d.powf(-w[12]) * ((s + 1.0).powf(w[13]) - 1.0) * (w[14] * (1.0 - r)).exp()).min(s)
            } else {
                let bonus = if grade == 2.0 {
                    w[15]
                } else if grade == 4.0 {
                    w[16]
                } else {
                    1.0
                };
                s * (1.0 + w[8].exp() * (11.0 - d) * s.powf(-w[9]) * ((w[10] * (1.0 - r)).exp() - 1.0) * bonus)
            };
            s = s.clamp(LOG_STABILITY.0.exp(), LOG_STABILITY.1.exp());
            d -= w[6] * (grade - 3.0) * (10.0 - d) / 9.0;
            d = (w[7] * first_difficulty(4.0) + (1.0 - w[7]) * d).clamp(1.0, 10.0);
            steps.extend([days as f32, grade as f32]);
        }
        all.push(&steps)?;
    }
    Ok(all)
}

/// The parameters as what is learned: their logarithms.
pub fn parameter(device: &Device, w: &[f32; 21]) -> Tensor {
    device.parameter(&w.map(f32::ln), 21)
}

/// What the cards are made with.
pub fn truth() -> [f32; 21] {
    PARAMETERS.map(|(_, w)| w)
}

/// Where learning starts.
pub fn guess() -> [f32; 21] {
    GUESS
}

/// Batches of cards of about the same number of reviews: four shapes, and so four plans.
pub fn batches(device: &Device, cards: &Sequences, size: usize, seed: u64) -> Result<Vec<SequenceBatch>> {
    let buckets = Buckets::fitted(&cards.lengths(), 4)?;
    SequenceLoader::new(cards, size, &buckets).shuffle(seed).on(device)?.epoch().collect()
}

fn main() -> std::process::ExitCode {
    common::run(example)
}

/// The mean loss of all reviews.
fn mean(all: &[Reviews], theta: &Tensor) -> Result<f64> {
    let of = |reviews: &Reviews| Ok(reviews.count * f64::from(no_grad(|| reviews.loss(theta)).item()?));
    let total: f64 = all.iter().map(of).sum::<Result<f64>>()?;
    Ok(total / all.iter().map(|reviews| reviews.count).sum::<f64>())
}

/// How many reviews there were in each tenth of what was foretold, the mean of that, and the share that was recalled.
fn calibration(all: &[Reviews], theta: &Tensor) -> Result<Vec<(f64, f64, f64)>> {
    let mut tenths = vec![(0.0, 0.0, 0.0); 10];
    for reviews in all {
        let said = no_grad(|| reviews.recall(theta)).to_vec::<f32>()?;
        let weight = reviews.weight.to_vec::<f32>()?;
        let forgotten = reviews.forgotten.slice(0, 1..).to_vec::<bool>()?;
        for ((&said, _), forgotten) in said.iter().zip(weight).zip(forgotten).filter(|((_, weight), _)| *weight > 0.0) {
            let tenth = &mut tenths[((said * 10.0) as usize).min(9)];
            *tenth = (tenth.0 + 1.0, tenth.1 + f64::from(said), tenth.2 + f64::from(u8::from(!forgotten)));
        }
    }
    Ok(tenths.into_iter().map(|(n, said, was)| (n, said / f64::max(n, 1.0), was / f64::max(n, 1.0))).collect())
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("a spaced-repetition scheduler of 21 parameters, learned from reviews of 10,000 cards", 20)?;
    let device = args.device()?;
    let cards = cards(args.rows(10_000), &truth(), args.seed)?;
    let all = batches(&device, &cards, 512, args.seed)?.iter().map(Reviews::new).collect::<Result<Vec<_>>>()?;
    let theta = parameter(&device, &guess());
    let mut opt = Adam::new([theta.clone()], 0.02);
    let before = mean(&all, &theta)?;
    println!("{} cards in {} batches; loss of a guess {before:.4}", cards.len(), all.len());
    let begun = std::time::Instant::now();
    for epoch in 1..=args.epochs {
        let mut total = 0.0;
        for reviews in &all {
            let loss = reviews.loss(&theta);
            opt.step(loss.backward())?;
            total += reviews.count * f64::from(loss.item()?);
        }
        if epoch == 1 || epoch % 5 == 0 || epoch == args.epochs {
            println!("epoch {epoch:>3}: loss {:.4}", total / all.iter().map(|reviews| reviews.count).sum::<f64>());
        }
    }
    let steps = args.epochs * all.len();
    let ms = begun.elapsed().as_secs_f64() * 1e3;
    println!("{steps} steps in {ms:.0} ms, {} plans", device.runs_and_misses().1);

    let (known, after) = (mean(&all, &parameter(&device, &truth()))?, mean(&all, &theta)?);
    println!("\n{:<42} {:>8} {:>8} {:>8}", "parameter", "start", "found", "true");
    for (((name, truth), start), found) in PARAMETERS.iter().zip(GUESS).zip(theta.exp().to_vec::<f32>()?) {
        println!("{name:<42} {start:>8.3} {found:>8.3} {truth:>8.3}");
    }
    println!("\n{:>10} {:>10} {:>10}", "foretold", "recalled", "reviews");
    for (reviews, said, was) in calibration(&all, &theta)?.into_iter().filter(|tenth| tenth.0 > 0.0) {
        println!("{:>9.1}% {:>9.1}% {reviews:>10}", 100.0 * said, 100.0 * was);
    }
    common::figures(&[("before", before), ("after", after), ("known", known)]);
    println!("\nlog loss: {before:.4} before, {after:.4} after, {known:.4} by the parameters that made the cards");
    Ok(())
}
