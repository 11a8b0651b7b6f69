//! Runs the examples, compares what they reach with the figures in README and docs, and rewrites the tables that show them.

mod tables;

use anyhow::{Context, bail, ensure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use tables::{Figures, Place, Tables};

const HELP: &str = "Runs the examples and rewrites the tables that show their figures; CONTRIBUTING.md says how

Flags:
  --only NAME     only what is called so; may be given several times
  --check         only report; exit code 1 if a figure has moved or a page is not what templates and values make of it
  --render        run nothing: fill the tables with the values there are
  --llvmpipe      also the runs on llvmpipe, a software Vulkan driver: many minutes
  --tests         also the tests whose counts are shown: many minutes
  --tolerance T   a change of up to T of a figure is not reported as moved: 0.01 is 1 %; default 0, every digit shown counts
  --data DIR      data that do not come with the project (or the variable STEEPEST_DATA); examples without theirs are skipped
  --epochs N      passed on; only with --check or --root, because the tables show whole trainings
  --root DIR      the project whose pages and values are meant; default: this one";

struct Args {
    only: BTreeSet<String>,
    check: bool,
    render: bool,
    llvmpipe: bool,
    tests: bool,
    tolerance: f64,
    data: Option<PathBuf>,
    epochs: Option<usize>,
    root: Option<PathBuf>,
}

impl Args {
    fn parse() -> anyhow::Result<Args> {
        use lexopt::prelude::*;
        let mut args = Args {
            only: BTreeSet::new(),
            check: false,
            render: false,
            llvmpipe: false,
            tests: false,
            tolerance: 0.0,
            data: None,
            epochs: None,
            root: None,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("only") => drop(args.only.insert(parser.value()?.string()?)),
                Long("check") => args.check = true,
                Long("render") => args.render = true,
                Long("llvmpipe") => args.llvmpipe = true,
                Long("tests") => args.tests = true,
                Long("tolerance") => args.tolerance = parser.value()?.parse().context("--tolerance takes a number")?,
                Long("data") => args.data = Some(parser.value()?.into()),
                Long("epochs") => args.epochs = Some(parser.value()?.parse().context("--epochs takes a whole number")?),
                Long("root") => args.root = Some(parser.value()?.into()),
                Long("help") | Short('h') => {
                    println!("{HELP}");
                    std::process::exit(0);
                }
                other => bail!("{}; try --help", other.unexpected()),
            }
        }
        ensure!(args.tolerance >= 0.0, "--tolerance: found {}, expected 0 or more", args.tolerance);
        let copy = args.check || args.root.is_some();
        ensure!(args.epochs.is_none() || copy, "--epochs: the tables show whole trainings; add --check, or --root with a copy");
        Ok(args)
    }
}

/// What came of a run.
enum Outcome {
    Figures(Figures),
    /// Its data are not here.
    Skipped(String),
    Failed(String),
}

/// What is run: `ames`, `ames@2`, `ames/llvmpipe`, `test:ops`.
struct Run<'a> {
    name: &'a str,
    seed: &'a str,
    device: &'a str,
    test: bool,
}

