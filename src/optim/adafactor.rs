//! Adafactor (Shazeer and Stern 2018): Adam with the memory of a few rows.

use super::group::{Common, common};
use super::{Optimizer, State, check, config};
use crate::error::Result;
use crate::ops::update;
use crate::{Gradients, Tensor};

/// The second moment of a parameter of two or more axes is kept as means of its rows and of its columns (over the last two axes); there is no first
/// moment. A step is as long as the parameter: its root mean square times the learning rate. As PyTorch's;
/// [`update::Adafactor`](crate::ops::update::Adafactor) has the formula.
///
/// ```
/// use steepest::{Device, optim::{Adafactor, Optimizer}};
/// let w = Device::cpu().parameter(&[3.0; 12], [3, 4]);
/// let mut opt = Adafactor::new([w.clone()], 0.1);
/// for _ in 0..100 {
///     opt.step(w.square().sum(&[]).backward())?;
/// }
/// assert!(w.to_vec::<f32>()?[0].abs() < 0.1);
/// assert_eq!(opt.state()[0].1[0].shape().dims(), [3, 1]); // a number per row
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct Adafactor {
    common: Common,
    /// Of vectors they have no elements; of matrices `variance` has none.
    rows: Vec<Tensor>,
    columns: Vec<Tensor>,
    variance: Vec<Tensor>,
    beta2_decay: f64,
    eps: (f64, f64),
    d: f64,
    steps: Vec<u64>,
}

common!(Adafactor);

impl Adafactor {
    /// Adafactor with learning rate `lr` (η; PyTorch's default is 0.01), which no step's rate is above, decay of β₂ −0.8,
    /// ε = (1.2e-7, 1e-3), d = 1, and no weight decay.
    pub fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> Adafactor {
        Adafactor {
            common: Common::new(parameters, lr),
            rows: vec![],
            columns: vec![],
            variance: vec![],
            beta2_decay: -0.8,
            eps: (f64::from(f32::EPSILON), 1e-3),
            d: 1.0,
            steps: vec![],
        }
    }

    /// The power of the number of steps that is a new gradient's weight in the second moment, at most 0.
    pub fn beta2_decay(mut self, power: f64) -> Adafactor {
        self.beta2_decay = power;
        self
    }

    /// ε₁, which keeps the division finite, and ε₂, the least root mean square a parameter is taken to have.
    pub fn eps(mut self, division: f64, parameter: f64) -> Adafactor {
        self.eps = (division, parameter);
        self
    }

    /// d: a step whose elements have a larger root mean square, in units of the rate, is shortened to it.
    pub fn clip(mut self, d: f64) -> Adafactor {
        self.d = d;
        self
    }

    /// The shape of what slot 0 (rows), 1 (columns) or 2 holds for a parameter.
    fn sizes(slot: usize, parameter: &Tensor) -> Result<Vec<usize>> {
        let shape = parameter.try_shape()?;
        Ok(match (update::Adafactor::factors(shape.dims()), slot) {
            (Some(factors), 0 | 1) => factors[slot].clone(),
            (None, 2) => shape.dims().to_vec(),
            _ => vec![0],
        })
    }
}

impl Optimizer for Adafactor {
    #[track_caller]
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        let _line = crate::location::on_behalf_of_caller();
        if !(self.beta2_decay <= 0.0 && self.beta2_decay.is_finite()) {
            return Err(config("decay of beta 2", format!("{} is not a number of at most 0", self.beta2_decay)));
        }
        check("epsilon 1", self.eps.0, 0.0, f64::INFINITY)?;
        check("epsilon 2", self.eps.1, 0.0, f64::INFINITY)?;
        check("d", self.d, f64::from(f32::MIN_POSITIVE), f64::INFINITY)?;
        for (slot, state) in [&mut self.rows, &mut self.columns, &mut self.variance].into_iter().enumerate() {
            self.common.grow_as(state, 0.0, |_, parameter| Adafactor::sizes(slot, parameter))?;
        }
        let mut steps = self.steps.clone();
        steps.resize(self.common.len(), 0);
        self.common.apply_all(gradients, |i, parameter, gradient, rates| {
            steps[i] = steps[i].saturating_add(1);
            let settings = update::Adafactor {
                lr: rates.lr,
                beta2_decay: self.beta2_decay,
                eps: self.eps,
                d: self.d,
                weight_decay: rates.weight_decay,
                step: steps[i],
            };
            let state = match parameter.try_shape() {
                Ok(shape) if shape.rank() > 1 => update::Variance::Factors(&self.rows[i], &self.columns[i]),
                _ => update::Variance::Whole(&self.variance[i]),
            };
            parameter.adafactor_update(gradient, state, &settings)
        })?;
        // Only a step that ran counts.
        self.steps = steps;
        Ok(())
    }

    fn lr(&self) -> f64 {
        self.common.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.common.lr = lr;
    }

    fn state(&self) -> Vec<(&'static str, &[Tensor])> {
        let all = [("row_var", &self.rows[..]), ("col_var", &self.columns), ("variance", &self.variance)];
        all.into_iter().filter(|(_, tensors)| !tensors.is_empty()).collect()
    }

    fn kind(&self) -> &'static str {
        "Adafactor"
    }

    fn steps(&self) -> &[u64] {
        &self.steps
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        let slots = &mut [("row_var", &mut self.rows), ("col_var", &mut self.columns), ("variance", &mut self.variance)];
        let sizes = |slot, _, parameter: &Tensor| Adafactor::sizes(slot, parameter);
        self.common.restore_as("Adafactor", state, slots, Some(&mut self.steps), sizes)
    }
}
