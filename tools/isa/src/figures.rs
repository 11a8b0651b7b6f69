//! What a driver makes of every kernel, compiled on all cores.

use crate::assembly::{self, Code};
use crate::networks;
use crate::spirv::{self, Target};
use crate::vulkan::Driver;
use anyhow::{Context, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::PathBuf;
use steepest::graph::op;
use steepest::verify::{self, Form, ShaderModule};

/// What of all kernels is compiled, and how.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Parts of names; a kernel whose name has one of them. All if empty.
    pub kernels: Vec<String>,
    /// Files with WGSL, in place of the library's kernels.
    pub files: Vec<PathBuf>,
    /// What is for software adapters too.
    pub all: bool,
    /// Without WGSL's checks of indices, divisions and loops.
    pub trusted: bool,
    /// With the machine code.
    pub assembly: bool,
}

/// All that a driver made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The chip asked for; empty where the driver is whatever it is.
    pub chip: String,
    /// What the driver calls the device.
    pub device: String,
    /// The driver and its version.
    pub driver: String,
    /// The kernels, by name.
    pub kernels: Vec<Figures>,
    /// Kernels that need cooperative matrices, which the driver does not have.
    pub left_out: usize,
}

/// What a driver made of a kernel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// The kernel, as [`ShaderModule::name`] has it.
    pub name: String,
    /// Whether it is the variant as it is, with nothing fused, merged or changed.
    pub plain: bool,
    /// Invocations of a workgroup and of a subgroup.
    pub workgroup: u32,
    pub subgroup: u32,
    /// The driver's figures under its own names.
    pub statistics: Vec<(String, f64)>,
    /// What the machine code has; only of AMD's.
    pub code: Option<Code>,
    /// The machine code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assembly: Option<String>,
    /// Why it did not compile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Figures {
    /// A figure of the driver.
    pub fn of(&self, name: &str) -> Option<f64> {
        self.statistics.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// Registers that found no place and went to memory, by the names that drivers give this.
    pub fn spills(&self) -> f64 {
        ["Spilled VGPRs", "Spilled SGPRs", "Spill Count"].iter().filter_map(|name| self.of(name)).sum()
    }

    /// Bytes of memory for each invocation that the WGSL has not asked for.
    pub fn scratch(&self) -> f64 {
        ["Scratch size", "Scratch Memory Size"].iter().filter_map(|name| self.of(name)).sum()
    }

    /// Subgroups that a SIMD can hold at once.
    pub fn occupancy(&self) -> Option<f64> {
        self.of("Subgroups per SIMD")
    }

    /// The file, without the folders that its family has.
    pub fn file(&self) -> &str {
        self.name.split(' ').next().unwrap_or_default()
    }

    /// The folder of its file in `shaders/`.
    pub fn family(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }
}

/// Whether hardware may be given a module: none that is made for software adapters, for loops that end early, or for subgroups of one size.
fn for_hardware(module: &ShaderModule) -> bool {
    module.target != op::Target::Software && module.form != Form::InParts
}

/// The modules of a selection, each text once.
fn modules(selection: &Selection) -> Result<Vec<ShaderModule>> {
    let mut found = vec![];
    if selection.files.is_empty() {
        found = verify::modules(&verify::variants())?;
        for (network, variants) in networks::variants()? {
            let own = verify::modules(&variants)?.into_iter().filter(|module| module.form == Form::Plain);
            found.extend(own.map(|m| ShaderModule { name: format!("{}, in {network}", m.name), form: Form::Fused, ..m }));
        }
    }
    for path in &selection.files {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let first = text.lines().next().and_then(|line| line.strip_prefix("// ")).unwrap_or("file").to_owned();
        found.push(ShaderModule { name: first, shader: "", target: op::Target::Any, form: Form::Plain, text });
    }
    let mut seen = HashSet::new();
    let wanted = |name: &str| selection.kernels.is_empty() || selection.kernels.iter().any(|part| name.contains(part.as_str()));
    found.retain(|module| (selection.all || for_hardware(module)) && wanted(&module.name) && seen.insert(module.text.clone()));
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Compiles a selection by a driver.
pub fn compile(driver: &Driver, chip: &str, selection: &Selection) -> Result<Report> {
    let mut all = modules(selection)?;
    let before = all.len();
    all.retain(|module| driver.target.cooperative || !module.text.contains("\nenable wgpu_cooperative_matrix;"));
    let target = Target { checked: !selection.trusted, ..driver.target };
    let one = |module: &ShaderModule| {
        let mut found = Figures { name: module.name.clone(), plain: module.form == Form::Plain, ..Figures::default() };
        if let Err(error) = fill(&mut found, driver, module, target, selection.assembly) {
            found.error = Some(format!("{error:#}"));
        }
        found
    };
    let left_out = before - all.len();
    let kernels = all.par_iter().map(one).collect();
    Ok(Report { chip: chip.to_owned(), device: driver.name.clone(), driver: driver.version.clone(), kernels, left_out })
}

fn fill(found: &mut Figures, driver: &Driver, module: &ShaderModule, target: Target, keep: bool) -> Result<()> {
    let translated = spirv::translate(&module.name, &module.text, target)?;
    let made = driver.compile(&translated.spirv, &translated.uniforms)?;
    found.workgroup = translated.invocations;
    found.subgroup = made.subgroup;
    found.statistics = made.statistics;
    // Hashes are no figures.
    found.statistics.retain(|(name, _)| !name.contains("hash") && name != "Hash");
    // Only AMD's code is read; others' is shown.
    if found.of("VGPRs").is_some() {
        found.code = made.assembly.as_deref().map(|text| assembly::read(text, made.subgroup));
    }
    found.assembly = made.assembly.filter(|_| keep);
    Ok(())
}
