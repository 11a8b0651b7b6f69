//! Budgets: how well each kernel does by each chip's compiler, written beside it (`shaders/FAMILY/budget.txt`), and whether it has become worse.

use crate::figures::{Figures, Report};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The families with budgets: products, convolutions, reductions and updates.
pub const FAMILIES: [&str; 8] = ["conv", "distance", "matmul", "pool", "reduce", "scan", "softmax", "update"];

/// How much worse than recorded a kernel may be.
const SLACK: f64 = 1.05;
const DRIVER: &str = "driver: ";
const HEAD: &str = "\
# What compilers of real chips make of these kernels: for each chip the subgroups that a SIMD holds at once (more hide more waiting), and the
# instructions per multiply-add, or other arithmetic in floats, of the hottest loop. Of all types and bodies of a kernel, the worst.
# A kernel that becomes 5 % worse, or whose registers spill, fails `cargo run --release -p isa -- --check`; `--record` writes this file.
";

/// What is recorded of a kernel on a chip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// The fewest subgroups per SIMD.
    pub occupancy: f64,
    /// The most instructions per multiply-add in the hottest loop; `None` without arithmetic.
    pub per_operation: Option<f64>,
    /// Registers known to spill.
    pub spills: f64,
}

impl Cell {
    fn worst(self, other: Cell) -> Cell {
        Cell {
            occupancy: self.occupancy.min(other.occupancy),
            per_operation: [self.per_operation, other.per_operation].into_iter().flatten().reduce(f64::max),
            spills: self.spills.max(other.spills),
        }
    }
}

/// All that is recorded: kernel → chip → figures; and the driver it is of.
#[derive(Clone, Debug, Default)]
pub struct Budgets {
    pub driver: String,
    pub cells: BTreeMap<String, BTreeMap<String, Cell>>,
}

/// A kernel's name without what it computes and is made of: file and constants. `reduce/group (sum) GROUP=64 #12` → `reduce/group GROUP=64`.
pub fn key(name: &str) -> String {
    let words = name.split(' ').map(|word| word.trim_end_matches(','));
    let kept: Vec<&str> = words.enumerate().filter(|(i, word)| *i == 0 || word.contains('=')).map(|(_, word)| word).collect();
    kept.join(" ")
}

/// The worst of each kernel's forms in a report, of families with budgets.
fn worst(report: &Report) -> BTreeMap<String, Cell> {
    let mut found: BTreeMap<String, Cell> = BTreeMap::new();
    for one in report.kernels.iter().filter(|one| FAMILIES.contains(&one.family()) && one.error.is_none()) {
        // Only as it is: what is fused after it, or merged with it, is not its own. But what spills there is known by its name.
        let Some(occupancy) = one.occupancy().filter(|_| one.plain || one.spills() > 0.0) else { continue };
        let cell = match one.plain {
            true => Cell {
                occupancy,
                per_operation: one.code.as_ref().and_then(|code| code.hot.per_operation()),
                spills: one.spills(),
            },
            false => Cell { occupancy: f64::INFINITY, per_operation: None, spills: one.spills() },
        };
        let place = found.entry(key(&one.name)).or_insert(cell);
        *place = place.worst(cell);
    }
    found
}

