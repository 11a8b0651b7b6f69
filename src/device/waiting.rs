//! Updates that wait for the next one: what a layer keeps beside its parameters (running statistics) is updated when they are.

use super::state::{Device, DeviceState};
use crate::error::Result;
use crate::graph::Tensor;
use crate::graph::key::Graph;
use crate::graph::node::{Body, Node};
use crate::threads::lock;
use std::sync::{Arc, Weak};

impl Device {
    /// Has the next run that updates anything (an optimizer's step) compute this update in place as well.
    ///
    /// It is for values that follow from activations but that no loss depends on, such as running statistics: after the step the
    /// activations could not be computed any more. The update is held weakly: dropped before the step, it never happens. So is one whose
    /// inputs were replaced in the meantime. Running one waiting update runs all.
    ///
    /// ```
    /// use steepest::{Device, optim::{Optimizer, Sgd}};
    /// let device = Device::cpu();
    /// let (w, mean) = (device.parameter(&[2.0], 1), device.tensor(&[0.0], 1));
    /// let y = &w * 3.0;
    /// let toward = mean.sgd_update(&-&y, None, 0.1, 1.0); // mean ← 0.9 mean + 0.1 y
    /// device.update_with_next_step(&toward);
    /// Sgd::new([w], 0.5).step(y.sum(&[]).backward())?;
    /// assert!((mean.item()? - 0.6).abs() < 1e-6);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn update_with_next_step(&self, update: &Tensor) {
        lock(&self.state.waiting).push(Arc::downgrade(update.node()));
    }
}

impl DeviceState {
    /// Values that updates among the roots, or those that wait, are to overwrite and that were not computed yet.
    pub(super) fn missing(&self, roots: &[Arc<Node>]) -> Vec<Arc<Node>> {
        if !roots.iter().any(|root| is_update(root)) {
            return vec![];
        }
        let waiting: Vec<Arc<Node>> = lock(&self.waiting).iter().filter_map(Weak::upgrade).collect();
        let mut missing = Vec::new();
        for update in roots.iter().chain(&waiting) {
            update.with_body(|body| {
                let Body::Call { op, inputs } = body else { return };
                let overwritten = op.mutates().iter().filter_map(|&i| inputs.get(i)).map(|edge| &edge.node);
                missing.extend(overwritten.filter(|node| node.spec().is_ok() && !node.has_value()).cloned());
            });
        }
        missing
    }

    /// What a run of these roots computes: with an update among them, also the updates that wait.
    pub(super) fn collect(&self, roots: &[Arc<Node>]) -> Result<Graph> {
        let waiting: Vec<Weak<Node>> = match roots.iter().any(|root| is_update(root)) {
            true => std::mem::take(&mut *lock(&self.waiting)),
            false => vec![],
        };
        let waiting: Vec<Arc<Node>> = waiting.iter().filter_map(Weak::upgrade).collect();
        if waiting.is_empty() {
            return Graph::collect(roots);
        }
        // Those that wait were given to this device, but may be another's.
        self.foreign(&waiting)?;
        // One that is invalid is lost work of somebody's, not one that came too late.
        if let Some(error) = waiting.iter().find_map(|update| update.spec().as_ref().err()) {
            return Err(error.clone());
        }
        let all = [roots, &waiting].concat();
        match Graph::collect(&all) {
            Err(_) => {
                // An error of the roots themselves is the run's, and the others wait on.
                if let Err(error) = Graph::collect(roots) {
                    lock(&self.waiting).extend(waiting.iter().map(Arc::downgrade));
                    return Err(error);
                }
                // Of those that waited, the ones that cannot be computed any more are left out.
                let able = waiting.into_iter().filter(|update| Graph::collect(std::slice::from_ref(update)).is_ok());
                let all: Vec<Arc<Node>> = roots.iter().cloned().chain(able).collect();
                Graph::collect(&all)
            }
            graph => graph,
        }
    }
}

fn is_update(node: &Node) -> bool {
    node.with_body(|body| matches!(body, Body::Call { op, .. } if !op.mutates().is_empty()))
}
