//! The learning of `examples/repetition.rs` in plain Rust, f32 on one core: the same formula card by card, its gradient by the chain rule on paper, and
//! Adam. What a step costs without any library.

use super::repetition::LOG_STABILITY;

/// A review: days since the one before, and the grade.
pub type Review = (f32, u8);

/// Parameters as logarithms, and what Adam keeps of them.
pub struct ByHand {
    pub theta: [f32; 21],
    first: [f32; 21],
    second: [f32; 21],
    steps: i32,
    rate: f32,
    path: Vec<Passed>,
}

/// What a review leaves for the way back.
#[derive(Clone, Copy, Default)]
struct Passed {
    days: f32,
    grade: u8,
    /// ln S and D before it.
    s: f32,
    d: f32,
    /// e^−s, 1 + factor · days / S and its logarithm, and R.
    inverse: f32,
    base: f32,
    log_base: f32,
    recalled: f32,
    /// What was forgotten: ln(S + 1), e^(w13 ln(S + 1)). What was recalled: the gain, e^(w10 (1 − R)).
    a: f32,
    b: f32,
    /// Whether the new s and d are within their limits, and which of two the new s is.
    free: bool,
    free_d: bool,
    relearned: bool,
    moved: f32,
}

/// Numbers that all cards of a step share.
struct Shared {
    w: [f32; 21],
    growth: f32,
    scale: f32,
    back: f32,
    back_is_free: bool,
}

impl Shared {
    fn new(theta: &[f32; 21]) -> Shared {
        let w = theta.map(f32::exp);
        let raw = w[4] - (3.0 * w[5]).exp() + 1.0;
        let scale = (-0.9f32.ln() / w[20]).exp() - 1.0;
        Shared { w, growth: w[8].exp(), scale, back: raw.clamp(1.0, 10.0), back_is_free: (1.0..=10.0).contains(&raw) }
    }
}

impl ByHand {
    pub fn new(w: [f32; 21], rate: f32) -> ByHand {
        ByHand { theta: w.map(f32::ln), first: [0.0; 21], second: [0.0; 21], steps: 0, rate, path: vec![] }
    }

    /// The loss of some cards, and a step down its slope.
    pub fn step(&mut self, cards: &[&[Review]]) -> f32 {
        let count = cards.iter().flat_map(|card| &card[1..]).filter(|review| review.0 > 0.0).count().max(1);
        let (mut by_w, mut by_theta, mut back) = ([0.0; 21], [0.0; 21], 0.0);
        let shared = Shared::new(&self.theta);
        let weight = 1.0 / count as f32;
        let mut loss = 0.0;
        for card in cards {
            loss += self.card(card, &shared, weight, &mut by_w, &mut by_theta, &mut back);
        }
        let w = &shared.w;
        by_w[7] += back * shared.back;
        if shared.back_is_free {
            let through = back * w[7];
            by_w[4] += through;
            by_w[5] -= through * 3.0 * (3.0 * w[5]).exp();
        }
        self.steps += 1;
        let (one, two) = (1.0 - 0.9f32.powi(self.steps), 1.0 - 0.999f32.powi(self.steps));
        for i in 0..21 {
            let g = by_theta[i] + by_w[i] * w[i];
            self.first[i] = 0.9 * self.first[i] + 0.1 * g;
            self.second[i] = 0.999 * self.second[i] + 0.001 * g * g;
            self.theta[i] -= self.rate * (self.first[i] / one) / ((self.second[i] / two).sqrt() + 1e-8);
        }
        loss
    }

    /// One card, there and back.
    fn card(
        &mut self,
        card: &[Review],
        shared: &Shared,
        weight: f32,
        by_w: &mut [f32; 21],
        by_theta: &mut [f32; 21],
        back: &mut f32,
    ) -> f32 {
        let w = &shared.w;
        let first = card[0].1;
        let start = (w[5] * (f32::from(first) - 1.0)).exp();
        let raw = w[4] - start + 1.0;
        let (mut s, mut d) = (self.theta[usize::from(first) - 1], raw.clamp(1.0, 10.0));
        let mut loss = 0.0;
        self.path.clear();
        for &(days, grade) in &card[1..] {
            let passed = pass(shared, self.theta[11], s, d, days, grade);
            (s, d) = (passed.0, passed.1);
            if days > 0.0 {
                let likely = if grade == 1 { 1.0 - passed.2.recalled } else { passed.2.recalled };
                loss -= likely.clamp(1e-5, 1.0).ln() * weight;
            }
            self.path.push(passed.2);
        }
        // Slopes of the loss by the state after a review.
        let (mut by_s, mut by_d) = (0.0, 0.0);
        for passed in self.path.iter().rev() {
            (by_s, by_d) = turn_back(shared, passed, weight, by_s, by_d, by_w, by_theta, back);
        }
        by_theta[usize::from(first) - 1] += by_s;
        if (1.0..=10.0).contains(&raw) {
            by_w[4] += by_d;
            by_w[5] -= by_d * start * (f32::from(first) - 1.0);
        }
        loss
    }
}

