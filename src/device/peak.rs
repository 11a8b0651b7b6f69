//! What a device can do at most: a copy and a loop of multiply-adds, timed. The two lines of the roofline that profiles are held against.

use super::run::reported;
use super::state::{Device, DeviceState};
use crate::error::{At, Result};
use crate::plan::{Buffer, Dispatch, Kernel, Params, Place, Plan, Recorded, Variant};
use crate::platform::{Instant, waited};
use crate::profile::Peak;
use crate::threads::lock;
use rayon::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// Words copied: beyond any cache of a processor, and of a GPU.
const COPIED: [usize; 2] = [16 << 20, 64 << 20];
/// Copies per run, so that starting and waiting do not count.
const COPIES: usize = 8;
/// Words of the multiply-adds: enough invocations, of four floats each, to fill a large GPU.
const WORDS: usize = 1 << 20;
/// Steps of a chain of multiply-adds per iteration.
const STEPS: usize = 8;
/// Chains side by side in `checks/peak.wgsl`.
const CHAINS: usize = 3;
/// Chains side by side in the native loop: two units whose results come four cycles later.
const NATIVE_CHAINS: usize = 8;
/// A run of this length is long enough to be timed; a slower one is not made longer.
const LONG_ENOUGH_TO_TIME: Duration = Duration::from_millis(20);
/// Runs of which the fastest counts.
const RUNS: usize = 5;

impl Device {
    /// Measures what this device can do at most: copying memory, and multiply-adds out of registers. Takes a second at most and is done once;
    /// later calls, and [`Device::profile`], give the same answer.
    ///
    /// # Errors
    /// What the device reports.
    pub fn measure_peak(&self) -> Result<Peak> {
        waited(self.name(), self.measure_peak_async())
    }

    /// [`Device::measure_peak`] without blocking; natively it takes its times in the first poll. In a browser, whose clock is coarse, the figures are rough.
    ///
    /// # Errors
    /// As [`Device::measure_peak`].
    pub async fn measure_peak_async(&self) -> Result<Peak> {
        self.state.peak().await
    }
}

impl DeviceState {
    pub(super) async fn peak(&self) -> Result<Peak> {
        if let Some(peak) = *lock(&self.profiler.peak) {
            return Ok(peak);
        }
        let hardware = self.gpu().is_some_and(|gpu| !gpu.is_software());
        let limit = usize::try_from(self.executor.largest_value() / 4).unwrap_or(usize::MAX);
        let copied = COPIED[usize::from(hardware)].min(limit / 64 * 64);
        let mut copy = self.fastest(&plan(copied, 0, COPIES)).await?;
        if let Some(gpu) = self.gpu() {
            // A copy without a kernel is faster where a processor plays the GPU.
            let from = gpu.upload(&vec![0; copied])?;
            let copies = async || {
                (0..COPIES).try_for_each(|_| gpu.copy(&from).map(|_| ()))?;
                self.executor.finish().await
            };
            copy = copy.min(fastest(copies).await?);
        }
        let mut iterations = 4;
        let mut time = self.fastest(&plan(WORDS, iterations, 1)).await?;
        while time < LONG_ENOUGH_TO_TIME && iterations < 1 << 16 {
            // Growing by what is missing, but not by leaps that a slow start would make seconds long.
            iterations *= (LONG_ENOUGH_TO_TIME.as_secs_f64() / time.as_secs_f64()).ceil().clamp(2.0, 16.0) as usize;
            time = self.fastest(&plan(WORDS, iterations, 1)).await?;
        }
        let chains = if self.gpu().is_some() { CHAINS } else { NATIVE_CHAINS };
        let flops = 2 * WORDS * iterations * chains * STEPS;
        let peak = Peak {
            gflops: flops as f64 / time.as_nanos() as f64,
            gigabytes: (8 * copied * COPIES) as f64 / copy.as_nanos() as f64,
        };
        *lock(&self.profiler.peak) = Some(peak);
        Ok(peak)
    }

    /// The time of the fastest of several runs of a plan of one leaf.
    async fn fastest(&self, plan: &Arc<Plan>) -> Result<Duration> {
        let ones = vec![1.0f32.to_bits(); plan.leaves[0]];
        let leaves = [self.with_room(|| self.executor.upload(&ones))?];
        let prepared = self.with_room(|| self.executor.prepare(plan.clone()))?;
        // The profile's own timing would count what it costs itself.
        let _untimed = Untimed::new(self);
        let (prepared, leaves) = (&prepared, &leaves);
        let run = async || {
            let report = self.execute_on(prepared, leaves, &[], &[], Recorded::in_plan())?.report;
            reported(report).await?;
            self.executor.finish().await
        };
        fastest(run).await
    }
}

