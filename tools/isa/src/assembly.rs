//! AMD's machine code as text: instructions by class, and the loop where a kernel spends its time.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Instructions of a stretch of code by class. All are counted once, however often they run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// All of them.
    pub instructions: u32,
    /// Multiply-adds that one invocation does: two for an instruction that does two.
    pub multiply_adds: u32,
    /// Instructions that do multiply-adds.
    pub fma: u32,
    /// Other arithmetic in floats.
    pub float: u32,
    /// Exponentials, logarithms, roots, reciprocals: a quarter of the rate.
    pub special: u32,
    /// Other vector instructions: integers, comparisons, moves.
    pub vector: u32,
    /// Scalar instructions.
    pub scalar: u32,
    /// Scalar loads: constants and uniforms.
    pub scalar_loads: u32,
    /// Loads from workgroup memory (LDS), by bytes.
    pub local_loads: Widths,
    /// Stores to it.
    pub local_stores: Widths,
    /// Loads from buffers, by bytes.
    pub loads: Widths,
    /// Stores to buffers.
    pub stores: Widths,
    /// Waits for memory.
    pub waits: u32,
    /// Jumps.
    pub branches: u32,
    /// Barriers.
    pub barriers: u32,
}

/// Accesses of memory by how many bytes one invocation moves: 2 or fewer, 4, 8, 12, 16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Widths(pub [u32; 5]);

const BYTES: [u32; 5] = [2, 4, 8, 12, 16];

impl Widths {
    fn add(&mut self, bytes: u32) {
        let place = BYTES.iter().position(|&most| bytes <= most).unwrap_or(4);
        self.0[place] += 1;
    }

    /// Bytes that one invocation moves.
    pub fn bytes(&self) -> u32 {
        self.0.iter().zip(BYTES).map(|(count, bytes)| count * bytes).sum()
    }
}

impl std::fmt::Display for Widths {
    /// `3×4 + 8×16`: so many of so many bytes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> =
            self.0.iter().zip(BYTES).filter(|(count, _)| **count > 0).map(|(count, bytes)| format!("{count}×{bytes}")).collect();
        f.pad(&if parts.is_empty() { "0".to_owned() } else { parts.join("+") })
    }
}

impl Counts {
    /// What the work of a kernel is counted in: multiply-adds, where it does any, else other arithmetic in floats.
    pub fn operations(&self) -> u32 {
        if self.multiply_adds > 0 { self.multiply_adds } else { self.float + self.special }
    }

    /// Instructions for each of these; `None` without any.
    pub fn per_operation(&self) -> Option<f64> {
        (self.operations() > 0).then(|| f64::from(self.instructions) / f64::from(self.operations()))
    }

    fn enter(&mut self, line: &str, lanes: u32) {
        self.instructions += 1;
        // `v_dual_fmac_f32 a, b, c :: v_dual_mul_f32 d, e, f`
        let mnemonics = line.split(" :: ").filter_map(|half| half.split_whitespace().next());
        let mut fused = false;
        let mut first = true;
        for name in mnemonics {
            let multiply_adds = multiply_adds(name, lanes);
            self.multiply_adds += multiply_adds;
            fused |= multiply_adds > 0;
            if std::mem::take(&mut first) {
                self.class(name);
            }
        }
        if fused {
            self.fma += 1;
        }
    }

    fn class(&mut self, name: &str) {
        let starts = |any: &[&str]| any.iter().any(|start| name.starts_with(start));
        if starts(&["s_waitcnt", "s_wait_", "s_delay", "s_nop", "s_sleep"]) {
            self.waits += 1;
        } else if starts(&["s_cbranch", "s_branch", "s_setpc", "s_endpgm"]) {
            self.branches += 1;
        } else if starts(&["s_barrier"]) {
            self.barriers += 1;
        } else if starts(&["s_load", "s_buffer_load"]) {
            self.scalar_loads += 1;
        } else if name.starts_with("s_") {
            self.scalar += 1;
        } else if starts(&["ds_load", "ds_read"]) {
            self.local_loads.add(width(name));
        } else if starts(&["ds_store", "ds_write"]) {
            self.local_stores.add(width(name));
        } else if starts(&["buffer_", "global_", "flat_", "scratch_"]) {
            if name.contains("_store") {
                self.stores.add(width(name));
            } else {
                self.loads.add(width(name));
            }
        } else if starts(&["v_exp", "v_log", "v_rcp", "v_rsq", "v_sqrt", "v_sin", "v_cos"]) {
            self.special += 1;
        } else if multiply_adds(name, 64) > 0 {
            // Counted by the caller.
        } else if is_float(name) {
            self.float += 1;
        } else {
            self.vector += 1;
        }
    }
}