impl<'a> Run<'a> {
    fn of(key: &'a str) -> Run<'a> {
        if let Some(name) = key.strip_prefix("test:") {
            return Run { name, seed: "1", device: "cpu", test: true };
        }
        let (rest, device) = key.split_once('/').unwrap_or((key, "cpu"));
        let (name, seed) = rest.split_once('@').unwrap_or((rest, "1"));
        Run { name, seed, device, test: false }
    }

    fn wanted(&self, args: &Args) -> bool {
        let named = args.only.contains(self.name);
        (args.only.is_empty() || named) && (self.device == "cpu" || args.llvmpipe) && (!self.test || args.tests)
    }

    /// Runs it as a reader would, built as this program was.
    fn start(&self, args: &Args, out: &Path) -> anyhow::Result<Outcome> {
        let profile = if cfg!(debug_assertions) { "--profile=dev" } else { "--profile=release" };
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("STEEPEST_DEVICE");
        if self.test {
            // A file of tests is a program of its own, or a module of the program that most tests are in.
            let own = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")).join(self.name).with_extension("rs").is_file();
            let (program, filter) = if own { (self.name, String::new()) } else { ("it", format!("{}::", self.name)) };
            command.args(["test", "--quiet", profile, "--all-features", "--test", program, &filter, "--", "--nocapture"]);
        } else {
            command.args(["run", "--quiet", profile, "--all-features", "--example", self.name, "--", "--seed", self.seed]);
            command.arg("--device").arg(if self.device == "cpu" { "cpu".to_owned() } else { format!("gpu:{}", self.device) });
            command.arg("--out").arg(out);
            if let Some(n) = args.epochs {
                command.args(["--epochs", &n.to_string()]);
            }
        }
        if let Some(data) = &args.data {
            command.env("STEEPEST_DATA", std::path::absolute(data)?);
        }
        let output = command.output().context("cargo cannot be started")?;
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let last = errors.trim_end().lines().last().unwrap_or("no word of why").to_owned();
        if !output.status.success() {
            // Every example that needs data of others says where they were published.
            let absent = !self.test && output.status.code() == Some(2) && errors.contains("published a");
            return Ok(if absent { Outcome::Skipped(last) } else { Outcome::Failed(last) });
        }
        let mut found = Figures::new();
        for line in text.lines().filter_map(|line| line.trim().strip_prefix("figures: ")) {
            for figure in line.split_whitespace() {
                let (name, value) = figure.split_once('=').with_context(|| format!("found `{figure}` among figures"))?;
                found.insert(name.to_owned(), value.parse().with_context(|| format!("found `{figure}` among figures"))?);
            }
        }
        Ok(if found.is_empty() {
            Outcome::Failed("it printed no line `figures: NAME=VALUE …`".to_owned())
        } else {
            Outcome::Figures(found)
        })
    }
}

/// Compares, prints a line for each figure shown, takes the new ones; whether one has moved.
fn compare(key: &str, places: &[Place], new: Figures, tables: &mut Tables, tolerance: f64) -> anyhow::Result<bool> {
    let old = tables.values.entry(key.to_owned()).or_default();
    let mut any = false;
    let mut seen = BTreeSet::new();
    for Place { figure, form, .. } in places {
        let now = *new.get(figure).with_context(|| format!("{key} printed no figure `{figure}`"))?;
        let shown = form.show(now);
        if !seen.insert((figure, shown.clone())) {
            continue;
        }
        let (before, moved) = match old.get(figure) {
            Some(before) => (form.show(*before), form.show(*before) != shown && (now - before).abs() > tolerance * before.abs()),
            None => ("-".to_owned(), true),
        };
        any |= moved;
        println!("{key:<28} {figure:<14} {before:>10} → {shown:>10}{}", if moved { "  moved" } else { "" });
    }
    *old = new;
    Ok(any)
}

fn work() -> anyhow::Result<ExitCode> {
    let args = Args::parse()?;
    let root = args.root.clone().unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let mut tables = Tables::read(&root)?;
    let places = tables.places()?;
    for name in &args.only {
        ensure!(places.keys().any(|key| Run::of(key).name == name), "--only {name}: no table shows it");
    }
    let out = tempfile::tempdir().context("no folder for the examples' pictures")?;
    let stale = tables.stale()?;
    for (path, _) in stale.iter().filter(|_| args.check) {
        println!("{} is not what templates and values make of it; --render fills it", path.display());
    }
    let (mut moved, mut skipped, mut failed) = (0, vec![], vec![]);
    for (key, places) in places.iter().filter(|(key, _)| !args.render && Run::of(key).wanted(&args)) {
        match Run::of(key).start(&args, out.path())? {
            Outcome::Figures(new) => moved += usize::from(compare(key, places, new, &mut tables, args.tolerance)?),
            Outcome::Skipped(why) => skipped.push(format!("{key}: {why}")),
            Outcome::Failed(why) => failed.push(format!("{key}: {why}")),
        }
    }
    skipped.iter().for_each(|line| println!("skipped {line}"));
    failed.iter().for_each(|line| println!("FAILED {line}"));
    println!("{moved} runs with moved figures, {} skipped, {} failed", skipped.len(), failed.len());
    if !args.check {
        let written = tables.write()?;
        written.iter().for_each(|path| println!("written: {}", path.display()));
    }
    Ok(match (failed.is_empty(), args.check && (moved > 0 || !stale.is_empty())) {
        (false, _) => ExitCode::from(2),
        (true, true) => ExitCode::from(1),
        (true, false) => ExitCode::SUCCESS,
    })
}

fn main() -> ExitCode {
    work().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}
