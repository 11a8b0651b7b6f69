//! Shaders and their pipelines: each specialisation is parsed once and compiled once in a device's life.

use super::checks::{self, ShaderChecks};
use super::core::Core;
use super::counters::add;
use super::pipeline_cache::PipelineCache;
use super::quirks::{software_adapters, workgroup_zeroing};
use crate::error::{Error, Result};
use crate::plan::{Kernel, Plan, Target, Variant};
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
    consts: Vec<(&'static str, u32)>,
    bodies: Vec<(&'static str, String)>,
    checks: ShaderChecks,
}

/// A specialised shader: what it binds, and its pipeline once compiled.
pub(super) struct Shader {
    pub(super) stem: &'static str,
    pub(super) bindings: Vec<Binding>,
    pub(super) workgroup_size: [u32; 3],
    pub(super) workgroup_bytes: u32,
    pub(super) text: Arc<str>,
    checks: ShaderChecks,
    pub(super) subgroup: bool,
    module: Mutex<Option<naga::Module>>,
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
    crate::shaders::source(stem)
        .ok_or_else(|| Error::Shader { shader: stem.to_owned(), message: "there is no such file".to_owned() })
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
        let checks = self.checks();
        let mut consts = variant.consts.clone();
        if let Some((iterations, 2..)) = variant.divided(core.max_loop_iterations()) {
            consts.push(("PART", word(iterations)));
        }
        let key = Key { shader: variant.shader, consts: consts.clone(), bodies: variant.bodies.clone(), checks };
        // The lock is held for the look-up only: several threads may parse at once, but no two the same.
        let slot = Arc::clone(lock(&self.known).entry(key).or_default());
        let parse = || {
            let text = wgsl::specialise(variant.shader, source(variant.shader)?, &consts, &variant.bodies)?;
            self.parse(variant.shader, text, checks)
        };
        slot.get_or_init(parse).clone()
    }

    /// The shader of a text that is not one file's, parsed now or earlier.
    pub(super) fn text(&self, stem: &'static str, text: &str) -> Result<Arc<Shader>> {
        let checks = self.checks();
        let slot = Arc::clone(lock(&self.merged).entry((text.to_owned(), checks)).or_default());
        slot.get_or_init(|| self.parse(stem, text.to_owned(), checks)).clone()
    }

    fn parse(&self, stem: &'static str, text: String, checks: ShaderChecks) -> Result<Arc<Shader>> {
        let reflected = if self.opaque { wgsl::reflect(stem, &opaque_uniforms(&text)) } else { wgsl::reflect(stem, &text) }?;
        let Reflected { bindings, workgroup_size, workgroup_bytes, subgroup, mut module, .. } = reflected;
        // Of a part a kernel may use one function only: the others need not be translated and compiled.
        naga::compact::compact(&mut module, naga::compact::KeepUnused::No);
        let (text, module, compiled) = (text.into(), Mutex::new(Some(module)), OnceLock::new());
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
        let limits = &core.limits;
        let buffers = self.used().filter(|b| matches!(b.kind, BindingKind::Input | BindingKind::Output)).count();
        self.workgroup_bytes <= limits.workgroup_bytes
            && self.workgroup_size.iter().product::<u32>() <= limits.invocations
            && self.workgroup_size.iter().zip(limits.workgroup_size).all(|(&size, most)| size <= most)
            && variant.groups.iter().all(|&groups| groups <= limits.groups)
            // Opaque uniforms are found by it.
            && (!core.inlines_uniforms || variant.groups[2] == 1)
            && variant.divided(core.max_loop_iterations()).is_some()
            && buffers <= limits.storage_buffers as usize
            && (!self.subgroup || self.workgroup_size.iter().product::<u32>() == limits.subgroup)
    }

    /// The words of a kernel's params, laid out as this shader's `Params`; none if it has no such uniform.
    pub(super) fn params(&self, kernel: &Kernel) -> Result<Vec<u32>> {
        let Some(binding) = self.bindings.iter().find(|b| b.kind == BindingKind::Params) else { return Ok(vec![]) };
        wgsl::pack(&kernel.params.members, &binding.members, binding.bytes).map_err(|message| Error::Shader {
            shader: self.stem.to_owned(),
            message: format!("kernel `{}`: {message}", kernel.name),
        })
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
            let label = Some(self.stem);
            let module = checks::module(device, self.stem, module, self.checks);
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
        let compiled = compiled.map_err(|e| core.diagnose(format!("shader {}.wgsl: {e}", self.stem)))?;
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