/// Multiply-adds of one invocation in an instruction.
fn multiply_adds(name: &str, lanes: u32) -> u32 {
    let name = name.strip_prefix("v_dual_").or_else(|| name.strip_prefix("v_")).unwrap_or("");
    if name.starts_with("wmma_") {
        return 16 * 16 * 16 / lanes.max(1);
    }
    if name.starts_with("pk_fma") || name.starts_with("dot2") {
        return 2;
    }
    let one = ["fma_f", "fmac_f", "fmaak_f", "fmamk_f", "mac_f", "mad_f", "madak_f", "madmk_f", "fma_mix", "mad_mix"];
    u32::from(one.iter().any(|start| name.starts_with(start)))
}

/// Whether an instruction computes a float from floats.
fn is_float(name: &str) -> bool {
    let name =
        name.strip_prefix("v_dual_").or_else(|| name.strip_prefix("v_pk_")).or_else(|| name.strip_prefix("v_")).unwrap_or("");
    let kind = ["add_f", "sub_f", "subrev_f", "mul_f", "mul_legacy", "min_f", "max_f", "min3_f", "max3_f", "med3_f", "ldexp_f"];
    kind.iter().any(|start| name.starts_with(start))
}

/// Bytes that one invocation moves: `ds_load_2addr_b64` moves 16, `buffer_load_dwordx3` 12, `ds_read_u16_d16` 2.
fn width(name: &str) -> u32 {
    let twice = if name.contains("2addr") || name.contains("read2") || name.contains("write2") { 2 } else { 1 };
    let of = [
        ("b128", 16),
        ("dwordx4", 16),
        ("b96", 12),
        ("dwordx3", 12),
        ("b64", 8),
        ("dwordx2", 8),
        ("b32", 4),
        ("dword", 4),
        ("b16", 2),
        ("u16", 2),
        ("i16", 2),
        ("short", 2),
        ("b8", 1),
        ("u8", 1),
        ("i8", 1),
        ("byte", 1),
    ];
    twice * of.iter().find(|(part, _)| name.contains(part)).map_or(4, |(_, bytes)| *bytes)
}

/// The code of a kernel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// All of it.
    pub whole: Counts,
    /// Its hottest loop, without the loops inside it: the one with the most arithmetic, where a loop in a loop counts eightfold; all of it where
    /// there is no loop.
    pub hot: Counts,
    /// Whether that is a loop.
    pub in_loop: bool,
}

