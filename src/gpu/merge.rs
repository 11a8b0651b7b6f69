//! Small dispatches that follow each other become one, done by a single workgroup: starting a dispatch takes longer than doing it.
//!
//! The dispatches themselves stay: guarded and timed runs use them one by one.

use super::bind::{Uniforms, bind};
use super::context::Gpu;
use super::dispatch_list::{BindingSource, Step, StepBinding};
use super::pipelines::Shader;
use super::quirks::software_adapters::MergeLimits;
use crate::error::Result;
use crate::plan::{Buffer, Dispatch, Place, Plan};
use crate::wgsl::merge::{Part, merge};
use crate::wgsl::opaque::COPIES;
use crate::wgsl::{Binding, BindingKind};
use std::collections::HashMap;
use std::sync::Arc;

/// Dispatches in one, at most: a driver compiles them as one piece.
const MAX_MERGED: usize = 16;

/// A dispatch that may be merged.
struct Candidate {
    text: Arc<str>,
    workgroup_size: [u32; 3],
    groups: [u32; 3],
    /// Storage variables in use: their names, their buffers and where they start in them.
    buffers: Vec<(String, Buffer, usize)>,
    /// Bytes of its `params` and of its `scalars` among those of others.
    uniforms: [u64; 2],
    /// The words of its `params`, laid out as this text has them.
    params: Vec<u32>,
    /// Loop iterations that each invocation of the merged kernel makes for it.
    iterations: usize,
}

/// Leaves of arenas: which arena, and where they start in it.
type ArenaMembers = HashMap<usize, (usize, usize)>;

/// The memory of a place: that of its arena if it is a leaf of one, because both may be bound in one dispatch.
fn home(members: &ArenaMembers, place: Place) -> (Buffer, usize) {
    match place.buffer {
        Buffer::Leaf(leaf) => match members.get(&leaf) {
            Some(&(arena, start)) => (Buffer::Arena(arena), start + place.start()),
            None => (place.buffer, place.start()),
        },
        other => (other, place.start()),
    }
}

impl Gpu {
    /// A plan's steps with the small ones merged that follow each other, ready to be compiled; `None` if no two can be.
    pub(super) fn merge(&self, plan: &Plan, steps: &[Step], uniforms: &mut Uniforms) -> Result<Option<Vec<Step>>> {
        let members: ArenaMembers = (plan.arenas.iter().enumerate())
            .flat_map(|(arena, of)| of.members.iter().map(move |&(leaf, start)| (leaf, (arena, start))))
            .collect();
        let limits = MergeLimits::of(self.core.software);
        let mut candidates = vec![];
        for step in steps {
            let dispatch = &plan.dispatches[step.dispatch];
            let whole = step.part.is_none() && limits.hold(dispatch);
            candidates.push(if whole { self.candidate(dispatch, step, &members)? } else { None });
        }
        let mut list: Vec<Step> = vec![];
        let mut at = 0;
        while at < steps.len() {
            let run: Vec<&Candidate> = candidates[at..].iter().take(MAX_MERGED).map_while(Option::as_ref).collect();
            let length = (1..=run.len()).take_while(|&n| self.fit(&run[..n])).last().unwrap_or(1);
            let merged =
                if length > 1 { self.merged_step(plan, &steps[at..at + length], &run[..length], uniforms)? } else { None };
            match merged {
                Some(step) => list.push(step),
                None => {
                    for step in &steps[at..at + length] {
                        let bindings = bind(&plan.dispatches[step.dispatch], step.part, &step.shader, uniforms)?;
                        list.push(Step { shader: Arc::clone(&step.shader), bindings, ..*step });
                    }
                }
            }
            at += length;
        }
        Ok(if list.len() < steps.len() { Some(list) } else { None })
    }

