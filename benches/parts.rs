//! The parts of a step: recording, the graph's key, planning, a run of a known plan, dispatches, bind groups, submissions, reading back.

mod common;

use common::{criterion, devices, sized};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};
use steepest::graph::key::Graph;
use steepest::plan::{Plan, Switches};
use steepest::{Device, Tensor, no_grad};

/// x + 1 + 1 + …: `n` calls, each reading the one before.
fn chain(x: &Tensor, n: usize) -> Tensor {
    no_grad(|| (0..n).fold(x.clone(), |x, _| x.add_scalar(1.0)))
}

/// Given per element: recording, collecting with the key, planning. No device has a part in these.
fn host(c: &mut Criterion) {
    let n = sized(1000, 10);
    let device = Device::cpu();
    let x = device.tensor(&[1.0f32; 16], 16);
    let mut group = c.benchmark_group("host, per call");
    group.throughput(Throughput::Elements(n as u64));
    group.bench_function("record a call", |b| b.iter(|| chain(&x, n)));
    let deep = chain(&x, n);
    let roots = [deep.node().clone()];
    group.bench_function("collect and key", |b| b.iter(|| black_box(Graph::collect(&roots).expect("valid").key.len())));
    group.bench_function("collect, key, plan", |b| b.iter(|| device.plan([&deep]).expect("plans")));
    device.set_switches(Switches { fuse: false, ..Switches::default() });
    group.bench_function("collect, key, plan without fusion", |b| b.iter(|| device.plan([&deep]).expect("plans")));
}

fn runs(c: &mut Criterion) {
    for (kind, device) in devices() {
        let mut group = c.benchmark_group(format!("runs on {kind}"));
        let x = device.tensor(&[1.0f32; 16], 16);
        device.run([&x]).expect("runs");
        let settle = |device: &Device| device.wait().expect("waits");

        // Everything between a call and the next, when the plan is known: record, collect, look up, encode, submit.
        let run = |x: &Tensor| chain(x, 1).run().expect("runs");
        group.bench_function("a known plan of one dispatch", |b| b.iter(|| run(&x)));
        settle(&device);
        // More leaves than bind groups are kept for.
        let leaves: Vec<Tensor> = (0..64).map(|i| device.tensor(&[i as f32; 16], 16)).collect();
        device.run(&leaves).expect("runs");
        let mut next = 0;
        group.bench_function("the same on a leaf not met lately (bind group)", |b| {
            b.iter(|| {
                next = (next + 1) % leaves.len();
                run(&leaves[next]);
            });
        });
        settle(&device);

        let n = sized(1000, 10);
        device.set_switches(Switches { fuse: false, ..Switches::default() });
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function("dependent dispatches, each", |b| {
            b.iter(|| {
                chain(&x, n).run().expect("runs");
                settle(&device);
            });
        });
        let inputs: Vec<Tensor> = (0..n).map(|i| device.tensor(&[i as f32; 16], 16)).collect();
        device.run(&inputs).expect("runs");
        group.bench_function("independent dispatches, each", |b| {
            b.iter(|| {
                let sums: Vec<Tensor> = inputs.iter().map(|x| chain(x, 1)).collect();
                device.run(&sums).expect("runs");
                settle(&device);
            });
        });
        device.set_switches(Switches::default());
        drop(group);

        let mut group = c.benchmark_group(format!("waiting and reading on {kind}"));
        group.bench_function("submit nothing and wait", |b| b.iter(|| settle(&device)));
        let stored = chain(&x, 1);
        stored.run().expect("runs");
        group.bench_function("read 64 bytes", |b| b.iter(|| stored.to_vec::<f32>().expect("reads")));
        let large = device.full(sized(1 << 20, 1 << 10), 1.0);
        large.run().expect("runs");
        group.throughput(Throughput::Bytes(4 * large.shape().numel() as u64));
        group.bench_function("read 4 MiB", |b| b.iter(|| large.to_vec::<f32>().expect("reads")));
        let words = vec![1.0f32; sized(1 << 20, 1 << 10)];
        group.bench_function("give 4 MiB", |b| {
            b.iter(|| {
                chain(&device.tensor(&words, words.len()).slice(0, 0..1), 1).run().expect("runs");
                settle(&device);
            });
        });
    }
}

/// A recurrence of small vectors and its gradient by the one parameter: about `n` calls, most of them elementwise.
fn recurrence(w: &Tensor, x: &Tensor, n: usize) -> Vec<Tensor> {
    let mut h = x.clone();
    for _ in 0..n.div_ceil(10) {
        h = (&h * w + x).tanh();
    }
    let loss = h.sum(&[]);
    let gradient = loss.backward().wrt(w).expect("a gradient");
    vec![loss, gradient]
}

/// Nanoseconds of the fastest of several calls.
fn least(mut f: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let mut least = f64::INFINITY;
    while begun.elapsed() < sized(Duration::from_millis(300), Duration::ZERO) || least.is_infinite() {
        let start = Instant::now();
        f();
        least = least.min(start.elapsed().as_nanos() as f64);
    }
    least
}

/// What each node of a graph costs, in graphs of several sizes: recording it, collecting it with its key, planning it, and a run on the CPU from
/// recording to values, with a plan that is known and with a new one.
fn per_node(_: &mut Criterion) {
    println!("\n{:<26} {:>6} | nanoseconds per node", "graph", "nodes");
    println!("{:<33} | {:>7} {:>7} {:>7} {:>10} {:>9} {:>10}", "", "record", "key", "plan", "known run", "new run", "new/known");
    let device = Device::cpu();
    let (x, w) = (device.tensor(&[0.5f32; 16], 16), device.parameter(&[0.3], 1));
    device.run([&x, &w]).expect("runs");
    type OfSize<'a> = &'a dyn Fn(usize) -> Vec<Tensor>;
    let graphs: [(&str, OfSize<'_>); 2] =
        [("chain of additions", &|n| vec![chain(&x, n)]), ("recurrence with gradient", &|n| recurrence(&w, &x, n))];
    for (name, graph) in graphs {
        for &n in sized(&[10, 100, 1000, 10_000][..], &[10]) {
            let tensors = graph(n);
            let roots: Vec<_> = tensors.iter().map(|t| t.node().clone()).collect();
            let collected = Graph::collect(&roots).expect("valid");
            let nodes = collected.calls.len() as f64;
            let record = least(|| drop(black_box(graph(n))));
            let key = least(|| drop(black_box(Graph::collect(&roots).expect("valid"))));
            let plan = least(|| drop(black_box(Plan::build(&collected, Switches::default(), true))));
            let run = |cache: bool| {
                device.set_switches(Switches { cache, ..Switches::default() });
                device.run(&graph(n)).expect("runs");
                least(|| device.run(&graph(n)).expect("runs"))
            };
            let (known, new) = (run(true), run(false));
            let [record, key, plan, each, every] = [record, key, plan, known, new].map(|ns| ns / nodes);
            println!(
                "{name:<26} {nodes:>6} | {record:>7.0} {key:>7.0} {plan:>7.0} {each:>10.0} {every:>9.0} {:>10.1}",
                new / known
            );
        }
    }
}

criterion_group! { name = benches; config = criterion(); targets = host, per_node, runs }
criterion_main!(benches);