/// Reads the text of a kernel with so many invocations to a subgroup.
pub fn read(text: &str, lanes: u32) -> Code {
    let mut lines: Vec<&str> = vec![];
    let mut labels: HashMap<&str, usize> = HashMap::new();
    for line in text.lines() {
        let code = line.split(';').next().unwrap_or_default().trim();
        if let Some(label) = code.strip_suffix(':') {
            labels.insert(label, lines.len());
        } else if code.starts_with(|c: char| c.is_ascii_lowercase()) && code.contains('_') {
            lines.push(code);
        }
    }
    let counted = |range: std::ops::Range<usize>| {
        let mut counts = Counts::default();
        lines[range].iter().for_each(|line| counts.enter(line, lanes));
        counts
    };
    // A jump backward ends a loop. Several to one label are one loop.
    let mut loops: HashMap<usize, usize> = HashMap::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("s_cbranch") || line.starts_with("s_branch")) {
        let target = line.split_whitespace().nth(1).and_then(|label| labels.get(label)).copied();
        if let Some(start) = target.filter(|&start| start <= at) {
            let end = loops.entry(start).or_insert(at + 1);
            *end = (*end).max(at + 1);
        }
    }
    // Each instruction belongs to the innermost loop around it.
    let mut of: HashMap<(usize, usize), (Counts, u32)> = HashMap::new();
    for (at, line) in lines.iter().enumerate() {
        let around = || loops.iter().map(|(&start, &end)| (start, end)).filter(|(start, end)| (*start..*end).contains(&at));
        if let Some(inner) = around().min_by_key(|(start, end)| end - start) {
            let (counts, depth) = of.entry(inner).or_default();
            counts.enter(line, lanes);
            *depth = around().count() as u32;
        }
    }
    // A loop inside another runs several times as often.
    let work = |(counts, depth): &(Counts, u32)| {
        u64::from(counts.multiply_adds + counts.float + counts.special) * 8u64.pow((*depth).min(8))
    };
    let whole = counted(0..lines.len());
    let mut found: Vec<((usize, usize), (Counts, u32))> = of.into_iter().collect();
    found.sort_by_key(|(place, one)| (work(one), one.1, one.0.loads.bytes(), one.0.instructions, *place));
    // A loop without arithmetic is not where a kernel with arithmetic works.
    let hot = found.pop().map(|(_, (counts, _))| counts).filter(|hot| hot.operations() > 0 || whole.operations() == 0);
    Code { in_loop: hot.is_some(), hot: hot.unwrap_or_else(|| whole.clone()), whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_of_all_generations() {
        for (name, bytes) in [
            ("ds_load_2addr_b64", 16),
            ("ds_read2_b32", 8),
            ("ds_read_u16_d16", 2),
            ("ds_load_u16_d16_hi", 2),
            ("buffer_load_dwordx3", 12),
            ("buffer_load_b128", 16),
            ("global_load_dword", 4),
            ("ds_write_b128", 16),
            ("buffer_store_short", 2),
        ] {
            assert_eq!(width(name), bytes, "{name}");
        }
    }

    #[test]
    fn the_loop_with_the_arithmetic_is_found() {
        let text = "BB0:\n\ts_mov_b32 s0, s3 ; be800003\n\tv_rcp_f32_e32 v3, v3 ; 7e\nBB1:\n\ts_add_u32 s0, s0, 1\n\ts_cbranch_scc1 BB1\nBB2:\n\
            \tds_load_b128 v[0:3], v4\n\ts_waitcnt lgkmcnt(0)\n\tv_fma_f32 v1, v2, v3, v4\n\tv_dual_fmac_f32 v0, v1, v2 :: v_dual_fmac_f32 v3, v4, v5\n\
            BB3:\n\tbuffer_load_dword v0, v1, s[0:3], 0 offen\n\ts_cbranch_scc0 BB2\n\tv_mul_f32_e32 v3, s1, v3\n\ts_endpgm\n";
        let code = read(text, 64);
        assert!(code.in_loop);
        let hot = &code.hot;
        assert_eq!((hot.instructions, hot.multiply_adds, hot.fma, hot.local_loads.0, hot.waits), (6, 3, 2, [0, 0, 0, 0, 1], 1));
        assert_eq!((hot.loads.bytes(), hot.branches, hot.per_operation()), (4, 1, Some(2.0)));
        assert_eq!((code.whole.instructions, code.whole.special, code.whole.float, code.whole.branches), (12, 1, 1, 3));
        // A loop in a loop is hotter, and neither counts the other's instructions.
        let fma = "\tv_fma_f32 v0, v1, v2, v3\n";
        let nested = |outer: usize| {
            let outer = fma.repeat(outer);
            read(&format!("BB0:\n{outer}BB1:\n{fma}\ts_cbranch_scc0 BB1\nBB2:\n\ts_cbranch_scc0 BB0\n\ts_endpgm\n"), 64)
        };
        let code = nested(2);
        assert_eq!((code.hot.multiply_adds, code.hot.instructions, code.whole.multiply_adds), (1, 2, 3));
        let code = nested(9);
        assert_eq!((code.hot.multiply_adds, code.hot.instructions, code.whole.multiply_adds), (9, 10, 10));
        // Without a loop it is all of it.
        let code = read("\tv_add_f32_e32 v0, v1, v2\n\tv_add_nc_u32 v0, v1, v2\n", 64);
        assert_eq!((code.in_loop, code.hot.float, code.hot.vector, code.hot.per_operation()), (false, 1, 1, Some(2.0)));
    }
}