    /// Whether the device can do these in one dispatch.
    fn fit(&self, run: &[&Candidate]) -> bool {
        let bytes = [0, 1].map(|which| u64::from(COPIES) * run.iter().map(|candidate| candidate.uniforms[which]).sum::<u64>());
        let iterations = run.iter().map(|candidate| candidate.iterations).fold(0, usize::saturating_add);
        iterations <= self.core.max_loop_iterations()
            && shared(run).len() <= self.core.limits.storage_buffers as usize
            && bytes.into_iter().all(|bytes| bytes <= self.core.uniform_bytes)
    }

    /// What merging needs to know of a dispatch: the text of its chosen variant, or of the first that works without barriers.
    fn candidate(&self, dispatch: &Dispatch, step: &Step, members: &ArenaMembers) -> Result<Option<Candidate>> {
        let variants = &dispatch.kernel.variants;
        let order = std::iter::once(step.variant).chain((0..variants.len()).filter(|&i| i != step.variant));
        for index in order {
            let variant = &variants[index];
            // Only of the library's own files is it known that they can be joined.
            if variant.source.is_some() {
                continue;
            }
            let Some((_, shader)) = self.shaders.exactly(&self.core, &dispatch.kernel, index)? else { continue };
            let Some(text) = shader.alone() else { continue };
            let all = shader.workgroup_size.iter().chain(&variant.groups).map(|&n| n as usize).product::<usize>();
            let calls = all.div_ceil(MergeLimits::of(self.core.software).invocations as usize);
            let iterations = match (variant.loop_iterations, self.core.max_loop_iterations()) {
                (Some(iterations), _) => calls.saturating_mul(iterations + 1),
                (None, usize::MAX) => 0,
                // Nobody knows.
                (None, _) => continue,
            };
            let of = |kind: BindingKind, places: &[Place]| -> Vec<(String, Buffer, usize)> {
                let places = shader.bindings.iter().filter(|b| b.kind == kind).zip(places).filter(|(b, _)| b.used);
                let found = places.map(|(binding, &place)| (binding.name.clone(), home(members, place)));
                found.map(|(name, (buffer, start))| (name, buffer, start)).collect()
            };
            let mut buffers = of(BindingKind::Input, &dispatch.reads);
            buffers.extend(of(BindingKind::Output, &dispatch.writes));
            let uniforms = [BindingKind::Params, BindingKind::Scalars].map(|kind| {
                shader.bindings.iter().filter(|b| b.kind == kind).map(|b| u64::from(b.bytes).next_multiple_of(16)).sum()
            });
            return Ok(Some(Candidate {
                params: shader.params(&dispatch.kernel)?,
                text,
                workgroup_size: shader.workgroup_size,
                groups: variant.groups,
                buffers,
                uniforms,
                iterations,
            }));
        }
        Ok(None)
    }

    /// One step that does the work of several. `None` if their files cannot be merged.
    fn merged_step(&self, plan: &Plan, steps: &[Step], run: &[&Candidate], uniforms: &mut Uniforms) -> Result<Option<Step>> {
        let buffers = shared(run);
        let number = |buffer: Buffer| buffers.iter().position(|&b| b == buffer).unwrap_or_default();
        let parts: Vec<_> = (run.iter())
            .map(|candidate| Part {
                source: &candidate.text,
                workgroup_size: candidate.workgroup_size,
                groups: candidate.groups,
                buffers: candidate.buffers.iter().map(|(name, buffer, start)| (name.as_str(), number(*buffer), *start)).collect(),
            })
            .collect();
        let Some(text) = merge(&parts, buffers.len(), MergeLimits::of(self.core.software).invocations) else { return Ok(None) };
        let shader = self.shaders.text("merged", &text)?;
        let dispatches: Vec<&Dispatch> = steps.iter().map(|step| &plan.dispatches[step.dispatch]).collect();
        let bindings = shader.used().map(|binding| StepBinding {
            number: binding.number,
            source: source(binding, plan, &buffers, &dispatches, run, uniforms),
        });
        let bindings = bindings.collect();
        let labels = dispatches.iter().map(|dispatch| dispatch.label.as_str());
        tracing::debug!("merged into one dispatch: {}", labels.collect::<Vec<_>>().join("; "));
        Ok(Some(Step {
            dispatch: steps[0].dispatch,
            variant: 0,
            part: None,
            shader,
            groups: [1, 1, 1],
            dispatches: steps.len(),
            bindings,
        }))
    }
}

