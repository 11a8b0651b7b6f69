//! What the kernels of a device cost: a table with a row per kernel and source line, and a trace for Perfetto. Plain data; the device fills it.

mod trace;

use crate::error::Result;
use crate::escape::escaped;
use crate::files::write_whole;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Latest times kept per row, from which its median is taken.
const TIMES: usize = 4096;
/// Calls kept for the trace; later ones are counted only.
const EVENTS: usize = 1 << 18;

/// What was found so far on one device; see [`Device::profile`](crate::Device::profile).
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// The device's name.
    pub device: String,
    /// Whether the device's own timestamps were taken. If not: the host's clock, around each call.
    pub timestamps: bool,
    /// What the device can do at most, if that was measured.
    pub peak: Option<Peak>,
    /// Runs of plans.
    pub runs: u64,
    rows: Vec<Row>,
    index: HashMap<(&'static str, &'static str, u32, &'static str, String), usize>,
    events: Vec<Event>,
    dropped: u64,
}

/// What a device can do at most, measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Single-precision multiply-adds out of registers, in 10⁹ operations per second; a multiply-add counts two.
    pub gflops: f64,
    /// Copying one large buffer to another, in 10⁹ bytes per second, read and written bytes both counted.
    pub gigabytes: f64,
}

/// All calls of one kernel from one source line for one shape.
#[derive(Clone, Debug)]
pub struct Row {
    /// The kernel.
    pub kernel: &'static str,
    /// Ops computed and the output's shape.
    pub label: String,
    /// The file of the last op's call.
    pub file: &'static str,
    /// Its line there.
    pub line: u32,
    /// The layer it was recorded in, by its path inside the model; empty where it was in none.
    pub layer: &'static str,
    /// How often it ran.
    pub calls: u64,
    /// Nanoseconds of all calls.
    pub total: u64,
    /// Floating-point operations of one call; 0 where nobody counted.
    pub flops: u64,
    /// Bytes of the buffers one call reads and writes.
    pub bytes: u64,
    times: VecDeque<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Event {
    row: u32,
    /// Nanoseconds since the profile was begun.
    start: u64,
    time: u64,
}

/// One call of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The kernel.
    pub kernel: &'static str,
    /// Ops computed and the output's shape.
    pub label: &'a str,
    /// The file of the last op's call.
    pub file: &'static str,
    /// Its line there.
    pub line: u32,
    /// The layer it was recorded in; empty where it was in none.
    pub layer: &'static str,
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes read and written.
    pub bytes: u64,
    /// Nanoseconds since the profile was begun.
    pub start: u64,
    /// Nanoseconds it took.
    pub time: u64,
}

impl Row {
    /// The median of the latest calls, in nanoseconds.
    pub fn median(&self) -> u64 {
        let mut times: Vec<u64> = self.times.iter().copied().collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or(0)
    }

    /// 10⁹ floating-point operations per second at the median.
    pub fn gflops(&self) -> f64 {
        self.flops as f64 / self.median().max(1) as f64
    }

    /// 10⁹ bytes per second at the median.
    pub fn gigabytes(&self) -> f64 {
        self.bytes as f64 / self.median().max(1) as f64
    }

    /// The share of what the device can do for a kernel with this many operations per byte (the roofline).
    pub fn share_of(&self, peak: &Peak) -> f64 {
        (self.gflops() / peak.gflops).max(self.gigabytes() / peak.gigabytes)
    }
}

impl Profile {
    /// A profile without calls.
    pub fn new(device: String, timestamps: bool) -> Profile {
        Profile { device, timestamps, ..Profile::default() }
    }

    /// Books a call.
    pub fn add(&mut self, call: &Call<'_>) {
        let key = (call.kernel, call.file, call.line, call.layer, call.label.to_owned());
        let next = self.rows.len();
        let row = *self.index.entry(key).or_insert(next);
        if row == next {
            let &Call { kernel, label, file, line, layer, flops, bytes, .. } = call;
            let label = label.to_owned();
            let times = VecDeque::new();
            self.rows.push(Row { kernel, label, file, line, layer, calls: 0, total: 0, flops, bytes, times });
        }
        let found = &mut self.rows[row];
        found.calls += 1;
        found.total = found.total.saturating_add(call.time);
        if found.times.len() == TIMES {
            found.times.pop_front();
        }
        found.times.push_back(call.time);
        if self.events.len() < EVENTS {
            self.events.push(Event { row: row as u32, start: call.start, time: call.time });
        } else {
            self.dropped += 1;
        }
    }

