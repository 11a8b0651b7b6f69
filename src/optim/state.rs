//! What an optimizer carries from step to step, taken out to be kept and put back.

use super::group::Common;
use super::{Optimizer, check, config};
use crate::Tensor;
use crate::error::Result;
use crate::platform::waited;
use std::collections::BTreeMap;

/// What an optimizer carries from step to step, in this program's memory. Settings that do not change by themselves (decay rates, ε,
/// groups) are not in it: the program that makes the optimizer sets them.
///
/// ```
/// use steepest::{Device, optim::{Adam, Optimizer, State}};
/// let device = Device::cpu();
/// let w = device.parameter(&[3.0], 1);
/// let mut opt = Adam::new([w.clone()], 0.1);
/// opt.step(w.square().sum(&[]).backward())?;
/// let state = State::of(&opt)?;
/// assert_eq!((state.kind.as_str(), &state.steps[..]), ("Adam", &[1][..]));
/// let mut other = Adam::new([w.clone()], 0.5);
/// other.restore(&state)?; // goes on where the first one is
/// assert_eq!(other.lr(), 0.1);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The kind of optimizer: `Adam`.
    pub kind: String,
    /// The learning rate.
    pub lr: f64,
    /// Steps each parameter has had; empty where the optimizer does not count.
    pub steps: Vec<u64>,
    /// By PyTorch's names (`exp_avg`) the elements of one tensor per parameter, in the order of the parameters.
    pub tensors: BTreeMap<String, Vec<Vec<f32>>>,
}

impl State {
    /// Reads an optimizer's state.
    ///
    /// # Errors
    /// As [`Tensor::to_vec`].
    pub fn of(optimizer: &dyn Optimizer) -> Result<State> {
        waited(&name_of(&optimizer.state()), State::of_async(optimizer))
    }

    /// [`State::of`] without blocking.
    ///
    /// # Errors
    /// As [`State::of`].
    pub async fn of_async(optimizer: &dyn Optimizer) -> Result<State> {
        let mut tensors = BTreeMap::new();
        for (name, of_all) in optimizer.state() {
            let mut values = Vec::with_capacity(of_all.len());
            for tensor in of_all {
                values.push(tensor.fetch().await?);
            }
            tensors.insert(name.to_owned(), values);
        }
        Ok(State { kind: optimizer.kind().to_owned(), lr: optimizer.lr(), steps: optimizer.steps().to_vec(), tensors })
    }
}

/// The device of what an optimizer carries, for messages.
fn name_of(state: &[(&str, &[Tensor])]) -> String {
    state.iter().flat_map(|(_, tensors)| *tensors).next().map_or_else(|| "cpu".to_owned(), |t| t.device().name().to_owned())
}

impl Common {
    /// Puts a state back: the learning rate, the steps if the optimizer counts them, and the tensors of each of its names; those the state
    /// does not have are as before the first step. On an error nothing is changed.
    pub(super) fn restore(
        &mut self,
        kind: &str,
        state: &State,
        slots: &mut [(&str, &mut Vec<Tensor>)],
        steps: Option<&mut Vec<u64>>,
    ) -> Result<()> {
        self.restore_as(kind, state, slots, steps, |_, _, parameter| Ok(parameter.try_shape()?.dims().to_vec()))
    }

    /// The same where state has a shape of its own, by slot and parameter, both counted from 0.
    pub(super) fn restore_as(
        &mut self,
        kind: &str,
        state: &State,
        slots: &mut [(&str, &mut Vec<Tensor>)],
        steps: Option<&mut Vec<u64>>,
        sizes: impl Fn(usize, usize, &Tensor) -> Result<Vec<usize>>,
    ) -> Result<()> {
        let wrong = |message: String| Err(config("state of an optimizer", message));
        if state.kind != kind {
            return wrong(format!("it is that of {}, the optimizer is {kind}", state.kind));
        }
        check("learning rate", state.lr, 0.0, f64::INFINITY)?;
        if state.steps.len() > self.len() {
            return wrong(format!("it has steps of {} parameters, the optimizer has {}", state.steps.len(), self.len()));
        }
        if let Some(name) = state.tensors.keys().find(|name| !slots.iter().any(|(slot, _)| slot == name)) {
            return wrong(format!("{kind} has no `{name}`"));
        }
        let mut made = vec![];
        for (slot, (name, _)) in slots.iter().enumerate() {
            let mut tensors = vec![];
            let given = state.tensors.get(*name).map_or(&[][..], |given| &given[..]);
            if given.len() > self.len() {
                return wrong(format!("it has `{name}` of {} parameters, the optimizer has {}", given.len(), self.len()));
            }
            for (i, (values, parameter)) in given.iter().zip(self.parameters()).enumerate() {
                let sizes = sizes(slot, i, parameter)?;
                if values.len() != sizes.iter().product::<usize>() {
                    return wrong(format!("`{name}` of parameter {i} has {} elements, it should be {sizes:?}", values.len()));
                }
                tensors.push(parameter.device().tensor(values, &sizes[..]));
            }
            made.push(tensors);
        }
        for ((_, slot), tensors) in slots.iter_mut().zip(made) {
            **slot = tensors;
        }
        if let Some(steps) = steps {
            steps.clone_from(&state.steps);
        }
        self.lr = state.lr;
        Ok(())
    }
}