/// What a binding of a merged kernel is bound to.
fn source(
    binding: &Binding,
    plan: &Plan,
    buffers: &[Buffer],
    dispatches: &[&Dispatch],
    run: &[&Candidate],
    uniforms: &mut Uniforms,
) -> BindingSource {
    // Members of uniforms are named by the number of their kernel.
    let number = |name: &str| name.strip_prefix('k').and_then(|n| n.parse::<usize>().ok());
    match binding.kind {
        BindingKind::Input | BindingKind::Output => {
            let buffer = buffers[binding.number as usize];
            let words = match buffer {
                Buffer::Leaf(i) => plan.leaves[i],
                Buffer::Slot(i) => plan.slots[i],
                Buffer::Output(i) => plan.outputs[i],
                Buffer::Arena(i) => plan.arenas[i].words,
            };
            // Bound to its end and no further: guarded runs take every dispatch by itself.
            BindingSource::Write { place: Place { buffer, part: None, words }, least: 4, measured: true }
        }
        BindingKind::Params => {
            let mut words = vec![0; binding.bytes as usize / 4];
            for member in &binding.members {
                let own = number(&member.name).and_then(|n| run.get(n)).map_or(&[][..], |candidate| &candidate.params);
                words[member.offset as usize / 4..][..own.len()].copy_from_slice(own);
            }
            let (at, size) = uniforms.params.push(&words, binding.bound);
            BindingSource::Params { at, size }
        }
        BindingKind::Scalars => {
            let (at, size) = uniforms.scalars.push(&[], binding.bound);
            let pieces = binding.members.iter().filter_map(|member| {
                let dispatch = dispatches.get(number(&member.name)?)?;
                Some((at as usize / 4 + member.offset as usize / 4, dispatch.scalars.clone()))
            });
            BindingSource::Scalars { at, size, pieces: pieces.collect() }
        }
    }
}

/// The buffers of some dispatches, each once.
fn shared(run: &[&Candidate]) -> Vec<Buffer> {
    let mut buffers = vec![];
    for (_, buffer, _) in run.iter().flat_map(|candidate| &candidate.buffers) {
        if !buffers.contains(buffer) {
            buffers.push(*buffer);
        }
    }
    buffers
}

