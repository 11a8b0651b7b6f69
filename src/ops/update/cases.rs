//! Test inputs of updates.

use super::super::case::{Case, Gen};
use super::scaled::{AdaGrad, Adadelta, RmsProp};
use super::{Adam, Adamax, ELEMENTS_PER_TASK, Lion, NAdam, RAdam, Running, Sgd};

/// Both sides of the workgroup, none, and more than one thread's task.
const SIZES: [usize; 5] = [1, 255, 257, 0, ELEMENTS_PER_TASK + 3];

/// SGD and Adam in every form, first and later steps.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for n in SIZES {
        let mut three = || vec![g.normalish(&[n]), g.normalish(&[n]), g.normalish(&[n])];
        for (momentum, nesterov, weight_decay) in
            [(None, false, 0.0), (None, false, 0.1), (Some(0.9), false, 0.0), (Some(0.9), true, 0.01)]
        {
            let mut inputs = three();
            inputs.truncate(if momentum.is_some() { 3 } else { 2 });
            cases.push(Case::new(format!("[{n}]"), Sgd { lr: 0.1, momentum, gain: 1.0, nesterov, weight_decay }, inputs));
        }
        let damped = Sgd { lr: 0.1, momentum: Some(0.9), gain: 0.25, nesterov: false, weight_decay: 0.1 };
        cases.push(Case::new(format!("[{n}] damped"), damped, three()));
        for (step, weight_decay, decoupled) in [(1, 0.0, false), (3, 0.1, false), (1000, 0.1, true)] {
            let inputs = vec![g.normalish(&[n]), g.normalish(&[n]), g.normalish(&[n]), g.floats(&[n], 0.0, 2.0)];
            let op = Adam { lr: 0.01, betas: (0.9, 0.999), eps: 1e-8, weight_decay, decoupled, amsgrad: false, step };
            cases.push(Case::new(format!("[{n}] step {step}"), op.clone(), inputs.clone()));
            let inputs = inputs.into_iter().chain([g.floats(&[n], 0.0, 2.0)]).collect();
            cases.push(Case::new(format!("[{n}] step {step}"), Adam { amsgrad: true, ..op }, inputs));
        }
    }
    cases
}

/// Updates that divide by a running size of the gradient in every form, first steps (all state 0) and later ones.
pub fn scaled_cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for n in SIZES {
        for (first, weight_decay) in [(true, 0.0), (false, 0.0), (false, 0.1)] {
            let label = format!("[{n}] {} step", if first { "first" } else { "later" });
            let squares = |g: &mut Gen| g.floats(&[n], if first { 0.0 } else { 0.5 }, if first { 0.0 } else { 2.0 });
            let signed =
                |g: &mut Gen, range: f64| g.floats(&[n], if first { 0.0 } else { -range }, if first { 0.0 } else { range });

            let inputs = vec![g.normalish(&[n]), g.normalish(&[n]), squares(g)];
            let step = if first { 1 } else { 40 };
            let op = AdaGrad { lr: 0.1, lr_decay: 0.05, eps: 1e-10, weight_decay, step };
            cases.push(Case::new(label.clone(), op, inputs));

            let inputs = vec![g.normalish(&[n]), g.normalish(&[n]), squares(g), squares(g)];
            cases.push(Case::new(label.clone(), Adadelta { lr: 0.5, rho: 0.9, eps: 1e-6, weight_decay }, inputs));

            for (momentum, centered) in [(None, false), (Some(0.9), false), (None, true), (Some(0.5), true)] {
                let mut inputs = vec![g.normalish(&[n]), g.normalish(&[n]), squares(g)];
                if centered {
                    // The square of a mean is at most the mean of squares.
                    inputs.push(signed(g, 0.6));
                }
                if momentum.is_some() {
                    inputs.push(signed(g, 2.0));
                }
                let op = RmsProp { lr: 0.05, alpha: 0.9, eps: 1e-4, momentum, centered, weight_decay };
                cases.push(Case::new(label.clone(), op, inputs));
            }
        }
    }
    cases
}

/// NAdam, RAdam, Adamax and Lion in every form, first and later steps, and running sums and means.
pub fn moments_cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for n in SIZES {
        for (step, weight_decay, decoupled) in [(1, 0.0, false), (3, 0.1, false), (1000, 0.1, true)] {
            let label = format!("[{n}] step {step}");
            let (lr, betas, eps) = (0.01, (0.9, 0.99), 1e-8);
            let inputs = vec![g.normalish(&[n]), g.normalish(&[n]), g.normalish(&[n]), g.floats(&[n], 0.0, 2.0)];
            let product = (1..step).map(|t| NAdam::momentum(betas.0, 4e-3, t)).product();
            let op = NAdam { lr, betas, eps, weight_decay, decoupled, momentum_decay: 4e-3, step, product };
            cases.push(Case::new(label.clone(), op, inputs.clone()));
            let op = RAdam { lr, betas, eps, weight_decay, decoupled, step };
            cases.push(Case::new(label.clone(), op, inputs.clone()));
            // Decided by |g| in some places, by what was before in others.
            let op = Adamax { lr, betas, eps, weight_decay, decoupled, step };
            cases.push(Case::new(label.clone(), op, inputs));
        }
        // A sum that rounding may put on either side of 0 has no sign to compare: mean and gradient are apart in size.
        let (p, m) = (g.normalish(&[n]), g.floats(&[n], 1.0, 2.0));
        for gradient in [g.floats(&[n], -5.0, 5.0), g.floats(&[n], -40.0, -30.0)] {
            let op = Lion { lr: 0.01, betas: (0.9, 0.99), weight_decay: 0.1 };
            cases.push(Case::new(format!("[{n}]"), op, vec![p.clone(), gradient, m.clone()]));
        }
        for (keep, gain) in [(0.75, 0.25), (1.0, -3.0), (0.0, 1.0), (1.0, 0.0)] {
            let inputs = vec![g.normalish(&[n]), g.normalish(&[n])];
            cases.push(Case::new(format!("[{n}] {keep} s + {gain} x"), Running { keep, gain }, inputs));
        }
    }
    cases
}
