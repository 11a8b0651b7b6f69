//! Shaders and their pipelines: each specialisation is parsed once and compiled once in a device's life.

use super::checks::{self, ShaderChecks};
use super::core::Core;
use super::counters::add;
use super::pipeline_cache::PipelineCache;
use super::quirks::{software_adapters, workgroup_zeroing};
use crate::error::{Error, Result};
use crate::plan::{Kernel, Plan, Target, Variant, Wgsl};
use crate::threads::{self, lock};
use crate::wgsl::opaque::opaque_uniforms;
use crate::wgsl::{self, Binding, BindingKind, Reflected};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

/// What tells one specialised shader from another.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    shader: &'static str,
    source: Option<Wgsl>,
    opaque: bool,
    consts: Vec<(&'static str, u32)>,
    bodies: Vec<(&'static str, String)>,
    checks: ShaderChecks,
}

/// A specialised shader: what it binds, and its pipeline once compiled.
pub(super) struct Shader {
    pub(super) stem: Arc<str>,
    pub(super) bindings: Vec<Binding>,
    pub(super) workgroup_size: [u32; 3],
    pub(super) workgroup_bytes: u32,
    pub(super) text: Arc<str>,
    checks: ShaderChecks,
    pub(super) subgroup: bool,
    module: Mutex<Option<checks::Parsed>>,
    compiled: OnceLock<Result<Compiled>>,
    cache: Arc<PipelineCache>,
}

/// A pipeline and the layout of its bind group.
pub(super) struct Compiled {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

/// A shader once a thread has parsed it, or what is wrong with it.
type Parsed = OnceLock<Result<Arc<Shader>>>;

/// All shaders of a device.
#[derive(Default)]
pub(super) struct Shaders {
    known: Mutex<HashMap<Key, Arc<Parsed>>>,
    /// Those made of several, by their text.
    merged: Mutex<HashMap<(String, ShaderChecks), Arc<Parsed>>>,
    checks: Mutex<ShaderChecks>,
    /// Whether uniforms are opaque to the driver.
    opaque: bool,
    cache: Arc<PipelineCache>,
}

/// The text of a shader file.
fn source(stem: &'static str) -> Result<&'static str> {
    #[cfg(test)]
    if let Some(text) = super::tests::source(stem) {
        return Ok(text);
    }
    crate::shaders::source(stem).ok_or_else(|| fault(stem, "there is no such file".to_owned()))
}

fn fault(stem: &str, message: String) -> Error {
    Error::Shader { shader: stem.to_owned(), place: None, message }
}

/// The text of a variant, specialised and with the parts it names.
fn text(variant: &Variant, consts: &[(&'static str, u32)]) -> Result<String> {
    match &variant.source {
        None => wgsl::specialise(variant.shader, source(variant.shader)?, consts, &variant.bodies),
        Some(own) => wgsl::foreign(own.name(), own.text(), consts, &variant.bodies),
    }
}

impl Shaders {
    /// None yet; `opaque` is whether their uniforms are to be.
    pub(super) fn new(opaque: bool) -> Shaders {
        Shaders { opaque, ..Shaders::default() }
    }

    /// Where compiled pipelines are kept from run to run.
    pub(super) fn pipeline_cache(&self) -> &PipelineCache {
        &self.cache
    }

    /// Whether shaders asked for from now on carry checks.
    pub(super) fn set_checks(&self, checks: ShaderChecks) {
        *lock(&self.checks) = checks;
    }

    /// Whether shaders carry checks.
    pub(super) fn checks(&self) -> ShaderChecks {
        *lock(&self.checks)
    }

    /// The specialised shader of a variant, parsed now or earlier.
    fn get(&self, core: &Core, variant: &Variant) -> Result<Arc<Shader>> {
        let own = variant.source.is_some();
        // Only the library's own files are known to need no checks.
        let checks = if own { ShaderChecks::Checked } else { self.checks() };
        // The index into an opaque uniform is the workgroup's place along z.
        let opaque = self.opaque && (!own || variant.groups[2] == 1);
        let mut consts = variant.consts.clone();
        if let Some((iterations, 2..)) = variant.divided(core.max_loop_iterations()) {
            consts.push(("PART", word(iterations)));
        }
        let (shader, source) = (variant.shader, variant.source.clone());
        let key = Key { shader, source, opaque, consts: consts.clone(), bodies: variant.bodies.clone(), checks };
        // The lock is held for the look-up only: several threads may parse at once, but no two the same.
        let slot = Arc::clone(lock(&self.known).entry(key).or_default());
        let parse = || self.parse(variant.file(), text(variant, &consts)?, Reading { checks, opaque, own });
        slot.get_or_init(parse).clone()
    }

    /// The shader of a text that is not one file's, parsed now or earlier.
    pub(super) fn text(&self, stem: &str, text: &str) -> Result<Arc<Shader>> {
        let checks = self.checks();
        let slot = Arc::clone(lock(&self.merged).entry((text.to_owned(), checks)).or_default());
        let reading = Reading { checks, opaque: self.opaque, own: false };
        slot.get_or_init(|| self.parse(stem, text.to_owned(), reading)).clone()
    }

    fn parse(&self, stem: &str, text: String, reading: Reading) -> Result<Arc<Shader>> {
        let Reading { checks, opaque, own } = reading;
        let mut reflected = match (own, opaque) {
            (false, false) => wgsl::reflect(stem, &text)?,
            (false, true) => wgsl::reflect(stem, &opaque_uniforms(&text))?,
            // What is wrong is said of the text as it was written.
            (true, false) => wgsl::reflect_foreign(stem, &text)?,
            (true, true) => {
                let plain = wgsl::reflect_foreign(stem, &text)?;
                wgsl::reflect_foreign(stem, &opaque_uniforms(&text)).unwrap_or(plain)
            }
        };
        let module = checks::parsed(&mut reflected);
        let Reflected { bindings, workgroup_size, workgroup_bytes, subgroup, .. } = reflected;
        let (stem, text, module, compiled) = (stem.into(), text.into(), Mutex::new(Some(module)), OnceLock::new());
        let cache = Arc::clone(&self.cache);
        Ok(Arc::new(Shader { stem, bindings, workgroup_size, workgroup_bytes, text, checks, subgroup, module, compiled, cache }))
    }

    /// Parses what a plan's kernels need, on all cores, so that [`Shaders::choose`] finds it.
    pub(super) fn parse_all(&self, core: &Core, plan: &Plan, force: Option<usize>) {
        // An error comes back when the kernel's turn comes.
        let choose = || plan.dispatches.par_iter().for_each(|dispatch| drop(self.choose(core, &dispatch.kernel, force)));
        threads::install(choose);
    }

    /// The variants of a kernel made for this kind of device and within its limits, by index.
    pub(super) fn candidates(&self, core: &Core, kernel: &Kernel) -> Result<Vec<usize>> {
        let mut fitting = vec![];
        for (index, variant) in kernel.variants.iter().enumerate().filter(|(_, variant)| suits(core, variant)) {
            if self.get(core, variant)?.fits(core, variant) {
                fitting.push(index);
            }
        }
        Ok(fitting)
    }

    /// A certain variant of a kernel, if the device's limits allow it.
    pub(super) fn exactly(&self, core: &Core, kernel: &Kernel, index: usize) -> Result<Option<(usize, Arc<Shader>)>> {
        if !allowed(core, &kernel.variants[index]) {
            return Ok(None);
        }
        let shader = self.get(core, &kernel.variants[index])?;
        Ok(shader.fits(core, &kernel.variants[index]).then_some((index, shader)))
    }

    /// Why no variant of a kernel can run here: each with the limit that it is beyond.
    pub(super) fn misfits(&self, core: &Core, kernel: &Kernel) -> String {
        let why = |variant: &Variant| {
            let reason = match (allowed(core, variant), self.get(core, variant)) {
                (false, _) => Some("no such matrices here".to_owned()),
                (true, Ok(shader)) => shader.misfit(core, variant),
                (true, Err(error)) => Some(error.to_string()),
            };
            format!("{}.wgsl: {}", variant.file(), reason.unwrap_or_else(|| "it fits".to_owned()))
        };
        kernel.variants.iter().map(why).collect::<Vec<_>>().join("; ")
    }

    /// The variant of a kernel to run on this device, by index, and its shader.
    ///
    /// The first one made for this kind of device and within its limits; `None` if none is. `force` picks by index among all that are within the limits.
    pub(super) fn choose(&self, core: &Core, kernel: &Kernel, force: Option<usize>) -> Result<Option<(usize, Arc<Shader>)>> {
        let mut fitting = vec![];
        // Those made for this kind of device come first; the others only if none of them fits.
        for suited in [true, false] {
            for (index, variant) in kernel.variants.iter().enumerate() {
                if (force.is_none() && suits(core, variant) != suited) || !allowed(core, variant) {
                    continue;
                }
                let shader = self.get(core, variant)?;
                if shader.fits(core, variant) {
                    fitting.push((index, shader));
                    if force.is_none_or(|wanted| fitting.len() > wanted) {
                        break;
                    }
                }
            }
            if !fitting.is_empty() {
                break;
            }
        }
        Ok(fitting.pop())
    }
}

/// How a shader is read.
#[derive(Clone, Copy)]
struct Reading {
    checks: ShaderChecks,
    /// Whether its uniforms are made opaque.
    opaque: bool,
    /// Whether it is none of the library's files.
    own: bool,
}

/// A count as a word of a shader; one too large is the largest.
pub(super) fn word(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Whether a variant is made for this kind of device.
fn suits(core: &Core, variant: &Variant) -> bool {
    software_adapters::suits(variant.target, core.software) && allowed(core, variant)
}

/// Whether a variant may run at all: one of cooperative matrices only where they are known to work.
fn allowed(core: &Core, variant: &Variant) -> bool {
    match variant.target {
        Target::Cooperative { side, team } => core.cooperative.allows(side, team),
        _ => true,
    }
}

impl Shader {
    /// Whether the device's limits allow it.
    fn fits(&self, core: &Core, variant: &Variant) -> bool {
        self.misfit(core, variant).is_none()
    }

    /// What of it the device's limits do not allow.
    fn misfit(&self, core: &Core, variant: &Variant) -> Option<String> {
        let limits = &core.limits;
        let buffers = self.used().filter(|b| matches!(b.kind, BindingKind::Input | BindingKind::Output)).count() as u64;
        // As many as there may be: no overflow of what a file declares.
        let invocations = self.workgroup_size.iter().fold(1u64, |all, &size| all.saturating_mul(u64::from(size)));
        let beyond =
            |what: &str, found: u64, most: u64| (found > most).then(|| format!("{found} {what}, the device allows {most}"));
        let along = |what: &str, found: [u32; 3], most: [u32; 3]| {
            let any = found.iter().zip(most).any(|(&found, most)| found > most);
            any.then(|| format!("{found:?} {what} along its axes, the device allows {most:?}"))
        };
        beyond("bytes of workgroup memory", u64::from(self.workgroup_bytes), u64::from(limits.workgroup_bytes))
            .or_else(|| beyond("invocations in a workgroup", invocations, u64::from(limits.invocations)))
            .or_else(|| along("invocations of a workgroup", self.workgroup_size, limits.workgroup_size))
            .or_else(|| along("workgroups", variant.groups, [limits.groups; 3]))
            // Opaque uniforms are found by it.
            .or_else(|| {
                let library = variant.source.is_none() && core.inlines_uniforms && variant.groups[2] != 1;
                library.then(|| format!("{} workgroups along z, expected one", variant.groups[2]))
            })
            .or_else(|| {
                let iterations = variant.loop_iterations.unwrap_or(0) as u64;
                let divided = variant.divided(core.max_loop_iterations());
                beyond("loop iterations", iterations, core.max_loop_iterations() as u64).filter(|_| divided.is_none())
            })
            .or_else(|| beyond("buffers", buffers, u64::from(limits.storage_buffers)))
            .or_else(|| {
                let one = !self.subgroup || invocations == u64::from(limits.subgroup);
                (!one).then(|| {
                    format!("{invocations} invocations in a workgroup, which must be one subgroup of {}", limits.subgroup)
                })
            })
    }

    /// The words of a kernel's params, laid out as this shader's `Params`; none if it has no such uniform.
    pub(super) fn params(&self, kernel: &Kernel) -> Result<Vec<u32>> {
        let Some(binding) = self.bindings.iter().find(|b| b.kind == BindingKind::Params) else { return Ok(vec![]) };
        wgsl::pack(&kernel.params.members, &binding.members, binding.bytes).map_err(|message| fault(&self.stem, message))
    }

    /// The bindings `main` uses.
    pub(super) fn used(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(|b| b.used)
    }

    /// The pipeline, compiled now or earlier.
    pub(super) fn compiled(&self, core: &Core) -> Result<&Compiled> {
        self.compiled.get_or_init(|| self.compile(core)).as_ref().map_err(Error::clone)
    }

    fn compile(&self, core: &Core) -> Result<Compiled> {
        core.check()?;
        let Some(module) = lock(&self.module).take() else {
            return Err(core.fault(format!("shader {} has no module", self.stem)));
        };
        let entries: Vec<_> = self.used().map(layout_entry).collect();
        let device = &core.device;
        let cache = self.cache.open(core);
        let compiled = core.scoped(|| {
            let label = Some(&*self.stem);
            let module = checks::module(device, &self.stem, module, &self.text, self.checks);
            let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
            let bind_group_layouts = &[Some(&layout)];
            let whole =
                device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor { label, bind_group_layouts, immediate_size: 0 });
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label,
                layout: Some(&whole),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    zero_initialize_workgroup_memory: workgroup_zeroing::ZERO,
                    ..Default::default()
                },
                cache: cache.as_ref(),
            });
            Compiled { pipeline, layout }
        });
        let compiled = compiled.map_err(|e| match core.diagnose(e.to_string()) {
            Error::Device { message, .. } => fault(&self.stem, message),
            other => other,
        })?;
        core.check()?;
        add(&core.counters.pipelines, 1);
        self.cache.grew();
        Ok(compiled)
    }
}

fn layout_entry(binding: &Binding) -> wgpu::BindGroupLayoutEntry {
    let ty = match binding.kind {
        BindingKind::Input => wgpu::BufferBindingType::Storage { read_only: true },
        BindingKind::Output => wgpu::BufferBindingType::Storage { read_only: false },
        BindingKind::Params | BindingKind::Scalars => wgpu::BufferBindingType::Uniform,
    };
    wgpu::BindGroupLayoutEntry {
        binding: binding.number,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::gpu;
    use super::*;

    /// What is trusted are the library's own files: WGSL from outside always carries the checks.
    #[test]
    fn wgsl_from_outside_is_never_trusted() {
        let Some(gpu) = gpu() else { return };
        let own = Wgsl::from_text("own", "@compute @workgroup_size(1) fn main() {}");
        let library = Variant::new("elementwise/elements", [1; 3]);
        for checks in [ShaderChecks::Trusted, ShaderChecks::Checked] {
            gpu.set_shader_checks(checks);
            assert_eq!(gpu.shaders.get(&gpu.core, &library).unwrap().checks, checks);
            let own = gpu.shaders.get(&gpu.core, &Variant::source(&own, [1; 3])).unwrap();
            assert_eq!(own.checks, ShaderChecks::Checked);
        }
    }
}