/// That runs are not timed for a profile, until this is dropped.
struct Untimed<'d>(&'d DeviceState);

impl Untimed<'_> {
    fn new(device: &DeviceState) -> Untimed<'_> {
        device.executor.set_timed(false);
        Untimed(device)
    }
}

impl Drop for Untimed<'_> {
    fn drop(&mut self) {
        self.0.executor.set_timed(self.0.profiler.is_on());
    }
}

/// The fastest of several calls, after one that compiles and touches memory. Slow ones are not repeated as often.
async fn fastest(run: impl AsyncFn() -> Result<()>) -> Result<Duration> {
    run().await?;
    let (begun, mut best) = (Instant::now(), Duration::MAX);
    for _ in 0..RUNS {
        let start = Instant::now();
        run().await?;
        best = best.min(start.elapsed());
        if begun.elapsed() > 10 * LONG_ENOUGH_TO_TIME {
            break;
        }
    }
    Ok(best)
}

/// `repeats` kernels that read one leaf and write one slot of `words` words.
fn plan(words: usize, iterations: usize, repeats: usize) -> Arc<Plan> {
    let count = words / 4;
    let native = Arc::new(move |io: &mut crate::plan::Io<'_>| native(io.read(0), io.write(0), iterations));
    let variants = vec![Variant::new("checks/peak", Variant::groups(count.div_ceil(64))).max_loop_iterations(9 * iterations)];
    let kernel = Kernel { name: "peak", params: Params::new().set("count", count).set("rounds", iterations), variants, native };
    let dispatch = || Dispatch {
        kernel: kernel.clone(),
        reads: vec![Place { buffer: Buffer::Leaf(0), part: None, words }],
        writes: vec![Place { buffer: Buffer::Slot(0), part: None, words }],
        scalars: 0..0,
        flops: 0,
        label: "peak".to_owned(),
        call: None,
        at: At::caller(),
    };
    Arc::new(Plan {
        leaves: vec![words],
        slots: vec![words],
        outputs: vec![],
        kept: vec![],
        mutated: vec![],
        scalars: vec![],
        arenas: vec![],
        dispatches: (0..repeats).map(|_| dispatch()).collect(),
        unplanned_words: words,
        live_words: words,
        graph: vec![],
        cacheable: true,
    })
}

/// The kernel of `checks/peak.wgsl` on all cores.
fn native(read: &[f32], write: &mut [f32], iterations: usize) {
    let share = write.len().div_ceil(4 * rayon::current_num_threads()).next_multiple_of(64);
    read.par_chunks(share).zip(write.par_chunks_mut(share)).for_each(|(read, write)| match iterations {
        0 => write.copy_from_slice(read),
        _ => pulp::Arch::new().dispatch(Spin { read, write, iterations }),
    });
}

/// Multiply-adds on vectors as wide as the processor has.
struct Spin<'a> {
    read: &'a [f32],
    write: &'a mut [f32],
    iterations: usize,
}

impl pulp::WithSimd for Spin<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let (read, _) = S::as_simd_f32s(self.read);
        let (write, _) = S::as_mut_simd_f32s(self.write);
        let [half, one] = [0.5, 1.0].map(|x| simd.splat_f32s(x));
        for (start, out) in read.iter().zip(write) {
            let (up, down) = (simd.add_f32s(*start, one), simd.sub_f32s(one, *start));
            let mut x = [*start, up, down, *start, up, down, *start, up];
            for _ in 0..self.iterations * STEPS {
                for x in &mut x {
                    *x = simd.mul_add_f32s(*x, half, one);
                }
            }
            *out = x.into_iter().reduce(|a, b| simd.add_f32s(a, b)).unwrap_or(*start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_does_all_its_iterations() {
        // x ← x/2 + 1 from x = 1: 2 − 2⁻ⁿ after n steps; the chains start at 1, 2 and 0, and 0 ends at 2 − 2·2⁻ⁿ.
        let (read, mut write) = ([1.0f32; 128], [0.0f32; 128]);
        native(&read, &mut write, 2);
        let n = (2 * STEPS) as i32;
        let expected = 3.0 * (2.0 - 0.5f32.powi(n)) + 3.0 * 2.0 + 2.0 * (2.0 - 2.0 * 0.5f32.powi(n));
        assert!(write.iter().all(|&x| x == expected), "{write:?}, expected {expected}");
        native(&read, &mut write, 0);
        assert_eq!(read, write);
    }
}
