//! A graph's plan: order → fuse → place.

use super::steps::Steps;
use super::switches::Switches;
use super::types::Plan;
use super::{fuse, place};
use crate::error::Result;
use crate::graph::dump;
use crate::graph::key::Graph;
use crate::graph::op::Spec;
use smallvec::SmallVec;

impl Plan {
    /// Plans a graph without host ops: one that has them is collected with their values as given, by [`Graph::collect_after_host`]. With `native`
    /// it is for a machine that runs the native forms of kernels.
    ///
    /// # Errors
    /// [`OpError::Lowering`](crate::error::OpError::Lowering) where what an op says of its kernels does not fit its call.
    pub fn build(graph: &Graph, switches: Switches, native: bool) -> Result<Plan> {
        let steps = fuse::fuse(graph, switches.fuse, native)?;
        let work = work(graph, &steps);
        // Half the time of planning a small graph, for who logs why plans are made.
        let lines = if tracing::enabled!(tracing::Level::DEBUG) { dump::lines(graph) } else { vec![] };
        let mut plan = place::place(graph, steps, switches.reuse, lines);
        plan.dispatches.iter_mut().zip(work).for_each(|(dispatch, flops)| dispatch.flops = flops);
        Ok(plan)
    }
}

/// Floating-point operations of each step: those of the calls it computes, each counted once.
fn work(graph: &Graph, steps: &Steps) -> Vec<u64> {
    let mut counted = vec![false; graph.calls.len()];
    let mut of_call = |call: usize| {
        if std::mem::replace(&mut counted[call], true) {
            return 0;
        }
        let inputs: SmallVec<[Spec; 3]> = graph.calls[call].inputs.iter().map(|&source| graph.spec_of(source)).collect();
        graph.calls[call].op.flops(&inputs, &graph.calls[call].spec)
    };
    steps.steps.iter().map(|step| step.scalars.iter().map(|&call| of_call(call)).sum()).collect()
}
