//! isa: what the compilers of real GPUs make of every kernel, without a GPU.
//!
//! Mesa's driver for AMD compiles for any chip that `RADV_FORCE_FAMILY` names, on a device that executes nothing. The name must stand in the
//! environment before the Vulkan loader is opened, so this program runs itself once per chip.

mod assembly;
mod budgets;
mod chips;
mod document;
mod figures;
mod networks;
mod spirv;
mod table;
mod vulkan;

use anyhow::{Context, Result, bail};
use budgets::{Budgets, Verdict};
use figures::{Report, Selection};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

const HELP: &str = "\
isa: what the compilers of real GPUs make of every kernel, without a GPU

  --chip NAME      for this chip of AMD, by Mesa's RADV: gfx1100, navi21, vega10, or another of its names; may be repeated; those three by default
  --driver         by the driver that VK_DRIVER_FILES (and LD_PRELOAD) name, whatever it is
  --kernel PART    only kernels whose name has PART; may be repeated
  --file FILE      WGSL of yours in place of the library's kernels; its first line may name it: // name
  --all            with the forms for software adapters too
  --trusted        without WGSL's checks of indices, divisions and loops
  --isa            with the machine code
  --roofline       what limits each kernel, an estimate
  --json           everything as JSON
  --check          compare with the budgets in shaders/*/budget.txt
  --record         write these budgets
  --budgets DIR    another folder in place of shaders/
  --render FILE    write the tables between the markers of FILE
";

/// What was asked for.
#[derive(Default)]
struct Options {
    chips: Vec<String>,
    driver: bool,
    selection: Selection,
    roofline: bool,
    json: bool,
    check: bool,
    record: bool,
    budgets: Option<PathBuf>,
    render: Option<PathBuf>,
    /// This process compiles, for its parent.
    worker: bool,
}

fn options() -> Result<Option<Options>> {
    use lexopt::prelude::*;
    let mut found = Options::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("chip") => found.chips.push(arguments.value()?.string()?),
            Long("driver") => found.driver = true,
            Long("kernel") => found.selection.kernels.push(arguments.value()?.string()?),
            Long("file") => found.selection.files.push(arguments.value()?.into()),
            Long("all") => found.selection.all = true,
            Long("trusted") => found.selection.trusted = true,
            Long("isa") => found.selection.assembly = true,
            Long("roofline") => found.roofline = true,
            Long("json") => found.json = true,
            Long("check") => found.check = true,
            Long("record") => found.record = true,
            Long("budgets") => found.budgets = Some(arguments.value()?.into()),
            Long("render") => found.render = Some(arguments.value()?.into()),
            Long("worker") => found.worker = true,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    if found.record && !(found.selection.kernels.is_empty() && found.selection.files.is_empty()) {
        bail!("--record is of all kernels: leave out --kernel and --file");
    }
    if found.driver && !found.chips.is_empty() {
        bail!("--driver is of the driver in the environment, --chip of RADV: name one");
    }
    if found.chips.is_empty() && !found.driver {
        found.chips = chips::CHIPS.iter().map(|chip| chip.name.to_owned()).collect();
    }
    Ok(Some(found))
}

/// The description of RADV that the Vulkan loader reads.
fn radv() -> Option<PathBuf> {
    let folders = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let files = ["radeon_icd.x86_64.json", "radeon_icd.aarch64.json", "radeon_icd.json"];
    folders.iter().flat_map(|folder| files.map(|file| Path::new(folder).join(file))).find(|path| path.exists())
}

/// Has another process of this program compile for a chip.
fn report_of(chip: &str, options: &Options) -> Result<Report> {
    let selection = &options.selection;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--worker", "--chip", chip]);
    for part in &selection.kernels {
        command.args(["--kernel", part]);
    }
    for file in &selection.files {
        command.arg("--file").arg(file);
    }
    for (set, flag) in [(selection.all, "--all"), (selection.trusted, "--trusted"), (selection.assembly, "--isa")] {
        if set {
            command.arg(flag);
        }
    }
    let driver = radv().context("Mesa's Vulkan drivers are not installed (Debian: apt-get install mesa-vulkan-drivers)")?;
    command.env("RADV_FORCE_FAMILY", chip).env("VK_DRIVER_FILES", &driver).env("VK_ICD_FILENAMES", &driver);
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("compiling for {chip} failed: {}", output.status);
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("what was compiled for {chip}"))
}

fn run(options: &Options) -> Result<bool> {
    if options.worker {
        let driver = vulkan::Driver::open()?;
        let chip = options.chips.first().map_or("", String::as_str);
        let name = driver.name.to_lowercase();
        if !name.contains("null") && !name.contains(chip) {
            bail!("asked for {chip}, Mesa has opened {}", driver.name);
        }
        serde_json::to_writer(std::io::stdout().lock(), &figures::compile(&driver, chip, &options.selection)?)?;
        return Ok(true);
    }
    let reports: Vec<Report> = match options.driver {
        true => vec![figures::compile(&vulkan::Driver::open()?, "", &options.selection)?],
        false => options.chips.iter().map(|chip| report_of(chip, options)).collect::<Result<_>>()?,
    };
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shaders");
    let shaders = options.budgets.as_ref().unwrap_or(&own);
    let mut out = std::io::stdout().lock();
    if options.json {
        serde_json::to_writer_pretty(&mut out, &reports)?;
        writeln!(out)?;
    }
    if options.record {
        let mut budgets = Budgets::read(shaders).unwrap_or_default();
        reports.iter().for_each(|report| budgets.record(report));
        budgets.write(shaders)?;
    }
    if let Some(path) = &options.render {
        document::render(path, &reports)?;
    }
    if options.check {
        return check(&mut out, &reports, &Budgets::read(shaders)?);
    }
    if !options.json && !options.record && options.render.is_none() {
        for report in &reports {
            let text = if options.roofline { table::roofline(report) } else { table::table(report) };
            writeln!(out, "{text}")?;
        }
    }
    Ok(true)
}

/// Says what is worse than it may be; whether nothing is.
fn check(out: &mut impl std::io::Write, reports: &[Report], budgets: &Budgets) -> Result<bool> {
    let mut all = Verdict::default();
    for report in reports {
        let verdict = budgets.check(report);
        for known in budgets::known_spills(report, budgets) {
            writeln!(out, "{}: {}: {} registers spill, as is known", report.chip, known.name, known.spills())?;
        }
        if report.left_out > 0 {
            writeln!(
                out,
                "{}: {} kernels left out: {} has no cooperative matrices",
                report.chip, report.left_out, report.driver
            )?;
        }
        verdict.notes.iter().chain(&verdict.lines).try_for_each(|line| writeln!(out, "{line}"))?;
        all.kernels += verdict.kernels;
        all.spills += verdict.spills;
        all.over += verdict.over;
    }
    writeln!(out, "{} kernels, {} spills, {} over budget", all.kernels, all.spills, all.over)?;
    Ok(all.kernels > 0 && all.spills == 0 && all.over == 0)
}

fn main() -> ExitCode {
    let done = match options() {
        Ok(Some(options)) => run(&options),
        Ok(None) => {
            print!("{HELP}");
            Ok(true)
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // A reader that has seen enough, such as `head`, is no failure.
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("isa: {error:#}");
            ExitCode::FAILURE
        }
    }
}
