//! A graph as text and as graphviz.

use super::key::{Call, Graph, Source};
use std::fmt::Write;

fn source(s: &Source) -> String {
    match s {
        Source::Leaf(i) => format!("leaf{i}"),
        Source::Call(i) => format!("%{i}"),
    }
}

fn call_line(i: usize, call: &Call) -> String {
    let inputs: Vec<String> = call.inputs.iter().map(source).collect();
    let params = call.op.params();
    let params = if params.is_empty() { String::new() } else { format!(" {params:?}") };
    let kept = if call.kept { " kept" } else { "" };
    format!("%{i} = {}({}){params} : {}{kept}", call.op.name(), inputs.join(", "), call.spec)
}

/// One line per value. Two graphs with equal keys have equal lines.
pub fn lines(graph: &Graph) -> Vec<String> {
    let leaves = (0..graph.leaves.len()).map(|i| format!("leaf{i} : {}", graph.spec_of(Source::Leaf(i))));
    leaves.chain(graph.calls.iter().enumerate().map(|(i, call)| call_line(i, call))).collect()
}

/// The graph in the `dot` language.
pub fn graphviz(graph: &Graph) -> String {
    let mut text = String::from("digraph graph_of_run {\n  node [shape=box, fontname=monospace];\n");
    // Writing to a String cannot fail.
    for i in 0..graph.leaves.len() {
        let _ = writeln!(text, "  leaf{i} [style=filled, label=\"leaf{i}\\n{}\"];", graph.spec_of(Source::Leaf(i)));
    }
    for (i, call) in graph.calls.iter().enumerate() {
        let bold = if call.kept { ", penwidth=2" } else { "" };
        let _ = writeln!(text, "  c{i} [label=\"{}\\n{}\"{bold}];", call.op.name(), call.spec);
        for input in &call.inputs {
            let from = match input {
                Source::Leaf(l) => format!("leaf{l}"),
                Source::Call(c) => format!("c{c}"),
            };
            let _ = writeln!(text, "  {from} -> c{i};");
        }
    }
    text.push_str("}\n");
    text
}
