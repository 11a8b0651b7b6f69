//! Absurd arguments for the public functions of `src/plan`.

use crate::odd::Odd;
use crate::{Line, Room, table};
use steepest::graph::key::Graph;
use steepest::plan::{Plan, Switches};

pub fn room() -> Room {
    Room { name: "plan", tables: &[TABLE], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[
    ("Switches::all", "takes no argument"),
    ("Place::start", "takes no argument"),
    ("Plan::use_of", "of a plan that a device made"),
    ("Recorded::in_graph", "of a graph that was checked"),
    ("Recorded::in_plan", "takes no argument"),
    ("Recorded::at", "of a plan that a device made"),
    ("Program::fused_after", "a pass over a graph that was checked: called by Plan::build"),
    ("Program::kernel", "a pass over a graph that was checked: called by Plan::build"),
    ("Program::new", "a pass over a graph that was checked: called by Plan::build"),
    ("fuse::fuse", "a pass over a graph that was checked: called by Plan::build"),
    ("multi_tensor::combine", "a pass over a graph that was checked: called by Plan::build"),
    ("place::place", "a pass over a graph that was checked: called by Plan::build"),
    ("slots::assign", "a pass over a graph that was checked: called by Plan::build"),
    ("slots::most_at_once", "a pass over a graph that was checked: called by Plan::build"),
    ("nonfinite::variant", "a pass over a graph that was checked: called by Plan::build"),
    ("nonfinite::watched", "a pass over a graph that was checked: called by Plan::build"),
];

const TABLE: &[Line] = table! {
    "Plan::build" => |o| {
        let nodes: Vec<_> = o.many(Odd::tensor).iter().map(|x| x.exp().node().clone()).collect();
        let switches = o.pick(&Switches::all().collect::<Vec<_>>());
        drop(Graph::collect(&nodes).map(|graph| Plan::build(&graph, switches, o.flag())));
    };
    "Plan::slot_bytes" => |o| {
        let x = o.tensor().exp();
        drop(o.device().plan([&x]).map(|plan| plan.slot_bytes()));
    };
    "Plan::own_bytes" => |o| {
        let x = o.tensor().exp();
        drop(o.device().plan([&x]).map(|plan| plan.own_bytes()));
    };
    "Plan::live_bytes" => |o| {
        let x = o.tensor().exp();
        drop(o.device().plan([&x]).map(|plan| plan.live_bytes()));
    };
    "Plan::peak_bytes" => |o| {
        let x = o.tensor().exp();
        drop(o.device().plan([&x]).map(|plan| plan.peak_bytes()));
    };
    "Dispatch::bytes" => |o| {
        let x = o.tensor().exp();
        drop(o.device().plan([&x]).map(|plan| plan.dispatches.iter().map(|d| d.bytes()).sum::<u64>()));
    };
    "Switches::without" => |o| Switches::without(&o.text());
};
