//! What is known of the chips that Mesa's driver for AMD compiles for, and an estimate of what limits a loop there.

use crate::assembly::Counts;
use serde::Serialize;

/// A chip: figures of a card with it, as its maker publishes them.
#[derive(Debug)]
pub struct Chip {
    /// What the driver calls it.
    pub name: &'static str,
    /// A card, and its generation.
    pub card: &'static str,
    /// Compute units.
    pub units: f64,
    /// SIMDs in a unit, each with so many lanes.
    pub simds: f64,
    pub lanes: f64,
    /// Highest clock in GHz.
    pub clock: f64,
    /// GB/s of its memory.
    pub bandwidth: f64,
    /// Whether a SIMD does two arithmetic instructions of floats in a cycle where they suit each other.
    pub dual: bool,
}

/// Bytes that a unit's workgroup memory, and its cache, give in a cycle.
const LOCAL_BYTES: f64 = 128.0;
const CACHE_BYTES: f64 = 64.0;

/// The chips asked unless others are named: one of each generation of the last years.
pub const CHIPS: [Chip; 3] = [
    Chip {
        name: "gfx1100",
        card: "Radeon RX 7900 XTX, RDNA 3",
        units: 96.0,
        simds: 2.0,
        lanes: 32.0,
        clock: 2.5,
        bandwidth: 960.0,
        dual: true,
    },
    Chip {
        name: "navi21",
        card: "Radeon RX 6900 XT, RDNA 2",
        units: 80.0,
        simds: 2.0,
        lanes: 32.0,
        clock: 2.25,
        bandwidth: 512.0,
        dual: false,
    },
    Chip {
        name: "vega10",
        card: "Radeon RX Vega 64, GCN 5",
        units: 64.0,
        simds: 4.0,
        lanes: 16.0,
        clock: 1.546,
        bandwidth: 484.0,
        dual: false,
    },
];

/// What a loop is limited by, and how near it comes to the chip's peak there.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Estimate {
    /// `arithmetic`, `workgroup memory`, `cache` or `memory`.
    pub limit: &'static str,
    /// Multiply-adds (or other arithmetic) per second as a share of the most that the chip does.
    pub arithmetic: f64,
    /// Bytes moved per second as a share of its memory's bandwidth; not for kernels whose loops read from a cache.
    pub memory: Option<f64>,
}

impl Chip {
    /// A chip of this name.
    pub fn named(name: &str) -> Option<&'static Chip> {
        CHIPS.iter().find(|chip| chip.name == name)
    }

    /// 10⁹ multiply-adds per second at most.
    pub fn multiply_adds(&self) -> f64 {
        self.units * self.simds * self.lanes * self.clock * if self.dual { 2.0 } else { 1.0 }
    }

    /// What limits a loop, if many subgroups hide each other's waits. `reuses`: other workgroups read the same numbers, so that they come from a
    /// cache.
    pub fn estimate(&self, hot: &Counts, subgroup: f64, reuses: bool) -> Estimate {
        // Cycles of a SIMD for one subgroup.
        let vector = subgroup / self.lanes;
        let float = if self.dual { vector / 2.0 } else { vector };
        let arithmetic =
            float * f64::from(hot.fma + hot.float) + vector * f64::from(hot.vector) + 4.0 * vector * f64::from(hot.special);
        let local = f64::from(hot.local_loads.bytes() + hot.local_stores.bytes()) * subgroup * self.simds / LOCAL_BYTES;
        let moved = f64::from(hot.loads.bytes() + hot.stores.bytes()) * subgroup;
        let simd_bandwidth = self.bandwidth / self.clock / (self.units * self.simds);
        let memory = if reuses { moved * self.simds / CACHE_BYTES } else { moved / simd_bandwidth };
        let far = if reuses { "cache" } else { "memory" };
        let limits = [(arithmetic, "arithmetic"), (local, "workgroup memory"), (memory, far)];
        let (cycles, limit) = limits.into_iter().fold((1e-9, "arithmetic"), |most, one| if one.0 > most.0 { one } else { most });
        let operations = f64::from(hot.operations()) * subgroup;
        Estimate {
            limit,
            arithmetic: operations / (cycles * self.lanes * if self.dual { 2.0 } else { 1.0 }),
            memory: (!reuses).then_some(moved / simd_bandwidth / cycles),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::assembly::Widths;

    #[test]
    fn limits() {
        let navi = Chip::named("navi21").unwrap();
        // 23 TFLOPS are 11.5 · 10¹² multiply-adds.
        assert!((navi.multiply_adds() / 11_520.0 - 1.0).abs() < 1e-3);
        // Nothing but multiply-adds: the peak.
        let all = Counts { instructions: 64, multiply_adds: 64, fma: 64, ..Counts::default() };
        let estimate = navi.estimate(&all, 64.0, true);
        assert_eq!(estimate.limit, "arithmetic");
        assert!((estimate.arithmetic - 1.0).abs() < 1e-6);
        // 4 × 4 products of 32 bytes of workgroup memory: as long for both; with one more load the memory decides.
        let even = Counts { multiply_adds: 16, fma: 16, local_loads: Widths([0, 0, 0, 0, 2]), ..Counts::default() };
        assert!((navi.estimate(&even, 64.0, true).arithmetic - 1.0).abs() < 1e-6);
        let more = Counts { local_loads: Widths([0, 0, 0, 0, 3]), ..even };
        let estimate = navi.estimate(&more, 64.0, true);
        assert_eq!((estimate.limit, (100.0 * estimate.arithmetic).round()), ("workgroup memory", 67.0));
        // A copy: all of the memory's bandwidth.
        let copy = Counts { loads: Widths([0, 1, 0, 0, 0]), stores: Widths([0, 1, 0, 0, 0]), vector: 4, ..Counts::default() };
        let estimate = navi.estimate(&copy, 64.0, false);
        assert_eq!((estimate.limit, estimate.memory), ("memory", Some(1.0)));
    }
}
