//! Shader modules with the checks that WGSL asks for, or without them.
//!
//! With them, an index beyond the end of an array, a division by zero and a loop without an end do what WGSL says, at the cost of instructions
//! around each. No kernel of `shaders/` needs them: all are held to the reference on every device with guarded memory, with and without.

pub use crate::gpu_info::ShaderChecks;
use crate::wgsl::Reflected;

/// A shader once it is read: natively what naga makes of it.
#[cfg(not(target_family = "wasm"))]
pub(super) type Parsed = naga::Module;
/// A shader once it is read: in a browser, nothing beside its text.
#[cfg(target_family = "wasm")]
pub(super) type Parsed = ();

/// What there is to keep of a shader that was read. Of a part a kernel may use one function only: the others need not be translated and compiled.
#[cfg(not(target_family = "wasm"))]
pub(super) fn parsed(reflected: &mut Reflected) -> Parsed {
    let mut module = std::mem::take(&mut reflected.module);
    naga::compact::compact(&mut module, naga::compact::KeepUnused::No);
    module
}

/// There is nothing beside its text.
#[cfg(target_family = "wasm")]
pub(super) fn parsed(_reflected: &mut Reflected) -> Parsed {}

/// What wgpu is given of a shader: natively what was parsed already.
#[cfg(not(target_family = "wasm"))]
fn source(mut module: naga::Module, _text: &str, checks: ShaderChecks) -> wgpu::ShaderSource<'_> {
    if checks == ShaderChecks::Trusted {
        add_override(&mut module);
    }
    wgpu::ShaderSource::Naga(std::borrow::Cow::Owned(module))
}

/// A browser is given the text as it is: naga would write it anew, and some numbers in a form that browsers refuse.
#[cfg(target_family = "wasm")]
fn source((): Parsed, text: &str, _checks: ShaderChecks) -> wgpu::ShaderSource<'_> {
    wgpu::ShaderSource::Wgsl(text.into())
}

/// A shader module; one without checks if it is to be trusted.
pub(super) fn module(device: &wgpu::Device, label: &str, module: Parsed, text: &str, checks: ShaderChecks) -> wgpu::ShaderModule {
    let source = source(module, text, checks);
    let descriptor = wgpu::ShaderModuleDescriptor { label: Some(label), source };
    match checks {
        ShaderChecks::Checked => device.create_shader_module(descriptor),
        // SAFETY: the module must index nothing out of bounds, divide no integer by zero and end its loops. Shaders are those of this library
        // only, whose sizes come from checked shapes, and which compare indices that are data with the size of their axis; the tests run every
        // op with guards around its memory, under these checks and without. Buffers stay bounded where the driver's own robust access is on.
        #[allow(unsafe_code)]
        ShaderChecks::Trusted => unsafe {
            device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        },
    }
}

#[cfg(any(test, not(target_family = "wasm")))]
/// Declares an `override` that nobody reads. On Vulkan, wgpu translates a module without one when it is made, and drops the bounds of indices
/// only; the translation that also drops those of loops and divisions, and the zeroing of workgroup memory, waits for the pipeline, for the
/// values of overrides.
fn add_override(module: &mut naga::Module) {
    if !module.overrides.is_empty() {
        return;
    }
    let span = naga::Span::UNDEFINED;
    let ty = module.types.insert(naga::Type { name: None, inner: naga::TypeInner::Scalar(naga::Scalar::U32) }, span);
    let init = Some(module.global_expressions.append(naga::Expression::Literal(naga::Literal::U32(0)), span));
    module.overrides.append(naga::Override { name: Some("unused".to_owned()), id: None, ty, init }, span);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::{chain, fetch_floats, floats, gpu};
    use super::*;

    #[test]
    fn an_override_is_added_once_and_the_module_stays_valid() {
        let text = "@compute @workgroup_size(1) fn main() { for (var i = 0u; i < 3u; i++) {} }";
        let mut module = naga::front::wgsl::parse_str(text).unwrap();
        add_override(&mut module);
        add_override(&mut module);
        assert_eq!(module.overrides.len(), 1);
        use naga::valid::{Capabilities, ValidationFlags, Validator};
        Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).unwrap();
    }

    #[test]
    fn a_device_runs_both_and_compiles_each_once() {
        let Some(gpu) = gpu() else { return };
        let leaves = [gpu.upload(&floats(&[1.0, 2.0])).unwrap(), gpu.upload(&floats(&[10.0, 20.0])).unwrap()];
        for (checks, pipelines) in [(ShaderChecks::Checked, 1), (ShaderChecks::Trusted, 2), (ShaderChecks::Checked, 2)] {
            gpu.set_shader_checks(checks);
            let prepared = gpu.prepare(chain(2)).unwrap();
            let out = gpu.run(&prepared, &leaves, &[], &floats(&[2.0, 3.0])).unwrap();
            assert_eq!(fetch_floats(&gpu, &out[0]), [46.0, 92.0]);
            assert_eq!(gpu.counts().pipelines, pipelines, "{checks:?}");
        }
    }
}
