//! A graph's plan: order → fuse → place.

use super::steps::Steps;
use super::switches::Switches;
use super::types::Plan;
use super::{fuse, place};
use crate::error::Result;
use crate::graph::dump;
use crate::graph::key::Graph;
use std::collections::HashSet;

impl Plan {
    /// Plans a graph without host ops: one that has them is collected with their values as given, by [`Graph::collect_after_host`]. With `native`
    /// it is for a machine that runs the native forms of kernels.
    ///
    /// # Errors
    /// [`OpError::Lowering`](crate::error::OpError::Lowering) where what an op says of its kernels does not fit its call.
    pub fn build(graph: &Graph, switches: Switches, native: bool) -> Result<Plan> {
        let steps = fuse::fuse(graph, switches.fuse, native)?;
        let work = work(graph, &steps);
        let mut plan = place::place(graph, steps, switches.reuse, dump::lines(graph));
        plan.dispatches.iter_mut().zip(work).for_each(|(dispatch, flops)| dispatch.flops = flops);
        Ok(plan)
    }
}

/// Floating-point operations of each step: those of the calls it computes, each counted once.
fn work(graph: &Graph, steps: &Steps) -> Vec<u64> {
    let mut counted = HashSet::new();
    let mut of_call = |call: usize| {
        let call_inputs: Vec<_> = graph.calls[call].inputs.iter().map(|&source| graph.spec_of(source)).collect();
        if counted.insert(call) { graph.calls[call].op.flops(&call_inputs, &graph.calls[call].spec) } else { 0 }
    };
    steps.steps.iter().map(|step| step.scalars.iter().map(|&call| of_call(call)).sum()).collect()
}