impl Budgets {
    /// Reads the files of a folder of shaders; a family without one has no budgets.
    pub fn read(shaders: &Path) -> Result<Budgets> {
        let mut found = Budgets::default();
        for family in FAMILIES {
            let path = shaders.join(family).join("budget.txt");
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            };
            for (number, line) in text.lines().enumerate() {
                found.enter(family, line).with_context(|| format!("{}, line {}", path.display(), number + 1))?;
            }
        }
        Ok(found)
    }

    fn enter(&mut self, family: &str, line: &str) -> Result<()> {
        if let Some(driver) = line.strip_prefix(DRIVER) {
            if !self.driver.is_empty() && self.driver != driver {
                bail!("another driver than in other files: {driver}, {}", self.driver);
            }
            self.driver = driver.to_owned();
        } else if !line.starts_with('#') && !line.trim().is_empty() {
            let mut parts = line.split('|').map(str::trim);
            let kernel = format!("{family}/{}", parts.next().unwrap_or_default());
            for part in parts {
                let words: Vec<&str> = part.split_whitespace().collect();
                let (chip, occupancy, per, spills) = match words[..] {
                    [chip, occupancy, per] => (chip, occupancy, per, "0"),
                    [chip, occupancy, per, "spills", spills] => (chip, occupancy, per, spills),
                    _ => bail!("`{part}`: expected `chip subgroups instructions` or that and `spills N`"),
                };
                let per_operation = if per == "-" { None } else { Some(per.parse()?) };
                let cell = Cell { occupancy: occupancy.parse()?, per_operation, spills: spills.parse()? };
                self.cells.entry(kernel.clone()).or_default().insert(chip.to_owned(), cell);
            }
        }
        Ok(())
    }

    /// Takes a chip's figures in place of those known.
    pub fn record(&mut self, report: &Report) {
        self.driver.clone_from(&report.driver);
        self.cells.values_mut().for_each(|chips| chips.retain(|chip, _| *chip != report.chip));
        for (kernel, cell) in worst(report) {
            self.cells.entry(kernel).or_default().insert(report.chip.clone(), cell);
        }
        self.cells.retain(|_, chips| !chips.is_empty());
    }

    /// Writes the files.
    pub fn write(&self, shaders: &Path) -> Result<()> {
        for family in FAMILIES {
            let of =
                self.cells.iter().filter_map(|(kernel, chips)| Some((kernel.strip_prefix(family)?.strip_prefix('/')?, chips)));
            let mut text = format!("{HEAD}{DRIVER}{}\n", self.driver);
            for (kernel, chips) in of {
                text += kernel;
                for (chip, cell) in chips {
                    let per = cell.per_operation.map_or("-".to_owned(), |per| format!("{per:.3}"));
                    let _ = write!(text, " | {chip} {} {per}", cell.occupancy);
                    if cell.spills > 0.0 {
                        let _ = write!(text, " spills {}", cell.spills);
                    }
                }
                text.push('\n');
            }
            let path = shaders.join(family).join("budget.txt");
            std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// What in a report is worse than it may be.
    pub fn check(&self, report: &Report) -> Verdict {
        let mut verdict = Verdict { kernels: report.kernels.len(), ..Verdict::default() };
        let recorded = |kernel: &str| self.cells.get(kernel).and_then(|chips| chips.get(&report.chip));
        for one in &report.kernels {
            if let Some(error) = &one.error {
                verdict.spills += 1;
                verdict.lines.push(format!("{}: {}: does not compile: {error}", report.chip, one.name));
            }
            let known = recorded(&key(&one.name)).map_or(0.0, |cell| cell.spills);
            if one.spills() > known || (known == 0.0 && one.scratch() > 0.0) {
                verdict.spills += 1;
                verdict.lines.push(format!(
                    "{}: {}: {} registers spill, {} bytes of scratch memory; {known} are known",
                    report.chip,
                    one.name,
                    one.spills(),
                    one.scratch()
                ));
            }
        }
        if self.driver != report.driver {
            let other =
                format!("{}: the budgets are of {}, this is {}: only spills count", report.chip, self.driver, report.driver);
            verdict.notes.push(other);
            return verdict;
        }
        // One that only spills where something is fused after it has no figures of its own.
        for (kernel, cell) in worst(report).into_iter().filter(|(_, cell)| cell.occupancy.is_finite()) {
            let worse = match recorded(&kernel) {
                None => Some("has no budget: write one with --record".to_owned()),
                Some(budget) => budget.exceeded(&cell),
            };
            if let Some(worse) = worse {
                verdict.over += 1;
                verdict.lines.push(format!("{}: {kernel}: {worse}", report.chip));
            }
        }
        verdict
    }
}

impl Cell {
    /// How a kernel is worse than this allows.
    fn exceeded(&self, now: &Cell) -> Option<String> {
        if now.occupancy * SLACK < self.occupancy {
            return Some(format!("{} subgroups per SIMD, recorded are {}", now.occupancy, self.occupancy));
        }
        match (now.per_operation, self.per_operation) {
            (Some(now), Some(most)) if now > most * SLACK => {
                Some(format!("{now:.3} instructions per operation, recorded are {most:.3}"))
            }
            (None, Some(most)) => Some(format!("no arithmetic found, recorded are {most:.3} instructions per operation")),
            _ => None,
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub kernels: usize,
    pub spills: usize,
    pub over: usize,
    pub lines: Vec<String>,
    pub notes: Vec<String>,
}

/// Kernels of a report that spill and may: known, by name.
pub fn known_spills<'r>(report: &'r Report, budgets: &Budgets) -> Vec<&'r Figures> {
    let known = |one: &Figures| {
        budgets.cells.get(&key(&one.name)).and_then(|chips| chips.get(&report.chip)).is_some_and(|c| c.spills > 0.0)
    };
    report.kernels.iter().filter(|one| one.spills() > 0.0 && known(one)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::assembly::{Code, Counts};

    /// A kernel with so many subgroups per SIMD, instructions of its loop (for ten multiply-adds) and spilt registers.
    fn kernel(name: &str, occupancy: f64, instructions: u32, spills: f64) -> Figures {
        let hot = Counts { instructions, multiply_adds: 10, ..Counts::default() };
        let statistics = [("Subgroups per SIMD", occupancy), ("Spilled VGPRs", spills), ("Scratch size", 256.0 * spills)];
        Figures {
            name: name.to_owned(),
            plain: !name.contains(','),
            statistics: statistics.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            code: Some(Code { whole: hot.clone(), hot, in_loop: true }),
            ..Figures::default()
        }
    }

    fn report(kernels: Vec<Figures>) -> Report {
        Report { chip: "navi21".to_owned(), device: "Null".to_owned(), driver: "radv 1".to_owned(), kernels, left_out: 0 }
    }

    #[test]
    fn names_without_what_varies() {
        assert_eq!(key("reduce/group (sum) GROUP=64 FLAT=0 #1234abcd"), "reduce/group GROUP=64 FLAT=0");
        assert_eq!(key("matmul/tiles (matmul) DEPTH=16, fused"), "matmul/tiles DEPTH=16");
        assert_eq!(key("update/lion (lion)"), "update/lion");
    }

    #[test]
    fn what_becomes_worse_is_over_budget() {
        let (name, other) = ("matmul/tiles (matmul) DEPTH=16", "reduce/reduce (sum)");
        let mut budgets = Budgets::default();
        budgets.record(&report(vec![kernel(name, 8.0, 20, 0.0), kernel(other, 16.0, 100, 0.0)]));
        let folder = tempfile::tempdir().unwrap();
        FAMILIES.iter().for_each(|family| std::fs::create_dir(folder.path().join(family)).unwrap());
        budgets.write(folder.path()).unwrap();
        let budgets = Budgets::read(folder.path()).unwrap();
        let found = |kernel: Figures| {
            let verdict = budgets.check(&report(vec![kernel]));
            (verdict.spills, verdict.over)
        };
        // As recorded, a little worse, better.
        for (occupancy, instructions) in [(8.0, 20), (8.0, 21), (16.0, 12)] {
            assert_eq!(found(kernel(name, occupancy, instructions, 0.0)), (0, 0), "{occupancy} {instructions}");
        }
        assert_eq!(found(kernel(name, 8.0, 22, 0.0)), (0, 1), "more instructions");
        assert_eq!(found(kernel(name, 7.0, 20, 0.0)), (0, 1), "fewer subgroups");
        assert_eq!(found(kernel("matmul/tiles (matmul) DEPTH=32", 8.0, 20, 0.0)), (0, 1), "no budget");
        assert_eq!(found(kernel(name, 8.0, 20, 1.0)), (1, 0), "a spill");
        // Of other forms, and of other families, only spills count.
        assert_eq!(found(kernel(&format!("{name}, merged"), 1.0, 900, 0.0)), (0, 0));
        assert_eq!(found(kernel(&format!("{name}, merged"), 1.0, 900, 3.0)), (1, 0));
        assert_eq!(found(kernel("index/gather (gather)", 1.0, 900, 0.0)), (0, 0));
        assert_eq!(found(kernel("index/gather (gather)", 1.0, 900, 2.0)), (1, 0));
        // Another driver: it says so, and only spills count.
        let newer = |kernel| budgets.check(&Report { driver: "radv 2".to_owned(), ..report(vec![kernel]) });
        let verdict = newer(kernel(name, 1.0, 900, 0.0));
        assert_eq!((verdict.spills, verdict.over, verdict.notes.len()), (0, 0, 1));
        assert_eq!(newer(kernel(name, 8.0, 20, 1.0)).spills, 1);
    }

    #[test]
    fn known_spills_are_known_up_to_their_number() {
        let name = "conv/tile (conv2d) SIDE=16";
        let mut budgets = Budgets::default();
        budgets.record(&report(vec![kernel(name, 4.0, 20, 12.0)]));
        for (spills, found) in [(12.0, 0), (3.0, 0), (13.0, 1)] {
            let report = report(vec![kernel(name, 4.0, 20, spills)]);
            assert_eq!((budgets.check(&report).spills, known_spills(&report, &budgets).len()), (found, 1), "{spills}");
        }
    }

    #[test]
    fn a_file_with_a_fault_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("matmul")).unwrap();
        std::fs::write(folder.path().join("matmul/budget.txt"), "# head\ndriver: x\ntiles | navi21 8 wide\n").unwrap();
        let error = format!("{:#}", Budgets::read(folder.path()).unwrap_err());
        assert!(error.contains("budget.txt, line 3"), "{error}");
    }
}