    /// The rows, the one that took longest first.
    pub fn rows(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.total));
        rows
    }

    /// Calls and nanoseconds of each layer, by its path inside the model, the one that took longest first. What was recorded in no layer stands under the
    /// empty path: losses, updates. What gradients take is their layer's.
    pub fn layers(&self) -> Vec<(&'static str, u64, u64)> {
        let mut layers: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
        for row in &self.rows {
            let (calls, total) = layers.entry(row.layer).or_default();
            *calls += row.calls;
            *total = total.saturating_add(row.total);
        }
        let mut layers: Vec<_> = layers.into_iter().map(|(layer, (calls, total))| (layer, calls, total)).collect();
        layers.sort_by_key(|&(.., total)| std::cmp::Reverse(total));
        layers
    }

    /// Time of all calls.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.rows.iter().fold(0, |sum, row| sum.saturating_add(row.total)))
    }

    /// Calls of all kernels.
    pub fn calls(&self) -> u64 {
        self.rows.iter().map(|row| row.calls).sum()
    }

    /// The calls in Chrome's trace format, which <https://ui.perfetto.dev> shows: one track, one slice per call.
    pub fn trace(&self) -> String {
        trace::text(self)
    }

    /// Writes [`Profile::trace`] to a file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) if it cannot be written.
    pub fn write_trace(&self, path: impl AsRef<Path>) -> Result<()> {
        write_whole(path.as_ref(), self.trace().as_bytes())
    }
}

/// The table: a row per kernel, source line and layer, the one that took longest first; then a row per layer, if there are any.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.rows.iter().map(|row| row.total).sum::<u64>().max(1) as f64;
        let clock = if self.timestamps { "the device's timestamps" } else { "the host's clock" };
        writeln!(
            f,
            "{}: {} runs, {} kernel calls, {:.3} ms in kernels, by {clock}",
            self.device,
            self.runs,
            self.calls(),
            total * 1e-6
        )?;
        match &self.peak {
            Some(p) => writeln!(f, "at most {:.1} GFLOP/s and {:.1} GB/s, measured", p.gflops, p.gigabytes)?,
            None => writeln!(f, "(peak not measured)")?,
        }
        writeln!(
            f,
            "{:<22} {:>7} {:>10} {:>6} {:>10} {:>9} {:>8} {:>7}  what, where",
            "kernel", "calls", "total ms", "share", "median µs", "GFLOP/s", "GB/s", "of peak"
        )?;
        let figure = |on: bool, text: String| if on { text } else { "-".to_owned() };
        for row in self.rows() {
            let file = row.file.rsplit(['/', '\\']).next().unwrap_or_default();
            writeln!(
                f,
                "{:<22} {:>7} {:>10.3} {:>5.1}% {:>10.1} {:>9} {:>8.2} {:>7}  {} ({file}:{}{}{})",
                row.kernel,
                row.calls,
                row.total as f64 * 1e-6,
                100.0 * row.total as f64 / total,
                row.median() as f64 * 1e-3,
                figure(row.flops > 0, format!("{:.2}", row.gflops())),
                row.gigabytes(),
                self.peak.map_or("-".to_owned(), |p| format!("{:.0}%", 100.0 * row.share_of(&p))),
                row.label,
                row.line,
                if row.layer.is_empty() { "" } else { ", layer " },
                escaped(row.layer)
            )?;
        }
        if self.rows.iter().all(|row| row.layer.is_empty()) {
            return Ok(());
        }
        writeln!(f, "{:>7} {:>10} {:>6}  layer", "calls", "total ms", "share")?;
        for (layer, calls, time) in self.layers() {
            let name = if layer.is_empty() { "(none)".into() } else { escaped(layer) };
            writeln!(f, "{calls:>7} {:>10.3} {:>5.1}%  {name}", time as f64 * 1e-6, 100.0 * time as f64 / total)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(kernel: &'static str, start: u64, time: u64) -> Call<'static> {
        Call { kernel, label: "a \"label\"", file: "dir/file.rs", line: 7, layer: "", flops: 4000, bytes: 800, start, time }
    }

    #[test]
    fn calls_add_up_and_medians_are_of_the_latest() {
        let mut profile = Profile::new("d".to_owned(), true);
        for (start, time) in [(0, 10), (10, 30), (40, 20)] {
            profile.add(&call("a", start, time));
        }
        profile.add(&call("b", 60, 1000));
        let rows = profile.rows();
        assert_eq!(
            rows.iter().map(|r| (r.kernel, r.calls, r.total, r.median())).collect::<Vec<_>>(),
            [("b", 1, 1000, 1000), ("a", 3, 60, 20)]
        );
        assert_eq!((profile.calls(), profile.total()), (4, Duration::from_nanos(1060)));
        assert_eq!((rows[1].gflops(), rows[1].gigabytes()), (200.0, 40.0));
        // 5 operations a byte: at 100 GB/s memory allows 500 GFLOP/s, so 200 are 40 %, which the bytes say too.
        assert_eq!(rows[1].share_of(&Peak { gflops: 1000.0, gigabytes: 100.0 }), 0.4);
        for _ in 0..TIMES {
            profile.add(&call("a", 0, 5));
        }
        assert_eq!(profile.rows()[0].median(), 5, "old times are gone");
    }

    #[test]
    fn a_trace_that_grows_too_long_says_how_much_is_missing() {
        let mut profile = Profile::new("d".to_owned(), true);
        (0..EVENTS as u64 + 3).for_each(|i| profile.add(&call("a", i, 1)));
        assert_eq!((profile.calls(), profile.dropped), (EVENTS as u64 + 3, 3));
        assert!(profile.trace().contains("3 later calls are left out"));
    }
}
