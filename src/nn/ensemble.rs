//! Several models as one: the mean of their outputs.

use super::path::{KeptPath, into_numbered};
use super::{Blueprint, Module, Row, Site};
use crate::Tensor;
use crate::error::{OpError, Result};

/// The mean of what its members say of the same input: y = (1/n) Σ fᵢ(x) (Breiman 1996). Members are trained apart, from other seeds or on other
/// rows; their errors are unlike each other and partly cancel. Their parameters are named by position, `0.…`.
///
/// ```
/// use steepest::{Device, nn::{self, Ensemble, Module}};
/// let device = Device::cpu();
/// let member = |seed| Box::new(nn::mlp(&device, &[2, 4, 1], seed)) as Box<dyn Module>;
/// let (a, b) = (member(1), member(2));
/// let x = device.tensor(&[0.5, -1.0], [1, 2]);
/// let mean = (a.forward(&x).item()? + b.forward(&x).item()?) / 2.0;
/// let both = Ensemble::new([a, b]);
/// assert!((both.forward(&x).item()? - mean).abs() < 1e-6);
/// # Ok::<(), steepest::Error>(())
/// ```
pub struct Ensemble {
    members: Vec<Box<dyn Module>>,
    path: KeptPath,
}

impl Ensemble {
    /// The mean of these models.
    pub fn new(members: impl IntoIterator<Item = Box<dyn Module>>) -> Ensemble {
        Ensemble { members: members.into_iter().collect(), path: KeptPath::default() }
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(Ensemble { members: site.parts()?, path: KeptPath::default() }))
    }

    /// The members, in order.
    pub fn members(&self) -> &[Box<dyn Module>] {
        &self.members
    }

    #[track_caller]
    fn mean(&self, x: &Tensor, outputs: impl Iterator<Item = Tensor>) -> Tensor {
        match outputs.reduce(|sum, output| sum.add(&output)) {
            Some(sum) => sum.div_scalar(self.members.len() as f64),
            None => x.refuse("ensemble", OpError::Value("it has no members".to_owned())),
        }
    }
}

impl Module for Ensemble {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::path::entered_container(self, &self.path);
        self.mean(
            x,
            self.members.iter().enumerate().map(|(i, member)| {
                let _part = into_numbered(i);
                member.forward(x)
            }),
        )
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        for (i, member) in self.members.iter().enumerate() {
            member.visit(&mut |name, parameter| visit(&format!("{i}.{name}"), parameter));
        }
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        for (i, member) in self.members.iter_mut().enumerate() {
            member.visit_mut(&mut |name, parameter| visit(&format!("{i}.{name}"), parameter));
        }
    }

    fn visit_buffers(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        for (i, member) in self.members.iter().enumerate() {
            member.visit_buffers(&mut |name, buffer| visit(&format!("{i}.{name}"), buffer));
        }
    }

    fn visit_counters(&self, visit: &mut dyn FnMut(&str, &std::sync::atomic::AtomicU64)) {
        for (i, member) in self.members.iter().enumerate() {
            member.visit_counters(&mut |name, counter| visit(&format!("{i}.{name}"), counter));
        }
    }

    fn set_training(&self, on: bool) {
        self.members.iter().for_each(|member| member.set_training(on));
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let all = Some(Blueprint::new("Ensemble"));
        self.members.iter().enumerate().fold(all, |all, (i, member)| all?.part(i.to_string(), &**member))
    }

    fn describe(&self) -> String {
        format!("Ensemble({} members)", self.members.len())
    }

    fn trace(&self, name: &str, x: &Tensor, rows: &mut Vec<Row>) -> Tensor {
        let _layer = crate::nn::path::entered_container(self, &self.path);
        let outputs: Vec<Tensor> = (0..self.members.len())
            .map(|i| {
                let _part = into_numbered(i);
                self.members[i].trace(&super::summary::within(name, &i.to_string()), x, rows)
            })
            .collect();
        self.mean(x, outputs.into_iter())
    }
}