impl Shader {
    /// Its text, if it works without workgroup memory, barriers and subgroups and never asks how long a buffer is.
    fn alone(&self) -> Option<Arc<str>> {
        let plain = self.workgroup_bytes == 0
            && !self.subgroup
            && !self.text.contains("Barrier(")
            && !self.bindings.iter().any(|b| b.measured);
        plain.then(|| Arc::clone(&self.text))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::{axpy, chain, dispatch, fetch, fetch_floats, floats, gpu, kernel, leaf, open, output, plan, slot};
    use super::super::{Gpu, OpenOptions};
    use crate::executor::{Executor, PreparedPlan, Storage};
    use crate::plan::{Buffer, ParameterArena, Place, Plan, Recorded, Variant};
    use std::sync::Arc;

    fn merging() -> Option<Gpu> {
        let gpu = gpu()?;
        gpu.merge_after(Some(0));
        Some(gpu)
    }

    #[test]
    fn small_dispatches_are_one_with_the_same_bits() {
        let Some(gpu) = merging() else { return };
        for n in [1, 7, 64, 65, 1000] {
            let x = gpu.upload(&floats(&(0..n).map(|i| 1.0 / (i + 3) as f32).collect::<Vec<_>>())).unwrap();
            let y = gpu.upload(&floats(&(0..n).map(|i| i as f32).collect::<Vec<_>>())).unwrap();
            let mut found = vec![];
            for on in [true, false] {
                gpu.merge_after(on.then_some(0));
                let prepared = gpu.prepare(chain(n)).unwrap();
                assert_eq!(prepared.encoded(), if on { 1 } else { 2 });
                let before = gpu.counts().dispatches;
                for (a, b) in [(3.0f32, 5.0f32), (3.0, 5.0), (-1.0, 0.5)] {
                    let out = gpu.run(&prepared, &[x.clone(), y.clone()], &[], &floats(&[a, b])).unwrap();
                    found.push(fetch(&gpu, &out[0]));
                }
                assert_eq!(gpu.counts().dispatches - before, if on { 3 } else { 6 });
            }
            assert_eq!(found[..3], found[3..], "{n}");
            assert_ne!(found[1], found[2]);
        }
    }

    #[test]
    fn a_plan_is_merged_once_it_runs_often() {
        let Some(gpu) = gpu() else { return };
        gpu.merge_after(Some(3));
        let prepared = gpu.prepare(chain(8)).unwrap();
        let (x, y) = (gpu.upload(&floats(&[2.0; 8])).unwrap(), gpu.upload(&floats(&[1.0; 8])).unwrap());
        let run = |scalars: [f32; 2]| {
            let before = gpu.counts();
            let out = gpu.run(&prepared, &[x.clone(), y.clone()], &[], &floats(&scalars)).unwrap();
            assert_eq!(fetch_floats(&gpu, &out[0]), [scalars[1] * (2.0 * scalars[0] + 1.0) + 1.0; 8]);
            (gpu.counts().dispatches - before.dispatches, gpu.counts().pipelines - before.pipelines)
        };
        let made: Vec<_> = (0..5).map(|i| run([3.0, 5.0 + (i / 2) as f32])).collect();
        assert_eq!(made, [(2, 0), (2, 0), (2, 0), (1, 1), (1, 0)]);
        // What is guarded or timed goes back to single dispatches, whose scalars are older than the last run.
        gpu.set_timed(true);
        assert_eq!(run([1.0, 9.0]), (2, 0));
        gpu.set_timed(false);
        assert_eq!(run([2.0, 4.0]), (1, 0));
    }

    /// Many workgroups of one invocation, spread over x and y, and of 64, of which the last is not full.
    #[test]
    fn each_invocation_of_a_merged_kernel_is_done_once() {
        let Some(gpu) = merging() else { return };
        let iota = kernel("iota", vec![Variant::new("t_iota", [7, 11, 1])], &[70]);
        let add = axpy(150, [leaf(0, 150), leaf(1, 150)], output(1, 150), 0);
        let plan = plan(&[150, 150], &[], &[70, 150], vec![dispatch(iota, &[], &[output(0, 70)], 0..0), add]);
        let prepared = gpu.prepare(plan).unwrap();
        assert_eq!(prepared.encoded(), 1);
        let x: Vec<f32> = (0..150).map(|i| i as f32).collect();
        let leaves = [gpu.upload(&floats(&x)).unwrap(), gpu.upload(&floats(&[1.0; 150])).unwrap()];
        let out = gpu.run(&prepared, &leaves, &[], &floats(&[2.0])).unwrap();
        assert_eq!(fetch(&gpu, &out[0]), (0..70).collect::<Vec<u32>>());
        assert_eq!(fetch_floats(&gpu, &out[1]), x.iter().map(|x| 2.0 * x + 1.0).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_large_or_needs_its_workgroup_is_not_merged() {
        let Some(gpu) = merging() else { return };
        assert_eq!(gpu.prepare(chain(100_000)).unwrap().encoded(), 2, "large");
        // Large in the middle: the two before it are one, and so are the two after it.
        let n = 100_000;
        let small = |reads: [usize; 2], to: Place, s| axpy(8, [leaf(reads[0], 8), leaf(reads[1], 8)], to, s);
        let dispatches = vec![
            small([0, 1], slot(0, 8), 0),
            small([1, 0], slot(1, 8), 1),
            axpy(n, [leaf(2, n), leaf(2, n)], output(1, n), 2),
            axpy(8, [slot(0, 8), slot(1, 8)], slot(2, 8), 3),
            axpy(8, [slot(2, 8), leaf(0, 8)], output(0, 8), 4),
        ];
        let prepared = gpu.prepare(plan(&[8, 8, n], &[8, 8, 8], &[8, n], dispatches)).unwrap();
        assert_eq!(prepared.encoded(), 3);
        let leaves = [vec![1.0f32; 8], vec![10.0; 8], vec![2.0; n]].map(|v| gpu.upload(&floats(&v)).unwrap());
        let out = gpu.run(&prepared, &leaves, &[], &floats(&[2.0, 3.0, 4.0, 5.0, 6.0])).unwrap();
        // 12 and 31; 5 · 12 + 31 = 91; 6 · 91 + 1.
        assert_eq!(fetch_floats(&gpu, &out[0]), [547.0; 8]);
        assert!(fetch_floats(&gpu, &out[1]).iter().all(|&v| v == 10.0));
        // Workgroup memory, and a buffer whose length is asked for.
        for stem in ["t_who", "t_increment"] {
            let odd = || dispatch(kernel(stem, vec![Variant::new(stem, [1, 1, 1])], &[]), &[], &[output(0, 8)], 0..0);
            assert_eq!(gpu.prepare(plan(&[], &[], &[8], vec![odd(), odd()])).unwrap().encoded(), 2, "{stem}");
        }
        // The kernel that needs its workgroup has a form that does not.
        let variants = vec![Variant::new("t_who", [1, 1, 1]), Variant::new("t_iterate", [1, 1, 1])];
        let either = || dispatch(kernel("either", variants.clone(), &[]), &[], &[output(0, 8)], 0..0);
        assert_eq!(gpu.prepare(plan(&[], &[], &[8], vec![either(), either()])).unwrap().encoded(), 1);
    }

    /// Mesa's software adapter leaves loops once it has counted 65,535 iterations in a kernel: `t_count` counts its own.
    #[test]
    fn loops_are_not_too_long_together_nor_by_themselves() {
        let Some(gpu) = merging() else { return };
        let count = |iterations: u32, to: Place| {
            let variants = vec![Variant::new("t_count", [1, 1, 1]).max_loop_iterations(iterations as usize)];
            dispatch(kernel("count", variants, &[iterations]), &[], &[to], 0..0)
        };
        let iterations = [30_000, 30_000, 30_000, 4_000];
        let dispatches = iterations.iter().enumerate().map(|(i, &n)| count(n, output(i, 1))).collect();
        let prepared = gpu.prepare(plan(&[], &[], &[1; 4], dispatches)).unwrap();
        assert_eq!(prepared.encoded(), if gpu.core.max_loop_iterations() == usize::MAX { 1 } else { 2 });
        let out = gpu.run(&prepared, &[], &[], &[]).unwrap();
        assert_eq!(out.iter().map(|o| fetch(&gpu, o)[0]).collect::<Vec<u32>>(), iterations);
        // Right where the device does it at all.
        let long = gpu.prepare(plan(&[], &[], &[1], vec![count(200_000, output(0, 1))]));
        match long {
            Ok(long) => assert_eq!(fetch(&gpu, &gpu.run(&long, &[], &[], &[]).unwrap()[0]), [200_000]),
            Err(error) => {
                assert!(
                    gpu.core.max_loop_iterations() < 200_000 && error.to_string().contains("within the device's limits"),
                    "{error}"
                )
            }
        }
    }

    #[test]
    fn no_more_buffers_than_the_device_binds() {
        let Some(gpu) = open(OpenOptions { minimal_limits: true }) else { return };
        gpu.merge_after(Some(0));
        // Each adds a buffer: ones in slot 0, then slot i + 1 = slot i + leaf.
        let n = 16;
        let mut dispatches = vec![axpy(4, [leaf(0, 4), leaf(0, 4)], slot(0, 4), 0)];
        dispatches.extend((1..n).map(|i| axpy(4, [leaf(0, 4), slot(i - 1, 4)], slot(i, 4), 0)));
        dispatches.push(axpy(4, [leaf(0, 4), slot(n - 1, 4)], output(0, 4), 0));
        let prepared = gpu.prepare(plan(&[4], &[4; 16], &[4], dispatches)).unwrap();
        assert_eq!(gpu.limits().storage_buffers, 8);
        assert_eq!(prepared.encoded(), 3, "leaf and slots 0-6; leaf and slots 6-12; the rest");
        let ones = gpu.upload(&floats(&[1.0; 4])).unwrap();
        let out = gpu.run(&prepared, &[ones], &[], &floats(&[1.0])).unwrap();
        assert_eq!(fetch_floats(&gpu, &out[0]), [n as f32 + 2.0; 4]);
    }

    /// A leaf that is a part of an arena is read, then the arena is overwritten.
    #[test]
    fn parts_of_an_arena_and_the_arena_are_one_buffer() {
        let Some(gpu) = merging() else { return };
        let whole = Place { buffer: Buffer::Arena(0), part: None, words: 128 };
        let dispatches = vec![
            axpy(10, [leaf(0, 10), leaf(1, 10)], output(0, 10), 0),
            dispatch(kernel("ones", vec![Variant::new("t_ones", [2, 1, 1])], &[70]), &[], &[whole], 0..0),
            axpy(10, [leaf(0, 10), leaf(1, 10)], output(1, 10), 0),
        ];
        let mut made = Arc::into_inner(plan(&[10, 10], &[], &[10, 10], dispatches)).unwrap();
        made.arenas = vec![ParameterArena { words: 128, members: vec![(0, 0), (1, 64)] }];
        let made: Arc<Plan> = Arc::new(made);
        let prepared = gpu.prepare(made.clone()).unwrap();
        assert_eq!(prepared.encoded(), 1);
        let gpu: &dyn Executor = &gpu;
        let mut leaves = [gpu.upload(&floats(&[2.0; 10])).unwrap(), gpu.upload(&floats(&[30.0; 10])).unwrap()];
        let arena = gpu.place_arena(&made.arenas[0], &mut leaves).unwrap();
        assert!(arena.moved);
        let again = gpu.place_arena(&made.arenas[0], &mut leaves).unwrap();
        assert!(!again.moved && Arc::ptr_eq(&again.buffer, &arena.buffer));
        let prepared: PreparedPlan = Box::new(prepared);
        let out = gpu.execute(&prepared, &leaves, &[arena.buffer], &floats(&[10.0]), Recorded::in_plan()).unwrap().outputs;
        let read = |value: &Arc<dyn Storage>| -> Vec<f32> {
            pollster::block_on(gpu.read(value.clone())).unwrap().into_iter().map(f32::from_bits).collect()
        };
        assert_eq!(read(&out[0]), [50.0; 10]);
        // The first 70 words of the arena are ones now: all of leaf 0, six of leaf 1.
        let after = [[11.0; 6].as_slice(), &[40.0; 4]].concat();
        assert_eq!(read(&out[1]), after);
        assert_eq!(read(&leaves[1])[..6], [1.0; 6]);
    }

    /// The same memory under two names in one dispatch is for single dispatches.
    #[test]
    fn memory_under_two_names_is_not_merged() {
        let Some(gpu) = merging() else { return };
        let prepared = gpu.prepare(chain(8)).unwrap();
        let x = gpu.upload(&floats(&[2.0; 8])).unwrap();
        let before = gpu.counts().dispatches;
        let out = gpu.run(&prepared, &[x.clone(), x.clone()], &[], &floats(&[3.0, 5.0])).unwrap();
        assert_eq!(gpu.counts().dispatches - before, 2);
        assert_eq!(fetch_floats(&gpu, &out[0]), [42.0; 8]);
        // Guarded and timed runs take every dispatch by itself, too.
        gpu.set_timed(true);
        let y = gpu.upload(&floats(&[1.0; 8])).unwrap();
        let started = gpu.start(&prepared, &[&x, &y], &[], &floats(&[3.0, 5.0]), Recorded::in_plan()).unwrap();
        assert_eq!(pollster::block_on(started.report.unwrap()).unwrap().len(), 2);
    }
}