/// The state after a review, and what is needed on the way back.
fn pass(shared: &Shared, log_w11: f32, s: f32, d: f32, days: f32, grade: u8) -> (f32, f32, Passed) {
    let w = &shared.w;
    let better = f32::from(grade) - 3.0;
    let inverse = (-s).exp();
    let base = 1.0 + days * inverse * shared.scale;
    let log_base = base.ln();
    let recalled = (-w[20] * log_base).exp();
    let lost = 1.0 - recalled;
    let mut passed = Passed { days, grade, s, d, inverse, base, log_base, recalled, ..Passed::default() };
    let next = if days == 0.0 {
        s + w[17] * (better + w[18]) - w[19] * s
    } else if grade == 1 {
        passed.a = (s.exp() + 1.0).ln();
        passed.b = (w[13] * passed.a).exp();
        let relearned = log_w11 - w[12] * d.ln() + (passed.b - 1.0).ln() + w[14] * lost;
        passed.relearned = relearned < s;
        relearned.min(s)
    } else {
        let bonus = if grade == 2 {
            w[15]
        } else if grade == 4 {
            w[16]
        } else {
            1.0
        };
        passed.b = (w[10] * lost).exp();
        passed.a = shared.growth * (11.0 - d) * (-w[9] * s).exp() * (passed.b - 1.0) * bonus;
        s + (passed.a + 1.0).ln()
    };
    let limits = LOG_STABILITY.0 as f32..=LOG_STABILITY.1 as f32;
    passed.free = limits.contains(&next);
    passed.moved = d - w[6] * better / 9.0 * (10.0 - d);
    let difficulty = w[7] * shared.back + (1.0 - w[7]) * passed.moved;
    passed.free_d = (1.0..=10.0).contains(&difficulty);
    (next.clamp(*limits.start(), *limits.end()), difficulty.clamp(1.0, 10.0), passed)
}

/// From the slopes by the state after a review to those by the state before it; those by the parameters are added up.
#[allow(clippy::too_many_arguments)]
fn turn_back(
    shared: &Shared,
    p: &Passed,
    weight: f32,
    by_s: f32,
    by_d: f32,
    by_w: &mut [f32; 21],
    by_theta: &mut [f32; 21],
    back: &mut f32,
) -> (f32, f32) {
    let w = &shared.w;
    let better = f32::from(p.grade) - 3.0;
    let lost = 1.0 - p.recalled;
    let slope = if p.free { by_s } else { 0.0 };
    let (mut to_s, mut to_d, mut by_recalled) = (0.0, 0.0, 0.0);
    if p.days == 0.0 {
        by_w[17] += slope * (better + w[18]);
        by_w[18] += slope * w[17];
        by_w[19] -= slope * p.s;
        to_s += slope * (1.0 - w[19]);
    } else {
        let likely = if p.grade == 1 { lost } else { p.recalled };
        if (1e-5..=1.0).contains(&likely) {
            by_recalled = if p.grade == 1 { weight / likely } else { -weight / likely };
        }
        if p.grade > 1 {
            let by_gain = slope / (p.a + 1.0);
            let gained = by_gain * p.a;
            by_w[8] += gained;
            to_d -= gained / (11.0 - p.d);
            by_w[9] -= gained * p.s;
            to_s += slope - gained * w[9];
            if p.grade == 2 {
                by_w[15] += gained / w[15];
            } else if p.grade == 4 {
                by_w[16] += gained / w[16];
            }
            // Of e^(w10 (1 − R)) − 1, which is 0 where nothing was lost.
            let by_lost = if p.b > 1.0 { gained / (p.b - 1.0) * p.b } else { 0.0 };
            by_w[10] += by_lost * lost;
            by_recalled -= by_lost * w[10];
        } else if p.relearned {
            by_theta[11] += slope;
            by_w[12] -= slope * p.d.ln();
            to_d -= slope * w[12] / p.d;
            let by_power = slope * p.b / (p.b - 1.0);
            by_w[13] += by_power * p.a;
            to_s += by_power * w[13] * (1.0 - (-p.a).exp());
            by_w[14] += slope * lost;
            by_recalled -= slope * w[14];
        } else {
            to_s += slope;
        }
        let by_log = by_recalled * p.recalled;
        by_w[20] -= by_log * p.log_base;
        let by_base = -by_log * w[20] / p.base;
        let by_scale = by_base * p.days * p.inverse;
        to_s -= by_scale * shared.scale;
        by_w[20] += by_scale * (shared.scale + 1.0) * 0.9f32.ln() / (w[20] * w[20]);
    }
    let slope = if p.free_d { by_d } else { 0.0 };
    by_w[7] -= slope * p.moved;
    *back += slope;
    let by_moved = slope * (1.0 - w[7]);
    by_w[6] -= by_moved * better / 9.0 * (10.0 - p.d);
    to_d += by_moved * (1.0 + w[6] * better / 9.0);
    (to_s, to_d)
}
