//! SPIR-V of a module as wgpu 30 makes it for Vulkan.
//!
//! What is matched, from `wgpu-hal`'s `vulkan/adapter.rs` and `vulkan/device.rs`, for a device opened as this library opens it (no features but what
//! the adapter offers of timestamps, pipeline caches, subgroups of one size and cooperative matrices; no debug flags):
//! - the version of SPIR-V follows the driver's version of Vulkan; labels of varyings and the point size are written, debug names are not;
//! - indices into arrays are clamped (`Restrict`); those into buffers are left to the driver where it has `robustBufferAccess2`, else clamped too;
//! - loops are bounded and integer divisions guarded, unless checks are switched off, which takes away all of these;
//! - workgroup memory is not set to zero, because the library asks for pipelines without that (`gpu/quirks/workgroup_zeroing`);
//! - each entry point is translated by itself (`SEPARATE_ENTRY_POINTS` is always set), so overrides are evaluated first (no module has any);
//! - bindings are numbered anew, in the order of the layout: those that `main` uses, by number;
//! - what `main` does not use is left out, which the library does itself (`gpu/pipelines`).

use anyhow::{Context, Result};
use naga::back::spv::{self, Capability, WriterFlags, ZeroInitializeWorkgroupMemoryMode};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use steepest::wgsl::{BindingKind, reflect};

/// What of a driver decides how a module is translated.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Version of Vulkan: 1.3 is (1, 3).
    pub vulkan: (u32, u32),
    /// Whether the driver keeps accesses of buffers within bounds by itself.
    pub robust_buffers: bool,
    /// Whether it has products of packed bytes, and bytes.
    pub dot_products: bool,
    pub bytes: bool,
    /// Whether it has cooperative matrices, and with them f16 arithmetic.
    pub cooperative: bool,
    /// Whether modules carry WGSL's checks.
    pub checked: bool,
}

/// A module for a driver.
pub struct Translated {
    pub spirv: Vec<u32>,
    /// Whether each binding of the layout is a uniform; else it is a storage buffer.
    pub uniforms: Vec<bool>,
    /// Invocations of a workgroup.
    pub invocations: u32,
}

/// Translates a module.
pub fn translate(name: &str, text: &str, target: Target) -> Result<Translated> {
    let shader = reflect(name, text)?;
    let used: Vec<_> = shader.bindings.iter().filter(|binding| binding.used).collect();
    let mut options = options(target);
    for (place, binding) in used.iter().enumerate() {
        let resource = naga::ResourceBinding { group: 0, binding: binding.number };
        let info = spv::BindingInfo { descriptor_set: 0, binding: place as u32, binding_array_size: None };
        options.binding_map.insert(resource, info);
    }
    let mut module = shader.module.clone();
    naga::compact::compact(&mut module, naga::compact::KeepUnused::No);
    let all = naga::valid::Capabilities::all();
    let info = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), all)
        .validate(&module)
        .map_err(|error| anyhow::anyhow!("{name}: {}", error.into_inner()))?;
    let pipeline = spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: "main".to_owned() };
    let spirv = spv::write_vec(&module, &info, &options, Some(&pipeline)).with_context(|| format!("SPIR-V of {name}"))?;
    let uniforms = used.iter().map(|b| matches!(b.kind, BindingKind::Params | BindingKind::Scalars)).collect();
    Ok(Translated { spirv, uniforms, invocations: shader.invocations() })
}

fn options(target: Target) -> spv::Options<'static> {
    let (index, buffer) = match (target.checked, target.robust_buffers) {
        (false, _) => (BoundsCheckPolicy::Unchecked, BoundsCheckPolicy::Unchecked),
        (true, true) => (BoundsCheckPolicy::Restrict, BoundsCheckPolicy::Unchecked),
        (true, false) => (BoundsCheckPolicy::Restrict, BoundsCheckPolicy::Restrict),
    };
    let lang_version = match target.vulkan {
        (1, 0) => (1, 0),
        (1, 1) => (1, 3),
        (1, 2) => (1, 5),
        _ => (1, 6),
    };
    spv::Options {
        lang_version,
        flags: WriterFlags::LABEL_VARYINGS | WriterFlags::FORCE_POINT_SIZE,
        fake_missing_bindings: false,
        binding_map: spv::BindingMap::default(),
        capabilities: Some(capabilities(target).into_iter().collect()),
        bounds_check_policies: BoundsCheckPolicies {
            index,
            buffer,
            image_load: BoundsCheckPolicy::Unchecked,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        zero_initialize_workgroup_memory: ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: target.checked,
        ray_query_initialization_tracking: target.checked,
        trace_ray_argument_validation: true,
        use_storage_input_output_16: false,
        debug_info: None,
        task_dispatch_limits: None,
        mesh_shader_primitive_indices_clamp: target.checked,
        emit_int_div_checks: target.checked,
    }
}

/// What wgpu allows the writer to use on any adapter, and what it adds for features. Subgroups are in, so that kernels which need them are
/// translated where a driver without them is asked too.
fn capabilities(target: Target) -> Vec<Capability> {
    let mut found = vec![
        Capability::Shader,
        Capability::Matrix,
        Capability::Sampled1D,
        Capability::Image1D,
        Capability::ImageQuery,
        Capability::DerivativeControl,
        Capability::StorageImageExtendedFormats,
        Capability::GroupNonUniform,
        Capability::GroupNonUniformVote,
        Capability::GroupNonUniformArithmetic,
        Capability::GroupNonUniformBallot,
        Capability::GroupNonUniformShuffle,
        Capability::GroupNonUniformShuffleRelative,
        Capability::GroupNonUniformQuad,
    ];
    if target.cooperative {
        found.extend([Capability::Float16, Capability::CooperativeMatrixKHR, Capability::VulkanMemoryModel]);
    }
    if target.dot_products {
        found.extend([
            Capability::DotProductInputAllKHR,
            Capability::DotProductInput4x8BitKHR,
            Capability::DotProductInput4x8BitPackedKHR,
            Capability::DotProductKHR,
        ]);
    }
    if target.bytes {
        found.push(Capability::Int8);
    }
    found
}
